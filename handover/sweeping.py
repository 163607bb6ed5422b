"""The sweep: finishes what was left open, destroys what is due by the retention table, and turns the epoch.

It works in small batches, each claimed by a lease, so that several sweeps may run at once and what a killed one had
begun is taken up by the next. What others hold for too long is left for the next one too, and said.

Before it destroys anything it looks at itself: a clock that went back or leapt ahead, or a large share of one kind due
at once, is more likely a fault than the truth; it stops then and asks (bad cases I2, J8). It asks too when entries were
lost since the last sweep: the holds and restrictions among them keep nothing any more.
A frozen service isn't swept: what its journal says may not be so.
"""

import secrets
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import ColumnElement, Table, delete, func, select, tuple_
from sqlalchemy.exc import DBAPIError

from consent.db import reading, writing
from consent.journal import Told
from consent.tables import JournalLookup, Pupil, core
from crypto.encoding import JSON
from handover import bundles, epochs, outbox, release, rulings, season
from handover.accesslog import SERVICE, Did, every_board, record
from handover.destruction import Ended, Outcome, destroy_all, destroy_staff, foresee
from handover.errors import HandoverError
from handover.leases import busy, claimed
from handover.overdue import PAGE, Due, pages, total
from handover.parts import Parts
from handover.retention import TABLE, Kept, before
from handover.tables import Attempt, Idempotency, Invitation, Lease, Message, Nonce, Proposal, Sweep

TASKS: Final[tuple[tuple[str, Callable[[Parts], int]], ...]] = (
    ("shredded", bundles.finish_shredding),
    ("settled", release.settle),
    ("erased by right", rulings.finish),
    ("reminded", season.remind),
    ("requests", rulings.remind),
    ("delivered", outbox.deliver_all),
)
"""What every sweep does before it destroys anything, and under which name it says how much: use cases that may be
repeated, given the parts and giving a count."""

ACCEPT: Final = "look first; `--accept-due` with a share, `--accept-clock` and `--accept-loss` say yes for one run"

UNDELIVERED: Final = "the outbox doesn't take them"
"""What a sweep says of messages that wait: the families don't hear what they must, so the command ends with 2."""

UNREMOVED: Final = "the outbox doesn't let go of them"

BATCH: Final = 100
"""How many things are claimed at once."""

SHARE: Final = 0.2
LEAST: Final = 50
"""A sweep stops and asks when more than this share of a kind, and more than so many, are due at once."""

LONGEST: Final = timedelta(days=40)
"""How long after the last sweep the clock may be."""

TOLERANCE: Final = timedelta(minutes=5)
"""How far the clocks of two machines may differ."""

ROWS: Final[dict[Kept, tuple[Table, ColumnElement[Any]]]] = {
    Kept.INVITATION: (core(Invitation), core(Invitation).c.expires_at),
    Kept.MESSAGE: (core(Message), core(Message).c.created_at),
    Kept.PROPOSAL: (core(Proposal), core(Proposal).c.created_at),
    Kept.NONCE: (core(Nonce), core(Nonce).c.seen_at),
    Kept.ATTEMPT: (core(Attempt), core(Attempt).c.minute),
    Kept.IDEMPOTENCY: (core(Idempotency), core(Idempotency).c.at),
}
"""Kinds that are rows and nothing more, with what their term counts from."""

THINGS: Final = tuple(kept for kept in Kept if kept not in ROWS)
"""Kinds that are destroyed one by one."""

Progress = Callable[[str, int], None]
"""Is told a kind and how many of it are done."""


