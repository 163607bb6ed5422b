"""What a family is asked about one transfer: per section, what it needs, and what this visitor has answered."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from consent.answers import Answers, Scope, standing, successors
from consent.events import Event
from consent.guardians import family
from consent.journal import Actor
from consent.rule import confirmed
from consent.tables import Pupil
from consent.terms import Ground, Policy, Purpose, Route, Section, ground
from handover import notices
from handover.accesslog import Did, record
from handover.bundles import newest, versions_of
from handover.idempotency import Answer
from handover.invitations import Visitor, admit
from handover.parts import Parts
from handover.people import child_of
from handover.tables import Bundle, Transfer
from handover.transfers import boards_of, policy_of, print_policy, sections_of, time

ANSWER_LASTS: Final = timedelta(days=365)


def requirements(policy: Policy, transfer: Transfer) -> dict[Section, Ground]:
    """Say what each section that is asked for needs, by the table of grounds."""
    route, purpose = Route(transfer.route), Purpose(transfer.purpose)
    return {name: ground(policy.kind, route, purpose, name).ground for name in sections_of(transfer)}


def notice_of(policy: Policy, transfer: Transfer) -> notices.Notice:
    """Give the text that is shown about a transfer."""
    needs = requirements(policy, transfer)
    statutory = Ground.STATUTORY in needs.values()
    ends, purpose = until(transfer), Purpose(transfer.purpose)
    return notices.notice(transfer.sender, transfer.receiver, purpose, ends, needs, statutory=statutory)


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
        "notice": _print_notice(policy, transfer),
        "sections": _print_sections(policy, transfer, visitor, known, below, bundle),
        "deciders": deciders,
    }


def _print_notice(policy: Policy, transfer: Transfer) -> Answer:
    text = notice_of(policy, transfer)
    return {
        "id": text.id,
        "version": notices.VERSION,
        "language": notices.LANGUAGE,
        "sha256": text.sha256,
        "text": text.text,
    }


def _print_sections(
    policy: Policy, transfer: Transfer, visitor: Visitor, known: Sequence[Event], below: int, bundle: Bundle | None
) -> list[Answer]:
    versions = versions_of(bundle)
    noes, grants = _answers_of(visitor.person, known, below, transfer)
    shown = []
    for section, need in requirements(policy, transfer).items():
        name, what = notices.SECTIONS[section]
        answer = None
        if section in noes or section in grants:
            answer = "no" if section in noes else "yes"
        shown.append(
            {
                "section": str(section),
                "requirement": str(need),
                "version": versions.get(section),
                "answer": answer,
                "name": name,
                "text": f"{what} {notices.HOW[need]}",
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
    scope, chain = _scope(transfer), successors(known)
    whole, since = (
        standing(each, chain).get(person, {}).get(scope) or Answers() for each in (known, confirmed(known, below))
    )
    return set(whole.noes), set(since.grants)


def _scope(transfer: Transfer) -> Scope:
    return Scope(transfer.sender, transfer.receiver, Purpose(transfer.purpose))
