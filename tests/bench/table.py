"""One row of the benchmark's table, and how two sides are measured: in turn, in one run, medians."""

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["OK", "MISSED", "NOT MEASURED"]


@dataclass(frozen=True, slots=True)
class Row:
    """One measured claim. `ratio` and `target` are printed as they are; `verdict` is the row's last word."""

    work: str
    ours: str
    peer: str
    ratio: str
    target: str
    verdict: Verdict


def seconds(work: Callable[[], object]) -> float:
    """Time one call, with the garbage collector out of the way."""
    gc.collect()
    gc.disable()
    try:
        start = time.perf_counter()
        work()
        return time.perf_counter() - start
    finally:
        gc.enable()


def compare(ours: Callable[[], object], peer: Callable[[], object], rounds: int = 7) -> tuple[float, float]:
    """Give the median seconds of both sides, measured in turn after one warm-up of each."""
    ours()
    peer()
    pairs = [(seconds(ours), seconds(peer)) for _ in range(rounds)]
    return statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs)


def at_most(work: str, ours: float, peer: float, limit: float, against: str) -> Row:
    """Make a row whose time may be at most `limit` times the peer's."""
    ratio = ours / peer
    return Row(
        work,
        _time(ours),
        f"{against} {_time(peer)}",
        f"{ratio:.2f}x the time",
        f"<= {limit:g}x",
        "OK" if ratio <= limit else "MISSED",
    )


def as_fast(work: str, ours: float, peer: float, least: float, against: str) -> Row:
    """Make a row that must be at least `least` times as fast as the peer."""
    ratio = peer / ours
    return Row(
        work,
        _time(ours),
        f"{against} {_time(peer)}",
        f"{ratio:.2f}x as fast",
        f">= {least:g}x",
        "OK" if ratio >= least else "MISSED",
    )


def figure(work: str, took: float, ratio: str = "-") -> Row:
    """Make a row that nothing is asked of."""
    return Row(work, _time(took), "-", ratio, "a figure", "OK")


def not_measured(work: str, target: str, why: str) -> Row:
    """Make a row for a peer that isn't installed here."""
    return Row(work, "-", why, "-", target, "NOT MEASURED")


def _time(value: float) -> str:
    if value >= 1:
        return f"{value:.2f} s"
    return f"{value * 1e3:.2f} ms" if value >= 1e-3 else f"{value * 1e6:.1f} us"


def show(rows: list[Row]) -> str:
    """Print rows as plain text, the verdict last and nothing after it."""
    cells = [("work", "ours", "peer or limit", "ratio", "target", "verdict")]
    cells += [(r.work, r.ours, r.peer, r.ratio, r.target, r.verdict) for r in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(5)]
    return "\n".join(
        "  ".join([*(text.ljust(width) for text, width in zip(row[:5], widths, strict=True)), row[5]]) for row in cells
    )
