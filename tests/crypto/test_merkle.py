"""The tree against an independent definition, the RFC's published roots, frozen proofs, and sigstore's verifier."""

import json
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sigstore._internal.merkle import verify_merkle_inclusion

from crypto.errors import ProofRefused
from crypto.merkle import (
    EMPTY_ROOT,
    Frontier,
    climb,
    consistency,
    inclusion,
    leaf_hash,
    node_hash,
    root,
    subtree,
    verify_consistency,
    verify_inclusion,
)

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "merkle.json").read_text())
LEAVES = [bytes.fromhex(leaf) for leaf in VECTORS["leaves"]]
MANY = [b"leaf %d" % number for number in range(70)]


def mth(leaves: list[bytes]) -> bytes:
    """Give the root as RFC 6962, section 2.1 defines it, by recursion."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    return sha256(b"\x01" + mth(leaves[:half]) + mth(leaves[half:])).digest()


def path(index: int, leaves: list[bytes]) -> list[bytes]:
    """Give an inclusion proof as section 2.1.1 defines it."""
    if len(leaves) == 1:
        return []
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    if index < half:
        return [*path(index, leaves[:half]), mth(leaves[half:])]
    return [*path(index - half, leaves[half:]), mth(leaves[:half])]


def subproof(old: int, leaves: list[bytes], whole: bool = True) -> list[bytes]:
    """Give a consistency proof as section 2.1.2 defines it."""
    if old == len(leaves):
        return [] if whole else [mth(leaves)]
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    if old <= half:
        return [*subproof(old, leaves[:half], whole), mth(leaves[half:])]
    return [*subproof(old - half, leaves[half:], False), mth(leaves[:half])]


def stored(leaves: list[bytes]) -> dict[tuple[int, int], bytes]:
    """Keep every node that appending completes, as a log does."""
    frontier, nodes = Frontier(), {}
    for number, leaf in enumerate(leaves):
        nodes[0, number] = leaf_hash(leaf)
        nodes |= {(level, index): hashed for level, index, hashed in frontier.append(leaf_hash(leaf))}
    return nodes


NODES = stored(MANY)


def get_node(level: int, index: int) -> bytes:
    return NODES[level, index]


@pytest.mark.parametrize("size", range(9))
def test_the_roots_are_those_that_certificate_transparency_published(size: int) -> None:
    assert root(map(leaf_hash, LEAVES[:size])).hex() == VECTORS["roots"][size]


@pytest.mark.parametrize("case", VECTORS["inclusion"], ids=str)
def test_the_frozen_inclusion_proofs_come_out_and_hold(case: dict[str, object]) -> None:
    index, size = int(str(case["index"])), int(str(case["size"]))
    nodes = stored(LEAVES)
    proof = inclusion(index, size, lambda level, at: nodes[level, at])
    assert [hashed.hex() for hashed in proof] == case["proof"]
    verify_inclusion(leaf_hash(LEAVES[index]), index, size, proof, bytes.fromhex(VECTORS["roots"][size]))


@pytest.mark.parametrize("case", VECTORS["consistency"], ids=str)
def test_the_frozen_consistency_proofs_come_out_and_hold(case: dict[str, object]) -> None:
    old, new = int(str(case["old"])), int(str(case["new"]))
    nodes = stored(LEAVES)
    proof = consistency(old, new, lambda level, at: nodes[level, at])
    assert [hashed.hex() for hashed in proof] == case["proof"]
    verify_consistency(old, new, *(bytes.fromhex(VECTORS["roots"][size]) for size in (old, new)), proof)


@pytest.mark.parametrize("size", range(len(MANY) + 1))
def test_every_proof_is_the_definitions_and_holds(size: int) -> None:
    whole = mth(MANY[:size])
    assert root(map(leaf_hash, MANY[:size])) == whole == subtree(0, size, get_node)
    for index in range(size):
        proof = inclusion(index, size, get_node)
        assert proof == path(index, MANY[:size])
        verify_inclusion(leaf_hash(MANY[index]), index, size, proof, whole)
    for old in range(size + 1):
        proof = consistency(old, size, get_node)
        assert proof == (subproof(old, MANY[:size]) if old else [])
        verify_consistency(old, size, mth(MANY[:old]), whole, proof)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 9, 31, 33, 70])
def test_sigstores_verifier_takes_the_same_proofs(size: int) -> None:
    for index in range(size):
        proof = SimpleNamespace(
            log_index=index, tree_size=size, hashes=inclusion(index, size, get_node), root_hash=mth(MANY[:size])
        )
        entry = SimpleNamespace(_inner=SimpleNamespace(inclusion_proof=proof, canonicalized_body=MANY[index]))
        assert verify_merkle_inclusion(entry) is None  # type: ignore[func-returns-value,arg-type]


@pytest.mark.parametrize("size", [1, 2, 5, 8, 13])
def test_an_inclusion_proof_that_was_altered_is_refused(size: int) -> None:
    whole = mth(MANY[:size])
    for index in range(size):
        leaf, proof = leaf_hash(MANY[index]), inclusion(index, size, get_node)
        spoilt = [
            (leaf, index, size, [*proof, bytes(32)], whole, "the proof is too long"),
            (leaf_hash(b"other"), index, size, proof, whole, "the proof leads to another root"),
            (leaf, index, size, proof, bytes(32), "the proof leads to another root"),
            (leaf, size, size, proof, whole, "the tree has no such leaf"),
            (leaf, -1, size, proof, whole, "the tree has no such leaf"),
        ]
        if proof:
            spoilt.append((leaf, index, size, proof[:-1], whole, "the proof is too short"))
        for at in range(len(proof)):
            flipped = [*proof[:at], bytes([proof[at][0] ^ 1]) + proof[at][1:], *proof[at + 1 :]]
            spoilt.append((leaf, index, size, flipped, whole, "the proof leads to another root"))
        for *arguments, reason in spoilt:
            with pytest.raises(ProofRefused, match=f"^{reason}$"):
                verify_inclusion(*arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(("old", "new"), [(1, 2), (2, 4), (3, 7), (4, 7), (6, 8), (7, 8), (8, 13), (12, 13)])
def test_a_consistency_proof_that_was_altered_is_refused(old: int, new: int) -> None:
    before, after = mth(MANY[:old]), mth(MANY[:new])
    proof = consistency(old, new, get_node)
    other = bytes(32)
    for spoilt in [
        (old, new, before, after, [*proof, other]),
        (old, new, before, after, proof[:-1]),
        (old, new, before, after, []),
        (old, new, other, after, proof),
        (old, new, before, other, proof),
        (old, new, mth([*MANY[: old - 1], b"other"]), after, proof),
        (new, old, after, before, proof),
        (-1, new, before, after, proof),
        *[(old, new, before, after, [*proof[:at], other, *proof[at + 1 :]]) for at in range(len(proof))],
    ]:
        with pytest.raises(ProofRefused):
            verify_consistency(*spoilt)


def test_each_way_in_which_a_consistency_proof_fails_is_named() -> None:
    before, after, proof = mth(MANY[:3]), mth(MANY[:7]), consistency(3, 7, get_node)
    for arguments, reason in [
        ((3, 7, before, after, []), "the proof is too short"),
        ((3, 7, before, after, proof[:-1]), "the proof is too short"),
        ((3, 7, before, after, [*proof, proof[0]]), "the proof is too long"),
        ((3, 7, after, after, proof), "the proof leads to another old root"),
        ((3, 7, before, before, proof), "the proof leads to another new root"),
        ((7, 3, before, after, proof), "a larger tree isn't how a smaller one began"),
        ((0, 7, EMPTY_ROOT, after, proof), "the proof is too long"),
        ((0, 7, before, after, []), "the empty tree has another root"),
        ((7, 7, before, after, []), "two trees of one size have two roots"),
    ]:
        with pytest.raises(ProofRefused, match=f"^{reason}$"):
            verify_consistency(*arguments)


def test_a_proof_that_can_not_be_made_is_refused() -> None:
    for index, size in ((0, 0), (3, 3), (-1, 3)):
        with pytest.raises(ProofRefused, match=r"^the tree has no such leaf$"):
            inclusion(index, size, get_node)
    for old, new in ((4, 3), (-1, 3)):
        with pytest.raises(ProofRefused, match=r"^a larger tree isn't how a smaller one began$"):
            consistency(old, new, get_node)


def test_a_leaf_and_a_node_never_hash_alike() -> None:
    left, right = leaf_hash(b"a"), leaf_hash(b"b")
    assert leaf_hash(left + right) != node_hash(left, right)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=8), max_size=40))
def test_a_frontier_prints_and_grows_as_the_tree_does(leaves: list[bytes]) -> None:
    frontier = Frontier()
    for size, leaf in enumerate(leaves):
        assert frontier.root() == mth(leaves[:size])
        frontier = Frontier.parse(frontier.print())
        frontier.append(leaf_hash(leaf))
    assert (frontier.size, frontier.root()) == (len(leaves), mth(leaves))
    assert len(frontier.print()) == 8 + 32 * len(leaves).bit_count()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.binary(max_size=8), max_size=20), max_size=6))
def test_a_frontier_grows_by_many_leaves_as_by_one_after_another(parts: list[list[bytes]]) -> None:
    one, many = Frontier(), Frontier()
    for leaves in parts:
        hashes = [leaf_hash(leaf) for leaf in leaves]
        for hashed in hashes:
            one.append(hashed)
        many.extend(hashes)
        assert many == one
        assert hashes == [leaf_hash(leaf) for leaf in leaves]


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=8 + 3 * 32 + 1) | st.integers(0, 7).map(lambda size: size.to_bytes(8, "big") + bytes(64)))
def test_bytes_either_are_a_frontier_or_are_refused(data: bytes) -> None:
    try:
        assert Frontier.parse(data).print() == data
    except ProofRefused:
        assert len(data) != 8 + 32 * int.from_bytes(data[:8], "big").bit_count()


def test_a_frontier_of_more_leaves_than_a_database_can_number_is_refused() -> None:
    most = (2**63 - 1).to_bytes(8, "big") + bytes(63 * 32)
    assert Frontier.parse(most).print() == most
    with pytest.raises(ProofRefused) as caught:
        Frontier.parse((2**63).to_bytes(8, "big") + bytes(32))
    assert str(caught.value) == "not a frontier: the number of hashes isn't that of the size"


def test_the_proof_of_a_large_tree_asks_for_few_nodes() -> None:
    asked: list[tuple[int, int]] = []

    def note(level: int, index: int) -> bytes:
        asked.append((level, index))
        return bytes(32)

    inclusion(999_999, 1_000_003, note)
    assert len(asked) == len(set(asked)) < 40


# Climbing from many leaves at once.


def tree_of(count: int) -> tuple[Frontier, dict[tuple[int, int], bytes]]:
    """Give a tree's frontier and all its complete nodes, its leaves among them."""
    frontier, nodes = Frontier(), dict[tuple[int, int], bytes]()
    for at, leaf in enumerate(MANY[:count]):
        nodes[0, at] = leaf_hash(leaf)
        nodes |= {(level, index): hashed for level, index, hashed in frontier.append(leaf_hash(leaf))}
    return frontier, nodes


