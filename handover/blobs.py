"""Ciphertext at rest: a folder by default, S3 in production, one interface.

An object has a random name, is written once and never changed. It is written before the row that names it is committed
and is swept when no row ever does; the other way round a row could name nothing (bad case H8).
"""

import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import obstore

from handover.objects import as_oserror, open_store

CHUNK: Final = 1 << 20
PART: Final = 5 << 20
"""S3 takes no smaller part of an object, but for the last."""

_HOUR: Final = "%Y%m%d%H"


def new_name() -> str:
    """Make a random name that begins with the hour of its making, so that an orphan's age can be told."""
    return datetime.now(UTC).strftime(_HOUR) + secrets.token_hex(11)


def made_before(name: str, moment: datetime) -> bool:
    """Tell whether a name was made before the hour of a moment; one of another form is as old as can be."""
    return name[:10] < moment.astimezone(UTC).strftime(_HOUR) or not name[:10].isdigit()


class Blobs:
    """Objects in one store. `place` is a folder, or a URL such as `s3://bucket/prefix`."""

    def __init__(self, place: str) -> None:
        self.store, self.folder = open_store(place)

    def put(self, chunks: Iterable[bytes]) -> str:
        """Write a new object and give its name; it is on the disk when this returns. Raises OSError."""
        name, size = new_name(), PART if self.folder is None else CHUNK
        # Multipart with small parts: one create-only put would hold the whole object in memory.
        with as_oserror():
            obstore.put(self.store, name, iter(chunks), use_multipart=True, chunk_size=size, max_concurrency=2)
        self._sync(name)
        return name

    def names(self) -> list[str]:
        """Give the names of all objects."""
        return sorted(name for page in self.pages() for name in page)

    def pages(self) -> Iterator[list[str]]:
        """Give the names of all objects, a page at a time, in no order; raises OSError."""
        with as_oserror():
            for page in obstore.list(self.store):
                yield [str(entry["path"]).rpartition("/")[2] for entry in page]

    def stream(self, name: str) -> Iterator[bytes]:
        """Give an object's bytes; raises FileNotFoundError at once when it isn't there, and OSError."""
        with as_oserror():
            found = obstore.get(self.store, name).stream(min_chunk_size=CHUNK)
        return _chunks(found)

    def delete(self, *names: str) -> bool:
        """Remove objects, and tell whether all were there: one that is gone is no error, a sweep may be repeated.

        S3 doesn't say whether they were. Raises OSError.
        """
        try:
            with as_oserror():
                obstore.delete(self.store, list(names))
            return True
        except FileNotFoundError:
            for name in names:
                with suppress(FileNotFoundError), as_oserror():
                    obstore.delete(self.store, name)
            return False
        finally:
            if self.folder is not None:
                _sync_folder(self.folder)

    def _sync(self, name: str) -> None:
        # The local store renames into place without an fsync; S3 answers when it is durable.
        if self.folder is None:
            return
        path = self.folder / name
        path.chmod(0o600)
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        _sync_folder(self.folder)


def _chunks(found: Iterable[bytes]) -> Iterator[bytes]:
    with as_oserror():
        for chunk in found:
            yield bytes(chunk)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
