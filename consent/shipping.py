"""Ships what an act changed to a second place before the act is acknowledged, so that no disaster takes it back.

A backup is as old as its day; between two of them people withdraw. So after the commit of an act and before the mark is
raised, one object is written in a place apart: create-only, numbered without a gap, sealed under the current epoch's
key, so that it ends with that epoch and tells nothing without it. Where it can't be written the act isn't acknowledged.

    object = u32 epoch || AES-256-GCM(epoch key, zlib(JSON)), nonce in front
    additional data = "overdracht/v1/shipment" 0x00 || lp(name of the log, u64 number)

A shipment holds states, not steps: entries from the size of the shipment before on with all their rows, entries that
were emptied since, the slices (`consent.slices`) of the pupils and boards they are about, and the rows of the key store
that were made, changed or destroyed since. Whoever puts them back in order ends where the service was.

One process ships at a time, for all that are waiting. A crash after the object and before the row that counts it leaves
a number taken: the next shipment holds the same and more, under the next number.
"""

import json
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from sqlalchemy import Connection, Engine, Table, delete, func, select
from sqlalchemy.orm import Session

from consent import slices
from consent.db import Main, writing
from consent.entry import ERASURES, SALT_SIZE
from consent.errors import NotShipped, ShipmentRefused, ValueRefused
from consent.keystore import KeyStore
from consent.slices import Row, Rows, to_json
from consent.tables import (
    DataKey,
    JournalBoard,
    JournalCheckpoint,
    JournalErasure,
    JournalHead,
    JournalLeaf,
    JournalLookup,
    JournalOrigin,
    JournalPart,
    LookupHash,
    Share,
    Shipped,
    Unshipped,
    core,
)
from crypto.checkpoint import parse_checkpoint
from crypto.encoding import JSON, lp

BATCH: Final = 1000
"""How many changes of the key store one shipment takes along at most."""

LEAF, PART, LOOKUP, OF_BOARD = core(JournalLeaf), core(JournalPart), core(JournalLookup), core(JournalBoard)
KEPT, ERASURE, ORIGIN = core(JournalCheckpoint), core(JournalErasure), core(JournalOrigin)
KEY, SHARE, HASH = core(DataKey), core(Share), core(LookupHash)
_AAD: Final = b"overdracht/v1/shipment\x00"
_GIVEN_UP: Final = "before-"


class Place(Protocol):
    """Where shipments go: objects by name, each written once."""

    def put(self, name: str, data: bytes) -> bool:
        """Write a new object for good; False, and nothing is written, where the name is taken. Raises OSError."""

    def get(self, name: str) -> bytes:
        """Give an object's bytes; raises OSError."""

    def names(self) -> list[str]:
        """Name all objects; raises OSError."""

    def delete(self, name: str) -> None:
        """Remove an object; one that is gone is no error. Raises OSError."""


@dataclass(frozen=True, slots=True)
class Shipment:
    """What changed between two sizes of the journal. `touched` names the key store's rows in it."""

    number: int
    before: int
    size: int
    keylog: int
    note: str
    journal: Rows
    log: list[Row]
    boards: dict[str, Rows]
    pupils: dict[str, Rows]
    keys: Rows
    touched: dict[str, list[str]]


def name_of(number: int) -> str:
    """Name the object of a shipment."""
    return f"{number:012}"


