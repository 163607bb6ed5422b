"""Assisted consent: an answer on paper, or given in a meeting, that the school's staff take over for somebody.

For families who don't answer online. Staff never enter an answer by themselves: one records a signed paper on the
present text with the hash of its scan, another confirms it, with the paper at hand, as its witness. Nothing counts
before that, neither a yes nor a no: a single member of staff speaks for nobody, and who wants a no to count this minute
withdraws online, or lets the second look at once. A no counts from the confirmation on. A yes counts only after a week
from then, and everybody concerned is written to then: at the recording there would be nothing yet to object to, the day
that is named might pass, and a mail about a paper that never counts teaches a family to pass over the one that does.

Whose paper it was gets a code of their own with the mail, and what somebody answers online goes before any paper: a
later answer replaces it, a paper yes is refused where an online answer stands, and a paper no where one was given since
the paper was recorded.

How surely somebody was recognised (`consent.terms.Level`): in a meeting two members of staff saw who signed, which is
substantial; a paper that was handed in was signed unseen, which is low. The board's policy says what is enough.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from consent.answers import ANSWERS, Answers, Scope, present, scope_of, successors
from consent.db import reading
from consent.events import Author, Draft, Event, Kind
from consent.fields import Shown
from consent.guardians import AMSTERDAM, midnight, speakers
from consent.journal import Act
from consent.terms import Collected, Ground, Level, Section
from crypto.encoding import JSON
from handover import notices, proposals
from handover.errors import RequestRefused
from handover.familylog import decides
from handover.idempotency import Answer, Once
from handover.invitations import issue
from handover.notices import Reader, date_in_words
from handover.outbox import post
from handover.parts import Caller, Parts
from handover.people import staff_actor, told_at_once
from handover.proposals import Confirmed, Wanted
from handover.proposed import Matter, Proposed
from handover.question import answers_of, notice_of, print_notice, requirements, until
from handover.tables import Transfer
from handover.transfers import boards_of, of_side, policy_of, pupil_of, purpose_of, still_open, time

DAYS_TO_OBJECT: Final = 7
"""Whole days, after the day on which a paper was confirmed, until a yes on it counts."""

LEVELS: Final = {Collected.PAPER: Level.LOW, Collected.MEETING: Level.SUBSTANTIAL}


def starts(recorded_at: datetime) -> datetime:
    """Say from when a yes on paper counts: the end of the seventh day after, in Amsterdam."""
    return midnight(_day(recorded_at) + timedelta(days=DAYS_TO_OBJECT + 1)).astimezone(UTC)


def form(parts: Parts, caller: Caller, transfer: str) -> Answer:
    """Give the text to print for whoever answers on paper, with the hash by which it is known, and what is asked."""
    with reading(parts.main) as session:
        row = still_open(of_side(session, caller, transfer, "sender"))
        policy = policy_of(parts, session, row)
        known = parts.ledger.history(session, row.pupil).known
        text = notice_of(parts, session, policy, row, _signer(known, parts.clock()))
        needs = requirements(policy, row)
    return {
        "notice": print_notice(text),
        "sections": [str(section) for section, need in needs.items() if need in notices.CHOSEN],
    }


def _signer(known: Sequence[Event], now: datetime) -> Reader:
    """Say who is asked to sign: from 16 on the pupil alone."""
    return Reader.PUPIL if decides(known, now) else Reader.HOLDER


def propose(parts: Parts, caller: Caller, once: Once, transfer: str, body: Mapping[str, Any]) -> Answer:
    """Record what somebody's paper says, for a colleague to confirm with the paper at hand."""
    said = {**body, "signed_on": body["signed_on"].isoformat()}

    def look(act: Act) -> Mapping[str, JSON] | RequestRefused:
        return _paper(parts, act, caller, transfer, said, act.now).refused() or {}

    pupil = pupil_of(parts, caller, transfer)
    return proposals.propose(parts, caller, once, Wanted(Matter.PAPER, pupil, transfer, said), look)


def take_over(parts: Parts, act: Act, caller: Caller, proposed: Proposed) -> Confirmed | RequestRefused:
    """Take somebody's answer over as a colleague recorded it, and write to everybody who is concerned."""
    paper = _paper(parts, act, caller, proposed.transfer or "", proposed.said, proposed.at)
    if refused := paper.refused():
        return refused
    events = [event.id for event in paper.recorded(proposed.id)]
    paper.tell()
    return Confirmed({"events": events, "starts": time(starts(act.now))}, {"events": [*events]})


def _paper(
    parts: Parts, act: Act, caller: Caller, transfer: str, said: Mapping[str, Any], recorded_at: datetime
) -> "_Paper":
    row = still_open(of_side(act.session, caller, transfer, "sender"))
    policy = policy_of(parts, act.session, row)
    known = parts.ledger.history(act.session, row.pupil).known
    signer = _signer(known, act.now)
    needs, notice = requirements(policy, row), notice_of(parts, act.session, policy, row, signer)
    return _Paper(parts, act, caller, row, said, recorded_at, known, needs, notice)


