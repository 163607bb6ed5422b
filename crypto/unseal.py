"""Open a bundle's released sections into a new folder, all of it or nothing.

README.md, "The sealed bundle", is the specification; the steps of `unseal` carry its numbers.
"""

import os
import shutil
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import BinaryIO

from cryptography.cobblestone import Cobblestone256Decryptor
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from crypto.bundle import CHUNK, PIECE, Item, Reader, padded_size, plain_size
from crypto.encoding import JSON
from crypto.errors import (
    BundleAltered,
    BundleMisaddressed,
    BundleUnsigned,
    EncodingRefused,
    ShareRefused,
    TargetExists,
)
from crypto.files import PRIVATE_FILE, PRIVATE_FOLDER, fsync_folder, partial_of
from crypto.index import Listed, parse_index
from crypto.keyfile import KeyFile, PublicFile
from crypto.keys import slot_key
from crypto.manifest import (
    NONCE,
    Core,
    Manifest,
    check_commitment,
    item_context,
    share_info,
    slot_info,
)
from crypto.shares import Shares

NAME_LIMIT = 80
"""Bytes of a file name that are kept: with section and number before it, far below the 255 of file systems."""

_RESERVED = {"CON", "PRN", "AUX", "NUL", *(f"{port}{digit}" for port in ("COM", "LPT") for digit in "0123456789¹²³")}
_SEPARATORS = frozenset('/\\:*?"<>|')


@dataclass(frozen=True, slots=True)
class File:
    """A document that was opened: what its sender called it, and where it is. The name is data, never a path.

    Its bytes are those that were signed. `sha256` and `media_type` are what the sender said of them in the index; who
    reads the file to type it, compares.
    """

    name: str
    media_type: str
    size: int
    sha256: bytes
    path: Path


@dataclass(frozen=True, slots=True)
class Section:
    """A section that was opened: its JSON value and its documents, in order."""

    index: JSON
    files: tuple[File, ...]


@dataclass(frozen=True, slots=True)
class Opened:
    """What came out of a bundle: what it says openly, and the sections that were released, in order."""

    core: Core
    sections: Mapping[str, Section]


@dataclass(frozen=True, slots=True)
class _Placed:
    """A section found whole: its items, and where in the container the first one starts."""

    items: tuple[Item, ...]
    offset: int


