"""A receiver that goes on under another code, by a merger or a move: what a family said of the old one goes with it.

No family is asked again because a school got another number. But what was said for one school must never open a file
for another, so a sender alone can't make one location another's successor: the register has to count both to one board,
and that board has to have ended the old location's keys in the public key log, so that nothing is received there any
more. Where a school went to another board, the family is asked anew. Transfers to the old code stay what they were;
a new one is opened to the new code.
"""

from typing import Any

from consent.db import reading
from consent.events import Draft, Kind
from consent.journal import Act
from handover.errors import RequestRefused
from handover.idempotency import Answer, Once, carry_out
from handover.outbox import deliver, post
from handover.parts import Caller, Parts
from handover.people import own_pupil, staff_actor, told_at_once
from handover.tables import School


def follow_on(parts: Parts, caller: Caller, once: Once, pupil: str, body: dict[str, Any]) -> Answer:
    """Record for a pupil under which code a receiver goes on, and tell the family."""
    old, new = body["receiver"], body["successor"]

    def work(act: Act) -> Answer | RequestRefused:
        row = own_pupil(act.session, caller, pupil)
        if wrong := _faults(parts, act, old, new):
            return RequestRefused("NO_SUCCESSOR", 422, "The register doesn't show that the one followed it.", wrong)
        draft = Draft(
            kind=Kind.SUCCESSOR,
            key=f"successor-{once.key}",
            by=staff_actor(caller),
            subject=pupil,
            receiver=old,
            successor=new,
        )
        event = parts.ledger.record(act, draft, (row.board,))
        told = told_at_once(parts, act, pupil)
        for contact in told.values():
            post(parts, act, pupil, contact, "successor")
        return {"event": event.id, "told": len(told)}

    with reading(parts.main) as session:
        own_pupil(session, caller, pupil)  # before the lock: nobody holds up another board's pupil
    answer = carry_out(parts, once, lambda: parts.journal.act(pupil=pupil), work)
    deliver(parts)
    return answer


def _faults(parts: Parts, act: Act, old: str, new: str) -> dict[str, str]:
    before, after = act.session.get(School, old), act.session.get(School, new)
    faults = {}
    if before is None or parts.register.current(act.session, old, "seal", act.now) is not None:
        faults["/receiver"] = "Not a school that has ended its keys."
    if after is None or old == new or before is None or before.board != after.board:
        faults["/successor"] = "Not another school of the same board."
    return faults
