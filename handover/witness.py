"""A witness of the journal, on a machine that isn't the operator's: the FG's.

It keeps the newest checkpoint that it has cosigned, and cosigns only what follows on it. So a journal that was cut,
rebuilt or forked, or put back from a backup, is found out by the next look, even where the service's own databases
agree with each other (bad cases K2, K3, K4, K8).

`add_checkpoint` decides, as C2SP tlog-witness says it; a refusal's status is the one that an HTTP witness would answer:

(1) the note is a checkpoint of a log that is watched;                                           400, 404
(2) that log's key has signed it;                                                                 403
(3) it isn't smaller than the old size that is proved from: the log hasn't shrunk;                400
(4) the old size is that of the newest checkpoint that was cosigned, 0 before the first;          409
(5) a checkpoint of the same size has the same root;                                              409
(6) the proof leads from the newest checkpoint to this one.                                       422

The folder, mode 0700, holds `witness.key` (32 bytes, mode 0600), `verifier.txt`, `witness.json` and `evidence/`. The
key has no passphrase: a timer uses it with nobody there, and a passphrase would have to lie beside it. Its account on
that machine is what protects it.

    {"logs": [{"note": NOTE or null, "verifier": LINE}, ...], "name": ..., "v": 1}
"""

import os
import stat
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Final, Protocol

from crypto.checkpoint import (
    Checkpoint,
    bare_note,
    parse_checkpoint,
    parse_verifier,
    print_verifier,
    verify_checkpoint,
)
from crypto.cosignature import Cosigner, cosign, verify_cosignature
from crypto.encoding import JSON, Printable, canon, integer, parse, record, text
from crypto.errors import CheckpointRefused, CryptoError, EncodingRefused, ProofRefused
from crypto.files import locked, replace_private, write_private
from crypto.keys import SEED_SIZE, SignKey
from crypto.merkle import EMPTY_ROOT, verify_consistency
from handover.errors import HandoverError, RequestRefused

KEY: Final = "witness.key"
STATE: Final = "witness.json"
VERIFIER: Final = "verifier.txt"
EVIDENCE: Final = "evidence"
LIMIT: Final = 1 << 20
UNPROVED: Final = "SIZES_REFUSED"
"""What the service answers where its journal never had the sizes between which something is to be proved."""


class WitnessRefused(HandoverError):
    """The witness's folder isn't one, is damaged, or is open to others."""


class Reason(StrEnum):
    """Why a checkpoint isn't cosigned."""

    MALFORMED = "MALFORMED"
    UNKNOWN_LOG = "UNKNOWN_LOG"
    NOT_SIGNED = "NOT_SIGNED"
    SHRUNK = "SHRUNK"
    CONFLICT = "CONFLICT"
    FORKED = "FORKED"
    NOT_CONSISTENT = "NOT_CONSISTENT"


SENTENCES: Final[Mapping[Reason, str]] = {
    Reason.MALFORMED: "what was shown isn't a checkpoint",
    Reason.UNKNOWN_LOG: "the checkpoint is of a log that this witness doesn't watch",
    Reason.NOT_SIGNED: "the checkpoint isn't signed by the log's key",
    Reason.SHRUNK: "the log is smaller than it was when it was last cosigned: entries were taken away",
    Reason.CONFLICT: "the proof doesn't begin at the checkpoint that was last cosigned",
    Reason.FORKED: "the log has as many entries as when it was last cosigned, but others: it was rebuilt or forked",
    Reason.NOT_CONSISTENT: "it isn't shown that the log grew from what was last cosigned: it was rebuilt or forked",
}


@dataclass(frozen=True, slots=True)
class Log:
    """A log that is watched: its name and key, and the newest note of it that was cosigned, with the cosignature."""

    origin: str
    public: bytes
    note: bytes | None = None

    @property
    def newest(self) -> Checkpoint | None:
        """The newest checkpoint that was cosigned."""
        return None if self.note is None else parse_checkpoint(self.note)

    @property
    def size(self) -> int:
        """Its size, 0 before the first."""
        return self.newest.size if self.newest else 0


