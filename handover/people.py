"""Pupils and the people who may speak for them, as a board knows them.

A pupil is a board's own pseudonymous record: one child at two boards is two records. Names, mail addresses and birth
dates are sealed under the pupil's key; the board's pupil number is kept as a keyed hash alone.
"""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from consent.db import reading
from consent.errors import EventRefused
from consent.events import Actor, Draft, Holder, Kind, new_id, to_terms
from consent.guardians import DECIDES_FROM, anniversary, midnight
from consent.journal import Act
from consent.keystore import KeyStore
from consent.tables import Pupil
from consent.terms import CustodyEvidence, Level, Role
from handover.accesslog import Did, record, staff
from handover.errors import RequestRefused, not_found
from handover.idempotency import Answer, Once, carry_out
from handover.parts import Caller, Parts
from handover.tables import Person


@dataclass(frozen=True, slots=True)
class Contact:
    """How somebody can be reached, and as whom they speak."""

    person: str
    role: Role
    name: str
    mail: str


@dataclass(frozen=True, slots=True)
class Child:
    """What the service knows of a pupil, unsealed for the moment of use."""

    first_name: str
    birth_date: date


def staff_actor(caller: Caller) -> Actor:
    """Name the member of staff as the ledger does; a signed request of the school vouches for them."""
    return Actor(f"{caller.school}.{caller.staff}", Role.STAFF, Level.SUBSTANTIAL)


def child_of(keystore: KeyStore, pupil: Pupil) -> Child:
    """Unseal what the service knows of a pupil."""
    if pupil.sealed is None:
        raise not_found()
    data = json.loads(keystore.open("pupil", pupil.id, pupil.sealed, _aad("child", pupil.id)))
    return Child(data["first_name"], date.fromisoformat(data["birth_date"]))


def contacts(keystore: KeyStore, session: Session, pupil: str) -> dict[str, Contact]:
    """Unseal who can be reached about a pupil, by person."""
    found = {}
    for row in session.scalars(select(Person).where(Person.pupil == pupil)):
        data = json.loads(keystore.open("pupil", pupil, row.sealed, _aad("person", row.id)))
        found[row.id] = Contact(row.id, Role(data["role"]), data["name"], data["mail"])
    return found


def own_pupil(session: Session, caller: Caller, pupil: str) -> Pupil:
    """Give a pupil of the caller's board; raises the one answer for what isn't there and what isn't yours."""
    row = session.get(Pupil, pupil)
    if row is None or row.board != caller.board or row.erased:
        raise not_found()
    return row


def register_pupil(parts: Parts, caller: Caller, once: Once, body: Mapping[str, Any]) -> Answer:
    """Make a pupil's record with the first custody, or refuse: a number that is known already, or that may be a BSN."""
    number = str(body["number"])
    _refuse_personal_number(number)
    # The look-up stands in the other database: after a crash it may lead to an id that has no record yet.
    pupil = parts.keystore.remember(caller.board, number, secrets.token_hex(16))
    parts.keystore.new_key("pupil", pupil)

    def work(act: Act) -> Answer | RequestRefused:
        if act.session.get(Pupil, pupil) is not None:
            return RequestRefused("PUPIL_KNOWN", 409, "Your board has a record under this number.")
        child = {"first_name": body["first_name"], "birth_date": body["birth_date"].isoformat()}
        sealed = parts.keystore.seal("pupil", pupil, json.dumps(child).encode(), _aad("child", pupil))
        act.session.add(Pupil(id=pupil, version=0, board=caller.board, sealed=sealed, erased=False))
        act.session.flush()
        persons = _set_custody(parts, act, caller, once, pupil, body["birth_date"], body["custody"])
        record(
            act,
            Did.PUPIL_REGISTERED,
            staff(caller),
            outcome="granted",
            terms={"school": caller.school},
            boards=[caller.board],
            pupil=pupil,
        )
        return {"pupil": pupil, "persons": persons}

    return carry_out(parts, once, lambda: parts.journal.act(), work)


