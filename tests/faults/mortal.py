"""Processes that are killed while they act: at a chosen step they send themselves the signal that nothing survives.

A step is what changes something for good: a commit of either database, or a write or a removal of ciphertext. A process
dies just before one, which is just after the one before, or at its end, before it could tell that all went well.
"""

import os
import signal
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count
from multiprocessing.connection import Connection
from typing import Any

from sqlalchemy import Engine, event

from consent.errors import StartRefused
from consent.terms import Section
from handover.blobs import Blobs
from handover.bundles import upload
from handover.parts import Parts, assemble
from handover.release import Released, hand_out, release
from handover.settings import Settings
from tests.faults.story import FETCHES, SENDS, File, request
from tests.faults.worker import PROCESSES, withdraw

Deed = Callable[..., Any]


def killed_at(step: int, deed: Deed, file: File, *arguments: Any) -> Any:
    """Do a deed in a process that dies at a step; gives what was acknowledged, or None where it died before that."""
    theirs, ours = PROCESSES.Pipe(duplex=False)
    with closing(theirs), closing(ours):
        process = PROCESSES.Process(target=_live, args=(ours, step, deed, file, arguments))
        process.start()
        ours.close()
        try:
            answer = theirs.recv()
        except EOFError:
            answer = None
        process.join()
    assert process.exitcode == (0 if answer is not None else -signal.SIGKILL)
    return answer


def steps_of(deed: Deed, files: Callable[[], tuple[Any, ...]]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Do a deed to a fresh file again and again, killed one step later each time, until it lives.

    Gives what the deed was done to, and what was acknowledged.
    """
    step, answer = 0, None
    while answer is None:
        step += 1
        made = files()
        answer = killed_at(step, deed, *made)
        yield made, answer


def _live(out: Connection, step: int, deed: Deed, file: File, arguments: tuple[Any, ...]) -> None:
    warnings.simplefilter("error")
    parts = assemble(file.settings)
    tick = _die_at(step)
    event.listen(Engine, "commit", lambda connection: connection.get_execution_options().get("reading") or tick())
    for method in ("put", "delete"):
        setattr(Blobs, method, _before(tick, getattr(Blobs, method)))
    answer = deed(parts, file, *arguments)
    tick()
    out.send(answer)


def _die_at(step: int) -> Callable[[], None]:
    steps = count(1)

    def tick() -> None:
        if next(steps) == step:
            os.kill(os.getpid(), signal.SIGKILL)

    return tick


def _before(tick: Callable[[], None], method: Callable[..., Any]) -> Callable[..., Any]:
    calls = count(1)

    def wrapped(*arguments: Any) -> Any:
        if next(calls) in (1, len(Section)):  # of all sections' ciphertext, the first and the last
            tick()
        return method(*arguments)

    return wrapped


# The deeds.


def upload_it(parts: Parts, file: File, key: str, data: bytes) -> Any:
    """Upload a version."""
    once = request(key, data, route="POST /bundles")
    return upload(parts, SENDS, once, file.transfer, lambda: iter([data]))


def withdraw_it(parts: Parts, file: File, key: str) -> Any:
    """Withdraw, and have the share destroyed at once."""
    return withdraw(parts, lambda visit: request(key, caller=visit), file.tokens[0], destroy_now=True)


def fetch_it(parts: Parts, file: File) -> Any:
    """Fetch a section; gives its index."""
    found = release(parts, FETCHES, file.transfer, (Section.OKR,))
    assert isinstance(found, Released)
    for _ in hand_out(parts, found):
        pass
    return found.index


def start(settings: Settings) -> str | None:
    """Start a service; gives why it refused to, or None."""
    try:
        assemble(settings)
    except StartRefused as refused:
        return refused.reason
    return None
