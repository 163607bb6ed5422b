"""A period, cut into whole days and parts of days."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from consent.touched import SPAN, Period, spans

D = date


def at(day: int, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(2027, 3, day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("since", "until", "whole", "parts"),
    [
        (at(1), at(2), (D(2027, 3, 1), D(2027, 3, 1)), []),
        (at(1), at(4), (D(2027, 3, 1), D(2027, 3, 3)), []),
        (at(1, 0, 1), at(2), (D(2027, 3, 2), D(2027, 3, 1)), [D(2027, 3, 1)]),
        (at(1), at(1, 23, 59), (D(2027, 3, 1), D(2027, 2, 28)), [D(2027, 3, 1)]),
        (at(1, 12), at(3, 12), (D(2027, 3, 2), D(2027, 3, 2)), [D(2027, 3, 1), D(2027, 3, 3)]),
        (at(1, 12), at(2, 12), (D(2027, 3, 2), D(2027, 3, 1)), [D(2027, 3, 1), D(2027, 3, 2)]),
        (at(1, 9), at(1, 10), (D(2027, 3, 2), D(2027, 2, 28)), [D(2027, 3, 1)]),
    ],
)
def test_a_period_is_whole_days_and_at_most_two_parts(
    since: datetime, until: datetime, whole: tuple[date, date], parts: list[date]
) -> None:
    period = Period(since, until)
    assert period.whole_days() == whole
    assert period.parts_of_days() == parts
    assert period.days() == (since.date(), (until - timedelta(microseconds=1)).date())


def test_i5_a_dutch_day_is_counted_in_the_days_that_the_journal_keeps() -> None:
    amsterdam = timezone(timedelta(hours=1))
    period = Period(datetime(2027, 3, 1, tzinfo=amsterdam), datetime(2027, 3, 2, tzinfo=amsterdam))
    assert period.days() == (D(2027, 2, 28), D(2027, 3, 1))
    assert period.parts_of_days() == [D(2027, 2, 28), D(2027, 3, 1)]


def test_a_period_is_half_open_and_holds_what_has_no_known_time() -> None:
    period = Period(at(1), at(2))
    assert period.holds(at(1))
    assert period.holds(at(2) - timedelta(microseconds=1))
    assert not period.holds(at(2))
    assert not period.holds(at(1) - timedelta(microseconds=1))
    assert period.holds(None)


def test_a_journal_is_cut_into_spans_without_gap_or_overlap() -> None:
    assert list(spans(5, 5)) == [(5, 5)]
    assert list(spans(3, SPAN + 2)) == [(3, SPAN + 2)]
    assert list(spans(0, SPAN)) == [(0, SPAN - 1), (SPAN, SPAN)]
