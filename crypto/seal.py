"""Seal a dossier's sections into a bundle that only its recipient can open, and only what is released to it.

README.md, "The sealed bundle", is the specification; the steps of `seal` carry its numbers.
"""

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, BinaryIO, Protocol

from cryptography.cobblestone import Cobblestone256Encryptor
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from crypto.bundle import (
    CHUNK,
    INDEX_LIMIT,
    ITEMS_LIMIT,
    PIECE,
    PRESENT,
    Item,
    ciphertext_size,
    padded_size,
    print_head,
    print_items,
)
from crypto.encoding import Printable
from crypto.errors import BundleMalformed, DocumentChanged, EncodingRefused
from crypto.index import Listed, parse_index, print_index
from crypto.keyfile import KeyFile, PublicFile
from crypto.keys import hpke_seal, kid, slot_key
from crypto.manifest import (
    HASH_SIZE,
    ID_SIZE,
    NONCE,
    SECRET_SIZE,
    Core,
    Manifest,
    Party,
    Slot,
    item_context,
    manifest_size,
    part_hash,
    print_checked,
    print_manifest,
    printed_core_hash,
    share_commitment,
    share_info,
    sign_manifest,
    slot_info,
)
from crypto.shares import Shares

if TYPE_CHECKING:
    from hashlib import _Hash

_SIGNATURES_SIZE = 2 + 64
_NO_HASH = bytes(HASH_SIZE)
_ZEROS = memoryview(bytes(PIECE))


class Source(Protocol):
    """Where a document's bytes are read from: an open binary file, or `io.BytesIO`."""

    def readinto(self, buffer: memoryview, /) -> int | None:
        """Fill the buffer and give the count; 0 at the end."""

    def close(self) -> None:
        """Let go of the file."""


@dataclass(frozen=True, slots=True)
class Document:
    """A document of a section: what the index says of it, and how to come by its `size` bytes, read or in memory.

    Who knows the SHA-256 of those bytes already gives it and saves hashing them again; it must be right, since the
    receiver compares.
    """

    name: str
    media_type: str
    size: int
    open: Callable[[], Source | bytes]
    sha256: bytes | None = None


@dataclass(frozen=True, slots=True)
class Content:
    """What a section holds: a JSON value, and documents."""

    index: Printable
    documents: Sequence[Document] = ()


EMPTY = Content(None)
"""What a section holds that has nothing in it, or was left out."""

_EMPTY_INDEX = print_index(None, ())


@dataclass(frozen=True, slots=True)
class Sealed:
    """A bundle that was written: what it says openly, and the release shares, which are for the service alone."""

    core: Core
    shares: Shares


@dataclass(slots=True)
class _Press:
    """What every item of a bundle is pressed through: two buffers that are used again and again."""

    binding: bytes
    out: BinaryIO
    progress: Callable[[int], None]
    plain: memoryview
    sealed: memoryview
    done: int = 0


