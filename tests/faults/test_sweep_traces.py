"""What was destroyed is looked for wherever it could be: files, heaps, write-ahead logs, backups of both databases.

J4, J5: after a sweep nothing that remains opens what an older main database holds; and once the epoch has ended,
nothing that remains opens what an older key store holds.
"""

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import time_machine
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from sqlalchemy import Engine, select, text

from consent.db import open_engine, reading
from consent.errors import ValueRefused
from consent.owners import decrypt, wrap_aad
from consent.tables import DataKey, JournalLeaf, JournalPart, Pupil, Share
from handover.epochs import end
from handover.release import Released, hand_out
from handover.retention import Kept, due
from handover.sweeping import sweep
from handover.tables import Message, Person, Release, Words
from tests.canary import NOTE, found_in
from tests.conftest import Databases
from tests.faults.story import File, granted_file
from tests.faults.test_at_once import asking
from tests.region import Region


def released_file(region: Region) -> File:
    file = granted_file(region)
    region.family("view", {"token": file.tokens[0], "text": NOTE, "travels": True, "done": False})
    found = asking(region, file)()
    assert isinstance(found, Released)
    assert b"".join(hand_out(region.parts, found))
    return file


def backup(engine: Engine, server: str, folder: Path) -> Engine:
    """Copy a database as it is now; gives an engine on the copy."""
    engine.dispose()
    if engine.dialect.name == "sqlite":
        copy = folder / f"backup-{Path(str(engine.url.database)).name}"
        for part in ("", "-wal"):
            if Path(f"{engine.url.database}{part}").exists():
                shutil.copyfile(f"{engine.url.database}{part}", f"{copy}{part}")
        return open_engine(f"sqlite:///{copy}")
    admin = open_engine(server).execution_options(isolation_level="AUTOCOMMIT")
    name = f"{engine.url.database}_backup"
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE {engine.url.database}")
    admin.dispose()
    return open_engine(engine.url.set(database=name).render_as_string(hide_password=False))


def sealed_values(main: Engine, pupil: str) -> Iterator[bytes]:
    """Give every value in a main database that is sealed under a key of this pupil's or its people's."""
    with reading(main) as session:
        for column, of_pupil in (
            (Pupil.sealed, Pupil.id),
            (Person.sealed, Person.pupil),
            (Words.sealed, Words.pupil),
            (Message.sealed, Message.pupil),
        ):
            yield from filter(None, session.scalars(select(column).where(of_pupil == pupil)))
        for part in (JournalPart.subject, JournalPart.actor, JournalPart.terms):
            for value in session.scalars(select(part).where(part.is_not(None))):
                if value[:1] == b"\x01":
                    yield value[1:]


def epoch_keys(region: Region) -> list[bytes]:
    return [path.read_bytes() for path in sorted((region.settings.keys / "epochs").glob("*.key"))]


def everything_wrapped(keys: Engine) -> Iterator[tuple[bytes, bytes]]:
    """Give every wrapped secret of a key store with the additional data it was wrapped under."""
    with reading(keys) as session:
        for row in session.scalars(select(DataKey).where(DataKey.wrapped.is_not(None))):
            yield row.wrapped or b"", wrap_aad(row.epoch, (b"key", row.id))
        for share in session.scalars(select(Share)):
            yield share.wrapped, wrap_aad(share.epoch, (b"share", share.bundle, share.section))


def opened(wrapped: Iterator[tuple[bytes, bytes]], epochs: list[bytes]) -> set[bytes]:
    """Give every secret that any of these epoch keys unwraps."""
    return {secret for value, aad in wrapped for key in epochs if (secret := tried(key, value, aad)) is not None}


def tried(key: bytes, value: bytes, aad: bytes) -> bytes | None:
    try:
        return decrypt(key, value, aad)
    except ValueRefused:
        return None


def readable(main: Engine, pupil: str, secrets: set[bytes]) -> int:
    """Count the sealed values of a main database that any of these secrets opens, wherever it was to stand."""
    return sum(any(_reads(secret, value) for secret in secrets) for value in sealed_values(main, pupil))


