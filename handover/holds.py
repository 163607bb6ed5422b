"""Legal holds: what would be destroyed stays while a complaint or a court needs it. A hold lets nothing leave.

One places a hold; it takes two to lift it.
"""

from collections.abc import Mapping
from typing import Any

from consent.db import reading
from consent.events import Draft, Event, Kind
from consent.journal import Act
from crypto.encoding import JSON
from handover import proposals
from handover.errors import RequestRefused, not_found
from handover.idempotency import Answer, Once, carry_out
from handover.parts import Caller, Parts
from handover.people import own_pupil, staff_actor
from handover.proposals import Confirmed, Wanted
from handover.proposed import Matter, Proposed
from handover.transfers import time


def place(parts: Parts, caller: Caller, once: Once, pupil: str, body: Mapping[str, Any]) -> Answer:
    """Hold everything of a pupil back from destruction, on a stated ground, until a moment or until it is lifted."""

    def work(act: Act) -> Answer:
        row = own_pupil(act.session, caller, pupil)
        draft = Draft(
            kind=Kind.HOLD,
            key=f"hold-{once.key}",
            by=staff_actor(caller),
            subject=pupil,
            article=body["ground"],
            valid_until=body.get("until"),
        )
        return {"hold": parts.ledger.record(act, draft, (row.board,)).id}

    with reading(parts.main) as session:
        own_pupil(session, caller, pupil)  # before the lock: nobody holds up another board's pupil
    return carry_out(parts, once, lambda: parts.journal.act(pupil=pupil), work)


def propose_lifting(parts: Parts, caller: Caller, once: Once, pupil: str, hold: str, body: Mapping[str, Any]) -> Answer:
    """Propose that a hold is lifted, with the ground for it."""

    def look(act: Act) -> Mapping[str, JSON] | RequestRefused:
        own_pupil(act.session, caller, pupil)
        return _standing(parts, act, pupil, hold) or {}

    with reading(parts.main) as session:
        own_pupil(session, caller, pupil)  # before the lock: nobody holds up another board's pupil
    wanted = Wanted(Matter.HOLD, pupil, None, {"hold": hold, "ground": body["ground"]})
    return proposals.propose(parts, caller, once, wanted, look)


def lift(parts: Parts, act: Act, caller: Caller, proposed: Proposed) -> Confirmed | RequestRefused:
    """Lift a hold as it was proposed."""
    said: Mapping[str, Any] = proposed.said
    row, hold = own_pupil(act.session, caller, proposed.pupil), said["hold"]
    if refused := _standing(parts, act, row.id, hold):
        return refused
    draft = Draft(
        kind=Kind.HOLD,
        key=f"lift-{proposed.id}",
        by=staff_actor(caller),
        subject=row.id,
        article=said["ground"],
        withdraws=hold,
        second=proposed.by,
    )
    event = parts.ledger.record(act, draft, (row.board,)).id
    return Confirmed({"hold": hold, "event": event}, {"event": event})


def listing(parts: Parts, caller: Caller, pupil: str) -> Answer:
    """Show the holds of a pupil, lifted ones too, oldest first."""
    with reading(parts.main) as session:
        own_pupil(session, caller, pupil)
        known = [event for event in parts.ledger.history(session, pupil).known if event.kind is Kind.HOLD]
    lifted = {event.withdraws: event for event in known}
    return {"holds": [_print(event, lifted.get(event.id)) for event in known if event.withdraws is None]}


def _print(hold: Event, lifted: Event | None) -> Answer:
    ended = None if lifted is None else {"at": time(lifted.recorded_at), "ground": lifted.article}
    return {
        "hold": hold.id,
        "ground": hold.article,
        "placed_at": time(hold.recorded_at),
        "by": hold.by.person,
        "until": time(hold.valid_until),
        "lifted": ended and ended | {"by": [lifted.second, lifted.by.person] if lifted else []},
    }


def _standing(parts: Parts, act: Act, pupil: str, hold: str) -> RequestRefused | None:
    """Say that a hold was lifted already; raises the one answer where there is no such hold."""
    holds = [event for event in parts.ledger.history(act.session, pupil).known if event.kind is Kind.HOLD]
    if not any(event.id == hold and event.withdraws is None for event in holds):
        raise not_found()
    if any(event.withdraws == hold for event in holds):
        return RequestRefused("NOTHING_TO_LIFT", 409, "This hold was lifted.")
    return None
