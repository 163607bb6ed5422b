"""Logs that tests grow, cut and fork at will, all under one key: what a bad owner of a journal could show."""

from dataclasses import dataclass, field

from crypto.checkpoint import Checkpoint, print_checkpoint
from crypto.encoding import JSON
from crypto.keys import SignKey
from crypto.merkle import Frontier, consistency, leaf_hash
from handover.errors import HandoverError

ORIGIN = "overdracht.example/journal"
KEY = SignKey.from_seed(bytes(range(32)), "journal")


@dataclass
class LogOf:
    """A log of these leaves, as a service would show it; every attribute may be bent."""

    leaves: list[bytes]
    key: SignKey = KEY
    origin: str = ORIGIN
    proof: list[bytes] | None = None
    prove: HandoverError | None = None
    note: bytes | None = None
    refuses: Exception | None = None
    posted: list[bytes] = field(default_factory=list)
    asked: list[tuple[int, int]] = field(default_factory=list)

    @classmethod
    def counting(cls, size: int, word: str = "entry") -> "LogOf":
        return cls([f"{word} {index}".encode() for index in range(size)])

    def nodes(self) -> dict[tuple[int, int], bytes]:
        tree, known = Frontier(), {}
        for index, leaf in enumerate(self.leaves):
            known[0, index] = leaf_hash(leaf)
            known |= {(level, at): node for level, at, node in tree.append(known[0, index])}
        return known

    def head(self) -> Checkpoint:
        tree = Frontier()
        for leaf in self.leaves:
            tree.append(leaf_hash(leaf))
        return Checkpoint(self.origin, tree.size, tree.root())

    # What a witness or a client asks.

    def journal_checkpoint(self) -> bytes:
        return self.note or print_checkpoint(self.head(), self.key)

    def journal_consistency(self, old: int, new: int) -> list[bytes]:
        self.asked.append((old, new))
        if self.prove:
            raise self.prove
        nodes = self.nodes()
        return consistency(old, new, lambda level, at: nodes[level, at]) if self.proof is None else self.proof

    def post_witnessed(self, note: bytes) -> dict[str, JSON]:
        self.posted.append(note)
        if self.refuses:
            raise self.refuses
        return {"witnesses": []}
