"""Each pattern at its exact limits: the last entry that is none, and the first that is."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
import time_machine

import handover
from consent.entry import Actor
from consent.events import Kind
from consent.search import Found
from consent.terms import Ground, Section
from crypto.keyfile import KeyFile
from handover.accesslog import Did
from handover.parts import Examiner
from handover.patterns import FINDERS, NAMES, PATTERNS, SHOWN, look
from tests.handover.story import PO, VO, Story, later
from tests.handover.test_audit import patterns
from tests.region import now

NOON: Final = datetime(2027, 6, 15, 10, tzinfo=UTC)
"""A Tuesday in term time, 12 o'clock in the Netherlands."""

HOUR, DAY, MINUTE, INSTANT = timedelta(hours=1), timedelta(days=1), timedelta(minutes=1), timedelta(microseconds=1)
FG: Final = Examiner("po-noord", "fg-1")


def entry(at: datetime = NOON, kind: int = Did.RELEASE, outcome: str = "granted", **changed: Any) -> Found:
    """An entry as an FG finds it: s-1 got a file, unless something else is said."""
    made = Found(
        index=0,
        number=1,
        type=int(kind),
        day=at.date(),
        sections=("okr",),
        ground=Ground.CONSENT,
        outcome=outcome,
        school=VO,
        erased=False,
        at=at,
        actor=Actor("staff", changed.pop("who", f"{VO}.s-1"), {"role": "intake"}),
        terms={"transfer": changed.pop("transfer", "t")},
        opened=None,
    )
    return replace(made, **changed)


def many(count: int, last: timedelta, **changed: Any) -> list[Found]:
    """So many entries about as many transfers, the last one so long after the first and the others with the first."""
    made = [entry(transfer=f"t{number}", **changed) for number in range(count - 1)]
    return [*made, entry(NOON + last, transfer="last", **changed)]


def local(text: str) -> list[Found]:
    """One release at a moment with its zone."""
    return [entry(datetime.fromisoformat(text).astimezone(UTC))]


def kinds(*found: int, **changed: Any) -> list[Found]:
    return [entry(kind=kind, **changed) for kind in found]


@dataclass(frozen=True)
class Row:
    """What stands in the log, oldest first, and how many findings there are of how many entries."""

    name: str
    entries: list[Found]
    sizes: tuple[int, ...] = ()


def sections_of_a_file(count: int, at: datetime = NOON, apart: timedelta = INSTANT, **changed: Any) -> list[Found]:
    """So many sections that one person asks for, each as a question of its own."""
    names = [str(section) for section in Section][:count]
    return [entry(at + number * apart, sections=(name,), **changed) for number, name in enumerate(names)]


