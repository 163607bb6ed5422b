"""What each person's answers come to: the yes that stands and the no that stands, per scope and section.

A scope is a sender, a receiver and a purpose. Within it a person's newer GRANT takes the place of that person's older
ones unless it `adds` to them; REFUSE and WITHDRAW end only the sections they name; and a no is lifted by nothing but
the same person's newer GRANT of that section (for `views`: a newer VIEW that travels). Newer means a higher journal
index, whatever times the events carry.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from consent.events import Event, Kind
from consent.terms import EMERGENCY_LASTS, Purpose, Section


class Scope(NamedTuple):
    """Between which schools, and what for."""

    sender: str | None
    receiver: str | None
    purpose: Purpose | None


@dataclass(slots=True)
class Answers:
    """One person's standing answers in one scope."""

    grants: dict[Section, list[Event]] = field(default_factory=dict)
    noes: dict[Section, Event] = field(default_factory=dict)
    view: Event | None = None

    def take(self, event: Event) -> None:
        """Take the next event of this person and scope, in the order of the journal."""
        if event.kind is Kind.GRANT:
            self._grant(event)
        elif event.kind is Kind.VIEW:
            self._view(event)
        else:
            self._no(event)

    def _grant(self, event: Event) -> None:
        if event.adds is None:
            self.grants.clear()
        for section in event.sections or ():
            self.grants.setdefault(section, []).append(event)
            self.noes.pop(section, None)

    def _view(self, event: Event) -> None:
        self.view = event if event.travels else None
        if event.travels:
            self.noes.pop(Section.VIEWS, None)

    def _no(self, event: Event) -> None:
        for section in event.sections or ():
            self.grants.pop(section, None)
            self.noes[section] = event
            if section is Section.VIEWS:
                self.view = None


ANSWERS = frozenset({Kind.GRANT, Kind.REFUSE, Kind.WITHDRAW, Kind.VIEW})


def successors(events: Iterable[Event]) -> dict[str, str]:
    """Collect under which code each receiver goes on; the newest SUCCESSOR of a code counts."""
    return {e.receiver: e.successor for e in events if e.kind is Kind.SUCCESSOR and e.receiver and e.successor}


def present_code(receiver: str | None, chain: Mapping[str, str]) -> str | None:
    """Follow a receiver through mergers to its present code. A circle ends where it began to repeat."""
    seen: set[str] = set()
    while receiver is not None and receiver in chain and receiver not in seen:
        seen.add(receiver)
        receiver = chain[receiver]
    return receiver


def present(scope: Scope, chain: Mapping[str, str]) -> Scope:
    """Say what a scope is now, by the receiver's present code."""
    return scope._replace(receiver=present_code(scope.receiver, chain))


def scope_of(event: Event, chain: Mapping[str, str]) -> Scope:
    """Say in which scope an event was recorded, by the receiver's present code."""
    return present(Scope(event.sender, event.receiver, event.purpose), chain)


def standing(events: Iterable[Event], chain: Mapping[str, str]) -> dict[str, dict[Scope, Answers]]:
    """Fold events, in the order of the journal, into every person's standing answers per scope."""
    persons: dict[str, dict[Scope, Answers]] = {}
    for event in events:
        if event.kind in ANSWERS:
            scopes = persons.setdefault(event.by.person, {})
            scopes.setdefault(scope_of(event, chain), Answers()).take(event)
    return persons


def restrictions(events: Iterable[Event]) -> dict[str, tuple[Section, ...]]:
    """Give the restrictions that hold (AVG art. 18): by id the sections for which each wasn't lifted.

    Events come in the order of the journal.
    """
    holding: dict[str, tuple[Section, ...]] = {}
    for event in events:
        if event.kind is Kind.RESTRICT:
            named = event.sections or ()
            if event.withdraws is None:
                holding[event.id] = named
            elif event.withdraws in holding:
                held = holding[event.withdraws]
                holding[event.withdraws] = tuple(section for section in held if section not in named)
    return {restriction: left for restriction, left in holding.items() if left}


def was_rejected(objection: Event, section: Section, events: Sequence[Event]) -> bool:
    """Tell whether the same objection was decided against before: of this person, to this version, in this scope.

    Where it isn't known which version an objection was to, it is no repetition of anything.
    """
    rejected = {e.objection for e in events if e.kind is Kind.OBJECTION_DECIDED and e.index < objection.index}
    return section in (objection.versions or {}) and any(
        event.id in rejected and section in (event.sections or ()) and _is_same(event, objection, section)
        for event in events
        if event.kind is Kind.OBJECT
    )


def _is_same(one: Event, other: Event, section: Section) -> bool:
    scopes = ((event.sender, event.receiver, event.purpose) for event in (one, other))
    versions = ((event.versions or {}).get(section) for event in (one, other))
    return one.by.person == other.by.person and len(set(scopes)) == 1 and len(set(versions)) == 1


def starts(event: Event) -> datetime:
    """Say from when an event authorises: never before the journal held it, whatever it claims."""
    return event.recorded_at if event.valid_from is None else max(event.valid_from, event.recorded_at)


def is_live(event: Event, now: datetime) -> bool:
    """Tell whether an authorising event counts now; `valid_until` itself is already too late."""
    return starts(event) <= now and (event.valid_until is None or now < event.valid_until)


def has_ended(event: Event, now: datetime) -> bool:
    """Tell whether an authorising event's time is over."""
    return event.valid_until is not None and event.valid_until <= now


def is_by_two_and_short(emergency: Event) -> bool:
    """Tell whether an EMERGENCY has two persons behind it, and ends within the time that one may last."""
    ends = emergency.valid_until
    by_two = emergency.second is not None and emergency.second != emergency.by.person
    return by_two and ends is not None and ends - emergency.recorded_at <= EMERGENCY_LASTS
