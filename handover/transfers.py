"""Transfers: one pupil's file on its way from one school to another, and what both sides see of it.

The sender opens and cancels, the receiver confirms the aanmelding and acknowledges. Whether anything may leave is never
stored here: it is asked of the ledger each time.
"""

import secrets
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from consent.answers import Scope
from consent.db import reading
from consent.errors import IntegrityBroken
from consent.events import Draft, Kind
from consent.journal import Act, Appended, Told
from consent.search import PAGE_MAX, Criteria
from consent.terms import Ground, Policy, Purpose, Route, Section, ground
from crypto.encoding import JSON
from handover.accesslog import Did, record, staff
from handover.errors import NotTheirs, RequestRefused
from handover.idempotency import Answer, Once, carry_out
from handover.parts import Caller, Parts
from handover.people import own_pupil, staff_actor
from handover.tables import Bundle, Release, School, Transfer

PAGE = 50


def sections_of(transfer: Transfer) -> tuple[Section, ...]:
    """Give the sections that the sender wants to send, in order; raises `IntegrityBroken` where a row names others."""
    with _as_written(transfer):
        return tuple(Section(name) for name in transfer.sections.split(","))


def purpose_of(transfer: Transfer) -> Purpose:
    """Give what a transfer is for; raises `IntegrityBroken` where a row says what no transfer is for."""
    with _as_written(transfer):
        return Purpose(transfer.purpose)


def route_of(transfer: Transfer) -> Route:
    """Give the route of a transfer; raises `IntegrityBroken` where a row names none."""
    with _as_written(transfer):
        return Route(transfer.route)


@contextmanager
def _as_written(transfer: Transfer) -> Iterator[None]:
    try:
        yield
    except ValueError:
        raise IntegrityBroken("the transfer isn't as it was opened", transfer.entry) from None


def scope_of(transfer: Transfer) -> Scope:
    """Give a transfer as the ledger's events name it."""
    return Scope(transfer.sender, transfer.receiver, purpose_of(transfer))


def transfers_of(session: Session, bundles: Collection[str]) -> dict[str, Transfer]:
    """Give the transfers that bundles belong to."""
    wanted = select(Bundle.id, Transfer).join(Transfer, Transfer.id == Bundle.transfer).where(Bundle.id.in_(bundles))
    found = session.execute(wanted).all()
    return {row[0]: row[1] for row in found}


def policy_of(parts: Parts, session: Session, transfer: Transfer) -> Policy:
    """Give the sending board's policy as it was when the transfer opened: the entry that froze it is read again.

    So is the entry that opened the transfer: a row that somebody has led to another pupil, school, route or purpose
    would be judged by what another family said. Raises `IntegrityBroken` for such a row, and for another's policy.
    """
    opened = parts.journal.read(session, transfer.entry)
    said = (opened.type, opened.pupil, opened.sections, opened.terms)
    if said != (int(Did.TRANSFER_OPENED), transfer.pupil, sections_of(transfer), _terms(transfer)):
        raise IntegrityBroken("the transfer isn't as it was opened", transfer.entry)
    event = parts.ledger.policy_at(session, transfer.policy)
    if event.board != session.get_one(School, transfer.sender).board:
        raise IntegrityBroken("another board's policy", transfer.policy)
    assert event.policy is not None  # `policy_at` refuses an entry without one
    return event.policy


def time(moment: datetime | None) -> str | None:
    """Write a moment as answers hold it: RFC 3339, UTC, Z."""
    return None if moment is None else moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def of_caller(session: Session, caller: Caller, transfer: str) -> Transfer:
    """Give a transfer of which the caller is a side; raises the one answer for absent and foreign."""
    row = session.get(Transfer, transfer)
    if row is None or caller.school not in (row.sender, row.receiver):
        raise NotTheirs
    return row


def of_side(session: Session, caller: Caller, transfer: str, side: str) -> Transfer:
    """Give a transfer of which the caller is that side (`sender` or `receiver`)."""
    row = of_caller(session, caller, transfer)
    if getattr(row, side) != caller.school:
        raise RequestRefused("OTHER_SIDE", 403, f"Only the {side} can do this.")
    return row


def still_open(transfer: Transfer) -> Transfer:
    """Give the transfer back unless it was cancelled."""
    if transfer.cancelled_at is not None:
        raise RequestRefused("CANCELLED", 409, "This transfer was cancelled. Open a new one.")
    return transfer


