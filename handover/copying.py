"""A database as one file, and a file as a database: sqlite3's backup API, and pg_dump with pg_restore.

The programs of PostgreSQL are found on the PATH, of the server's version or newer. A password goes to them through the
environment, never on a command line that everybody may read.
"""

import os
import sqlite3
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import quote

from sqlalchemy import Boolean, Column, DateTime, Engine, LargeBinary, TypeDecorator, create_engine, inspect, select
from sqlalchemy.exc import SQLAlchemyError

from crypto.files import PRIVATE_FILE, fsync_folder, partial_of
from handover.errors import HandoverError

Kind = Literal["sqlite", "postgresql"]
Copy = Callable[[Path], None]
MARK: Final = "mark"
"""The table that no copy holds: nothing starts on a key store that was put back before a restore has set it."""


class CopyFailed(HandoverError):
    """A database couldn't be copied or put back."""


def kind_of(engine: Engine) -> Kind:
    """Tell which kind of database this is."""
    return "postgresql" if engine.dialect.name == "postgresql" else "sqlite"


def is_empty(engine: Engine) -> bool:
    """Tell whether a database holds nothing yet."""
    return not inspect(engine).get_table_names()


@contextmanager
def snapshot(engine: Engine) -> Iterator[Copy]:
    """Hold on to the database as it is now; gives what writes it into a file, while others go on changing it."""
    if kind_of(engine) == "sqlite":
        with closing(sqlite3.connect(str(engine.url.database), isolation_level=None)) as source:
            source.execute("BEGIN")
            source.execute("SELECT count(*) FROM sqlite_master").fetchone()
            yield lambda path: _copy_sqlite(source, path)
    else:
        with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
            name = connection.exec_driver_sql("SELECT pg_export_snapshot()").scalar()
            yield lambda path: _dump(engine, str(name), path)


def put_back(engine: Engine, path: Path) -> None:
    """Make the database what the file holds; what it held before is gone. Raises CopyFailed."""
    engine.dispose()
    if kind_of(engine) == "sqlite":
        with (
            closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as source,
            closing(sqlite3.connect(str(engine.url.database))) as target,
        ):
            source.backup(target)
        return
    with engine.connect() as connection:
        connection.exec_driver_sql("DROP SCHEMA IF EXISTS public CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA public")
        connection.commit()
    options = ("--exit-on-error", "--no-owner", "--no-acl", "--schema=public")
    _run_on(engine, "pg_restore", *options, str(path))


def read_table(kind: Kind, path: Path, *columns: Column[Any]) -> list[dict[str, Any]]:
    """Read columns of a table out of a copy as it lies there; none where the table isn't in it. Raises CopyFailed."""
    if kind == "postgresql":
        return _read_dump(path, columns)
    engine = create_engine(f"sqlite:///file:{quote(str(path.absolute()))}?mode=ro&immutable=1&uri=true")
    try:
        with engine.connect() as connection:
            if not inspect(connection).has_table(columns[0].table.name):
                return []
            return [row._asdict() for row in connection.execute(select(*columns))]
    except SQLAlchemyError:
        raise CopyFailed(f"{path.name} can't be read") from None
    finally:
        engine.dispose()


def _read_dump(path: Path, columns: Sequence[Column[Any]]) -> list[dict[str, Any]]:
    """Read what pg_restore prints of a table: a line that names the columns, a row a line, and `\\.` at the end."""
    table = columns[0].table.name
    lines = _run({}, "pg_restore", "--data-only", f"--table={table}", "--file=-", str(path)).decode().split("\n")
    heading = f"COPY public.{table} ("
    begin = next((number for number, line in enumerate(lines) if line.startswith(heading)), None)
    if begin is None:
        return []
    names = lines[begin].removeprefix(heading).partition(")")[0].split(", ")
    end = lines.index("\\.", begin)
    rows = [dict(zip(names, line.split("\t"), strict=True)) for line in lines[begin + 1 : end]]
    return [{column.name: _value(column, row[column.name]) for column in columns} for row in rows]


def _value(column: Column[Any], printed: str) -> Any:
    """Read a value as COPY prints it, of a column that is never null."""
    kind = column.type.impl_instance if isinstance(column.type, TypeDecorator) else column.type
    if isinstance(kind, LargeBinary):
        return bytes.fromhex(printed.removeprefix("\\\\x"))
    if isinstance(kind, DateTime):
        return datetime.fromisoformat(printed).astimezone(UTC)
    return printed == "t" if isinstance(kind, Boolean) else printed


def _copy_sqlite(source: sqlite3.Connection, path: Path) -> None:
    with _new(path) as partial, closing(sqlite3.connect(partial)) as target:
        source.backup(target)
        if target.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (MARK,)).fetchone():
            target.execute(f"DELETE FROM {MARK}")  # noqa: S608 - a constant
            target.commit()
        target.execute("PRAGMA journal_mode = DELETE")


def _dump(engine: Engine, name: str, path: Path) -> None:
    with _new(path) as partial:
        options = ("--format=custom", "--no-owner", "--no-acl", f"--exclude-table-data={MARK}")
        _run_on(engine, "pg_dump", *options, f"--snapshot={name}", f"--file={partial}")


@contextmanager
def _new(path: Path) -> Iterator[Path]:
    partial = partial_of(path)
    try:
        os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE))
        yield partial
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.rename(path)
        fsync_folder(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def _run_on(engine: Engine, program: str, *words: str) -> None:
    url = engine.url.set(drivername="postgresql", password=None).render_as_string(hide_password=False)
    secret = {} if engine.url.password is None else {"PGPASSWORD": str(engine.url.password)}
    _run(secret, program, f"--dbname={url}", *words)


def _run(secret: Mapping[str, str], program: str, *words: str) -> bytes:
    try:
        done = subprocess.run(  # noqa: S603 - words of our own, no shell
            [program, *words], env={**os.environ, **secret}, capture_output=True, check=False
        )
    except FileNotFoundError:
        raise CopyFailed(f"{program} isn't on the PATH: install the programs of PostgreSQL") from None
    if done.returncode:  # its words may hold names of rows: only how it ended is told
        raise CopyFailed(f"{program} ended with {done.returncode}: is it of the server's version, or newer?")
    return done.stdout
