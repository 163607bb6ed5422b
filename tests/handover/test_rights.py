"""Chapter III of the AVG, for a guardian or a pupil of 16: asked, answered in time, decided by people, and recorded."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from consent.db import reading
from consent.events import Event, Kind
from consent.fields import print_time
from consent.guardians import AMSTERDAM
from consent.terms import Right
from handover import rulings
from handover.accesslog import Did
from handover.asked import EXTENDED, TERM, asked, due_after, restriction_key
from handover.errors import RequestRefused
from handover.familylog import entitled
from handover.invitations import admit
from tests import canary
from tests.consent import story as ledger
from tests.handover.story import OTHER, PO, PO_TOO, VO, Case, Story
from tests.handover.test_paper import records
from tests.region import expect, now

WRONG = "Het advies klopt niet."


def asks(case: Case, right: str, who: int = 0, status: int = 200, **more: Any) -> dict[str, Any]:
    if right == "rectification":
        more.setdefault("text", WRONG)
    return case.family("rights", who, status, right=right, **more)


def decides(case: Case, request: str, ruling: str, status: int = 200, *, by: str = PO, **more: Any) -> dict[str, Any]:
    body = {"ruling": ruling, "reason": "Wij hebben het uitgezocht.", **more}
    path = f"/v1/requests/{request}/decision"
    return case.story.region.post(by, path, body, status, role="principal")


def grants_erasure(case: Case, request: str, status: int = 200) -> dict[str, Any]:
    """Let the principal grant an erasure and a colleague confirm it."""
    return case.story.region.confirm(PO, decides(case, request, "granted")["proposal"], status)


def proposes_lifting(case: Case, request: str, status: int = 201) -> dict[str, Any]:
    body = {"reason": "De gegevens kloppen."}
    return case.story.region.post(PO, f"/v1/requests/{request}/lifting", body, status, role="principal")


def waiting(case: Case, school: str = PO, query: str = "") -> list[dict[str, Any]]:
    """List what waits for a school, of this case's pupil."""
    answer = expect(case.story.region.send(school, "GET", f"/v1/requests{query}"), 200).get_json()
    return [one for one in answer["requests"] if one["pupil"] == case.child.pupil]


def own(case: Case, who: int = 0) -> list[dict[str, Any]]:
    requests: list[dict[str, Any]] = case.family("requests", who)["requests"]
    return requests


def events(case: Case, *kinds: Kind) -> list[Event]:
    parts = case.story.region.parts
    with reading(parts.main) as session:
        return [event for event in parts.ledger.history(session, case.child.pupil).known if event.kind in kinds]


def mails(story: Story, subject: str) -> list[dict[str, str]]:
    """Give the messages in the outbox whose subject holds these words."""
    files = story.region.settings.outbox.glob("*.json")
    return [one for one in (json.loads(path.read_bytes()) for path in files) if subject in one["subject"]]


@contextmanager
def on(*moment: int) -> Iterator[None]:
    """Stand in the Netherlands at this wall time."""
    with time_machine.travel(datetime(*moment, tzinfo=AMSTERDAM).astimezone(UTC)):  # type: ignore[arg-type, misc]
        yield


# ---- the term


@pytest.mark.parametrize(
    ("asked_at", "months", "due"),
    [
        ("2027-03-01T12:00", TERM, "2027-04-02T00:00+02:00"),  # the clock went forward in between
        ("2027-10-15T00:00", TERM, "2027-11-16T00:00+01:00"),  # and back
        ("2027-10-14T23:59", TERM, "2027-11-15T00:00+01:00"),
        ("2027-01-31T09:00", TERM, "2027-03-01T00:00+01:00"),  # no 31 February
        ("2028-01-31T09:00", TERM, "2028-03-01T00:00+01:00"),  # 29 February is its last day
        ("2028-02-29T09:00", TERM, "2028-03-30T00:00+02:00"),
        ("2027-12-31T23:59", TERM, "2028-02-01T00:00+01:00"),
        ("2027-11-30T09:00", EXTENDED, "2028-03-01T00:00+01:00"),
        ("2027-01-31T09:00", EXTENDED, "2027-05-01T00:00+02:00"),
    ],
)
def test_a_term_ends_with_the_same_day_of_the_month_in_the_netherlands(asked_at: str, months: int, due: str) -> None:
    asked = datetime.fromisoformat(asked_at).replace(tzinfo=AMSTERDAM)
    found = due_after(asked.astimezone(UTC), months)
    assert found == datetime.fromisoformat(due)
    assert found.tzinfo is UTC


