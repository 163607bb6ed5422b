"""What a board reports of a data breach (AVG art. 33): whose files, which schools and sections, by whom, how far.

Counted per board and as this board may see it: from the journal's entries between two moments. A release that was
granted counts as released, whatever became of it: its bytes may have left. A release that was refused and an attempt on
what isn't theirs were only tried. Pupils are named by the board's own pseudonym; another board's pupil by the transfer
that brought the file here. What is about an erased pupil is a number. The memory is that of the pupils named, not of
the entries.

Making a report is itself an entry of the journal, written before anything is counted.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Final, Literal

from sqlalchemy import Select, case, select
from sqlalchemy.orm import Session

from consent.db import reading
from consent.entry import ERASE, STAFF_ERASED, Actor, section_bits, section_names
from consent.events import Kind
from consent.search import Found
from consent.tables import JournalBoard
from consent.terms import Ground
from consent.touched import Period, Total, partly, span_of, spans, totals, touched
from handover.accesslog import Did, record
from handover.parts import Parts
from handover.tables import Board, Release

BECAME: Final = frozenset({Did.DELIVERED, Did.ABORTED, Did.UNKNOWN})
"""What is said of a release afterwards: counted apart, since the release itself was counted."""

TAGS: Final = 5_000
"""How many tags are looked up in the key store at once."""

HowFar = Literal["released", "tried"] | None
"""How far an entry says that somebody came: a file was released, somebody only tried, or neither."""

_GRANTED: Final = (JournalBoard.type == int(Did.RELEASE)) & (JournalBoard.outcome == "granted")
_ASKED: Final = JournalBoard.type.in_([int(Did.RELEASE), int(Did.ATTEMPT)])
_HOW: Final = case((_GRANTED, "released"), (_ASKED, "tried"), else_=None)
"""The same as `how_far`, for the database to sort by."""

_RELEASED: Final = select(Release.transfer, Release.sections)


@dataclass(slots=True)
class Counts:
    """How often a file, a school, a section or a person stands in the entries; sections as bits."""

    entries: int = 0
    released: int = 0
    tried: int = 0
    sections_released: int = 0
    sections_tried: int = 0

    def add(self, how: str | None, sections: int, count: int) -> None:
        """Count entries that are alike."""
        self.entries += count
        if how == "released":
            self.released += count
            self.sections_released |= sections
        elif how == "tried":
            self.tried += count
            self.sections_tried |= sections

    def to_json(self) -> dict[str, object]:
        """Give the counts as JSON, sections by name."""
        plain: dict[str, object] = asdict(self)
        return plain | {
            "sections_released": section_names(self.sections_released),
            "sections_tried": section_names(self.sections_tried),
        }


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

    def add(self, one: Total) -> None:
        """Count entries of one type."""
        self.entries += one.count
        if one.erased:
            self.erased += one.count
            return
        self.kinds[kind_name(one.type)] += one.count
        if one.type in BECAME:
            self.became[kind_name(one.type).lower()] += one.count
        if one.how == "released":
            self.released += one.count
            self.emergency += one.count if one.ground == Ground.EMERGENCY else 0
        elif one.how == "tried":
            self.tried += one.count
        for section in section_names(one.sections) if one.how else ():
            add(self.sections, section, one.how, section_bits((section,)), one.count)

    def to_json(self) -> dict[str, object]:
        """Give the report as JSON: everything sorted, moments in UTC."""
        plain: dict[str, object] = {name: getattr(self, name) for name in _FIGURES}
        for name in ("pupils", "transfers", "schools", "sections", "persons"):
            plain[name] = {key: counts.to_json() for key, counts in sorted(getattr(self, name).items())}
        plain["became"], plain["kinds"] = dict(sorted(self.became.items())), dict(sorted(self.kinds.items()))
        return plain | {"since": self.since.isoformat(), "until": self.until.isoformat()}


_FIGURES: Final = ("board", "first", "last", "entries", "erased", "released", "tried", "emergency")


def add(table: dict[str, Counts], name: str | None, how: str | None, sections: int, count: int) -> None:
    """Count entries under a name; who has none, because the key is gone, is left out."""
    if name is not None:
        table.setdefault(name, Counts()).add(how, sections, count)


_ERASURES: Final = {ERASE: "ERASE", STAFF_ERASED: "STAFF_ERASED"}
_KINDS: Final[dict[int, str]] = {int(kind): kind.name for kind in (*Kind, *Did)} | _ERASURES


def kind_name(type_: int) -> str:
    """Name an entry's type, whether of the ledger, of the access log or of an erasure."""
    return _KINDS.get(type_, f"TYPE_{type_:02X}")


