"""A board's search of the journal: newest first, in pages by index, and never more than what the board may see.

Every criterion is a column of the board's own rows with an index in the order of the journal, so a page costs the same
in a small journal and in a large one. What a tag would find stands there only where the board may see that part. The
entries themselves are opened and checked whole; afterwards everything is left out that isn't this board's.
"""

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from consent.entry import SEES, WHOLE, Actor, Opened, read_actor, section_bits, section_names
from consent.erasing import check_gone
from consent.errors import Destroyed, IntegrityBroken, KeyUnknown
from consent.keystore import KeyStore, OwnerKey
from consent.sealing import STORED, Stored, open_parts, put_together, stored
from consent.tables import JournalBoard, JournalLeaf, core, holds
from consent.terms import Section
from crypto.encoding import JSON

PAGE_MAX = 500
"""Most entries that one page gives."""

_BOARD = core(JournalBoard)
_EMPTIED = (None, 0, None, None, None)
_NAMES = ("idx", "number", "type", "day", "sections", "ground", "outcome", "school", "sees")


@dataclass(frozen=True, slots=True, kw_only=True)
class Criteria:
    """What is looked for; all that is named must hold. `since` is the first day, `until` the day after the last one.

    Days are UTC's, as they stand in clear. What a pupil's erasure emptied is found by board, type and person alone.
    """

    pupil: str | None = None
    person: str | None = None
    school: str | None = None
    section: Section | None = None
    ground: str | None = None
    outcome: str | None = None
    type: int | None = None
    since: date | None = None
    until: date | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """An entry as one board may see it. `opened` is there where the board sees it whole and it wasn't erased.

    `actor`, `terms` and `at` are there where the board sees these parts (`at` with either); `outcome` is the one that
    this board hears.
    """

    index: int
    number: int
    type: int
    day: date | None
    sections: tuple[str, ...]
    ground: str | None
    outcome: str | None
    school: str | None
    erased: bool
    at: datetime | None
    actor: Actor | None
    terms: Mapping[str, JSON] | None
    opened: Opened | None


@dataclass(frozen=True, slots=True)
class _Row:
    """A board's row of an entry."""

    index: int
    number: int
    type: int
    day: date | None
    sections: int
    ground: str | None
    outcome: str | None
    school: str | None
    sees: int


def find(
    session: Session,
    keystore: KeyStore,
    origin: str,
    board: str,
    criteria: Criteria,
    before: int | None,
    limit: int,
) -> list[Found]:
    """Find a page of a board's entries, opened and checked. Raises `IntegrityBroken`."""
    try:
        wanted = [page(board, criteria, before, limit)]
        if criteria.pupil is not None:
            wanted = [way.where(_BOARD.c.pupil_tag == keystore.tag("pupil", criteria.pupil)) for way in wanted]
    except (KeyUnknown, Destroyed):
        return []
    if criteria.person is not None:
        tags = [key.tag for key in keystore.years_of(criteria.person)]
        wanted = [way.where(_BOARD.c.actor_tag == tag) for way in wanted for tag in tags]
    if criteria.since is not None or criteria.until is not None:
        ends = session.execute(between(board, criteria.since or date.min, criteria.until or date.max)).one()
        wanted = [way.where(_BOARD.c.idx.between(*ends)) for way in wanted]
    found = [_Row(*row) for way in wanted for row in session.execute(way)]
    newest = sorted(found, key=lambda row: row.index, reverse=True)[: min(limit, PAGE_MAX)]
    entries = {
        row.index: row for row in stored(session, STORED.where(JournalLeaf.index.in_([r.index for r in newest])))
    }
    tags_of = {tag for row in entries.values() for tag in (row.pupil_tag, row.actor_tag) if tag is not None}
    owners = keystore.by_tags(tags_of)
    return [_look(session, board, row, entries.get(row.index), owners, origin) for row in newest]


def page(board: str, criteria: Criteria, before: int | None, limit: int) -> Select[Any]:
    """Select a page of a board's rows by everything but tags, newest first."""
    column = _BOARD.c
    wanted: list[ColumnElement[bool]] = [column.board == board]
    for name in ("school", "ground", "outcome", "type"):
        value = getattr(criteria, name)
        if value is not None:
            wanted.append(column[name] == value)
    if criteria.section is not None:
        wanted.append(holds(criteria.section))
    if criteria.since is not None:
        wanted.append(column.day >= criteria.since)
    if criteria.until is not None:
        wanted.append(column.day < criteria.until)
    if before is not None:
        wanted.append(column.idx < before)
    columns = (column[name] for name in _NAMES)
    return select(*columns).where(*wanted).order_by(column.idx.desc()).limit(min(limit, PAGE_MAX))


def between(board: str, since: date, until: date) -> Select[Any]:
    """Select the first and the last index of a board's entries of these days, by one look for each day there is.

    Days follow the journal's order only as far as clocks do, so no single look would be enough.
    """
    column = _BOARD.c
    days = (
        select(func.min(column.day).label("day")).where(column.board == board, column.day >= since).cte(recursive=True)
    )
    following = select(func.min(column.day)).where(column.board == board, column.day > days.c.day).scalar_subquery()
    days = days.union_all(select(following).where(days.c.day < until))
    ends = [
        select(end(column.idx)).where(column.board == board, column.day == days.c.day).correlate(days).scalar_subquery()
        for end in (func.min, func.max)
    ]
    return select(func.min(ends[0]), func.max(ends[1])).where(days.c.day < until)


def _look(
    session: Session, board: str, row: _Row, entry: Stored | None, owners: Mapping[bytes, OwnerKey], origin: str
) -> Found:
    """Open an entry, check it and the board's row, and keep what the board may see. Raises `IntegrityBroken`."""
    if entry is None:
        raise IntegrityBroken("it isn't there", row.index)
    parts = open_parts(entry, owners, origin)
    if check_gone(session, entry, parts, origin):
        if (row.type, row.day, row.sections, row.ground, row.outcome, row.school) != (entry.type, *_EMPTIED):
            raise IntegrityBroken("a board's row says something about what was erased", row.index)
        return _found(row, read_actor(parts["actor"]), None)
    opened = put_together(entry, parts)
    said = (row.index, opened.boards.get(board), opened.type, opened.recorded_at.date(), section_bits(opened.sections))
    told = (opened.ground, opened.heard_by(board), opened.school, opened.seen_by(board))
    if (*said, *told) != astuple(row):
        raise IntegrityBroken("what a board's row says isn't what was sealed", row.index)
    return _found(row, opened.actor, opened)


def _found(row: _Row, actor: Actor | None, opened: Opened | None) -> Found:
    return Found(
        index=row.index,
        number=row.number,
        type=row.type,
        day=row.day,
        sections=section_names(row.sections),
        ground=row.ground,
        outcome=row.outcome,
        school=row.school,
        erased=opened is None,
        at=opened.recorded_at if opened and row.sees else None,
        actor=actor if row.sees & SEES["actor"] else None,
        terms=opened.terms if opened and row.sees & SEES["terms"] else None,
        opened=opened if row.sees == WHOLE else None,
    )
