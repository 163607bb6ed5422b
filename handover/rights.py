"""Rights under chapter III of the AVG as a family uses them: asking, being answered, hearing what became of it.

What each right comes to stands in `handover.asked`. Who asks must still speak for the pupil when it is recorded; from
16 on the pupil asks, and those who hold gezag can no longer have the pupil's data erased or frozen. A request stays
with the school that sent the invitation: that school answers it (`handover.rulings`).
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import func, select

from consent.db import reading
from consent.events import Draft, Event, Kind
from consent.journal import Act
from consent.terms import Collected, Right, Role, Section
from handover import insight
from handover.accesslog import Did
from handover.asked import AT_ONCE, TERM, Asked, asked, due_after, restriction_key
from handover.errors import RequestRefused
from handover.familylog import decides, entitled, tell_others, visited
from handover.idempotency import Answer, Once, carry_out
from handover.insight import words_about
from handover.invitations import Visitor, admit
from handover.outbox import deliver
from handover.parts import Parts
from handover.question import requirements
from handover.stops import Sent, Stop, stops
from handover.tables import Release, Transfer
from handover.transfers import boards_of, policy_of, time
from handover.words import keep_words

THE_PUPILS: Final = frozenset({Right.ERASURE, Right.RESTRICTION})
"""Rights that from 16 on are the pupil's own."""


def ask(parts: Parts, once: Callable[[str], Once], body: Mapping[str, Any]) -> Answer:
    """Record a request, and answer at once what needs no decision: `{request, right, due, answer, checkpoint}`.

    `once` makes the request's identity, given who sends it. What a person is given is gathered anew when a request is
    repeated, and logged again: it is kept nowhere. Raises RequestRefused.
    """
    visitor = admit(parts, body["token"])
    this, right = once(visitor.invitation), Right(body["right"])
    given: list[Answer | None] = []

    def work(act: Act) -> Answer:
        known = entitled(parts, act, visitor)
        if right in THE_PUPILS and visitor.role is not Role.PUPIL and decides(known, act.now):
            raise RequestRefused("PUPIL_DECIDES", 403, "From 16 on the pupil asks for this.")
        request = _record(parts, act, visitor, this.key, body)
        given.append(_answer(parts, act, visitor, right))
        return {"request": request.id, "right": str(right), "due": time(due_after(act.now, TERM))}

    told = carry_out(parts, this, lambda: parts.journal.act(pupil=visitor.pupil), work)
    deliver(parts)
    answer = given[0] if given else _again(parts, visitor, right)
    with reading(parts.main) as session:
        checkpoint = parts.journal.checkpoint(session).decode()
    return {**told, "answer": answer, "checkpoint": checkpoint}


def mine(parts: Parts, token: str) -> Answer:
    """List what a visitor has asked for and objected to, newest first, with what the school said; this is logged."""
    visitor = admit(parts, token)
    with parts.journal.act(pupil=visitor.pupil) as act:
        known = entitled(parts, act, visitor)
        visited(act, visitor, Did.REQUESTS_SHOWN)
        words = words_about(parts, act.session, visitor.pupil)
        own = [one for one in asked(known) if one.event.by.person == visitor.person]
    return {"requests": [print_asked(one, words) for one in reversed(own)]}


def print_asked(one: Asked, words: Mapping[str, str]) -> Answer:
    """Write a request as answers hold it, with the words behind it and those of the decision."""
    closed = one.closed
    return {
        "request": one.event.id,
        "right": one.right,
        "sections": [str(section) for section in one.event.sections or ()],
        "text": words.get(one.event.id, ""),
        "asked_at": time(one.event.recorded_at),
        "due": time(one.due),
        "state": one.state,
        "decided_at": time(closed.recorded_at) if closed else None,
        "reason": words.get(closed.id) if closed else None,
        "article": closed.article if closed else None,
    }


def what_stops(parts: Parts, act: Act, pupil: str, known: Sequence[Event]) -> tuple[Stop, ...]:
    """Name what stops the erasure of a pupil now."""
    rows = act.session.scalars(select(Transfer).where(Transfer.pupil == pupil)).all()
    last = select(Release.transfer, func.max(Release.at)).group_by(Release.transfer)
    found = act.session.execute(last.where(Release.transfer.in_([row.id for row in rows])))
    released = {transfer: at for transfer, at in found}  # noqa: C416
    return stops(known, [_sent(parts, act, row, released.get(row.id)) for row in rows], act.now)


def print_stop(stop: Stop) -> Answer:
    """Write what stops an erasure as answers hold it."""
    return {
        "kind": stop.kind,
        "nl": stop.said.nl,
        "en": stop.said.en,
        "basis": stop.basis,
        "until": time(stop.until),
    }


def _sent(parts: Parts, act: Act, row: Transfer, released_at: datetime | None) -> Sent:
    grounds = requirements(policy_of(parts, act.session, row), row).values()
    return Sent(row.cancelled_at is None and row.received_at is None, frozenset(grounds), released_at)


def _record(parts: Parts, act: Act, visitor: Visitor, key: str, body: Mapping[str, Any]) -> Event:
    """Record the request; one for restriction holds from here on."""
    transfer = act.session.get_one(Transfer, visitor.transfer)
    boards, text = boards_of(act.session, transfer), body.get("text", "")
    named = tuple(section for section in Section if section in body.get("sections", ()))
    draft = Draft(
        kind=Kind.REQUEST,
        key=f"request-{visitor.invitation}-{key}",
        by=visitor.actor,
        subject=visitor.pupil,
        right=Right(body["right"]),
        sections=named or None,
        text=hashlib.sha256(text.encode()).hexdigest() if text else None,
        decided_at=act.now,
        collected=Collected.ONLINE,
    )
    request = parts.ledger.record(act, draft, boards)
    keep_words(parts, act, transfer, request.id, text)  # also without a word: they tie the request to its transfer
    if request.right is Right.RESTRICTION:
        frozen = replace(
            draft,
            kind=Kind.RESTRICT,
            key=restriction_key(request),
            right=None,
            text=None,
            sections=named or tuple(Section),
        )
        parts.ledger.record(act, frozen, boards)
    if request.right in THE_PUPILS:
        tell_others(parts, act, visitor)
    return request


def _answer(parts: Parts, act: Act, visitor: Visitor, right: Right) -> Answer | None:
    known = parts.ledger.history(act.session, visitor.pupil).known
    if right is Right.ERASURE:
        return {"stops": [print_stop(stop) for stop in what_stops(parts, act, visitor.pupil, known)]}
    if right not in AT_ONCE:
        return None
    visited(act, visitor, Did.REQUEST_ANSWERED, right=str(right))
    gather = insight.everything if right is Right.ACCESS else insight.provided
    return gather(parts, act, visitor, known)


def _again(parts: Parts, visitor: Visitor, right: Right) -> Answer | None:
    with parts.journal.act(pupil=visitor.pupil) as act:
        entitled(parts, act, visitor)
        return _answer(parts, act, visitor, right)
