"""THE RETENTION TABLE: what the service keeps, on which basis, until when, and what happens then.

Whatever ends by itself has a row here, and nothing is destroyed by the sweep without one. A term that is counted in
days or years ends with the last hour of its last day in the Netherlands, and the day that it counts from isn't counted
itself; a year that ends on a 29 February which isn't there ends on the 28th (Regulation (EEC, Euratom) 1182/71,
art. 3). Shorter terms are counted to the second. The terms that no law names are proposals, to be confirmed by a
jurist before production.

Destruction waits while somebody may hold it back; it never starts because somebody refused something. A hold keeps
everything of the pupil, a restriction (AVG art. 18) what it names, an objection (art. 21) that isn't decided what it is
about, a request (art. 16, 17) that isn't decided what the answer needs: the record, the transfer and how its maker is
reached. The family's "no" ends a release at once and is no reason to keep anything.

The functions are pure: they are told the time and the events.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Final

from consent.answers import Scope, present, restrictions, scope_of, successors
from consent.errors import NaiveTime
from consent.events import Event, Kind
from consent.guardians import AMSTERDAM, anniversary, midnight
from consent.terms import Section
from handover.asked import OBJECTION, asked


class Kept(StrEnum):
    """A kind of data with a term of its own, in the order in which a sweep looks."""

    SUPERSEDED_BUNDLE = "superseded_bundle"
    WITHDRAWN_SHARE = "withdrawn_share"
    DELIVERED_BUNDLE = "delivered_bundle"
    EXPIRED_BUNDLE = "expired_bundle"
    UNDELIVERED_BUNDLE = "undelivered_bundle"
    CANCELLED_TRANSFER = "cancelled_transfer"
    SILENT_TRANSFER = "silent_transfer"
    CONTACT = "contact"
    RELEASED_PUPIL = "released_pupil"
    UNRELEASED_PUPIL = "unreleased_pupil"
    STAFF_RECORD = "staff_record"
    INVITATION = "invitation"
    MESSAGE = "message"
    PROPOSAL = "proposal"
    NONCE = "nonce"
    ATTEMPT = "attempt"
    IDEMPOTENCY = "idempotency"
    ORPHAN = "orphan"


class HeldBy(StrEnum):
    """Who may hold destruction back."""

    HOLD = "legal hold"
    RESTRICTION = "restriction"
    OBJECTION = "open objection"
    REQUEST = "open request"


class Unit(StrEnum):
    """What a term is counted in."""

    YEAR = "year"
    DAY = "day"
    HOUR = "hour"
    SECOND = "second"


@dataclass(frozen=True, slots=True)
class Term:
    """How long something may be kept."""

    amount: int
    unit: Unit

    def __str__(self) -> str:
        if not self.amount:
            return "that day" if self.unit in (Unit.DAY, Unit.YEAR) else "at once"
        return f"{self.amount} {self.unit}{'' if self.amount == 1 else 's'}"


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table. `guarded`: a sweep stops and asks when a large share of this falls due at once."""

    data: str
    basis: str
    counts_from: str
    term: Term
    then: str
    held_by: frozenset[HeldBy] = frozenset()
    guarded: bool = True


_ANYBODY: Final = frozenset(HeldBy)
_NO_REQUEST: Final = _ANYBODY - {HeldBy.REQUEST}
"""Bundles: what a request is about can be answered without them."""

_SHREDDED: Final = "share and ciphertext are destroyed"
_FORGOTTEN: Final = "the row is deleted"
_STORAGE: Final = "AVG art. 5(1)(e)"
_SECURITY: Final = "AVG art. 32"

