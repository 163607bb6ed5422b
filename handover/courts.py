"""A court's ruling in the place of one holder's answer (vervangende toestemming, BW 1:253a), taken down by the school.

Holders who share gezag and don't agree may ask the court. What it decides stands in for the answers of the holder that
it names, in the sections and for the time that it says, and for nobody else's: the others are still asked. It is the
strongest thing that a school can record, since it overrides a no. So the principal proposes it, with the hash of the
ruling's scan, and a second member of staff confirms it with the ruling at hand. Everybody concerned is written to then,
also whose place the court took; the board's FG too, and it stands among the patterns that an FG looks at. The scan
stays at the school.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

from consent.events import Author, Draft, Event, Kind
from consent.fields import print_time, read_time
from consent.guardians import AMSTERDAM, family
from consent.journal import Act
from consent.terms import Ground, Level, Role, Section
from crypto.encoding import JSON
from handover import proposals
from handover.dpos import mails_of
from handover.errors import RequestRefused
from handover.idempotency import Answer, Once
from handover.outbox import post, post_to_dpo
from handover.parts import Caller, Parts
from handover.people import staff_actor, told_at_once
from handover.proposals import Confirmed, Wanted
from handover.proposed import Matter, Proposed
from handover.question import requirements, until
from handover.tables import Transfer
from handover.transfers import boards_of, of_side, policy_of, pupil_of, purpose_of, still_open, time

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


def propose(parts: Parts, caller: Caller, once: Once, transfer: str, body: Mapping[str, Any]) -> Answer:
    """Propose to take down a ruling that stands in for one holder's answers about this transfer."""
    said: dict[str, JSON] = {
        **{name: body[name] for name in ("court", "stands_for", "scan")},
        "sections": [str(section) for section in Section if section in body["sections"]],
        "decided_on": body["decided_on"].isoformat(),
        "until": print_time(body["until"]) if "until" in body else None,
    }

    def look(act: Act) -> Mapping[str, JSON] | RequestRefused:
        row = still_open(of_side(act.session, caller, transfer, "sender"))
        return _refused(parts, act, row, said, body["sections"]) or {}

    pupil = pupil_of(parts, caller, transfer)
    return proposals.propose(parts, caller, once, Wanted(Matter.COURT, pupil, transfer, said), look)


def take_down(parts: Parts, act: Act, caller: Caller, proposed: Proposed) -> Confirmed | RequestRefused:
    """Let a ruling stand in from now on as it was proposed, and tell everybody concerned."""
    row = still_open(of_side(act.session, caller, proposed.transfer or "", "sender"))
    said: Mapping[str, Any] = proposed.said
    if refused := _refused(parts, act, row, said, said["sections"]):
        return refused
    draft = Draft(
        kind=Kind.COURT,
        key=f"court-{proposed.id}",
        by=Author(said["court"], Role.COURT, Level.SUBSTANTIAL),
        subject=row.pupil,
        sender=row.sender,
        receiver=row.receiver,
        purpose=purpose_of(row),
        sections=tuple(map(Section, said["sections"])),
        stands_for=said["stands_for"],
        valid_until=read_time(said["until"]) if said["until"] else until(row),
        scan=said["scan"],
        witness=proposed.by,
        second=staff_actor(caller).person,
    )
    event = parts.ledger.record(act, draft, boards_of(act.session, row))
    told = _tell(parts, act, caller, event)
    answer = {"event": event.id, "sections": said["sections"], "until": time(event.valid_until), "told": len(told)}
    return Confirmed(answer, {"event": event.id, "told": told})


def _refused(
    parts: Parts, act: Act, row: Transfer, said: Mapping[str, Any], sections: Sequence[str]
) -> RequestRefused | None:
    """Say what keeps this ruling from standing in; `sections` in the order in which places count them."""
    needs = requirements(policy_of(parts, act.session, row), row)
    faults = {
        f"/sections/{at}": "Nobody's yes is needed for this here."
        for at, name in enumerate(sections)
        if needs.get(Section(name)) not in _ASKED
    }
    known = parts.ledger.history(act.session, row.pupil).known
    speaking = family(known, row.pupil, act.now, parts.journal.first)
    if speaking is None or said["stands_for"] not in set(speaking.deciders) - {row.pupil}:
        faults["/stands_for"] = "Not a holder of gezag who decides about this pupil now."
    if date.fromisoformat(said["decided_on"]) > act.now.astimezone(AMSTERDAM).date():
        faults["/decided_on"] = "After today."
    ends = read_time(said["until"]) if said["until"] else until(row)
    if not act.now < ends <= until(row):
        faults["/until"] = "Must lie ahead, and not beyond the end of this transfer's answers."
    return RequestRefused("INVALID", 422, "This ruling can't be taken down so.", faults) if faults else None


def _tell(parts: Parts, act: Act, caller: Caller, event: Event) -> list[JSON]:
    """Tell the family and the board's FG; gives who of the family was told, which may be nobody."""
    pupil = event.subject or ""
    told = told_at_once(parts, act, pupil)
    for contact in told.values():
        post(parts, act, pupil, contact, "court")
    for owner, mail in mails_of(parts, act.session, caller.board).items():
        post_to_dpo(parts, act, owner, mail, "court_dpo", school=caller.school, entry=str(event.index))
    return [*sorted(told)]
