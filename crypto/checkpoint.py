"""Checkpoints of a log and receipts of its entries, as texts that verify offline.

A checkpoint is a C2SP tlog-checkpoint: a signed note whose text is origin, size and root. A receipt is a C2SP
tlog-proof: an entry's index, its inclusion proof, and a checkpoint. Of what those formats leave open this reader takes
the narrow choice: the log signs with Ed25519 under its origin as key name, there are no extension lines, and every
base64 is the one encoding. Signatures of others may stand beside the log's and are left alone here; those of witnesses
are read in `cosignature`.
"""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from crypto.errors import CheckpointRefused, ProofRefused, SignatureRefused
from crypto.keys import SIGN_PUBLIC_SIZE, SignKey
from crypto.merkle import HASH_SIZE, SIZE_MAX, leaf_hash, verify_inclusion
from crypto.sign import verify_bare

LIMIT = 16_384
"""The longest note or receipt that is read, in bytes."""

SIGNATURES_MAX = 32
PROOF_MAX = 64
ED25519 = b"\x01"
"""The type of a log's own key in a signed note."""

_NAME = re.compile(r"[^\s+\x00-\x1f\x7f\ud800-\udfff]{1,200}")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}")
_SIGNATURE = re.compile(r"\u2014 (\S+) (\S+)")
_HEADER = "c2sp.org/tlog-proof@v1"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of a log: whose it is, how many entries it has, and the root over them."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """Print the text that is signed."""
        return f"{self.origin}\n{self.size}\n{_base64(self.root)}\n"


@dataclass(frozen=True, slots=True)
class Receipt:
    """An entry's place in a log: index, inclusion proof and the signed checkpoint they lead to.

    `extra` is not covered by any signature; what stands there proves something only through the leaf.
    """

    index: int
    proof: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes = b""


def key_id(name: str, public: bytes, kind: bytes = ED25519) -> bytes:
    """Give the four bytes that tell a key of this type in a signed note."""
    return sha256(name.encode() + b"\n" + kind + public).digest()[:4]


def print_checkpoint(checkpoint: Checkpoint, key: SignKey) -> bytes:
    """Sign a checkpoint with the log's key; raises `CheckpointRefused` for an origin that can't be a key's name."""
    _check_origin(checkpoint.origin)
    text = checkpoint.text()
    signature = key_id(checkpoint.origin, key.public) + key.sign_bare(text.encode())
    return f"{text}\n".encode() + print_signature(checkpoint.origin, signature)


def print_signature(name: str, signature: bytes) -> bytes:
    """Print a line of a note: who signed, and the key id with what follows on it."""
    return f"\u2014 {name} {_base64(signature)}\n".encode()


def parse_checkpoint(note: bytes) -> Checkpoint:
    """Read a checkpoint without asking who signed it; raises `CheckpointRefused`."""
    return read_note(note)[0]


def verify_checkpoint(note: bytes, origin: str, public: bytes) -> Checkpoint:
    """Read a checkpoint that this log signed with this key; raises `CheckpointRefused` for any other."""
    checkpoint, signatures = read_note(note)
    verify_signatures(checkpoint, signatures, origin, public)
    return checkpoint


def verify_signatures(
    checkpoint: Checkpoint, signatures: Sequence[tuple[str, bytes]], origin: str, public: bytes
) -> bytes:
    """Give the first that is this log's of a note's signatures, as `read_note` gives them.

    Raises `CheckpointRefused` where the log has none there, and unless all that it has there hold.
    """
    if checkpoint.origin != origin:
        raise CheckpointRefused("the checkpoint is of another log")
    wanted, text = (origin, key_id(origin, public)), checkpoint.text().encode()
    ours = [signed for name, signed in signatures if (name, signed[:4]) == wanted]
    if not ours:
        raise CheckpointRefused("the log's key has not signed the checkpoint")
    for signed in ours:
        try:
            verify_bare(public, text, signed[4:])
        except SignatureRefused:
            raise CheckpointRefused("the log's signature on the checkpoint doesn't hold") from None
    return ours[0]


def bare_note(note: bytes, origin: str, public: bytes) -> bytes:
    """Give a note of this log with one signature of the log's and nobody else's; raises `CheckpointRefused`."""
    checkpoint, signatures = read_note(note)
    ours = verify_signatures(checkpoint, signatures, origin, public)
    return f"{checkpoint.text()}\n".encode() + print_signature(origin, ours)


def print_receipt(receipt: Receipt) -> bytes:
    """Print a receipt."""
    lines = [_HEADER]
    if receipt.extra:
        lines.append(f"extra {_base64(receipt.extra)}")
    lines += [f"index {receipt.index}", *map(_base64, receipt.proof), "", ""]
    return "\n".join(lines).encode() + receipt.checkpoint


