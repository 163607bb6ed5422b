"""Cosignatures of witnesses: the C2SP form byte for byte, and everything else refused (K8)."""

import base64
import json
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import nacl.signing
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.checkpoint import Checkpoint, parse_checkpoint, print_checkpoint, print_verifier, verify_checkpoint
from crypto.cosignature import TIME_MAX, Cosignature, Cosigner, cosign, parse_cosigner, verify_cosignature
from crypto.errors import CheckpointRefused
from crypto.keys import SignKey

FOLDER = Path(__file__).parents[1] / "vectors"
VECTORS = json.loads((FOLDER / "cosignature.json").read_text())
NOTE = json.loads((FOLDER / "checkpoint.json").read_text())["checkpoint"].encode()
HEAD = parse_checkpoint(NOTE)
NAME, TIME = VECTORS["name"], VECTORS["time"]
KEY = SignKey.from_seed(bytes(range(32, 64)), "witness")
WITNESS = Cosigner(NAME, KEY.public)
LINE = VECTORS["line"].encode()


def _by_hand(note: bytes, name: str, key: SignKey, time: int) -> bytes:
    """Cosign as the C2SP document says, without the code under test."""
    text = note.decode().split("\n\n")[0] + "\n"
    kid = sha256(name.encode() + b"\n\x04" + key.public).digest()[:4]
    signature = nacl.signing.SigningKey(key.seed).sign(f"cosignature/v1\ntime {time}\n{text}".encode()).signature
    return f"\u2014 {name} {base64.b64encode(kid + time.to_bytes(8, 'big') + signature).decode()}\n".encode()


def test_a_cosignature_and_a_witnesss_key_are_the_frozen_ones() -> None:
    assert cosign(HEAD, NAME, KEY, TIME) == LINE
    assert WITNESS.print() == VECTORS["verifier"]
    assert parse_cosigner(VECTORS["verifier"]) == WITNESS


def test_the_key_of_a_public_witness_has_the_key_id_that_is_computed_here() -> None:
    assert parse_cosigner(VECTORS["published"]).print() == VECTORS["published"]


@given(st.integers(1, TIME_MAX), st.integers(0, 2**63 - 1), st.binary(min_size=32, max_size=32))
def test_a_cosignature_is_what_another_computation_gives_and_says_when(time: int, size: int, root: bytes) -> None:
    log = SignKey.from_seed(bytes(32), "journal")
    note = print_checkpoint(Checkpoint("log.example/journal", size, root), log)
    line = cosign(parse_checkpoint(note), NAME, KEY, time)
    assert line == _by_hand(note, NAME, KEY, time)
    assert verify_cosignature(note + line, WITNESS) == Cosignature(parse_checkpoint(note), time, line)
    assert verify_checkpoint(note + line, "log.example/journal", log.public).size == size


def test_every_bit_of_a_cosigned_text_and_of_the_line_counts() -> None:
    whole = NOTE + LINE
    text = range(NOTE.index(b"\n\n") + 1)
    for at in (*text, *range(len(NOTE), len(whole))):
        for bit in (1, 32, 128):
            with pytest.raises(CheckpointRefused):
                verify_cosignature(whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1 :], WITNESS)
        if at >= len(NOTE):
            with pytest.raises(CheckpointRefused):
                verify_cosignature(whole[:at], WITNESS)


def test_of_several_cosignatures_the_newest_time_counts_and_each_must_hold() -> None:
    older, newer = cosign(HEAD, NAME, KEY, TIME - 5), cosign(HEAD, NAME, KEY, TIME + 5)
    for lines in (older + LINE + newer, newer + older + LINE):
        assert verify_cosignature(NOTE + lines, WITNESS) == Cosignature(HEAD, TIME + 5, newer)
    moved = newer.replace(newer.split()[-1], _shifted(newer))
    with pytest.raises(CheckpointRefused, match="the witness's signature on the checkpoint doesn't hold"):
        verify_cosignature(NOTE + LINE + moved, WITNESS)


