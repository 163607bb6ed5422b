"""The record beside the key file: what it takes from the service, what it forgets, and what it refuses."""

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from crypto.encoding import JSON, b64, canon
from handover import versions
from handover.client import ServiceFailed
from handover.versions import File, Source, VersionsRefused
from handover.worklist import Sent, heard

NOW = datetime(2027, 3, 20, 9, tzinfo=UTC)
OLD, NEW = bytes(16), bytes([1]) * 16
ROW: dict[str, JSON] = {
    "transfer": "t-1", "receiver": "99CD01", "purpose": "placement", "route": "POVO", "state": "open",
    "seal_again": True, "bundle": {"bundle": b64(NEW)}, "sections": ["okr", "lvs"],
}  # fmt: skip


@pytest.fixture
def keyfile(tmp_path: Path) -> Path:
    (tmp_path / "a.key").touch()
    return tmp_path / "a.key"


def packed(keyfile: Path, transfer: str = "t-1", bundle: bytes = OLD, now: datetime = NOW) -> None:
    versions.remember_packed(keyfile, transfer, bundle, {"okr": bytes(32)}, {"okr": bytes(16)}, ["okr"], now)


def record(keyfile: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(versions.path_beside(keyfile).read_bytes())
    return value


def test_the_files_of_a_bundle_are_remembered_whatever_their_names(keyfile: Path) -> None:
    path = keyfile.parent / os.fsdecode(b"verslag-\xff.json")
    path.write_bytes(b"een")
    source = Source(File.seen(path), (("reports", File.seen(path)),), ("okr", "reports"))
    versions.remember_source(keyfile, "t-1", source, NOW)
    assert versions.source_of(keyfile, "t-1") == source
    assert versions.source_of(keyfile, "t-2") is None
    assert source.dossier.path.is_absolute()
    path.write_bytes(b"twee")
    assert File.seen(path) != source.dossier
    packed(keyfile)
    assert versions.source_of(keyfile, "t-1") == source, "packing again forgets nothing"


def test_a_relative_path_is_remembered_whole(keyfile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(keyfile.parent)
    Path("d.json").write_bytes(b"een")
    assert File.seen(Path("d.json")).path == keyfile.parent / "d.json"


def test_the_list_tells_what_was_sent_and_what_waits(keyfile: Path) -> None:
    waiting = heard(keyfile, [ROW, ROW | {"transfer": "t-2", "bundle": None}], NOW)
    assert waiting == (Sent("t-1", "99CD01", "placement", "POVO", ("okr", "lvs"), NEW, True),)
    assert versions.choose(keyfile, "t-1", {}).supersedes == NEW
    assert set(record(keyfile)["transfers"]) == {"t-1"}


def test_an_answer_that_was_lost_is_made_good_by_the_list(keyfile: Path) -> None:
    packed(keyfile)
    assert versions.choose(keyfile, "t-1", {}).supersedes is None
    heard(keyfile, [ROW], NOW)
    assert versions.choose(keyfile, "t-1", {}).supersedes == NEW
    assert record(keyfile)["transfers"]["t-1"]["sections"] != {}


def test_what_was_packed_before_the_last_that_was_sent_is_forgotten(keyfile: Path) -> None:
    packed(keyfile)
    packed(keyfile, bundle=NEW)
    packed(keyfile, "t-2", bytes([2]) * 16)
    versions.remember_sent(keyfile, "t-1", NEW, NOW)
    assert [said["transfer"] for said in record(keyfile)["packed"].values()] == ["t-2"]


def test_a_closed_transfer_is_forgotten_with_all_that_was_packed_for_it(keyfile: Path) -> None:
    packed(keyfile)
    packed(keyfile, "t-2", NEW)
    heard(keyfile, [ROW | {"state": "cancelled"}], NOW)
    assert set(record(keyfile)["transfers"]) == {"t-2"}
    assert [said["transfer"] for said in record(keyfile)["packed"].values()] == ["t-2"]


def test_a_transfer_that_the_service_does_not_list_is_kept(keyfile: Path) -> None:
    """It may be of another service, or be opened this very moment."""
    packed(keyfile)
    heard(keyfile, [], NOW)
    assert set(record(keyfile)["transfers"]) == {"t-1"}


@pytest.mark.parametrize(("days", "kept"), [(400, True), (401, False)])
def test_after_400_days_without_a_word_a_transfer_is_forgotten(keyfile: Path, days: int, kept: bool) -> None:
    packed(keyfile, now=NOW - timedelta(days=days))
    heard(keyfile, [], NOW)
    assert (set(record(keyfile)["transfers"]) == {"t-1"}) is kept
    assert bool(record(keyfile)["packed"]) is kept


def test_a_list_that_changes_nothing_writes_nothing(keyfile: Path) -> None:
    heard(keyfile, [], NOW)
    assert not versions.path_beside(keyfile).exists()
    heard(keyfile, [ROW], NOW)
    before = versions.path_beside(keyfile).stat()
    heard(keyfile, [ROW], NOW + timedelta(days=1))
    assert versions.path_beside(keyfile).stat() == before


@pytest.mark.parametrize(
    "change",
    [
        {"transfer": "../../x"},
        {"transfer": None},
        {"transfer": "t" * 65},
        {"receiver": "99cd01"},
        {"purpose": ""},
        {"route": 1},
        {"bundle": "x"},
        {"bundle": {}},
        {"bundle": {"bundle": b64(bytes(15))}},
        {"seal_again": None},
        {"sections": None},
        {"sections": ["cijfers"]},
        {"seal_again": 1},
        {"state": "cancelled", "transfer": "a/b"},
    ],
)
def test_a_list_of_another_form_is_refused_and_changes_nothing(keyfile: Path, change: dict[str, JSON]) -> None:
    packed(keyfile)
    before = versions.path_beside(keyfile).read_bytes()
    with pytest.raises(ServiceFailed):
        heard(keyfile, [ROW | change], NOW)
    assert versions.path_beside(keyfile).read_bytes() == before


def full(keyfile: Path) -> dict[str, Any]:
    packed(keyfile)
    (keyfile.parent / "d").write_bytes(b"")
    seen = File.seen(keyfile.parent / "d")
    versions.remember_source(keyfile, "t-1", Source(seen, (("lvs", seen),), ("lvs",)), NOW)
    heard(keyfile, [ROW | {"transfer": "t-2"}], NOW)
    return record(keyfile)


DAMAGE: list[Callable[[dict[str, Any]], object]] = [
    lambda v: v.update(v=3),
    lambda v: v.update(packed=[]),
    lambda v: v.update(transfers=[]),
    lambda v: v["transfers"].update({"t-1": None}),
    lambda v: v["transfers"]["t-1"].pop("source"),
    lambda v: v["transfers"]["t-1"].update(at=None),
    lambda v: v["transfers"]["t-1"].update(at="2027-02-30"),
    lambda v: v["transfers"]["t-1"].update(at="20270320"),
    lambda v: v["transfers"]["t-2"].update(sent=b64(bytes(15))),
    lambda v: v["transfers"]["t-1"].update(sections=[]),
    lambda v: v["transfers"]["t-1"]["sections"].update(okr={}),
    lambda v: v["transfers"]["t-1"]["sections"]["okr"].update(content="AA"),
    lambda v: v["transfers"]["t-1"]["sections"]["okr"].update(version="AA"),
    lambda v: v["transfers"]["t-1"].update(source={}),
    lambda v: v["transfers"]["t-1"]["source"].update(dossier=None),
    lambda v: v["transfers"]["t-1"]["source"]["dossier"].update(sha256="AA"),
    lambda v: v["transfers"]["t-1"]["source"].update(attached={}),
    lambda v: v["transfers"]["t-1"]["source"].update(attached=[["lvs"]]),
    lambda v: v["transfers"]["t-1"]["source"].update(attached=["lv"]),
    lambda v: v["transfers"]["t-1"]["source"].update(sections="lvs"),
    lambda v: v["transfers"]["t-1"]["source"].update(sections=[1]),
    lambda v: v["packed"].update(x=1),
    lambda v: v["packed"].update(x={"transfer": 1, "sections": []}),
    lambda v: v["packed"].update(x={"transfer": "t", "sections": {}}),
]


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_record_is_refused_before_anything_is_changed(
    keyfile: Path, damage: Callable[[dict[str, Any]], object]
) -> None:
    value = full(keyfile)
    assert versions.choose(keyfile, "t-1", {}).supersedes is None
    damage(value)
    data = canon(value)
    versions.path_beside(keyfile).write_bytes(data)
    for use in (lambda: versions.choose(keyfile, "t-1", {}), lambda: versions.remember_sent(keyfile, "t", OLD, NOW)):
        with pytest.raises(VersionsRefused):
            use()
    assert versions.path_beside(keyfile).read_bytes() == data
