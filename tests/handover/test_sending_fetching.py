"""A bundle on its way through a simulated service: what the sender refuses to send, and the receiver to take."""

import json
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import pytest

from consent.terms import Section
from crypto.bundle import Reader, write_container
from crypto.checkpoint import Checkpoint, Receipt, print_checkpoint, print_receipt
from crypto.encoding import JSON, b64, canon
from crypto.errors import BundleAltered, CheckpointRefused, CryptoError, ShareRefused, TargetExists
from crypto.keyfile import KeyFile
from crypto.keys import SignKey
from crypto.merkle import Frontier, leaf_hash
from crypto.shares import parse_shares, print_shares
from crypto.sign import sign
from handover.client import RELEASE, Client, ServiceFailed, ServiceRefused, Staff
from handover.directory import Directory, DirectoryRefused
from handover.dossier import from_json
from handover.fetching import FetchingRefused, fetch
from handover.opening import OpenedFolder
from handover.packing import EVERYTHING, Order, pack
from handover.receipts import ReceiptRefused
from handover.roles import Role
from handover.sending import SendingRefused, send
from handover.versions import VersionsRefused, choose
from tests.handover.loopback import Answer, Asked, Service, as_json, problem, service
from tests.handover.region import LOG, RECEIVER, SENDER, Region
from tests.handover.samples import dossier_json

STAFF = Staff("s-1", Role.INTERNAL_SUPERVISOR)
ASKED = ["okr", "opp", "reports"]
LEAF = bytes(98)


def now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Way:
    """A sender, a receiver, and a service that releases what a test tells it to."""

    folder: Path
    service: Service
    region: Region
    granted: set[str] = field(default_factory=lambda: {"okr", "opp"})
    transfer: dict[str, JSON] = field(
        default_factory=lambda: {
            "transfer": "t-1",
            "side": "sender",
            "receiver": RECEIVER,
            "purpose": "placement",
            "route": "POVO",
            "sections": list(ASKED),
        }
    )
    container: bytes = b""
    shares: dict[str, bytes] = field(default_factory=dict)
    bend: Callable[[dict[str, JSON]], None] = lambda head: None
    wrong_section: str | None = None
    compared: set[Checkpoint] = field(default_factory=set)

    @property
    def directory(self) -> Directory:
        return Directory(self.region.replayed(), tuple(self.region.leaves))

    def client(self, school: str) -> Client:
        return Client(self.service.origin, self.region.schools[school], STAFF)

    def pack(self, name: str = "x", only: frozenset[Section] = EVERYTHING, order: Order | None = None) -> None:
        pack(
            from_json(dossier_json()),
            (),
            keyfile=self.folder / "a.key",
            sender=self.region.schools[SENDER],
            recipient=self.region.schools[RECEIVER].public,
            epoch=1,
            out=self.folder / name,
            shares=self.folder / f"{name}.json",
            now=now(),
            order=order or Order("t-1", "placement", "POVO"),
            only=only,
        )

    def send(self, name: str = "x", directory: Directory | None = None) -> dict[str, JSON]:
        with self.client(SENDER) as client:
            keyfile, bundle = self.folder / "a.key", self.folder / name
            shares = self.folder / f"{name}.json"
            return send(client, directory or self.directory, "t-1", bundle, shares, keyfile=keyfile, now=now())

    def fetch(self, *sections: Section) -> OpenedFolder:
        with self.client(RECEIVER) as client:
            names, out = sections or tuple(Section), self.folder / "out"
            return fetch(client, self.directory, self.region.trust, "t-1", names, out, self.compared.update)

    def answer(self, asked: Asked) -> Answer:
        assert asked.staff is not None, "every request is signed"
        if asked.path.endswith("/bundles"):
            size = int.from_bytes(asked.body[:4], "big")
            self.shares = dict(parse_shares(asked.body[4 : 4 + size]).shares)
            self.container = asked.body[4 + size :]
            return as_json({"bundle": b64(Reader(BytesIO(self.container)).manifest.core.bundle), "told": 0})
        if asked.path.endswith("/release"):
            return self.release(asked)
        return as_json(self.transfer)

    def release(self, asked: Asked) -> Answer:
        assert isinstance(asked.json, dict)
        [section] = asked.json["sections"]  # type: ignore[misc]
        if section not in self.granted:
            return problem(403, "NOT_AUTHORISED", "Not authorised.")
        reader = Reader(BytesIO(self.container))
        raw = {name: b"".join(pieces) for name, pieces in reader.sections()}
        bundle = b64(reader.manifest.core.bundle)
        head: dict[str, JSON] = {
            "v": 1,
            "transfer": "t-1",
            "bundle": bundle,
            "shares": {section: b64(self.shares[section])},
            "receipt": self.receipt(bundle, section),
        }
        self.bend(head)
        there = self.wrong_section or section
        body = b"".join(write_container(reader.manifest_bytes, reader.signatures, {there: [raw[there]]}))
        printed = json.dumps(head).encode()
        return Answer(body=len(printed).to_bytes(4, "big") + printed + body, media_type=RELEASE)

    def receipt(self, bundle: str, section: str, key: SignKey | None = None) -> JSON:
        frontier = Frontier()
        frontier.append(leaf_hash(LEAF))
        signer = key or self.region.log_key
        note = print_checkpoint(Checkpoint(f"{LOG}/journal", 1, frontier.root()), signer)
        said: dict[str, JSON] = {"v": 1, "transfer": "t-1", "bundle": bundle, "sections": [section], "index": 0}
        said["leaf"] = b64(LEAF)
        proof = print_receipt(Receipt(0, (), note)).decode()
        return {"statement": said, "signature": b64(sign(signer, "receipt", canon(said))), "proof": proof}

    def left(self) -> set[str]:
        return {path.name for path in self.folder.iterdir()}


