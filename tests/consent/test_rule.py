from dataclasses import replace

import pytest

from consent.answers import restrictions, successors
from consent.reasons import REMEDIES, Reason
from consent.rule import Evidence, Granted, Refused, allows, decide
from consent.terms import EmergencyGround, Ground, PolicyKind, Section
from tests.consent.story import DEFAULTS, Story, T, answer, cases, policy, question

# The numbers of the table of cases; 32, 40 and 43 aren't given out, and 41, an erased pupil, is the ledger's to answer.
NUMBERS = {*range(1, 32), *range(33, 40), 42, *range(44, 54)}


@pytest.mark.parametrize("case", cases(), ids=lambda case: f"{case['case']} {case['says']}")
def test_the_table_of_cases(case):
    found = answer(case)
    if case["expect"] == "GRANTED":
        assert isinstance(found, Granted), found
        assert found
        asked = case.get("ask", {}).get("sections", ["okr", "lvs"])
        assert [evidence.section for evidence in found.evidence] == [s for s in Section if s in asked]
        assert all(evidence.source for evidence in found.evidence)
        assert {evidence.section: relied_on(evidence) for evidence in found.evidence} == dict(
            case["relies"] if isinstance(case["relies"], dict) else dict.fromkeys(asked, case["relies"])
        )
    else:
        assert isinstance(found, Refused)
        assert not found
        assert found.reason.name == case["expect"], found
        assert [str(section) for section in found.detail.sections] == case["sections"]
        assert list(found.detail.persons) == case["persons"]


def relied_on(evidence: Evidence) -> list[int]:
    """Give the places in the story of the entries relied on."""
    return [index // 10 - 1 for _, index in evidence.entries]


def test_what_is_no_section_is_never_released():
    story = Story()
    story.tell("CUSTODY", "s1")
    story.tell("APPLIED", "r1")
    story.tell("GRANT", "g1")
    asked = question(["okr"])
    assert decide(asked, story.events, 3, policy(), T, 0)
    found = decide(replace(asked, sections=(*asked.sections, "diary")), story.events, 3, policy(), T, 0)
    assert found == Refused(Reason.EMPTY_REQUEST)


def test_of_two_emergencies_the_first_names_the_ground():
    story = Story()
    story.tell("CUSTODY", "s1")
    story.tell("EMERGENCY", "s1", at="T-2h")
    story.tell("EMERGENCY", "s1", at="T-1h", emergency=EmergencyGround.MELDCODE)
    found = decide(question(["okr"]), story.events, 3, policy(), T, 0)
    assert isinstance(found, Granted)
    assert [(evidence.ground, evidence.source, relied_on(evidence)) for evidence in found.evidence] == [
        (Ground.EMERGENCY, EmergencyGround.VITAL_INTEREST, [1, 2])
    ]


def test_every_number_of_the_table_has_its_case():
    assert {case["case"] for case in cases() if isinstance(case["case"], int)} == NUMBERS


def test_every_reason_is_reached_by_a_case():
    assert {case["expect"] for case in cases()} == {reason.name for reason in Reason} - {"SUBJECT_ERASED"} | {"GRANTED"}


def test_every_reason_says_what_would_allow_it():
    assert set(REMEDIES) == set(Reason)
    texts = [text for reason in Reason for text in (allows(reason).staff, allows(reason).family)]
    assert len(set(texts)) == len(texts)
    assert all(text.endswith(".") and len(text) < 160 for text in texts)


@pytest.mark.parametrize("policy", PolicyKind)
@pytest.mark.parametrize("kind", DEFAULTS, ids=lambda kind: kind.name)
def test_an_event_that_says_nothing_breaks_nothing_and_authorises_nothing(kind, policy):
    story = Story()
    story.tell("CUSTODY", "s1")
    story.tell("APPLIED", "r1")
    story.tell(kind.name, "g1", sections=None, versions=None, holders=None, valid_until=None, notice=None, upheld=None)
    asked = {"ask": {"sections": list(Section)}, "policy": {"kind": policy}}
    assert isinstance(answer(asked, story.events), Refused)


def test_a_restriction_holds_with_what_is_left_of_it_until_all_of_it_is_lifted():
    story = Story()
    whole = story.tell("RESTRICT", "g1", sections=["okr", "lvs"])
    empty = story.tell("RESTRICT", "g1", sections=None)
    for one in (empty, whole):
        story.tell("RESTRICT", "s1", sections=None, withdraws=one.id)
        assert restrictions(story.events) == {whole.id: (Section.OKR, Section.LVS)}
    story.tell("RESTRICT", "s1", sections=["okr"], withdraws=whole.id)
    assert restrictions(story.events) == {whole.id: (Section.LVS,)}
    story.tell("RESTRICT", "s1", sections=["lvs", "opp"], withdraws=whole.id)
    assert restrictions(story.events) == {}


def test_only_a_successor_with_both_codes_says_under_which_one_a_school_goes_on():
    story = Story()
    story.tell("APPLIED", "r1", successor="98ZZ00")
    story.tell("SUCCESSOR", "s1")
    story.tell("SUCCESSOR", "s1", receiver=None, successor="98ZZ00")
    assert successors(story.events) == {}
    story.tell("SUCCESSOR", "s1", successor="98ZZ00")
    assert successors(story.events) == {"99CD00": "98ZZ00"}
