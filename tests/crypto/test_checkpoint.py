"""Checkpoints and receipts: the C2SP forms byte for byte, and everything else refused (C3, K8)."""

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.checkpoint import (
    LIMIT,
    Checkpoint,
    Receipt,
    bare_note,
    key_id,
    parse_checkpoint,
    parse_receipt,
    parse_verifier,
    print_checkpoint,
    print_receipt,
    print_verifier,
    verify_checkpoint,
    verify_receipt,
)
from crypto.errors import CheckpointRefused
from crypto.keys import SignKey
from crypto.merkle import leaf_hash, root

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "checkpoint.json").read_text())
ORIGIN = "overdracht.example/journal"
KEY = SignKey.from_seed(bytes(range(32)), "journal")
LEAVES = [b"a", b"b", b"c"]
HASHES = [leaf_hash(leaf) for leaf in LEAVES]
HEAD = Checkpoint(ORIGIN, 3, root(HASHES))
NOTE = print_checkpoint(HEAD, KEY)
RECEIPT = Receipt(2, (bytes.fromhex(VECTORS["inner"]),), NOTE, b"c")


def test_a_checkpoint_and_a_receipt_are_the_frozen_ones() -> None:
    assert NOTE.decode() == VECTORS["checkpoint"]
    assert print_receipt(RECEIPT).decode() == VECTORS["receipt"]
    assert print_verifier(ORIGIN, KEY.public) == VECTORS["verifier"]


def test_a_published_signed_note_of_another_implementation_has_the_key_id_that_is_computed_here() -> None:
    published = VECTORS["published"]["verifier"]
    name, identifier, encoded = published.split("+", 2)
    assert key_id(name, base64.b64decode(encoded)[1:]).hex() == identifier
    assert print_verifier(*parse_verifier(published)) == published


def test_a_checkpoint_verifies_and_prints_as_it_was_read() -> None:
    assert verify_checkpoint(NOTE, ORIGIN, KEY.public) == HEAD == parse_checkpoint(NOTE)
    assert print_checkpoint(parse_checkpoint(NOTE), KEY) == NOTE


def test_a_witness_may_sign_beside_the_log() -> None:
    witness = base64.b64encode(b"abcd" + bytes(72)).decode()
    more = NOTE + f"\u2014 witness.example {witness}\n".encode()
    assert verify_checkpoint(more, ORIGIN, KEY.public) == HEAD


def test_a_bare_note_has_one_signature_of_the_log_and_nobody_elses() -> None:
    witness = f"\u2014 witness.example {base64.b64encode(b'abcd' + bytes(72)).decode()}\n".encode()
    ours = NOTE[NOTE.index(b"\n\n") + 2 :]
    for note in (NOTE, NOTE + witness + ours, NOTE[: -len(ours)] + witness + ours + ours):
        assert bare_note(note, ORIGIN, KEY.public) == NOTE
    others = [_signature(OURS + bytes(64), "x"), _signature(b"abcd" + bytes(64))]
    assert bare_note(NOTE[: -len(ours)] + "".join(others).encode() + ours, ORIGIN, KEY.public) == NOTE
    with pytest.raises(CheckpointRefused, match="the log's key has not signed the checkpoint"):
        bare_note(NOTE[: -len(ours)] + witness, ORIGIN, KEY.public)


def test_every_byte_of_a_checkpoint_counts() -> None:
    for at in range(len(NOTE)):
        for bit in (1, 32, 128):
            with pytest.raises(CheckpointRefused):
                verify_checkpoint(NOTE[:at] + bytes([NOTE[at] ^ bit]) + NOTE[at + 1 :], ORIGIN, KEY.public)
        with pytest.raises(CheckpointRefused):
            verify_checkpoint(NOTE[:at], ORIGIN, KEY.public)


def _signature(payload: bytes, name: str = ORIGIN) -> str:
    return f"\u2014 {name} {base64.b64encode(payload).decode()}\n"


OURS = key_id(ORIGIN, KEY.public)
BODY = HEAD.text()


