"""The parts that every use case of the service works with, put together once per process."""

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from sqlalchemy import Engine

from consent.db import open_engine
from consent.journal import Journal
from consent.keystore import KeyStore
from consent.ledger import Ledger
from consent.shipping import Shipping
from consent.tables import core
from crypto.keys import SignKey
from handover.blobs import Blobs
from handover.errors import SettingsRefused
from handover.register import Register
from handover.roles import Role
from handover.second import Second
from handover.settings import Settings
from handover.tables import KeyLogEntry

LOG_KEY: Final = "log.key"
EPOCHS: Final = "epochs"
RESTORING: Final = "restoring.json"
"""A file in HANDOVER_HOME as long as a restore isn't finished: nothing starts beside it."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: a school by its signature, and the member of staff it answers for."""

    school: str
    board: str
    staff: str
    role: Role


@dataclass(frozen=True, slots=True)
class Examiner:
    """Who asks: a board's FG, by a signature with the key that the board's identity has stated."""

    board: str
    name: str


@dataclass(frozen=True, slots=True)
class Parts:
    """The databases, the journal, the key store and the ciphertext store of one service."""

    settings: Settings
    main: Engine
    keystore: KeyStore
    journal: Journal
    ledger: Ledger
    blobs: Blobs
    log_key: SignKey
    clock: Callable[[], datetime]
    register: Register
    shipping: Shipping | None = None

    def close(self) -> None:
        """Let go of every connection, so that a process may be divided."""
        self.main.dispose()
        self.keystore.close()


def now() -> datetime:
    """Read the clock, in UTC."""
    return datetime.now(UTC)


def read_log_key(folder: Path) -> SignKey:
    """Read the key that signs checkpoints; raises SettingsRefused when it is missing or others may read it."""
    path = folder / LOG_KEY
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        seed = path.read_bytes()
    except OSError:
        raise SettingsRefused((f"{LOG_KEY} isn't in HANDOVER_KEYS: run `handover admin init` first",)) from None
    if mode & 0o077:
        raise SettingsRefused((f"{LOG_KEY} may be read by others: chmod 600",))
    if len(seed) != 32:
        raise SettingsRefused((f"{LOG_KEY} is not a key",))
    return SignKey.from_seed(seed)


def assemble(settings: Settings, clock: Callable[[], datetime] = now) -> Parts:
    """Open everything, check it, and refuse a journal older than the one last acknowledged.

    Raises SettingsRefused or ConsentError; nothing is served after either.
    """
    if (settings.home / RESTORING).exists():
        raise SettingsRefused(("a restore was begun and not finished: run `handover admin restore` again",))
    return put_together(settings, clock)


def put_together(settings: Settings, clock: Callable[[], datetime] = now, *, resumed: bool = False) -> Parts:
    """Do what `assemble` does, beside a restore that isn't finished too: for nobody but that restore.

    `resumed` says that shipping goes on where the second place ends, though the mark is beyond that.
    """
    os.umask(0o077)
    log_key = read_log_key(settings.keys)
    main, keys = open_databases(settings)
    keystore = KeyStore(keys, settings.keys / EPOCHS, ships=settings.second is not None)
    shipping = shipping_of(settings, main, keys, keystore)
    ship = None if shipping is None else shipping.ship
    journal = Journal(main, keystore, log_key, journal_name(settings), clock, ship)
    if shipping is not None and not resumed:
        shipping.begin()
    journal.start()
    blobs, register = Blobs(settings.blobs), Register(settings.root)
    return Parts(settings, main, keystore, journal, Ledger(journal), blobs, log_key, clock, register, shipping)


def open_databases(settings: Settings) -> tuple[Engine, Engine]:
    """Open the main database and the key store's; raises UnsafeDatabase or DatabaseUnreachable, by their settings."""
    return (
        open_engine(settings.database_url, "the main database (HANDOVER_DATABASE_URL)"),
        open_engine(settings.keystore_url, "the key store (HANDOVER_KEYSTORE_URL)"),
    )


def journal_name(settings: Settings) -> str:
    """Give the name under which the journal began."""
    return f"{settings.log}/journal"


def shipping_of(settings: Settings, main: Engine, keys: Engine, keystore: KeyStore) -> Shipping | None:
    """Give the way to the second place, where the settings name one."""
    if settings.second is None:
        return None
    return Shipping(main, keys, keystore, Second(settings.second), journal_name(settings), core(KeyLogEntry))
