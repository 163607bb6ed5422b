"""`handover custody`: who speaks for a pupil, by gezag or by a court, and for which school it counts."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import click

from consent.terms import Section
from handover import answers
from handover.cli import proposal
from handover.cli.reading import CUSTODY_LIMIT, custody_in, read_object, school_code, section_names
from handover.cli.school import SECTIONS, Desk, at_desk, tell
from handover.cli.terminal import EXISTING, answer, as_json

DAY = click.DateTime(["%Y-%m-%d"])


@click.group()
def custody() -> None:
    """Record who holds gezag, what a court decided, or that a receiver goes on under another code."""


@custody.command()
@click.argument("pupil")
@click.argument("file", type=EXISTING)
@click.option("--second", metavar="STAFF", help="Who else of the staff saw the evidence, where two are needed.")
@as_json
@at_desk
def state(desk: Desk, pupil: str, file: Path, second: str | None, as_json: bool) -> None:
    """Record who holds gezag over PUPIL from now on, checked with evidence, and how they are reached.

    It is needed anew when something changes, an address too, after twelve months, and when entries of the service were
    lost. Everybody is written to, also who is left out. FILE is JSON:

    \b
    {"holders": [
       {"person": "3f0c...", "name": "Sanne Voorbeeld", "mail": "sanne@gezin.example", "role": "guardian"}],
     "evidence": {"kind": "gezagsregister", "date": "2026-11-20", "staff": "s-1"}}

    `person` is the id that `handover transfer pupil` and this command print: whoever is named without it is new.
    A role is guardian, voogd or gi; evidence is gezagsregister, court_order, deed or joint_statement. A pupil of 16 or
    older needs `pupil_mail` beside the holders. A file for `handover transfer pupil` is taken too, for its `custody`.
    """
    stated = custody_in(read_object(file, CUSTODY_LIMIT), file)
    with desk.client() as client:
        tell(client.set_custody(pupil, stated, second), "pupil", as_json=as_json)


@custody.command()
@click.argument("transfer_id", metavar="TRANSFER")
@click.option("--court", required=True, metavar="CODE", help="Which court, by the code in its ECLI, such as RBMNE.")
@click.option("--stands-for", "person", required=True, metavar="PERSON", help="The holder in whose place it decided.")
@click.option("--sections", required=True, metavar="A,B", help=f"What it decided about. {SECTIONS}")
@click.option("--decided-on", type=DAY, required=True, help="The day of the ruling.")
@click.option("--until", type=DAY, help="The first day on which it no longer counts (UTC).")
@click.option("--scan", type=EXISTING, required=True, help="Its scan. It stays here: only its hash is sent.")
@as_json
@at_desk
def court(
    desk: Desk,
    transfer_id: str,
    court: str,
    person: str,
    sections: str,
    decided_on: datetime,
    until: datetime | None,
    scan: Path,
    as_json: bool,
) -> None:
    """Propose to take down a court's ruling that stands in for one holder's answers; a colleague confirms it."""
    from handover.assisting import AssistingClient, CourtRuling

    wanted = section_names(sections)
    with scan.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    said = CourtRuling(
        court=court,
        stands_for=person,
        sections=[section for section in Section if section in wanted],
        decided_on=decided_on.date(),
        until=until and until.replace(tzinfo=UTC),
        scan=digest,
    )
    with desk.client_of(AssistingClient) as client:
        told = client.take_down(transfer_id, said)
    answer(told, f"{answers.said(told, 'proposal')}\nnow a colleague confirms it", as_json=as_json)


@custody.command()
@click.argument("proposal_id", metavar="PROPOSAL")
@as_json
@at_desk
def confirm(desk: Desk, proposal_id: str, as_json: bool) -> None:
    """Confirm a ruling that a colleague proposed; see `handover proposal list`. The family is told at once."""
    from handover.proposed import Matter

    proposal.confirm(desk, proposal_id, Matter.COURT, as_json=as_json)


@custody.command()
@click.argument("pupil")
@click.argument("old")
@click.argument("new")
@as_json
@at_desk
def successor(desk: Desk, pupil: str, old: str, new: str, as_json: bool) -> None:
    """Say that the receiver OLD goes on as NEW: what PUPIL's family said of the one counts for the other."""
    from handover.assisting import AssistingClient

    with desk.client_of(AssistingClient) as client:
        told = client.follow_on(pupil, school_code(old), school_code(new))
    answer(told, f"{answers.said(told, 'event')}\ntold: {told.get('told')} of the family", as_json=as_json)
