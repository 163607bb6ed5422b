"""Objections (AVG art. 21) are decided by a person, with a reason, on the sender's side; who objected is told.

Their term, and the list of those that wait, are those of every request: see `handover.asked` and `handover.rulings`.
"""

from collections.abc import Mapping
from typing import Any

from consent.events import Draft, Kind
from consent.journal import Act
from handover.errors import RequestRefused, not_found
from handover.idempotency import Answer, Once, carry_out
from handover.outbox import deliver, post
from handover.parts import Caller, Parts
from handover.people import reachable, staff_actor
from handover.transfers import boards_of, of_side, pupil_of
from handover.words import keep_words


def decide(parts: Parts, caller: Caller, once: Once, transfer: str, objection: str, body: Mapping[str, Any]) -> Answer:
    """Record the sender's decision on an objection. Upheld: these sections stay here."""

    def work(act: Act) -> Answer | RequestRefused:
        row = of_side(act.session, caller, transfer, "sender")
        events = parts.ledger.history(act.session, row.pupil).known
        objections = [event for event in events if event.kind is Kind.OBJECT and event.id == objection]
        about = {(event.sender, event.receiver, event.purpose) for event in objections}
        if about != {(row.sender, row.receiver, row.purpose)}:
            raise not_found()
        event = parts.ledger.record(
            act,
            Draft(
                kind=Kind.OBJECTION_DECIDED,
                key=f"decided-{objection}-{once.key}",
                by=staff_actor(caller),
                subject=row.pupil,
                objection=objection,
                upheld=body["upheld"],
            ),
            boards_of(act.session, row),
        )
        keep_words(parts, act, row, event.id, body["reason"])
        if contact := reachable(parts, act, row.pupil).get(objections[0].by.person):
            post(parts, act, row.pupil, contact, "request_decided")
        return {"event": event.id, "upheld": body["upheld"]}

    pupil = pupil_of(parts, caller, transfer)
    answer = carry_out(parts, once, lambda: parts.journal.act(pupil=pupil), work)
    deliver(parts)
    return answer
