"""The journal: acts, what is sealed and what is searchable, tampering (K1-K6), proofs, starting, erasing."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Thread
from time import perf_counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, select, text, update
from sqlalchemy.orm import Session

from consent.db import reading, writing
from consent.entry import PARTS, Leaf, commitment, parse_leaf, section_bits
from consent.errors import Destroyed, IntegrityBroken, KeyStoreError, KeyUnknown, PupilUnknown, StartRefused
from consent.journal import Actor, Appended, Entry, Journal
from consent.keystore import KeyStore
from consent.tables import (
    DataKey,
    JournalBoard,
    JournalCheckpoint,
    JournalErasure,
    JournalHead,
    JournalLeaf,
    JournalLookup,
    JournalNode,
    JournalPart,
    Mark,
    Pupil,
)
from crypto.checkpoint import parse_checkpoint, parse_receipt, verify_checkpoint, verify_receipt
from crypto.errors import ProofRefused
from crypto.keys import SignKey
from crypto.merkle import EMPTY_ROOT, Frontier, leaf_hash, root, verify_consistency, verify_inclusion
from tests.conftest import Databases

ORIGIN = "overdracht.example/journal"
KEY = SignKey.from_seed(bytes(range(32)), "journal")
START = datetime(2026, 3, 2, 8, 0, 0, 250, tzinfo=UTC)
STAFF = Actor("staff", "99AB00/ib1", {"role": "ib"})
PARENT = Actor("family", "g1", {"role": "guardian"})
SERVICE = Actor("service", "sweep")


class House:
    """One service's journal on real databases, with a clock that ticks a second per act."""

    def __init__(self, databases: Databases, folder: Path) -> None:
        self.databases = databases
        self.ticks = 0
        self.keystore = KeyStore(databases.keys, folder)
        self.journal = Journal(databases.main, self.keystore, KEY, ORIGIN, self.clock)
        self.journal.initialise()
        for pupil in ("p1", "p2"):
            self.add_pupil(pupil)

    def clock(self) -> datetime:
        self.ticks += 1
        return START + timedelta(seconds=self.ticks)

    def add_pupil(self, pupil: str) -> None:
        self.keystore.new_key("pupil", pupil)
        with writing(self.databases.main) as session:
            session.add(Pupil(id=pupil, board="board-a", sealed=b"..."))

    def append(self, entry: Entry) -> Appended:
        with self.journal.act(pupil=entry.pupil) as act:
            return act.append(entry)

    def opened(self, pupil: str = "p1", book: str | None = None) -> list[dict[str, object]]:
        with reading(self.databases.main) as session:
            return [dict(entry.terms) for entry in self.journal.of_pupil(session, pupil, book)]

    def checkpoint(self) -> bytes:
        with reading(self.databases.main) as session:
            return self.journal.checkpoint(session)

    def restarted(self) -> Journal:
        journal = Journal(self.databases.main, self.keystore, KEY, ORIGIN, self.clock)
        journal.start()
        return journal


@pytest.fixture
def house(databases: Databases, tmp_path: Path) -> House:
    return House(databases, tmp_path / "epochs")


@pytest.fixture
def lite(sqlite_databases: Databases, tmp_path: Path) -> House:
    return House(sqlite_databases, tmp_path / "epochs")


def grant(pupil: str = "p1", **changes: object) -> Entry:
    entry = Entry(
        "ledger",
        1,
        pupil,
        PARENT,
        {"note": "canary-terms"},
        ("board-a", "board-b"),
        ("okr", "lvs"),
        "consent",
        "granted",
        True,
    )
    return replace(entry, **changes)  # type: ignore[arg-type]


def test_an_entry_comes_back_as_it_was_appended(house: House) -> None:
    appended = house.append(grant())
    with reading(house.databases.main) as session:
        opened = house.journal.read(session, appended.index)
    assert (opened.index, opened.book, opened.type, opened.pupil, opened.number) == (0, "ledger", 1, "p1", 1)
    assert opened.actor == PARENT
    assert opened.recorded_at == START + timedelta(seconds=1)
    assert opened.boards == {"board-a": 1, "board-b": 1}
    assert (opened.sections, opened.ground, opened.outcome) == (("okr", "lvs"), "consent", "granted")
    assert opened.terms == {"note": "canary-terms"}


