"""Destroying one thing that is due: looked at again under the lock, held back where somebody may, said in the journal.

The order of writes makes every crash harmless. A bundle: intent, share, ciphertext, done. A transfer: its bundles
first, then its rows. A pupil or a contact: the entry with the rows, then the keys. What a crash leaves open is finished
by the next sweep or start, and doing anything twice does no harm.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import delete, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from consent import inventory
from consent.erasing import doom
from consent.errors import Destroyed, EventRefused, IntegrityBroken, KeyUnknown, PupilUnknown
from consent.events import Event
from consent.journal import Act
from consent.tables import Pupil
from consent.terms import Section
from crypto.encoding import JSON
from handover import outbox
from handover.accesslog import SERVICE, Did, record
from handover.bundles import Doomed, mark, shred
from handover.erasure import contact_keys, erase, finish, forget_transfers
from handover.leases import busy
from handover.overdue import Due, live_of, still, withdrawn_sections
from handover.parts import Parts
from handover.people import CONTACT
from handover.retention import HeldBy, Kept, held_back
from handover.tables import Bundle, BundleSection, Message, Person, Transfer
from handover.transfers import boards_of, scope_of, transfers_of

BUNDLES: Final = frozenset(
    {
        Kept.SUPERSEDED_BUNDLE,
        Kept.WITHDRAWN_SHARE,
        Kept.DELIVERED_BUNDLE,
        Kept.EXPIRED_BUNDLE,
        Kept.UNDELIVERED_BUNDLE,
    }
)


class Ended(StrEnum):
    """What became of something that was due."""

    DONE = "done"
    GONE = "gone or not due any more"
    HELD = "held back"
    BROKEN = "the pupil's ledger doesn't hold together"
    BUSY = "others hold the database; the next sweep takes it"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of something that was due, and who held it back where somebody did."""

    ended: Ended
    by: HeldBy | None = None

    def __str__(self) -> str:
        return str(self.by or self.ended)


DONE: Final = Outcome(Ended.DONE)
GONE: Final = Outcome(Ended.GONE)
BROKEN: Final = Outcome(Ended.BROKEN)
BUSY: Final = Outcome(Ended.BUSY)


def destroy(parts: Parts, this: Due) -> Outcome:
    """Destroy one thing that was found, or say why it stays."""
    return destroy_all(parts, [this])[0]


def destroy_all(parts: Parts, these: Sequence[Due]) -> list[Outcome]:
    """Destroy things of one kind that were found, or say of each why it stays: bundles together, the rest in turn.

    What goes wrong with one of several bundles ends none of the others: each is tried by itself then.
    """
    together = bool(these) and these[0].kept in BUNDLES
    if not together and len(these) != 1:
        return [destroy(parts, this) for this in these]
    try:
        return _shred(parts, these) if together else [_OF_KIND[these[0].kept](parts, these[0])]
    except (Destroyed, KeyUnknown, PupilUnknown, IntegrityBroken, EventRefused) as problem:
        if len(these) > 1:
            return [destroy(parts, this) for this in these]
        # Else the pupil was erased meanwhile.
        return [BROKEN if isinstance(problem, IntegrityBroken | EventRefused) else GONE]
    except DBAPIError as problem:
        if busy(problem):
            return [BUSY] * len(these)
        raise


def foresee(parts: Parts, session: Session, these: Sequence[Due], now: datetime) -> list[Outcome]:
    """Say what destroying things of one kind would come to now, and change nothing."""
    return [outcome for outcome, _ in _look(parts, session, these, now)]


def destroy_staff(parts: Parts, owners: Sequence[str]) -> int:
    """Destroy these staff keys of years that are long over, in one act; gives how many were still there."""
    there = inventory.tags(parts.keystore, "person", owners)
    with parts.journal.act() as act:
        parts.journal.erase_staff(act, there, SERVICE)
    return len(there)


def _look(parts: Parts, session: Session, these: Sequence[Due], now: datetime) -> list[tuple[Outcome, Doomed | None]]:
    """Look at things of one kind under the locks: may they be destroyed now, and of a bundle which sections."""
    pupils = {this.pupil for this in these if this.pupil is not None}
    if not pupils:
        return [(DONE, None) for _ in these]
    due = still(parts, session, these[0].kept, [this.id for this in these], now)
    histories = parts.ledger.histories(session, pupils)
    transfers, live = _transfers(session, these[0].kept, sorted(due)), live_of(session, sorted(due))
    found: list[tuple[Outcome, Doomed | None]] = []
    for this in these:
        if this.id not in due or this.pupil not in histories:  # or was erased meanwhile
            found.append((GONE, None))
        elif (history := histories[this.pupil]) is None:
            found.append((BROKEN, None))
        elif this.kept not in BUNDLES:
            found.append((_held(this.kept, history.known, now, transfers.get(this.id)), None))
        else:
            asked = _withdrawn(parts, session, this, live[this.id], now)
            found.append(_free(this, history.known, now, transfers[this.id], asked))
    return found


def _transfers(session: Session, kept: Kept, ids: Sequence[str]) -> dict[str, Transfer]:
    if kept in BUNDLES:
        return transfers_of(session, ids)
    return {row.id: row for row in session.scalars(select(Transfer).where(Transfer.id.in_(ids)))}


