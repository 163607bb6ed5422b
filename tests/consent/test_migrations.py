"""Migrations of this floor's tables: up and down with data on both databases, and no drift from `consent.tables`."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, create_engine, inspect, make_url

import migrations
from consent import tables
from consent.db import Keys, Main, open_engine, reading, writing
from consent.journal import Journal
from consent.keystore import KeyStore
from tests.conftest import KINDS, WHICH, Databases
from tests.consent.test_journal import KEY, ORIGIN, House, grant

BASES = {"main": Main, "keys": Keys}


def own_tables(which: str) -> set[str]:
    mappers = BASES[which].registry.mappers
    return {str(mapper.local_table.name) for mapper in mappers if mapper.class_.__module__ == tables.__name__}  # type: ignore[attr-defined]


@pytest.fixture(params=KINDS)
def blanks(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Databases]:
    """Give two databases in which nothing was migrated."""
    if request.param == "sqlite":
        urls = {which: f"sqlite:///{tmp_path}/blank_{which}.sqlite" for which in WHICH}
    else:
        server = make_url(request.getfixturevalue("postgresql_url"))
        admin = create_engine(server, isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            for which in WHICH:
                connection.exec_driver_sql(f"DROP DATABASE IF EXISTS blank_{which}")
                connection.exec_driver_sql(f"CREATE DATABASE blank_{which}")
        admin.dispose()
        urls = {which: server.set(database=f"blank_{which}").render_as_string(False) for which in WHICH}
    engines = {which: open_engine(url) for which, url in urls.items()}
    yield Databases(request.param, urls["main"], urls["keys"], engines["main"], engines["keys"])
    for engine in engines.values():
        engine.dispose()


def engine_of(databases: Databases, which: migrations.Which) -> Engine:
    return databases.main if which == "main" else databases.keys


@pytest.mark.parametrize("which", WHICH)
def test_migrated_tables_are_those_of_the_code(blanks: Databases, which: migrations.Which) -> None:
    blank = engine_of(blanks, which)
    migrations.upgrade(blank, which)
    names = own_tables(which)
    with blank.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "compare_type": True,
                "include_object": lambda item, name, kind, *rest: kind != "table" or name in names,
            },
        )
        assert compare_metadata(context, BASES[which].metadata) == []
    assert names <= set(inspect(blank).get_table_names())


@pytest.mark.parametrize("which", WHICH)
def test_down_leaves_nothing_and_up_again_works(blanks: Databases, which: migrations.Which) -> None:
    blank = engine_of(blanks, which)
    migrations.upgrade(blank, which)
    migrations.downgrade(blank, which)
    assert inspect(blank).get_table_names() == ["alembic_version"]
    migrations.upgrade(blank, which)
    migrations.upgrade(blank, which)
    assert own_tables(which) <= set(inspect(blank).get_table_names())


def test_both_databases_go_down_and_up_again_with_data_in_them(blanks: Databases, tmp_path: Path) -> None:
    for which in WHICH:
        migrations.upgrade(engine_of(blanks, which), which)
    house = House(blanks, tmp_path / "epochs")
    house.append(grant())
    house.keystore.put_shares("b1", {"okr": bytes(32)})
    house.keystore.remember("board-a", "1", "p1")
    for which in WHICH:
        engine = engine_of(blanks, which)
        migrations.downgrade(engine, which)
        assert not own_tables(which) & set(inspect(engine).get_table_names())
        migrations.upgrade(engine, which)
    fresh = House(blanks, tmp_path / "other")
    assert fresh.append(grant()).index == 0


def test_a_migration_that_fails_leaves_nothing(blanks: Databases) -> None:
    blank = blanks.main
    with writing(blank) as session:
        session.connection().exec_driver_sql("CREATE TABLE journal_part (x INTEGER)")
    with pytest.raises(Exception, match="journal_part"):
        migrations.upgrade(blank, "main")
    assert inspect(blank).get_table_names() == ["journal_part"]


def test_a_service_starts_on_what_the_migrations_made(databases: Databases, tmp_path: Path) -> None:
    keystore = KeyStore(databases.keys, tmp_path / "epochs")
    journal = Journal(databases.main, keystore, KEY, ORIGIN, House(databases, tmp_path / "epochs").clock)
    journal.start()
    with reading(databases.main) as session:
        assert journal.checkpoint(session).startswith(ORIGIN.encode())
