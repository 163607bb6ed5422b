"""An entry of the journal: what goes in, what the tree holds of it, and what comes out.

An entry has three parts, subject, actor and terms. Each is printed as canonical JSON and committed to with a salt of
its own; only type and commitments are in the leaf, so the tree tells nothing and still fixes everything.

    C_p  = SHA-256("overdracht/v1/" || p || 0x00 || salt (32 bytes) || RFC 8785(part))
    leaf = 0x01 || type || C_subject || C_actor || C_terms

Nothing here knows a database or a key.
"""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any, Literal, NamedTuple

from consent.errors import IntegrityBroken
from consent.terms import Section
from crypto.encoding import JSON, canon

VERSION = 1
PARTS = ("subject", "actor", "terms")
SALT_SIZE = 32
LEAF_SIZE = 2 + 3 * 32
ERASE = 0x11
"""The type of the entry that erases a pupil: its terms are never sealed, so that everybody sees what went."""

STAFF_ERASED = 0x12
"""The type of the entry that erases who of the staff acted, once that may be kept no longer."""

ROLLBACK = 0x15
"""The type of the first entry of a log that goes on under another name, since entries before it were lost."""

ERASURES = "erasure"
"""The book of both."""

GONE = "its {} neither opens nor was erased"
"""What is wrong where parts are missing."""

SEES = {"subject": 1, "actor": 2, "terms": 4}
"""The bit of each part among those that a board may see."""

WHOLE = sum(SEES.values())

AFTER_ACTOR = '],"subject":'
"""What follows on the actor's text in an export, and so never stands in it: nobody's details hold a list before it."""

_LABEL = {part: b"overdracht/v1/" + part.encode() + b"\x00" for part in PARTS}
_read = json.JSONDecoder().decode
_BITS = {str(section): 1 << bit for bit, section in enumerate(Section)}


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acted. A family's actor is sealed under the pupil's key, staff under a key of that person, a service not."""

    kind: Literal["family", "staff", "service"]
    id: str
    details: Mapping[str, JSON] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Told:
    """What a board hears of an entry that it may not see whole: an outcome of its own, and at most these parts.

    Never the subject: whose pseudonym that is is another board's, and its number counts what the family decided.
    """

    outcome: str | None
    sees: tuple[Literal["actor", "terms"], ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """What is to be appended. `type` is one byte; `numbered` entries carry the pupil's next running number.

    `boards` see the entry whole; `told` says what others hear, and nothing to a board that is among `boards`. `school`
    is the one whose staff acted. In clear, beside the sealed parts, stand book, type, boards, school, sections, ground,
    outcome and the day.
    """

    book: str
    type: int
    pupil: str | None
    actor: Actor
    terms: Mapping[str, JSON]
    boards: tuple[str, ...]
    sections: tuple[str, ...] = ()
    ground: str | None = None
    outcome: str | None = None
    numbered: bool = False
    school: str | None = None
    told: Mapping[str, Told] = field(default_factory=dict)

    def only_told(self) -> dict[str, Told]:
        """Give what is told to those boards that don't see the entry whole."""
        return {board: told for board, told in self.told.items() if board not in self.boards}


@dataclass(frozen=True, slots=True)
class Appended:
    """Where an entry stands: final once its act has returned."""

    index: int
    leaf_hash: bytes


@dataclass(frozen=True, slots=True)
class Opened:
    """An entry as it was read back: every part present opened, and was what the leaf commits to.

    `actor` is None where it was erased.
    """

    index: int
    book: str
    type: int
    pupil: str | None
    number: int | None
    actor: Actor | None
    recorded_at: datetime
    boards: Mapping[str, int]
    sections: tuple[str, ...]
    ground: str | None
    outcome: str | None
    terms: Mapping[str, JSON]
    school: str | None
    told: Mapping[str, Told]

    def heard_by(self, board: str) -> str | None:
        """Give the outcome as a board hears it."""
        return self.told[board].outcome if board in self.told else self.outcome

    def seen_by(self, board: str) -> int:
        """Give the parts that a board may see, as bits."""
        return sum(SEES[part] for part in self.told[board].sees) if board in self.told else WHOLE


