"""A sweep that dies at every step and is started again, and four that work at once.

J3: nothing is done twice, nothing is missed, and nothing is half done after the next sweep.
"""

import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import count

import pytest
import time_machine
from sqlalchemy import Connection, Engine, event, insert, select

from consent import inventory
from consent.db import reading
from consent.tables import JournalErasure, JournalLookup, Pupil
from handover.accesslog import Did
from handover.app import recover
from handover.blobs import Blobs
from handover.parts import Parts, assemble, now
from handover.release import Released, hand_out
from handover.retention import Kept
from handover.settings import Settings
from handover.sweeping import Swept, sweep
from handover.tables import Bundle, BundleSection, Lease, Person, Transfer
from tests.conftest import Databases
from tests.faults.mortal import killed_at
from tests.faults.story import RECEIVER, SENDER, File, granted_file
from tests.faults.test_at_once import asking
from tests.faults.worker import meet, race_of
from tests.region import Region

ORPHANS, TRANSFERS = 1900, 100
BEFORE_CIPHERTEXT = 6
"""The step of a sweep before it removes the first bundle's ciphertext: the share is gone by then."""
TOGETHER = 4


class Dead(BaseException):
    """The process is no more: nothing that it still does in this test has any effect."""


@contextmanager
def before_each_step(tick: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Do something just before each change for good: a commit of either database, a removal of ciphertext.

    On SQLite a commit of nothing is no step.
    """
    real = Blobs.delete

    def one_by_one(self: Blobs, *names: str) -> bool:
        there = [(tick(), real(self, name))[1] for name in names]
        return all(there)

    def begins(connection: Connection) -> None:
        connection.info["changes"] = _changes(connection)

    def commits(connection: Connection) -> None:
        reads = connection.get_execution_options().get("reading")
        if not reads and (not connection.info["changes"] or _changes(connection) != connection.info["changes"]):
            tick()

    event.listen(Engine, "begin", begins)
    event.listen(Engine, "commit", commits)
    with monkeypatch.context() as patch:
        patch.setattr(Blobs, "delete", one_by_one)
        try:
            yield
        finally:
            event.remove(Engine, "begin", begins)
            event.remove(Engine, "commit", commits)


@contextmanager
def dying_at(step: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Die just before a step."""
    steps = count(1)

    def tick() -> None:
        if next(steps) >= step:
            raise Dead

    with before_each_step(tick, monkeypatch):
        yield


def _changes(connection: Connection) -> int:
    """Count the rows that a connection to SQLite has changed so far, and one."""
    total: int = getattr(connection.connection.dbapi_connection, "total_changes", -1)
    return total + 1


def swept_after_deaths(parts: Parts, ahead: timedelta, monkeypatch: pytest.MonkeyPatch) -> tuple[int, Swept]:
    """Sweep at a later time, dying one step later each time, until it lives; gives how often it died."""
    for step in count(1):
        # Six minutes a step, so that what the dead one had claimed is free again.
        with time_machine.travel(now() + ahead + step * timedelta(minutes=6)):
            parts.journal.start()
            recover(parts)
            try:
                with dying_at(step, monkeypatch):
                    return step - 1, sweep(parts, accept=1.0, accept_clock=True)
            except Dead:
                continue
    raise AssertionError


@pytest.mark.parametrize("databases", ["postgresql"], indirect=True)
def test_a_sweep_that_dies_again_and_again_is_finished_by_the_last(
    region: Region, databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    """J3, H3: bundles and a transfer; then contact data and a pupil without a release; then all that is left.

    The deaths add up here; `tests/handover/test_sweep_deaths.py` lets each begin from the same copy.
    """
    released, cancelled = granted_file(region, holders=1), granted_file(region, holders=1)
    found = asking(region, released)()
    assert isinstance(found, Released)
    assert b"".join(hand_out(region.parts, found))
    region.post(SENDER, f"/v1/transfers/{cancelled.transfer}/cancel", {})
    parts = region.parts

    def said(*kinds: Did) -> Counter[int]:
        with reading(parts.main) as session:
            return Counter(session.scalars(select(JournalLookup.type).where(JournalLookup.type.in_(kinds))))

    def gone(days: int) -> int:
        deaths, _ = swept_after_deaths(parts, timedelta(days=days), monkeypatch)
        with reading(parts.main) as session:
            assert session.scalars(select(JournalErasure)).all() == []
            assert session.scalars(select(Lease)).all() == []
            stores = set(session.scalars(select(Bundle.store).join(BundleSection)))
            objects = sorted(session.scalars(select(BundleSection.object)))
        assert (set(inventory.stores(parts.keystore)), parts.blobs.names()) == (stores, objects)
        return deaths

    assert gone(100) >= 10
    assert said(Did.SHRED_INTENT, Did.SHRED_DONE, Did.DESTROYED) == {
        Did.SHRED_INTENT: 2,
        Did.SHRED_DONE: 2,
        Did.DESTROYED: 1,
    }
    assert parts.blobs.names() == []
    assert gone(500) >= 5
    with reading(parts.main) as session:
        assert session.get_one(Pupil, cancelled.pupil).erased
        assert set(session.scalars(select(Person.sealed))) == {None}
    assert said(Did.DESTROYED) == {Did.DESTROYED: 3}
    assert gone(366 * 7) >= 5
    with reading(parts.main) as session:
        assert session.get_one(Pupil, released.pupil).erased
        assert session.scalars(select(Transfer)).all() == []
    assert said(Did.DESTROYED) == {Did.DESTROYED: 4}
    assert parts.journal.staff_of(now().year) == []


def sweep_it(parts: Parts, file: File, moment: datetime) -> dict[str, int]:
    """Sweep at a later time."""
    with time_machine.travel(moment):
        return dict(sweep(parts, accept=1.0, accept_clock=True).done)


def test_a_sweep_process_that_is_killed_between_share_and_ciphertext_is_finished_by_the_next(region: Region) -> None:
    """J3, H3: SIGKILL, after which nothing of it runs."""
    file = granted_file(region, holders=1)
    region.post(SENDER, f"/v1/transfers/{file.transfer}/cancel", {})
    parts, moment = region.parts, now() + timedelta(days=100)
    assert killed_at(BEFORE_CIPHERTEXT, sweep_it, file, moment) is None
    assert (len(parts.blobs.names()), inventory.stores(parts.keystore)) == (8, [])
    with time_machine.travel(moment + timedelta(minutes=6)):
        parts.journal.start()
        recover(parts)
        assert sweep(parts, accept=1.0, accept_clock=True).left == {}
    with reading(parts.main) as session:
        assert session.scalars(select(Transfer)).all() == []
        assert session.scalars(select(Lease)).all() == []
        kinds = Counter(session.scalars(select(JournalLookup.type)))
    assert [kinds[did] for did in (Did.SHRED_INTENT, Did.SHRED_DONE, Did.DESTROYED)] == [1, 1, 1]
    assert parts.blobs.names() == []


# ---- four at once


def due_transfers(region: Region) -> set[str]:
    """Put transfers in, of twenty pupils, that were cancelled long ago."""
    pupils = [region.pupil(SENDER, holders=1).pupil for _ in range(20)]
    made = [
        {
            "id": secrets.token_hex(16),
            "pupil": pupils[number % len(pupils)],
            "sender": SENDER,
            "receiver": RECEIVER,
            "route": "POVO",
            "purpose": "placement",
            "sections": "okr",
            "policy": 0,
            "entry": 0,
            "opened_at": now() - timedelta(days=60),
            "cancelled_at": now() - timedelta(days=50),
        }
        for number in range(TRANSFERS)
    ]
    with region.parts.main.begin() as connection:
        connection.execute(insert(Transfer), made)
    return {str(row["id"]) for row in made}


def orphans(region: Region) -> None:
    """Leave shares and ciphertext behind, as uploads that died long ago would."""
    folder = region.parts.blobs.folder
    assert folder is not None
    hour = (now() - timedelta(hours=26)).strftime("%Y%m%d%H")
    for number in range(ORPHANS):
        name = f"{hour}{number:022}"
        if number % 10:
            (folder / name).write_bytes(b"left behind")
        else:
            region.parts.keystore.put_shares(name, {"okr": bytes(32)})


def sweeping(settings: Settings) -> tuple[int, int]:
    """Sweep in a process of its own; gives how many transfers and orphans it removed."""
    parts = assemble(settings)
    meet()
    swept = sweep(parts, accept=1.0, accept_clock=True)
    parts.close()
    assert swept.left == {}
    return swept.done[Kept.CANCELLED_TRANSFER], swept.done[Kept.ORPHAN]


def test_four_sweeps_at_once_do_two_thousand_once_each(region: Region) -> None:
    """J3: 0 twice, 0 missed."""
    wanted = due_transfers(region)
    orphans(region)
    done = race_of([(sweeping, (region.settings,))] * TOGETHER)
    print(f"removed by each, transfers and orphans: {done}")
    assert [sum(each) for each in zip(*done, strict=True)] == [TRANSFERS, ORPHANS]
    with reading(region.parts.main) as session:
        assert session.scalars(select(Transfer)).all() == []
        entries = session.scalars(select(JournalLookup.index).where(JournalLookup.type == int(Did.DESTROYED)))
        said = [region.parts.journal.read(session, index).terms["transfer"] for index in entries]
    assert len(said) == TRANSFERS
    assert set(said) == wanted
    assert (region.parts.blobs.names(), inventory.stores(region.parts.keystore)) == ([], [])
