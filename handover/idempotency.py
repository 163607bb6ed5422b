"""A mutating request that is sent twice is carried out once (bad cases A6, H6, H7).

The row is written first, in the effect's own transaction: a second request with the same key waits for the first one's
commit and then gets its answer; a request that failed leaves no row.
"""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from consent.db import reading
from consent.journal import Act
from handover.errors import RequestRefused
from handover.parts import Parts
from handover.tables import Idempotency

Answer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Once:
    """What makes a request the same request: who sent it, to which route, under which key, with which body."""

    caller: str
    route: str
    key: str
    body_sha256: bytes


def _earlier(session: Session, once: Once) -> Answer | None:
    row = session.get(Idempotency, (once.caller, once.route, once.key))
    if row is None:
        return None
    if row.body_sha256 != once.body_sha256:
        raise RequestRefused("IDEMPOTENCY_CONFLICT", 409, "This Idempotency-Key was used for another request.")
    answer: Answer = json.loads(row.answer)
    return answer


def earlier(parts: Parts, once: Once) -> Answer | None:
    """Give what this request was answered before, or None; raises RequestRefused for another body under its key."""
    with reading(parts.main) as session:
        answer = _earlier(session, once)
    if answer is not None:
        parts.journal.start()  # the first time it may have been committed and then not acknowledged
    return answer


def carry_out(
    parts: Parts,
    once: Once,
    transaction: Callable[[], AbstractContextManager[Act]],
    work: Callable[[Act], Answer | RequestRefused],
) -> Answer:
    """Do `work` in `transaction` once, and give its answer, or the earlier one's.

    A refusal that `work` returns is committed with the log entry it wrote, and then raised; one that it raises leaves
    nothing behind. Refusals aren't remembered: the same request may be sent again when its reason is gone.
    """
    if (answer := earlier(parts, once)) is not None:
        return answer
    try:
        return _first(once, transaction, work)
    except IntegrityError:
        if (answer := earlier(parts, once)) is not None:
            return answer
        raise RequestRefused(
            "CONFLICT", 409, "Somebody else was first. Nothing was done; look and try again."
        ) from None


def _first(
    once: Once,
    transaction: Callable[[], AbstractContextManager[Act]],
    work: Callable[[Act], Answer | RequestRefused],
) -> Answer:
    with transaction() as act:
        row = Idempotency(
            caller=once.caller,
            route=once.route,
            key=once.key,
            body_sha256=once.body_sha256,
            answer="null",
            at=act.now,
        )
        act.session.add(row)
        act.session.flush()
        result = work(act)
        if isinstance(result, RequestRefused):
            act.session.delete(row)
        else:
            row.answer = json.dumps(result)
    if isinstance(result, RequestRefused):
        raise result
    return result
