"""What an erasure empties, and how a reader tells what was erased from what was taken away.

An entry of the book "erasure" lists indices: ERASE those of a pupil's entries, STAFF_ERASED those whose actor went. Its
terms are never sealed. Each row that was emptied names the entry that lists it; a reader looks there, so that emptying
a row by hand is found out.
"""

from collections.abc import Iterable, Mapping
from typing import Any, cast

from sqlalchemy import ColumnElement, LargeBinary, Select, case, func, literal, select, update
from sqlalchemy.orm import Session

from consent.entry import ERASE, ERASURES, STAFF_ERASED, read_entry
from consent.errors import IntegrityBroken
from consent.sealing import BY_PERSON, STORED, Stored, open_parts, stored
from consent.tables import JournalBoard, JournalErasure, JournalLeaf, JournalLookup, JournalPart, Pupil

GONE = "its {} neither opens nor was erased"

_EMPTY = {"day": None, "sections": 0, "ground": None, "outcome": None, "school": None, "pupil_tag": None}


def listed(session: Session, tagged: ColumnElement[bool]) -> list[int]:
    """Give the indices of the entries under these tags, in order."""
    return list(session.scalars(select(JournalLookup.index).where(tagged).order_by(JournalLookup.index)))


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
    if _lists(session, row.erased, ERASE, row.index, origin):
        return True
    if missing != ["actor"] or not _lists(session, row.actor_erased, STAFF_ERASED, row.index, origin):
        raise IntegrityBroken(GONE.format(", ".join(missing)), row.index)
    return False


def _lists(session: Session, erasure: int | None, type_: int, index: int, origin: str) -> bool:
    """Tell whether the entry at `erasure` is an erasure of that type and lists the index. Read once per transaction."""
    if erasure is None or erasure <= index:
        return False
    known: dict[int, tuple[int, frozenset[int]]] = session.info.setdefault("erasures", {})
    if erasure not in known:
        known[erasure] = _read(session, erasure, origin)
    return known[erasure][0] == type_ and index in known[erasure][1]


def _read(session: Session, erasure: int, origin: str) -> tuple[int, frozenset[int]]:
    for row in stored(session, STORED.where(JournalLeaf.index == erasure)):
        parts = open_parts(row, {}, origin)
        if parts["subject"] and parts["terms"]:
            opened = read_entry(row.index, row.type, parts["subject"], None, parts["terms"])
            if opened.book == ERASURES:
                return opened.type, frozenset(cast("list[int]", opened.terms["erased"]))
    return 0, frozenset()


def _of(tagged: ColumnElement[bool]) -> Select[Any]:
    return select(JournalLookup.index).where(tagged)
