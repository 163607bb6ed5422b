"""A journal put back without all its entries: what was lost, and the two people who say that it goes on so.

The statement names the log, what is known to have been there, what could be put back, and the name under which the log
goes on. It takes two: a board's FG, and another board's FG or the register's root, each with a key that the operator
doesn't hold. An approval is canonical JSON `{"approval": {"kid", "reason", "statement"}, "signature"}`, signed under
the context "loss".
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from crypto.encoding import JSON, Printable, b64, canon, parse, record, text, unb64
from crypto.errors import EncodingRefused
from crypto.keys import SignKey
from crypto.sign import sign, verify
from handover.errors import HandoverError

LIMIT: Final = 1 << 16
CONTEXT: Final = "loss"
REASON: Final = r"[^\x00-\x1f\x7f]{10,500}"


class LossRefused(HandoverError):
    """An approval isn't one, or isn't enough."""


@dataclass(frozen=True, slots=True)
class Approval:
    """One person's word, by the key that signed it: nothing is believed of it before `check`."""

    statement: JSON
    kid: bytes
    reason: str
    signed: bytes
    signature: bytes

    def check(self, public: bytes) -> None:
        """Raise `SignatureRefused` unless this key signed the approval."""
        verify(public, CONTEXT, self.signed, self.signature)


def next_name(first: str, taken: Iterable[str]) -> str:
    """Give the name under which a log goes on that began as `first`, after every name that it is known to have had."""
    numbers = [int(name.removeprefix(f"{first}-")) for name in taken if name != first]
    return f"{first}-{max(numbers, default=1) + 1}"


def read_statement(data: bytes) -> JSON:
    """Read a statement of loss as `handover admin restore` wrote it; raises LossRefused."""
    try:
        statement = parse(data, limit=LIMIT)
        record(statement, "v", "log", "missing", "known", "restored", "origin")
    except EncodingRefused as refused:
        raise LossRefused(f"not a statement of loss: {refused}") from None
    return statement


def approve(statement: JSON, reason: str, key: SignKey) -> bytes:
    """Approve of a loss, with a reason; raises LossRefused for a reason that says nothing."""
    try:
        said: dict[str, Printable] = {"statement": statement, "reason": text(reason, REASON), "kid": key.kid.hex()}
    except EncodingRefused:
        raise LossRefused("a reason has 10 to 500 characters, on one line") from None
    return canon({"approval": said, "signature": b64(sign(key, CONTEXT, canon(said)))})


def read_approval(data: bytes) -> Approval:
    """Read an approval; raises LossRefused."""
    try:
        outer = record(parse(data, limit=LIMIT), "approval", "signature")
        said = record(outer["approval"], "kid", "reason", "statement")
        kid = bytes.fromhex(text(said["kid"], "[0-9a-f]{64}"))
        signature = unb64(outer["signature"], 64)
        return Approval(said["statement"], kid, text(said["reason"], REASON), canon(said), signature)
    except EncodingRefused as refused:
        raise LossRefused(f"not an approval of a loss: {refused}") from None
