"""A board's search: each criterion, pages, what it may see and what not, and that an index serves it."""

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from consent import search
from consent.db import is_postgresql, reading, writing
from consent.entry import ERASE, ERASURES, STAFF_ERASED, Told
from consent.errors import Destroyed, IntegrityBroken, KeyUnknown, YearOpen
from consent.journal import Actor, Appended, Criteria, Entry, Found
from consent.sealing import BY_PUPIL
from consent.tables import JournalBoard, JournalErasure, JournalLookup, JournalPart
from consent.terms import Section
from crypto.encoding import JSON
from tests.conftest import Databases
from tests.consent.test_journal import SERVICE, STAFF, House, grant

OTHER = Actor("staff", "99CD01.s2", {"school": "99CD01", "role": "mentor"})


@pytest.fixture
def house(databases: Databases, tmp_path: Path) -> House:
    return House(databases, tmp_path / "epochs")


@pytest.fixture
def lite(sqlite_databases: Databases, tmp_path: Path) -> House:
    return House(sqlite_databases, tmp_path / "epochs")


def release(pupil: str = "p1", **changes: object) -> Entry:
    """What another board's staff did with a pupil of board-a."""
    entry = Entry(
        "access",
        0x27,
        pupil,
        OTHER,
        {"evidence": [0]},
        ("board-a",),
        ("okr",),
        "consent",
        "WITHDRAWN",
        school="99CD01",
        told={"board-b": Told("refused", ("actor",))},
    )
    return replace(entry, **changes)  # type: ignore[arg-type]


def found(
    house: House, board: str = "board-a", before: int | None = None, limit: int = 50, **said: object
) -> list[Found]:
    with reading(house.databases.main) as session:
        return house.journal.search(session, board, Criteria(**said), before, limit)  # type: ignore[arg-type]


def indices(house: House, board: str = "board-a", **said: object) -> list[int]:
    return [one.index for one in found(house, board, **said)]


def erase(house: House, pupil: str = "p1", keys: tuple[str, ...] = ()) -> Appended:
    with house.journal.act(pupil=pupil) as act:
        return house.journal.erase(act, pupil, SERVICE, ("board-a",), keys)


def erase_staff(house: House, *owners: str) -> Appended | None:
    with house.journal.act() as act:
        return house.journal.erase_staff(act, owners, SERVICE)


def next_year(house: House) -> None:
    house.ticks += 365 * 24 * 3600


def test_a_board_that_sees_an_entry_whole_gets_all_of_it(house: House) -> None:
    house.append(release())
    (one,) = found(house)
    with reading(house.databases.main) as session:
        opened = house.journal.read(session, 0)
    assert one == Found(
        index=0,
        number=1,
        type=0x27,
        day=date(2026, 3, 2),
        sections=("okr",),
        ground="consent",
        outcome="WITHDRAWN",
        school="99CD01",
        erased=False,
        at=opened.recorded_at,
        actor=OTHER,
        terms={"evidence": [0]},
        opened=opened,
    )
    assert (opened.school, opened.told) == ("99CD01", {"board-b": Told("refused", ("actor",))})
    assert opened.boards == {"board-a": 1, "board-b": 1}


@pytest.mark.parametrize(
    ("sees", "actor", "terms"),
    [((), None, None), (("actor",), OTHER, None), (("terms",), None, {"evidence": [0]})],
)
def test_a_board_that_is_told_hears_its_outcome_and_sees_only_those_parts(
    house: House, sees: tuple[str, ...], actor: Actor | None, terms: object
) -> None:
    house.append(release(told={"board-b": Told("refused", sees)}))  # type: ignore[arg-type]
    (one,) = found(house, "board-b")
    assert (one.type, one.sections, one.ground, one.outcome) == (0x27, ("okr",), "consent", "refused")
    assert (one.school, one.number, one.opened, one.erased) == ("99CD01", 1, None, False)
    assert (one.actor, one.terms, one.at is None) == (actor, terms, not sees)
    assert indices(house, "board-b", outcome="WITHDRAWN") == []
    assert indices(house, "board-b", pupil="p1") == []
    assert indices(house, "board-b", person=OTHER.id) == ([0] if actor else [])


