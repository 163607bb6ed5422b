"""A region on each kind of database, and processes that can be raced and killed."""

import tempfile
from pathlib import Path

import pytest

from tests.conftest import Databases
from tests.faults.story import two_boards
from tests.region import Region


@pytest.fixture
def tmp_path(scratch: Path) -> Path:
    """Keep these tests' files in memory: a killed process loses nothing there either, and fsync costs nothing."""
    return Path(tempfile.mkdtemp(dir=scratch))


@pytest.fixture
def region(databases: Databases, tmp_path: Path) -> Region:
    """Give a service with two boards; a test that takes this runs once on each kind of database."""
    folder = tmp_path / "service"
    folder.mkdir(mode=0o700)
    return two_boards(Region(databases, folder))


@pytest.fixture
def sqlite_region(sqlite_databases: Databases, tmp_path: Path) -> Region:
    """Give a service with two boards on SQLite alone, for what doesn't differ between the kinds."""
    folder = tmp_path / "service"
    folder.mkdir(mode=0o700)
    return two_boards(Region(sqlite_databases, folder))