class Shipping:
    """Ships one service's changes. `log` is its journal's name, `keylog` a table that only grows, by its `idx`."""

    def __init__(
        self, main: Engine, keys: Engine, keystore: KeyStore, place: Place, log: str, keylog: Table | None = None
    ) -> None:
        once = {"isolation_level": "REPEATABLE READ"} if main.dialect.name == "postgresql" else {}
        self._snapshot = main.execution_options(reading=True, **once)
        self._keys = keys
        self._keystore = keystore
        self._log = log
        self._keylog = keylog
        self.place = place

    def begin(self) -> None:
        """Go on from here where acts were acknowledged without being shipped: only a newer backup bridges that gap."""
        mark = self._keystore.mark()
        if mark is not None:
            with writing(self._keys) as session, self._snapshot.connect() as connection:
                state = _state(session)
                if state.size < mark.size:
                    state.size, state.keylog = mark.size, self._keylog_size(connection)

    def ship(self) -> None:
        """Write what was committed since the last shipment; returns when it is safe. Raises `NotShipped`."""
        while self._ship_some():
            pass

    def numbers(self) -> list[int]:
        """Give the numbers of all shipments in the place, in order; raises OSError or `ShipmentRefused`."""
        names = [name for name in sorted(self.place.names()) if not name.startswith(_GIVEN_UP)]
        if any(not name.isdecimal() or name_of(int(name)) != name for name in names):
            raise ShipmentRefused("something stands in the second place that isn't a shipment")
        return list(map(int, names))

    def read(self, number: int) -> Shipment:
        """Open a shipment; raises `ShipmentRefused`, `EpochKeyMissing` or OSError."""
        try:
            data = self._keystore.open_then(self.place.get(name_of(number)), self._aad(number))
        except ValueRefused:
            raise ShipmentRefused(f"shipment {number} isn't this service's, or was altered") from None
        return Shipment(number=number, **json.loads(zlib.decompress(data)))

    def give_up(self, numbers: Iterable[int], branch: int) -> None:
        """Let shipments of a branch that was given up make room for those of the next, under names of their own.

        They stay as evidence, as long as their epoch's key does. Raises OSError, or `ShipmentRefused` where something
        else stands under such a name.
        """
        for number in numbers:
            name, data = f"{_GIVEN_UP}{branch}-{name_of(number)}", self.place.get(name_of(number))
            if not self.place.put(name, data) and self.place.get(name) != data:
                raise ShipmentRefused(f"something else stands in the second place as {name}")
            self.place.delete(name_of(number))

    def given_up(self) -> set[int]:
        """Tell which branches of the journal were followed by another one, by the number given to that."""
        names = [name.removeprefix(_GIVEN_UP) for name in self.place.names() if name.startswith(_GIVEN_UP)]
        return {int(name.partition("-")[0]) for name in names}

    def drop(self, last: int) -> int:
        """Remove the shipments up to a number, which a backup holds that is safe; gives how many."""
        old = [number for number in self.numbers() if number <= last]
        for number in old:
            self.place.delete(name_of(number))
        return len(old)

    def _ship_some(self) -> bool:
        with writing(self._keys) as session:
            state = _state(session)
            waiting = session.execute(select(Unshipped.id, Unshipped.name, Unshipped.key).limit(BATCH)).all()
            with self._snapshot.connect() as connection:
                note: bytes | None = connection.scalar(select(JournalHead.checkpoint))
                size = parse_checkpoint(note).size if note else 0
                if not waiting and size <= state.size:
                    return False
                touched = {table.name: sorted({row.key for row in waiting if row.name == table.name}) for table in _OWN}
                content = self._content(session, connection, state, size) | {
                    "note": note.decode() if note else "",
                    "touched": touched,
                    "keys": _key_rows(session, touched),
                }
            state.number = self._send(session, state.number, content)
            state.size, state.keylog = size, content["keylog"]
            session.execute(delete(Unshipped).where(Unshipped.id.in_([row.id for row in waiting])))
        return len(waiting) == BATCH

    def _content(self, session: Session, connection: Connection, state: Shipped, size: int) -> dict[str, Any]:
        journal = _journal_rows(connection, state.size, size)
        keylog = self._keylog_size(connection)
        return {
            "before": state.size,
            "size": size,
            "keylog": keylog,
            "journal": journal,
            "log": self._keylog_rows(connection, state.keylog),
            "boards": {
                board: slices.read(connection, Main.metadata, slices.BOARD, board) for board in _boards_of(journal)
            },
            "pupils": {
                pupil: slices.read(connection, Main.metadata, slices.PUPIL, pupil)
                for pupil in _pupils_of(session, journal)
            },
        }

    def _send(self, session: Session, last: int, content: dict[str, Any]) -> int:
        data = zlib.compress(json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode())
        number = last + 1
        try:
            while not self.place.put(name_of(number), self._keystore.seal_now(session, data, self._aad(number))):
                number += 1  # a crash left it
        except OSError as problem:
            raise NotShipped(f"the second place can't be written: {type(problem).__name__}") from None
        return number

    def _keylog_size(self, connection: Connection) -> int:
        return 0 if self._keylog is None else connection.scalar(select(func.count()).select_from(self._keylog)) or 0

    def _keylog_rows(self, connection: Connection, begin: int) -> list[Row]:
        return [] if self._keylog is None else _rows(connection, self._keylog, self._keylog.c.idx >= begin)

    def _aad(self, number: int) -> bytes:
        return _AAD + lp(self._log.encode(), number.to_bytes(8, "big"))


