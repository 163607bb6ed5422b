"""`handover audit`: the access log of a board's own side, on its FG's own machine."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

import click

from handover.answers import as_object
from handover.cli import printable
from handover.cli.accountability import Moment
from handover.cli.certificate import certificate
from handover.cli.reading import read_identity
from handover.cli.terminal import EXISTING, NEW, InputRefused, answer, as_json, progress

if TYPE_CHECKING:
    from datetime import datetime

    from crypto.encoding import JSON
    from handover.auditing import ExaminerClient

P = ParamSpec("P")
R = TypeVar("R")
_DAY = click.DateTime(["%Y-%m-%d"])
_COLUMNS = {
    "index": ("index", "nummer"),
    "at": ("when", "wanneer"),
    "kind": ("what", "wat"),
    "outcome": ("outcome", "uitkomst"),
    "who": ("who", "wie"),
    "role": ("role", "rol"),
    "sections": ("sections", "onderdelen"),
    "ground": ("ground", "grondslag"),
    "emergency": ("emergency", "spoed"),
    "erased": ("erased", "gewist"),
    "pupil": ("pupil", "leerling"),
}
"""What is shown of an entry, with its name in English and in Dutch."""

_TOUCHED = {
    "sections": "sections (onderdelen)",
    "schools": "schools (scholen)",
    "persons": "persons (medewerkers)",
    "pupils": "pupils of this board (eigen leerlingen)",
    "transfers": "files of other boards' pupils, by transfer (dossiers van anderen)",
}
_OWN = ("the checkpoint kept elsewhere", "the service's own checkpoint of just now")
"""What the verifier calls a checkpoint that is given, and what it is here."""

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
@click.option("--outcome", help="granted, refused ..., or why it was refused, such as WITHDRAWN.")
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
    answer({"entries": found}, "\n".join(_lines(found) if found else _nothing(looked["outcome"])), as_json=as_json)


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
@click.option("--root", type=EXISTING, envvar="HANDOVER_ROOT", help="The register's trust file, to verify it with.")
@as_json
@as_examiner
def export(client: "ExaminerClient", /, out: Path, as_csv: bool, root: Path | None, as_json: bool) -> None:
    """Write one's own side of the journal into the new file OUT, and verify it offline.

    Ends with 2 and names every entry that isn't what it was. `handover journal verify` does it again, anywhere.
    """
    from consent.verify import verify_export
    from crypto.files import new_file
    from handover.trust import JOURNAL, read_trust

    if out.suffix.lower() == ".csv" and not as_csv:
        raise InputRefused(f"{out.name}: add --csv for a table, or give it another name")
    form = "csv" if as_csv else "jsonl"
    trust = None if root is None or as_csv else read_trust(root)
    note = b"" if trust is None else client.journal_checkpoint()  # first: what it stands for has to be in the export
    with new_file(out) as file, progress("export", None) as done:
        size = client.export(form, file, done)
    told: dict[str, object] = {"out": str(out), "bytes": size, "form": form, "verified": None}
    lines = [f"{size} bytes in {out}"]
    if trust is None:
        lines.append("NOT VERIFIED: a table proves nothing." if as_csv else "NOT VERIFIED: name the trust file.")
        answer(told, "\n".join(lines), as_json=as_json)
        return
    trust.verify(note, JOURNAL)
    report = verify_export(out, trust.log(JOURNAL)[1], note)
    checked, findings = ([str(each).replace(*_OWN) for each in said] for said in (report.checked, report.findings))
    told |= {"verified": bool(report), "board": report.board, "checked": checked, "findings": findings}
    lines += [f"side of board {report.board}", *checked, *(f"NOT  {finding}" for finding in findings)]
    answer(told, "\n".join(map(printable, lines)), as_json=as_json)
    if not report:
        raise click.exceptions.Exit(2)


@audit.command()
@click.option("--since", type=Moment(), required=True, help="From this day or moment on.")
@click.option("--until", type=Moment(), required=True, help="Until this day or moment, which isn't included.")
@as_json
@as_examiner
def breach(client: "ExaminerClient", /, since: "datetime", until: "datetime", as_json: bool) -> None:
    """Report what of one's own board was touched between two moments (AVG art. 33)."""
    made = client.breach(since, until)
    answer(made, "\n".join(_counted(made)), as_json=as_json)


def _nothing(outcome: object) -> Iterator[str]:
    """Say that nothing was found; of a reason that the consent rule doesn't have, which ones it has."""
    from consent.reasons import Reason

    yield "Nothing was found."
    if str(outcome).isupper() and outcome not in Reason.__members__:
        yield f"The rule has no reason {printable(str(outcome))}. It has: {', '.join(Reason.__members__)}."


def _said(value: object) -> str:
    from datetime import datetime

    return value.date().isoformat() if isinstance(value, datetime) else str(value)


def _lines(rows: Iterable[Mapping[str, "JSON"]]) -> Iterator[str]:
    """Lay entries out as a table, its head in English and Dutch. No cell can begin a line of its own (K7)."""
    cells = [*zip(*_COLUMNS.values(), strict=True), *(tuple(_cell(row.get(name)) for name in _COLUMNS) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()


def _cell(value: "JSON") -> str:
    if isinstance(value, list):
        return " ".join(map(_cell, value))
    if isinstance(value, bool):
        return "yes" if value else ""
    return "" if value is None else printable(str(value))


def _told(found: Iterable[Mapping[str, "JSON"]]) -> Iterator[str]:
    for pattern in found:
        yield f"{_cell(pattern.get('count')):>5}  {_cell(pattern.get('name'))}"
        yield f"       {_cell(pattern.get('why'))}"
        yield f"       {_cell(pattern.get('waarom'))}"
        hits = pattern.get("found")
        for hit in map(as_object, hits if isinstance(hits, list) else ()):
            yield f"         {_cell(hit.get('at'))}  {_cell(hit.get('who'))}  entries {_cell(hit.get('entries'))}"


def _counted(made: Mapping[str, "JSON"]) -> Iterator[str]:
    said = {name: _cell(value) for name, value in made.items() if not isinstance(value, dict)}
    yield f"Board {said.get('board')}, from {said.get('since')} until {said.get('until')}"
    yield f"  entries {said.get('first')} to {said.get('last')}: {said.get('entries')}, {said.get('erased')} erased"
    yield f"  released {said.get('released')} ({said.get('emergency')} as an emergency), only tried {said.get('tried')}"
    for name, title in _TOUCHED.items():
        table = as_object(made.get(name))
        yield f"  {title}: {len(table)}"
        for which, counts in table.items():
            one = as_object(counts)
            went, tried = (
                f"{_cell(one.get(how))} {_cell(one.get(f'sections_{how}'))}" for how in ("released", "tried")
            )
            yield f"    {printable(which)}: released {went}, tried {tried}".rstrip()
