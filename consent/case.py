"""A question to the consent rule, with the events that count for it sorted out once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from consent.answers import Answers, Scope, is_live, scope_of, standing, successors
from consent.events import Event, Kind
from consent.guardians import Family
from consent.terms import Policy, Purpose, Route, Section


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked. `versions` names the present version of every section of the bundle, asked for or not."""

    subject: str
    sender: str
    receiver: str
    purpose: Purpose
    route: Route
    sections: tuple[Section, ...]
    versions: Mapping[Section, str]


_NO_ANSWERS: Final = Answers()


class Case:
    """A question with the events that count for it, sorted out once."""

    def __init__(self, question: Question, events: Sequence[Event], policy: Policy, now: datetime, family: Family):
        chain = successors(events)
        scope = Scope(question.sender, question.receiver, question.purpose)
        self.question = question
        self.policy = policy
        self.now = now
        self.family = family
        self.scope = scope
        self.events = events
        self.answers = standing(events, chain)
        self.here = [event for event in events if scope_of(event, chain) == scope]
        self.live: dict[Kind, list[Event]] = {}
        for event in self.here:
            if is_live(event, now):
                self.live.setdefault(event.kind, []).append(event)
        self.has_applied = any(e.kind is Kind.APPLIED and scope_of(e, chain)[1] == scope.receiver for e in events)

    def naming(self, kind: Kind, section: Section) -> list[Event]:
        """Return the live events of a kind that count for the question and name the section."""
        return [event for event in self.live.get(kind, ()) if section in (event.sections or ())]

    def answers_of(self, person: str) -> Answers:
        """Return a person's standing answers in the question's scope."""
        return self.answers.get(person, {}).get(self.scope) or _NO_ANSWERS

    def has_yes(self, person: str, section: Section) -> bool:
        """Tell whether a live grant of this person covers the section, or a ruling in this person's stead."""
        grants = self.answers_of(person).grants.get(section, ())
        return any(is_live(grant, self.now) for grant in grants) or bool(self.rulings(person, section))

    def rulings(self, person: str, section: Section) -> list[Event]:
        """Return the live rulings that stand in for a holder."""
        return [event for event in self.naming(Kind.COURT, section) if event.stands_for == person]
