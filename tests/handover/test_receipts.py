"""Trust files, and receipts of releases verified without the service."""

from pathlib import Path

import pytest

from crypto.checkpoint import Checkpoint, Receipt, print_checkpoint, print_receipt, print_verifier
from crypto.encoding import JSON, b64, canon
from crypto.errors import CheckpointRefused, SignatureRefused
from crypto.keyfile import PublicIdentity, print_identity_public
from crypto.keys import SignKey
from crypto.merkle import Frontier, inclusion, leaf_hash, node_hash
from crypto.sign import sign
from handover.receipts import ReceiptRefused, verify_release
from handover.trust import TrustRefused, read_trust
from tests.handover.region import LOG, Region

REGION = Region.founded()
LEAF, OTHER = bytes(range(98)), bytes(98)


def receipt(*, key: SignKey = REGION.log_key, origin: str = f"{LOG}/journal", leaf: bytes = LEAF, **said: JSON) -> JSON:
    frontier = Frontier()
    hashes = [leaf_hash(OTHER), leaf_hash(LEAF)]
    for hashed in hashes:
        frontier.append(hashed)
    nodes = {(0, 0): hashes[0], (0, 1): hashes[1], (1, 0): node_hash(*hashes)}
    proof = inclusion(1, 2, lambda level, index: nodes[level, index])
    note = print_checkpoint(Checkpoint(origin, 2, frontier.root()), key)
    statement: dict[str, JSON] = {
        "v": 1,
        "transfer": "t-1",
        "bundle": "b-1",
        "sections": ["okr"],
        "index": 1,
        "leaf": b64(leaf),
    }
    statement |= said
    signature = sign(key, "receipt", canon(statement))
    return {
        "statement": statement,
        "signature": b64(signature),
        "proof": print_receipt(Receipt(1, tuple(proof), note)).decode(),
    }


def check(value: JSON) -> Checkpoint:
    return verify_release(value, REGION.trust, transfer="t-1", bundle="b-1", sections=["okr"])


def test_a_receipt_leads_to_the_journals_signed_checkpoint() -> None:
    assert check(receipt()).size == 2


@pytest.mark.parametrize(
    "said",
    [{"transfer": "t-2"}, {"bundle": "b-2"}, {"sections": ["okr", "opp"]}, {"sections": []}, {"index": 0}, {"v": 2}],
)
def test_a_receipt_of_something_else_is_refused(said: dict[str, JSON]) -> None:
    with pytest.raises(ReceiptRefused):
        check(receipt(**said))


def test_a_receipt_whose_leaf_is_not_in_the_journal_is_refused() -> None:
    with pytest.raises(CheckpointRefused):
        check(receipt(leaf=OTHER))


@pytest.mark.parametrize("bent", [{"key": SignKey.generate("journal")}, {"origin": f"{LOG}/keys"}])
def test_a_receipt_signed_by_another_key_or_log_is_refused(bent: dict[str, object]) -> None:
    with pytest.raises((SignatureRefused, CheckpointRefused)):
        check(receipt(**bent))  # type: ignore[arg-type]


@pytest.mark.parametrize("change", [{"proof": "x"}, {"proof": 1}, {"signature": b64(bytes(64))}, {"extra": 1}])
def test_a_receipt_that_was_changed_is_refused(change: dict[str, JSON]) -> None:
    value = receipt()
    assert isinstance(value, dict)
    with pytest.raises((ReceiptRefused, SignatureRefused, CheckpointRefused)):
        check(value | change)


ROOT = print_identity_public(PublicIdentity("root", REGION.root.public)).decode()
BOARD = print_identity_public(PublicIdentity("identity", REGION.identity.public)).decode()
KEYS, JOURNAL = (print_verifier(f"{LOG}/{name}", REGION.log_key.public) for name in ("keys", "journal"))


def test_a_trust_file_names_the_root_and_the_logs(tmp_path: Path) -> None:
    (tmp_path / "trust").write_text(f"{ROOT}\n{KEYS}\n{JOURNAL}\n")
    assert read_trust(tmp_path / "trust") == REGION.trust


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        BOARD,
        f"{KEYS}\n{ROOT}",
        f"{ROOT}\nx",
        f"{ROOT}\n{KEYS}\n{KEYS}",
        f"{ROOT}\n\n{KEYS}",
        "\udcff",
        "x" * 70_000,
    ],
    ids=range(9),
)
def test_what_is_no_trust_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "trust").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(TrustRefused):
        read_trust(tmp_path / "trust")


def test_a_log_that_the_trust_file_does_not_name_is_not_believed(tmp_path: Path) -> None:
    (tmp_path / "trust").write_text(ROOT)
    with pytest.raises(TrustRefused, match="/keys"):
        read_trust(tmp_path / "trust").log("/keys")