def test_what_is_told_to_a_board_that_sees_it_whole_changes_nothing(house: House) -> None:
    house.append(release(told={"board-a": Told("refused")}))
    assert [(one.outcome, one.opened is None) for one in found(house)] == [("WITHDRAWN", False)]


@pytest.mark.parametrize(
    ("said", "where"),
    [
        ({}, [5, 4, 3, 2, 1, 0]),
        ({"pupil": "p1"}, [3, 1, 0]),
        ({"pupil": "p2"}, [2]),
        ({"pupil": "p9"}, []),
        ({"person": OTHER.id}, [5, 3, 2, 1]),
        ({"person": "99CD01.s"}, []),
        ({"school": "99CD01"}, [5, 3, 2, 1]),
        ({"section": Section.LVS}, [3, 0]),
        ({"section": Section.HANDOVER_NOTES}, [2]),
        ({"ground": "statutory"}, [2]),
        ({"outcome": "granted"}, [3, 0]),
        ({"type": 0x27}, [5, 3, 2, 1]),
        ({"type": 1, "pupil": "p1", "outcome": "granted"}, [0]),
        ({"since": date(2026, 3, 3)}, [5, 4]),
        ({"until": date(2026, 3, 3)}, [3, 2, 1, 0]),
        ({"since": date(2026, 3, 2), "until": date(2026, 3, 4)}, [4, 3, 2, 1, 0]),
        ({"since": date(2026, 3, 4), "until": date(2026, 3, 4)}, []),
        ({"since": date(2026, 3, 5)}, []),
        ({"since": date(2026, 3, 3), "person": OTHER.id}, [5]),
    ],
)
def test_each_criterion_and_all_together(house: House, said: dict[str, object], where: list[int]) -> None:
    house.append(grant())
    house.append(release())
    house.append(release("p2", ground="statutory", sections=("handover_notes", "views")))
    house.append(release(outcome="granted", sections=("okr", "lvs")))
    house.ticks += 24 * 3600
    house.append(Entry("access", 0x24, None, SERVICE, {}, ("board-a",)))
    house.ticks += 24 * 3600
    house.append(release(pupil=None))
    house.append(release("p2", boards=("board-c",), told={}))
    assert indices(house, **said) == where


def test_pages_go_down_by_index_and_one_holds_no_more_than_asked(lite: House) -> None:
    with lite.journal.act() as act:
        for _ in range(7):
            act.append(grant(numbered=False))
    pages, before = [], None
    while page := found(lite, before=before, limit=3):
        pages.append([one.index for one in page])
        before = pages[-1][-1]
    assert pages == [[6, 5, 4], [3, 2, 1], [0]]
    assert search.PAGE_MAX == 500
    with lite.journal.act() as act:
        for _ in range(500):
            act.append(grant(pupil=None, numbered=False, boards=("board-a",)))
    assert len(found(lite, limit=1000)) == 500


def test_a_persons_years_come_together_newest_first(house: House) -> None:
    house.append(release())
    house.append(release("p2"))
    next_year(house)
    house.append(release())
    owners = {house.keystore.owner("person", f"{OTHER.id}/{year}").tag for year in (2026, 2027)}
    with reading(house.databases.main) as session:
        assert set(session.scalars(select(JournalLookup.actor_tag))) == owners
    assert indices(house, person=OTHER.id) == [2, 1, 0]
    assert [one.index for one in found(house, person=OTHER.id, limit=2)] == [2, 1]
    assert [one.index for one in found(house, person=OTHER.id, limit=2, before=1)] == [0]


