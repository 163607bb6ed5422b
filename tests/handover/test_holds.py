"""Legal holds: placed by the principal, lifted by two, and nothing of the pupil is destroyed in between."""

from datetime import timedelta
from typing import Any

import pytest

from handover import sweeping
from handover.accesslog import Did
from tests.handover.story import OTHER, PO, PO_TOO, VO, Case, Story, later
from tests.region import expect, now


def place(story: Story, pupil: str, status: int = 201, school: str = PO, **body: Any) -> dict[str, Any]:
    asked = {"ground": "Klacht bij de LKC, dossier 2027-1"} | body
    sent = story.region.send(school, "POST", f"/v1/pupils/{pupil}/holds", asked, role="principal")
    answer: dict[str, Any] = expect(sent, status).get_json()
    return answer


def lift(story: Story, pupil: str, hold: str) -> dict[str, Any]:
    """Let the principal propose that a hold is lifted, and a colleague confirm it."""
    return story.region.confirm(PO, proposes(story, pupil, hold)["proposal"])


def proposes(story: Story, pupil: str, hold: str, status: int = 201) -> dict[str, Any]:
    asked = {"ground": "De klacht is afgehandeld"}
    sent = story.region.send(PO, "POST", f"/v1/pupils/{pupil}/holds/{hold}/lifting", asked, role="principal")
    answer: dict[str, Any] = expect(sent, status).get_json()
    return answer


def delivered(story: Story) -> Case:
    case = story.case(bundle=False)
    case.send(expires_at=now().replace(microsecond=0) + timedelta(days=85))
    case.all_say(okr="yes")
    case.ask("okr")
    story.region.post(VO, f"{case.path}/acknowledgement", {"received": True, "placed": True})
    return case


def test_a_hold_stops_destruction_until_two_lift_it_and_never_a_release(lite: Story) -> None:
    """J2"""
    case = delivered(lite)
    hold = place(lite, case.child.pupil)["hold"]
    case.ask("okr")
    with later(days=40):
        sweeping.sweep(lite.region.parts, accept=1, accept_clock=True)
        case.ask("okr")
        proposal = proposes(lite, case.child.pupil, hold)["proposal"]
        sweeping.sweep(lite.region.parts, accept=1, accept_clock=True)
        case.ask("okr")
        lite.region.confirm(PO, proposal)
        sweeping.sweep(lite.region.parts, accept=1, accept_clock=True)
        case.refused("SHREDDED")


def test_a_hold_ends_by_itself_where_it_says_so(lite: Story) -> None:
    case = delivered(lite)
    place(lite, case.child.pupil, until=(now() + timedelta(days=60)).isoformat())
    with later(days=59):
        sweeping.sweep(lite.region.parts, accept=1, accept_clock=True)
        case.ask("okr")
    with later(days=61):
        sweeping.sweep(lite.region.parts, accept=1, accept_clock=True)
        case.refused("SHREDDED")


def test_a_hold_is_lifted_once(lite: Story) -> None:
    pupil = lite.region.pupil(PO).pupil
    hold = place(lite, pupil)["hold"]
    lift(lite, pupil, hold)
    assert proposes(lite, pupil, hold, 409)["code"] == "NOTHING_TO_LIFT"
    refused = lite.journal(Did.LIFTING_PROPOSED, Did.LIFTING_CONFIRMED)[-1]
    assert (refused.outcome, refused.terms["hold"]) == ("NOTHING_TO_LIFT", hold)
    proposes(lite, pupil, "0190b0f0-0000-7000-8000-000000000001", 404)


def test_the_board_sees_the_holds_of_its_pupil_and_by_whom_they_were_lifted(lite: Story) -> None:
    """A8"""
    pupil = lite.region.pupil(PO).pupil
    until = (now() + timedelta(days=60)).replace(microsecond=0)
    first, second = place(lite, pupil)["hold"], place(lite, pupil, until=until.isoformat(), school=PO_TOO)["hold"]
    event = lift(lite, pupil, first)["event"]
    shown = listed(lite, pupil)["holds"]
    assert [(one["hold"], one["ground"], one["by"]) for one in shown] == [
        (first, "Klacht bij de LKC, dossier 2027-1", f"{PO}.s-1"),
        (second, "Klacht bij de LKC, dossier 2027-1", f"{PO_TOO}.s-1"),
    ]
    assert [one["until"] for one in shown] == [None, until.isoformat().replace("+00:00", ".000000Z")]
    lifted = shown[0]["lifted"]
    assert (lifted["ground"], lifted["by"]) == ("De klacht is afgehandeld", [f"{PO}.s-1", f"{PO}.s-2"])
    assert shown[1]["lifted"] is None
    assert event not in {one["hold"] for one in shown}
    listed(lite, pupil, 404, school=OTHER)


def listed(story: Story, pupil: str, status: int = 200, school: str = PO) -> dict[str, Any]:
    sent = story.region.send(school, "GET", f"/v1/pupils/{pupil}/holds", role="principal")
    answer: dict[str, Any] = expect(sent, status).get_json()
    return answer


@pytest.mark.parametrize("school", [VO, OTHER])
def test_another_board_holds_nothing(standing: Story, school: str) -> None:
    """A8"""
    pupil = standing.region.pupil(PO).pupil
    place(standing, pupil, 404, school=school)
    assert place(standing, pupil, school=PO_TOO)["hold"]


WRONG: list[dict[str, Any]] = [{"ground": ""}, {"ground": "é"}, {"until": "2027-01-01T00:00:00"}, {"more": 1}]


@pytest.mark.parametrize("body", WRONG, ids=str)
def test_a_hold_of_another_form_is_refused(standing: Story, body: dict[str, Any]) -> None:
    """I4"""
    place(standing, standing.region.pupil(PO).pupil, 422, **body)
