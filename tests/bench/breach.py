"""Figures of the breach report: a year of a busy board, counted by pupil, person, school and section.

The journal is filled in bulk: a real tree over leaves of chance, and the board's rows in clear, which is all that a
report on whole days reads.
"""

import secrets
import sys
import tempfile
import time
import tracemalloc
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random

from sqlalchemy import insert

from consent import tree
from consent.db import Keys, Main, open_engine, writing
from consent.entry import LEAF_SIZE, WHOLE
from consent.events import Kind
from consent.journal import Journal
from consent.keystore import KeyStore
from consent.ledger import Ledger
from consent.tables import JournalBoard, JournalLeaf, core
from consent.touched import Period
from crypto.keys import SignKey
from crypto.merkle import leaf_hash
from handover.accesslog import SERVICE, Did
from handover.blobs import Blobs
from handover.breach import Report, report
from handover.parts import Parts, now
from handover.settings import Settings
from tests.bench.table import Row, Verdict

SIZE, SECONDS, MEGABYTES = 1_000_000, 60.0, 64.0
PUPILS, STAFF, BATCH = 5_000, 300, 20_000
BOARD, ORIGIN, FIRST = "board-a", "journal.example", date(2027, 1, 1)
YEAR = Period(datetime(2027, 1, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC))
KINDS = (Did.RELEASE, Did.DELIVERED, Did.QUESTION_SHOWN, Did.UPLOADED, Did.INVITED, Kind.GRANT, Kind.INZAGE)
KEY = SignKey.from_seed(bytes(32), "journal")


def rows(size: int = SIZE) -> list[Row]:
    """Measure a report on a journal of that size: its time, and in a second run its memory."""
    with tempfile.TemporaryDirectory() as folder:
        parts = _service(Path(folder))
        _fill(parts, size)
        begin = time.perf_counter()
        made = _report(parts)
        took = time.perf_counter() - begin
        assert made.entries == size
        assert len(made.pupils) == PUPILS
        tracemalloc.start()
        _report(parts)
        peak = tracemalloc.get_traced_memory()[1] / 2**20
        tracemalloc.stop()
        parts.close()
    work = f"a breach report on {size:,} entries of {PUPILS:,} pupils"
    return [
        Row(work, f"{took:.1f} s", "-", f"{size / took:,.0f} entries/s", f"<= {SECONDS:g} s", _verdict(took, SECONDS)),
        Row("the memory it takes", f"{peak:.1f} MB", "-", "-", f"<= {MEGABYTES:g} MB", _verdict(peak, MEGABYTES)),
    ]


def _verdict(value: float, limit: float) -> Verdict:
    return "OK" if value <= limit else "MISSED"


def _report(parts: Parts) -> Report:
    return report(parts, SERVICE, BOARD, YEAR, partial(_show, "counting"))


def _show(work: str, done: int, of: int) -> None:
    print(f"\r{work} {done:,} of {of:,}", end="" if done < of else "\n", file=sys.stderr, flush=True)


def _service(folder: Path) -> Parts:
    """Make the parts that a report needs, on SQLite."""
    main, keys = (open_engine(f"sqlite:///{folder / name}.sqlite") for name in ("main", "keys"))
    Main.metadata.create_all(main)
    Keys.metadata.create_all(keys)
    keystore = KeyStore(keys, folder / "epochs")
    journal = Journal(main, keystore, KEY, ORIGIN, now)
    journal.initialise()
    home = Settings(folder, "", "", b"", "", "", folder, "", folder, "", 1, 1)
    return Parts(home, main, keystore, journal, Ledger(journal), Blobs(str(folder / "blobs")), KEY, now)


def _fill(parts: Parts, size: int) -> None:
    """Write a year of entries, spread evenly over pupils, staff and kinds."""
    pupils = [parts.keystore.new_key("pupil", f"p{number}").tag for number in range(PUPILS)]
    staff = [parts.keystore.new_key("person", f"99AB00.s{number}/2027").tag for number in range(STAFF)]
    indexes = core(JournalBoard).indexes
    for index in indexes:
        index.drop(parts.main)
    with writing(parts.main) as session:
        head = tree.load(session, ORIGIN, KEY.public, lock=True)
        assert head is not None
        chance = Random(1)
        for begin in range(0, size, BATCH):
            indices = range(begin, min(begin + BATCH, size))
            session.execute(insert(core(JournalLeaf)), [_leaf(head, index) for index in indices])
            session.execute(insert(core(JournalBoard)), [_row(index, size, chance, pupils, staff) for index in indices])
            _show("filling", indices.stop, size)
        tree.save(session, head, ORIGIN, KEY)
    for index in indexes:
        index.create(parts.main)


def _leaf(head: tree.Head, index: int) -> dict[str, object]:
    leaf = secrets.token_bytes(LEAF_SIZE)
    hashed = leaf_hash(leaf)
    head.append(hashed)
    return {"idx": index, "leaf": leaf, "hash": hashed}


def _row(index: int, size: int, chance: Random, pupils: list[bytes], staff: list[bytes]) -> dict[str, object]:
    kind = KINDS[index % len(KINDS)]
    return {
        "board": BOARD,
        "number": index + 1,
        "idx": index,
        "type": int(kind),
        "day": FIRST + timedelta(days=index * 365 // size),
        "sections": chance.randrange(1, 256),
        "ground": "consent" if kind is Did.RELEASE else None,
        "outcome": "granted" if index % 3 else "WITHDRAWN",
        "school": f"99AB{chance.randrange(20):02}",
        "sees": WHOLE,
        "pupil_tag": pupils[index % PUPILS],
        "actor_tag": chance.choice(staff) if kind in Did else None,
    }