@dataclass(frozen=True, slots=True)
class Witness:
    """A witness: its name, its key, and the logs it watches by their origin."""

    name: str
    key: SignKey
    logs: Mapping[str, Log]

    @property
    def cosigner(self) -> Cosigner:
        """The witness as others know it."""
        return Cosigner(self.name, self.key.public)

    def last(self, log: Log) -> int | None:
        """Give when this witness last cosigned a log, in seconds since 1970; None before the first time."""
        return None if log.note is None else verify_cosignature(log.note, self.cosigner).time

    def with_note(self, log: Log, note: bytes) -> "Witness":
        """Give the witness after it cosigned this note."""
        return replace(self, logs={**self.logs, log.origin: replace(log, note=note)})


@dataclass(frozen=True, slots=True)
class Cosigned:
    """A checkpoint was cosigned: `note` has the log's signature and `line`, the witness's."""

    checkpoint: Checkpoint
    line: bytes
    note: bytes


@dataclass(frozen=True, slots=True)
class Refused:
    """A checkpoint isn't cosigned; `size` is that of the newest which was, where the log is known."""

    reason: Reason
    size: int = 0

    def __bool__(self) -> bool:
        return False


def add_checkpoint(witness: Witness, old: int, proof: Sequence[bytes], note: bytes, time: int) -> Cosigned | Refused:
    """Decide on a checkpoint, with a consistency proof from the old size to its own; `time` in seconds since 1970.

    Whoever calls it must keep the new note, durably, before the cosignature leaves, and let nobody in between.
    """
    try:
        log = witness.logs.get(parse_checkpoint(note).origin)  # (1)
    except CheckpointRefused:
        return Refused(Reason.MALFORMED)
    if log is None:
        return Refused(Reason.UNKNOWN_LOG)
    try:
        shown = verify_checkpoint(note, log.origin, log.public)  # (2)
    except CheckpointRefused:
        return Refused(Reason.NOT_SIGNED, log.size)
    if reason := _doesnt_follow(log, old, proof, shown):
        return Refused(reason, log.size)
    line = cosign(shown, witness.name, witness.key, time)
    return Cosigned(shown, line, bare_note(note, log.origin, log.public) + line)


def _doesnt_follow(log: Log, old: int, proof: Sequence[bytes], shown: Checkpoint) -> Reason | None:
    newest = log.newest
    if old > shown.size:  # (3)
        return Reason.SHRUNK
    if old != log.size:  # (4)
        return Reason.CONFLICT
    if newest and newest.size == shown.size and newest.root != shown.root:  # (5)
        return Reason.FORKED
    try:  # (6)
        verify_consistency(old, shown.size, newest.root if newest else EMPTY_ROOT, shown.root, proof)
    except ProofRefused:
        return Reason.NOT_CONSISTENT
    return None


class Source(Protocol):
    """Where checkpoints come from, and cosigned ones go to: a client of the service."""

    def journal_checkpoint(self) -> bytes:
        """Give the newest note of the log."""

    def journal_consistency(self, old: int, new: int) -> list[bytes]:
        """Give a consistency proof."""

    def post_witnessed(self, note: bytes) -> dict[str, JSON]:
        """Hand over a cosigned note."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What one look gave: the decision, the size cosigned before it, and where the evidence of a refusal is."""

    decided: Cosigned | Refused
    before: int
    evidence: Path | None = None

    def __bool__(self) -> bool:
        return bool(self.decided)


def check(source: Source, folder: Path, time: int) -> Looked:
    """Look at the log once: verify that it grew, cosign it, keep it, and hand the cosignature over.

    A refusal moves nothing. Both notes are then kept as evidence, and the one that was cosigned earlier is handed to
    the service, which stops releasing when it sees that its journal was once larger or another. Raises WitnessRefused,
    and what the source raises where the service can't be reached or doesn't take the note.
    """
    with locked(folder):
        witness = read(folder)
        note = source.journal_checkpoint()
        log = _log_of(witness, note)
        before = log.size if log else 0
        decided = add_checkpoint(witness, before, _proof(source, before, note), note, time)
        if isinstance(decided, Refused):
            kept = log.note if log else None
            if kept is not None:
                with suppress(HandoverError):  # it can only refuse a checkpoint that its journal doesn't lead to
                    source.post_witnessed(kept)
            return Looked(decided, before, _keep_evidence(folder / EVIDENCE, kept, note, decided.reason))
        assert log is not None
        _write(folder, witness.with_note(log, decided.note))
    source.post_witnessed(decided.note)
    return Looked(decided, before)


