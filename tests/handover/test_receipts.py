"""Trust files, and receipts of releases verified without the service."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from crypto.checkpoint import Checkpoint, Receipt, parse_receipt, print_checkpoint, print_receipt, print_verifier
from crypto.encoding import JSON, b64, canon
from crypto.errors import CheckpointRefused, SignatureRefused
from crypto.keyfile import PublicIdentity, print_identity_public
from crypto.keys import SignKey
from crypto.merkle import Frontier, inclusion, leaf_hash, node_hash
from crypto.sign import sign
from handover.cli.journal import journal
from handover.receipts import ReceiptRefused, Shown, verify_release, verify_shown
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


# A receipt that somebody shows.

LOGS = {f"{LOG}/journal": REGION.log_key.public}


def kept(value: JSON, **more: JSON) -> bytes:
    """Keep a receipt as `fetch` does."""
    return canon({"v": 1, "bundle": "b-1", "receipt": value} | more)


def bare(extra: bytes = LEAF, **bent: object) -> bytes:
    """Give a tlog-proof with the leaf as its extra data."""
    value = receipt(**bent)  # type: ignore[arg-type]
    assert isinstance(value, dict)
    parsed = parse_receipt(str(value["proof"]).encode())
    return print_receipt(Receipt(parsed.index, parsed.proof, parsed.checkpoint, extra))


def test_a_receipt_that_was_kept_shows_the_release_and_its_entry() -> None:
    shown = verify_shown(kept(receipt()), LOGS)
    assert shown == Shown(1, LEAF, check(receipt()), "t-1", "b-1", ("okr",))


def test_a_bare_proof_shows_the_entry_alone() -> None:
    assert verify_shown(bare(), LOGS) == Shown(1, LEAF, check(receipt()))


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (bare(b""), "no leaf"),
        (bare(LEAF[1:]), "no leaf"),
        (kept(receipt(), v=2), "not a receipt"),
        (kept(receipt(), extra=1), "not a receipt"),
        (kept(receipt(), bundle="b-2"), "another bundle"),
        (kept(receipt(sections=None)), "not a receipt"),
        (kept(receipt(sections=[1])), "not a receipt"),
        (kept(receipt(sections="okr")), "names no section"),
        (kept(receipt(sections=[])), "names no section"),
        (kept(receipt(transfer=1)), "not a receipt"),
        (kept(receipt(index=0)), "another entry"),
        (kept(None), "not a receipt"),
        (b"{", "not a receipt"),
        (bare(origin=f"{LOG}/journal-2"), "of which no key was given"),
    ],
    ids=range(14),
)
def test_what_shows_something_else_is_refused(data: bytes, what: str) -> None:
    with pytest.raises(ReceiptRefused, match=what):
        verify_shown(data, LOGS)


@pytest.mark.parametrize(
    "data",
    [b"", b"x", bare(OTHER), bare(key=SignKey.from_seed(bytes(32), "journal")), kept(receipt(leaf=OTHER))],
    ids=range(5),
)
def test_a_shown_receipt_that_proves_nothing_is_refused(data: bytes) -> None:
    with pytest.raises(CheckpointRefused):
        verify_shown(data, LOGS)


def test_a_shown_statement_that_the_log_did_not_sign_is_refused() -> None:
    value = receipt()
    assert isinstance(value, dict)
    with pytest.raises(SignatureRefused):
        verify_shown(kept(value | {"signature": b64(bytes(64))}), LOGS)


def run_receipt(folder: Path, data: bytes, *more: str) -> Result:
    (folder / "okr.json").write_bytes(data)
    (folder / "verifiers.txt").write_text(f"{KEYS}\n{JOURNAL}\n")
    named = ["receipt", str(folder / "okr.json"), "--key", str(folder / "verifiers.txt"), *more]
    return CliRunner().invoke(journal, named)


def test_the_command_says_what_a_receipt_shows(tmp_path: Path) -> None:
    run = run_receipt(tmp_path, kept(receipt()))
    assert run.output.splitlines() == [
        f"entry 1 stands in {LOG}/journal of 2 entries",
        "it is the release of okr of transfer t-1, bundle b-1",
    ]
    told = json.loads(run_receipt(tmp_path, kept(receipt()), "--json").output)
    assert (told["origin"], told["index"], told["size"], told["leaf"]) == (f"{LOG}/journal", 1, 2, LEAF.hex())
    assert (told["transfer"], told["bundle"], told["sections"]) == ("t-1", "b-1", ["okr"])
    assert run_receipt(tmp_path, bare()).output == f"entry 1 stands in {LOG}/journal of 2 entries\n"


def test_the_command_refuses_what_is_too_long_and_a_file_without_a_journals_key(tmp_path: Path) -> None:
    assert "okr.json: longer than 65536 bytes" in str(run_receipt(tmp_path, b"x" * 65537).exception)
    (tmp_path / "okr.json").write_bytes(bare())
    (tmp_path / "keys").write_text(f"{KEYS}\n")
    run = CliRunner().invoke(journal, ["receipt", str(tmp_path / "okr.json"), "--key", str(tmp_path / "keys")])
    assert (run.exit_code, "keys holds no key of a journal" in run.output) == (2, True)


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