class Leaf(NamedTuple):
    """What is in the tree."""

    type: int
    subject: bytes
    actor: bytes
    terms: bytes

    def print(self) -> bytes:
        """Print the leaf's 98 bytes."""
        return bytes((VERSION, self.type)) + self.subject + self.actor + self.terms


def parse_leaf(data: bytes, index: int) -> Leaf:
    """Read the leaf at an index; raises `IntegrityBroken`."""
    if len(data) != LEAF_SIZE or data[0] != VERSION:
        raise IntegrityBroken("not a leaf of version 1", index)
    return Leaf(data[1], data[2:34], data[34:66], data[66:])


def commitment(part: str, salted: bytes) -> bytes:
    """Commit to a part, given its salt and canonical JSON in one."""
    return sha256(_LABEL[part] + salted).digest()


@lru_cache(maxsize=256)  # one for each set of sections
def section_bits(sections: tuple[str, ...]) -> int:
    """Give the sections as bits, the first section lowest."""
    return sum(_BITS[name] for name in set(sections))


def section_names(bits: int) -> tuple[str, ...]:
    """Give the sections that bits stand for, in order."""
    return tuple(name for name, bit in _BITS.items() if bits & bit)


def print_parts(entry: Entry, number: int | None, boards: Mapping[str, int], at: datetime) -> dict[str, bytes]:
    """Print an entry's parts, each behind a new salt."""
    values: dict[str, dict[str, object]] = {
        "subject": {"pupil": entry.pupil, "number": number},
        "actor": {"kind": entry.actor.kind, "id": entry.actor.id, "details": dict(entry.actor.details)},
        "terms": {
            "book": entry.book,
            "at": at.astimezone(UTC).isoformat(timespec="microseconds"),
            "boards": dict(boards),
            "sections": list(entry.sections),
            "ground": entry.ground,
            "outcome": entry.outcome,
            "school": entry.school,
            "told": {
                board: {"outcome": told.outcome, "sees": list(told.sees)} for board, told in entry.only_told().items()
            },
            "terms": dict(entry.terms),
        },
    }
    printed = {name: canon(values[name]) for name in PARTS}  # type: ignore[arg-type]
    if AFTER_ACTOR.encode() in printed["actor"]:
        raise ValueError("the details of an actor can't be told from what follows on them")
    return {name: secrets.token_bytes(SALT_SIZE) + printed[name] for name in PARTS}


def check_part(leaf: Leaf, part: str, salted: bytes, index: int) -> None:
    """Raise `IntegrityBroken` unless the leaf commits to this part."""
    if commitment(part, salted) != getattr(leaf, part):
        raise IntegrityBroken(f"its {part} isn't what the tree holds", index)


def read_entry(index: int, type_: int, subject: bytes, actor: bytes | None, terms: bytes) -> Opened:
    """Put an entry together from parts that were checked, each still behind its salt."""
    about, said = _value(subject), _value(terms)
    return Opened(
        index=index,
        book=said["book"],
        type=type_,
        pupil=about["pupil"],
        number=about["number"],
        actor=read_actor(actor),
        recorded_at=datetime.fromisoformat(said["at"]),
        boards=said["boards"],
        sections=tuple(said["sections"]),
        ground=said["ground"],
        outcome=said["outcome"],
        terms=said["terms"],
        school=said["school"],
        told={board: Told(told["outcome"], tuple(told["sees"])) for board, told in said["told"].items()},
    )


def read_actor(salted: bytes | None) -> Actor | None:
    """Read who acted from a part that was checked; None where it was erased."""
    return None if salted is None else Actor(**_value(salted))


def read_told(salted: bytes) -> Mapping[str, Any]:
    """Read what each board is told from terms that were checked, as it was committed to."""
    told: Mapping[str, Any] = _value(salted)["told"]
    return told


def _value(salted: bytes) -> Any:
    return _read(salted[SALT_SIZE:].decode())
