"""A service to go through the front door of: fresh on both databases, fresh on SQLite, or one for a whole file."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from consent.db import open_engine
from tests.conftest import Databases
from tests.handover.story import Story


@pytest.fixture
def story(databases: Databases, tmp_path: Path) -> Story:
    """Give a story on each kind of database, for what may differ between them."""
    return Story(databases, tmp_path)


@pytest.fixture
def lite(sqlite_templates: dict[str, Path], scratch: Path) -> Iterator[Story]:
    """Give a story on SQLite alone, for what doesn't differ."""
    with _in_memory(sqlite_templates, scratch) as made:
        yield made


@pytest.fixture(scope="module")
def standing(sqlite_templates: dict[str, Path], scratch: Path) -> Iterator[Story]:
    """Give one story for a whole file: for requests that are refused, or that bring their own pupil."""
    with _in_memory(sqlite_templates, scratch) as made:
        yield made


@contextmanager
def _in_memory(templates: dict[str, Path], scratch: Path) -> Iterator[Story]:
    """Copy the templates beside them, where no disk makes a test wait."""
    folder = Path(tempfile.mkdtemp(dir=scratch))
    for which, template in templates.items():
        shutil.copyfile(template, folder / f"{which}.sqlite")
    urls = [f"sqlite:///{folder / which}.sqlite" for which in ("main", "keys")]
    main, keys = map(open_engine, urls)
    yield Story(Databases("sqlite", urls[0], urls[1], main, keys), folder)
    main.dispose()
    keys.dispose()
    shutil.rmtree(folder)
