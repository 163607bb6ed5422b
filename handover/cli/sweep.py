"""`handover admin sweep` and `handover admin certificate`: what ends by itself, and the proof of it."""

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from handover.cli.terminal import NEW, answer, as_json

if TYPE_CHECKING:
    from handover.parts import Parts


@click.command()
@click.option("--dry-run", is_flag=True, help="Say what would be destroyed now, why and since when; change nothing.")
@click.option(
    "--accept-due",
    type=click.FloatRange(0, 1),
    metavar="SHARE",
    help="Go on in this run though up to this share of a kind is due at once.",
)
@click.option("--accept-clock", is_flag=True, help="Go on in this run though the clock looks wrong.")
@click.option("--accept-loss", is_flag=True, help="After a loss: holds and restrictions have been placed again.")
@as_json
def sweep(*, dry_run: bool, accept_due: float | None, accept_clock: bool, accept_loss: bool, as_json: bool) -> None:
    """Destroy what may be kept no longer, and finish what was left open.

    Stops and ends with 2 when the clock leapt, when too much is due at once, or when entries were lost since the last
    sweep; three options then say yes. Ends with 2 too, having done the rest, when messages couldn't be handed over.
    """
    from handover import sweeping
    from handover.parts import assemble
    from handover.settings import load

    parts = assemble(load())
    if dry_run:
        doubts = sweeping.all_doubts(parts, accept_due, accept_clock=accept_clock, accept_loss=accept_loss)
        _foretell(parts, doubts, as_json=as_json)
        return
    with _progress() as told:
        swept = sweeping.sweep(
            parts, accept=accept_due, accept_clock=accept_clock, accept_loss=accept_loss, progress=told
        )
    done = {str(name): count for name, count in swept.done.items()}
    left = {str(kept): dict(why) for kept, why in swept.left.items()}
    lines = [f"{name}: {count}" for name, count in done.items() if count]
    lines += [f"{kept}: {count} left ({why})" for kept, each in left.items() for why, count in each.items()]
    answer({"done": done, "left": left}, "\n".join(lines) or "nothing was due", as_json=as_json)
    if "delivered" in left:
        raise click.exceptions.Exit(2)


def _foretell(parts: "Parts", doubts: Iterable[str], *, as_json: bool) -> None:
    from handover import sweeping
    from handover.destruction import DONE
    from handover.retention import TABLE

    sweeping.refuse_frozen(parts)
    counts: Counter[str] = Counter()
    planned: list[dict[str, str | None]] = []
    for each in sweeping.plan(parts):
        row, goes = TABLE[each.due.kept], each.outcome is DONE
        counts[str(each.due.kept)] += goes
        since, left = each.due.at.isoformat(timespec="seconds"), None if goes else str(each.outcome)
        if as_json:
            planned.append({"kind": each.due.kept, "id": each.due.id, "since": since, "left": left})
        else:
            click.echo(
                f"{each.due.kept} {each.due.id}, due since {since}: {row.data}; {row.term} from {row.counts_from}"
            )
            click.echo(f"    {row.then if left is None else f'stays: {left}'} ({row.basis})")
    counts.update({str(kept): count for kept, count in sweeping.planned_rows(parts).items()})
    found = list(doubts)
    lines = [f"{kept}: {count}" for kept, count in counts.items() if count] + [f"would stop: {each}" for each in found]
    value = {"due": planned, "counts": dict(counts), "doubts": found}
    answer(value, "\n".join([*lines, "Nothing was changed."]), as_json=as_json)


@contextmanager
def _progress() -> Iterator[Callable[[str, int], None]]:
    """Draw a bar for each kind that something is done of, on a terminal."""
    if not sys.stderr.isatty():
        yield lambda kept, done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:.0f}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def told(kept: str, done: int) -> None:
            if done:
                if kept not in tasks:
                    tasks[kept] = bars.add_task(kept, total=None)
                bars.update(tasks[kept], completed=done)

        yield told


@click.command()
@click.option("--epoch", required=True, type=click.IntRange(1), help="The epoch of which the key was destroyed.")
@click.option("--board", required=True, help="The board whose data it is about.")
@click.option("--out", required=True, type=NEW, help="The new file.")
@as_json
def certificate(*, epoch: int, board: str, out: Path, as_json: bool) -> None:
    """Write the certificate of what of a board's was destroyed in an epoch.

    The board's FG verifies it offline: `handover audit certificate`.
    """
    from crypto.files import write_private
    from handover.epochs import certify
    from handover.parts import assemble
    from handover.settings import load

    data = certify(assemble(load()), epoch, board)
    write_private(out, data)
    answer({"out": str(out), "bytes": len(data)}, f"certificate of epoch {epoch} in {out}", as_json=as_json)