TABLE: Final[dict[Kept, Row]] = {
    Kept.SUPERSEDED_BUNDLE: Row(
        "a bundle that a later version replaced",
        f"{_STORAGE}, 5(1)(d): what was corrected doesn't travel",
        "the later version's upload",
        Term(0, Unit.SECOND),
        _SHREDDED,
        _NO_REQUEST,
    ),
    Kept.WITHDRAWN_SHARE: Row(
        "the share of a section of which the consent was withdrawn and not given again",
        "AVG art. 7(3), 17(1)(b)",
        "the withdrawal",
        Term(7, Unit.DAY),
        _SHREDDED,
        _NO_REQUEST,
    ),
    Kept.DELIVERED_BUNDLE: Row(
        "a bundle that was received",
        f"{_STORAGE}: it is in the receiver's own file now",
        "the acknowledgement, or a later upload",
        Term(30, Unit.DAY),
        _SHREDDED,
        _NO_REQUEST,
    ),
    Kept.EXPIRED_BUNDLE: Row(
        "a bundle past the end that its sender gave it",
        _STORAGE,
        "the bundle's own end",
        Term(0, Unit.DAY),
        _SHREDDED,
        _NO_REQUEST,
    ),
    Kept.UNDELIVERED_BUNDLE: Row(
        "a bundle that nobody acknowledged",
        _STORAGE,
        "its upload",
        Term(90, Unit.DAY),
        _SHREDDED,
        _NO_REQUEST,
    ),
    Kept.CANCELLED_TRANSFER: Row(
        "a cancelled transfer of which nothing was released",
        f"{_STORAGE}: it never happened",
        "the cancellation",
        Term(30, Unit.DAY),
        "the transfer goes with its bundles, invitations and words",
        _ANYBODY,
    ),
    Kept.SILENT_TRANSFER: Row(
        "an open transfer of which nothing was released",
        f"{_STORAGE}: it never happened",
        "its opening, or a later upload",
        Term(400, Unit.DAY),
        "the transfer goes with its bundles, invitations and words",
        _ANYBODY,
    ),
    Kept.CONTACT: Row(
        "name and mail address of those who speak for a pupil",
        f"{_STORAGE}: nothing more to tell them",
        "the end of the pupil's last transfer",
        Term(1, Unit.YEAR),
        "the key under which they stand is destroyed",
        _ANYBODY,
    ),
    Kept.RELEASED_PUPIL: Row(
        "a pupil's record and the evidence of consent",
        "AVG art. 7(1), 5(2): proof that a release was right, and limitation (BW 3:310)",
        "the last release",
        Term(5, Unit.YEAR),
        "the pupil is erased",
        _ANYBODY,
    ),
    Kept.UNRELEASED_PUPIL: Row(
        "a pupil's record of which nothing was ever released",
        f"{_STORAGE}: there is no release to prove",
        "the end of the last transfer, or the registration",
        Term(1, Unit.YEAR),
        "the pupil is erased",
        _ANYBODY,
    ),
    Kept.STAFF_RECORD: Row(
        "who of the staff and the FGs did what",
        "AVG art. 5(2), 32; norms SM.04 and NEN 7513",
        "the end of the calendar year",
        Term(5, Unit.YEAR),
        "the person's key of that year is destroyed",
    ),
    Kept.INVITATION: Row(
        "an invitation",
        f"{_STORAGE}: its token counts no longer",
        "its end",
        Term(0, Unit.DAY),
        _FORGOTTEN,
        guarded=False,
    ),
    Kept.MESSAGE: Row(
        "a message that couldn't be handed over, or wasn't taken out of the outbox",
        f"{_STORAGE}: it is out of date",
        "its writing",
        Term(14, Unit.DAY),
        "row and file are deleted",
        guarded=False,
    ),
    Kept.PROPOSAL: Row(
        "what one member of staff proposed and no second one confirmed",
        _STORAGE,
        "the proposal",
        Term(7, Unit.DAY),
        _FORGOTTEN,
        guarded=False,
    ),
    Kept.NONCE: Row(
        "a signed request's nonce",
        f"{_SECURITY}: a request counts once",
        "the request",
        Term(600, Unit.SECOND),
        _FORGOTTEN,
        guarded=False,
    ),
    Kept.ATTEMPT: Row(
        "how often a school asked for what isn't its own",
        f"{_SECURITY}: guessing is slowed down",
        "the minute of asking",
        Term(1, Unit.DAY),
        _FORGOTTEN,
        guarded=False,
    ),
    Kept.IDEMPOTENCY: Row(
        "what a request was answered",
        f"{_SECURITY}: a request that is sent again does nothing again",
        "the answer",
        Term(7, Unit.DAY),
        _FORGOTTEN,
        guarded=False,
    ),
    Kept.ORPHAN: Row(
        "shares and ciphertext of an upload that never got a row",
        _STORAGE,
        "the hour of its making",
        Term(24, Unit.HOUR),
        _SHREDDED,
    ),
}


def due(kept: Kept, counted_from: datetime) -> datetime:
    """Give the moment from which something may be kept no longer, in UTC: it is destroyed at it or later.

    Raises `NaiveTime` for a moment without a zone.
    """
    term = _term(kept, counted_from)
    if (exact := _exact(term)) is not None:
        return counted_from.astimezone(UTC) + exact
    day = counted_from.astimezone(AMSTERDAM).date()
    last = day + timedelta(days=term.amount) if term.unit is Unit.DAY else _years_on(day, term.amount)
    return midnight(last + timedelta(days=1)).astimezone(UTC)