REFUSED: Final[dict[str, Any]] = {"outcome": "NO_GRANT"}
ASKED_AT_ONCE: Final = sections_of_a_file(2, **REFUSED)
TABLE: Final = {
    "nine files in an hour": Row("many_dossiers", many(9, HOUR)),
    "ten files in an hour": Row("many_dossiers", many(10, HOUR), (10,)),
    "ten files in more than an hour": Row("many_dossiers", many(10, HOUR + INSTANT)),
    "twenty files are two crowds": Row("many_dossiers", many(20, HOUR), (10, 10)),
    "ten sections of nine files": Row("many_dossiers", [*many(9, HOUR), entry(NOON + HOUR, transfer="last")]),
    "ten files by two people": Row("many_dossiers", [*many(5, HOUR), *many(5, HOUR, who=f"{VO}.s-2")]),
    "ten files that didn't go": Row("many_dossiers", many(10, HOUR, **REFUSED)),
    "ten entries of nobody": Row("many_dossiers", many(10, HOUR, actor=None)),
    "four refusals in a day": Row("repeated_refusals", many(4, DAY, **REFUSED)),
    "five refusals in a day": Row("repeated_refusals", many(5, DAY, **REFUSED), (5,)),
    "five refusals in more than a day": Row("repeated_refusals", many(5, DAY + INSTANT, **REFUSED)),
    "five refusals of one file": Row("repeated_refusals", [entry(**REFUSED)] * 5, (5,)),
    "four refusals and a release": Row("repeated_refusals", [*many(4, HOUR, **REFUSED), entry(NOON + HOUR)]),
    "a file asked for in five sections": Row("repeated_refusals", sections_of_a_file(5, **REFUSED)),
    "five times two sections": Row("repeated_refusals", [one for _ in range(5) for one in ASKED_AT_ONCE], (5,)),
    "two sections of five files": Row(
        "repeated_refusals",
        [one for each in range(5) for one in sections_of_a_file(2, transfer=f"t{each}", **REFUSED)],
        (5,),
    ),
    "a release between refusals": Row(
        "repeated_refusals", [*sections_of_a_file(4, **REFUSED), entry(sections=("views",)), *many(3, HOUR, **REFUSED)]
    ),
    "a section a minute": Row("outside_hours", sections_of_a_file(4, NOON + 12 * HOUR, MINUTE), (1,)),
    "a section each minute and more": Row(
        "outside_hours", sections_of_a_file(4, NOON + 12 * HOUR, MINUTE + INSTANT), (1, 1, 1, 1)
    ),
    "two people at night": Row(
        "outside_hours",
        [entry(NOON + 12 * HOUR, sections=(name,), who=f"{VO}.s-{name}") for name in ("okr", "lvs")],
        (1, 1),
    ),
    "two attempts": Row("attempts", many(2, DAY, kind=Did.ATTEMPT)),
    "three attempts": Row("attempts", many(3, DAY, kind=Did.ATTEMPT), (3,)),
    "three attempts in more than a day": Row("attempts", many(3, DAY + INSTANT, kind=Did.ATTEMPT)),
    "before seven in winter": Row("outside_hours", local("2027-01-12T06:59:59.999999+01:00"), (1,)),
    "seven in winter": Row("outside_hours", local("2027-01-12T07:00:00+01:00")),
    "before seven in summer": Row("outside_hours", local("2027-06-15T06:59:59.999999+02:00"), (1,)),
    "seven in summer": Row("outside_hours", local("2027-06-15T07:00:00+02:00")),
    "before nineteen in winter": Row("outside_hours", local("2027-01-12T18:59:59.999999+01:00")),
    "nineteen in winter": Row("outside_hours", local("2027-01-12T19:00:00+01:00"), (1,)),
    "before nineteen in summer": Row("outside_hours", local("2027-06-15T18:59:59.999999+02:00")),
    "nineteen in summer": Row("outside_hours", local("2027-06-15T19:00:00+02:00"), (1,)),
    "Friday": Row("outside_hours", local("2027-06-18T12:00:00+02:00")),
    "Saturday": Row("outside_hours", local("2027-06-19T12:00:00+02:00"), (1,)),
    "Sunday": Row("outside_hours", local("2027-06-20T12:00:00+02:00"), (1,)),
    "Monday": Row("outside_hours", local("2027-06-21T12:00:00+02:00")),
    "the day before the holiday": Row("outside_hours", local("2027-07-19T12:00:00+02:00")),
    "the holiday's first day": Row("outside_hours", local("2027-07-20T12:00:00+02:00"), (1,)),
    "the holiday's last day": Row("outside_hours", local("2027-08-10T12:00:00+02:00"), (1,)),
    "the day after the holiday": Row("outside_hours", local("2027-08-11T12:00:00+02:00")),
    "a refusal at night": Row("outside_hours", [entry(NOON + 12 * HOUR, **REFUSED)], (1,)),
    "a log that is read at night": Row("outside_hours", [entry(NOON + 12 * HOUR, Did.AUDIT_SEARCHED)]),
    "after a withdrawal": Row("after_withdrawal", [entry(outcome="WITHDRAWN")], (1,)),
    "refused for another reason": Row("after_withdrawal", [entry(**REFUSED), entry()]),
    "a withdrawal itself": Row("after_withdrawal", kinds(Kind.WITHDRAW, outcome="WITHDRAWN")),
    "emergencies": Row("emergency", kinds(Kind.EMERGENCY, Did.EMERGENCY_PROPOSED, Did.EMERGENCY_CONFIRMED), (1, 1, 1)),
    "a release in an emergency": Row("emergency", [entry(ground=Ground.EMERGENCY)], (1,)),
    "the end of an emergency": Row("emergency", [*kinds(Did.EMERGENCY_ENDED), entry()]),
    "a paper": Row("paper", kinds(Did.PAPER_RECORDED, Did.PAPER_CONFIRMED), (1, 1)),
    "a court's ruling": Row("court", kinds(Did.COURT_RECORDED, Kind.COURT), (1,)),
    "an answer of the family": Row("paper", kinds(Kind.GRANT, Did.REMINDED)),
}


def found(story: Story, name: str, entries: list[Found]) -> Iterator[int]:
    """Let a finder read entries, newest first; gives how many stand in each finding."""
    finder = FINDERS[name](story.region.parts)
    for number, one in reversed(list(enumerate(entries))):
        assert one.at is not None
        for hit in finder(replace(one, index=number), one.at):
            assert hit.at == entries[hit.entries[0]].at
            assert hit.who == (one.actor.id if one.actor else None)
            yield len(hit.entries)


@pytest.mark.parametrize("title", TABLE)
def test_a_pattern_begins_exactly_at_its_limits(standing: Story, title: str) -> None:
    """K9"""
    row = TABLE[title]
    assert tuple(found(standing, row.name, row.entries)) == row.sizes


def test_every_pattern_has_a_finder_and_stands_in_the_table_or_in_a_test_of_its_own() -> None:
    assert set(FINDERS) == set(NAMES)
    elsewhere = {"changed_address", "colleagues_child", "not_acknowledged", "new_keys"}
    assert {row.name for row in TABLE.values()} | elsewhere == set(NAMES)
    assert all(pattern.why.endswith(".") and pattern.waarom.endswith(".") for pattern in PATTERNS)


def test_a_pattern_reads_every_kind_of_entry_that_it_finds(standing: Story) -> None:
    """Entries of other kinds aren't even opened: what a finder would find among them, nobody would see."""
    reads = {pattern.name: pattern.reads for pattern in PATTERNS}
    for title, row in TABLE.items():
        others = [one for one in row.entries if one.type not in reads[row.name]]
        assert list(found(standing, row.name, others)) == [], title


