"""`handover proposal`: what waits for a second person of the school, and that person's word for other commands."""

from typing import TYPE_CHECKING

import click

from handover import answers
from handover.cli.school import Desk, at_desk
from handover.cli.terminal import answer, as_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crypto.encoding import JSON
    from handover.proposed import Matter, Proposed


@click.group()
def proposal() -> None:
    """See what waits for a second person of the school, and take your own proposals back."""


@proposal.command("list")
@as_json
@at_desk
def list_(desk: Desk, as_json: bool) -> None:
    """List what waits for a second person. What you proposed waits for a colleague, the rest may wait for you."""
    from handover.assisting import AssistingClient

    with desk.client_of(AssistingClient) as client:
        rows = list(client.proposals())
    lines = []
    for row in rows:
        whom = "a colleague" if row.yours else "you"
        lines += [*lines_of(row.proposed), f"  waits for {whom}, until {row.lapses_at}"]
    shown = [{"proposal": row.proposed.id, "content": row.proposed.content(), "yours": row.yours} for row in rows]
    answer({"proposals": shown}, "\n".join(lines) or "nothing waits", as_json=as_json)


@proposal.command()
@click.argument("proposal_id", metavar="PROPOSAL")
@as_json
@at_desk
def withdraw(desk: Desk, proposal_id: str, as_json: bool) -> None:
    """Take back what you proposed."""
    from handover.assisting import AssistingClient

    with desk.client_of(AssistingClient) as client:
        told = client.withdraw(proposal_id)
    answer(told, f"{answers.said(told, 'proposal')} withdrawn", as_json=as_json)


def confirm(desk: Desk, proposal_id: str, *matters: "Matter", as_json: bool) -> None:
    """Confirm a proposal on one of these matters, and show what that was and what came of it."""
    from handover.assisting import AssistingClient

    with desk.client_of(AssistingClient) as client:
        proposed, told = client.confirm(proposal_id, *matters)
    came = [f"  {name}: {_text(value)}" for name, value in sorted(told.items())]
    answer(told, "\n".join([*lines_of(proposed), "confirmed", *came]), as_json=as_json)


def lines_of(proposed: "Proposed") -> "Iterator[str]":
    """Write a proposal for a person, word for word."""
    yield f"{proposed.id}  {proposed.matter}"
    yield f"  proposed by {proposed.by} at {proposed.content()['at']}"
    yield f"  pupil {proposed.pupil}" + (f", transfer {proposed.transfer}" if proposed.transfer else "")
    for name, value in sorted(proposed.said.items()):
        first, *more = _text(value).splitlines() or [""]
        yield f"  {name}: {first}"
        yield from (f"    {line}" for line in more)


def _text(value: "JSON") -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return ", ".join(f"{name} {said}" for name, said in value.items())
    return "-" if value is None else str(value)