@pytest.fixture
def way(tmp_path: Path) -> Iterator[Way]:
    # The client's own signatures follow the real clock, so the keys must be valid by it.
    region = Region.founded(now() - timedelta(hours=1))
    (tmp_path / "a.key").touch()
    known = {keys.request.kid: keys.request.public for keys in region.schools.values()}
    with service(known) as running:
        made = Way(tmp_path, running, region)
        running.answer = made.answer
        yield made


def sent(way: Way) -> Way:
    way.pack()
    way.send()
    return way


def test_a_bundle_is_sent_once_and_its_shares_are_gone_after_the_acknowledgement(way: Way) -> None:
    way.pack()
    answer = way.send()
    assert way.left() == {"a.key", "a.key.versions", "x"}
    assert way.container == (way.folder / "x").read_bytes()
    assert choose(way.folder / "a.key", "t-1", {}).supersedes == Reader(BytesIO(way.container)).manifest.core.bundle
    [upload] = [asked for asked in way.service.asked if asked.method == "POST"]
    assert upload.headers["idempotency-key"] == f'"send-{answer["bundle"]}"'


@pytest.mark.parametrize("name", ["receiver", "purpose", "route", "side"])
def test_a_bundle_for_another_transfer_is_not_sent(way: Way, name: str) -> None:
    """B3"""
    way.pack()
    way.transfer[name] = "other"
    with pytest.raises(SendingRefused, match=name):
        way.send()
    assert way.container == b""
    assert "x.json" in way.left()


@pytest.mark.parametrize(
    ("asked", "says"),
    [(["okr", "opp"], "reports is extra"), ([*ASKED, "lvs"], "lvs is empty"), ([], "okr is extra"), (None, "okr")],
)
def test_only_exactly_the_sections_that_were_asked_for_are_sent(way: Way, asked: JSON, says: str) -> None:
    way.pack()
    way.transfer["sections"] = asked
    with pytest.raises(SendingRefused, match=says):
        way.send()
    assert way.container == b""


def test_views_may_travel_though_nobody_asked_for_them(way: Way) -> None:
    way.transfer["sections"] = [*ASKED, "views"]
    way.pack(only=frozenset({Section.OKR, Section.OPP, Section.REPORTS}))
    way.send()
    assert way.container


def test_a_bundle_to_a_key_that_is_no_longer_current_is_not_sent(way: Way) -> None:
    """C1, C4: a swapped key and a rotated one look the same from here."""
    way.pack()
    way.region.publish(KeyFile.generate(RECEIVER), now())
    with pytest.raises(SendingRefused, match="current key"):
        way.send()
    assert way.container == b""


def test_shares_of_another_bundle_or_not_all_of_them_are_not_sent(way: Way) -> None:
    way.pack()
    way.pack("y")
    mine, others = (parse_shares((way.folder / name).read_bytes()) for name in ("x.json", "y.json"))
    fewer = {name: share for name, share in mine.shares.items() if name != "okr"}
    for bad in (others, replace(mine, shares=fewer), replace(mine, shares=others.shares)):
        (way.folder / "x.json").write_bytes(print_shares(bad))
        with pytest.raises(ShareRefused):
            way.send()
    assert way.container == b""


def test_a_bundle_that_was_packed_elsewhere_is_not_sent(way: Way) -> None:
    way.pack()
    (way.folder / "a.key.versions").unlink()
    with pytest.raises(VersionsRefused):
        way.send()


def test_the_shares_are_kept_where_the_service_says_no(way: Way) -> None:
    way.pack()
    way.service.answer = lambda asked: (
        problem(409, "CANCELLED", "Cancelled.") if asked.method == "POST" else way.answer(asked)
    )
    with pytest.raises(ServiceRefused, match="CANCELLED"):
        way.send()
    way.service.answer = lambda asked: as_json({"bundle": "x"}) if asked.method == "POST" else way.answer(asked)
    with pytest.raises(SendingRefused, match="another bundle"):
        way.send()
    assert "x.json" in way.left()


