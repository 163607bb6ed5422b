"""`handover reseal`: what it seals again, what it asks for, and what it never does by itself."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from crypto.checkpoint import print_verifier
from crypto.keyfile import KeyFile, PublicIdentity, parse_private, print_identity_public, print_private
from handover.client import Client, Staff
from handover.directory import refresh
from handover.dossier import load
from handover.resealing import find, seal_again, size, workplace
from handover.roles import Role
from handover.trust import read_trust
from handover.versions import source_of
from handover.worklist import heard
from tests.handover.live import Live, copied, listening
from tests.handover.loopback import Answer, Asked, as_json, service
from tests.handover.region import LOG, RECEIVER, SENDER, Region
from tests.handover.samples import PASSPHRASE, Desk, Ran, dossier_json, written
from tests.handover.story import PO, VO
from tests.region import Child, expect


@dataclass
class Sender:
    """A school that sent dossiers to a receiver which then lost its keys."""

    live: Live
    desk: Desk
    count: int = 0

    def sent(self, *more: str) -> str:
        return self.sent_with_child(*more)[1]

    def sent_with_child(self, *more: str) -> tuple[Child, str]:
        self.count += 1
        self.desk.path(f"{self.count}.json").unlink(missing_ok=True)
        public = self.desk.path("receiver.pub")
        public.unlink(missing_ok=True)
        where = ("--origin", self.live.origin, "--root", self.live.folder / "trust", "--state", self.desk.path("state"))
        got = self.desk.call("key", "get", VO, *where, "--out", public)
        assert got.code == 0, got.err
        return self.live.sent(self.desk, PO, public, str(self.count), *more)

    def file(self) -> Path:
        """The dossier that was packed last."""
        return self.desk.path(f"{self.count}.json")

    def reseal(self, *words: str | Path) -> Ran:
        return self.live.call(self.desk, "reseal", *words)

    def row(self, transfer: str) -> dict[str, object]:
        return self.live.story.region.show(PO, transfer)

    def untouched(self, transfer: str) -> None:
        """Check that the service still has the bundle to the old key."""
        assert self.row(transfer)["seal_again"] is True


@pytest.fixture(scope="module")
def sender(sqlite_templates: dict[str, Path], scratch: Path) -> Iterator[Sender]:
    folder = Path(tempfile.mkdtemp(dir=scratch))
    with (
        copied(sqlite_templates, folder) as databases,
        pytest.MonkeyPatch.context() as patch,
        listening(databases, folder, patch) as live,
    ):
        yield Sender(live, live.desk(PO))
    shutil.rmtree(folder)


def test_a_named_transfer_is_sealed_again_and_no_other(sender: Sender) -> None:
    """C4"""
    one, other = sender.sent(), sender.sent()
    before = sender.row(one)["bundle"]
    sender.live.rotate(VO)
    ran = sender.reseal(one)
    assert (ran.code, ran.err) == (0, "")
    after = sender.row(one)["bundle"]
    assert isinstance(before, dict)
    assert isinstance(after, dict)
    assert ran.out == f"{one}  sealed again  {after['bundle']}\n"
    assert after["bundle"] != before["bundle"]
    assert {name for name in after["versions"] if after["versions"][name] == before["versions"][name]} == {
        "okr", "opp", "lvs", "attendance", "support"
    }  # fmt: skip
    assert sender.row(one)["seal_again"] is False
    sender.untouched(other)
    assert not list(sender.desk.path("state").rglob("*.shares"))


def test_what_is_not_waiting_is_told(sender: Sender) -> None:
    transfer = sender.sent()
    ran = sender.reseal(transfer, "none")
    assert ran.code == 2
    assert ran.out == "nothing was sealed again\n"
    assert ran.err == f"handover: {transfer}: nothing to seal again\nhandover: none: nothing to seal again\n"


@pytest.mark.parametrize("words", [(), ("--all", "t-1")])
def test_either_all_or_names_are_given(sender: Sender, words: tuple[str, ...]) -> None:
    ran = sender.reseal(*words)
    assert (ran.code, ran.out) == (2, "")
    assert "name transfers, or say --all" in ran.err


def test_without_a_place_for_the_replica_nothing_is_done(sender: Sender) -> None:
    settings = ("--origin", sender.live.origin, "--keyfile", "s.key", "--staff", "s-1", "--role", "principal")
    ran = sender.desk.call("reseal", "--all", *settings)
    assert (ran.code, ran.out) == (2, "")
    assert "HANDOVER_STATE" in ran.err


def test_a_changed_file_is_named_and_sealed_only_when_that_is_said(sender: Sender) -> None:
    transfer = sender.sent()
    sender.live.rotate(VO)
    written(sender.file(), dossier_json(route="POVO", kept=[]))
    ran = sender.reseal(transfer)
    assert ran.code == 2
    assert f"{transfer}: {sender.file().name}: changed since it was packed" in ran.err
    sender.untouched(transfer)
    ran = sender.reseal(transfer, "--changed")
    assert ran.code == 0, ran.err
    sender.live.rotate(VO)
    assert sender.reseal(transfer).code == 0, "what was sealed last is what is compared"


def test_an_attachment_is_sealed_again_with_the_dossier_and_watched_as_well(sender: Sender) -> None:
    attached = sender.desk.path("bijlage.txt")
    attached.write_text("een")
    transfer = sender.sent("--attach", "opp=bijlage.txt")
    sender.live.rotate(VO)
    attached.write_text("twee")
    assert "bijlage.txt: changed" in sender.reseal(transfer).err
    attached.write_text("een")
    assert sender.reseal(transfer).code == 0
    before = sender.row(transfer)["bundle"]
    sender.live.rotate(VO)
    attached.unlink()
    assert "bijlage.txt: it isn't any more where it was packed from" in sender.reseal(transfer).err
    assert sender.row(transfer)["bundle"] == before


def test_a_file_that_is_gone_may_be_given_in_a_folder(sender: Sender) -> None:
    transfer = sender.sent()
    sender.live.rotate(VO)
    folder = sender.desk.path("map")
    folder.mkdir(exist_ok=True)
    sender.file().rename(folder / "elsewhere.json")
    ran = sender.reseal(transfer, "--dossiers", folder)
    assert f"{sender.file().name}: it isn't any more" in ran.err
    (folder / "elsewhere.json").rename(folder / f"{transfer}.json")
    (folder / f"{transfer}.xml").write_text("<dossier/>")
    assert "are both there" in sender.reseal(transfer, "--dossiers", folder).err
    sender.untouched(transfer)
    (folder / f"{transfer}.xml").unlink()
    ran = sender.reseal(transfer, "--dossiers", folder)
    assert ran.code == 0, ran.err


def test_on_a_new_machine_the_service_says_what_is_superseded_and_a_folder_what_is_in_it(sender: Sender) -> None:
    """The record beside the key file was lost with the machine it was on."""
    transfer = sender.sent()
    sender.live.rotate(VO)
    record = sender.desk.path("s.key.versions")
    kept = record.read_bytes()
    record.unlink()
    assert f"put it into a folder as {transfer}.xml" in sender.reseal(transfer).err
    folder = sender.desk.path("nieuw")
    folder.mkdir()
    shutil.copy(sender.file(), folder / f"{transfer}.json")
    ran = sender.reseal(transfer, "--dossiers", folder)
    assert ran.code == 0, ran.err
    noted = source_of(sender.desk.path("s.key"), transfer)
    assert noted is not None
    assert noted.sections == ("okr", "opp", "reports", "views")
    record.write_bytes(kept)


def test_one_that_cannot_be_sealed_does_not_hold_up_the_others(sender: Sender) -> None:
    whole, gone, broken = sender.sent(), sender.sent(), None
    missing = sender.file()
    data = missing.read_bytes()
    missing.unlink()
    broken = sender.sent()
    sender.file().write_bytes(b"geen dossier")
    sender.live.rotate(VO)
    ran = sender.reseal(whole, gone, broken, "--changed", "--json")
    assert ran.code == 2
    told = ran.json
    assert list(told["sealed"]) == [whole]  # type: ignore[arg-type]
    assert set(told["missing"]) == {gone, broken}  # type: ignore[arg-type]
    assert len(ran.err.splitlines()) == 2
    missing.write_bytes(data)
    again = sender.reseal(whole, gone)
    assert "nothing to seal again" in again.err
    assert f"{gone}  sealed again" in again.out


def test_what_a_killed_run_left_is_removed(sender: Sender) -> None:
    left = sender.desk.path("state") / "reseal" / "bundles"
    left.mkdir(parents=True, exist_ok=True)
    (left / "t-1.shares").write_bytes(b"shares")
    transfer = sender.sent()
    sender.live.rotate(VO)
    assert sender.reseal(transfer).code == 0
    assert not left.exists()


def test_a_receiver_without_a_current_key_is_waited_for(sender: Sender) -> None:
    """C5: the bundle can't be released, and nothing is sealed to a key that has ended."""
    transfer = sender.sent()
    sender.live.story.region.publish(VO, "seal", state="rotated")
    sender.untouched(transfer)
    ran = sender.reseal(transfer)
    assert ran.code == 2
    assert "KEY_LOG: no key of that kind is current" in ran.err
    sender.live.rotate(VO)
    assert sender.reseal(transfer).code == 0