@dataclass(frozen=True, slots=True)
class _Paper:
    """A paper that staff take over, within an act that holds the pupil's lock. `recorded_at`: by the first of two."""

    parts: Parts
    act: Act
    caller: Caller
    transfer: Transfer
    said: Mapping[str, Any]
    recorded_at: datetime
    known: Sequence[Event]
    needs: Mapping[Section, Ground]
    notice: notices.Notice

    @property
    def signed_on(self) -> date:
        return date.fromisoformat(self.said["signed_on"])

    @property
    def scope(self) -> Scope:
        return Scope(self.transfer.sender, self.transfer.receiver, purpose_of(self.transfer))

    def before(self) -> Answers:
        """Give what this person's answers come to without the paper."""
        return answers_of(self.said["person"], self.known, self.transfer)

    def named(self, answer: str) -> tuple[Section, ...]:
        """Give the sections that get this answer."""
        return tuple(section for section in Section if self.said["answers"].get(section) == answer)

    def refused(self) -> RequestRefused | None:
        """Say what keeps this paper from being taken over."""
        now = self.act.now
        if self.said["person"] not in speakers(self.known, self.transfer.pupil, now):
            return _fault("PERSON_UNKNOWN", {"/person": "Nobody who decides about this pupil now."})
        if self.said["person"] != self.transfer.pupil and decides(self.known, now):
            return _fault("PUPIL_DECIDES", {"/person": "From 16 on the pupil alone answers."})
        if self.said["notice"] != self.notice.sha256:
            return _fault("NOTICE_CHANGED", {"/notice": "Not the present text: let the present one be signed."})
        if not _day(self.transfer.opened_at) <= self.signed_on <= _day(now):
            return _fault("INVALID", {"/signed_on": "Signed before it was asked, or after today."})
        if wrong := [name for name in self.said["answers"] if self.needs.get(Section(name)) not in notices.CHOSEN]:
            return _fault("SECTION_NOT_ASKED", {f"/answers/{name}": "This isn't asked in this way." for name in wrong})
        if self.named("yes") and starts(now) >= until(self.transfer):
            return RequestRefused("TOO_LATE", 409, "Before this yes counts the transfer's answers end. Open a new one.")
        if online := self.answered_online():
            where = {f"/answers/{name}": "Answered online, which goes before paper." for name in online}
            return RequestRefused("ANSWERED_ONLINE", 409, "Ask for this answer online.", where)
        return None

    def answered_online(self) -> list[Section]:
        """Name the sections of which this person has said something online that goes before the paper.

        For a yes that is whatever was ever said, also where a paper came after that: else a no on paper would open the
        way for a yes on paper. For a no it is what was said since the paper was recorded: the paper is older.
        """
        chain = successors(self.known)
        here = present(self.scope, chain)
        online = [
            event
            for event in self.known
            if event.by.person == self.said["person"] and event.kind in ANSWERS and scope_of(event, chain) == here
            if event.collected is Collected.ONLINE
        ]
        since = [event for event in online if event.recorded_at > self.recorded_at]
        return [
            section
            for answer, before in (("yes", online), ("no", since))
            for section in self.named(answer)
            if any(section in (event.sections or ()) for event in before)
        ]

    def recorded(self, key: str) -> list[Event]:
        """Record what the paper says. It adds to what this person said of other sections, and takes nothing away."""
        made: list[Event] = []
        adds = next((grant.id for grants in self.before().grants.values() for grant in grants), None)
        times = {"valid_from": starts(self.act.now), "valid_until": until(self.transfer)}
        for need in (Ground.CONSENT, Ground.EXPLICIT_CONSENT):
            if yes := tuple(section for section in self.named("yes") if self.needs[section] is need):
                made.append(self._say(key, Kind.GRANT, sections=yes, ground=need, adds=adds, **times))
                adds = adds or made[-1].id
        if no := self.named("no"):
            made.append(self._say(key, Kind.REFUSE, sections=no))
        return made

    def _say(self, key: str, kind: Kind, **fields: Any) -> Event:
        person, collected = self.said["person"], Collected(self.said["collected"])
        role = speakers(self.known, self.transfer.pupil, self.act.now)[person]
        draft = Draft(
            kind=kind,
            key=f"paper-{kind.name}-{fields.get('ground', '')}-{self.transfer.id}-{key}",
            by=Author(person, role, LEVELS[collected]),
            subject=self.transfer.pupil,
            sender=self.scope.sender,
            receiver=self.scope.receiver,
            purpose=self.scope.purpose,
            decided_at=midnight(self.signed_on),
            notice=Shown(self.notice.id, notices.VERSION, notices.LANGUAGE, self.notice.sha256),
            collected=collected,
            witness=staff_actor(self.caller).person,
            scan=self.said["scan"],
            **fields,
        )
        return self.parts.ledger.record(self.act, draft, boards_of(self.act.session, self.transfer))

    def tell(self) -> None:
        """Write to everybody who can be reached; whose paper it was gets a code to answer with in person."""
        words = {"starts": date_in_words(starts(self.act.now))}
        for contact in told_at_once(self.parts, self.act, self.transfer.pupil).values():
            if contact.person == self.said["person"]:
                issue(self.parts, self.act, self.transfer, contact, "paper_own", **words)
            else:
                post(self.parts, self.act, self.transfer.pupil, contact, "paper", **words)


def _fault(code: str, where: dict[str, str]) -> RequestRefused:
    return RequestRefused(code, 422, "This paper can't be taken over.", where)


def _day(moment: datetime) -> date:
    return moment.astimezone(AMSTERDAM).date()
