"""Registering a pupil, and who holds gezag over it from now on, with the evidence and the staff who saw it."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from sqlalchemy import select

from consent.db import reading
from consent.errors import EventRefused
from consent.events import Draft, Kind, new_id, to_terms
from consent.fields import Holder, Shown
from consent.guardians import AMSTERDAM, DECIDES_FROM, anniversary, midnight
from consent.journal import Act
from consent.tables import Pupil
from consent.terms import CustodyEvidence, Role
from handover.accesslog import Did, record, staff
from handover.addresses import keep_addresses
from handover.errors import RequestRefused
from handover.idempotency import Answer, Once, carry_out
from handover.outbox import deliver, post, text_sha256
from handover.parts import Caller, Parts
from handover.people import Child, Contact, child_of, contacts, own_pupil, same_person, staff_actor
from handover.tables import Person

NOTICE: Final = "custody"
OLDEST: Final = 30
"""Years since the birth of anybody who is still a pupil."""


def register_pupil(parts: Parts, caller: Caller, once: Once, body: Mapping[str, Any]) -> Answer:
    """Make a pupil's record with the first custody, or refuse: a number that is known already, or that may be a BSN."""
    number = str(body["number"])
    _refuse_personal_number(number)
    _refuse_birth_date(body["birth_date"], parts.clock().astimezone(AMSTERDAM).date())
    # The look-up stands in the other database: after a crash it may lead to an id that has no record yet.
    pupil = parts.keystore.remember(caller.board, number, secrets.token_hex(16))
    parts.keystore.new_key("pupil", pupil)

    def work(act: Act) -> Answer | RequestRefused:
        if act.session.get(Pupil, pupil) is not None:
            return RequestRefused("PUPIL_KNOWN", 409, "Your board has a record under this number.")
        sealed = Child(body["first_name"], body["birth_date"], body.get("group")).seal(parts.keystore, pupil)
        act.session.add(Pupil(id=pupil, version=0, board=caller.board, sealed=sealed, erased=False))
        act.session.flush()
        stated = _Stated(parts, act, caller, pupil, body["birth_date"], body["custody"], "/custody")
        persons = stated.take_over(once)
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
    """Record who holds gezag from now on, and tell everybody who is known, also those who are left out.

    Persons that are named keep their id, others get a new one.
    """

    def work(act: Act) -> Answer | RequestRefused:
        row = own_pupil(act.session, caller, pupil)
        birth_date = child_of(parts.keystore, row).birth_date
        before = contacts(parts.keystore, act.session, pupil, act.now)
        persons = _Stated(parts, act, caller, pupil, birth_date, body, "").take_over(once, told=True)
        after = contacts(parts.keystore, act.session, pupil, act.now)
        told = {contact.mail: contact for contact in (*before.values(), *after.values())}
        for mail in sorted(told):
            post(parts, act, pupil, told[mail], NOTICE)
        return {"pupil": pupil, "persons": persons}

    with reading(parts.main) as session:
        own_pupil(session, caller, pupil)  # before the lock: nobody holds up another board's pupil
    parts.journal.start()  # an end of contact that a killed sweep left half done is done before anything is kept anew
    answer = carry_out(parts, once, lambda: parts.journal.act(pupil=pupil), work)
    deliver(parts)
    return answer


def _refuse_personal_number(number: str) -> None:
    # Nine digits may be a BSN or an onderwijsnummer, and neither may be here (UAVG art. 46).
    if len(number) == 9 and number.isdigit():
        where = {"/number": "Nine digits may be a BSN. Put a letter before your own number."}
        raise RequestRefused("NUMBER_REFUSED", 422, "Use your own pupil number.", where)


def _refuse_birth_date(born: date, today: date) -> None:
    # A slip of the pen here makes a child an adult, and then no guardian is heard.
    if born > today or anniversary(born, OLDEST) < today:
        where = {"/birth_date": f"Not after today, and not more than {OLDEST} years ago."}
        raise RequestRefused("BIRTH_DATE_REFUSED", 422, "This can't be the birth date of a pupil.", where)


