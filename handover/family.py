"""The family's side: what is asked, and the answers, withdrawals, inzage, views and objections that come back.

Each is one event or two in the ledger, recorded under the pupil's lock; nothing about who decided what is stored
anywhere else. Every other holder is told of each change.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from consent import ledger
from consent.db import reading
from consent.events import Draft, Event, Kind, Shown
from consent.journal import Act
from consent.terms import Collected, Ground, Purpose, Section
from handover import notices
from handover.bundles import handed_out, newest, shred, start_shredding, versions_of
from handover.errors import RequestRefused
from handover.idempotency import Answer, Once, carry_out
from handover.invitations import Visitor, admit
from handover.outbox import deliver, post
from handover.parts import Parts
from handover.people import contacts
from handover.question import notice_of, requirements, until
from handover.tables import Transfer
from handover.transfers import still_open
from handover.words import keep_words


def answer(parts: Parts, once: Callable[[str], Once], body: Mapping[str, Any]) -> Answer:
    """Record a visitor's yes and no per section. A section that isn't named stays open, and open is no."""

    def work(act: Act, transfer: Transfer, visitor: Visitor, key: str) -> list[Event]:
        if body["notice"] != notice_of(transfer).sha256:
            raise RequestRefused("NOTICE_CHANGED", 409, "The text has changed since it was shown. Read it again.")
        needs, answers = requirements(transfer), body["answers"]
        _only(answers, needs, lambda need: need in (Ground.CONSENT, Ground.EXPLICIT_CONSENT))
        ends = min(body.get("valid_until") or until(transfer), until(transfer))
        if ends <= act.now:
            where = {"/valid_until": "Must lie ahead."}
            raise RequestRefused("INVALID", 422, "An answer can't end before it begins.", where)
        made: list[Event] = []
        for need in (Ground.CONSENT, Ground.EXPLICIT_CONSENT):
            yes = tuple(s for s in Section if answers.get(s) == "yes" and needs[s] is need)
            if yes:
                draft = _said(act, Kind.GRANT, transfer, visitor, f"{key}-{need}", sections=yes)
                more: dict[str, Any] = {"ground": need, "valid_until": ends, "adds": made[-1].id if made else None}
                made.append(ledger.record(act, replace(draft, **more)))
        if no := tuple(s for s in Section if answers.get(s) == "no"):
            made.append(ledger.record(act, _said(act, Kind.REFUSE, transfer, visitor, f"{key}-no", sections=no)))
        return made

    return _recorded(parts, once, body["token"], work)


def withdraw(parts: Parts, once: Callable[[str], Once], body: Mapping[str, Any]) -> Answer:
    """Take consent back. The share goes after seven days, or at once; what was already opened is told."""
    sections = tuple(s for s in Section if s in body["sections"])
    doomed: list[str] = []

    def work(act: Act, transfer: Transfer, visitor: Visitor, key: str) -> list[Event]:
        made = [ledger.record(act, _said(act, Kind.WITHDRAW, transfer, visitor, key, sections=sections))]
        bundle = newest(act.session, transfer.id)
        if body["destroy_now"] and bundle is not None:
            start_shredding(parts, act, transfer, bundle, sections, why="withdrawn")
            doomed.append(bundle.id)
        return made

    told = _recorded(parts, once, body["token"], work, cancelled_too=True)
    for bundle in doomed:
        shred(parts, bundle)
    visitor = admit(parts, body["token"])
    with reading(parts.main) as session:
        opened = handed_out(session, visitor.transfer)
    return {**told, "opened": [str(s) for s in sections if s in opened]}


def inzage(parts: Parts, once: Callable[[str], Once], body: Mapping[str, Any]) -> Answer:
    """Record that a visitor has seen exactly these versions, and perhaps needs no more time."""

    def work(act: Act, transfer: Transfer, visitor: Visitor, key: str) -> list[Event]:
        present = versions_of(newest(act.session, transfer.id))
        wrong = [name for name, version in body["versions"].items() if present.get(Section(name)) != version]
        if wrong:
            where = {f"/versions/{name}": "Not the present version." for name in wrong}
            raise RequestRefused("OTHER_VERSION", 409, "The file has changed. Read the present version.", where)
        shown = {Section(name): version for name, version in body["versions"].items()}
        draft = _said(act, Kind.INZAGE, transfer, visitor, key)
        return [ledger.record(act, replace(draft, versions=shown, done=body["done"]))]

    return _recorded(parts, once, body["token"], work)


def view(parts: Parts, once: Callable[[str], Once], body: Mapping[str, Any]) -> Answer:
    """Record somebody's own words about the file, and whether they may travel with it."""

    def work(act: Act, transfer: Transfer, visitor: Visitor, key: str) -> list[Event]:
        draft = _said(act, Kind.VIEW, transfer, visitor, key)
        digest = hashlib.sha256(body["text"].encode()).hexdigest()
        event = ledger.record(act, replace(draft, text=digest, travels=body["travels"], done=body["done"]))
        keep_words(parts, act, transfer, event.id, body["text"])
        return [event]

    return _recorded(parts, once, body["token"], work)


