"""Backups: the form of a manifest, what `--confirm` takes and refuses, and approvals of a loss."""

import json
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.checkpoint import parse_checkpoint
from crypto.encoding import canon
from crypto.errors import SignatureRefused
from crypto.keys import SignKey
from handover import backup
from handover.backup import (
    CONFIRMED,
    BackupRefused,
    Manifest,
    checked,
    confirm,
    newest,
    parse_manifest,
    print_manifest,
    read_backup,
)
from handover.loss import Approval, LossRefused, approve, read_approval, read_statement
from tests.handover.story import Story
from tests.region import LOG, now

STATEMENT = {"v": 1, "log": f"{LOG}/journal", "missing": ["shipment 7 is missing"], "known": None}
STATEMENT |= {"restored": {"size": 6, "root": "0" * 64}, "origin": f"{LOG}/journal-2"}
REASON = "The disks of both places burnt."
KEY = SignKey.from_seed(b"\x09" * 32, "dpo")


@pytest.fixture(scope="module")
def taken(standing: Story, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Give the manifests of a backup."""
    standing.case(bundle=False, invited=False)
    main, keys = backup.backup(standing.region.parts, tmp_path_factory.mktemp("backups"))
    return main, keys


def said_of(path: Path) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(path.read_bytes())
    return said


# The two copies and their manifests.


def test_a_backup_is_two_private_copies_of_one_moment(standing: Story, taken: tuple[Path, Path]) -> None:
    main, keys = (parse_manifest(path.read_bytes()) for path in taken)
    assert [main.what, keys.what] == ["main", "keys"]
    assert replace(main, what="", file="", sha256="") == replace(keys, what="", file="", sha256="")
    assert (main.log, main.kind, main.shipped, main.epoch) == (LOG, "sqlite", 0, 1)
    assert parse_checkpoint(main.checkpoint.encode()).size == standing.size()
    names = sorted(name for path in taken for name in (path.name, path.with_suffix("").name))
    assert sorted(path.name for path in taken[0].parent.iterdir()) == names
    assert {path.stat().st_mode & 0o777 for path in taken[0].parent.iterdir()} == {0o600}


def test_a_manifest_reads_back_as_it_was_printed(taken: tuple[Path, Path]) -> None:
    for path in taken:
        assert print_manifest(parse_manifest(path.read_bytes())) == path.read_bytes()


@given(st.integers(0, 2**40), st.integers(1, 2**32), st.datetimes(), st.sampled_from(["main", "keys"]))
def test_any_manifest_reads_back(shipped: int, epoch: int, moment: Any, what: str) -> None:
    made = Manifest(
        what, "postgresql", LOG, NOTE, shipped, epoch, moment.replace(tzinfo=now().tzinfo), "a.b-c", "0" * 64
    )
    assert parse_manifest(print_manifest(made)) == made


NOTE = (
    "overdracht.test/journal\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n\u2014 overdracht.test/journal "
    + "A" * 92
    + "\n"
)

WRONG: dict[str, dict[str, Any]] = {
    "another version": {"v": 2},
    "a version that is no number": {"v": "1"},
    "a third database": {"what": "blobs"},
    "another kind": {"kind": "mysql"},
    "a log that is no text": {"log": 1},
    "a checkpoint that is none": {"checkpoint": "nothing"},
    "a negative number of shipments": {"shipped": -1},
    "an epoch before the first": {"epoch": 0},
    "an epoch beyond the last": {"epoch": (1 << 32) + 1},
    "a moment without a zone": {"taken_at": "2027-03-01T12:00:00"},
    "a file in another folder": {"file": "../main"},
    "a file with a path": {"file": "/etc/passwd"},
    "no file": {"file": ""},
    "the folder itself": {"file": "."},
    "the folder above": {"file": ".."},
    "a name that is too long": {"file": "a" * 101},
    "a hash in capitals": {"sha256": "A" * 64},
    "a hash too short": {"sha256": "0" * 63},
    "one member too many": {"more": 1},
}


@pytest.mark.parametrize("name", WRONG)
def test_a_manifest_that_breaks_its_form_is_refused(taken: tuple[Path, Path], name: str) -> None:
    with pytest.raises(BackupRefused, match="not a backup's manifest"):
        parse_manifest(json.dumps(said_of(taken[0]) | WRONG[name], separators=(",", ":"), sort_keys=True).encode())


@pytest.mark.parametrize("member", ["v", *Manifest.__slots__])
def test_a_manifest_that_lacks_a_member_is_refused(taken: tuple[Path, Path], member: str) -> None:
    said = said_of(taken[0])
    del said[member]
    with pytest.raises(BackupRefused):
        parse_manifest(canon(said))


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"null", b"\xff", b"{" * 5000])
def test_what_is_no_manifest_at_all_is_refused(data: bytes) -> None:
    with pytest.raises(BackupRefused):
        parse_manifest(data)


def test_a_manifest_has_one_encoding(taken: tuple[Path, Path]) -> None:
    data = taken[0].read_bytes()
    for other in (data + b"\n", b" " + data, json.dumps(json.loads(data), indent=1).encode()):
        with pytest.raises(BackupRefused):
            parse_manifest(other)


def test_a_copy_with_one_bit_changed_is_refused(taken: tuple[Path, Path], tmp_path: Path) -> None:
    """K4: damaged or exchanged; and a copy that isn't there."""
    manifest = tmp_path / taken[0].name
    manifest.write_bytes(taken[0].read_bytes())
    copy = tmp_path / taken[0].with_suffix("").name
    data = bytearray(taken[0].with_suffix("").read_bytes())
    copy.write_bytes(data)
    assert read_backup(manifest, "main")[1] == copy
    data[len(data) // 2] ^= 1
    copy.write_bytes(data)
    with pytest.raises(BackupRefused, match="isn't the file that its manifest names"):
        read_backup(manifest, "main")
    copy.unlink()
    with pytest.raises(FileNotFoundError):
        read_backup(manifest, "main")


def test_the_two_copies_are_not_taken_for_each_other(taken: tuple[Path, Path]) -> None:
    with pytest.raises(BackupRefused, match="that of the main database"):
        read_backup(taken[0], "keys")
    with pytest.raises(BackupRefused, match="that of the keys database"):
        read_backup(taken[1], "main")


# The word that both are safe.

CONFIRMING: dict[str, tuple[str, list[tuple[int, dict[str, Any]]]]] = {
    "none": ("both manifests", []),
    "one alone": ("both manifests", [(0, {})]),
    "one twice": ("both manifests", [(0, {}), (0, {})]),
    "three": ("both manifests", [(0, {}), (1, {}), (1, {})]),
    "of two moments": ("both manifests", [(0, {}), (1, {"taken_at": "2027-01-01T00:00:00.000000Z"})]),
    "of two numbers of shipments": ("both manifests", [(0, {}), (1, {"shipped": 1})]),
    "of two services": ("both manifests", [(0, {}), (1, {"log": "elsewhere.test"})]),
    "of another service": (
        "isn't one of this service",
        [(0, {"log": "elsewhere.test"}), (1, {"log": "elsewhere.test"})],
    ),
}


@pytest.mark.parametrize("name", CONFIRMING)
def test_only_both_manifests_of_one_backup_of_this_service_are_confirmed(
    standing: Story, taken: tuple[Path, Path], name: str
) -> None:
    """K12: a key is destroyed on this word, so that it has to be about this service and about both copies."""
    why, chosen = CONFIRMING[name]
    with pytest.raises(BackupRefused, match=why):
        confirm(standing.region.parts, [canon(said_of(taken[which]) | changes) for which, changes in chosen])


def test_a_backup_from_the_future_is_not_confirmed(standing: Story, taken: tuple[Path, Path]) -> None:
    said = [parse_manifest(path.read_bytes()) for path in taken]
    moment = now() + timedelta(hours=1)
    ahead = [print_manifest(replace(each, taken_at=moment)) for each in said]
    with pytest.raises(BackupRefused, match="isn't one of this service"):
        confirm(standing.region.parts, ahead)


def test_both_manifests_are_confirmed_in_either_order(standing: Story, taken: tuple[Path, Path]) -> None:
    for order in (taken, taken[::-1]):
        assert confirm(standing.region.parts, [path.read_bytes() for path in order]) == ((), 0)


def night(folder: Path, moment: str, kind: str = "sqlite", what: tuple[str, ...] = ("main", "keys")) -> list[Path]:
    folder.mkdir(exist_ok=True)
    made = [folder / f"{each}-{moment}.{kind}.json" for each in what]
    for path in made:
        path.touch()
    return made


def test_of_many_nights_the_newest_that_is_whole_counts(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    night(here, "20270228T013000Z")
    whole = night(here, "20270301T013000Z")
    assert newest([here]) == tuple(whole)
    night(here, "20270302T013000Z", what=("main",))
    assert newest([here]) == tuple(whole)
    main, keys = (
        here / "main-20270302T013000Z.sqlite.json",
        night(there, "20270302T013000Z", "postgresql", ("keys",))[0],
    )
    assert newest([here, there]) == newest([there, here]) == (main, keys)


def test_where_no_backup_is_whole_none_is_taken(tmp_path: Path) -> None:
    night(tmp_path, "20270301T013000Z", what=("main",))
    night(tmp_path, "20270302T013000Z", what=("keys",))
    for folders in ([tmp_path], [], [tmp_path / "absent"]):
        with pytest.raises(BackupRefused, match="no backup stands there with both its manifests"):
            newest(folders)


def places(folder: Path, taken: tuple[Path, Path], *held: str) -> list[Path]:
    """Bring copies, each with its manifest, to places of which each is named by what it holds."""
    found = [folder / f"place-{number}" for number, _ in enumerate(held)]
    for place, names in zip(found, held, strict=True):
        place.mkdir()
        for path in taken:
            if path.name.partition("-")[0] in names:
                shutil.copy(path, place)
                shutil.copy(path.with_suffix(""), place)
    return found


@pytest.mark.parametrize("held", [("main keys",), ("main", "keys"), ("main keys", "main keys"), ("keys", "main keys")])
def test_a_backup_is_confirmed_of_places_that_each_hold_a_copy(
    tmp_path: Path, taken: tuple[Path, Path], held: tuple[str, ...]
) -> None:
    assert [print_manifest(one) for one in checked(places(tmp_path, taken, *held))] == [
        path.read_bytes() for path in taken
    ]


def test_a_place_that_stayed_behind_is_named_and_nothing_confirmed(tmp_path: Path, taken: tuple[Path, Path]) -> None:
    """K4, K12: its copies are of an older night, which is worth nothing once the newer one is confirmed."""
    found = places(tmp_path, taken, "main keys", "")
    night(found[1], "20200101T013000Z")
    with pytest.raises(BackupRefused, match=f"^{found[1]} holds neither {taken[0].name} nor {taken[1].name}: "):
        checked(found)


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("which", [0, 1])
def test_every_copy_in_every_place_is_read(tmp_path: Path, taken: tuple[Path, Path], place: int, which: int) -> None:
    found = places(tmp_path, taken, "main keys", "main keys")
    spoilt = found[place] / taken[which].with_suffix("").name
    spoilt.write_bytes(spoilt.read_bytes()[:-1])
    with pytest.raises(BackupRefused, match=f"^{spoilt} isn't the file that its manifest names"):
        checked(found)
    spoilt.unlink()
    with pytest.raises(FileNotFoundError, match=spoilt.name):
        checked(found)


def test_what_was_confirmed_last_is_written_down(standing: Story, taken: tuple[Path, Path]) -> None:
    confirm(standing.region.parts, [path.read_bytes() for path in taken])
    assert (standing.region.settings.home / CONFIRMED).read_bytes() == taken[0].read_bytes()


# Approvals of a loss.


def test_an_approval_reads_back_and_is_by_the_key_that_it_names() -> None:
    data = approve(STATEMENT, REASON, KEY)
    read = read_approval(data)
    assert (read.statement, read.kid, read.reason) == (STATEMENT, KEY.kid, REASON)
    assert canon({"approval": json.loads(read.signed), "signature": json.loads(data)["signature"]}) == data
    read.check(KEY.public)
    with pytest.raises(SignatureRefused):
        read.check(SignKey.generate("dpo").public)


@pytest.mark.parametrize(
    "changes",
    [
        {"reason": "Another reason altogether."},
        {"statement": STATEMENT | {"missing": []}},
        {"kid": "0" * 64},
    ],
)
def test_an_approval_that_was_changed_is_not_signed(changes: dict[str, Any]) -> None:
    outer = json.loads(approve(STATEMENT, REASON, KEY))
    outer["approval"] |= changes
    with pytest.raises(SignatureRefused):
        read_approval(canon(outer)).check(KEY.public)


@pytest.mark.parametrize("reason", ["", "Too short", "x" * 501, "Two lines\nof a reason", "A control\x7f character"])
def test_a_reason_says_something_on_one_line(reason: str) -> None:
    with pytest.raises(LossRefused, match="10 to 500"):
        approve(STATEMENT, reason, KEY)


@pytest.mark.parametrize("reason", ["Ten signs.", "x" * 500])
def test_a_reason_may_be_as_short_or_long_as_that(reason: str) -> None:
    assert read_approval(approve(STATEMENT, reason, KEY)).reason == reason


@pytest.mark.parametrize(
    "changed",
    [
        b"",
        b"[]",
        b'{"approval":{},"signature":""}',
        canon({"approval": {"kid": "0" * 64, "reason": REASON, "statement": 1}, "signature": "AA"}),
        canon({"approval": {"kid": "G" * 64, "reason": REASON, "statement": 1}, "signature": "A" * 86}),
        canon({"approval": {"kid": "0" * 64, "reason": "short", "statement": 1}, "signature": "A" * 86}),
        approve(STATEMENT, REASON, KEY) + b"\n",
        bytes(range(40)),
    ],
)
def test_what_is_no_approval_is_refused(changed: bytes) -> None:
    with pytest.raises(LossRefused, match="not an approval"):
        read_approval(changed)


@pytest.mark.parametrize("data", [b"", b"[]", canon(STATEMENT | {"more": 1}), canon(STATEMENT) + b" "])
def test_what_is_no_statement_of_loss_is_refused(data: bytes) -> None:
    with pytest.raises(LossRefused, match="not a statement"):
        read_statement(data)


@pytest.mark.parametrize("member", sorted(STATEMENT))
def test_a_statement_without_one_of_its_members_is_refused(member: str) -> None:
    with pytest.raises(LossRefused):
        read_statement(canon({name: value for name, value in STATEMENT.items() if name != member}))
    assert read_statement(canon(STATEMENT)) == STATEMENT
    assert isinstance(read_approval(approve(STATEMENT, REASON, KEY)), Approval)