@pytest.mark.parametrize(("after", "sizes"), [(14 * DAY, ()), (14 * DAY + INSTANT, (1,))])
def test_a_delivery_is_unconfirmed_when_fourteen_days_are_over(
    standing: Story, after: timedelta, sizes: tuple[int, ...]
) -> None:
    case = standing.case(invited=False, bundle=False)
    delivered = [entry(kind=Did.DELIVERED, transfer=case.transfer)] * 2
    with time_machine.travel(NOON + after, tick=False):
        assert tuple(found(standing, "not_acknowledged", delivered)) == sizes
        assert tuple(found(standing, "not_acknowledged", [entry(kind=Did.DELIVERED, transfer="gone")])) == ()


@pytest.mark.parametrize(
    ("after", "sizes"), [(-INSTANT, ()), (timedelta(0), (1,)), (DAY, (1,)), (DAY + INSTANT, ())], ids=str
)
def test_a_release_within_a_day_after_keys_were_replaced_is_found_by_the_sender_too(
    lite: Story, after: timedelta, sizes: tuple[int, ...]
) -> None:
    """C1: the keys are the other board's, and their log is public."""
    published = lite.journal(Did.KEYS_PUBLISHED)
    first = max(each.recorded_at for each in published if each.terms["school"] == VO)
    assert tuple(found(lite, "new_keys", [entry(first)])) == (), "the first keys replace none"
    with later(days=30):
        lite.region.schools[VO].keys = KeyFile.generate(VO)
        lite.region.publish(VO, "sign", "seal", "request")
    replaced = lite.journal(Did.KEYS_PUBLISHED)[-1].recorded_at
    assert tuple(found(lite, "new_keys", [entry(replaced + after)])) == sizes
    assert tuple(found(lite, "new_keys", [entry(replaced + after, school=PO)])) == ()
    assert tuple(found(lite, "new_keys", [entry(replaced + after, **REFUSED)])) == ()


def test_what_belongs_together_is_found_over_the_edge_of_a_period(lite: Story) -> None:
    lite.region.dpo("po-noord")
    case = lite.case()
    midnight = datetime.combine(now().date() + 2 * DAY, datetime.min.time(), UTC)
    with time_machine.travel(midnight - HOUR):
        for _ in range(4):
            case.ask("okr", status=403)
    with time_machine.travel(midnight + HOUR):
        case.ask("okr", status=403)

    def count(since: date, until: date) -> int:
        (one,) = look(lite.region.parts, FG, since, until, ["repeated_refusals"])["patterns"]
        assert one["count"] == len(one["found"])
        return int(one["count"])

    day = midnight.date()
    assert count(day, day) == 1
    assert count(day - DAY, day - DAY) == 0, "there were four by then"
    assert count(day + DAY, day + DAY) == 0, "the fifth was the day before"
    assert count(day - DAY, day) == 1


def test_all_findings_are_counted_and_the_newest_are_shown(lite: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    assert SHOWN == 200
    monkeypatch.setattr("handover.patterns.SHOWN", 2)
    lite.region.dpo("po-noord")
    case = lite.agreed("okr")
    case.family("withdrawal", sections=["okr"], destroy_now=False)
    for _ in range(3):
        case.ask("okr", status=403)
    newest = [one.index for one in lite.journal(Did.RELEASE)][::-1]
    found = patterns(lite, "po-noord", "after_withdrawal")["after_withdrawal"]
    assert (found["count"], [hit["entries"] for hit in found["found"]]) == (3, [[index] for index in newest[:2]])


def test_what_was_withdrawn_is_found_whatever_the_gate_said_first(lite: Story) -> None:
    """K9: a no of another comes first, a restriction does; and what was given again isn't."""
    lite.region.dpo("po-noord")
    case = lite.agreed("okr", "opp")
    case.ask("okr")
    case.family("withdrawal", sections=["okr"], destroy_now=False)
    expected = []

    def refused(reason: str, section: str = "okr") -> None:
        case.refused(reason, section)
        expected.insert(0, [lite.journal(Did.RELEASE)[-1].index])

    refused("WITHDRAWN")
    case.ask("opp")
    case.say(1, okr="no")
    refused("GUARDIAN_OBJECTS")
    case.family("rights", 1, right="restriction", sections=["okr"], text="Stop.")
    refused("RESTRICTED")
    case.say(0, okr="yes")
    case.ask("okr", status=403)
    found = patterns(lite, "po-noord", "after_withdrawal")["after_withdrawal"]
    assert [hit["entries"] for hit in found["found"]] == expected
    region = lite.region
    region.dpo("vo-zuid")
    assert patterns(lite, "vo-zuid", "after_withdrawal")["after_withdrawal"]["count"] == 0, "it hears no reason"


def test_the_readme_tells_of_these_patterns_and_no_others() -> None:
    readme = (Path(handover.__file__).parent / "README.md").read_text("utf-8")
    table = readme.partition("| pattern | finds |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(NAMES)
