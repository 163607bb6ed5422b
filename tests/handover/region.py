"""A simulated region: a register, a board, schools with keys, and a service with a key log and signed checkpoints."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from crypto.checkpoint import Checkpoint, print_checkpoint
from crypto.encoding import JSON, canon, parse
from crypto.keyfile import KeyFile
from crypto.keylog import KeyLog
from crypto.keys import SignKey
from crypto.merkle import Frontier, leaf_hash
from crypto.statements import LIMIT
from handover.certifying import certify_board, state_keys
from handover.trust import Trust

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
SENDER, RECEIVER = "99AB00", "99CD01"
LOG = "handover.example"


@dataclass
class Region:
    """The key log as a service would hold it; every attribute may be bent by a test to play a bad service."""

    root: SignKey = field(default_factory=lambda: SignKey.generate("root"))
    identity: SignKey = field(default_factory=lambda: SignKey.generate("identity"))
    log_key: SignKey = field(default_factory=lambda: SignKey.generate("journal"))
    schools: dict[str, KeyFile] = field(default_factory=dict)
    leaves: list[bytes] = field(default_factory=list)
    start: datetime = NOW - timedelta(days=1)
    page: int = 2
    asked: list[int] = field(default_factory=list)

    @classmethod
    def founded(cls, start: datetime = NOW - timedelta(days=1)) -> "Region":
        region = cls(start=start)
        codes = (SENDER, RECEIVER)
        region.leaves.append(
            certify_board(region.root, region.identity.public, "bestuur", "Bestuur", codes, region.start)
        )
        for school in codes:
            region.publish(KeyFile.generate(school))
        return region

    @property
    def trust(self) -> Trust:
        return Trust(self.root.public, {f"{LOG}/keys": self.log_key.public, f"{LOG}/journal": self.log_key.public})

    def publish(self, keys: KeyFile, at: datetime | None = None) -> KeyFile:
        """State new keys of a school, following on those before."""
        assert keys.school is not None
        before = self.schools.get(keys.school)
        stated = state_keys(keys, self.identity, at or self.start, before.public if before else None)
        earlier = len(before.statements) if before else 0
        self.leaves += [canon(statement) for statement in stated.statements[earlier:]]
        self.schools[keys.school] = stated
        return stated

    def checkpoint_of(self, leaves: list[bytes], origin: str = f"{LOG}/keys") -> bytes:
        frontier = Frontier()
        for leaf in leaves:
            frontier.append(leaf_hash(leaf))
        return print_checkpoint(Checkpoint(origin, frontier.size, frontier.root()), self.log_key)

    def replayed(self) -> KeyLog:
        return KeyLog(self.root.public).extend(self.leaves)

    # What a client asks of the service.

    def keylog(self, start: int) -> dict[str, JSON]:
        self.asked.append(start)
        entries = [parse(leaf, limit=LIMIT) for leaf in self.leaves[start : start + self.page]]
        return {"entries": entries, "size": len(self.leaves)}

    def keylog_checkpoint(self) -> bytes:
        return self.checkpoint_of(self.leaves)
