"""A child's log as its family reads it: who had which section, when, what for, and on which consent; refusals too.

It is read from the journal for each visit, every entry opened and checked, and goes out with the newest checkpoint:
what a family has seen can't be taken out of the log unnoticed. The visit is an entry itself. What is another's of the
family (`others_own`) isn't shown, and staff are named by role and school alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from consent.db import reading
from consent.entry import Opened
from consent.events import Event, Kind
from consent.guardians import DECIDES_FROM, anniversary, midnight, speakers
from consent.journal import Act, Actor
from consent.terms import Ground, Role
from crypto.encoding import JSON
from handover import sentences
from handover.accesslog import Did, record
from handover.errors import RequestRefused, not_found
from handover.idempotency import Answer
from handover.invitations import Visitor, admit
from handover.outbox import post
from handover.parts import Parts
from handover.people import told_at_once
from handover.sentences import Said
from handover.tables import Board, School, Transfer
from handover.transfers import boards_of, time

PAGE: Final = 50
_CLOSES: Final = frozenset({Did.DELIVERED, Did.ABORTED, Did.UNKNOWN})
_DONE: Final = frozenset({None, "granted"})
"""Outcomes of what was done; every other one is why it wasn't."""

_ABOUT_ONE: Final = frozenset({Did.ADDRESS_CHANGED, Did.WORDS_SHOWN})
"""Kinds of entries by staff that are about one person of the family."""

_ANSWERS: Final = ("request", "objection", "withdraws")
"""What names, in an entry's terms, the earlier one that it answers."""

