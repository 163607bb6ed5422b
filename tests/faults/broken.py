"""Gates that are broken on purpose, to show that the races would notice. The product has nothing like them.

Each reads something too early and then decides by what it read. `between` runs in the gap.
"""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy.orm import Session

from consent.db import reading
from consent.journal import Act
from consent.rule import Granted, Refused, decide
from consent.terms import Section
from handover.accesslog import Did, record, staff
from handover.bundles import newest, question_of
from handover.parts import Caller, Parts
from handover.tables import Transfer
from handover.transfers import boards_of, policy_of

Gate = Callable[[Parts, Caller, str, tuple[Section, ...], Callable[[], None]], tuple[bool, int]]


def without_lock(
    parts: Parts, caller: Caller, transfer: str, sections: tuple[Section, ...], between: Callable[[], None]
) -> tuple[bool, int]:
    """Read the events in a transaction of their own, and lock no pupil at all."""
    with reading(parts.main) as session:
        row = session.get_one(Transfer, transfer)
        decision = _decide(parts, session, row, sections, parts.clock())
    between()
    with parts.journal.act() as act:
        return bool(decision), _log(act, caller, row, sections, decision)


def read_before_lock(
    parts: Parts, caller: Caller, transfer: str, sections: tuple[Section, ...], between: Callable[[], None]
) -> tuple[bool, int]:
    """Read the events, and only then take the pupil's lock."""
    with reading(parts.main) as session:
        row = session.get_one(Transfer, transfer)
        decision = _decide(parts, session, row, sections, parts.clock())
    between()
    with parts.journal.act(schools_shared=(caller.school,), pupil=row.pupil) as act:
        return bool(decision), _log(act, caller, row, sections, decision)


def clock_before_lock(parts: Parts, caller: Caller, transfer: str, sections: tuple[Section, ...]) -> tuple[bool, int]:
    """Read the clock, and then wait for the pupil's lock."""
    now = parts.clock()
    with reading(parts.main) as session:
        pupil = session.get_one(Transfer, transfer).pupil
    with parts.journal.act(schools_shared=(caller.school,), pupil=pupil) as act:
        row = act.session.get_one(Transfer, transfer)
        decision = _decide(parts, act.session, row, sections, now)
        return bool(decision), _log(act, caller, row, sections, decision)


GATES: dict[str, Gate] = {"without a lock": without_lock, "read before the lock": read_before_lock}


def _decide(
    parts: Parts, session: Session, row: Transfer, sections: tuple[Section, ...], now: datetime
) -> Granted | Refused:
    history = parts.ledger.history(session, row.pupil)
    question = question_of(row, newest(session, row.id), sections)
    policy = policy_of(parts, session, row)
    return decide(question, history.events, history.newest_number, policy, now, 0)


def _log(act: Act, caller: Caller, row: Transfer, sections: tuple[Section, ...], decision: Granted | Refused) -> int:
    outcome = "granted" if isinstance(decision, Granted) else decision.reason.name
    return record(
        act,
        Did.RELEASE,
        staff(caller),
        outcome=outcome,
        terms={"transfer": row.id, "sections": [str(name) for name in sections]},
        boards=boards_of(act.session, row),
        pupil=row.pupil,
        sections=sections,
    ).index
