"""What keeps the service from starting: everything unsafe is said at once, and nothing has a default that trusts."""

import json
from pathlib import Path

import pytest

from handover.errors import SettingsRefused
from handover.parts import assemble, read_log_key
from handover.settings import Settings, check_origin, load

ROOT = "ab" * 32


@pytest.fixture
def home(tmp_path: Path) -> Path:
    write(tmp_path)
    return tmp_path


def write(home: Path, **changed: str | None) -> None:
    said = {"origin": "https://overdracht.test", "log": "overdracht.test", "root": ROOT} | changed
    (home / "service.json").write_text(json.dumps({name: value for name, value in said.items() if value is not None}))


def problems(home: Path, **env: str) -> tuple[str, ...]:
    with pytest.raises(SettingsRefused) as refused:
        load({"HANDOVER_HOME": str(home)} | env)
    assert str(refused.value) == "; ".join(refused.value.problems)
    return refused.value.problems


def test_a_home_says_the_rest(home: Path) -> None:
    assert load({"HANDOVER_HOME": str(home), "PATH": "/bin", "FLASK_DEBUG": "0", "SQLALCHEMY_ECHO": "off"}) == Settings(
        home=home,
        origin="https://overdracht.test",
        log="overdracht.test",
        root=bytes.fromhex(ROOT),
        database_url=f"sqlite:///{home}/main.sqlite",
        keystore_url=f"sqlite:///{home}/keystore.sqlite",
        keys=home / "keys",
        blobs=f"{home}/bundles",
        outbox=home / "outbox",
        bind="127.0.0.1:8443",
        workers=2,
        threads=8,
    )


def test_every_setting_can_be_said_otherwise(home: Path) -> None:
    said = load(
        {
            "HANDOVER_HOME": str(home),
            "HANDOVER_DATABASE_URL": "postgresql+psycopg:///main?host=/run/postgresql",
            "HANDOVER_KEYSTORE_URL": "postgresql+psycopg://keys.internal/keys?sslmode=verify-full",
            "HANDOVER_KEYS": "/keys",
            "HANDOVER_BLOBS": "s3://bucket/prefix",
            "HANDOVER_OUTBOX": "/outbox",
            "HANDOVER_BIND": "0.0.0.0:80",
            "HANDOVER_WORKERS": "1",
            "HANDOVER_THREADS": "256",
        }
    )
    assert (said.database_url, said.keystore_url) == (
        "postgresql+psycopg:///main?host=/run/postgresql",
        "postgresql+psycopg://keys.internal/keys?sslmode=verify-full",
    )
    assert (said.keys, said.blobs, said.outbox) == (Path("/keys"), "s3://bucket/prefix", Path("/outbox"))
    assert (said.bind, said.workers, said.threads) == ("0.0.0.0:80", 1, 256)


@pytest.mark.parametrize(
    ("url", "fine"),
    [
        ("postgresql://db.internal/main", False),
        ("postgresql://db.internal/main?sslmode=require", False),
        ("postgresql:///main?host=db.internal", False),
        ("postgresql://db.internal/main?sslmode=verify-full", True),
        ("postgresql:///main?host=/run/postgresql", True),
        ("postgresql://localhost/main", True),
        ("postgresql:///main", True),
    ],
)
def test_a_database_on_another_machine_has_to_prove_which_one_it_is(home: Path, url: str, fine: bool) -> None:
    env = {"HANDOVER_HOME": str(home), "HANDOVER_DATABASE_URL": url}
    if fine:
        assert load(env).database_url == url
    else:
        with pytest.raises(SettingsRefused, match="HANDOVER_DATABASE_URL leaves this machine: add sslmode=verify-full"):
            load(env)


def test_a_seed_for_the_shares_stops_the_start(home: Path) -> None:
    """B10"""
    assert problems(home, HANDOVER_SHARE_SEED="1") == ("HANDOVER_SHARE_SEED is not a setting of this product",)


@pytest.mark.parametrize("name", ["FLASK_DEBUG", "PYTHONDEVMODE", "SQLALCHEMY_ECHO"])
@pytest.mark.parametrize("value", ["1", "true", "yes", "anything"])
def test_what_shows_too_much_stops_the_start(home: Path, name: str, value: str) -> None:
    """L7"""
    assert problems(home, **{name: value}) == (f"{name} shows what it shouldn't: unset it",)


