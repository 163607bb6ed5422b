"""The operator's work: make a service from nothing, and check it.

The operator runs the service and reads no dossier: nothing here makes or sees a school's key.
"""

import json
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from consent.journal import Journal
from consent.keystore import KeyStore
from crypto.errors import KeyRefused
from crypto.keys import SignKey, check_sign_public
from handover.errors import SettingsRefused
from handover.freezing import is_frozen, missing
from handover.outbox import queued
from handover.parts import EPOCHS, LOG_KEY, Parts, now, open_databases
from handover.settings import FILE_NAME, Settings, check_origin, load
from handover.trust import print_trust
from migrations import upgrade

TRUST: Final = "trust.txt"
"""The trust file of this service, in HANDOVER_HOME: for the register, which gives it to every school and FG."""

LOG_NAME: Final = "abcdefghijklmnopqrstuvwxyz0123456789.-"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: what, whether it is well, and what to do if it isn't."""

    what: str
    well: bool
    advice: str = ""


def init(home: Path, origin: str, log: str, root: bytes) -> Settings:
    """Make a service in an empty place: keys, databases, an empty journal. Raises SettingsRefused, all faults at once.

    `root` is the public key of the register, which somebody else than the operator keeps.
    """
    problems = list(_faults(home, origin, log, root))
    if problems:
        raise SettingsRefused(tuple(problems))
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    home.chmod(0o700)
    _write_new(home / FILE_NAME, json.dumps({"origin": origin, "log": log, "root": root.hex()}).encode() + b"\n")
    settings = load()
    settings.keys.mkdir(parents=True, exist_ok=True, mode=0o700)
    (settings.keys / EPOCHS).mkdir(exist_ok=True, mode=0o700)
    _write_new(settings.keys / LOG_KEY, secrets.token_bytes(32))
    main, keys = open_databases(settings)
    upgrade(main, "main")
    upgrade(keys, "keys")
    sign_key = SignKey.from_seed((settings.keys / LOG_KEY).read_bytes())
    journal = Journal(main, KeyStore(keys, settings.keys / EPOCHS), sign_key, f"{log}/journal", now)
    journal.initialise()
    _write_new(home / TRUST, print_trust(root, f"{log}/keys", journal.origin, public=sign_key.public))
    return settings


def _faults(home: Path, origin: str, log: str, root: bytes) -> Iterator[str]:
    if (home / FILE_NAME).exists():
        yield f"{home} holds a service already"
    elif home.exists() and any(home.iterdir()):
        yield f"{home} isn't empty"
    if wrong := check_origin(origin):
        yield wrong
    if not log or set(log) - set(LOG_NAME) or len(log) > 60:
        yield "the log's name must be small letters, digits, dots and dashes, such as a host's name"
    try:
        check_sign_public(root)
    except KeyRefused:
        yield "the register's root isn't a public key"
    parent = next(folder for folder in (home, *home.parents) if folder.exists())
    mode = parent.stat().st_mode
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        yield f"anybody may write in {parent}: keys aren't safe there"


def _write_new(path: Path, data: bytes) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def doctor(parts: Parts) -> list[Finding]:
    """Look at what an operator can mend. The parts were assembled, so journal and key store stand already."""
    settings = parts.settings
    free = shutil.disk_usage(settings.home).free
    return [
        Finding("journal and key store agree", True),
        Finding("nothing is frozen", not is_frozen(parts), "read deploy/restore.md: the journal isn't what it was"),
        Finding(
            "every board's entries are there",
            not (gone := missing(parts)),
            f"restore the main database (deploy/restore.md): entries of {', '.join(gone)} were taken out",
        ),
        *(_private(path) for path in (settings.home, settings.keys, settings.keys / LOG_KEY)),
        Finding("no message waits", not queued(parts), "let the service write HANDOVER_OUTBOX, and sweep"),
        Finding("1 GB of disk is free", free > 1 << 30, "free some space before the service stops"),
        Finding(
            "keys and databases are apart",
            settings.keys not in _database_folders(settings),
            "put HANDOVER_KEYS on a place that no database backup holds",
        ),
    ]


def _private(path: Path) -> Finding:
    mode = stat.S_IMODE(path.stat().st_mode)
    return Finding(f"{path.name} is private", not mode & 0o077, f"chmod go-rwx {path}")


def _database_folders(settings: Settings) -> set[Path]:
    urls = (settings.database_url, settings.keystore_url)
    return {Path(url.removeprefix("sqlite:///")).parent for url in urls if url.startswith("sqlite:///")}