def before(kept: Kept, now: datetime) -> datetime:
    """Give the moment before which everything counts from that is due now: `due` the other way round.

    Raises `NaiveTime`.
    """
    term = _term(kept, now)
    if (exact := _exact(term)) is not None:
        return now.astimezone(UTC) - exact + timedelta.resolution
    today = now.astimezone(AMSTERDAM).date()
    first = today - timedelta(days=term.amount) if term.unit is Unit.DAY else anniversary(today, -term.amount)
    return midnight(first).astimezone(UTC)


def year_over(year: int) -> datetime:
    """Give the moment from which a calendar year's records of staff count: its last in Amsterdam."""
    return midnight(date(year + 1, 1, 1)).astimezone(UTC) - timedelta.resolution


def _term(kept: Kept, moment: datetime) -> Term:
    if moment.tzinfo is None:
        raise NaiveTime("a term counts from a moment with a time zone")
    return TABLE[kept].term


def _exact(term: Term) -> timedelta | None:
    seconds = {Unit.HOUR: 3600, Unit.SECOND: 1}.get(term.unit)
    return None if seconds is None else timedelta(seconds=term.amount * seconds)


def _years_on(day: date, years: int) -> date:
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return date(day.year + years, 2, 28)


# ---- who holds back


def held_back(
    kept: Kept, events: Sequence[Event], now: datetime, scope: Scope | None = None, section: Section | None = None
) -> HeldBy | None:
    """Tell who holds the destruction of something of a pupil back now, or None.

    `scope` (a transfer's) and `section` narrow it down; without them whatever is about the pupil counts.
    """
    may = TABLE[kept].held_by
    for who, holding in _HOLDING.items():
        if who in may and any(_concerns(event, scope, section) for event in holding(events, now)):
            return who
    return None


def _concerns(event: Event, scope: Scope | None, section: Section | None) -> bool:
    if scope and event.kind is Kind.OBJECT and _scope(event) != scope:
        return False
    return section is None or event.sections is None or section in event.sections


def _scope(event: Event) -> Scope:
    return Scope(event.sender, event.receiver, event.purpose)


def _holds(events: Sequence[Event], now: datetime) -> Iterable[Event]:
    holds = [event for event in events if event.kind is Kind.HOLD]
    lifted = {event.withdraws for event in holds}
    standing = (event for event in holds if event.withdraws is None and event.id not in lifted)
    return (event for event in standing if event.valid_until is None or now < event.valid_until)


def _restrictions(events: Sequence[Event], now: datetime) -> Iterable[Event]:
    left = restrictions(events)
    return (replace(event, sections=left[event.id]) for event in events if event.id in left)


def _objections(events: Sequence[Event], now: datetime) -> Iterable[Event]:
    decided = {event.objection for event in events if event.kind is Kind.OBJECTION_DECIDED}
    return (event for event in events if event.kind is Kind.OBJECT and event.id not in decided)


def _requests(events: Sequence[Event], now: datetime) -> Iterable[Event]:
    return (one.event for one in asked(events) if one.waits and one.right != OBJECTION)


_HOLDING: Final[dict[HeldBy, Callable[[Sequence[Event], datetime], Iterable[Event]]]] = {
    HeldBy.HOLD: _holds,
    HeldBy.RESTRICTION: _restrictions,
    HeldBy.OBJECTION: _objections,
    HeldBy.REQUEST: _requests,
}
"""What holds back, in the order in which it is named."""


# ---- what else the events say


def withdrawn_since(events: Sequence[Event], scope: Scope, section: Section) -> datetime | None:
    """Give the moment of the earliest withdrawal of a section that its own maker hasn't taken back, or None."""
    open_ones: dict[str, datetime] = {}
    chain = successors(events)
    here = present(scope, chain)
    for event in events:
        if scope_of(event, chain) != here:
            continue
        if event.kind is Kind.WITHDRAW and section in (event.sections or ()):
            open_ones.setdefault(event.by.person, event.recorded_at)
        elif _gives_again(event, section):
            open_ones.pop(event.by.person, None)
    return min(open_ones.values(), default=None)


def _gives_again(event: Event, section: Section) -> bool:
    if event.kind is Kind.GRANT:
        return section in (event.sections or ())
    return event.kind is Kind.VIEW and event.travels and section is Section.VIEWS
