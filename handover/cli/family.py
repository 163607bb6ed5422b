"""`handover family`: what a guardian, or a pupil, can do with the token from the invitation.

The token is asked for unseen, or read from a file: an option would stand in the process list and the shell's history.
"""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

import click

from consent.terms import Right, Section
from handover import answers
from handover.cli.reading import read_bytes, section_names
from handover.cli.terminal import EXISTING, InputRefused, answer, as_json
from handover.errors import RequestRefused

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
        from handover.cli import wording
        from handover.visiting import FamilyClient

        origin, file = kwargs.pop("origin"), kwargs.pop("token_file")
        with FamilyClient(str(origin), _token(file if isinstance(file, Path) else None)) as client:
            try:
                return command(client, *args, **kwargs)
            except RequestRefused as refused:
                raise wording.refusal(refused) from None

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
    from handover.cli import wording

    rows = list(client.log())
    lines = [
        f"{wording.date_and_hour(row.get('at'))}  {row.get('en')}"
        if english
        else f"{wording.day(row.get('at'))}, {wording.hour(row.get('at'))}  {row.get('nl')}"
        for row in rows
    ]
    answer({"rows": rows}, "\n".join(lines) or "Nog niets.", as_json=as_json)


@family.command()
@as_json
@as_visitor
def question(client: "FamilyClient", /, as_json: bool) -> None:
    """Show what is asked, and the text to read before you answer."""
    asked = client.question()
    notice = asked.get("notice")
    lines = [str(notice.get("text")) if isinstance(notice, dict) else "", *_standing(asked)]
    answer(asked, "\n".join(lines), as_json=as_json)


@family.command("answer")
@click.option("--yes", metavar="A,B", help="Parts that may go.")
@click.option("--no", metavar="A,B", help="Parts that may not go.")
@as_json
@as_visitor
def answer_(client: "FamilyClient", /, yes: str | None, no: str | None, as_json: bool) -> None:
    """Say yes or no, per part of the file. A part that you don't name keeps its answer; without one it doesn't go."""
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
    stands = _standing(client.question())
    answer(told, "\n".join(["Vastgelegd. Dit is nu het antwoord:", *stands]), as_json=as_json)


def _standing(asked: "JSON") -> list[str]:
    """Say of each part that this visitor chooses about what the answer is."""
    from handover.cli import wording

    chosen = [row for row in _rows(asked, "sections") if row.get("choice") is True]
    said = [(row, wording.ANSWERS.get(str(row.get("answer")), "nog geen antwoord")) for row in chosen]
    return [f"{row.get('name')} ({row.get('section')}): {what}" for row, what in said]


@family.command()
@click.option("--sections", metavar="A,B", help="Only these parts; without it all that the law sends.")
@click.option("--done", is_flag=True, help="You need no more time to think it over.")
@as_json
@as_visitor
def read(client: "FamilyClient", /, sections: str | None, done: bool, as_json: bool) -> None:
    """Say that you have read these parts of the file at school, as they are now. The school shows them to you."""
    from handover.cli import wording

    named = _names(sections)
    shown = {
        str(row.get("section")): str(row.get("version"))
        for row in _rows(client.question(), "sections")
        if row.get("version") is not None
        and (row.get("section") in named if named else row.get("requirement") == "statutory")
    }
    if missing := [name for name in named if name not in shown]:
        raise InputRefused(f"er is nog niets om te lezen: {wording.sections(missing)}")
    if not shown:
        raise InputRefused("er is nog niets om te lezen: de school heeft nog geen dossier klaargezet")
    told = client.read(shown, done=done)
    more = "" if done else "\nKlaar met lezen, en geen bedenktijd meer nodig? Dan: handover family read --done."
    answer(told, f"Vastgelegd als gelezen: {wording.sections(shown)}.{more}", as_json=as_json)


@family.command()
@click.argument("file", type=EXISTING)
@click.option("--travels", is_flag=True, help="It goes along to the other school. Without this it doesn't.")
@click.option("--done", is_flag=True, help="You need no more time to think it over.")
@as_json
@as_visitor
def view(client: "FamilyClient", /, file: Path, travels: bool, done: bool, as_json: bool) -> None:
    """Put your own words, from a file, beside the child's file."""
    told = client.view(_words(file), travels=travels, done=done)
    goes = "Het gaat mee naar de andere school." if travels else "Het gaat niet mee naar de andere school."
    answer(told, f"Vastgelegd. {goes}", as_json=as_json)


