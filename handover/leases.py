"""Claims on what is to be done, so that several sweeps at once share the work instead of waiting for each other.

A claim is a row committed in a transaction of its own. It runs out by itself: what a killed sweep had claimed is taken
up by a later one. It is no lock: whoever acts on a claim looks again, under the lock, whether there is still anything
to do.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

from sqlalchemy import delete
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from consent.db import is_postgresql, writing
from handover.parts import Parts
from handover.tables import Lease

LASTS: Final = timedelta(minutes=5)
_LONGEST: Final = 80


@contextmanager
def claimed(parts: Parts, holder: str, kind: str, ids: Iterable[str]) -> Iterator[frozenset[str]]:
    """Give those of the ids that nobody else has claimed, claimed for this block."""
    wanted = {each[:_LONGEST]: each for each in ids}
    ours = _claim(parts, holder, kind, sorted(wanted)) if wanted else []
    try:
        yield frozenset(wanted[each] for each in ours)
    finally:
        if ours:
            with writing(parts.main) as session:
                session.execute(
                    delete(Lease).where(Lease.kind == kind, Lease.holder == holder, Lease.id.in_(sorted(wanted)))
                )


def _claim(parts: Parts, holder: str, kind: str, ids: list[str]) -> list[str]:
    now = parts.clock()
    with writing(parts.main) as session:
        session.execute(delete(Lease).where(Lease.kind == kind, Lease.id.in_(ids), Lease.until <= now))
        rows = [{"kind": kind, "id": each, "holder": holder, "until": now + LASTS} for each in ids]
        return _insert(session, rows)


def _insert(session: Session, rows: list[dict[str, object]]) -> list[str]:
    """Add the rows that aren't there yet; the order of `rows` keeps two claims from waiting for each other."""
    if is_postgresql(session):
        added = postgresql.insert(Lease).values(rows).on_conflict_do_nothing().returning(Lease.id)
    else:
        added = sqlite.insert(Lease).values(rows).on_conflict_do_nothing().returning(Lease.id)
    return list(session.scalars(added))
