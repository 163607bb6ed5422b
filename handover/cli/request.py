"""`handover request`: what families ask under the AVG, and the school's answers."""

from pathlib import Path

import click

from consent.terms import Ruling
from handover import answers
from handover.cli import proposal
from handover.cli.reading import read_bytes
from handover.cli.rows import of_request
from handover.cli.school import Desk, at_desk
from handover.cli.terminal import EXISTING, InputRefused, answer, as_json

LIMIT = 1 << 14


@click.group()
def request() -> None:
    """List what families ask under the AVG, and answer it."""


@request.command("list")
@as_json
@at_desk
def list_(desk: Desk, as_json: bool) -> None:
    """List what waits for this school, word for word, with the days that are left, and the restrictions in force."""
    with desk.client() as client:
        rows = list(client.requests())
    lines = [line for row in rows for line in of_request(row)]
    answer({"requests": rows}, "\n".join(lines) or "nothing waits", as_json=as_json)


@request.command()
@click.argument("request_id", metavar="REQUEST")
@click.option("--ruling", type=click.Choice(list(map(str, Ruling))), required=True, help="What was decided.")
@click.option("--reason", type=EXISTING, required=True, help="File with the reason, in words for the family.")
@click.option("--article", help="Article of law that the decision rests on.")
@as_json
@at_desk
def decide(desk: Desk, request_id: str, ruling: str, reason: Path, article: str | None, as_json: bool) -> None:
    """Decide on a request for correction or erasure, or say that it needs longer. It takes two to grant an erasure."""
    given = {} if article is None else {"article": article}
    with desk.client() as client:
        told = client.decide_request(request_id, {"ruling": ruling, "reason": _words(reason), **given})
    waits = told.get("proposal")
    lines = f"{waits}\nnow a colleague confirms it" if waits else f"{answers.said(told, 'request')} {ruling}"
    answer(told, lines, as_json=as_json)


@request.command()
@click.argument("transfer_id", metavar="TRANSFER")
@click.argument("objection_id", metavar="OBJECTION")
@click.option("--upheld/--dismissed", required=True, help="Upheld: these sections stay here. Dismissed: they may go.")
@click.option("--reason", type=EXISTING, required=True, help="File with the reason, in words for the family.")
@as_json
@at_desk
def objection(desk: Desk, transfer_id: str, objection_id: str, upheld: bool, reason: Path, as_json: bool) -> None:
    """Decide on an objection, as `request list` shows it. Who objected is told."""
    with desk.client() as client:
        told = client.decide_objection(transfer_id, objection_id, upheld=upheld, reason=_words(reason))
    answer(told, f"{objection_id} {'upheld' if upheld else 'dismissed'}", as_json=as_json)


@request.command()
@click.argument("request_id", metavar="REQUEST")
@click.option("--reason", type=EXISTING, required=True, help="File with the reason, in words for the family.")
@as_json
@at_desk
def lift(desk: Desk, request_id: str, reason: Path, as_json: bool) -> None:
    """Propose to end a restriction. Who asked for it is told now; it ends when a colleague has confirmed it."""
    with desk.client() as client:
        told = client.lift_restriction(request_id, _words(reason))
    answer(told, f"{answers.said(told, 'proposal')}\nnow a colleague confirms it", as_json=as_json)


@request.command()
@click.argument("proposal_id", metavar="PROPOSAL")
@as_json
@at_desk
def confirm(desk: Desk, proposal_id: str, as_json: bool) -> None:
    """Confirm an erasure, or the end of a restriction, as a colleague proposed; see `handover proposal list`."""
    from handover.proposed import Matter

    proposal.confirm(desk, proposal_id, Matter.ERASURE, Matter.RESTRICTION, as_json=as_json)


def _words(file: Path) -> str:
    text = read_bytes(file, LIMIT).decode("utf-8", "replace").strip()
    if not text:
        raise InputRefused(f"{file.name}: a reason is needed")
    return text