def _reads(secret: bytes, value: bytes) -> bool:
    # GCM without its tag is counter mode, from the second block on: under the right key the end of a value is text,
    # whatever additional data it was bound to. Twelve bytes at random are text once in a hundred thousand times.
    counter = value[:12] + (2).to_bytes(4, "big")
    plain = Cipher(algorithms.AES(secret), modes.CTR(counter)).decryptor().update(value[12:-16])
    return all(32 <= byte < 127 for byte in plain[-12:])


def test_nothing_that_remains_opens_what_backups_hold(
    region: Region, databases: Databases, postgresql_url: str, tmp_path: Path
) -> None:
    file = released_file(region)
    parts = region.parts
    with reading(parts.main) as session:
        released_at = session.scalars(select(Release.at)).one()
    old_main = backup(databases.main, postgresql_url, tmp_path)
    old_keys = backup(databases.keys, postgresql_url, tmp_path)
    first_epoch = epoch_keys(region)
    values = len(list(sealed_values(old_main, file.pupil)))
    # What an intruder of today could do with both backups: everything. So the search below would find it.
    before = opened(everything_wrapped(old_keys), first_epoch)
    assert readable(old_main, file.pupil, before) == values > 20

    with time_machine.travel(due(Kept.RELEASED_PUPIL, released_at), tick=False):
        swept = sweep(parts, accept=1.0, accept_clock=True)
    assert (swept.done[Kept.RELEASED_PUPIL], swept.done["epochs"]) == (1, 1)

    # The present key store opens nothing of the old main database, though its epoch keys are all there.
    present = opened(everything_wrapped(databases.keys), epoch_keys(region))
    assert readable(old_main, file.pupil, present) == 0
    assert len(list(sealed_values(databases.main, file.pupil))) < values
    gone = before - present
    assert len(gone) >= 4  # the pupil's key, two contacts, shares

    # An old key store still does, until its epoch has ended.
    assert opened(everything_wrapped(old_keys), epoch_keys(region)) == before
    with time_machine.travel(due(Kept.RELEASED_PUPIL, released_at) + timedelta(hours=1), tick=False):
        assert end(parts, parts.clock()) == (1,)
    assert opened(everything_wrapped(old_keys), epoch_keys(region)) == set()

    # And neither the ended epoch's key nor any destroyed secret, nor the canary, stands in any file as it is.
    for engine in (databases.main, databases.keys, old_main, old_keys):
        engine.dispose()
    looked = [tmp_path, *files_of(databases, postgresql_url)]
    assert hits(looked, {*first_epoch, *gone}) == []
    assert found_in(tmp_path) == []
    with reading(parts.main) as session:
        assert session.scalars(select(JournalLeaf.index)).all()


def files_of(databases: Databases, server: str) -> list[Path]:
    """Have PostgreSQL write everything out, and give the folders of these databases and of the write-ahead log."""
    if databases.kind == "sqlite":
        return []
    admin = open_engine(server).execution_options(isolation_level="AUTOCOMMIT")
    names = [str(engine.url.database) for engine in (databases.main, databases.keys)]
    with admin.connect() as connection:
        connection.exec_driver_sql("CHECKPOINT")
        home = Path(str(connection.exec_driver_sql("SHOW data_directory").scalar()))
        wanted = text("SELECT oid FROM pg_database WHERE datname = ANY(:names)")
        oids = [row[0] for row in connection.execute(wanted, {"names": [*names, *(f"{n}_backup" for n in names)]})]
    admin.dispose()
    assert len(oids) == 4
    return [*(home / "base" / str(oid) for oid in oids), home / "pg_wal"]


def hits(folders: list[Path], secrets: set[bytes]) -> list[str]:
    """Name the files in which a secret stands, as bytes or in hex."""
    found = []
    for path in (path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()):
        data = path.read_bytes()
        found += [path.name for secret in secrets if secret in data or secret.hex().encode() in data]
    return found
