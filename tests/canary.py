"""The canary: a pupil with unmistakable name, number, mail and note, who goes through the whole suite.

Wherever a test has made a service, its folder is searched afterwards: both databases with their logs, ciphertext,
keys. So are the operational log that the test printed, the folder for temporary files, and at the end every file of the
PostgreSQL server. Found in any of these, the test fails. The outbox is left out: a message holds its reader's address.
"""

import base64
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

NAME = "Kanariepiet"
BSN = "111222333"
MAIL = "kanarie-zwartvleugel"
NOTE = "fluit alleen bij volle maan"
WORDS = (NAME, BSN, MAIL, NOTE)

_folders: list[Path] = []


def watch(folder: Path) -> None:
    """Have a service's folder searched after the test that made it."""
    _folders.append(folder)


def traces(data: bytes) -> list[str]:
    """Name what of the canary stands in these bytes: as text, in UTF-16, in base64 or in hex."""
    return [word for word in WORDS if any(form in data for form in _forms(word))]


def _forms(word: str) -> Iterator[bytes]:
    plain = word.encode()
    yield plain
    yield word.encode("utf-16-le")
    yield plain.hex().encode()
    for skipped in range(3):
        encoded = base64.b64encode(bytes(skipped) + plain)
        yield encoded[4 if skipped else 0 : -4]


def found_in(folder: Path, *, leave_out: frozenset[str] = frozenset({"outbox"})) -> list[str]:
    """Name every file below a folder, by content or by name, in which the canary stands."""
    hits = []
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if leave_out & set(inside.parts) or not path.is_file():
            continue
        hits += [f"{inside} holds {word}" for word in traces(str(inside).encode() + b"\0" + path.read_bytes())]
    return hits


@pytest.fixture(scope="session", autouse=True)
def temporary_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give everybody one folder for temporary files, and search it at the end."""
    folder = tmp_path_factory.getbasetemp() / "temporary-files"
    folder.mkdir(mode=0o700)
    before = tempfile.tempdir
    tempfile.tempdir = str(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(folder))
        yield folder
    tempfile.tempdir = before
    hits = found_in(folder)
    assert hits == [], f"personal data in temporary files: {hits}"


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Search what this test's services have left, before its fixtures take it away."""
    hits = [hit for folder in _folders if folder.exists() for hit in found_in(folder)]
    _folders[:] = [folder for folder in _folders if folder.exists()][-8:]
    printed = "".join(text for _, kind, text in item._report_sections if kind != "log")
    hits += [f"the log holds {word}" for word in traces(printed.encode())]
    assert hits == [], f"personal data of the canary: {hits}"
