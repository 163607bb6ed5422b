"""A service as it stands on a disk, and everybody who might notice that it isn't what it was."""

import re
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Thread

from flask import Flask
from sqlalchemy import Engine, select
from structlog.testing import capture_logs
from werkzeug.serving import make_server
from werkzeug.test import TestResponse

from consent.db import open_engine, reading
from consent.errors import ConsentError
from consent.journal import Journal
from consent.keystore import KeyStore
from consent.ledger import Ledger
from consent.tables import JournalLookup
from consent.terms import Section
from consent.verify import verify_export
from crypto.errors import CryptoError
from handover.accesslog import Did
from handover.app import recover
from handover.blobs import Blobs
from handover.client import Client, PublicClient
from handover.directory import refresh
from handover.errors import HandoverError
from handover.fetching import FetchingRefused, fetch
from handover.following import compare, follow
from handover.parts import Parts, assemble
from handover.register import Register
from handover.settings import Settings
from handover.trust import Trust
from handover.witness import Refused, check
from tests.region import LOG, ORIGIN, Region, now

NAME = f"{LOG}/journal"
OPEN, WITHDRAWN = "okr", "lvs"


@dataclass(frozen=True)
class House:
    """A service's two databases, keys and ciphertext in one folder, beside what others keep elsewhere."""

    region: Region
    settings: Settings
    main: Engine
    keys: Engine
    elsewhere: Path
    origin: str

    def enter(self, origin: str = ORIGIN) -> Parts:
        """Let the service's one application work on this house, under this address."""
        parts = replace(self.parts, settings=replace(self.settings, origin=origin))
        self.region.app.extensions["handover"] = parts
        return parts

    @property
    def parts(self) -> Parts:
        """The service as it runs on: nothing is looked at again, as a start would."""
        keystore, key = KeyStore(self.keys, self.settings.keys / "epochs"), self.region.parts.log_key
        journal = Journal(self.main, keystore, key, NAME, now)
        blobs, register = Blobs(self.settings.blobs), Register(self.settings.root)
        return Parts(self.settings, self.main, keystore, journal, Ledger(journal), blobs, key, now, register)


def house_at(region: Region, folder: Path, elsewhere: Path, home: Path, origin: str) -> House:
    """Make a place where copies of a service can stand, one after the other; the first one does."""
    move_in(folder, elsewhere, home)
    settings = replace(
        region.settings,
        home=home,
        database_url=f"sqlite:///{home / 'main'}.sqlite",
        keystore_url=f"sqlite:///{home / 'keys'}.sqlite",
        keys=home / "keys",
        blobs=str(home / "bundles"),
        outbox=home / "outbox",
    )
    main, keys = open_engine(settings.database_url), open_engine(settings.keystore_url)
    return House(region, settings, main, keys, home / "elsewhere", origin)


def move_in(folder: Path, elsewhere: Path, home: Path) -> None:
    """Copy a service that nobody has open, and what schools and a witness keep of it."""
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(folder, home)
    shutil.copytree(elsewhere, home / "elsewhere")


# Who looks. Each says what it found, or None.


def start(house: House) -> str | None:
    """The next start of the service: it refuses, or goes on and names what it found in its log."""
    with capture_logs() as said:
        try:
            with closing(assemble(house.settings)) as parts:
                recover(parts)
        except (ConsentError, HandoverError, CryptoError) as refused:
            return str(getattr(refused, "reason", "")) or type(refused).__name__
    errors = [f"{line['event']} {line['where']}" for line in said if line["log_level"] == "error"]
    return re.sub(r"\d+", "N", "; ".join(errors)) or None


def gate(house: House, receiver: str, transfer: str) -> str | None:
    """The release rule, asked for the section that may go."""
    response = ask(house, receiver, transfer, OPEN)
    return None if response.status_code == 200 else _why(house, response)


def ask(house: House, receiver: str, transfer: str, section: str) -> TestResponse:
    """Ask for a section, as the receiver does. A refusal holds nothing of any share."""
    house.enter()
    response = house.region.release(receiver, transfer, section)
    response.get_data()
    assert response.status_code == 200 or response.is_json
    return response


def _why(house: House, response: TestResponse) -> str:
    code = str(response.get_json()["code"])
    if code != "NOT_AUTHORISED":
        return f"{response.status_code} {code}"
    of_releases = select(JournalLookup.outcome).where(JournalLookup.type == int(Did.RELEASE))
    with reading(house.main) as session:
        return session.scalars(of_releases.order_by(JournalLookup.index.desc())).first() or ""


def verifier(house: House, outside: bytes) -> str | None:
    """The offline verifier of an export, with the log's key and a checkpoint that left the house."""
    path = house.elsewhere / "export.jsonl"
    try:
        with path.open("wb") as out:
            house.parts.journal.export(out)
    except ConsentError as refused:
        return type(refused).__name__
    report = verify_export(path, house.region.parts.log_key.public, outside)
    return None if report else re.sub(r"\d+", "N", report.findings[0].what)


def board_side(house: House, board: str, outside: bytes | None = None) -> list[str]:
    """The offline verifier of one board's export."""
    path = house.elsewhere / f"{board}.jsonl"
    with path.open("wb") as out:
        house.parts.journal.export(out, board)
    return [str(one) for one in verify_export(path, house.region.parts.log_key.public, outside).findings]


def client(house: House, talks: Client, transfer: str) -> str | None:
    """The receiver's own client: key log, journal, receipt, bundle. That nothing was released is the gate's doing."""
    trust, state = trust_of(house.region), house.elsewhere / "school"
    house.enter(house.origin)
    try:
        follow(talks, trust, state)
        directory = refresh(talks, trust, state)
        out = house.elsewhere / "fetched"
        fetch(talks, directory, trust, transfer, [Section.OKR], out, partial(compare, talks, trust, state))
    except FetchingRefused:
        return None
    except (HandoverError, CryptoError) as refused:
        return _code(refused)
    return None


def witness(house: House, talks: PublicClient) -> str | None:
    """The FG's witness."""
    house.enter(house.origin)
    try:
        looked = check(talks, house.elsewhere / "fg", int(now().timestamp()))
    except (HandoverError, CryptoError) as refused:
        return _code(refused)
    return str(looked.decided.reason) if isinstance(looked.decided, Refused) else None


def _code(refused: Exception) -> str:
    """Name a refusal: the service's own code, or what the school's side calls it."""
    return str(getattr(refused, "code", "")) or type(refused).__name__


def trust_of(region: Region) -> Trust:
    """Give whom schools believe."""
    return Trust(region.root.public, dict.fromkeys((NAME, f"{LOG}/keys"), region.parts.log_key.public))


@contextmanager
def listening(app: Flask) -> Iterator[str]:
    """Run an application on a loopback port; gives its address."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
