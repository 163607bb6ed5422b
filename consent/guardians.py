"""Who speaks for a pupil at a moment: the holders of gezag, the pupil, and from which birthday who decides.

The newest CUSTODY says who holds gezag, all of them. It counts by its place in the journal, with three safeguards:

- without evidence, with a check of twelve months ago or older, or with nobody in it while the pupil is a minor,
  nobody is known to decide (from 18 there is no gezag, and an old check still proves the birth date);
- from below a ROLLBACK it says nothing: a newer one may have been lost, so it is stated again first;
- a holder whose no stands isn't taken out by a stroke of the pen. The CUSTODY that leaves this person out needs
  evidence, a second person and a notice, and even then counts seven days after it was recorded.

Birthdays begin at 00:00 in Amsterdam. Who is born on 29 February has a birthday on 1 March in other years.
(BW 1:245 and 1:251; UAVG art. 5; from 16 the pupil decides, from 18 alone.)
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from consent.answers import standing
from consent.events import Draft, Event, Kind
from consent.terms import AMSTERDAM as AMSTERDAM
from consent.terms import Role

OBJECTION_TIME = timedelta(days=7)
"""How long a holder whose no stands keeps a voice after being taken out."""

CHECK_YEARS = 1
DECIDES_FROM = 16
ALONE_FROM = 18


@dataclass(frozen=True, slots=True)
class Family:
    """Who speaks for one pupil at one moment, by person id.

    `deciders` must all say yes; the no of a decider or of the pupil stops. `readers` must all have had inzage.
    `decides_since` is the pupil's 16th birthday once it has come, else None.
    """

    pupil: str
    holders: tuple[str, ...]
    deciders: tuple[str, ...]
    readers: tuple[str, ...]
    decides_since: datetime | None

    @property
    def stopping(self) -> frozenset[str]:
        """Those whose no stops: who decides, and the pupil."""
        return frozenset((*self.deciders, self.pupil))


def midnight(day: date) -> datetime:
    """Return the moment at which a day begins in Amsterdam."""
    return datetime(day.year, day.month, day.day, tzinfo=AMSTERDAM)


def anniversary(day: date, years: int) -> date:
    """Return the same day some years later; 29 February becomes 1 March where there is none."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return date(day.year + years, 3, 1)


def family(events: Sequence[Event], pupil: str, now: datetime, suspended_below: int) -> Family | None:
    """Say who speaks for the pupil now, or None where that isn't known. Events come in the order of the journal.

    `suspended_below` is the index of the newest ROLLBACK, 0 where there is none.
    """
    statements = [event for event in events if event.kind is Kind.CUSTODY]
    if not statements:
        return None
    newest = statements[-1]
    born = newest.birth_date
    if born is None or newest.evidence is None or newest.index < suspended_below:
        return None
    if midnight(anniversary(born, ALONE_FROM)) <= now:
        return Family(pupil, (), (pupil,), (pupil,), midnight(anniversary(born, DECIDES_FROM)))
    if not _is_fresh(newest, now) or not newest.holders:
        return None
    holders = _holders(events, statements, now)
    sixteen = midnight(anniversary(born, DECIDES_FROM))
    if sixteen <= now:
        return Family(pupil, holders, (pupil,), (*holders, pupil), sixteen)
    return Family(pupil, holders, holders, holders, None)


def speakers(events: Sequence[Event], pupil: str, now: datetime) -> dict[str, Role]:
    """Say who may record an answer, and as what: the present holders and the pupil, from 18 the pupil alone.

    A check that has grown old silences nobody: it keeps the rule from saying yes, not a family from saying no.
    """
    statements = [event for event in events if event.kind is Kind.CUSTODY]
    born = statements[-1].birth_date if statements else None
    if born is not None and midnight(anniversary(born, ALONE_FROM)) <= now:
        return {pupil: Role.PUPIL}
    roles = {holder.person: holder.role for custody in statements for holder in custody.holders or ()}
    return {person: roles[person] for person in _holders(events, statements, now)} | {pupil: Role.PUPIL}


def keeps_voice(events: Sequence[Event], custody: Draft) -> bool:
    """Tell whether a CUSTODY would take out a holder whose no stands, without what that needs."""
    statements = [event for event in events if event.kind is Kind.CUSTODY]
    if not statements or _is_proven(custody):
        return False
    named = {holder.person for holder in custody.holders or ()}
    left_out = {holder.person for holder in statements[-1].holders or ()} - named
    return any(_says_no(events, person) for person in left_out)


def _is_fresh(custody: Event, now: datetime) -> bool:
    checked = custody.checked_on
    return checked is not None and midnight(checked) <= now < midnight(anniversary(checked, CHECK_YEARS))


def _holders(events: Sequence[Event], statements: Iterable[Event], now: datetime) -> tuple[str, ...]:
    """Go through all statements: each one's holders, and those left out whose voice hasn't ended yet."""
    ends: dict[str, datetime | None] = {}  # person -> when the voice ends; None: not at all
    for custody in statements:
        named = {holder.person for holder in custody.holders or ()}
        before = [event for event in events if event.index < custody.index]
        left_out = [person for person in ends if person not in named and _says_no(before, person)]
        kept = {person: ends[person] or _voice_ends(custody) for person in left_out}
        ends = dict.fromkeys(sorted(named)) | kept
    return tuple(person for person, end in ends.items() if end is None or now < end)


def _says_no(events: Iterable[Event], person: str) -> bool:
    """Tell whether any no of this person stands after these events."""
    theirs = (event for event in events if event.by.person == person)
    return any(answers.noes for scopes in standing(theirs, {}).values() for answers in scopes.values())


def _voice_ends(custody: Event) -> datetime | None:
    return custody.recorded_at + OBJECTION_TIME if _is_proven(custody) else None


def _is_proven(custody: Draft) -> bool:
    return custody.evidence is not None and custody.second is not None and custody.notice is not None
