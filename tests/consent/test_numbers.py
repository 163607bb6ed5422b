"""Running numbers: none is lost by a crash, none is given twice, and what was taken out is missed (K1, K4)."""

from pathlib import Path
from threading import Thread

import pytest
from sqlalchemy import ColumnElement, delete, func, insert, select, update
from sqlalchemy.orm import Session

from consent import tree
from consent.db import reading, writing
from consent.errors import IntegrityBroken, NotShipped
from consent.journal import Journal
from consent.marks import HighWater, Numbers, OfBoard, forget_lost
from consent.numbers import unacknowledged as numbers_between
from consent.reasons import Reason
from consent.replay import settle
from consent.rule import Granted, Refused
from consent.tables import BoardNumber, DataKey, JournalBoard, JournalLeaf, JournalLookup, JournalPart, Mark, core
from crypto.checkpoint import parse_checkpoint
from tests.conftest import Databases
from tests.consent.desk import Desk
from tests.consent.story import PUPIL
from tests.consent.test_journal import KEY, ORIGIN, SERVICE, House, grant

BOARD = core(JournalBoard)
ROW = tuple[object, ...]


@pytest.fixture
def house(databases: Databases, tmp_path: Path) -> House:
    return House(databases, tmp_path / "epochs")


@pytest.fixture
def lite(sqlite_databases: Databases, tmp_path: Path) -> House:
    return House(sqlite_databases, tmp_path / "epochs")


@pytest.fixture
def desk(sqlite_databases: Databases, tmp_path: Path) -> Desk:
    made = Desk(sqlite_databases, tmp_path / "epochs").pupil().pupil("other")
    made.record("CUSTODY", "s1", holders=["g1"])
    made.record("APPLIED", "r1")
    made.record("GRANT", "g1", sections=["okr", "lvs"])
    return made


def fail() -> None:
    raise NotShipped("the second place can't be written")


def unacknowledged(journal: Journal) -> None:
    """From here on what is committed isn't acknowledged."""
    journal._ship = fail


def acknowledged(journal: Journal) -> None:
    journal._ship = None


def newest(keystore: object, *pupils: str) -> list[int]:
    return [keystore.owner("pupil", pupil).number for pupil in pupils]  # type: ignore[attr-defined]


def of_boards(house: House) -> dict[str, int]:
    return {board: said.number for board, said in house.keystore.of_boards().items()}


# What was committed and never acknowledged.


def test_the_next_act_acknowledges_what_an_earlier_one_left(house: House) -> None:
    house.append(grant())
    unacknowledged(house.journal)
    for entry in (grant(), grant("p2", boards=("board-c",)), grant(type=3)):
        with pytest.raises(NotShipped):
            house.append(entry)
    assert newest(house.keystore, "p1", "p2") == [1, 0]
    acknowledged(house.journal)
    house.append(grant(pupil=None, actor=SERVICE, numbered=False, boards=("board-b",)))
    assert newest(house.keystore, "p1", "p2") == [3, 1]
    assert of_boards(house) == {"board-a": 3, "board-b": 4, "board-c": 1}


def test_what_was_erased_before_anybody_acknowledged_it_keeps_its_boards_numbers(lite: House) -> None:
    unacknowledged(lite.journal)
    with pytest.raises(NotShipped):
        lite.append(grant(boards=("board-a", "board-c")))
    with pytest.raises(NotShipped), lite.journal.act(pupil="p1") as act:
        lite.journal.erase(act, "p1", SERVICE, ("board-a",))
    acknowledged(lite.journal)
    lite.append(grant("p2", boards=("board-b",)))
    assert of_boards(lite) == {"board-a": 2, "board-b": 1, "board-c": 2}


def test_so_many_are_acknowledged_at_once_as_there_are(lite: House) -> None:
    unacknowledged(lite.journal)
    with pytest.raises(NotShipped), lite.journal.act(pupil="p1") as act:
        act.extend([grant("p1" if at < 501 else "p2", boards=("board-a",)) for at in range(503)])
    lite.restarted()
    assert newest(lite.keystore, "p1", "p2") == [501, 2]
    assert of_boards(lite) == {"board-a": 503}


