"""`handover custody`: what others decided about who speaks, and for which school it counts."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import click

from consent.terms import Section
from handover.cli import proposal
from handover.cli.reading import school_code, section_names
from handover.cli.school import Desk, at_desk
from handover.cli.terminal import EXISTING, answer, as_json

DAY = click.DateTime(["%Y-%m-%d"])


@click.group()
def custody() -> None:
    """Record what a court decided, or that a receiver goes on under another code (principal)."""


@custody.command()
@click.argument("transfer_id", metavar="TRANSFER")
@click.option("--court", required=True, metavar="CODE", help="Which court, by the code in its ECLI, such as RBMNE.")
@click.option("--stands-for", "person", required=True, metavar="PERSON", help="The holder in whose place it decided.")
@click.option("--sections", required=True, metavar="A,B", help="What it decided about.")
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
    answer(told, f"{told.get('proposal')}\nnow a colleague confirms it", as_json=as_json)


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
    answer(told, f"{told.get('event')}\ntold: {told.get('told')} of the family", as_json=as_json)
