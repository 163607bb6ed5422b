"""What the owner of a service can do to it: everything that SQL, its files and its own keys allow."""

import json
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, delete, func, insert, select, text, update
from sqlalchemy.orm import DeclarativeBase

from consent.entry import PARTS, SALT_SIZE, Leaf, commitment
from consent.keystore import KeyStore, OwnerKey
from consent.sealing import part_aad
from consent.tables import (
    BoardNumber,
    DataKey,
    JournalBoard,
    JournalCheckpoint,
    JournalHead,
    JournalLeaf,
    JournalLookup,
    JournalNode,
    JournalPart,
    Mark,
    core,
)
from crypto.checkpoint import Checkpoint, print_checkpoint
from crypto.encoding import canon
from crypto.keys import SignKey
from crypto.merkle import Frontier, leaf_hash

ENTRY = (JournalBoard, JournalLookup, JournalPart, JournalLeaf)
"""The tables in which an entry stands, in an order in which it can be deleted."""


def carry_out(engine: Engine, work: Callable[[Connection], None]) -> None:
    """Do something in one transaction that no foreign key holds up."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.connection.driver_connection.execute("PRAGMA foreign_keys = OFF")  # type: ignore[union-attr]
        else:
            connection.execute(text("SET session_replication_role = replica"))
        work(connection)
        connection.commit()
        connection.invalidate()  # nobody after this goes without them


def altered(value: Any) -> Any:
    """Give a value that differs in one bit, one character, or by one."""
    match value:
        case bytes():
            middle = len(value) // 2
            return value[:middle] + bytes([value[middle] ^ 1]) + value[middle + 1 :]
        case str():
            return ("y" if value[:1] == "x" else "x") + value[1:]
        case bool():
            return not value
        case int():
            return value ^ 1
        case datetime() | date():
            return value + timedelta(days=1)
    raise TypeError(f"nothing is altered of {type(value).__name__}")


def flip(engine: Engine, of: type[DeclarativeBase], column: str, where: ColumnElement[bool]) -> None:
    """Alter one value of one row."""
    table = core(of)

    def work(connection: Connection) -> None:
        [value] = connection.scalars(select(table.c[column]).where(where)).all()
        changed = altered(value)
        assert connection.execute(update(table).where(where).values({column: changed})).rowcount == 1

    carry_out(engine, work)


def set_(engine: Engine, of: type[DeclarativeBase], where: ColumnElement[bool], **values: Any) -> None:
    """Write other values into the rows that are meant."""
    carry_out(engine, lambda connection: _some(connection, update(core(of)).where(where).values(values)))


def remove(engine: Engine, of: type[DeclarativeBase], where: ColumnElement[bool]) -> None:
    """Take rows out."""
    carry_out(engine, lambda connection: _some(connection, delete(core(of)).where(where)))


def _some(connection: Connection, statement: Any) -> None:
    assert connection.execute(statement).rowcount


# Whole entries.


def take_out(engine: Engine, index: int) -> None:
    """Take an entry out wherever it stands; its place stays empty."""

    def work(connection: Connection) -> None:
        for of in ENTRY:
            connection.execute(delete(core(of)).where(core(of).c.idx == index))

    carry_out(engine, work)


def close_up(engine: Engine, index: int) -> None:
    """Take an entry out, and let those behind it move up."""
    take_out(engine, index)
    _shift(engine, index, -1)


def repeat(engine: Engine, index: int) -> None:
    """Put an entry in a second time, behind itself; those behind it move on."""
    _shift(engine, index, 1)

    def work(connection: Connection) -> None:
        for table in map(core, (JournalLeaf, JournalPart, JournalLookup)):
            [row] = connection.execute(select(table).where(table.c.idx == index)).mappings().all()
            connection.execute(insert(table).values({**row, "idx": index + 1}))

    carry_out(engine, work)


def swap(engine: Engine, index: int) -> None:
    """Let an entry and the next one change places."""

    def work(connection: Connection) -> None:
        for table in map(core, ENTRY):
            for before, after in ((index, -1), (index + 1, index), (-1, index + 1)):
                connection.execute(update(table).where(table.c.idx == before).values(idx=after))

    carry_out(engine, work)


def _shift(engine: Engine, index: int, by: int) -> None:
    def work(connection: Connection) -> None:
        for table in map(core, ENTRY):  # by way of negative places, so that no two rows meet
            connection.execute(update(table).where(table.c.idx > index).values(idx=-table.c.idx - by))
            connection.execute(update(table).where(table.c.idx < 0).values(idx=-table.c.idx))

    carry_out(engine, work)


# The worst: with the keys of the service at hand.


def say_otherwise(
    main: Engine, keystore: KeyStore, name: str, index: int, change: Callable[[dict[str, Any]], None]
) -> None:
    """Let an entry's terms say something else: committed to, sealed and written in clear as if it had always been."""

    def work(connection: Connection) -> None:
        leaves, parts, lookup = map(core, (JournalLeaf, JournalPart, JournalLookup))
        row = connection.execute(select(leaves.c.leaf, leaves.c.hash).where(leaves.c.idx == index)).one()
        stored = connection.execute(select(parts).where(parts.c.idx == index)).mappings().one()
        tags = connection.execute(select(lookup.c.pupil_tag, lookup.c.actor_tag).where(lookup.c.idx == index)).one()
        owners = keystore.by_tags([tag for tag in tags if tag])
        whose = {1: owners.get(tags.pupil_tag), 2: owners.get(tags.actor_tag)}
        place = (name, index, row.hash)
        opened: dict[str, tuple[bytes, OwnerKey | None, bytes]] = {}
        for part in PARTS:
            first, rest = stored[part][:1], stored[part][1:]
            owner = whose.get(first[0])
            opened[part] = first, owner, rest if owner is None else owner.open(rest, part_aad(part, place))
        salt, said = opened["terms"][2][:SALT_SIZE], json.loads(opened["terms"][2][SALT_SIZE:])
        change(said)
        opened["terms"] = (*opened["terms"][:2], salt + canon(said))
        leaf = Leaf(row.leaf[1], *(commitment(part, opened[part][2]) for part in PARTS)).print()
        place = (name, index, leaf_hash(leaf))
        sealed = {
            part: first + (salted if owner is None else owner.seal(salted, part_aad(part, place)))
            for part, (first, owner, salted) in opened.items()
        }
        connection.execute(update(leaves).where(leaves.c.idx == index).values(leaf=leaf, hash=place[2]))
        connection.execute(update(parts).where(parts.c.idx == index).values(sealed))

    carry_out(main, work)


