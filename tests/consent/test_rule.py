import pytest

from consent.reasons import REMEDIES, Reason
from consent.rule import Granted, Refused, allows
from consent.terms import Section
from tests.consent.story import answer, cases

# The numbers of the table of cases; 32, 40 and 43 aren't given out.
NUMBERS = {*range(1, 32), *range(33, 40), 41, 42, *range(44, 54)}


@pytest.mark.parametrize("case", cases(), ids=lambda case: f"{case['case']} {case['says']}")
def test_the_table_of_cases(case):
    found = answer(case)
    if case["expect"] == "GRANTED":
        assert isinstance(found, Granted), found
        assert found
        asked = case.get("ask", {}).get("sections", ["okr", "lvs"])
        assert [evidence.section for evidence in found.evidence] == [s for s in Section if s in asked]
        assert all(evidence.entries and evidence.source for evidence in found.evidence)
    else:
        assert isinstance(found, Refused)
        assert not found
        assert found.reason.name == case["expect"], found
        assert list(found.detail.sections) == case.get("sections", list(found.detail.sections))
        assert list(found.detail.persons) == case.get("persons", list(found.detail.persons))


def test_every_number_of_the_table_has_its_case():
    assert {case["case"] for case in cases() if isinstance(case["case"], int)} == NUMBERS


def test_every_reason_is_reached_by_a_case():
    assert {case["expect"] for case in cases()} == {reason.name for reason in Reason} | {"GRANTED"}


def test_every_reason_says_what_would_allow_it():
    assert set(REMEDIES) == set(Reason)
    texts = [text for reason in Reason for text in (allows(reason).staff, allows(reason).family)]
    assert len(set(texts)) == len(texts)
    assert all(text.endswith(".") and len(text) < 160 for text in texts)
