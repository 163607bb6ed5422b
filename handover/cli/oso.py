"""`handover oso`: OSO files to dossiers and back."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from consent.terms import AMSTERDAM
from handover.cli.reading import DOSSIER_LIMIT, read_bytes
from handover.cli.terminal import EXISTING, remark

if TYPE_CHECKING:
    from handover.dossier.problems import Problem


@click.group()
def oso() -> None:
    """Read and write OSO files."""


@oso.command()
@click.argument("file", type=EXISTING)
@click.option("--json", "as_json", is_flag=True, help="Tell warnings and problems as JSON, one a line.")
def read(file: Path, as_json: bool) -> None:
    """Print the dossier of an OSO file as JSON; warnings go to standard error."""
    from handover.dossier import DossierRefused, dump
    from handover.oso import read as read_oso

    today = datetime.now(AMSTERDAM).date()
    try:
        result = read_oso(read_bytes(file, DOSSIER_LIMIT), today)
    except DossierRefused as refused:
        _tell("problem", refused.problems, as_json=as_json)
        raise click.exceptions.Exit(2) from None
    _tell("warning", result.warnings, as_json=as_json)
    click.echo(dump(result.dossier), nl=False)


@oso.command()
@click.argument("dossier", type=EXISTING)
def write(dossier: Path) -> None:
    """Print a JSON dossier as OSO XML; what OSO has no element for is named on standard error."""
    from handover.dossier import load
    from handover.oso import unwritten
    from handover.oso import write as write_oso

    loaded = load(read_bytes(dossier, DOSSIER_LIMIT))
    xml = write_oso(loaded)
    for place in unwritten(loaded):
        remark(f"warning: {place}: left out, OSO has no element for it")
    click.echo(xml, nl=False)


def _tell(kind: str, problems: "Iterable[Problem]", *, as_json: bool) -> None:
    for problem in problems:
        if as_json:
            click.echo(json.dumps({"kind": kind} | asdict(problem), ensure_ascii=False), err=True)
        else:
            remark(f"{kind}: {problem}")
