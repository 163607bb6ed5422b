"""Opens stored entries: each part is checked against the leaf, and what is missing against what erasures list."""

from collections.abc import Iterable, Mapping

from sqlalchemy.orm import Session

from consent.entry import Opened
from consent.erasing import check_gone
from consent.keystore import KeyStore, OwnerKey
from consent.sealing import Stored, open_parts, put_together


def keys_for(keystore: KeyStore, rows: Iterable[Stored], known: Mapping[bytes, OwnerKey]) -> dict[bytes, OwnerKey]:
    """Give the keys that open these entries, by tag, with one query at most: for what isn't known yet."""
    needed = {tag for row in rows for tag in (row.pupil_tag, row.actor_tag) if tag is not None} - known.keys()
    return {**known, **(keystore.by_tags(needed) if needed else {})}


def open_entries(
    session: Session, rows: list[Stored], owners: Mapping[bytes, OwnerKey], name: str, *, erased: bool = False
) -> list[Opened]:
    """Open entries of the journal of this name; raises `IntegrityBroken`, also for one that was erased.

    Those are left out where the caller says that they may be `erased`.
    """
    opened = []
    for row in rows:
        parts = open_parts(row, owners, name)
        if not (check_gone(session, row, parts, name) and erased):
            opened.append(put_together(row, parts))
    return opened
