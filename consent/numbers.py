"""Running numbers as they stand in the journal: of each pupil's numbered entries, and of each board's.

A number is given under the head's lock, one above the newest: of what stands in the journal and what the key store
acknowledged, the larger. So what was taken out is missed, and its numbers are never given to anything else.
"""

from collections.abc import Iterable
from typing import TypeAlias

from sqlalchemy import ColumnElement, Engine, bindparam, func, select
from sqlalchemy.orm import Session

from consent.db import reading
from consent.errors import IntegrityBroken
from consent.keystore import KeyStore, OwnerKey
from consent.marks import Numbers, OfBoard
from consent.opened import keys_for, open_entries
from consent.sealing import STORED, stored
from consent.tables import JournalBoard, JournalLookup, core
from consent.tree import checkpoint
from crypto.checkpoint import parse_checkpoint

BATCH = 500
"""How many entries are opened at once where many weren't acknowledged."""

Range: TypeAlias = tuple[int, int]
"""The first and the last number of a board among which some are missing."""

_BOARD, _LOOKUP = core(JournalBoard), core(JournalLookup)
_OF_PUPIL = select(func.max(_LOOKUP.c.number)).where(_LOOKUP.c.pupil_tag == bindparam("tag"))
_OF_PUPILS = (
    select(_LOOKUP.c.pupil_tag, func.max(_LOOKUP.c.number))
    .where(_LOOKUP.c.pupil_tag.is_not(None), _LOOKUP.c.number.is_not(None))
    .group_by(_LOOKUP.c.pupil_tag)
)
_OF_BOARD = select(func.max(_BOARD.c.number)).where(_BOARD.c.board == bindparam("board"))
_OF_BOARDS = select(_BOARD.c.board, func.max(_BOARD.c.number).label("newest")).group_by(_BOARD.c.board)
_HELD = select(func.count()).where(
    _BOARD.c.board == bindparam("board"), _BOARD.c.number.between(bindparam("first"), bindparam("last"))
)


def newest_of_pupil(session: Session, pupil: OwnerKey) -> int:
    """Give a pupil's newest number: never below what the key store acknowledged."""
    return max(session.connection().scalar(_OF_PUPIL, {"tag": pupil.tag}) or 0, pupil.number)


def newest_of_boards(
    session: Session, keystore: KeyStore, boards: Iterable[str], *, after_loss: bool
) -> dict[str, int]:
    """Give boards' newest numbers under the head's lock, and note what is missing.

    `after_loss` says that a journal which lost entries has none yet under its new name: what is missing went with them.
    """
    wanted = sorted(boards)
    known, newest = keystore.of_boards(wanted), {}
    for board in wanted:
        standing = _standing(session, board)
        acknowledged = known[board].number if board in known else 0
        if standing < acknowledged and not after_loss:
            keystore.note_lost(board, standing + 1, acknowledged)
        newest[board] = max(standing, acknowledged)
    return newest


def missing(
    session: Session, main: Engine, keystore: KeyStore, boards: Iterable[str] | None, first: int
) -> dict[str, Range]:
    """Find boards, of these or of all, of which acknowledged entries aren't there.

    The key store is read first, since the journal is raised before it. Where the session began to read even earlier,
    something may only seem to be missing; so whatever does is looked for once more by a session that begins now. While
    a journal that lost entries has none yet from `first` on, under its new name, what is missing went with them.
    """
    known = keystore.of_boards(boards)
    if not any(_lost(session, board, said) for board, said in known.items()):
        return {}
    with reading(main) as now:
        if parse_checkpoint(checkpoint(now)).size == first:
            return {}
        found = {board: _lost(now, board, said) for board, said in known.items()}
    lost = {board: numbers for board, numbers in found.items() if numbers}
    for board, numbers in lost.items():
        keystore.note_lost(board, *numbers)
    return lost


def _lost(session: Session, board: str, said: OfBoard) -> Range | None:
    """Give the range of numbers in which some are missing, or None."""
    standing = _standing(session, board)
    ranges = [said.lost] if said.lost else []
    if standing < said.number:
        ranges.append((standing + 1, said.number))
    if not ranges:
        return None
    first, last = min(ranges)[0], max(last for _, last in ranges)
    held: int = session.connection().execute(_HELD, {"board": board, "first": first, "last": last}).scalar_one()
    return (first, last) if held < last + 1 - first else None


def _standing(session: Session, board: str) -> int:
    return session.connection().scalar(_OF_BOARD, {"board": board}) or 0


def of_journal(session: Session) -> tuple[list[tuple[bytes, int]], dict[str, int]]:
    """Give the newest numbers in the whole journal: of pupils by their tags, and of boards."""
    pupils = [(tag, number) for tag, number in session.connection().execute(_OF_PUPILS)]
    return pupils, _boards(session)


def unacknowledged(main: Engine, keystore: KeyStore, name: str, begin: int, end: int) -> Numbers:
    """Give the newest numbers among the entries from one index to another, each opened and checked.

    Of one that was erased there is only what stands in clear. Raises `IntegrityBroken`.
    """
    pupils: dict[str, int] = {}
    boards: dict[str, int] = {}
    with reading(main) as session:
        for first in range(begin, end, BATCH):
            last = min(first + BATCH, end)
            rows = stored(session, STORED.where(_LOOKUP.c.idx >= first, _LOOKUP.c.idx < last))
            if len(rows) < last - first:
                raise IntegrityBroken("not all are there that were never acknowledged", first)
            boards |= _boards(session, _BOARD.c.idx.between(first, last - 1))
            for entry in open_entries(session, rows, keys_for(keystore, rows, {}), name, erased=True):
                boards |= entry.boards  # later entries have the larger numbers
                if entry.pupil is not None and entry.number is not None:
                    pupils[entry.pupil] = entry.number
    return Numbers(pupils, boards)


def _boards(session: Session, *wanted: ColumnElement[bool]) -> dict[str, int]:
    return {row.board: row.newest for row in session.connection().execute(_OF_BOARDS.where(*wanted))}
