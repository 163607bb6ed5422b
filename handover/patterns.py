"""Patterns worth a look: named questions to a board's access log, each with its reason and its limits as data.

A pattern accuses nobody. It says: look here, and ask. Only entries of the kinds that a pattern reads are opened, once
for all patterns, newest first; of these no more than a window is kept, and what each person, pupil, school and transfer
in it comes to.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from heapq import merge
from typing import Final

from consent.db import reading
from consent.errors import Destroyed, EventRefused, IntegrityBroken, PupilUnknown
from consent.events import Event
from consent.search import Criteria, Found
from consent.tables import Pupil
from consent.terms import AMSTERDAM, Ground, Section
from handover import audit
from handover.accesslog import Did
from handover.idempotency import Answer
from handover.parts import Examiner, Parts
from handover.people import child_of
from handover.retention import withdrawn_since
from handover.tables import School, Transfer
from handover.transfers import scope_of
from handover.transfers import time as time_of

SHOWN: Final = 200
"""How many findings of one pattern are shown; all are counted."""

MANY: Final = 10
MANY_WITHIN: Final = timedelta(hours=1)
REFUSALS: Final = 5
ATTEMPTS: Final = 3
DAY: Final = timedelta(days=1)
AT_ONCE: Final = timedelta(minutes=1)
"""What one person asks of one transfer, section by section, each within this of the one before, is asked once."""

OPENS, CLOSES = time(7), time(19)
SATURDAY: Final = 5
SUMMER: Final = ((7, 20), (8, 10))
"""The weeks of summer in which every region of the country has its holiday, as month and day, both included."""

ACKNOWLEDGED_WITHIN: Final = timedelta(days=14)
KEYS_BEFORE: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Pattern:
    """A named question: why it is asked, in English and in Dutch, and which kinds of entries answer it."""

    name: str
    why: str
    waarom: str
    reads: frozenset[int] = frozenset({int(Did.RELEASE)})


PATTERNS: Final = (
    Pattern(
        "many_dossiers",
        f"One person got files of {MANY} or more transfers within an hour.",
        f"Eén persoon haalde binnen een uur de dossiers van {MANY} of meer overstappen op.",
    ),
    Pattern(
        "outside_hours",
        "A file was asked for before 7 or after 19 o'clock, at the weekend, or in the summer holiday.",
        "Er is om een dossier gevraagd voor 7 uur, na 19 uur, in het weekend of in de zomervakantie.",
    ),
    Pattern(
        "after_withdrawal",
        "A section was asked for after consent to it had been withdrawn.",
        "Er is om een onderdeel gevraagd nadat de toestemming ervoor was ingetrokken.",
    ),
    Pattern(
        "colleagues_child",
        "A file was asked for of a child that the school has flagged as a colleague's.",
        "Er is gevraagd om het dossier van een kind van een collega. De school heeft dat kind gemarkeerd.",
    ),
    Pattern(
        "repeated_refusals",
        f"One person was refused {REFUSALS} times or more within a day.",
        f"Eén persoon kreeg binnen een dag {REFUSALS} keer of vaker geen toegang.",
    ),
    Pattern(
        "attempts",
        f"One person asked {ATTEMPTS} times or more within a day for what isn't the school's.",
        f"Eén persoon vroeg binnen een dag {ATTEMPTS} keer of vaker om iets dat niet voor de school is.",
        frozenset({int(Did.ATTEMPT)}),
    ),
    Pattern(
        "emergency",
        "A file went, or was to go, before the family had answered: two people said that it couldn't wait.",
        "Een dossier ging weg voordat het gezin had geantwoord. Twee mensen vonden dat het niet kon wachten.",
        audit.EMERGENCY | {int(Did.EMERGENCY_ENDED), int(Did.RELEASE)},
    ),
    Pattern(
        "paper",
        "An answer was taken over from paper or from a talk, not given by the family itself.",
        "Een antwoord is overgenomen van papier of uit een gesprek. Het gezin gaf het niet zelf door.",
        frozenset({int(Did.PAPER_RECORDED), int(Did.PAPER_CONFIRMED)}),
    ),
    Pattern(
        "court",
        "A court's ruling was taken down in the place of a parent's answer.",
        "Er is vastgelegd dat een rechter besliste in plaats van een ouder.",
        frozenset({int(Did.COURT_RECORDED)}),
    ),
    Pattern(
        "changed_address",
        "The mail address was changed of somebody who had spoken: whoever reads it answers as that person.",
        "Het mailadres is veranderd van iemand die al iets had gezegd. Wie de mail leest, antwoordt als die persoon.",
        frozenset({int(Did.ADDRESS_CHANGED)}),
    ),
    Pattern(
        "not_acknowledged",
        f"A file arrived, and {ACKNOWLEDGED_WITHIN.days} days later nobody had confirmed it.",
        f"Een dossier is aangekomen, en na {ACKNOWLEDGED_WITHIN.days} dagen heeft niemand dat bevestigd.",
        frozenset({int(Did.DELIVERED)}),
    ),
    Pattern(
        "new_keys",
        "A school replaced its keys, and a file went to it within a day.",
        "Een school verving haar sleutels, en binnen een dag ging er een dossier naartoe.",
    ),
)
NAMES: Final = tuple(pattern.name for pattern in PATTERNS)


@dataclass(frozen=True, slots=True)
class Hit:
    """A finding: which entries, of whom, when the newest of them was written."""

    at: datetime
    who: str | None
    entries: tuple[int, ...]


Finder = Callable[[Found, datetime], Iterator[Hit]]


def look(parts: Parts, who: Examiner, since: date, until: date, names: Iterable[str] | None = None) -> Answer:
    """Look for patterns in the board's own side from one day to another, both included; logged before it is shown."""
    wanted = [pattern for pattern in PATTERNS if names is None or pattern.name in set(names)]
    terms = {"since": since.isoformat(), "until": until.isoformat(), "patterns": " ".join(p.name for p in wanted)}
    audit.write_down(parts, who, Did.AUDIT_PATTERNS, terms)
    finders = {pattern.name: FINDERS[pattern.name](parts) for pattern in wanted}
    hits: dict[str, list[Hit]] = defaultdict(list)
    counts: dict[str, int] = defaultdict(int)
    for found in _entries(parts, who.board, wanted, since, until):
        if found.at is None:
            continue
        for name, finder in finders.items():
            for hit in finder(found, found.at):
                if hit.at.date() < since:
                    continue
                counts[name] += 1
                if len(hits[name]) < SHOWN:
                    hits[name].append(hit)
    return {
        "patterns": [
            {
                "name": pattern.name,
                "why": pattern.why,
                "waarom": pattern.waarom,
                "count": counts[pattern.name],
                "found": [_said(hit) for hit in hits[pattern.name]],
            }
            for pattern in wanted
        ]
    }


