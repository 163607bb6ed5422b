"""The second person's word: a proposal is confirmed, and what it says is done, in one act."""

from collections.abc import Callable
from typing import Final

from consent.journal import Act
from handover import courts, emergency, holds, paper, restrictions, rulings
from handover.accesslog import staff
from handover.errors import RequestRefused
from handover.idempotency import Answer, Once
from handover.outbox import deliver
from handover.parts import Caller, Parts
from handover.proposals import STEPS, Confirmed, log, refusal, settle
from handover.proposed import Matter, Proposed
from handover.tables import Proposal

CARRY_OUT: Final[dict[Matter, Callable[[Parts, Act, Caller, Proposed], Confirmed | RequestRefused]]] = {
    Matter.EMERGENCY: emergency.begin,
    Matter.PAPER: paper.take_over,
    Matter.HOLD: holds.lift,
    Matter.RESTRICTION: restrictions.lift,
    Matter.COURT: courts.take_down,
    Matter.ERASURE: rulings.grant_erasure,
}
"""What each matter comes to. It looks again whether it can be done: much may have changed since it was proposed."""


def confirm(parts: Parts, caller: Caller, once: Once, proposal: str) -> Answer:
    """Confirm what a colleague proposed. A refusal is logged, and the proposal waits on.

    Raises RequestRefused: SECOND_NEEDED for one's own, PROPOSAL_LAPSED, or what keeps it from being done now.
    """

    def work(act: Act, row: Proposal, proposed: Proposed) -> Answer | RequestRefused:
        terms = {"proposal": proposed.id, "second": proposed.by}
        done = refusal(caller, proposed, act.now) or CARRY_OUT[proposed.matter](parts, act, caller, proposed)
        did = STEPS[proposed.matter][1]
        if isinstance(done, RequestRefused):
            log(act, did, caller, proposed, terms, outcome=done.code)
            return done
        act.session.delete(row)
        log(act, did, caller, proposed, {**terms, **done.terms})
        return done.answer

    deliver(parts)  # what a crash kept from the outbox: lifting a restriction waits for it
    answer, proposed = settle(parts, caller, once, proposal, work)
    deliver(parts)
    if proposed is not None and proposed.matter is Matter.ERASURE:
        rulings.erase(parts, proposed.pupil, staff(caller))
    return answer
