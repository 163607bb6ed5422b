"""`handover family`: what a guardian, or a pupil, can do with the token from the invitation.

The token is asked for unseen, or read from a file: an option would stand in the process list and the shell's history.
"""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

import click

from consent.terms import Right, Section
from handover.cli.reading import read_bytes, section_names
from handover.cli.terminal import EXISTING, InputRefused, answer, as_json

if TYPE_CHECKING:
    from crypto.encoding import JSON
    from handover.visiting import FamilyClient

P = ParamSpec("P")
R = TypeVar("R")
TOKEN_FILE = "HANDOVER_TOKEN_FILE"  # noqa: S105 - the name of the variable
LIMIT = 1 << 14


@click.group()
def family() -> None:
    """See who had your child's file, answer, and use your rights."""


def as_visitor(command: Callable[Concatenate["FamilyClient", P], R]) -> Callable[P, R]:
    """Give a command the visitor's connection to the service."""

    @wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        from handover.visiting import FamilyClient

        origin, file = kwargs.pop("origin"), kwargs.pop("token_file")
        with FamilyClient(str(origin), _token(file if isinstance(file, Path) else None)) as client:
            return command(client, *args, **kwargs)

    options = (
        click.option("--origin", envvar="HANDOVER_ORIGIN", required=True, help="Address of the service."),
        click.option(
            "--token-file", envvar=TOKEN_FILE, type=EXISTING, help="File with your code; without it you are asked."
        ),
    )
    for option in reversed(options):
        wrapped = option(wrapped)
    return wrapped


def _token(file: Path | None) -> str:
    import re
    import sys

    if file is not None:
        token = read_bytes(file, LIMIT).decode("ascii", "replace").strip()
    elif sys.stdin.isatty():
        token = str(click.prompt("Code", hide_input=True, err=True)).strip()
    else:
        raise InputRefused(f"no code: name its file in {TOKEN_FILE}, or run this on a terminal")
    if re.fullmatch(r"[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}", token) is None:
        raise InputRefused("that isn't a code as it stands in an invitation")
    return token


@family.command()
@click.option("--english", is_flag=True, help="In English instead of Dutch.")
@as_json
@as_visitor
def log(client: "FamilyClient", /, english: bool, as_json: bool) -> None:
    """Show who had which part of your child's file, when, what for, and on which consent."""
    rows = list(client.log())
    language = "en" if english else "nl"
    lines = [f"{str(row.get('at'))[:16].replace('T', ' ')}  {row.get(language)}" for row in rows]
    answer({"rows": rows}, "\n".join(lines) or "Nog niets.", as_json=as_json)


@family.command()
@as_json
@as_visitor
def question(client: "FamilyClient", /, as_json: bool) -> None:
    """Show what is asked, and the text to read before you answer."""
    asked = client.question()
    notice = asked.get("notice")
    lines = [str(notice.get("text")) if isinstance(notice, dict) else ""]
    lines += [f"{row.get('section')}: {row.get('answer') or 'nog geen antwoord'}" for row in _rows(asked, "sections")]
    answer(asked, "\n".join(lines), as_json=as_json)


@family.command("answer")
@click.option("--yes", metavar="A,B", help="Parts that may go.")
@click.option("--no", metavar="A,B", help="Parts that may not go.")
@as_json
@as_visitor
def answer_(client: "FamilyClient", /, yes: str | None, no: str | None, as_json: bool) -> None:
    """Say yes or no, per part of the file. A part that you don't name stays without an answer, and that is no."""
    said = {str(name): "yes" for name in _names(yes)}
    if twice := said.keys() & set(map(str, _names(no))):
        raise InputRefused(f"yes and no at once: {', '.join(sorted(twice))}")
    said |= {str(name): "no" for name in _names(no)}
    if not said:
        raise InputRefused("say --yes, --no, or both")
    notice = client.question().get("notice")
    if not isinstance(notice, dict):
        raise InputRefused("the service asked nothing")
    told = client.answer(str(notice.get("sha256")), said)
    answer(told, "Uw antwoord staat vast.", as_json=as_json)


@family.command()
@click.option("--sections", required=True, metavar="A,B", help="Parts for which you take your yes back.")
@click.option("--destroy", is_flag=True, help="Destroy them here at once, and not after seven days.")
@as_json
@as_visitor
def withdraw(client: "FamilyClient", /, sections: str, destroy: bool, as_json: bool) -> None:
    """Take your consent back. What the other school has opened already can't be taken back."""
    told = client.withdraw(_names(sections), destroy_now=destroy)
    opened = told.get("opened")
    known = ", ".join(map(str, opened)) if isinstance(opened, list) and opened else "niets"
    answer(told, f"Ingetrokken. De andere school had al geopend: {known}.", as_json=as_json)


@family.command()
@click.argument("right", type=click.Choice(list(map(str, Right))))
@click.option("--sections", metavar="A,B", help="Only these parts.")
@click.option("--text", "file", type=EXISTING, help="File with what you want to say; a correction needs it.")
@as_json
@as_visitor
def right(client: "FamilyClient", /, right: str, sections: str | None, file: Path | None, as_json: bool) -> None:
    """Ask for your data, a portable copy, a correction, erasure, or that the use of data stops for now."""
    text = None if file is None else read_bytes(file, LIMIT).decode("utf-8", "replace").strip()
    told = client.ask(right, _names(sections), text)
    lines = [f"Uw verzoek staat vast: {told.get('request')}"]
    given = told.get("answer")
    if isinstance(given, dict) and "stops" in given:
        lines += [f"Dit houdt wissen nu tegen: {row.get('nl')} ({row.get('basis')})" for row in _rows(given, "stops")]
    elif given is not None:
        lines.append("Dit is wat er over u en uw kind is. Met --json krijgt u alles.")
        lines += [f"{str(row.get('at'))[:10]}  {row.get('nl')}" for row in _rows(given, "received")]
    if right not in (Right.ACCESS, Right.PORTABILITY, Right.RESTRICTION):
        lines.append(f"U krijgt uiterlijk antwoord op {str(told.get('due'))[:10]}.")
    answer(told, "\n".join(lines), as_json=as_json)


@family.command()
@as_json
@as_visitor
def requests(client: "FamilyClient", /, as_json: bool) -> None:
    """List what you asked for, and what the school said."""
    rows = client.requests()
    lines = [
        f"{str(row.get('asked_at'))[:10]}  {row.get('right')}: {row.get('state')}  {row.get('reason') or ''}"
        for row in rows
    ]
    answer({"requests": rows}, "\n".join(line.rstrip() for line in lines) or "U heeft niets gevraagd.", as_json=as_json)


def _names(text: str | None) -> list[str]:
    wanted = section_names(text) if text else frozenset()
    return [str(section) for section in Section if section in wanted]


def _rows(value: "JSON", name: str) -> "list[dict[str, JSON]]":
    rows = value.get(name) if isinstance(value, dict) else None
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
