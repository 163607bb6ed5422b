"""Who may approve of a loss: the FGs that stand in what is put back, found out before anything is touched.

They are read from the backup's copy as it lies there, and from the shipments that are put back upon it. A key that is
known to have been revoked counts no more, though an older copy brings it back: in the database that is replaced, in a
shipment that can be read, or as an earlier try of this restore found it. Who was revoked in what is lost, nobody knows.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Engine, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from consent import slices
from consent.db import reading
from consent.shipping import Shipment
from consent.tables import core
from crypto.errors import SignatureRefused
from crypto.keys import kid
from handover.copying import Kind, read_table
from handover.loss import Approval, LossRefused
from handover.tables import Dpo

ROOT: Final = "register"
_TABLE: Final = core(Dpo)
_COLUMNS: Final = (_TABLE.c.kid, _TABLE.c.board, _TABLE.c.name, _TABLE.c.public, _TABLE.c.valid_until, _TABLE.c.revoked)


@dataclass(frozen=True, slots=True)
class Approver:
    """A board's FG with a key."""

    board: str
    name: str
    public: bytes
    valid_until: datetime
    revoked: bool


Approvers = Mapping[bytes, Approver]
"""By the kid of the key."""


def put_back(kind: Kind, file: Path, shipments: Iterable[Shipment]) -> Approvers:
    """Name the FGs that will stand in a main database: those of the copy, each board as its last shipment has it."""
    found = dict(map(_approver, read_table(kind, file, *_COLUMNS)))
    for shipment in shipments:
        for board, rows in shipment.boards.items():
            shipped = [slices.from_json(_TABLE, row) for row in rows[_TABLE.name]]
            found = {key: one for key, one in found.items() if one.board != board} | dict(map(_approver, shipped))
    return found


def standing(session: Session) -> Approvers:
    """Name the FGs that stand in a main database."""
    return dict(_approver(row._asdict()) for row in session.execute(select(*_COLUMNS)))


def revoked(main: Engine, shipments: Iterable[Shipment]) -> set[bytes]:
    """Name the keys that were revoked, as far as that can be read in a database or in shipments."""
    rows = [slices.from_json(_TABLE, row) for one in shipments for each in one.boards.values() for row in each["dpo"]]
    found = {row["kid"] for row in rows if row["revoked"]}
    with suppress(SQLAlchemyError), reading(main) as session:
        found |= set(session.scalars(select(Dpo.kid).where(Dpo.revoked)))
    return found


def two(
    approvals: Sequence[Approval], approvers: Approvers, revoked: Collection[bytes], root: bytes, now: datetime
) -> tuple[str, str]:
    """Name the two who approved: FGs of two boards, or one and the register's root. Raises LossRefused.

    `revoked` are keys that count no more, whatever `approvers` says of them.
    """
    counting = {key: one for key, one in approvers.items() if key not in revoked and not one.revoked}
    names: set[tuple[str, str]] = set()
    for approval in approvals:
        who, public = _who(approval.kid, counting, root, now)
        try:
            approval.check(public)
        except SignatureRefused:
            raise LossRefused("an approval isn't signed by the key that it names") from None
        names.add(who)
    boards = {board for board, _ in names}
    if len(names) != 2 or len(boards) != 2 or boards == {ROOT}:
        raise LossRefused("two people approve of a loss: a board's FG, and another board's or the register's root")
    first, second = sorted(names, key=lambda who: (who[0] == ROOT, who))
    return ".".join(first), "-".join(second)


def _who(identifier: bytes, approvers: Approvers, root: bytes, now: datetime) -> tuple[tuple[str, str], bytes]:
    if identifier == kid("root", root):
        return (ROOT, "root"), root
    one = approvers.get(identifier)
    if one is None or one.valid_until <= now:
        raise LossRefused("an approval is by a key that isn't an FG's any more, or never was, nor the register's root")
    return (one.board, one.name), one.public


def _approver(row: Mapping[str, Any]) -> tuple[bytes, Approver]:
    return row["kid"], Approver(row["board"], row["name"], row["public"], row["valid_until"], row["revoked"])