@given(data=st.data(), count=st.integers(1, len(MANY)))
@settings(deadline=None)
def test_leaves_lead_to_the_frontier_above_them_and_an_altered_one_elsewhere(data: st.DataObject, count: int) -> None:
    frontier, nodes = tree_of(count)
    indices = data.draw(st.sets(st.integers(0, count - 1), min_size=1))
    asked: list[tuple[int, int]] = []

    def get_node(level: int, index: int) -> bytes:
        asked.append((level, index))
        return nodes[level, index]

    leaves = {index: nodes[0, index] for index in indices}
    found = climb(leaves, count, get_node)
    assert found == {level: frontier.at(level) for level in found}
    begins = {level: count >> level + 1 << level + 1 for level in range(count.bit_length()) if count >> level & 1}
    above = {level for level, begin in begins.items() if indices & set(range(begin, begin + (1 << level)))}
    assert set(found) == above
    assert len(asked) == len(set(asked))
    assert not {index for level, index in asked if level == 0} & indices
    altered = data.draw(st.sampled_from(sorted(indices)))
    other = climb(leaves | {altered: bytes(32)}, count, lambda level, index: nodes[level, index])
    assert [level for level in found if other[level] != found[level]] != []


@pytest.mark.parametrize("index", [-1, 3])
def test_no_climb_begins_at_a_leaf_that_is_not_there(index: int) -> None:
    with pytest.raises(ProofRefused, match="no such leaf"):
        climb({0: bytes(32), index: bytes(32)}, 3, lambda level, at: bytes(32))


def test_nothing_is_asked_for_where_no_leaf_is_climbed_from() -> None:
    assert climb({}, 3, lambda level, index: bytes(1)) == {}
