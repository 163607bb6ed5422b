import json

import pytest

from consent.terms import (
    FAMILY_ROLES,
    HOLDER_ROLES,
    SPECIAL,
    STATUS_REQUIREMENT,
    STATUTORY_ROWS,
    EmergencyGround,
    Ground,
    Level,
    Notice,
    Policy,
    PolicyKind,
    Purpose,
    Role,
    Route,
    Section,
    ground,
    is_board,
    is_school,
)
from tests.consent.story import VECTORS

GROUNDS = json.loads((VECTORS / "decisions-grounds.json").read_text())


@pytest.mark.parametrize("row", GROUNDS, ids=lambda row: f"{row['policy']} {row['route']} {row['purpose']}")
def test_every_cell_of_the_table_of_grounds_is_pinned(row):
    asked = PolicyKind(row["policy"]), Route(row["route"]), Purpose(row["purpose"])
    needs = {section: ground(*asked, section) for section in Section}
    assert {str(section): str(need.ground) for section, need in needs.items()} == {s: row[s] for s in Section}
    for section, need in needs.items():
        starts = {
            Ground.CONSENT: "AVG art. 6(1)(a)",
            Ground.EXPLICIT_CONSENT: "AVG art. 9(2)(a)",
            Ground.VIEW: "WPO art. 42",
            Ground.STATUTORY: row["law"],
        }
        assert need.source.startswith(starts[need.ground]), section


def test_the_pinned_table_has_every_policy_route_and_purpose():
    assert len({(row["policy"], row["route"], row["purpose"]) for row in GROUNDS}) == 2 * 7 * 3 == len(GROUNDS)
    assert set(STATUTORY_ROWS) == set(Route)


@pytest.mark.parametrize(
    ("section", "article"),
    [("okr", "3-5"), ("lvs", "art. 4"), ("attendance", "art. 7"), ("support", "art. 6; UAVG art. 30")],
)
def test_each_statutory_section_names_its_article_of_the_besluit(section, article):
    for route in (Route.POVO, Route.SOVO):
        assert article in ground(PolicyKind.WETTELIJK, route, Purpose.PLACEMENT, Section(section)).source


def test_between_vo_and_mbo_the_administrative_part_is_narrowed():
    source = ground(PolicyKind.WETTELIJK, Route.VOMBO, Purpose.PLACEMENT, Section.OKR).source
    assert "art. 4-5, of art. 3 only what enrolling needs" in source


def test_the_closed_lists_are_closed_and_in_order():
    names = ["okr", "opp", "lvs", "attendance", "support", "reports", "views", "handover_notes"]
    assert [str(section) for section in Section] == names
    assert {Section.SUPPORT, Section.REPORTS} == SPECIAL
    assert [str(route) for route in Route] == ["POPO", "POVO", "SOVO", "VOVO", "VSOVO", "VOMBO", "VSOMBO"]
    assert [str(purpose) for purpose in Purpose] == ["placement", "support", "follow_up"]
    assert [str(kind) for kind in PolicyKind] == ["toestemming", "wettelijk"]
    assert [str(each) for each in EmergencyGround] == ["vitaal_belang", "meldcode", "leerplicht"]
    assert STATUS_REQUIREMENT.ground is Ground.STATUTORY
    assert STATUS_REQUIREMENT.source.startswith("WEB art. 8.0.3")
    assert {"guardian", "voogd", "gi"} == HOLDER_ROLES
    assert {Role.PUPIL} == FAMILY_ROLES - HOLDER_ROLES
    assert Level.LOW < Level.SUBSTANTIAL < Level.HIGH


def test_a_policy_waits_fourteen_days_and_wants_more_certainty_for_explicit_consent():
    policy = Policy(PolicyKind.WETTELIJK)
    assert policy.waiting_days == 14
    assert policy.level(Ground.CONSENT) is Level.LOW
    assert policy.level(Ground.EXPLICIT_CONSENT) is Level.SUBSTANTIAL


def test_nobody_chooses_a_policy_by_silence():
    with pytest.raises(TypeError):
        Policy()  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("version", "current"), [(1, False), (2, True), (3, True), (4, False), (0, False)], ids=lambda value: str(value)
)
def test_only_a_material_change_makes_an_older_notice_stale(version, current):
    history = (Notice("a", 1, True), Notice("a", 2, True), Notice("a", 3, False), Notice("b", 9, True))
    assert Policy(PolicyKind.WETTELIJK, notices=history).is_current("a", version) is current


def test_every_notice_of_the_product_is_known():
    policy = Policy(PolicyKind.TOESTEMMING)
    assert all(policy.is_current(notice, 1) for notice in ("consent", "inzage", "custody"))
    assert not policy.is_current("other", 1)


@pytest.mark.parametrize(
    "code", ["", "99AB0", "99AB000", "99ab00", "9AAB00", "99AB0x", "99AB00\n", " 99AB00", "\u0669\u0669AB00"]
)
def test_a_school_has_six_characters_of_its_form(code):
    assert is_school("99AB00")
    assert not is_school(code)


@pytest.mark.parametrize("code", ["", "a", "A1", "a_b", "x" * 41, "ab\n"])
def test_a_board_has_a_code_of_its_form(code):
    assert is_board("stichting-1")
    assert is_board("ab")
    assert is_board("x" * 40)
    assert not is_board(code)
