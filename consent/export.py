"""Writes the journal out, so that anybody can check it without the database; `consent.verify` reads it.

One line of JSON each: a head line, the entries in order, and after an entry the checkpoint kept at that size. The last
line is the newest checkpoint. Parts stand as the very JSON that was committed to, behind their salt.

A board's export has every entry's hash, so that the tree is whole, and of the entries only what that board may see.

All is read from one snapshot of the database, with keys that were all there with it: what is appended or erased while
somebody reads the lines is in the next export. What doesn't open is written as null and left to the verifier to name,
and a board's row that says something else than its entry is named as `contradicted`: an export shows damage, and goes
on.
"""

from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import BinaryIO, TypeAlias, cast

from sqlalchemy import Engine, RowMapping, func, select
from sqlalchemy.orm import Session

from consent.db import snapshot
from consent.entry import SALT_SIZE, SEES, WHOLE, read_told
from consent.errors import IntegrityBroken
from consent.exported import FORMAT
from consent.keystore import KeyStore, OwnerKey
from consent.sealing import LOOKUP, STORED, Stored, checked_leaf, open_part, stored
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
_NEWEST = select(_BOARD.c.board, func.max(_BOARD.c.number)).group_by(_BOARD.c.board)
_SAID = ("type", "day", "sections", "ground", "school")
"""What a board's row says as the entry does."""

_BoardRow: TypeAlias = RowMapping
_Keys: TypeAlias = Mapping[bytes, OwnerKey]


def export(main: Engine, keystore: KeyStore, out: BinaryIO, origin: str, board: str | None = None) -> int:
    """Write the journal as it is now, or one board's side of it; gives the number of entries."""
    count = 0
    with closing(lines(main, keystore, origin, board)) as written:
        for entries, line in written:
            out.write(line)
            count += entries
    return count


def lines(main: Engine, keystore: KeyStore, origin: str, board: str | None = None) -> Generator[tuple[int, bytes]]:
    """Give what `export` writes, a line at a time, each with the number of entries in it: one or none.

    A key that is gone although the snapshot has what it sealed was destroyed just now, by an erasure of which the next
    snapshot knows. One that is gone then too is damage.
    """
    lost: set[bytes] = set()
    while True:
        known = keystore.of_boards()  # first: what was acknowledged before the snapshot is in it
        with snapshot(main) as session:
            tags = _tags(session, board)
            keys = _keys(keystore, tags)
            missing = tags - keys.keys()
            if missing <= lost:
                head = _head(session, origin, {name: each.number for name, each in known.items()}, board)
                yield 0, canon(head) + b"\n"
                yield from _written(session, origin, keys, board)
                return
            lost = missing


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


def _tags(session: Session, board: str | None) -> set[bytes]:
    """Name the keys that what is to be written was sealed under."""
    found: set[bytes] = set()
    for tag in (LOOKUP.c.pupil_tag, LOOKUP.c.actor_tag):
        wanted = select(tag).where(tag.is_not(None)).distinct()
        if board is not None:
            wanted = wanted.where(LOOKUP.c.idx.in_(select(_BOARD.c.idx).where(_BOARD.c.board == board)))
        found.update(session.connection().scalars(wanted))
    return found


def _keys(keystore: KeyStore, tags: set[bytes]) -> dict[bytes, OwnerKey]:
    wanted = sorted(tags)
    keys: dict[bytes, OwnerKey] = {}
    for begin in range(0, len(wanted), BATCH):
        keys |= keystore.by_tags(wanted[begin : begin + BATCH])
    return keys


def _written(session: Session, origin: str, keys: _Keys, board: str | None) -> Iterator[tuple[int, bytes]]:
    kept = {row.size: row.note for row in session.scalars(select(JournalCheckpoint))}
    newest = checkpoint(session)
    for index, line in _lines(session, origin, keys, board):
        yield 1, line
        if index + 1 in kept:
            yield 0, _note(kept[index + 1])
    yield 0, _note(newest)


def _head(session: Session, origin: str, known: Mapping[str, int], board: str | None) -> dict[str, Printable]:
    there: dict[str, int] = dict(session.execute(_NEWEST).all())
    newest = {name: max(there.get(name, 0), known.get(name, 0)) for name in there.keys() | known}
    head: dict[str, Printable] = {"format": FORMAT, "newest": newest, "origin": origin, "v": 1}
    if later := later_names(session):
        head["later"] = [list(each) for each in later]
    if board is not None:
        head |= {"board": board, "newest": {board: newest.get(board, 0)}}
    return head