def was_cancelled(parts: Parts, session: Session, transfer: Transfer) -> bool:
    """Tell whether a transfer was cancelled: by its row, or by the journal where somebody has led the row back."""
    if transfer.cancelled_at is not None:
        return True
    [board] = boards_of(session, transfer)
    wanted = Criteria(pupil=transfer.pupil, type=int(Did.TRANSFER_CANCELLED))
    found = parts.journal.search(session, board, wanted, limit=PAGE_MAX)
    return any(one.terms is not None and one.terms["transfer"] == transfer.id for one in found)


def boards_of(session: Session, transfer: Transfer) -> tuple[str, ...]:
    """Give the boards that see everything about a transfer: the pupil's, which is the sender's."""
    return (session.get_one(School, transfer.sender).board,)


def tell_receiver(
    session: Session, transfer: Transfer, outcome: str | None, *sees: Literal["actor", "terms"]
) -> dict[str, Told]:
    """Say what the receiver's board hears of an entry about a transfer: an outcome, and what its own staff did."""
    return {session.get_one(School, transfer.receiver).board: Told(outcome, sees)}


def pupil_of(parts: Parts, caller: Caller, transfer: str) -> str:
    """Give the pupil that a use case on this transfer has to lock, before its transaction begins."""
    with reading(parts.main) as session:
        return of_caller(session, caller, transfer).pupil


def open_transfer(parts: Parts, caller: Caller, once: Once, body: Mapping[str, Any]) -> Answer:
    """Open a transfer for a pupil of the caller's board; the board's policy is frozen with it."""
    pupil, receiver = str(body["pupil"]), str(body["receiver"])
    with reading(parts.main) as session:
        own_pupil(session, caller, pupil)

    def work(act: Act) -> Answer | RequestRefused:
        chosen = parts.ledger.policy_of(act.session, caller.board)
        if chosen is None or chosen.policy is None:
            return RequestRefused("POLICY_MISSING", 409, "Your board hasn't chosen a policy yet.")
        other = act.session.get(School, receiver)
        if other is None or receiver == caller.school:
            where = {"/receiver": "Not a school of this service, or your own."}
            return RequestRefused("RECEIVER_UNKNOWN", 422, "This receiver isn't known here.", where)
        row = Transfer(
            id=secrets.token_hex(16),
            pupil=pupil,
            sender=caller.school,
            receiver=receiver,
            route=body["route"],
            purpose=body["purpose"],
            sections=",".join(name for name in Section if name in body["sections"]),
            policy=chosen.index,
            opened_at=act.now,
        )
        row.entry = _logged(act, Did.TRANSFER_OPENED, caller, row, tell_receiver(act.session, row, "granted")).index
        act.session.add(row)
        return {"transfer": row.id, "policy": str(chosen.policy.kind)}

    return carry_out(parts, once, lambda: parts.journal.act(pupil=pupil), work)


def cancel(parts: Parts, caller: Caller, once: Once, transfer: str) -> Answer:
    """Cancel a transfer: nothing is released from then on. A wrong receiver is cancelled, never redirected."""

    def work(act: Act) -> Answer:
        row = of_side(act.session, caller, transfer, "sender")
        if row.cancelled_at is None:
            row.cancelled_at = act.now
        _logged(act, Did.TRANSFER_CANCELLED, caller, row, tell_receiver(act.session, row, "granted"))
        return {"transfer": row.id, "state": "cancelled"}

    pupil = pupil_of(parts, caller, transfer)
    return carry_out(parts, once, lambda: parts.journal.act(pupil=pupil), work)


def confirm_application(parts: Parts, caller: Caller, once: Once, transfer: str) -> Answer:
    """Record the receiver's word that the family has applied there (aanmelding)."""

    def work(act: Act) -> Answer:
        row = still_open(of_side(act.session, caller, transfer, "receiver"))
        parts.ledger.record(
            act,
            Draft(
                kind=Kind.APPLIED,
                key=f"applied-{transfer}-{once.key}",
                by=staff_actor(caller),
                subject=row.pupil,
                receiver=row.receiver,
            ),
            boards_of(act.session, row),
            tell_receiver(act.session, row, None, "actor", "terms"),
        )
        return {"transfer": row.id, "applied": True}

    pupil = pupil_of(parts, caller, transfer)
    return carry_out(parts, once, lambda: parts.journal.act(pupil=pupil), work)