@pytest.mark.parametrize(
    "entry",
    [
        grant(actor=STAFF, boards=(), sections=(), ground=None, outcome=None, numbered=False),
        grant(actor=SERVICE),
        grant(pupil=None, actor=STAFF, numbered=False),
        grant(pupil=None, actor=SERVICE, numbered=False, terms={}),
        grant(type=0, terms={"deep": [{"é": None}, 1.5, True]}),
        grant(type=255),
    ],
)
def test_every_kind_of_entry_comes_back(house: House, entry: Entry) -> None:
    index = house.append(entry).index
    with reading(house.databases.main) as session:
        opened = house.journal.read(session, index)
    assert (opened.type, opened.pupil, opened.actor, opened.terms) == (
        entry.type,
        entry.pupil,
        entry.actor,
        entry.terms,
    )
    assert opened.number == (1 if entry.numbered else None)


def test_an_actor_that_an_export_could_not_end_is_not_appended(lite: House) -> None:
    odd = Actor("staff", "99AB00.s1", {"a": [], "subject": 1})
    with pytest.raises(ValueError, match="the details of an actor can't be told from what follows on them"):
        lite.append(grant(actor=odd))
    assert lite.append(grant(actor=Actor("staff", "99AB00.s1", {"a": '],"subject":', "b": [1]}))).index == 0


def test_the_leaf_holds_commitments_and_nothing_else(house: House) -> None:
    appended = house.append(grant())
    with reading(house.databases.main) as session:
        row = session.get_one(JournalLeaf, 0)
        leaf = parse_leaf(row.leaf, 0)
    assert len(row.leaf) == 98
    assert row.leaf[:2] == b"\x01\x01"
    assert appended == Appended(0, leaf_hash(row.leaf))
    assert row.hash == appended.leaf_hash
    assert leaf.print() == row.leaf
    assert len({leaf.subject, leaf.actor, leaf.terms}) == 3


def test_the_same_entry_twice_gives_two_leaves(house: House) -> None:
    first, second = house.append(grant()), house.append(grant())
    with reading(house.databases.main) as session:
        one, two = (parse_leaf(session.get_one(JournalLeaf, at.index).leaf, at.index) for at in (first, second))
    assert one.type == two.type
    assert not {one.subject, one.actor, one.terms} & {two.subject, two.actor, two.terms}


def test_what_is_searchable_stands_in_clear_and_the_rest_does_not(house: House) -> None:
    house.append(grant())
    with reading(house.databases.main) as session:
        row = session.get_one(JournalLookup, 0)
        part = session.get_one(JournalPart, 0)
        boards = {(board.board, board.number, board.index) for board in session.scalars(select(JournalBoard))}
    assert (row.book, row.type, row.day, row.ground, row.outcome) == (
        "ledger",
        1,
        date(2026, 3, 2),
        "consent",
        "granted",
    )
    assert row.sections == 0b101
    assert boards == {("board-a", 1, 0), ("board-b", 1, 0)}
    assert row.pupil_tag == house.keystore.tag("pupil", "p1")
    assert row.actor_tag is None
    stored = b"".join(getattr(part, name) for name in PARTS)
    # Quoted, as JSON would hold them: two bare letters stand in random bytes by chance.
    assert not any(word in stored for word in (b"canary-terms", b'"p1"', b'"g1"', b"board-a"))


def test_staff_is_found_by_a_tag_of_its_own_and_sealed_apart_from_the_pupil(house: House) -> None:
    house.append(grant(actor=STAFF))
    house.append(grant("p2", actor=STAFF))
    with reading(house.databases.main) as session:
        tags = set(session.scalars(select(JournalLookup.actor_tag)))
        parts = [row.actor for row in session.scalars(select(JournalPart))]
    assert tags == {house.keystore.tag("person", f"{STAFF.id}/2026")}
    assert {part[:1] for part in parts if part} == {b"\x02"}
    assert all(b"ib" not in part for part in parts if part)


def test_section_bits_follow_the_order_of_the_vocabulary() -> None:
    names = ("okr", "opp", "lvs", "attendance", "support", "reports", "views", "handover_notes")
    assert [section_bits((name,)) for name in names] == [1, 2, 4, 8, 16, 32, 64, 128]
    assert section_bits(("okr", "okr", "views")) == 65
    assert section_bits(()) == 0


def test_the_entries_of_a_pupil_come_in_order_and_only_that_pupils(house: House) -> None:
    for number in range(5):
        house.append(
            grant("p1" if number % 2 == 0 else "p2", terms={"n": number}, book="ledger" if number else "access")
        )
    assert house.opened("p1") == [{"n": 0}, {"n": 2}, {"n": 4}]
    assert house.opened("p2") == [{"n": 1}, {"n": 3}]
    assert house.opened("p1", "ledger") == [{"n": 2}, {"n": 4}]
    assert house.opened("p1", "other") == []


