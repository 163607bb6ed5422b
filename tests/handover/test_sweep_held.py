"""What somebody holds back isn't destroyed outside a sweep either, and goes with the first sweep after that."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select, update

from consent.db import reading
from consent.entry import Opened
from consent.events import Kind
from consent.tables import JournalPart
from consent.terms import Section
from crypto.encoding import b64
from crypto.keyfile import KeyFile
from handover.accesslog import Did
from handover.bundles import free_sections
from handover.parts import Caller
from handover.release import Withheld, release
from handover.retention import HeldBy, Kept, due
from handover.roles import Role
from handover.sweeping import sweep
from handover.tables import BundleSection, Transfer, Words
from tests.handover.story import PO, VO, Case, Story, later
from tests.handover.test_rights import asks, decides
from tests.handover.test_sweep import column, kept_of, record, rows, swept_at

ALL = tuple(Section)
HOLDS: dict[HeldBy, tuple[Kind, dict[str, Any]]] = {
    HeldBy.HOLD: (Kind.HOLD, {"article": "Rv art. 843a"}),
    HeldBy.RESTRICTION: (Kind.RESTRICT, {"sections": (Section.OKR,)}),
    HeldBy.OBJECTION: (Kind.OBJECT, {"sections": (Section.OKR,)}),
}


def held(case: Case, by: HeldBy) -> Callable[[], object]:
    """Hold a pupil's data back; gives what ends it."""
    kind, fields = HOLDS[by]
    pupil = case.child.pupil
    if by is HeldBy.OBJECTION:
        event = case.family("objection", sections=["okr"], reason="Dit klopt niet.")["events"][0]
        path, body = f"{case.path}/objections/{event}/decision", {"upheld": False, "reason": "Het klopt wel."}
        return lambda: case.story.region.post(PO, path, body, role="principal")
    event = record(case.story, pupil, kind, **fields)
    second = f"{PO}.s-8"
    return lambda: record(case.story, pupil, kind, **fields, withdraws=event, second=second)


def kept_sections(case: Case, number: int = 0) -> set[str]:
    """Name the sections of one version that are still here."""
    with reading(case.story.region.parts.main) as session:
        here = select(BundleSection.section).where(BundleSection.bundle == b64(case.bundles[number].core.bundle))
        return set(session.scalars(here))


def intents(story: Story) -> list[Opened]:
    return story.journal(Did.SHRED_INTENT)


@pytest.mark.parametrize("by", HOLDS)
def test_a_version_that_was_replaced_stays_while_somebody_holds_it(lite: Story, by: HeldBy) -> None:
    """J2: what isn't held goes at once; the rest with the sweep after it is let go."""
    lite.region.choose("po-noord", "wettelijk")
    case = lite.case()
    let_go = held(case, by)
    case.send()
    stays = {str(each) for each in ALL} if by is HeldBy.HOLD else {"okr"}
    assert (kept_sections(case), kept_sections(case, 1)) == (stays, {str(each) for each in ALL})
    went = [each.sections for each in intents(lite)]
    assert went == ([] if by is HeldBy.HOLD else [tuple(each for each in ALL if each != "okr")])
    swept = sweep(lite.region.parts)
    assert swept.left[Kept.SUPERSEDED_BUNDLE] == {by: 1}
    assert kept_sections(case) == stays
    let_go()
    assert sweep(lite.region.parts).done[Kept.SUPERSEDED_BUNDLE] == 1
    assert (kept_sections(case), len(kept_sections(case, 1)), kept_of(case)) == (set(), 8, (8, 8, 8))


@pytest.mark.parametrize("by", [HeldBy.HOLD, HeldBy.RESTRICTION])
def test_a_withdrawal_that_wants_it_destroyed_at_once_is_a_withdrawal_all_the_same(lite: Story, by: HeldBy) -> None:
    """J2: no release from then on; the share goes when nobody holds it and its week is over."""
    case = lite.agreed("okr", "lvs")
    let_go = held(case, by)
    case.family("withdrawal", sections=["okr", "lvs"], destroy_now=True)
    stays = {"okr", "lvs"} if by is HeldBy.HOLD else {"okr"}
    assert kept_sections(case) & {"okr", "lvs"} == stays
    case.ask("okr", status=403)
    case.ask("lvs", status=403)
    with later(days=9):
        swept = sweep(lite.region.parts)
        assert (swept.done[Kept.WITHDRAWN_SHARE], swept.left[Kept.WITHDRAWN_SHARE]) == (0, {by: 1})
        let_go()
        assert sweep(lite.region.parts).done[Kept.WITHDRAWN_SHARE] == 1
    assert kept_sections(case) & {"okr", "lvs"} == set()


