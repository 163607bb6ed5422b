"""The values that an event's fields hold, and the one form of each: `CODECS`, a printer and a reader per field.

A reader accepts one spelling and raises `Malformed` for every other; its caller turns that into an error which says
where. The value itself stays out of errors.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final, TypeVar

from consent.errors import EventRefused
from consent.terms import (
    Collected,
    CustodyEvidence,
    EmergencyGround,
    Ground,
    Level,
    Policy,
    PolicyKind,
    Purpose,
    Right,
    Role,
    Ruling,
    Section,
    is_board,
    is_school,
)

Raw = Any  # a value out of canonical JSON: nothing is known of it until a reader has looked


@dataclass(frozen=True, slots=True)
class Author:
    """Who recorded an event, in which role, and how surely that person was recognised.

    The pupil's own person is the subject's id; everybody else has an id of their own.
    """

    person: str
    role: Role
    level: Level


@dataclass(frozen=True, slots=True)
class Holder:
    """A holder of gezag, and since when."""

    person: str
    role: Role
    since: date


@dataclass(frozen=True, slots=True)
class Shown:
    """The text that somebody saw before answering: which one, in which language, and the SHA-256 of its exact words."""

    id: str
    version: int
    language: str
    sha256: str


T = TypeVar("T")
Reader = Callable[[Raw], Any]
Printer = Callable[[Any], Raw]


class Malformed(Exception):
    """A value that isn't written in its one form."""


def passing(test: Callable[[str], object]) -> Callable[[Raw], str]:
    """Make a reader of texts that pass a test."""

    def read(raw: Raw) -> str:
        if not isinstance(raw, str) or not test(raw):
            raise Malformed
        return raw

    return read


def pattern(expression: str) -> Callable[[Raw], str]:
    """Make a reader of texts that match an expression from end to end."""
    return passing(re.compile(expression).fullmatch)


