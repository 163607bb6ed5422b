"""Locks on schools' keys: shared by whoever relies on them, exclusive for whoever changes them. Locks on pupils."""

from collections.abc import Iterable
from hashlib import sha256

from sqlalchemy import bindparam, text, update
from sqlalchemy.orm import Session

from consent.db import is_postgresql
from consent.errors import PupilUnknown
from consent.tables import Pupil, core

_PUPIL = core(Pupil)
_LOCK = (
    update(_PUPIL).where(_PUPIL.c.id == bindparam("pupil")).values(version=_PUPIL.c.version + 1).returning(_PUPIL.c.id)
)


def lock_schools(session: Session, shared: frozenset[str], exclusive: frozenset[str]) -> None:
    """Lock schools' keys until the transaction ends, in the one order that everybody keeps."""
    # SQLite's one writer excludes everybody already. On PostgreSQL: one lock per school.
    if not (shared | exclusive) or not is_postgresql(session):
        return
    for number, school in sorted((_number(school), school) for school in shared | exclusive):
        name = "pg_advisory_xact_lock" if school in exclusive else "pg_advisory_xact_lock_shared"
        session.execute(text(f"SELECT {name}(:number)"), {"number": number})


def lock_pupils(session: Session, pupils: Iterable[str]) -> None:
    """Lock pupils until the transaction ends, in the one order that everybody keeps; raises `PupilUnknown`."""
    connection = session.connection()
    for pupil in sorted(set(pupils)):
        if connection.scalar(_LOCK, {"pupil": pupil}) is None:
            raise PupilUnknown("there is no such pupil")


def _number(school: str) -> int:
    return int.from_bytes(sha256(b"overdracht/v1/school\x00" + school.encode()).digest()[:8], "big", signed=True)
