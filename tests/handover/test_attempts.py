"""Attempts at what isn't one's own, as the door has them counted: per school and minute, each an entry for the FG."""

from datetime import datetime, timedelta

import pytest
import time_machine

from consent.entry import Actor
from handover.accesslog import Did
from handover.attempts import ATTEMPTS_A_MINUTE, note_attempt
from handover.errors import RequestRefused
from handover.parts import Caller
from handover.roles import Role
from tests.handover.story import OTHER, VO, Story
from tests.region import now

NOSY = Caller(OTHER, "vo-oost", "s-7", Role.MENTOR)
ANOTHER = Caller(VO, "vo-zuid", "s-9", Role.MENTOR)


@pytest.fixture
def minute() -> datetime:
    return now().replace(second=0, microsecond=0) + timedelta(minutes=1)


def attempt(story: Story, at: datetime, caller: Caller = NOSY) -> str | None:
    """Give what the caller is told."""
    with time_machine.travel(at, tick=False):
        try:
            note_attempt(story.region.parts, caller, "ask_release")
        except RequestRefused as refused:
            return f"{refused.status} {refused.code}"
    return None


def test_every_thirtieth_attempt_beyond_the_limit_is_written_down_with_its_count(lite: Story, minute: datetime) -> None:
    """G2, A8"""
    assert ATTEMPTS_A_MINUTE == 30
    told = [attempt(lite, minute + timedelta(milliseconds=at)) for at in range(62)]
    assert told == [None] * 30 + ["429 TOO_MANY"] * 32
    assert [entry.terms["count"] for entry in lite.journal(Did.ATTEMPT)] == [*range(1, 32), 61]


def test_an_attempts_entry_says_which_school_asked_for_what(lite: Story, minute: datetime) -> None:
    attempt(lite, minute)
    (entry,) = lite.journal(Did.ATTEMPT)
    assert entry.terms == {"school": OTHER, "asked": "ask_release", "count": 1}
    assert entry.actor == Actor("staff", f"{OTHER}.s-7", {"school": OTHER, "role": "mentor"})
    assert (entry.outcome, entry.pupil, set(entry.boards)) == ("refused", None, {"vo-oost"})


def test_each_school_and_each_minute_is_counted_by_itself(lite: Story, minute: datetime) -> None:
    """G2"""
    last = minute + timedelta(seconds=59, microseconds=999_999)
    for at, caller in [(minute, NOSY), (last, NOSY), (last, ANOTHER), (minute + timedelta(minutes=1), NOSY)]:
        attempt(lite, at, caller)
    assert [entry.terms["count"] for entry in lite.journal(Did.ATTEMPT)] == [1, 2, 1, 1]