def test_what_a_withdrawal_wanted_destroyed_and_was_held_may_be_given_again(lite: Story) -> None:
    case = lite.agreed("okr")
    let_go = held(case, HeldBy.HOLD)
    case.family("withdrawal", sections=["okr"], destroy_now=True)
    case.ask("okr", status=403)
    case.say(0, okr="yes")
    let_go()
    with later(days=9):
        assert sweep(lite.region.parts).done[Kept.WITHDRAWN_SHARE] == 0
        case.ask("okr")


def test_shares_for_a_key_that_was_rotated_stay_while_a_hold_keeps_them_and_reach_nobody(lite: Story) -> None:
    """J2, C4: the next question after the hold destroys them."""
    case = lite.agreed("okr")
    let_go = held(case, HeldBy.HOLD)
    lite.region.schools[VO].keys = KeyFile.generate(VO)
    lite.region.publish(VO, "sign", "seal", "request")
    case.refused("KEY_ROTATED")
    assert (intents(lite), kept_of(case)) == ([], (8, 8, 8))
    let_go()
    case.refused("KEY_ROTATED")
    assert kept_of(case) == (0, 0, 0)


def test_shares_for_a_key_that_was_rotated_go_with_the_new_version_when_nobody_holds_them(lite: Story) -> None:
    """J2, C4: nobody asked since the hold was lifted."""
    case = lite.agreed("okr")
    let_go = held(case, HeldBy.HOLD)
    lite.region.schools[VO].keys = KeyFile.generate(VO)
    lite.region.publish(VO, "sign", "seal", "request")
    case.refused("KEY_ROTATED")
    case.send()
    case.ask("okr")
    assert kept_of(case) == (16, 16, 16)
    let_go()
    assert sweep(lite.region.parts).done[Kept.SUPERSEDED_BUNDLE] == 1
    assert (kept_sections(case), kept_of(case)) == (set(), (8, 8, 8))


def test_a_ledger_that_doesnt_hold_together_keeps_what_would_go_at_once(lite: Story) -> None:
    """J2, K1: what is missing may have been a hold."""
    case = lite.agreed("okr")
    parts = lite.region.parts
    with reading(parts.main) as session:
        (applied,) = [e for e in parts.ledger.history(session, case.child.pupil).known if e.kind is Kind.APPLIED]
    with parts.main.begin() as connection:
        connection.execute(update(JournalPart).where(JournalPart.index == applied.index).values(terms=b"\1broken"))
    caller = Caller(VO, "vo-zuid", "s-2", Role.CARE_COORDINATOR)
    assert isinstance(release(parts, caller, case.transfer, (Section.OKR,)), Withheld)
    with parts.journal.act(pupil=case.child.pupil) as act:
        row = act.session.get_one(Transfer, case.transfer)
        assert free_sections(parts, act, row, ALL, kept=Kept.SUPERSEDED_BUNDLE) == []
    assert kept_of(case) == (8, 8, 8)


def test_a_ledger_of_which_an_event_is_missing_keeps_what_would_go_at_once(lite: Story) -> None:
    """J2, K1: what is missing may have been a hold."""
    case = lite.agreed("okr")
    parts, pupil = lite.region.parts, case.child.pupil

    def free() -> list[Section]:
        with parts.journal.act(pupil=pupil) as act:
            row = act.session.get_one(Transfer, case.transfer)
            return free_sections(parts, act, row, ALL, kept=Kept.SUPERSEDED_BUNDLE)

    assert free() == list(ALL)
    parts.keystore.settle_numbers([(parts.keystore.tag("pupil", pupil), 99)], {})
    assert free() == []


def test_a_transfer_stays_with_the_words_of_a_request_until_it_is_decided(lite: Story) -> None:
    """J2: AVG art. 12(3): the answer must reach who asked."""
    case = lite.case()
    request = asks(case, "rectification")["request"]
    lite.region.post(PO, f"{case.path}/cancel", {})
    parts = lite.region.parts
    end = due(Kept.CANCELLED_TRANSFER, column(parts, Transfer.cancelled_at))
    swept = swept_at(parts, end)
    assert (swept.done[Kept.CANCELLED_TRANSFER], swept.left[Kept.CANCELLED_TRANSFER]) == (0, {HeldBy.REQUEST: 1})
    assert rows(parts, Transfer, Words) == [1, 1]
    decides(case, request, "refused")
    assert swept_at(parts, end).done[Kept.CANCELLED_TRANSFER] == 1
    assert rows(parts, Transfer, Words) == [0, 0]


def test_a_request_keeps_no_bundle(lite: Story) -> None:
    case = lite.agreed("okr")
    asks(case, "rectification")
    case.send()
    assert (kept_sections(case), kept_of(case)) == (set(), (8, 8, 8))
