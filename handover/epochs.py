"""Epochs and what ended in them: the daily turn, the end of a key, and the certificate of what was destroyed.

What is destroyed may still stand, wrapped, in an older backup of the key store. It is beyond anybody once every epoch
key has gone under which it ever stood. So the turn of an epoch says in the journal below which index everything had
been destroyed before the next epoch's key was made, and the end of its key is said too:

(1) the size of the journal is read; erasures that were committed are finished;
(2) EPOCH_TURNED {epoch, upto: that size};
(3) the key store's next epoch begins, and what survives is wrapped again in batches;
(4) once a backup of the key store was confirmed, the old keys are destroyed;
(5) EPOCH_ENDED {epoch} for each of them.

A crash between two steps leaves a lower bound that still holds, and what is missing is done by the next sweep.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from consent import inventory
from consent.db import reading
from consent.journal import Criteria, Found, Opened
from consent.sealing import STORED, open_parts, stored
from consent.tables import JournalHead, JournalLeaf, JournalLookup
from crypto.checkpoint import parse_checkpoint
from crypto.encoding import JSON
from handover.accesslog import BOOK, SERVICE, Did, every_board, record
from handover.certificates import (
    DESTROYED,
    DESTROYING,
    ERASED,
    STAFF_ERASED,
    Certificate,
    CertificateRefused,
    Entry,
    print_certificate,
)
from handover.parts import Parts
from handover.retention import TABLE, Kept

DAILY: Final = timedelta(days=1)
PAGE: Final = 500


def turn(parts: Parts) -> int:
    """Turn the epoch when a day has gone by since it was last turned, and wrap again what is left under older ones.

    Gives 1 when it was turned.
    """
    states, now = inventory.epochs(parts.keystore), parts.clock()
    emptied = [state.emptied_at for state in states if state.emptied_at is not None]
    left = any(state.emptied_at is None for state in states if not state.current)
    due = not left and (not emptied or now - max(emptied) >= DAILY)
    if due:
        _begin_next(parts, next(state.number for state in states if state.current))
    while parts.keystore.rewrap(parts.clock()):
        pass
    return int(due)


def _begin_next(parts: Parts, epoch: int) -> None:
    with reading(parts.main) as session:
        noted = _newest(parts, session, Did.EPOCH_TURNED)
        upto = session.scalars(select(JournalHead.size)).one()
    if noted is None or noted.terms["epoch"] != epoch:
        parts.journal.start()  # (1)
        with parts.journal.act() as act:  # (2)
            terms: dict[str, JSON] = {"epoch": epoch, "upto": upto}
            boards = every_board(act.session)
            record(act, Did.EPOCH_TURNED, SERVICE, outcome="granted", terms=terms, boards=boards)
    parts.keystore.rotate()  # (3)


def end(parts: Parts, taken_at: datetime) -> tuple[int, ...]:
    """Destroy the keys that a confirmed backup of the key store, begun at `taken_at`, doesn't need; say so."""
    ended = parts.keystore.confirm_backup(taken_at)  # (4)
    note_ended(parts)
    return ended


def note_ended(parts: Parts) -> int:
    """(5) Say of each epoch whose key is gone that it is; gives how many weren't said yet."""
    gone = [state.number for state in inventory.epochs(parts.keystore) if state.destroyed]
    if not gone:
        return 0
    with parts.journal.act() as act:
        parts.journal.lock_head(act.session)  # somebody else may be saying it
        last = _newest(parts, act.session, Did.EPOCH_ENDED)
        unsaid = [number for number in gone if last is None or number > cast(int, last.terms["epoch"])]
        boards = every_board(act.session)
        for number in unsaid:
            record(act, Did.EPOCH_ENDED, SERVICE, outcome="granted", terms={"epoch": number}, boards=boards)
    return len(unsaid)