def test_reading_a_pupil_takes_one_query_of_each_database(lite: House) -> None:
    for actor in (PARENT, STAFF, SERVICE):
        lite.append(grant(actor=actor))
    seen: list[str] = []
    from sqlalchemy import event

    for name, engine in (("main", lite.databases.main), ("keys", lite.databases.keys)):
        event.listen(engine, "before_cursor_execute", lambda *given, name=name: seen.append(f"{name} {given[2][:6]}"))
    lite.opened()
    assert sorted(seen) == ["keys BEGIN", "keys BEGIN", "keys SELECT", "keys SELECT", "main BEGIN", "main SELECT"]


def test_running_numbers_count_a_pupils_numbered_entries_without_a_gap(house: House) -> None:
    with house.journal.act(pupil="p1") as act:
        act.append(grant())
        act.append(grant(numbered=False))
        act.append(grant())
    house.append(grant("p2"))
    house.append(grant())
    with reading(house.databases.main) as session:
        numbers = [entry.number for entry in house.journal.of_pupil(session, "p1")]
        assert house.journal.newest_number(session, "p1") == 3
    assert numbers == [1, None, 2, 3]
    assert (house.keystore.owner("pupil", "p1").number, house.keystore.owner("pupil", "p2").number) == (3, 1)


def test_each_board_sees_its_entries_numbered_without_a_gap(house: House) -> None:
    with house.journal.act() as act:
        act.append(grant(boards=("board-a",)))
        act.append(grant(boards=("board-b", "board-a", "board-b")))
    house.append(grant(boards=("board-b",)))
    with reading(house.databases.main) as session:
        boards = [house.journal.read(session, index).boards for index in range(3)]
    assert boards == [{"board-a": 1}, {"board-a": 2, "board-b": 1}, {"board-b": 2}]


def test_an_act_reads_the_clock_once_it_has_its_locks_and_uses_that_time(house: House) -> None:
    with house.journal.act(pupil="p1") as act:
        now = act.now
        act.append(grant())
        act.append(grant())
    with reading(house.databases.main) as session:
        assert {entry.recorded_at for entry in house.journal.of_pupil(session, "p1")} == {now}
    assert house.ticks == 1


def test_an_act_raises_the_lock_of_its_pupil(house: House) -> None:
    for _ in range(2):
        with house.journal.act(pupil="p1"):
            pass
    with reading(house.databases.main) as session:
        assert {pupil.id: pupil.version for pupil in session.scalars(select(Pupil))} == {"p1": 2, "p2": 0}


def test_an_act_for_nobody_known_is_refused_before_the_clock_is_read(house: House) -> None:
    with pytest.raises(PupilUnknown, match="there is no such pupil"), house.journal.act(pupil="p9"):
        pass
    assert house.ticks == 0


def test_a_pupil_without_a_key_gets_no_entry(house: House) -> None:
    with pytest.raises(KeyUnknown), house.journal.act() as act:
        act.append(grant("p9"))
    assert parse_checkpoint(house.checkpoint()).size == 0


def test_an_act_that_fails_leaves_no_trace(house: House) -> None:
    house.append(grant())
    before = house.checkpoint()

    def fail() -> None:
        with house.journal.act(pupil="p1") as act:
            act.append(grant())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert house.checkpoint() == before
    assert len(house.opened()) == 1
    assert house.keystore.owner("pupil", "p1").number == 1
    assert house.append(grant()).index == 1


def test_an_act_without_entries_signs_nothing(house: House) -> None:
    before = house.checkpoint()
    with house.journal.act(pupil="p1") as act:
        assert act.now == START + timedelta(seconds=1)
    assert house.checkpoint() == before


def test_acknowledging_raises_the_mark_to_the_new_root(house: House) -> None:
    for _ in range(3):
        house.append(grant())
    mark = house.keystore.mark()
    checkpoint = verify_checkpoint(house.checkpoint(), ORIGIN, KEY.public)
    assert mark is not None
    assert (mark.size, mark.root) == (3, checkpoint.root) == (checkpoint.size, checkpoint.root)


def test_schools_can_be_locked_for_reading_together_and_for_a_change_alone(house: House) -> None:
    with house.journal.act(schools_shared=["99AB00", "99CD01"], schools_exclusive=["99EF00"]) as act:
        assert act.append(grant(pupil=None, numbered=False)).index == 0


