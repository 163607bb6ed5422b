"""A school that follows the journal: what it keeps, and what it refuses (C3, K3, K4, K8)."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from crypto.errors import CheckpointRefused
from crypto.keys import SignKey
from handover.client import ServiceRefused
from handover.errors import RequestRefused
from handover.following import JournalRefused, compare, follow, newest
from handover.trust import Trust, TrustRefused
from tests.handover.logs import KEY, ORIGIN, LogOf

TRUST = Trust(bytes(32), {ORIGIN: KEY.public})


def test_the_newest_checkpoint_is_kept_and_each_has_to_follow(tmp_path: Path) -> None:
    assert newest(TRUST, tmp_path) is None
    before = 0
    for size in (0, 4, 4, 9):
        log = LogOf.counting(size)
        assert follow(log, TRUST, tmp_path) == log.journal_checkpoint() == newest(TRUST, tmp_path)
        assert log.asked == ([(before, size)] if 0 < before < size else [])
        assert log.posted == []
        before = size
    assert (tmp_path / "journal.checkpoint").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["journal.checkpoint"]


def test_signatures_of_others_are_not_kept(tmp_path: Path) -> None:
    log = LogOf.counting(3)
    log.note = log.journal_checkpoint() + f"\u2014 other.example {'A' * 96}\n".encode()
    assert follow(log, TRUST, tmp_path) == LogOf.counting(3).journal_checkpoint()


BAD: dict[str, Callable[[], LogOf]] = {
    "cut": lambda: LogOf.counting(6),
    "emptied": lambda: LogOf.counting(0),
    "rebuilt": lambda: LogOf.counting(7, "other"),
    "rebuilt and grown": lambda: LogOf.counting(12, "other"),
    "without a proof": lambda: replace(LogOf.counting(12), proof=[]),
    "not proving": lambda: replace(LogOf.counting(12), prove=RequestRefused("X", 422, "no")),
}


@pytest.mark.parametrize("how", BAD)
def test_an_older_or_another_journal_is_refused_and_the_service_told_what_was_seen(tmp_path: Path, how: str) -> None:
    """C3, K3, K4, K8"""
    seen = follow(LogOf.counting(7), TRUST, tmp_path)
    log = BAD[how]()
    log.refuses = ServiceRefused("NEWER_KNOWN", 409, "frozen")
    for _ in range(2):
        with pytest.raises(JournalRefused, match="older than the one you have seen, or another"):
            follow(log, TRUST, tmp_path)
    assert newest(TRUST, tmp_path) == seen
    assert log.posted == [seen, seen]
    assert (tmp_path / "journal.refused").read_bytes() == log.journal_checkpoint()
    assert follow(LogOf.counting(8), TRUST, tmp_path)


def test_a_service_that_can_not_prove_now_is_not_called_forked(tmp_path: Path) -> None:
    follow(LogOf.counting(7), TRUST, tmp_path)
    for status in (500, 503):
        with pytest.raises(RequestRefused, match="BUSY"):
            follow(replace(LogOf.counting(9), prove=RequestRefused("BUSY", status, "later")), TRUST, tmp_path)
    assert not (tmp_path / "journal.refused").exists()


def test_what_the_log_did_not_sign_is_refused_and_nothing_kept(tmp_path: Path) -> None:
    for log in (
        replace(LogOf.counting(3), key=SignKey.generate("journal")),
        replace(LogOf.counting(3), origin="other/journal"),
    ):
        with pytest.raises(CheckpointRefused):
            follow(log, TRUST, tmp_path)
    assert newest(TRUST, tmp_path) is None


@pytest.mark.parametrize("left", [b"", b"x", replace(LogOf.counting(2), origin="old/journal").journal_checkpoint()])
def test_a_damaged_memory_is_refused_and_not_begun_anew(tmp_path: Path, left: bytes) -> None:
    (tmp_path / "journal.checkpoint").write_bytes(left)
    with pytest.raises(JournalRefused, match=r"journal\.checkpoint isn't a checkpoint of the journal"):
        follow(LogOf.counting(3), TRUST, tmp_path)
    assert (tmp_path / "journal.checkpoint").read_bytes() == left


def test_who_has_the_trust_file_from_before_a_loss_is_told_to_get_the_new_one(tmp_path: Path) -> None:
    """K4, K8: nothing is believed under the new name before the register has said so."""
    seen = follow(LogOf.counting(7), TRUST, tmp_path)
    for name in ("-2", "-10"):
        with pytest.raises(
            TrustRefused, match=f"goes on as {ORIGIN}{name} since .* ask the register for the new trust"
        ):
            follow(replace(LogOf.counting(5), origin=f"{ORIGIN}{name}"), TRUST, tmp_path)
    with pytest.raises(CheckpointRefused, match="not signed"):
        follow(replace(LogOf.counting(5), origin=f"{ORIGIN}-2", key=SignKey.generate("journal")), TRUST, tmp_path)
    assert newest(TRUST, tmp_path) == seen
    assert not (tmp_path / "journal.refused").exists()


def test_who_has_the_new_trust_file_is_told_to_put_the_old_checkpoint_aside(tmp_path: Path) -> None:
    """K4: it is evidence of what was lost, and nothing follows on it."""
    later = Trust(bytes(32), {ORIGIN: KEY.public, f"{ORIGIN}-2": KEY.public})
    grown = replace(LogOf.counting(9), origin=f"{ORIGIN}-2")
    seen = follow(LogOf.counting(7), TRUST, tmp_path)
    with pytest.raises(JournalRefused, match=rf"journal\.checkpoint .* it is of {ORIGIN}, .* put it aside"):
        follow(grown, later, tmp_path)
    assert (tmp_path / "journal.checkpoint").read_bytes() == seen
    (tmp_path / "journal.checkpoint").rename(tmp_path / "kept")
    assert follow(grown, later, tmp_path) == grown.journal_checkpoint()


@pytest.mark.parametrize("size", [0, 1, 5, 8])
def test_a_receipt_of_the_same_journal_holds(tmp_path: Path, size: int) -> None:
    log = LogOf.counting(8)
    compare(log, TRUST, tmp_path, {LogOf.counting(size).head(), LogOf.counting(2).head()})
    assert set(log.asked) == {(each, 8) for each in (size, 2) if 0 < each < 8}
    assert newest(TRUST, tmp_path) == LogOf.counting(8).journal_checkpoint()


@pytest.mark.parametrize("log", [LogOf.counting(5, "other"), LogOf.counting(8, "other"), LogOf.counting(9)])
def test_a_receipt_of_another_journal_is_refused(tmp_path: Path, log: LogOf) -> None:
    """C3: two schools that were shown two journals."""
    with pytest.raises(JournalRefused, match=f"the receipt is of a journal of {len(log.leaves)} entries"):
        compare(LogOf.counting(8), TRUST, tmp_path, [LogOf.counting(3).head(), log.head()])
