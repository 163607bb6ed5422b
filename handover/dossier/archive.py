"""ZIP archives that strangers made: read within limits, or refused for one reason.

Names in an archive are data: nothing here makes a path of one. What is refused (bad cases D1 to D4, D7, D9): more
entries or more bytes than allowed, a ratio no document reaches, the same name twice, encryption, methods beside
stored and deflated, headers that contradict each other, names with a NUL, damaged data.
"""

import lzma
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO, Final

ENTRIES_MAX: Final = 2000
DIRECTORY_MAX: Final = 1 << 20
SIZE_MAX: Final = 64 << 20
RATIO_MAX: Final = 200
RATIO_FROM: Final = 1 << 20
"""Below this size, in bytes, a high ratio does no harm: an empty page deflates well."""

_END: Final = b"PK\x05\x06"
_BROKEN: Final = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    KeyError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
)
"""Everything that the standard library was seen to raise on damaged archives. RecursionError is a RuntimeError."""


class ArchiveUnreadable(Exception):
    """It isn't a ZIP, or it is damaged or encrypted. The message says which."""


class ArchiveTooLarge(ArchiveUnreadable):
    """It would unpack to more than is allowed."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file in an archive; `name` is what the archive calls it."""

    name: str
    size: int
    info: zipfile.ZipInfo


class Archive:
    """An archive whose directory was read and found sound. Make it with `opened`."""

    def __init__(self, zipped: zipfile.ZipFile, size_max: int) -> None:
        self._zip = zipped
        self.entries = tuple(_entries(zipped, size_max))

    def read(self, entry: Entry) -> bytes:
        """Unpack an entry whole; raises ArchiveUnreadable."""
        with _wrapped():
            data = self._zip.read(entry.info)
        if len(data) != entry.size:
            raise ArchiveUnreadable("an entry isn't as long as the archive says")
        return data

    def head(self, entry: Entry, size: int) -> bytes:
        """Unpack no more than the first `size` bytes of an entry; raises ArchiveUnreadable."""
        with _wrapped(), self._zip.open(entry.info) as stream:
            return stream.read(size)


@contextmanager
def _wrapped() -> Iterator[None]:
    try:
        yield
    except _BROKEN:
        raise ArchiveUnreadable("the ZIP is damaged") from None


@contextmanager
def opened(stream: BinaryIO, size_max: int = SIZE_MAX) -> Iterator[Archive]:
    """Read an archive's directory; raises ArchiveUnreadable, or ArchiveTooLarge for what breaks a limit.

    `size_max` bounds the bytes of all entries together.
    """
    _check_directory(stream)
    with _wrapped():
        zipped = zipfile.ZipFile(stream)
    with zipped:
        yield Archive(zipped, size_max)


def _check_directory(stream: BinaryIO) -> None:
    """Look at the directory's size before the library reads it whole into memory."""
    size = stream.seek(0, 2)
    stream.seek(max(0, size - 0xFFFF - 22))
    tail = stream.read()
    at = tail.rfind(_END)
    if at < 0 or len(tail) - at < 22:
        raise ArchiveUnreadable("not a whole ZIP")
    entries, directory = struct.unpack_from("<HI", tail, at + 10)
    if entries > ENTRIES_MAX or directory > DIRECTORY_MAX:
        raise ArchiveTooLarge(f"the ZIP has more than {ENTRIES_MAX} entries")


def _entries(zipped: zipfile.ZipFile, size_max: int) -> Iterator[Entry]:
    seen: set[str] = set()
    total = 0
    for info in zipped.infolist():
        name = info.orig_filename
        if name in seen:
            raise ArchiveUnreadable("the ZIP has two entries of one name")
        if "\0" in name:
            raise ArchiveUnreadable("the ZIP has a name with a NUL")
        if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ArchiveUnreadable("the ZIP is encrypted or packed by an uncommon method")
        seen.add(name)
        total += info.file_size
        if total > size_max:
            raise ArchiveTooLarge(f"the ZIP unpacks to more than {size_max >> 20} MiB")
        if info.file_size > RATIO_FROM and info.file_size > RATIO_MAX * info.compress_size:
            raise ArchiveTooLarge(f"the ZIP unpacks to more than {RATIO_MAX} times its size")
        yield Entry(name, info.file_size, info)


def only_file(data: bytes) -> tuple[str, bytes]:
    """Unpack an archive that holds exactly one file: its name and its bytes.

    Raises ArchiveUnreadable, also where there are more files than one, or none, or a link instead of a file.
    """
    with opened(BytesIO(data)) as archive:
        files = [entry for entry in archive.entries if not entry.name.endswith("/")]
        if len(files) != 1:
            raise ArchiveUnreadable(f"the ZIP holds {len(files)} files instead of one")
        if stat.S_ISLNK(files[0].info.external_attr >> 16):
            raise ArchiveUnreadable("the ZIP holds a link instead of a file")
        return files[0].name, archive.read(files[0])


def packed(name: str, data: bytes) -> bytes:
    """Pack one file into an archive; the same file gives the same bytes."""
    info = zipfile.ZipInfo(name)
    info.compress_type = zipfile.ZIP_DEFLATED
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w") as zipped:
        zipped.writestr(info, data)
    return stream.getvalue()
