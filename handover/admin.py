"""The operator's work: make a service from nothing.

The operator runs the service and reads no dossier: nothing here makes or sees a school's key.
"""

import json
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from consent.journal import Journal
from consent.keystore import KeyStore
from crypto.errors import KeyRefused
from crypto.keys import SignKey, check_sign_public
from handover.errors import SettingsRefused
from handover.parts import EPOCHS, LOG_KEY, now, open_databases
from handover.settings import FILE_NAME, Settings, check_origin, load
from handover.trust import print_trust
from migrations import upgrade

TRUST: Final = "trust.txt"
"""The trust file of this service, in HANDOVER_HOME: for the register, which gives it to every school and FG."""

LOG_NAME: Final = "abcdefghijklmnopqrstuvwxyz0123456789.-"


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