@given(st.integers(10**9, 4 * 10**9), st.sampled_from([TERM, EXTENDED]))
def test_a_term_is_a_month_to_the_day_and_ends_at_midnight(seconds: int, months: int) -> None:
    asked = datetime.fromtimestamp(seconds, AMSTERDAM)
    due = due_after(asked.astimezone(UTC), months).astimezone(AMSTERDAM)
    last = (due - timedelta.resolution).date()
    assert (due.hour, due.minute, due.second, due.microsecond) == (0, 0, 0, 0)
    assert (last.year * 12 + last.month) - (asked.year * 12 + asked.month) == months
    assert last.day == asked.day or (last.day < asked.day and (last + timedelta(days=1)).day == 1)


# ---- access and portability


def test_access_gives_all_that_is_held_and_everyone_who_received_it(lite: Story) -> None:
    """J6: complete, and nothing of others."""
    case = lite.agreed("okr", sections=("okr", "views"))
    case.family("view", text="Sam leest graag.", travels=True, done=False)
    case.family("view", 1, text="Van de andere ouder.", travels=False, done=False)
    case.ask("okr", role="mentor")
    told = asks(case, "access")
    answer = told["answer"]
    assert answer["pupil"]["first_name"] == canary.NAME
    assert answer["pupil"]["birth_date"] == "2014-05-06"
    assert answer["pupil"]["board"] == {"code": "po-noord", "name": "Bestuur po-noord"}
    assert answer["you"] == {
        "person": case.child.persons[0],
        "role": "guardian",
        "name": f"{canary.NAME} ouder 1",
        "mail": f"{canary.MAIL}1@gezin.test",
    }
    [sent] = answer["transfers"]
    assert (sent["sender"], sent["receiver"], sent["sections"]) == (PO, VO, ["okr", "views"])
    assert [one["sections"] for one in sent["released"]] == [["okr"]]
    assert sent["bundles"][0]["versions"].keys() >= {"okr"}
    [received] = answer["received"]
    assert (received["school"]["code"], received["sections"], received["ground"]) == (VO, ["okr"], "consent")
    assert received in answer["log"]
    assert [(one["kind"], one["by"]["you"]) for one in answer["ledger"]] == [
        *(("custody", False), ("applied", False), ("grant", True), ("view", True), ("request", True)),
    ]
    custody = answer["ledger"][0]
    assert [(one["role"], one["you"]) for one in custody["holders"]].count(("guardian", True)) == 1
    assert answer["words"] == [
        {"event": answer["ledger"][3]["event"], "kind": "view", "you": True, "text": "Sam leest graag."}
    ]
    assert len(answer["invitations"]) == 1
    assert {"data", "counts_from", "term", "basis"} == set(answer["kept"][0])
    assert "Autoriteit Persoonsgegevens" in answer["information"]["nl"]


def test_access_gives_what_waits_for_a_second_person_but_what_is_anothers_or_is_told_of_when_it_begins(
    lite: Story,
) -> None:
    """J6"""
    case = lite.case(bundle=False)
    until = {"until": print_time(now() + timedelta(hours=24)), "reason": WRONG}
    lite.region.post(PO, f"{case.path}/emergency", {"ground": "meldcode", "sections": ["okr"], **until}, 201)
    records(case)
    records(case, 1)
    for who in (0, 1):
        proposes_lifting(case, asks(case, "restriction", who, sections=["okr"])["request"])
    paper, lifting = (one for one in asks(case, "access")["answer"]["proposals"])
    moments = {name: paper.pop(name) for name in ("proposed_at", "lapses_at")}
    assert moments["lapses_at"] > moments["proposed_at"]
    here = {"school": PO, "transfer": case.transfer}
    assert paper == here | {"matter": "paper", "sections": [], "answers": {"okr": "yes"}}
    assert (lifting["matter"], lifting["sections"], lifting["answers"]) == ("restriction", ["okr"], {})


