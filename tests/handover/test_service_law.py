"""A board that invokes the law: inzage of exactly this version, time to think, and objections."""

import pytest

from tests.handover.story import OTHER, PO, PO_TOO, VO, Case, Story, later
from tests.region import expect, now


@pytest.fixture
def lawful(lite: Story) -> Story:
    lite.region.choose("po-noord", "wettelijk")
    return lite


def invoked(story: Story, *sections: str, **options: object) -> Case:
    case = story.case(sections=("okr", "lvs", "opp"), **options)  # type: ignore[arg-type]
    story.region.post(PO, f"{case.path}/statutory", {"sections": list(sections or ("okr", "lvs"))})
    return case


def seen(case: Case, *sections: str, done: bool = True) -> None:
    """Let everybody see these sections (`okr` when none is named) as they are now."""
    for who in range(len(case.tokens)):
        case.family("inzage", who, versions=case.versions(*(sections or ("okr",))), done=done)


def test_by_law_a_section_goes_when_everybody_has_seen_it_and_is_done(story: Story) -> None:
    story.region.choose("po-noord", "wettelijk")
    case = invoked(story)
    case.refused("INZAGE_MISSING")
    case.family("inzage", 0, versions=case.versions("okr"), done=True)
    case.refused("INZAGE_MISSING")
    assert case.for_sender()["waiting_for"] == sorted(case.child.persons)  # for lvs both
    case.family("inzage", 1, versions=case.versions("okr"), done=False)
    case.refused("WAITING")
    case.family("view", 1, text="Gezien.", travels=False, done=True)
    case.ask("okr")
    case.refused("INZAGE_MISSING", "lvs")


def test_the_waiting_time_is_as_long_as_the_board_has_said(lawful: Story) -> None:
    case = invoked(lawful)
    seen(case, done=False)
    with later(days=14, seconds=-5):
        case.refused("WAITING")
    with later(days=14, seconds=5):
        case.ask("okr")


def test_a_board_may_choose_another_waiting_time(lawful: Story) -> None:
    lawful.region.choose("po-noord", "wettelijk", waiting_days=3)
    case = invoked(lawful)
    seen(case, done=False)
    with later(days=3, seconds=5):
        case.ask("okr")


def test_without_invoking_the_law_nothing_goes_by_it(lawful: Story) -> None:
    case = lawful.case(sections=("okr",))
    seen(case)
    case.refused("NO_GRANT")
    lawful.region.post(PO, f"{case.path}/statutory", {"sections": ["okr"]})
    case.ask("okr")


def test_the_law_does_not_cover_what_the_table_of_grounds_does_not_give_it(lawful: Story) -> None:
    case = lawful.case(sections=("okr", "reports"))
    refused = lawful.region.post(PO, f"{case.path}/statutory", {"sections": ["okr", "reports"]}, 422)
    assert list(refused["fields"]) == ["/sections/1"]
    seen(case)
    case.refused("NO_GRANT")


def test_under_consent_the_law_can_not_be_invoked(lite: Story) -> None:
    case = lite.case(sections=("okr",))
    lite.region.post(PO, f"{case.path}/statutory", {"sections": ["okr"]}, 422)


def test_a_new_version_has_to_be_seen_again(lawful: Story) -> None:
    case = invoked(lawful)
    seen(case)
    old = case.versions("okr")
    case.send()
    case.refused("INZAGE_OTHER_VERSION")
    refused = case.family("inzage", 0, 409, versions=old, done=True)
    assert (refused["code"], refused["fields"]) == ("OTHER_VERSION", {"/versions/okr": "Not the present version."})
    seen(case)
    case.ask("okr")


def test_whoever_saw_the_old_version_is_told_of_the_new(lawful: Story) -> None:
    case = invoked(lawful)
    case.family("inzage", 1, versions=case.versions("okr"), done=True)
    for path in lawful.region.settings.outbox.iterdir():
        path.unlink()
    assert case.send()["told"] == 1
    texts = [path.read_text() for path in lawful.region.settings.outbox.iterdir()]
    assert ["2@gezin.test" in text for text in texts] == [True]
    assert "verbeterd" in texts[0]


@pytest.fixture
def objected(lawful: Story) -> tuple[Case, str]:
    """Give a case in which one guardian objects to `okr`, and the objection's id."""
    case = invoked(lawful)
    seen(case, "okr", "lvs")
    case.family("objection", 0, sections=["okr"], reason="Dit klopt niet.")
    shown = case.for_sender()["objections"]
    assert [(one["sections"], one["reason"], one["upheld"]) for one in shown] == [(["okr"], "Dit klopt niet.", None)]
    return case, shown[0]["event"]


