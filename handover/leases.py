"""Claims on what is to be done, so that several sweeps at once share the work instead of waiting for each other.

A claim is a row committed in a transaction of its own. It runs out by itself: what a killed sweep had claimed is taken
up by a later one. It is no lock: whoever acts on a claim looks again, under the lock, whether there is still anything
to do.

Who waits too long for a lock is `busy`: what it wanted to do is left for a later time, and nothing is wrong.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

from sqlalchemy import delete
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from consent.db import is_postgresql, writing
from handover.parts import Parts
from handover.tables import Lease

LASTS: Final = timedelta(minutes=5)
_LONGEST: Final = 80

_SQLITE_BUSY: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_POSTGRESQL_BUSY: Final = frozenset({"40P01", "40001", "55P03"})
"""Deadlock, serialization failure, lock not available (PostgreSQL, appendix A)."""


def busy(problem: DBAPIError) -> bool:
    """Tell whether a database only said that others held it for too long; a fault of its own is something else."""
    code, state = getattr(problem.orig, "sqlite_errorcode", None), getattr(problem.orig, "sqlstate", None)
    return state in _POSTGRESQL_BUSY if code is None else (code & 0xFF) in _SQLITE_BUSY


@contextmanager
def claimed(parts: Parts, holder: str, kind: str, ids: Iterable[str]) -> Iterator[frozenset[str]]:
    """Give those of the ids that nobody else has claimed, claimed for this block."""
    wanted = {each[:_LONGEST]: each for each in ids}
    ours = _claim(parts, holder, kind, sorted(wanted)) if wanted else []
    try:
        yield frozenset(wanted[each] for each in ours)
    finally:
        if ours:
            _give_back(parts, holder, kind, sorted(wanted))


def _claim(parts: Parts, holder: str, kind: str, ids: list[str]) -> list[str]:
    now = parts.clock()
    with writing(parts.main) as session:
        session.execute(delete(Lease).where(Lease.kind == kind, Lease.id.in_(ids), Lease.until <= now))
        rows = [{"kind": kind, "id": each, "holder": holder, "until": now + LASTS} for each in ids]
        return _insert(session, rows)


def _give_back(parts: Parts, holder: str, kind: str, ids: list[str]) -> None:
    try:
        with writing(parts.main) as session:
            session.execute(delete(Lease).where(Lease.kind == kind, Lease.holder == holder, Lease.id.in_(ids)))
    except DBAPIError as problem:
        if not busy(problem):
            raise  # else it runs out by itself


def _insert(session: Session, rows: list[dict[str, object]]) -> list[str]:
    """Add the rows that aren't there yet; the order of `rows` keeps two claims from waiting for each other."""
    if is_postgresql(session):
        return list(session.scalars(postgresql.insert(Lease).on_conflict_do_nothing().returning(Lease.id), rows))
    return list(session.scalars(sqlite.insert(Lease).on_conflict_do_nothing().returning(Lease.id), rows))
