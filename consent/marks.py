"""What the key store remembers of the journal: the mark, and the newest running numbers of pupils and boards.

A mark of N says more than that N entries were acknowledged: every running number that was given below N is here too. So
it is only ever raised from where it stands, together with the numbers of all entries in between.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, bindparam, case, select, text, update
from sqlalchemy.orm import Session

from consent.errors import KeyStoreError
from consent.tables import BoardNumber, DataKey, Mark, core

_DATA_KEY, _MARK, _BOARD = core(DataKey), core(Mark), core(BoardNumber)
_READ_MARK = select(_MARK.c.size, _MARK.c.root)
_RAISE_MARK = (
    update(_MARK)
    .where(_MARK.c.size < bindparam("new_size"), _MARK.c.size >= bindparam("since"))
    .values(size=bindparam("new_size"), root=bindparam("new_root"))
)
_RAISE_PUPIL = (
    update(_DATA_KEY)
    .where(
        _DATA_KEY.c.owner_kind == "pupil",
        _DATA_KEY.c.owner_id == bindparam("pupil"),
        _DATA_KEY.c.number < bindparam("new_number"),
        _DATA_KEY.c.wrapped.is_not(None),
    )
    .values(number=bindparam("new_number"))
)
_RAISE_TAG = (
    update(_DATA_KEY)
    .where(_DATA_KEY.c.tag == bindparam("of"), _DATA_KEY.c.number < bindparam("new_number"))
    .values(number=bindparam("new_number"))
)
_RAISE_BOARD = text(
    "INSERT INTO board_number (board, number) VALUES (:board, :number)"
    " ON CONFLICT (board) DO UPDATE SET number = excluded.number WHERE board_number.number < excluded.number"
)
_ROWS = select(_BOARD.c.board, _BOARD.c.number, _BOARD.c.lost_first, _BOARD.c.lost_last).order_by(_BOARD.c.board)
_SOME = _ROWS.where(_BOARD.c.board.in_(bindparam("boards", expanding=True)))


@dataclass(frozen=True, slots=True)
class HighWater:
    """The largest journal ever acknowledged."""

    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class Numbers:
    """The newest running number of each pupil's and of each board's entries."""

    pupils: Mapping[str, int] = field(default_factory=dict)
    boards: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OfBoard:
    """The newest number of a board that was acknowledged, and the range that was once seen to be missing, if any."""

    number: int
    lost: tuple[int, int] | None


def read_mark(connection: Connection) -> HighWater | None:
    """Give the mark, or None where there is none."""
    row = connection.execute(_READ_MARK).one_or_none()
    return row and HighWater(row.size, row.root)


def raise_mark(session: Session, since: int, size: int, root: bytes, numbers: Numbers) -> bool:
    """Raise the mark to `size`, and the numbers of the entries from `since` on; nothing ever goes down.

    False, and nothing is raised, where the mark stands below `since`. Raises `KeyStoreError` where there is no mark.
    """
    connection = session.connection()
    raised = connection.execute(_RAISE_MARK, {"new_size": size, "new_root": root, "since": since}).rowcount
    if not raised:
        mark = read_mark(connection)
        if mark is None:
            raise KeyStoreError("the key store has no mark")
        if mark.size < since:
            return False
    for pupil, number in sorted(numbers.pupils.items()):
        connection.execute(_RAISE_PUPIL, {"pupil": pupil, "new_number": number})
    _raise_boards(connection, numbers.boards)
    return True


def settle(session: Session, tags: Iterable[tuple[bytes, int]], boards: Mapping[str, int]) -> None:
    """Raise numbers to the newest ones that stand in the whole journal: pupils' by their tags."""
    connection = session.connection()
    for tag, number in tags:
        connection.execute(_RAISE_TAG, {"of": tag, "new_number": number})
    _raise_boards(connection, boards)


def _raise_boards(connection: Connection, boards: Mapping[str, int]) -> None:
    if boards:
        connection.execute(_RAISE_BOARD, [{"board": board, "number": boards[board]} for board in sorted(boards)])


def of_boards(connection: Connection, boards: Iterable[str] | None) -> dict[str, OfBoard]:
    """Give what is remembered of these boards, or of all."""
    rows = connection.execute(_ROWS) if boards is None else connection.execute(_SOME, {"boards": list(boards)})
    return {board: OfBoard(number, None if first is None else (first, last)) for board, number, first, last in rows}


def note_lost(session: Session, board: str, first: int, last: int) -> None:
    """Remember that numbers of a board are missing, beside what is known to be."""
    begin = case((_BOARD.c.lost_first < first, _BOARD.c.lost_first), else_=first)
    end = case((_BOARD.c.lost_last > last, _BOARD.c.lost_last), else_=last)
    session.execute(update(_BOARD).where(_BOARD.c.board == board).values(lost_first=begin, lost_last=end))


def forget_lost(session: Session) -> None:
    """Forget what was missing: two people have approved of a loss."""
    session.execute(update(_BOARD).values(lost_first=None, lost_last=None))