@pytest.mark.parametrize("exclusive", [False, True])
def test_a_key_statement_waits_for_acts_that_rely_on_the_schools_keys(house: House, exclusive: bool) -> None:
    if house.databases.kind == "sqlite":
        exclusive = True  # its one writer excludes everybody
    order: list[str] = []
    locks = {"schools_exclusive": ["99AB00"]} if exclusive else {"schools_shared": ["99AB00"]}

    def other() -> None:
        with house.journal.act(**locks):  # type: ignore[arg-type]
            order.append("other")

    thread = Thread(target=other)
    with house.journal.act(schools_shared=["99AB00", "99CD01"]):
        thread.start()
        thread.join(0.3)
        order.append("first")
    thread.join()
    assert order == (["first", "other"] if exclusive else ["other", "first"])


def test_acts_at_the_same_time_give_every_entry_its_own_index(house: House) -> None:
    def work(pupil: str) -> None:
        for _ in range(8):
            house.append(grant(pupil))

    threads = [Thread(target=work, args=(pupil,)) for pupil in ("p1", "p2", "p1")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with reading(house.databases.main) as session:
        hashes = session.scalars(select(JournalLeaf.hash).order_by(JournalLeaf.index)).all()
        assert [entry.number for entry in house.journal.of_pupil(session, "p1")] == list(range(1, 17))
    checkpoint = parse_checkpoint(house.checkpoint())
    assert (len(hashes), checkpoint.size, checkpoint.root) == (24, 24, root(hashes))
    house.restarted()


def test_checkpoints_are_kept_at_each_256_entries(lite: House) -> None:
    entry = grant(pupil=None, actor=SERVICE, numbered=False, boards=())
    for count in (200, 56, 300):
        with lite.journal.act() as act:
            for _ in range(count):
                act.append(entry)
    with reading(lite.databases.main) as session:
        hashes = session.scalars(select(JournalLeaf.hash).order_by(JournalLeaf.index)).all()
        kept = session.scalars(select(JournalCheckpoint).order_by(JournalCheckpoint.size)).all()
    assert [row.size for row in kept] == [256, 512]
    for row in kept:
        checkpoint = verify_checkpoint(row.note, ORIGIN, KEY.public)
        assert (checkpoint.size, checkpoint.root) == (row.size, root(hashes[: row.size]))


def test_proofs_and_receipts_verify_offline(house: House) -> None:
    heads = [parse_checkpoint(house.checkpoint())]
    leaves = []
    for number in range(9):
        index = house.append(grant(terms={"n": number})).index
        heads.append(parse_checkpoint(house.checkpoint()))
        receipt = parse_receipt(house.journal.receipt(index))
        verify_receipt(receipt, receipt.extra, ORIGIN, KEY.public)
        leaves.append(receipt.extra)
    with reading(house.databases.main) as session:
        for index in range(9):
            proof = house.journal.inclusion_proof(session, index, 9)
            verify_inclusion(leaf_hash(leaves[index]), index, 9, proof, heads[9].root)
        for old in range(10):
            proof = house.journal.consistency_proof(session, old, 9)
            verify_consistency(old, 9, heads[old].root, heads[9].root, proof)
        with pytest.raises(ProofRefused):
            house.journal.inclusion_proof(session, 9, 9)
        with pytest.raises(IntegrityBroken, match="entry 8: a node of the tree is missing on level 1"):
            house.journal.inclusion_proof(session, 3, 10)


def test_a_receipt_of_an_entry_that_is_not_there_is_refused(house: House) -> None:
    with pytest.raises(IntegrityBroken, match="entry 0: it isn't there"):
        house.journal.receipt(0)


# Beginning and starting (K3, K4, K12).


def test_a_journal_begins_once(house: House) -> None:
    with pytest.raises(KeyStoreError, match="initialised already"):
        house.journal.initialise()
    checkpoint = verify_checkpoint(house.checkpoint(), ORIGIN, KEY.public)
    assert (checkpoint.size, checkpoint.root) == (0, EMPTY_ROOT)


def test_beginning_goes_on_where_it_stopped_but_never_over_entries(house: House) -> None:
    def forget() -> None:
        with writing(house.databases.keys) as session:
            for table in ("data_key", "epoch", "mark"):
                session.execute(text(f"DELETE FROM {table}"))

    forget()
    house.journal.initialise()
    house.keystore.new_key("pupil", "p1")
    house.append(grant())
    forget()
    with pytest.raises(IntegrityBroken, match="the journal has entries, but its key store is empty"):
        house.journal.initialise()


def test_a_journal_that_was_never_begun_neither_starts_nor_appends(databases: Databases, tmp_path: Path) -> None:
    keystore = KeyStore(databases.keys, tmp_path / "epochs")
    journal = Journal(databases.main, keystore, KEY, ORIGIN, lambda: START)
    with pytest.raises(StartRefused, match="NO_MARK"):
        journal.start()
    keystore.initialise(EMPTY_ROOT)
    with pytest.raises(StartRefused, match="ROLLBACK"):
        journal.start()
    with pytest.raises(IntegrityBroken, match="no journal was begun"), journal.act() as act:
        act.append(grant(pupil=None, actor=SERVICE, numbered=False))
    with pytest.raises(IntegrityBroken, match="no journal was begun"), reading(databases.main) as session:
        journal.checkpoint(session)


def test_a_journal_starts_as_often_as_it_likes(house: House) -> None:
    house.restarted()
    house.append(grant())
    house.restarted().start()
    assert len(house.opened()) == 1


def _cut(session: Session, size: int) -> None:
    """Put the journal back to what it was at a size, its head signed then: an older copy of the main database."""
    for table in (JournalPart, JournalLookup, JournalBoard, JournalLeaf):
        session.execute(delete(table).where(table.index >= size))
    session.execute(delete(JournalNode).where((JournalNode.index + 1) * func.power(2, JournalNode.level) > size))


def test_an_older_copy_of_the_main_database_is_refused_at_start(house: House) -> None:
    """K4, K12: a rollback of the log is a rollback of the withdrawals in it."""
    house.append(grant())
    with reading(house.databases.main) as session:
        old = session.execute(select(JournalHead.size, JournalHead.frontier, JournalHead.checkpoint)).one()
    house.append(grant(type=3))
    with writing(house.databases.main) as session:
        session.execute(update(JournalHead).values(size=old.size, frontier=old.frontier, checkpoint=old.checkpoint))
        _cut(session, 1)
    with pytest.raises(StartRefused, match="ROLLBACK: the journal is smaller than the 2 acknowledged") as refused:
        house.restarted()
    assert refused.value.reason == "ROLLBACK"


def test_an_older_copy_that_went_on_differently_is_refused_at_start(house: House) -> None:
    for _ in range(4):
        house.append(grant())
    with writing(house.databases.keys) as session:
        session.execute(update(Mark).values(size=3, root=bytes(32)))
    with pytest.raises(StartRefused, match="ROOT_MISMATCH: other entries stand below the 3 acknowledged") as refused:
        house.restarted()
    assert refused.value.reason == "ROOT_MISMATCH"


def test_what_was_committed_but_not_acknowledged_is_caught_up_at_start(house: House) -> None:
    house.append(grant())
    before = house.keystore.mark()
    assert before is not None
    house.append(grant(type=3))
    house.append(grant("p2"))
    with writing(house.databases.keys) as session:  # as if the key store's commits after the first had not come about
        session.execute(update(Mark).values(size=before.size, root=before.root))
        session.execute(update(DataKey).values(number=1).where(DataKey.owner_id == "p1"))
        session.execute(update(DataKey).values(number=0).where(DataKey.owner_id == "p2"))
    house.restarted()
    mark = house.keystore.mark()
    assert mark is not None
    assert mark.size == 3
    assert (house.keystore.owner("pupil", "p1").number, house.keystore.owner("pupil", "p2").number) == (2, 1)


def test_a_stored_tree_that_disagrees_with_its_head_is_refused_at_start(house: House) -> None:
    for _ in range(3):
        house.append(grant())
    with writing(house.databases.main) as session:
        session.execute(update(JournalLeaf).where(JournalLeaf.index == 2).values(hash=bytes(32)))
    with pytest.raises(StartRefused, match="ROOT_MISMATCH"):
        house.restarted()


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"size": 3}, "the head of the journal and its last checkpoint disagree"),
        ({"size": 1}, "the head of the journal and its last checkpoint disagree"),
        ({"frontier": (2).to_bytes(8, "big") + bytes(32)}, "the head of the journal and its last checkpoint disagree"),
        ({"frontier": (3).to_bytes(8, "big") + bytes(64)}, "the head of the journal and its last checkpoint disagree"),
        ({"frontier": b"short"}, "the head of the journal: not a frontier"),
        ({"checkpoint": b"short"}, "the head of the journal: not a signed note"),
    ],
)
def test_a_head_that_was_edited_stops_every_append(house: House, change: dict[str, object], what: str) -> None:
    house.append(grant())
    house.append(grant())
    with writing(house.databases.main) as session:
        session.execute(update(JournalHead).values(**change))
    with pytest.raises(IntegrityBroken, match=what) as broken, house.journal.act(pupil="p1") as act:
        act.append(grant())
    assert broken.value.index is None