@pytest.mark.parametrize(
    ("note", "what"),
    [
        (b"", "not a signed note"),
        (b"\xff", "not UTF-8"),
        (b"x" * (LIMIT + 1), "longer than 16384 bytes"),
        (b"x" * LIMIT, "not a signed note"),
        (BODY.encode(), "not a signed note"),
        (BODY.encode() + b"\n", "not a signed note"),
        (NOTE[:-1], "not a signed note"),
        (NOTE + b"\n", "not a signed note"),
        (NOTE + b"x\n", "a line of the note isn't a signature"),
        (NOTE.replace("\u2014".encode(), b"-"), "a line of the note isn't a signature"),
        ((BODY + "\n" + _signature(OURS)).encode(), "a signature of the note is too short"),
        ((BODY + "\n" + _signature(bytes(68), "a+b")).encode(), "a line of the note isn't a signature"),
        ((BODY + "\n" + _signature(bytes(68)) * 33).encode(), "not a signed note"),
        ((BODY + "extension\n\n" + _signature(bytes(68))).encode(), "the note isn't origin, size and root"),
        (NOTE.replace(b"\n3\n", b"\n03\n"), "not a number"),
        (NOTE.replace(b"\n3\n", b"\n+3\n"), "not a number"),
        (NOTE.replace(b"\n3\n", "\n\u0663\n".encode()), "not a number"),
        (NOTE.replace(b"\n3\n", b"\n9223372036854775808\n"), "not a number"),
        (NOTE.replace(b"journal\n3", b"a b\n3"), "not the name of a log"),
        (NOTE.replace(b"=\n\n", b"\n\n"), "not base64"),
        ((f"{ORIGIN}\n3\nAAAA\n\n" + _signature(bytes(68))).encode(), "not base64 as it is printed here"),
    ],
)
def test_a_note_of_another_form_is_refused(note: bytes, what: str) -> None:
    with pytest.raises(CheckpointRefused, match=what):
        parse_checkpoint(note)


def test_a_note_may_hold_as_many_signatures_as_there_may_be_and_the_shortest() -> None:
    assert parse_checkpoint((BODY + "\n" + _signature(bytes(68)) * 32).encode()) == HEAD
    assert parse_checkpoint((BODY + "\n" + _signature(bytes(5))).encode()) == HEAD


@pytest.mark.parametrize(
    ("note", "what"),
    [
        (
            print_checkpoint(HEAD, SignKey.from_seed(b"o" * 32, "journal")),
            "the log's key has not signed the checkpoint",
        ),
        (print_checkpoint(replace(HEAD, origin="x"), KEY), "the checkpoint is of another log"),
        ((BODY + "\n" + _signature(OURS + bytes(64))).encode(), "the log's signature on the checkpoint doesn't hold"),
        ((BODY + "\n" + _signature(OURS + bytes(63))).encode(), "the log's signature on the checkpoint doesn't hold"),
        (NOTE + _signature(OURS + bytes(64)).encode(), "the log's signature on the checkpoint doesn't hold"),
        ((BODY + "\n" + _signature(OURS + bytes(64), "x")).encode(), "the log's key has not signed the checkpoint"),
    ],
)
def test_a_checkpoint_that_this_log_did_not_sign_is_refused(note: bytes, what: str) -> None:
    assert parse_checkpoint(note)
    with pytest.raises(CheckpointRefused, match=what):
        verify_checkpoint(note, ORIGIN, KEY.public)


@pytest.mark.parametrize("origin", ["", "a b", "a+b", "a\nb", "a\x7fb", "a\u00a0b", "a\ud800", "x" * 201])
def test_a_log_has_a_name_that_fits_on_its_line(origin: str) -> None:
    with pytest.raises(CheckpointRefused, match="not the name of a log"):
        print_checkpoint(Checkpoint(origin, 0, bytes(32)), KEY)


@given(st.integers(0, 2**63 - 1), st.binary(min_size=32, max_size=32))
def test_any_checkpoint_comes_back(size: int, hashed: bytes) -> None:
    checkpoint = Checkpoint(ORIGIN, size, hashed)
    assert verify_checkpoint(print_checkpoint(checkpoint, KEY), ORIGIN, KEY.public) == checkpoint


# Receipts.


@pytest.mark.parametrize("extra", [b"", b"c", bytes(98)])
def test_a_receipt_verifies_and_prints_as_it_was_read(extra: bytes) -> None:
    printed = print_receipt(replace(RECEIPT, extra=extra))
    receipt = parse_receipt(printed)
    assert receipt == replace(RECEIPT, extra=extra)
    assert print_receipt(receipt) == printed
    assert verify_receipt(receipt, b"c", ORIGIN, KEY.public) == HEAD


