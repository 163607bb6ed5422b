"""The receipt that comes with a release, verified offline: the service wrote the release into its journal.

    {"statement": {"v": 1, "transfer": ..., "bundle": ..., "sections": [...], "index": ..., "leaf": ...},
     "signature": ..., "proof": ...}

`signature` is the log's own (context `receipt`, over the canonical statement), `proof` a C2SP tlog-proof that the leaf
stands in the journal at that index. It proves to the receiver, and to anybody it is shown to, that the service says to
have logged this release of these sections under that leaf. It doesn't prove that the release was right.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from crypto.checkpoint import Checkpoint, Receipt, parse_checkpoint, parse_receipt, verify_receipt
from crypto.encoding import JSON, canon, integer, parse, record, text, unb64
from crypto.errors import EncodingRefused
from crypto.keys import SIGNATURE_SIZE
from crypto.sign import verify
from handover.errors import HandoverError
from handover.trust import JOURNAL, Trust

LEAF_SIZE: Final = 2 + 3 * 32
LIMIT: Final = 1 << 16


class ReceiptRefused(HandoverError):
    """A receipt isn't one, or is of something else."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a receipt shows: which entry stands in which journal, and of which release the service said so, if any."""

    index: int
    leaf: bytes
    checkpoint: Checkpoint
    transfer: str | None = None
    bundle: str | None = None
    sections: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Read:
    """A receipt's form; nothing in it is proved yet."""

    statement: dict[str, JSON]
    signature: bytes
    proof: Receipt
    leaf: bytes


def verify_release(receipt: JSON, trust: Trust, *, transfer: str, bundle: str, sections: Sequence[str]) -> Checkpoint:
    """Give the signed checkpoint under which this release stands in the journal.

    Raises ReceiptRefused, SignatureRefused or CheckpointRefused.
    """
    read = _read(receipt)
    said = read.statement
    if (said["transfer"], said["bundle"], said["sections"]) != (transfer, bundle, list(sections)):
        raise ReceiptRefused("the receipt is of another transfer, bundle or section")
    return _verify(read, *trust.log(JOURNAL))


def verify_shown(data: bytes, logs: Mapping[str, bytes]) -> Shown:
    """Verify a receipt that somebody shows, as `fetch` kept it or a bare tlog-proof; `logs` are journals' keys by name.

    Raises ReceiptRefused, SignatureRefused or CheckpointRefused.
    """
    if not data.startswith(b"{"):
        proof = parse_receipt(data)
        if len(proof.extra) != LEAF_SIZE:
            raise ReceiptRefused("the proof has no leaf with it")
        return Shown(proof.index, proof.extra, verify_receipt(proof, proof.extra, *_log_of(proof, logs)))
    try:
        kept = record(parse(data, limit=LIMIT), "v", "bundle", "receipt")
        integer(kept["v"], 1, 1)
        read = _read(kept["receipt"])
        transfer, bundle = text(read.statement["transfer"]), text(read.statement["bundle"])
        sections = read.statement["sections"]
        named = tuple(map(text, sections)) if isinstance(sections, list) else ()
    except EncodingRefused as problem:
        raise ReceiptRefused(f"not a receipt: {problem}") from None
    if not named:
        raise ReceiptRefused("not a receipt: it names no section")
    if kept["bundle"] != bundle:
        raise ReceiptRefused("the receipt is of another bundle than it was kept with")
    checkpoint = _verify(read, *_log_of(read.proof, logs))
    return Shown(read.proof.index, read.leaf, checkpoint, transfer, bundle, named)


def _log_of(proof: Receipt, logs: Mapping[str, bytes]) -> tuple[str, bytes]:
    origin = parse_checkpoint(proof.checkpoint).origin
    if origin not in logs:
        raise ReceiptRefused(f"it is of {origin}, of which no key was given")
    return origin, logs[origin]


def _read(receipt: JSON) -> _Read:
    try:
        value = record(receipt, "statement", "signature", "proof")
        said = record(value["statement"], "v", "transfer", "bundle", "sections", "index", "leaf")
        integer(said["v"], 1, 1)
        index, leaf = integer(said["index"]), unb64(said["leaf"], LEAF_SIZE)
        signature, proof = unb64(value["signature"], SIGNATURE_SIZE), text(value["proof"]).encode()
    except EncodingRefused as problem:
        raise ReceiptRefused(f"not a receipt: {problem}") from None
    parsed = parse_receipt(proof)
    if parsed.index != index:
        raise ReceiptRefused("the receipt's proof is of another entry")
    return _Read(said, signature, parsed, leaf)


def _verify(read: _Read, origin: str, public: bytes) -> Checkpoint:
    verify(public, "receipt", canon(read.statement), read.signature)
    return verify_receipt(read.proof, read.leaf, origin, public)
