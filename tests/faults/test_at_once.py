"""Acts on one pupil that reach the lock at the same moment: each has its whole effect, or none and a clear answer."""

import secrets
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from threading import Barrier
from typing import Any

from sqlalchemy import select

from consent.db import reading
from consent.events import Kind
from consent.tables import JournalLookup
from consent.terms import Section
from handover import family, transfers
from handover.accesslog import Did
from handover.attempts import ATTEMPTS_A_MINUTE, note_attempt
from handover.bundles import finish_shredding, start_shredding, upload
from handover.errors import RequestRefused
from handover.idempotency import Answer
from handover.release import Released, Withheld, close, hand_out, release
from handover.tables import Bundle, Transfer
from tests.conftest import Databases
from tests.faults.broken import clock_before_lock
from tests.faults.overlap import PATIENCE, at_once
from tests.faults.story import (
    FETCHES,
    SENDS,
    File,
    assert_no_orphans,
    granted_file,
    journal_of,
    ready_file,
    request,
    second_version,
    two_boards,
)
from tests.region import Region, now

OKR = (Section.OKR,)
LASTS = timedelta(minutes=2)
INSTANT = timedelta(microseconds=1)


class Clock:
    """A clock that stands still until the test moves it."""

    def __init__(self) -> None:
        self.time = now()

    def __call__(self) -> datetime:
        return self.time


def types_of(region: Region, file: File) -> list[int]:
    return [entry.type for entry in journal_of(region.parts, file.pupil)]


def saying(region: Region, file: File, key: str, yes_or_no: str, **more: Any) -> Callable[[], Answer]:
    body = {"token": file.tokens[0], "notice": file.notice, "answers": {"okr": yes_or_no}, **more}
    return lambda: family.answer(
        region.parts, lambda visit: request(key, repr(body).encode(), caller=visit, route="POST /answers"), body
    )


def uploading(region: Region, file: File, key: str, data: bytes) -> Callable[[], Answer]:
    once = request(key, data, route="POST /bundles")
    return lambda: upload(region.parts, SENDS, once, file.transfer, lambda: iter([data]))


def asking(region: Region, file: File) -> Callable[[], Released | Withheld]:
    return lambda: release(region.parts, FETCHES, file.transfer, OKR)


# The clock and the lock.


def expiring(databases: Databases, folder: Path) -> tuple[Region, File, Clock]:
    """Make a file whose consent ends in two minutes."""
    clock = Clock()
    region = two_boards(Region(databases, folder / "service", clock))
    file = ready_file(region, holders=1)
    saying(region, file, "k", "yes", valid_until=clock.time + LASTS)()
    return region, file, clock


def test_a_grant_that_ends_while_a_release_waits_for_the_lock_is_refused(databases: Databases, tmp_path: Path) -> None:
    """A3: the clock counts that is read after the lock."""
    region, file, clock = expiring(databases, tmp_path)

    def pass_time() -> None:
        clock.time += LASTS

    (outcome,) = at_once(region.parts, file.pupil, asking(region, file), meanwhile=pass_time)
    assert outcome.value == Withheld("EXPIRED")
    assert journal_of(region.parts, file.pupil)[-1].recorded_at == clock.time


def test_a_grant_that_lasts_just_longer_than_the_wait_is_enough(databases: Databases, tmp_path: Path) -> None:
    region, file, clock = expiring(databases, tmp_path)

    def pass_time() -> None:
        clock.time += LASTS - INSTANT

    (outcome,) = at_once(region.parts, file.pupil, asking(region, file), meanwhile=pass_time)
    assert isinstance(outcome.value, Released)


def test_a_gate_that_reads_the_clock_before_the_lock_is_found_out(databases: Databases, tmp_path: Path) -> None:
    """A3: the same wait lets a broken gate release what has ended."""
    region, file, clock = expiring(databases, tmp_path)

    def pass_time() -> None:
        clock.time += LASTS

    def ask() -> tuple[bool, int]:
        return clock_before_lock(region.parts, FETCHES, file.transfer, OKR)

    (outcome,) = at_once(region.parts, file.pupil, ask, meanwhile=pass_time)
    granted, index = outcome.value
    assert granted
    assert journal_of(region.parts, file.pupil)[-1].index == index


# The same request twice.


def test_one_answer_sent_twice_at_once_counts_once(region: Region) -> None:
    """A6, H7."""
    file, key = ready_file(region, holders=1), secrets.token_hex(8)
    one, other = at_once(region.parts, file.pupil, saying(region, file, key, "yes"), saying(region, file, key, "yes"))
    assert one.value["events"] == other.value["events"]
    assert types_of(region, file).count(Kind.GRANT) == 1


def test_one_key_with_two_bodies_at_once_is_a_conflict_for_one(region: Region) -> None:
    """A6."""
    file, key = ready_file(region, holders=1), secrets.token_hex(8)
    outcomes = at_once(region.parts, file.pupil, saying(region, file, key, "yes"), saying(region, file, key, "no"))
    (refused,) = [outcome.refused for outcome in outcomes if outcome.refused]
    assert (refused.code, refused.status) == ("IDEMPOTENCY_CONFLICT", 409)
    said = [entry for entry in types_of(region, file) if entry in (Kind.GRANT, Kind.REFUSE)]
    assert said == [Kind.REFUSE if outcomes[0].refused else Kind.GRANT]


