"""The Merkle tree of RFC 6962 over SHA-256: growing it, proving with it, and checking what others prove.

A leaf is hashed as SHA-256(0x00 || leaf), a node as SHA-256(0x01 || left || right), the empty tree as SHA-256 of
nothing. A node is named by its level (0 is a leaf) and its index on that level; only complete subtrees have one, and it
never changes once the leaves below it are there. Proofs are lists of hashes, byte for byte those of the RFC.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TypeAlias

from crypto.errors import ProofRefused

HASH_SIZE = 32
EMPTY_ROOT = sha256(b"").digest()
SIZE_MAX = 2**63 - 1
"""The most leaves a tree may have: what every database and language holds as an integer."""

GetNode: TypeAlias = Callable[[int, int], bytes]
"""Gives the hash of a complete subtree by its level and index."""


def leaf_hash(leaf: bytes) -> bytes:
    """Hash a leaf's bytes."""
    return sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two subtrees into their parent."""
    return sha256(b"\x01" + left + right).digest()


def root(hashes: Iterable[bytes]) -> bytes:
    """Give the root over leaf hashes."""
    frontier = Frontier()
    frontier.extend(list(hashes))
    return frontier.root()


@dataclass(slots=True)
class Frontier:
    """The right edge of a tree: the roots of its complete subtrees, from the largest to the smallest.

    It is all that appending needs: one hash for each bit set in the size.
    """

    size: int = 0
    hashes: list[bytes] = field(default_factory=list)

    def append(self, leaf: bytes) -> list[tuple[int, int, bytes]]:
        """Add a leaf hash and give the nodes it completes: (level, index, hash), from level 1 up."""
        made = []
        index, level, hashed = self.size, 0, leaf
        while index >> level & 1:
            hashed = node_hash(self.hashes.pop(), hashed)
            level += 1
            made.append((level, index >> level, hashed))
        self.hashes.append(hashed)
        self.size += 1
        return made

    def extend(self, leaves: list[bytes]) -> None:
        """Add leaf hashes level by level, which is faster than one by one; the nodes they complete aren't told."""
        kept, bits, hashes = [], self.size, leaves
        self.size += len(leaves)
        while hashes:
            if bits & 1:  # the frontier has a node of its own on this level, which is the first one's left sibling
                hashes = [self.hashes.pop(), *hashes]
            if len(hashes) & 1:
                kept.append(hashes[-1])
            lefts = iter(hashes)
            hashes = [sha256(b"\x01" + left + right).digest() for left, right in zip(lefts, lefts, strict=False)]
            bits >>= 1
        self.hashes += reversed(kept)

    def root(self) -> bytes:
        """Give the root of the tree."""
        if not self.hashes:
            return EMPTY_ROOT
        hashed = self.hashes[-1]
        for left in self.hashes[-2::-1]:
            hashed = node_hash(left, hashed)
        return hashed

    def at(self, level: int) -> bytes:
        """Give the root of the complete subtree of 2**level leaves; there is one for each bit set in the size."""
        return self.hashes[(self.size >> level + 1).bit_count()]

    def print(self) -> bytes:
        """Print it: the size in eight bytes, big-endian, and the hashes."""
        return self.size.to_bytes(8, "big") + b"".join(self.hashes)

    @classmethod
    def parse(cls, data: bytes) -> "Frontier":
        """Read what `print` gives; raises `ProofRefused`."""
        size = int.from_bytes(data[:8], "big")
        if len(data) != 8 + HASH_SIZE * size.bit_count() or size > SIZE_MAX:
            raise ProofRefused("not a frontier: the number of hashes isn't that of the size")
        return cls(size, [data[at : at + HASH_SIZE] for at in range(8, len(data), HASH_SIZE)])


def climb(leaves: Mapping[int, bytes], size: int, get_node: GetNode) -> dict[int, bytes]:
    """Climb from leaf hashes, by their indices, to the frontier of a tree of that size: its hashes there, by level.

    What isn't above these leaves is asked for. Where they aren't the tree's, the hashes aren't the frontier's. Raises
    `ProofRefused` where the tree has no such leaf.
    """
    if not all(0 <= index < size for index in leaves):
        raise ProofRefused("the tree has no such leaf")
    here, level, found = dict(leaves), 0, {}
    while here:
        complete, above = size >> level, dict[int, bytes]()
        for index, hashed in here.items():
            if index & 1:
                if index - 1 not in here:
                    above[index >> 1] = node_hash(get_node(level, index - 1), hashed)
            elif index + 1 < complete:
                beside = here[index + 1] if index + 1 in here else get_node(level, index + 1)
                above[index >> 1] = node_hash(hashed, beside)
            else:
                found[level] = hashed
        here, level = above, level + 1
    return found


