"""The witness: what it cosigns, what it refuses, and that a refusal moves nothing (K2, K3, K4, K8, C3)."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.checkpoint import Checkpoint, print_checkpoint, print_verifier, verify_checkpoint
from crypto.cosignature import parse_cosigner, verify_cosignature
from crypto.errors import CheckpointRefused
from crypto.keys import SignKey
from handover.client import ServiceFailed, ServiceRefused
from handover.witness import (
    SENTENCES,
    UNPROVED,
    Cosigned,
    Log,
    Looked,
    Reason,
    Refused,
    Witness,
    WitnessRefused,
    add_checkpoint,
    check,
    init,
    read,
)
from tests.handover.logs import KEY, ORIGIN, LogOf

NAME = "fg.example/witness"
TIME = 1_795_341_600
NEVER = Witness(NAME, SignKey.from_seed(bytes(range(32, 64)), "witness"), {ORIGIN: Log(ORIGIN, KEY.public)})


def saw(log: LogOf) -> Witness:
    """Give a witness that has cosigned this log."""
    cosigned = add_checkpoint(NEVER, 0, [], log.journal_checkpoint(), TIME - 600)
    assert isinstance(cosigned, Cosigned)
    return NEVER.with_note(NEVER.logs[ORIGIN], cosigned.note)


def proved(log: LogOf, old: int) -> list[bytes]:
    return log.journal_consistency(old, len(log.leaves))


# The rule.


@given(st.integers(0, 40), st.integers(0, 40))
def test_a_log_that_grew_or_stood_still_is_cosigned(before: int, more: int) -> None:
    log = LogOf.counting(before + more)
    witness = saw(LogOf.counting(before))
    decided = add_checkpoint(witness, before, proved(log, before), log.journal_checkpoint(), TIME)
    assert isinstance(decided, Cosigned)
    assert decided.checkpoint == log.head()
    assert decided.note == log.journal_checkpoint() + decided.line
    said = verify_cosignature(decided.note, witness.cosigner)
    assert (said.checkpoint, said.time, said.line) == (log.head(), TIME, decided.line)
    assert verify_checkpoint(decided.note, ORIGIN, KEY.public) == log.head()


@given(st.integers(1, 30), st.integers(0, 30), st.integers(0, 29))
def test_a_log_that_was_rebuilt_from_any_entry_on_is_refused(before: int, more: int, at: int) -> None:
    """K2, K8: two histories under one key."""
    forked = LogOf.counting(before + more)
    forked.leaves[at % before] = b"another entry"
    decided = add_checkpoint(
        saw(LogOf.counting(before)), before, proved(forked, before), forked.journal_checkpoint(), TIME
    )
    assert decided == Refused(Reason.NOT_CONSISTENT if more else Reason.FORKED, before)


@given(st.integers(1, 30), st.data())
def test_a_log_that_was_cut_or_put_back_from_a_backup_is_refused(before: int, data: st.DataObject) -> None:
    """K3, K4"""
    shown = LogOf.counting(data.draw(st.integers(0, before - 1)))
    decided = add_checkpoint(saw(LogOf.counting(before)), before, [], shown.journal_checkpoint(), TIME)
    assert decided == Refused(Reason.SHRUNK, before)


SEVEN, NINE = LogOf.counting(7), LogOf.counting(9)
FORK = LogOf([*NINE.leaves[:6], b"x", b"y", b"z"])
NOTE = NINE.journal_checkpoint()


@pytest.mark.parametrize(
    ("old", "proof", "note", "reason", "size"),
    [
        (7, [], b"", Reason.MALFORMED, 0),
        (7, [], NOTE + b"x", Reason.MALFORMED, 0),
        (7, [], replace(NINE, origin="other.example/journal").journal_checkpoint(), Reason.UNKNOWN_LOG, 0),
        (7, [], replace(NINE, key=SignKey.from_seed(b"o" * 32, "journal")).journal_checkpoint(), Reason.NOT_SIGNED, 7),
        (7, [], NOTE.replace(b"\n9\n", b"\n8\n"), Reason.NOT_SIGNED, 7),
        (10, [], NOTE, Reason.SHRUNK, 7),
        (0, [], NOTE, Reason.CONFLICT, 7),
        (6, proved(NINE, 6), NOTE, Reason.CONFLICT, 7),
        (8, proved(NINE, 8), NOTE, Reason.CONFLICT, 7),
        (9, [], NOTE, Reason.CONFLICT, 7),
        (7, [], LogOf([*SEVEN.leaves[:6], b"x"]).journal_checkpoint(), Reason.FORKED, 7),
        (7, [bytes(32)], SEVEN.journal_checkpoint(), Reason.NOT_CONSISTENT, 7),
        (7, [], NOTE, Reason.NOT_CONSISTENT, 7),
        (7, proved(NINE, 7)[:-1], NOTE, Reason.NOT_CONSISTENT, 7),
        (7, [*proved(NINE, 7), bytes(32)], NOTE, Reason.NOT_CONSISTENT, 7),
        (7, proved(FORK, 7), NOTE, Reason.NOT_CONSISTENT, 7),
        (7, proved(NINE, 7), FORK.journal_checkpoint(), Reason.NOT_CONSISTENT, 7),
        (7, proved(FORK, 7), FORK.journal_checkpoint(), Reason.NOT_CONSISTENT, 7),
    ],
)
def test_the_first_thing_that_is_wrong_is_the_reason(
    old: int, proof: list[bytes], note: bytes, reason: Reason, size: int
) -> None:
    decided = add_checkpoint(saw(SEVEN), old, proof, note, TIME)
    assert decided == Refused(reason, size)
    assert not decided


def test_before_the_first_checkpoint_nothing_is_proved_and_no_proof_is_taken() -> None:
    assert isinstance(add_checkpoint(NEVER, 0, [], NOTE, TIME), Cosigned)
    assert add_checkpoint(NEVER, 0, [bytes(32)], NOTE, TIME) == Refused(Reason.NOT_CONSISTENT, 0)
    assert add_checkpoint(NEVER, 1, [], NOTE, TIME) == Refused(Reason.CONFLICT, 0)


def test_an_empty_log_may_begin_and_grow() -> None:
    witness = saw(LogOf.counting(0))
    assert isinstance(add_checkpoint(witness, 0, [], NOTE, TIME), Cosigned)


def test_signatures_of_others_are_not_kept() -> None:
    others = "".join(f"\u2014 other.example {'A' * 96}\n" for _ in range(31)).encode()
    decided = add_checkpoint(NEVER, 0, [], NOTE + others, TIME)
    assert isinstance(decided, Cosigned)
    assert decided.note == NOTE + decided.line


def test_every_reason_has_a_sentence() -> None:
    assert SENTENCES.keys() == set(Reason)


# One look.


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    init(tmp_path / "witness", NAME, {ORIGIN: KEY.public})
    return tmp_path / "witness"


def size_kept(folder: Path) -> int:
    return read(folder).logs[ORIGIN].size


def test_looks_follow_a_log_and_hand_over_what_was_cosigned(folder: Path) -> None:
    before = 0
    for place, size in enumerate((0, 3, 3, 8, 20)):
        log = LogOf.counting(size)
        looked = check(log, folder, TIME + place)
        assert isinstance(looked.decided, Cosigned)
        assert looked == Looked(looked.decided, before)
        assert looked
        assert log.posted == [looked.decided.note]
        assert log.asked == ([(before, size)] if 0 < before < size else [])
        kept = read(folder).logs[ORIGIN]
        assert (kept.size, kept.note, read(folder).last(kept)) == (size, looked.decided.note, TIME + place)
        before = size


BAD: dict[str, Callable[[], tuple[LogOf, Reason]]] = {
    "shrunk": lambda: (LogOf.counting(6), Reason.SHRUNK),
    "emptied": lambda: (LogOf.counting(0), Reason.SHRUNK),
    "forked at the same size": lambda: (LogOf.counting(7, "other"), Reason.FORKED),
    "forked and grown": lambda: (LogOf.counting(12, "other"), Reason.NOT_CONSISTENT),
    "signed anew": lambda: (LogOf(NINE.leaves, SignKey.generate("journal")), Reason.NOT_SIGNED),
    "without a proof": lambda: (LogOf(NINE.leaves, proof=[]), Reason.NOT_CONSISTENT),
    "not proving": lambda: (LogOf(NINE.leaves, prove=ServiceRefused(UNPROVED, 422, "no")), Reason.NOT_CONSISTENT),
}


@pytest.mark.parametrize("how", BAD)
def test_a_refusal_moves_nothing_keeps_both_notes_and_tells_the_service_what_was_cosigned(
    folder: Path, how: str
) -> None:
    """K2, K3, K4, K8"""
    seven = LogOf.counting(7)
    check(seven, folder, TIME)
    cosigned = seven.posted[-1]
    state = (folder / "witness.json").read_bytes()
    log, reason = BAD[how]()
    log.posted.clear()
    log.refuses = ServiceRefused("NEWER_KNOWN", 409, "frozen")
    for _ in range(2):
        looked = check(log, folder, TIME + 60)
        assert looked.decided == Refused(reason, 7)
        assert looked.before == 7
        assert not looked
    assert (folder / "witness.json").read_bytes() == state
    assert log.posted == [cosigned, cosigned]
    evidence = looked.evidence
    assert evidence is not None
    assert list((folder / "evidence").iterdir()) == [evidence]
    assert evidence.name.startswith(f"{reason}-")
    assert (evidence / "kept.note").read_bytes() == cosigned
    assert (evidence / "shown.note").read_bytes() == log.journal_checkpoint()
    assert evidence.stat().st_mode & 0o777 == 0o700
    assert (evidence / "shown.note").stat().st_mode & 0o777 == 0o600
    assert check(LogOf.counting(9), folder, TIME + 120), "the true log goes on"
    assert size_kept(folder) == 9


def test_a_log_that_is_not_watched_leaves_what_it_showed_and_nothing_is_sent(folder: Path) -> None:
    log = replace(NINE, origin="other.example/journal", posted=[])
    looked = check(log, folder, TIME)
    assert looked.decided == Refused(Reason.UNKNOWN_LOG, 0)
    assert looked.evidence is not None
    assert [path.name for path in looked.evidence.iterdir()] == ["shown.note"]
    assert log.posted == []


def test_what_is_no_checkpoint_at_all_leaves_nothing(folder: Path) -> None:
    looked = check(LogOf([], note=b"<html>"), folder, TIME)
    assert looked == Looked(Refused(Reason.MALFORMED, 0), 0)
    assert not (folder / "evidence").exists()


@pytest.mark.parametrize(
    "refused",
    [
        ServiceRefused("BUSY", 503, "later"),
        ServiceRefused("FAILED", 500, "later"),
        ServiceRefused("NOT_FOUND", 404, "a proxy's, or an older service's"),
        ServiceRefused("TOO_MANY", 429, "later"),
        ServiceRefused("INVALID", 422, "later"),
        ServiceFailed("the service answered 502 without a reason"),
    ],
    ids=str,
)
def test_what_says_nothing_of_the_journal_is_no_fork_and_is_asked_again(folder: Path, refused: Exception) -> None:
    check(SEVEN, folder, TIME)
    with pytest.raises(type(refused)) as raised:
        check(LogOf(NINE.leaves, prove=refused), folder, TIME)
    assert raised.value is refused
    assert size_kept(folder) == 7
    assert not (folder / "evidence").exists()
    assert check(NINE, folder, TIME), "the next look goes on"


def test_a_checkpoint_is_kept_before_its_cosignature_leaves(folder: Path) -> None:
    log = LogOf.counting(5)
    log.refuses = ServiceFailed("no answer")
    with pytest.raises(ServiceFailed, match="no answer"):
        check(log, folder, TIME)
    assert size_kept(folder) == 5
    assert check(LogOf.counting(4), folder, TIME).decided == Refused(Reason.SHRUNK, 5)


# The folder.


def test_a_folder_is_private_and_holds_what_was_made(tmp_path: Path) -> None:
    folder = tmp_path / "w"
    made = init(folder, NAME, {ORIGIN: KEY.public})
    assert read(folder) == made
    assert made.last(made.logs[ORIGIN]) is None
    assert {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()} == {
        "witness.key": 0o600,
        "witness.json": 0o600,
        "verifier.txt": 0o600,
    }
    assert folder.stat().st_mode & 0o777 == 0o700
    assert parse_cosigner((folder / "verifier.txt").read_text().strip()) == made.cosigner
    value = {"logs": [{"note": None, "verifier": print_verifier(ORIGIN, KEY.public)}], "name": NAME, "v": 1}
    assert json.loads((folder / "witness.json").read_bytes()) == value


def test_a_folder_in_use_and_a_name_that_fits_no_line_are_refused(tmp_path: Path) -> None:
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "x").touch()
    with pytest.raises(WitnessRefused, match="w isn't empty"):
        init(tmp_path / "w", NAME, {ORIGIN: KEY.public})
    with pytest.raises(CheckpointRefused, match="not the name"):
        init(tmp_path / "v", "a b", {ORIGIN: KEY.public})
    assert not (tmp_path / "v").exists()


def _changed(name: str, value: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        state = json.loads((folder / "witness.json").read_bytes())
        state[name] = value
        (folder / "witness.json").write_text(
            json.dumps(state, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
        )

    return change


def _noted(note: bytes) -> Callable[[Path], None]:
    return _changed("logs", [{"note": note.decode(), "verifier": print_verifier(ORIGIN, KEY.public)}])


SPOILED: dict[str, tuple[Callable[[Path], object], str]] = {
    "no key": (lambda folder: (folder / "witness.key").unlink(), "run `handover witness init`"),
    "no state": (lambda folder: (folder / "witness.json").unlink(), "run `handover witness init`"),
    "an open key": (lambda folder: (folder / "witness.key").chmod(0o640), "witness.key may be read by others"),
    "a short key": (lambda folder: (folder / "witness.key").write_bytes(bytes(31)), "witness.key isn't a key"),
    "a long key": (lambda folder: (folder / "witness.key").write_bytes(bytes(33)), "witness.key isn't a key"),
    "another key": (lambda folder: (folder / "witness.key").write_bytes(bytes(32)), "witness.json is damaged"),
    "half a state": (lambda folder: (folder / "witness.json").write_bytes(b'{"v":1'), "witness.json is damaged"),
    "spaces": (lambda folder: (folder / "witness.json").write_bytes(b'{"v": 1}'), "witness.json is damaged"),
    "another version": (_changed("v", 2), "witness.json is damaged"),
    "no list": (_changed("logs", {}), "witness.json is damaged: logs are a list"),
    "a log's key that isn't": (_changed("logs", [{"note": None, "verifier": "x"}]), "witness.json is damaged"),
    "a note nobody cosigned": (_noted(NOTE), "the witness has not cosigned"),
    "a note of another log": (
        _noted(print_checkpoint(Checkpoint("x", 1, bytes(32)), KEY)),
        "the checkpoint is of another log",
    ),
}


@pytest.mark.parametrize("how", SPOILED)
def test_a_damaged_folder_is_refused_and_not_begun_anew(folder: Path, how: str) -> None:
    check(SEVEN, folder, TIME)
    spoil, what = SPOILED[how]
    spoil(folder)
    with pytest.raises(WitnessRefused, match=what):
        check(NINE, folder, TIME)
