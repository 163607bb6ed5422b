"""Backups: main database and key store as of one moment, in two files, each with a manifest that says what is in it.

Both are read at one point of the journal: its head is locked until each database has a snapshot. They belong in two
places, since who has both, and the epoch keys, has everything. Neither holds an epoch key or the log's key.

A backup of the key store is worth something only as long as its epoch's key lives. The operator says with `confirm`
that both copies are safe elsewhere: only then are older epochs' keys destroyed, and shipments removed that the copies
hold.
"""

import hashlib
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, cast

from sqlalchemy import select

from consent import tree
from consent.db import open_engine, reading, writing
from consent.fields import Malformed, print_time, read_time
from consent.tables import Epoch, Shipped
from crypto.checkpoint import parse_checkpoint
from crypto.encoding import Printable, canon, integer, parse, record, text
from crypto.errors import CheckpointRefused, EncodingRefused
from crypto.files import locked, partial_of, replace_private, write_private
from handover import epochs
from handover.copying import Kind, kind_of, snapshot
from handover.errors import HandoverError
from handover.freezing import is_frozen
from handover.parts import Parts

WHAT: Final = ("main", "keys")
CONFIRMED: Final = "confirmed.json"
"""A manifest of the backup that was confirmed last, in HANDOVER_HOME."""

_LIMIT: Final = 1 << 16
_NOTE: Final = r"[^\x00]{1,16384}"


class BackupRefused(HandoverError):
    """A backup or its manifest isn't what it should be."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup is: which database, of which log, up to which checkpoint, shipment and epoch."""

    what: str
    kind: Kind
    log: str
    checkpoint: str
    shipped: int
    epoch: int
    taken_at: datetime
    file: str
    sha256: str


def print_manifest(manifest: Manifest) -> bytes:
    """Print a manifest: canonical JSON."""
    said: dict[str, Printable] = {
        "v": 1,
        "what": manifest.what,
        "kind": manifest.kind,
        "log": manifest.log,
        "checkpoint": manifest.checkpoint,
        "shipped": manifest.shipped,
        "epoch": manifest.epoch,
        "taken_at": print_time(manifest.taken_at),
        "file": manifest.file,
        "sha256": manifest.sha256,
    }
    return canon(said)


def parse_manifest(data: bytes) -> Manifest:
    """Read a manifest; raises BackupRefused."""
    try:
        said = record(parse(data, limit=_LIMIT), "v", *Manifest.__slots__)
        integer(said.pop("v"), 1, 1)
        parse_checkpoint(text(said["checkpoint"], _NOTE).encode())
        return Manifest(
            what=text(said["what"], "|".join(WHAT)),
            kind=cast(Kind, text(said["kind"], "sqlite|postgresql")),
            log=text(said["log"]),
            checkpoint=text(said["checkpoint"], _NOTE),
            shipped=integer(said["shipped"]),
            epoch=integer(said["epoch"], 1, 1 << 32),
            taken_at=read_time(said["taken_at"]),
            file=text(said["file"], r"[A-Za-z0-9][A-Za-z0-9.-]{0,99}"),
            sha256=text(said["sha256"], "[0-9a-f]{64}"),
        )
    except (EncodingRefused, Malformed, CheckpointRefused) as refused:
        raise BackupRefused(f"not a backup's manifest: {refused}") from None


def backup(parts: Parts, out: Path) -> list[Path]:
    """Write both databases, as of one moment, into new files in a folder; gives their manifests.

    What a backup that was killed left half written in that folder goes: it holds what must go with its term.
    """
    main, keys = parts.main, open_engine(parts.settings.keystore_url)
    with ExitStack() as held:
        held.enter_context(locked(out))
        for left in (left for what in WHAT for left in out.glob(partial_of(out / f"{what}-*").name)):
            left.unlink()
        held.callback(keys.dispose)
        with writing(main) as session:  # the head's lock: nobody commits meanwhile
            parts.journal.lock_head(session)
            taken_at, note = parts.clock(), tree.checkpoint(session).decode()
            with reading(keys) as store:
                shipped = store.scalars(select(Shipped.number)).one()
                epoch = store.scalars(select(Epoch.number).where(Epoch.current)).one()
            copies = [held.enter_context(snapshot(engine)) for engine in (main, keys)]
        manifests = []
        for what, engine, copy in zip(WHAT, (main, keys), copies, strict=True):
            kind = kind_of(engine)
            file = out / f"{what}-{taken_at:%Y%m%dT%H%M%SZ}.{kind}"
            copy(file)
            said = Manifest(what, kind, parts.settings.log, note, shipped, epoch, taken_at, file.name, hashed(file))
            manifests.append(file.with_name(file.name + ".json"))
            write_private(manifests[-1], print_manifest(said))
    return manifests


