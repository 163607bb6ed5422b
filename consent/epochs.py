"""Epoch keys as files: 32 random bytes each, readable by the service alone, on disk before they count."""

import os
import re
import secrets
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from consent.errors import EpochKeyMissing

_SIZE: Final = 32
_NAME: Final = re.compile(r"epoch-([0-9]{8})\.key")


def path_of(folder: Path, epoch: int) -> Path:
    """Give the file of an epoch's key."""
    return folder / f"epoch-{epoch:08d}.key"


def numbers_of(folder: Path) -> set[int]:
    """Give the epochs whose keys are there."""
    names = (_NAME.fullmatch(path.name) for path in folder.glob("epoch-*.key"))
    return {int(name[1]) for name in names if name}


def create_key(folder: Path, taken: Iterable[int]) -> int:
    """Write a new random key and fsync it and its folder. Gives its number: above all `taken` and every file's.

    A file that nobody counts stays. It may be a crashed rotation's; but where an older copy of the key store was put
    back it is a later epoch's, and what was backed up and shipped since is lost without it.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    epoch = max(numbers_of(folder).union(taken), default=0) + 1
    _write(path_of(folder, epoch), secrets.token_bytes(_SIZE), os.O_CREAT | os.O_EXCL)
    _sync(folder)
    return epoch


def read_key(folder: Path, epoch: int) -> bytes:
    """Read an epoch's key. It is not kept in memory, so that a destroyed key is destroyed in every process.

    Raises `EpochKeyMissing` where the file is absent, of another size, or open to others.
    """
    try:
        with path_of(folder, epoch).open("rb", buffering=0) as file:
            mode = os.fstat(file.fileno()).st_mode
            key = file.read(_SIZE + 1)
    except OSError:
        raise EpochKeyMissing(epoch, "the file can't be read") from None
    if stat.S_IMODE(mode) & 0o077:
        raise EpochKeyMissing(epoch, "the file is open to others")
    if len(key) != _SIZE:
        raise EpochKeyMissing(epoch, "the file has another size")
    return key


def destroy_key(folder: Path, epoch: int) -> None:
    """Overwrite the key and take its file away; where it has gone already there is nothing to do."""
    path = path_of(folder, epoch)
    if path.exists():
        _write(path, bytes(_SIZE), 0)
        path.unlink()
        _sync(folder)


def _write(path: Path, content: bytes, flags: int) -> None:
    handle = os.open(path, os.O_WRONLY | flags, 0o600)
    try:
        os.write(handle, content)
        os.fsync(handle)
    finally:
        os.close(handle)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
