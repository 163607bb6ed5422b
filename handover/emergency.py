"""Emergency release (spoedvrijgave): two of the sender's staff let sections go before the family's answer.

The grounds are a closed list (`consent.terms.EmergencyGround`). One proposes, with a reason; another, of the same
school, confirms (bad case K10). It stands in for the family's answers for 72 hours at most and ends by itself; either
of the two or the principal may end it sooner. A restriction still stops it, and views never travel by it. The family is
told in the same transaction, the board's FG too; the receiver never learns how a section came to be released.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from consent.db import reading
from consent.events import Draft, Event, Kind
from consent.fields import print_time, read_time
from consent.journal import Act
from consent.terms import EMERGENCY_LASTS, EmergencyGround, Ground, Section
from crypto.encoding import JSON
from handover import proposals
from handover.accesslog import Did, record, staff
from handover.dpos import mails_of
from handover.errors import RequestRefused, not_found
from handover.idempotency import Answer, Once, carry_out
from handover.notices import date_in_words
from handover.outbox import post, post_to_dpo
from handover.parts import Caller, Parts
from handover.people import staff_actor, told_at_once
from handover.proposals import Confirmed, Wanted
from handover.proposed import Matter, Proposed
from handover.roles import Role
from handover.tables import Transfer
from handover.transfers import boards_of, of_side, pupil_of, purpose_of, sections_of, still_open, time
from handover.words import keep_words, read_words


def propose(parts: Parts, caller: Caller, once: Once, transfer: str, body: Mapping[str, Any]) -> Answer:
    """Propose an emergency release: nothing may leave by it until somebody else has confirmed it."""

    def look(act: Act) -> Mapping[str, JSON] | RequestRefused:
        row = still_open(of_side(act.session, caller, transfer, "sender"))
        if wrong := _faults(row, body, act.now):
            return RequestRefused("INVALID", 422, "An emergency release is short, and for what is asked.", wrong)
        return {}

    said: dict[str, JSON] = {
        "emergency": body["ground"],
        "sections": [str(section) for section in Section if section in body["sections"]],
        "until": print_time(body["until"]),
        "reason": body["reason"],
    }
    pupil = pupil_of(parts, caller, transfer)
    return proposals.propose(parts, caller, once, Wanted(Matter.EMERGENCY, pupil, transfer, said), look)


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


def begin(parts: Parts, act: Act, caller: Caller, proposed: Proposed) -> Confirmed | RequestRefused:
    """Let these sections go from now on, and tell everybody concerned."""
    row = still_open(of_side(act.session, caller, proposed.transfer or "", "sender"))
    said: Mapping[str, Any] = proposed.said
    until = read_time(said["until"])
    if until <= act.now:
        return RequestRefused("EMERGENCY_OVER", 409, "Its end has passed. Propose it again if it is still needed.")
    draft = Draft(
        kind=Kind.EMERGENCY,
        key=f"emergency-{proposed.id}",
        by=staff_actor(caller),
        subject=row.pupil,
        sender=row.sender,
        receiver=row.receiver,
        purpose=purpose_of(row),
        sections=tuple(map(Section, said["sections"])),
        emergency=EmergencyGround(said["emergency"]),
        second=proposed.by,
        valid_until=until,
    )
    event = parts.ledger.record(act, draft, boards_of(act.session, row))
    keep_words(parts, act, row, event.id, said["reason"])
    told = _tell(parts, act, caller, event, until)
    answer = {"event": event.id, "sections": said["sections"], "until": time(until), "told": len(told)}
    return Confirmed(answer, {"event": event.id, "told": told})


def _tell(parts: Parts, act: Act, caller: Caller, event: Event, until: datetime) -> list[JSON]:
    """Tell the family and the board's FG; gives who of the family was told, which may be nobody."""
    pupil = event.subject or ""
    family = told_at_once(parts, act, pupil)
    for contact in family.values():
        post(parts, act, pupil, contact, "emergency", until=date_in_words(until))
    for owner, mail in mails_of(parts, act.session, caller.board).items():
        words = {"school": caller.school, "entry": str(event.index), "told": str(len(family))}
        post_to_dpo(parts, act, owner, mail, "emergency_dpo", **words)
    return [*sorted(family)]


def end(parts: Parts, caller: Caller, once: Once, transfer: str, event: str) -> Answer:
    """End an emergency release before its time: by either of the two behind it, or by the principal."""

    def work(act: Act) -> Answer | RequestRefused:
        row = of_side(act.session, caller, transfer, "sender")
        known = parts.ledger.history(act.session, row.pupil).known
        found = next((each for each in known if each.id == event and _is_of(each, row)), None)
        if found is None:
            raise not_found()
        me = staff_actor(caller)
        if me.person not in (found.by.person, found.second) and caller.role is not Role.PRINCIPAL:
            _log_end(act, caller, row, found, "NOT_YOURS")
            return RequestRefused("NOT_YOURS", 403, "Only the two who decided it or the principal can end it.")
        if _ended_at(found, known) <= act.now:
            _log_end(act, caller, row, found, "EMERGENCY_OVER")
            return RequestRefused("EMERGENCY_OVER", 409, "It has ended already.")
        draft = Draft(
            kind=Kind.EMERGENCY,
            key=f"ended-{event}-{once.key}",
            by=me,
            subject=row.pupil,
            sender=row.sender,
            receiver=row.receiver,
            purpose=purpose_of(row),
            sections=found.sections,
            withdraws=event,
        )
        parts.ledger.record(act, draft, boards_of(act.session, row))
        _log_end(act, caller, row, found)
        return {"event": event, "ended_at": time(act.now)}

    pupil = pupil_of(parts, caller, transfer)
    return carry_out(parts, once, lambda: parts.journal.act(pupil=pupil), work)


def listing(parts: Parts, caller: Caller, transfer: str) -> Answer:
    """Show what was confirmed for one transfer, with the reasons, to the sender."""
    with reading(parts.main) as session:
        row = of_side(session, caller, transfer, "sender")
        words = read_words(parts, session, row)
        known = parts.ledger.history(session, row.pupil).known
    return {
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


def _log_end(act: Act, caller: Caller, row: Transfer, ended: Event, outcome: str = "granted") -> None:
    record(
        act,
        Did.EMERGENCY_ENDED,
        staff(caller),
        outcome=outcome,
        terms={"school": caller.school, "transfer": row.id, "event": ended.id, "emergency": str(ended.emergency)},
        boards=boards_of(act.session, row),
        pupil=row.pupil,
        sections=ended.sections or (),
        ground=str(Ground.EMERGENCY),
    )
