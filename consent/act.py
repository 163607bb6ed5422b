"""One use case's transaction in the journal, as those who decide and append see it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from sqlalchemy import insert
from sqlalchemy.orm import Session

from consent import tree
from consent.entry import PARTS, Actor, Appended, Entry, Leaf, commitment, print_parts
from consent.keystore import OwnerKey
from consent.numbers import newest_of_pupil
from consent.sealing import LEAF, LOOKUP, PART, Rows, rows_of
from consent.tables import JournalBoard, core
from crypto.merkle import leaf_hash

_ADD_LEAF, _ADD_PART, _ADD_LOOKUP, _ADD_BOARDS = insert(LEAF), insert(PART), insert(LOOKUP), insert(core(JournalBoard))


class Log(Protocol):
    """What an act needs of its journal."""

    name: str

    def lock_head(self, session: Session) -> tree.Head:
        """Lock the head for the rest of the transaction."""

    def newest_of_boards(self, session: Session, boards: Iterable[str], size: int) -> dict[str, int]:
        """Give boards' newest numbers, in a journal of this size."""

    def pupil_key(self, session: Session, pupil: str) -> OwnerKey:
        """Read a pupil's key once per transaction."""

    def pupil_keys(self, session: Session, pupils: Iterable[str]) -> None:
        """Read several pupils' keys at once."""

    def person_key(self, actor: Actor, at: datetime) -> OwnerKey | None:
        """Read a staff member's key of that year, or make it."""


@dataclass(slots=True)
class Act:
    """One use case's transaction. `now` was read after the locks; nobody but the journal commits `session`.

    Whoever finds that what is asked for stands in the journal already says so in `repeated`: it is acknowledged first.
    """

    session: Session
    now: datetime
    _journal: Log
    repeated: bool = False
    _head: tree.Head | None = None
    _since: int = 0
    _boards: dict[str, int] = field(default_factory=dict)
    _numbers: dict[str, int] = field(default_factory=dict)

    def append(self, entry: Entry) -> Appended:
        """Append an entry; from here on the head is locked until the act ends.

        Raises `KeyUnknown` for a pupil without a key and `Destroyed` for an erased pupil or person.
        """
        return self.extend([entry])[0]

    def extend(self, entries: Sequence[Entry]) -> list[Appended]:
        """Append entries in this order, which is faster than one by one; all or, where it raises, none."""
        if not entries:
            return []
        head = self._head or self._lock_head()
        if len(entries) > 1:
            self._journal.pupil_keys(self.session, {entry.pupil for entry in entries if entry.pupil is not None})
        keys = [self._keys_of(entry) for entry in entries]
        rows = [self._rows(head, *each) for each in zip(entries, keys, strict=True)]
        connection = self.session.connection()
        connection.execute(_ADD_LEAF, [row.leaf for row in rows])
        connection.execute(_ADD_PART, [row.part for row in rows])
        connection.execute(_ADD_LOOKUP, [row.lookup for row in rows])
        if boards := [board for row in rows for board in row.boards]:
            connection.execute(_ADD_BOARDS, boards)
        return [Appended(*row.place[1:]) for row in rows]

    def _keys_of(self, entry: Entry) -> tuple[OwnerKey | None, OwnerKey | None]:
        pupil = self._journal.pupil_key(self.session, entry.pupil) if entry.pupil is not None else None
        return pupil, self._journal.person_key(entry.actor, self.now)

    def _rows(self, head: tree.Head, entry: Entry, keys: tuple[OwnerKey | None, OwnerKey | None]) -> Rows:
        boards = self._next_of_boards({*entry.boards, *entry.told})
        number = self._next_of_pupil(keys[0]) if keys[0] and entry.numbered else None
        parts = print_parts(entry, number, boards, self.now)
        leaf = Leaf(entry.type, *(commitment(part, parts[part]) for part in PARTS)).print()
        place = self._journal.name, head.size, leaf_hash(leaf)
        head.append(place[2])
        return rows_of(entry, parts, (number, boards), keys, place, leaf, self.now.date())

    def _lock_head(self) -> tree.Head:
        self._head = self._journal.lock_head(self.session)
        self._since = self._head.size
        return self._head

    def _next_of_boards(self, boards: set[str]) -> dict[str, int]:
        if unseen := boards - self._boards.keys():
            self._boards |= self._journal.newest_of_boards(self.session, unseen, self._since)
        given = {board: self._boards[board] + 1 for board in sorted(boards)}
        self._boards |= given
        return given

    def _next_of_pupil(self, pupil: OwnerKey) -> int:
        last = self._numbers.get(pupil.owner)
        self._numbers[pupil.owner] = 1 + (newest_of_pupil(self.session, pupil) if last is None else last)
        return self._numbers[pupil.owner]