def certify(parts: Parts, epoch: int, board: str) -> bytes:
    """Give the certificate of what of a board's was destroyed in an epoch; raises CertificateRefused before its end."""
    with reading(parts.main) as session:
        turns = {cast(int, turn.terms["epoch"]): turn for turn in _all(parts, session, Did.EPOCH_TURNED)}
        ends = {cast(int, end.terms["epoch"]): end for end in _all(parts, session, Did.EPOCH_ENDED)}
        if epoch not in ends:
            raise CertificateRefused(
                f"the key of epoch {epoch} isn't destroyed: `handover admin sweep` ends an epoch each day, and once a "
                "newer backup is confirmed its key goes"
            )
        if epoch not in turns:
            raise CertificateRefused(
                f"the entry that says how far epoch {epoch} went was lost: of this epoch there is no certificate"
            )
        turned, ended = turns[epoch], ends[epoch]
        first = max((cast(int, turn.terms["upto"]) for number, turn in turns.items() if number < epoch), default=0)
        note = parts.journal.checkpoint(session)
        checkpoint = parse_checkpoint(note)
        said = Certificate(
            origin=checkpoint.origin,
            board=board,
            epoch=epoch,
            first=first,
            upto=cast(int, turned.terms["upto"]),
            made_at=_moment(parts.clock()),
            turned=Entry(turned.index, _leaf(session, turned.index), _moment(turned.recorded_at)),
            ended=Entry(ended.index, _leaf(session, ended.index), _moment(ended.recorded_at)),
            destroyed=tuple(_destroyed(parts, session, board, first, cast(int, turned.terms["upto"]))),
        )
        entries = (said.turned, said.ended, *said.destroyed)
        proofs = {each.index: parts.journal.inclusion_proof(session, each.index, checkpoint.size) for each in entries}
        terms = _terms(parts, session, turned.index), _terms(parts, session, ended.index)
    return print_certificate(said, proofs, note, terms, parts.log_key)


def _destroyed(parts: Parts, session: Session, board: str, first: int, upto: int) -> list[Entry]:
    """List a board's entries of destruction from `first` up to `upto`, in order; an ERASE with the ground beside it."""
    grounds = {
        found.terms["erasure"]: str(found.terms["ground"])
        for found in _of_type(parts, session, board, DESTROYED, first, None)
        if found.terms and found.terms["what"] == "pupil"
    }
    entries = []
    for type_ in DESTROYING:
        for found in _of_type(parts, session, board, type_, first, upto):
            if type_ == DESTROYED and found.terms and found.terms["what"] == "pupil":
                continue  # it stands beside an ERASE, which is listed
            what, ground = _what(parts, session, found, grounds), grounds.get(found.index)
            term = str(TABLE[Kept(what)].term) if what in set(Kept) else ground
            at = None if found.at is None else _moment(found.at)
            entries.append(Entry(found.index, _leaf(session, found.index), at, what, term))
    return sorted(entries, key=lambda entry: entry.index)


def _what(parts: Parts, session: Session, found: Found, grounds: Mapping[JSON, str]) -> str | None:
    """Name what an entry destroyed: a kind of the table, or another reason; None where that was erased since."""
    if found.type == ERASED:
        return grounds[found.index] if grounds.get(found.index) in set(Kept) else "pupil"
    if found.type == STAFF_ERASED:
        return Kept.STAFF_RECORD
    if found.opened is None:
        return None
    if found.type == DESTROYED:
        return str(found.opened.terms["what"])
    return _why(parts, session, found.opened)


def _why(parts: Parts, session: Session, done: Opened) -> str | None:
    """Give the reason that the intent names of which this entry tells the end."""
    assert done.pupil is not None
    intents = [
        entry
        for entry in parts.journal.of_pupil(session, done.pupil, BOOK)
        if entry.type == Did.SHRED_INTENT and entry.terms["bundle"] == done.terms["bundle"] and entry.index < done.index
    ]
    named = [entry for entry in intents if set(done.sections) & set(entry.sections)]
    return str(named[-1].terms["why"]).replace(" ", "_") if named else None


def _of_type(parts: Parts, session: Session, board: str, type_: int, first: int, before: int | None) -> Iterator[Found]:
    """Give a board's entries of a type below `before`, down to `first`."""
    while True:
        page = parts.journal.search(session, board, Criteria(type=type_), before, PAGE)
        yield from (found for found in page if found.index >= first)
        if len(page) < PAGE or page[-1].index < first:
            return
        before = page[-1].index


def _all(parts: Parts, session: Session, did: Did) -> Iterator[Opened]:
    """Give every entry of a type, the newest first."""
    wanted = select(JournalLookup.index).where(JournalLookup.book == BOOK, JournalLookup.type == int(did))
    for index in session.scalars(wanted.order_by(JournalLookup.index.desc())):
        yield parts.journal.read(session, index)


def _newest(parts: Parts, session: Session, did: Did) -> Opened | None:
    return next(_all(parts, session, did), None)


def _leaf(session: Session, index: int) -> bytes:
    return session.scalars(select(JournalLeaf.leaf).where(JournalLeaf.index == index)).one()


def _terms(parts: Parts, session: Session, index: int) -> bytes:
    """Give the terms of an entry that is about nobody, as they were committed to: behind their salt."""
    (row,) = stored(session, STORED.where(JournalLeaf.index == index))
    terms = open_parts(row, {}, parts.journal.origin)["terms"]
    assert terms is not None  # such an entry is never sealed, and never erased
    return terms


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
