"""The two databases: what is asserted at start, who waits for whom, and moments that keep their zone."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import create_engine, event, text
from sqlalchemy.exc import StatementError

from consent import db
from consent.db import open_engine, reading, writing
from consent.errors import NaiveTime, UnsafeDatabase
from consent.tables import Epoch
from tests.conftest import Databases

NOW = datetime(2026, 3, 29, 0, 59, 58, 123456, tzinfo=UTC)


def test_sqlite_is_opened_with_every_safe_setting(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/a.sqlite")
    with engine.connect() as connection:
        found = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "secure_delete", "busy_timeout")
        ]
    assert found == ["wal", 2, 1, 1, 10_000]


def test_sqlite_in_memory_is_refused_since_it_keeps_no_write_ahead_log() -> None:
    with pytest.raises(UnsafeDatabase, match="journal_mode is memory") as refused:
        open_engine("sqlite://")
    assert refused.value.setting == "journal_mode"


def test_a_pragma_that_does_not_hold_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(db, "_PRAGMAS", (("synchronous", "NORMAL", 2),))
    with pytest.raises(UnsafeDatabase, match="synchronous is 1"):
        open_engine(f"sqlite:///{tmp_path}/a.sqlite")


def test_another_kind_of_database_is_refused() -> None:
    with pytest.raises(UnsafeDatabase, match="kind is mysql"):
        open_engine("mysql://localhost/x")


@pytest.mark.parametrize(
    ("setting", "value", "found"),
    [
        ("synchronous_commit", "off", "off"),
        ("synchronous_commit", "local", "local"),
    ],
)
def test_postgresql_that_may_lose_a_commit_is_refused(
    postgresql_url: str, postgresql_templates: dict[str, str], setting: str, value: str, found: str
) -> None:
    admin = create_engine(postgresql_url, isolation_level="AUTOCOMMIT")
    name = f"unsafe_{value}"
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
        connection.exec_driver_sql(f"ALTER DATABASE {name} SET {setting} = '{value}'")
    with pytest.raises(UnsafeDatabase, match=f"{setting} is {found}"):
        open_engine(admin.url.set(database=name).render_as_string(hide_password=False))
    admin.dispose()


def test_postgresql_reads_committed_even_where_its_default_is_another(postgresql_url: str) -> None:
    admin = create_engine(postgresql_url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql("CREATE DATABASE other_default")
        connection.exec_driver_sql("ALTER DATABASE other_default SET default_transaction_isolation = 'serializable'")
    engine = open_engine(admin.url.set(database="other_default").render_as_string(hide_password=False))
    with writing(engine) as session:
        assert session.scalar(text("SHOW transaction_isolation")) == "read committed"
    engine.dispose()
    admin.dispose()


def test_a_writer_holds_the_lock_before_it_reads_and_a_reader_takes_none(sqlite_databases: Databases) -> None:
    begun: list[str] = []
    event.listen(sqlite_databases.keys, "before_cursor_execute", lambda *given: begun.append(given[2]))
    with writing(sqlite_databases.keys) as session:
        session.connection()
    with reading(sqlite_databases.keys) as session:
        session.connection()
    assert begun == ["BEGIN IMMEDIATE", "BEGIN"]


def test_a_reader_sees_what_stood_there_while_a_writer_is_busy(databases: Databases) -> None:
    with writing(databases.keys) as session:
        session.add(Epoch(number=1, current=True))
        session.flush()
        with reading(databases.keys) as other:
            assert other.get(Epoch, 1) is None
    with reading(databases.keys) as other:
        assert other.get(Epoch, 1) is not None


def test_a_block_that_raises_leaves_nothing_behind(databases: Databases) -> None:
    def fail() -> None:
        with writing(databases.keys) as session:
            session.add(Epoch(number=1, current=True))
            session.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with reading(databases.keys) as session:
        assert session.get(Epoch, 1) is None


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=2)), timezone(timedelta(hours=-9, minutes=-30))])
def test_a_moment_comes_back_aware_and_in_utc(databases: Databases, zone: timezone) -> None:
    with writing(databases.keys) as session:
        session.add(Epoch(number=1, current=True, emptied_at=NOW.astimezone(zone)))
    with reading(databases.keys) as session:
        found = session.get_one(Epoch, 1).emptied_at
    assert found == NOW
    assert found.utcoffset() == timedelta(0)


def test_no_moment_stays_no_moment(databases: Databases) -> None:
    with writing(databases.keys) as session:
        session.add(Epoch(number=1, current=True))
    with reading(databases.keys) as session:
        assert session.get_one(Epoch, 1).emptied_at is None


def test_a_naive_moment_is_refused(databases: Databases) -> None:
    with pytest.raises(StatementError) as refused, writing(databases.keys) as session:
        session.add(Epoch(number=1, current=True, emptied_at=NOW.replace(tzinfo=None)))
    assert isinstance(refused.value.orig, NaiveTime)


def test_an_error_of_the_database_does_not_repeat_the_values(databases: Databases) -> None:
    with pytest.raises(StatementError) as refused, writing(databases.keys) as session:
        session.execute(text("SELECT :secret FROM nowhere"), {"secret": "canary-77"})
    assert "canary-77" not in str(refused.value)
