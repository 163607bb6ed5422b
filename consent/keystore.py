"""The key store: what must be destroyable, in a database of its own, wrapped under keys outside every database.

Deleting a row destroys nothing: the value stays in heaps, write-ahead logs and backups. So each value is wrapped under
the epoch key, a file in a folder that no backup holds, and the epoch is turned daily:

(1) `rotate`: a new key is written and fsynced, then writers switch to it;
(2) `rewrap`: what survives is wrapped again, in batches, until no row is left under the old key;
(3) `confirm_backup`: the operator says that a backup was taken after that; only then is the old key destroyed.

A writer reads the current epoch under a shared lock, (1) to (3) take it exclusively. A reader needs no lock: a row that
it saw under an old key whose file has gone was wrapped again in the meantime, so it reads once more; if the file is
still missing, that is `EpochKeyMissing`, never "destroyed".
"""

import secrets
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

from sqlalchemy import ColumnElement, Connection, Engine, Select, bindparam, delete, func, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from consent import marks
from consent.db import is_postgresql, truncate, writing
from consent.epochs import create_key, destroy_key, read_key
from consent.errors import Destroyed, EpochKeyMissing, KeyStoreError, KeyUnknown, ValueRefused
from consent.marks import HighWater, Numbers, OfBoard
from consent.owners import (
    OWNER,
    STAFF,
    TAGGED,
    YEARS,
    OwnerKey,
    decrypt,
    encrypt,
    lookup_hash,
    tag_of,
    unwrap_owner,
    wrap_aad,
)
from consent.tables import DataKey, Epoch, Freeze, LookupHash, Mark, Share, Shipped, Unshipped, core

__all__ = ["HighWater", "KeyStore", "OwnerKey"]

_LOCK = 0x6F76_6570_6F63_6800
"""Number of the advisory lock on the epoch, on PostgreSQL; SQLite's writers exclude each other anyway."""

_AGAIN = frozenset({"contact"})
"""Kinds of owner that may be given a new key once theirs was destroyed: somebody may be reached again."""

_Result = TypeVar("_Result")

_SHARE, _LOOKUP_HASH = core(Share), core(LookupHash)
_FOUND = select(_LOOKUP_HASH.c.id).where(_LOOKUP_HASH.c.hash == bindparam("hash"))
_SHARES = select(_SHARE.c.section, _SHARE.c.epoch, _SHARE.c.wrapped).where(_SHARE.c.bundle == bindparam("bundle"))
_DROP_SHARE = delete(_SHARE).where(_SHARE.c.bundle == bindparam("of"), _SHARE.c.section == bindparam("name"))
_FROZEN = select(core(Freeze).c.note)


