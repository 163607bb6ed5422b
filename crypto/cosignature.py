"""Cosignatures: what a witness says of a log's checkpoint, beside the log's own signature (C2SP tlog-cosignature, v1).

A cosignature says: at this time this was the largest head of that log that I had seen, and it followed on every other
that I had seen. It is an Ed25519 signature over a header, the time and the checkpoint's text, so it can't be taken for
a log's signature nor moved to another time. What a witness checks before it says so is in `handover.witness`.
"""

from dataclasses import dataclass

from crypto.checkpoint import Checkpoint, key_id, parse_verifier, print_signature, print_verifier, read_note
from crypto.errors import CheckpointRefused, SignatureRefused
from crypto.keys import SIGNATURE_SIZE, SignKey
from crypto.sign import verify_bare

COSIGNATURE = b"\x04"
"""The type of a witness's Ed25519 key in a signed note."""

TIME_MAX = 253_402_300_799
"""The last second of the year 9999: what every calendar can show."""

_TIME_SIZE = 8
_ID_SIZE = 4


@dataclass(frozen=True, slots=True)
class Cosigner:
    """A witness as others know it: its name, and the public key that belongs to that name alone."""

    name: str
    public: bytes

    @property
    def key_id(self) -> bytes:
        """The four bytes that tell this key in a signed note."""
        return key_id(self.name, self.public, COSIGNATURE)

    def print(self) -> str:
        """Print the witness's verifier key; raises `CheckpointRefused` for a name that can't stand in a note."""
        return print_verifier(self.name, self.public, COSIGNATURE)


@dataclass(frozen=True, slots=True)
class Cosignature:
    """A cosignature that holds: of which head, at what time (seconds since 1970), and its line in the note."""

    checkpoint: Checkpoint
    time: int
    line: bytes


def parse_cosigner(text: str) -> Cosigner:
    """Read what `Cosigner.print` gives; raises `CheckpointRefused`, also for a log's verifier key."""
    return Cosigner(*parse_verifier(text, COSIGNATURE))


def cosign(checkpoint: Checkpoint, name: str, key: SignKey, time: int) -> bytes:
    """Give the line that a witness adds to a note of this checkpoint; `time` in seconds since 1970.

    Raises `CheckpointRefused` for a time that can't be stated, and for a name that can't stand in a note.
    """
    _check_time(time)
    cosigner = Cosigner(name, key.public)
    cosigner.print()
    signed = key.sign_bare(_message(checkpoint, time))
    return print_signature(name, cosigner.key_id + time.to_bytes(_TIME_SIZE, "big") + signed)


def verify_cosignature(note: bytes, cosigner: Cosigner) -> Cosignature:
    """Give the newest that this witness said of a note; raises `CheckpointRefused` unless all it signed there holds.

    The log's own signature isn't looked at: that is `verify_checkpoint`.
    """
    checkpoint, signatures = read_note(note)
    wanted = (cosigner.name, cosigner.key_id)
    ours = [signed[_ID_SIZE:] for name, signed in signatures if (name, signed[:_ID_SIZE]) == wanted]
    if not ours:
        raise CheckpointRefused("the witness has not cosigned the checkpoint")
    time, said = max((_verified(checkpoint, said, cosigner.public), said) for said in ours)
    return Cosignature(checkpoint, time, print_signature(cosigner.name, cosigner.key_id + said))


def _verified(checkpoint: Checkpoint, said: bytes, public: bytes) -> int:
    if len(said) != _TIME_SIZE + SIGNATURE_SIZE:
        raise CheckpointRefused("a cosignature isn't a time and a signature")
    time = int.from_bytes(said[:_TIME_SIZE], "big")
    _check_time(time)
    try:
        verify_bare(public, _message(checkpoint, time), said[_TIME_SIZE:])
    except SignatureRefused:
        raise CheckpointRefused("the witness's signature on the checkpoint doesn't hold") from None
    return time


def _check_time(time: int) -> None:
    if not 0 < time <= TIME_MAX:
        raise CheckpointRefused("a cosignature's time is out of bounds")


def _message(checkpoint: Checkpoint, time: int) -> bytes:
    return f"cosignature/v1\ntime {time}\n{checkpoint.text()}".encode()
