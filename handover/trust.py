"""Whom a client believes: the register's root, and the keys under which one service signs its logs.

The trust file comes with a client's settings, from the register and not from the service. `handover admin init` writes
it, and the register compares its first line, the public key of the root as `handover key identity --root` printed it,
before it gives it to anybody. Every further line is a log's verifier key (C2SP):

    {"public":"...","type":"root","v":1}
    handover.example/keys+1a2b3c4d+AQ...
    handover.example/journal+5e6f7a8b+AQ...

There is no trust on first use: what isn't in the file isn't believed.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from crypto.checkpoint import Checkpoint, parse_checkpoint, parse_verifier, print_verifier, verify_checkpoint
from crypto.errors import CryptoError
from crypto.keyfile import PublicIdentity, parse_identity_public, print_identity_public
from handover.errors import HandoverError

LIMIT: Final = 1 << 16
KEYS: Final = "/keys"
JOURNAL: Final = "/journal"


class TrustRefused(HandoverError):
    """The trust file isn't one, or says nothing of what is asked."""


@dataclass(frozen=True, slots=True)
class Trust:
    """The register's root, and per log's name its public key."""

    root: bytes
    logs: Mapping[str, bytes]

    def verify(self, note: bytes, suffix: str) -> Checkpoint:
        """Give the checkpoint in a note that the log whose name ends so has signed.

        Raises CryptoError, or TrustRefused where the log signed it under a name from before or after a loss.
        """
        origin, public = self.log(suffix)
        shown = parse_checkpoint(note).origin
        if shown == origin or _split(shown)[0] != _split(origin)[0]:
            return verify_checkpoint(note, origin, public)
        verify_checkpoint(note, shown, public)
        if _split(shown)[1] < _split(origin)[1]:
            raise TrustRefused(
                f"it is of {shown}, and since entries were lost the log is {origin}: keep it, put it aside"
            )
        raise TrustRefused(
            f"the log goes on as {shown} since entries were lost, and the trust file names {origin}: "
            "ask the register for the new trust file"
        )

    def log(self, suffix: str) -> tuple[str, bytes]:
        """Give name and key of the log whose name ends so; raises TrustRefused.

        A log that lost entries goes on under a name with a number behind it, and the highest one counts.
        """
        found = {name: _split(name)[1] for name in self.logs if _split(name)[0].endswith(suffix)}
        if not found or len(set(found.values())) != len(found):
            raise TrustRefused(f"the trust file names no key of the log whose name ends in {suffix}, or more than one")
        newest = max(found, key=lambda name: found[name])
        return newest, self.logs[newest]


def _split(name: str) -> tuple[str, int]:
    """Give a log's first name, and which one this is."""
    first, number = re.fullmatch(r"(.*?)(?:-([2-9]|[1-9][0-9]+))?", name, re.DOTALL).groups()  # type: ignore[union-attr]
    return first, int(number or 1)


def print_trust(root: bytes, *logs: str, public: bytes) -> bytes:
    """Print a trust file: the register's root, and the key under which one service signs these logs."""
    first = print_identity_public(PublicIdentity("root", root)).decode()
    lines = [first, *(print_verifier(log, public) for log in logs)]
    return "".join(f"{line}\n" for line in lines).encode()


def read_trust(path: Path) -> Trust:
    """Read a trust file; raises TrustRefused, OSError."""
    with path.open("rb") as file:
        data = file.read(LIMIT + 1)
    try:
        root, *logs = data.decode("utf-8").splitlines()
        identity = parse_identity_public(root.encode())
        known = dict(map(parse_verifier, logs))
    except (UnicodeDecodeError, ValueError, CryptoError):
        raise TrustRefused(
            f"{path.name}: not a trust file: the root's public key, then the logs' verifier keys"
        ) from None
    if len(data) > LIMIT or identity.kind != "root" or len(known) != len(logs):
        raise TrustRefused(f"{path.name}: not a trust file: too long, no root in it, or a log named twice")
    return Trust(identity.public, known)
