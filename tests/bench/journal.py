"""Figures of the journal at a million entries: verifying and writing an export, searching, and proving.

Each is set against what it should cost: a bare pass over the leaves, or the same on a small journal.
"""

import subprocess
import sys
import time
from binascii import unhexlify
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, cast

from consent.db import reading
from consent.exported import LEAF
from consent.journal import Criteria
from consent.terms import Section
from consent.verify import verify_export
from tests.bench.bulk import BEGIN, BOARDS, KEY, Bulk, bulk, person, pupil, school
from tests.bench.table import Row, Verdict, at_most, compare

SMALL, MIDDLE, LARGE = 10_000, 100_000, 1_000_000
PROOFS, PAGES, PAGE, MEGABYTES = 50, 20, 10, 256
EXPORTED, EVENTS = 50_000, 30
ROUNDS = 3

_PEAK = """
import sys
from pathlib import Path
from consent.verify import verify_export
assert verify_export(Path(sys.argv[1]))
status = Path("/proc/self/status").read_text()
print(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")))
"""
"""Of the process itself: what `getrusage` gives counts the memory of the process that started it, too."""


def rows(large: int = LARGE, middle: int = MIDDLE, small: int = SMALL) -> list[Row]:
    """Measure the journal's rows of the ledger's table."""
    most = bulk(large)
    path = most.export()
    found = [*verifying(most, path), memory(most, path), exporting(most)]
    return [*found, *searching(bulk(small), most), checking(most), proving(bulk(middle), most)]


def bare_pass(path: Path) -> bytes:
    """Hash the leaves that stand in a file into their root, level by level: no checks, nothing else read."""
    with path.open("rb") as file:
        level = [sha256(b"\0" + unhexlify(line[LEAF])).digest() for line in file if line.startswith(b'{"hash"')]
    while len(level) > 1:
        odd = level[-1:] if len(level) % 2 else []
        pairs = zip(level[::2], level[1::2], strict=False)
        level = [sha256(b"\1" + left + right).digest() for left, right in pairs] + odd
    return level[0]


def verifying(journal: Bulk, path: Path) -> list[Row]:
    """Verify an export with the log's key and a checkpoint from elsewhere, beside hashing its leaves."""

    def verify(hashes_only: bool) -> None:
        report = verify_export(path, KEY.public, journal.checkpoint, hashes_only=hashes_only)
        assert report, report.findings
        assert report.size == journal.size

    peer = partial(bare_pass, path)
    cases = ((f"verify an export of {journal.size:,}, hashes only", True, 1.5), ("the same, every part", False, 10))
    return [
        at_most(label, *compare(partial(verify, only), peer, ROUNDS), limit, "a bare Merkle pass over its leaves")
        for label, only, limit in cases
    ]


def memory(journal: Bulk, path: Path) -> Row:
    """Verify every part in a process of its own, and see how much memory it ever held."""
    ran = subprocess.run([sys.executable, "-c", _PEAK, str(path)], capture_output=True, text=True, check=True)
    peak = int(ran.stdout) / 1024
    return _limit(f"memory to verify {journal.size:,} entries", f"{peak:.0f} MB", peak / MEGABYTES, f"{MEGABYTES} MB")


def exporting(journal: Bulk) -> Row:
    """Write entries out, opened, and count them by the second; nothing was promised but the figure."""

    class Enough(Exception):
        pass

    class Sink:
        lines = 0

        def write(self, data: bytes) -> int:
            self.lines += 1
            if self.lines > EXPORTED:
                raise Enough
            return len(data)

    begin = time.perf_counter()
    with suppress(Enough):
        journal.journal.export(cast(BinaryIO, Sink()))
    rate = min(EXPORTED, journal.size) / (time.perf_counter() - begin)
    return Row("export of the journal", f"{rate:,.0f} entries/s", "-", "-", "a figure", "OK")


def searching(small: Bulk, large: Bulk) -> list[Row]:
    """Search by each criterion in the large journal and in the small one: a page from the top, and one from below."""
    day = (BEGIN + timedelta(days=2)).date()
    board, at = BOARDS[1], 1
    criteria: dict[str, dict[str, Any]] = {
        "nothing": {},
        "pupil": {"pupil": pupil(at)},
        "person": {"person": person(at)},
        "school": {"school": school(at)},
        "section": {"section": Section.SUPPORT},
        "ground": {"ground": "statutory"},
        "outcome": {"outcome": "WITHDRAWN"},
        "type": {"type": 0x27},
        "period": {"since": day, "until": day + timedelta(days=2)},
    }
    found = []
    for name, said in criteria.items():
        one = Criteria(**said)
        ours, peer = compare(_pages(large, board, one), _pages(small, board, one), ROUNDS)
        label = f"a page of a search by {name}, {large.size:,} entries"
        found.append(at_most(label, ours / PAGES, peer / PAGES, 3, f"in {small.size:,}"))
    return found


def _pages(journal: Bulk, board: str, criteria: Criteria) -> Callable[[], None]:
    """Go down page after page, and begin again at the top where they end."""

    def work() -> None:
        before = None
        with reading(journal.main) as session:
            for _ in range(PAGES):
                found = journal.journal.search(session, board, criteria, before, PAGE)
                assert found or before is not None
                before = found[-1].index if len(found) == PAGE else None

    return work


def checking(journal: Bulk) -> Row:
    """Hold a pupil's entries against the journal's signed head, as each decision does; nothing was promised."""
    spread = range(0, journal.size, journal.size // EVENTS)

    def work() -> None:
        with reading(journal.main) as session:
            journal.journal.check_signed(session, spread)

    work()
    begin = time.perf_counter()
    for _ in range(PAGES):
        work()
    took = (time.perf_counter() - begin) / PAGES
    label = f"check {EVENTS} entries of a pupil against the head, {journal.size:,}"
    return Row(label, f"{took * 1000:.1f} ms", "-", "-", "a figure", "OK")


def proofs(journal: Bulk) -> Callable[[], None]:
    """Prove entries all over the journal, each in a transaction of its own."""

    def work() -> None:
        for index in range(0, journal.size, journal.size // PROOFS):
            with reading(journal.main) as session:
                assert journal.journal.inclusion_proof(session, index, journal.size)

    return work


def proving(small: Bulk, large: Bulk) -> Row:
    """Prove inclusion in the larger tree and in the smaller."""
    ours, peer = compare(proofs(large), proofs(small))
    label = f"an inclusion proof at {large.size:,} entries"
    return at_most(label, ours / PROOFS, peer / PROOFS, 1.3, f"at {small.size:,}")


def _limit(work: str, ours: str, ratio: float, limit: str) -> Row:
    verdict: Verdict = "OK" if ratio < 1 else "MISSED"
    return Row(work, ours, f"limit {limit}", f"{ratio:.2f}x of it", f"< {limit}", verdict)
