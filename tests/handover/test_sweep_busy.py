"""Others hold a database for too long: what a sweep wanted there is left, said, and done the next time."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, event, select, text
from sqlalchemy.exc import DBAPIError, OperationalError

from consent.db import reading, writing
from handover.leases import LASTS, busy, claimed
from handover.parts import Parts
from handover.retention import Kept, due
from handover.sweeping import sweep
from handover.tables import Lease, Sweep
from tests.handover.story import Story
from tests.handover.test_sweep import acknowledged, at, kept_of, swept_at
from tests.region import now

BUSY = "others hold the database; the next sweep takes it"


@pytest.fixture
def hasty(lite: Story) -> Iterator[Story]:
    """Let nobody wait for a lock longer than a moment."""
    engines = (lite.region.parts.main, lite.keys)
    for engine in engines:
        event.listen(engine, "checkout", _impatient)
    yield lite
    for engine in engines:
        event.remove(engine, "checkout", _impatient)


def _impatient(connection: Any, *_: object) -> None:
    connection.execute("PRAGMA busy_timeout = 5")


@contextmanager
def taken(engine: Engine) -> Iterator[None]:
    """Hold a database as a writer does that never ends."""
    with closing(sqlite3.connect(str(engine.url.database), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


def of_sweep(parts: Parts, table: Any) -> int:
    with reading(parts.main) as session:
        return len(session.scalars(select(table)).all())


@pytest.mark.parametrize("which", ["main", "keys"])
def test_a_sweep_that_cant_write_leaves_everything_to_the_next(hasty: Story, which: str) -> None:
    """J3: it isn't ended by it, and nothing is half done."""
    case, received_at = acknowledged(hasty)
    parts, end = hasty.region.parts, due(Kept.DELIVERED_BUNDLE, received_at)
    with taken(parts.main if which == "main" else hasty.keys):
        swept = swept_at(parts, end)
    assert (swept.done[Kept.DELIVERED_BUNDLE], swept.left[Kept.DELIVERED_BUNDLE]) == (0, {BUSY: 1})
    assert set(swept.left) >= {"epochs", "sweep"}
    assert kept_of(case)[1:] == (8, 8)
    again = swept_at(parts, end + LASTS)
    assert (kept_of(case), again.left) == ((0, 0, 0), {})
    assert again.done[Kept.DELIVERED_BUNDLE] + again.done["shredded"] == 1
    assert (of_sweep(parts, Sweep), of_sweep(parts, Lease)) == (1, 0)


def test_a_database_that_is_taken_midway_ends_no_sweep(hasty: Story) -> None:
    """J3: what was done stays done, and the claim that couldn't be given back runs out."""
    case, received_at = acknowledged(hasty)
    parts, end = hasty.region.parts, due(Kept.DELIVERED_BUNDLE, received_at)
    held = sqlite3.connect(str(parts.main.url.database), isolation_level=None)

    def takes(kept: str, done: int) -> None:
        if kept == Kept.DELIVERED_BUNDLE:
            held.execute("BEGIN IMMEDIATE")

    with closing(held), at(end):
        swept = sweep(parts, accept=1.0, accept_clock=True, progress=takes)
    assert (swept.done[Kept.DELIVERED_BUNDLE], kept_of(case)) == (1, (0, 0, 0))
    assert swept.left.keys() >= {"invitation", "nonce", "epochs", "sweep"}
    assert swept_at(parts, end + LASTS).left == {}


def test_a_claim_that_cant_be_given_back_runs_out(hasty: Story) -> None:
    parts, start = hasty.region.parts, now()
    held = sqlite3.connect(str(parts.main.url.database), isolation_level=None)
    with closing(held), at(start), claimed(parts, "a", "kind", ["1"]) as ours:
        held.execute("BEGIN IMMEDIATE")
    assert (ours, of_sweep(parts, Lease)) == ({"1"}, 1)
    with at(start + LASTS), claimed(parts, "b", "kind", ["1"]) as theirs:
        assert theirs == {"1"}


def test_a_fault_of_the_database_itself_is_no_busy_one(lite: Story) -> None:
    """J3: a disk that is full, or a table that is gone, isn't told as something to try again."""
    parts = lite.region.parts
    with writing(parts.main) as session:
        session.execute(text("DROP TABLE lease"))
    with pytest.raises(OperationalError, match="no such table"):
        sweep(parts)


class _State(Exception):
    def __init__(self, sqlstate: str | None) -> None:
        self.sqlstate = sqlstate


class _Code(Exception):
    def __init__(self, code: int) -> None:
        self.sqlite_errorcode = code


@pytest.mark.parametrize(
    ("problem", "told"),
    [
        (_State("40P01"), True),
        (_State("40001"), True),
        (_State("55P03"), True),
        (_State("53100"), False),
        (_State(None), False),
        (_Code(sqlite3.SQLITE_BUSY), True),
        (_Code(sqlite3.SQLITE_BUSY_SNAPSHOT), True),
        (_Code(sqlite3.SQLITE_LOCKED), True),
        (_Code(sqlite3.SQLITE_FULL), False),
        (_Code(sqlite3.SQLITE_IOERR), False),
        (Exception(), False),
    ],
)
def test_busy_is_what_the_databases_call_so(problem: Exception, told: bool) -> None:
    assert busy(DBAPIError("", None, problem)) is told