def _log_of(witness: Witness, note: bytes) -> Log | None:
    try:
        return witness.logs.get(parse_checkpoint(note).origin)
    except CheckpointRefused:
        return None


def _proof(source: Source, before: int, note: bytes) -> list[bytes]:
    """Ask for the proof, where one is needed.

    Only the service's own word that it has no proof of what it shows is taken for one. Any other refusal, a proxy's
    too, says nothing of the journal: it is raised, and the next look asks again.
    """
    if before == 0 or (shown := parse_checkpoint(note).size) <= before:
        return []
    try:
        return source.journal_consistency(before, shown)
    except RequestRefused as refused:
        if refused.code != UNPROVED:
            raise
        return []


def _keep_evidence(folder: Path, kept: bytes | None, shown: bytes, reason: Reason) -> Path | None:
    """Keep both notes; the same two are kept once, however often a timer sees them. What isn't a note says nothing."""
    if reason is Reason.MALFORMED:
        return None
    place = folder / f"{reason}-{sha256((kept or b'') + shown).hexdigest()[:16]}"
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, note in (("kept.note", kept), ("shown.note", shown)):
        if note is not None:
            replace_private(place / name, note)
    return place


# The folder.


def init(folder: Path, name: str, logs: Mapping[str, bytes]) -> Witness:
    """Make a witness in a new or empty folder; `logs` are the public keys of what it watches, by their origin.

    Raises CheckpointRefused for a name that can't stand in a note, TargetExists or WitnessRefused for a folder in use.
    """
    key = SignKey.generate("witness")
    witness = Witness(name, key, {origin: Log(origin, public) for origin, public in logs.items()})
    verifier = witness.cosigner.print()
    with locked(folder):
        if any(folder.iterdir()):
            raise WitnessRefused(f"{folder.name} isn't empty")
        folder.chmod(0o700)
        write_private(folder / KEY, key.seed)
        write_private(folder / VERIFIER, f"{verifier}\n".encode())
        _write(folder, witness)
    return witness


def read(folder: Path) -> Witness:
    """Read a witness from its folder, and check that what it keeps is what it cosigned; raises WitnessRefused."""
    try:
        key = _read_key(folder / KEY)
        with (folder / STATE).open("rb") as file:
            value = record(parse(file.read(LIMIT + 1), limit=LIMIT), "v", "name", "logs")
        integer(value["v"], 1, 1)
        if not isinstance(value["logs"], list):
            raise EncodingRefused("logs are a list")
        witness = Witness(text(value["name"]), key, {log.origin: log for log in map(_read_log, value["logs"])})
        for log in witness.logs.values():
            if log.note is not None:
                verify_checkpoint(log.note, log.origin, log.public)
                witness.last(log)
    except FileNotFoundError:
        raise WitnessRefused(f"{folder.name} isn't a witness's folder: run `handover witness init`") from None
    except CryptoError as problem:
        raise WitnessRefused(f"{STATE} is damaged: {problem}") from None
    return witness


def _read_key(path: Path) -> SignKey:
    with path.open("rb") as file:
        if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
            raise WitnessRefused(f"{KEY} may be read by others: chmod 600")
        seed = file.read(SEED_SIZE + 1)
    if len(seed) != SEED_SIZE:
        raise WitnessRefused(f"{KEY} isn't a key")
    return SignKey.from_seed(seed, "witness")


def _read_log(value: JSON) -> Log:
    log = record(value, "verifier", "note")
    origin, public = parse_verifier(text(log["verifier"]))
    return Log(origin, public, None if log["note"] is None else text(log["note"]).encode())


def _write(folder: Path, witness: Witness) -> None:
    logs: list[Printable] = [
        {"verifier": print_verifier(log.origin, log.public), "note": None if log.note is None else log.note.decode()}
        for log in witness.logs.values()
    ]
    replace_private(folder / STATE, canon({"v": 1, "name": witness.name, "logs": logs}))