def test_a_year_is_that_of_amsterdam(house: House) -> None:
    house.ticks = int(
        (datetime(2026, 12, 31, 23, 30, tzinfo=UTC) - datetime(2026, 3, 2, 8, tzinfo=UTC)).total_seconds()
    )
    house.append(release())
    assert house.journal.staff_of(2026) == []
    assert house.journal.staff_of(2027) == [f"{OTHER.id}/2027"]


def test_a_clock_that_was_wrong_hides_nothing(house: House) -> None:
    """I2: an entry that carries a day out of order is found by that day."""
    house.append(grant())
    house.ticks += 10 * 24 * 3600
    house.append(grant())
    house.ticks -= 10 * 24 * 3600
    house.append(grant())
    assert indices(house, since=date(2026, 3, 12), until=date(2026, 3, 13)) == [1]
    assert indices(house, since=date(2026, 3, 2), until=date(2026, 3, 3)) == [2, 0]
    house.ticks += 10 * 24 * 3600
    house.append(grant())
    assert indices(house, since=date(2026, 3, 12)) == [3, 1]


MARCH = [date(2026, 3, day) for day in range(1, 11)]


@pytest.mark.parametrize(
    ("since", "until", "ends"),
    [(3, 4, (1, 5)), (2, 3, (0, 0)), (4, 8, (3, 4)), (4, 7, (3, 3)), (2, 8, (0, 5)), (5, 7, None), (8, 10, None)],
)
def test_days_begin_and_end_where_a_boards_entries_of_them_do(
    lite: House, since: int, until: int, ends: tuple[int, int] | None
) -> None:
    """I2: also where a clock was put back."""
    for day, board in [(2, "a"), (3, "a"), (3, "a"), (4, "a"), (7, "a"), (3, "a"), (3, "b"), (8, "b")]:
        lite.ticks = (day - 2) * 24 * 3600
        lite.append(grant(boards=(f"board-{board}",)))
    with reading(lite.databases.main) as session:
        row = session.execute(search.between("board-a", MARCH[since - 1], MARCH[until - 1])).one()
    assert tuple(row) == (ends or (None, None))


# Tampering (K1).


@pytest.mark.parametrize(
    "change",
    [
        {"type": 1},
        {"day": date(2026, 3, 1)},
        {"sections": 3},
        {"ground": None},
        {"outcome": "WITHDRAWN"},
        {"school": None},
        {"sees": 7},
        {"sees": 0},
        {"number": 9},
    ],
)
def test_a_boards_row_that_was_edited_is_named(house: House, change: dict[str, object]) -> None:
    house.append(release())
    with writing(house.databases.main) as session:
        session.execute(update(JournalBoard).where(JournalBoard.board == "board-b").values(**change))
    with pytest.raises(IntegrityBroken, match="entry 0: what a board's row says isn't what was sealed"):
        found(house, "board-b")


def test_a_row_of_an_entry_that_is_not_there_is_named(house: House) -> None:
    house.append(release())
    with writing(house.databases.main) as session:
        session.execute(text("DELETE FROM journal_part"))
    with pytest.raises(IntegrityBroken, match="entry 0: it isn't there"):
        found(house)


def test_a_part_that_went_without_an_erasure_is_named_in_a_search_too(house: House) -> None:
    house.append(release())
    with writing(house.databases.main) as session:
        session.execute(update(JournalPart).values(subject=None, terms=None))
        session.execute(update(JournalLookup).values(erased=0))
    with pytest.raises(IntegrityBroken, match="entry 0: its subject, terms neither opens nor was erased"):
        found(house, "board-b")


# Erasing.


