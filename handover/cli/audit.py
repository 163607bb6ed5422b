"""`handover audit`: the access log of a board's own side, on its FG's own machine."""

from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

import click

from handover.cli.certificate import certificate
from handover.cli.reading import read_identity
from handover.cli.terminal import EXISTING, NEW, answer, as_json, progress

if TYPE_CHECKING:
    from crypto.encoding import JSON
    from handover.auditing import ExaminerClient

P = ParamSpec("P")
R = TypeVar("R")
_DAY = click.DateTime(["%Y-%m-%d"])
_LOOKED = ("pupil", "pupil_number", "person", "school", "section", "ground", "outcome", "kind", "since", "until")


@click.group()
def audit() -> None:
    """Examine the access log of one's own board, as its FG."""


audit.add_command(certificate)


def as_examiner(command: Callable[Concatenate["ExaminerClient", P], R]) -> Callable[P, R]:
    """Give a command the FG's connection to the service, from its options."""

    @wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        from handover.auditing import ExaminerClient

        origin, keyfile, staff = (kwargs.pop(name) for name in ("origin", "keyfile", "staff"))
        key = read_identity(Path(str(keyfile)), "dpo")
        with ExaminerClient(str(origin), key, str(staff)) as client:
            return command(client, *args, **kwargs)

    options = (
        click.option("--origin", envvar="HANDOVER_ORIGIN", required=True, help="Address of the service."),
        click.option("--keyfile", envvar="HANDOVER_KEYFILE", type=EXISTING, required=True, help="The FG's key file."),
        click.option("--staff", envvar="HANDOVER_STAFF", required=True, help="The board's own name for this FG."),
    )
    for option in reversed(options):
        wrapped = option(wrapped)
    return wrapped


@audit.command()
@click.option("--pupil", help="Pseudonym of a pupil, as the log names it.")
@click.option("--pupil-number", help="The board's own number of a pupil.")
@click.option("--person", help="Who looked: SCHOOL.pseudonym.")
@click.option("--school", help="The school whose staff acted.")
@click.option("--section", help="A section that it was about.")
@click.option("--ground", help="On which ground: consent, statutory, emergency ...")
@click.option("--outcome", help="granted, refused, or the reason of a refusal such as WITHDRAWN.")
@click.option("--kind", help="What was done: release, attempt, withdraw, emergency ...")
@click.option("--since", type=_DAY, help="First day.")
@click.option("--until", type=_DAY, help="Last day.")
@click.option("--most", type=click.IntRange(1, 10_000), default=100, show_default=True, help="Entries at most.")
@as_json
@as_examiner
def search(client: "ExaminerClient", /, most: int, as_json: bool, **looked: object) -> None:
    """Search the log, newest first: who did what with whose file, granted or refused.

    Each search is itself an entry of the log.
    """
    asked = {name: _said(looked[name]) for name in _LOOKED if looked[name] is not None}
    found = list(client.search(asked, most))
    answer({"entries": found}, "\n".join(_lines(found)) or "Nothing was found.", as_json=as_json)


@audit.command()
@click.option("--since", type=_DAY, required=True, help="First day.")
@click.option("--until", type=_DAY, required=True, help="Last day.")
@click.option("--pattern", "names", multiple=True, help="Only this pattern; may be given more than once.")
@as_json
@as_examiner
def patterns(client: "ExaminerClient", /, since: object, until: object, names: tuple[str, ...], as_json: bool) -> None:
    """Look for patterns that are worth a look, each with the reason why."""
    found = client.patterns(_said(since), _said(until), names)
    answer({"patterns": found}, "\n".join(_told(found)), as_json=as_json)


@audit.command()
@click.argument("out", type=NEW)
@click.option("--csv", "as_csv", is_flag=True, help="A table for a spreadsheet, which can't be verified.")
@as_json
@as_examiner
def export(client: "ExaminerClient", /, out: Path, as_csv: bool, as_json: bool) -> None:
    """Write one's own side of the journal into the new file OUT: `handover journal verify` checks it offline."""
    from crypto.files import new_file

    form = "csv" if as_csv else "jsonl"
    with new_file(out) as file, progress("export", 1 << 62) as done:
        size = client.export(form, file, done)
    told = {"out": str(out), "bytes": size, "form": form}
    answer(told, f"{size} bytes in {out}", as_json=as_json)


def _said(value: object) -> str:
    from datetime import datetime

    return value.date().isoformat() if isinstance(value, datetime) else str(value)


def _lines(rows: Iterable[Mapping[str, "JSON"]]) -> Iterable[str]:
    for row in rows:
        sections = row.get("sections")
        about = ", ".join(map(str, sections)) if isinstance(sections, list) else ""
        told = [row.get("at"), row.get("kind"), row.get("outcome"), row.get("who") or "", row.get("role") or "", about]
        marks = [f"ground {row['ground']}" if row.get("ground") else "", "EMERGENCY" if row.get("emergency") else ""]
        subject = [f"pupil {row['pupil']}" if row.get("pupil") else "", "erased" if row.get("erased") else ""]
        yield "  ".join(str(part) for part in (f"{row.get('index'):>8}", *told, *marks, *subject) if part)


def _told(found: Iterable[Mapping[str, "JSON"]]) -> Iterable[str]:
    from handover.answers import as_object

    for pattern in found:
        yield f"{pattern.get('count'):>5}  {pattern.get('name')}"
        yield f"       {pattern.get('why')}"
        yield f"       {pattern.get('waarom')}"
        hits = pattern.get("found")
        for hit in map(as_object, hits if isinstance(hits, list) else ()):
            yield f"         {hit.get('at')}  {hit.get('who') or ''}  entries {hit.get('entries')}"
