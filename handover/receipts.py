"""The receipt that comes with a release, verified offline: the service wrote the release into its journal.

    {"statement": {"v": 1, "transfer": ..., "bundle": ..., "sections": [...], "index": ..., "leaf": ...},
     "signature": ..., "proof": ...}

`signature` is the log's own (context `receipt`, over the canonical statement), `proof` a C2SP tlog-proof that the leaf
stands in the journal at that index. It proves to the receiver, and to anybody it is shown to, that the service says to
have logged this release of these sections under that leaf. It doesn't prove that the release was right.
"""

from collections.abc import Sequence
from typing import Final

from crypto.checkpoint import Checkpoint, parse_receipt, verify_receipt
from crypto.encoding import JSON, canon, integer, record, text, unb64
from crypto.errors import EncodingRefused
from crypto.keys import SIGNATURE_SIZE
from crypto.sign import verify
from handover.errors import HandoverError
from handover.trust import JOURNAL, Trust

LEAF_SIZE: Final = 2 + 3 * 32


class ReceiptRefused(HandoverError):
    """A receipt isn't one, or is of something else."""


def verify_release(receipt: JSON, trust: Trust, *, transfer: str, bundle: str, sections: Sequence[str]) -> Checkpoint:
    """Give the signed checkpoint under which this release stands in the journal.

    Raises ReceiptRefused, SignatureRefused or CheckpointRefused.
    """
    try:
        value = record(receipt, "statement", "signature", "proof")
        said = record(value["statement"], "v", "transfer", "bundle", "sections", "index", "leaf")
        integer(said["v"], 1, 1)
        index, leaf = integer(said["index"]), unb64(said["leaf"], LEAF_SIZE)
        signature, proof = unb64(value["signature"], SIGNATURE_SIZE), text(value["proof"]).encode()
    except EncodingRefused as problem:
        raise ReceiptRefused(f"not a receipt: {problem}") from None
    if (said["transfer"], said["bundle"], said["sections"]) != (transfer, bundle, list(sections)):
        raise ReceiptRefused("the receipt is of another transfer, bundle or section")
    origin, public = trust.log(JOURNAL)
    verify(public, "receipt", canon(said), signature)
    parsed = parse_receipt(proof)
    if parsed.index != index:
        raise ReceiptRefused("the receipt's proof is of another entry")
    return verify_receipt(parsed, leaf, origin, public)
