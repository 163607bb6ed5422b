"""Rows as data: all that the main database holds of one pupil, or of one board, and how they are put back.

Which rows those are is read from the foreign keys: a table belongs to a pupil's slice when a chain of them leads to
`pupil`, and to a board's when one leads to `board` without passing a pupil's. A slice is a state, not a change: putting
back the newest one gives what was there, whatever was put back before.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from functools import cache
from typing import Any, Final, NamedTuple, TypeAlias

from sqlalchemy import (
    Column,
    Connection,
    Date,
    DateTime,
    LargeBinary,
    MetaData,
    Table,
    TypeDecorator,
    and_,
    delete,
    insert,
    select,
    update,
)

from crypto.encoding import JSON, b64, unb64

Row: TypeAlias = dict[str, JSON]
Rows: TypeAlias = dict[str, list[Row]]
"""By table, its rows; a row by its columns, as JSON."""

PUPIL: Final = "pupil"
BOARD: Final = "board"


class Branch(NamedTuple):
    """A table of a slice, and how its rows are found: this column names that column's value in the parent table."""

    table: Table
    column: Column[Any] | None
    parent: Column[Any] | None


def branches(metadata: MetaData, root: str) -> tuple[Branch, ...]:
    """Name the tables of a slice, parents first."""
    return _branches(metadata, root, len(metadata.tables))


@cache
def _branches(metadata: MetaData, root: str, _count: int) -> tuple[Branch, ...]:
    others = {branch.table for branch in branches(metadata, PUPIL)} if root == BOARD else set()
    found: dict[Table, Branch] = {}
    for table in metadata.sorted_tables:
        if table.name == root:
            found[table] = Branch(table, None, None)
        elif table not in others:
            places = {each: at for at, each in enumerate(found)}
            keys = [key for key in table.foreign_keys if key.column.table in found]
            if keys:  # the shortest way up
                key = min(keys, key=lambda key: (places[key.column.table], key.parent.name))
                found[table] = Branch(table, key.parent, key.column)
    return tuple(found.values())


def read(connection: Connection, metadata: MetaData, root: str, key: str) -> Rows:
    """Read the slice of one pupil or board."""
    rows: Rows = {}
    for table, column, parent in branches(metadata, root):
        if column is None or parent is None:
            wanted = select(table).where(_key(table)[0] == key)
        else:
            wanted = select(table).where(column.in_([_value(parent, row) for row in rows[parent.table.name]]))
        rows[table.name] = [to_json(table, row._asdict()) for row in connection.execute(wanted)]
    return rows


def replace(connection: Connection, metadata: MetaData, root: str, key: str, rows: Rows) -> None:
    """Make the slice of a pupil or board what these rows say."""
    present = read(connection, metadata, root, key)
    tables = [branch.table for branch in branches(metadata, root)]
    for table in reversed(tables):
        kept = {_identity(table, row) for row in rows.get(table.name, [])}
        for row in present[table.name]:
            if _identity(table, row) not in kept:
                connection.execute(delete(table).where(_is(table, row)))
    for table in tables:
        put(connection, table, rows.get(table.name, []))


def put(connection: Connection, table: Table, rows: Iterable[Row]) -> None:
    """Insert rows, each in the place of the one that has its key."""
    for row in rows:
        values = from_json(table, row)
        if not connection.execute(update(table).where(_is(table, row)).values(values)).rowcount:
            connection.execute(insert(table).values(values))


def to_json(table: Table, row: Mapping[str, Any]) -> Row:
    """Write a row of a table as JSON: bytes in base64, moments and days in ISO 8601."""
    return {column.name: _print(row[column.name]) for column in table.columns}


def from_json(table: Table, row: Row) -> dict[str, Any]:
    """Read a row that `to_json` wrote."""
    return {name: _parse(table.c[name], value) for name, value in row.items()}


def _print(value: Any) -> JSON:
    if isinstance(value, bytes):
        return b64(value)
    if isinstance(value, date):  # a datetime is one too
        return value.isoformat()
    printed: JSON = value
    return printed


def _parse(column: Column[Any], value: JSON) -> Any:
    kind = column.type.impl_instance if isinstance(column.type, TypeDecorator) else column.type
    if value is None:
        return None
    if isinstance(kind, LargeBinary):
        return unb64(value)
    if isinstance(kind, DateTime):
        return datetime.fromisoformat(str(value))
    if isinstance(kind, Date):
        return date.fromisoformat(str(value))
    return value


def _key(table: Table) -> Sequence[Column[Any]]:
    return tuple(table.primary_key.columns)


def _value(column: Column[Any], row: Row) -> Any:
    return _parse(column, row[column.name])


def _identity(table: Table, row: Row) -> tuple[JSON, ...]:
    return tuple(row[column.name] for column in _key(table))


def _is(table: Table, row: Row) -> Any:
    return and_(*(column == _value(column, row) for column in _key(table)))