def _entries(parts: Parts, board: str, wanted: Iterable[Pattern], since: date, until: date) -> Iterator[Found]:
    """Give a board's entries of the kinds that these patterns read, newest first.

    From a day earlier on, since what belongs together may begin before the period does.
    """
    kinds = sorted({kind for pattern in wanted for kind in pattern.reads})
    period = [Criteria(type=kind, since=since - DAY, until=until + DAY) for kind in kinds]
    return merge(*(audit.everything(parts, board, each) for each in period), key=lambda found: -found.index)


def _said(hit: Hit) -> Answer:
    return {"at": time_of(hit.at), "who": hit.who, "entries": list(hit.entries)}


def _is_release(found: Found, *, granted: bool | None = None) -> bool:
    if found.type != int(Did.RELEASE):
        return False
    return granted is None or (found.outcome == "granted") is granted


def _person(found: Found) -> str | None:
    return found.actor.id if found.actor else None


def _alone(found: Found, at: datetime) -> Iterator[Hit]:
    yield Hit(at, _person(found), (found.index,))


@dataclass(slots=True)
class _Crowd:
    """Finds one person's entries of a kind that stand close together; each crowd is told once."""

    wanted: Callable[[Found], bool]
    enough: int
    within: timedelta
    distinct: bool = False
    windows: dict[str, deque[tuple[datetime, int, str]]] = field(default_factory=lambda: defaultdict(deque))

    def __call__(self, found: Found, at: datetime) -> Iterator[Hit]:
        person = _person(found)
        if person is None or not self.wanted(found):
            return
        window = self.windows[person]
        window.append((at, found.index, str((found.terms or {}).get("transfer"))))
        while window[0][0] - at > self.within:  # newest first: the far end is later
            window.popleft()
        crowd = {of for _, _, of in window} if self.distinct else window
        if len(crowd) >= self.enough:
            yield Hit(window[0][0], person, tuple(index for _, index, _ in window))
            window.clear()


