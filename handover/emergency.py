"""Emergency release (spoedvrijgave): two of the sender's staff let sections go before the family's answer.

The grounds are a closed list (`consent.terms.EmergencyGround`). One proposes, with a reason; another, of the same
school, confirms (bad case K10). It stands in for the family's answers for 72 hours at most and ends by itself; either
of the two or the principal may end it sooner. A restriction still stops it, and views never travel by it. The family is
told in the same transaction, the board's FG too; the receiver never learns how a section came to be released.
"""

import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from sqlalchemy import select

from consent.db import reading
from consent.events import Draft, Event, Kind
from consent.fields import print_time, read_time
from consent.journal import Act
from consent.keystore import KeyStore
from consent.terms import EMERGENCY_LASTS, EmergencyGround, Ground, Purpose, Section
from handover.accesslog import Did, record, staff
from handover.dpos import mails_of
from handover.errors import RequestRefused, not_found
from handover.idempotency import Answer, Once, carry_out
from handover.notices import date_in_words
from handover.outbox import deliver, post, post_to_dpo
from handover.parts import Caller, Parts
from handover.people import aad, same_person, staff_actor, told_at_once
from handover.roles import Role
from handover.tables import Proposal, Transfer
from handover.transfers import boards_of, of_side, pupil_of, sections_of, still_open, time
from handover.words import keep_words, read_words


@dataclass(frozen=True, slots=True)
class _Proposed:
    """What one member of staff proposes; sealed under the pupil's key until a second one confirms it."""

    ground: EmergencyGround
    sections: tuple[Section, ...]
    until: datetime
    reason: str

    def seal(self, keystore: KeyStore, pupil: str, identifier: str) -> bytes:
        said = [self.ground, self.sections, print_time(self.until), self.reason]
        return keystore.seal("pupil", pupil, json.dumps(said).encode(), aad("proposal", identifier))

    @classmethod
    def opened(cls, keystore: KeyStore, row: Proposal) -> Self:
        said = json.loads(keystore.open("pupil", row.pupil, row.sealed, aad("proposal", row.id)))
        ground, sections, until, reason = said
        return cls(EmergencyGround(ground), tuple(map(Section, sections)), read_time(until), reason)

    def shown(self) -> Answer:
        return {
            "ground": str(self.ground),
            "sections": [str(section) for section in self.sections],
            "until": time(self.until),
            "reason": self.reason,
        }


def propose(parts: Parts, caller: Caller, once: Once, transfer: str, body: Mapping[str, Any]) -> Answer:
    """Propose an emergency release: nothing may leave by it until somebody else has confirmed it."""

    def work(act: Act) -> Answer | RequestRefused:
        row = still_open(of_side(act.session, caller, transfer, "sender"))
        if wrong := _faults(row, body, act.now):
            return RequestRefused("INVALID", 422, "An emergency release is short, and for what is asked.", wrong)
        sections = tuple(section for section in Section if section in body["sections"])
        proposed = _Proposed(EmergencyGround(body["ground"]), sections, body["until"], body["reason"])
        identifier = secrets.token_hex(16)
        act.session.add(
            Proposal(
                id=identifier,
                transfer=row.id,
                pupil=row.pupil,
                staff=staff_actor(caller).person,
                sealed=proposed.seal(parts.keystore, row.pupil, identifier),
                created_at=act.now,
            )
        )
        more = {"proposal": identifier, "emergency": str(proposed.ground)}
        _log(act, Did.EMERGENCY_PROPOSED, caller, row, sections, more)
        return {"proposal": identifier}

    pupil = pupil_of(parts, caller, transfer)
    return carry_out(parts, once, lambda: parts.journal.act(pupil=pupil), work)


def _faults(row: Transfer, body: Mapping[str, Any], now: datetime) -> dict[str, str]:
    allowed = set(sections_of(row)) - {Section.VIEWS}
    faults = {
        f"/sections/{at}": "Not asked for here, or never sent in an emergency."
        for at, name in enumerate(body["sections"])
        if name not in allowed
    }
    if not now < body["until"] <= now + EMERGENCY_LASTS:
        faults["/until"] = "Must lie ahead, by 72 hours at most."
    return faults


def confirm(parts: Parts, caller: Caller, once: Once, transfer: str, proposal: str) -> Answer:
    """Confirm what a colleague proposed: from now on these sections may go, and everybody concerned is told."""

    def work(act: Act) -> Answer | RequestRefused:
        row = still_open(of_side(act.session, caller, transfer, "sender"))
        found = act.session.get(Proposal, proposal)
        if found is None or found.transfer != row.id:
            raise not_found()
        proposed = _Proposed.opened(parts.keystore, found)
        more = {"proposal": proposal, "emergency": str(proposed.ground)}
        if same_person(found.staff, staff_actor(caller).person):
            _log(act, Did.EMERGENCY_CONFIRMED, caller, row, proposed.sections, more, outcome="SECOND_NEEDED")
            return RequestRefused("SECOND_NEEDED", 409, "Who proposed it can't confirm it: ask a colleague.")
        if proposed.until <= act.now:
            return RequestRefused("EMERGENCY_OVER", 409, "Its end has passed. Propose it again if it is still needed.")
        event = _begin(parts, act, caller, row, found, proposed, once)
        told = _tell(parts, act, caller, row, event, more)
        act.session.delete(found)
        return {"event": event.id, "sections": list(proposed.sections), "until": time(proposed.until), "told": told}

    pupil = pupil_of(parts, caller, transfer)
    answer = carry_out(parts, once, lambda: parts.journal.act(pupil=pupil), work)
    deliver(parts)
    return answer