@family.command("object")
@click.argument("file", type=EXISTING)
@click.option("--sections", required=True, metavar="A,B", help="The parts that should stay here.")
@as_json
@as_visitor
def object_(client: "FamilyClient", /, file: Path, sections: str, as_json: bool) -> None:
    """Object to what the law lets the school send, with your reason from a file. The school must decide on it."""
    from handover.cli import wording

    told = client.object_to(_names(sections), _words(file))
    waits = told.get("waits")
    kept = wording.sections(waits if isinstance(waits, list) else [])
    lines = ["Het bezwaar is vastgelegd.", f"Dit blijft hier tot de school heeft beslist: {kept}."]
    answer(told, "\n".join(lines), as_json=as_json)


@family.command()
@click.option("--sections", required=True, metavar="A,B", help="Parts for which you take your yes back.")
@click.option("--destroy", is_flag=True, help="Destroy them here at once, and not after seven days.")
@as_json
@as_visitor
def withdraw(client: "FamilyClient", /, sections: str, destroy: bool, as_json: bool) -> None:
    """Take your consent back. What the other school has opened already can't be taken back."""
    from handover.cli import wording

    told = client.withdraw(_names(sections), destroy_now=destroy)
    opened = told.get("opened")
    known = wording.sections(opened if isinstance(opened, list) else [])
    answer(told, f"Ingetrokken. De andere school had al geopend: {known}.", as_json=as_json)


@family.command()
@click.argument("right", type=click.Choice(list(map(str, Right))))
@click.option("--sections", metavar="A,B", help="Only these parts.")
@click.option("--text", "file", type=EXISTING, help="File with what you want to say; a correction needs it.")
@as_json
@as_visitor
def right(client: "FamilyClient", /, right: str, sections: str | None, file: Path | None, as_json: bool) -> None:
    """Ask for your data, a portable copy, a correction, erasure, or that the use of data stops for now."""
    from handover.cli import wording

    told = client.ask(right, _names(sections), None if file is None else _words(file))
    lines = [f"Het verzoek is vastgelegd: {answers.said(told, 'request')}"]
    given = told.get("answer")
    if isinstance(given, dict) and "stops" in given:
        lines += [f"Dit houdt wissen nu tegen: {row.get('nl')} ({row.get('basis')})" for row in _rows(given, "stops")]
    elif given is not None:
        received = _rows(given, "received")
        lines.append("Met --json staat hier alles." + (" Dit hebben anderen gekregen:" if received else ""))
        lines += [f"{wording.day(row.get('at'))}  {row.get('nl')}" for row in received]
    if right not in (Right.ACCESS, Right.PORTABILITY, Right.RESTRICTION):
        lines.append(f"Het antwoord komt uiterlijk op {wording.last_day(told.get('due'))}.")
    answer(told, "\n".join(lines), as_json=as_json)


@family.command()
@as_json
@as_visitor
def requests(client: "FamilyClient", /, as_json: bool) -> None:
    """List what you asked for, and what the school said."""
    from handover.cli import wording

    rows = client.requests()
    lines = [
        f"{wording.day(row.get('asked_at'))}  {wording.RIGHTS.get(str(row.get('right')), row.get('right'))}: "
        f"{wording.STATES.get(str(row.get('state')), row.get('state'))}  {row.get('reason') or ''}"
        for row in rows
    ]
    answer({"requests": rows}, "\n".join(line.rstrip() for line in lines) or "Er is niets gevraagd.", as_json=as_json)


def _words(file: Path) -> str:
    text = read_bytes(file, LIMIT).decode("utf-8", "replace").strip()
    if not text:
        raise InputRefused(f"{file.name}: empty")
    return text


def _names(text: str | None) -> list[str]:
    wanted = section_names(text) if text else frozenset()
    return [str(section) for section in Section if section in wanted]


def _rows(value: "JSON", name: str) -> "list[dict[str, JSON]]":
    rows = value.get(name) if isinstance(value, dict) else None
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
