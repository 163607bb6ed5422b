"""The consent rule: may these sections of this pupil go from this school to that one, for this purpose, now?

A pure function: no clock, no database. It answers a question as a whole, with the entries that authorise each section
or with the first reason that applies, and says no unless something says yes.

About the ledger as a whole:
 (1) The pupil's running numbers go from 1 to the newest one that the key store knows, without a hole.
 (2) Every entry is of a schema version that this rule understands.
 (3) The pupil isn't erased. No event of one who is can be read, so `consent.ledger` answers this before it asks.
 (4) At least one section is asked, and nothing that is no section.
 (5) No entry was recorded more than 5 s after `now`. The later of the two counts as now.
 (6) It is known who holds gezag (`consent.guardians`), from a CUSTODY since the newest ROLLBACK.
About each section by itself, so that asking for less never turns a yes into a no:
 (7) Its use isn't restricted (AVG art. 18). A restriction is lifted for the sections that its lifting names.
(7b) What authorised anything before the newest ROLLBACK is suspended until it is said again; every no goes on.
 (8) A live EMERGENCY by two, 72 hours long at most, that wasn't ended authorises it, whatever the steps below say.
 (9) For placement the pupil has applied at the receiver.
(10) Every objection against it is decided, and none was upheld. One that repeats what was decided against, by the
     same person on the same version, waits for its decision without keeping anything here.
(11) The table of grounds (`consent.terms`) says which entry it needs:
     STATUTORY: every reader has had inzage of exactly this version; the waiting time is over or the reader is done;
     and the sender invokes the law.
(12) CONSENT, EXPLICIT_CONSENT: every decider's own grant stands, is live, and was given surely enough on a text that
     is still current; no decider and not the pupil says no. A live COURT stands in for a holder: the answers of that
     holder, before and after it, don't count where it does.
(13) VIEW: somebody's zienswijze stands that may travel, nobody says no to it, and another section would go now.

An event counts for a question when sender, purpose and the receiver's present code are those of the question. Events
take effect by their place in the journal; times only limit what authorises.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from consent.answers import has_ended, is_by_two_and_short, is_live, restrictions, was_rejected
from consent.case import Case
from consent.case import Question as Question
from consent.events import Event, Kind, UnknownEvent
from consent.guardians import family
from consent.reasons import Reason as Reason
from consent.reasons import Remedy as Remedy
from consent.reasons import allows as allows
from consent.terms import Ground, Policy, Purpose, Requirement, Section, ground

TOLERANCE: Final = timedelta(seconds=5)
AUTHORISING: Final = frozenset(
    {Kind.GRANT, Kind.STATUTORY, Kind.COURT, Kind.EMERGENCY, Kind.INZAGE, Kind.VIEW, Kind.APPLIED}
)
"""What can help towards a yes, and so doesn't count any more when entries after it may have been lost."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What authorises one section: the ground, its source, and id and journal index of each entry relied on."""

    section: Section
    ground: Ground
    source: str
    entries: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Granted:
    """Yes. True in a condition."""

    evidence: tuple[Evidence, ...]

    def __bool__(self) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class Detail:
    """Which sections a refusal is about, and whose answer, inzage or objection it turns on, by id."""

    sections: tuple[Section, ...] = ()
    persons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """No, and the first reason that applies. False in a condition."""

    reason: Reason
    detail: Detail = Detail()

    def __bool__(self) -> bool:
        return False


@dataclass(frozen=True, slots=True)
class _Obstacle:
    reason: Reason
    section: Section
    person: str | None = None


_Verdict = Evidence | list[_Obstacle]