def objection(parts: Parts, once: Callable[[str], Once], body: Mapping[str, Any]) -> Answer:
    """Record an objection to sections that the law lets the school send (AVG art. 21)."""

    def work(act: Act, transfer: Transfer, visitor: Visitor, key: str) -> list[Event]:
        needs = requirements(transfer)
        _only(dict.fromkeys(body["sections"]), needs, lambda need: need is Ground.STATUTORY)
        sections = tuple(s for s in Section if s in body["sections"])
        event = ledger.record(act, _said(act, Kind.OBJECT, transfer, visitor, key, sections=sections))
        keep_words(parts, act, transfer, event.id, body["reason"])
        return [event]

    return _recorded(parts, once, body["token"], work)


_Work = Callable[[Act, Transfer, Visitor, str], list[Event]]


def _recorded(
    parts: Parts, once: Callable[[str], Once], token: str, work: _Work, *, cancelled_too: bool = False
) -> Answer:
    """Record what a visitor says, tell the others, and answer with the events and the checkpoint that holds them."""
    visitor = admit(parts, token)
    this = once(visitor.invitation)

    def recorded(act: Act) -> Answer:
        transfer = act.session.get_one(Transfer, visitor.transfer)
        if not cancelled_too:
            still_open(transfer)
        made = work(act, transfer, visitor, f"{this.key}-{visitor.invitation}")
        for contact in contacts(parts.keystore, act.session, visitor.pupil).values():
            if contact.person != visitor.person:
                post(parts, act, visitor.pupil, contact.mail, "changed")
        return {"events": [event.id for event in made]}

    answer = carry_out(parts, this, lambda: parts.journal.act(pupil=visitor.pupil), recorded)
    deliver(parts)
    with reading(parts.main) as session:
        checkpoint = parts.journal.checkpoint(session).decode()
    return {**answer, "checkpoint": checkpoint}


def _only(named: Mapping[str, object], needs: Mapping[Section, Ground], allowed: Callable[[Ground], bool]) -> None:
    """Refuse sections that aren't asked for, or that the law gives another say about."""
    wrong = [name for name in named if Section(name) not in needs or not allowed(needs[Section(name)])]
    if wrong:
        where = {f"/{name}": "This isn't asked in this way." for name in wrong}
        raise RequestRefused("SECTION_NOT_ASKED", 422, "An answer is about what is asked.", where)


def _said(
    act: Act, kind: Kind, transfer: Transfer, visitor: Visitor, key: str, sections: Sequence[Section] | None = None
) -> Draft:
    text = notice_of(transfer)
    return Draft(
        kind=kind,
        key=key[:128],
        by=visitor.actor,
        subject=visitor.pupil,
        sender=transfer.sender,
        receiver=transfer.receiver,
        purpose=Purpose(transfer.purpose),
        sections=tuple(sections) if sections is not None else None,
        decided_at=act.now,
        notice=Shown(text.id, notices.VERSION, notices.LANGUAGE, text.sha256),
        collected=Collected.ONLINE,
    )
