"""What takes two: one member of a school's staff proposes it, another one of that school confirms it.

Until then nothing counts: a proposal is one sealed row (`handover.proposed` has its form) that lapses after the term in
`handover.retention` and that its maker may take back. Each step is one entry of the log, a refused one too. Who
confirms has a role for it (`Action.CONFIRM_PROPOSAL`), sends a request of their own, and is of the same school: a
pseudonym means somebody within one school only, so two schools' could be one person's. What is done when somebody
confirms, and only then, stands with its matter (`emergency`, `paper`, `holds`, `restrictions`, `courts`,
`rulings`); `confirming` knows which.
"""

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from consent.db import reading
from consent.errors import RecordRefused
from consent.journal import Act
from consent.terms import Ground, Section
from crypto.encoding import JSON, canon
from handover.accesslog import Did, record, staff
from handover.errors import NotTheirs, RequestRefused, not_found
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

_OF_ONE: Final = {Matter.HOLD: "hold", Matter.RESTRICTION: "request", Matter.ERASURE: "request"}
"""What waits once at a time, by what names it in a proposal's words."""

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
    beforehand; it gives what the log's entry says of that. A refusal leaves nothing but its own entry.
    """
    did = STEPS[wanted.matter][0]

    def work(act: Act) -> Answer:
        begun = begin(act)
        if isinstance(begun, RequestRefused):
            raise begun
        for first in _same(parts, act, caller, wanted):
            where = {"/proposal": f"It waits as {first.id}."}
            raise RequestRefused("ALREADY_PROPOSED", 409, "This waits already: let a colleague confirm it.", where)
        by = staff_actor(caller).person
        salt = secrets.token_hex(SALT)
        proposed = Proposed(wanted.matter, wanted.pupil, wanted.transfer, by, act.now, wanted.said, salt)
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
        _log(act, did, caller, wanted, {"proposal": proposed.id, **begun})
        return {"proposal": proposed.id}

    with _noting(parts, did, caller, wanted, {}):
        return carry_out(parts, once, lambda: parts.journal.act(pupil=wanted.pupil), work)


def settle(
    parts: Parts,
    caller: Caller,
    once: Once,
    identifier: str,
    step: Callable[[Proposed], tuple[Did, Mapping[str, JSON]]],
    work: Callable[[Act, Proposed], Confirmed | RequestRefused],
) -> tuple[Answer, Proposed | None]:
    """Do once, under the pupil's lock, what ends a proposal; gives it too, unless this was answered before.

    `step` says how the log calls this and what the entry holds, granted or refused. A refusal leaves nothing but that
    entry, and the proposal waits on. Raises NotTheirs for what isn't there, what is another school's and what has been
    settled.
    """
    with reading(parts.main) as session:
        found = _find(parts, session, caller, identifier)
    if found is None:
        if (answer := earlier(parts, once)) is None:
            raise NotTheirs
        return answer, None
    did, more = step(found)
    terms: dict[str, JSON] = {"proposal": identifier, **more}

    def settling(act: Act) -> Answer:
        if (row := act.session.get(Proposal, identifier)) is None:
            raise NotTheirs  # somebody else was first
        done = work(act, found)
        if isinstance(done, RequestRefused):
            raise done
        act.session.delete(row)
        _log(act, did, caller, found, {**terms, **done.terms})
        return done.answer

    with _noting(parts, did, caller, found, terms):
        return carry_out(parts, once, lambda: parts.journal.act(pupil=found.pupil), settling), found


def withdraw(parts: Parts, caller: Caller, once: Once, identifier: str) -> Answer:
    """Take a proposal back: who made it, and nobody else."""

    def work(act: Act, proposed: Proposed) -> Confirmed | RequestRefused:
        if not same_person(proposed.by, staff_actor(caller).person):
            return RequestRefused("NOT_YOURS", 403, "Only who proposed it takes it back.")
        return Confirmed({"proposal": identifier, "withdrawn": True}, {})

    def step(proposed: Proposed) -> tuple[Did, Mapping[str, JSON]]:
        return Did.PROPOSAL_WITHDRAWN, {"matter": str(proposed.matter)}

    return settle(parts, caller, once, identifier, step, work)[0]


def about(parts: Parts, session: Session, pupil: str, now: datetime) -> list[Proposed]:
    """Give what waits for a second person of any school about a pupil, oldest first."""
    wanted = select(Proposal).where(Proposal.pupil == pupil, Proposal.created_at >= before(Kept.PROPOSAL, now))
    return [_opened(parts, row) for row in session.scalars(wanted.order_by(Proposal.created_at, Proposal.id))]


def of_transfer(session: Session, transfer: str, now: datetime) -> list[str]:
    """Give the ids of what waits for a second person about a transfer, oldest first."""
    wanted = select(Proposal.id).where(Proposal.transfer == transfer)
    wanted = wanted.where(Proposal.created_at >= before(Kept.PROPOSAL, now))
    return list(session.scalars(wanted.order_by(Proposal.created_at, Proposal.id)))


def listing(parts: Parts, caller: Caller, cursor: str | None) -> Answer:
    """Show a page of what waits for a second person of the caller's school, oldest first; `yours` can't confirm."""
    wanted = select(Proposal).where(Proposal.school == caller.school)
    with reading(parts.main) as session:
        if cursor is not None:
            last = session.get(Proposal, cursor)
            if last is None:  # settled meanwhile
                raise not_found()
            if last.school != caller.school:
                raise NotTheirs
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


def _same(parts: Parts, act: Act, caller: Caller, wanted: Wanted) -> Iterator[Proposed]:
    """Give what waits at the caller's school and would do the same to the same hold or request."""
    if (name := _OF_ONE.get(wanted.matter)) is not None:
        for each in about(parts, act.session, wanted.pupil, act.now):
            ours = each.matter is wanted.matter and each.by.startswith(f"{caller.school}.")
            if ours and each.said[name] == wanted.said[name]:
                yield each


@contextmanager
def _noting(
    parts: Parts, did: Did, caller: Caller, what: Wanted | Proposed, more: Mapping[str, JSON]
) -> Iterator[None]:
    """Log a refusal, whatever it came from, by itself: of what was tried nothing is left. Attempts are the door's."""
    try:
        yield
    except NotTheirs:
        raise
    except (RequestRefused, RecordRefused) as refused:
        outcome = refused.code if isinstance(refused, RequestRefused) else refused.reason
        with parts.journal.act(pupil=what.pupil) as act:
            _log(act, did, caller, what, more, outcome=outcome)
        raise


def _log(
    act: Act,
    did: Did,
    caller: Caller,
    what: Wanted | Proposed,
    more: Mapping[str, JSON],
    *,
    outcome: str = "granted",
) -> None:
    """Log one step, for the board of the school alone: no other hears of it."""
    said = what.said
    named: set[object] = {*_texts(said.get("sections")), *_texts(said.get("answers"))}
    transfer: dict[str, JSON] = {} if what.transfer is None else {"transfer": what.transfer}
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
        pupil=what.pupil,
        sections=[section for section in Section if section in named],
        ground=str(Ground.EMERGENCY) if what.matter is Matter.EMERGENCY else None,
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
