"""Keeps the service and a restore apart: a lock on HANDOVER_HOME that the service shares and a restore has alone.

The system gives it back when the process ends, however it ends.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def share(home: Path) -> None:
    """Hold the lock, as every process of the service does, until this one ends. Waits for a restore under way."""
    fcntl.flock(os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), fcntl.LOCK_SH)


@contextmanager
def alone(home: Path) -> Iterator[None]:
    """Hold the lock while the service doesn't run; raises BlockingIOError where it does."""
    lock = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(lock)