def rebuild(main: Engine, name: str, key: SignKey, keys: Engine | None = None) -> None:
    """Build the tree anew over the leaves that are there and sign it; with the key store at hand, set that right too.

    That is the mark and the boards' newest numbers; a pupil's is `forget_number`'s.
    """
    tree, nodes, notes = Frontier(), list[dict[str, Any]](), list[dict[str, Any]]()

    def signed() -> bytes:
        return print_checkpoint(Checkpoint(name, tree.size, tree.root()), key)

    def work(connection: Connection) -> None:
        leaves, head = core(JournalLeaf), core(JournalHead)
        for hashed in connection.scalars(select(leaves.c.hash).order_by(leaves.c.idx)):
            nodes.extend({"level": level, "idx": at, "hash": node} for level, at, node in tree.append(hashed))
            if tree.size % 256 == 0:
                notes.append({"size": tree.size, "note": signed()})
        for table, rows in ((core(JournalNode), nodes), (core(JournalCheckpoint), notes)):
            connection.execute(delete(table))
            if rows:
                connection.execute(insert(table), rows)
        connection.execute(update(head).values(size=tree.size, frontier=tree.print(), checkpoint=signed()))

    carry_out(main, work)
    if keys is not None:
        set_(keys, Mark, core(Mark).c.id == 1, size=tree.size, root=tree.root())
        rows, number = core(JournalBoard), core(BoardNumber)
        with main.connect() as connection:
            newest = connection.execute(select(rows.c.board, func.max(rows.c.number)).group_by(rows.c.board)).all()
        for board, last in newest:
            set_(keys, BoardNumber, number.c.board == board, number=last)


def cut(main: Engine, size: int) -> None:
    """Take every entry from `size` on out."""

    def work(connection: Connection) -> None:
        for of in ENTRY:
            connection.execute(delete(core(of)).where(core(of).c.idx >= size))

    carry_out(main, work)


def forget_number(main: Engine, keys: Engine, pupil: str) -> None:
    """Set a pupil's running number back to the newest that is still there."""
    with keys.connect() as connection:
        tag = connection.scalar(select(core(DataKey).c.tag).where(core(DataKey).c.owner_id == pupil))
    lookup = core(JournalLookup)
    with main.connect() as connection:
        newest = connection.scalar(select(func.max(lookup.c.number)).where(lookup.c.pupil_tag == tag)) or 0
    set_(keys, DataKey, core(DataKey).c.owner_id == pupil, number=newest)
