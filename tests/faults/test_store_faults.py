"""What a store that fails leaves behind: nothing leaves, nothing that was acknowledged is lost, and a retry works.

The databases fail for real: a trigger refuses the write.
"""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Engine, text
from werkzeug.test import TestResponse

from consent.db import reading, writing
from consent.events import Kind
from consent.terms import Section
from handover.accesslog import Did
from handover.bundles import newest
from handover.errors import RequestRefused
from handover.release import FRESH, Released, hand_out, release
from tests.conftest import Databases
from tests.faults.story import (
    FETCHES,
    RECEIVER,
    SENDER,
    File,
    assert_no_orphans,
    granted_file,
    journal_of,
    ready_file,
    second_version,
)
from tests.region import Region, expect, head_of

TRIGGERS = {
    "sqlite": (
        "CREATE TRIGGER broken BEFORE {verb} ON {table} BEGIN SELECT json('broken'); END",
        "DROP TRIGGER broken",
    ),
    "postgresql": (
        (
            "CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'broken'; END $$;"
            "CREATE TRIGGER broken BEFORE {verb} ON {table} FOR EACH STATEMENT EXECUTE FUNCTION broken()"
        ),
        "DROP TRIGGER broken ON {table}; DROP FUNCTION broken()",
    ),
}


@contextmanager
def broken(engine: Engine, verb: str, table: str) -> Iterator[None]:
    """Let a kind of write to a table fail."""
    make, drop = (statement.format(verb=verb, table=table) for statement in TRIGGERS[engine.dialect.name])
    with writing(engine) as session:
        session.execute(text(make))
    yield
    with writing(engine) as session:
        session.execute(text(drop))


def outcomes_of(region: Region, file: File) -> list[tuple[int, str | None]]:
    """Give what happened at the gate: types and outcomes."""
    entries = journal_of(region.parts, file.pupil)
    return [(entry.type, entry.outcome) for entry in entries if Did.RELEASE <= entry.type <= Did.UNKNOWN]


def unsafe(response: TestResponse, code: str) -> None:
    """Expect a 503 that holds a problem and nothing of a file."""
    expect(response, 503)
    problem = response.get_json()
    assert problem["code"] == code
    assert set(problem) == {"type", "title", "status", "code", "detail"}


def test_what_can_not_be_written_to_the_journal_is_not_released(region: Region, databases: Databases) -> None:
    """K5, K6: no entry, no release; and once the journal can be written again the same request is granted."""
    file = granted_file(region, holders=1)
    for table in ("journal_leaf", "journal_part", "journal_lookup", "journal_board", "release"):
        with broken(databases.main, "INSERT", table):
            unsafe(region.release(RECEIVER, file.transfer, "okr"), "STORE_UNAVAILABLE")
    with broken(databases.main, "UPDATE", "journal_head"):
        unsafe(region.release(RECEIVER, file.transfer, "okr"), "STORE_UNAVAILABLE")
    assert outcomes_of(region, file) == []
    head, _ = head_of(expect(region.release(RECEIVER, file.transfer, "okr"), 200))
    assert set(head["shares"]) == {"okr"}


def test_what_the_mark_does_not_hold_yet_is_not_released(region: Region, databases: Databases) -> None:
    """K5, K4: the decision stands in the journal, but nothing is handed out before the mark is raised."""
    file = granted_file(region, holders=1)
    with broken(databases.keys, "UPDATE", "mark"):
        unsafe(region.release(RECEIVER, file.transfer, "okr"), "STORE_UNAVAILABLE")
    assert outcomes_of(region, file) == [(Did.RELEASE, "granted")]


def test_a_withdrawal_that_was_not_acknowledged_counts_once_it_stands_in_the_journal(
    region: Region, databases: Databases
) -> None:
    """H6, K5: the commit's answer is lost, the same request again gives the same answer, and it happened once."""
    file, key = granted_file(region, holders=1), secrets.token_urlsafe(18)
    body = {"token": file.tokens[0], "sections": ["okr"], "destroy_now": False}
    with broken(databases.keys, "UPDATE", "mark"):
        region.family("withdrawal", body, 503, key)
    expect(region.release(RECEIVER, file.transfer, "okr"), 403)
    told = region.family("withdrawal", body, 200, key)
    entries = [entry for entry in journal_of(region.parts, file.pupil) if entry.type == Kind.WITHDRAW]
    assert len(entries) == len(told["events"]) == 1


def test_an_upload_whose_commit_was_not_acknowledged_is_whole(region: Region, databases: Databases) -> None:
    """H6, H8: its shares and ciphertext stay, the retry gives the same answer, and it can be fetched."""
    file, key = granted_file(region, holders=1), secrets.token_urlsafe(18)
    data = second_version(region, file)
    with broken(databases.keys, "UPDATE", "mark"):
        region.upload(SENDER, file.transfer, data, 503, key=key)
    told = region.upload(SENDER, file.transfer, data, 201, key=key)
    with reading(region.parts.main) as session:
        bundle = newest(session, file.transfer)
    assert bundle is not None
    assert told["bundle"] == bundle.id
    head, _ = head_of(expect(region.release(RECEIVER, file.transfer, "okr"), 200))
    assert head["bundle"] == bundle.id


