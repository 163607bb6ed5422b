"""Objections (AVG art. 21) are decided by a person, with a reason, on the sender's side."""

from collections.abc import Mapping
from typing import Any

from consent import ledger
from consent.events import Draft, Event, Kind
from consent.journal import Act
from handover.errors import RequestRefused, not_found
from handover.idempotency import Answer, Once, carry_out
from handover.parts import Caller, Parts
from handover.people import staff_actor
from handover.transfers import of_side, pupil_of
from handover.words import keep_words


def decide(parts: Parts, caller: Caller, once: Once, transfer: str, objection: str, body: Mapping[str, Any]) -> Answer:
    """Record the sender's decision on an objection. Upheld: these sections stay here."""

    def work(act: Act) -> Answer | RequestRefused:
        row = of_side(act.session, caller, transfer, "sender")
        events = ledger.events(act, row.pupil).events
        objections = [e for e in events if isinstance(e, Event) and e.kind is Kind.OBJECT and e.id == objection]
        if not objections or objections[0].receiver != row.receiver:
            raise not_found()
        event = ledger.record(
            act,
            Draft(
                kind=Kind.OBJECTION_DECIDED,
                key=f"decided-{once.key}",
                by=staff_actor(caller),
                subject=row.pupil,
                objection=objection,
                upheld=body["upheld"],
            ),
        )
        keep_words(parts, act, row, event.id, body["reason"])
        return {"event": event.id, "upheld": body["upheld"]}

    pupil = pupil_of(parts, caller, transfer)
    return carry_out(parts, once, lambda: parts.journal.act(pupil=pupil), work)
