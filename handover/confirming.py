"""The second person's word: a proposal is confirmed, and what it says is done, in one act."""

from collections.abc import Callable, Mapping
from typing import Final

from consent.journal import Act
from crypto.encoding import JSON
from handover import courts, emergency, holds, paper, restrictions, rulings
from handover.accesslog import Did, staff
from handover.errors import RequestRefused
from handover.idempotency import Answer, Once
from handover.outbox import deliver
from handover.parts import Caller, Parts
from handover.proposals import STEPS, Confirmed, refusal, settle
from handover.proposed import Matter, Proposed

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

    def work(act: Act, proposed: Proposed) -> Confirmed | RequestRefused:
        return refusal(caller, proposed, act.now) or CARRY_OUT[proposed.matter](parts, act, caller, proposed)

    def step(proposed: Proposed) -> tuple[Did, Mapping[str, JSON]]:
        return STEPS[proposed.matter][1], {"second": proposed.by}

    deliver(parts)  # what a crash kept from the outbox: lifting a restriction waits for it
    answer, proposed = settle(parts, caller, once, proposal, step, work)
    deliver(parts)
    if proposed is not None and proposed.matter is Matter.ERASURE:
        rulings.erase(parts, proposed.pupil, staff(caller))
    return answer
