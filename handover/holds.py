"""Legal holds: what would be destroyed stays while a complaint or a court needs it. A hold lets nothing leave."""

from collections.abc import Mapping
from typing import Any

from consent.db import reading
from consent.events import Draft, Kind
from consent.journal import Act
from handover.errors import RequestRefused, not_found
from handover.idempotency import Answer, Once, carry_out
from handover.parts import Caller, Parts
from handover.people import own_pupil, same_person, staff_actor


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

    return _carried_out(parts, caller, once, pupil, work)


def lift(parts: Parts, caller: Caller, once: Once, pupil: str, hold: str, body: Mapping[str, Any]) -> Answer:
    """Lift a hold, with the ground for it; a second person of the school agrees."""
    if same_person(body["second"], caller.staff):
        raise RequestRefused("SECOND_NEEDED", 422, "A second person has to agree.", {"/second": "Not yourself."})

    def work(act: Act) -> Answer:
        row = own_pupil(act.session, caller, pupil)
        known = parts.ledger.history(act.session, pupil).known
        lifted = {event.withdraws for event in known}
        if not any(e.id == hold and e.kind is Kind.HOLD and e.withdraws is None for e in known):
            raise not_found()
        if hold in lifted:
            raise RequestRefused("NOTHING_TO_LIFT", 409, "This hold was lifted.")
        draft = Draft(
            kind=Kind.HOLD,
            key=f"lift-{hold}-{once.key}",
            by=staff_actor(caller),
            subject=pupil,
            article=body["ground"],
            withdraws=hold,
            second=f"{caller.school}.{body['second']}",
        )
        return {"hold": hold, "event": parts.ledger.record(act, draft, (row.board,)).id}

    return _carried_out(parts, caller, once, pupil, work)


def _carried_out(parts: Parts, caller: Caller, once: Once, pupil: str, work: Any) -> Answer:
    with reading(parts.main) as session:
        own_pupil(session, caller, pupil)  # before the lock: nobody holds up another board's pupil
    return carry_out(parts, once, lambda: parts.journal.act(pupil=pupil), work)