def parse_receipt(data: bytes) -> Receipt:
    """Read a receipt's form; raises `CheckpointRefused`. It proves nothing before `verify_receipt`."""
    head, found, note = _text(data).partition("\n\n")
    lines = head.split("\n")
    if not found or lines.pop(0) != _HEADER:
        raise CheckpointRefused("not a receipt")
    extra = b""
    if lines and lines[0].startswith("extra "):
        extra = _unbase64(lines.pop(0).removeprefix("extra "))
        if not extra:
            raise CheckpointRefused("the receipt's extra data is empty")
    if not lines or not lines[0].startswith("index "):
        raise CheckpointRefused("the receipt has no index")
    index = _number(lines.pop(0).removeprefix("index "))
    if len(lines) > PROOF_MAX:
        raise CheckpointRefused("the receipt's proof is too long")
    proof = tuple(_unbase64(line, HASH_SIZE) for line in lines)
    parse_checkpoint(note.encode())
    return Receipt(index, proof, note.encode(), extra)


def verify_receipt(receipt: Receipt, leaf: bytes, origin: str, public: bytes) -> Checkpoint:
    """Give the signed checkpoint of a tree that holds `leaf` at the receipt's index; raises `CheckpointRefused`."""
    checkpoint = verify_checkpoint(receipt.checkpoint, origin, public)
    try:
        verify_inclusion(leaf_hash(leaf), receipt.index, checkpoint.size, receipt.proof, checkpoint.root)
    except ProofRefused as refused:
        raise CheckpointRefused(f"the receipt doesn't hold: {refused}") from None
    return checkpoint


def print_verifier(name: str, public: bytes, kind: bytes = ED25519) -> str:
    """Print a public key with its name, as C2SP tools take it: name, key id in hex, and type with key."""
    _check_origin(name)
    return f"{name}+{key_id(name, public, kind).hex()}+{_base64(kind + public)}"


def parse_verifier(text: str, kind: bytes = ED25519) -> tuple[str, bytes]:
    """Read what `print_verifier` gives: name and public key; raises `CheckpointRefused`, for another type too."""
    name, _, rest = text.partition("+")
    public = _unbase64(rest.partition("+")[2], len(kind) + SIGN_PUBLIC_SIZE)[len(kind) :]
    if print_verifier(name, public, kind) != text:
        raise CheckpointRefused("not a verifier key of the kind that is needed")
    return name, public


def read_note(note: bytes) -> tuple[Checkpoint, list[tuple[str, bytes]]]:
    """Read a signed note: the checkpoint, and each signature's name with its key id and what follows on it.

    Nothing is verified. Raises `CheckpointRefused`.
    """
    text, found, signed = _text(note).rpartition("\n\n")
    lines = signed.split("\n")
    if not found or lines.pop() != "" or not 0 < len(lines) <= SIGNATURES_MAX:
        raise CheckpointRefused("not a signed note")
    signatures = [_signature(line) for line in lines]
    body = text.split("\n")
    if len(body) != 3:
        raise CheckpointRefused("the note isn't origin, size and root")
    _check_origin(body[0])
    return Checkpoint(body[0], _number(body[1]), _unbase64(body[2], HASH_SIZE)), signatures


def _signature(line: str) -> tuple[str, bytes]:
    matched = _SIGNATURE.fullmatch(line)
    if matched is None or not _NAME.fullmatch(matched[1]):
        raise CheckpointRefused("a line of the note isn't a signature")
    signed = _unbase64(matched[2])
    if len(signed) <= 4:
        raise CheckpointRefused("a signature of the note is too short")
    return matched[1], signed


def _text(data: bytes) -> str:
    if len(data) > LIMIT:
        raise CheckpointRefused(f"longer than {LIMIT} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise CheckpointRefused("not UTF-8") from None


def _check_origin(origin: str) -> None:
    if not _NAME.fullmatch(origin):
        raise CheckpointRefused("not the name of a log")


def _number(text: str) -> int:
    if not _NUMBER.fullmatch(text) or int(text) > SIZE_MAX:
        raise CheckpointRefused("not a number as it is printed here")
    return int(text)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _unbase64(text: str, length: int | None = None) -> bytes:
    try:
        data = base64.b64decode(text.encode())
    except ValueError:
        raise CheckpointRefused("not base64") from None
    if _base64(data) != text or length not in (None, len(data)):
        raise CheckpointRefused("not base64 as it is printed here, or of another length")
    return data