class SweepStopped(HandoverError):
    """The sweep destroys nothing, or nothing more. `problems` says why, with the figures."""

    def __init__(self, *problems: str) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep did: how much of each kind and task, and how much of each kind it left, and for whom."""

    done: Counter[str] = field(default_factory=Counter)
    left: dict[str, Counter[str]] = field(default_factory=dict)


def sweep(
    parts: Parts,
    *,
    accept: float | None = None,
    accept_clock: bool = False,
    accept_loss: bool = False,
    progress: Progress = lambda kept, done: None,
) -> Swept:
    """Sweep once. `accept` is the share of a kind that may be due at once in this run.

    Raises SweepStopped: before anything was done, or between two batches where the service froze meanwhile.
    """
    refuse_frozen(parts)
    if found := list(all_doubts(parts, accept, accept_clock=accept_clock, accept_loss=accept_loss)):
        raise SweepStopped(*found, ACCEPT)
    swept = Swept(Counter(dict.fromkeys(Kept, 0)))
    for name, task in TASKS:
        with _unless_busy(swept, name):
            swept.done[name] += task(parts)
    with _unless_busy(swept, "delivered"):
        if many := outbox.queued(parts):
            swept.left["delivered"] = Counter({UNDELIVERED: many})
    this, now = secrets.token_hex(16), parts.clock()
    with _unless_busy(swept, "sweep"), writing(parts.main) as session:
        session.add(Sweep(id=this, begun_at=now))
    for kept in THINGS:
        with _unless_busy(swept, kept):
            for page in pages(parts, kept, now):
                for begin in range(0, len(page), BATCH):
                    refuse_frozen(parts)  # again: a sweep takes long
                    _carry_out(parts, this, kept, page[begin : begin + BATCH], swept)
                    progress(kept, swept.done[kept])
    for kept in ROWS:
        with _unless_busy(swept, kept):
            for gone in _delete_rows(parts, kept, now):
                swept.done[kept] += gone
        progress(kept, swept.done[kept])
    with _unless_busy(swept, Kept.MESSAGE):
        _delete_files(parts, now, swept)
    with _unless_busy(swept, "epochs"):
        swept.done["epochs"] += _turn(parts, this)
    _end(parts, this, now, swept)
    return swept


@contextmanager
def _unless_busy(swept: Swept, what: str, many: int = 1) -> Iterator[None]:
    """Leave what is in the block for the next sweep where others hold a database for too long."""
    try:
        yield
    except DBAPIError as problem:
        if not busy(problem):
            raise
        swept.left.setdefault(what, Counter())[str(Ended.BUSY)] += many


def refuse_frozen(parts: Parts) -> None:
    """Raise SweepStopped while a newer or another journal is known outside."""
    if parts.keystore.frozen() is not None:
        raise SweepStopped("the service is frozen: somebody holds a newer checkpoint of its journal; restore it first")


def all_doubts(parts: Parts, accept: float | None, *, accept_clock: bool, accept_loss: bool) -> Iterator[str]:
    """Say what a sweep would stop at, but for what was accepted."""
    if not accept_clock:
        yield from clock_doubts(parts)
    if not accept_loss:
        yield from loss_doubts(parts)
    yield from doubts(parts, accept)


def loss_doubts(parts: Parts) -> Iterator[str]:
    """Say that entries were lost, as long as no sweep has begun since."""
    first = parts.journal.first
    with reading(parts.main) as session:
        last = session.scalar(select(func.max(Sweep.begun_at)))
        if first and (last is None or last < parts.journal.read(session, first).recorded_at):
            yield "entries were lost, and the holds and restrictions among them: they must be placed again"


def clock_doubts(parts: Parts) -> Iterator[str]:
    """Say where the clock can't be right: before the last sweep or entry, or long after it."""
    now = parts.clock()
    with reading(parts.main) as session:
        last, what = session.scalar(select(func.max(Sweep.begun_at))), "sweep"
        if last is None:
            written = select(JournalLookup.day).where(JournalLookup.day.is_not(None))
            day = session.scalar(written.order_by(JournalLookup.index.desc()).limit(1))
            last, what = None if day is None else datetime.combine(day, datetime.min.time(), UTC), "entry"
    if last is not None and now < last - TOLERANCE:
        yield f"the clock says {_moment(now)}, before the last {what} of {_moment(last)}"
    if last is not None and now > last + LONGEST:
        yield f"the clock says {_moment(now)}, {(now - last).days} days after the last {what}"


def doubts(parts: Parts, accept: float | None = None) -> Iterator[str]:
    """Say of which kinds too much is due at once."""
    now = parts.clock()
    if accept == 1:
        return  # a yes to all of it needs no counting
    for kept in THINGS:
        if TABLE[kept].guarded:
            many, all_of_it = sum(map(len, pages(parts, kept, now))), total(parts, kept)
            if many > LEAST and many > (accept or SHARE) * all_of_it:
                yield f"{kept}: {many} of {all_of_it} are due at once ({many / all_of_it:.0%})"


@dataclass(frozen=True, slots=True)
class Planned:
    """Something that a sweep would destroy now, or what keeps it."""

    due: Due
    outcome: Outcome