def test_an_erased_pupil_leaves_type_board_number_and_who_of_the_staff_acted(house: House) -> None:
    house.append(grant())
    house.append(release())
    erase(house)
    assert [(one.index, one.type, one.number, one.erased) for one in found(house)] == [
        (2, 0x11, 3, False),
        (1, 0x27, 2, True),
        (0, 1, 1, True),
    ]
    for board in ("board-a", "board-b"):
        one = found(house, board, type=0x27)[0]
        assert (one.day, one.sections, one.ground, one.outcome, one.school) == (None, (), None, None, None)
        assert (one.at, one.terms, one.opened, one.actor) == (None, None, None, OTHER)
        assert indices(house, board, person=OTHER.id) == [1]
    assert found(house, "board-a", type=1)[0].actor is None
    assert indices(house, pupil="p1") == []
    with reading(house.databases.main) as session:
        assert set(session.scalars(select(JournalBoard.pupil_tag))) == {None}
        assert set(session.scalars(select(JournalBoard.outcome))) == {None}


def test_an_erasure_concerns_every_board_that_saw_an_entry_whole(house: House) -> None:
    house.append(grant())
    house.append(release(boards=("board-a", "board-c")))
    erase(house)
    with reading(house.databases.main) as session:
        assert set(house.journal.read(session, 2).boards) == {"board-a", "board-b", "board-c"}


def test_erasing_a_pupil_destroys_the_other_keys_that_are_named(house: House) -> None:
    kept, contact = house.keystore.new_key("contact", "g2"), house.keystore.new_key("contact", "g1")
    house.append(grant())
    erase(house, keys=(contact.id,))
    for kind, owner in (("pupil", "p1"), ("contact", "g1")):
        with pytest.raises(Destroyed):
            house.keystore.key(kind, owner)
    assert house.keystore.key("contact", "g2") == kept.key
    with reading(house.databases.main) as session:
        assert session.scalars(select(JournalErasure)).all() == []


def test_staff_is_erased_by_year_and_nothing_else_goes(house: House) -> None:
    house.append(release())
    house.append(release("p2", actor=STAFF, school="99AB00"))
    next_year(house)
    house.append(release())
    assert house.journal.staff_of(2026) == sorted([f"{OTHER.id}/2026", f"{STAFF.id}/2026"])
    assert house.journal.staff_of(2026, 1) == [min(f"{OTHER.id}/2026", f"{STAFF.id}/2026")]
    done = erase_staff(house, *house.journal.staff_of(2026))
    assert done is not None
    assert house.journal.staff_of(2026) == []
    with reading(house.databases.main) as session:
        entry = house.journal.read(session, done.index)
        first = house.journal.read(session, 0)
        assert [one.index for one in house.journal.of_pupil(session, "p1")] == [0, 2]
    assert (entry.book, entry.type, entry.pupil, entry.terms) == ("erasure", STAFF_ERASED, None, {"erased": [0, 1]})
    assert set(entry.boards) == {"board-a", "board-b"}
    assert (first.actor, first.outcome, first.pupil) == (None, "WITHDRAWN", "p1")
    assert indices(house, person=OTHER.id) == [2]
    assert [(one.index, one.actor) for one in found(house, "board-b", type=0x27)] == [(2, OTHER), (1, None), (0, None)]
    with pytest.raises(Destroyed):
        house.keystore.owner("person", f"{OTHER.id}/2026")
    house.restarted()


def test_staff_of_an_erased_pupils_entry_is_erased_by_its_own_term(house: House) -> None:
    house.append(release())
    erase(house)
    next_year(house)
    erase_staff(house, f"{OTHER.id}/2026")
    assert [(one.index, one.erased, one.actor) for one in found(house, type=0x27)] == [(0, True, None)]
    with reading(house.databases.main) as session, pytest.raises(IntegrityBroken, match="entry 0: it was erased"):
        house.journal.read(session, 0)


def test_staff_may_be_erased_before_the_pupil(house: House) -> None:
    house.append(release())
    next_year(house)
    erase_staff(house, f"{OTHER.id}/2026")
    erase(house)
    assert [(one.erased, one.actor) for one in found(house, type=0x27)] == [(True, None)]


