"""Short ways to write events, questions and moments: what isn't said is the plainest thing that fits.

T, the moment of asking, is 2027-03-01 12:00 UTC. Pupil `kim` is 12 and goes from 99AB00 to 99CD00; `g1` holds gezag.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from consent.events import Author, Event, Holder, Kind, Shown, UnknownEvent, new_id
from consent.rule import Granted, Question, Refused, decide
from consent.terms import (
    Collected,
    CustodyEvidence,
    EmergencyGround,
    Ground,
    Level,
    Notice,
    Policy,
    PolicyKind,
    Purpose,
    Right,
    Role,
    Route,
    Ruling,
    Section,
)

T = datetime(2027, 3, 1, 12, tzinfo=UTC)
PUPIL = "kim"
SENDER, RECEIVER = "99AB00", "99CD00"
HASH = "5" * 64
VERSIONS = {section: f"{section}-1" for section in Section}
VECTORS = Path(__file__).parents[1] / "vectors"

UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds", "us": "microseconds"}


def moment(text: str) -> datetime:
    """Read `T`, `T-3d`, `T+5s` or a moment in ISO 8601."""
    if found := re.fullmatch(r"T(?:([+-]\d+)(d|h|m|s|us))?", text):
        return T + timedelta(**{UNITS[found[2]]: int(found[1])}) if found[1] else T
    return datetime.fromisoformat(text)


ROLES = {"g": Role.GUARDIAN, "x": Role.GUARDIAN, "v": Role.VOOGD, "i": Role.GI, "k": Role.PUPIL, "c": Role.COURT}


def who(person: str, level: Level = Level.SUBSTANTIAL) -> Author:
    """Make an actor; the id's first letter tells the role."""
    return Author(person, ROLES.get(person[0], Role.STAFF), level)


READERS: dict[str, Any] = {
    "sections": lambda names: tuple(map(Section, names)),
    "purpose": Purpose,
    "ground": Ground,
    "notice": lambda version: Shown("consent", version, "nl", HASH),
    "versions": lambda given: {Section(name): version for name, version in given.items()},
    "birth_date": date.fromisoformat,
    "checked_on": date.fromisoformat,
    "evidence": CustodyEvidence,
    "holders": lambda persons: tuple(Holder(person, who(person).role, date(2015, 1, 1)) for person in sorted(persons)),
    **dict.fromkeys(("valid_from", "valid_until", "decided_at"), moment),
}

PLAIN = {"sender": SENDER, "receiver": RECEIVER, "purpose": "placement"}
NAMING = PLAIN | {"sections": ["okr", "lvs"]}
DEFAULTS: dict[Kind, dict[str, Any]] = {
    Kind.GRANT: NAMING | {"ground": "consent", "valid_until": "T+60d", "notice": 1, "collected": Collected.ONLINE},
    Kind.REFUSE: NAMING,
    Kind.WITHDRAW: NAMING,
    Kind.INZAGE: PLAIN | {"versions": {str(section): version for section, version in VERSIONS.items()}},
    Kind.VIEW: PLAIN,
    Kind.OBJECT: NAMING,
    Kind.OBJECTION_DECIDED: {"upheld": False},
    Kind.APPLIED: {"receiver": RECEIVER},
    Kind.STATUTORY: NAMING | {"article": "WPO art. 42"},
    Kind.RESTRICT: {"sections": ["okr"]},
    Kind.HOLD: {"article": "complaint"},
    Kind.CUSTODY: {
        "holders": ["g1"],
        "birth_date": "2015-01-01",
        "checked_on": "2027-02-01",
        "evidence": "gezagsregister",
    },
    Kind.COURT: NAMING | {"valid_until": "T+60d", "scan": HASH, "witness": "s1", "second": "s2"},
    Kind.SUCCESSOR: {"receiver": RECEIVER},
    Kind.EMERGENCY: NAMING | {"valid_until": "T+1d", "second": "s2", "emergency": EmergencyGround.VITAL_INTEREST},
    Kind.REQUEST: {"right": Right.ACCESS},
    Kind.REQUEST_DECIDED: {"ruling": Ruling.GRANTED},
}


