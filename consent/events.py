"""The ledger's events: what somebody recorded about one pupil, and their one form as a journal entry's terms.

A `Draft` is what is said; an `Event` is a draft that the journal holds, with its id, running number, index and time.
Of an entry's three parts the subject holds the pupil and the number, the actor who said it, and the terms the rest:
`to_terms` prints them, `from_terms` reads them back and refuses every other spelling. The kind is the leaf's type byte.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime
from enum import IntEnum
from typing import Final

from consent.errors import EventRefused
from consent.fields import CODECS, Malformed, Raw, uuid7
from consent.fields import Author as Author
from consent.fields import Holder as Holder
from consent.fields import Shown as Shown
from consent.terms import (
    HOLDER_ROLES,
    Collected,
    CustodyEvidence,
    EmergencyGround,
    Ground,
    Policy,
    Purpose,
    Right,
    Ruling,
    Section,
)

VERSION: Final = 1


class Kind(IntEnum):
    """What an event is. The value is the type byte of its leaf; the ledger's range is 0x01 to 0x1f."""

    GRANT = 1
    REFUSE = 2
    WITHDRAW = 3
    INZAGE = 4
    VIEW = 5
    OBJECT = 6
    OBJECTION_DECIDED = 7
    APPLIED = 8
    STATUTORY = 9
    RESTRICT = 10
    HOLD = 11
    CUSTODY = 12
    COURT = 13
    SUCCESSOR = 14
    EMERGENCY = 15
    POLICY = 16
    REQUEST = 19  # 17 and 18 are erasures, which the journal writes itself
    REQUEST_DECIDED = 20
    ROLLBACK = 21


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What somebody wants recorded. Which fields a kind needs and allows stands in `FIELDS`.

    Times are aware. An answer counts from `valid_from` (when absent: from its recording) up to, not including,
    `valid_until`. `decided_at` is what the actor claims; nothing is granted by it.
    """

    kind: Kind
    key: str  # idempotency key, one per subject
    by: Author
    subject: str | None = None  # None for POLICY, which concerns a board, and ROLLBACK, which concerns all
    sender: str | None = None
    receiver: str | None = None
    purpose: Purpose | None = None
    sections: tuple[Section, ...] | None = None
    ground: Ground | None = None
    article: str | None = None
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    decided_at: datetime | None = None
    notice: Shown | None = None
    collected: Collected | None = None
    witness: str | None = None  # the member of staff who took an answer on paper
    scan: str | None = None  # SHA-256 of the paper
    second: str | None = None  # the second person where one isn't enough
    withdraws: str | None = None  # the event that this one ends or lifts
    adds: str | None = None  # the grant that this one leaves standing beside itself
    versions: Mapping[Section, str] | None = None  # what was shown at inzage, or objected to
    done: bool = False  # "I have seen enough": the waiting time needn't run on
    travels: bool = False  # a view that its writer lets travel
    text: str | None = None  # SHA-256 of a view's words
    objection: str | None = None
    upheld: bool | None = None
    holders: tuple[Holder, ...] | None = None  # all of them, from this event on
    birth_date: date | None = None
    evidence: CustodyEvidence | None = None
    checked_on: date | None = None
    checked_by: str | None = None  # the member of staff who saw the evidence
    stands_for: str | None = None  # the holder in whose place the court has decided
    successor: str | None = None  # the code under which the receiver goes on
    emergency: EmergencyGround | None = None
    right: Right | None = None  # what is asked under AVG chapter III
    request: str | None = None  # the request that this one decides
    ruling: Ruling | None = None
    board: str | None = None
    policy: Policy | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event(Draft):
    """A draft that the journal holds. `number` runs from 1 without a hole per subject, `index` over all entries."""

    id: str
    number: int
    index: int
    recorded_at: datetime

    def to_terms(self) -> dict[str, Raw]:
        """Print the terms part of this event's entry."""
        return to_terms(self, self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownEvent:
    """An entry of a later schema version: kept, so that the rule can say that it doesn't understand it."""

    version: int
    subject: str | None
    number: int
    index: int
    recorded_at: datetime


SCOPE: Final = frozenset({"sender", "receiver", "purpose", "sections"})
_HOW = frozenset({"decided_at", "notice", "collected", "witness", "scan"})
_EMERGENCY = frozenset({"emergency", "second", "valid_until"})
"""What an EMERGENCY says that begins one; one that ends another says none of it."""

FIELDS: Final[dict[Kind, tuple[frozenset[str], frozenset[str]]]] = {
    # kind: (needed, allowed beside those)
    Kind.GRANT: (
        SCOPE | {"ground", "valid_until", "notice", "collected"},
        _HOW | {"article", "valid_from", "adds"},
    ),
    Kind.REFUSE: (SCOPE, _HOW),
    Kind.WITHDRAW: (SCOPE, _HOW),
    Kind.INZAGE: (frozenset({"sender", "receiver", "purpose", "versions"}), _HOW | {"done"}),
    Kind.VIEW: (frozenset({"sender", "receiver", "purpose"}), _HOW | {"travels", "done", "text"}),
    Kind.OBJECT: (SCOPE, _HOW | {"versions"}),
    Kind.OBJECTION_DECIDED: (frozenset({"objection", "upheld"}), frozenset({"decided_at", "article"})),
    Kind.APPLIED: (frozenset({"receiver"}), frozenset({"decided_at"})),
    Kind.STATUTORY: (SCOPE | {"article"}, frozenset({"valid_from", "valid_until"})),
    Kind.RESTRICT: (frozenset({"sections"}), _HOW | {"withdraws", "second"}),
    Kind.HOLD: (frozenset({"article"}), frozenset({"withdraws", "valid_until", "second"})),
    Kind.CUSTODY: (
        frozenset({"holders", "birth_date", "checked_on"}),
        frozenset({"checked_by", "evidence", "second", "notice"}),
    ),
    Kind.COURT: (SCOPE | {"stands_for", "valid_until", "scan", "witness", "second"}, frozenset({"valid_from"})),
    Kind.SUCCESSOR: (frozenset({"receiver", "successor"}), frozenset({"article"})),
    Kind.EMERGENCY: (SCOPE, _EMERGENCY | {"withdraws"}),
    Kind.POLICY: (frozenset({"board", "policy"}), frozenset()),
    Kind.REQUEST: (frozenset({"right"}), _HOW | {"sections", "text"}),
    Kind.REQUEST_DECIDED: (
        frozenset({"request", "ruling"}),
        frozenset({"article", "decided_at", "valid_until", "second"}),
    ),
    Kind.ROLLBACK: (frozenset({"second"}), frozenset({"article"})),
}


_ABOUT_NO_PUPIL: Final = frozenset({Kind.POLICY, Kind.ROLLBACK})
_HEAD: Final = frozenset({"v", "id", "key"})
_KNOWN: Final = {kind: needed | allowed for kind, (needed, allowed) in FIELDS.items()}
_ABSENT: Final = {field.name: field.default for field in fields(Draft)}


def new_id(now: datetime) -> str:
    """Make an event's id: a UUIDv7 (RFC 9562 section 5.7), so that ids sort by the millisecond of their making."""
    millis = int(now.timestamp() * 1000)
    value = (millis << 80 | 7 << 76 | secrets.randbits(12) << 64 | 2 << 62 | secrets.randbits(62)).to_bytes(16, "big")
    text = value.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def to_terms(draft: Draft, event_id: str) -> dict[str, Raw]:
    """Print a draft as the terms of an entry: its schema version, its id, and each field that its kind carries.

    Raises:
        EventRefused: a field that the kind needs is missing, one that it doesn't know is there, a time is naive, or
            two fields contradict each other.
    """
    terms: dict[str, Raw] = {"v": VERSION, "id": event_id}
    for name, (printer, _) in CODECS.items():
        value = getattr(draft, name)
        if value is not _ABSENT[name]:
            terms[name] = printer(value)
    _contents(draft.kind, terms)
    _check(draft)
    return terms


def from_terms(
    type_: int, terms: Raw, *, subject: str | None, by: Author, number: int, index: int, recorded_at: datetime
) -> Event | UnknownEvent:
    """Read an event back from its entry; `type_` is the leaf's type byte. Only what `to_terms` prints is accepted.

    Raises:
        EventRefused: the terms aren't an event of this schema version, or aren't written in the one form.
    """
    if not isinstance(terms, dict) or type(terms.get("v")) is not int:
        raise EventRefused("v: missing")
    if terms["v"] != VERSION:
        return UnknownEvent(version=terms["v"], subject=subject, number=number, index=index, recorded_at=recorded_at)
    try:
        kind = Kind(type_)
        event_id = uuid7(terms.get("id"))
    except (ValueError, Malformed):
        raise EventRefused("kind or id: not of its form") from None
    event = Event(
        kind=kind,
        id=event_id,
        subject=subject,
        by=by,
        number=number,
        index=index,
        recorded_at=recorded_at,
        **_contents(kind, terms),
    )
    _check(event)
    return event


def _contents(kind: Kind, terms: Mapping[str, Raw]) -> dict[str, Raw]:
    """Read every field of the terms, and refuse what this kind lacks, doesn't know, or has in another spelling."""
    needed, known = FIELDS[kind][0], _KNOWN[kind]
    names = terms.keys() - _HEAD
    if not needed <= names <= known:
        name = min((needed - names) | (names - known))
        raise EventRefused(f"{kind.name}: {name} is {'missing' if name in needed else 'not a field of it'}")
    return {name: _parsed(name, terms.get(name)) for name in ("key", *names)}


def _parsed(name: str, raw: Raw) -> Raw:
    printer, reader = CODECS[name]
    try:
        value = reader(raw)
        if printer(value) != raw:
            raise Malformed
    except Malformed:
        raise EventRefused(f"{name}: not of its form") from None
    return value


def _check(draft: Draft) -> None:
    """Refuse fields that contradict each other."""
    if (draft.subject is None) is not (draft.kind in _ABOUT_NO_PUPIL):
        raise EventRefused("subject: one for every kind but POLICY and ROLLBACK")
    if draft.kind is Kind.GRANT and draft.ground not in (Ground.CONSENT, Ground.EXPLICIT_CONSENT):
        raise EventRefused("ground: a grant is consent or explicit consent")
    if draft.valid_from and draft.valid_until and not draft.valid_from < draft.valid_until:
        raise EventRefused("valid_until: not after valid_from")
    if draft.kind is Kind.EMERGENCY and {draft.withdraws is None} != {
        getattr(draft, name) is not None for name in _EMERGENCY
    }:
        raise EventRefused("withdraws: an EMERGENCY has its ground, second person and end, or it ends another")
    if draft.second == draft.by.person:
        raise EventRefused("second: the same person as the first")
    if draft.checked_on and any(holder.since > draft.checked_on for holder in draft.holders or ()):
        raise EventRefused("holders: gezag that begins after it was checked")
    if any(holder.role not in HOLDER_ROLES for holder in draft.holders or ()):
        raise EventRefused("holders: a role that can't hold gezag")