def test_an_erasure_done_before_is_passed_over(house: House) -> None:
    house.append(release())
    next_year(house)
    assert erase_staff(house, f"{OTHER.id}/2026") is not None
    assert erase_staff(house, f"{OTHER.id}/2026") is None
    assert erase_staff(house) is None
    with writing(house.databases.main) as session:  # as if a crash had come before this key was destroyed
        session.add(JournalErasure(index=1, key_id=house.keystore.new_key("person", f"{STAFF.id}/2026").id))
    assert erase_staff(house, f"{STAFF.id}/2026") is None
    house.restarted()
    with pytest.raises(Destroyed):
        house.keystore.owner("person", f"{STAFF.id}/2026")


def test_a_year_that_is_not_over_stays(house: House) -> None:
    house.append(release())
    for owner, refused in ((f"{OTHER.id}/2026", YearOpen), ("99AB00.nobody/2025", KeyUnknown)):
        with pytest.raises(refused):
            erase_staff(house, owner)
    assert indices(house, person=OTHER.id) == [0]


@pytest.mark.parametrize("listing", [None, 0, 1, 2, 3, 4, 9])
def test_only_the_erasure_that_lists_an_entry_lets_its_actor_go(house: House, listing: int | None) -> None:
    """K1: emptying who acted by hand is found out, whatever the row points at."""
    house.append(release())
    house.append(release("p2"))
    erase(house, "p2")
    next_year(house)
    house.append(release(actor=STAFF))
    house.append(Entry("access", STAFF_ERASED, None, SERVICE, {"erased": [0]}, ()))
    with writing(house.databases.main) as session:
        session.execute(update(JournalPart).where(JournalPart.index == 0).values(actor=None))
        session.execute(
            update(JournalLookup).where(JournalLookup.index == 0).values(actor_erased=listing, actor_tag=None)
        )
    with pytest.raises(IntegrityBroken, match="entry 0: its actor neither opens nor was erased"):
        found(house)


# Each criterion has an index.


def plan(session: Session, statement: object) -> str:
    dialect = session.get_bind().dialect
    compiled = str(statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))  # type: ignore[attr-defined]
    if is_postgresql(session):
        session.execute(text("SET LOCAL enable_seqscan = off"))
        session.execute(text("SET LOCAL enable_sort = off"))
        session.execute(text("SET LOCAL enable_bitmapscan = off"))
        return "\n".join(session.connection().exec_driver_sql(f"EXPLAIN {compiled.replace('%', '%%')}").scalars())
    rows = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}")
    return "\n".join(row[3] for row in rows)


@pytest.mark.parametrize(
    ("said", "index"),
    [
        ({}, "board_idx"),
        ({"school": "99CD01"}, "board_school_idx"),
        ({"ground": "consent"}, "board_ground_idx"),
        ({"outcome": "refused"}, "board_outcome_idx"),
        ({"type": 1}, "board_type_idx"),
        *(({"section": section}, f"section_{section}") for section in Section),
    ],
)
def test_an_index_gives_each_page_in_order(house: House, said: dict[str, object], index: str) -> None:
    with reading(house.databases.main) as session:
        shown = plan(session, search.page("board-a", Criteria(**said), 7, 50))  # type: ignore[arg-type]
    assert f"ix_journal_board_{index}" in shown
    assert "SCAN " not in shown
    assert "TEMP B-TREE" not in shown
    assert "Seq Scan" not in shown
    assert "Sort" not in shown


@pytest.mark.parametrize("column", ["pupil_tag", "actor_tag"])
def test_an_index_finds_pupils_and_persons(house: House, column: str) -> None:
    wanted = search.page("board-a", Criteria(), 7, 50).where(getattr(JournalBoard, column) == text("'x'"))
    with reading(house.databases.main) as session:
        shown = plan(session, wanted)
    assert f"ix_journal_board_board_{column}_idx" in shown
    assert "Sort" not in shown
    assert "TEMP B-TREE" not in shown


