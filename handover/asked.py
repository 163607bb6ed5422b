"""What a family has asked for under chapter III of the AVG: by when it is answered, and what was said. Pure.

Access (art. 15) and portability (art. 20) are answered at once, by everything there is: nobody has to decide, and the
entry REQUEST_ANSWERED of the access log shows that it was done. A restriction (art. 18) holds at once, until two
members of staff lift it. Rectification (art. 16), erasure (art. 17) and objections (art. 21) are decided by a person.

The term is one calendar month, three with an extension (art. 12(3)): up to the end of the same day of that month in the
Netherlands, or of its last day where it has no such day (Regulation (EEC, Euratom) 1182/71, art. 3). A weekend or a
holiday gives no more time here, although the Regulation would.
"""

import calendar
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

from consent.answers import restrictions
from consent.events import Event, Kind
from consent.guardians import AMSTERDAM, midnight
from consent.terms import Right, Ruling

TERM: Final = 1
EXTENDED: Final = 3
"""Calendar months from the request."""

AT_ONCE: Final = frozenset({Right.ACCESS, Right.PORTABILITY})
OBJECTION: Final = "objection"


@dataclass(frozen=True, slots=True)
class Asked:
    """One request or objection as it stands. `due` is the first moment that is too late.

    `closed` is the event that ended it: the decision, or for a restriction what lifted it. `restriction` is the event
    that a request for restriction brought with it.
    """

    event: Event
    due: datetime
    extended: bool
    closed: Event | None
    restriction: Event | None

    @property
    def right(self) -> str:
        """Name the right."""
        return OBJECTION if self.event.right is None else str(self.event.right)

    @property
    def state(self) -> str:
        """Say how it stands: `answered`, `open`, `extended`, `in_force`, `lifted`, or what was ruled."""
        if self.event.right in AT_ONCE:
            return "answered"
        if self.event.right is Right.RESTRICTION:
            return "in_force" if self.closed is None else "lifted"
        if self.closed is None:
            return "extended" if self.extended else "open"
        if self.closed.ruling is None:
            return str(Ruling.GRANTED if self.closed.upheld else Ruling.REFUSED)
        return str(self.closed.ruling)

    @property
    def waits(self) -> bool:
        """Tell whether a person must still decide."""
        return self.state in ("open", "extended")

    def days_left(self, now: datetime) -> int:
        """Count the days after today in which it can still be answered in time; below 0 it is too late."""
        last = (self.due - timedelta.resolution).astimezone(AMSTERDAM).date()
        return (last - now.astimezone(AMSTERDAM).date()).days


def asked(known: Sequence[Event]) -> list[Asked]:
    """List what was asked about a pupil, in the order of the journal."""
    return [_asked(event, known) for event in known if event.kind in (Kind.REQUEST, Kind.OBJECT)]


def _asked(event: Event, known: Sequence[Event]) -> Asked:
    said = [one for one in known if one.request == event.id or one.objection == event.id]
    rulings = [one for one in said if one.ruling is not Ruling.EXTENDED]
    longer = [one for one in said if one.ruling is Ruling.EXTENDED]
    restriction = next((one for one in known if one.key == restriction_key(event)), None)
    lifted = [one for one in known if restriction is not None and one.withdraws == restriction.id]
    holds = restriction is not None and restriction.id in restrictions(known)
    return Asked(
        event,
        due=due_after(event.recorded_at, EXTENDED if longer else TERM),
        extended=bool(longer),
        closed=next(iter([*rulings, *([] if holds else lifted[-1:])]), None),
        restriction=restriction,
    )


def restriction_key(request: Event) -> str:
    """Name the idempotency key of the RESTRICT that a request brings with it: the link between the two."""
    return f"restriction-{request.id}"


def due_after(moment: datetime, months: int) -> datetime:
    """Give the end of a term: the moment at which the day after its last day begins in Amsterdam."""
    day = moment.astimezone(AMSTERDAM).date()
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    last = date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))
    return midnight(last + timedelta(days=1)).astimezone(UTC)
