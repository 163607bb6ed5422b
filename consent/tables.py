"""The tables of this floor: the journal and the pupils in the main database, secrets in the key store.

What the main database says of a pupil is sealed under that pupil's key. In clear stands only what a search needs:
boards, day, type, sections, ground, outcome, and tags that are HMACs under keys which the key store can destroy.
"""

from datetime import date, datetime
from typing import cast

from sqlalchemy import (
    CheckConstraint,
    Column,
    ColumnElement,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    Table,
    UniqueConstraint,
    literal_column,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from consent.db import UTC, Keys, Main
from consent.terms import Section

HASH = LargeBinary(32)
NAME = String(80)
ID = String(64)


class Pupil(Main):
    """A board's pseudonymous record of a pupil. `version` is the lock: whoever acts for the pupil raises it first."""

    __tablename__ = "pupil"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    version: Mapped[int] = mapped_column(default=0)
    board: Mapped[str] = mapped_column(String(40), index=True)
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    erased: Mapped[bool] = mapped_column(default=False)


class JournalHead(Main):
    """The one row that every append locks: size, frontier of the tree, and the last signed checkpoint."""

    __tablename__ = "journal_head"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    size: Mapped[int]
    frontier: Mapped[bytes] = mapped_column(LargeBinary)
    checkpoint: Mapped[bytes] = mapped_column(LargeBinary)


class JournalLeaf(Main):
    """What is in the tree: type and three commitments, and the hash over them (RFC 6962)."""

    __tablename__ = "journal_leaf"
    index: Mapped[int] = mapped_column("idx", primary_key=True, autoincrement=False)
    leaf: Mapped[bytes] = mapped_column(LargeBinary)
    hash: Mapped[bytes] = mapped_column(HASH)


class JournalNode(Main):
    """The hash of a complete subtree of 2**level leaves, level 1 and up, never changed once written."""

    __tablename__ = "journal_node"
    level: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    index: Mapped[int] = mapped_column("idx", primary_key=True, autoincrement=False)
    hash: Mapped[bytes] = mapped_column(HASH)


class JournalPart(Main):
    """The three parts behind the commitments, each with its salt, sealed. Null once erased."""

    __tablename__ = "journal_part"
    index: Mapped[int] = mapped_column("idx", ForeignKey(JournalLeaf.index), primary_key=True, autoincrement=False)
    subject: Mapped[bytes | None] = mapped_column(LargeBinary)
    actor: Mapped[bytes | None] = mapped_column(LargeBinary)
    terms: Mapped[bytes | None] = mapped_column(LargeBinary)


class JournalLookup(Main):
    """What may be searched in clear. Erasing a pupil empties it, but for the book, the type and who looked.

    `erased` and `actor_erased` are the indices of the entries that list this one as erased, or its actor.
    """

    __tablename__ = "journal_lookup"
    __table_args__ = (Index(None, "pupil_tag", "idx"), Index(None, "actor_tag", "idx"), Index(None, "day"))
    index: Mapped[int] = mapped_column("idx", ForeignKey(JournalLeaf.index), primary_key=True, autoincrement=False)
    book: Mapped[str] = mapped_column(String(20))
    type: Mapped[int]
    day: Mapped[date | None]
    sections: Mapped[int]
    ground: Mapped[str | None] = mapped_column(NAME)
    outcome: Mapped[str | None] = mapped_column(NAME)
    number: Mapped[int | None]
    pupil_tag: Mapped[bytes | None] = mapped_column(HASH)
    actor_tag: Mapped[bytes | None] = mapped_column(HASH)
    school: Mapped[str | None] = mapped_column(String(6))
    erased: Mapped[int | None]
    actor_erased: Mapped[int | None]


class JournalBoard(Main):
    """Which entries concern a board, numbered without a gap, so that the board sees that its export is complete.

    The other columns are what this board may search by: the outcome is the one it hears, a tag is there where it may
    see that part, and `sees` says which parts those are. Erasing a pupil empties all but `sees`, type and who looked.
    """

    __tablename__ = "journal_board"
    board: Mapped[str] = mapped_column(String(40), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    index: Mapped[int] = mapped_column("idx", ForeignKey(JournalLeaf.index), index=True)
    type: Mapped[int]
    day: Mapped[date | None]
    sections: Mapped[int]
    ground: Mapped[str | None] = mapped_column(NAME)
    outcome: Mapped[str | None] = mapped_column(NAME)
    school: Mapped[str | None] = mapped_column(String(6))
    sees: Mapped[int]
    pupil_tag: Mapped[bytes | None] = mapped_column(HASH)
    actor_tag: Mapped[bytes | None] = mapped_column(HASH)


class JournalCheckpoint(Main):
    """Checkpoints kept for good: one for every 256 entries."""

    __tablename__ = "journal_checkpoint"
    size: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    note: Mapped[bytes] = mapped_column(LargeBinary)


class JournalErasure(Main):
    """A key that an erasure still has to destroy: the only row that joins such an entry to a key."""

    __tablename__ = "journal_erasure"
    index: Mapped[int] = mapped_column("idx", ForeignKey(JournalLeaf.index), primary_key=True, autoincrement=False)
    key_id: Mapped[str] = mapped_column(String(32), primary_key=True)


class JournalOrigin(Main):
    """The name under which the log goes on from an index: a journal that was put back with a loss is another log."""

    __tablename__ = "journal_origin"
    first: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    origin: Mapped[str] = mapped_column(String(200))


class Epoch(Keys):
    """An epoch key's state; the key itself is a file outside both databases. The newest current one wraps."""

    __tablename__ = "epoch"
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    current: Mapped[bool]
    emptied_at: Mapped[datetime | None] = mapped_column(UTC)
    destroyed: Mapped[bool] = mapped_column(default=False)


class DataKey(Keys):
    """The key of a pupil, a person or a board, wrapped. `wrapped` is null once destroyed.

    `number` is the newest running number of the pupil's entries, `tag` the name of the owner's rows in the journal.
    """

    __tablename__ = "data_key"
    __table_args__ = (UniqueConstraint("owner_kind", "owner_id"),)
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    owner_kind: Mapped[str] = mapped_column(String(20))
    owner_id: Mapped[str] = mapped_column(String(200))
    epoch: Mapped[int] = mapped_column(ForeignKey(Epoch.number), index=True)
    wrapped: Mapped[bytes | None] = mapped_column(LargeBinary)
    tag: Mapped[bytes | None] = mapped_column(HASH, unique=True)
    number: Mapped[int] = mapped_column(default=0)


class Share(Keys):
    """The release share of one section of one bundle, wrapped. Without it the section can't be opened again."""

    __tablename__ = "share"
    bundle: Mapped[str] = mapped_column(NAME, primary_key=True)
    section: Mapped[str] = mapped_column(String(40), primary_key=True)
    epoch: Mapped[int] = mapped_column(ForeignKey(Epoch.number), index=True)
    wrapped: Mapped[bytes] = mapped_column(LargeBinary)


class LookupHash(Keys):
    """Finds an id by a value under a board's key (a pupil number, say) without holding the value."""

    __tablename__ = "lookup_hash"
    hash: Mapped[bytes] = mapped_column(HASH, primary_key=True)
    id: Mapped[str] = mapped_column(NAME, index=True)


class Mark(Keys):
    """The largest journal that was ever acknowledged: its size and root. Every running number below it is here too."""

    __tablename__ = "mark"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    size: Mapped[int]
    root: Mapped[bytes] = mapped_column(HASH)


class BoardNumber(Keys):
    """The newest number of a board's entries that was acknowledged, and the range that was seen to be missing."""

    __tablename__ = "board_number"
    board: Mapped[str] = mapped_column(String(40), primary_key=True)
    number: Mapped[int]
    lost_first: Mapped[int | None]
    lost_last: Mapped[int | None]


class Freeze(Keys):
    """The checkpoint that showed this journal to be older than it was, or another: nothing is released beside it."""

    __tablename__ = "freeze"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    note: Mapped[bytes] = mapped_column(LargeBinary)
    source: Mapped[str] = mapped_column(NAME)
    at: Mapped[datetime] = mapped_column(UTC)


class Shipped(Keys):
    """How far the second place has come: the last shipment's number, and the sizes of journal and key log in it.

    Whoever ships locks this row.
    """

    __tablename__ = "shipped"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(default=0)
    size: Mapped[int] = mapped_column(default=0)
    keylog: Mapped[int] = mapped_column(default=0)


class Unshipped(Keys):
    """A row of this database that was made, changed or destroyed since the last shipment."""

    __tablename__ = "unshipped"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    key: Mapped[str] = mapped_column(NAME)


def core(mapped: type[DeclarativeBase]) -> Table:
    """Give the plain table behind a class: what runs for every decision goes without the mapping's overhead."""
    return cast(Table, mapped.__table__)


BOARD_SEARCHES = ("type", "day", "ground", "outcome", "school", "pupil_tag", "actor_tag")
"""The columns by which a board searches; each has an index in the order of the journal, and so has each section."""


def holds(section: Section) -> ColumnElement[bool]:
    """Say that a board's row is about a section, in the very words of that section's index."""
    bit = list(Section).index(section)
    return core(JournalBoard).c.sections.op("&")(literal_column(str(1 << bit))) != literal_column("0")


def _index(name: str, *columns: Column[object], where: ColumnElement[bool] | None = None) -> None:
    Index(f"ix_journal_board_{name}", *columns, sqlite_where=where, postgresql_where=where)


def _index_boards(table: Table) -> None:
    board, index = table.c.board, table.c.idx
    _index("board_idx", board, index)
    for name in BOARD_SEARCHES:
        _index(f"board_{name}_idx", board, table.c[name], index)
    for section in Section:
        _index(f"section_{section}", board, index, where=holds(section))


_index_boards(core(JournalBoard))
