"""The second place, where each act's changes go before it is acknowledged: a folder or S3, apart from all else.

A folder is for another disk or a mounted share: what is written there is fsynced. In S3 the bucket keeps what was
written; its lifecycle rules must remove nothing by themselves.
"""

import os
import secrets
from pathlib import Path
from typing import Final

import obstore

from crypto.files import PRIVATE_FILE, fsync_folder
from handover.objects import as_oserror, open_store

_PARTIAL: Final = ".partial"


class Second:
    """Objects written once. `place` is a folder, or a URL such as `s3://bucket/prefix`."""

    def __init__(self, place: str) -> None:
        self._store, self._folder = open_store(place)

    def put(self, name: str, data: bytes) -> bool:
        """Write a new object for good; False, and nothing is written, where the name is taken. Raises OSError."""
        if self._folder is not None:
            return _create(self._folder, name, data)
        try:
            with as_oserror():
                obstore.put(self._store, name, data, mode="create", use_multipart=False)
        except FileExistsError:
            return False
        return True

    def get(self, name: str) -> bytes:
        """Give an object's bytes; raises OSError."""
        with as_oserror():
            return bytes(obstore.get(self._store, name).bytes())

    def names(self) -> list[str]:
        """Name all objects; raises OSError."""
        with as_oserror():
            names = [str(entry["path"]).rpartition("/")[2] for page in obstore.list(self._store) for entry in page]
        return sorted(name for name in names if not name.endswith(_PARTIAL))

    def delete(self, name: str) -> None:
        """Remove an object; one that is gone is no error. Raises OSError."""
        try:
            with as_oserror():
                obstore.delete(self._store, name)
        except FileNotFoundError:
            return
        if self._folder is not None:
            fsync_folder(self._folder)


def _create(folder: Path, name: str, data: bytes) -> bool:
    """Give a file its name only when its bytes are durable: what a power cut leaves is never taken for an object."""
    partial = folder / f".{secrets.token_hex(8)}{_PARTIAL}"
    try:
        with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.link(partial, folder / name)
    except FileExistsError:
        return False
    finally:
        partial.unlink(missing_ok=True)
    fsync_folder(folder)
    return True
