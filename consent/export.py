"""Writes the journal out, so that anybody can check it without the database; `consent.verify` reads it.

One line of JSON each: a head line, the entries in order, and after an entry the checkpoint kept at that size. The last
line is the newest checkpoint. Parts stand as the very JSON that was committed to, behind their salt.

A board's export has every entry's hash, so that the tree is whole, and of the entries only what that board may see.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import BinaryIO, TypeAlias, cast

from sqlalchemy import RowMapping, select
from sqlalchemy.orm import Session

from consent.entry import SALT_SIZE, SEES, WHOLE, read_told
from consent.errors import IntegrityBroken
from consent.exported import FORMAT
from consent.keystore import OwnerKey
from consent.sealing import STORED, Stored, checked_leaf, open_part, stored
from consent.tables import JournalBoard, JournalCheckpoint, JournalLeaf, core
from consent.tree import checkpoint, later_names
from crypto.encoding import Printable, canon
from crypto.merkle import leaf_hash

BATCH = 500
_LINE = b'{"hash":"%b","leaf":"%b","n":%d,"parts":{"actor":%b,"subject":%b,"terms":%b},"row":%b}\n'
_BARE = b'{"hash":"%b","n":%d}\n'
_CLOSED = b"null"
_BOARD = core(JournalBoard)
_ROWS = select(_BOARD).order_by(_BOARD.c.idx, _BOARD.c.board)
_HASHES = select(JournalLeaf.index, JournalLeaf.hash).order_by(JournalLeaf.index).limit(BATCH)
_SAID = ("type", "day", "sections", "ground", "school")
"""What a board's row says as the entry does."""

KeysFor: TypeAlias = Callable[[list[Stored]], Mapping[bytes, OwnerKey]]
"""Gives the keys, by tag, that open these entries."""

_BoardRow: TypeAlias = RowMapping


def export(session: Session, out: BinaryIO, origin: str, keys_for: KeysFor, board: str | None = None) -> int:
    """Write the journal as this transaction sees it, or one board's side of it; gives the number of entries.

    What doesn't open is written as null and left to the verifier to name: an export shows damage, and goes on.
    """
    count = 0
    for entries, line in lines(session, origin, keys_for, board):
        out.write(line)
        count += entries
    return count


def lines(session: Session, origin: str, keys_for: KeysFor, board: str | None = None) -> Iterator[tuple[int, bytes]]:
    """Give what `export` writes, a line at a time, each with the number of entries in it: one or none."""
    head: dict[str, Printable] = {"format": FORMAT, "origin": origin, "v": 1}
    if later := later_names(session):
        head["later"] = [list(each) for each in later]
    yield 0, canon(head if board is None else {**head, "board": board}) + b"\n"
    kept = {row.size: row.note for row in session.scalars(select(JournalCheckpoint))}
    newest = checkpoint(session)
    for index, line in _lines(session, origin, keys_for, board):
        yield 1, line
        if index + 1 in kept:
            yield 0, _note(kept[index + 1])
    yield 0, _note(newest)


@contextmanager
def compressed(out: BinaryIO) -> Iterator[BinaryIO]:
    """Compress what is written in the block (zstd, with a checksum), and finish the frame."""
    from zstandard import ZstdCompressor

    with ZstdCompressor(write_checksum=True).stream_writer(out, closefd=False) as writer:
        yield cast(BinaryIO, writer)