def test_a_head_signed_by_another_key_stops_every_append(house: House) -> None:
    """K2: whoever rebuilds the whole tree in the database can't sign its head."""
    house.append(grant())
    other = Journal(house.databases.main, house.keystore, SignKey.generate("journal"), ORIGIN, house.clock)
    with pytest.raises(IntegrityBroken, match="the log's key has not signed the checkpoint"), other.act() as act:
        act.append(grant())
    renamed = Journal(house.databases.main, house.keystore, KEY, "other.example/journal", house.clock)
    with pytest.raises(IntegrityBroken, match="the checkpoint is of another log"):
        renamed.start()


# Tampering with entries (K1).


def _flip(column: str) -> Callable[[Session], None]:
    def flip(session: Session) -> None:
        stored = session.scalar(select(getattr(JournalPart, column)).where(JournalPart.index == 1))
        session.execute(
            update(JournalPart).where(JournalPart.index == 1).values({column: stored[:-1] + bytes([stored[-1] ^ 1])})
        )

    return flip


def _set(
    table: type[JournalLookup] | type[JournalLeaf] | type[JournalPart], **values: object
) -> Callable[[Session], None]:
    return lambda session: (session.execute(update(table).where(table.index == 1).values(**values)), None)[1]


def _swap(session: Session) -> None:
    first, second = (session.get_one(JournalPart, index) for index in (0, 1))
    first.terms, second.terms = second.terms, first.terms


