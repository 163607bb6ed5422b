"""A region whose service also listens on a loopback port, so that schools reach it by their commands."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest
from werkzeug.serving import make_server

from consent.db import open_engine
from crypto.checkpoint import print_verifier
from crypto.encoding import parse
from crypto.keyfile import (
    KeyFile,
    PublicIdentity,
    parse_private,
    print_identity,
    print_identity_public,
    print_private,
    print_public,
)
from crypto.statements import LIMIT
from handover.app import create_app
from tests.conftest import Databases
from tests.handover.samples import PASSPHRASE, PDF, Desk, Ran, document, dossier_json, written
from tests.handover.story import VO, Story
from tests.region import LOG, Child

ASKED = ("okr", "opp", "reports")


class Live:
    """A story with a port, and a desk per school with its key file and settings."""

    def __init__(self, story: Story, origin: str, folder: Path) -> None:
        self.story, self.origin, self.folder = story, origin, folder
        region = story.region
        root = print_identity_public(PublicIdentity("root", region.root.public)).decode()
        logs = [print_verifier(f"{LOG}/{name}", region.parts.log_key.public) for name in ("keys", "journal")]
        (folder / "trust").write_text("\n".join([root, *logs]) + "\n")

    def desk(self, code: str) -> Desk:
        """Give a school a folder with `s.key`, `s.pub` and its board's `identity`."""
        school = self.story.region.schools[code]
        own = self.folder / code
        own.mkdir()
        said = tuple(parse(leaf, limit=LIMIT) for leaves in school.leaves.values() for leaf in leaves)
        made = KeyFile(code, school.keys.seal, school.keys.sign, school.keys.request, said)
        (own / "s.key").write_bytes(print_private(made, PASSPHRASE))
        (own / "s.pub").write_bytes(print_public(made.public))
        (own / "identity").write_bytes(print_identity(school.board.identity, PASSPHRASE))
        return Desk(own)

    def call(self, desk: Desk, *words: str | Path, keyfile: str = "s.key") -> Ran:
        """Run a command that talks to the service."""
        more = ("--origin", self.origin, "--keyfile", keyfile, "--staff", "s-1", "--role", "internal_supervisor")
        return desk.call(*words, *more, "--root", self.folder / "trust", "--state", desk.path("state"))

    def sent(self, desk: Desk, sender: str, to: Path, number: str, *more: str) -> tuple[Child, str]:
        """Bring a transfer to where everybody said yes, and pack and send `NUMBER.json` by command."""
        region = self.story.region
        child = region.pupil(sender, number=number)
        transfer = region.transfer(child, sender, VO, sections=ASKED)
        for person in child.persons:
            region.answer(region.invite(sender, transfer, person), okr="yes", opp="yes", reports="no")
        report = document("reports", f"verslag-{number}.pdf", "application/pdf", PDF)
        written(desk.path(f"{number}.json"), dossier_json(documents=[report]))
        what = ("--transfer", transfer, "--purpose", "placement", "--route", "POVO", "--sections", ",".join(ASKED))
        files = ("--from", "s.key", "--to", to, "--out", transfer, "--shares", "shares.json")
        packed = desk.call("pack", f"{number}.json", *what, *files, *more)
        assert packed.code == 0, packed.err
        ran = self.call(desk, "send", transfer, transfer, "--shares", "shares.json")
        assert ran.code == 0, ran.err
        desk.path(transfer).unlink()
        return child, transfer

    def rotate(self, code: str) -> None:
        """Let a school publish new keys, as it would after losing the old ones."""
        self.story.region.schools[code].keys = KeyFile.generate(code)
        self.story.region.publish(code, "sign", "seal", "request")

    def take_keys(self, code: str, desk: Desk, name: str) -> None:
        """Let the rest of the story use the keys that a command made for a school."""
        self.story.region.schools[code].keys = parse_private(desk.path(name).read_bytes(), PASSPHRASE)


@contextmanager
def listening(databases: Databases, folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Live]:
    """Run a region's service on a port of its own until the block ends."""
    server = make_server("127.0.0.1", 0, lambda *_: iter(()), threaded=True)  # type: ignore[arg-type]
    origin = f"http://127.0.0.1:{server.server_port}"
    patch.setattr("tests.region.ORIGIN", origin)
    service = folder / "service"
    service.mkdir()
    story = Story(databases, service)
    server.app = create_app(story.region.parts)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield Live(story, origin, folder)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def copied(templates: dict[str, Path], folder: Path) -> Iterator[Databases]:
    """Give a fresh pair of databases on SQLite in a folder, for as long as the block takes."""
    files = {which: folder / f"{which}.sqlite" for which in templates}
    for which, template in templates.items():
        shutil.copyfile(template, files[which])
    main, keys = (open_engine(f"sqlite:///{files[which]}") for which in ("main", "keys"))
    yield Databases("sqlite", f"sqlite:///{files['main']}", f"sqlite:///{files['keys']}", main, keys)
    main.dispose()
    keys.dispose()
