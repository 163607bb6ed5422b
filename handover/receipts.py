"""The receipt that comes with a release, verified offline: the service wrote the release into its journal.

    {"statement": {"v": 1, "transfer": ..., "bundle": ..., "sections": [...], "index": N, "leaf": ...},
     "signature": ..., "proof": ...}

`statement` says which entry of the journal the release is, signed with the journal's key; `proof` is a C2SP tlog-proof
of that leaf. Together they prove to the receiver, and to anybody it shows them to, that the service logged this release
of these sections of this bundle at that place. They don't prove that the release was right. Should the entry say
something else, the FG who opens it holds the service's own signature against it.
"""

from collections.abc import Sequence

from crypto.checkpoint import Checkpoint, parse_receipt, verify_receipt
from crypto.encoding import JSON, canon, integer, record, text, unb64
from crypto.errors import EncodingRefused
from crypto.sign import verify
from handover.errors import HandoverError
from handover.trust import JOURNAL, Trust


class ReceiptRefused(HandoverError):
    """A receipt isn't one, or is of something else."""


def verify_release(receipt: JSON, trust: Trust, *, transfer: str, bundle: str, sections: Sequence[str]) -> Checkpoint:
    """Give the signed checkpoint under which this release stands in the journal.

    Raises ReceiptRefused, or CryptoError where a signature or the proof doesn't hold.
    """
    try:
        value = record(receipt, "statement", "signature", "proof")
        said = record(value["statement"], "v", "transfer", "bundle", "sections", "index", "leaf")
        index, leaf = integer(said["index"]), unb64(said["leaf"])
        signature, proof = unb64(value["signature"], 64), text(value["proof"]).encode()
    except EncodingRefused as problem:
        raise ReceiptRefused(f"not a receipt: {problem}") from None
    if said != {**said, "v": 1, "transfer": transfer, "bundle": bundle, "sections": list(sections)}:
        raise ReceiptRefused("the receipt is of another release")
    origin, public = trust.log(JOURNAL)
    verify(public, "receipt", canon(said), signature)
    receipt_of_log = parse_receipt(proof)
    if receipt_of_log.index != index:
        raise ReceiptRefused("the receipt proves another entry than it names")
    return verify_receipt(receipt_of_log, leaf, origin, public)
