"""The operator's work: making a service, looking at it, sweeping it."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from consent.db import reading
from consent.errors import DatabaseUnreachable
from crypto.keys import SignKey
from handover.admin import TRUST, init
from handover.backup import CONFIRMED, backup, confirm, parse_manifest
from handover.blobs import made_before, new_name
from handover.cli import main
from handover.doctor import Finding, doctor
from handover.errors import SettingsRefused
from handover.parts import Parts, assemble
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
    assert [finding.what for finding in doctor(parts) if finding.state == "NOT"] == []
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
    assert Finding(f"{home.name} is private", "NOT", f"chmod go-rwx {home}") in doctor(parts)
    parts.close()


def states(parts: Parts, **changed: object) -> dict[str, str]:
    """Give what the doctor says of a service with other settings."""
    parts = replace(parts, settings=replace(parts.settings, **changed))  # type: ignore[arg-type]
    return {finding.what: finding.state for finding in doctor(parts) if "private" not in finding.what}


INSIDE, OWN = "the folder of keys isn't inside a database's", "the folder of keys isn't a database's"
APART, SECOND = "main database and key store are in two places", "there is a second place"
NEWEST = "newest confirmed backup"
HERE = "postgresql+psycopg://me@one.test"


@pytest.mark.parametrize(
    ("changed", "wrong"),
    [
        ({}, {INSIDE: "warn", APART: "warn", SECOND: "warn"}),
        ({"second": "/mnt/second", "keys": "keys"}, {APART: "warn", OWN: "NOT"}),
        ({"second": "s3://a/b", "keystore_url": "sqlite:////else/k.sqlite"}, {INSIDE: "warn"}),
        ({"database_url": f"{HERE}/a", "keystore_url": f"{HERE}/b"}, {APART: "warn", SECOND: "warn"}),
        ({"database_url": f"{HERE}/a", "keystore_url": f"{HERE}:5432/b"}, {APART: "warn", SECOND: "warn"}),
        ({"database_url": f"{HERE}/a", "keystore_url": f"{HERE}:5433/b"}, {SECOND: "warn"}),
        ({"database_url": f"{HERE}/a", "keystore_url": "postgresql://two.test/a"}, {SECOND: "warn"}),
        (
            {"database_url": "postgresql:///a?host=/run", "keystore_url": "postgresql:///b?host=/run"},
            {APART: "warn", SECOND: "warn"},
        ),
    ],
    ids=str,
)
def test_the_doctor_says_what_stands_in_one_place(home: Path, changed: dict[str, str], wrong: dict[str, str]) -> None:
    """K5: nobody should get databases and keys in one."""
    parts = assemble(init(home, ORIGIN, "overdracht.test", ROOT))
    keys = {"keys": home / "keys"} if "keys" in changed else {}
    if keys:
        changed = changed | {"database_url": f"sqlite:///{home}/keys/m", "keystore_url": f"sqlite:///{home}/keys/k"}
    said = states(parts, **changed | keys)
    assert {what: state for what, state in said.items() if state != "ok"} == wrong | {NEWEST: "warn"}
    parts.close()


def test_the_doctor_names_the_newest_confirmed_backup_and_warns_after_two_days(home: Path) -> None:
    parts = assemble(init(home, ORIGIN, "overdracht.test", ROOT))
    assert [each.said[:5] for each in doctor(parts) if each.what == NEWEST] == ["none:"]
    confirm(parts, [path.read_bytes() for path in backup(parts, home / "backups")])
    taken_at = parse_manifest((home / CONFIRMED).read_bytes()).taken_at
    for age, state in ((timedelta(days=2, microseconds=-1), "ok"), (timedelta(days=2), "warn")):
        late = replace(parts, clock=lambda age=age: taken_at + age)  # type: ignore[misc]
        assert Finding(NEWEST, state, f"{taken_at:%Y-%m-%d %H:%M} UTC") in doctor(late)  # type: ignore[arg-type]
    parts.close()


def test_the_doctor_goes_on_where_what_was_confirmed_is_damaged(home: Path) -> None:
    parts = assemble(init(home, ORIGIN, "overdracht.test", ROOT))
    whole = len(doctor(parts))
    (home / CONFIRMED).write_bytes(b"{")
    [found] = [each for each in doctor(parts) if each.what == NEWEST]
    assert (found.state, found.said[:26]) == ("warn", f"{CONFIRMED} is damaged:")
    assert len(doctor(parts)) == whole
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