@pytest.mark.parametrize(
    ("tamper", "what"),
    [
        (_flip("subject"), "entry 1: its subject doesn't open"),
        (_flip("actor"), "entry 1: its actor doesn't open"),
        (_flip("terms"), "entry 1: its terms doesn't open"),
        (_swap, "entry 0: its terms doesn't open"),
        (_set(JournalPart, terms=None), "entry 1: its terms neither opens nor was erased"),
        (_set(JournalPart, subject=None), "entry 1: its subject neither opens nor was erased"),
        (_set(JournalPart, actor=None), "entry 1: its actor neither opens nor was erased"),
        (_set(JournalPart, subject=None, actor=None, terms=None), "entry 1: its subject, actor, terms neither opens"),
        (_set(JournalPart, terms=b"\x00" + bytes(32) + b"{}"), "entry 1: its terms isn't what the tree holds"),
        (_set(JournalPart, terms=b"\x00" + bytes(31)), "entry 1: its terms has no salt"),
        (_set(JournalPart, terms=b""), "entry 1: its terms says of nobody whose key sealed it"),
        (_set(JournalPart, terms=b"\x03" + bytes(99)), "entry 1: its terms says of nobody whose key sealed it"),
        (_set(JournalPart, terms=b"\x02" + bytes(99)), "entry 1: its terms says of nobody whose key sealed it"),
        (_set(JournalLeaf, hash=bytes(32)), "entry 1: its leaf, hash and type disagree"),
        (_set(JournalLeaf, leaf=b"\x01" * 98), "entry 1: its leaf, hash and type disagree"),
        (_set(JournalLeaf, leaf=b"\x02" * 98), "entry 1: not a leaf of version 1"),
        (_set(JournalLeaf, leaf=b"\x01" * 97), "entry 1: not a leaf of version 1"),
        (_set(JournalLookup, type=3), "entry 1: its leaf, hash and type disagree"),
        (_set(JournalLookup, book="access"), "entry 1: what stands in clear isn't what was sealed"),
        (_set(JournalLookup, day=date(2026, 3, 1)), "entry 1: what stands in clear isn't what was sealed"),
        (_set(JournalLookup, sections=1), "entry 1: what stands in clear isn't what was sealed"),
        (_set(JournalLookup, ground=None), "entry 1: what stands in clear isn't what was sealed"),
        (_set(JournalLookup, outcome="refused"), "entry 1: what stands in clear isn't what was sealed"),
        (_set(JournalLookup, number=9), "entry 1: what stands in clear isn't what was sealed"),
        (_set(JournalLookup, school="99ZZ00"), "entry 1: what stands in clear isn't what was sealed"),
    ],
)
def test_an_entry_that_was_edited_is_named(house: House, tamper: Callable[[Session], None], what: str) -> None:
    for _ in range(3):
        house.append(grant())
    with writing(house.databases.main) as session:
        tamper(session)
    with pytest.raises(IntegrityBroken, match=what):
        house.opened()


def test_an_entry_given_to_another_pupil_does_not_open_there(house: House) -> None:
    house.append(grant("p1"))
    with writing(house.databases.main) as session:
        session.execute(update(JournalLookup).values(pupil_tag=house.keystore.tag("pupil", "p2")))
    with pytest.raises(IntegrityBroken, match="entry 0: its subject doesn't open"):
        house.opened("p2")


