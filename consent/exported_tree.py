"""The tree of an export as it grows, and the checkpoints that are held against it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from consent.findings import Findings
from crypto.checkpoint import Checkpoint, read_note, verify_signatures
from crypto.errors import CheckpointRefused
from crypto.merkle import Frontier

_FROM = "entries {} to {} aren't all those that the checkpoint there was signed over"


@dataclass(slots=True)
class Tree:
    """The hashes of an export so far. `names` are the log's, each with the index from which it holds.

    `compared` is how many entries were held against the checkpoint `kept` elsewhere, once they were.
    """

    names: Sequence[tuple[int, str]]
    public_key: bytes | None
    findings: Findings
    kept: Checkpoint | None = None
    compared: int | None = None
    _frontier: Frontier = field(default_factory=Frontier)
    _held: int = 0
    _rebuilt: bool = False
    _last: int | None = None

    def expect(self, note: bytes) -> None:
        """Take a checkpoint that was kept elsewhere: the tree must have its root when it has its size."""
        try:
            self.kept = self._read(note)
        except CheckpointRefused as refused:
            self.findings.add(None, f"the checkpoint kept elsewhere: {refused}")
        self.extend([])

    @property
    def size(self) -> int:
        """How many entries were added."""
        return self._frontier.size

    def extend(self, hashes: list[bytes]) -> None:
        """Add the hashes of the next entries, and compare where the checkpoint kept elsewhere ends."""
        kept, begin = self.kept, self.size
        if kept is None or self.compared is not None or not begin <= kept.size <= begin + len(hashes):
            self._frontier.extend(hashes)
            return
        self._frontier.extend(hashes[: kept.size - begin])
        self.compared = kept.size
        if kept.root != self.root():
            self.findings.add(None, f"the first {kept.size} entries aren't those of the checkpoint kept elsewhere")
        self._frontier.extend(hashes[kept.size - begin :])

    def root(self) -> bytes:
        """Give the root over what was added."""
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
        if self.kept is not None and self.compared is None:
            what = f"the checkpoint kept elsewhere has {self.kept.size} entries, the export {self.size}"
            self.findings.add(None, what)

    def _read(self, note: bytes) -> Checkpoint:
        checkpoint, signatures = read_note(note)
        begun = max(at for at, (first, _) in enumerate(self.names) if not first or first < checkpoint.size)
        first, name = self.names[begun]
        if checkpoint.origin in [before for _, before in self.names[:begun]]:
            raise CheckpointRefused(f"that log lost its entries from {first} on, and went on as {name}")
        if checkpoint.origin != name:
            raise CheckpointRefused("the checkpoint is of another log")
        if self.public_key is not None:
            verify_signatures(checkpoint, signatures, name, self.public_key)
        return checkpoint
