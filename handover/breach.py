"""What a board reports of a data breach (AVG art. 33): whose files, which schools and sections, by whom, how far.

Counted per board and as this board may see it: from the journal's entries between two moments. A release that was
granted counts as released, whatever became of it: its bytes may have left. A release that was refused and an attempt on
what isn't theirs were only tried. Pupils are named by the board's own pseudonym; another board's pupil by the transfer
that brought the file here. What is about an erased pupil is a number. The memory is that of the pupils named, not of
the entries.

Making a report is itself an entry of the journal, written before anything is counted.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Final, Literal

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from consent.db import reading
from consent.entry import Actor
from consent.events import Kind
from consent.search import Found
from consent.tables import JournalBoard
from consent.terms import Ground
from consent.touched import Period, Touched, partly, span_of, spans, touched
from handover.accesslog import Did, record
from handover.parts import Parts
from handover.tables import Board, Release

HowFar = Literal["released", "tried"] | None
"""How far an entry says that somebody came: a file was released, somebody only tried, or neither."""

BECAME: Final = frozenset({Did.DELIVERED, Did.ABORTED, Did.UNKNOWN})
"""What is said of a release afterwards: counted apart, since the release itself was counted."""

_RELEASED: Final = select(Release.transfer, Release.sections)


@dataclass(slots=True)
class Counts:
    """How often something of somebody was touched, and in which sections. A file, a school, a section or a person."""

    entries: int = 0
    released: int = 0
    tried: int = 0
    sections_released: set[str] = field(default_factory=set)
    sections_tried: set[str] = field(default_factory=set)

    def add(self, how: HowFar, sections: Iterable[str], count: int) -> None:
        """Count entries of one kind."""
        self.entries += count
        if how == "released":
            self.released += count
            self.sections_released.update(sections)
        elif how == "tried":
            self.tried += count
            self.sections_tried.update(sections)


@dataclass(slots=True)
class Report:
    """A breach report of one board. `pupils` by pseudonym, `transfers` for files of other boards' pupils.

    `first` and `last` are the journal's indices that it was counted over; `erased` counts the entries about pupils who
    have been erased since; `became` what is known of the releases afterwards.
    """

    board: str
    since: datetime
    until: datetime
    first: int | None = None
    last: int | None = None
    entries: int = 0
    erased: int = 0
    released: int = 0
    tried: int = 0
    emergency: int = 0
    became: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    pupils: dict[str, Counts] = field(default_factory=dict)
    transfers: dict[str, Counts] = field(default_factory=dict)
    schools: dict[str, Counts] = field(default_factory=dict)
    sections: dict[str, Counts] = field(default_factory=dict)
    persons: dict[str, Counts] = field(default_factory=dict)

    def add(self, one: Touched, pupil: str | None, person: str | None) -> None:
        """Count entries that are alike, with whom their tags stand for."""
        self.entries += one.count
        if one.erased:
            self.erased += one.count
            return
        self.kinds[kind_name(one.type)] += one.count
        if one.type in BECAME:
            self.became[kind_name(one.type).lower()] += one.count
        how = how_far(one.type, one.outcome)
        if how == "released":
            self.released += one.count
            self.emergency += one.count if one.ground == Ground.EMERGENCY else 0
        elif how == "tried":
            self.tried += one.count
        for table, name in ((self.pupils, pupil), (self.schools, one.school), (self.persons, person)):
            if name is not None:
                table.setdefault(name, Counts()).add(how, one.sections, one.count)
        for section in one.sections if how else ():
            self.sections.setdefault(section, Counts()).add(how, (section,), one.count)

    def to_json(self) -> dict[str, object]:
        """Give the report as JSON: everything sorted, moments in UTC."""
        plain: dict[str, object] = asdict(self)
        for name in ("pupils", "transfers", "schools", "sections", "persons"):
            plain[name] = {key: _plain(counts) for key, counts in sorted(getattr(self, name).items())}
        plain["became"], plain["kinds"] = dict(sorted(self.became.items())), dict(sorted(self.kinds.items()))
        return plain | {"since": self.since.isoformat(), "until": self.until.isoformat()}


def _plain(counts: Counts) -> dict[str, object]:
    return asdict(counts) | {
        "sections_released": sorted(counts.sections_released),
        "sections_tried": sorted(counts.sections_tried),
    }


def kind_name(type_: int) -> str:
    """Name an entry's type, whether of the ledger or of the access log."""
    for names in (Did, Kind):
        if type_ in set(names):
            return names(type_).name
    return f"TYPE_{type_:02X}"