def test_an_entry_about_nobody_given_to_a_pupil_is_named(house: House) -> None:
    house.append(grant(pupil=None, actor=SERVICE, numbered=False))
    with writing(house.databases.main) as session:
        session.execute(update(JournalLookup).values(pupil_tag=house.keystore.tag("pupil", "p2")))
    with pytest.raises(IntegrityBroken, match="entry 0: it is about another pupil"):
        house.opened("p2")


def test_a_withdrawal_taken_out_at_the_end_leaves_the_numbers_short(house: House) -> None:
    """K1, K3: the key store knows of a newer number, and the next entry doesn't fill the hole."""
    house.append(grant())
    house.append(grant(type=3))
    with writing(house.databases.main) as session:
        session.execute(update(JournalLookup).where(JournalLookup.index == 1).values(pupil_tag=None))
    with reading(house.databases.main) as session:
        assert [entry.number for entry in house.journal.of_pupil(session, "p1")] == [1]
        assert house.journal.newest_number(session, "p1") == 2
    house.append(grant())
    with reading(house.databases.main) as session:
        assert [entry.number for entry in house.journal.of_pupil(session, "p1")] == [1, 3]


def test_an_actor_whose_key_went_without_an_erasure_is_named(house: House) -> None:
    house.append(grant(actor=STAFF))
    house.keystore.destroy(house.keystore.owner("person", f"{STAFF.id}/2026").id)
    with (
        reading(house.databases.main) as session,
        pytest.raises(IntegrityBroken, match="entry 0: its actor neither opens nor was erased"),
    ):
        house.journal.read(session, 0)
    with pytest.raises(Destroyed):
        house.append(grant(actor=STAFF))


def test_a_familys_actor_closed_by_hand_is_not_taken_for_erased_staff(house: House) -> None:
    """K1: else a withdrawal could be made nobody's."""
    house.append(grant(type=3))
    with writing(house.databases.main) as session:
        session.execute(update(JournalPart).values(actor=b"\x02" + bytes(60)))
        session.execute(update(JournalLookup).values(actor_tag=bytes(32)))
    with pytest.raises(IntegrityBroken, match="entry 0: its actor neither opens nor was erased"):
        house.opened()


# Erasing.


def _erase(house: House, pupil: str) -> Appended:
    with house.journal.act(pupil=pupil) as act:
        return house.journal.erase(act, pupil, STAFF, ("board-a",))


def test_erasing_a_pupil_takes_away_whom_it_was_about_and_keeps_order_count_and_proofs(house: House) -> None:
    house.append(grant())
    house.append(grant("p2"))
    house.append(grant(actor=STAFF))
    receipt = parse_receipt(house.journal.receipt(2))
    house.keystore.remember("board-a", "leerling 7", "p1")
    assert _erase(house, "p1").index == 3

    with reading(house.databases.main) as session:
        with pytest.raises(Destroyed):
            house.journal.of_pupil(session, "p1")
        for index in (0, 2):
            with pytest.raises(IntegrityBroken, match=f"entry {index}: it was erased"):
                house.journal.read(session, index)
        erasure = house.journal.read(session, 3)
        parts = [session.get_one(JournalPart, index) for index in (0, 2)]
        looked_up = [session.get_one(JournalLookup, index) for index in (0, 2)]
        pupil = session.get_one(Pupil, "p1")
        proof = house.journal.inclusion_proof(session, 2, 4)
        assert session.scalar(select(func.count()).select_from(JournalErasure)) == 0
    assert (erasure.book, erasure.type, erasure.pupil) == ("erasure", 0x11, None)
    assert erasure.terms == {"actors": [0], "erased": [0, 2]}
    assert erasure.actor == STAFF
    assert [(part.subject, part.actor is None, part.terms) for part in parts] == [
        (None, True, None),
        (None, False, None),
    ]
    for row in looked_up:
        assert (row.book, row.type, row.sections) == ("ledger", 1, 0)
        assert {row.day, row.ground, row.outcome, row.number, row.pupil_tag} == {None}
    assert [row.actor_tag is None for row in looked_up] == [True, False]
    assert (pupil.sealed, pupil.erased) == (None, True)
    assert house.keystore.find("board-a", "leerling 7") is None
    assert house.opened("p2") == [{"note": "canary-terms"}]
    verify_inclusion(leaf_hash(receipt.extra), 2, 4, proof, parse_checkpoint(house.checkpoint()).root)
    house.restarted()
    with pytest.raises(Destroyed):
        house.append(grant())


