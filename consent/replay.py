"""Puts shipments back upon databases that came out of a backup, until both are what they were when the last one left.

Shipments are states: put back in their order, the last one of each row holds, and what was destroyed is destroyed
again. The tree is built anew from the leaves and has to end in the root that the last checkpoint signed.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.orm import Session

from consent import marks, slices, tree
from consent.db import Main
from consent.epochs import numbers_of
from consent.errors import EpochKeyMissing, ShipmentRefused
from consent.numbers import of_journal
from consent.shipping import ERASURE, HASH, KEPT, KEY, LEAF, LOOKUP, OF_BOARD, ORIGIN, PART, SHARE, Shipment, keys_of
from consent.tables import DataKey, Epoch, Freeze, Mark, Share, Shipped, core
from crypto.checkpoint import Checkpoint, verify_checkpoint
from crypto.encoding import JSON

_EPOCH = core(Epoch)


def chain(shipments: Sequence[Shipment], size: int) -> tuple[list[Shipment], str | None]:
    """Give the shipments that follow on a journal of this size and on each other, and what is wrong with the next one.

    A shipment that holds what an earlier one held, and more, follows on it: a crash makes such.
    """
    good: list[Shipment] = []
    leaves: dict[JSON, JSON] = {}
    for shipment in shipments:
        if good and shipment.number != good[-1].number + 1:
            return good, f"shipment {good[-1].number + 1} is missing"
        if shipment.before > size:
            return good, f"entries {size} to {shipment.before - 1} were never shipped"
        own = {row["idx"]: row["leaf"] for row in shipment.journal[LEAF.name]}
        if (good and shipment.size < size) or any(leaves.get(index, leaf) != leaf for index, leaf in own.items()):
            return good, f"shipment {shipment.number} is of another branch of the journal"
        leaves |= own
        good.append(shipment)
        size = max(size, shipment.size)
    return good, None


def put_back(session: Session, shipments: Sequence[Shipment], keylog: str | None) -> None:
    """Put shipments back upon the main database; raises `ShipmentRefused` where entries contradict those there."""
    connection = session.connection()
    for shipment in shipments:
        for board, rows in shipment.boards.items():
            slices.replace(connection, Main.metadata, slices.BOARD, board, rows)
        if keylog is not None:
            slices.put(connection, Main.metadata.tables[keylog], shipment.log)
        for pupil, rows in shipment.pupils.items():
            slices.replace(connection, Main.metadata, slices.PUPIL, pupil, rows)
        _put_entries(connection, shipment)


def grow(session: Session, note: bytes, before: str, public: bytes) -> Checkpoint:
    """Build the tree over the leaves that were put back, up to the checkpoint, which becomes the head's.

    `before` is the log's name in the backup. Raises `ShipmentRefused` where leaves are missing or give another root,
    `CheckpointRefused` for a note of another log than this is now.
    """
    _, origin = [(0, before), *tree.later_names(session)][-1]
    wanted = verify_checkpoint(note, origin, public)
    head = tree.load(session, before, public, lock=True)
    if head is None or head.size > wanted.size:
        raise ShipmentRefused("the journal is larger than the last shipment")
    leaves = select(LEAF.c.idx, LEAF.c.hash).where(LEAF.c.idx >= head.size).order_by(LEAF.c.idx)
    for index, hashed in session.connection().execute(leaves).all():
        if index != head.size:
            raise ShipmentRefused(f"entry {head.size} is missing")
        head.append(hashed)
    if (head.size, head.frontier.root()) != (wanted.size, wanted.root):
        raise ShipmentRefused("the entries don't give the root that was signed")
    tree.put(session, head, note)
    return wanted


def put_back_keys(session: Session, shipments: Sequence[Shipment], folder: Path) -> None:
    """Put shipments back upon the key store: what was made is there, what was destroyed is gone.

    Raises `EpochKeyMissing` where a value is wrapped under an epoch of which the key is gone: the backup is too old.
    """
    connection = session.connection()
    for shipment in shipments:
        _ensure_epochs(session, {int(str(row["epoch"])) for table in (KEY, SHARE) for row in shipment.keys[table.name]})
        for table, column in ((SHARE, SHARE.c.bundle), (HASH, HASH.c.hash)):
            connection.execute(delete(table).where(column.in_(keys_of(table, shipment.touched[table.name]))))
        for row in shipment.keys[KEY.name]:  # an owner may have been given a new key
            same = (KEY.c.owner_kind == row["owner_kind"]) & (KEY.c.owner_id == row["owner_id"])
            connection.execute(delete(KEY).where(same, KEY.c.id != row["id"]))
        for table in (KEY, SHARE, HASH):
            slices.put(connection, table, shipment.keys[table.name])
    if shipments:
        last = {"number": shipments[-1].number, "size": shipments[-1].size, "keylog": shipments[-1].keylog}
        session.execute(update(Shipped).values(last))
    _set_epochs(session, folder)


def settle(
    session: Session,
    main: Session,
    reached: Checkpoint,
    *,
    lossy: bool,
    given: Mapping[str, int],
) -> None:
    """Raise running numbers to those of the journal, set the mark to its head, and end a freeze: it may start.

    Where entries were lost for good, pupils' numbers go down with them: what they authorised is suspended anyway. A
    board's stay, or go up to the newest that is known to have been `given`, so that the gap which its export shows at
    the ROLLBACK says how many of its entries went.
    """
    if lossy:
        session.execute(update(DataKey).values(number=0))
        marks.forget_lost(session)
    marks.settle(session, *of_journal(main))
    marks.settle(session, (), given)
    session.execute(delete(Freeze))
    session.execute(delete(Mark))
    session.add(Mark(id=1, size=reached.size, root=reached.root))


def _put_entries(connection: Connection, shipment: Shipment) -> None:
    for row in shipment.journal[LEAF.name]:
        values = slices.from_json(LEAF, row)
        present = connection.scalar(select(LEAF.c.leaf).where(LEAF.c.idx == row["idx"]))
        if present is None:
            connection.execute(insert(LEAF).values(values))
        elif present != values["leaf"]:
            raise ShipmentRefused(f"entry {row['idx']} is another one than was shipped")
    for table in (PART, LOOKUP, OF_BOARD, KEPT, ORIGIN, ERASURE):
        slices.put(connection, table, shipment.journal[table.name])


def _ensure_epochs(session: Session, numbers: set[int]) -> None:
    known = set(session.scalars(select(Epoch.number)))
    session.add_all(Epoch(number=number, current=False, destroyed=False) for number in sorted(numbers - known))
    session.flush()


def _set_epochs(session: Session, folder: Path) -> None:
    """Say of each epoch what its key's file says: there or not, and the newest is current."""
    there = numbers_of(folder)
    _ensure_epochs(session, there)
    for number in sorted(
        {*session.scalars(select(DataKey.epoch).where(DataKey.wrapped.is_not(None)).distinct())}
        | {*session.scalars(select(Share.epoch).distinct())}
    ):
        if number not in there:
            raise EpochKeyMissing(number, "this backup's values were wrapped under it, and it was destroyed since")
    current = max(there, default=0)
    session.execute(update(_EPOCH).values(current=_EPOCH.c.number == current, destroyed=_EPOCH.c.number.not_in(there)))
    session.execute(update(_EPOCH).where(_EPOCH.c.number.in_(there)).values(emptied_at=None))
