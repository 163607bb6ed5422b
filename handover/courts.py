"""A court's ruling in the place of one holder's answer (vervangende toestemming, BW 1:253a), taken down by the school.

Holders who share gezag and don't agree may ask the court. What it decides stands in for the answers of the holder that
it names, in the sections and for the time that it says, and for nobody else's: the others are still asked. It is the
strongest thing that a school can record, since it overrides a no. So the principal does it, with a second member of
staff and the hash of the ruling's scan; everybody concerned is written to at once, also whose place the court took; the
board's FG too, and it stands among the patterns that an FG looks at. The scan stays at the school.
"""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from consent.events import Actor, Draft, Event, Kind
from consent.guardians import AMSTERDAM, family
from consent.journal import Act
from consent.terms import Ground, Level, Purpose, Role, Section
from handover.accesslog import Did, record, staff
from handover.dpos import mails_of
from handover.errors import RequestRefused
from handover.idempotency import Answer, Once, carry_out
from handover.outbox import deliver, post, post_to_dpo
from handover.parts import Caller, Parts
from handover.people import same_person, staff_actor, told_at_once
from handover.question import requirements, until
from handover.tables import Transfer
from handover.transfers import boards_of, of_side, policy_of, pupil_of, still_open, time

COURTS: Final[dict[str, str]] = {
    "RBAMS": "Rechtbank Amsterdam",
    "RBDHA": "Rechtbank Den Haag",
    "RBGEL": "Rechtbank Gelderland",
    "RBLIM": "Rechtbank Limburg",
    "RBMNE": "Rechtbank Midden-Nederland",
    "RBNHO": "Rechtbank Noord-Holland",
    "RBNNE": "Rechtbank Noord-Nederland",
    "RBOBR": "Rechtbank Oost-Brabant",
    "RBOVE": "Rechtbank Overijssel",
    "RBROT": "Rechtbank Rotterdam",
    "RBZWB": "Rechtbank Zeeland-West-Brabant",
    "GHAMS": "Gerechtshof Amsterdam",
    "GHARL": "Gerechtshof Arnhem-Leeuwarden",
    "GHDHA": "Gerechtshof Den Haag",
    "GHSHE": "Gerechtshof 's-Hertogenbosch",
    "HR": "Hoge Raad der Nederlanden",
}
"""The courts that may decide on gezag, by the code that their ECLI numbers carry."""

_ASKED: Final = frozenset({Ground.CONSENT, Ground.EXPLICIT_CONSENT})


def take_down(parts: Parts, caller: Caller, once: Once, transfer: str, body: Mapping[str, Any]) -> Answer:
    """Record a ruling that stands in for one holder's answers about this transfer, and tell everybody concerned."""

    def work(act: Act) -> Answer | RequestRefused:
        row = still_open(of_side(act.session, caller, transfer, "sender"))
        sections = tuple(section for section in Section if section in body["sections"])
        if same_person(body["second"], caller.staff):
            _log(act, caller, row, sections, body, outcome="SECOND_NEEDED")
            where = {"/second": "Not yourself."}
            return RequestRefused("SECOND_NEEDED", 422, "A ruling is taken down by two.", where)
        if wrong := _faults(parts, act, row, body):
            return RequestRefused("INVALID", 422, "This ruling can't be taken down so.", wrong)
        event = _record(parts, act, caller, row, once, sections, body)
        told = _tell(parts, act, caller, row, event, body)
        return {"event": event.id, "sections": list(sections), "until": time(event.valid_until), "told": told}

    pupil = pupil_of(parts, caller, transfer)
    answer = carry_out(parts, once, lambda: parts.journal.act(pupil=pupil), work)
    deliver(parts)
    return answer


def _faults(parts: Parts, act: Act, row: Transfer, body: Mapping[str, Any]) -> dict[str, str]:
    needs = requirements(policy_of(parts, act.session, row), row)
    faults = {
        f"/sections/{at}": "Nobody's yes is needed for this here."
        for at, name in enumerate(body["sections"])
        if needs.get(Section(name)) not in _ASKED
    }
    known = parts.ledger.history(act.session, row.pupil).known
    speaking = family(known, row.pupil, act.now, parts.journal.first)
    if speaking is None or body["stands_for"] not in set(speaking.deciders) - {row.pupil}:
        faults["/stands_for"] = "Not a holder of gezag who decides about this pupil now."
    if body["decided_on"] > act.now.astimezone(AMSTERDAM).date():
        faults["/decided_on"] = "After today."
    if not act.now < _ends(row, body) <= until(row):
        faults["/until"] = "Must lie ahead, and not beyond the end of this transfer's answers."
    return faults


def _ends(row: Transfer, body: Mapping[str, Any]) -> datetime:
    ends: datetime = body.get("until") or until(row)
    return ends


def _record(
    parts: Parts,
    act: Act,
    caller: Caller,
    row: Transfer,
    once: Once,
    sections: tuple[Section, ...],
    body: Mapping[str, Any],
) -> Event:
    draft = Draft(
        kind=Kind.COURT,
        key=f"court-{row.id}-{once.key}",
        by=Actor(body["court"], Role.COURT, Level.SUBSTANTIAL),
        subject=row.pupil,
        sender=row.sender,
        receiver=row.receiver,
        purpose=Purpose(row.purpose),
        sections=sections,
        stands_for=body["stands_for"],
        valid_until=_ends(row, body),
        scan=body["scan"],
        witness=staff_actor(caller).person,
        second=f"{caller.school}.{body['second']}",
    )
    return parts.ledger.record(act, draft, boards_of(act.session, row))


def _tell(parts: Parts, act: Act, caller: Caller, row: Transfer, event: Event, body: Mapping[str, Any]) -> int:
    """Tell the family and the board's FG, and log to whom it was told: to nobody, where nobody can be reached."""
    told = told_at_once(parts, act, row.pupil)
    for contact in told.values():
        post(parts, act, row.pupil, contact, "court")
    entry = _log(act, caller, row, event.sections or (), body, more={"event": event.id, "told": sorted(told)})
    for owner, mail in mails_of(parts, act.session, caller.board).items():
        post_to_dpo(parts, act, owner, mail, "court_dpo", school=caller.school, entry=str(entry))
    return len(told)


def _log(
    act: Act,
    caller: Caller,
    row: Transfer,
    sections: tuple[Section, ...],
    body: Mapping[str, Any],
    *,
    more: Mapping[str, Any] = MappingProxyType({}),
    outcome: str = "granted",
) -> int:
    said = {name: str(body[name]) for name in ("court", "decided_on", "scan", "stands_for")}
    second = f"{caller.school}.{body['second']}"
    entry = record(
        act,
        Did.COURT_RECORDED,
        staff(caller),
        outcome=outcome,
        terms={"school": caller.school, "transfer": row.id, "second": second, **said, **more},
        boards=boards_of(act.session, row),
        pupil=row.pupil,
        sections=sections,
    )
    return entry.index