def test_the_entry_of_an_erasure_is_not_sealed_and_names_nobody(house: House) -> None:
    house.append(grant())
    index = _erase(house, "p1").index
    with reading(house.databases.main) as session:
        part = session.get_one(JournalPart, index)
    assert part.terms is not None
    assert json.loads(part.terms[33:])["terms"] == {"actors": [0], "erased": [0]}
    assert b"p1" not in part.terms + (part.subject or b"")


def test_an_erasure_that_crashed_before_the_key_was_destroyed_is_finished_at_start(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.append(grant())

    def crash(self: KeyStore, key_id: str) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(KeyStore, "destroy", crash)
        with pytest.raises(KeyboardInterrupt):
            _erase(house, "p1")
    assert house.keystore.key("pupil", "p1")
    house.restarted()
    with pytest.raises(Destroyed):
        house.keystore.key("pupil", "p1")
    with reading(house.databases.main) as session:
        assert session.scalar(select(func.count()).select_from(JournalErasure)) == 0


def test_an_erasure_that_is_not_committed_destroys_nothing(house: House) -> None:
    house.append(grant())

    def fail() -> None:
        with house.journal.act(pupil="p1") as act:
            house.journal.erase(act, "p1", STAFF, ("board-a",))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    house.restarted()
    assert len(house.opened()) == 1


# Properties.

_pupils = st.sampled_from(["p1", "p2", None])
_entries = st.builds(
    lambda pupil, book, type_, actor, boards, numbered: Entry(
        book,
        type_,
        pupil,
        actor if pupil or actor.kind != "family" else SERVICE,
        {"x": type_},
        boards,
        numbered=numbered,
    ),
    _pupils,
    st.sampled_from(["ledger", "access"]),
    st.integers(0, 255),
    st.sampled_from([STAFF, PARENT, SERVICE]),
    st.sets(st.sampled_from(["a", "b"])).map(tuple),
    st.booleans(),
)


@pytest.fixture
def empty(sqlite_databases: Databases, tmp_path: Path) -> Iterator[Callable[[], House]]:
    """Give a new, empty house on the same files each time: one for every example."""

    def make() -> House:
        for engine in (sqlite_databases.main, sqlite_databases.keys):
            with writing(engine) as session:
                tables = session.scalars(text("SELECT name FROM sqlite_master WHERE type = 'table'")).all()
                session.execute(text("PRAGMA defer_foreign_keys = ON"))
                for table in tables:
                    session.execute(text(f"DELETE FROM {table}"))
        return House(sqlite_databases, tmp_path / "epochs")

    return make


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=st.lists(st.lists(_entries, max_size=4), max_size=5))
def test_whatever_is_appended_is_read_back_in_order_and_proved(
    empty: Callable[[], House], acts: list[list[Entry]]
) -> None:
    house = empty()
    flat = [entry for entries in acts for entry in entries]
    for entries in acts:
        with house.journal.act() as act:
            for entry in entries:
                act.append(entry)
    house.restarted()
    with reading(house.databases.main) as session:
        for index, entry in enumerate(flat):
            opened = house.journal.read(session, index)
            assert (opened.book, opened.type, opened.pupil, opened.actor) == (
                entry.book,
                entry.type,
                entry.pupil,
                entry.actor,
            )
        for pupil in ("p1", "p2"):
            of_pupil = house.journal.of_pupil(session, pupil)
            assert [entry.index for entry in of_pupil] == [at for at, entry in enumerate(flat) if entry.pupil == pupil]
            numbers = [entry.number for entry in of_pupil if entry.number is not None]
            assert numbers == list(range(1, len(numbers) + 1))
        frontier = Frontier()
        for hashed in session.scalars(select(JournalLeaf.hash).order_by(JournalLeaf.index)):
            frontier.append(hashed)
    assert parse_checkpoint(house.checkpoint()).root == frontier.root()


@given(st.integers(0, 255), *[st.binary(min_size=32, max_size=32)] * 3)
def test_a_leaf_prints_and_parses(type_: int, subject: bytes, actor: bytes, terms: bytes) -> None:
    leaf = Leaf(type_, subject, actor, terms)
    assert parse_leaf(leaf.print(), 0) == leaf


def test_a_part_is_committed_to_under_its_own_name() -> None:
    salted = bytes(32) + b"{}"
    assert len({commitment(part, salted) for part in PARTS}) == 3


def test_appends_per_second_are_printed(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    entry = grant()
    begun = perf_counter()
    for _ in range(50):
        house.append(entry)
    rate = 50 / (perf_counter() - begun)
    with capsys.disabled():
        print(f"\n{house.databases.kind}: {rate:.0f} acts with one append per second")
    assert rate > 1