@dataclass(slots=True)
class _Once:
    """Shows a finder one entry of each request: a file is asked for section by section, and each is an entry.

    The newest entry stands for all. A section that is asked for again begins another request.
    """

    wanted: Callable[[Found], bool]
    finder: Finder
    under_way: dict[tuple[str | None, str], tuple[datetime, frozenset[str]]] = field(default_factory=dict)

    def __call__(self, found: Found, at: datetime) -> Iterator[Hit]:
        if not self.wanted(found):
            return
        of = _person(found), str((found.terms or {}).get("transfer"))
        while self.under_way and next(iter(self.under_way.values()))[0] - at > AT_ONCE:  # oldest look first
            del self.under_way[next(iter(self.under_way))]
        _, asked = self.under_way.pop(of, (at, frozenset()))
        sections = frozenset(found.sections)
        begins = not asked or not asked.isdisjoint(sections)
        self.under_way[of] = at, sections if begins else asked | sections
        if begins:
            yield from self.finder(found, at)


def _refused(found: Found) -> bool:
    return _is_release(found, granted=False)


def _outside_hours(found: Found, at: datetime) -> Iterator[Hit]:
    local = at.astimezone(AMSTERDAM)
    closed = not OPENS <= local.time() < CLOSES or local.weekday() >= SATURDAY
    holiday = SUMMER[0] <= (local.month, local.day) <= SUMMER[1]
    if closed or holiday:
        yield from _alone(found, at)


def _emergency(found: Found, at: datetime) -> Iterator[Hit]:
    if found.type in audit.EMERGENCY or found.ground == Ground.EMERGENCY:
        yield from _alone(found, at)


def _paper(found: Found, at: datetime) -> Iterator[Hit]:
    if found.type in (Did.PAPER_RECORDED, Did.PAPER_CONFIRMED):
        yield from _alone(found, at)


def _court(found: Found, at: datetime) -> Iterator[Hit]:
    if found.type == int(Did.COURT_RECORDED):
        yield from _alone(found, at)


def _changed_address(found: Found, at: datetime) -> Iterator[Hit]:
    if found.type == int(Did.ADDRESS_CHANGED) and (found.terms or {}).get("second"):
        yield from _alone(found, at)


@dataclass(slots=True)
class _AfterWithdrawal:
    """Finds requests for what somebody had taken back by then and not given again, whatever the gate answered.

    A withdrawal is only one of the reasons for a refusal, and another may come first; where the ledger or the transfer
    is gone, the reason is all there is.
    """

    parts: Parts
    known: dict[str, Sequence[Event]] = field(default_factory=dict)

    def __call__(self, found: Found, at: datetime) -> Iterator[Hit]:
        if _is_release(found) and (found.outcome == "WITHDRAWN" or self._was_withdrawn(found)):
            yield from _alone(found, at)

    def _was_withdrawn(self, found: Found) -> bool:
        pupil = found.opened.pupil if found.opened else None
        with reading(self.parts.main) as session:
            row = session.get(Transfer, str((found.terms or {}).get("transfer")))
        if pupil is None or row is None:
            return False
        before = [event for event in self._said_of(pupil) if event.index < found.index]
        with suppress(IntegrityBroken):
            return any(withdrawn_since(before, scope_of(row), Section(name)) for name in found.sections)
        return False

    def _said_of(self, pupil: str) -> Sequence[Event]:
        if pupil not in self.known:
            self.known[pupil] = ()
            with suppress(IntegrityBroken, EventRefused, Destroyed, PupilUnknown), reading(self.parts.main) as session:
                self.known[pupil] = self.parts.ledger.history(session, pupil).known
        return self.known[pupil]


