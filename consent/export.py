"""Writes the journal out, so that anybody can check it without the database; `consent.verify` reads it.

One line of JSON each: a head line, the entries in order, and after an entry the checkpoint kept at that size. The last
line is the newest checkpoint. Parts stand as the very JSON that was committed to, behind their salt.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import BinaryIO, TypeAlias

from sqlalchemy import select
from sqlalchemy.orm import Session

from consent.entry import SALT_SIZE
from consent.errors import IntegrityBroken
from consent.keystore import OwnerKey
from consent.sealing import STORED, Stored, checked_leaf, open_part, stored
from consent.tables import JournalBoard, JournalCheckpoint, JournalLeaf
from consent.tree import checkpoint
from crypto.encoding import Printable, canon
from crypto.merkle import leaf_hash

BATCH = 500
FORMAT = "overdracht-journal"
_LINE = b'{"hash":"%b","leaf":"%b","n":%d,"parts":{"actor":%b,"subject":%b,"terms":%b},"row":%b}\n'
_CLOSED = b"null"
_BOARDS = select(JournalBoard.board, JournalBoard.number, JournalBoard.index)


KeysFor: TypeAlias = Callable[[list[Stored]], Mapping[bytes, OwnerKey]]
"""Gives the keys, by tag, that open these entries."""


def export(session: Session, out: BinaryIO, origin: str, keys_for: KeysFor) -> int:
    """Write the journal as this transaction sees it; gives the number of entries.

    What doesn't open is written as null and left to the verifier to name: an export shows damage, and goes on.
    """
    out.write(canon({"format": FORMAT, "origin": origin, "v": 1}) + b"\n")
    kept = {row.size: row.note for row in session.scalars(select(JournalCheckpoint))}
    newest = checkpoint(session)
    count = 0
    for row, owners, boards in _rows(session, keys_for):
        out.write(_line(row, owners, boards, origin))
        count += 1
        if row.index + 1 in kept:
            out.write(_note(kept[row.index + 1]))
    out.write(_note(newest))
    return count


_Row: TypeAlias = tuple[Stored, Mapping[bytes, OwnerKey], Mapping[str, int]]


def _rows(session: Session, keys_for: KeysFor) -> Iterator[_Row]:
    begin = 0
    while rows := stored(session, STORED.where(JournalLeaf.index >= begin).limit(BATCH)):
        owners = keys_for(rows)
        boards: dict[int, dict[str, int]] = {}
        between = JournalBoard.index.between(begin, rows[-1].index)
        for board, number, index in session.execute(_BOARDS.where(between)):
            boards.setdefault(index, {})[board] = number
        yield from ((row, owners, boards.get(row.index, {})) for row in rows)
        begin = rows[-1].index + 1


def _line(row: Stored, owners: Mapping[bytes, OwnerKey], boards: Mapping[str, int], origin: str) -> bytes:
    clear: dict[str, Printable] = {
        "boards": boards,
        "book": row.book,
        "day": None if row.day is None else row.day.isoformat(),
        "ground": row.ground,
        "number": row.number,
        "outcome": row.outcome,
        "sections": row.sections,
        "type": row.type,
    }
    actor, subject, terms = (_part(part, row, owners, origin) for part in ("actor", "subject", "terms"))
    head = (row.hash.hex().encode(), row.leaf.hex().encode(), row.index)
    return _LINE % (*head, actor, subject, terms, canon(clear))


def _part(part: str, row: Stored, owners: Mapping[bytes, OwnerKey], origin: str) -> bytes:
    try:
        salted = open_part(part, row, checked_leaf(row), owners, (origin, row.index, leaf_hash(row.leaf)))
    except IntegrityBroken:
        return _CLOSED
    if salted is None or b"\n" in salted[SALT_SIZE:]:  # no JSON of ours has one, and it would end the line
        return _CLOSED
    return b'["%b",%b]' % (salted[:SALT_SIZE].hex().encode(), salted[SALT_SIZE:])


def _note(note: bytes) -> bytes:
    return canon({"checkpoint": note.decode()}) + b"\n"