def seal(
    out: BinaryIO,
    *,
    sender: KeyFile,
    recipient: PublicFile,
    sections: Sequence[str],
    contents: Mapping[str, Content],
    made_at: datetime,
    expires_at: datetime,
    epoch: int = 0,
    transfer: str = "",
    purpose: str = "",
    route: str = "",
    versions: Mapping[str, bytes] | None = None,
    supersedes: bytes | None = None,
    progress: Callable[[int], None] | None = None,
) -> Sealed:
    """Write a bundle to `out`, which must be seekable: the manifest holds hashes of what comes after it.

    `sections` are all sections in order; those without content are sealed as empty ones. `versions` names the contents
    that were sealed before, and fills up with new names. `progress` is told the plaintext bytes done so far. Memory
    doesn't grow with the size of documents. What a failure leaves in `out` is nothing that opens; throw it away.
    Raises BundleMalformed for fields and contents that no reader would take, KeyRefused for the recipient's key, and
    DocumentChanged.
    """
    if not contents.keys() <= set(sections):
        raise BundleMalformed("there is content for a section that isn't in the list")
    core = Core(  # (1)
        bundle=secrets.token_bytes(ID_SIZE),
        transfer=transfer,
        purpose=purpose,
        route=route,
        sender=Party(sender.school, sender.sign.kid),
        recipient=Party(recipient.school, kid("seal", recipient.seal)),
        epoch=epoch,
        sections=tuple(sections),
        versions={name: (versions or {}).get(name) or secrets.token_bytes(ID_SIZE) for name in sections},
        supersedes=supersedes,
        made_at=made_at.replace(microsecond=0),
        expires_at=expires_at.replace(microsecond=0),
    )
    printed = print_checked(core)
    binding, to = printed_core_hash(printed), core.recipient.kid
    secret = secrets.token_bytes(SECRET_SIZE)  # (2)
    sealed_secret = hpke_seal(recipient.seal, secret, share_info(binding, to, core.sender.kid))
    start = out.tell()
    out.seek(start + len(print_head(bytes(manifest_size(printed, core.sections)), bytes(_SIGNATURES_SIZE))))
    slots, shares = {}, {}
    press = _press(binding, out, progress or (lambda _: None))
    for name in core.sections:
        key = secrets.token_bytes(SECRET_SIZE)
        part = _seal_section(press, key, name, contents.get(name, EMPTY))  # (3) (4)
        slots[name], shares[name] = _make_slot(binding, to, name, part, secret, key)  # (5)
    end = out.tell()
    manifest = print_manifest(Manifest(core, sealed_secret, slots), printed)  # (6)
    out.seek(start)
    out.write(print_head(manifest, sign_manifest(sender.sign, manifest)))
    out.seek(end)
    return Sealed(core, Shares(core.bundle, to, shares))


def _press(binding: bytes, out: BinaryIO, progress: Callable[[int], None]) -> _Press:
    # An update gives at most one chunk more than it is given, held back from the update before.
    sealed = bytearray(ciphertext_size(PIECE + CHUNK))
    return _Press(binding, out, progress, memoryview(bytearray(PIECE)), memoryview(sealed))


def _make_slot(binding: bytes, to: bytes, name: str, part: bytes, secret: bytes, key: bytes) -> tuple[Slot, bytes]:
    """Wrap a section's key so that it takes the recipient's secret and the release share to open it."""
    share = secrets.token_bytes(SECRET_SIZE)
    info = slot_info(binding, to, name)
    wrapped = AESGCM(slot_key(share, secret, info)).encrypt(NONCE, key, info)
    return Slot(part, wrapped, share_commitment(binding, to, name, share)), share


def _seal_section(press: _Press, key: bytes, name: str, content: Content) -> bytes:
    """Write a section, with room left for its list of items and its index, which hold hashes of what comes after them.

    Gives the hash of the list.
    """
    documents, out = content.documents, press.out
    known = [_NO_HASH if each.sha256 is None else each.sha256 for each in documents]
    index = _checked_index(name, content, known)
    sizes = [len(index), *(each.size for each in documents)]
    blank = [_blank_item(size, number) for number, size in enumerate(sizes)]
    start = out.tell()
    index_at = start + len(_print_section_head(print_items(blank)))
    out.seek(index_at + blank[0].length)
    items, digests = blank[:1], []
    for number, document in enumerate(documents, 1):
        item, digest = _seal_document(press, key, (name, number), document)
        items.append(item)
        digests.append(digest)
    end = out.tell()
    if digests != known:  # a hash has one length, so the index keeps its own
        index = print_index(content.index, _listed(content, digests))
    out.seek(index_at)
    items[0] = _seal_item(press, key, (name, 0), index, len(index))
    listed = print_items(items)
    out.seek(start)
    out.write(_print_section_head(listed))
    out.seek(end)
    return part_hash(press.binding, name, listed)