def compress(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Compress what is given, in the same way, for whoever sends it on: nothing of it is kept."""
    from zstandard import ZstdCompressor

    packer = ZstdCompressor(write_checksum=True).compressobj()
    for line in lines:
        if packed := packer.compress(line):
            yield packed
    yield packer.flush()


def _lines(session: Session, origin: str, keys_for: KeysFor, board: str | None) -> Iterator[tuple[int, bytes]]:
    begin = 0
    while hashes := dict(session.execute(_HASHES.where(JournalLeaf.index >= begin)).all()):
        between = (begin, max(hashes))
        rows: dict[int, dict[str, _BoardRow]] = {}
        for row in session.execute(_ROWS.where(_BOARD.c.idx.between(*between))).mappings():
            rows.setdefault(row["idx"], {})[row["board"]] = row
        own = [index for index, found in rows.items() if board in found]
        wanted = JournalLeaf.index.between(*between) if board is None else JournalLeaf.index.in_(own)
        entries = stored(session, STORED.where(wanted))
        owners = keys_for(entries)
        made = {entry.index: _line(entry, owners, rows.get(entry.index, {}), origin, board) for entry in entries}
        if board is not None:
            others = hashes.keys() - set(own)
            made.update((index, _BARE % (hashes[index].hex().encode(), index)) for index in others)
        yield from sorted(made.items())
        begin = between[1] + 1


def _line(
    entry: Stored, owners: Mapping[bytes, OwnerKey], rows: Mapping[str, _BoardRow], origin: str, board: str | None
) -> bytes:
    sees = WHOLE if board is None else rows[board]["sees"]
    salted = {part: _open(part, entry, owners, origin) for part in ("actor", "subject", "terms")}
    if sees == WHOLE:
        clear = _clear(entry, rows)
    else:
        assert board is not None  # only a board's row says that it sees less
        clear = _heard(rows[board], board, entry, salted["terms"])
    parts = [_part(one if sees & SEES[part] else None) for part, one in salted.items()]
    return _LINE % (entry.hash.hex().encode(), entry.leaf.hex().encode(), entry.index, *parts, canon(clear))


def _clear(entry: Stored, rows: Mapping[str, _BoardRow]) -> dict[str, Printable]:
    """Write down all that stands in clear; a board's row that contradicts it is null among what was told."""
    told: dict[str, Printable] = {}
    for board, row in rows.items():
        if any(row[name] != getattr(entry, name) for name in _SAID) or _misleads(row, entry):
            told[board] = None
        elif (row["sees"], row["outcome"]) != (WHOLE, entry.outcome):
            told[board] = _told(row)
    return {
        "boards": {board: row["number"] for board, row in rows.items()},
        "book": entry.book,
        "day": None if entry.day is None else entry.day.isoformat(),
        "ground": entry.ground,
        "number": entry.number,
        "outcome": entry.outcome,
        "school": entry.school,
        "sections": entry.sections,
        "told": told,
        "type": entry.type,
    }


def _misleads(row: _BoardRow, entry: Stored) -> bool:
    """Tell whether a board would look for the entry under another pupil or person than whom it may know it is about."""
    tags = (("subject", "pupil_tag"), ("actor", "actor_tag"))
    return any(row[tag] != (getattr(entry, tag) if row["sees"] & SEES[part] else None) for part, tag in tags)


def _heard(row: _BoardRow, board: str, entry: Stored, terms: bytes | None) -> dict[str, Printable]:
    """Write down what a board hears that doesn't see the entry whole, as far as that is what was committed to."""
    clear = _clear(entry, {board: row})
    if terms is not None and read_told(terms).get(board) != _told(row):
        clear["told"] = {board: None}
    return {**clear, "book": None, "number": None, "outcome": row["outcome"]}


def _told(row: _BoardRow) -> dict[str, Printable]:
    return {"outcome": row["outcome"], "sees": [part for part, bit in SEES.items() if row["sees"] & bit]}


def _open(part: str, row: Stored, owners: Mapping[bytes, OwnerKey], origin: str) -> bytes | None:
    try:
        salted = open_part(part, row, checked_leaf(row), owners, (origin, row.index, leaf_hash(row.leaf)))
    except IntegrityBroken:
        return None
    # No JSON of ours has a line feed, and it would end the line.
    return None if salted is None or b"\n" in salted[SALT_SIZE:] else salted


def _part(salted: bytes | None) -> bytes:
    if salted is None:
        return _CLOSED
    return b'["%b",%b]' % (salted[:SALT_SIZE].hex().encode(), salted[SALT_SIZE:])


def _note(note: bytes) -> bytes:
    return canon({"checkpoint": note.decode()}) + b"\n"