def same(value: Any) -> Any:
    """Read what needs no reading."""
    return value


class Story:
    """The events of a pupil, numbered and timed as they are told."""

    def __init__(self, subject: str = PUPIL) -> None:
        self.subject = subject
        self.events: list[Event | UnknownEvent] = []

    def tell(self, kind: str, by: str, at: str | None = None, **said: Any) -> Event:
        """Append an event. References may name an earlier event by its place in the story."""
        level = Level[said.pop("level", "SUBSTANTIAL")]
        said = DEFAULTS[Kind[kind]] | said
        for name in ("withdraws", "adds", "objection", "request"):
            if isinstance(said.get(name), int):
                said[name] = getattr(self.events[said[name]], "id")  # noqa: B009 - an unknown event has none
        told = {
            name: value if value is None else READERS.get(name, lambda same: same)(value)
            for name, value in said.items()
        }
        place = len(self.events)
        begun = T - (timedelta(hours=place + 1) if kind == "EMERGENCY" else timedelta(days=20))
        when = moment(at) if at else begun + timedelta(hours=place)
        event = Event(
            kind=Kind[kind],
            key=f"k{place}",
            by=who(by, level),
            subject=self.subject,
            id=new_id(when),
            number=place + 1,
            index=10 * (place + 1),
            recorded_at=when,
            **told,
        )
        self.events.append(event)
        return event


def policy(kind: str = "toestemming", **given: Any) -> Policy:
    """Make a policy; `notices` as triples."""
    if "notices" in given:
        given["notices"] = tuple(Notice(*each) for each in given["notices"])
    return Policy(PolicyKind(kind), **given)


def question(sections: Sequence[str] = ("okr", "lvs"), **given: Any) -> Question:
    """Ask for some sections, from 99AB00 to 99CD00, PO to VO, for placement."""
    asked = {
        "subject": PUPIL,
        "sender": SENDER,
        "receiver": RECEIVER,
        "purpose": Purpose(given.pop("purpose", "placement")),
        "route": Route(given.pop("route", "POVO")),
        "sections": tuple(map(Section, sections)),
        "versions": VERSIONS | {Section(name): version for name, version in given.pop("versions", {}).items()},
    }
    return Question(**asked | given)


def told(case: Mapping[str, Any]) -> list[Event | UnknownEvent]:
    """Tell the story of a case of the table; `bare` leaves out that custody is known and the pupil has applied."""
    story = Story()
    if not case.get("bare"):
        story.tell("CUSTODY", "s1", **case.get("custody", {}))
        story.tell("APPLIED", "r1", at="T-20d")
    for step in case.get("events", ()):
        kind, by, said = (*step, {})[:3]
        if kind == "later version":
            place = len(story.events)
            story.events.append(
                UnknownEvent(version=2, subject=PUPIL, number=place + 1, index=10 * (place + 1), recorded_at=T)
            )
        elif said.get("twin"):
            other = Story("robin")
            other.tell(kind, by)
            story.events += other.events
        else:
            story.tell(kind, by, **said)
    return [event for place, event in enumerate(story.events) if place not in case.get("lost", ())]


def answer(case: Mapping[str, Any], events: Iterable[Event | UnknownEvent] | None = None) -> Granted | Refused:
    """Put a case's question to the rule."""
    events = told(case) if events is None else list(events)
    if "below" in case:
        events = [event for event in events if event.index < 10 * (case["below"] + 1)]
    own = [event for event in events if event.subject == PUPIL]
    newest = case.get("newest", max((event.number for event in own), default=0))
    asked = question(**case.get("ask", {}))
    below = 10 * (case["suspended"] + 1) if "suspended" in case else 0
    return decide(asked, events, newest, policy(**case.get("policy", {})), moment(case.get("now", "T")), below)


def cases() -> list[dict[str, Any]]:
    """Read the table of cases."""
    table: list[dict[str, Any]] = json.loads((VECTORS / "decisions.json").read_text())
    return table
