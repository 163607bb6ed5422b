"""Keys of pupils, persons and boards as they are in use, and how a value is wrapped in the key store.

A member of staff has one key for each calendar year (Europe/Amsterdam), so that what was logged about them ends by its
own term: the owner is the person, a slash and the year in which the entry was made.
"""

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Row, bindparam, select

from consent.errors import Destroyed, ValueRefused
from consent.tables import DataKey, core
from consent.terms import AMSTERDAM
from crypto.encoding import lp

_WRAP = b"overdracht/v1/wrap\x00"
_TAG = b"overdracht/v1/tag\x00"
_LOOKUP = b"overdracht/v1/lookup\x00"
_DATA_KEY = core(DataKey)
_KEYS = select(*(_DATA_KEY.c[name] for name in ("id", "owner_id", "tag", "wrapped", "number", "epoch")))
OWNER = _KEYS.where(_DATA_KEY.c.owner_kind == bindparam("kind"), _DATA_KEY.c.owner_id == bindparam("owner"))
TAGGED = _KEYS.where(_DATA_KEY.c.tag.in_(bindparam("tags", expanding=True)))
YEARS = _KEYS.where(
    _DATA_KEY.c.owner_kind == "person",
    _DATA_KEY.c.owner_id.between(bindparam("first"), bindparam("last")),
    _DATA_KEY.c.wrapped.is_not(None),
).order_by(_DATA_KEY.c.owner_id.desc())
STAFF = (
    select(_DATA_KEY.c.owner_id)
    .where(
        _DATA_KEY.c.owner_kind == "person",
        _DATA_KEY.c.owner_id.like(bindparam("of_year")),
        _DATA_KEY.c.wrapped.is_not(None),
    )
    .order_by(_DATA_KEY.c.owner_id)
    .limit(bindparam("limit"))
)
"""An owner's key by kind and id; keys by their tags; the keys of a person over the years; the owners of a year."""


@dataclass(frozen=True, slots=True)
class OwnerKey:
    """An owner's unwrapped key. `tag` names the owner's rows; `number` is the newest running number acknowledged."""

    id: str
    owner: str
    tag: bytes
    number: int
    key: bytes = field(repr=False)

    def seal(self, plaintext: bytes, aad: bytes) -> bytes:
        """Encrypt with AES-256-GCM under a random nonce, which stands first."""
        return encrypt(self.key, plaintext, aad)

    def open(self, sealed: bytes, aad: bytes) -> bytes:
        """Decrypt what `seal` made; raises `ValueRefused`."""
        return decrypt(self.key, sealed, aad)


def year_at(moment: datetime) -> int:
    """Give the calendar year of a moment, as it is in Amsterdam."""
    return moment.astimezone(AMSTERDAM).year


def staff_owner(person: str, at: datetime) -> str:
    """Name the owner of the key under which a member of staff stands in entries made at this time."""
    return f"{person}/{year_at(at):04}"


def unwrap_owner(row: Row[Any], epoch_key: Callable[[int], bytes]) -> OwnerKey:
    """Read an owner's key from its row; raises `Destroyed`, `ValueRefused` or `EpochKeyMissing`."""
    if row.wrapped is None or row.tag is None:
        raise Destroyed("this key was destroyed")
    key = decrypt(epoch_key(row.epoch), row.wrapped, wrap_aad(row.epoch, (b"key", row.id)))
    return OwnerKey(row.id, row.owner_id, row.tag, row.number, key)


def tag_of(key: bytes, kind: str) -> bytes:
    """Name an owner's rows: an HMAC under the owner's own key, which means nothing once the key is gone."""
    return hmac.digest(key, _TAG + kind.encode(), "sha256")


def lookup_hash(board_key: bytes, value: str) -> bytes:
    """Hash a board's value under the board's key."""
    return hmac.digest(board_key, _LOOKUP + value.encode(), "sha256")


def wrap_aad(epoch: int, place: tuple[bytes | str, ...]) -> bytes:
    """Say where a wrapped value belongs: epoch, table and row."""
    return _WRAP + lp(epoch.to_bytes(4, "big"), *(part.encode() if isinstance(part, str) else part for part in place))


def encrypt(key: bytes, value: bytes, aad: bytes) -> bytes:
    """Encrypt with AES-256-GCM under a random nonce, which stands first."""
    nonce = secrets.token_bytes(12)
    return nonce + AESGCM(key).encrypt(nonce, value, aad)


def decrypt(key: bytes, sealed: bytes, aad: bytes) -> bytes:
    """Decrypt what `encrypt` made; raises `ValueRefused`."""
    try:
        return AESGCM(key).decrypt(sealed[:12], sealed[12:], aad)
    except (InvalidTag, ValueError):  # a nonce cut short is a ValueError
        raise ValueRefused("a sealed value doesn't open") from None