identifier: Final = pattern(r"[A-Za-z0-9_-]{1,64}")
staff_person: Final = pattern(r"[A-Za-z0-9._-]{1,80}")  # a school's code, a dot, and its own pseudonym
uuid7: Final = pattern(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
sha256: Final = pattern(r"[0-9a-f]{64}")
_time: Final = pattern(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z")
_date: Final = pattern(r"(?:19|2[0-9])[0-9]{2}-[0-9]{2}-[0-9]{2}")


def member(values: Callable[[Any], T], type_: type[str] | type[int]) -> Callable[[Raw], T]:
    """Make a reader of the members of an enumeration whose values are texts or numbers."""

    def read(raw: Raw) -> T:
        if type(raw) is not type_:
            raise Malformed
        try:
            return values(raw)
        except ValueError:
            raise Malformed from None

    return read


def whole(low: int, high: int) -> Callable[[Raw], int]:
    """Make a reader of whole numbers from `low` to `high`, both included."""

    def read(raw: Raw) -> int:
        if type(raw) is not int or not low <= raw <= high:
            raise Malformed
        return raw

    return read


def _members(readers: Mapping[str, Reader], raw: Raw) -> dict[str, Any]:
    """Read an object that has exactly these members."""
    if not isinstance(raw, dict) or raw.keys() != readers.keys():
        raise Malformed
    return {name: reader(raw[name]) for name, reader in readers.items()}


def _boolean(raw: Raw) -> bool:
    """Read true or false."""
    if type(raw) is not bool:
        raise Malformed
    return raw


def _true(raw: Raw) -> bool:
    """Read a mark: it says true, or it isn't there."""
    if raw is not True:
        raise Malformed
    return True


def read_time(raw: Raw) -> datetime:
    """Read a moment: RFC 3339 in UTC with a `Z` and six digits of fraction."""
    try:
        return datetime.fromisoformat(_time(raw))
    except ValueError:
        raise Malformed from None


def print_time(value: datetime) -> str:
    """Print a moment. A naive time names none: it comes out without its `Z`, and no reader takes it."""
    if value.tzinfo is None:
        return value.isoformat()
    return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def read_date(raw: Raw) -> date:
    """Read a calendar day, `YYYY-MM-DD`, from 1900 to 2999: what is counted from it is a day too."""
    try:
        return date.fromisoformat(_date(raw))
    except ValueError:
        raise Malformed from None


_LANGUAGE = pattern(r"[a-z]{2}")
_ARTICLE = pattern(r"[ -~]{1,120}")
_KEY = pattern(r"[!-~]{1,128}")
_section = member(Section, str)


def _read_sections(raw: Raw) -> tuple[Section, ...]:
    if not isinstance(raw, list) or not raw:
        raise Malformed
    found = {_section(name) for name in raw}
    return tuple(section for section in Section if section in found)


def _read_versions(raw: Raw) -> dict[Section, str]:
    if not isinstance(raw, dict) or not raw:
        raise Malformed
    return {_section(name): identifier(version) for name, version in raw.items()}


_HOLDER: dict[str, Reader] = {"person": identifier, "role": member(Role, str), "since": read_date}
_NOTICE: dict[str, Reader] = {
    "id": identifier,
    "version": whole(1, 2**31),
    "language": _LANGUAGE,
    "sha256": sha256,
}
_BY: dict[str, Reader] = {"role": member(Role, str), "level": member(Level, int)}
_POLICY: dict[str, Reader] = {
    "kind": member(PolicyKind, str),
    "waiting_days": whole(0, 366),
    "consent_level": member(Level, int),
    "explicit_level": member(Level, int),
}


def _read_holders(raw: Raw) -> tuple[Holder, ...]:
    if not isinstance(raw, list):
        raise Malformed
    holders = tuple(Holder(**_members(_HOLDER, each)) for each in raw)
    persons = [holder.person for holder in holders]
    if persons != sorted(set(persons)):
        raise Malformed
    return holders


def _print_holders(value: tuple[Holder, ...]) -> Raw:
    return [{"person": h.person, "role": str(h.role), "since": h.since.isoformat()} for h in value]


def _print_notice(value: Shown) -> Raw:
    return {"id": value.id, "version": value.version, "language": value.language, "sha256": value.sha256}


def _print_policy(value: Policy) -> Raw:
    return {
        "kind": str(value.kind),
        "waiting_days": value.waiting_days,
        "consent_level": int(value.consent_level),
        "explicit_level": int(value.explicit_level),
    }


def _as_is(value: Raw) -> Raw:
    return value


CODECS: Final[dict[str, tuple[Printer, Reader]]] = {
    "key": (_as_is, _KEY),
    "sender": (_as_is, passing(is_school)),
    "receiver": (_as_is, passing(is_school)),
    "purpose": (str, member(Purpose, str)),
    "sections": (lambda value: [str(section) for section in value], _read_sections),
    "ground": (str, member(Ground, str)),
    "article": (_as_is, _ARTICLE),
    "valid_from": (print_time, read_time),
    "valid_until": (print_time, read_time),
    "decided_at": (print_time, read_time),
    "notice": (_print_notice, lambda raw: Shown(**_members(_NOTICE, raw))),
    "collected": (str, member(Collected, str)),
    "witness": (_as_is, staff_person),
    "scan": (_as_is, sha256),
    "second": (_as_is, staff_person),
    "withdraws": (_as_is, uuid7),
    "adds": (_as_is, uuid7),
    "versions": (lambda value: {str(section): version for section, version in value.items()}, _read_versions),
    "done": (_as_is, _true),
    "travels": (_as_is, _true),
    "text": (_as_is, sha256),
    "objection": (_as_is, uuid7),
    "upheld": (_as_is, _boolean),
    "holders": (_print_holders, _read_holders),
    "birth_date": (date.isoformat, read_date),
    "evidence": (str, member(CustodyEvidence, str)),
    "checked_on": (date.isoformat, read_date),
    "checked_by": (_as_is, staff_person),
    "stands_for": (_as_is, identifier),
    "successor": (_as_is, passing(is_school)),
    "emergency": (str, member(EmergencyGround, str)),
    "right": (str, member(Right, str)),
    "request": (_as_is, uuid7),
    "ruling": (str, member(Ruling, str)),
    "board": (_as_is, passing(is_board)),
    "policy": (_print_policy, lambda raw: Policy(**_members(_POLICY, raw))),
}


def by_terms(by: Author) -> dict[str, Raw]:
    """Print what the actor part says beside the person: role and level."""
    return {"role": str(by.role), "level": int(by.level)}


def read_by(person: str, details: Raw) -> Author:
    """Read an actor back.

    Raises:
        EventRefused: the details aren't a role and a level.
    """
    try:
        return Author(person, **_members(_BY, details))
    except Malformed:
        raise EventRefused("by: not of its form") from None