def test_access_leaves_out_the_other_parent_and_the_names_of_staff(standing: Story) -> None:
    """J6: a twin's data and another guardian's address are nobody else's."""
    twin = standing.agreed("okr")
    twin.family("view", text="Over de tweeling.", travels=False, done=False)
    case = standing.agreed("okr")
    case.family("view", 1, text="Van de andere ouder.", travels=False, done=False)
    asks(case, "erasure", 1)
    text = json.dumps(asks(case, "access"))
    for other in (f"{canary.MAIL}2", "ouder 2", "Van de andere ouder", case.child.persons[1], "s-1"):
        assert other not in text
    for other in (twin.child.pupil, twin.transfer, *twin.child.persons, "Over de tweeling"):
        assert other not in text
    assert '"right": "erasure"' not in text


def test_portability_gives_what_this_person_provided_and_nothing_else(standing: Story) -> None:
    case = standing.agreed("okr", sections=("okr", "views"))
    case.family("view", text="Sam leest graag.", travels=True, done=False)
    case.say(1, okr="no")
    answer = asks(case, "portability")["answer"]
    assert answer.keys() == {"you", "ledger", "words"}
    assert [one["kind"] for one in answer["ledger"]] == ["grant", "view", "request"]
    assert [one["text"] for one in answer["words"]] == ["Sam leest graag."]
    assert answer["ledger"][0]["valid_until"] > answer["ledger"][0]["at"]


@pytest.mark.parametrize("right", ["access", "portability"])
def test_what_is_answered_at_once_waits_for_nobody(standing: Story, right: str) -> None:
    """1:1: the request is one event, what was given one entry."""
    case = standing.case(bundle=False)
    before = standing.size()
    told = asks(case, right)
    assert standing.size() == before + 2
    entry = standing.journal(Did.REQUEST_ANSWERED)[-1]
    assert (entry.pupil, entry.terms["right"]) == (case.child.pupil, right)
    assert told["checkpoint"].splitlines()[1] == str(before + 2)
    assert waiting(case) == []
    assert [one["state"] for one in own(case)] == ["answered"]
    assert decides(case, told["request"], "refused", 409)["code"] == "NOTHING_TO_DECIDE"


def test_a_repeated_request_is_one_request_and_what_is_given_again_is_logged_again(standing: Story) -> None:
    """A6"""
    case = standing.case(bundle=False)
    body = {"token": case.tokens[0], "right": "access"}
    first, again = (standing.region.family("rights", body, key="r" * 20) for _ in range(2))
    assert first["request"] == again["request"]
    assert again["answer"]["you"] == first["answer"]["you"]
    assert len(events(case, Kind.REQUEST)) == 1
    given = [one for one in standing.journal(Did.REQUEST_ANSWERED) if one.pupil == case.child.pupil]
    assert len(given) == 2
    standing.region.family("rights", body | {"right": "portability"}, 409, key="r" * 20)


# ---- restriction


def test_a_restriction_freezes_at_once_and_two_lift_it(lite: Story) -> None:
    case = lite.agreed("okr", "lvs")
    request = asks(case, "restriction", sections=["okr"])["request"]
    case.refused("RESTRICTED")
    case.ask("lvs")
    [one] = waiting(case)
    assert (one["state"], one["days_left"], one["sections"]) == ("in_force", None, ["okr"])
    assert decides(case, request, "refused", 409)["code"] == "NOTHING_TO_DECIDE"
    proposal = proposes_lifting(case, request)["proposal"]
    case.refused("RESTRICTED")
    lite.region.confirm(PO, proposal)
    case.ask("okr")
    assert waiting(case) == []
    assert proposes_lifting(case, request, 409)["code"] == "NOTHING_TO_LIFT"
    [mine] = own(case)
    assert (mine["state"], mine["reason"]) == ("lifted", "De gegevens kloppen.")
    assert [mail["to"] for mail in mails(lite, "niet meer stilgezet")] == [f"{canary.MAIL}1@gezin.test"]
    assert "en een collega hebben dit weer vrijgegeven" in case.family("log")["rows"][1]["nl"]