_YES: Final = frozenset({Kind.GRANT, Kind.VIEW, Kind.COURT})


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that was done with a child's file. `index` is its entry's place in the journal.

    `consent_at` is when the last yes that it rests on was given; `outcome` is what became of a release.
    """

    index: int
    at: datetime
    kind: str
    said: Said
    school: str | None
    role: str | None
    sections: tuple[str, ...] = ()
    purpose: str | None = None
    ground: str | None = None
    consent_at: datetime | None = None
    outcome: str | None = None

    @property
    def emergency(self) -> bool:
        """Tell whether this was, or allowed, an emergency release."""
        return self.ground == Ground.EMERGENCY or self.kind == Kind.EMERGENCY.name.lower()


@dataclass(frozen=True, slots=True)
class Log:
    """A pupil's entries, in order, with what is looked up beside them. `schools` names each school's board.

    `hidden` are the indices of what the visitor isn't shown. `to_pupil` tells that the pupil itself reads it.
    """

    entries: Sequence[Opened]
    schools: Mapping[str, str]
    boards: Mapping[str, str]
    hidden: frozenset[int] = frozenset()
    to_pupil: bool = False
    _by_index: dict[int, Opened] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._by_index.update((entry.index, entry) for entry in self.entries)

    def rows(self) -> list[Row]:
        """Give what is shown, newest first."""
        return [row for entry in reversed(self.entries) for row in self._rows(entry)]

    def _rows(self, entry: Opened) -> Iterator[Row]:
        by_family = entry.actor is not None and entry.actor.kind == "family"
        if entry.type in sentences.NOT_SHOWN or by_family or entry.index in self.hidden:
            return
        if entry.type != Did.RELEASE:
            yield self._row(entry, _name(entry), self._line(entry))
        elif entry.outcome == "granted":
            yield from self._released(entry)
        else:
            said = sentences.REFUSED + self._why_not(entry)
            yield self._row(entry, "refused", said, outcome="refused", purpose=_text(entry, "purpose"))

    def _row(self, entry: Opened, kind: str, said: Said, **more: Any) -> Row:
        sections = more.pop("sections", entry.sections)
        words = {"sections": sentences.sections_said(sections)} | more.pop("words", {})
        if self.to_pupil:
            said, words = said.to_the_pupil(), {name: one.to_the_pupil() for name, one in words.items()}
        role = entry.actor.details.get("role") if entry.actor else None
        return Row(
            index=entry.index,
            at=entry.recorded_at,
            kind=kind,
            said=said.filled(who=self._who(entry), **words),
            school=entry.school,
            role=str(role) if role in sentences.ROLES else None,
            sections=sections,
            **more,
        )

    def _why_not(self, entry: Opened) -> Said:
        """Say why a request was refused; of what the transfer never asked, that it is no part of it."""
        opened = (one for one in self.entries if one.type == Did.TRANSFER_OPENED)
        asked = {name for one in opened if one.terms["transfer"] == entry.terms["transfer"] for name in one.sections}
        if asked and asked.isdisjoint(entry.sections):
            return sentences.NOT_PART
        return sentences.refusal_said(entry.outcome)

    def _line(self, entry: Opened) -> Said:
        if entry.outcome not in _DONE:
            return sentences.TRIED
        lines = sentences.LIFTED if "withdraws" in entry.terms else sentences.LINES
        line = lines.get(entry.type, sentences.ELSE)
        if entry.type != Did.SHRED_DONE:
            return line
        intents = [one for one in self.entries if one.type == Did.SHRED_INTENT and one.index < entry.index]
        reasons = [str(one.terms["why"]) for one in intents if one.terms["bundle"] == entry.terms["bundle"]]
        why = sentences.WHY_DESTROYED.get(reasons[-1]) if reasons else None
        return line if why is None else line + why

    def _released(self, entry: Opened) -> Iterator[Row]:
        """Give a row for each ground that a release rests on: sections may go on different ones."""
        became = self._became(entry)
        evidence: Any = entry.terms["evidence"]
        for ground in dict.fromkeys(one["ground"] for one in evidence):
            these = [one for one in evidence if one["ground"] == ground]
            relied = [self._by_index[at] for one in these for at in one["entries"] if at in self._by_index]
            yes = max((one.recorded_at for one in relied if one.type in _YES), default=None)
            said = sentences.RELEASED + sentences.GROUNDS[ground]
            if any(one.type == Kind.COURT for one in relied):
                said += sentences.BY_COURT
            words = {"purpose": sentences.purpose_said(str(entry.terms["purpose"]))}
            yield self._row(
                entry,
                "released",
                said if became == "delivered" else said + sentences.OUTCOMES[became],
                words=words | ({} if yes is None else {"day": sentences.day_said(yes)}),
                sections=tuple(str(one["section"]) for one in these),
                purpose=_text(entry, "purpose"),
                ground=ground,
                consent_at=yes,
                outcome=became,
            )

    def _became(self, entry: Opened) -> str:
        later = (one for one in self.entries if one.type in _CLOSES and one.terms["release"] == entry.index)
        return next((str(one.outcome) for one in later), "under_way")

    def _who(self, entry: Opened) -> Said:
        actor = entry.actor
        if actor is not None and actor.kind == "service":
            return sentences.SERVICE
        role = str(actor.details.get("role")) if actor else ""
        who = sentences.ROLES.get(role, sentences.SOMEBODY)
        board = str(actor.details.get("board")) if actor else ""
        if entry.school is not None and entry.school in self.schools:
            name = f"{entry.school} ({self.schools[entry.school]})"
            return Said(f"{who.nl} van school {name}", f"{who.en} of school {name}")
        if board in self.boards:
            return Said(f"{who.nl} van {self.boards[board]}", f"{who.en} of {self.boards[board]}")
        return who


def show(parts: Parts, token: str, before: int | None) -> Answer:
    """Show a page of the log of a visitor's child, newest first, from below the index `before`; the visit is logged.

    Raises RequestRefused for a token that opens nothing, and for a pupil under 16.
    """
    visitor = admit(parts, token)
    with parts.journal.act(pupil=visitor.pupil) as act:
        entitled(parts, act, visitor)
        log = read(parts, act.session, visitor)
        visited(act, visitor, Did.FAMILY_LOG_SHOWN)
    rows = [row for row in log.rows() if before is None or row.index < before]
    # A release with several grounds is several rows of one entry: they stay on one page.
    last = rows[PAGE - 1].index if len(rows) > PAGE else -1
    page = [row for row in rows if row.index >= last]
    with reading(parts.main) as session:
        checkpoint = parts.journal.checkpoint(session).decode()
    return {
        "rows": [print_row(row, log) for row in page],
        "next": last if len(page) < len(rows) else None,
        "checkpoint": checkpoint,
    }


def entitled(parts: Parts, act: Act, visitor: Visitor) -> list[Event]:
    """Give the pupil's events to a visitor who still speaks for the pupil, now that nobody else can write (A10).

    A pupil looks and asks from 16 on; until then those who hold gezag do so (UAVG art. 5). From 18 they have no voice.
    """
    known = parts.ledger.history(act.session, visitor.pupil).known
    if speakers(known, visitor.pupil, act.now).get(visitor.person) is not visitor.role:
        raise not_found()
    if visitor.role is Role.PUPIL and not decides(known, act.now):
        raise RequestRefused("NOT_YET_SIXTEEN", 403, "This is for your parents or guardians, until you are 16.")
    return list(known)


def decides(known: Sequence[Event], now: datetime) -> bool:
    """Tell whether the pupil is 16 or older, as the newest CUSTODY has the birth date."""
    births = [event.birth_date for event in known if event.birth_date is not None]
    return bool(births) and midnight(anniversary(births[-1], DECIDES_FROM)) <= now


def visited(act: Act, visitor: Visitor, did: Did, **terms: str) -> None:
    """Log that a visitor was shown something."""
    transfer = act.session.get_one(Transfer, visitor.transfer)
    record(
        act,
        did,
        Actor("family", visitor.person, {"role": str(visitor.role)}),
        outcome="granted",
        terms={"transfer": transfer.id, **terms},
        boards=boards_of(act.session, transfer),
        pupil=visitor.pupil,
    )


def tell_others(parts: Parts, act: Act, visitor: Visitor) -> None:
    """Write to the others that somebody used a right of chapter III: not who, not which, not why.

    Holders of gezag hear it of each other, a pupil of 16 of them. What the pupil asks from then on nobody is told.
    """
    if visitor.role is Role.PUPIL:
        return
    for contact in told_at_once(parts, act, visitor.pupil).values():
        if contact.person != visitor.person:
            post(parts, act, visitor.pupil, contact, "request_made")


def others_own(entries: Sequence[Opened], person: str) -> frozenset[int]:
    """Name the entries that are another's of the family, and so not this person's to read (AVG art. 15(4)).

    That is what another said, asked, read or had frozen; what the school said to it, and its look at another's words;
    and another's changed address.
    """
    said: set[JSON] = set()
    indices = set()
    for entry in entries:  # an answer stands after what it answers
        actor, terms = entry.actor, entry.terms
        by_other = actor is not None and actor.kind == "family" and actor.id != person and entry.type != Kind.COURT
        answers = not said.isdisjoint(terms[name] for name in _ANSWERS if name in terms)
        about_other = entry.type in _ABOUT_ONE and terms.get("person") != person
        if by_other or answers or about_other:
            indices.add(entry.index)
            said.add(terms.get("id"))
    return frozenset(indices)


def read(parts: Parts, session: Session, visitor: Visitor) -> Log:
    """Read a pupil's whole log for a visitor; raises `IntegrityBroken` where an entry isn't what the tree holds."""
    entries = parts.journal.of_pupil(session, visitor.pupil)
    at_school = select(School.code, Board.name).join(Board, Board.code == School.board)
    schools = session.execute(at_school.where(School.code.in_({entry.school for entry in entries})))
    examined = {str(entry.actor.details.get("board")) for entry in entries if entry.actor}
    boards = session.execute(select(Board.code, Board.name).where(Board.code.in_(examined)))
    of_schools, of_boards = ({code: name for code, name in found} for found in (schools, boards))  # noqa: C416
    hidden = others_own(entries, visitor.person)
    return Log(entries, of_schools, of_boards, hidden, to_pupil=visitor.role is Role.PUPIL)


def print_row(row: Row, log: Log) -> Answer:
    """Write a row as answers hold it."""
    return {
        "at": time(row.at),
        "nl": row.said.nl,
        "en": row.said.en,
        "kind": row.kind,
        "school": None if row.school is None else {"code": row.school, "board": log.schools.get(row.school)},
        "role": row.role,
        "sections": list(row.sections),
        "purpose": row.purpose,
        "ground": row.ground,
        "consent_at": time(row.consent_at),
        "outcome": row.outcome,
        "emergency": row.emergency,
    }


def _name(entry: Opened) -> str:
    names: tuple[type[Did], type[Kind]] = (Did, Kind)
    return next((kind(entry.type).name.lower() for kind in names if entry.type in set(kind)), "other")


def _text(entry: Opened, name: str) -> str | None:
    value = entry.terms.get(name)
    return None if value is None else str(value)
