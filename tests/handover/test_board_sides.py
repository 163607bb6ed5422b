"""Each board's side of the journal: what the receiver's FG may see of a transfer, and what is the sender's alone."""

import pytest

from consent.db import reading
from consent.events import Kind
from consent.journal import Criteria, Found
from handover.accesslog import Did
from tests.handover.story import PO, PO_TOO, VO, Story

RECEIVERS_KINDS = {
    Did.TRANSFER_OPENED,
    Did.TRANSFER_CANCELLED,
    Did.RELEASE,
    Did.DELIVERED,
    Did.ACKNOWLEDGED,
    Kind.APPLIED,
}


def side(story: Story, board: str, **criteria: object) -> list[Found]:
    with reading(story.region.parts.main) as session:
        found = story.region.parts.journal.search(session, board, Criteria(**criteria), limit=200)  # type: ignore[arg-type]
    return [one for one in reversed(found) if one.type not in (Did.BOARD_JOINED, Did.KEYS_PUBLISHED, Kind.POLICY)]


@pytest.fixture
def told(lite: Story) -> Story:
    """A transfer with everything in it: refused, granted, withdrawn, refused again, acknowledged, cancelled."""
    case = lite.case()
    case.ask("okr", status=403, staff="s-7", role="mentor")
    case.all_say(okr="yes")
    case.ask("okr", staff="s-7", role="mentor")
    case.family("withdrawal", 1, sections=["okr"], destroy_now=True)
    case.ask("okr", status=403, staff="s-8")
    lite.region.post(VO, f"{case.path}/acknowledgement", {"received": True, "placed": True}, 200)
    lite.region.post(PO, f"{case.path}/cancel", {}, 200)
    return lite


def test_the_receivers_board_hears_of_its_own_doings_and_not_of_the_familys(told: Story) -> None:
    """A1, G1: never a reason, never an answer, never an entry that stands for one."""
    heard = side(told, "vo-zuid")
    assert {one.type for one in heard} == RECEIVERS_KINDS
    assert [one.outcome for one in heard if one.type == Did.RELEASE] == ["refused", "granted", "refused"]
    assert [(one.index, one.opened, one.erased) for one in heard if one.opened or one.erased] == []
    assert {one.ground for one in heard} == {None, "consent"}
    releases = [one for one in heard if one.type == Did.RELEASE]
    assert [one.terms for one in releases] == [None] * 3  # they name the ledger's entries
    assert [one.actor and one.actor.id for one in releases] == [f"{VO}.s-7", f"{VO}.s-7", f"{VO}.s-8"]
    assert {one.school for one in releases} == {VO}
    senders = [one for one in heard if one.type in (Did.TRANSFER_OPENED, Did.TRANSFER_CANCELLED)]
    assert [(one.school, one.actor, one.terms, one.at) for one in senders] == [(PO, None, None, None)] * 2
    (delivered,) = (one for one in heard if one.type == Did.DELIVERED)
    assert delivered.terms is not None
    assert delivered.terms["release"] == releases[1].index


def test_the_pupils_board_sees_everything_whole(told: Story) -> None:
    seen = side(told, "po-noord")
    assert [one.index for one in seen if one.opened is None] == []
    assert [one.outcome for one in seen if one.type == Did.RELEASE] == ["NO_GRANT", "granted", "WITHDRAWN"]
    assert {Kind.GRANT, Kind.WITHDRAW, Did.INVITED, Did.SHRED_INTENT, Did.RELEASE} <= {one.type for one in seen}
    assert side(told, "vo-oost") == []


def test_another_boards_pupil_is_nobody_to_search_for(told: Story) -> None:
    pupil = side(told, "po-noord", type=int(Did.RELEASE))[0].opened
    assert pupil is not None
    assert side(told, "vo-zuid", pupil=pupil.pupil) == []
    assert len(side(told, "po-noord", pupil=pupil.pupil)) == len(side(told, "po-noord"))


def test_a_board_searches_for_its_own_staff_and_schools_and_outcomes(told: Story) -> None:
    assert [one.outcome for one in side(told, "vo-zuid", person=f"{VO}.s-7")] == ["refused", "granted"]
    assert side(told, "vo-zuid", person=f"{PO}.s-1") == []
    assert side(told, "vo-zuid", outcome="WITHDRAWN") == []
    assert len(side(told, "po-noord", outcome="WITHDRAWN")) == 1
    assert {one.type for one in side(told, "vo-zuid", school=VO)} == {Did.RELEASE, Did.ACKNOWLEDGED, Kind.APPLIED}


def test_between_two_schools_of_one_board_everything_is_that_boards(lite: Story) -> None:
    child = lite.region.pupil(PO)
    lite.region.transfer(child, PO, PO_TOO)
    assert all(one.opened for one in side(lite, "po-noord"))