def test_the_numbers_of_some_entries_are_theirs_alone(lite: House) -> None:
    for pupil, board in [("p1", "board-a"), ("p2", "board-b"), ("p1", "board-c"), ("p1", "board-d"), ("p2", "board-a")]:
        lite.append(grant(pupil, boards=(board,), numbered=board != "board-d"))
    found = numbers_between(lite.databases.main, lite.keystore, ORIGIN, 1, 4)
    assert found == Numbers({"p2": 1, "p1": 2}, {"board-b": 1, "board-c": 1, "board-d": 1})


def test_an_entry_about_nobody_has_no_number_of_a_pupil(lite: House) -> None:
    lite.append(grant(pupil=None, actor=SERVICE))
    with reading(lite.databases.main) as session:
        assert lite.journal.read(session, 0).number is None


def test_nothing_to_append_is_nothing_done(lite: House) -> None:
    signed = lite.checkpoint()
    with lite.journal.act() as act:
        assert act.extend([]) == []
    assert lite.checkpoint() == signed


@pytest.mark.parametrize("of", [JournalLeaf, JournalPart, JournalLookup])
def test_an_entry_that_goes_before_anybody_acknowledged_it_stops_the_next_act(
    lite: House, of: type[JournalLeaf]
) -> None:
    """K1"""
    lite.append(grant())
    unacknowledged(lite.journal)
    with pytest.raises(NotShipped):
        lite.append(grant())
    with lite.databases.main.connect() as connection:
        connection.connection.driver_connection.execute("PRAGMA foreign_keys = OFF")  # type: ignore[union-attr]
        connection.execute(delete(core(of)).where(core(of).c.idx == 1))
        connection.commit()
        connection.invalidate()
    acknowledged(lite.journal)
    with pytest.raises(IntegrityBroken, match="entry 1: not all are there that were never acknowledged"):
        lite.append(grant("p2"))
    mark = lite.keystore.mark()
    assert mark is not None
    assert mark.size == 1


def test_an_entry_altered_before_anybody_acknowledged_it_stops_the_next_act(lite: House) -> None:
    """K1"""
    unacknowledged(lite.journal)
    with pytest.raises(NotShipped):
        lite.append(grant())
    with writing(lite.databases.main) as session:
        session.execute(update(JournalLookup).values(pupil_tag=None))
    acknowledged(lite.journal)
    with pytest.raises(IntegrityBroken, match="entry 0"):
        lite.append(grant("p2"))
    assert newest(lite.keystore, "p1", "p2") == [0, 0]


def withdraw_unacknowledged(desk: Desk) -> object:
    """Withdraw, and fail after the commit."""
    draft = desk.draft("WITHDRAW", "g1", sections=["lvs"], key="withdrawal")
    unacknowledged(desk.journal)
    with pytest.raises(NotShipped):
        desk.put(draft)
    acknowledged(desk.journal)
    assert newest(desk.keystore, PUPIL) == [3]
    return draft


def hide_withdrawal(desk: Desk) -> None:
    with writing(desk.databases.main) as session:
        last = session.scalar(select(func.max(JournalLookup.index)).where(JournalLookup.number == 4))
        session.execute(update(JournalLookup).where(JournalLookup.index == last).values(pupil_tag=None))


def test_a_withdrawal_that_was_not_acknowledged_is_missed_once_anothers_act_was(desk: Desk) -> None:
    """K1, K4: the mark doesn't pass it without its number."""
    withdraw_unacknowledged(desk)
    desk.record("CUSTODY", "s1", subject="other", holders=["g2"])
    assert newest(desk.keystore, PUPIL, "other") == [4, 1]
    hide_withdrawal(desk)
    assert desk.ask() == Refused(Reason.LEDGER_INTEGRITY)