def test_the_bar_is_told_of_packing_and_of_sending(sender: Sender) -> None:
    transfer = sender.sent()
    sender.live.rotate(VO)
    keyfile, told, now = sender.desk.path("s.key"), list[int](), datetime.now(UTC)
    key = parse_private(keyfile.read_bytes(), PASSPHRASE)
    with Client(sender.live.origin, key, Staff("s-1", Role.PRINCIPAL)) as client:
        waiting = {each.transfer: each for each in heard(keyfile, client.transfers("sender"), now)}[transfer]
        source = find(keyfile, waiting, None, changed=False)
        dossier = load(source.dossier.path.read_bytes())
        with workplace(sender.desk.path("state")) as folder:
            directory = refresh(client, read_trust(sender.live.folder / "trust"), sender.desk.path("state"))
            where: dict[str, Path] = {"keyfile": keyfile, "workplace": folder}
            seal_again(client, directory, waiting, source, dossier, now=now, progress=told.append, **where)
            assert list(folder.iterdir()) == []
    total = size(source)
    assert total == sender.file().stat().st_size
    assert told == sorted(told)
    assert total in told
    assert told[-1] == 2 * total


def test_one_run_at_a_time_has_the_workplace_and_nobody_else_may_look(tmp_path: Path) -> None:
    with workplace(tmp_path) as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        beside = os.open(tmp_path / "reseal", os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(beside, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(beside)
    assert not folder.exists()


def test_what_the_law_forbids_is_left_out_again_and_told(sender: Sender) -> None:
    transfer = sender.sent()
    sender.live.rotate(VO)
    value = dossier_json()
    value["kept"] = [{"path": "/dossier/leerling/nationaliteit", "section": "okr", "value": "0001"}]
    written(sender.file(), value)
    ran = sender.reseal(transfer, "--changed")
    assert ran.code == 0, ran.err
    assert f"{transfer}: left out: " in ran.err
    assert "0001" not in ran.err


def test_what_was_received_or_cancelled_is_not_sealed_again(sender: Sender) -> None:
    """Whoever has a dossier already needs no second copy of it on the way."""
    received, cancelled = sender.sent(), sender.sent()
    region = sender.live.story.region
    expect(region.release(VO, received, "okr"), 200).get_data()
    region.post(VO, f"/v1/transfers/{received}/acknowledgement", {"received": True, "placed": None})
    region.post(PO, f"/v1/transfers/{cancelled}/cancel", {})
    sender.live.rotate(VO)
    assert sender.row(received)["seal_again"] is False
    assert sender.row(cancelled)["seal_again"] is False


def test_before_there_is_a_bundle_nothing_is_sealed_again(sender: Sender) -> None:
    region = sender.live.story.region
    transfer = region.transfer(region.pupil(PO), PO, VO)
    assert sender.row(transfer)["seal_again"] is False


# Against a service that says what it likes.


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[tuple[Desk, Region, list[Asked]]]:
    """A desk with a certified key file, and a service that lists one transfer to seal again and plays its key log."""
    region = Region.founded(datetime.now(UTC).replace(microsecond=0))
    region.page = 500
    (tmp_path / "s.key").write_bytes(print_private(region.schools[SENDER], PASSPHRASE))
    root = print_identity_public(PublicIdentity("root", region.root.public)).decode()
    logs = [print_verifier(f"{LOG}/{name}", region.log_key.public) for name in ("keys", "journal")]
    (tmp_path / "trust").write_text("\n".join([root, *logs]) + "\n")
    row = {
        "transfer": "t-1", "side": "sender", "receiver": RECEIVER, "purpose": "placement", "route": "POVO",
        "state": "open", "seal_again": True, "bundle": {"bundle": "A" * 22}, "sections": ["okr", "opp", "reports"],
    }  # fmt: skip
    (tmp_path / "map").mkdir()
    value = dossier_json()
    value["sections"].pop("views")  # type: ignore[union-attr,call-arg,arg-type]
    for transfer in ("t-1", "t-2"):
        written(tmp_path / "map" / f"{transfer}.json", value)

    def answer(asked: Asked) -> Answer:
        if asked.path == "/v1/keylog/checkpoint":
            return Answer(body=region.keylog_checkpoint(), media_type="text/plain")
        if asked.path.startswith("/v1/keylog"):
            return as_json(region.keylog(int(asked.path.partition("start=")[2])))
        if asked.method == "POST" and (tmp_path / "broken").exists():
            return Answer(500, b"")
        listed = [row | {"transfer": transfer} for transfer in ("t-1", "t-2")]
        return as_json({"transfers": listed, "next": None} if "side=" in asked.path else row)

    known = {keys.request.kid: keys.request.public for keys in region.schools.values()}
    with service(known) as running:
        running.answer = answer
        desk = Desk(tmp_path)
        (tmp_path / "origin").write_text(running.origin)
        yield desk, region, running.asked


def reseal(desk: Desk) -> Ran:
    origin = desk.path("origin").read_text()
    settings = ("--origin", origin, "--keyfile", "s.key", "--staff", "s-1", "--role", "principal")
    return desk.call("reseal", "--all", "--dossiers", "map", *settings, "--root", "trust", "--state", "state")


def test_a_key_log_that_rolled_back_stops_everything(alone: tuple[Desk, Region, list[Asked]]) -> None:
    """C2: the service shows an older key of the receiver; nothing is packed, nothing leaves."""
    desk, region, asked = alone
    before = list(region.leaves)
    region.publish(KeyFile.generate(RECEIVER), region.start)
    assert len(uploads(asked)) == 0
    reseal(desk)  # the replica now knows the newer key
    assert len(uploads(asked)) == 2
    region.leaves = before
    asked.clear()
    ran = reseal(desk)
    assert (ran.code, ran.out) == (2, "")
    assert "rollback" in ran.err
    assert uploads(asked) == []


def uploads(asked: list[Asked]) -> list[str]:
    return [each.path for each in asked if each.method == "POST"]


def test_a_bundle_that_was_not_acknowledged_is_no_success(alone: tuple[Desk, Region, list[Asked]]) -> None:
    """The upload is answered with something else than its bundle; each transfer is tried for itself."""
    desk, _, asked = alone
    ran = reseal(desk)
    assert (ran.code, ran.out) == (2, "nothing was sealed again\n")
    said = "the service acknowledged another bundle than it was sent"
    assert ran.err.splitlines() == [f"handover: t-1: {said}", f"handover: t-2: {said}"]
    assert uploads(asked) == ["/v1/transfers/t-1/bundles", "/v1/transfers/t-2/bundles"]
    assert not list(desk.folder.rglob("*.shares"))


def test_when_the_service_fails_the_rest_waits_for_the_next_run(alone: tuple[Desk, Region, list[Asked]]) -> None:
    desk, _, asked = alone
    desk.path("broken").touch()
    ran = reseal(desk)
    said = "the service answered 500 without a reason"
    assert (ran.code, ran.out) == (2, "nothing was sealed again\n")
    assert ran.err.splitlines() == [f"handover: t-1: {said}", f"handover: t-2: not tried: {said}"]
    assert uploads(asked) == ["/v1/transfers/t-1/bundles"]
