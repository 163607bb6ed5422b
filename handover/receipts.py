"""The receipt that comes with a release, verified offline: the service wrote the release into its journal.

A receipt is `{"leaf": ..., "terms": {...}, "terms_salt": ..., "proof": ...}`: the entry's leaf (base64url), what the
entry says, the salt of that part, and a C2SP tlog-proof of the leaf. It proves to the receiver, and to anybody it shows
it to, that the service logged this release of these sections of this bundle. It doesn't prove that the release was
right.
"""

import hmac
from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from crypto.checkpoint import Checkpoint, parse_receipt, verify_receipt
from crypto.encoding import JSON, canon, record, text, unb64
from crypto.errors import EncodingRefused
from crypto.sign import label
from handover.errors import HandoverError
from handover.trust import JOURNAL, Trust

LEAF_SIZE: Final = 2 + 3 * 32
SALT_SIZE: Final = 32


class ReceiptRefused(HandoverError):
    """A receipt isn't one, or is of something else."""


def verify_release(receipt: JSON, trust: Trust, *, transfer: str, bundle: str, sections: Sequence[str]) -> Checkpoint:
    """Give the signed checkpoint under which this release stands in the journal.

    Raises ReceiptRefused or CheckpointRefused.
    """
    try:
        value = record(receipt, "leaf", "terms", "terms_salt", "proof")
        leaf, salt = unb64(value["leaf"], LEAF_SIZE), unb64(value["terms_salt"], SALT_SIZE)
        proof, terms = text(value["proof"]).encode(), value["terms"]
        committed = sha256(label("terms") + salt + canon(terms)).digest()
    except EncodingRefused as problem:
        raise ReceiptRefused(f"not a receipt: {problem}") from None
    if not hmac.compare_digest(committed, leaf[-32:]):
        raise ReceiptRefused("the receipt's entry isn't what the journal's leaf commits to")
    _check_terms(terms, transfer, bundle, sections)
    origin, public = trust.log(JOURNAL)
    return verify_receipt(parse_receipt(proof), leaf, origin, public)


def _check_terms(terms: JSON, transfer: str, bundle: str, sections: Sequence[str]) -> None:
    said = terms if isinstance(terms, dict) else {}
    about = said.get("terms")
    what = about if isinstance(about, dict) else {}
    if said.get("outcome") != "granted" or said.get("sections") != list(sections):
        raise ReceiptRefused("the receipt is of another decision")
    if what.get("transfer") != transfer or what.get("bundle") != bundle:
        raise ReceiptRefused("the receipt is of another transfer or bundle")
