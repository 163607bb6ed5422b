"""What an operator can look at and mend: is the service well, and is what it stands on?

`NOT` is said of what must be mended; `warn` of what works today and may cost data on a bad day. A place is compared by
what the settings say of it: two names of one machine look like two.
"""

import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final, Literal

from sqlalchemy import make_url

from handover.backup import CONFIRMED, BackupRefused, parse_manifest
from handover.freezing import is_frozen, missing
from handover.outbox import queued
from handover.parts import LOG_KEY, Parts
from handover.settings import Settings
from handover.sweeping import loss_doubts

State = Literal["ok", "warn", "NOT"]
NIGHTS: Final = timedelta(days=2)
"""How old the newest confirmed backup may be."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: what, how it is, and what there is to say or to do about it."""

    what: str
    state: State
    said: str = ""


def doctor(parts: Parts) -> list[Finding]:
    """Look at everything. The parts were assembled, so journal and key store stand already."""
    return [*_service(parts), *_places(parts.settings), *_loss(parts)]


def _service(parts: Parts) -> Iterator[Finding]:
    settings, gone = parts.settings, ", ".join(missing(parts))
    yield Finding("journal and key store agree", "ok")
    yield _must("nothing is frozen", not is_frozen(parts), "read deploy/restore.md: the journal isn't what it was")
    yield _must(
        "every board's entries are there",
        not gone,
        f"restore the main database (deploy/restore.md): entries of {gone} were taken out",
    )
    for path in (settings.home, settings.keys, settings.keys / LOG_KEY):
        mode = stat.S_IMODE(path.stat().st_mode)
        yield _must(f"{path.name} is private", not mode & 0o077, f"chmod go-rwx {path}")
    yield _must("no message waits", not queued(parts), "let the service write HANDOVER_OUTBOX, and sweep")
    free = shutil.disk_usage(settings.home).free
    yield _must("1 GB of disk is free", free > 1 << 30, "free some space before the service stops")


def _places(settings: Settings) -> Iterator[Finding]:
    main, keys = _place(settings.database_url), _place(settings.keystore_url)
    folders = [place for place in (main, keys) if isinstance(place, Path)]
    yield _must(
        "the folder of keys isn't a database's",
        settings.keys not in folders,
        "put HANDOVER_KEYS in a place that no database's backup holds",
    )
    yield _should(
        "the folder of keys isn't inside a database's",
        not any(folder in settings.keys.parents for folder in folders),
        "whoever copies that folder whole has keys and databases in one: put HANDOVER_KEYS elsewhere",
    )
    yield _should(
        "main database and key store are in two places",
        main != keys,
        "both are on one server, or in one folder: who gets that gets both",
    )
    yield _should(
        "there is a second place",
        settings.second is not None,
        "set HANDOVER_SECOND: without it a restore loses what came after the backup",
    )


def _place(url: str) -> Path | tuple[object, object]:
    """Give the folder of a database, or host and port of its server."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return Path(str(parsed.database)).parent
    return parsed.host or parsed.query.get("host"), str(parsed.port or parsed.query.get("port", 5432))


def _loss(parts: Parts) -> Iterator[Finding]:
    what = "newest confirmed backup"
    try:
        taken_at = parse_manifest((parts.settings.home / CONFIRMED).read_bytes()).taken_at
    except FileNotFoundError:
        yield Finding(what, "warn", "none: nothing that is destroyed is beyond recovery yet (deploy/restore.md)")
    except BackupRefused:
        yield Finding(what, "warn", f"{CONFIRMED} is damaged: take a backup and confirm it (deploy/restore.md)")
    else:
        state: State = "ok" if parts.clock() - taken_at < NIGHTS else "warn"
        yield Finding(what, state, f"{taken_at:%Y-%m-%d %H:%M} UTC")
    for doubt in loss_doubts(parts):
        yield Finding("sweeps go on after a loss", "NOT", f"{doubt}, and then `handover admin sweep --accept-loss`")


def _must(what: str, well: bool, advice: str) -> Finding:
    return Finding(what, "ok") if well else Finding(what, "NOT", advice)


def _should(what: str, well: bool, advice: str) -> Finding:
    return Finding(what, "ok") if well else Finding(what, "warn", advice)