def unseal(
    stream: BinaryIO,
    *,
    key: KeyFile,
    sender: PublicFile,
    shares: Shares,
    out: Path,
    finish: Callable[[Path, Opened], None] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Opened:
    """Open the sections whose shares are there into the new folder `out`.

    `stream` must be seekable: it is read once to be checked whole, and only then again to be decrypted. All is built
    in the sibling folder `.NAME.partial`, `finish` may add to it there, and one rename makes it `out`; what fails
    leaves nothing. `progress` is told the bytes checked and decrypted so far. Whether the bundle has expired is the
    caller's to show: `Opened.core.expires_at`. Raises a subclass of BundleRefused that says what is wrong.
    """
    if os.path.lexists(out):
        raise TargetExists("there is something with the name of the output already")
    reader = Reader(stream)  # (1)
    _check_parties(reader, key, sender)  # (2) (3)
    core, binding = reader.manifest.core, reader.binding
    secret = key.seal.open(reader.manifest.share, share_info(binding, core.recipient.kid, core.sender.kid))  # (4)
    count = _Count(progress or (lambda _: None))
    placed = _check_sections(reader, stream, count)  # (5)
    _check_shares(reader.manifest, binding, shares, placed)  # (6)
    keys = _unwrap(reader.manifest, binding, shares.shares, secret)  # (7)
    with _new_folder(out) as folder:  # (8)
        # An update gives at most one chunk more than it is given, held back from the update before.
        press = _Press(binding, stream, count, folder, out, memoryview(bytearray(PIECE + CHUNK)))
        opened = Opened(core, {name: _open_section(press, keys[name], name, placed[name]) for name in keys})
        if finish:
            finish(folder, opened)
    return opened


def _check_parties(reader: Reader, key: KeyFile, sender: PublicFile) -> None:
    core = reader.manifest.core
    reader.verify(sender.sign)
    if core.sender.school != sender.school:
        raise BundleUnsigned("the bundle names another school as its sender than the key's")
    if core.recipient.kid != key.seal.kid or core.recipient.school != key.school:
        raise BundleMisaddressed("the bundle is sealed to another key than this one")


def _check_sections(reader: Reader, stream: BinaryIO, count: "_Count") -> dict[str, _Placed]:
    """Read everything once; the reader compares each hash with what was signed."""
    placed = {}
    for name, pieces in reader.sections():
        next(pieces)
        placed[name] = _Placed(reader.items[name], stream.tell())
        for piece in pieces:
            count.add(len(piece))
    return placed


def _check_shares(manifest: Manifest, binding: bytes, shares: Shares, placed: Mapping[str, _Placed]) -> None:
    core = manifest.core
    if shares.bundle != core.bundle or shares.to != core.recipient.kid:
        raise ShareRefused("the release shares are of another bundle")
    if not shares.shares:
        raise ShareRefused("no section was released: there is no release share")
    for name, share in shares.shares.items():
        check_commitment(manifest, binding, name, share)
        if name not in placed:
            raise ShareRefused(f"there is a release share of {name}, which isn't in this container")


def _unwrap(manifest: Manifest, binding: bytes, shares: Mapping[str, bytes], secret: bytes) -> dict[str, bytes]:
    """Open the keys of the sections that were released, in the bundle's order."""
    keys = {}
    for name in (each for each in manifest.core.sections if each in shares):
        info = slot_info(binding, manifest.core.recipient.kid, name)
        try:
            keys[name] = AESGCM(slot_key(shares[name], secret, info)).decrypt(NONCE, manifest.slots[name].w, info)
        except InvalidTag:
            raise BundleAltered(f"the key of {name} doesn't open") from None
    return keys


@contextmanager
def _new_folder(out: Path) -> Iterator[Path]:
    partial = partial_of(out)
    try:
        partial.mkdir(PRIVATE_FOLDER)
    except FileExistsError:
        raise TargetExists("an interrupted run left a .partial beside the output: remove it first") from None
    try:
        yield partial
        fsync_folder(partial)
        # A folder made in the meantime stops the rename, unless it is empty, which loses nothing.
        os.rename(partial, out)
    except BaseException:
        shutil.rmtree(partial)
        raise
    fsync_folder(out.parent)


@dataclass(slots=True)
class _Count:
    """The bytes done so far, told to whoever watches."""

    tell: Callable[[int], None]
    done: int = 0

    def add(self, size: int) -> None:
        self.done += size
        self.tell(self.done)


@dataclass(frozen=True, slots=True)
class _Press:
    """What every item of a bundle is opened with."""

    binding: bytes
    stream: BinaryIO
    count: _Count
    folder: Path
    out: Path
    buffer: memoryview


def _open_section(press: _Press, key: bytes, name: str, placed: _Placed) -> Section:
    press.stream.seek(placed.offset)
    printed = b"".join(bytes(piece) for piece in _data(press, key, name, 0, placed.items[0]))
    try:
        index, documents = parse_index(printed)
    except EncodingRefused as error:
        raise BundleAltered(f"the index of {name}: {error}") from None
    if len(documents) != len(placed.items) - 1:
        raise BundleAltered(f"{name} has other documents than its index says")
    files = []
    for number, (listed, item) in enumerate(zip(documents, placed.items[1:], strict=True), 1):
        files.append(_open_document(press, key, name, number, item, listed))
    return Section(index, tuple(files))


def _open_document(press: _Press, key: bytes, name: str, number: int, item: Item, listed: Listed) -> File:
    file_name = f"{name}-{number}-{safe_name(listed.name)}"
    descriptor = os.open(press.folder / file_name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, PRIVATE_FILE)
    size = 0
    with open(descriptor, "wb", buffering=0) as file:
        for data in _data(press, key, name, number, item):
            size += _write(file, data)
        os.fsync(file.fileno())
    if size != listed.size:
        raise BundleAltered(f"a document of {name} isn't the one that its index says")
    return File(listed.name, listed.media_type, size, listed.sha256, press.out / file_name)


def _write(file: FileIO, data: memoryview) -> int:
    left = data
    while left:
        left = left[file.write(left) :]
    return len(data)


def _data(press: _Press, key: bytes, name: str, number: int, item: Item) -> Iterator[memoryview]:
    """Give the data of an item, without its length before and its padding after; both are checked."""
    left = -1
    for piece in _plaintext(press, key, name, number, item):
        if left < 0:
            left, piece = int.from_bytes(piece[:8], "big"), piece[8:]
            if padded_size(left, number) != plain_size(item.length):
                raise BundleAltered(f"an item of {name} isn't padded as its size demands")
        data, zeros = piece[:left], piece[left:]
        if bytes(zeros) != bytes(len(zeros)):
            raise BundleAltered(f"an item of {name} has padding that isn't zero")
        left -= len(data)
        press.count.add(len(data))
        yield data


def _plaintext(press: _Press, key: bytes, name: str, number: int, item: Item) -> Iterator[memoryview]:
    """Decrypt the item at the stream's place, in pieces of the one buffer that aren't empty."""
    cipher = Cobblestone256Decryptor(key, item_context(press.binding, name, number))
    left = item.length
    try:
        while ciphertext := press.stream.read(min(left, PIECE)):
            left -= len(ciphertext)
            if count := cipher.update_into(ciphertext, press.buffer):
                yield press.buffer[:count]
        if last := cipher.finalize():
            yield memoryview(last)
    except (InvalidTag, ValueError):
        raise BundleAltered(f"an item of {name} doesn't decrypt") from None


def safe_name(name: str) -> str:
    """Make a file name out of what somebody called a document, harmless on every system: letters stay, dangers go.

    NFC; no separators, control characters, marks that turn the direction of text, or unassigned code points; no dot or
    space at its ends; not a device's name; at most 80 bytes, the extension kept. What is left empty becomes `document`.
    """
    kept = "".join("_" if _dangerous(letter) else letter for letter in unicodedata.normalize("NFC", name))
    stem, dot, extension = kept.strip(" .").rpartition(".")
    if not dot or not extension.isalnum() or len(extension.encode()) > 12:
        stem, dot, extension = kept.strip(" ."), "", ""
    stem = stem.rstrip(" .")
    stem = stem.encode()[: NAME_LIMIT - len((dot + extension).encode())].decode(errors="ignore").rstrip(" .")
    if stem.partition(".")[0].rstrip().upper() in _RESERVED:
        stem = f"_{stem}"
    return f"{stem or 'document'}{dot}{extension}"


def _dangerous(letter: str) -> bool:
    # Cc controls, Cf formats (direction marks, zero width), Co, Cn, Cs, and the line and paragraph separators.
    return letter in _SEPARATORS or unicodedata.category(letter) in ("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp")
