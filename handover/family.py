"""The family's side: the answers, withdrawals, inzage, views and objections that come in with a token.

Each is one event or two in the ledger, recorded under the pupil's lock; nothing about who decided what is stored
anywhere else. Where a choice was made or changed, every other person who can be reached is told, once a day at most:
who looks or writes along disturbs nobody, and nobody is flooded by another's clicking.
"""

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from consent.answers import was_rejected
from consent.db import reading
from consent.events import Draft, Event, Kind
from consent.fields import Shown
from consent.guardians import family
from consent.journal import Act
from consent.rule import Refused
from consent.terms import Collected, Ground, Policy, Role, Section
from handover import notices
from handover.bundles import (
    finish_shredding,
    free_sections,
    handed_out,
    newest,
    question_of,
    start_shredding,
    versions_of,
)
from handover.errors import RequestRefused
from handover.familylog import decides, tell_others
from handover.idempotency import Answer, Once, carry_out
from handover.invitations import Visitor, admit
from handover.outbox import deliver, post
from handover.parts import Parts
from handover.people import told_at_once
from handover.question import answers_of, notice_of, reader_of, requirements, until
from handover.retention import Kept
from handover.tables import Transfer
from handover.transfers import boards_of, policy_of, purpose_of, still_open
from handover.words import keep_words

SAYINGS_A_DAY: Final = 40
"""What may be recorded through one invitation within a day."""

DAY: Final = timedelta(days=1)
CHOICES: Final = frozenset({Kind.GRANT, Kind.REFUSE, Kind.WITHDRAW})
"""What the others hear of, as a change."""

MakeOnce = Callable[[str], Once]
"""Makes the request's identity, given who sends it: only the token tells that."""


@dataclass(frozen=True, slots=True)
class _Visit:
    """A visitor who says something about a transfer, within an act that holds the pupil's lock.

    `known` are the pupil's events before it, `needs` is what each section that is asked for needs, `notice` the text
    that this visitor was shown.
    """

    parts: Parts
    act: Act
    transfer: Transfer
    visitor: Visitor
    key: str
    known: Sequence[Event]
    policy: Policy
    needs: Mapping[Section, Ground]
    notice: notices.Notice

    def refuse_beside(self) -> None:
        """Refuse a choice of those who hold gezag where the pupil decides: it would count for nothing."""
        if self.visitor.role is not Role.PUPIL and decides(self.known, self.act.now):
            raise RequestRefused("PUPIL_DECIDES", 403, "The pupil is 16 or older and decides. Only the pupil chooses.")

    def say(self, kind: Kind, **fields: Any) -> Event:
        """Record one event of this visitor."""
        text = self.notice
        draft = Draft(
            kind=kind,
            key=f"{kind.name}-{fields.get('ground', '')}-{self.visitor.invitation}-{self.key}",
            by=self.visitor.actor,
            subject=self.visitor.pupil,
            sender=self.transfer.sender,
            receiver=self.transfer.receiver,
            purpose=purpose_of(self.transfer),
            decided_at=self.act.now,
            notice=Shown(text.id, notices.VERSION, notices.LANGUAGE, text.sha256),
            collected=Collected.ONLINE,
            **fields,
        )
        return self.parts.ledger.record(self.act, draft, boards_of(self.act.session, self.transfer))


def _visit(parts: Parts, act: Act, visitor: Visitor, transfer: Transfer, key: str) -> _Visit:
    known = parts.ledger.history(act.session, visitor.pupil).known
    policy, reader = policy_of(parts, act.session, transfer), reader_of(visitor.role, known, act.now)
    needs, notice = requirements(policy, transfer), notice_of(parts, act.session, policy, transfer, reader)
    return _Visit(parts, act, transfer, visitor, key, known, policy, needs, notice)


