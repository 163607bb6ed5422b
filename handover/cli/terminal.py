"""What every command shares with the person before it: passphrase, answers, progress."""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click

from handover.cli import printable
from handover.errors import HandoverError

PASSPHRASE: Final = "HANDOVER_PASSPHRASE"  # noqa: S105 - the name of the variable
SHORTEST: Final = 12
"""Characters of a new passphrase. Whoever gets the file may try as often as the machine can."""

LONG_WORK: Final = 8 * 1024 * 1024
"""Bytes from which a progress bar is worth its line."""

EXISTING: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER: Final = click.Path(file_okay=False, path_type=Path)
NEW: Final = click.Path(dir_okay=False, path_type=Path)
as_json = click.option("--json", "as_json", is_flag=True, help="Answer in JSON, for scripts.")


class InputRefused(HandoverError):
    """What was typed or named on the command line can't be used."""


def passphrase(of: Path, *, new: bool = False) -> str:
    """Take the passphrase of a file from the environment, or ask for it unseen; a new one is asked twice.

    Never an option: options stand in the process list and in the shell's history.
    """
    if (given := os.environ.get(PASSPHRASE)) is None:
        if not sys.stdin.isatty():
            raise InputRefused(f"no passphrase: set {PASSPHRASE}, or run this on a terminal")
        given = str(
            click.prompt(f"Passphrase of {printable(of.name)}", hide_input=True, confirmation_prompt=new, err=True)
        )
    if not given:
        raise InputRefused("an empty passphrase protects nothing")
    if new and len(given) < SHORTEST:
        raise InputRefused(f"a new passphrase has {SHORTEST} characters or more: four words are easy to remember")
    return given


def answer(value: Mapping[str, object], lines: str, *, as_json: bool) -> None:
    """Print a result on standard output: JSON for a script, lines for a person; no terminal obeys either (K7)."""
    if as_json:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        click.echo("".join(sign if sign.isprintable() else json.dumps(sign)[1:-1] for sign in text))
    else:
        for line in lines.splitlines():
            click.echo(printable(line))


def remark(line: str) -> None:
    """Print a line for a person beside the result, on standard error."""
    click.echo(printable(line), err=True)


@contextmanager
def progress(work: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Give a function that is told how many bytes are done in all; shows them for long work on a terminal.

    Where nobody knows the total there is no bar, but what is done and how fast.
    """
    if (total is not None and total < LONG_WORK) or not sys.stderr.isatty():
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        FileSizeColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TransferSpeedColumn,
    )

    size = (SpinnerColumn(), FileSizeColumn()) if total is None else (BarColumn(), DownloadColumn())
    columns = (TextColumn("{task.description}"), *size, TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(work, total=total)
        yield lambda done: bars.update(task, completed=done)
