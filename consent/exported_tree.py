"""The tree of an export as it grows, and the checkpoints that are held against it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from consent.findings import Findings
from crypto.checkpoint import Checkpoint, parse_checkpoint, verify_checkpoint
from crypto.errors import CheckpointRefused
from crypto.merkle import Frontier

WAITING_MAX = 4096
"""How many hashes wait: many are added faster at once, and no export may fill the memory with them."""

_FROM = "entries {} to {} aren't all those that the checkpoint there was signed over"


@dataclass(slots=True)
class Tree:
    """The hashes of an export so far. `names` are the log's, each with the index from which it holds."""

    names: Sequence[tuple[int, str]]
    public_key: bytes | None
    findings: Findings
    kept: Checkpoint | None = None
    compared: bool = False
    size: int = 0
    _frontier: Frontier = field(default_factory=Frontier)
    _waiting: list[bytes] = field(default_factory=list)
    _pause: int = WAITING_MAX
    _held: int = 0
    _rebuilt: bool = False
    _last: int | None = None

    def expect(self, note: bytes) -> None:
        """Take a checkpoint that was kept elsewhere: the tree must have its root when it has its size."""
        try:
            self.kept = self._read(note)
        except CheckpointRefused as refused:
            self.findings.add(None, f"the checkpoint kept elsewhere: {refused}")
        self._stop()

    def add(self, hashed: bytes) -> None:
        """Add the hash of the next entry."""
        self._waiting.append(hashed)
        self.size += 1
        if self.size == self._pause:
            self._stop()

    def root(self) -> bytes:
        """Give the root over what was added."""
        self._frontier.extend(self._waiting)
        self._waiting = []
        return self._frontier.root()

    def hold(self, note: bytes) -> None:
        """Hold a checkpoint of the export against the tree as it is here."""
        try:
            checkpoint = self._read(note)
        except CheckpointRefused as refused:
            self.findings.add(None, f"the checkpoint after {self.size} entries: {refused}")
            return
        self._last = checkpoint.size
        if checkpoint.size != self.size:
            self.findings.add(None, f"a checkpoint of {checkpoint.size} entries stands after {self.size}")
        elif checkpoint.root == self.root():
            self._held, self._rebuilt = self.size, False
        elif not self._rebuilt:  # where the tree was rebuilt, no later checkpoint holds either: one finding says it
            self._rebuilt = True
            self.findings.add(None, _FROM.format(self._held, self.size - 1))

    def end(self) -> None:
        """Say what the export lacks at its end."""
        if self._last != self.size:
            self.findings.add(None, "the export doesn't end with a checkpoint over all its entries")
        if self.kept is not None and not self.compared:
            what = f"the checkpoint kept elsewhere has {self.kept.size} entries, the export {self.size}"
            self.findings.add(None, what)

    def _stop(self) -> None:
        """Compare with the checkpoint kept elsewhere where the tree has its size; plan the next stop."""
        root = self.root()
        self._pause = self.size + WAITING_MAX
        if self.kept is None or self.kept.size < self.size:
            return
        if self.kept.size > self.size:
            self._pause = min(self._pause, self.kept.size)
            return
        self.compared = True
        if self.kept.root != root:
            self.findings.add(None, f"the first {self.size} entries aren't those of the checkpoint kept elsewhere")

    def _read(self, note: bytes) -> Checkpoint:
        checkpoint = parse_checkpoint(note)
        begun = max(at for at, (first, _) in enumerate(self.names) if not first or first < checkpoint.size)
        first, name = self.names[begun]
        if checkpoint.origin in [before for _, before in self.names[:begun]]:
            raise CheckpointRefused(f"that log lost its entries from {first} on, and went on as {name}")
        if checkpoint.origin != name:
            raise CheckpointRefused("the checkpoint is of another log")
        if self.public_key is not None:
            verify_checkpoint(note, name, self.public_key)
        return checkpoint
