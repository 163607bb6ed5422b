"""What each side of a transfer sees of it. The sender sees every reason; the receiver sees nothing it hasn't opened."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from consent.answers import present, present_code, scope_of, successors
from consent.db import reading
from consent.errors import IntegrityBroken
from consent.events import Event, Kind
from consent.ledger import History
from consent.rule import Granted, Reason, allows, confirmed, decide
from consent.terms import Section
from handover.asked import asked
from handover.bundles import handed_out, newest, question_of, versions_of
from handover.idempotency import Answer
from handover.parts import Caller, Parts
from handover.proposals import of_transfer
from handover.season import owing
from handover.tables import Bundle, Release, Transfer
from handover.transfers import of_caller, page, policy_of, sections_of, time
from handover.transfers import scope_of as scope_of_transfer
from handover.words import read_words, words_shown

_SAID: Final = frozenset(
    {
        Reason.WAITING,
        Reason.OBJECTION_OPEN,
        Reason.OBJECTION_UPHELD,
        Reason.PUPIL_OBJECTS,
        Reason.GUARDIAN_OBJECTS,
        Reason.WITHDRAWN,
        Reason.NOT_YET_VALID,
    }
)
"""Reasons that name somebody who has said all there was to say: nothing is waited for of that person."""


def one(parts: Parts, caller: Caller, transfer: str) -> Answer:
    """Show one transfer to one of its sides."""
    with reading(parts.main) as session:
        found = _show(parts, session, caller, of_caller(session, caller, transfer))
    words_shown(parts, caller, _writers(found))
    return found


def listing(parts: Parts, caller: Caller, side: str, cursor: str | None) -> Answer:
    """Show a page of the caller's transfers: the sender's work list, or the receiver's inbox."""
    with reading(parts.main) as session:
        rows, following = page(session, caller, side, cursor)
        found = [_show(parts, session, caller, row) for row in rows]
    words_shown(parts, caller, (look for each in found for look in _writers(each)))
    return {"transfers": found, "next": following}


def _writers(found: Answer) -> Iterator[tuple[str, str, str]]:
    """Name whose words an answer shows, by pupil, transfer and person."""
    for one in (*found.get("objections", ()), *found.get("views", ())):
        yield found["pupil"], found["transfer"], one["person"]


def _show(parts: Parts, session: Session, caller: Caller, row: Transfer) -> Answer:
    history = parts.ledger.history(session, row.pupil)
    chain = successors(history.known)
    applied = [e for e in confirmed(history.known, parts.journal.first) if e.kind is Kind.APPLIED]
    shared: dict[str, Any] = {
        "transfer": row.id,
        "route": row.route,
        "purpose": row.purpose,
        "state": "open" if row.cancelled_at is None else "cancelled",
        "applied": any(present_code(event.receiver, chain) == row.receiver for event in applied),
        "opened_at": time(row.opened_at),
    }
    if caller.school == row.sender:
        return shared | _for_sender(parts, session, row, history)
    return shared | _for_receiver(session, row, history.known)


def _for_sender(parts: Parts, session: Session, row: Transfer, history: History) -> Answer:
    bundle, now, known = newest(session, row.id), parts.clock(), history.known
    names = row.sections.split(",")
    try:
        policy, decisions, waiting = _decided(parts, session, row, bundle, history, now)
    except IntegrityBroken:  # the gate refuses all of it for the same reason; the sender's other transfers go on
        policy, decisions, waiting = None, dict.fromkeys(names, _refused(Reason.LEDGER_INTEGRITY)), set()
    releases = session.scalars(select(Release).where(Release.transfer == row.id).order_by(Release.index))
    return {
        "side": "sender",
        "pupil": row.pupil,
        "receiver": row.receiver,
        "sections": names,
        "policy": policy,
        "bundle": _bundle(bundle, with_versions=True),
        "seal_again": _seal_again(parts, session, row, bundle, now),
        "decisions": decisions,
        "waiting_for": sorted(waiting) if row.cancelled_at is None else [],
        "proposals": of_transfer(session, row.id, now),
        "objections": _objections(parts, session, row, known),
        "views": _views(parts, session, row, known),
        "released": [_release(each) for each in releases],
        "acknowledgement": _acknowledgement(row),
    }