def test_an_index_finds_where_days_begin_and_end(house: House) -> None:
    with reading(house.databases.main) as session:
        shown = plan(session, search.between("board-a", date(2026, 1, 1), date(2026, 2, 1)))
    assert shown.count("ix_journal_board_board_day_idx") >= 3
    assert "Seq Scan" not in shown


@pytest.mark.parametrize(
    "said",
    [
        {"type": 1},
        {"day": date(2026, 3, 2)},
        {"sections": 1},
        {"ground": "consent"},
        {"outcome": "granted"},
        {"school": "99CD01"},
    ],
    ids=str,
)
def test_nothing_can_be_said_of_what_was_erased(lite: House, said: dict[str, object]) -> None:
    """K1: a board's row of an erased entry stays empty, and of its type."""
    lite.append(release())
    erase(lite)
    assert [one.erased for one in found(lite, type=0x27)] == [True]
    with writing(lite.databases.main) as session:
        session.execute(update(JournalBoard).where(JournalBoard.index == 0).values(**said))
    with pytest.raises(IntegrityBroken, match="entry 0: a board's row says something about what was erased"):
        found(lite)


def test_who_of_the_staff_acted_stays_when_the_pupil_is_erased(house: House) -> None:
    """K1: an erasure lists apart whose actor goes with the pupil; nobody else's may be emptied with it."""
    house.append(grant())
    house.append(release())
    house.append(grant(actor=SERVICE))
    done = erase(house)
    with reading(house.databases.main) as session:
        listed = house.journal.read(session, done.index).terms
    assert listed == {"actors": [0, 2], "erased": [0, 1, 2]}
    assert [(one.erased, one.actor) for one in found(house)[1:]] == [(True, None), (True, OTHER), (True, None)]
    with writing(house.databases.main) as session:
        session.execute(update(JournalPart).where(JournalPart.index == 1).values(actor=None))
        for table in (JournalLookup, JournalBoard):
            session.execute(update(table).where(table.index == 1).values(actor_tag=None))
    with pytest.raises(IntegrityBroken, match="entry 1: its actor neither opens nor was erased"):
        found(house)


def test_an_actor_that_was_made_to_look_like_the_familys_is_not_let_go(lite: House) -> None:
    """K1: what is emptied of a damaged entry isn't listed, so the damage stays to be seen."""
    lite.append(release())
    with writing(lite.databases.main) as session:
        part = session.get_one(JournalPart, 0)
        part.actor = BY_PUPIL + (part.actor or b"")[1:]
    done = erase(lite)
    with reading(lite.databases.main) as session:
        assert lite.journal.read(session, done.index).terms == {"actors": [], "erased": [0]}
    with pytest.raises(IntegrityBroken, match="entry 0: its actor neither opens nor was erased"):
        found(lite)


@pytest.mark.parametrize(
    "terms",
    [{"erased": [0]}, {"actors": [0], "erased": []}, {"actors": [], "erased": [0, 0]}, {"actors": 0, "erased": 0}],
    ids=str,
)
def test_an_erasure_of_another_form_lets_nothing_go(lite: House, terms: dict[str, JSON]) -> None:
    """K1"""
    lite.append(grant())
    lite.append(Entry(ERASURES, ERASE, None, SERVICE, terms, ()))
    with writing(lite.databases.main) as session:
        session.execute(update(JournalPart).where(JournalPart.index == 0).values(subject=None, terms=None))
        session.execute(update(JournalLookup).where(JournalLookup.index == 0).values(erased=1))
    with pytest.raises(IntegrityBroken, match="entry 0: its subject, terms neither opens nor was erased"):
        found(lite)


def test_a_page_holds_no_more_than_the_most(lite: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "PAGE_MAX", 3)
    for tick in (0, 0, 365 * 24 * 3600, 0):
        lite.ticks += tick
        lite.append(release())
    assert indices(lite, limit=99) == indices(lite, limit=99, person=OTHER.id) == [3, 2, 1]