def test_a_restriction_that_names_no_section_freezes_all_of_them(standing: Story) -> None:
    case = standing.agreed("okr", "lvs")
    asks(case, "restriction")
    case.refused("RESTRICTED")
    case.refused("RESTRICTED", "lvs")
    [frozen] = events(case, Kind.RESTRICT)
    assert len(frozen.sections or ()) == 8
    assert frozen.by.person == case.child.persons[0]


def test_a_restriction_of_two_sections_holds_until_both_are_lifted() -> None:
    told = ledger.Story()
    request = told.tell("REQUEST", "g1", right=Right.RESTRICTION)
    restriction = replace(told.tell("RESTRICT", "g1", sections=["okr", "lvs"]), key=restriction_key(request))
    first = told.tell("RESTRICT", "s1", sections=["okr"], withdraws=restriction.id)
    last = told.tell("RESTRICT", "s1", sections=["lvs"], withdraws=restriction.id)
    [partly], [wholly] = asked([request, restriction, first]), asked([request, restriction, first, last])
    assert (partly.state, partly.closed) == ("in_force", None)
    assert (wholly.state, wholly.closed) == ("lifted", last)


# ---- rectification


def test_a_correction_is_granted_when_each_receiver_has_a_newer_version(story: Story) -> None:
    case = story.agreed("okr")
    case.ask("okr")
    request = asks(case, "rectification")["request"]
    assert waiting(case)[0]["text"] == WRONG
    refused = decides(case, request, "granted", 409)
    assert refused["code"] == "NEW_VERSION_NEEDED"
    assert refused["fields"] == {f"/transfers/{case.transfer}": "Its newest bundle is older than the request."}
    assert decides(case, request, "partly", 409)["code"] == "NEW_VERSION_NEEDED"
    case.send()
    decides(case, request, "granted")
    assert case.for_receiver()["superseded"] is True
    passed = story.journal(Did.CORRECTION_PASSED_ON)[-1]
    assert passed.terms["transfer"] == case.transfer
    assert passed.told["vo-zuid"].outcome == "granted"
    [mine] = own(case)
    assert (mine["state"], mine["reason"]) == ("granted", "Wij hebben het uitgezocht.")
    assert [mail["to"] for mail in mails(story, "beantwoord")] == [f"{canary.MAIL}1@gezin.test"]
    assert waiting(case) == []
    assert decides(case, request, "refused", 409)["code"] == "RECORD_REFUSED"


def test_a_correction_of_what_nobody_has_yet_needs_no_new_version(standing: Story) -> None:
    case = standing.case()
    decides(case, asks(case, "rectification")["request"], "partly")
    assert own(case)[0]["state"] == "partly"
    assert case.child.pupil not in {one.pupil for one in standing.journal(Did.CORRECTION_PASSED_ON)}


def test_a_cancelled_transfer_needs_no_new_version_and_its_receiver_is_still_told(standing: Story) -> None:
    case = standing.agreed("okr")
    case.ask("okr")
    standing.region.post(PO, f"{case.path}/cancel", {})
    decides(case, asks(case, "rectification")["request"], "granted")
    assert standing.journal(Did.CORRECTION_PASSED_ON)[-1].terms["transfer"] == case.transfer


def test_a_refused_correction_keeps_its_reason_and_its_article(standing: Story) -> None:
    case = standing.case(bundle=False)
    request = asks(case, "rectification")["request"]
    decides(case, request, "refused", article="AVG art. 16")
    [mine] = own(case)
    assert (mine["state"], mine["article"]) == ("refused", "AVG art. 16")
    assert own(case, 1) == []
    mine, others = (asks(case, "access", who)["answer"] for who in range(2))
    assert "request_decided" in {one["kind"] for one in mine["ledger"]}
    assert [one["text"] for one in mine["words"] if not one["you"]] == ["Wij hebben het uitgezocht."]
    assert "request_decided" not in {one["kind"] for one in others["ledger"]}
    assert others["words"] == []