def _begin(
    parts: Parts, act: Act, caller: Caller, row: Transfer, found: Proposal, proposed: _Proposed, once: Once
) -> Event:
    draft = Draft(
        kind=Kind.EMERGENCY,
        key=f"emergency-{found.id}-{once.key}",
        by=staff_actor(caller),
        subject=row.pupil,
        sender=row.sender,
        receiver=row.receiver,
        purpose=Purpose(row.purpose),
        sections=proposed.sections,
        emergency=proposed.ground,
        second=found.staff,
        valid_until=proposed.until,
    )
    event = parts.ledger.record(act, draft, boards_of(act.session, row))
    keep_words(parts, act, row, event.id, proposed.reason)
    return event


def _tell(parts: Parts, act: Act, caller: Caller, row: Transfer, event: Event, more: Mapping[str, str]) -> int:
    """Tell the family and the board's FG, and log to whom it was told: to nobody, where nobody can be reached."""
    assert event.valid_until is not None  # a draft without an end isn't recorded
    family = told_at_once(parts, act, row.pupil)
    for contact in family.values():
        post(parts, act, row.pupil, contact, "emergency", until=date_in_words(event.valid_until))
    named = {**more, "event": event.id, "second": event.second, "told": sorted(family)}
    entry = _log(act, Did.EMERGENCY_CONFIRMED, caller, row, event.sections or (), named)
    for owner, mail in mails_of(parts, act.session, caller.board).items():
        words = {"school": caller.school, "entry": str(entry), "told": str(len(family))}
        post_to_dpo(parts, act, owner, mail, "emergency_dpo", **words)
    return len(family)


def end(parts: Parts, caller: Caller, once: Once, transfer: str, event: str) -> Answer:
    """End an emergency release before its time: by either of the two behind it, or by the principal."""

    def work(act: Act) -> Answer | RequestRefused:
        row = of_side(act.session, caller, transfer, "sender")
        known = parts.ledger.history(act.session, row.pupil).known
        found = next((each for each in known if each.id == event and _is_of(each, row)), None)
        if found is None:
            raise not_found()
        me, more = staff_actor(caller), {"event": event, "emergency": str(found.emergency)}
        if me.person not in (found.by.person, found.second) and caller.role is not Role.PRINCIPAL:
            _log(act, Did.EMERGENCY_ENDED, caller, row, found.sections or (), more, outcome="NOT_YOURS")
            return RequestRefused("NOT_YOURS", 403, "Only the two who decided it or the principal can end it.")
        if _ended_at(found, known) <= act.now:
            return RequestRefused("EMERGENCY_OVER", 409, "It has ended already.")
        draft = Draft(
            kind=Kind.EMERGENCY,
            key=f"ended-{event}-{once.key}",
            by=me,
            subject=row.pupil,
            sender=row.sender,
            receiver=row.receiver,
            purpose=Purpose(row.purpose),
            sections=found.sections,
            withdraws=event,
        )
        parts.ledger.record(act, draft, boards_of(act.session, row))
        _log(act, Did.EMERGENCY_ENDED, caller, row, found.sections or (), more)
        return {"event": event, "ended_at": time(act.now)}

    pupil = pupil_of(parts, caller, transfer)
    return carry_out(parts, once, lambda: parts.journal.act(pupil=pupil), work)


def listing(parts: Parts, caller: Caller, transfer: str) -> Answer:
    """Show what is proposed and what was confirmed for one transfer, with the reasons, to the sender."""
    with reading(parts.main) as session:
        row = of_side(session, caller, transfer, "sender")
        waiting = session.scalars(
            select(Proposal).where(Proposal.transfer == row.id).order_by(Proposal.created_at, Proposal.id)
        ).all()
        words = read_words(parts, session, row)
        known = parts.ledger.history(session, row.pupil).known
        return {
            "proposals": [
                {"proposal": each.id, "by": each.staff, "at": time(each.created_at)}
                | _Proposed.opened(parts.keystore, each).shown()
                for each in waiting
            ],
            "releases": [
                {
                    "event": each.id,
                    "by": each.by.person,
                    "second": each.second,
                    "at": time(each.recorded_at),
                    "ground": str(each.emergency),
                    "sections": [str(section) for section in each.sections or ()],
                    "until": time(_ended_at(each, known)),
                    "reason": words[each.id],
                }
                for each in known
                if _is_of(each, row) and each.id in words
            ],
        }


def _is_of(event: Event, row: Transfer) -> bool:
    """Tell whether this event began an emergency release between these schools, for this purpose."""
    scope = (event.sender, event.receiver, event.purpose)
    return event.emergency is not None and scope == (row.sender, row.receiver, row.purpose)


def _ended_at(emergency: Event, known: Iterable[Event]) -> datetime:
    """Say when an emergency release ends, or ended: at its own end, or sooner when somebody ended it."""
    assert emergency.valid_until is not None  # one without an end isn't recorded
    ends = (event.recorded_at for event in known if event.withdraws == emergency.id)
    return min([emergency.valid_until, *ends])


def _log(
    act: Act,
    did: Did,
    caller: Caller,
    row: Transfer,
    sections: Iterable[Section],
    more: Mapping[str, Any],
    *,
    outcome: str = "granted",
) -> int:
    entry = record(
        act,
        did,
        staff(caller),
        outcome=outcome,
        terms={"school": caller.school, "transfer": row.id, **more},
        boards=boards_of(act.session, row),
        pupil=row.pupil,
        sections=sections,
        ground=str(Ground.EMERGENCY),
    )
    return entry.index
