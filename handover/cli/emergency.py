"""`handover emergency`: two of a school's staff let sections go before the family's answer."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from consent.terms import EMERGENCY_LASTS, EmergencyGround, Section
from handover.answers import listed, said
from handover.cli import proposal
from handover.cli.reading import read_bytes, section_names
from handover.cli.school import SECTIONS, Desk, at_desk
from handover.cli.terminal import EXISTING, InputRefused, answer, as_json

if TYPE_CHECKING:
    from crypto.encoding import JSON

LONGEST = int(EMERGENCY_LASTS / timedelta(hours=1))
WORDS_LIMIT = 1 << 16


@click.group()
def emergency() -> None:
    """Release in an emergency (spoedvrijgave): proposed by one, confirmed by another."""


@emergency.command()
@click.argument("transfer_id", metavar="TRANSFER")
@click.option("--ground", type=click.Choice(list(map(str, EmergencyGround))), required=True, help="On which ground.")
@click.option("--sections", required=True, metavar="A,B", help=f"What should go. {SECTIONS}")
@click.option("--hours", type=click.IntRange(1, LONGEST), required=True, help="For how long.")
@click.option("--reason", type=EXISTING, required=True, help="File with the reason, in your own words.")
@as_json
@at_desk
def propose(desk: Desk, transfer_id: str, ground: str, sections: str, hours: int, reason: Path, as_json: bool) -> None:
    """Propose that sections go now. Nothing goes until a colleague has confirmed it.

    The reason comes from a file: a child's story doesn't belong in the shell's history.
    """
    from handover.assisting import AssistingClient

    try:
        words = read_bytes(reason, WORDS_LIMIT).decode().strip()
    except UnicodeDecodeError:
        raise InputRefused(f"{reason.name}: not a text in UTF-8") from None
    wanted = section_names(sections)
    names = [section for section in Section if section in wanted]
    until = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(hours=hours)
    with desk.client_of(AssistingClient) as client:
        told = client.propose(transfer_id, ground, names, until, words)
    answer(told, f"{said(told, 'proposal')}\nnow a colleague confirms it", as_json=as_json)


@emergency.command()
@click.argument("proposal_id", metavar="PROPOSAL")
@as_json
@at_desk
def confirm(desk: Desk, proposal_id: str, as_json: bool) -> None:
    """Confirm what a colleague proposed; see `handover proposal list`. The family is told at once."""
    from handover.proposed import Matter

    proposal.confirm(desk, proposal_id, Matter.EMERGENCY, as_json=as_json)


@emergency.command()
@click.argument("transfer_id", metavar="TRANSFER")
@click.argument("event")
@as_json
@at_desk
def end(desk: Desk, transfer_id: str, event: str, as_json: bool) -> None:
    """End an emergency release before its time: one of the two, or the principal."""
    from handover.assisting import AssistingClient

    with desk.client_of(AssistingClient) as client:
        told = client.end(transfer_id, event)
    answer(told, f"{event} ended at {said(told, 'ended_at')}", as_json=as_json)


@emergency.command("list")
@click.argument("transfer_id", metavar="TRANSFER")
@as_json
@at_desk
def list_(desk: Desk, transfer_id: str, as_json: bool) -> None:
    """List what was confirmed for a transfer, with the reasons."""
    from handover.assisting import AssistingClient

    with desk.client_of(AssistingClient) as client:
        told = client.emergencies(transfer_id)
    lines = [line for row in listed(told, "releases") for line in _lines(row)]
    answer(told, "\n".join(lines) or "no emergencies", as_json=as_json)


def _lines(row: "dict[str, JSON]") -> list[str]:
    sections = row.get("sections")
    asked = ",".join(map(str, sections)) if isinstance(sections, list) else ""
    head = f"{row.get('event')}  proposed by {row.get('second')}, confirmed by {row.get('by')} at {row.get('at')}"
    about = f"  {row.get('ground')}  {asked}  until {row.get('until')}"
    return [head, about, *(f"  {line}" for line in str(row.get("reason")).splitlines())]