def decide(
    question: Question,
    events: Iterable[Event | UnknownEvent],
    newest_number: int,
    policy: Policy,
    now: datetime,
    suspended_below: int,
) -> Granted | Refused:
    """Answer a question from the events of its subject.

    `newest_number` is the newest running number that the key store knows for the subject; `now` was read under the
    subject's lock; `suspended_below` is the index of the newest ROLLBACK, 0 where there is none. Never raises on
    events that `consent.events` reads.
    """
    own = sorted((event for event in events if event.subject == question.subject), key=lambda event: event.index)
    known = [event for event in own if isinstance(event, Event)]
    if reason := _unsound(question, own, known, newest_number, now):
        return Refused(reason)
    now = max([now, *(event.recorded_at for event in known)])
    speakers = family(known, question.subject, now, suspended_below)  # (6)
    if speakers is None:
        return Refused(Reason.CUSTODY_UNKNOWN)
    case = Case(question, known, policy, now, speakers)
    asked = [section for section in Section if section in question.sections]
    if not suspended_below:
        return _sum_up([_judge(case, section) for section in asked])
    since = Case(question, confirmed(known, suspended_below), policy, now, speakers)
    return _sum_up([_after_rollback(case, since, section) for section in asked])


def _unsound(
    question: Question,
    own: Sequence[Event | UnknownEvent],
    known: Sequence[Event],
    newest_number: int,
    now: datetime,
) -> Reason | None:
    if [event.number for event in own] != list(range(1, newest_number + 1)):  # (1)
        return Reason.LEDGER_INTEGRITY
    if len(known) < len(own):  # (2)
        return Reason.UNKNOWN_ENTRY_VERSION
    if not question.sections or not set(Section).issuperset(question.sections):  # (4)
        return Reason.EMPTY_REQUEST
    if any(event.recorded_at - now > TOLERANCE for event in known):  # (5)
        return Reason.CLOCK_SKEW
    return None


def _sum_up(verdicts: Iterable[_Verdict]) -> Granted | Refused:
    evidence: list[Evidence] = []
    obstacles: list[_Obstacle] = []
    for verdict in verdicts:
        if isinstance(verdict, Evidence):
            evidence.append(verdict)
        else:
            obstacles += verdict
    if not obstacles:
        return Granted(tuple(evidence))
    first = min((obstacle.reason for obstacle in obstacles), key=lambda reason: reason.value)
    named = [obstacle for obstacle in obstacles if obstacle.reason is first]
    sections = tuple(dict.fromkeys(obstacle.section for obstacle in named))
    return Refused(first, Detail(sections, tuple(sorted({o.person for o in named if o.person is not None}))))


def confirmed(events: Iterable[Event], suspended_below: int) -> list[Event]:
    """(7b) Leave out what authorises nothing any more, since entries may have been lost after it."""
    return [event for event in events if event.index >= suspended_below or event.kind not in AUTHORISING]


def _after_rollback(case: Case, since: Case, section: Section) -> _Verdict:
    """(7b) Judge a section by what was said since the rollback, beside every no that there ever was."""
    verdict, before = _judge(since, section), _judge(case, section)
    if isinstance(verdict, Evidence):
        return verdict
    if isinstance(before, Evidence):
        return [_Obstacle(Reason.SUSPENDED, section, obstacle.person) for obstacle in verdict]
    return before


def _judge(case: Case, section: Section) -> _Verdict:
    """Judge one section: the entries that authorise it, or all that stands in its way."""
    if any(section in left for left in restrictions(case.events).values()):  # (7)
        return [_Obstacle(Reason.RESTRICTED, section)]
    if emergencies := _emergencies(case, section):  # (8)
        return _evidence(section, Requirement(Ground.EMERGENCY, str(emergencies[0].emergency)), emergencies)
    obstacles = list(_objections(case, section))  # (10)
    if case.question.purpose is Purpose.PLACEMENT and not case.has_applied:  # (9)
        obstacles.append(_Obstacle(Reason.NOT_APPLIED, section))
    need = ground(case.policy.kind, case.question.route, case.question.purpose, section)  # (11)
    entries, lacking = _STEPS[need.ground](case, section, need.ground)
    obstacles += lacking
    return obstacles or _evidence(section, need, entries)


def _evidence(section: Section, need: Requirement, entries: Iterable[Event]) -> Evidence:
    relied_on = sorted({(event.index, event.id) for event in entries})
    return Evidence(section, need.ground, need.source, tuple((event_id, index) for index, event_id in relied_on))


