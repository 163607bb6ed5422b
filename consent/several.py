"""Several pupils at once, for whoever goes through hundreds: their keys and their entries with two reads each."""

from collections.abc import Collection, Iterable
from typing import Final

from sqlalchemy import bindparam
from sqlalchemy.orm import Session

from consent import inventory
from consent.entry import Opened
from consent.errors import IntegrityBroken
from consent.keystore import KeyStore, OwnerKey
from consent.opened import keys_for, open_entries
from consent.sealing import LOOKUP, STORED, Stored, stored

_OF_PUPILS: Final = STORED.where(
    LOOKUP.c.pupil_tag.in_(bindparam("tags", expanding=True)), LOOKUP.c.book == bindparam("book")
)


def pupil_keys(session: Session, keystore: KeyStore, pupils: Iterable[str]) -> dict[str, OwnerKey]:
    """Give pupils' keys, read once per transaction as `Journal.pupil_key` does; who was erased is left out."""
    cached: dict[str, OwnerKey] = session.info.setdefault("pupils", {})
    wanted = set(pupils)
    if unknown := wanted - cached.keys():
        tags = inventory.tags(keystore, "pupil", sorted(unknown))
        cached |= {key.owner: key for key in keystore.by_tags(tags.values()).values()}
    return {pupil: cached[pupil] for pupil in wanted if pupil in cached}


def entries(
    session: Session, keystore: KeyStore, name: str, pupils: Collection[str], book: str
) -> dict[str, list[Opened] | None]:
    """Read pupils' entries of one book in the journal of this name, as `Journal.of_pupil` does.

    None stands for a pupil whose entries don't hold together; who was erased is left out.
    """
    keys = {key.tag: key for key in pupil_keys(session, keystore, pupils).values()}
    rows: dict[bytes, list[Stored]] = {tag: [] for tag in keys}
    found = stored(session, _OF_PUPILS, tags=list(keys), book=book)
    for row in found:
        rows[row.pupil_tag or b""].append(row)
    owners = keys_for(keystore, found, keys)
    return {key.owner: _opened(session, rows[tag], owners, name, key.owner) for tag, key in keys.items()}


def _opened(
    session: Session, rows: list[Stored], owners: dict[bytes, OwnerKey], name: str, pupil: str
) -> list[Opened] | None:
    try:
        opened = open_entries(session, rows, owners, name)
    except IntegrityBroken:
        return None
    return opened if all(entry.pupil == pupil for entry in opened) else None
