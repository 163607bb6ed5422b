"""A court's ruling in the place of one holder, and a receiver that goes on under another code."""

import json
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from consent.fields import print_time
from consent.terms import AMSTERDAM
from handover.accesslog import Did
from handover.courts import COURTS
from tests import canary
from tests.handover.story import OTHER, PO, VO, Case, Story, later, merged
from tests.region import expect, now

BOARD = "po-noord"
SCAN = "5" * 64


def ruling(case: Case, status: int = 200, *, who: int = 1, **changed: Any) -> dict[str, Any]:
    """Let the principal propose a ruling in the place of one of those who decide, and a colleague confirm it."""
    body = {
        "court": "RBMNE",
        "stands_for": case.child.persons[who],
        "sections": ["okr"],
        "decided_on": now().date().isoformat(),
        "scan": SCAN,
    } | changed
    region, wanted = case.story.region, 201 if status == 200 else status
    proposed = region.post(PO, f"{case.path}/court", body, wanted, role="principal")
    return confirm(case, proposed["proposal"]) if status == 200 else proposed


def confirm(case: Case, proposal: str, status: int = 200, staff: str = "s-2") -> dict[str, Any]:
    return case.story.region.post(PO, f"/v1/proposals/{proposal}/confirm", {}, status, staff=staff)


def mails(story: Story, about: str) -> list[dict[str, str]]:
    """Give the messages with these words in their subject."""
    files = [json.loads(path.read_bytes()) for path in story.region.settings.outbox.glob("*.json")]
    return [mail for mail in files if about in mail["subject"]]


def lines(case: Case, who: int = 0) -> list[str]:
    return [row["nl"] for row in case.family("log", who)["rows"]]


def test_a_ruling_stands_in_for_one_no_and_not_for_the_other_holder(standing: Story) -> None:
    case = standing.case(sections=("okr", "lvs"))
    case.say(1, okr="no", lvs="no")
    case.refused("GUARDIAN_OBJECTS")
    made = ruling(case)
    assert made["sections"] == ["okr"]
    assert case.why("okr") == "GUARDIAN_MISSING", "the other holder's yes is still needed"
    case.say(0, okr="yes", lvs="yes")
    assert case.why("okr") is None
    assert case.why("lvs") == "GUARDIAN_OBJECTS", "the court didn't decide on this"
    case.ask("okr")
    case.say(1, okr="no")
    assert case.why("okr") is None, "what that holder says afterwards doesn't undo a ruling"


def test_a_ruling_counts_to_its_end_and_no_longer(standing: Story) -> None:
    case = standing.case(sections=("okr",))
    case.say(0, okr="yes")
    case.say(1, okr="no")
    until = now() + timedelta(days=10)
    assert ruling(case, until=print_time(until))["until"] == print_time(until)
    assert case.why() is None
    with later(days=10):
        assert case.why() == "GUARDIAN_OBJECTS"


def test_without_an_end_a_ruling_counts_as_long_as_an_answer_of_this_transfer(standing: Story) -> None:
    case = standing.case(sections=("okr",))
    assert ruling(case)["until"] == case.family("question")["until"]


def test_everybody_concerned_is_told_also_whose_place_the_court_took_and_the_fg(lite: Story) -> None:
    region = lite.region
    region.dpo(BOARD)
    case = lite.case(sections=("okr",))
    assert ruling(case)["told"] == 2
    told = mails(lite, "rechter heeft beslist")
    assert sorted(mail["to"] for mail in told) == sorted(f"{canary.MAIL}{place}@gezin.test" for place in (1, 2))
    for mail in told:
        assert canary.NAME not in mail["body"]
        assert not {VO, PO, "okr", "RBMNE"} & set(mail["body"].split())
    entry = lite.journal(Did.COURT_RECORDED)[-1]
    (fg,) = mails(lite, "beslissing van een rechter")
    assert f"nummer {entry.index - 1} " in fg["body"], "the ruling itself"
    assert entry.terms["told"] == sorted(case.child.persons)
    assert (entry.terms["court"], entry.terms["scan"], entry.terms["second"]) == ("RBMNE", SCAN, f"{PO}.s-1")
    assert entry.terms["decided_on"] == now().date().isoformat()
    found = region.examine(
        BOARD, "POST", "/v1/audit/patterns", {"since": day(-1), "until": day(1), "names": ["court"]}
    ).get_json()
    assert [(one["name"], one["count"]) for one in found["patterns"]] == [("court", 1)]


def day(ahead: int) -> str:
    return (now() + timedelta(days=ahead)).date().isoformat()


