"""The family's side: the answers, withdrawals, inzage, views and objections that come in with a token.

Each is one event or two in the ledger, recorded under the pupil's lock; nothing about who decided what is stored
anywhere else. Every other person who can be reached is told that something changed.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from consent.db import reading
from consent.events import Draft, Event, Kind
from consent.fields import Shown
from consent.journal import Act
from consent.terms import Collected, Ground, Purpose, Section
from handover import notices
from handover.bundles import free_sections, handed_out, newest, shred, start_shredding, versions_of
from handover.errors import RequestRefused
from handover.familylog import tell_others
from handover.idempotency import Answer, Once, carry_out
from handover.invitations import Visitor, admit
from handover.outbox import deliver, post
from handover.parts import Parts
from handover.people import reachable
from handover.question import notice_of, requirements, until
from handover.retention import Kept
from handover.tables import Transfer
from handover.transfers import boards_of, policy_of, still_open
from handover.words import keep_words

MakeOnce = Callable[[str], Once]
"""Makes the request's identity, given who sends it: only the token tells that."""


@dataclass(frozen=True, slots=True)
class _Visit:
    """A visitor who says something about a transfer, within an act that holds the pupil's lock."""

    parts: Parts
    act: Act
    transfer: Transfer
    visitor: Visitor
    key: str

    def needs(self) -> dict[Section, Ground]:
        """Say what each section that is asked for needs."""
        return requirements(policy_of(self.parts, self.act.session, self.transfer), self.transfer)

    def notice(self) -> notices.Notice:
        """Give the text that this visitor was shown."""
        return notice_of(policy_of(self.parts, self.act.session, self.transfer), self.transfer)

    def say(self, kind: Kind, **fields: Any) -> Event:
        """Record one event of this visitor."""
        text = self.notice()
        draft = Draft(
            kind=kind,
            key=f"{kind.name}-{fields.get('ground', '')}-{self.visitor.invitation}-{self.key}",
            by=self.visitor.actor,
            subject=self.visitor.pupil,
            sender=self.transfer.sender,
            receiver=self.transfer.receiver,
            purpose=Purpose(self.transfer.purpose),
            decided_at=self.act.now,
            notice=Shown(text.id, notices.VERSION, notices.LANGUAGE, text.sha256),
            collected=Collected.ONLINE,
            **fields,
        )
        return self.parts.ledger.record(self.act, draft, boards_of(self.act.session, self.transfer))


def answer(parts: Parts, once: MakeOnce, body: Mapping[str, Any]) -> Answer:
    """Record a visitor's yes and no per section. A section that isn't named stays open, and open is no."""

    def work(visit: _Visit) -> list[Event]:
        if body["notice"] != visit.notice().sha256:
            raise RequestRefused("NOTICE_CHANGED", 409, "The text has changed since it was shown. Read it again.")
        needs, answers = visit.needs(), body["answers"]
        _only({name: f"/answers/{name}" for name in answers}, needs, {Ground.CONSENT, Ground.EXPLICIT_CONSENT})
        latest = until(visit.transfer)
        ends = min(body.get("valid_until") or latest, latest)
        if ends <= visit.act.now:
            where = {"/valid_until": "Must lie ahead."}
            raise RequestRefused("INVALID", 422, "An answer can't end before it begins.", where)
        made: list[Event] = []
        for need in (Ground.CONSENT, Ground.EXPLICIT_CONSENT):
            if yes := tuple(s for s in Section if answers.get(s) == "yes" and needs[s] is need):
                adds = made[-1].id if made else None
                made.append(visit.say(Kind.GRANT, sections=yes, ground=need, valid_until=ends, adds=adds))
        if no := tuple(s for s in Section if answers.get(s) == "no"):
            made.append(visit.say(Kind.REFUSE, sections=no))
        return made

    return _recorded(parts, once, body["token"], work)


def withdraw(parts: Parts, once: MakeOnce, body: Mapping[str, Any]) -> Answer:
    """Take consent back; the answer tells what was already opened.

    The share goes after seven days, or at once where that is asked and nobody holds it back.
    """
    sections = _ordered(body["sections"])
    doomed: list[str] = []
    opened: list[Section] = []

    def work(visit: _Visit) -> list[Event]:
        made = [visit.say(Kind.WITHDRAW, sections=sections)]
        bundle = newest(visit.act.session, visit.transfer.id)
        if body["destroy_now"] and bundle is not None:
            free = free_sections(parts, visit.act, visit.transfer, sections, kept=Kept.WITHDRAWN_SHARE)
            start_shredding(parts, visit.act, visit.transfer, bundle, free, why="withdrawn")
            doomed.append(bundle.id)
        went = handed_out(visit.act.session, visit.transfer.id)
        opened.extend(section for section in sections if section in went)
        return made

    told = _recorded(parts, once, body["token"], work, cancelled_too=True, opened=opened)
    for bundle in doomed:
        shred(parts, bundle)
    return told


