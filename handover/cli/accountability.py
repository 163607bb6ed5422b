"""`handover admin register` and `handover admin breach`: what a board or its FG has to be able to show."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from consent.terms import AMSTERDAM
from handover.cli import printable
from handover.cli.terminal import InputRefused, answer, as_json

if TYPE_CHECKING:
    from handover.parts import Parts


class Moment(click.ParamType[datetime]):
    """A moment with its zone, or a day, which begins at midnight in the Netherlands."""

    name = "moment"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read the moment; a time without a zone is refused, since it could be two."""
        try:
            text = str(value)
            if len(text) == len("2027-03-01"):
                return datetime.combine(date.fromisoformat(text), time.min, AMSTERDAM)
            moment = datetime.fromisoformat(text)
        except ValueError:
            self.fail("a day such as 2027-03-01, or a moment such as 2027-03-01T12:00:00+01:00", param, ctx)
        if moment.utcoffset() is None:
            self.fail("a moment needs its zone, such as Z or +01:00", param, ctx)
        return moment


@click.command()
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Where to write it; else it is shown.")
@click.option("--board", help="Make it for one board of this service, with its own policy.")
def register(out: Path | None, board: str | None) -> None:
    """Make the register of processing (AVG art. 30), in Dutch, from the tables by which the service decides."""
    from handover.processing import described
    from handover.processing import register as make

    if board is None:
        text = make()
    else:
        with _service() as parts:
            text = make(described(parts, board))
    if out is None:
        click.echo(text, nl=False)
    else:
        out.write_text(text, "utf-8")
        click.echo(printable(f"The register of processing is in {out}."))


@click.command()
@click.option("--since", type=Moment(), required=True, help="From this day or moment on.")
@click.option("--until", type=Moment(), required=True, help="Until this day or moment, which isn't included.")
@click.option("--board", help="Report for one board; otherwise for each.")
@as_json
def breach(since: datetime, until: datetime, board: str | None, as_json: bool) -> None:
    """Report what was touched between two moments (AVG art. 33): files, sections, schools, by whom, how far it came.

    Logged in the journal, for each board. Pupils are named by pseudonym: the board knows whose they are.
    """
    from consent.touched import Period
    from handover.accesslog import SERVICE
    from handover.breach import boards, lines, report

    if not since < until:
        raise click.UsageError("--since must lie before --until.")
    with _service() as parts:
        wanted = [code for code in boards(parts) if board in (None, code)]
        if not wanted:
            raise InputRefused("this service has no such board")
        made = []
        for each in wanted:
            with _bar(f"counting for {each}") as progress:
                made.append(report(parts, SERVICE, each, Period(since, until), progress))
    text = "\n".join(line for one in made for line in lines(one))
    answer({"reports": [one.to_json() for one in made]}, text, as_json=as_json)


@contextmanager
def _service() -> Iterator["Parts"]:
    from handover.parts import assemble
    from handover.settings import load

    parts = assemble(load())
    try:
        yield parts
    finally:
        parts.close()


@contextmanager
def _bar(work: str) -> Iterator[Callable[[int, int], None]]:
    """Give a function that is told how much is done, and of how much; draws a bar only on a terminal."""
    import sys

    if not sys.stderr.isatty():
        yield lambda done, of: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(work, total=None)
        yield lambda done, of: bars.update(task, completed=done, total=of)