@dataclass(slots=True)
class _Flagged:
    """Finds requests for children that their school flagged; a child is unsealed once per run."""

    parts: Parts
    known: dict[str, bool] = field(default_factory=dict)

    def __call__(self, found: Found, at: datetime) -> Iterator[Hit]:
        pupil = found.opened.pupil if found.opened else None
        if pupil is not None and self._is_flagged(pupil):
            yield from _alone(found, at)

    def _is_flagged(self, pupil: str) -> bool:
        if pupil not in self.known:
            with reading(self.parts.main) as session:
                row = session.get(Pupil, pupil)
            self.known[pupil] = (
                row is not None and row.sealed is not None and child_of(self.parts.keystore, row).colleague
            )
        return self.known[pupil]


@dataclass(slots=True)
class _Unacknowledged:
    """Finds deliveries that nobody has confirmed up to now, the newest of each transfer."""

    parts: Parts
    told: set[str] = field(default_factory=set)

    def __call__(self, found: Found, at: datetime) -> Iterator[Hit]:
        transfer = str((found.terms or {}).get("transfer"))
        late = self.parts.clock() - at > ACKNOWLEDGED_WITHIN
        if found.type == int(Did.DELIVERED) and late and transfer not in self.told:
            self.told.add(transfer)
            with reading(self.parts.main) as session:
                row = session.get(Transfer, transfer)
            if row is not None and row.received_at is None:
                yield from _alone(found, at)


@dataclass(slots=True)
class _NewKeys:
    """Finds files that went to a school within a day after its keys were replaced, as the public key log tells."""

    parts: Parts
    known: dict[str, list[datetime]] = field(default_factory=dict)

    def __call__(self, found: Found, at: datetime) -> Iterator[Hit]:
        if found.school is None or not _is_release(found, granted=True):
            return
        if any(timedelta(0) <= at - replaced <= KEYS_BEFORE for replaced in self._replaced(found.school)):
            yield from _alone(found, at)

    def _replaced(self, school: str) -> list[datetime]:
        """Give when a school published keys, besides the first time."""
        if school not in self.known:
            with reading(self.parts.main) as session:
                board = session.get_one(School, school).board
            published = audit.everything(self.parts, board, Criteria(type=int(Did.KEYS_PUBLISHED)))
            own = [each.at for each in published if each.at and (each.terms or {}).get("school") == school]
            self.known[school] = own[:-1]
        return self.known[school]


FINDERS: Final[dict[str, Callable[[Parts], Finder]]] = {
    "many_dossiers": lambda _: _Crowd(lambda f: _is_release(f, granted=True), MANY, MANY_WITHIN, distinct=True),
    "outside_hours": lambda _: _Once(_is_release, _outside_hours),
    "after_withdrawal": _AfterWithdrawal,
    "colleagues_child": lambda parts: _Once(_is_release, _Flagged(parts)),
    "repeated_refusals": lambda _: _Once(_refused, _Crowd(_refused, REFUSALS, DAY)),
    "attempts": lambda _: _Crowd(lambda f: f.type == int(Did.ATTEMPT), ATTEMPTS, DAY),
    "emergency": lambda _: _emergency,
    "paper": lambda _: _paper,
    "changed_address": lambda _: _changed_address,
    "court": lambda _: _court,
    "not_acknowledged": _Unacknowledged,
    "new_keys": _NewKeys,
}