def inzage(parts: Parts, once: MakeOnce, body: Mapping[str, Any]) -> Answer:
    """Record that a visitor has seen exactly these versions, and perhaps needs no more time."""

    def work(visit: _Visit) -> list[Event]:
        present = versions_of(newest(visit.act.session, visit.transfer.id))
        wrong = [name for name, version in body["versions"].items() if present.get(Section(name)) != version]
        if wrong:
            where = {f"/versions/{name}": "Not the present version." for name in wrong}
            raise RequestRefused("OTHER_VERSION", 409, "The file has changed. Read the present version.", where)
        shown = {section: body["versions"][section] for section in _ordered(body["versions"])}
        return [visit.say(Kind.INZAGE, versions=shown, done=body["done"])]

    return _recorded(parts, once, body["token"], work)


def view(parts: Parts, once: MakeOnce, body: Mapping[str, Any]) -> Answer:
    """Record somebody's own words about the file, and whether they may travel with it."""

    def work(visit: _Visit) -> list[Event]:
        digest = hashlib.sha256(body["text"].encode()).hexdigest()
        event = visit.say(Kind.VIEW, text=digest, travels=body["travels"], done=body["done"])
        keep_words(parts, visit.act, visit.transfer, event.id, body["text"])
        return [event]

    return _recorded(parts, once, body["token"], work)


def objection(parts: Parts, once: MakeOnce, body: Mapping[str, Any]) -> Answer:
    """Record an objection to sections that the law lets the school send (AVG art. 21)."""

    def work(visit: _Visit) -> list[Event]:
        places = {name: f"/sections/{at}" for at, name in enumerate(body["sections"])}
        _only(places, visit.needs(), {Ground.STATUTORY})
        event = visit.say(Kind.OBJECT, sections=_ordered(body["sections"]))
        keep_words(parts, visit.act, visit.transfer, event.id, body["reason"])
        return [event]

    return _recorded(parts, once, body["token"], work, tell=tell_others)


def _tell_others(parts: Parts, act: Act, visitor: Visitor) -> None:
    for contact in reachable(parts, act, visitor.pupil).values():
        if contact.person != visitor.person:
            post(parts, act, visitor.pupil, contact, "changed")


def _recorded(
    parts: Parts,
    once: MakeOnce,
    token: str,
    work: Callable[[_Visit], list[Event]],
    *,
    cancelled_too: bool = False,
    tell: Callable[[Parts, Act, Visitor], None] = _tell_others,
    **more: list[Section],
) -> Answer:
    """Record what a visitor says, tell the others, and answer with the events and the checkpoint that holds them."""
    visitor = admit(parts, token)
    this = once(visitor.invitation)

    def recorded(act: Act) -> Answer:
        transfer = act.session.get_one(Transfer, visitor.transfer)
        if not cancelled_too:
            still_open(transfer)
        made = work(_Visit(parts, act, transfer, visitor, this.key))
        tell(parts, act, visitor)
        return {"events": [event.id for event in made], **more}

    told = carry_out(parts, this, lambda: parts.journal.act(pupil=visitor.pupil), recorded)
    deliver(parts)
    with reading(parts.main) as session:
        checkpoint = parts.journal.checkpoint(session).decode()
    return {**told, "checkpoint": checkpoint}


def _only(places: Mapping[str, str], needs: Mapping[Section, Ground], allowed: set[Ground]) -> None:
    """Refuse sections that aren't asked for, or about which the law gives another say; each has its place."""
    where = {
        at: "This isn't asked in this way." for name, at in places.items() if needs.get(Section(name)) not in allowed
    }
    if where:
        raise RequestRefused("SECTION_NOT_ASKED", 422, "An answer is about what is asked.", where)


def _ordered(names: Iterable[str]) -> tuple[Section, ...]:
    named = set(names)
    return tuple(section for section in Section if section in named)
