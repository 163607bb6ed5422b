"""Figures of the breach report: everything that all boards ever logged, by pupil, person, school and section."""

import sys
import time
import tracemalloc
from datetime import timedelta
from functools import partial
from typing import cast

from consent.ledger import Ledger
from consent.touched import Period
from handover.accesslog import SERVICE
from handover.blobs import Blobs
from handover.breach import Report, report
from handover.parts import Parts
from handover.register import Register
from handover.settings import Settings
from tests.bench.bulk import A_DAY, BEGIN, BOARDS, KEY, PUPILS, Bulk, bulk
from tests.bench.table import Row, Verdict

SIZE, SECONDS, MEGABYTES = 1_000_000, 60.0, 64.0


def rows(size: int = SIZE) -> list[Row]:
    """Measure a report of every board on a journal of that size: its time, and in a second run its memory."""
    parts = _service(bulk(size))
    begin = time.perf_counter()
    made = _reports(parts, size)
    took = time.perf_counter() - begin
    assert sum(one.entries for one in made) == size
    assert sum(len(one.pupils) for one in made) == PUPILS
    tracemalloc.start()
    _reports(parts, size)
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    work = f"breach reports of {len(BOARDS)} boards on {size:,} entries"
    return [
        Row(work, f"{took:.1f} s", "-", f"{size / took:,.0f} entries/s", f"<= {SECONDS:g} s", _verdict(took, SECONDS)),
        Row("the memory they take", f"{peak:.1f} MB", "-", "-", f"<= {MEGABYTES:g} MB", _verdict(peak, MEGABYTES)),
    ]


def _verdict(value: float, limit: float) -> Verdict:
    return "OK" if value <= limit else "MISSED"


def _reports(parts: Parts, size: int) -> list[Report]:
    midnight = BEGIN.replace(hour=0)
    period = Period(midnight, midnight + timedelta(days=size // A_DAY + 2))
    return [report(parts, SERVICE, board, period, partial(_show, board)) for board in BOARDS]


def _show(work: str, done: int, of: int) -> None:
    print(f"\r  counting for {work}: {done:,} of {of:,}", end="" if done < of else "\n", file=sys.stderr, flush=True)


def _service(loaded: Bulk) -> Parts:
    """Put the parts around a loaded journal that a report needs."""
    settings = cast(Settings, None)  # a report reads none
    ledger, blobs = Ledger(loaded.journal), Blobs(str(loaded.folder / "blobs"))
    return Parts(
        settings, loaded.main, loaded.keystore, loaded.journal, ledger, blobs, KEY, lambda: BEGIN, Register(bytes(32))
    )