@pytest.mark.parametrize(
    ("receipt", "leaf"),
    [
        (RECEIPT, b"d"),
        (replace(RECEIPT, index=1), b"c"),
        (replace(RECEIPT, index=3), b"c"),
        (replace(RECEIPT, proof=()), b"c"),
        (replace(RECEIPT, proof=(bytes(32),)), b"c"),
        (replace(RECEIPT, proof=(*RECEIPT.proof, bytes(32))), b"c"),
    ],
)
def test_a_receipt_of_something_else_is_refused(receipt: Receipt, leaf: bytes) -> None:
    with pytest.raises(CheckpointRefused, match="the receipt doesn't hold: the "):
        verify_receipt(receipt, leaf, ORIGIN, KEY.public)


def test_a_receipt_whose_checkpoint_is_not_the_logs_is_refused() -> None:
    forged = replace(RECEIPT, checkpoint=print_checkpoint(HEAD, SignKey.generate("journal")))
    with pytest.raises(CheckpointRefused, match="the log's key has not signed"):
        verify_receipt(forged, b"c", ORIGIN, KEY.public)


def test_a_proof_may_have_as_many_hashes_as_a_tree_has_levels() -> None:
    longest = replace(RECEIPT, proof=(bytes(32),) * 64)
    assert parse_receipt(print_receipt(longest)) == longest
    assert Receipt(0, (), NOTE).extra == b""


def _lines(change: Callable[[list[str]], list[str]]) -> bytes:
    return "\n".join(change(print_receipt(RECEIPT).decode().split("\n"))).encode()


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "not a receipt"),
        (b"\xff", "not UTF-8"),
        (b"c2sp.org/tlog-proof@v2\nindex 0\n\n" + NOTE, "not a receipt"),
        (b"c2sp.org/tlog-proof@v1\nindex 0\n", "not a receipt"),
        (b"c2sp.org/tlog-proof@v1\n\n" + NOTE, "the receipt has no index"),
        (b"c2sp.org/tlog-proof@v1\n0\n\n" + NOTE, "the receipt has no index"),
        (b"c2sp.org/tlog-proof@v1\nextra AA==\n\n" + NOTE, "the receipt has no index"),
        (b"c2sp.org/tlog-proof@v1\nextra \nindex 0\n\n" + NOTE, "the receipt's extra data is empty"),
        (b"c2sp.org/tlog-proof@v1\nindex 00\n\n" + NOTE, "not a number"),
        (b"c2sp.org/tlog-proof@v1\nindex -1\n\n" + NOTE, "not a number"),
        (b"c2sp.org/tlog-proof@v1\nindex 0\nAAAA\n\n" + NOTE, "another length"),
        (b"c2sp.org/tlog-proof@v1\nindex 0\n" + (b"A" * 43 + b"=\n") * 65 + b"\n" + NOTE, "proof is too long"),
        (b"c2sp.org/tlog-proof@v1\nindex 0\n\n", "not a signed note"),
        (_lines(lambda lines: lines[:-2]), "not a signed note"),
        (_lines(lambda lines: [lines[0], lines[2], lines[1], *lines[3:]]), "not base64"),
        (_lines(lambda lines: [line.replace("Yw==", "Yx==") for line in lines]), "not base64 as it is printed here"),
    ],
)
def test_a_receipt_of_another_form_is_refused(data: bytes, what: str) -> None:
    with pytest.raises(CheckpointRefused, match=what):
        parse_receipt(data)


@given(st.binary(max_size=300) | st.text(max_size=100).map(lambda text: ("c2sp.org/tlog-proof@v1\n" + text).encode()))
def test_any_bytes_are_refused_as_neither(data: bytes) -> None:
    for parse in (parse_checkpoint, parse_receipt):
        with pytest.raises(CheckpointRefused):
            parse(data)


# Keys of logs.


def test_a_logs_key_prints_and_parses() -> None:
    assert parse_verifier(print_verifier(ORIGIN, KEY.public)) == (ORIGIN, KEY.public)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: "",
        lambda text: text[:-1],
        lambda text: text + "=",
        lambda text: text.replace("journal", "other"),
        lambda text: text.replace("+A", "+B", 1),
        lambda text: text.replace("+", "-", 1),
        lambda text: text.upper(),
        lambda text: "a\ud800" + text,
    ],
)
def test_a_logs_key_of_another_form_is_refused(spoil: Callable[[str], str]) -> None:
    with pytest.raises(CheckpointRefused):
        parse_verifier(spoil(print_verifier(ORIGIN, KEY.public)))
