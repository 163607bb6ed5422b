"""Answers on paper: taken over by two of the staff, told at once, and of no use to anybody for a week."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine

from consent.events import Event
from consent.guardians import AMSTERDAM
from consent.terms import Collected, Level, Role
from handover.accesslog import Did
from handover.paper import starts
from tests import canary
from tests.handover.story import PO, Case, Story, later
from tests.handover.test_emergency import events, mails, posted
from tests.region import expect, now

SCAN = "5" * 64


def form(case: Case) -> dict[str, Any]:
    answer: dict[str, Any] = expect(case.story.region.send(PO, "GET", f"{case.path}/paper"), 200).get_json()
    return answer


def records(case: Case, who: int = 0, status: int = 201, **changed: Any) -> dict[str, Any]:
    """Let somebody of the staff record a paper: `answers={"okr": "yes"}` unless something else is said."""
    options = {name: changed.pop(name) for name in ("staff", "key") if name in changed}
    body = {
        "person": case.child.persons[who],
        "answers": {"okr": "yes"},
        "notice": changed.pop("notice", None) or form(case)["notice"]["sha256"],
        "scan": SCAN,
        "collected": "meeting",
        "signed_on": datetime.now(AMSTERDAM).date().isoformat(),
    } | changed
    return case.story.region.post(PO, f"{case.path}/paper", body, status, **options)


def paper(case: Case, who: int = 0, **changed: Any) -> dict[str, Any]:
    """Let two of the staff take over a paper."""
    return case.story.region.confirm(PO, records(case, who, **changed)["proposal"])


def of_person(case: Case, who: int = 0) -> list[Event]:
    return [event for event in events(case) if event.by.person == case.child.persons[who]]


@pytest.fixture
def case(standing: Story) -> Case:
    return standing.case()


@pytest.fixture
def bare(standing: Story) -> Case:
    """A transfer that nobody was invited to, and without a bundle."""
    return standing.case(invited=False, bundle=False)


def test_a_yes_on_paper_counts_after_a_week_and_not_sooner(story: Story) -> None:
    case = story.case()
    begins = datetime.fromisoformat(paper(case)["starts"])
    case.say(1, okr="yes")
    case.refused("NOT_YET_VALID")
    assert begins == starts(now())
    with time_machine.travel(begins - timedelta(seconds=2)):
        case.refused("NOT_YET_VALID")
    with time_machine.travel(begins + timedelta(seconds=1)):
        case.ask("okr")


@pytest.mark.parametrize(
    ("recorded", "begins"),
    [
        ("2027-03-01T00:00:00+01:00", "2027-03-08T23:00:00+00:00"),
        ("2027-03-01T23:59:59.999999+01:00", "2027-03-08T23:00:00+00:00"),
        ("2027-03-01T23:30:00+00:00", "2027-03-09T23:00:00+00:00"),
        ("2027-03-25T12:00:00+01:00", "2027-04-01T22:00:00+00:00"),
        ("2027-10-28T12:00:00+02:00", "2027-11-04T23:00:00+00:00"),
        ("2028-02-22T12:00:00+01:00", "2028-02-29T23:00:00+00:00"),
    ],
)
def test_i1_i3_i5_the_week_ends_with_the_seventh_day_in_amsterdam(recorded: str, begins: str) -> None:
    assert starts(datetime.fromisoformat(recorded)).astimezone(UTC).isoformat() == begins


def test_a_no_on_paper_counts_at_once(case: Case) -> None:
    case.all_say(okr="yes")
    case.ask("okr")
    paper(case, answers={"okr": "no"})
    case.refused("GUARDIAN_OBJECTS")


@pytest.mark.parametrize("undone", ["answers", "withdrawal"])
def test_whose_paper_it_was_undoes_it_with_the_code_that_came_with_the_notice(standing: Story, undone: str) -> None:
    case = standing.case(invited=False)
    begins = datetime.fromisoformat(paper(case)["starts"])
    paper(case, 1)
    token = standing.region.tokens()[-1 if _to(standing)[-1].endswith("1@gezin.test") else -2]
    case.tokens = [token]
    if undone == "answers":
        case.say(0, okr="no")
    else:
        case.family("withdrawal", sections=["okr"], destroy_now=False)
    with time_machine.travel(begins + timedelta(hours=1)):
        case.refused("GUARDIAN_OBJECTS" if undone == "answers" else "WITHDRAWN")


def _to(story: Story) -> list[str]:
    """Give to whom the messages with a code went, oldest first."""
    files = sorted(story.region.settings.outbox.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
    found = [json.loads(path.read_bytes()) for path in files]
    return [mail["to"] for mail in found if "vul deze code in" in mail["body"]]


def test_another_guardians_no_within_the_week_wins_as_always(case: Case) -> None:
    begins = datetime.fromisoformat(paper(case)["starts"])
    case.say(1, okr="no")
    with time_machine.travel(begins + timedelta(hours=1)):
        case.refused("GUARDIAN_OBJECTS")


def test_a_false_no_on_paper_is_lifted_by_that_persons_own_yes(case: Case) -> None:
    paper(case, answers={"okr": "no"})
    case.tokens[0] = case.story.region.tokens()[-1]
    case.all_say(okr="yes")
    case.ask("okr")


@pytest.mark.parametrize("said", ["yes", "no"])
def test_paper_never_says_yes_where_somebody_answered_online(case: Case, said: str) -> None:
    case.say(0, okr=said)
    before = posted(case.story)
    refused = records(case, status=409, answers={"okr": "yes", "lvs": "yes"})
    assert (refused["code"], set(refused["fields"])) == ("ANSWERED_ONLINE", {"/answers/okr"})
    assert case.story.journal(Did.PAPER_RECORDED)[-1].outcome == "ANSWERED_ONLINE"
    assert posted(case.story) == before
    assert all(event.collected is Collected.ONLINE for event in of_person(case))


def test_a_no_on_paper_opens_no_way_for_a_yes_on_paper_over_what_was_said_online(story: Story) -> None:
    case = story.case()
    case.say(0, okr="no")
    case.say(1, okr="yes")
    paper(case, answers={"okr": "no"})
    assert records(case, status=409)["code"] == "ANSWERED_ONLINE"
    with later(days=9):
        case.refused("GUARDIAN_OBJECTS")


def test_a_paper_that_one_has_recorded_counts_for_nothing_and_nobody_is_told_yet(case: Case) -> None:
    case.all_say(okr="yes")
    before = posted(case.story)
    proposal = records(case, answers={"okr": "no"})["proposal"]
    case.ask("okr")
    assert posted(case.story) == before
    assert all(event.collected is Collected.ONLINE for event in of_person(case))
    case.story.region.confirm(PO, proposal)
    case.refused("GUARDIAN_OBJECTS")
    assert len(posted(case.story)) == len(before) + 2


def test_the_week_runs_from_the_day_on_which_the_second_confirmed(story: Story) -> None:
    case = story.case()
    case.say(1, okr="yes")
    proposal = records(case)["proposal"]
    with later(days=3):
        begins = datetime.fromisoformat(story.region.confirm(PO, proposal)["starts"])
        assert begins == starts(now())
    with time_machine.travel(begins - timedelta(seconds=2)):
        case.refused("NOT_YET_VALID")
    with time_machine.travel(begins + timedelta(seconds=1)):
        case.ask("okr")


@pytest.mark.parametrize(("said", "online"), [("yes", "yes"), ("yes", "no"), ("no", "yes"), ("no", "no")])
def test_what_somebody_answers_online_before_the_second_confirms_goes_before_the_paper(
    case: Case, said: str, online: str
) -> None:
    proposal = records(case, answers={"okr": said, "lvs": said})["proposal"]
    case.say(0, okr=online)
    refused = case.story.region.confirm(PO, proposal, 409)
    assert (refused["code"], set(refused["fields"])) == ("ANSWERED_ONLINE", {"/answers/okr"})
    assert case.story.journal(Did.PAPER_CONFIRMED)[-1].outcome == "ANSWERED_ONLINE"
    assert all(event.collected is Collected.ONLINE for event in of_person(case))


def test_a_no_on_paper_takes_back_an_older_yes_given_online(case: Case) -> None:
    case.all_say(okr="yes")
    paper(case, answers={"okr": "no"})
    case.refused("GUARDIAN_OBJECTS")


def test_a_paper_of_somebody_who_lost_gezag_meanwhile_is_refused(bare: Case) -> None:
    proposal = records(bare)["proposal"]
    evidence = {"kind": "gezagsregister", "date": now().date().isoformat(), "staff": "s-1"}
    kept = {"name": "Ouder 2", "mail": "ouder2@gezin.test", "role": "guardian", "person": bare.child.persons[1]}
    path = f"/v1/pupils/{bare.child.pupil}/custody"
    expect(bare.story.region.send(PO, "PUT", path, {"holders": [kept], "evidence": evidence}), 200)
    refused = bare.story.region.confirm(PO, proposal, 422)
    assert (refused["code"], set(refused["fields"])) == ("PERSON_UNKNOWN", {"/person"})


def test_paper_leaves_standing_what_was_said_of_other_sections(case: Case) -> None:
    case.all_say(lvs="yes")
    paper(case)
    case.ask("lvs")
    paper(case, answers={"opp": "yes", "reports": "yes"})
    case.ask("lvs")
    case.refused("NOT_YET_VALID")


def test_what_stands_in_the_ledger_says_that_it_was_paper_and_who_saw_it(bare: Case) -> None:
    today = datetime.now(AMSTERDAM).date()
    made = paper(bare, answers={"okr": "yes", "reports": "yes", "lvs": "no"})["events"]
    theirs = of_person(bare)
    assert [event.id for event in theirs] == made
    assert [(event.kind.name, event.ground) for event in theirs] == [
        ("GRANT", "consent"),
        ("GRANT", "explicit_consent"),
        ("REFUSE", None),
    ]
    for event in theirs:
        assert (event.collected, event.witness, event.scan) == (Collected.MEETING, f"{PO}.s-2", SCAN)
        assert (event.by.role, event.notice and event.notice.sha256) == (
            Role.GUARDIAN,
            form(bare)["notice"]["sha256"],
        )
        assert event.decided_at == datetime.combine(today, datetime.min.time(), AMSTERDAM)
    steps = bare.story.journal(Did.PAPER_RECORDED, Did.PAPER_CONFIRMED)[-2:]
    assert [entry.actor and entry.actor.id for entry in steps] == [f"{PO}.s-1", f"{PO}.s-2"]
    for entry in steps:
        assert (entry.outcome, entry.sections, entry.told) == ("granted", ("okr", "lvs", "reports"), {})
        assert (entry.terms["person"], entry.terms["collected"]) == (bare.child.persons[0], "meeting")
    assert (steps[1].terms["events"], steps[1].terms["second"]) == (made, f"{PO}.s-1")


def test_a_meeting_recognises_somebody_better_than_a_paper_that_was_handed_in(bare: Case) -> None:
    paper(bare, collected="paper")
    assert of_person(bare)[-1].by.level is Level.LOW
    paper(bare, 1)
    assert of_person(bare, 1)[-1].by.level is Level.SUBSTANTIAL


def test_everybody_is_told_and_only_who_signed_gets_a_code(standing: Story) -> None:
    case = standing.case(invited=False)
    before = posted(standing)
    paper(case)
    own, other = sorted(mails(standing, before), key=lambda mail: mail["to"])
    assert (own["to"], other["to"]) == (f"{canary.MAIL}1@gezin.test", f"{canary.MAIL}2@gezin.test")
    assert "Klopt het niet? Of hebt u niets ingevuld?" in own["body"]
    assert "vul deze code in" not in other["body"]
    last = (starts(now()) - timedelta(hours=1)).astimezone(AMSTERDAM)
    for mail in (own, other):
        assert f"Een ja telt pas na {last.day} " in mail["body"]


def _refusals() -> list[tuple[str, str, dict[str, Any]]]:
    tomorrow, yesterday = (datetime.now(AMSTERDAM).date() + timedelta(days=way) for way in (1, -1))
    return [
        ("PERSON_UNKNOWN", "/person", {"person": "0" * 32}),
        ("NOTICE_CHANGED", "/notice", {"notice": "0" * 64}),
        ("INVALID", "/signed_on", {"signed_on": tomorrow.isoformat()}),
        ("INVALID", "/signed_on", {"signed_on": yesterday.isoformat()}),
        ("SECTION_NOT_ASKED", "/answers/attendance", {"answers": {"okr": "yes", "attendance": "no"}}),
    ]


@pytest.mark.parametrize(("code", "place", "changed"), _refusals())
def test_a_paper_that_can_t_count_is_refused_and_that_it_was_tried_is_logged(
    bare: Case, code: str, place: str, changed: dict[str, Any]
) -> None:
    before = posted(bare.story)
    answer = records(bare, status=422, **changed)
    assert (answer["code"], set(answer["fields"])) == (code, {place})
    entry = bare.story.journal(Did.PAPER_RECORDED)[-1]
    assert (entry.outcome, "proposal" in entry.terms) == (code, False)
    assert (of_person(bare), posted(bare.story)) == ([], before)


def test_views_aren_t_answered_on_paper(standing: Story) -> None:
    case = standing.case(invited=False, sections=("okr", "views"))
    assert form(case)["sections"] == ["okr"]
    assert set(records(case, status=422, answers={"views": "yes"})["fields"]) == {"/answers/views"}


def test_a_yes_that_could_never_count_is_refused_and_a_no_isn_t(bare: Case) -> None:
    with later(days=358):
        assert records(bare, status=409)["code"] == "TOO_LATE"
        paper(bare, answers={"okr": "no"})
    with later(days=357):
        paper(bare, 1)


def test_a_paper_signed_before_the_16th_birthday_isn_t_an_own_answer_since(standing: Story) -> None:
    """A5"""
    today = datetime.now(AMSTERDAM).date()
    born = date(today.year - 16, today.month, min(today.day, 28)) + timedelta(days=3)
    case = standing.case(invited=False, pupil={"born": born, "pupil_mail": f"{canary.MAIL}-leerling@gezin.test"})
    with later(days=5):
        pupil = len(case.child.persons) - 1
        begins = datetime.fromisoformat(paper(case, pupil, signed_on=today.isoformat())["starts"])
    with time_machine.travel(begins + timedelta(hours=1)):
        case.refused("PUPIL_CONSENT_REQUIRED")


def test_from_sixteen_on_the_pupil_alone_signs_a_text_of_its_own(standing: Story) -> None:
    """A5"""
    born = date(datetime.now(AMSTERDAM).year - 17, 1, 1)
    pupil = {"born": born, "pupil_mail": f"{canary.MAIL}-leerling@gezin.test"}
    case = standing.case(bundle=False, pupil=pupil)
    own = len(case.child.persons) - 1
    assert form(case)["notice"]["sha256"] == case.family("question", own)["notice"]["sha256"]
    refused = records(case, 0, 422)
    assert (refused["code"], list(refused["fields"])) == ("PUPIL_DECIDES", ["/person"])
    records(case, own)


def test_a6_the_same_paper_sent_twice_is_taken_over_once(bare: Case) -> None:
    notice = form(bare)["notice"]["sha256"]
    first, again = (records(bare, notice=notice, key="p" * 16)["proposal"] for _ in range(2))
    assert first == again
    taken, twice = (bare.story.region.confirm(PO, first, key="c" * 16) for _ in range(2))
    assert taken == twice
    assert len(of_person(bare)) == 1


def test_nothing_is_taken_over_for_a_cancelled_transfer(bare: Case) -> None:
    notice = form(bare)["notice"]["sha256"]
    bare.story.region.post(PO, f"{bare.path}/cancel", {})
    assert records(bare, status=409, notice=notice)["code"] == "CANCELLED"
    expect(bare.story.region.send(PO, "GET", f"{bare.path}/paper"), 409)


def test_a_form_holds_the_words_that_a_visitor_is_shown_online(case: Case) -> None:
    online = case.family("question")["notice"]
    assert form(case)["notice"] == {name: online[name] for name in ("version", "language", "sha256", "text")}
    assert form(case)["sections"] == ["okr", "opp", "lvs", "reports"]
