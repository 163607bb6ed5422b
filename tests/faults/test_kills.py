"""Processes killed at every step of an upload, a withdrawal and a release, and what the next start finds.

H3: nothing that was acknowledged is lost, nothing is half done, and what was begun is finished or never was.
"""

import secrets
import shutil
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import select

from consent.db import open_engine, reading
from consent.errors import StartRefused
from consent.events import Kind
from consent.tables import Share
from consent.terms import Section
from handover.accesslog import Did
from handover.app import recover
from handover.parts import Parts, now
from handover.release import SETTLE_AFTER, Released, Withheld, release, settle
from handover.tables import Bundle, BundleSection
from tests.conftest import Databases
from tests.faults.mortal import fetch_it, start, steps_of, upload_it, withdraw_it
from tests.faults.story import FETCHES, File, granted_file, journal_of, second_version
from tests.faults.worker import PROCESSES
from tests.region import Region

OKR = (Section.OKR,)


def restarted(region: Region) -> Parts:
    """Do what a process does when it starts."""
    region.parts.journal.start()
    recover(region.parts)
    return region.parts


def kept(region: Region, databases: Databases, bundle: Bundle) -> tuple[set[str], set[str]]:
    """Give the sections of which shares are kept, and those of which there is ciphertext."""
    with reading(databases.keys) as session:
        shares = set(session.scalars(select(Share.section).where(Share.bundle == bundle.store)))
    with reading(databases.main) as session:
        rows = list(session.scalars(select(BundleSection).where(BundleSection.bundle == bundle.id)))
    return shares, {row.section for row in rows if (Path(region.settings.blobs) / row.object).exists()}


def versions(databases: Databases, file: File) -> list[Bundle]:
    with reading(databases.main) as session:
        return list(session.scalars(select(Bundle).where(Bundle.transfer == file.transfer).order_by(Bundle.number)))


def counted(parts: Parts, file: File, *types: int) -> list[int]:
    entries = [entry.type for entry in journal_of(parts, file.pupil)]
    return [entries.count(each) for each in types]


def test_an_upload_killed_at_any_step_happened_whole_or_not_at_all(region: Region, databases: Databases) -> None:
    """H3, H6, H8: of the two versions exactly one is whole, and the same request again ends with the new one."""
    every = {str(name) for name in Section}

    def files() -> tuple[Any, ...]:
        file = granted_file(region, holders=1)
        return file, secrets.token_hex(8), second_version(region, file)

    taken = []
    for (file, key, data), answer in steps_of(upload_it, files):
        parts = restarted(region)
        *replaced, last = versions(databases, file)
        assert kept(region, databases, last) == (every, every)
        assert all(kept(region, databases, old) == (set(), set()) for old in replaced)
        assert counted(parts, file, Did.UPLOADED, Did.SHRED_INTENT, Did.SHRED_DONE) == [
            1 + len(replaced),
            len(replaced),
            len(replaced),
        ]
        taken.append(bool(replaced))
        assert answer is None or answer["bundle"] == last.id

        again = upload_it(parts, file, key, data)
        found = release(parts, FETCHES, file.transfer, OKR)
        assert isinstance(found, Released)
        assert found.bundle.id == again["bundle"] == versions(databases, file)[1].id
        assert counted(parts, file, Did.UPLOADED, Did.SHRED_DONE) == [2, 1]
    assert taken == sorted(taken)  # once it is taken, it is taken at every later step
    assert min(taken.count(False), taken.count(True)) >= 4


def test_a_withdrawal_killed_at_any_step_holds_and_is_shredded_or_was_never_made(
    region: Region, databases: Databases
) -> None:
    """H3, H6, A1: and once it is in the journal, the next start has destroyed the share."""
    made = []

    def files() -> tuple[Any, ...]:
        return granted_file(region, holders=1), secrets.token_hex(8)

    for (file, key), answer in steps_of(withdraw_it, files):
        parts = restarted(region)
        (bundle,) = versions(databases, file)
        shares, objects = kept(region, databases, bundle)
        found = release(parts, FETCHES, file.transfer, OKR)
        withdrawn = counted(parts, file, Kind.WITHDRAW, Did.SHRED_INTENT, Did.SHRED_DONE)
        assert shares == objects
        if "okr" in shares:
            assert isinstance(found, Released)
            assert withdrawn == [0, 0, 0]
        else:
            assert found == Withheld("WITHDRAWN")
            assert withdrawn == [1, 1, 1]
        made.append("okr" not in shares)
        assert answer is None or made[-1]

        withdraw_it(parts, file, key)
        assert counted(parts, file, Kind.WITHDRAW, Did.SHRED_INTENT, Did.SHRED_DONE) == [1, 1, 1]
    assert made[:2] == [False, True]
    assert len(made) >= 6


def test_a_release_killed_at_any_step_is_logged_and_ends_as_unknown(region: Region) -> None:
    """H3, K6: every granted decision has one outcome; where nobody knows it, that is said."""
    later = replace(region.parts, clock=lambda: now() + SETTLE_AFTER)
    outcomes = []
    for (file,), answer in steps_of(fetch_it, lambda: (granted_file(region, holders=1),)):
        parts = restarted(region)
        assert counted(parts, file, Did.UNKNOWN) == [0]  # it may still be under way
        settle(later)
        granted, unknown, delivered = counted(parts, file, Did.RELEASE, Did.UNKNOWN, Did.DELIVERED)
        assert granted == unknown + delivered <= 1
        assert answer is None or delivered == 1
        outcomes.append("delivered" if delivered else "unknown" if unknown else "none")
    assert {"none", "unknown", "delivered"} == set(outcomes)


def test_an_older_main_database_put_back_is_refused_at_the_start(
    region: Region, databases: Databases, postgresql_url: str, tmp_path: Path
) -> None:
    """K4: a withdrawal that was acknowledged can't be taken away by a backup."""
    file = granted_file(region, holders=1)
    older = older_copy(databases, postgresql_url, tmp_path)
    region.family("withdrawal", {"token": file.tokens[0], "sections": ["okr"], "destroy_now": False})
    with ProcessPoolExecutor(1, PROCESSES) as pool:
        starts = [
            pool.submit(start, settings) for settings in (region.settings, replace(region.settings, database_url=older))
        ]
    assert [start.result() for start in starts] == [None, StartRefused.ROLLBACK]
    assert release(restarted(region), FETCHES, file.transfer, OKR) == Withheld("WITHDRAWN")


def older_copy(databases: Databases, postgresql_url: str, folder: Path) -> str:
    """Take a backup of the main database; gives its address."""
    databases.main.dispose()
    if databases.kind == "sqlite":
        return f"sqlite:///{shutil.copyfile(str(databases.main.url.database), folder / 'older.sqlite')}"
    server = open_engine(postgresql_url).execution_options(isolation_level="AUTOCOMMIT")
    name = databases.main.url.database
    with server.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}_older TEMPLATE {name}")
    server.dispose()
    return databases.main.url.set(database=f"{name}_older").render_as_string(hide_password=False)
