"""How an entry's parts stand in the side table: each behind a byte that says whose key sealed it, and how they open.

A part is bound to its place by the additional data: log, index, part and leaf hash. It opens there and nowhere else.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date
from typing import Any, NamedTuple, TypeAlias

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from consent.entry import (
    PARTS,
    SALT_SIZE,
    SEES,
    WHOLE,
    Entry,
    Leaf,
    Opened,
    check_part,
    parse_leaf,
    read_entry,
    section_bits,
)
from consent.errors import IntegrityBroken, ValueRefused
from consent.keystore import OwnerKey
from consent.tables import JournalLeaf, JournalLookup, JournalPart, core
from crypto.encoding import lp
from crypto.merkle import leaf_hash

CLEAR, BY_PUPIL, BY_PERSON = b"\x00", b"\x01", b"\x02"
"""The first byte of a stored part: not sealed, or under whose key."""

_AAD = b"overdracht/v1/journal\x00"
_PART = {part: lp(part.encode()) for part in PARTS}

Place: TypeAlias = tuple[str, int, bytes]
"""Where a part belongs: origin of the log, index, leaf hash."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An entry as the database holds it. Nothing in it is believed before it was checked against the leaf."""

    index: int
    leaf: bytes
    hash: bytes
    book: str
    type: int
    day: date | None
    sections: int
    ground: str | None
    outcome: str | None
    number: int | None
    pupil_tag: bytes | None
    actor_tag: bytes | None
    school: str | None
    erased: int | None
    actor_erased: int | None
    subject: bytes | None
    actor: bytes | None
    terms: bytes | None


LEAF, LOOKUP, PART = core(JournalLeaf), core(JournalLookup), core(JournalPart)
_TABLES = {"index": LEAF, "leaf": LEAF, "hash": LEAF} | dict.fromkeys(PARTS, PART)
STORED = (
    select(*(_TABLES.get(one.name, LOOKUP).c[one.name.replace("index", "idx")] for one in fields(Stored)))
    .join_from(LEAF, LOOKUP, LOOKUP.c.idx == LEAF.c.idx)
    .join(PART, PART.c.idx == LEAF.c.idx)
    .order_by(LEAF.c.idx)
)
"""Selects the columns of `Stored`, in the order of the journal."""


def stored(session: Session, wanted: Select[Any], **parameters: bytes | str | list[bytes]) -> list[Stored]:
    """Read stored entries by a selection made from `STORED`."""
    return [Stored(*row) for row in session.connection().execute(wanted, parameters)]


def seal_parts(
    parts: Mapping[str, bytes], entry: Entry, pupil: OwnerKey | None, person: OwnerKey | None, place: Place
) -> dict[str, bytes]:
    """Seal an entry's parts for their place.

    Subject and terms go under the pupil's key, and stay clear where no pupil is concerned. The actor goes under the
    person's own key, so that erasing the pupil doesn't erase who looked; a family's goes under the pupil's.
    """
    about = (BY_PUPIL, pupil)
    by = {"staff": (BY_PERSON, person), "family": about, "service": (CLEAR, None)}[entry.actor.kind]
    keys = {"subject": about, "actor": by, "terms": about}
    return {part: _seal(parts[part], *keys[part], part_aad(part, place)) for part in PARTS}


class Rows(NamedTuple):
    """What an entry becomes in each table of the journal, at its place."""

    place: Place
    leaf: dict[str, object]
    part: dict[str, object]
    lookup: dict[str, object]
    boards: list[dict[str, object]]


def rows_of(
    entry: Entry,
    parts: Mapping[str, bytes],
    numbers: tuple[int | None, Mapping[str, int]],
    keys: tuple[OwnerKey | None, OwnerKey | None],
    place: Place,
    leaf: bytes,
    day: date,
) -> Rows:
    """Write an entry's rows: its parts sealed, and beside them what stands in clear.

    `numbers` are the pupil's running number and each board's, `keys` the pupil's and the person's.
    """
    _, index, hashed = place
    pupil, person = keys
    clear: dict[str, object] = {
        "idx": index,
        "type": entry.type,
        "day": day,
        "sections": section_bits(entry.sections),
        "ground": entry.ground,
        "outcome": entry.outcome,
        "school": entry.school,
        "pupil_tag": pupil and pupil.tag,
        "actor_tag": person and person.tag,
    }
    return Rows(
        place,
        {"idx": index, "leaf": leaf, "hash": hashed},
        {"idx": index, **seal_parts(parts, entry, pupil, person, place)},
        {**clear, "book": entry.book, "number": numbers[0]},
        [board_row(entry, clear, *each) for each in numbers[1].items()],
    )