def newest(folders: Iterable[Path]) -> tuple[Path, Path]:
    """Give both manifests of the newest backup in these folders; raises BackupRefused where none is whole.

    What went on its way to its place alone, or is still written, is passed over.
    """
    main, keys = (found[-1] for found in _all_of_newest(folders))
    return main, keys


def checked(folders: Sequence[Path]) -> list[Manifest]:
    """Check every copy of the newest backup in these folders; gives its manifests, that of the main database first.

    Raises BackupRefused where one of the folders holds no copy of it, or a damaged one, and OSError where a manifest
    stands there without its copy: a place that stayed behind is no safe place.
    """
    main, keys = _all_of_newest(folders)
    up_to_date = {path.parent for path in (*main, *keys)}
    for folder in folders:
        if folder not in up_to_date:
            raise BackupRefused(f"{folder} holds neither {main[0].name} nor {keys[0].name}: nothing is confirmed")
    said = {read_backup(path, what)[0] for what, found in zip(WHAT, (main, keys), strict=True) for path in found}
    return sorted(said, key=lambda one: WHAT.index(one.what))


def _all_of_newest(folders: Iterable[Path]) -> tuple[list[Path], list[Path]]:
    here = list(folders)
    main, keys = ([path for folder in here for path in folder.glob(f"{what}-*.json")] for what in WHAT)
    if not (whole := set(map(_moment, main)) & set(map(_moment, keys))):
        raise BackupRefused("no backup stands there with both its manifests, main-*.json and keys-*.json")
    of_newest = [[path for path in found if _moment(path) == max(whole)] for found in (main, keys)]
    return of_newest[0], of_newest[1]


def _moment(manifest: Path) -> str:
    return manifest.name.partition("-")[2].partition(".")[0]


def hashed(file: Path) -> str:
    """Give a file's SHA-256 in hex."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def read_backup(path: Path, what: str) -> tuple[Manifest, Path]:
    """Read a manifest and check the copy beside it; gives both. Raises BackupRefused or OSError."""
    manifest = parse_manifest(path.read_bytes())
    file = path.with_name(manifest.file)
    if manifest.what != what:
        raise BackupRefused(f"{path.name} is that of the {manifest.what} database")
    if hashed(file) != manifest.sha256:
        raise BackupRefused(f"{file} isn't the file that its manifest names: it was damaged or exchanged")
    return manifest, file


def confirm(parts: Parts, manifests: Sequence[bytes]) -> tuple[tuple[int, ...], int]:
    """Take the operator's word that both copies of a backup are safe; gives what epochs ended, and how many shipments.

    Raises BackupRefused unless these are the two manifests of one backup of this service; while it is frozen too, since
    what a restore needs would go: older epochs' keys, and shipments.
    """
    if is_frozen(parts):
        raise BackupRefused("the service is frozen: restore it first, what would be let go may be needed for that")
    said = [parse_manifest(each) for each in manifests]
    one = {(each.log, each.taken_at, each.shipped) for each in said}
    if sorted(each.what for each in said) != sorted(WHAT) or len(one) != 1:
        raise BackupRefused("name both manifests of one backup, of the main database and of the key store")
    if said[0].log != parts.settings.log or said[0].taken_at > parts.clock():
        raise BackupRefused("this backup isn't one of this service")
    ended = epochs.end(parts, said[0].taken_at)
    replace_private(parts.settings.home / CONFIRMED, print_manifest(said[0]))
    return ended, 0 if parts.shipping is None else parts.shipping.drop(said[0].shipped)
