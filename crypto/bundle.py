"""The sealed bundle's container: read and written front to back, needing no secret.

README.md, "The sealed bundle", is the specification and has the layout.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import BinaryIO

from crypto.encoding import b64, padme, unb64
from crypto.errors import BundleAltered, BundleMalformed, EncodingRefused
from crypto.manifest import (
    MANIFEST_LIMIT,
    VERSION,
    parse_manifest,
    part_hash,
    printed_core,
    printed_core_hash,
    verify_manifest,
)

MAGIC = b"overdracht\n"
HEADER_SIZE = len(MAGIC) + 1 + 4 + 2
ABSENT, PRESENT = b"\x00", b"\x01"

PART_LIMIT = 1 << 18
ITEMS_LIMIT = 1024
ITEM_LIMIT = 1 << 40
INDEX_LEAST = 16 << 10
"""The least size of an index, so that an empty section looks like most others."""

INDEX_LIMIT = 16 << 20
"""The most bytes of an index, which is worked on in memory."""

PIECE = 96 << 10
"""Bytes that are worked on at a time: larger buffers leave the processor's cache and are new memory every time."""

CHUNK, _TAG, _PREAMBLE = 16 << 10, 16, 24 + 32


@dataclass(frozen=True, slots=True)
class Item:
    """One ciphertext of a section: its size in bytes and its SHA-256."""

    length: int
    digest: bytes


def print_items(items: Sequence[Item]) -> bytes:
    """Print a section's list of items (`P_s`) as canonical JSON."""
    printed = ",".join(f'{{"length":{item.length},"sha256":"{b64(item.digest)}"}}' for item in items)
    return f"[{printed}]".encode("ascii")


_ITEM = re.compile(rb'[{]"length":([0-9]{1,13}),"sha256":"([A-Za-z0-9_-]{43})"[}]')


def parse_items(data: bytes) -> tuple[Item, ...]:
    """Read a section's list of items; raises BundleMalformed, also for lengths that no padded item has.

    What is found in the bytes is printed again and compared: nothing can stand beside it or be written otherwise.
    """
    found = _ITEM.findall(data)
    if not 1 <= len(found) <= ITEMS_LIMIT:
        raise BundleMalformed("the items of a section: there are from 1 to 1,024")
    try:
        items = tuple([Item(int(length), unb64(digest.decode("ascii"))) for length, digest in found])
    except EncodingRefused as error:
        raise BundleMalformed(f"the items of a section: {error}") from None
    if print_items(items) != data:
        raise BundleMalformed("the items of a section: not as they are printed here")
    for number, item in enumerate(items):
        _check_size(item.length, number)
    return items


def _check_size(length: int, number: int) -> None:
    plain = plain_size(length)
    most = ITEM_LIMIT if number else ciphertext_size(INDEX_LIMIT)
    if not (padme(plain) == plain >= _least(number) and ciphertext_size(plain) == length <= most):
        raise BundleMalformed("the items of a section: a size that no padded item has")


def padded_size(size: int, number: int) -> int:
    """Give the size of an item's plaintext for `size` bytes of data: 8 for the length, the data, zeros up to PADME."""
    return padme(max(8 + size, _least(number)))


def _least(number: int) -> int:
    return 8 if number else INDEX_LEAST