def invoke_law(parts: Parts, caller: Caller, once: Once, transfer: str, sections: list[str]) -> Answer:
    """Record that the sender invokes the law for sections that the table of grounds calls statutory."""

    def work(act: Act) -> Answer | RequestRefused:
        row = still_open(of_side(act.session, caller, transfer, "sender"))
        kind, asked = policy_of(parts, act.session, row).kind, [name for name in Section if name in sections]
        cells = {name: ground(kind, route_of(row), purpose_of(row), name) for name in asked}
        sent = sections_of(row)
        wrong = [name for name, cell in cells.items() if cell.ground is not Ground.STATUTORY or name not in sent]
        if wrong:
            where = {
                f"/sections/{sections.index(name)}": "Not asked for here, or not sent by the law." for name in wrong
            }
            return RequestRefused("NOT_STATUTORY", 422, "Under your board's policy these need consent.", where)
        for name, cell in cells.items():
            parts.ledger.record(
                act,
                Draft(
                    kind=Kind.STATUTORY,
                    key=f"law-{transfer}-{name}-{once.key}",
                    by=staff_actor(caller),
                    subject=row.pupil,
                    sender=row.sender,
                    receiver=row.receiver,
                    purpose=purpose_of(row),
                    sections=(name,),
                    article=cell.source,
                ),
                boards_of(act.session, row),
            )
        return {"transfer": row.id, "sections": [str(name) for name in asked]}

    pupil = pupil_of(parts, caller, transfer)
    return carry_out(parts, once, lambda: parts.journal.act(pupil=pupil), work)


def acknowledge(parts: Parts, caller: Caller, once: Once, transfer: str, body: Mapping[str, Any]) -> Answer:
    """Record that the receiver has the dossier, whether the pupil is placed, and what the dossier is used for.

    It may be said again where it was wrong, each time with its entry. Terms count from the first time.
    """

    def work(act: Act) -> Answer | RequestRefused:
        row = still_open(of_side(act.session, caller, transfer, "receiver"))
        went = select(Release.index).where(Release.transfer == row.id, Release.outcome.is_distinct_from("aborted"))
        if act.session.scalar(went.limit(1)) is None:
            return RequestRefused("NOTHING_RELEASED", 409, "Nothing of this transfer was released to you yet.")
        row.received_at, row.placed = row.received_at or act.now, body["placed"]
        row.used_for = ",".join(sorted(body.get("used_for", []))) or row.used_for
        told = tell_receiver(act.session, row, "granted", "actor", "terms")
        _logged(act, Did.ACKNOWLEDGED, caller, row, told, placed=row.placed, used_for=row.used_for)
        return {"transfer": row.id, "received_at": time(row.received_at), "placed": row.placed}

    pupil = pupil_of(parts, caller, transfer)
    return carry_out(parts, once, lambda: parts.journal.act(pupil=pupil), work)


def page(session: Session, caller: Caller, side: str, cursor: str | None) -> tuple[list[Transfer], str | None]:
    """Give one page of the caller's transfers on a side, newest first, and where the next one starts."""
    column = Transfer.sender if side == "sender" else Transfer.receiver
    wanted = select(Transfer).where(column == caller.school)
    if cursor is not None:
        after = session.get(Transfer, cursor)
        if after is None or getattr(after, side) != caller.school:
            raise NotTheirs
        wanted = wanted.where(tuple_(Transfer.opened_at, Transfer.id) < (after.opened_at, after.id))
    rows = list(session.scalars(wanted.order_by(Transfer.opened_at.desc(), Transfer.id.desc()).limit(PAGE + 1)))
    return rows[:PAGE], rows[PAGE - 1].id if len(rows) > PAGE else None


def print_policy(policy: Policy) -> dict[str, object]:
    """Write a policy as it is frozen with a transfer and shown to families."""
    return {
        "kind": str(policy.kind),
        "waiting_days": policy.waiting_days,
        "consent_level": int(policy.consent_level),
        "explicit_level": int(policy.explicit_level),
    }


def _terms(row: Transfer) -> dict[str, JSON]:
    names = ("receiver", "route", "purpose", "policy")
    return {"school": row.sender, "transfer": row.id, **{name: getattr(row, name) for name in names}}


def _logged(act: Act, did: Did, caller: Caller, row: Transfer, told: Mapping[str, Told], **more: JSON) -> Appended:
    return record(
        act,
        did,
        staff(caller),
        outcome="granted",
        terms=_terms(row) | {"school": caller.school} | more,
        boards=boards_of(act.session, row),
        told=told,
        pupil=row.pupil,
        sections=sections_of(row),
    )
