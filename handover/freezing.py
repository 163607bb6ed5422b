"""Nothing is released beside a journal that isn't what it was.

A journal put back to an older state looks whole from inside. What tells is a checkpoint that left the house: one that
this log signed, under its present name, and that is larger than the journal or has another root at its size. The first
such one freezes the service: it is kept in the key store, releases are refused and logged, sweeps destroy nothing.
Only a restore ends that (bad cases K2, K3, K4).
"""

from typing import Final

from consent import tree
from consent.db import reading
from crypto.checkpoint import parse_checkpoint, verify_checkpoint
from handover.logs import log
from handover.parts import Parts

FROZEN: Final = "FROZEN"
"""The outcome of a release that was asked for while the service is frozen."""


def notice(parts: Parts, note: bytes, source: str) -> bool:
    """Compare a checkpoint that came back from outside with the journal, and freeze where they can't both hold.

    `source` says who sent it. True says that it contradicts the journal; one that fits, however old, changes nothing.
    Raises CheckpointRefused for a note of another log, or one that this log didn't sign.
    """
    checkpoint = verify_checkpoint(note, parts.journal.origin, parts.log_key.public)
    with reading(parts.main) as session:
        head = parse_checkpoint(parts.journal.checkpoint(session))
        fits = checkpoint.size <= head.size and tree.root_at(session, checkpoint.size) == checkpoint.root
    if not fits:
        parts.keystore.freeze(note, source, parts.clock())
        log().error("frozen", size=checkpoint.size, where=source)
    return not fits


def missing(parts: Parts) -> dict[str, tuple[int, int]]:
    """Give the boards of which acknowledged entries are gone, and among which of their numbers; each is logged.

    Nothing of such a board is released (LEDGER_INTEGRITY) until its rows are back. The others' go on.
    """
    with reading(parts.main) as session:
        found = parts.journal.missing(session)
    for board, (first, last) in found.items():
        log().error("entries_missing", where=f"{board} {first}-{last}")
    return found


def is_frozen(parts: Parts) -> bool:
    """Tell whether a checkpoint has shown that this journal isn't what it was."""
    return parts.keystore.frozen() is not None
