"""Migrations of both databases, run from Python: `main` for the journal and the service, `keys` for the key store.

Each folder is a line of revisions of its own. A migration runs in one transaction on both kinds of database.
"""

from pathlib import Path
from typing import Literal, TypeAlias

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine

Which: TypeAlias = Literal["main", "keys"]

_HERE = Path(__file__).parent


def upgrade(engine: Engine, which: Which, revision: str = "head") -> None:
    """Bring a database up to a revision, by default the newest."""
    with engine.begin() as connection:
        command.upgrade(_config(connection, which), revision)


def downgrade(engine: Engine, which: Which, revision: str = "base") -> None:
    """Take a database back to a revision, by default to nothing."""
    with engine.begin() as connection:
        command.downgrade(_config(connection, which), revision)


def _config(connection: Connection, which: Which) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_HERE))
    config.set_main_option("version_locations", str(_HERE / which))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
