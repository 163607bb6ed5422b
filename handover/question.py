"""What a family is asked about one transfer: per section, what it needs, and what this visitor has answered."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.orm import Session

from consent.answers import Answers, present, standing, successors
from consent.events import Event
from consent.guardians import family
from consent.journal import Actor
from consent.rule import confirmed
from consent.tables import Pupil
from consent.terms import Ground, Policy, Role, Section, ground
from handover import notices
from handover.accesslog import Did, record
from handover.bundles import newest, versions_of
from handover.familylog import decides
from handover.idempotency import Answer
from handover.invitations import Visitor, admit
from handover.notices import Notice, Reader
from handover.parts import Parts
from handover.people import child_of
from handover.tables import Board, School, Transfer
from handover.transfers import boards_of, policy_of, print_policy, purpose_of, route_of, scope_of, sections_of, time

ANSWER_LASTS: Final = timedelta(days=365)


def requirements(policy: Policy, transfer: Transfer) -> dict[Section, Ground]:
    """Say what each section that is asked for needs, by the table of grounds."""
    route, purpose = route_of(transfer), purpose_of(transfer)
    return {name: ground(policy.kind, route, purpose, name).ground for name in sections_of(transfer)}


def notice_of(parts: Parts, session: Session, policy: Policy, transfer: Transfer, reader: Reader) -> Notice:
    """Give the text that this reader is shown about a transfer."""
    child = child_of(parts.keystore, session.get_one(Pupil, transfer.pupil)).first_name
    sender, receiver = (_school(session, code) for code in (transfer.sender, transfer.receiver))
    matter = notices.Matter(child, sender, receiver, purpose_of(transfer), until(transfer))
    return notices.notice(matter, requirements(policy, transfer), reader)


def reader_of(role: Role, known: Sequence[Event], now: datetime) -> Reader:
    """Say as what somebody reads: from 16 on the pupil decides, and those who hold gezag read beside it."""
    if role is Role.PUPIL:
        return Reader.PUPIL
    return Reader.BESIDE if decides(known, now) else Reader.HOLDER


def _school(session: Session, code: str) -> str:
    board = session.get_one(School, code).board
    return f"{code} van {session.get_one(Board, board).name}"


def until(transfer: Transfer) -> datetime:
    """Give the moment up to which an answer counts unless the family says sooner."""
    return transfer.opened_at + ANSWER_LASTS


def question(parts: Parts, token: str) -> Answer:
    """Show what is asked, who decides, and what this visitor has answered; that it was shown is logged."""
    visitor = admit(parts, token)
    with parts.journal.act(pupil=visitor.pupil) as act:
        transfer = act.session.get_one(Transfer, visitor.transfer)
        record(
            act,
            Did.QUESTION_SHOWN,
            Actor("family", visitor.person, {"role": str(visitor.role)}),
            outcome="granted",
            terms={"transfer": transfer.id},
            boards=boards_of(act.session, transfer),
            pupil=visitor.pupil,
        )
        known = parts.ledger.history(act.session, visitor.pupil).known
        policy = policy_of(parts, act.session, transfer)
        child = child_of(parts.keystore, act.session.get_one(Pupil, visitor.pupil))
        bundle = newest(act.session, transfer.id)
        below = parts.journal.first
        deciders = _deciders(known, below, visitor, transfer, act.now)
        reader = reader_of(visitor.role, known, act.now)
        text = notice_of(parts, act.session, policy, transfer, reader)
    own = _answers_of(visitor.person, known, below, transfer)
    return {
        "transfer": transfer.id,
        "child": child.first_name,
        "sender": transfer.sender,
        "receiver": transfer.receiver,
        "route": transfer.route,
        "purpose": transfer.purpose,
        "policy": print_policy(policy),
        "state": "open" if transfer.cancelled_at is None else "cancelled",
        "until": time(until(transfer)),
        "notice": print_notice(text) | {"id": text.id},
        "sections": _print_sections(requirements(policy, transfer), reader, own, versions_of(bundle)),
        "deciders": deciders,
    }


def print_notice(text: Notice) -> Answer:
    """Write a text, word for word, as answers hold it."""
    return {"version": notices.VERSION, "language": notices.LANGUAGE, "sha256": text.sha256, "text": text.text}


def _print_sections(
    needs: Mapping[Section, Ground],
    reader: Reader,
    own: tuple[set[Section], set[Section]],
    versions: Mapping[Section, str],
) -> list[Answer]:
    noes, grants = own
    shown = []
    for section, need in needs.items():
        answer = None
        if section in noes or section in grants:
            answer = "no" if section in noes else "yes"
        shown.append(
            {
                "section": str(section),
                "requirement": str(need),
                "choice": need in notices.CHOSEN and reader is not Reader.BESIDE,
                "version": versions.get(section),
                "answer": answer,
                "name": notices.name_of(section, reader),
                "text": notices.text_of(section, need, reader),
            }
        )
    return shown


def _deciders(known: Sequence[Event], below: int, visitor: Visitor, transfer: Transfer, now: datetime) -> list[Answer]:
    speakers = family(known, visitor.pupil, now, below)
    if speakers is None:
        return []
    return [
        {
            "person": person,
            "you": person == visitor.person,
            "answered": any(_answers_of(person, known, below, transfer)),
        }
        for person in speakers.deciders
    ]


def _answers_of(
    person: str, known: Sequence[Event], below: int, transfer: Transfer
) -> tuple[set[Section], set[Section]]:
    """Give the sections that this person said no to, and yes. A yes from below a rollback is asked for again."""
    whole, since = (answers_of(person, each, transfer) for each in (known, confirmed(known, below)))
    return set(whole.noes), set(since.grants)


def answers_of(person: str, known: Sequence[Event], transfer: Transfer) -> Answers:
    """Give what stands of this person's answers about a transfer, also where its receiver goes on under a new code."""
    chain = successors(known)
    here = present(scope_of(transfer), chain)
    return standing(known, chain).get(person, {}).get(here) or Answers()