def test_the_family_reads_who_took_the_ruling_down_and_what_went_by_it(standing: Story) -> None:
    case = standing.case(sections=("okr",))
    ruling(case)
    case.say(0, okr="yes")
    case.ask("okr")
    said = lines(case)
    assert sum("en een collega hebben vastgelegd dat een rechter besliste" in line for line in said) == 1
    released = next(line for line in said if "heeft dit gekregen" in line)
    assert "Een rechter besliste daarbij in plaats van een ouder of voogd." in released


def test_a_file_that_went_by_a_ruling_alone_names_the_day_of_the_ruling(standing: Story) -> None:
    case = standing.case(sections=("okr",), pupil={"holders": 1})
    ruling(case, who=0)
    case.ask("okr")
    row = next(row for row in case.family("log")["rows"] if row["kind"] == "released")
    assert row["consent_at"] is not None
    assert row["en"].endswith("A court decided there in the place of a parent or guardian.")


def test_nobody_is_reminded_of_an_answer_that_a_court_gave(standing: Story) -> None:
    case = standing.case(sections=("okr", "lvs"))
    case.say(0, okr="yes", lvs="yes")

    def silent() -> list[str]:
        season = expect(standing.region.send(PO, "GET", "/v1/season"), 200).get_json()
        mine = [row["persons"] for row in season["transfers"] if row["transfer"] == case.transfer]
        return [one["person"] for persons in mine for one in persons]

    ruling(case, sections=["okr"])
    assert silent() == [case.child.persons[1]], "lvs is still asked of this holder"
    ruling(case, sections=["lvs"])
    assert silent() == []


def test_one_alone_takes_no_ruling_down_and_the_attempt_is_logged(standing: Story) -> None:
    """K10: whatever the case of the letters."""
    case = standing.case(sections=("okr",))
    case.say(0, okr="yes")
    case.say(1, okr="no")
    body = {"court": "HR", "stands_for": case.child.persons[1], "sections": ["okr"], "decided_on": day(0), "scan": SCAN}
    proposal = standing.region.post(PO, f"{case.path}/court", body, 201, role="principal")["proposal"]
    assert case.why() == "GUARDIAN_OBJECTS", "nothing counts before a second person has said so"
    assert confirm(case, proposal, 409, staff="S-1")["code"] == "SECOND_NEEDED"
    assert standing.journal(Did.COURT_RECORDED)[-1].outcome == "SECOND_NEEDED"
    assert any(line.endswith("wilde iets met het dossier doen. Dat mocht niet.") for line in lines(case))
    assert case.why() == "GUARDIAN_OBJECTS"
    confirm(case, proposal)
    assert case.why() is None


def test_a_ruling_is_judged_anew_when_it_is_confirmed(standing: Story) -> None:
    case = standing.case(sections=("okr",), bundle=False)
    body = {"court": "HR", "stands_for": case.child.persons[1], "sections": ["okr"], "decided_on": day(0), "scan": SCAN}
    body["until"] = print_time(now() + timedelta(days=2))
    proposal = standing.region.post(PO, f"{case.path}/court", body, 201, role="principal")["proposal"]
    with later(days=2):
        assert list(confirm(case, proposal, 422)["fields"]) == ["/until"]
    assert standing.journal(Did.COURT_RECORDED)[-1].outcome == "INVALID"


def test_a_ruling_must_be_about_a_holder_and_a_yes_that_is_needed_now(standing: Story) -> None:
    case = standing.case(sections=("okr", "views"))
    wrong = {"stands_for": "nobody", "sections": ["lvs", "okr", "views"], "decided_on": day(2)}
    wrong |= {"until": print_time(now())}
    assert ruling(case, 422, **wrong)["fields"] == {
        "/stands_for": "Not a holder of gezag who decides about this pupil now.",
        "/sections/0": "Nobody's yes is needed for this here.",
        "/sections/2": "Nobody's yes is needed for this here.",
        "/decided_on": "After today.",
        "/until": "Must lie ahead, and not beyond the end of this transfer's answers.",
    }
    beyond = ruling(case, 422, until=print_time(now() + timedelta(days=366)))
    assert list(beyond["fields"]) == ["/until"]
    assert standing.journal(Did.COURT_PROPOSED)[-1].outcome == "INVALID"
    assert ruling(case, 422, court="RBXXX")["code"] == "INVALID"
    assert len(COURTS) == 16


def test_from_sixteen_on_no_court_stands_in_for_a_parent_or_for_the_pupil(standing: Story) -> None:
    today = now().date()
    born = date(today.year - 17, 1, 1)
    case = standing.case(sections=("okr",), bundle=False, pupil={"born": born, "pupil_mail": "sam@gezin.test"})
    for person in (case.child.persons[0], case.child.pupil):
        assert list(ruling(case, 422, stands_for=person)["fields"]) == ["/stands_for"]


