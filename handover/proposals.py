"""What takes two: one member of a school's staff proposes it, another one of that school confirms it.

Until then nothing counts: a proposal is one sealed row (`handover.proposed` has its form) that lapses after the term in
`handover.retention` and that its maker may take back. Each step is one entry of the log, a refused one too. Who
confirms has a role for it (`Action.CONFIRM_PROPOSAL`), sends a request of their own, and is of the same school: a
pseudonym means somebody within one school only, so two schools' could be one person's. What is done when somebody
confirms, and only then, stands with its matter (`emergency`, `paper`, `holds`, `restrictions`, `courts`,
`rulings`); `confirming` knows which.
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from consent.db import reading
from consent.journal import Act
from consent.terms import Ground, Section
from crypto.encoding import JSON, canon
from handover.accesslog import Did, record, staff
from handover.errors import RequestRefused, not_found
from handover.idempotency import Answer, Once, carry_out, earlier
from handover.parts import Caller, Parts
from handover.people import aad, same_person, staff_actor
from handover.proposed import SALT, Matter, Proposed, read_proposed
from handover.retention import Kept, before, due
from handover.tables import Proposal
from handover.transfers import time

PAGE: Final = 50

STEPS: Final[dict[Matter, tuple[Did, Did]]] = {
    Matter.EMERGENCY: (Did.EMERGENCY_PROPOSED, Did.EMERGENCY_CONFIRMED),
    Matter.PAPER: (Did.PAPER_RECORDED, Did.PAPER_CONFIRMED),
    Matter.HOLD: (Did.LIFTING_PROPOSED, Did.LIFTING_CONFIRMED),
    Matter.RESTRICTION: (Did.LIFTING_PROPOSED, Did.LIFTING_CONFIRMED),
    Matter.COURT: (Did.COURT_PROPOSED, Did.COURT_RECORDED),
    Matter.ERASURE: (Did.ERASURE_PROPOSED, Did.ERASURE_CONFIRMED),
}
"""How the log calls proposing and confirming each."""

_LOGGED: Final = ("emergency", "person", "collected", "hold", "request", "court", "stands_for", "decided_on", "scan")
"""What an entry repeats of what is proposed: never words, never an answer."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody proposes: about whom, in which transfer (none for a hold), and what would be done."""

    matter: Matter
    pupil: str
    transfer: str | None
    said: Mapping[str, JSON]


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What a confirmation came to: its answer, and what the log's entry says besides."""

    answer: Answer
    terms: Mapping[str, JSON]


def propose(
    parts: Parts,
    caller: Caller,
    once: Once,
    wanted: Wanted,
    begin: Callable[[Act], Mapping[str, JSON] | RequestRefused],
) -> Answer:
    """Put a proposal down for a colleague to confirm.

    `begin` looks, under the pupil's lock, whether it could be done now, and writes to whoever has to hear of it
    beforehand; it gives what the log's entry says of that.
    """

    def work(act: Act) -> Answer | RequestRefused:
        proposed = Proposed(
            wanted.matter,
            wanted.pupil,
            wanted.transfer,
            staff_actor(caller).person,
            act.now,
            wanted.said,
            secrets.token_hex(SALT),
        )
        did, begun = STEPS[wanted.matter][0], begin(act)
        if isinstance(begun, RequestRefused):
            log(act, did, caller, proposed, {}, outcome=begun.code)
            return begun
        act.session.add(
            Proposal(
                id=proposed.id,
                school=caller.school,
                transfer=proposed.transfer,
                pupil=proposed.pupil,
                sealed=_sealed(parts, proposed),
                created_at=act.now,
            )
        )
        log(act, did, caller, proposed, {"proposal": proposed.id, **begun})
        return {"proposal": proposed.id}

    return carry_out(parts, once, lambda: parts.journal.act(pupil=wanted.pupil), work)


def settle(
    parts: Parts,
    caller: Caller,
    once: Once,
    identifier: str,
    work: Callable[[Act, Proposal, Proposed], Answer | RequestRefused],
) -> tuple[Answer, Proposed | None]:
    """Do once, under the pupil's lock, what ends a proposal; gives it too, unless this was answered before.

    Raises RequestRefused: the one answer for what isn't there, what is another school's and what has been settled.
    """
    with reading(parts.main) as session:
        found = _find(parts, session, caller, identifier)
    if found is None:
        if (answer := earlier(parts, once)) is None:
            raise not_found()
        return answer, None

    def settling(act: Act) -> Answer | RequestRefused:
        if (row := act.session.get(Proposal, identifier)) is None:
            raise not_found()  # somebody else was first
        return work(act, row, found)

    return carry_out(parts, once, lambda: parts.journal.act(pupil=found.pupil), settling), found


