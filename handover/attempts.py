"""Asking for what isn't one's own: counted per school and minute, slowed down, and in the journal for the FG.

The door calls this for each signed request that names a transfer or a pupil which isn't there or isn't the school's;
the two get one answer. Up to the limit each attempt is an entry; beyond it every thirtieth is, from the first on, with
the count, so that guessing on without end is seen and doesn't fill the journal. No pupil is locked.
"""

from contextlib import suppress
from typing import Final

from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from consent.db import writing
from crypto.encoding import JSON
from handover.accesslog import Did, record, staff
from handover.errors import RequestRefused
from handover.parts import Caller, Parts
from handover.tables import Attempt

ATTEMPTS_A_MINUTE: Final = 30


def note_attempt(parts: Parts, caller: Caller, asked: str) -> None:
    """Count one attempt and write it down; raises RequestRefused beyond the limit. `asked` is what the route does."""
    count = _counted(parts, caller)
    if count <= ATTEMPTS_A_MINUTE or count % ATTEMPTS_A_MINUTE == 1:
        with parts.journal.act() as act:
            terms: dict[str, JSON] = {"school": caller.school, "asked": asked, "count": count}
            record(act, Did.ATTEMPT, staff(caller), outcome="refused", terms=terms, boards=[caller.board])
    if count > ATTEMPTS_A_MINUTE:
        raise RequestRefused("TOO_MANY", 429, "Too many requests for what isn't yours. Wait a minute.")


def _counted(parts: Parts, caller: Caller) -> int:
    minute = parts.clock().replace(second=0, microsecond=0)
    with suppress(IntegrityError), writing(parts.main) as session:  # somebody else was first
        session.add(Attempt(school=caller.school, minute=minute, count=0))
    this = (Attempt.school == caller.school) & (Attempt.minute == minute)
    raised = update(Attempt).where(this).values(count=Attempt.count + 1).returning(Attempt.count)
    with writing(parts.main) as session:
        return session.scalars(raised).one()
