"""What the key store holds, counted and paged without opening any of it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import func, select

from consent.keystore import KeyStore
from consent.tables import DataKey, Epoch, Share, core

_DATA_KEY, _EPOCH, _SHARE = core(DataKey).c, core(Epoch).c, core(Share).c
_EPOCHS: Final = select(_EPOCH.number, _EPOCH.current, _EPOCH.emptied_at, _EPOCH.destroyed).order_by(_EPOCH.number)


@dataclass(frozen=True, slots=True)
class EpochState:
    """How an epoch stands: `emptied_at` is when nothing was left under its key, `destroyed` that the key is gone."""

    number: int
    current: bool
    emptied_at: datetime | None
    destroyed: bool


def epochs(keystore: KeyStore) -> list[EpochState]:
    """Say how each epoch stands, the oldest first."""
    return [EpochState(*row) for row in keystore.rows(_EPOCHS)]


def tags(keystore: KeyStore, kind: str, owners: Iterable[str]) -> dict[str, bytes]:
    """Give these owners' tags; whose key was destroyed is left out."""
    ours = (_DATA_KEY.owner_kind == kind, _DATA_KEY.owner_id.in_(list(owners)), _DATA_KEY.tag.is_not(None))
    return dict(keystore.rows(select(_DATA_KEY.owner_id, _DATA_KEY.tag).where(*ours)))


def stores(keystore: KeyStore, after: str = "", limit: int = 500) -> list[str]:
    """Name bundles of which a share is kept, in order, from the one after `after` on."""
    wanted = select(_SHARE.bundle).where(_SHARE.bundle > after).distinct().order_by(_SHARE.bundle).limit(limit)
    return [name for (name,) in keystore.rows(wanted)]


def count(keystore: KeyStore, kind: str) -> int:
    """Count the keys of owners of a kind that weren't destroyed."""
    wanted = select(func.count()).where(_DATA_KEY.owner_kind == kind, _DATA_KEY.wrapped.is_not(None))
    return int(keystore.rows(wanted)[0][0])


def has_store(keystore: KeyStore, name: str) -> bool:
    """Tell whether any share is kept under this name."""
    return bool(keystore.rows(select(_SHARE.section).where(_SHARE.bundle == name).limit(1)))
