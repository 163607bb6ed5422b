"""Who has answered what: the state of one handover for the pages of families and schools, derived and never stored.

It decides nothing. Whether a section may go is the rule's to say; this tells whose answer is still missing. As for the
rule, what authorises and who holds gezag don't count from below the newest ROLLBACK, and every no does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from consent.answers import Answers, Scope, has_ended, is_live, scope_of, standing, successors
from consent.events import Event, Kind
from consent.guardians import Family, family, speakers
from consent.rule import confirmed
from consent.terms import Role, Section


class Answer(StrEnum):
    """What one person's answers about one section come to now."""

    NONE = "none"
    YES = "yes"
    LATER = "later"  # a yes that hasn't begun
    ENDED = "ended"  # a yes whose time is over
    SUSPENDED = "suspended"  # a yes from before entries were lost, to be said again
    NO = "no"
    WITHDRAWN = "withdrawn"


_YES: Final = frozenset({Answer.YES, Answer.LATER})


@dataclass(frozen=True, slots=True)
class Person:
    """One speaker's standing: the answer per section, and the versions that this person was shown."""

    id: str
    role: Role
    decides: bool
    answers: dict[Section, Answer]
    shown: dict[Section, str]
    objects: tuple[Section, ...]

    @property
    def has_answered(self) -> bool:
        """Tell whether this person has answered for any section, either way. What is suspended is no answer."""
        return any(answer not in (Answer.NONE, Answer.SUSPENDED) for answer in self.answers.values())


@dataclass(frozen=True, slots=True)
class Overview:
    """Everybody who speaks for the pupil, or nobody but the pupil where custody isn't known."""

    custody_known: bool
    persons: tuple[Person, ...]

    @property
    def missing(self) -> tuple[str, ...]:
        """Name the deciders who haven't answered at all."""
        return tuple(person.id for person in self.persons if person.decides and not person.has_answered)


def overview(events: Sequence[Event], pupil: str, scope: Scope, now: datetime, suspended_below: int) -> Overview:
    """Tell who has answered what in one scope. Events come in the order of the journal, for one pupil.

    `suspended_below` is the index of the newest ROLLBACK, 0 where there is none.
    """
    chain = successors(events)
    known: Family | None = family(events, pupil, now, suspended_below)
    deciders = known.deciders if known else ()
    lasting = confirmed(events, suspended_below)
    before, since = standing(events, chain), standing(lasting, chain)
    here = [event for event in lasting if scope_of(event, chain) == scope]
    persons = tuple(
        Person(
            id=person,
            role=role,
            decides=person in deciders,
            answers=_answers(_of(before, person, scope), _of(since, person, scope), now),
            shown=_shown(here, person),
            objects=_objects(events, here, person),
        )
        for person, role in speakers(events, pupil, now).items()
    )
    return Overview(known is not None, persons)


def _of(answers: Mapping[str, Mapping[Scope, Answers]], person: str, scope: Scope) -> Answers:
    return answers.get(person, {}).get(scope) or Answers()


def _answers(before: Answers, since: Answers, now: datetime) -> dict[Section, Answer]:
    return {section: _after_rollback(before, since, section, now) for section in Section}


def _after_rollback(before: Answers, since: Answers, section: Section, now: datetime) -> Answer:
    """Say that an answer is suspended where it would be a yes, now or later, but for what is left out."""
    whole = _answer(before, section, now)
    return Answer.SUSPENDED if whole in _YES and _answer(since, section, now) not in _YES else whole


def _answer(answers: Answers, section: Section, now: datetime) -> Answer:
    no = answers.noes.get(section)
    if no is not None:
        return Answer.WITHDRAWN if no.kind is Kind.WITHDRAW else Answer.NO
    grants = answers.grants.get(section, [])
    if any(is_live(grant, now) for grant in grants):
        return Answer.YES
    if any(not has_ended(grant, now) for grant in grants):
        return Answer.LATER
    return Answer.ENDED if grants else Answer.NONE


def _shown(here: Sequence[Event], person: str) -> dict[Section, str]:
    shown: dict[Section, str] = {}
    for event in here:
        if event.kind is Kind.INZAGE and event.by.person == person:
            shown |= event.versions or {}
    return shown


def _objects(events: Sequence[Event], here: Sequence[Event], person: str) -> tuple[Section, ...]:
    """Name the sections with an objection of this person that is open or was upheld."""
    dismissed = {e.objection for e in events if e.kind is Kind.OBJECTION_DECIDED and not e.upheld}
    dismissed -= {e.objection for e in events if e.kind is Kind.OBJECTION_DECIDED and e.upheld}
    mine = [e for e in here if e.kind is Kind.OBJECT and e.by.person == person and e.id not in dismissed]
    return tuple(section for section in Section if any(section in (event.sections or ()) for event in mine))