def _checked_index(name: str, content: Content, digests: Sequence[bytes]) -> bytes:
    """Print an index that a reader would take: what is sealed must be readable. Raises BundleMalformed."""
    if content is EMPTY:
        return _EMPTY_INDEX
    if len(content.documents) >= ITEMS_LIMIT:
        raise BundleMalformed(f"{name} has more documents than fit into a section")
    try:
        printed = print_index(content.index, _listed(content, digests))
        if padded_size(len(printed), 0) > INDEX_LIMIT:
            raise BundleMalformed(f"the index of {name} is too long")
        parse_index(printed)
    except EncodingRefused as error:
        raise BundleMalformed(f"the index of {name}: {error}") from None
    return printed


def _listed(content: Content, digests: Sequence[bytes]) -> list[Listed]:
    return [
        Listed(each.name, each.media_type, each.size, digest)
        for each, digest in zip(content.documents, digests, strict=True)
    ]


def _blank_item(size: int, number: int) -> Item:
    """Give the item that so many bytes become, before its hash is known."""
    return Item(ciphertext_size(padded_size(size, number)), _NO_HASH)


def _print_section_head(items: bytes) -> bytes:
    return PRESENT + len(items).to_bytes(4, "big") + items


def _seal_document(press: _Press, key: bytes, place: tuple[str, int], document: Document) -> tuple[Item, bytes]:
    """Write the ciphertext of a document; gives the item, and the SHA-256 of the document."""
    source = document.open()
    with nullcontext() if isinstance(source, bytes) else closing(source):
        if document.sha256 is not None:
            return _seal_item(press, key, place, source, document.size), document.sha256
        digest = sha256()
        return _seal_item(press, key, place, source, document.size, digest), digest.digest()


def _seal_item(
    press: _Press, key: bytes, place: tuple[str, int], source: Source | bytes, size: int, plain: "_Hash | None" = None
) -> Item:
    """Write the ciphertext of the item at this place, a section and a number; `plain`, where given, hashes its data."""
    total = padded_size(size, place[1])
    cipher, sealed = Cobblestone256Encryptor(key, item_context(press.binding, *place)), sha256()
    for piece in _plaintext(press, source, size, total, plain):
        ciphertext = press.sealed[: cipher.update_into(piece, press.sealed)]
        sealed.update(ciphertext)
        press.out.write(ciphertext)
    last = cipher.finalize()
    sealed.update(last)
    press.out.write(last)
    return Item(ciphertext_size(total), sealed.digest())


def _plaintext(
    press: _Press, source: Source | bytes, size: int, total: int, plain: "_Hash | None"
) -> Iterator[bytes | memoryview]:
    """Give an item's plaintext in pieces: its length, its data, zeros."""
    yield size.to_bytes(8, "big")
    for data in _held(source, size) if isinstance(source, bytes) else _read(source, size, press.plain):
        if plain:
            plain.update(data)
        yield data
        press.done += len(data)
        press.progress(press.done)
    zeros = total - 8 - size
    while zeros:
        piece = _ZEROS[:zeros]
        yield piece
        zeros -= len(piece)


def _held(data: bytes, size: int) -> Iterator[memoryview]:
    """Give the pieces of a document in memory, where they are."""
    if len(data) != size:
        raise DocumentChanged("a document in memory has another size than it was said to have")
    whole = memoryview(data)
    for at in range(0, size, PIECE):
        yield whole[at : at + PIECE]


def _read(source: Source, size: int, buffer: memoryview) -> Iterator[memoryview]:
    """Read a document in pieces, each into the same buffer."""
    while size:
        data = buffer[:size]
        _fill(source, data)
        yield data
        size -= len(data)
    if source.readinto(memoryview(bytearray(1))):
        raise DocumentChanged("a document is longer than it was said to be")


def _fill(source: Source, buffer: memoryview) -> None:
    while buffer:
        count = source.readinto(buffer)
        if not count:
            raise DocumentChanged("a document is shorter than it was said to be")
        buffer = buffer[count:]