def answer(parts: Parts, once: MakeOnce, body: Mapping[str, Any]) -> Answer:
    """Record a visitor's yes and no per section. A section that isn't named keeps the answer that it had."""

    def work(visit: _Visit) -> Answer:
        visit.refuse_beside()
        if body["notice"] != visit.notice.sha256:
            raise RequestRefused("NOTICE_CHANGED", 409, "The text has changed since it was shown. Read it again.")
        needs, answers = visit.needs, body["answers"]
        _only({name: f"/answers/{name}" for name in answers}, needs, notices.CHOSEN)
        latest = until(visit.transfer)
        ends = min(body.get("valid_until") or latest, latest)
        if ends <= visit.act.now:
            where = {"/valid_until": "Must lie ahead."}
            raise RequestRefused("INVALID", 422, "An answer can't end before it begins.", where)
        made: list[Event] = []
        before = answers_of(visitor.person, visit.known, visit.transfer).grants
        stays = [grant.id for section, grants in before.items() if section not in answers for grant in grants]
        if stays and (shorter := _shortened(before, answers, ends)):
            made.append(visit.say(Kind.WITHDRAW, sections=shorter))
        for need in (Ground.CONSENT, Ground.EXPLICIT_CONSENT):
            if yes := tuple(s for s in Section if answers.get(s) == "yes" and needs[s] is need):
                adds = next(iter(stays), None)
                given = visit.say(Kind.GRANT, sections=yes, ground=need, valid_until=ends, adds=adds)
                made.append(given)
                stays.append(given.id)
        if no := tuple(s for s in Section if answers.get(s) == "no"):
            made.append(visit.say(Kind.REFUSE, sections=no))
        return _said(*made)

    visitor = admit(parts, body["token"])
    return _recorded(parts, once(visitor.invitation), visitor, work, _tell_of_change)


def _shortened(
    before: Mapping[Section, Sequence[Event]], answers: Mapping[str, str], ends: datetime
) -> tuple[Section, ...]:
    """Name the sections with an older yes that would outlast the new one: it is taken back first.

    A GRANT that leaves others standing ends none of them, also not one of the section that it names.
    """
    longer = {name for name, grants in before.items() if any((grant.valid_until or ends) > ends for grant in grants)}
    return tuple(section for section in Section if section in longer and answers.get(section) == "yes")


def withdraw(parts: Parts, once: MakeOnce, body: Mapping[str, Any]) -> Answer:
    """Take consent back; the answer tells what was already opened.

    The share goes after seven days, or at once where that is asked, this person's no stops it and nobody holds it back.
    """
    sections = _ordered(body["sections"])
    visitor = admit(parts, body["token"])

    def work(visit: _Visit) -> Answer:
        if wrong := [name for name in sections if visit.needs.get(name) is Ground.STATUTORY]:
            where = {f"/sections/{body['sections'].index(name)}": "The law sends this, not consent." for name in wrong}
            raise RequestRefused("NOT_BY_CONSENT", 422, "There is no consent to withdraw. Object to it instead.", where)
        if sections != (Section.VIEWS,):  # their own words stay their own
            visit.refuse_beside()
        event = visit.say(Kind.WITHDRAW, sections=sections)
        if body["destroy_now"]:
            _start_destroying(visit, sections)
        went = handed_out(visit.act.session, visit.transfer.id)
        return _said(event) | {"opened": [section for section in sections if section in went]}

    told = _recorded(parts, once(visitor.invitation), visitor, work, _tell_of_change, cancelled_too=True)
    if body["destroy_now"]:
        finish_shredding(parts, visitor.transfer)
    return told


def _start_destroying(visit: _Visit, sections: Iterable[Section]) -> None:
    """Mark the shares of what this person's no keeps here. What others have allowed isn't this person's to destroy."""
    parts, act, transfer = visit.parts, visit.act, visit.transfer
    bundle = newest(act.session, transfer.id)
    speakers = family(visit.known, transfer.pupil, act.now, parts.journal.first)
    if bundle is None or speakers is None or visit.visitor.person not in speakers.stopping:
        return
    asked = {name: question_of(transfer, bundle, (name,)) for name in sections}
    stopped = [name for name, each in asked.items() if isinstance(parts.ledger.ask(act, each, visit.policy), Refused)]
    free = free_sections(parts, act, transfer, stopped, kept=Kept.WITHDRAWN_SHARE)
    start_shredding(parts, act, transfer, bundle, free, why="withdrawn")


def inzage(parts: Parts, once: MakeOnce, body: Mapping[str, Any]) -> Answer:
    """Record that a visitor has seen exactly these versions, and perhaps needs no more time."""

    def work(visit: _Visit) -> Answer:
        present = versions_of(newest(visit.act.session, visit.transfer.id))
        wrong = [name for name, version in body["versions"].items() if present.get(Section(name)) != version]
        if wrong:
            where = {f"/versions/{name}": "Not the present version." for name in wrong}
            raise RequestRefused("OTHER_VERSION", 409, "The file has changed. Read the present version.", where)
        shown = {section: body["versions"][section] for section in _ordered(body["versions"])}
        return _said(visit.say(Kind.INZAGE, versions=shown, done=body["done"]))

    visitor = admit(parts, body["token"])
    return _recorded(parts, once(visitor.invitation), visitor, work, _tell_nobody)


