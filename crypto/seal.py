"""Seal a dossier's sections into a bundle that only its recipient can open, and only what is released to it.

README.md, "The sealed bundle", is the specification; the steps of `seal` carry its numbers.
"""

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO, Protocol

from cryptography.cobblestone import Cobblestone256Encryptor
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from crypto.bundle import (
    CHUNK,
    ITEMS_LIMIT,
    PIECE,
    PRESENT,
    Item,
    ciphertext_size,
    padded_size,
    print_head,
    print_items,
)
from crypto.encoding import Printable, b64, canon
from crypto.errors import BundleMalformed, DocumentChanged
from crypto.keyfile import KeyFile, PublicFile
from crypto.keys import hpke_seal, kid, slot_key
from crypto.manifest import (
    HASH_SIZE,
    ID_SIZE,
    NONCE,
    SECRET_SIZE,
    SHARE_SIZE,
    WRAPPED_SIZE,
    Core,
    Manifest,
    Party,
    Slot,
    check_core,
    core_hash,
    item_context,
    part_hash,
    print_manifest,
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
# Below this a second thread costs more than it saves.
_WORTH_A_THREAD = 256 << 10


class Source(Protocol):
    """Where a document's bytes come from: an open binary file, or `io.BytesIO`."""

    def readinto(self, buffer: memoryview, /) -> int | None:
        """Fill the buffer and give the count; 0 at the end."""

    def close(self) -> None:
        """Let go of the file."""


@dataclass(frozen=True, slots=True)
class Document:
    """A document of a section: what the index says of it, and how to read its `size` bytes."""

    name: str
    media_type: str
    size: int
    open: Callable[[], Source]


@dataclass(frozen=True, slots=True)
class Content:
    """What a section holds: a JSON value, and documents. Empty it is `Content(None)`."""

    index: Printable
    documents: Sequence[Document] = ()


@dataclass(frozen=True, slots=True)
class Sealed:
    """A bundle that was written: what it says openly, and the release shares, which are for the service alone."""

    core: Core
    shares: Shares


@dataclass(slots=True)
class _Press:
    """What every item of a bundle is pressed through: the reused buffers, and the thread that hashes beside them."""

    binding: bytes
    out: BinaryIO
    hasher: Executor
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
    Raises BundleMalformed for fields that no reader would take, KeyRefused for the recipient's key, DocumentChanged.
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
    check_core(core)
    binding, to = core_hash(core), core.recipient.kid
    secret = secrets.token_bytes(SECRET_SIZE)  # (2)
    sealed_secret = hpke_seal(recipient.seal, secret, share_info(binding, to, core.sender.kid))
    start = out.tell()
    out.seek(start + _head_size(core))
    slots, shares = {}, {}
    with _press(binding, out, progress or (lambda _: None)) as press:
        for name in core.sections:
            key = secrets.token_bytes(SECRET_SIZE)
            part = _seal_section(press, key, name, contents.get(name, Content(None)))  # (3) (4)
            slots[name], shares[name] = _make_slot(binding, to, name, part, secret, key)  # (5)
    end = out.tell()
    manifest = print_manifest(Manifest(core, sealed_secret, slots))  # (6)
    out.seek(start)
    out.write(print_head(manifest, sign_manifest(sender.sign, manifest)))
    out.seek(end)
    return Sealed(core, Shares(core.bundle, to, shares))


def _head_size(core: Core) -> int:
    """Measure the container's head before anything is known that stands in it: all of that has a fixed size."""
    blank = Slot(_NO_HASH, bytes(WRAPPED_SIZE), _NO_HASH)
    manifest = Manifest(core, bytes(SHARE_SIZE), dict.fromkeys(core.sections, blank))
    return len(print_head(print_manifest(manifest), bytes(_SIGNATURES_SIZE)))


@contextmanager
def _press(binding: bytes, out: BinaryIO, progress: Callable[[int], None]) -> Iterator[_Press]:
    # An update of a full buffer gives at most one chunk more than fits, held back from the update before.
    plain, sealed = bytearray(PIECE), bytearray(ciphertext_size(PIECE + CHUNK))
    with ThreadPoolExecutor(1) as hasher:
        yield _Press(binding, out, hasher, progress, memoryview(plain), memoryview(sealed))


def _make_slot(binding: bytes, to: bytes, name: str, part: bytes, secret: bytes, key: bytes) -> tuple[Slot, bytes]:
    """Wrap a section's key so that it takes the recipient's secret and the release share to open it."""
    share = secrets.token_bytes(SECRET_SIZE)
    info = slot_info(binding, to, name)
    wrapped = AESGCM(slot_key(share, secret, info)).encrypt(NONCE, key, info)
    return Slot(part, wrapped, share_commitment(binding, to, name, share)), share


def _seal_section(press: _Press, key: bytes, name: str, content: Content) -> bytes:
    """Write a section: its documents first, then its index, which holds their hashes, into the room left before them.

    Gives the hash of its list of items.
    """
    documents, out = content.documents, press.out
    if len(documents) >= ITEMS_LIMIT:
        raise BundleMalformed(f"{name} has more documents than fit into a section")
    printed = canon(content.index)
    index_size = len(_print_index(printed, documents, [_NO_HASH] * len(documents)))
    totals = [padded_size(index_size, 0)] + [padded_size(each.size, 1) for each in documents]
    items = [Item(ciphertext_size(total), _NO_HASH) for total in totals]
    head = out.tell()
    index_at = head + len(_print_section_head(print_items(items)))
    out.seek(index_at + items[0].length)
    hashes = []
    for number, document in enumerate(documents, 1):
        with closing(document.open()) as source:
            items[number], digest = _seal_item(press, key, name, number, source, document.size, totals[number])
        hashes.append(digest)
    end = out.tell()
    out.seek(index_at)
    index = BytesIO(_print_index(printed, documents, hashes))
    items[0], _ = _seal_item(press, key, name, 0, index, index_size, totals[0])
    out.seek(head)
    out.write(_print_section_head(listed := print_items(items)))
    out.seek(end)
    return part_hash(press.binding, name, listed)


def _print_section_head(items: bytes) -> bytes:
    return PRESENT + len(items).to_bytes(4, "big") + items


def _print_index(content: bytes, documents: Sequence[Document], hashes: Sequence[bytes]) -> bytes:
    """Print an index around its content, which is printed once, since canonical JSON in Python is slow."""
    listed: list[Printable] = [
        {"name": each.name, "type": each.media_type, "size": each.size, "sha256": b64(digest)}
        for each, digest in zip(documents, hashes, strict=True)
    ]
    return b'{"content":%b,"documents":%b}' % (content, canon(listed))


def _seal_item(
    press: _Press, key: bytes, name: str, number: int, source: Source, size: int, total: int
) -> tuple[Item, bytes]:
    """Write an item's ciphertext; gives the item, and the SHA-256 of its data."""
    cipher = Cobblestone256Encryptor(key, item_context(press.binding, name, number))
    data, ciphertext = sha256(), sha256()
    for piece in _plaintext(press, source, size, total, data):
        count = cipher.update_into(piece, press.sealed)
        ciphertext.update(press.sealed[:count])
        press.out.write(press.sealed[:count])
    last = cipher.finalize()
    ciphertext.update(last)
    press.out.write(last)
    return Item(ciphertext_size(total), ciphertext.digest()), data.digest()


def _plaintext(press: _Press, source: Source, size: int, total: int, digest: "_Hash") -> Iterator[memoryview]:
    """Give an item's plaintext, its length, its data and zeros, in pieces of the one buffer; hash the data beside."""
    buffer, left = press.plain, size
    buffer[:8] = size.to_bytes(8, "big")
    start = 8
    while total:
        data = buffer[start : start + min(left, PIECE - start)]
        _fill(source, data)
        left -= len(data)
        end = start + len(data)
        zeros = min(total - end, PIECE - end)
        buffer[end : end + zeros] = _ZEROS[:zeros]
        if len(data) < _WORTH_A_THREAD:
            digest.update(data)
            yield buffer[: end + zeros]
        else:
            hashed = press.hasher.submit(digest.update, data)
            yield buffer[: end + zeros]
            # The buffer is filled again only when both have read it.
            hashed.result()
        press.done += len(data)
        press.progress(press.done)
        total -= end + zeros
        start = 0
    if source.readinto(memoryview(bytearray(1))):
        raise DocumentChanged("a document is longer than it was said to be")


def _fill(source: Source, buffer: memoryview) -> None:
    while buffer:
        count = source.readinto(buffer)
        if not count:
            raise DocumentChanged("a document is shorter than it was said to be")
        buffer = buffer[count:]
