"""What a board's entries between two moments come to, counted from what stands in clear in its own rows.

Whole days are counted by the database, in spans of the journal, so that a million entries take seconds, and the memory
of those whom they name. Entries of a day that is only partly meant carry their time sealed: they are opened one by one.
What is counted here isn't proved. An export of the same board proves the rows of entries of which it sees the terms; of
those that it only hears without them, the releases that it received, an export of the pupil's board does
(`consent.verify`, `consent/JOURNAL.md`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from consent.journal import Criteria, Journal
from consent.search import PAGE_MAX, Found
from consent.tables import JournalBoard, core
from consent.terms import Section

SPAN = 50_000
"""How many indices are counted with one query."""

_BOARD = core(JournalBoard)
_GONE = _BOARD.c.day.is_(None)


@dataclass(frozen=True, slots=True)
class Total:
    """Entries of one type that are alike, and how many; of an erased pupil's only the type is known."""

    type: int
    how: str | None
    ground: str | None
    sections: int
    erased: bool
    count: int


@dataclass(frozen=True, slots=True)
class Touched:
    """How often somebody or a school stands in the entries: a tag or a code, and the bits of all sections together."""

    of: Any
    how: str | None
    sections: int
    count: int


@dataclass(frozen=True, slots=True)
class Period:
    """Half-open, from `since` to `until`, both aware."""

    since: datetime
    until: datetime

    def days(self) -> tuple[date, date]:
        """Give the first and the last of UTC's days of which something is meant."""
        return self.since.astimezone(UTC).date(), (self.until.astimezone(UTC) - timedelta(microseconds=1)).date()

    def whole_days(self) -> tuple[date, date]:
        """Give the first and the last day that is meant whole; the first is later than the last where none is."""
        since, until = self.since.astimezone(UTC), self.until.astimezone(UTC)
        first = since.date() if since.time() == time.min else since.date() + timedelta(days=1)
        return first, until.date() - timedelta(days=1)

    def parts_of_days(self) -> list[date]:
        """Give the days of which only a part is meant: two at most."""
        first, last = self.whole_days()
        return sorted(day for day in set(self.days()) if not first <= day <= last)

    def holds(self, moment: datetime | None) -> bool:
        """Tell whether a moment lies inside; one that isn't known may."""
        return moment is None or self.since <= moment < self.until


def span_of(session: Session, board: str, period: Period, before: int) -> tuple[int, int] | None:
    """Give a board's first and last index on the days of a period, below `before`, or None where it has none."""
    column = _BOARD.c
    meant = (column.board == board) & column.day.between(*period.days()) & (column.idx < before)
    ends = session.execute(select(func.min(column.idx), func.max(column.idx)).where(meant)).one()
    return None if ends[0] is None else (ends[0], ends[1])


def spans(first: int, last: int) -> Iterator[tuple[int, int]]:
    """Cut the indices from first to last into spans, both ends included."""
    for begin in range(first, last + 1, SPAN):
        yield begin, min(begin + SPAN - 1, last)


def totals(
    session: Session, board: str, period: Period, span: tuple[int, int], how: ColumnElement[str | None]
) -> Iterator[Total]:
    """Count a board's entries of the period's whole days in a span of the journal, and what was erased among them.

    `how` is a column's expression that sorts entries: by what they say that was done.
    """
    column = _BOARD.c
    alike: list[ColumnElement[Any]] = [column.type, how, column.ground, column.sections, _GONE]
    meant = (column.board == board) & column.idx.between(*span) & (_GONE | column.day.between(*period.whole_days()))
    for row in session.execute(select(*alike, func.count()).where(meant).group_by(*alike)):
        type_, done, ground, sections, erased, count = tuple(row)
        yield Total(type_, done, ground, sections, bool(erased), count)


def touched(
    session: Session,
    board: str,
    period: Period,
    span: tuple[int, int],
    how: ColumnElement[str | None],
    by: Literal["pupil_tag", "actor_tag", "school"],
) -> Iterator[Touched]:
    """Count the same entries by pupil, by member of staff or by school, where the board may see them."""
    column = _BOARD.c
    meant = (column.board == board) & column.idx.between(*span) & column.day.between(*period.whole_days())
    bits = [func.max(column.sections.op("&")(1 << bit)) for bit in range(len(Section))]
    wanted = select(column[by], how, func.count(), *bits).where(meant, column[by].is_not(None))
    for row in session.execute(wanted.group_by(column[by], how)):
        of, done, count, *held = tuple(row)
        yield Touched(of, done, sum(held), count)


def partly(journal: Journal, session: Session, board: str, period: Period, before: int) -> Iterator[Found]:
    """Give a board's entries below `before` of days that are only partly meant: the period's, opened and checked."""
    for day in period.parts_of_days():
        wanted, below = Criteria(since=day, until=day + timedelta(days=1)), before
        while page := journal.search(session, board, wanted, below, PAGE_MAX):
            yield from (found for found in page if period.holds(found.at))
            below = page[-1].index
