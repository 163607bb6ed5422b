"""`handover season` and `handover paper`: who hasn't answered, and answers that staff take over from paper."""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import click

from consent.terms import Collected
from handover import answers
from handover.cli import proposal
from handover.cli.reading import read_bytes, section_names
from handover.cli.rows import day
from handover.cli.school import SECTIONS, Desk, at_desk
from handover.cli.terminal import EXISTING, NEW, InputRefused, answer, as_json

if TYPE_CHECKING:
    from crypto.encoding import JSON

FORM_LIMIT = 1 << 20
CHUNK = 1 << 20
NOBODY = "no transfer that is under way waits for an answer"
COLUMNS = ("class", "transfer", "person", "role", "invited", "reminded", "next reminder")


@click.command()
@click.option("--group", help="One class only, such as 8a.")
@as_json
@at_desk
def season(desk: Desk, group: str | None, as_json: bool) -> None:
    """List who hasn't answered yet, per class, with the reminders sent and due.

    It looks at transfers that are under way: neither cancelled, nor acknowledged by the receiver.
    """
    from handover.assisting import AssistingClient

    with desk.client_of(AssistingClient) as client:
        rows = list(client.season(group))
    answer({"transfers": rows}, "\n".join([*_table(rows), *_unknown(rows)]) or NOBODY, as_json=as_json)


def _table(rows: "Sequence[dict[str, JSON]]") -> list[str]:
    """Lay the list out in columns, with a line of totals under each class."""
    cells = [(row, person, _cells(row, person)) for row in rows for person in _persons(row)]
    widths = [max(map(len, column)) for column in zip(COLUMNS, *(cell for *_, cell in cells), strict=True)]
    lines = [_line(COLUMNS, widths)] if cells else []
    for label, of_class in groupby(cells, lambda each: each[2][0]):
        members = list(of_class)
        lines += [_line(cell, widths) for *_, cell in members]
        invited = sum(person.get("invited_at") is not None for _, person, _ in members)
        reminders = sum(int(str(person.get("reminders"))) for _, person, _ in members)
        pupils = len({str(row.get("pupil")) for row, *_ in members})
        lines.append(
            f"{label}: silent {len(members)}, pupils {pupils}, not invited {len(members) - invited}, "
            f"reminders sent {reminders}, to come {sum(cell[6] != '-' for *_, cell in members)}"
        )
    return lines


def _unknown(rows: "Sequence[dict[str, JSON]]") -> list[str]:
    """Name the transfers that nobody can answer: it isn't known who decides."""
    need = "it isn't known who decides: record who holds gezag with handover custody state"
    return [f"{row.get('transfer')}: {need} {row.get('pupil')}" for row in rows if row.get("custody_known") is False]


def _persons(row: "dict[str, JSON]") -> "list[dict[str, JSON]]":
    persons = row.get("persons")
    return [one for one in persons if isinstance(one, dict)] if isinstance(persons, list) else []


def _cells(row: "dict[str, JSON]", person: "dict[str, JSON]") -> tuple[str, ...]:
    ended = " (ended)" if person.get("expired") else ""
    return (
        str(row.get("group") or "no class"),
        str(row.get("transfer")),
        str(person.get("person")),
        str(person.get("role")),
        day(person.get("invited_at")) + ended,
        str(person.get("reminders")),
        day(person.get("next_reminder")),
    )


def _line(cells: Iterable[str], widths: Iterable[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


@click.group()
def paper() -> None:
    """Take over somebody's answer from paper: recorded by one from a signed form, confirmed by another."""


@paper.command()
@click.argument("transfer_id", metavar="TRANSFER")
@click.option("--out", type=NEW, required=True, help="New file for the text to print and have signed.")
@as_json
@at_desk
def form(desk: Desk, transfer_id: str, out: Path, as_json: bool) -> None:
    """Get the words that somebody answers to on paper. Keep the file: `record` wants it back."""
    from crypto.files import write_private
    from handover.assisting import AssistingClient

    with desk.client_of(AssistingClient) as client:
        words = client.form(transfer_id)
    write_private(out, words.encode())
    answer({"transfer": transfer_id, "out": str(out)}, str(out), as_json=as_json)


@paper.command()
@click.argument("transfer_id", metavar="TRANSFER")
@click.argument("person")
@click.option("--yes", default="", metavar="A,B", help=f"Sections with a yes. {SECTIONS}")
@click.option("--no", default="", metavar="A,B", help="Sections with a no.")
@click.option("--form", "form_", type=EXISTING, required=True, help="The file whose words were signed.")
@click.option("--scan", type=EXISTING, required=True, help="The scan. It stays here: only its hash is sent.")
@click.option(
    "--collected",
    type=click.Choice([str(Collected.PAPER), str(Collected.MEETING)]),
    required=True,
    help="Handed in on paper, or signed before the two of you.",
)
@click.option("--signed-on", type=click.DateTime(["%Y-%m-%d"]), required=True, help="The day that the paper says.")
@as_json
@at_desk
def record(
    desk: Desk,
    transfer_id: str,
    person: str,
    yes: str,
    no: str,
    form_: Path,
    scan: Path,
    collected: str,
    signed_on: datetime,
    as_json: bool,
) -> None:
    """Record an answer from paper. It counts when a colleague, with the paper at hand, has confirmed it."""
    from handover.assisting import AssistingClient, Paper

    notice = hashlib.sha256(read_bytes(form_, FORM_LIMIT)).hexdigest()
    said = Paper(person, _answers(yes, no), notice, _sha256(scan), collected, signed_on.date())
    with desk.client_of(AssistingClient) as client:
        told = client.record_paper(transfer_id, said)
    answer(told, f"{answers.said(told, 'proposal')}\nnow a colleague confirms it", as_json=as_json)


@paper.command()
@click.argument("proposal_id", metavar="PROPOSAL")
@as_json
@at_desk
def confirm(desk: Desk, proposal_id: str, as_json: bool) -> None:
    """Confirm what a colleague recorded; see `handover proposal list`. A no counts now, a yes after a week.

    Compare it with the signed paper, and the scan's hash with that of the scan that you see. The family is told now.
    """
    from handover.proposed import Matter

    proposal.confirm(desk, proposal_id, Matter.PAPER, as_json=as_json)


def _answers(yes: str, no: str) -> dict[str, str]:
    named = {answered: section_names(names) for answered, names in (("yes", yes), ("no", no)) if names}
    if not named:
        raise InputRefused("say what the answer is: --yes, --no or both")
    if both := named.get("yes", frozenset()) & named.get("no", frozenset()):
        raise InputRefused(f"{min(both)}: yes and no at once")
    return {str(section): answered for answered, sections in named.items() for section in sorted(sections)}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
