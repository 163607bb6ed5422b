"""An export that is read while people work: all of one moment, and it verifies."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import update

from consent import export
from consent.db import writing
from consent.entry import Told
from consent.keystore import OwnerKey
from consent.tables import DataKey
from consent.verify import Report, verify_export
from tests.conftest import Databases
from tests.consent.test_journal import KEY, STAFF, House, grant
from tests.consent.test_journal_search import OTHER, erase, erase_staff, next_year, release


@pytest.fixture
def house(databases: Databases, tmp_path: Path) -> House:
    return House(databases, tmp_path / "epochs")


@pytest.fixture
def lite(sqlite_databases: Databases, tmp_path: Path) -> House:
    return House(sqlite_databases, tmp_path / "epochs")


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("consent.export._HASHES", export._HASHES.limit(2))


def filled(house: House) -> House:
    for pupil in ("p1", "p2", "p1"):
        house.append(grant(pupil))
        house.append(release(pupil, told={"board-b": Told("refused", ("actor", "terms"))}))
    return house


def work(house: House) -> list[Callable[[], object]]:
    """Do what changes entries that are there: erase a pupil, and staff of a year that is over; append in between."""

    def over() -> None:
        next_year(house)
        erase_staff(house, f"{OTHER.id}/2026")

    return [
        lambda: house.append(grant("p2", actor=STAFF)),
        lambda: erase(house),
        over,
        lambda: house.append(grant("p2", actor=STAFF)),
        lambda: erase(house, "p2"),
    ]


def verified(path: Path, lines: Iterator[bytes]) -> Report:
    path.write_bytes(b"".join(lines))
    return verify_export(path, KEY.public)


@pytest.mark.parametrize("board", [None, "board-a", "board-b"])
@pytest.mark.parametrize("begun", [1, 3])
def test_an_export_is_all_of_the_moment_at_which_it_began(
    house: House, tmp_path: Path, board: str | None, begun: int
) -> None:
    """K1: people append and pupils are erased between its lines; it verifies, and so does the next one."""
    before = b"".join(filled(house).journal.exported(board))
    lines = house.journal.exported(board)
    read = [next(lines) for _ in range(begun)]
    for step in work(house):
        step()
        read += [next(lines)]
    read += lines
    assert b"".join(read) == before
    report = verified(tmp_path / "export", iter(read))
    assert (report.findings, report.size) == ((), 6)
    after = verified(tmp_path / "export", house.journal.exported(board))
    assert (after.findings, after.size) == ((), 11)


def test_a_key_destroyed_just_before_it_was_read_is_no_damage(house: House, tmp_path: Path) -> None:
    """Between the snapshot and its keys a pupil is erased: the export is that of a moment after it."""
    filled(house)
    by_tags = house.keystore.by_tags
    erased: list[object] = []

    def late(tags: list[bytes]) -> dict[bytes, OwnerKey]:
        if not erased:
            erased.append(erase(house))
        return by_tags(tags)

    house.keystore.by_tags = late  # type: ignore[method-assign, assignment]
    report = verified(tmp_path / "export", house.journal.exported())
    assert (report.findings, report.size) == ((), 7)
    assert report.checked[1].endswith("; 4 were erased")


def test_a_key_that_was_taken_out_is_damage_that_the_export_shows(lite: House, tmp_path: Path) -> None:
    filled(lite)
    key = lite.keystore.owner("pupil", "p1")
    with writing(lite.databases.keys) as session:
        session.execute(update(DataKey).where(DataKey.id == key.id).values(tag=None, wrapped=None))
    report = verified(tmp_path / "export", lite.journal.exported())
    lost = {0: "subject, actor, terms", 1: "subject, terms", 4: "subject, actor, terms", 5: "subject, terms"}
    assert [str(each) for each in report.findings] == [
        f"entry {index}: its {parts} neither opens nor was erased" for index, parts in lost.items()
    ]


def test_an_export_that_nobody_reads_to_its_end_holds_nothing_open(house: House) -> None:
    filled(house)
    lines = house.journal.exported()
    next(lines)
    assert house.databases.main.pool.checkedout() == 1  # type: ignore[attr-defined]
    lines.close()
    assert house.databases.main.pool.checkedout() == 0  # type: ignore[attr-defined]