def test_a_ruling_is_about_an_open_transfer_of_ones_own(standing: Story) -> None:
    case = standing.case(sections=("okr",), bundle=False)
    standing.region.post(PO, f"{case.path}/cancel", {})
    assert ruling(case, 409)["code"] == "CANCELLED"


# ---- a receiver that goes on under another code


def follow_on(story: Story, pupil: str, old: str, new: str, status: int = 201) -> dict[str, Any]:
    body = {"receiver": old, "successor": new}
    return story.region.post(PO, f"/v1/pupils/{pupil}/successors", body, status, role="principal")


def test_what_a_family_said_of_a_school_counts_for_the_school_that_it_became(lite: Story) -> None:
    region = lite.region
    old, new = "41EE00", "41EE01"
    region.board("vo-fusie", old, new)
    child = region.pupil(PO)
    before = region.transfer(child, PO, old, sections=("okr",))
    for person in child.persons:
        region.answer(region.invite(PO, before, person), okr="yes")
    assert follow_on(lite, child.pupil, old, new, 422)["fields"] == {
        "/receiver": "Not a school that has ended its keys."
    }
    region.publish(old, "seal", state="revoked")
    assert follow_on(lite, child.pupil, old, new)["told"] == 2
    assert len(mails(lite, "andere code")) == 2
    after = region.transfer(child, PO, new, sections=("okr",), applied=False)
    decisions = {transfer: region.show(PO, transfer)["decisions"]["okr"]["reason"] for transfer in (before, after)}
    assert decisions == {before: "NOT_APPLIED", after: None}
    assert [region.show(PO, transfer)["applied"] for transfer in (before, after)] == [False, True]
    token = region.invite(PO, after, child.persons[0])
    rows = region.family("log", {"token": token})["rows"]
    assert any("andere code" in row["nl"] and row["kind"] == "successor" for row in rows)


def test_through_the_old_code_an_answer_takes_back_nothing_and_a_paper_lifts_no_no(lite: Story) -> None:
    """What is said about the school that was is said about the school that it became."""
    region = lite.region
    old, new = "41EE00", "41EE01"
    region.board("vo-fusie", old, new)
    child = region.pupil(PO)
    before = region.transfer(child, PO, old, sections=("okr", "lvs"))
    first, second = (region.invite(PO, before, person) for person in child.persons)
    region.answer(first, okr="yes")
    region.answer(second, okr="no")
    region.publish(old, "seal", state="revoked")
    follow_on(lite, child.pupil, old, new)
    after = region.transfer(child, PO, new, sections=("okr", "lvs"), applied=False)
    region.answer(first, lvs="yes")
    shown = [region.family("question", {"token": token})["sections"] for token in (first, second)]
    assert [{row["section"]: row["answer"] for row in rows} for rows in shown] == [
        {"okr": "yes", "lvs": "yes"},
        {"okr": "no", "lvs": None},
    ]
    assert region.show(PO, after)["decisions"]["okr"]["reason"] == "GUARDIAN_OBJECTS"
    for transfer in (before, after):
        notice = region.send(PO, "GET", f"/v1/transfers/{transfer}/paper").get_json()["notice"]
        said = {"person": child.persons[1], "notice": notice["sha256"], "answers": {"okr": "yes"}, "scan": SCAN}
        said |= {"signed_on": datetime.now(AMSTERDAM).date().isoformat(), "collected": "paper"}
        assert region.post(PO, f"/v1/transfers/{transfer}/paper", said, 409)["code"] == "ANSWERED_ONLINE"


@pytest.mark.parametrize("new", [VO, OTHER, "99ZZ99"], ids=["another board", "a third board", "unknown"])
def test_a_sender_alone_makes_no_school_of_another_board_a_successor(standing: Story, new: str) -> None:
    """A4: what was said for one receiver opens nothing for another."""
    old, _ = merged(standing.region)
    pupil = standing.region.pupil(PO).pupil
    assert follow_on(standing, pupil, old, new, 422)["fields"] == {
        "/successor": "Not another school of the same board."
    }


def test_a_school_does_not_follow_on_itself_and_an_unknown_one_on_nothing(standing: Story) -> None:
    old, new = merged(standing.region)
    pupil = standing.region.pupil(PO).pupil
    assert list(follow_on(standing, pupil, old, old, 422)["fields"]) == ["/successor"]
    assert list(follow_on(standing, pupil, "99ZZ98", new, 422)["fields"]) == ["/receiver", "/successor"]
