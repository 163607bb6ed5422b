"""Private files that are replaced, and folders that one process at a time may change."""

import fcntl
import os
from pathlib import Path

import pytest

from crypto.files import locked, replace_private


def test_a_file_is_replaced_whole_and_stays_private(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    for data in (b"one", b"two, longer", b""):
        replace_private(file, data)
        assert file.read_bytes() == data
        assert file.stat().st_mode & 0o777 == 0o600
        assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("left", [".state.json.fresh", "..state.json.fresh.partial"])
def test_what_a_killed_writer_left_stops_nobody(tmp_path: Path, left: str) -> None:
    (tmp_path / left).write_bytes(b"half")
    replace_private(tmp_path / "state.json", b"whole")
    assert (tmp_path / "state.json").read_bytes() == b"whole"
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]


def test_a_folder_is_made_private_and_locked_until_the_block_ends(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    with locked(folder):
        assert folder.stat().st_mode & 0o777 == 0o700
        other = os.open(folder, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(other)
