"""What a school has seen of the journal: the newest checkpoint, and that everything shown later follows on it.

Every school is a small witness. It keeps the newest checkpoint that the service signed, in `journal.checkpoint` in the
state folder, and asks for a proof that what it is shown is that journal, grown. So two schools can't be shown two
journals for long, and a journal that was put back is noticed by whoever saw the newer one (bad cases C3, K3, K4, K8).

What is refused stays beside it as `journal.refused`: two notes with the log's signature, which prove it to anybody.
"""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

from crypto.checkpoint import Checkpoint, bare_note
from crypto.encoding import JSON
from crypto.errors import CheckpointRefused, ProofRefused
from crypto.files import locked, replace_private
from crypto.merkle import verify_consistency
from handover.errors import HandoverError, RequestRefused
from handover.trust import JOURNAL, Trust, TrustRefused

FILE: Final = "journal.checkpoint"
REFUSED: Final = "journal.refused"


class JournalRefused(HandoverError):
    """The service shows an older journal than it did before, or another one."""


class Source(Protocol):
    """Where checkpoints and proofs come from: a client of the service."""

    def journal_checkpoint(self) -> bytes:
        """Give the newest note of the journal."""

    def journal_consistency(self, old: int, new: int) -> list[bytes]:
        """Give a consistency proof."""

    def post_witnessed(self, note: bytes) -> dict[str, JSON]:
        """Hand over a note that was seen."""


def newest(trust: Trust, folder: Path) -> bytes | None:
    """Give the newest note that was seen, None before the first; raises JournalRefused for a damaged file."""
    try:
        note = (folder / FILE).read_bytes()
        trust.verify(note, JOURNAL)
    except FileNotFoundError:
        return None
    except (CheckpointRefused, TrustRefused) as problem:
        raise JournalRefused(f"{FILE} isn't a checkpoint of the journal that the trust file names: {problem}") from None
    return note


def follow(source: Source, trust: Trust, folder: Path) -> bytes:
    """Look at the service's journal, refuse one that doesn't follow on what was seen, and keep its newest note.

    Raises JournalRefused, CheckpointRefused, and what the source raises; then what was seen stays as it was.
    """
    with locked(folder):
        kept = newest(trust, folder)
        shown = source.journal_checkpoint()
        checkpoint = trust.verify(shown, JOURNAL)
        note = bare_note(shown, *trust.log(JOURNAL))
        if kept is not None:
            try:
                _verify_growth(source, trust.verify(kept, JOURNAL), checkpoint)
            except ProofRefused:
                raise _refusal(source, folder, kept, note) from None
        replace_private(folder / FILE, note)
    return note


def compare(source: Source, trust: Trust, folder: Path, receipts: Iterable[Checkpoint]) -> None:
    """Refuse verified checkpoints of receipts that aren't of the journal that the service shows to all.

    Raises what `follow` raises.
    """
    shown = trust.verify(follow(source, trust, folder), JOURNAL)
    for checkpoint in receipts:
        try:
            _verify_growth(source, checkpoint, shown)
        except ProofRefused:
            raise JournalRefused(
                f"the receipt is of a journal of {checkpoint.size} entries that isn't the one the service shows"
            ) from None


def _verify_growth(source: Source, old: Checkpoint, new: Checkpoint) -> None:
    """Raise ProofRefused unless it is proved that the old tree is how the new one began."""
    proof: list[bytes] = []
    if 0 < old.size < new.size:
        try:
            proof = source.journal_consistency(old.size, new.size)
        except RequestRefused as refused:
            if refused.status >= 500:
                raise
    verify_consistency(old.size, new.size, old.root, new.root, proof)


def _refusal(source: Source, folder: Path, kept: bytes, shown: bytes) -> JournalRefused:
    """Keep what was shown, and tell the service what was seen: it can't release while somebody holds a newer one."""
    replace_private(folder / REFUSED, shown)
    with suppress(HandoverError):
        source.post_witnessed(kept)
    return JournalRefused(
        "the service shows a journal that is older than the one you have seen, or another: it was put back or forked. "
        f"Don't go on; tell the FG. Both signed checkpoints are kept, in {FILE} and {REFUSED}"
    )