def _emergencies(case: Case, section: Section) -> list[Event]:
    ended = {event.withdraws for event in case.events if event.kind is Kind.EMERGENCY}
    return [e for e in case.naming(Kind.EMERGENCY, section) if is_by_two_and_short(e) and e.id not in ended]


def _objections(case: Case, section: Section) -> Iterator[_Obstacle]:
    upheld: dict[str | None, bool] = {}
    for decision in case.events:
        if decision.kind is Kind.OBJECTION_DECIDED:
            upheld[decision.objection] = bool(decision.upheld) or upheld.get(decision.objection, False)
    for objection in case.naming(Kind.OBJECT, section):
        if objection.id not in upheld:
            if not was_rejected(objection, section, case.events):
                yield _Obstacle(Reason.OBJECTION_OPEN, section, objection.by.person)
        elif upheld[objection.id]:
            yield _Obstacle(Reason.OBJECTION_UPHELD, section, objection.by.person)


_Found = tuple[list[Event], list[_Obstacle]]
"""The entries that a ground relies on, and what it still lacks."""


def _by_law(case: Case, section: Section, _: Ground) -> _Found:
    """(11) Judge a section of the statutory dataset."""
    entries: list[Event] = []
    obstacles: list[_Obstacle] = []
    for person in case.family.readers:
        shown = _inzage(case, section, person)
        if isinstance(shown, Event):
            entries.append(shown)
        else:
            obstacles.append(_Obstacle(shown, section, person))
    invoked = [event for event in case.here if event.kind is Kind.STATUTORY]
    naming = [event for event in invoked if section in (event.sections or ())]
    live = [event for event in naming if is_live(event, case.now)]
    if not live:
        reason = _why_not_live(naming, case.now) if naming else _nothing(invoked)
        obstacles.append(_Obstacle(reason, section))
    return entries + live, obstacles


def _inzage(case: Case, section: Section, person: str) -> Event | Reason:
    """Find this reader's first inzage of the present version, when the waiting time is over or waived."""
    theirs = [event for event in case.here if event.by.person == person]
    inzages = [(event, (event.versions or {}).get(section)) for event in theirs if event.kind is Kind.INZAGE]
    shown = [(event, version) for event, version in inzages if version]
    if not shown:
        return Reason.INZAGE_MISSING
    present = case.question.versions.get(section)
    exact = [event for event, version in shown if version == present]
    if not exact:
        return Reason.INZAGE_OTHER_VERSION
    first = exact[0]
    done = any(e.done and (e in exact or (e.kind is Kind.VIEW and e.index > first.index)) for e in theirs)
    waited = first.recorded_at + timedelta(days=case.policy.waiting_days) <= case.now
    return first if done or waited else Reason.WAITING


def _by_consent(case: Case, section: Section, need: Ground) -> _Found:
    """(12) Judge a section that needs everybody's yes."""
    entries: list[Event] = []
    obstacles = list(_noes(case, section))
    for person in case.family.deciders:
        answer = _yes(case, section, need, person)
        if isinstance(answer, Event):
            entries.append(answer)
        else:
            obstacles.append(_Obstacle(answer, section, person))
    return entries, obstacles


def _noes(case: Case, section: Section) -> Iterator[_Obstacle]:
    """Name every standing no of a decider or the pupil for which no ruling stands in."""
    pupil = case.family.pupil
    for person in dict.fromkeys((*case.family.deciders, pupil)):
        no = case.answers_of(person).noes.get(section)
        if no is None or case.rulings(person, section):
            continue
        if no.kind is Kind.WITHDRAW:
            yield _Obstacle(Reason.WITHDRAWN, section, person)
        else:
            yield _Obstacle(Reason.PUPIL_OBJECTS if person == pupil else Reason.GUARDIAN_OBJECTS, section, person)


