from datetime import UTC, date, datetime, timedelta

import pytest

from consent.guardians import OBJECTION_TIME, anniversary, family, keeps_voice, midnight, speakers
from consent.terms import Role
from tests.consent.story import PUPIL, Story, T, moment


def told(*steps, **custody):
    story = Story()
    story.tell("CUSTODY", "s1", **custody)
    for kind, by, said in steps:
        story.tell(kind, by, **said)
    return story.events


def speaking(now=T, *steps, **custody):
    return family(told(*steps, **custody), PUPIL, now, 0)


@pytest.mark.parametrize(
    ("day", "utc"),
    [
        (date(2027, 1, 1), datetime(2026, 12, 31, 23, tzinfo=UTC)),
        (date(2027, 7, 1), datetime(2027, 6, 30, 22, tzinfo=UTC)),
        (date(2027, 3, 28), datetime(2027, 3, 27, 23, tzinfo=UTC)),  # the clock goes forward at 02:00
        (date(2027, 3, 29), datetime(2027, 3, 28, 22, tzinfo=UTC)),
        (date(2027, 10, 31), datetime(2027, 10, 30, 22, tzinfo=UTC)),  # the clock goes back at 03:00
        (date(2027, 11, 1), datetime(2027, 10, 31, 23, tzinfo=UTC)),
    ],
)
def test_i1_i5_a_day_begins_at_midnight_in_amsterdam_also_where_the_clock_changes(day, utc):
    assert midnight(day) == utc


def test_i3_a_birthday_of_29_february_is_on_1_march_in_other_years():
    assert anniversary(date(2008, 2, 29), 16) == date(2024, 2, 29)
    assert anniversary(date(2008, 2, 29), 18) == date(2026, 3, 1)
    assert anniversary(date(2008, 2, 28), 18) == date(2026, 2, 28)
    assert anniversary(date(2008, 3, 1), 18) == date(2026, 3, 1)


@pytest.mark.parametrize("day", ["1900-01-01", "2999-12-31"])
@pytest.mark.parametrize("now", ["0001-01-02T00:00:00+00:00", "2027-03-01T12:00:00+00:00", "9999-12-30T00:00:00+00:00"])
def test_every_day_that_can_be_written_down_can_be_reckoned_with(day, now):
    events = told(birth_date=day, checked_on=day, holders=["g1"])
    found = family(events, PUPIL, moment(now), 0)
    assert found is None or PUPIL in found.stopping
    assert PUPIL in speakers(events, PUPIL, moment(now))


def test_under_16_all_holders_decide_and_read():
    found = speaking(holders=["g1", "g2"])
    assert found is not None
    assert (found.pupil, found.holders, found.deciders, found.readers) == (PUPIL, *(("g1", "g2"),) * 3)
    assert found.decides_since is None


@pytest.mark.parametrize("born", ["2011-03-28", "2011-10-31", "2011-06-30", "2012-02-29"])
def test_a5_the_pupil_decides_from_the_first_moment_of_the_16th_birthday(born):
    birthday = midnight(anniversary(date.fromisoformat(born), 16))
    checked = (birthday - timedelta(days=30)).date().isoformat()
    before = speaking(birthday - timedelta(microseconds=1), birth_date=born, checked_on=checked)
    after = speaking(birthday, birth_date=born, checked_on=checked)
    assert before is not None
    assert after is not None
    assert before.deciders == ("g1",)
    assert (after.deciders, after.holders, after.readers) == ((PUPIL,), ("g1",), ("g1", PUPIL))
    assert (before.decides_since, after.decides_since) == (None, birthday)


def test_a5_the_pupil_is_alone_from_the_first_moment_of_the_18th_birthday():
    birthday = midnight(date(2027, 6, 1))
    before = speaking(birthday - timedelta(microseconds=1), birth_date="2009-06-01")
    after = speaking(birthday, birth_date="2009-06-01")
    assert before is not None
    assert after is not None
    assert before.readers == ("g1", PUPIL)
    assert (after.holders, after.deciders, after.readers) == ((), (PUPIL,), (PUPIL,))
    assert after.decides_since == midnight(date(2025, 6, 1))


def test_nothing_is_known_without_a_custody():
    assert family([], PUPIL, T, 0) is None
    story = Story()
    story.tell("GRANT", "g1")
    assert family(story.events, PUPIL, T, 0) is None