def test_the_same_withdrawal_again_is_answered_when_its_number_was_acknowledged(desk: Desk) -> None:
    """K1, K4"""
    draft = withdraw_unacknowledged(desk)
    assert desk.put(draft).number == 4
    assert newest(desk.keystore, PUPIL) == [4]
    hide_withdrawal(desk)
    assert desk.ask() == Refused(Reason.LEDGER_INTEGRITY)


def test_the_same_withdrawal_again_is_not_answered_while_it_can_not_be_acknowledged(desk: Desk) -> None:
    draft = withdraw_unacknowledged(desk)
    unacknowledged(desk.journal)
    with pytest.raises(NotShipped):
        desk.put(draft)
    assert newest(desk.keystore, PUPIL) == [3]


def test_acts_at_the_same_time_leave_no_number_behind(house: House) -> None:
    def work(pupil: str) -> None:
        for _ in range(12):
            house.append(grant(pupil, boards=(f"board-{pupil}", "board-a")))

    threads = [Thread(target=work, args=(pupil,)) for pupil in ("p1", "p2") for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    mark = house.keystore.mark()
    assert mark is not None
    assert mark.size == 48
    assert newest(house.keystore, "p1", "p2") == [24, 24]
    assert of_boards(house) == {"board-a": 48, "board-p1": 24, "board-p2": 24}


def test_a_store_from_before_it_knew_boards_numbers_is_filled_at_start(lite: House) -> None:
    for pupil in ("p1", "p1", "p2"):
        lite.append(grant(pupil))
    with writing(lite.databases.keys) as session:
        session.execute(delete(BoardNumber))
        session.execute(update(DataKey).where(DataKey.owner_id == "p1").values(number=1))
    lite.restarted()
    assert newest(lite.keystore, "p1", "p2") == [2, 1]
    assert of_boards(lite) == {"board-a": 3, "board-b": 3}


# A board's newest entries taken out.


def rows_of(session: Session, *wanted: ColumnElement[bool]) -> list[dict[str, object]]:
    return [dict(row) for row in session.execute(select(BOARD).where(*wanted)).mappings()]


def take_newest(house: House, above: int = 2, board: str = "board-a") -> list[dict[str, object]]:
    """Take a board's rows above a number out of the main database; gives them."""
    newest = (BOARD.c.board == board) & (BOARD.c.number > above)
    with writing(house.databases.main) as session:
        rows = rows_of(session, newest)
        session.execute(delete(BOARD).where(newest))
    assert rows
    return rows


def put_back(house: House, rows: list[dict[str, object]]) -> None:
    with writing(house.databases.main) as session:
        session.execute(insert(BOARD), rows)


def missing(house: House, journal: Journal | None = None) -> dict[str, tuple[int, int]]:
    with reading(house.databases.main) as session:
        return (journal or house.journal).missing(session)


def numbers(house: House, board: str = "board-a") -> list[object]:
    with reading(house.databases.main) as session:
        return [row["number"] for row in rows_of(session, BOARD.c.board == board)]


def test_nothing_is_missing_where_nothing_was_taken_out(lite: House) -> None:
    assert missing(lite) == {}
    lite.append(grant())
    assert missing(lite) == {}


@pytest.mark.parametrize("above", [0, 2])
def test_a_boards_newest_entries_are_missed_and_their_numbers_not_given_again(lite: House, above: int) -> None:
    """K1: whether anybody looked in between or not."""
    for _ in range(4):
        lite.append(grant())
    rows = take_newest(lite, above)
    if above:
        assert missing(lite) == {"board-a": (3, 4)}
    lite.append(grant())
    lite.append(grant())
    assert numbers(lite) == [*range(1, above + 1), 5, 6]
    assert missing(lite) == {"board-a": (above + 1, 4)}
    assert missing(lite, lite.restarted()) == {"board-a": (above + 1, 4)}
    put_back(lite, rows[1:])
    assert missing(lite) == {"board-a": (above + 1, 4)}
    put_back(lite, rows[:1])
    assert missing(lite) == {}
    lite.append(grant())
    assert numbers(lite)[-1] == 7


def test_entries_taken_out_again_are_missed_beside_the_first(lite: House) -> None:
    for _ in range(3):
        lite.append(grant())
    rows = take_newest(lite, 2)
    lite.append(grant())
    rows += take_newest(lite, 2)
    assert missing(lite) == {"board-a": (3, 4)}
    lite.append(grant())
    put_back(lite, rows[:1])
    assert missing(lite) == {"board-a": (3, 4)}
    put_back(lite, rows[1:])
    assert missing(lite) == {}


def test_what_was_seen_to_be_missing_is_missed_until_all_of_it_is_back(lite: House) -> None:
    """K1: putting back the newest row alone hides nothing."""
    for _ in range(3):
        lite.append(grant())
    low, high = sorted(take_newest(lite, 1), key=lambda row: str(row["number"]))
    assert missing(lite) == {"board-a": (2, 3)}
    put_back(lite, [high])
    assert missing(lite) == {"board-a": (2, 3)}
    put_back(lite, [low])
    assert missing(lite) == {}


def test_one_boards_missing_entries_are_no_other_boards(lite: House) -> None:
    lite.append(grant())
    take_newest(lite, 0)
    with reading(lite.databases.main) as session:
        assert lite.journal.missing(session, ["board-b", "board-c"]) == {}
        assert lite.journal.missing(session, ["board-b", "board-a"]) == {"board-a": (1, 1)}
        assert lite.journal.missing(session, []) == {}


def test_whoever_began_to_read_earlier_misses_nothing(house: House) -> None:
    house.append(grant())
    with reading(house.databases.main) as session:
        assert house.journal.missing(session) == {}
        house.append(grant())
        assert house.journal.missing(session) == {}
    assert house.keystore.of_boards() == {"board-a": OfBoard(2, None), "board-b": OfBoard(2, None)}


def test_a_board_of_which_entries_are_missing_lets_nothing_go(desk: Desk) -> None:
    """K1: neither the same request again, nor a restart, nor the next entry makes up for it."""
    assert isinstance(desk.ask(), Granted)
    rows = take_newest(desk)
    for _ in range(2):
        assert desk.ask() == Refused(Reason.LEDGER_INTEGRITY)
        desk.record("VIEW", "g1")
    take_newest(desk, board="board-b", above=0)
    put_back(desk, rows)
    assert isinstance(desk.ask(), Granted)  # what is missing of another board keeps nothing here


def test_no_policy_is_found_while_a_newer_one_may_have_been_taken_out(desk: Desk) -> None:
    """K1"""
    take_newest(desk)
    with reading(desk.databases.main) as session:
        with pytest.raises(IntegrityBroken, match="entries of a board are missing among its numbers 3 to 3"):
            desk.ledger.policy_of(session, "board-a")
        assert desk.ledger.policy_of(session, "board-b") is None


# A journal that was put back with a loss.


def lose(house: House) -> Journal:
    """Let the log go on under another name, where the key store knows of numbers that went with what was lost."""
    house.keystore.settle_numbers([], {"board-a": 9, "board-c": 4})
    with writing(house.databases.main) as session:
        tree.rename(session, ORIGIN, f"{ORIGIN}-2", KEY)
    return house.restarted()


def test_after_a_loss_numbers_go_on_above_those_that_were_lost_and_nothing_is_missed(house: House) -> None:
    house.append(grant())
    journal = lose(house)
    assert missing(house, journal) == {}
    with journal.act() as act:
        rollback = grant(pupil=None, actor=SERVICE, numbered=False, boards=("board-a", "board-b"))
        act.append(rollback)
        act.append(grant(pupil=None, actor=SERVICE, numbered=False, boards=("board-c",)))
    assert (numbers(house), numbers(house, "board-b"), numbers(house, "board-c")) == ([1, 10], [1, 2], [5])
    assert missing(house, journal) == {}


def test_a_loss_excuses_nothing_that_goes_afterwards(lite: House) -> None:
    lite.append(grant())
    journal = lose(lite)
    for _ in range(2):
        with journal.act() as act:
            act.append(grant(pupil=None, actor=SERVICE, numbered=False, boards=("board-a", "board-b", "board-c")))
    take_newest(lite, 10)
    assert missing(lite, journal) == {"board-a": (11, 11)}


def test_the_mark_that_went_with_a_key_store_stops_every_act(lite: House) -> None:
    """K4"""
    with writing(lite.databases.keys) as session:
        session.execute(delete(Mark))
    with pytest.raises(Exception, match="the key store has no mark"):
        lite.append(grant())


def test_numbers_are_raised_with_the_mark_or_not_at_all(lite: House) -> None:
    lite.append(grant())
    assert lite.keystore.raise_mark(7, bytes(32), Numbers({"p1": 5}, {"board-a": 6}), since=2) is False
    assert newest(lite.keystore, "p1") == [1]
    assert of_boards(lite) == {"board-a": 1, "board-b": 1}


def test_numbers_are_raised_also_where_the_mark_stands_as_high_already(lite: House) -> None:
    """K4: another act's acknowledgement came first, and holds this act's entries too."""
    for pupil in ("p1", "p2"):
        lite.append(grant(pupil))
    for at, (size, since) in enumerate([(2, 1), (2, 2), (1, 1), (1, 0)]):
        assert lite.keystore.raise_mark(size, bytes(32), Numbers({"p1": 5 + at}, {"board-a": 6 + at}), since=since)
        assert newest(lite.keystore, "p1", "p2") == [5 + at, 1]
        assert of_boards(lite) == {"board-a": 6 + at, "board-b": 2}
    assert lite.keystore.mark() == HighWater(2, parse_checkpoint(lite.checkpoint()).root)
    assert lite.keystore.raise_mark(4, bytes(32), Numbers({"p1": 3}, {"board-a": 3}), since=2)
    assert lite.keystore.mark() == HighWater(4, bytes(32))
    assert newest(lite.keystore, "p1") == [8], "nothing goes down"
    assert of_boards(lite)["board-a"] == 9


def test_what_is_noted_as_lost_grows_in_both_directions_until_it_is_forgotten(lite: House) -> None:
    lite.append(grant())
    store = lite.keystore
    for noted, known in [((3, 5), (3, 5)), ((4, 4), (3, 5)), ((2, 4), (2, 5)), ((4, 9), (2, 9)), ((2, 9), (2, 9))]:
        store.note_lost("board-a", *noted)
        assert store.of_boards() == {"board-a": OfBoard(1, known), "board-b": OfBoard(1, None)}
    with writing(lite.databases.keys) as session:
        forget_lost(session)
    assert store.of_boards(["board-a"]) == {"board-a": OfBoard(1, None)}
    store.note_lost("board-a", 3, 4)
    assert store.of_boards(["board-a"]) == {"board-a": OfBoard(1, (3, 4))}


@pytest.mark.parametrize("lossy", [False, True])
def test_a_restore_settles_numbers_from_the_journal_and_after_a_loss_from_what_was_given_too(
    lite: House, lossy: bool
) -> None:
    """K12"""
    for pupil in ("p1", "p1", "p2"):
        lite.append(grant(pupil))
    reached = parse_checkpoint(lite.checkpoint())
    lite.keystore.note_lost("board-a", 1, 1)
    with writing(lite.databases.keys) as session, reading(lite.databases.main) as journal:
        session.execute(update(DataKey).where(DataKey.owner_id == "p2").values(number=5))
        session.execute(update(DataKey).where(DataKey.owner_id == "p1").values(number=0))
        session.execute(update(BoardNumber).where(BoardNumber.board == "board-b").values(number=1))
        settle(session, journal, reached, lossy=lossy, given={"board-a": 2, "board-c": 7} if lossy else {})
    assert newest(lite.keystore, "p1", "p2") == [2, 1 if lossy else 5]
    known = {"board-a": OfBoard(3, None if lossy else (1, 1)), "board-b": OfBoard(3, None)}
    assert lite.keystore.of_boards() == (known | {"board-c": OfBoard(7, None)} if lossy else known)
    mark = lite.keystore.mark()
    assert mark is not None
    assert (mark.size, mark.root) == (3, reached.root)
