"""Erasing a pupil: by the end of its term, or by right (AVG art. 17).

Everything of the pupil goes that stands in this service: the record, who speaks for it and how they are reached, what
they said in their own words, invitations, messages, proposals, transfers, bundles, releases. Of the journal's entries
go subject and terms, so that count, order and every proof still hold; who of the staff acted stays for its own term.

`erase` does all of it inside the act that decides; the pupil's key and those of its contacts are destroyed when that is
acknowledged. `finish` then takes what stands in no database row any more: shares, ciphertext, files in the outbox. What
a crash leaves of these is an orphan, and the next sweep takes it.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import delete, select

from consent.errors import Destroyed, KeyUnknown
from consent.journal import Act, Actor
from consent.keystore import KeyStore
from consent.tables import Pupil
from crypto.encoding import JSON
from handover import outbox
from handover.accesslog import Did, record
from handover.parts import Parts
from handover.people import CONTACT
from handover.tables import (
    Bundle,
    BundleSection,
    Invitation,
    Message,
    Person,
    Proposal,
    Release,
    Transfer,
    Words,
)


@dataclass(frozen=True, slots=True)
class Erased:
    """An erasure in the journal, and what `finish` still has to take away."""

    pupil: str
    index: int
    stores: tuple[str, ...]
    objects: tuple[str, ...]


def erase(parts: Parts, act: Act, pupil: str, actor: Actor, ground: str) -> Erased:
    """Erase a pupil within an act that holds its lock; `ground` is the term or the article that asks for it.

    Raises `Destroyed` where the pupil was erased already.
    """
    session = act.session
    row = session.get_one(Pupil, pupil)
    if row.erased:  # its key may not be destroyed yet
        raise Destroyed("this pupil was erased")
    board = row.board
    persons = session.scalars(select(Person.id).where(Person.pupil == pupil)).all()
    keys = contact_keys(parts.keystore, persons)
    erased = parts.journal.erase(act, pupil, actor, (board,), keys)
    terms: dict[str, JSON] = {"what": "pupil", "ground": ground, "erasure": erased.index}
    record(act, Did.DESTROYED, actor, outcome="granted", terms=terms, boards=[board])
    transfers = session.scalars(select(Transfer.id).where(Transfer.pupil == pupil)).all()
    stores, objects = forget_transfers(act, transfers)
    for table in (Message, Person, Proposal):
        session.execute(delete(table).where(table.pupil == pupil))
    return Erased(pupil, erased.index, stores, objects)


def finish(parts: Parts, erased: Erased) -> None:
    """Take away what no row names any more, after the act that erased was acknowledged; again does no harm."""
    for store in erased.stores:
        parts.keystore.drop_share(store)
    for name in erased.objects:
        parts.blobs.delete(name)
    outbox.forget(parts, erased.pupil)


def contact_keys(keystore: KeyStore, persons: Iterable[str]) -> list[str]:
    """Give the ids of the keys under which these persons' contact data stand; one that has gone is left out."""
    keys = []
    for person in persons:
        with suppress(KeyUnknown, Destroyed):
            keys.append(keystore.owner(CONTACT, person).id)
    return keys


def forget_transfers(act: Act, transfers: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Delete these transfers with every row that hangs on them.

    Gives the names under which their shares and their ciphertext are still kept.
    """
    session, these = act.session, list(transfers)
    bundles = select(Bundle.id).where(Bundle.transfer.in_(these)).scalar_subquery()
    stores = session.scalars(select(Bundle.store).where(Bundle.transfer.in_(these))).all()
    gone = delete(BundleSection).where(BundleSection.bundle.in_(bundles)).returning(BundleSection.object)
    objects = session.scalars(gone).all()
    for table in (Words, Proposal, Invitation, Release, Bundle):
        session.execute(delete(table).where(table.transfer.in_(these)))
    session.execute(delete(Transfer).where(Transfer.id.in_(these)))
    return tuple(stores), tuple(objects)
