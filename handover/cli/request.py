"""`handover request`: what families ask under the AVG, and the school's answers."""

from pathlib import Path

import click

from consent.terms import Ruling
from handover.cli.reading import read_bytes
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
    """List what waits for this school with the days that are left, and the restrictions in force."""
    with desk.client() as client:
        rows = list(client.requests())
    lines = [
        "  ".join(str(row.get(name)) for name in ("request", "right", "state", "due"))
        + ("" if row.get("days_left") is None else f"  {row['days_left']} days left")
        for row in rows
    ]
    answer({"requests": rows}, "\n".join(lines) or "nothing waits", as_json=as_json)


@request.command()
@click.argument("request_id", metavar="REQUEST")
@click.option("--ruling", type=click.Choice(list(map(str, Ruling))), required=True, help="What was decided.")
@click.option("--reason", type=EXISTING, required=True, help="File with the reason, in words for the family.")
@click.option("--article", help="Article of law that the decision rests on.")
@click.option("--second", help="Pseudonym of the second member of staff; an erasure needs one.")
@as_json
@at_desk
def decide(
    desk: Desk, request_id: str, ruling: str, reason: Path, article: str | None, second: str | None, as_json: bool
) -> None:
    """Decide on a request for correction or erasure, or say that it needs longer."""
    optional = {"article": article, "second": second}
    given = {name: value for name, value in optional.items() if value is not None}
    with desk.client() as client:
        told = client.decide_request(request_id, {"ruling": ruling, "reason": _words(reason), **given})
    answer(told, f"{request_id} {ruling}", as_json=as_json)


@request.command()
@click.argument("request_id", metavar="REQUEST")
@click.option("--reason", type=EXISTING, required=True, help="File with the reason, in words for the family.")
@click.option("--second", required=True, help="Pseudonym of the second member of staff.")
@as_json
@at_desk
def lift(desk: Desk, request_id: str, reason: Path, second: str, as_json: bool) -> None:
    """End a restriction. Two members of staff decide on it."""
    with desk.client() as client:
        told = client.lift_restriction(request_id, _words(reason), second)
    answer(told, f"{request_id} lifted", as_json=as_json)


def _words(file: Path) -> str:
    text = read_bytes(file, LIMIT).decode("utf-8", "replace").strip()
    if not text:
        raise InputRefused(f"{file.name}: a reason is needed")
    return text