@pytest.mark.parametrize(
    ("checked", "now", "known"),
    [
        ("2027-02-01", "2027-01-31T22:59:59.999999+00:00", False),
        ("2027-02-01", "2027-01-31T23:00:00+00:00", True),
        ("2027-02-01", "2028-01-31T22:59:59.999999+00:00", True),
        ("2027-02-01", "2028-01-31T23:00:00+00:00", False),
        ("2024-02-29", "2025-02-28T22:59:59+00:00", True),
        ("2024-02-29", "2025-02-28T23:00:00+00:00", False),
    ],
)
def test_a_check_counts_from_its_day_for_twelve_months(checked, now, known):
    assert (speaking(datetime.fromisoformat(now), checked_on=checked) is not None) is known


def test_an_adult_needs_no_fresh_check_but_a_birth_date_with_evidence():
    assert speaking(birth_date="2000-01-01", checked_on="2015-01-01", holders=[]) is not None
    assert speaking(birth_date="2000-01-01", evidence=None) is None
    assert speaking(birth_date=None) is None
    assert speaking(checked_on=None) is None


def test_a_minor_without_a_holder_has_nobody_who_decides():
    assert speaking(holders=[]) is None
    assert speaking(T, ("REFUSE", "g1", {}), ("CUSTODY", "s1", {"holders": []})) is None


def test_the_newest_statement_names_all_holders():
    found = speaking(T, ("CUSTODY", "s1", {"holders": ["v1"]}), holders=["g1", "g2"])
    assert found is not None
    assert found.deciders == ("v1",)


def removal(at, now=T, no="REFUSE", **said):
    """Take out g2, whose no stands, and say who then decides."""
    steps = ((no, "g2", {"at": "T-15d"}), ("CUSTODY", "s1", {"holders": ["g1"], "at": at} | said))
    found = speaking(now, *steps, holders=["g1", "g2"])
    assert found is not None
    return found.deciders


DUE = {"second": "s2", "notice": 1}


@pytest.mark.parametrize("no", ["REFUSE", "WITHDRAW"])
def test_a_holder_whose_no_stands_keeps_a_voice_for_seven_days(no):
    assert timedelta(days=7) == OBJECTION_TIME
    assert removal("T-7d", no=no, **DUE) == ("g1",)
    assert removal("T-7d", T - timedelta(microseconds=1), no=no, **DUE) == ("g1", "g2")


@pytest.mark.parametrize("missing", ["second", "notice"])
def test_without_a_second_person_or_a_notice_the_voice_doesn_t_end(missing):
    assert removal("T-14d", **{**DUE, missing: None}) == ("g1", "g2")


def test_a_statement_without_evidence_ends_no_voice_even_when_a_later_one_has_it():
    no, first = ("REFUSE", "g2", {}), ("CUSTODY", "s1", {"holders": ["g1"], "evidence": None, **DUE})
    again = ("CUSTODY", "s1", {"holders": ["g1"], "at": "T-1d"})
    found = speaking(T, no, first, again, holders=["g1", "g2"])
    assert found is not None
    assert found.deciders == ("g1", "g2")


def test_a_no_after_the_removal_keeps_nobody():
    taken_out = ("CUSTODY", "s1", {"holders": ["g1"], "at": "T-1d"})
    found = speaking(T, taken_out, ("REFUSE", "g2", {"at": "T"}), holders=["g1", "g2"])
    assert found is not None
    assert found.deciders == ("g1",)


def test_who_has_lifted_the_no_is_taken_out_at_once():
    steps = (("REFUSE", "g2", {}), ("GRANT", "g2", {}), ("CUSTODY", "s1", {"holders": ["g1"], "at": "T-1d"}))
    found = speaking(T, *steps, holders=["g1", "g2"])
    assert found is not None
    assert found.deciders == ("g1",)


def test_a_second_removal_neither_shortens_nor_restarts_the_seven_days():
    first, second = {"holders": ["g1"], "at": "T-7d", **DUE}, {"holders": ["g1"], "at": "T-1d", **DUE}
    steps = (("REFUSE", "g2", {}), ("CUSTODY", "s1", first), ("CUSTODY", "s1", second))
    for now, deciders in ((T, ("g1",)), (T - timedelta(microseconds=1), ("g1", "g2"))):
        found = speaking(now, *steps, holders=["g1", "g2"])
        assert found is not None
        assert found.deciders == deciders


