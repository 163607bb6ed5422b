"""`handover hold`: keep everything of a pupil from destruction while a complaint or a court needs it."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click

from handover.answers import listed, said
from handover.cli import proposal
from handover.cli.school import Desk, at_desk
from handover.cli.terminal import answer, as_json

if TYPE_CHECKING:
    from crypto.encoding import JSON

GROUND = "The law or the case, never a person's name."


@click.group()
def hold() -> None:
    """Hold a pupil's data back from destruction (legal hold). One places a hold, it takes two to lift it."""


@hold.command()
@click.argument("pupil")
@click.option("--ground", required=True, help=GROUND)
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="The last day; without it, until it is lifted.")
@as_json
@at_desk
def place(desk: Desk, pupil: str, ground: str, until: datetime | None, as_json: bool) -> None:
    """Place a hold: nothing of this pupil is destroyed meanwhile. What may be released stays as it is."""
    from consent.guardians import midnight
    from handover.assisting import AssistingClient

    ends = None if until is None else midnight(until.date() + timedelta(days=1))
    with desk.client_of(AssistingClient) as client:
        told = client.hold(pupil, ground, ends)
    answer(told, said(told, "hold"), as_json=as_json)


@hold.command("list")
@click.argument("pupil")
@as_json
@at_desk
def list_(desk: Desk, pupil: str, as_json: bool) -> None:
    """List the holds of a pupil, lifted ones too."""
    from handover.assisting import AssistingClient

    with desk.client_of(AssistingClient) as client:
        told = client.holds(pupil)
    lines = [_line(row) for row in listed(told, "holds")]
    answer(told, "\n".join(lines) or "no holds", as_json=as_json)


def _line(row: "dict[str, JSON]") -> str:
    lifted = row.get("lifted")
    state = f"lifted at {lifted.get('at')}" if isinstance(lifted, dict) else f"until {row.get('until') or 'lifted'}"
    return f"{row.get('hold')}  {row.get('ground')}  {state}"


@hold.command()
@click.argument("pupil")
@click.argument("hold_id", metavar="HOLD")
@click.option("--ground", required=True, help=GROUND)
@as_json
@at_desk
def lift(desk: Desk, pupil: str, hold_id: str, ground: str, as_json: bool) -> None:
    """Propose that a hold is lifted. It stays until a colleague has confirmed that."""
    from handover.assisting import AssistingClient

    with desk.client_of(AssistingClient) as client:
        told = client.lift_hold(pupil, hold_id, ground)
    answer(told, f"{said(told, 'proposal')}\nnow a colleague confirms it", as_json=as_json)


@hold.command()
@click.argument("proposal_id", metavar="PROPOSAL")
@as_json
@at_desk
def confirm(desk: Desk, proposal_id: str, as_json: bool) -> None:
    """Confirm that a hold is lifted, as a colleague proposed; see `handover proposal list`."""
    from handover.proposed import Matter

    proposal.confirm(desk, proposal_id, Matter.HOLD, as_json=as_json)