class KeyStore:
    """The key store's database and its folder of epoch keys; where it `ships`, changes wait for `consent.shipping`.

    Every method is one short transaction of its own and takes no lock of the main database.
    """

    def __init__(self, engine: Engine, folder: Path, *, ships: bool = False) -> None:
        self._engine = engine
        self._ships = ships
        # Decisions read here under a pupil's lock: a bare connection takes half as long as a session.
        self._reading = engine.execution_options(reading=True, postgresql_readonly=True)
        self._folder = folder

    def close(self) -> None:
        """Let go of every connection, so that a process may be divided."""
        self._engine.dispose()

    # Owners: pupils, persons, boards.

    def new_key(self, kind: str, owner: str) -> OwnerKey:
        """Make the owner's key, or give the one there is; raises `Destroyed` where it was destroyed."""
        key = secrets.token_bytes(32)
        made = OwnerKey(secrets.token_hex(16), owner, tag_of(key, kind), 0, key)
        with suppress(IntegrityError), writing(self._engine) as session:  # somebody else was first
            epoch = self._current(session)
            if kind in _AGAIN:
                session.execute(delete(DataKey).where(*_destroyed(kind, owner)))
            row = DataKey(id=made.id, owner_kind=kind, owner_id=owner, epoch=epoch, tag=made.tag, number=0)
            row.wrapped = self._wrap(epoch, key, b"key", made.id)
            session.add(row)
            self._changed(session, DataKey, made.id)
        return self.owner(kind, owner)

    def owner(self, kind: str, owner: str) -> OwnerKey:
        """Read an owner's key, tag and number with one query; raises `KeyUnknown` or `Destroyed`."""

        def read(connection: Connection) -> OwnerKey:
            row = connection.execute(OWNER, {"kind": kind, "owner": owner}).one_or_none()
            if row is None:
                raise KeyUnknown(f"no key for this {kind}")
            return unwrap_owner(row, self._epoch_key)

        return self._read(read)

    def by_tags(self, tags: Iterable[bytes]) -> dict[bytes, OwnerKey]:
        """Read the keys behind these tags with one query.

        Destroyed ones have no tag any more and are left out; so is one that is damaged: what it sealed doesn't open.
        """
        wanted = list(tags)

        def read(connection: Connection) -> dict[bytes, OwnerKey]:
            epoch_key = cache(self._epoch_key)  # each file once, and not beyond this read
            found = {}
            for row in connection.execute(TAGGED, {"tags": wanted}):
                with suppress(Destroyed, ValueRefused):
                    found[row.tag] = unwrap_owner(row, epoch_key)
            return found

        return self._read(read)

    def years_of(self, person: str) -> list[OwnerKey]:
        """Read the keys of a member of staff that weren't destroyed, one for each year, the newest first."""
        between = {"first": f"{person}/0000", "last": f"{person}/9999"}

        def read(connection: Connection) -> list[OwnerKey]:
            epoch_key = cache(self._epoch_key)
            found = [unwrap_owner(row, epoch_key) for row in connection.execute(YEARS, between)]
            return [owner for owner in found if owner.owner[:-4] == f"{person}/"]

        return self._read(read)

    def staff_of(self, year: int, limit: int) -> list[str]:
        """Name owners of staff keys of a year that weren't destroyed, at most so many."""
        wanted = {"of_year": f"%/{year:04}", "limit": limit}
        return self._read(lambda connection: list(connection.scalars(STAFF, wanted)))

    def key(self, kind: str, owner: str) -> bytes:
        """Give an owner's key; raises `KeyUnknown` or `Destroyed`."""
        return self.owner(kind, owner).key

    def tag(self, kind: str, owner: str) -> bytes:
        """Give the owner's tag: an HMAC under its own key, so that it means nothing once the key is gone."""
        return self.owner(kind, owner).tag

    def seal(self, kind: str, owner: str, plaintext: bytes, aad: bytes) -> bytes:
        """Encrypt a value under an owner's key; `aad` says where it belongs."""
        return self.owner(kind, owner).seal(plaintext, aad)

    def open(self, kind: str, owner: str, sealed: bytes, aad: bytes) -> bytes:
        """Decrypt what `seal` made; raises `ValueRefused`, `KeyUnknown` or `Destroyed`."""
        return self.owner(kind, owner).open(sealed, aad)

    def destroy(self, key_id: str) -> int:
        """Destroy a key by its row's id, with the look-ups that lead to its owner; again and again does no harm.

        Gives the current epoch: the key is beyond recovery at the end of it.
        """
        with writing(self._engine) as session:
            epoch = self._current(session)
            owner = session.scalar(select(DataKey.owner_id).where(DataKey.id == key_id))
            session.execute(update(DataKey).where(DataKey.id == key_id).values(wrapped=None, tag=None, number=0))
            gone = delete(LookupHash).where(LookupHash.id == owner).returning(LookupHash.hash)
            self._changed(session, LookupHash, *(hashed.hex() for hashed in session.scalars(gone).all()))
            self._changed(session, DataKey, key_id)
        return epoch

    # Look-ups under a board's key.

    def remember(self, board: str, value: str, owner: str) -> str:
        """Let `find` lead from a value to an id; where the value is known already, give the id it leads to."""
        hashed = lookup_hash(self.new_key("board", board).key, value)
        with suppress(IntegrityError), writing(self._engine) as session:  # known already
            session.add(LookupHash(hash=hashed, id=owner))
            self._changed(session, LookupHash, hashed.hex())
        return self.find(board, value) or owner

    def find(self, board: str, value: str) -> str | None:
        """Give the id that the board's value leads to, or None."""
        try:
            hashed = lookup_hash(self.key("board", board), value)
        except KeyUnknown:
            return None
        return cast("str | None", self._read(lambda connection: connection.scalar(_FOUND, {"hash": hashed})))

    # Release shares.

    def put_shares(self, bundle: str, shares: Mapping[str, bytes]) -> None:
        """Keep a bundle's release shares by section, all or none."""
        with writing(self._engine) as session:
            epoch = self._current(session)
            for name, share in shares.items():
                wrapped = self._wrap(epoch, share, b"share", bundle, name)
                session.add(Share(bundle=bundle, section=name, epoch=epoch, wrapped=wrapped))
            self._changed(session, Share, bundle)

    def shares(self, bundle: str) -> dict[str, bytes]:
        """Give all shares that a bundle still has, by section, with one query."""

        def read(connection: Connection) -> dict[str, bytes]:
            rows = connection.execute(_SHARES, {"bundle": bundle})
            return {row.section: self._unwrap(row.epoch, row.wrapped, b"share", bundle, row.section) for row in rows}

        return self._read(read)

    def drop_share(self, bundle: str, *sections: str) -> int:
        """Destroy shares: of the sections named, or of the whole bundle. Gives the epoch at whose end they are gone."""
        with writing(self._engine) as session:
            epoch = self._current(session)
            doomed = delete(Share).where(Share.bundle == bundle)
            session.execute(doomed.where(Share.section.in_(sections)) if sections else doomed)
            self._changed(session, Share, bundle)
        return epoch

    def drop_shares(self, doomed: Iterable[tuple[str, str]]) -> int:
        """Destroy shares, each by its bundle and section, as `drop_share` does."""
        these = [{"of": bundle, "name": section} for bundle, section in doomed]
        with writing(self._engine) as session:
            epoch = self._current(session)
            session.connection().execute(_DROP_SHARE, these)
            self._changed(session, Share, *sorted({each["of"] for each in these}))
        return epoch

    def rows(self, wanted: Select[Any]) -> list[tuple[Any, ...]]:
        """Read rows as they stand, with one query: for `consent.inventory`, which opens none."""
        return self._read(lambda connection: [tuple(row) for row in connection.execute(wanted)])

    # The high-water mark.

    def mark(self) -> HighWater | None:
        """Give the largest journal ever acknowledged; None where the store was never initialised."""
        return self._read(marks.read_mark)

    def raise_mark(self, size: int, root: bytes, numbers: Numbers | None = None, *, since: int = 0) -> bool:
        """Raise the mark and running numbers in one transaction, as `marks.raise_mark` does."""
        with writing(self._engine) as session:
            return marks.raise_mark(session, since, size, root, numbers or Numbers())

    def of_boards(self, boards: Iterable[str] | None = None) -> dict[str, OfBoard]:
        """Give what was acknowledged of these boards' numbers, or of all boards'; one nobody knows is left out."""
        return self._read(lambda connection: marks.of_boards(connection, boards))

    def note_lost(self, board: str, first: int, last: int) -> None:
        """Remember that these numbers of a board, which were acknowledged, don't stand in the journal."""
        with writing(self._engine) as session:
            marks.note_lost(session, board, first, last)

    def settle_numbers(self, tags: Iterable[tuple[bytes, int]], boards: Mapping[str, int]) -> None:
        """Raise numbers to those of a whole journal, as `marks.settle` does."""
        with writing(self._engine) as session:
            marks.settle(session, tags, boards)

    # What the second place and the outside say.

    def seal_now(self, session: Session, value: bytes, aad: bytes) -> bytes:
        """Encrypt a value under the current epoch's key, whose number stands first: with the epoch it is gone."""
        epoch = self._current(session)
        return epoch.to_bytes(4, "big") + encrypt(self._epoch_key(epoch), value, aad)

    def open_then(self, sealed: bytes, aad: bytes) -> bytes:
        """Decrypt what `seal_now` made; raises `EpochKeyMissing` or `ValueRefused`."""
        return decrypt(self._epoch_key(int.from_bytes(sealed[:4], "big")), sealed[4:], aad)

    def freeze(self, note: bytes, source: str, at: datetime) -> None:
        """Keep the first checkpoint that shows the journal not to be what it was."""
        with suppress(IntegrityError), writing(self._engine) as session:  # frozen already
            session.add(Freeze(id=1, note=note, source=source, at=at))

    def frozen(self) -> bytes | None:
        """Give the checkpoint for which nothing may be released, or None."""
        return cast("bytes | None", self._read(lambda connection: connection.scalar(_FROZEN)))

    def _changed(self, session: Session, table: type[DataKey | LookupHash | Share], *keys: str) -> None:
        if self._ships:
            session.add_all(Unshipped(name=table.__tablename__, key=key) for key in keys)

    # Epochs.

    def initialise(self, root: bytes) -> None:
        """Make the first epoch key and the mark of an empty journal, whose root is given; once in a store's life."""
        with writing(self._engine) as session:
            self._lock(session, shared=False)
            if session.scalar(select(func.count()).select_from(Epoch)):
                raise KeyStoreError("the key store is initialised already")
            number = create_key(self._folder, ())
            session.add_all([Epoch(number=number, current=True, destroyed=False), Mark(id=1, size=0, root=root)])
            session.merge(Shipped(id=1, number=0, size=0, keylog=0))

    def rotate(self) -> int:
        """Begin a new epoch: its key is on disk before any writer can use it. Gives its number."""
        with writing(self._engine) as session:
            self._lock(session, shared=False)
            number = create_key(self._folder, {self._number(session), *session.scalars(select(Epoch.number))})
            session.execute(update(Epoch).values(current=False))
            session.add(Epoch(number=number, current=True, destroyed=False))
        return number

    def rewrap(self, now: datetime, batch: int = 500) -> int:
        """Wrap up to `batch` rows of older epochs again; 0 says that none is left, which `now` is noted for."""
        with writing(self._engine) as session:
            self._lock(session, shared=False)
            epoch = self._number(session)
            done = self._rewrap_keys(session, epoch, batch)
            done += self._rewrap_shares(session, epoch, batch - done)
            if done == 0:
                old = (Epoch.number < epoch) & Epoch.emptied_at.is_(None)
                session.execute(update(Epoch).where(old).values(emptied_at=now))
        if done == 0:
            self.truncate()
        return done

    def confirm_backup(self, taken_at: datetime) -> tuple[int, ...]:
        """Destroy the keys of epochs that were empty before a backup of this store, begun at `taken_at`, was made."""
        with writing(self._engine) as session:
            self._lock(session, shared=False)
            ripe = select(Epoch.number).where(Epoch.emptied_at < taken_at, Epoch.destroyed.is_(False))
            numbers = tuple(session.scalars(ripe.order_by(Epoch.number)))
            for number in numbers:
                destroy_key(self._folder, number)
            session.execute(update(Epoch).where(Epoch.number.in_(numbers)).values(destroyed=True))
        self.truncate()
        return numbers

    def truncate(self) -> None:
        """Cut the write-ahead log, where deleted values still stand; every sweep ends with it."""
        truncate(self._engine)

    def _rewrap_keys(self, session: Session, epoch: int, batch: int) -> int:
        # A destroyed key has nothing to wrap, but its row must leave the old epoch too.
        rows = session.scalars(select(DataKey).where(DataKey.epoch < epoch).limit(batch)).all()
        for row in rows:
            if row.wrapped is not None:
                key = self._unwrap(row.epoch, row.wrapped, b"key", row.id)
                row.wrapped = self._wrap(epoch, key, b"key", row.id)
            row.epoch = epoch
        return len(rows)

    def _rewrap_shares(self, session: Session, epoch: int, batch: int) -> int:
        rows = session.scalars(select(Share).where(Share.epoch < epoch).limit(batch)).all()
        for row in rows:
            share = self._unwrap(row.epoch, row.wrapped, b"share", row.bundle, row.section)
            row.wrapped = self._wrap(epoch, share, b"share", row.bundle, row.section)
            row.epoch = epoch
        return len(rows)

    def _read(self, read: Callable[[Connection], _Result]) -> _Result:
        try:
            with self._reading.connect() as connection:
                return read(connection)
        except EpochKeyMissing:
            # The value may have been wrapped again, and the old key destroyed, since this transaction began.
            with self._reading.connect() as connection:
                return read(connection)

    def _current(self, session: Session) -> int:
        self._lock(session, shared=True)
        return self._number(session)

    def _lock(self, session: Session, *, shared: bool) -> None:
        if is_postgresql(session):
            name = "pg_advisory_xact_lock_shared" if shared else "pg_advisory_xact_lock"
            session.execute(text(f"SELECT {name}(:lock)"), {"lock": _LOCK})

    def _number(self, session: Session) -> int:
        number = session.scalar(select(Epoch.number).where(Epoch.current))
        if number is None:
            raise KeyStoreError("the key store was never initialised")
        return number

    def _epoch_key(self, epoch: int) -> bytes:
        return read_key(self._folder, epoch)

    def _wrap(self, epoch: int, value: bytes, *place: bytes | str) -> bytes:
        return encrypt(self._epoch_key(epoch), value, wrap_aad(epoch, place))

    def _unwrap(self, epoch: int, wrapped: bytes, *place: bytes | str) -> bytes:
        return decrypt(self._epoch_key(epoch), wrapped, wrap_aad(epoch, place))


def _destroyed(kind: str, owner: str) -> tuple[ColumnElement[bool], ...]:
    return DataKey.owner_kind == kind, DataKey.owner_id == owner, DataKey.wrapped.is_(None)