def withdraw(parts: Parts, caller: Caller, once: Once, identifier: str) -> Answer:
    """Take a proposal back: who made it, and nobody else."""

    def work(act: Act, row: Proposal, proposed: Proposed) -> Answer | RequestRefused:
        terms: dict[str, JSON] = {"proposal": identifier, "matter": str(proposed.matter)}
        if not same_person(proposed.by, staff_actor(caller).person):
            log(act, Did.PROPOSAL_WITHDRAWN, caller, proposed, terms, outcome="NOT_YOURS")
            return RequestRefused("NOT_YOURS", 403, "Only who proposed it takes it back.")
        act.session.delete(row)
        log(act, Did.PROPOSAL_WITHDRAWN, caller, proposed, terms)
        return {"proposal": identifier, "withdrawn": True}

    return settle(parts, caller, once, identifier, work)[0]


def listing(parts: Parts, caller: Caller, cursor: str | None) -> Answer:
    """Show a page of what waits for a second person of the caller's school, oldest first; `yours` can't confirm."""
    wanted = select(Proposal).where(Proposal.school == caller.school)
    with reading(parts.main) as session:
        if cursor is not None:
            last = session.get(Proposal, cursor)
            if last is None or last.school != caller.school:
                raise not_found()
            wanted = wanted.where(tuple_(Proposal.created_at, Proposal.id) > (last.created_at, last.id))
        wanted = wanted.where(Proposal.created_at >= before(Kept.PROPOSAL, parts.clock()))
        rows = session.scalars(wanted.order_by(Proposal.created_at, Proposal.id).limit(PAGE + 1)).all()
        shown = [_opened(parts, row) for row in rows[:PAGE]]
    me = staff_actor(caller).person
    return {
        "proposals": [
            {
                "proposal": each.id,
                "content": each.content(),
                "lapses_at": time(due(Kept.PROPOSAL, each.at)),
                "yours": same_person(each.by, me),
            }
            for each in shown
        ],
        "next": rows[PAGE - 1].id if len(rows) > PAGE else None,
    }


def refusal(caller: Caller, proposed: Proposed, now: datetime) -> RequestRefused | None:
    """Say why this member of staff can't confirm this proposal now, whatever it is about."""
    if same_person(proposed.by, staff_actor(caller).person):
        return RequestRefused("SECOND_NEEDED", 409, "Who proposed it can't confirm it: ask a colleague.")
    if due(Kept.PROPOSAL, proposed.at) <= now:
        return RequestRefused("PROPOSAL_LAPSED", 409, "It waited too long. Propose it again if it is still needed.")
    return None


def log(
    act: Act, did: Did, caller: Caller, proposed: Proposed, more: Mapping[str, JSON], *, outcome: str = "granted"
) -> None:
    """Log one step, for the board of the school alone: no other hears of it."""
    said = proposed.said
    named: set[object] = {*_texts(said.get("sections")), *_texts(said.get("answers"))}
    transfer: dict[str, JSON] = {} if proposed.transfer is None else {"transfer": proposed.transfer}
    record(
        act,
        did,
        staff(caller),
        outcome=outcome,
        terms={
            "school": caller.school,
            **transfer,
            **{name: said[name] for name in _LOGGED if name in said},
            **more,
        },
        boards=[caller.board],
        pupil=proposed.pupil,
        sections=[section for section in Section if section in named],
        ground=str(Ground.EMERGENCY) if proposed.matter is Matter.EMERGENCY else None,
    )


def _texts(value: JSON) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list | dict) else []


def _find(parts: Parts, session: Session, caller: Caller, identifier: str) -> Proposed | None:
    """Give what waits under an id at the caller's school, as its sealed words say it, whatever its row may say."""
    row = session.get(Proposal, identifier)
    if row is None or row.school != caller.school:
        return None
    proposed = _opened(parts, row)
    return proposed if proposed.by.startswith(f"{caller.school}.") else None


def _sealed(parts: Parts, proposed: Proposed) -> bytes:
    return parts.keystore.seal("pupil", proposed.pupil, canon(proposed.content()), aad("proposal", proposed.id))


def _opened(parts: Parts, row: Proposal) -> Proposed:
    data = parts.keystore.open("pupil", row.pupil, row.sealed, aad("proposal", row.id))
    return read_proposed(data, row.id)
