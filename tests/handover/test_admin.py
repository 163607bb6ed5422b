"""The operator's work: making a service, looking at it, sweeping it."""

from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from consent.db import reading
from consent.errors import DatabaseUnreachable
from crypto.keys import SignKey
from handover.admin import TRUST, doctor, init
from handover.blobs import made_before, new_name
from handover.cli import main
from handover.errors import SettingsRefused
from handover.parts import assemble
from handover.trust import read_trust
from tests.region import now

ROOT = SignKey.generate("root").public
ORIGIN = "http://127.0.0.1:8443"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the place where a service is to be made, and nothing else in the environment."""
    monkeypatch.setenv("HANDOVER_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_a_service_is_made_from_nothing_and_is_well(home: Path) -> None:
    settings = init(home, ORIGIN, "overdracht.test", ROOT)
    parts = assemble(settings)
    assert [finding.what for finding in doctor(parts) if not finding.well] == []
    assert [path.stat().st_mode & 0o077 for path in (home, home / "keys", home / "keys" / "log.key")] == [0, 0, 0]
    trust = read_trust(home / TRUST)
    assert trust.root == ROOT
    assert trust.logs == dict.fromkeys(("overdracht.test/keys", "overdracht.test/journal"), parts.log_key.public)
    with reading(parts.main) as session:
        assert b"overdracht.test/journal\n0\n" in parts.journal.checkpoint(session)
    parts.close()


def test_a_service_isnt_made_where_one_stands_and_every_fault_is_told_at_once(home: Path) -> None:
    init(home, ORIGIN, "overdracht.test", ROOT)
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    with pytest.raises(SettingsRefused) as refused:
        init(home, "http://elsewhere.test", "A Name", b"\0" * 32)
    assert len(refused.value.problems) == 4
    assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file()} == before


def test_a_place_with_something_in_it_is_left_alone(home: Path) -> None:
    home.mkdir()
    (home / "mine").write_text("keep")
    with pytest.raises(SettingsRefused, match="isn't empty"):
        init(home, ORIGIN, "overdracht.test", ROOT)
    assert [path.name for path in home.iterdir()] == ["mine"]


def test_the_doctor_names_what_others_may_read(home: Path) -> None:
    settings = init(home, ORIGIN, "overdracht.test", ROOT)
    home.chmod(0o755)
    parts = assemble(settings)
    assert f"{home.name} is private" in [finding.what for finding in doctor(parts) if not finding.well]
    parts.close()


@pytest.mark.parametrize(
    "words", [["serve"], ["admin", "doctor"], ["admin", "sweep"], ["admin", "backup", "--out", "b"]]
)
def test_a_database_that_does_not_answer_is_named_and_may_be_tried_again(
    home: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    init(home, ORIGIN, "overdracht.test", ROOT)
    monkeypatch.setenv("HANDOVER_KEYSTORE_URL", "postgresql://me:geheim@127.0.0.1:1/keystore?password=geheim")
    ran = CliRunner().invoke(main, words)
    assert ran.exit_code == 75
    begins = "handover: can't reach the key store (HANDOVER_KEYSTORE_URL), postgresql://me:***@127.0.0.1:1/keystore: "
    assert ran.stderr.startswith(begins)
    assert "geheim" not in ran.stderr
    monkeypatch.setenv("HANDOVER_DATABASE_URL", f"sqlite:///{home / 'absent' / 'main.sqlite'}")
    ran = CliRunner().invoke(main, words)
    where = f"the main database (HANDOVER_DATABASE_URL), sqlite:///{home / 'absent' / 'main.sqlite'}"
    assert (ran.exit_code, ran.stderr) == (75, f"handover: can't reach {where}: unable to open database file\n")


def test_a_database_that_is_not_there_is_named_when_a_service_is_made(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HANDOVER_DATABASE_URL", "postgresql://127.0.0.1:1/overdracht")
    with pytest.raises(DatabaseUnreachable, match="HANDOVER_DATABASE_URL"):
        init(home, ORIGIN, "overdracht.test", ROOT)


def test_a_name_tells_the_hour_of_its_making() -> None:
    name = new_name()
    assert len(name) == 32
    assert not made_before(name, now())
    assert made_before(name, now() + timedelta(hours=1))
    assert made_before("of-another-form", now() - timedelta(days=9999))
