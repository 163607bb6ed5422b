import pytest

from consent.answers import Scope
from consent.overview import Answer, overview
from consent.terms import Purpose, Role, Section
from tests.consent.story import PUPIL, RECEIVER, SENDER, Story, T

SCOPE = Scope(SENDER, RECEIVER, Purpose.PLACEMENT)


FIRST, SECOND = 20, 30
"""Indices of the entries after the CUSTODY."""


def seen(*steps, below=0, again=True, **custody):
    custody = {"holders": ["g1", "g2"]} | custody
    story = Story()
    story.tell("CUSTODY", "s1", **custody)
    for kind, by, said in steps:
        story.tell(kind, by, **said)
    if below and again:
        story.tell("CUSTODY", "s1", **custody)
    return overview(story.events, PUPIL, SCOPE, T, below)


def test_who_has_not_answered_is_missing():
    found = seen(("GRANT", "g1", {}))
    assert found.custody_known
    assert found.missing == ("g2",)
    assert [(p.id, p.role, p.decides, p.has_answered) for p in found.persons] == [
        ("g1", Role.GUARDIAN, True, True),
        ("g2", Role.GUARDIAN, True, False),
        ("kim", Role.PUPIL, False, False),
    ]


def test_a_no_is_an_answer():
    assert seen(("GRANT", "g1", {}), ("REFUSE", "g2", {"sections": ["okr"]})).missing == ()


def test_each_section_shows_what_the_answers_come_to():
    story = [
        ("GRANT", "g1", {"sections": ["okr", "opp", "lvs"]}),
        ("GRANT", "g1", {"sections": ["attendance"], "valid_until": "T", "adds": 1}),
        ("GRANT", "g1", {"sections": ["support"], "valid_from": "T+1us", "adds": 1}),
        ("REFUSE", "g1", {"sections": ["opp"]}),
        ("WITHDRAW", "g1", {"sections": ["lvs"]}),
        ("GRANT", "g1", {"sections": ["reports"], "receiver": "99CD01"}),
    ]
    answers = seen(*story).persons[0].answers
    assert answers == {
        Section.OKR: Answer.YES,
        Section.OPP: Answer.NO,
        Section.LVS: Answer.WITHDRAWN,
        Section.ATTENDANCE: Answer.ENDED,
        Section.SUPPORT: Answer.LATER,
        Section.REPORTS: Answer.NONE,
        Section.VIEWS: Answer.NONE,
        Section.HANDOVER_NOTES: Answer.NONE,
    }


def test_the_newest_versions_shown_to_each_are_kept_apart():
    found = seen(
        ("INZAGE", "g1", {"versions": {"okr": "a", "lvs": "b"}}),
        ("INZAGE", "g1", {"versions": {"okr": "c"}}),
        ("INZAGE", "g2", {"versions": {"okr": "a"}}),
        ("INZAGE", "g2", {"versions": {"okr": "z"}, "receiver": "99CD01"}),
    )
    assert [person.shown for person in found.persons] == [
        {Section.OKR: "c", Section.LVS: "b"},
        {Section.OKR: "a"},
        {},
    ]


def test_objections_stand_until_they_are_dismissed():
    steps = [("OBJECT", "g1", {}), ("OBJECT", "g1", {"sections": ["opp"]}), ("OBJECT", "g2", {})]
    decided = [
        ("OBJECTION_DECIDED", "s1", {"objection": 1}),
        ("OBJECTION_DECIDED", "s1", {"objection": 3, "upheld": True}),
    ]
    assert [p.objects for p in seen(*steps).persons] == [
        (Section.OKR, Section.OPP, Section.LVS),
        (Section.OKR, Section.LVS),
        (),
    ]
    assert [p.objects for p in seen(*steps, *decided).persons] == [(Section.OPP,), (Section.OKR, Section.LVS), ()]
    again = ("OBJECTION_DECIDED", "s1", {"objection": 3})
    assert seen(*steps, *decided, again).persons[1].objects == (Section.OKR, Section.LVS)