def _shifted(line: bytes) -> bytes:
    signed = base64.b64decode(line.split()[-1])
    return base64.b64encode(signed[:11] + bytes([signed[11] ^ 1]) + signed[12:])


def test_others_may_sign_beside_a_witness() -> None:
    other = cosign(HEAD, "other.example", SignKey.generate("witness"), TIME)
    same_name = cosign(HEAD, NAME, SignKey.generate("witness"), TIME + 1)
    assert verify_cosignature(NOTE + other + LINE + same_name, WITNESS).time == TIME


@pytest.mark.parametrize(
    ("lines", "what"),
    [
        (b"", "the witness has not cosigned the checkpoint"),
        (cosign(HEAD, "other.example", KEY, TIME), "the witness has not cosigned the checkpoint"),
        (LINE.replace(NAME.encode(), b"fg.example/other"), "the witness has not cosigned the checkpoint"),
        (_by_hand(NOTE, NAME, KEY, 0), "a cosignature's time is out of bounds"),
        (_by_hand(NOTE, NAME, KEY, TIME_MAX + 1), "a cosignature's time is out of bounds"),
        (_by_hand(NOTE.replace(b"\n3\n", b"\n4\n"), NAME, KEY, TIME), "signature on the checkpoint doesn't hold"),
    ],
)
def test_what_this_witness_did_not_say_of_this_checkpoint_is_refused(lines: bytes, what: str) -> None:
    with pytest.raises(CheckpointRefused, match=what):
        verify_cosignature(NOTE + lines, WITNESS)


@pytest.mark.parametrize("change", [-1, 1])
def test_a_cosignature_of_another_length_is_refused(change: int) -> None:
    signed = base64.b64decode(LINE.split()[-1])
    payload = signed[:-1] if change < 0 else signed + b"\0"
    line = f"\u2014 {NAME} {base64.b64encode(payload).decode()}\n".encode()
    with pytest.raises(CheckpointRefused, match="a cosignature isn't a time and a signature"):
        verify_cosignature(NOTE + line, WITNESS)


def test_a_logs_signature_is_no_cosignature_and_the_reverse_not_either() -> None:
    """K8: one key for both would still not let a line be taken for the other."""
    note = print_checkpoint(Checkpoint(NAME, 3, HEAD.root), KEY)
    with pytest.raises(CheckpointRefused, match="has not cosigned"):
        verify_cosignature(note, WITNESS)
    cosigned = note.split(b"\xe2\x80\x94")[0] + cosign(Checkpoint(NAME, 3, HEAD.root), NAME, KEY, TIME)
    with pytest.raises(CheckpointRefused, match="the log's key has not signed"):
        verify_checkpoint(cosigned, NAME, KEY.public)


@pytest.mark.parametrize("time", [0, -1, TIME_MAX + 1])
def test_a_time_that_can_not_be_stated_is_refused(time: int) -> None:
    with pytest.raises(CheckpointRefused, match="time is out of bounds"):
        cosign(HEAD, NAME, KEY, time)


def test_the_smallest_and_the_largest_time_can_be_stated() -> None:
    assert datetime.fromtimestamp(TIME_MAX, UTC) == datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    for time in (1, TIME_MAX):
        assert verify_cosignature(NOTE + cosign(HEAD, NAME, KEY, time), WITNESS).time == time


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb"])
def test_a_witness_has_a_name_that_fits_on_its_line(name: str) -> None:
    with pytest.raises(CheckpointRefused, match="not the name"):
        cosign(HEAD, name, KEY, TIME)


@pytest.mark.parametrize(
    "text", ["", print_verifier(NAME, KEY.public), VECTORS["verifier"][:-1], VECTORS["verifier"].upper()]
)
def test_a_key_of_another_kind_or_form_is_refused(text: str) -> None:
    with pytest.raises(CheckpointRefused):
        parse_cosigner(text)
