"""What the service holds about a pupil and about who asks, for that person to have (AVG art. 15 and 20).

Everything is gathered under the pupil's lock from the tables, the ledger and the log of this one pupil (bad case J6).
Left out is what is another's of the family (`familylog.others_own`), who has the same right, with names and addresses;
the pseudonyms of staff; the reason that staff gave for an emergency, which may be about the one who asks, and an
emergency that is only proposed: it is told of when it begins. What a school has sealed can't be read here: the school
gives a copy of that.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from consent.events import Event
from consent.journal import Act
from consent.tables import Pupil
from handover.bundles import versions_of
from handover.familylog import print_row, read
from handover.idempotency import Answer
from handover.invitations import Visitor
from handover.parts import Parts
from handover.people import child_of, contacts
from handover.proposals import about
from handover.proposed import Matter
from handover.retention import TABLE, Kept, Row, due
from handover.tables import Board, Bundle, Invitation, Release, Transfer
from handover.transfers import policy_of, print_policy, sections_of, time
from handover.words import read_words

INFORMATION: Final = {
    "nl": (
        "Deze gegevens komen van de school en van uzelf. De school is verantwoordelijk. Overdracht bewaart ze voor de "
        "school. U mag vragen om verbeteren, wissen of stilzetten. U mag ook bezwaar maken. "
        "Bent u het niet eens met de school? Ga naar de FG van het schoolbestuur, naar de Autoriteit Persoonsgegevens "
        "of naar de rechter. Geen computer beslist over uw kind. Wat in het dossier zelf staat, kunnen wij niet lezen: "
        "het zit op slot. Vraag de school om een kopie."
    ),
    "en": (
        "These data come from the school and from you. The school is responsible. Overdracht keeps them for the "
        "school. You may ask for correction, erasure or restriction. You may also object. "
        "Don't you agree with the school? Go to the board's data protection officer, to the Autoriteit "
        "Persoonsgegevens or to a court. No computer decides about your child. What is in the file itself we can't "
        "read: it is locked. Ask the school for a copy."
    ),
}
"""What AVG art. 15(1)(e) to (h) want said."""

_INNER: Final = frozenset({"v", "id", "key", "witness", "second", "checked_by", "stands_for", "holders", "emergency"})


def everything(parts: Parts, act: Act, visitor: Visitor, known: Sequence[Event]) -> Answer:
    """Gather what art. 15 gives: the data, where they come from, who received them, and how long they stay."""
    log = read(parts, act.session, visitor)
    row = act.session.get_one(Pupil, visitor.pupil)
    child = child_of(parts.keystore, row)
    rows = [print_row(one, log) for one in log.rows()]
    return {
        "information": INFORMATION,
        "pupil": {
            "pupil": visitor.pupil,
            **asdict(child),
            "birth_date": child.birth_date.isoformat(),
            "board": {"code": row.board, "name": act.session.get_one(Board, row.board).name},
        },
        "you": _contact(parts, act, visitor),
        "transfers": [_transfer(parts, act, one) for one in _transfers(act, visitor.pupil)],
        "invitations": _invitations(act, visitor),
        "proposals": _proposals(parts, act, visitor, known),
        "ledger": [_event(event, visitor) for event in known if event.index not in log.hidden],
        "words": _words(parts, act, visitor, known),
        "received": [one for one in rows if one["kind"] == "released"],
        "log": rows,
        "kept": [_kept(kept) for kept in TABLE.values()],
    }


def provided(parts: Parts, act: Act, visitor: Visitor, known: Sequence[Event]) -> Answer:
    """Gather what art. 20 gives: what this person said, in a form that a program can read."""
    return {
        "you": _contact(parts, act, visitor),
        "ledger": [_event(event, visitor) for event in known if event.by.person == visitor.person],
        "words": [one for one in _words(parts, act, visitor, known) if one["you"]],
    }


def _contact(parts: Parts, act: Act, visitor: Visitor) -> Answer:
    contact = contacts(parts.keystore, act.session, visitor.pupil, act.now).get(visitor.person)
    reached = {"name": contact.name, "mail": contact.mail} if contact else {"name": None, "mail": None}
    return {"person": visitor.person, "role": str(visitor.role), **reached}


def _transfers(act: Act, pupil: str) -> Iterable[Transfer]:
    return act.session.scalars(select(Transfer).where(Transfer.pupil == pupil).order_by(Transfer.opened_at)).all()


def _transfer(parts: Parts, act: Act, row: Transfer) -> Answer:
    bundles = act.session.scalars(select(Bundle).where(Bundle.transfer == row.id).order_by(Bundle.number))
    releases = act.session.scalars(select(Release).where(Release.transfer == row.id).order_by(Release.index))
    return {
        "transfer": row.id,
        "sender": row.sender,
        "receiver": row.receiver,
        "route": row.route,
        "purpose": row.purpose,
        "sections": [str(section) for section in sections_of(row)],
        "policy": print_policy(policy_of(parts, act.session, row)),
        "opened_at": time(row.opened_at),
        "cancelled_at": time(row.cancelled_at),
        "received_at": time(row.received_at),
        "placed": row.placed,
        "used_for": row.used_for.split(",") if row.used_for else [],
        "bundles": [
            {
                "bundle": one.id,
                "uploaded_at": time(one.uploaded_at),
                "expires_at": time(one.expires_at),
                "versions": {str(name): version for name, version in versions_of(one).items()},
            }
            for one in bundles
        ],
        "released": [
            {"sections": one.sections.split(","), "at": time(one.at), "outcome": one.outcome} for one in releases
        ],
    }


def _invitations(act: Act, visitor: Visitor) -> list[Answer]:
    mine = select(Invitation).where(Invitation.person == visitor.person).order_by(Invitation.sent_at)
    return [
        {"transfer": row.transfer, "sent_at": time(row.sent_at), "expires_at": time(row.expires_at)}
        for row in act.session.scalars(mine)
    ]


def _proposals(parts: Parts, act: Act, visitor: Visitor, known: Sequence[Event]) -> list[Answer]:
    """Give what staff proposed and nobody confirmed yet, but for what another of the family said or asked."""
    mine = {None, visitor.person, *(event.id for event in known if event.by.person == visitor.person)}
    shown = (each for each in about(parts, act.session, visitor.pupil, act.now) if each.matter is not Matter.EMERGENCY)
    return [
        {
            "matter": str(each.matter),
            "school": each.by.partition(".")[0],
            "transfer": each.transfer,
            "sections": each.said.get("sections", []),
            "answers": each.said.get("answers", {}),
            "proposed_at": time(each.at),
            "lapses_at": time(due(Kept.PROPOSAL, each.at)),
        }
        for each in shown
        if each.said.get("person") in mine and each.said.get("request") in mine
    ]


def _event(event: Event, visitor: Visitor) -> Answer:
    """Print an event without what names others: staff by their role, holders by their role and whether it is you."""
    terms: dict[str, Any] = {name: value for name, value in event.to_terms().items() if name not in _INNER}
    if event.holders is not None:
        terms["holders"] = [
            {"role": str(one.role), "since": one.since.isoformat(), "you": one.person == visitor.person}
            for one in event.holders
        ]
    return {
        "event": event.id,
        "kind": event.kind.name.lower(),
        "at": time(event.recorded_at),
        "by": {"role": str(event.by.role), "you": event.by.person == visitor.person},
        **terms,
    }


def _words(parts: Parts, act: Act, visitor: Visitor, known: Sequence[Event]) -> list[Answer]:
    """Give the visitor's own words, and a school's on what the visitor asked."""
    mine = {event.id for event in known if event.by.person == visitor.person}
    texts = words_about(parts, act.session, visitor.pupil)
    return [
        {"event": event.id, "kind": event.kind.name.lower(), "you": event.id in mine, "text": texts[event.id]}
        for event in known
        if texts.get(event.id) and (event.id in mine or {event.request, event.objection} & mine)
    ]


def words_about(parts: Parts, session: Session, pupil: str) -> dict[str, str]:
    """Unseal all words behind a pupil's events, by event."""
    texts: dict[str, str] = {}
    for row in session.scalars(select(Transfer).where(Transfer.pupil == pupil)):
        texts |= read_words(parts, session, row)
    return texts


def _kept(row: Row) -> Answer:
    return {"data": row.data, "counts_from": row.counts_from, "term": str(row.term), "basis": row.basis}