def view(parts: Parts, once: MakeOnce, body: Mapping[str, Any]) -> Answer:
    """Record somebody's own words about the file, and whether they may travel with it."""

    def work(visit: _Visit) -> Answer:
        digest = hashlib.sha256(body["text"].encode()).hexdigest()
        event = visit.say(Kind.VIEW, text=digest, travels=body["travels"], done=body["done"])
        keep_words(parts, visit.act, visit.transfer, event.id, body["text"])
        return _said(event)

    visitor = admit(parts, body["token"])
    return _recorded(parts, once(visitor.invitation), visitor, work, _tell_nobody)


def objection(parts: Parts, once: MakeOnce, body: Mapping[str, Any]) -> Answer:
    """Record an objection to sections that the law lets the school send (AVG art. 21).

    `waits` names the sections that stay here until it is decided: not those of which the same objection, by this person
    to this version, was decided against before.
    """
    visitor = admit(parts, body["token"])

    def work(visit: _Visit) -> Answer:
        places = {name: f"/sections/{at}" for at, name in enumerate(body["sections"])}
        _only(places, visit.needs, {Ground.STATUTORY})
        sections = _ordered(body["sections"])
        present = versions_of(newest(visit.act.session, visit.transfer.id))
        versions = {section: present[section] for section in sections if section in present}
        event = visit.say(Kind.OBJECT, sections=sections, versions=versions or None)
        keep_words(parts, visit.act, visit.transfer, event.id, body["reason"])
        waits = [section for section in sections if not was_rejected(event, section, visit.known)]
        return _said(event) | {"waits": waits}

    return _recorded(parts, once(visitor.invitation), visitor, work, tell_others)


Tell = Callable[[Parts, Act, Visitor], None]
"""Writes to the others, before anything of this visit is recorded."""


def _recorded(
    parts: Parts,
    once: Once,
    visitor: Visitor,
    work: Callable[[_Visit], Answer],
    tell: Tell,
    *,
    cancelled_too: bool = False,
) -> Answer:
    """Record what a visitor says, tell the others, and answer with the events and the checkpoint that holds them."""

    def recorded(act: Act) -> Answer:
        transfer = act.session.get_one(Transfer, visitor.transfer)
        if not cancelled_too:
            still_open(transfer)
        _refuse_flood(parts, act, visitor)
        tell(parts, act, visitor)
        return work(_visit(parts, act, visitor, transfer, once.key))

    told = carry_out(parts, once, lambda: parts.journal.act(pupil=visitor.pupil), recorded)
    deliver(parts)
    with reading(parts.main) as session:
        checkpoint = parts.journal.checkpoint(session).decode()
    return {**told, "checkpoint": checkpoint}


def _said(*events: Event) -> Answer:
    return {"events": [event.id for event in events]}


def _refuse_flood(parts: Parts, act: Act, visitor: Visitor) -> None:
    """Refuse more than anybody says in a day: each saying locks the pupil and is kept for years."""
    known = parts.ledger.history(act.session, visitor.pupil).known
    today = [event for event in known if f"-{visitor.invitation}-" in event.key and act.now - event.recorded_at < DAY]
    if len(today) >= SAYINGS_A_DAY:
        raise RequestRefused("TOO_MANY", 429, "Enough was said with this code today. Try tomorrow, or call the school.")


def _tell_of_change(parts: Parts, act: Act, visitor: Visitor) -> None:
    known = parts.ledger.history(act.session, visitor.pupil).known
    for contact in told_at_once(parts, act, visitor.pupil).values():
        if contact.person != visitor.person and not told_today(known, contact.person, act.now):
            post(parts, act, visitor.pupil, contact, "changed")


def _tell_nobody(parts: Parts, act: Act, visitor: Visitor) -> None:
    """Look or write along without a word to others: neither is a choice."""


def told_today(events: Sequence[Event], person: str, now: datetime) -> bool:
    """Tell whether somebody was written to of others' choices within the last day, as the events say.

    The first choice of another is told, and after a message the first one a day later or more.
    """
    told: datetime | None = None
    for event in events:
        by_other = event.kind in CHOICES and event.by.person != person and event.collected is Collected.ONLINE
        if by_other and (told is None or event.recorded_at - told >= DAY):
            told = event.recorded_at
    return told is not None and now - told < DAY


def _only(places: Mapping[str, str], needs: Mapping[Section, Ground], allowed: Collection[Ground]) -> None:
    """Refuse sections that aren't asked for, or about which the law gives another say; each has its place."""
    where = {
        at: "This isn't asked in this way." for name, at in places.items() if needs.get(Section(name)) not in allowed
    }
    if where:
        raise RequestRefused("SECTION_NOT_ASKED", 422, "An answer is about what is asked.", where)


def _ordered(names: Iterable[str]) -> tuple[Section, ...]:
    named = set(names)
    return tuple(section for section in Section if section in named)
