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
from consent.journal import Act
from consent.tables import Pupil
from consent.terms import Section
from crypto.encoding import JSON
from handover import outbox
from handover.accesslog import SERVICE, Did, record
from handover.bundles import scope_of, shred, start_shredding
from handover.erasure import contact_keys, erase, finish, forget_transfers
from handover.leases import busy
from handover.overdue import Due, live_sections, still, withdrawn_sections
from handover.parts import Parts
from handover.people import CONTACT
from handover.retention import HeldBy, Kept, held_back
from handover.tables import Bundle, BundleSection, Message, Person, Transfer
from handover.transfers import boards_of

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
    try:
        return _how(this)(parts, this)
    except (Destroyed, KeyUnknown, PupilUnknown):  # the pupil was erased meanwhile
        return GONE
    except (IntegrityBroken, EventRefused):
        return BROKEN
    except DBAPIError as problem:
        if busy(problem):
            return BUSY
        raise


def foresee(parts: Parts, session: Session, this: Due, now: datetime) -> Outcome:
    """Say what `destroy` would come to now, and change nothing."""
    try:
        return _look(parts, session, this, now)[0]
    except (Destroyed, KeyUnknown):
        return GONE
    except (IntegrityBroken, EventRefused):
        return BROKEN


def destroy_staff(parts: Parts, owners: Sequence[str]) -> int:
    """Destroy these staff keys of years that are long over, in one act; gives how many were still there."""
    there = inventory.tags(parts.keystore, "person", owners)
    with parts.journal.act() as act:
        parts.journal.erase_staff(act, there, SERVICE)
    return len(there)


def _how(this: Due) -> Callable[[Parts, Due], Outcome]:
    if this.kept in BUNDLES:
        return _shred
    return _OF_KIND[this.kept]


def _look(parts: Parts, session: Session, this: Due, now: datetime) -> tuple[Outcome, list[Section]]:
    """Look at something under the lock: may it be destroyed now, and of a bundle which sections."""
    if this.pupil is None:
        return DONE, []
    if not still(parts, session, this, now):
        return GONE, []
    events = parts.ledger.history(session, this.pupil).known
    transfer = _transfer(session, this)
    scope = scope_of(transfer) if transfer else None
    if this.kept not in BUNDLES:
        by = held_back(this.kept, events, now, scope)
        return (Outcome(Ended.HELD, by), []) if by else (DONE, [])
    asked = withdrawn_sections(parts, session, this.id, now) if this.kept is Kept.WITHDRAWN_SHARE else None
    sections = list(asked) if asked is not None else live_sections(session, this.id)
    holders = {section: held_back(this.kept, events, now, scope, section) for section in sections}
    if free := [section for section, by in holders.items() if by is None]:
        return DONE, free
    return Outcome(Ended.HELD, next(iter(holders.values()))), []


def _transfer(session: Session, this: Due) -> Transfer | None:
    if this.kept in BUNDLES:
        return session.get_one(Transfer, session.get_one(Bundle, this.id).transfer)
    return session.get(Transfer, this.id)


def _shred(parts: Parts, this: Due) -> Outcome:
    with parts.journal.act(pupil=this.pupil) as act:
        outcome, sections = _look(parts, act.session, this, act.now)
        if sections:
            bundle = act.session.get_one(Bundle, this.id)
            transfer = act.session.get_one(Transfer, bundle.transfer)
            start_shredding(parts, act, transfer, bundle, sections, why=this.kept)
    if sections:
        shred(parts, this.id)
    return outcome


def _forget_transfer(parts: Parts, this: Due) -> Outcome:
    while True:
        with parts.journal.act(pupil=this.pupil) as act:
            outcome, _ = _look(parts, act.session, this, act.now)
            if outcome is not DONE:
                return outcome
            transfer = act.session.get_one(Transfer, this.id)
            left = _shred_all(parts, act, transfer, why=this.kept)
            if not left:
                _say(act, this, {"transfer": transfer.id}, boards_of(act.session, transfer))
                forget_transfers(act, [transfer.id])
                return DONE
        for bundle in left:
            shred(parts, bundle)


def _shred_all(parts: Parts, act: Act, transfer: Transfer, *, why: str) -> list[str]:
    """Mark what is left of a transfer's bundles; gives those that `shred` has to finish."""
    there = select(BundleSection.section).where(BundleSection.bundle == Bundle.id).exists()
    bundles = act.session.scalars(select(Bundle).where(Bundle.transfer == transfer.id, there)).all()
    for bundle in bundles:
        if live := live_sections(act.session, bundle.id):
            start_shredding(parts, act, transfer, bundle, live, why=why)
    return [bundle.id for bundle in bundles]


def _end_contact(parts: Parts, this: Due) -> Outcome:
    with parts.journal.act(pupil=this.pupil) as act:
        outcome, _ = _look(parts, act.session, this, act.now)
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
        outcome, _ = _look(parts, act.session, this, act.now)
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