def plan(parts: Parts) -> Iterator[Planned]:
    """Say one by one what a sweep would destroy now, and change nothing."""
    now = parts.clock()
    for kept in THINGS:
        for page in pages(parts, kept, now):
            with reading(parts.main) as session:
                found = list(map(Planned, page, foresee(parts, session, page, now)))
            yield from found


def planned_rows(parts: Parts) -> dict[Kept, int]:
    """Count the rows that a sweep would delete now, by kind, and the files of the outbox with the messages."""
    now = parts.clock()
    with reading(parts.main) as session:
        rows = {
            kept: session.scalar(select(func.count()).where(column < before(kept, now))) or 0
            for kept, (_, column) in ROWS.items()
        }
    return rows | {Kept.MESSAGE: rows[Kept.MESSAGE] + len(_old_files(parts, now))}


def _carry_out(parts: Parts, holder: str, kept: Kept, batch: Sequence[Due], swept: Swept) -> None:
    ids = [each.id for each in batch]
    with _unless_busy(swept, kept, len(batch)), claimed(parts, holder, kept, ids) as ours:
        mine = [each for each in batch if each.id in ours]
        if kept is Kept.STAFF_RECORD:
            swept.done[kept] += destroy_staff(parts, [each.id for each in mine]) if mine else 0
            return
        for outcome in destroy_all(parts, mine):
            if outcome.ended is Ended.DONE:
                swept.done[kept] += 1
            elif outcome.ended is not Ended.GONE:
                swept.left.setdefault(kept, Counter())[str(outcome)] += 1


def _delete_rows(parts: Parts, kept: Kept, now: datetime) -> Iterator[int]:
    table, column = ROWS[kept]
    key = list(table.primary_key.columns)
    old = select(*key).where(column < before(kept, now)).limit(PAGE).with_for_update(skip_locked=True)
    gone = PAGE
    while gone == PAGE:
        with writing(parts.main) as session:
            gone = len(session.execute(delete(table).where(tuple_(*key).in_(old)).returning(key[0])).all())
        yield gone


def _old_files(parts: Parts, now: datetime) -> list[Path]:
    """Give what nobody took out of the outbox in time, or that is about a pupil who was erased."""
    files = list(outbox.waiting_files(parts))
    pupils = {pupil for path, _ in files if (pupil := outbox.pupil_of(path))}
    with reading(parts.main) as session:
        erased = set(session.scalars(select(Pupil.id).where(Pupil.id.in_(pupils), Pupil.erased)))
    return [path for path, at in files if at < before(Kept.MESSAGE, now) or outbox.pupil_of(path) in erased]


def _delete_files(parts: Parts, now: datetime, swept: Swept) -> None:
    old = _old_files(parts, now)
    gone = sum(map(outbox.remove, old))
    swept.done[Kept.MESSAGE] += gone
    if gone < len(old):
        swept.left.setdefault(Kept.MESSAGE, Counter())[UNREMOVED] += len(old) - gone


def _turn(parts: Parts, holder: str) -> int:
    with claimed(parts, holder, "epoch", ["turn"]) as ours:
        turned = epochs.turn(parts) if ours else 0
        epochs.note_ended(parts)
    return turned


def _end(parts: Parts, this: str, now: datetime, swept: Swept) -> None:
    """Say in the journal what was done, forget older sweeps and claims that ran out, and cut the write-ahead logs."""
    with _unless_busy(swept, "sweep"):
        _report(parts, swept)
    with _unless_busy(swept, "sweep"):
        with writing(parts.main) as session:
            session.execute(delete(Sweep).where(Sweep.id != this))
            session.execute(delete(Lease).where(Lease.until < now))
            session.merge(Sweep(id=this, begun_at=now, ended_at=parts.clock()))
        parts.keystore.truncate()


def _report(parts: Parts, swept: Swept) -> None:
    if not sum(swept.done.values()):
        return
    terms: dict[str, JSON] = {
        "done": {str(name): count for name, count in sorted(swept.done.items()) if count},
        "left": {str(kept): dict(sorted(why.items())) for kept, why in sorted(swept.left.items())},
    }
    with parts.journal.act() as act:
        # Each board hears that it was done; how many is of all boards together, and its own stand one by one.
        told = dict.fromkeys(every_board(act.session), Told("granted", ("actor",)))
        record(act, Did.SWEPT, SERVICE, outcome="granted", terms=terms, boards=[], told=told)


def _moment(moment: datetime) -> str:
    return moment.isoformat(timespec="minutes")