def test_a_correction_says_what_is_wrong(standing: Story) -> None:
    case = standing.case(bundle=False)
    before = standing.size()
    refused = case.family("rights", 0, 422, right="rectification")
    assert refused["fields"] == {"/text": "Say what is wrong."}
    assert standing.size() == before


# ---- erasure


def test_an_erasure_that_nothing_stops_is_carried_out_by_two(story: Story) -> None:
    """J7: what is left of the pupil is no pseudonym in any log."""
    case, other = story.case(), story.case()
    told = asks(case, "erasure")
    assert told["answer"] == {"stops": []}
    request = told["request"]
    proposal = decides(case, request, "granted")["proposal"]
    case.family("log")
    assert own(case)[0]["state"] == "open"
    assert mails(story, "beantwoord") == []
    answer = story.region.confirm(PO, proposal)
    assert (answer["request"], answer["ruling"]) == (request, "granted")
    case.family("log", 0, 404)
    for school in (PO, VO):
        expect(story.region.send(school, "GET", case.path), 404)
    assert waiting(case) == []
    with reading(story.region.parts.main) as session:
        rows = story.region.parts.journal.search(session, "po-noord", rulings.Criteria(), limit=500)
    assert not any(case.child.pupil in str(row) for row in rows)
    assert [mail["to"] for mail in mails(story, "beantwoord")] == [f"{canary.MAIL}1@gezin.test"]
    other.family("log")
    other.all_say(okr="yes")
    other.ask("okr")


def test_what_was_released_is_kept_as_evidence_and_the_answer_says_until_when(standing: Story) -> None:
    case = standing.agreed("okr")
    case.ask("okr")
    told = asks(case, "erasure")
    [stop] = told["answer"]["stops"]
    today = now().astimezone(AMSTERDAM).date()
    assert stop["kind"] == "evidence"
    assert stop["until"][:4] == str(today.year + 5)
    assert "art. 7 lid 1" in stop["basis"]
    refused = decides(case, told["request"], "granted", 409)
    assert refused["code"] == "ERASURE_STOPPED"
    assert refused["fields"].keys() == {"/stops/evidence"}
    decides(case, told["request"], "refused", article="AVG art. 17(3)(b)")
    assert own(case)[0]["article"] == "AVG art. 17(3)(b)"
    case.family("log")


def test_a_duty_of_the_law_stops_an_erasure_until_the_transfer_ends(lite: Story) -> None:
    lite.region.choose("po-noord", "wettelijk")
    case = lite.case()
    told = asks(case, "erasure")
    assert [(one["kind"], one["until"]) for one in told["answer"]["stops"]] == [("duty", None)]
    lite.region.post(PO, f"{case.path}/cancel", {})
    grants_erasure(case, told["request"])
    case.family("log", 0, 404)


def test_what_is_frozen_or_disputed_is_not_erased(standing: Story) -> None:
    case = standing.case(bundle=False)
    asks(case, "restriction", 1)
    told = asks(case, "erasure")
    assert [one["kind"] for one in told["answer"]["stops"]] == ["restriction"]
    assert decides(case, told["request"], "granted", 409)["code"] == "ERASURE_STOPPED"


