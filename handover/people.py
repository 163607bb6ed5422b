"""Pupils and the people who may speak for them, as a board knows them.

A pupil is a board's own pseudonymous record: one child at two boards is two records. The child's first name and birth
date are sealed under the pupil's key, how somebody can be reached under a key of that person's own; the board's pupil
number is kept as a keyed hash alone.
"""

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from consent.erasing import doomed
from consent.errors import Destroyed, KeyUnknown
from consent.events import Author
from consent.guardians import DECIDES_FROM, anniversary, midnight, speakers
from consent.journal import Act
from consent.keystore import KeyStore
from consent.tables import Pupil
from consent.terms import Level, Role
from handover.errors import NotTheirs, RequestRefused, not_found
from handover.parts import Caller, Parts
from handover.tables import Person

CONTACT: Final = "contact"
"""The kind of key under which contact data stands: one for each person."""


@dataclass(frozen=True, slots=True)
class Contact:
    """How somebody can be reached, and as whom they speak.

    `following` is an address that takes the other's place, with the moment from which it does (`handover.addresses`).
    """

    person: str
    role: Role
    name: str
    mail: str
    following: tuple[str, datetime] | None = None


@dataclass(frozen=True, slots=True)
class Child:
    """What the service knows of a pupil, unsealed for the moment of use."""

    first_name: str
    birth_date: date
    group: str | None = None  # the label of its class, such as 8a
    colleague: bool = False  # a parent works at the school

    def seal(self, keystore: KeyStore, pupil: str) -> bytes:
        """Seal this under the pupil's own key."""
        data = asdict(self) | {"birth_date": self.birth_date.isoformat()}
        return keystore.seal("pupil", pupil, json.dumps(data).encode(), aad("child", pupil))


def staff_actor(caller: Caller) -> Author:
    """Name the member of staff as the ledger does; a signed request of the school vouches for them."""
    return Author(f"{caller.school}.{caller.staff}", Role.STAFF, Level.SUBSTANTIAL)


def same_person(one: str, other: str) -> bool:
    """Tell whether two pseudonyms are one person's: neither `S-1` nor ` s-1` is a second person beside `s-1`."""
    return one.strip().casefold() == other.strip().casefold()


def child_of(keystore: KeyStore, pupil: Pupil) -> Child:
    """Unseal what the service knows of a pupil."""
    if pupil.sealed is None:
        raise not_found()
    data = json.loads(keystore.open("pupil", pupil.id, pupil.sealed, aad("child", pupil.id)))
    return Child(**data | {"birth_date": date.fromisoformat(data["birth_date"])})


def contacts(keystore: KeyStore, session: Session, pupil: str, now: datetime) -> dict[str, Contact]:
    """Unseal who can be reached about a pupil now, by person. Whose contact has ended is left out."""
    found = {}
    for row in session.scalars(select(Person).where(Person.pupil == pupil, Person.sealed.is_not(None))):
        data = json.loads(keystore.open(CONTACT, row.id, row.sealed or b"", aad("person", row.id)))
        mail, following = data["mail"], data.get("following")
        if following:
            following = following[0], datetime.fromisoformat(following[1])
            if following[1] <= now:
                mail, following = following[0], None
        found[row.id] = Contact(row.id, Role(data["role"]), data["name"], mail, following)
    return found


def reachable(parts: Parts, act: Act, pupil: str) -> dict[str, Contact]:
    """Unseal how those who speak for the pupil now can be reached; who lost that voice isn't written to any more."""
    voices = speakers(parts.ledger.history(act.session, pupil).known, pupil, act.now)
    found = contacts(parts.keystore, act.session, pupil, act.now)
    return {person: one for person, one in found.items() if person in voices}


def told_at_once(parts: Parts, act: Act, pupil: str) -> dict[str, Contact]:
    """Give who is told of what staff did without them: all who can be reached, the pupil itself from 16."""
    found = reachable(parts, act, pupil)
    born = child_of(parts.keystore, act.session.get_one(Pupil, pupil)).birth_date
    if act.now < midnight(anniversary(born, DECIDES_FROM)):
        found.pop(pupil, None)
    return found


def own_pupil(session: Session, caller: Caller, pupil: str) -> Pupil:
    """Give a pupil of the caller's board; raises the one answer for what isn't there and what isn't yours."""
    row = session.get(Pupil, pupil)
    if row is None or row.board != caller.board or row.erased:
        raise NotTheirs
    return row


def keep_contact(keystore: KeyStore, session: Session, pupil: str, contact: Contact) -> None:
    """Keep how somebody can be reached, sealed under a key of that person's own, which ends when contact does.

    Raises RequestRefused while an end of contact is under way: what is sealed now would go with it.
    """
    with suppress(KeyUnknown, Destroyed):
        if keystore.owner(CONTACT, contact.person).id in doomed(session):
            raise RequestRefused("CONFLICT", 409, "This contact is just being ended. Nothing was done; try again.")
    data: dict[str, object] = {"role": str(contact.role), "name": contact.name, "mail": contact.mail}
    if contact.following:
        mail, counts_from = contact.following
        data["following"] = [mail, counts_from.isoformat()]
    key = keystore.new_key(CONTACT, contact.person)
    sealed = key.seal(json.dumps(data).encode(), aad("person", contact.person))
    session.merge(Person(id=contact.person, pupil=pupil, sealed=sealed))


def aad(what: str, identifier: str) -> bytes:
    """Say where a sealed value belongs: it opens there and nowhere else."""
    return f"overdracht/v1/{what}\0{identifier}".encode()