def _yes(case: Case, section: Section, need: Ground, person: str) -> Event | Reason:
    """Find the entry that is this decider's yes, or the first reason why there is none."""
    if rulings := case.rulings(person, section):
        return rulings[-1]
    since = case.family.decides_since
    if since is not None and not any(e.by.person == person and _own_answer(e, since) for e in case.events):
        return Reason.PUPIL_CONSENT_REQUIRED
    grants = case.answers_of(person).grants.get(section, [])
    grants = [grant for grant in grants if since is None or _own_answer(grant, since)]
    if not grants:
        return _why_none(case, section, person)
    live = [grant for grant in grants if is_live(grant, case.now)]
    if not live:
        return _why_not_live(grants, case.now)
    return _good_enough(case.policy, need, live)


def _own_answer(event: Event, since: datetime) -> bool:
    """Tell whether this is an answer given since a birthday, by its recording and by what its actor claims."""
    given = min(event.recorded_at, event.decided_at or event.recorded_at)
    return event.kind in (Kind.GRANT, Kind.REFUSE, Kind.WITHDRAW) and given >= since


def _good_enough(policy: Policy, need: Ground, live: Sequence[Event]) -> Event | Reason:
    fitting = live if need is Ground.CONSENT else [g for g in live if g.ground is Ground.EXPLICIT_CONSENT]
    if not fitting:
        return Reason.EXPLICIT_REQUIRED
    sure = [grant for grant in fitting if grant.by.level >= policy.level(need)]
    if not sure:
        return Reason.AUTH_LEVEL
    fresh = [grant for grant in sure if grant.notice and policy.is_current(grant.notice.id, grant.notice.version)]
    return fresh[-1] if fresh else Reason.NOTICE_STALE


def _why_not_live(events: Sequence[Event], now: datetime) -> Reason:
    return Reason.EXPIRED if any(has_ended(event, now) for event in events) else Reason.NOT_YET_VALID


def _why_none(case: Case, section: Section, person: str) -> Reason:
    """Say why this decider's answers hold no grant of the section."""
    near = set(_near_misses(case, section, person))
    for reason in (Reason.SENDER_MISMATCH, Reason.RECEIVER_MISMATCH, Reason.PURPOSE_MISMATCH):
        if reason in near:
            return reason
    if any(case.has_yes(other, section) for other in case.family.deciders if other != person):
        return Reason.GUARDIAN_MISSING
    entitled = {*case.family.deciders, *case.family.holders}
    if any(case.has_yes(other, section) for other in case.answers if other not in entitled):
        return Reason.GRANTOR_NOT_GUARDIAN
    return _nothing([grant for grants in case.answers_of(person).grants.values() for grant in grants])


def _nothing(others: Sequence[Event]) -> Reason:
    return Reason.SECTION_NOT_COVERED if others else Reason.NO_GRANT


def _near_misses(case: Case, section: Section, person: str) -> Iterator[Reason]:
    """Name what alone keeps a live grant of this person from counting here."""
    mismatches = (Reason.SENDER_MISMATCH, Reason.RECEIVER_MISMATCH, Reason.PURPOSE_MISMATCH)
    for scope, answers in case.answers.get(person, {}).items():
        differing = [reason for reason, a, b in zip(mismatches, scope, case.scope, strict=True) if a != b]
        if len(differing) == 1 and any(is_live(grant, case.now) for grant in answers.grants.get(section, ())):
            yield from differing


def _by_view(case: Case, section: Section, _: Ground) -> _Found:
    """(13) Judge the views: they travel with something, by the will of who wrote them."""
    speakers = dict.fromkeys((*case.family.readers, *case.family.deciders, case.family.pupil))
    views = [view for person in speakers if (view := case.answers_of(person).view)]
    others = (other for other in Section if other is not section)
    obstacles = list(_noes(case, section))
    if not views or not any(isinstance(_judge(case, other), Evidence) for other in others):
        obstacles.append(_Obstacle(Reason.NO_GRANT, section))
    return views, obstacles


_STEPS: Final[dict[Ground, Callable[[Case, Section, Ground], _Found]]] = {
    Ground.STATUTORY: _by_law,
    Ground.CONSENT: _by_consent,
    Ground.EXPLICIT_CONSENT: _by_consent,
    Ground.VIEW: _by_view,
}