def test_what_is_released_is_fetched_section_by_section_and_opened(way: Way) -> None:
    sent(way).service.asked.clear()
    opened = way.fetch()
    assert [asked.json for asked in way.service.asked] == [{"sections": [name]} for name in Section]
    assert opened.sections == ("okr", "opp")
    out = way.folder / "out"
    assert {path.name for path in out.iterdir()} == {"bundle", "shares.json", "receipts", "dossier"}
    assert {path.name for path in (out / "receipts").iterdir()} == {"okr.json", "opp.json"}
    assert {path.name for path in (out / "dossier").iterdir()} == {"dossier.json", "index.html"}
    modes = {stat.S_IMODE(path.stat().st_mode) for path in out.rglob("*") if path.is_file()}
    assert modes == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (out, *out.rglob("*")) if path.is_dir()} == {0o700}


def test_only_the_sections_named_are_asked_for(way: Way) -> None:
    sent(way).service.asked.clear()
    assert way.fetch(Section.OPP).sections == ("opp",)
    assert len(way.service.asked) == 1


def refused(way: Way, *errors: type[Exception]) -> str:
    before = way.left()
    with pytest.raises(errors) as raised:
        way.fetch()
    assert way.left() == before, "a refused fetch leaves nothing"
    return str(raised.value)


def test_nothing_released_is_told_and_leaves_nothing(way: Way) -> None:
    sent(way).granted.clear()
    assert "nothing was released" in refused(way, FetchingRefused)


@pytest.mark.parametrize(
    ("name", "value"),
    [("v", 2), ("transfer", "t-2"), ("bundle", 1), ("shares", {}), ("shares", {"okr": "x"}), ("more", 1)],
)
def test_a_release_of_another_form_is_refused(way: Way, name: str, value: JSON) -> None:
    sent(way).bend = lambda head: head.update({name: value})
    refused(way, ServiceFailed)


def test_a_release_without_a_receipt_that_holds_is_refused(way: Way) -> None:
    stranger = SignKey.generate("journal")
    receipts: list[JSON] = [
        None,
        sent(way).receipt("other", "okr"),
        way.receipt(b64(Reader(BytesIO(way.container)).manifest.core.bundle), "okr", stranger),
    ]
    for receipt in receipts:
        way.bend = lambda head, receipt=receipt: head.update({"receipt": receipt})  # type: ignore[misc]
        refused(way, ReceiptRefused, CheckpointRefused, CryptoError)


def test_another_section_than_the_one_asked_for_is_refused(way: Way) -> None:
    sent(way).wrong_section = "lvs"
    way.granted = {"okr"}
    assert "wasn't asked for" in refused(way, BundleAltered)


def test_a_share_that_is_not_the_bundles_is_refused(way: Way) -> None:
    sent(way).bend = lambda head: head.update({"shares": {next(iter(head["shares"])): b64(bytes(32))}})  # type: ignore[arg-type,call-overload]
    refused(way, ShareRefused)


def test_a_newer_version_in_between_is_told(way: Way) -> None:
    sent(way)
    old = (way.container, way.shares)
    way.pack("y")
    way.send("y")
    newer = (way.container, way.shares)

    def change(asked: Asked) -> Answer:
        way.container, way.shares = old if b'"okr"' in asked.body else newer
        return way.answer(asked)

    way.service.answer = change
    assert "newer version" in refused(way, FetchingRefused)


def test_a_bundle_signed_by_a_key_that_is_not_the_senders_is_refused(way: Way) -> None:
    """B7"""
    sent(way)
    way.region.leaves = way.region.leaves[:1]
    way.region.schools.pop(SENDER)
    way.region.publish(KeyFile.generate(SENDER))
    refused(way, DirectoryRefused)


def test_an_existing_folder_is_never_fetched_into(way: Way) -> None:
    sent(way)
    (way.folder / "out").mkdir()
    way.service.asked.clear()
    refused(way, TargetExists)
    assert way.service.asked == []


def test_the_receipts_checkpoints_are_compared_before_anything_is_opened(way: Way) -> None:
    """C3"""
    way.pack()
    way.send()
    way.fetch()
    assert [checkpoint.size for checkpoint in way.compared] == [1]
    before = way.left()

    def refuse(checkpoints: set[Checkpoint]) -> None:
        raise ReceiptRefused(f"another journal of {[checkpoint.size for checkpoint in checkpoints]}")

    with way.client(RECEIVER) as client, pytest.raises(ReceiptRefused, match=r"another journal of \[1\]"):
        fetch(client, way.directory, way.region.trust, "t-1", tuple(Section), way.folder / "again", refuse)
    assert way.left() == before
