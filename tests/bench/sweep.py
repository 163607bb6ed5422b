"""A sweep of 100,000 due bundles: how many a second, and that its memory doesn't grow with their number.

The bundles are rows, shares and journal entries of a thousand pupils, put in in bulk; each has one section, and its
ciphertext is small. `OVERDRACHT_SWEEP=2000` sweeps fewer.
"""

import os
import secrets
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from consent.db import open_engine
from consent.terms import Section
from handover.blobs import new_name
from handover.parts import now
from handover.retention import Kept
from handover.sweeping import sweep
from handover.tables import Bundle, BundleSection, Transfer
from migrations import upgrade
from tests.bench.table import Row
from tests.conftest import Databases
from tests.region import Region

MANY = int(os.environ.get("OVERDRACHT_SWEEP", "100000"))
PUPILS = 1_000
BATCH = 2_000
RATE = 500
"""How many a second it should do at least."""

GROWTH = 64 * 1024
"""How much the process may grow while it sweeps, in KiB."""


def rows() -> list[Row]:
    """Measure the sweep."""
    memory = Path("/dev/shm") if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(dir=memory) as name:
        region = _region(Path(name))
        _fill(region)
        before, start = _reset_peak(), time.perf_counter()
        done = sweep(region.parts, accept=1.0).done[Kept.EXPIRED_BUNDLE]
        seconds, grown = time.perf_counter() - start, _peak() - before
        region.parts.close()
    assert done == MANY
    work = f"sweep {MANY:,} due bundles (SQLite in memory)"
    rate: Any = "OK" if done / seconds >= RATE else "MISSED"
    return [
        Row(work, f"{done / seconds:.0f}/s", f"{seconds:.0f} s", "-", f">= {RATE}/s", rate),
        Row("memory while it sweeps", f"{grown / 1024:.0f} MiB more", "-", "-", f"<= {GROWTH // 1024} MiB", _ok(grown)),
    ]


def _ok(grown: int) -> Any:
    return "OK" if grown <= GROWTH else "MISSED"


def _peak() -> int:
    return int(Path("/proc/self/status").read_text("ascii").split("VmHWM:")[1].split()[0])


def _reset_peak() -> int:
    """Forget how large the process was while it measured other things; gives how large it is."""
    Path("/proc/self/clear_refs").write_text("5", "ascii")
    return _peak()


def _region(folder: Path) -> Region:
    urls = [f"sqlite:///{folder / which}.sqlite" for which in ("main", "keys")]
    main, keys = map(open_engine, urls)
    upgrade(main, "main")
    upgrade(keys, "keys")
    region = Region(Databases("sqlite", urls[0], urls[1], main, keys), folder)
    region.board("stad", "99AB00")
    region.board("dorp", "99CD00")
    return region


def _fill(region: Region) -> None:
    pupils = [region.pupil("99AB00", holders=1).pupil for _ in range(PUPILS)]
    long_ago = datetime.now(UTC) - timedelta(days=30)
    for begin in range(0, MANY, BATCH):
        these = range(begin, min(begin + BATCH, MANY))
        made = [_bundle(pupils[number % PUPILS], long_ago) for number in these]
        with region.parts.main.begin() as connection:
            for table, place in ((Transfer, 0), (Bundle, 1), (BundleSection, 2)):
                connection.execute(insert(table), [each[place] for each in made])
        folder = region.parts.blobs.folder
        assert folder is not None
        for _, bundle, section in made:
            region.parts.keystore.put_shares(bundle["store"], {str(Section.OKR): bytes(32)})
            (folder / section["object"]).write_bytes(b"sealed")


def _bundle(pupil: str, long_ago: datetime) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    transfer, bundle = secrets.token_hex(16), secrets.token_hex(16)
    row = {"id": transfer, "pupil": pupil, "sender": "99AB00", "receiver": "99CD00", "route": "POVO"}
    row |= {"policy": 0, "entry": 0}
    row |= {"purpose": "placement", "sections": "okr", "opened_at": now()}
    sealed = {"id": bundle, "transfer": transfer, "number": 1, "manifest": b"", "signatures": b"", "to_kid": bytes(32)}
    sealed |= {"store": new_name(), "expires_at": long_ago, "uploaded_at": long_ago}
    return row, sealed, {"bundle": bundle, "section": str(Section.OKR), "object": new_name()}
