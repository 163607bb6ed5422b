"""Lifting a restriction (AVG art. 18): by two, and never before who asked for it has been written to (art. 18(3))."""

from collections.abc import Mapping
from typing import Any

from consent.db import reading
from consent.events import Draft, Kind
from consent.journal import Act
from crypto.encoding import JSON
from handover.asked import Asked
from handover.errors import RequestRefused
from handover.idempotency import Answer, Once, earlier
from handover.outbox import deliver, post, waiting
from handover.parts import Caller, Parts
from handover.people import reachable, staff_actor
from handover.proposals import Confirmed, Wanted, propose
from handover.proposed import Matter, Proposed
from handover.rulings import own, put_down, tell


def propose_lifting(parts: Parts, caller: Caller, once: Once, request: str, body: Mapping[str, Any]) -> Answer:
    """Propose to end the restriction that came with a request; who asked is told now, before it ends (art. 18(3)).

    Where who asked doesn't speak for the pupil any more, everybody who does is told. Raises RequestRefused where that
    is nobody (NOBODY_TOLD), and where no restriction holds.
    """
    if (told := earlier(parts, once)) is not None:
        return told
    with reading(parts.main) as session:
        row, one = own(parts, session, caller, request)
    sections = [str(section) for section in (one.restriction.sections if one.restriction else None) or ()]

    def look(act: Act) -> Mapping[str, JSON] | RequestRefused:
        _, here = own(parts, act.session, caller, request)
        if refused := _in_force(here):
            return refused
        speaking = reachable(parts, act, row.pupil)
        asker = here.event.by.person
        family = [speaking[asker]] if asker in speaking else [*speaking.values()]
        if not family:
            return RequestRefused("NOBODY_TOLD", 409, "Record first who holds gezag now: somebody has to be told.")
        for contact in family:
            post(parts, act, row.pupil, contact, "restriction_lifting")
        return {"told": [*sorted(contact.person for contact in family)]}

    said: dict[str, JSON] = {"request": request, "sections": [*sections], "reason": body["reason"]}
    told = propose(parts, caller, once, Wanted(Matter.RESTRICTION, row.pupil, row.id, said), look)
    deliver(parts)
    return told


def lift(parts: Parts, act: Act, caller: Caller, proposed: Proposed) -> Confirmed | RequestRefused:
    """End a restriction as it was proposed, once what told the family beforehand has left; who asked is told again."""
    said: Mapping[str, Any] = proposed.said
    row, one = own(parts, act.session, caller, said["request"])
    if refused := _in_force(one):
        return refused
    if waiting(act, row.pupil, proposed.at):
        return RequestRefused("NOTICE_WAITING", 409, "The family hasn't been written to yet. Try again.")
    assert one.restriction is not None  # it is in force
    draft = Draft(
        kind=Kind.RESTRICT,
        key=f"lifted-{proposed.id}",
        by=staff_actor(caller),
        subject=row.pupil,
        sections=one.restriction.sections,
        withdraws=one.restriction.id,
        second=proposed.by,
    )
    event = put_down(parts, act, row, draft, said["reason"])
    tell(parts, act, one, "restriction_lifted")
    return Confirmed({"request": said["request"], "event": event.id}, {"event": event.id})


def _in_force(one: Asked) -> RequestRefused | None:
    if one.restriction is None or one.closed is not None:
        return RequestRefused("NOTHING_TO_LIFT", 409, "There is no restriction here that holds.")
    return None