def _lines(session: Session, origin: str, keys: _Keys, board: str | None) -> Iterator[tuple[int, bytes]]:
    begin = 0
    while hashes := dict(session.execute(_HASHES.where(JournalLeaf.index >= begin)).all()):
        between = (begin, max(hashes))
        rows: dict[int, dict[str, _BoardRow]] = {}
        for row in session.execute(_ROWS.where(_BOARD.c.idx.between(*between))).mappings():
            rows.setdefault(row["idx"], {})[row["board"]] = row
        own = [index for index, found in rows.items() if board in found]
        wanted = JournalLeaf.index.between(*between) if board is None else JournalLeaf.index.in_(own)
        made = {
            entry.index: _line(entry, keys, rows.get(entry.index, {}), origin, board)
            for entry in stored(session, STORED.where(wanted))
        }
        if board is not None:
            others = hashes.keys() - set(own)
            made.update((index, _BARE % (hashes[index].hex().encode(), index)) for index in others)
        yield from sorted(made.items())
        begin = between[1] + 1


def _line(entry: Stored, keys: _Keys, rows: Mapping[str, _BoardRow], origin: str, board: str | None) -> bytes:
    salted = {part: _open(part, entry, keys, origin) for part in ("actor", "subject", "terms")}
    sees = WHOLE if board is None else rows[board]["sees"]
    if board is not None and sees != WHOLE:
        clear = _heard(rows[board], board, entry, salted["terms"])
    elif entry.erased is None:
        clear = _clear(entry, rows)
    else:
        clear = _emptied(entry, rows if board is None else {board: rows[board]})
    parts = [_part(one if sees & SEES[part] else None) for part, one in salted.items()]
    return _LINE % (entry.hash.hex().encode(), entry.leaf.hex().encode(), entry.index, *parts, canon(clear))


def _clear(entry: Stored, rows: Mapping[str, _BoardRow]) -> dict[str, Printable]:
    """Write down all that stands in clear of an entry."""
    told = {board: row for board, row in rows.items() if (row["sees"], row["outcome"]) != (WHOLE, entry.outcome)}
    clear: dict[str, Printable] = {
        "boards": {board: row["number"] for board, row in rows.items()},
        "book": entry.book,
        "day": None if entry.day is None else entry.day.isoformat(),
        "ground": entry.ground,
        "number": entry.number,
        "outcome": entry.outcome,
        "school": entry.school,
        "sections": entry.sections,
        "told": {board: _told(row) for board, row in told.items()},
        "type": entry.type,
    }
    return clear | _contradicted(board for board, row in rows.items() if _contradicts(row, entry))


def _emptied(entry: Stored, rows: Mapping[str, _BoardRow]) -> dict[str, Printable]:
    """Write down what is left in clear of an erased entry: that it is there, and its numbers.

    Its book and what other boards were told aren't written: no part is left that commits to them.
    """
    said = (board for board, row in rows.items() if _contradicts(row, entry) or row["outcome"] is not None)
    return _clear(entry, rows) | {"book": None, "told": {}} | _contradicted(said)


def _heard(row: _BoardRow, board: str, entry: Stored, terms: bytes | None) -> dict[str, Printable]:
    """Write down what a board hears that doesn't see the entry whole."""
    clear = _clear(entry, {board: row})
    clear |= {"book": None, "number": None, "outcome": row["outcome"], "told": {board: _told(row)}}
    if terms is not None and read_told(terms).get(board) != _told(row):
        clear |= _contradicted([board])
    return clear


def _contradicts(row: _BoardRow, entry: Stored) -> bool:
    """Tell whether a board's row says something else than the entry does.

    That is, too, whether it has the board look for the entry under another pupil or person than it may know of.
    """
    tags = (("subject", "pupil_tag"), ("actor", "actor_tag"))
    misleads = any(row[tag] != (getattr(entry, tag) if row["sees"] & SEES[part] else None) for part, tag in tags)
    return misleads or any(row[name] != getattr(entry, name) for name in _SAID)


def _contradicted(boards: Iterable[str]) -> dict[str, Printable]:
    """Name the boards whose rows contradict the entry; where there are none, nothing is said."""
    named = sorted(boards)
    return {"contradicted": named} if named else {}


def _told(row: _BoardRow) -> dict[str, Printable]:
    return {"outcome": row["outcome"], "sees": [part for part, bit in SEES.items() if row["sees"] & bit]}


def _open(part: str, row: Stored, keys: _Keys, origin: str) -> bytes | None:
    try:
        salted = open_part(part, row, checked_leaf(row), keys, (origin, row.index, leaf_hash(row.leaf)))
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