def ciphertext_size(plain: int) -> int:
    """Give the size of a Cobblestone256 ciphertext: salt, commitment, a tag per chunk; the last is below 16 KiB."""
    return _PREAMBLE + plain + _TAG * (plain // CHUNK + 1)


def plain_size(length: int) -> int:
    """Give the size of what is in a Cobblestone256 ciphertext of this length, or less than 0."""
    return length - _PREAMBLE - _TAG * math.ceil((length - _PREAMBLE) / (CHUNK + _TAG))


def print_head(manifest: bytes, signatures: bytes) -> bytes:
    """Print the start of a container, up to its first section."""
    sizes = len(manifest).to_bytes(4, "big") + len(signatures).to_bytes(2, "big")
    return MAGIC + bytes([VERSION]) + sizes + manifest + signatures


def write_container(
    manifest: bytes, signatures: bytes, sections: Mapping[str, Iterable[bytes] | None]
) -> Iterator[bytes]:
    """Give the bytes of a container with the sections at hand, each as `Reader.sections` gave it.

    Sections that are None or not named are absent. Raises BundleMalformed for a manifest that isn't one.
    """
    order = parse_manifest(manifest).core.sections
    yield print_head(manifest, signatures)
    for name in order:
        raw = sections.get(name)
        if raw is None:
            yield ABSENT
        else:
            yield PRESENT
            yield from raw


class Reader:
    """Read a container from a stream, front to back, needing no secret.

    Making one reads up to the first section and parses strictly; nothing counts before `verify`. `items` has what each
    section that was begun is made of. Raises BundleMalformed.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        header = self._exactly(HEADER_SIZE)
        if not header.startswith(MAGIC):
            raise BundleMalformed("this is not a sealed bundle")
        version, sizes = header[len(MAGIC)], header[len(MAGIC) + 1 :]
        if version != VERSION:
            raise BundleMalformed("the container's version is unknown")
        length = int.from_bytes(sizes[:4], "big")
        if length > MANIFEST_LIMIT:
            raise BundleMalformed("the manifest is too long")
        self.manifest_bytes = self._exactly(length)
        self.signatures = self._exactly(int.from_bytes(sizes[4:], "big"))
        self.manifest = parse_manifest(self.manifest_bytes)
        self.binding = printed_core_hash(printed_core(self.manifest_bytes))
        self.items: dict[str, tuple[Item, ...]] = {}

    def verify(self, sign_public: bytes) -> None:
        """Raise BundleUnsigned unless the core names this key and it made the signatures that the suite demands."""
        verify_manifest(self.manifest.core, self.manifest_bytes, self.signatures, sign_public)

    def sections(self) -> Iterator[tuple[str, Iterator[bytes]]]:
        """Give each present section's name and its own bytes, checked against the manifest as they pass.

        The last piece of a section comes before its last hash is compared: nothing counts until the section's iterator
        has ended, and nothing of the bundle until this one has. What a caller leaves unread is read and checked here.
        Raises BundleMalformed and BundleAltered.
        """
        for name in self.manifest.core.sections:
            if self._presence():
                pieces = self._section(name)
                yield name, pieces
                for _ in pieces:
                    pass
        if self._stream.read(1):
            raise BundleMalformed("there are bytes after the last section")

    def _presence(self) -> bool:
        flag = self._exactly(1)
        if flag not in (ABSENT, PRESENT):
            raise BundleMalformed("a section is neither present nor absent")
        return flag == PRESENT

    def _section(self, name: str) -> Iterator[bytes]:
        size = self._exactly(4)
        if int.from_bytes(size, "big") > PART_LIMIT:
            raise BundleMalformed("the list of a section's items is too long")
        printed = self._exactly(int.from_bytes(size, "big"))
        if part_hash(self.binding, name, printed) != self.manifest.slots[name].part:
            raise BundleAltered(f"the items of {name} aren't those that were signed")
        self.items[name] = parse_items(printed)
        yield size + printed
        for item in self.items[name]:
            yield from self._item(name, item)

    def _item(self, name: str, item: Item) -> Iterator[bytes]:
        digest, left = sha256(), item.length
        while left:
            piece = self._exactly(min(left, PIECE))
            digest.update(piece)
            left -= len(piece)
            yield piece
        if digest.digest() != item.digest:
            raise BundleAltered(f"an item of {name} isn't the one that was signed")

    def _exactly(self, size: int) -> bytes:
        data = self._stream.read(size)
        while len(data) < size:
            # A socket gives what has arrived; only nothing at all is the end.
            more = self._stream.read(size - len(data))
            if not more:
                raise BundleMalformed("the bundle is cut off")
            data += more
        return data