def put_together(row: Stored, parts: Mapping[str, bytes | None]) -> Opened:
    """Put an entry together from its opened parts, and check the columns in clear against them.

    Raises `IntegrityBroken` where anything disagrees, and for an entry that was erased. Only the actor may be missing;
    whether that was erased, the caller has to ask (`consent.erasing`).
    """
    if parts["subject"] is None or parts["terms"] is None:
        raise IntegrityBroken("it was erased", row.index)
    opened = read_entry(row.index, row.type, parts["subject"], parts["actor"], parts["terms"])
    said = (opened.book, opened.recorded_at.date(), section_bits(opened.sections), opened.ground, opened.outcome)
    clear = (row.book, row.day, row.sections, row.ground, row.outcome)
    if (*said, opened.number, opened.school) != (*clear, row.number, row.school):
        raise IntegrityBroken("what stands in clear isn't what was sealed", row.index)
    return opened


def open_parts(row: Stored, owners: Mapping[bytes, OwnerKey], origin: str) -> dict[str, bytes | None]:
    """Open what is there of an entry's parts, salts in front; None where a part was erased or its key destroyed.

    Raises `IntegrityBroken` where a part that should open doesn't, or isn't what the leaf commits to.
    """
    leaf = checked_leaf(row)
    place = (origin, row.index, row.hash)
    return {part: open_part(part, row, leaf, owners, place) for part in PARTS}


def checked_leaf(row: Stored) -> Leaf:
    """Read a stored entry's leaf; raises `IntegrityBroken` where hash or type say otherwise."""
    leaf = parse_leaf(row.leaf, row.index)
    if leaf_hash(row.leaf) != row.hash or leaf.type != row.type:
        raise IntegrityBroken("its leaf, hash and type disagree", row.index)
    return leaf


def open_part(part: str, row: Stored, leaf: Leaf, owners: Mapping[bytes, OwnerKey], place: Place) -> bytes | None:
    """Open one part, as `open_parts` does."""
    stored: bytes | None = getattr(row, part)
    if stored is None:
        return None
    whose, salted = stored[:1], stored[1:]
    if whose != CLEAR:
        tag = {BY_PUPIL: row.pupil_tag, BY_PERSON: row.actor_tag}.get(whose)
        if tag is None:
            raise IntegrityBroken(f"its {part} says of nobody whose key sealed it", row.index)
        if tag not in owners:
            return None
        try:
            salted = owners[tag].open(salted, part_aad(part, place))
        except ValueRefused:
            raise IntegrityBroken(f"its {part} doesn't open", row.index) from None
    if len(salted) < SALT_SIZE:
        raise IntegrityBroken(f"its {part} has no salt", row.index)
    check_part(leaf, part, salted, row.index)
    return salted


def board_row(entry: Entry, clear: Mapping[str, object], board: str, number: int) -> dict[str, object]:
    """Write a board's row: what it may not see, it can't search by either."""
    row: dict[str, object] = {**clear, "board": board, "number": number, "sees": WHOLE}
    told = entry.only_told().get(board)
    if told is not None:
        row |= {"outcome": told.outcome, "sees": sum(SEES[part] for part in told.sees), "pupil_tag": None}
        if "actor" not in told.sees:
            row["actor_tag"] = None
    return row


def _seal(salted: bytes, whose: bytes, owner: OwnerKey | None, aad: bytes) -> bytes:
    if owner is None:
        return CLEAR + salted
    return whose + owner.seal(salted, aad)


def part_aad(part: str, place: Place) -> bytes:
    """Say where a part belongs."""
    origin, index, hashed = place
    return b"".join((_AAD, _PART[part], index.to_bytes(8, "big"), hashed, origin.encode()))