def _decided(
    parts: Parts, session: Session, row: Transfer, bundle: Bundle | None, history: History, now: datetime
) -> tuple[str | None, dict[str, Answer], set[str]]:
    """Give the policy, what the rule says now of each section, and whose answer it waits for."""
    policy, below = policy_of(parts, session, row), parts.journal.first
    decisions: dict[str, Answer] = {}
    waiting = {person.id for person in owing(history.known, row, policy, bundle, now, below) or ()}
    for section in sections_of(row):
        asked = question_of(row, bundle, (section,))
        decision = decide(asked, history.events, history.newest_number, policy, now, below)
        if isinstance(decision, Granted):
            decisions[str(section)] = {"granted": True, "reason": None, "allows": None}
            continue
        decisions[str(section)] = _refused(decision.reason)
        if decision.reason not in _SAID:
            waiting |= set(decision.detail.persons)
    return policy.kind, decisions, waiting


def _refused(reason: Reason) -> Answer:
    return {"granted": False, "reason": reason.name, "allows": allows(reason).staff}


def _seal_again(parts: Parts, session: Session, row: Transfer, bundle: Bundle | None, now: datetime) -> bool:
    """Tell whether a bundle that is still to be opened is sealed to a key that the receiver no longer uses."""
    if bundle is None or row.cancelled_at is not None or row.received_at is not None:
        return False
    key = parts.register.current(session, row.receiver, "seal", now)
    return key is None or key.kid != bundle.to_kid


def _release(row: Release) -> Answer:
    return {"sections": row.sections.split(","), "at": time(row.at), "outcome": row.outcome}


def _for_receiver(session: Session, row: Transfer, known: Sequence[Event]) -> Answer:
    bundle = newest(session, row.id)
    opened = handed_out(session, row.id)
    withdrawn = _withdrawn(row, known)
    older = select(Release.index).where(Release.transfer == row.id)
    if bundle is not None:
        older = older.where(Release.bundle != bundle.id)
    return {
        "side": "receiver",
        "sender": row.sender,
        "bundle": _bundle(bundle, with_versions=False),
        "opened": [str(section) for section in Section if section in opened],
        "withdrawn": [str(section) for section in Section if section in opened & withdrawn],
        "superseded": session.scalar(older.limit(1)) is not None,
        "acknowledgement": _acknowledgement(row),
    }


def _withdrawn(row: Transfer, known: Sequence[Event]) -> set[Section]:
    """Give the sections of which a withdrawal stands: whoever took consent back hasn't said yes again since."""
    chain = successors(known)
    try:
        here = present(scope_of_transfer(row), chain)
    except IntegrityBroken:  # nobody can say what was said of it
        return set()
    taken_back: set[tuple[str, Section]] = set()
    for event in known:
        if scope_of(event, chain) != here:
            continue
        theirs = {(event.by.person, section) for section in event.sections or ()}
        if event.kind is Kind.WITHDRAW:
            taken_back |= theirs
        elif event.kind is Kind.GRANT:
            taken_back -= theirs
        elif event.kind is Kind.VIEW and event.travels:
            taken_back.discard((event.by.person, Section.VIEWS))
    return {section for _, section in taken_back}


def _bundle(bundle: Bundle | None, *, with_versions: bool) -> Answer | None:
    if bundle is None:
        return None
    shown: Answer = {
        "bundle": bundle.id,
        "uploaded_at": time(bundle.uploaded_at),
        "expires_at": time(bundle.expires_at),
    }
    if with_versions:
        with suppress(IntegrityBroken):  # then it has none that anybody could name
            shown["versions"] = {str(name): version for name, version in versions_of(bundle).items()}
    return shown


def _acknowledgement(row: Transfer) -> Answer | None:
    if row.received_at is None:
        return None
    used_for = row.used_for.split(",") if row.used_for else []
    return {"received_at": time(row.received_at), "placed": row.placed, "used_for": used_for}


def _objections(parts: Parts, session: Session, row: Transfer, known: Sequence[Event]) -> list[Answer]:
    words = read_words(parts, session, row)
    return [
        {
            "event": one.event.id,
            "person": one.event.by.person,
            "sections": [str(section) for section in one.event.sections or ()],
            "reason": words[one.event.id],
            "due": time(one.due),
            "upheld": one.closed.upheld if one.closed else None,
        }
        for one in asked(known)
        if one.event.kind is Kind.OBJECT and one.event.id in words
    ]


def _views(parts: Parts, session: Session, row: Transfer, known: Sequence[Event]) -> list[Answer]:
    words = read_words(parts, session, row)
    return [
        {"event": event.id, "person": event.by.person, "travels": event.travels, "text": words[event.id]}
        for event in known
        if event.kind is Kind.VIEW and event.id in words
    ]