def how_far(type_: int, outcome: str | None) -> HowFar:
    """Tell how far somebody came, by the type of an entry and the outcome that the board hears."""
    if type_ == Did.RELEASE and outcome == "granted":
        return "released"
    return "tried" if type_ in (Did.RELEASE, Did.ATTEMPT) else None


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
    made, names = Report(board, period.since, period.until), Names(parts)
    with reading(parts.main) as session:
        span = span_of(session, board, period, own.index)
        if span is None:
            return made
        made.first, made.last = span
        for begin, end in spans(*span):
            _count(session, made, period, (begin, end), names)
            _files_of_others(session, made, period, (begin, end))
            progress(end - span[0] + 1, span[1] - span[0] + 1)
        for found in partly(parts.journal, session, board, period, own.index):
            _count_one(made, found)
            if found.opened is None:
                _add_files(session, made, _RELEASED.where(Release.index == found.index))
    return made


class Names:
    """Whom tags stand for, asked of the key store once. Whose key is gone has no name."""

    def __init__(self, parts: Parts) -> None:
        self._keystore = parts.keystore
        self._known: dict[bytes, str | None] = {}

    def learn(self, tags: set[bytes]) -> None:
        """Look up those that aren't known yet."""
        unknown = sorted(tags - self._known.keys())
        for begin in range(0, len(unknown), TAGS):
            some = unknown[begin : begin + TAGS]
            found = self._keystore.by_tags(some)
            self._known.update({tag: found[tag].owner if tag in found else None for tag in some})

    def pupil(self, tag: bytes) -> str | None:
        """Name a pupil, by pseudonym."""
        return self._known[tag]

    def person(self, tag: bytes) -> str | None:
        """Name a member of staff, whose key ends with the year that it is for."""
        name = self._known[tag]
        return name and name.rpartition("/")[0]


def _count(session: Session, made: Report, period: Period, span: tuple[int, int], names: Names) -> None:
    """Count the whole days of a span, by type, pupil, member of staff and school."""
    for total in totals(session, made.board, period, span, _HOW):
        made.add(total)
    pupils = list(touched(session, made.board, period, span, _HOW, "pupil_tag"))
    persons = list(touched(session, made.board, period, span, _HOW, "actor_tag"))
    names.learn({one.of for one in pupils} | {one.of for one in persons})
    for one in pupils:
        add(made.pupils, names.pupil(one.of), one.how, one.sections, one.count)
    for one in persons:
        add(made.persons, names.person(one.of), one.how, one.sections, one.count)
    for one in touched(session, made.board, period, span, _HOW, "school"):
        add(made.schools, one.of, one.how, one.sections, one.count)


def _count_one(made: Report, found: Found) -> None:
    """Count one entry that was opened."""
    how, bits = how_far(found.type, found.outcome), section_bits(found.sections)
    made.add(Total(found.type, how, found.ground, bits, erased=False, count=1))
    person = found.actor.id if found.actor and found.actor.kind == "staff" else None
    pupil = found.opened.pupil if found.opened else None
    for table, name in ((made.pupils, pupil), (made.persons, person), (made.schools, found.school)):
        add(table, name, how, bits, 1)


def _files_of_others(session: Session, made: Report, period: Period, span: tuple[int, int]) -> None:
    """Add the transfers by which files of other boards' pupils were released here on whole days."""
    here = (JournalBoard.board == made.board) & JournalBoard.index.between(*span) & JournalBoard.pupil_tag.is_(None)
    of_days = _RELEASED.join(JournalBoard, JournalBoard.index == Release.index).where(
        here, JournalBoard.day.between(*period.whole_days())
    )
    _add_files(session, made, of_days)


def _add_files(session: Session, made: Report, wanted: Select[str, str]) -> None:
    for transfer, sections in session.execute(wanted):
        add(made.transfers, transfer, "released", section_bits(tuple(sections.split(","))), 1)


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


def _named(sections: int) -> str:
    return f" ({' '.join(section_names(sections))})" if sections else ""