_OWN: Final = (KEY, SHARE, HASH)


def _state(session: Session) -> Shipped:
    return session.scalars(select(Shipped).with_for_update()).one()


def _rows(connection: Connection, table: Table, *wanted: Any) -> list[Row]:
    return [to_json(table, row._asdict()) for row in connection.execute(select(table).where(*wanted))]


def _journal_rows(connection: Connection, begin: int, end: int) -> Rows:
    """Read the entries from one size to another, and what is left of those that they erased."""
    rows = {LEAF.name: _rows(connection, LEAF, LEAF.c.idx >= begin, LEAF.c.idx < end)}
    for table in (PART, LOOKUP, OF_BOARD):
        rows[table.name] = _rows(connection, table, table.c.idx >= begin, table.c.idx < end)
    emptied = [index for index in _listed(connection, begin, end) if index < begin]
    for start in range(0, len(emptied), BATCH):
        some = emptied[start : start + BATCH]
        for table in (PART, LOOKUP, OF_BOARD):
            rows[table.name] += _rows(connection, table, table.c.idx.in_(some))
    rows[KEPT.name] = _rows(connection, KEPT, KEPT.c.size > begin, KEPT.c.size <= end)
    rows[ORIGIN.name] = _rows(connection, ORIGIN, ORIGIN.c.first >= begin, ORIGIN.c.first < end)
    rows[ERASURE.name] = _rows(connection, ERASURE, ERASURE.c.idx >= begin, ERASURE.c.idx < end)
    return rows


def _listed(connection: Connection, begin: int, end: int) -> Iterable[int]:
    """Give the indices that the erasures among these entries list; their terms are never sealed."""
    of_erasures = LOOKUP.c.book == ERASURES, LOOKUP.c.idx >= begin, LOOKUP.c.idx < end
    terms = connection.scalars(select(PART.c.terms).join(LOOKUP, LOOKUP.c.idx == PART.c.idx).where(*of_erasures))
    return sorted({index for each in terms for index in json.loads(each[1 + SALT_SIZE :])["terms"]["erased"]})


def _boards_of(journal: Rows) -> list[str]:
    """Name the boards that entries about no pupil concern."""
    about = {row["idx"] for row in journal[LOOKUP.name] if row["pupil_tag"] is None and row["erased"] is None}
    return sorted({str(row["board"]) for row in journal[OF_BOARD.name] if row["idx"] in about})


def _pupils_of(session: Session, journal: Rows) -> Sequence[str]:
    """Name the pupils whom these entries are about or erase; what leads to one that is erased goes after this."""
    tags = _parsed(LOOKUP, "pupil_tag", (row["pupil_tag"] for row in journal[LOOKUP.name] if row["pupil_tag"]))
    doomed = [row["key_id"] for row in journal[ERASURE.name]]
    found = select(DataKey.owner_id).where(
        DataKey.owner_kind == "pupil", DataKey.tag.in_(tags) | DataKey.id.in_(doomed)
    )
    return session.scalars(found.order_by(DataKey.owner_id)).all()


def _key_rows(session: Session, touched: dict[str, list[str]]) -> Rows:
    columns = {KEY: KEY.c.id, SHARE: SHARE.c.bundle, HASH: HASH.c.hash}
    connection = session.connection()
    return {
        table.name: _rows(connection, table, column.in_(keys_of(table, touched[table.name])))
        for table, column in columns.items()
    }


def keys_of(table: Table, touched: Iterable[str]) -> list[Any]:
    """Give the keys of touched rows as their table holds them."""
    return [bytes.fromhex(key) for key in touched] if table is HASH else list(touched)


def _parsed(table: Table, column: str, values: Iterable[JSON]) -> list[Any]:
    return [slices.from_json(table, {column: value})[column] for value in values]
