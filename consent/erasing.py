"""What an erasure empties, and how a reader tells what was erased from what was taken away.

An entry of the book "erasure" lists indices: ERASE those of a pupil's entries, and apart from them those of which who
acted went too (`actors`: the family's and the service's); STAFF_ERASED those whose actor went. Its terms are never
sealed. Each row that was emptied names the entry that lists it; a reader looks there, so that emptying a row by hand is
found out.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from sqlalchemy import ColumnElement, LargeBinary, Select, case, func, literal, select, update
from sqlalchemy.orm import Session

from consent.entry import ERASE, ERASURES, GONE, SEES, STAFF_ERASED, read_entry
from consent.erased import NOTHING, Listed, read_listed
from consent.errors import IntegrityBroken
from consent.keystore import OwnerKey
from consent.sealing import BY_PERSON, STORED, Stored, checked_leaf, open_part, open_parts, stored
from consent.tables import JournalBoard, JournalErasure, JournalLeaf, JournalLookup, JournalPart, Pupil
from crypto.encoding import JSON

_EMPTY = {"day": None, "sections": 0, "ground": None, "outcome": None, "school": None, "pupil_tag": None}


def listed(session: Session, tagged: ColumnElement[bool]) -> list[int]:
    """Give the indices of the entries under these tags, in order."""
    return list(session.scalars(select(JournalLookup.index).where(tagged).order_by(JournalLookup.index)))


def of_pupil(session: Session, key: OwnerKey, origin: str) -> dict[str, JSON]:
    """Give the terms of a pupil's ERASE: the pupil's entries, and those of which the pupil's key opens who acted.

    What isn't what the leaf commits to is emptied too and not listed, so that the damage stays to be seen.
    """
    rows = stored(session, STORED.where(JournalLookup.pupil_tag == key.tag))
    actors: list[JSON] = [row.index for row in rows if _opens(row, key, origin)]
    return {"actors": actors, "erased": [row.index for row in rows]}


def _opens(row: Stored, key: OwnerKey, origin: str) -> bool:
    try:
        return open_part("actor", row, checked_leaf(row), {key.tag: key}, (origin, row.index, row.hash)) is not None
    except IntegrityBroken:
        return False


def boards_seeing(session: Session, tagged: ColumnElement[bool], parts: int) -> set[str]:
    """Name the boards that see all these parts of an entry under these tags: its erasure concerns them."""
    seeing = JournalBoard.sees.op("&")(parts) == parts
    return set(
        session.scalars(select(JournalBoard.board).where(JournalBoard.index.in_(_of(tagged)), seeing).distinct())
    )


def empty_pupil(session: Session, pupil: str, tag: bytes, index: int) -> None:
    """Empty a pupil's row and entries, but for who of the staff acted; `index` is that of the ERASE."""
    tagged = JournalLookup.pupil_tag == tag
    staff = func.substr(JournalPart.actor, 1, 1) == literal(BY_PERSON, LargeBinary)
    actor_kept = case((staff, JournalPart.actor), else_=None)
    of_these = JournalPart.index.in_(_of(tagged))
    session.execute(update(JournalPart).where(of_these).values(subject=None, actor=actor_kept, terms=None))
    session.execute(update(JournalBoard).where(JournalBoard.index.in_(_of(tagged))).values(_EMPTY))
    session.execute(update(JournalLookup).where(tagged).values({**_EMPTY, "number": None, "erased": index}))
    session.execute(update(Pupil).where(Pupil.id == pupil).values(sealed=None, erased=True))


def empty_staff(session: Session, tags: Iterable[bytes], index: int) -> None:
    """Empty who acted in the entries under these staff tags; `index` is that of the STAFF_ERASED."""
    tagged = JournalLookup.actor_tag.in_(list(tags))
    session.execute(update(JournalPart).where(JournalPart.index.in_(_of(tagged))).values(actor=None))
    session.execute(update(JournalBoard).where(JournalBoard.index.in_(_of(tagged))).values(actor_tag=None))
    session.execute(update(JournalLookup).where(tagged).values(actor_tag=None, actor_erased=index))


def doom(session: Session, index: int, keys: Iterable[str]) -> None:
    """Note which keys are to be destroyed once the erasure at `index` was acknowledged."""
    session.add_all(JournalErasure(index=index, key_id=key) for key in sorted(set(keys)))
    session.info["erased"] = True


def doomed(session: Session) -> set[str]:
    """Name the keys of which the erasure was written already."""
    return set(session.scalars(select(JournalErasure.key_id)))


def check_gone(session: Session, row: Stored, parts: Mapping[str, bytes | None], origin: str) -> bool:
    """Tell whether an entry was erased with its pupil; only its actor may be missing for another reason.

    Raises `IntegrityBroken` where a part is missing that no erasure lists.
    """
    missing = [part for part, salted in parts.items() if salted is None]
    if not missing:
        return False
    pupil = _listed(session, row.erased, ERASE, row.index, origin).goes(row.index)
    staff = _listed(session, row.actor_erased, STAFF_ERASED, row.index, origin).goes(row.index)
    lost = [part for part in missing if not (pupil | staff) & SEES[part]]
    if lost:
        raise IntegrityBroken(GONE.format(", ".join(lost)), row.index)
    return pupil != 0


def _listed(session: Session, erasure: int | None, type_: int, index: int, origin: str) -> Listed:
    """Give what the entry at `erasure` lists, if it is an erasure of that type and a later one. Read once per session.

    Raises `IntegrityBroken`.
    """
    if erasure is None or erasure <= index:
        return NOTHING
    known: dict[int, Listed] = session.info.setdefault("erasures", {})
    if erasure not in known:
        known[erasure] = _read(session, erasure, origin)
    return known[erasure] if known[erasure].type == type_ else NOTHING


def _read(session: Session, erasure: int, origin: str) -> Listed:
    for row in stored(session, STORED.where(JournalLeaf.index == erasure)):
        parts = open_parts(row, {}, origin)
        if parts["subject"] and parts["terms"]:
            opened = read_entry(row.index, row.type, parts["subject"], None, parts["terms"])
            if opened.book == ERASURES:
                with suppress(KeyError, TypeError, ValueError):
                    return read_listed(opened.type, opened.terms)
    return NOTHING


def _of(tagged: ColumnElement[bool]) -> Select[Any]:
    return select(JournalLookup.index).where(tagged)