def test_an_erasure_that_a_crash_cut_short_is_finished_by_the_sweep(
    lite: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = lite.case(bundle=False)
    request = asks(case, "erasure")["request"]

    def killed(*_: object) -> None:
        raise OSError

    with monkeypatch.context() as patch:
        patch.setattr(rulings.erasure, "erase", killed)
        grants_erasure(case, request, 503)
    assert own(case)[0]["state"] == "granted"
    assert rulings.finish(lite.region.parts) == 1
    assert rulings.finish(lite.region.parts) == 0
    case.family("log", 0, 404)


def test_what_came_between_a_granted_erasure_and_its_end_is_looked_at_again(
    lite: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    """J5: a file that went to another school meanwhile leaves its proof."""
    case = lite.agreed("okr")
    request = asks(case, "erasure")["request"]
    with monkeypatch.context() as patch:
        patch.setattr(rulings, "erase", lambda *_: 0)  # a process that ended between the two
        grants_erasure(case, request)
    case.ask("okr")
    assert rulings.finish(lite.region.parts) == 0
    assert [one["kind"] for one in asks(case, "erasure")["answer"]["stops"]] == ["evidence"]


# ---- who


def test_from_sixteen_a_parent_can_have_nothing_frozen_or_erased(lite: Story) -> None:
    born = date(now().year - 16, 1, 1)
    case = lite.case(bundle=False, pupil={"born": born, "pupil_mail": "sam@gezin.test"})
    for right in ("restriction", "erasure"):
        assert asks(case, right, 0, 403)["code"] == "PUPIL_DECIDES"
    assert events(case, Kind.RESTRICT, Kind.REQUEST) == []
    asks(case, "access", 0)
    asks(case, "restriction", 2)


def test_only_the_school_that_sent_the_invitation_sees_and_answers_a_request(standing: Story) -> None:
    """A8: neither another location of its board, nor the receiver, nor anybody else."""
    case = standing.case(bundle=False)
    request = asks(case, "rectification")["request"]
    assert len(waiting(case)) == 1
    for school in (PO_TOO, VO, OTHER):
        assert waiting(case, school) == []
        decides(case, request, "refused", 404, by=school)
    event = case.family("view", text="Iets.", travels=False, done=False)["events"][0]
    decides(case, event, "refused", 404)


def test_the_list_comes_in_pages(standing: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rulings, "PAGE", 3)
    case = standing.case(bundle=False)
    made = [asks(case, "rectification")["request"] for _ in range(7)]
    region, found, query = standing.region, [], ""
    while True:
        answer = expect(region.send(PO, "GET", f"/v1/requests{query}"), 200).get_json()
        found += [one["request"] for one in answer["requests"] if one["request"] in made]
        if answer["next"] is None:
            break
        query = f"?cursor={answer['next']}"
    assert found == made[::-1]


# ---- in time


def test_a_term_is_made_longer_once_and_only_while_it_runs(lite: Story) -> None:
    with on(2027, 3, 1, 12):
        case = lite.case(bundle=False)
        request = asks(case, "rectification")["request"]
        [one] = waiting(case)
        assert (one["due"], one["days_left"]) == ("2027-04-01T22:00:00.000000Z", 31)
        decides(case, request, "extended")
        [one] = waiting(case)
        assert (one["due"], one["days_left"], one["state"]) == ("2027-06-01T22:00:00.000000Z", 92, "extended")
        assert [event.valid_until for event in events(case, Kind.REQUEST_DECIDED)] == [
            datetime(2027, 6, 1, 22, tzinfo=UTC)
        ]
        assert decides(case, request, "extended", 409)["code"] == "RECORD_REFUSED"
        assert "uiterlijk op 1 juni 2027" in mails(lite, "meer tijd")[0]["body"]
        other = asks(case, "rectification", 1)["request"]
    with on(2027, 4, 1, 23, 59):
        assert [(one["request"], one["days_left"]) for one in waiting(case)] == [(other, 0), (request, 61)]
    with on(2027, 4, 2, 0, 0):
        assert waiting(case)[0]["days_left"] == -1
        assert decides(case, other, "extended", 409)["code"] == "TOO_LATE"
        decides(case, other, "refused")


def test_an_objection_has_a_term_too_and_who_made_it_hears_the_decision(lite: Story) -> None:
    lite.region.choose("po-noord", "wettelijk")
    with on(2027, 3, 1, 12):
        case = lite.case()
        event = case.family("objection", sections=["okr"], reason="Dit klopt niet.")["events"][0]
        [one] = waiting(case)
        assert (one["right"], one["request"], one["transfer"]) == ("objection", event, case.transfer)
        assert one["due"] == case.for_sender()["objections"][0]["due"] == "2027-04-01T22:00:00.000000Z"
        lite.region.dpo("po-noord")
        with on(2027, 3, 30, 12):
            assert rulings.remind(lite.region.parts) == 1
        assert decides(case, event, "refused", 409)["code"] == "NOTHING_TO_DECIDE"
        body = {"upheld": True, "reason": "U heeft gelijk."}
        lite.region.post(PO, f"{case.path}/objections/{event}/decision", body, role="principal")
        assert waiting(case) == []
        [mine] = own(case)
        assert (mine["right"], mine["state"], mine["reason"]) == ("objection", "granted", "U heeft gelijk.")
        assert [mail["to"] for mail in mails(lite, "beantwoord")] == [f"{canary.MAIL}1@gezin.test"]


def test_the_fg_is_reminded_a_week_before_and_when_it_is_too_late_once_each(story: Story) -> None:
    parts = story.region.parts
    with on(2027, 3, 1, 12):
        story.region.dpo("po-noord")
        case = story.case(bundle=False)
        request = asks(case, "rectification")["request"]
        asks(case, "access")
    with on(2027, 3, 24, 23, 59):
        assert rulings.remind(parts) == 0
    with on(2027, 3, 25, 0, 0):
        assert (rulings.remind(parts), rulings.remind(parts)) == (1, 0)
    [mail] = mails(story, "wacht op antwoord")
    assert mail["to"] == "fg-1@po-noord.test"
    assert "uiterlijk op 1 april 2027" in mail["body"]
    assert request in mail["body"]
    assert canary.traces(mail["body"].encode()) == []
    with on(2027, 4, 1, 23, 59):
        assert rulings.remind(parts) == 0
    with on(2027, 4, 2, 0, 0):
        assert (rulings.remind(parts), rulings.remind(parts)) == (1, 0)
    assert len(mails(story, "is te laat")) == 1
    assert [entry.outcome for entry in story.journal(Did.REQUEST_REMINDED)] == ["due_soon", "overdue"]


def test_nobody_is_reminded_of_what_was_decided_and_a_board_without_an_fg_is_asked_again_later(lite: Story) -> None:
    parts = lite.region.parts
    with on(2027, 3, 1, 12):
        case = lite.case(bundle=False)
        request = asks(case, "rectification")["request"]
    with on(2027, 4, 2, 12):
        assert rulings.remind(parts) == 0
        lite.region.dpo("po-noord")
        decides(case, request, "refused")
        assert rulings.remind(parts) == 0
        asks(case, "rectification", 1, 404)  # the invitation has ended; the request goes on without it


def test_words_of_a_request_stand_nowhere_in_the_clear(standing: Story) -> None:
    case = standing.case(bundle=False)
    asks(case, "rectification", text=canary.NOTE)
    assert canary.found_in(standing.region.folder) == []


def test_whoever_was_let_in_is_looked_at_again_under_the_pupils_lock(lite: Story) -> None:
    """A10: gezag may end between the door and the lock."""
    case = lite.case(bundle=False)
    parts = lite.region.parts
    visitor = admit(parts, case.tokens[1])
    evidence = {"kind": "gezagsregister", "date": now().date().isoformat(), "staff": "s-1"}
    kept = {"name": "Ouder 1", "mail": "ouder1@gezin.test", "role": "guardian", "person": case.child.persons[0]}
    path = f"/v1/pupils/{case.child.pupil}/custody"
    expect(lite.region.send(PO, "PUT", path, {"holders": [kept], "evidence": evidence}), 200)
    with parts.journal.act(pupil=case.child.pupil) as act, pytest.raises(RequestRefused, match="NOT_FOUND"):
        entitled(parts, act, visitor)


def test_nothing_is_erased_beside_a_journal_that_is_frozen(lite: Story) -> None:
    case = lite.case(bundle=False)
    request = asks(case, "erasure")["request"]
    parts = lite.region.parts
    with reading(parts.main) as session:
        parts.keystore.freeze(parts.journal.checkpoint(session), "a test", now())
    assert decides(case, request, "granted", 503)["code"] == "FROZEN"
    assert rulings.finish(parts) == 0
    assert own(case)[0]["state"] == "open"