def decide(case: Case, event: str, *, upheld: bool, status: int = 200, school: str = PO) -> str:
    body = {"upheld": upheld, "reason": "Na een gesprek."}
    path = f"{case.path}/objections/{event}/decision"
    answer = case.story.region.send(school, "POST", path, body, role="principal")
    return str(expect(answer, status).get_json().get("code"))


def test_an_open_objection_keeps_its_sections_here(objected: tuple[Case, str]) -> None:
    case, _ = objected
    case.refused("OBJECTION_OPEN")
    case.ask("lvs")


def test_an_objection_that_was_upheld_keeps_them_here_for_good(objected: tuple[Case, str]) -> None:
    case, event = objected
    decide(case, event, upheld=True)
    case.refused("OBJECTION_UPHELD")
    assert case.for_sender()["objections"][0]["upheld"] is True


def test_an_objection_that_was_decided_against_lets_them_go_and_is_decided_once(objected: tuple[Case, str]) -> None:
    case, event = objected
    decide(case, event, upheld=False)
    case.ask("okr")
    assert decide(case, event, upheld=True, status=409) == "RECORD_REFUSED"
    case.ask("okr")


def test_the_same_objection_again_keeps_nothing_here_and_its_maker_is_told(objected: tuple[Case, str]) -> None:
    """Else one parent could keep a file here for good, by objecting after each decision."""
    case, event = objected
    decide(case, event, upheld=False)
    again = case.family("objection", 0, sections=["okr", "lvs"], reason="Toch niet.")
    assert again["waits"] == ["lvs"]
    case.ask("okr")
    case.refused("OBJECTION_OPEN", "lvs")
    assert len(case.for_sender()["objections"]) == 2
    assert case.family("objection", 1, sections=["okr"], reason="Ik ook niet.")["waits"] == ["okr"]
    case.refused("OBJECTION_OPEN")


def test_a_newer_version_is_objected_to_anew(objected: tuple[Case, str]) -> None:
    case, event = objected
    decide(case, event, upheld=False)
    case.send()
    assert case.family("objection", 0, sections=["okr"], reason="Nog steeds niet.")["waits"] == ["okr"]
    assert case.why("okr") in ("OBJECTION_OPEN", "INZAGE_OTHER_VERSION")
    assert [one["upheld"] for one in case.for_sender()["objections"]] == [False, None]


def test_before_there_is_a_file_each_objection_waits(lawful: Story) -> None:
    case = lawful.case(sections=("okr",), bundle=False)
    for _ in range(2):
        assert case.family("objection", 0, sections=["okr"], reason="Nee.")["waits"] == ["okr"]


def test_an_objection_is_decided_by_the_school_it_was_made_to(objected: tuple[Case, str]) -> None:
    """A8, A11: not by another location of the board, not on another transfer, not by a stranger."""
    case, event = objected
    region = case.story.region
    elsewhere = Case(case.story, case.child, region.transfer(case.child, PO_TOO, VO), PO_TOO)
    other_purpose = Case(case.story, case.child, region.transfer(case.child, PO, VO, purpose="support"))
    other_receiver = Case(case.story, case.child, region.transfer(case.child, PO, OTHER))
    for one, school in ((elsewhere, PO_TOO), (other_purpose, PO), (other_receiver, PO), (case, OTHER)):
        decide(one, event, upheld=False, status=404, school=school)
    decide(case, event, upheld=False, status=403, school=VO)
    case.refused("OBJECTION_OPEN")


def test_an_objection_is_to_what_goes_by_law(lawful: Story) -> None:
    case = invoked(lawful)
    refused = case.family("objection", 0, 422, sections=["opp"], reason="Nee.")
    assert refused["code"] == "SECTION_NOT_ASKED"  # to opp one says no: on this route it needs consent
    asked = {one["section"]: one["requirement"] for one in case.family("question")["sections"]}
    assert asked == {"okr": "statutory", "opp": "consent", "lvs": "statutory"}
    assert case.family("question")["notice"]["id"] == "inzage"


def test_following_up_needs_consent_under_the_law_too(lawful: Story) -> None:
    case = lawful.case(sections=("lvs",), purpose="follow_up", applied=False)
    lawful.region.post(PO, f"{case.path}/statutory", {"sections": ["lvs"]}, 422)
    case.refused("NO_GRANT", "lvs")
    case.all_say(lvs="yes")
    case.ask("lvs")


def test_a_pupil_of_sixteen_reads_along(lawful: Story) -> None:
    year = now().year - 16
    case = invoked(lawful, pupil={"born": now().date().replace(year=year, day=1), "pupil_mail": "sam@gezin.test"})
    assert len(case.tokens) == 3
    for who in (0, 1):
        case.family("inzage", who, versions=case.versions("okr"), done=True)
    case.refused("INZAGE_MISSING")
    case.family("inzage", 2, versions=case.versions("okr"), done=True)
    case.ask("okr")