def test_an_upload_that_can_not_be_written_leaves_nothing(region: Region, databases: Databases) -> None:
    """H8: and the version before it stays as it was."""
    file, key = granted_file(region, holders=1), secrets.token_urlsafe(18)
    data = second_version(region, file)
    for engine, table in (
        (databases.keys, "share"),
        (databases.main, "idempotency"),
        (databases.main, "bundle"),
        (databases.main, "bundle_section"),
        (databases.main, "journal_leaf"),
    ):
        with broken(engine, "INSERT", table):
            region.upload(SENDER, file.transfer, data, 503, key=key)
        assert_no_orphans(region, databases.keys)
    head, _ = head_of(expect(region.release(RECEIVER, file.transfer, "okr"), 200))
    assert head["bundle"] == file.bundle
    assert region.upload(SENDER, file.transfer, data, 201, key=key)["supersedes"] == file.bundle


def test_ciphertext_that_is_gone_is_an_error_before_any_share_is_sent(sqlite_region: Region) -> None:
    """H8."""
    file = granted_file(sqlite_region, holders=1)
    for path in sqlite_region.parts.blobs.folder.iterdir():  # type: ignore[union-attr]
        path.unlink()
    unsafe(sqlite_region.release(RECEIVER, file.transfer, "okr"), "STORE_UNAVAILABLE")
    assert outcomes_of(sqlite_region, file) == [(Did.RELEASE, "granted"), (Did.ABORTED, "aborted")]


# Too slow.


class Stopwatch:
    """A monotonic clock that stands still until the test moves it."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def stopwatch(monkeypatch: pytest.MonkeyPatch) -> Stopwatch:
    watch = Stopwatch()
    monkeypatch.setattr("handover.release.time", SimpleNamespace(monotonic=watch.monotonic))
    return watch


def decided(region: Region, file: File) -> Released:
    found = release(region.parts, FETCHES, file.transfer, (Section.OKR,))
    assert isinstance(found, Released)
    return found


def test_shares_that_are_not_sent_within_two_seconds_of_the_commit_are_dropped(
    sqlite_region: Region, stopwatch: Stopwatch
) -> None:
    """Journey stops 5 (7) and 8."""
    file = granted_file(sqlite_region, holders=1)
    found = decided(sqlite_region, file)
    stopwatch.seconds = found.committed_at + FRESH + 0.001
    with pytest.raises(RequestRefused, match="TOO_SLOW") as raised:
        next(hand_out(sqlite_region.parts, found))
    assert raised.value.status == 503
    assert outcomes_of(sqlite_region, file) == [(Did.RELEASE, "granted"), (Did.ABORTED, "aborted")]


def test_shares_that_a_slow_door_sends_too_late_are_dropped(sqlite_region: Region, stopwatch: Stopwatch) -> None:
    """Journey stop 8: what counts is the first byte, not that it was ready in time."""
    file = granted_file(sqlite_region, holders=1)
    found = decided(sqlite_region, file)
    pieces = hand_out(sqlite_region.parts, found)
    stopwatch.seconds = found.committed_at + FRESH + 0.001
    with pytest.raises(RequestRefused, match="TOO_SLOW"):
        next(pieces)
    assert outcomes_of(sqlite_region, file) == [(Did.RELEASE, "granted"), (Did.ABORTED, "aborted")]


def test_shares_that_are_sent_two_seconds_after_the_commit_are_in_time(
    sqlite_region: Region, stopwatch: Stopwatch
) -> None:
    file = granted_file(sqlite_region, holders=1)
    found = decided(sqlite_region, file)
    stopwatch.seconds = found.committed_at + FRESH
    assert b"".join(hand_out(sqlite_region.parts, found))
    assert outcomes_of(sqlite_region, file)[-1] == (Did.DELIVERED, "delivered")


def test_a_receiver_is_told_that_a_release_was_too_slow(
    sqlite_region: Region, stopwatch: Stopwatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer is a problem and no broken file: the check comes before the first byte of the answer."""
    file = granted_file(sqlite_region, holders=1)
    stream: Callable[[str], Any] = sqlite_region.parts.blobs.stream

    def slow(_: object, name: str) -> Any:
        stopwatch.seconds += FRESH + 0.001
        return stream(name)

    monkeypatch.setattr("handover.blobs.Blobs.stream", slow)
    unsafe(sqlite_region.release(RECEIVER, file.transfer, "okr"), "TOO_SLOW")
    assert outcomes_of(sqlite_region, file) == [(Did.RELEASE, "granted"), (Did.ABORTED, "aborted")]


def test_a_release_that_the_receiver_broke_off_is_aborted(sqlite_region: Region) -> None:
    """Journey stop 5 (8)."""
    file = granted_file(sqlite_region, holders=1)
    pieces = hand_out(sqlite_region.parts, decided(sqlite_region, file))
    next(pieces)
    pieces.close()  # type: ignore[attr-defined]
    assert outcomes_of(sqlite_region, file) == [(Did.RELEASE, "granted"), (Did.ABORTED, "aborted")]


def test_a_file_that_nobody_answered_for_leaves_no_release(sqlite_region: Region) -> None:
    """The controls of this module: without a grant the gate says no."""
    file = ready_file(sqlite_region)
    expect(sqlite_region.release(RECEIVER, file.transfer, "okr"), 403)
    assert outcomes_of(sqlite_region, file) == [(Did.RELEASE, "NO_GRANT")]
