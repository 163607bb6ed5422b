"""What the service is told from outside: environment variables and one file written by `handover admin init`.

Nothing here has a default that trusts somebody or weakens something. Everything wrong is said at once.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from handover.errors import SettingsRefused

# Every name this product reads. Another HANDOVER_ name is a spelling mistake or somebody's attempt at a back door
# (bad case B10: a seed for the shares); both stop the start.
SERVICE_NAMES = frozenset(
    {
        "HANDOVER_HOME",
        "HANDOVER_DATABASE_URL",
        "HANDOVER_KEYSTORE_URL",
        "HANDOVER_KEYS",
        "HANDOVER_BLOBS",
        "HANDOVER_SECOND",
        "HANDOVER_OUTBOX",
        "HANDOVER_BIND",
        "HANDOVER_WORKERS",
        "HANDOVER_THREADS",
    }
)
SCHOOL_NAMES = frozenset(
    {
        "HANDOVER_PASSPHRASE",
        "HANDOVER_ORIGIN",
        "HANDOVER_KEYFILE",
        "HANDOVER_ROOT",
        "HANDOVER_STAFF",
        "HANDOVER_ROLE",
        "HANDOVER_STATE",
    }
)
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
FILE_NAME = "service.json"


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the service's things are and what it calls itself.

    `origin` is the one address that signatures count for; `log` names the logs in their checkpoints and never changes;
    `root` is the public key of the register that certifies boards. `keys` holds the journal's key and the epoch keys:
    never in a database, never in its backup. `second` is where every act's changes go before it is acknowledged.
    """

    home: Path
    origin: str
    log: str
    root: bytes
    database_url: str
    keystore_url: str
    keys: Path
    blobs: str
    outbox: Path
    bind: str
    workers: int
    threads: int
    second: str | None = None


def check_origin(origin: str) -> str | None:
    """Say what is wrong with an origin, or nothing: https, or http on this machine alone."""
    try:
        parts = urlsplit(origin)
        parts.port  # noqa: B018 - reading it checks it
    except ValueError:
        return "the origin is not an address"
    if parts.scheme not in {"http", "https"} or not parts.hostname or origin != f"{parts.scheme}://{parts.netloc}":
        return "the origin must look like https://host or https://host:port, without a path"
    if parts.username is not None or parts.netloc != parts.netloc.lower():
        return "the origin must be in small letters and hold no user name"
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        return "the origin must be https, except on this machine itself"
    return None


def _number(env: Mapping[str, str], name: str, default: int, problems: list[str]) -> int:
    text = env.get(name, str(default))
    if text.isascii() and text.isdigit() and 1 <= int(text) <= 256:
        return int(text)
    problems.append(f"{name} must be a whole number from 1 to 256")
    return default


def _readable_on_the_way(url: str) -> bool:
    """Tell whether a database on another machine is spoken to without checking that it is the one."""
    parts = urlsplit(url)
    asked = parse_qs(parts.query)
    host = (asked.get("host") or [parts.hostname or ""])[0]
    return bool(host) and not host.startswith("/") and host not in LOOPBACK and asked.get("sslmode") != ["verify-full"]


def _unsafe(env: Mapping[str, str]) -> list[str]:
    problems = [
        f"{name} is not a setting of this product"
        for name in sorted(env)
        if name.startswith("HANDOVER_") and name not in SERVICE_NAMES | SCHOOL_NAMES
    ]
    for name in ("FLASK_DEBUG", "PYTHONDEVMODE", "SQLALCHEMY_ECHO"):
        if env.get(name, "").lower() not in {"", "0", "false", "no", "off"}:
            problems.append(f"{name} shows what it shouldn't: unset it")
    return problems


def _service_file(path: Path, problems: list[str]) -> tuple[str, str, bytes]:
    try:
        data = json.loads(path.read_text("utf-8"))
        origin, log, root = str(data["origin"]), str(data["log"]), bytes.fromhex(data["root"])
    except FileNotFoundError:
        problems.append(f"there is no {FILE_NAME} in HANDOVER_HOME: run `handover admin init` first")
        return "", "", b""
    except (OSError, ValueError, KeyError, TypeError):
        problems.append(f"{FILE_NAME} in HANDOVER_HOME can't be read")
        return "", "", b""
    if wrong := check_origin(origin):
        problems.append(f"{FILE_NAME}: {wrong}")
    if len(root) != 32:
        problems.append(f"{FILE_NAME}: the register's root must be 32 bytes")
    return origin, log, root


def load(env: Mapping[str, str] | None = None) -> Settings:
    """Read the settings; raises SettingsRefused with everything that is missing or unsafe."""
    env = os.environ if env is None else env
    problems = _unsafe(env)
    home = Path(env.get("HANDOVER_HOME", "overdracht-data")).absolute()
    origin, log, root = _service_file(home / FILE_NAME, problems)
    settings = Settings(
        home=home,
        origin=origin,
        log=log,
        root=root,
        database_url=env.get("HANDOVER_DATABASE_URL", f"sqlite:///{home / 'main.sqlite'}"),
        keystore_url=env.get("HANDOVER_KEYSTORE_URL", f"sqlite:///{home / 'keystore.sqlite'}"),
        keys=Path(env.get("HANDOVER_KEYS", home / "keys")).absolute(),
        blobs=env.get("HANDOVER_BLOBS", str(home / "bundles")),
        outbox=Path(env.get("HANDOVER_OUTBOX", home / "outbox")).absolute(),
        bind=env.get("HANDOVER_BIND", urlsplit(origin).netloc if origin.startswith("http://") else "127.0.0.1:8443"),
        workers=_number(env, "HANDOVER_WORKERS", 2, problems),
        threads=_number(env, "HANDOVER_THREADS", 8, problems),
        second=env.get("HANDOVER_SECOND") or None,
    )
    for name, url in (("DATABASE", settings.database_url), ("KEYSTORE", settings.keystore_url)):
        if _readable_on_the_way(url):
            problems.append(f"HANDOVER_{name}_URL leaves this machine: add sslmode=verify-full")
    if settings.database_url == settings.keystore_url:
        problems.append("the key store must be a database of its own: HANDOVER_KEYSTORE_URL is HANDOVER_DATABASE_URL")
    if problems:
        raise SettingsRefused(tuple(problems))
    return settings