@dataclass(frozen=True, slots=True)
class _Stated:
    """Custody as a school states it. `place` is where it stands in the body, for telling what is wrong."""

    parts: Parts
    act: Act
    caller: Caller
    pupil: str
    birth_date: date
    said: Mapping[str, Any]
    place: str

    def take_over(self, once: Once, *, told: bool = False) -> list[dict[str, str]]:
        """Record the custody and keep how everybody can be reached; gives the persons in the order stated."""
        known = set(self.act.session.scalars(select(Person.id).where(Person.pupil == self.pupil)))
        self._refuse_strangers(known)
        holders: Sequence[Mapping[str, Any]] = self.said["holders"]
        persons = [str(one.get("person") or secrets.token_hex(16)) for one in holders]
        self._record(once, persons, told=told)
        people = [
            Contact(person, Role(one["role"]), one["name"], one["mail"])
            for person, one in zip(persons, holders, strict=True)
        ]
        people += self._pupil_itself(known)
        keep_addresses(self.parts, self.act, self.caller, self.pupil, people, self.said.get("second_person"))
        return [{"person": contact.person, "role": str(contact.role)} for contact in people]

    def _refuse_strangers(self, known: set[str]) -> None:
        wrong = [at for at, one in enumerate(self.said["holders"]) if "person" in one and one["person"] not in known]
        if wrong:
            where = {f"{self.place}/holders/{at}/person": "Not a person of this pupil." for at in wrong}
            raise RequestRefused("PERSON_UNKNOWN", 422, "A holder is named who isn't in this record.", where)

    def _record(self, once: Once, persons: Sequence[str], *, told: bool) -> None:
        second = self.said.get("second_person")
        if second and same_person(second, self.caller.staff):
            where = {f"{self.place}/second_person": "Somebody else than who records the custody."}
            raise RequestRefused("SECOND_NEEDED", 422, "A second member of staff is another one.", where)
        draft = Draft(
            kind=Kind.CUSTODY,
            key=f"custody-{once.key}",
            by=staff_actor(self.caller),
            subject=self.pupil,
            holders=self._holders(persons),
            birth_date=self.birth_date,
            evidence=CustodyEvidence(self.said["evidence"]["kind"]),
            checked_on=self.said["evidence"]["date"],
            checked_by=f"{self.caller.school}.{self.said['evidence']['staff']}",
            second=f"{self.caller.school}.{second}" if second else None,
            notice=Shown(NOTICE, 1, "nl", text_sha256(self.parts, NOTICE)) if told else None,
        )
        try:
            to_terms(draft, new_id(self.act.now))
        except EventRefused as error:  # its message names a field and never a value
            raise RequestRefused("CUSTODY_REFUSED", 422, f"This can't be the custody of a pupil: {error}.") from None
        self.parts.ledger.record(self.act, draft, (self.caller.board,))

    def _holders(self, persons: Sequence[str]) -> tuple[Holder, ...]:
        made = (
            Holder(person, Role(one["role"]), one.get("since", self.birth_date))
            for person, one in zip(persons, self.said["holders"], strict=True)
        )
        return tuple(sorted(made, key=lambda holder: holder.person))

    def _pupil_itself(self, known: set[str]) -> list[Contact]:
        if "pupil_mail" in self.said:
            return [Contact(self.pupil, Role.PUPIL, "", self.said["pupil_mail"])]
        if midnight(anniversary(self.birth_date, DECIDES_FROM)) <= self.act.now and self.pupil not in known:
            where = {f"{self.place}/pupil_mail": "Needed: this pupil is 16 or older."}
            raise RequestRefused("PUPIL_MAIL_MISSING", 422, "From 16 the pupil decides, and has to be reached.", where)
        return []