def test_where_custody_is_unknown_nobody_decides():
    found = seen(evidence=None)
    assert not found.custody_known
    assert found.missing == ()
    assert [person.id for person in found.persons] == ["g1", "g2", "kim"]
    nobody = overview([], PUPIL, SCOPE, T, 0)
    assert [person.id for person in nobody.persons] == [PUPIL]


def test_from_16_the_pupil_is_missing_and_the_parents_are_not():
    assert seen(birth_date="2010-06-01").missing == (PUPIL,)
    assert [person.id for person in seen(birth_date="2009-01-01").persons] == [PUPIL]


@pytest.mark.parametrize(
    ("steps", "below", "answer"),
    [
        ([("GRANT", "g1", {})], 0, "yes"),
        ([("GRANT", "g1", {})], FIRST, "yes"),  # its own index
        ([("GRANT", "g1", {})], FIRST + 1, "suspended"),
        ([("GRANT", "g1", {"valid_from": "T+1us"})], FIRST + 1, "suspended"),
        ([("GRANT", "g1", {"valid_until": "T"})], FIRST + 1, "ended"),
        ([("REFUSE", "g1", {})], FIRST + 1, "no"),
        ([("GRANT", "g1", {}), ("WITHDRAW", "g1", {})], SECOND + 1, "withdrawn"),
        ([("REFUSE", "g1", {}), ("GRANT", "g1", {})], SECOND + 1, "suspended"),
        ([("REFUSE", "g1", {}), ("GRANT", "g1", {})], FIRST + 1, "yes"),
        ([("GRANT", "g1", {}), ("GRANT", "g1", {})], FIRST + 1, "yes"),
        ([("GRANT", "g1", {}), ("REFUSE", "g1", {})], FIRST + 1, "no"),
        ([("GRANT", "g1", {}), ("GRANT", "g1", {"sections": ["opp"], "adds": 1})], FIRST + 1, "suspended"),
        ([("GRANT", "g1", {}), ("GRANT", "g1", {"sections": ["opp"]})], FIRST + 1, "none"),
        ([("GRANT", "g2", {})], FIRST + 1, "none"),
    ],
)
def test_a_yes_from_below_a_rollback_is_suspended_and_a_no_stays(steps, below, answer):
    """K12: what is suspended is asked for again; a yes since then counts, and every no does."""
    assert seen(*steps, below=below).persons[0].answers[Section.LVS] == answer


def test_who_has_only_suspended_answers_is_missing():
    """K12."""
    steps = ("GRANT", "g1", {}), ("REFUSE", "g2", {"sections": ["okr"]})
    assert seen(*steps, below=FIRST + 1).missing == ("g1",)
    assert seen(*steps, below=FIRST).missing == ()


def test_what_was_shown_before_a_rollback_is_to_be_shown_again():
    """K12."""
    steps = ("INZAGE", "g1", {"versions": {"okr": "a"}}), ("INZAGE", "g1", {"versions": {"lvs": "b"}})
    assert [seen(*steps, below=below).persons[0].shown for below in (FIRST, FIRST + 1, SECOND + 1)] == [
        {Section.OKR: "a", Section.LVS: "b"},
        {Section.LVS: "b"},
        {},
    ]


def test_nobody_is_known_to_decide_by_custody_from_below_a_rollback():
    """K12: the newest one may be what was lost."""
    before, since = (seen(("GRANT", "g1", {}), below=FIRST + 1, again=again) for again in (False, True))
    assert (before.custody_known, before.missing) == (False, ())
    assert (since.custody_known, since.missing) == (True, ("g1", "g2"))
    assert [person.id for person in before.persons] == [person.id for person in since.persons]


def test_an_objection_from_below_a_rollback_stands():
    """K12."""
    assert seen(("OBJECT", "g1", {}), below=FIRST + 1).persons[0].objects == (Section.OKR, Section.LVS)
