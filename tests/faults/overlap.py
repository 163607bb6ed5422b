"""Brings acts to the same lock at the same moment, without a clock and without luck.

The test holds a pupil's lock; each act runs in a thread of its own until it asks for that lock; only when all of them
wait is the lock let go.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Semaphore, current_thread
from typing import Any

from sqlalchemy import event

from handover.errors import RequestRefused
from handover.parts import Parts

LOCKS = ("BEGIN IMMEDIATE", "UPDATE pupil")
"""How a statement begins that waits for a pupil: on SQLite, on PostgreSQL."""
PATIENCE = 30.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a call gave back, or the refusal it raised."""

    value: Any = None
    refused: RequestRefused | None = None


def at_once(
    parts: Parts, pupil: str, *calls: Callable[[], Any], meanwhile: Callable[[], None] = lambda: None
) -> list[Outcome]:
    """Let all calls wait for one pupil's lock, do `meanwhile`, let go; gives their outcomes in the order of the calls.

    What a call raises beside a refusal is raised here.
    """
    with ThreadPoolExecutor(len(calls)) as pool:
        with parts.journal.act(pupil=pupil), _arrivals(parts) as arrived:
            futures = [pool.submit(_outcome, call) for call in calls]
            for _ in calls:
                assert arrived.acquire(timeout=PATIENCE), "an act never asked for the lock"
            meanwhile()
        return [future.result(PATIENCE) for future in futures]


def _outcome(call: Callable[[], Any]) -> Outcome:
    try:
        return Outcome(call())
    except RequestRefused as refused:
        return Outcome(refused=refused)


@contextmanager
def _arrivals(parts: Parts) -> Iterator[Semaphore]:
    arrived, holder = Semaphore(0), current_thread()

    def executes(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith(LOCKS) and current_thread() is not holder:
            arrived.release()

    event.listen(parts.main, "before_cursor_execute", executes)
    try:
        yield arrived
    finally:
        event.remove(parts.main, "before_cursor_execute", executes)