def how_far(type_: int, outcome: str | None) -> HowFar:
    """Tell how far somebody came, by the type of an entry and the outcome that the board hears."""
    if type_ == Did.ATTEMPT:
        return "tried"
    if type_ == Did.RELEASE:
        return "released" if outcome == "granted" else "tried"
    return None


def boards(parts: Parts) -> list[str]:
    """Name the boards, for one report of each."""
    with reading(parts.main) as session:
        return list(session.scalars(select(Board.code).order_by(Board.code)))


def report(parts: Parts, actor: Actor, board: str, period: Period, progress: Callable[[int, int], None]) -> Report:
    """Make a board's report of a period; `progress` hears how many indices are done, and of how many.

    Logged first, as `actor`'s. Raises `IntegrityBroken` where an opened entry contradicts its leaf.
    """
    terms = {"since": period.since.isoformat(), "until": period.until.isoformat()}
    with parts.journal.act() as act:
        own = record(act, Did.BREACH_REPORTED, actor, outcome="granted", terms=terms, boards=[board])
    made = Report(board, period.since, period.until)
    with reading(parts.main) as session:
        span = span_of(session, board, period, own.index)
        if span is None:
            return made
        made.first, made.last = span
        for begin, end in spans(*span):
            _count(parts, made, list(touched(session, board, period, (begin, end))))
            _files_of_others(session, made, period, (begin, end))
            progress(end - span[0] + 1, span[1] - span[0] + 1)
        for found in partly(parts.journal, session, board, period, own.index):
            made.add(*_alike(found))
            if found.opened is None:
                _add_files(session, made, _RELEASED.where(Release.index == found.index))
    return made


def _count(parts: Parts, made: Report, rows: list[Touched]) -> None:
    """Count a span's entries, with the names that their tags stand for; whose key is gone has no name."""
    tags = {tag for row in rows for tag in (row.pupil, row.person) if tag is not None}
    owners = {tag: owner.owner for tag, owner in parts.keystore.by_tags(tags).items()} if tags else {}
    for row in rows:
        person = owners.get(row.person) if row.person else None
        made.add(row, owners.get(row.pupil) if row.pupil else None, person and person.rpartition("/")[0])


def _files_of_others(session: Session, made: Report, period: Period, span: tuple[int, int]) -> None:
    """Add the transfers by which files of other boards' pupils were released here on whole days."""
    here = (JournalBoard.board == made.board) & JournalBoard.index.between(*span) & JournalBoard.pupil_tag.is_(None)
    of_days = _RELEASED.join(JournalBoard, JournalBoard.index == Release.index).where(
        here, JournalBoard.day.between(*period.whole_days())
    )
    _add_files(session, made, of_days)


def _add_files(session: Session, made: Report, wanted: Select[str, str]) -> None:
    for transfer, sections in session.execute(wanted):
        made.transfers.setdefault(transfer, Counts()).add("released", sections.split(","), 1)


def _alike(found: Found) -> tuple[Touched, str | None, str | None]:
    """Give an opened entry as one of its kind, its pupil and who of the staff acted."""
    person = found.actor.id if found.actor and found.actor.kind == "staff" else None
    one = Touched(
        type=found.type,
        outcome=found.outcome,
        ground=found.ground,
        school=found.school,
        sections=found.sections,
        pupil=None,
        person=None,
        erased=found.erased,
        count=1,
    )
    return one, found.opened.pupil if found.opened else None, person


def lines(made: Report) -> Iterator[str]:
    """Tell a report to a person, in plain words."""
    yield f"Board {made.board}, from {made.since.isoformat()} until {made.until.isoformat()}"
    if made.first is None:
        yield "  nothing was logged for this board in that time"
        return
    yield f"  entries {made.first} to {made.last}: {made.entries} of this board, {made.erased} about erased pupils"
    became = ", ".join(f"{count} {what}" for what, count in sorted(made.became.items())) or "nothing"
    yield f"  releases: {made.released} granted ({made.emergency} as an emergency), {made.tried} only tried"
    yield f"  what is known of them afterwards: {became}"
    for title, table in (
        ("sections", made.sections),
        ("schools", made.schools),
        ("persons", made.persons),
        ("pupils of this board", made.pupils),
        ("files of other boards' pupils, by transfer", made.transfers),
    ):
        yield f"  {title}: {len(table)}"
        for name, counts in sorted(table.items()):
            yield f"    {name}: {_told(counts)}"


def _told(counts: Counts) -> str:
    released = f"{counts.released} released" + _named(counts.sections_released)
    tried = f"{counts.tried} tried" + _named(counts.sections_tried)
    return f"{released}, {tried}, {counts.entries} entries"


def _named(sections: set[str]) -> str:
    return f" ({' '.join(sorted(sections))})" if sections else ""
