"""Opens the two databases, and refuses one that would lose what it acknowledged.

SQLite: write-ahead log with synchronous=FULL (with NORMAL a power cut loses acknowledged commits), foreign keys and
secure_delete on. A writer begins with BEGIN IMMEDIATE, so that it holds the lock before it reads; a reader with BEGIN.
PostgreSQL: READ COMMITTED, synchronous_commit and fsync on, and the primary, never a standby. All of it is asserted on
every new connection, since a setting can change under a running service.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC as ZONE
from datetime import datetime
from sqlite3 import Connection as SQLiteConnection
from typing import TYPE_CHECKING

from sqlalchemy import Connection, DateTime, Dialect, Engine, MetaData, create_engine, event, make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.types import TypeDecorator

from consent.errors import DatabaseUnreachable, NaiveTime, UnsafeDatabase

if TYPE_CHECKING:
    from psycopg import Connection as PostgreSQLConnection

BUSY_MS = 10_000
"""How long a writer waits for another one's lock on SQLite, in milliseconds."""

_NAMES = {
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
}

_PRAGMAS: tuple[tuple[str, str, object], ...] = (
    ("journal_mode", "WAL", "wal"),
    ("synchronous", "FULL", 2),
    ("foreign_keys", "ON", 1),
    ("secure_delete", "ON", 1),
)

_POSTGRESQL = """
SELECT current_setting('synchronous_commit'), current_setting('fsync'), current_setting('full_page_writes'),
       current_setting('transaction_isolation'), pg_is_in_recovery()::text
"""
_POSTGRESQL_SAFE = {
    "synchronous_commit": "on",
    "fsync": "on",
    "full_page_writes": "on",
    "transaction_isolation": "read committed",
    "standby": "false",
}


class Main(DeclarativeBase):
    """Tables of the main database: the journal, and what the upper floor keeps."""

    metadata = MetaData(naming_convention=_NAMES)


class Keys(DeclarativeBase):
    """Tables of the key store, a database of its own."""

    metadata = MetaData(naming_convention=_NAMES)


class UTC(TypeDecorator[datetime]):
    """A moment: aware in, UTC and aware out, the same on both databases.

    SQLite would give it back naive, and a hash over it would differ between the databases. A naive moment raises
    `NaiveTime`.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn an aware moment into UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise NaiveTime("a moment needs a time zone")
        return value.astimezone(ZONE)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give the moment its zone, where the database kept none."""
        if value is None:
            return None
        return value.replace(tzinfo=ZONE) if value.tzinfo is None else value.astimezone(ZONE)


def open_engine(url: str, name: str = "the database") -> Engine:
    """Open a database and prove that it is safe.

    `url` is `sqlite:////path/to/file` or `postgresql://...`, `name` what an error calls it. Raises `UnsafeDatabase` for
    any other kind and for a setting that doesn't hold, `DatabaseUnreachable` where nothing answers. Values never appear
    in its errors or logs (`hide_parameters`).
    """
    parsed = make_url(url)
    kind = parsed.get_backend_name()
    if kind == "sqlite":
        engine = create_engine(
            parsed.set(drivername="sqlite+pysqlite"),
            hide_parameters=True,
            connect_args={"isolation_level": None, "timeout": BUSY_MS / 1000},
        )
        event.listen(engine, "connect", _check_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    elif kind == "postgresql":
        engine = create_engine(
            parsed.set(drivername="postgresql+psycopg"), hide_parameters=True, isolation_level="READ COMMITTED"
        )
        event.listen(engine, "connect", _check_postgresql)
    else:
        raise UnsafeDatabase("kind", kind)
    try:
        with engine.connect():
            return engine
    except OperationalError as problem:
        address = parsed.set(query={}).render_as_string()  # without a password, which it may hold too
        raise DatabaseUnreachable(name, address, str(problem.orig).partition("\n")[0]) from None


@contextmanager
def writing(engine: Engine) -> Iterator[Session]:
    """Open a transaction that may write, and commit it unless the block raises."""
    with Session(engine, expire_on_commit=False) as session, session.begin():
        yield session


@contextmanager
def reading(engine: Engine) -> Iterator[Session]:
    """Open a transaction that only reads, and so waits for no writer on SQLite."""
    only = engine.execution_options(reading=True, postgresql_readonly=True)
    with Session(only, expire_on_commit=False) as session, session.begin():
        yield session


@contextmanager
def snapshot(engine: Engine) -> Iterator[Session]:
    """Open a transaction that only reads, and sees one state of the database for as long as it lasts."""
    once = {"isolation_level": "REPEATABLE READ"} if engine.dialect.name == "postgresql" else {}
    with reading(engine.execution_options(**once)) as session:
        yield session


def truncate(engine: Engine) -> None:
    """Cut SQLite's write-ahead log, where deleted values still stand.

    A reader that is under way keeps it from being cut; it isn't waited for, the next one who calls cuts.
    """
    if engine.dialect.name == "sqlite":
        with closing(engine.raw_connection()) as connection:
            cursor = connection.cursor()
            cursor.execute("PRAGMA busy_timeout = 100")
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            cursor.execute(f"PRAGMA busy_timeout = {BUSY_MS}")


def is_postgresql(session: Session) -> bool:
    """Tell whether the session speaks to PostgreSQL, where locks have to be asked for by name."""
    return session.get_bind().dialect.name == "postgresql"


def _check_sqlite(connection: SQLiteConnection, _record: ConnectionPoolEntry) -> None:
    for name, wanted, answer in _PRAGMAS:
        connection.execute(f"PRAGMA {name} = {wanted}")
        found = connection.execute(f"PRAGMA {name}").fetchone()[0]
        if found != answer:
            raise UnsafeDatabase(name, found)


def _begin_sqlite(connection: Connection) -> None:
    plain = connection.get_execution_options().get("reading", False)
    connection.exec_driver_sql("BEGIN" if plain else "BEGIN IMMEDIATE")


def _check_postgresql(connection: "PostgreSQLConnection[tuple[str, ...]]", _record: ConnectionPoolEntry) -> None:
    row = connection.execute(_POSTGRESQL).fetchone()
    connection.rollback()
    for (name, wanted), found in zip(_POSTGRESQL_SAFE.items(), row or (), strict=True):
        if found != wanted:
            raise UnsafeDatabase(name, found)
