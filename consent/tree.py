"""The journal's tree in SQL: its head under a lock, its nodes, its checkpoints, and the proofs made from them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from sqlalchemy import BindParameter, bindparam, insert, select, update
from sqlalchemy.orm import Session

from consent.errors import IntegrityBroken
from consent.tables import JournalCheckpoint, JournalHead, JournalLeaf, JournalNode, JournalOrigin, core
from crypto.checkpoint import Checkpoint, print_checkpoint, verify_checkpoint
from crypto.errors import CheckpointRefused, ProofRefused
from crypto.keys import SignKey
from crypto.merkle import Frontier, GetNode, climb, subtree

KEEP_EVERY = 256
"""A checkpoint is kept for good each time that so many entries were added."""

_TABLE, _LEAF, _NODE, _KEPT = core(JournalHead), core(JournalLeaf), core(JournalNode), core(JournalCheckpoint)
_HEAD = select(_TABLE.c.size, _TABLE.c.frontier, _TABLE.c.checkpoint)
_HEAD_LOCKED = _HEAD.with_for_update()
_MOVE_HEAD, _ADD_NODES, _KEEP = update(_TABLE), insert(_NODE), insert(_KEPT)
_INDICES: BindParameter[int] = bindparam(
    "indices", expanding=True, literal_execute=True
)  # hundreds take longer to bind than to find
_LEAF_HASHES = select(_LEAF.c.idx, _LEAF.c.hash).where(_LEAF.c.idx.in_(_INDICES))
_NODE_HASHES = select(_NODE.c.idx, _NODE.c.hash).where(_NODE.c.level == bindparam("level"), _NODE.c.idx.in_(_INDICES))
_Result = TypeVar("_Result")


@dataclass(slots=True)
class Head:
    """The head of the tree while an act holds its lock."""

    frontier: Frontier
    nodes: list[dict[str, int | bytes]] = field(default_factory=list)
    kept: list[tuple[int, bytes]] = field(default_factory=list)

    @property
    def size(self) -> int:
        """How many entries the tree has."""
        return self.frontier.size

    def append(self, leaf_hash: bytes) -> None:
        """Add a leaf hash."""
        self.nodes += ({"level": a, "idx": b, "hash": c} for a, b, c in self.frontier.append(leaf_hash))
        if self.size % KEEP_EVERY == 0:
            self.kept.append((self.size, self.frontier.root()))


def create(session: Session, origin: str, key: SignKey) -> None:
    """Begin an empty tree."""
    empty = Frontier()
    note = print_checkpoint(Checkpoint(origin, 0, empty.root()), key)
    session.add(JournalHead(id=1, size=0, frontier=empty.print(), checkpoint=note))


def load(session: Session, origin: str, public: bytes, *, lock: bool = False) -> Head | None:
    """Read the head, for an append under its lock; None where no tree was begun.

    Raises `IntegrityBroken` where the last checkpoint isn't signed by this log or says another tree than the frontier.
    """
    row = session.connection().execute(_HEAD_LOCKED if lock else _HEAD).one_or_none()
    if row is None:
        return None
    try:
        frontier = Frontier.parse(row.frontier)
        checkpoint = verify_checkpoint(row.checkpoint, origin, public)
    except (ProofRefused, CheckpointRefused) as refused:
        raise IntegrityBroken(f"the head of the journal: {refused}") from None
    if not row.size == frontier.size == checkpoint.size or checkpoint.root != frontier.root():
        raise IntegrityBroken("the head of the journal and its last checkpoint disagree")
    return Head(frontier)


def save(session: Session, head: Head, origin: str, key: SignKey) -> bytes:
    """Write what was appended and sign the new head; gives its root."""
    root = head.frontier.root()
    for size, kept in head.kept:
        note = print_checkpoint(Checkpoint(origin, size, kept), key)
        session.connection().execute(_KEEP, {"size": size, "note": note})
    put(session, head, print_checkpoint(Checkpoint(origin, head.size, root), key))
    return root


def put(session: Session, head: Head, note: bytes) -> None:
    """Write the nodes that were added and the head, with a checkpoint that is signed already."""
    connection = session.connection()
    if head.nodes:
        connection.execute(_ADD_NODES, head.nodes)
    connection.execute(_MOVE_HEAD, {"size": head.size, "frontier": head.frontier.print(), "checkpoint": note})


def rename(session: Session, old: str, new: str, key: SignKey) -> None:
    """Let the log go on under a new name from here: its head is signed anew."""
    head = load(session, old, key.public, lock=True)
    if head is None:
        raise IntegrityBroken("no journal was begun")
    session.add(JournalOrigin(first=head.size, origin=new))
    put(session, head, print_checkpoint(Checkpoint(new, head.size, head.frontier.root()), key))


def checkpoint(session: Session) -> bytes:
    """Give the last signed checkpoint; raises `IntegrityBroken` where no journal was begun."""
    note: bytes | None = session.scalar(select(JournalHead.checkpoint))
    if note is None:
        raise IntegrityBroken("no journal was begun")
    return note


def later_names(session: Session) -> list[tuple[int, str]]:
    """Give the names that the log took after its first one, each with the index from which it goes under it."""
    named = select(JournalOrigin.first, JournalOrigin.origin).order_by(JournalOrigin.first)
    return [(row.first, row.origin) for row in session.execute(named)]


def root_at(session: Session, size: int) -> bytes:
    """Give the root the tree had at a size, from its stored nodes; raises `IntegrityBroken` where one is missing."""
    return proved(session, lambda get_node: subtree(0, size, get_node))


def proved(session: Session, prove: Callable[[GetNode], _Result]) -> _Result:
    """Carry out a proof on the stored nodes, read with two queries: first see which it asks for, then answer."""
    wanted: set[tuple[int, int]] = set()

    def note(level: int, index: int) -> bytes:
        wanted.add((level, index))
        return bytes(32)

    prove(note)
    found = _nodes(session, wanted)
    for level, index in sorted(wanted - found.keys()):
        raise IntegrityBroken(f"a node of the tree is missing on level {level}", index << level)
    return prove(lambda level, index: found[level, index])


def check(session: Session, indices: Iterable[int], origin: str, public: bytes) -> None:
    """Raise `IntegrityBroken` unless the leaves at these indices are those that the head is signed over."""
    head = load(session, origin, public)
    if head is None:
        raise IntegrityBroken("no journal was begun")
    frontier, wanted = head.frontier, list(indices)
    try:
        found = proved(session, lambda get: climb({at: get(0, at) for at in wanted}, frontier.size, get))
    except ProofRefused:
        raise IntegrityBroken("an entry stands beyond the head of the journal") from None
    if any(frontier.at(level) != hashed for level, hashed in found.items()):
        raise IntegrityBroken("entries aren't those that the head of the journal was signed over")


def _nodes(session: Session, wanted: set[tuple[int, int]]) -> dict[tuple[int, int], bytes]:
    """Read hashes by level and index, with one query for each level."""
    places: dict[int, list[int]] = {}
    for level, index in wanted:
        places.setdefault(level, []).append(index)
    found: dict[tuple[int, int], bytes] = {}
    for level, indices in places.items():
        query = _NODE_HASHES if level else _LEAF_HASHES
        for index, hashed in session.connection().execute(query, {"level": level, "indices": indices}):
            found[level, index] = hashed
    return found
