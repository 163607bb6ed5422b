"""The directory of keys as a school has it: its own replica of the public key log, checked before a key is used.

A client never asks the service for a school's key and believes the answer. It replays the whole log under the
register's root, up to a checkpoint signed by the log's own key, and keeps what it has seen. So these are refused, and
loudly: a log that is shorter than it was (rollback), that misses entries (hole) or has others (fork), an epoch that
jumps, a key that has expired, was revoked or was never certified (bad cases C1 to C7). When the service can't be
reached, no key is current: nothing is sealed on an old word.

The replica is `keylog.json` in the state folder, mode 0600, canonical JSON:

    {"v": 1, "checkpoint": NOTE, "leaves": [STATEMENT, ...]}
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol

from crypto.encoding import JSON, Printable, canon, integer, parse, record, text
from crypto.errors import EncodingRefused
from crypto.files import locked, replace_private
from crypto.keyfile import KeyFile, PublicFile
from crypto.keylog import KeyLog
from crypto.statements import KINDS
from handover.errors import HandoverError
from handover.trust import KEYS, Trust

FILE: Final = "keylog.json"
LIMIT: Final = 1 << 30


class DirectoryRefused(HandoverError):
    """The replica is damaged, or the log says something of one's own school that one didn't say."""


class Source(Protocol):
    """Where the log comes from: a client of the service."""

    def keylog(self, start: int) -> dict[str, JSON]:
        """Give entries from an index on."""

    def keylog_checkpoint(self) -> bytes:
        """Give the signed checkpoint."""


@dataclass(frozen=True, slots=True)
class Directory:
    """The key log as far as it was replayed and checked."""

    log: KeyLog
    leaves: tuple[bytes, ...] = field(repr=False)

    def public_file(self, school: str, at: datetime) -> PublicFile:
        """Give a school's current keys with the statements on them; raises KeyLogRefused where one isn't current."""
        seal, sign, request = (self.log.current(school, kind, at).public for kind in ("seal", "sign", "request"))
        statements = tuple(parse(self.leaves[said.index], limit=LIMIT) for said in self.log.entries(school))
        return PublicFile(school, seal, sign, request, statements)

    def signer(self, school: str, kid: bytes, at: datetime) -> PublicFile:
        """Give the sign key of a school by its kid, valid at a moment and not revoked since; only `sign` counts in it.

        A key that was rotated out in the meantime still answers for what it signed. Raises DirectoryRefused.
        """
        if kid not in self.log.revoked(school, "sign"):
            for entry in self.log.entries(school):
                said = entry.said
                if said.kind == "sign" and said.kid == kid and said.valid_from <= at < said.valid_until:
                    return PublicFile(school, b"", said.public, b"")
        raise DirectoryRefused("the bundle is signed with a key that the key log doesn't give to its sender")

    def check_own(self, key: KeyFile, at: datetime) -> None:
        """Refuse a log in which one's own school has other keys than one's own (bad case C1)."""
        for kind in KINDS:
            if key.school is None or self.log.current(key.school, kind, at).public != getattr(key, kind).public:
                raise DirectoryRefused(
                    f"the key log has another {kind} key for your school than this key file: if nobody at your board "
                    "changed it, somebody is posing as your school"
                )


def refresh(source: Source, trust: Trust, folder: Path) -> Directory:
    """Bring the replica in a folder up to the service's newest checkpoint, and give what it says.

    Raises KeyLogRefused, StatementRefused, CheckpointRefused and DirectoryRefused; the replica then stays as it was.
    """
    with locked(folder):
        known, note = _read(folder, trust)
        fresh = source.keylog_checkpoint()
        checkpoint = trust.verify(fresh, KEYS)
        leaves = [*known.leaves, *_leaves(source, known.log.size, checkpoint.size)]
        log = known.log.extend(leaves[known.log.size :], checkpoint)
        if fresh != note:
            _write(folder, fresh, leaves)
    return Directory(log, tuple(leaves))


def _leaves(source: Source, start: int, end: int) -> Iterator[bytes]:
    """Get the entries up to the checkpoint; those that came after it wait for the next one."""
    while start < end:
        entries = source.keylog(start).get("entries")
        if not isinstance(entries, list) or not entries:
            raise DirectoryRefused("hole: the key log ends before its checkpoint")
        for entry in entries[: end - start]:
            yield canon(entry)
            start += 1


def _read(folder: Path, trust: Trust) -> tuple[Directory, bytes]:
    """Read the replica and check it like any other source: a damaged one must not become the truth."""
    empty = KeyLog(trust.root)
    try:
        with (folder / FILE).open("rb") as file:
            value = record(parse(file.read(), limit=LIMIT), "v", "checkpoint", "leaves")
        integer(value["v"], 1, 1)
        note = text(value["checkpoint"]).encode()
        if not isinstance(value["leaves"], list):
            raise EncodingRefused("leaves are a list")
    except FileNotFoundError:
        return Directory(empty, ()), b""
    except EncodingRefused as problem:
        raise DirectoryRefused(f"the replica of the key log is damaged: {problem}") from None
    leaves = tuple(map(canon, value["leaves"]))
    return Directory(empty.extend(leaves, trust.verify(note, KEYS)), leaves), note


def _write(folder: Path, note: bytes, leaves: Sequence[bytes]) -> None:
    value: Printable = {"v": 1, "checkpoint": note.decode(), "leaves": [parse(leaf, limit=LIMIT) for leaf in leaves]}
    replace_private(folder / FILE, canon(value))
