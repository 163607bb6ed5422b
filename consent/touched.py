"""What a board's entries between two moments come to, counted from what stands in clear in its own rows.

Whole days are counted by the database, in spans of the journal, so that a million entries take seconds and the memory
of those that differ. Entries of a day that is only partly meant carry their time sealed: they are opened one by one.
What is counted here isn't proved; an export of the same board proves each row (`consent.verify`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from consent.entry import section_names
from consent.journal import Criteria, Journal
from consent.search import PAGE_MAX, Found
from consent.tables import JournalBoard, core

SPAN = 50_000
"""How many indices are counted with one query."""

_BOARD = core(JournalBoard)
_ALIKE = tuple(_BOARD.c[name] for name in ("type", "outcome", "ground", "school", "sections", "pupil_tag", "actor_tag"))


@dataclass(frozen=True, slots=True)
class Touched:
    """Entries that are alike in everything that stands in clear, and how many.

    `pupil` and `person` are tags: null where nobody is concerned, and where the board may not see whom.
    """

    type: int
    outcome: str | None
    ground: str | None
    school: str | None
    sections: tuple[str, ...]
    pupil: bytes | None
    person: bytes | None
    erased: bool
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


def touched(session: Session, board: str, period: Period, span: tuple[int, int]) -> Iterator[Touched]:
    """Count a board's entries of the period's whole days in a span of the journal, and what was erased among them."""
    column = _BOARD.c
    first, last = period.whole_days()
    gone = column.day.is_(None)
    meant = (column.board == board) & column.idx.between(*span) & (gone | column.day.between(first, last))
    alike: list[ColumnElement[Any]] = [*_ALIKE, gone]
    for row in session.execute(select(*alike, func.count()).where(meant).group_by(*alike)):
        type_, outcome, ground, school, bits, pupil, person, erased, count = tuple(row)
        sections = section_names(bits)
        yield Touched(type_, outcome, ground, school, sections, pupil, person, bool(erased), count)


def partly(journal: Journal, session: Session, board: str, period: Period, before: int) -> Iterator[Found]:
    """Give a board's entries below `before` of days that are only partly meant: the period's, opened and checked."""
    for day in period.parts_of_days():
        wanted, below = Criteria(since=day, until=day + timedelta(days=1)), before
        while page := journal.search(session, board, wanted, below, PAGE_MAX):
            yield from (found for found in page if period.holds(found.at))
            below = page[-1].index