def subtree(begin: int, end: int, get_node: GetNode) -> bytes:
    """Give the root over the leaves from `begin` up to `end`, as a tree of that size has it at that place."""
    if begin == end:
        return EMPTY_ROOT
    width = end - begin
    if width & (width - 1) == 0:
        level = width.bit_length() - 1
        return get_node(level, begin >> level)
    middle = begin + _split(width)
    return node_hash(subtree(begin, middle, get_node), subtree(middle, end, get_node))


def inclusion(index: int, size: int, get_node: GetNode) -> list[bytes]:
    """Prove that a leaf is in the tree of `size` leaves (RFC 6962, 2.1.1), from its sibling up.

    Raises `ProofRefused` where the tree has no such leaf.
    """
    if not 0 <= index < size:
        raise ProofRefused("the tree has no such leaf")
    begin, end, beside = 0, size, []
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            beside.append((middle, end))
            end = middle
        else:
            beside.append((begin, middle))
            begin = middle
    return [subtree(*part, get_node) for part in reversed(beside)]


def consistency(old: int, new: int, get_node: GetNode) -> list[bytes]:
    """Prove that the tree of `old` leaves is how the tree of `new` leaves began (RFC 6962, 2.1.2).

    The proof from nothing, and of a tree with itself, is empty. Raises `ProofRefused` where `old` is larger.
    """
    if not 0 <= old <= new:
        raise ProofRefused("a larger tree isn't how a smaller one began")
    if old in (0, new):
        return []
    begin, end, parts = 0, new, []
    while end != old:
        middle = begin + _split(end - begin)
        if old <= middle:
            parts.append((middle, end))
            end = middle
        else:
            parts.append((begin, middle))
            begin = middle
    if begin:
        parts.append((begin, end))
    return [subtree(*part, get_node) for part in reversed(parts)]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Raise `ProofRefused` unless the leaf hash stands at `index` in the tree of that root (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        raise ProofRefused("the tree has no such leaf")
    here, last, hashed = index, size - 1, leaf
    for beside in proof:
        if last == 0:
            raise ProofRefused("the proof is too long")
        if here & 1 or here == last:
            hashed = node_hash(beside, hashed)
            here, last = _skip(here, last)
        else:
            hashed = node_hash(hashed, beside)
        here, last = here >> 1, last >> 1
    if last:
        raise ProofRefused("the proof is too short")
    if hashed != root:
        raise ProofRefused("the proof leads to another root")


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Raise `ProofRefused` unless the old tree is how the new one began (RFC 9162, 2.1.4.2)."""
    if not 0 <= old <= new:
        raise ProofRefused("a larger tree isn't how a smaller one began")
    if old in (0, new):
        _verify_trivial(old, new, old_root, new_root, proof)
        return
    path = list(proof) if old & (old - 1) else [old_root, *proof]
    here, last = old - 1, new - 1
    while here & 1:
        here, last = here >> 1, last >> 1
    if not path:
        raise ProofRefused("the proof is too short")
    before = after = path[0]
    for beside in path[1:]:
        if last == 0:
            raise ProofRefused("the proof is too long")
        if here & 1 or here == last:
            before, after = node_hash(beside, before), node_hash(beside, after)
            here, last = _skip(here, last)
        else:
            after = node_hash(after, beside)
        here, last = here >> 1, last >> 1
    if last:
        raise ProofRefused("the proof is too short")
    if before != old_root:
        raise ProofRefused("the proof leads to another old root")
    if after != new_root:
        raise ProofRefused("the proof leads to another new root")


def _verify_trivial(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> None:
    if proof:
        raise ProofRefused("the proof is too long")
    if old == 0 and old_root != EMPTY_ROOT:
        raise ProofRefused("the empty tree has another root")
    if old == new and old_root != new_root:
        raise ProofRefused("two trees of one size have two roots")


def _split(width: int) -> int:
    """Give the largest power of two below `width`."""
    return 1 << (width - 1).bit_length() - 1


def _skip(here: int, last: int) -> tuple[int, int]:
    """Pass the levels on which a node on the right edge has no sibling."""
    while here and not here & 1:
        here, last = here >> 1, last >> 1
    return here, last