def _withdrawn(parts: Parts, session: Session, this: Due, live: Sequence[Section], now: datetime) -> Sequence[Section]:
    return list(withdrawn_sections(parts, session, this.id, now)) if this.kept is Kept.WITHDRAWN_SHARE else live


def _held(kept: Kept, events: Sequence[Event], now: datetime, transfer: Transfer | None) -> Outcome:
    by = held_back(kept, events, now, scope_of(transfer) if transfer else None)
    return Outcome(Ended.HELD, by) if by else DONE


def _free(
    this: Due, events: Sequence[Event], now: datetime, transfer: Transfer, sections: Sequence[Section]
) -> tuple[Outcome, Doomed | None]:
    """Tell which sections of a bundle nobody holds back."""
    whole = _held(this.kept, events, now, transfer)
    if whole is not DONE:
        scope = scope_of(transfer)
        holders = {section: held_back(this.kept, events, now, scope, section) for section in sections}
        sections = [section for section, by in holders.items() if by is None]
        whole = DONE if sections or not holders else Outcome(Ended.HELD, next(iter(holders.values())))
    return whole, Doomed(transfer, this.id, sections) if sections else None


def _shred(parts: Parts, these: Sequence[Due]) -> list[Outcome]:
    with parts.journal.act(pupils={this.pupil for this in these if this.pupil is not None}) as act:
        looked = _look(parts, act.session, these, act.now)
        doomed = [each for _, each in looked if each is not None]
        mark(act, doomed, why=these[0].kept)
    if doomed:
        shred(parts, *[each.bundle for each in doomed])
    return [outcome for outcome, _ in looked]


def _forget_transfer(parts: Parts, this: Due) -> Outcome:
    while True:
        with parts.journal.act(pupil=this.pupil) as act:
            ((outcome, _),) = _look(parts, act.session, [this], act.now)
            if outcome is not DONE:
                return outcome
            transfer = act.session.get_one(Transfer, this.id)
            left = _mark_all(act, transfer, why=this.kept)
            if not left:
                _say(act, this, {"transfer": transfer.id}, boards_of(act.session, transfer))
                forget_transfers(act, [transfer.id])
                return DONE
        shred(parts, *left)


def _mark_all(act: Act, transfer: Transfer, *, why: str) -> list[str]:
    """Mark what is left of a transfer's bundles; gives those that `shred` has to finish."""
    there = select(BundleSection.section).where(BundleSection.bundle == Bundle.id).exists()
    bundles = list(act.session.scalars(select(Bundle.id).where(Bundle.transfer == transfer.id, there)))
    live = live_of(act.session, bundles)
    mark(act, [Doomed(transfer, bundle, live[bundle]) for bundle in bundles if live[bundle]], why=why)
    return bundles


def _end_contact(parts: Parts, this: Due) -> Outcome:
    with parts.journal.act(pupil=this.pupil) as act:
        ((outcome, _),) = _look(parts, act.session, [this], act.now)
        if outcome is not DONE:
            return outcome
        reached = Person.pupil == this.id, Person.sealed.is_not(None)
        persons = list(act.session.scalars(select(Person.id).where(*reached)))
        board = act.session.get_one(Pupil, this.id).board
        index = _say(act, this, {"persons": len(persons)}, [board])
        doom(act.session, index, contact_keys(parts.keystore, persons))
        theirs = Message.owner_kind == CONTACT, Message.owner.in_(persons)
        act.session.execute(delete(Message).where(*theirs))
        act.session.execute(update(Person).where(Person.id.in_(persons)).values(sealed=None))
    outbox.forget(parts, this.id)
    return DONE


def _erase_pupil(parts: Parts, this: Due) -> Outcome:
    with parts.journal.act(pupil=this.pupil) as act:
        ((outcome, _),) = _look(parts, act.session, [this], act.now)
        if outcome is not DONE:
            return outcome
        erased = erase(parts, act, this.id, SERVICE, this.kept)
    finish(parts, erased)
    return DONE


def _remove_orphan(parts: Parts, this: Due) -> Outcome:
    what, _, name = this.id.partition("/")
    if what == "object":
        return DONE if parts.blobs.delete(name) else GONE
    there = inventory.has_store(parts.keystore, name)
    parts.keystore.drop_share(name)
    return DONE if there else GONE


def _say(act: Act, this: Due, more: dict[str, JSON], boards: Sequence[str]) -> int:
    terms = {"what": str(this.kept), **more}
    return record(act, Did.DESTROYED, SERVICE, outcome="granted", terms=terms, boards=boards, pupil=this.pupil).index


_OF_KIND: Final[dict[Kept, Callable[[Parts, Due], Outcome]]] = {
    Kept.CANCELLED_TRANSFER: _forget_transfer,
    Kept.SILENT_TRANSFER: _forget_transfer,
    Kept.CONTACT: _end_contact,
    Kept.RELEASED_PUPIL: _erase_pupil,
    Kept.UNRELEASED_PUPIL: _erase_pupil,
    Kept.ORPHAN: _remove_orphan,
}