@pytest.mark.parametrize("value", ["", "0", "-1", "257", "1.5", "two", "\u0661", " 2"])
def test_a_number_is_a_whole_number_from_1_to_256(home: Path, value: str) -> None:
    assert problems(home, HANDOVER_THREADS=value) == ("HANDOVER_THREADS must be a whole number from 1 to 256",)


def test_the_key_store_is_a_database_of_its_own(home: Path) -> None:
    told = problems(home, HANDOVER_DATABASE_URL="sqlite:///one", HANDOVER_KEYSTORE_URL="sqlite:///one")
    assert told == ("the key store must be a database of its own: HANDOVER_KEYSTORE_URL is HANDOVER_DATABASE_URL",)


def test_everything_wrong_is_said_at_once(home: Path) -> None:
    write(home, origin="http://overdracht.test", root="ab")
    told = problems(
        home,
        HANDOVER_SEED="1",
        HANDOVER_TOKEN="secret-value",
        FLASK_DEBUG="1",
        HANDOVER_WORKERS="0",
        HANDOVER_THREADS="x",
        HANDOVER_DATABASE_URL="sqlite:///one",
        HANDOVER_KEYSTORE_URL="sqlite:///one",
    )
    assert len(told) == 8
    assert "secret-value" not in str(told)


def test_without_a_service_file_init_comes_first(tmp_path: Path) -> None:
    assert problems(tmp_path) == ("there is no service.json in HANDOVER_HOME: run `handover admin init` first",)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"origin": "https://a"}', "\xff"])
def test_a_service_file_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "service.json").write_bytes(text.encode("latin-1"))
    assert problems(tmp_path) == ("service.json in HANDOVER_HOME can't be read",)


@pytest.mark.parametrize("root", ["ab" * 31, "ab" * 33, ""])
def test_the_root_is_32_bytes(home: Path, root: str) -> None:
    write(home, root=root)
    assert problems(home) == ("service.json: the register's root must be 32 bytes",)


@pytest.mark.parametrize("origin", ["https://a.test", "https://a.test:8443", "http://127.0.0.1:1", "http://localhost"])
def test_an_origin_is_https_or_this_machine(origin: str) -> None:
    assert check_origin(origin) is None


@pytest.mark.parametrize(
    ("origin", "wrong"),
    [
        ("http://a.test", "https, except on this machine"),
        ("http://127.0.0.1.a.test", "https, except on this machine"),
        ("https://a.test/", "must look like"),
        ("https://a.test/pad", "must look like"),
        ("https://a.test?x", "must look like"),
        ("https://a.test#x", "must look like"),
        ("ftp://a.test", "must look like"),
        ("a.test", "must look like"),
        ("https://", "must look like"),
        ("", "must look like"),
        ("HTTPS://a.test", "must look like"),
        ("https://A.test", "small letters"),
        ("https://u@a.test", "small letters and hold no user name"),
        ("https://a.test:x", "not an address"),
        ("https://a.test:99999", "not an address"),
        ("https://[::1", "not an address"),
    ],
)
def test_any_other_origin_is_refused(origin: str, wrong: str) -> None:
    assert wrong in (check_origin(origin) or "")


def test_on_this_machine_it_listens_where_its_origin_says(home: Path) -> None:
    write(home, origin="http://127.0.0.1:8123")
    assert load({"HANDOVER_HOME": str(home)}).bind == "127.0.0.1:8123"


# The key that signs checkpoints


def log_key(folder: Path, data: bytes = bytes(range(32)), mode: int = 0o600) -> Path:
    (folder / "log.key").write_bytes(data)
    (folder / "log.key").chmod(mode)
    return folder


def refused_key(folder: Path) -> tuple[str, ...]:
    with pytest.raises(SettingsRefused) as refused:
        read_log_key(folder)
    return refused.value.problems


def test_a_private_log_key_is_read(tmp_path: Path) -> None:
    assert read_log_key(log_key(tmp_path)).seed == bytes(range(32))


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o610, 0o644, 0o660, 0o606, 0o601])
def test_a_log_key_that_others_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    assert refused_key(log_key(tmp_path, mode=mode)) == ("log.key may be read by others: chmod 600",)


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_log_key_of_another_length_is_refused(tmp_path: Path, size: int) -> None:
    assert refused_key(log_key(tmp_path, bytes(size))) == ("log.key is not a key",)


def test_without_a_log_key_nothing_starts(home: Path) -> None:
    assert refused_key(home) == ("log.key isn't in HANDOVER_KEYS: run `handover admin init` first",)
    with pytest.raises(SettingsRefused):
        assemble(load({"HANDOVER_HOME": str(home)}))
