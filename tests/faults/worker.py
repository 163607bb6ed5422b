"""What the processes of the races do: each assembles a service of its own and logs what was acknowledged to it.

The clock of the log is the machine's monotonic one, which all processes share.
"""

import os
import secrets
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from typing import Any, TypeVar

from consent.terms import Section
from handover import family
from handover.idempotency import Answer
from handover.parts import Parts, assemble
from handover.release import Withheld, hand_out, release
from tests.faults.broken import GATES
from tests.faults.story import FETCHES, File, request

PATIENCE = 60.0
"""Seconds after which a process that waits for the others gives up."""

PROCESSES = get_context("forkserver")
PROCESSES.set_forkserver_preload(
    ["pytest", "tests.faults.worker", "psycopg", "sqlalchemy.dialects.postgresql.psycopg", "sqlalchemy.dialects.sqlite"]
)

Outcome = TypeVar("Outcome")

_barrier: Barrier | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """One act that was acknowledged to a process: `what` is grant, withdraw, granted or refused."""

    who: str
    what: str
    begun: float
    ended: float
    index: int | None = None
    late: float | None = None  # seconds between the start of the commit and the first byte


def race(tasks: Sequence[tuple[Callable[..., list[Done]], tuple[Any, ...]]]) -> list[Done]:
    """Carry out each task in a process of its own, all at once; gives what they did, by the time it began."""
    return sorted((done for each in race_of(tasks) for done in each), key=lambda done: done.begun)


def race_of(tasks: Sequence[tuple[Callable[..., Outcome], tuple[Any, ...]]]) -> list[Outcome]:
    """Carry out each task in a process of its own, all at once; gives what each gave, in the order of the tasks."""
    started = (PROCESSES.Barrier(len(tasks)),)
    with ProcessPoolExecutor(len(tasks), PROCESSES, initializer=_begin, initargs=started) as pool:
        futures = [pool.submit(task, *arguments) for task, arguments in tasks]
        return [future.result() for future in futures]


def _begin(barrier: Barrier) -> None:
    global _barrier
    _barrier = barrier


def meet() -> None:
    """Wait until every process of the race is here."""
    assert _barrier is not None
    _barrier.wait(PATIENCE)


def _service(file: File) -> Parts:
    """Assemble a service that hands its messages over to a folder of its own."""
    return assemble(replace(file.settings, outbox=file.settings.outbox / str(os.getpid())))


def guardian(file: File, number: int, saying: Sequence[bool]) -> list[Done]:
    """Say yes or take it back, one per round, while the others do what they do."""
    parts, done = _service(file), []
    for yes in saying:
        meet()
        done.append(say(parts, file, number, yes))
    return done


def receiver(file: File, rounds: int) -> list[Done]:
    """Ask for a section in each round, and take what is given."""
    parts, done = _service(file), []
    for _ in range(rounds):
        meet()
        done.append(_fetch(parts, file))
    return done


def guardian_between(file: File, rounds: int) -> list[Done]:
    """Say yes; then, between the reading and the deciding of a gate, take it back."""
    parts, done = _service(file), []
    for _ in range(rounds):
        done.append(say(parts, file, 0, yes=True))
        meet()  # the gate reads
        meet()
        done.append(say(parts, file, 0, yes=False))
        meet()  # the gate goes on
    return done


def broken_receiver(file: File, rounds: int, gate: str) -> list[Done]:
    """Ask a gate that is broken on purpose, which stops between reading and deciding until somebody withdrew."""
    parts, done = _service(file), []

    def between() -> None:
        meet()
        meet()

    for _ in range(rounds):
        meet()
        begun = time.monotonic()
        granted, index = GATES[gate](parts, FETCHES, file.transfer, (Section.OKR,), between)
        done.append(Done("receiver", "granted" if granted else "refused", begun, time.monotonic(), index))
    return done


def say(parts: Parts, file: File, number: int, yes: bool) -> Done:
    """Let one guardian answer or withdraw through the use case."""
    token, section = file.tokens[number], str(Section.OKR)
    key, begun = secrets.token_urlsafe(18), time.monotonic()

    def once(invitation: str) -> Any:
        return request(key, caller=invitation)

    if yes:
        family.answer(parts, once, {"token": token, "notice": file.notice, "answers": {section: "yes"}})
    else:
        withdraw(parts, once, token)
    return Done(f"guardian {number}", "grant" if yes else "withdraw", begun, time.monotonic())


def withdraw(parts: Parts, once: family.MakeOnce, token: str, *, destroy_now: bool = False) -> Answer:
    """Take the first section back."""
    return family.withdraw(parts, once, {"token": token, "sections": [str(Section.OKR)], "destroy_now": destroy_now})


def _fetch(parts: Parts, file: File) -> Done:
    begun = time.monotonic()
    found = release(parts, FETCHES, file.transfer, (Section.OKR,))
    if isinstance(found, Withheld):
        return Done("receiver", "refused", begun, time.monotonic())
    decided = time.monotonic()
    pieces = hand_out(parts, found)
    next(pieces)
    late = time.monotonic() - found.committed_at
    for _ in pieces:
        pass
    return Done("receiver", "granted", begun, decided, found.index, late)
