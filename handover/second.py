"""The second place, where each act's changes go before it is acknowledged: a folder or S3, apart from all else.

A folder is for another disk or a mounted share: what is written there is fsynced. In S3 the bucket keeps what was
written; its lifecycle rules must remove nothing by themselves.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import LocalStore, ObjectStore, from_url

from crypto.files import PRIVATE_FILE, PRIVATE_FOLDER, fsync_folder


class Second:
    """Objects written once. `place` is a folder, or a URL such as `s3://bucket/prefix`."""

    def __init__(self, place: str) -> None:
        self._folder: Path | None = None
        self._store: ObjectStore
        if "://" in place:
            self._store = from_url(place)
            return
        self._folder = Path(place)
        self._folder.mkdir(parents=True, exist_ok=True, mode=PRIVATE_FOLDER)
        self._store = LocalStore(self._folder)

    def put(self, name: str, data: bytes) -> bool:
        """Write a new object for good; False, and nothing is written, where the name is taken. Raises OSError."""
        try:
            with _as_oserror():
                obstore.put(self._store, name, data, mode="create", use_multipart=False)
        except FileExistsError:
            return False
        if self._folder is not None:
            _sync(self._folder / name)
        return True

    def get(self, name: str) -> bytes:
        """Give an object's bytes; raises OSError."""
        with _as_oserror():
            return bytes(obstore.get(self._store, name).bytes())

    def names(self) -> list[str]:
        """Name all objects; raises OSError."""
        with _as_oserror():
            return sorted(str(entry["path"]).rpartition("/")[2] for page in obstore.list(self._store) for entry in page)

    def delete(self, name: str) -> None:
        """Remove an object; one that is gone is no error. Raises OSError."""
        try:
            with _as_oserror():
                obstore.delete(self._store, name)
        except FileNotFoundError:
            return
        if self._folder is not None:
            fsync_folder(self._folder)


@contextmanager
def _as_oserror() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise
    except AlreadyExistsError:
        raise FileExistsError("taken") from None
    except BaseError as problem:
        raise OSError(type(problem).__name__) from None


def _sync(path: Path) -> None:
    path.chmod(PRIVATE_FILE)
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    fsync_folder(path.parent)