def change_custody(parts: Parts, caller: Caller, once: Once, pupil: str, body: Mapping[str, Any]) -> Answer:
    """Record who holds gezag from now on. Persons that are named keep their id, others get a new one."""

    def work(act: Act) -> Answer | RequestRefused:
        row = own_pupil(act.session, caller, pupil)
        birth_date = child_of(parts.keystore, row).birth_date
        second = body.get("second_person")
        persons = _set_custody(parts, act, caller, once, pupil, birth_date, body, second)
        return {"pupil": pupil, "persons": persons}

    with reading(parts.main) as session:
        own_pupil(session, caller, pupil)  # before the lock: nobody holds up another board's pupil
    return carry_out(parts, once, lambda: parts.journal.act(pupil=pupil), work)


def _refuse_personal_number(number: str) -> None:
    # Nine digits may be a BSN or an onderwijsnummer, and neither may be here (UAVG art. 46).
    if len(number) == 9 and number.isdigit():
        raise RequestRefused(
            "NUMBER_REFUSED",
            422,
            "Use your own pupil number.",
            {"/number": "Nine digits may be a BSN. Put a letter before your own number."},
        )


def _set_custody(
    parts: Parts,
    act: Act,
    caller: Caller,
    once: Once,
    pupil: str,
    birth_date: date,
    custody: Mapping[str, Any],
    second: str | None = None,
) -> list[dict[str, str]]:
    known = set(act.session.scalars(select(Person.id).where(Person.pupil == pupil)))
    holders = custody["holders"]
    strangers = [place for place, one in enumerate(holders) if "person" in one and one["person"] not in known]
    if strangers:
        raise RequestRefused(
            "PERSON_UNKNOWN",
            422,
            "A holder is named who isn't in this record.",
            {f"/holders/{place}/person": "Not a person of this pupil." for place in strangers},
        )
    persons = [str(one.get("person") or secrets.token_hex(16)) for one in holders]
    draft = Draft(
        kind=Kind.CUSTODY,
        key=f"custody-{once.key}",
        by=staff_actor(caller),
        subject=pupil,
        holders=_holders(persons, holders, birth_date),
        birth_date=birth_date,
        evidence=CustodyEvidence(custody["evidence"]["kind"]),
        checked_on=custody["evidence"]["date"],
        second=f"{caller.school}.{second}" if second else None,
    )
    try:
        to_terms(draft, new_id(act.now))
    except EventRefused as error:  # its message names a field and never a value
        raise RequestRefused("CUSTODY_REFUSED", 422, f"This can't be the custody of a pupil: {error}.") from None
    parts.ledger.record(act, draft, (caller.board,))
    for person, one in zip(persons, holders, strict=True):
        _keep(parts.keystore, act.session, pupil, Contact(person, Role(one["role"]), one["name"], one["mail"]))
    answer = [{"person": person, "role": str(one["role"])} for person, one in zip(persons, holders, strict=True)]
    if "pupil_mail" in custody:
        _keep(parts.keystore, act.session, pupil, Contact(pupil, Role.PUPIL, "", custody["pupil_mail"]))
        answer.append({"person": pupil, "role": str(Role.PUPIL)})
    elif midnight(anniversary(birth_date, DECIDES_FROM)) <= act.now and pupil not in known:
        raise RequestRefused(
            "PUPIL_MAIL_MISSING",
            422,
            "From 16 the pupil decides, and has to be reached.",
            {"/custody/pupil_mail": "Needed: this pupil is 16 or older."},
        )
    return answer


def _holders(persons: Sequence[str], holders: Sequence[Mapping[str, Any]], birth_date: date) -> tuple[Holder, ...]:
    made = (
        Holder(person, Role(one["role"]), one.get("since", birth_date))
        for person, one in zip(persons, holders, strict=True)
    )
    return tuple(sorted(made, key=lambda holder: holder.person))


def _keep(keystore: KeyStore, session: Session, pupil: str, contact: Contact) -> None:
    data = {"role": str(contact.role), "name": contact.name, "mail": contact.mail}
    sealed = keystore.seal("pupil", pupil, json.dumps(data).encode(), _aad("person", contact.person))
    session.merge(Person(id=contact.person, pupil=pupil, sealed=sealed))


def _aad(what: str, identifier: str) -> bytes:
    return f"overdracht/v1/{what}\0{identifier}".encode()
