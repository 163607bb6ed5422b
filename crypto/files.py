"""Files that only their owner may read, written so that a crash leaves the old state or the new one."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from crypto.errors import TargetExists

PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """Write a new file with mode 0600 under the name `.NAME.partial`, renamed once when the block ends well.

    The mode is set as the file is made, so there is no moment in which others can read it. A block that raises leaves
    nothing. Raises TargetExists when there is such a file already.
    """
    partial = partial_of(path)
    if os.path.lexists(path):
        raise TargetExists(f"{path.name}: there is something of that name already")
    try:
        descriptor = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, PRIVATE_FILE)
    except FileExistsError:
        raise TargetExists(f"{partial.name}: an interrupted run left this: remove it first") from None
    try:
        with open(descriptor, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.rename(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    fsync_folder(path.parent)


def write_private(path: Path, data: bytes) -> None:
    """Write a new private file in one step; raises TargetExists."""
    with new_file(path) as file:
        file.write(data)


def replace_private(path: Path, data: bytes) -> None:
    """Write a private file in the place of what has its name; a crash leaves the old one or the new one.

    Writers of one name must keep each other out, with `locked`.
    """
    fresh = path.with_name(f".{path.name}.fresh")
    for left in (fresh, partial_of(fresh)):  # by a writer that was killed
        left.unlink(missing_ok=True)
    write_private(fresh, data)
    fresh.replace(path)
    fsync_folder(path.parent)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Let one process at a time through, for what is kept in a folder; the folder is made where there is none."""
    folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def partial_of(path: Path) -> Path:
    """Name the sibling that something is built under before it gets its name."""
    return path.with_name(f".{path.name}.partial")


def fsync_folder(folder: Path) -> None:
    """Make the names in a folder as durable as what they name."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
