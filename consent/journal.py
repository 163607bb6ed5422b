"""The journal: one append-only log under the ledger and the access log, so that what they hold has one order.

Whatever the service decides is an act: one transaction that

(1) takes its locks in the one order that everybody keeps: school keys, the pupil, (the caller:) a bundle, the head;
(2) reads the clock, after the locks, so that no decision carries a time from before a wait;
(3) decides and appends, which locks the head until the end;
(4) signs the new head and commits;
(5) ships what it changed to a second place, where there is one (`consent.shipping`);
(6) raises the mark and the pupils' running numbers in the key store, in one transaction, and only then returns.

An act that fails before (4) leaves nothing. One that fails after it stands in the journal but was not acknowledged, and
the next start does what is missing. An erased pupil's key is destroyed after (6), by the act or by the next start.
"""

from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from typing import BinaryIO

from sqlalchemy import Engine, bindparam, delete, select
from sqlalchemy.orm import Session

from consent import several, tree
from consent.act import Act
from consent.db import reading, writing
from consent.entry import (
    ERASE,
    ERASURES,
    SEES,
    STAFF_ERASED,
    WHOLE,
    Actor,
    Appended,
    Entry,
    Opened,
    Told,
)
from consent.erasing import boards_seeing, doom, doomed, empty_pupil, empty_staff, listed, of_pupil
from consent.errors import Destroyed, IntegrityBroken, KeyUnknown, StartRefused, YearOpen
from consent.export import export, lines
from consent.keystore import KeyStore, OwnerKey
from consent.locks import lock_pupils, lock_schools
from consent.marks import HighWater, Numbers
from consent.numbers import missing, newest_of_boards, of_journal, unacknowledged
from consent.opened import keys_for, open_entries
from consent.owners import staff_owner, year_at
from consent.sealing import LOOKUP, STORED, Stored, stored
from consent.search import Criteria, Found, find
from consent.tables import JournalErasure, JournalLeaf, JournalLookup
from crypto.checkpoint import Receipt, parse_checkpoint, print_receipt
from crypto.encoding import JSON
from crypto.keys import SignKey
from crypto.merkle import EMPTY_ROOT, consistency, inclusion

__all__ = ["Act", "Actor", "Appended", "Criteria", "Entry", "Found", "Journal", "Opened", "Told"]

_OF_PUPIL = STORED.where(LOOKUP.c.pupil_tag == bindparam("tag"))
_OF_PUPIL_IN_BOOK = _OF_PUPIL.where(LOOKUP.c.book == bindparam("book"))