def test_one_upload_sent_twice_at_once_counts_once_and_leaves_nothing_over(
    region: Region, databases: Databases
) -> None:
    """A6, H7, H8."""
    file, key = ready_file(region, holders=1), secrets.token_hex(8)
    data = second_version(region, file)
    one, other = at_once(
        region.parts, file.pupil, uploading(region, file, key, data), uploading(region, file, key, data)
    )
    assert one.value == other.value
    assert types_of(region, file).count(Did.UPLOADED) == 2
    assert_no_orphans(region, databases.keys)


# Different requests.


def test_of_two_versions_uploaded_at_once_one_wins_and_the_other_leaves_nothing(
    region: Region, databases: Databases
) -> None:
    """A2, H8."""
    file = granted_file(region, holders=1)
    calls = [uploading(region, file, secrets.token_hex(8), second_version(region, file)) for _ in range(2)]
    outcomes = at_once(region.parts, file.pupil, *calls)
    (won,) = [outcome.value for outcome in outcomes if not outcome.refused]
    (lost,) = [outcome.refused for outcome in outcomes if outcome.refused]
    assert (lost.code, lost.status, set(lost.fields)) == ("BUNDLE_MISMATCH", 422, {"/core/supersedes"})
    assert_no_orphans(region, databases.keys)
    found = asking(region, file)()
    assert isinstance(found, Released)
    assert found.bundle.id == won["bundle"]


def test_a_release_and_a_cancelling_at_once_have_one_order(region: Region) -> None:
    """A2: whatever is released was released before the cancelling."""
    file = granted_file(region, holders=1)
    once = request(secrets.token_hex(8))
    released, cancelled = at_once(
        region.parts,
        file.pupil,
        asking(region, file),
        lambda: transfers.cancel(region.parts, SENDS, once, file.transfer),
    )
    assert cancelled.value["state"] == "cancelled"
    order = [kind for kind in types_of(region, file) if kind in (Did.RELEASE, Did.TRANSFER_CANCELLED)]
    if released.value:
        assert order == [Did.RELEASE, Did.TRANSFER_CANCELLED]
    else:
        assert released.value == Withheld("CANCELLED")
        assert order == [Did.TRANSFER_CANCELLED, Did.RELEASE]
    assert asking(region, file)() == Withheld("CANCELLED")


def test_releases_at_once_are_decided_and_logged_one_by_one(region: Region) -> None:
    """A7, K6: there is no count that could be passed; each release is a decision and an entry of its own."""
    file = granted_file(region, holders=1)
    outcomes = at_once(region.parts, file.pupil, *[asking(region, file)] * 4)
    for outcome in outcomes:
        assert b"".join(hand_out(region.parts, outcome.value))
    entries = journal_of(region.parts, file.pupil)
    decided = [entry.index for entry in entries if entry.type == Did.RELEASE]
    assert sorted(outcome.value.index for outcome in outcomes) == decided
    assert [entry.terms["release"] for entry in entries if entry.type == Did.DELIVERED] == [
        outcome.value.index for outcome in outcomes
    ]


def test_one_release_closed_twice_at_once_has_one_outcome(region: Region) -> None:
    """K6: the sweep and the end of a slow response meet."""
    file = granted_file(region, holders=1)
    found = asking(region, file)()
    assert isinstance(found, Released)
    outcomes = (Did.UNKNOWN, Did.DELIVERED)
    at_once(region.parts, file.pupil, *[partial(close, region.parts, found.index, outcome) for outcome in outcomes])
    assert len([kind for kind in types_of(region, file) if kind in outcomes]) == 1


def test_one_shredding_finished_twice_at_once_is_said_once(region: Region) -> None:
    """K6: two processes that start after a crash find the same thing left open."""
    file = granted_file(region, holders=1)
    with region.parts.journal.act(pupil=file.pupil) as act:
        transfer = act.session.get_one(Transfer, file.transfer)
        bundle = act.session.get_one(Bundle, file.bundle)
        start_shredding(region.parts, act, transfer, bundle, OKR, why="withdrawn")
    assert asking(region, file)() == Withheld("SHREDDED")
    at_once(region.parts, file.pupil, *[partial(finish_shredding, region.parts)] * 2)
    assert types_of(region, file).count(Did.SHRED_DONE) == 1
    assert asking(region, file)() == Withheld("SHREDDED")


def test_what_is_not_theirs_is_counted_and_logged_however_many_ask_at_once(
    databases: Databases, tmp_path: Path
) -> None:
    """A8, K6: each attempt of one minute gets the same answer, up to the limit, and leaves an entry."""
    region = two_boards(Region(databases, tmp_path / "service", Clock()))
    together = Barrier(ATTEMPTS_A_MINUTE + 1)

    def ask() -> str:
        together.wait(PATIENCE)
        try:
            note_attempt(region.parts, SENDS, "ask_release")
        except RequestRefused as refused:
            return refused.code
        return "noted"

    with ThreadPoolExecutor(together.parties) as pool:
        codes = [future.result() for future in [pool.submit(ask) for _ in range(together.parties)]]
    assert Counter(codes) == {"noted": ATTEMPTS_A_MINUTE, "TOO_MANY": 1}
    with reading(region.parts.main) as session:
        logged = session.scalars(select(JournalLookup.index).where(JournalLookup.type == Did.ATTEMPT))
        assert len(list(logged)) == ATTEMPTS_A_MINUTE + 1