def test_a_later_due_removal_mends_an_undue_one_after_seven_days_more():
    undue, due = {"holders": ["g1"], "at": "T-12d"}, {"holders": ["g1"], "at": "T-8d", **DUE}
    steps = (("REFUSE", "g2", {}), ("CUSTODY", "s1", undue), ("CUSTODY", "s1", due))
    for now, deciders in ((T, ("g1",)), (T - timedelta(days=2), ("g1", "g2"))):
        found = speaking(now, *steps, holders=["g1", "g2"])
        assert found is not None
        assert found.deciders == deciders


def test_who_is_named_again_is_a_holder_again():
    out, back = {"holders": ["g1"], "at": "T-8d", **DUE}, {"holders": ["g1", "g2"], "at": "T-1d"}
    steps = (("REFUSE", "g2", {}), ("CUSTODY", "s1", out), ("CUSTODY", "s1", back))
    found = speaking(T, *steps, holders=["g1", "g2"])
    assert found is not None
    assert found.deciders == ("g1", "g2")


def test_a_refused_view_is_a_no_that_stands():
    steps = (("REFUSE", "g2", {"receiver": "99EF00", "sections": ["views"]}), ("CUSTODY", "s1", {"holders": ["g1"]}))
    found = speaking(T, *steps, holders=["g1", "g2"])
    assert found is not None
    assert found.deciders == ("g1", "g2")


def test_a_later_undue_removal_doesn_t_give_the_voice_back():
    due, undue = {"holders": ["g1"], "at": "T-8d", **DUE}, {"holders": ["g1"], "at": "T-7d"}
    steps = (("REFUSE", "g2", {}), ("CUSTODY", "s1", due), ("CUSTODY", "s1", undue))
    for now, deciders in ((T, ("g1",)), (T - timedelta(days=1, microseconds=1), ("g1", "g2"))):
        found = speaking(now, *steps, holders=["g1", "g2"])
        assert found is not None
        assert found.deciders == deciders


def test_guardians_are_heard_until_the_last_moment_before_the_18th_birthday():
    events = told(birth_date="2009-06-01", holders=["g1", "v1"], evidence=None)
    birthday = midnight(date(2027, 6, 1))
    before = speakers(events, PUPIL, birthday - timedelta(microseconds=1))
    assert before == {"g1": Role.GUARDIAN, "v1": Role.VOOGD, PUPIL: Role.PUPIL}
    assert speakers(events, PUPIL, birthday) == {PUPIL: Role.PUPIL}
    assert speakers([], PUPIL, T) == {PUPIL: Role.PUPIL}


def test_a_statement_that_names_nobody_makes_nobody_a_speaker():
    assert speakers(told(holders=None), PUPIL, T) == {PUPIL: Role.PUPIL}


BOTH = ("CUSTODY", "s1", {"holders": ["g1", "g2"]})


@pytest.mark.parametrize(
    ("steps", "stated", "keeps"),
    [
        ([BOTH, ("REFUSE", "g2", {})], {}, True),
        ([BOTH, ("REFUSE", "g2", {})], {"holders": None}, True),
        ([BOTH, ("REFUSE", "g2", {})], {"second": "s2"}, True),
        ([BOTH, ("REFUSE", "g2", {})], {"notice": 1}, True),
        ([BOTH, ("REFUSE", "g2", {})], {"second": "s2", "notice": 1, "evidence": None}, True),
        ([BOTH, ("REFUSE", "g2", {})], {"second": "s2", "notice": 1}, False),
        ([BOTH, ("REFUSE", "g2", {})], {"holders": ["g1", "g2"]}, False),
        ([BOTH, ("REFUSE", "g2", {}), ("GRANT", "g2", {})], {}, False),
        ([BOTH, ("REFUSE", "g1", {})], {}, False),
        ([BOTH, ("REFUSE", "g2", {}), ("CUSTODY", "s1", {"holders": None})], {}, False),
        ([("REFUSE", "g2", {})], {}, False),
    ],
)
def test_only_a_proven_statement_leaves_out_a_holder_whose_no_stands(steps, stated, keeps):
    custody = Story().tell("CUSTODY", "s1", **stated)
    assert keeps_voice(told(*steps), custody) is keeps


def test_the_first_statement_leaves_nobody_out():
    assert keeps_voice([], Story().tell("CUSTODY", "s1")) is False