class Journal:
    """The journal of one service: `sign_key` signs its checkpoints.

    `name` is what the journal was called when it began, and what its parts are bound to. `origin` is its name on new
    checkpoints: another one once it was put back with a loss, and `first` the index from which it goes under that name.
    """

    def __init__(
        self,
        main: Engine,
        keystore: KeyStore,
        sign_key: SignKey,
        name: str,
        clock: Callable[[], datetime],
        ship: Callable[[], None] | None = None,
    ) -> None:
        self.name = self.origin = name
        self.first = 0
        self._ship = ship
        self._main = main
        self._keystore = keystore
        self._sign_key = sign_key
        self._clock = clock

    # Writing.

    @contextmanager
    def act(
        self,
        *,
        schools_shared: Iterable[str] = (),
        schools_exclusive: Iterable[str] = (),
        pupil: str | None = None,
        pupils: Iterable[str] = (),
    ) -> Iterator[Act]:
        """Carry out one use case: everything in the block is committed and acknowledged, or nothing happened.

        `schools_shared` and `schools_exclusive` lock those schools' keys against a change, or for one. `pupil` locks
        the pupil, `pupils` several of them; raises `PupilUnknown` where there is none.
        """
        with Session(self._main, expire_on_commit=False) as session:
            with session.begin():
                session.connection()  # begins now: on SQLite this is the lock
                lock_schools(session, frozenset(schools_shared), frozenset(schools_exclusive))  # (1)
                lock_pupils(session, pupils if pupil is None else (pupil, *pupils))
                act = Act(session, self._clock(), self)  # (2)
                yield act  # (3)
                head = act._head
                root = tree.save(session, head, self.origin, self._sign_key) if head else EMPTY_ROOT  # (4)
            if head:
                self._acknowledge(act._since, head.size, root, Numbers(act._numbers, act._boards))
            elif act.repeated:
                self.start()
            if "erased" in session.info:
                self._finish_erasures()

    def _acknowledge(self, since: int, size: int, root: bytes, numbers: Numbers) -> None:
        """Do (5) and (6) for the entries from `since` on, and for those before it that nobody acknowledged yet."""
        if self._ship:
            self._ship()  # (5)
        if not self._keystore.raise_mark(size, root, numbers, since=since):  # (6)
            since = self._mark().size
            numbers = unacknowledged(self._main, self._keystore, self.name, since, size)
            self._keystore.raise_mark(size, root, numbers, since=since)

    def _mark(self) -> HighWater:
        mark = self._keystore.mark()
        if mark is None:
            raise StartRefused(StartRefused.NO_MARK, "the key store was never initialised")
        return mark

    def newest_of_boards(self, session: Session, boards: Iterable[str], size: int) -> dict[str, int]:
        """Give boards' newest numbers, for an append to a journal of this size under the head's lock."""
        return newest_of_boards(session, self._keystore, boards, after_loss=size == self.first)

    def missing(self, session: Session, boards: Iterable[str] | None = None) -> dict[str, tuple[int, int]]:
        """Find boards, of these or of all, of which acknowledged entries are missing: among which of their numbers."""
        return missing(session, self._main, self._keystore, boards, self.first)

    def check_signed(self, session: Session, indices: Iterable[int]) -> None:
        """Raise `IntegrityBroken` unless the entries at these indices are those that the head is signed over."""
        tree.check(session, indices, self.origin, self._sign_key.public)

    def lock_head(self, session: Session) -> tree.Head:
        """Lock the head for the rest of the transaction; raises `IntegrityBroken` where it contradicts itself."""
        head = tree.load(session, self.origin, self._sign_key.public, lock=True)
        if head is None:
            raise IntegrityBroken("no journal was begun")
        return head

    def erase(self, act: Act, pupil: str, actor: Actor, boards: tuple[str, ...], keys: Iterable[str] = ()) -> Appended:
        """Erase a pupil: an ERASE entry lists what went; parts, look-ups and the pupil's row are emptied with it.

        The pupil's key, and what else `keys` names by their ids, are destroyed when the act has been acknowledged, or
        by the next start. Count, order and every proof still hold. The act must hold the pupil's lock.
        """
        key = self.pupil_key(act.session, pupil)
        tagged = JournalLookup.pupil_tag == key.tag
        concerned = boards_seeing(act.session, tagged, WHOLE) | set(boards)
        entry = Entry(ERASURES, ERASE, None, actor, of_pupil(act.session, key, self.name), tuple(concerned))
        appended = act.append(entry)
        empty_pupil(act.session, pupil, key.tag, appended.index)
        doom(act.session, appended.index, [key.id, *keys])
        return appended

    def erase_staff(self, act: Act, owners: Iterable[str], actor: Actor) -> Appended | None:
        """Erase who acted in the entries under staff keys of years that are over, as `staff_of` names them.

        A STAFF_ERASED entry lists the indices; nothing else of those entries goes, and the keys are destroyed when the
        act has been acknowledged. Keys that are gone already are passed over; None says that none was left. Raises
        `YearOpen` for a year in which this person may still act, and `KeyUnknown`.
        """
        self.lock_head(act.session)  # what another erasure has begun is committed before this one looks
        over = doomed(act.session)
        keys = [key for key in map(self._staff_key, sorted(set(owners))) if key is not None and key.id not in over]
        if any(int(key.owner[-4:]) >= year_at(act.now) for key in keys):
            raise YearOpen("a year that isn't over has entries still to come")
        if not keys:
            return None
        tags = [key.tag for key in keys]
        tagged = JournalLookup.actor_tag.in_(tags)
        gone: list[JSON] = list(listed(act.session, tagged))
        boards = boards_seeing(act.session, tagged, SEES["actor"])
        appended = act.append(Entry(ERASURES, STAFF_ERASED, None, actor, {"erased": gone}, tuple(boards)))
        empty_staff(act.session, tags, appended.index)
        doom(act.session, appended.index, [key.id for key in keys])
        return appended

    def _staff_key(self, owner: str) -> OwnerKey | None:
        try:
            return self._keystore.owner("person", owner)
        except Destroyed:
            return None

    def _finish_erasures(self) -> None:
        with reading(self._main) as session:
            open_ones = session.execute(select(JournalErasure.index, JournalErasure.key_id)).all()
        for index, key_id in open_ones:
            self._keystore.destroy(key_id)
            done = (JournalErasure.index == index) & (JournalErasure.key_id == key_id)
            with writing(self._main) as session:
                session.execute(delete(JournalErasure).where(done))

    # Keys.

    def pupil_key(self, session: Session, pupil: str) -> OwnerKey:
        """Read a pupil's key once per transaction; raises `KeyUnknown` or `Destroyed`."""
        cached: dict[str, OwnerKey] = session.info.setdefault("pupils", {})
        if pupil not in cached:
            cached[pupil] = self._keystore.owner("pupil", pupil)
        return cached[pupil]

    def pupil_keys(self, session: Session, pupils: Iterable[str]) -> None:
        """Read several pupils' keys at once, for `pupil_key`."""
        several.pupil_keys(session, self._keystore, pupils)

    def person_key(self, actor: Actor, at: datetime) -> OwnerKey | None:
        """Read a staff member's key of that year, or make it; None for everybody else."""
        if actor.kind != "staff":
            return None
        owner = staff_owner(actor.id, at)
        try:
            return self._keystore.owner("person", owner)
        except KeyUnknown:
            return self._keystore.new_key("person", owner)

    # Reading.

    def of_pupil(self, session: Session, pupil: str, book: str | None = None) -> list[Opened]:
        """Read a pupil's entries in the order of the journal, all or those of one book.

        Every part is opened and checked against the leaf. Raises `IntegrityBroken`, `KeyUnknown` or `Destroyed`.
        """
        key = self.pupil_key(session, pupil)
        if book is None:
            rows = stored(session, _OF_PUPIL, tag=key.tag)
        else:
            rows = stored(session, _OF_PUPIL_IN_BOOK, tag=key.tag, book=book)
        opened = open_entries(session, rows, keys_for(self._keystore, rows, {key.tag: key}), self.name)
        for entry in opened:
            if entry.pupil != pupil:
                raise IntegrityBroken("it is about another pupil", entry.index)
        return opened

    def of_pupils(self, session: Session, pupils: Collection[str], book: str) -> dict[str, list[Opened] | None]:
        """Read the entries of several pupils in one book at once (`consent.several`)."""
        return several.entries(session, self._keystore, self.name, pupils, book)

    def newest_number(self, session: Session, pupil: str) -> int:
        """Give the newest running number of the pupil that was acknowledged, as the key store holds it."""
        return self.pupil_key(session, pupil).number

    def read(self, session: Session, index: int) -> Opened:
        """Read one entry; raises `IntegrityBroken` where there is none, it was erased, or it contradicts the leaf."""
        rows = [self._row(session, index)]
        return open_entries(session, rows, self._keys_for(rows), self.name)[0]

    def _row(self, session: Session, index: int) -> Stored:
        for row in stored(session, STORED.where(JournalLeaf.index == index)):
            return row
        raise IntegrityBroken("it isn't there", index)

    def search(
        self, session: Session, board: str, criteria: Criteria, before: int | None = None, limit: int = 50
    ) -> list[Found]:
        """Find a board's entries, newest first, below the index `before`: the last one's index begins the next page.

        Each is opened and checked, and shown as far as this board may see it. At most `PAGE_MAX` come at once. Raises
        `IntegrityBroken`.
        """
        return find(session, self._keystore, self.name, board, criteria, before, limit)

    def staff_of(self, year: int, limit: int = 100) -> list[str]:
        """Name owners of staff keys of a year that are still there, for `erase_staff`."""
        return self._keystore.staff_of(year, limit)

    def _keys_for(self, rows: Iterable[Stored]) -> dict[bytes, OwnerKey]:
        return keys_for(self._keystore, rows, {})

    # Proofs.

    def checkpoint(self, session: Session) -> bytes:
        """Give the newest signed checkpoint, which is committed."""
        return tree.checkpoint(session)

    def inclusion_proof(self, session: Session, index: int, size: int) -> list[bytes]:
        """Prove that the entry at `index` is in the journal of that size; raises `ProofRefused`."""
        return tree.proved(session, lambda get_node: inclusion(index, size, get_node))

    def consistency_proof(self, session: Session, old: int, new: int) -> list[bytes]:
        """Prove that the journal of the old size is how that of the new size began; raises `ProofRefused`."""
        return tree.proved(session, lambda get_node: consistency(old, new, get_node))

    def receipt(self, index: int) -> bytes:
        """Give a C2SP tlog-proof of an entry against the newest checkpoint, with the leaf as its extra data."""
        with reading(self._main) as session:
            note = tree.checkpoint(session)
            leaf = self._row(session, index).leaf
            proof = self.inclusion_proof(session, index, parse_checkpoint(note).size)
        return print_receipt(Receipt(index, tuple(proof), note, leaf))

    def export(self, out: BinaryIO, board: str | None = None) -> int:
        """Write everything out for `consent.verify`, or one board's side; gives the number of entries."""
        return export(self._main, self._keystore, out, self.name, board)

    def exported(self, board: str | None = None) -> Generator[bytes]:
        """Give what `export` writes, a line at a time: all of the moment at which the first one was asked for."""
        with closing(lines(self._main, self._keystore, self.name, board)) as written:
            for _, line in written:
                yield line

    # Beginning and starting.

    def initialise(self) -> None:
        """Begin an empty journal and its key store's mark; once in a service's life.

        Raises `KeyStoreError` where that was done already, and `IntegrityBroken` where entries stand without a mark.
        """
        with writing(self._main) as session:
            head = tree.load(session, self.origin, self._sign_key.public)
            if head is None:
                tree.create(session, self.origin, self._sign_key)
            elif head.size and self._keystore.mark() is None:
                raise IntegrityBroken("the journal has entries, but its key store is empty")
        self._keystore.initialise(EMPTY_ROOT)

    def start(self) -> None:
        """Refuse to go on with a journal that isn't the one last acknowledged, then finish what a crash left open.

        The mark is read first and the journal after it: an entry added in between makes the journal larger, never
        smaller. Raises `StartRefused`, or `IntegrityBroken` where the head contradicts itself.
        """
        mark = self._mark()
        with reading(self._main) as session:
            self.first, self.origin = [(0, self.name), *tree.later_names(session)][-1]
            head = tree.load(session, self.origin, self._sign_key.public)
            if head is None or head.size < mark.size:
                raise StartRefused(StartRefused.ROLLBACK, f"the journal is smaller than the {mark.size} acknowledged")
            root = head.frontier.root()
            if tree.root_at(session, mark.size) != mark.root or tree.root_at(session, head.size) != root:
                raise StartRefused(
                    StartRefused.ROOT_MISMATCH, f"other entries stand below the {mark.size} acknowledged"
                )
            if mark.size and not self._keystore.of_boards():  # a store from before it knew boards' numbers
                self._keystore.settle_numbers(*of_journal(session))
        self._acknowledge(head.size, head.size, root, Numbers())
        self._finish_erasures()
