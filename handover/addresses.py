"""How somebody's mail address changes: slowly and in the open, for whoever holds the mailbox answers as that person.

A change is an entry of its own, and both addresses are written to. Where this person has ever said something about the
pupil, a second member of staff has to be named, and the old address goes on for seven days: codes, reminders and
notices go there and nowhere else, so that nobody answers from the new one before its owner could say that it is
false. It is the same time that a holder who is taken out keeps a voice (`consent.guardians`), and it holds for each
kind of person. Stating the old address again ends a change that is under way.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Final

from sqlalchemy import select

from consent.fields import print_time
from consent.guardians import OBJECTION_TIME
from consent.journal import Act
from handover.accesslog import Did, record, staff
from handover.errors import RequestRefused
from handover.notices import date_in_words
from handover.outbox import post
from handover.parts import Caller, Parts
from handover.people import Contact, contacts, keep_contact
from handover.tables import Person

AT_ONCE: Final = "address"
LATER: Final = "address_later"


def keep_addresses(
    parts: Parts, act: Act, caller: Caller, pupil: str, stated: Iterable[Contact], second: str | None
) -> None:
    """Keep how people can be reached, as a school states it within an act that holds the pupil's lock.

    Raises RequestRefused where the change of an address needs a second person and none is named.
    """
    before = contacts(parts.keystore, act.session, pupil, act.now)
    known = set(act.session.scalars(select(Person.id).where(Person.pupil == pupil)))
    spoke = {event.by.person for event in parts.ledger.history(act.session, pupil).known} if known else set()
    for one in stated:
        old = before.get(one.person)
        if one.person not in known or (old and one.mail == _newest(old)):
            kept = replace(one, mail=old.mail, following=old.following) if old else one
            keep_contact(parts.keystore, act.session, pupil, kept)
            continue
        careful = one.person in spoke and (old is None or one.mail != old.mail)
        if careful and second is None:
            where = {"/second_person": "Needed: an address changes of somebody who has said something."}
            raise RequestRefused("SECOND_NEEDED", 422, "Two members of staff change this address.", where)
        kept = one
        if careful and old:
            kept = replace(one, mail=old.mail, following=(one.mail, act.now + OBJECTION_TIME))
        keep_contact(parts.keystore, act.session, pupil, kept)
        _log(act, caller, pupil, kept, second if careful else None)
        _tell(parts, act, pupil, kept, {one.mail, *((old.mail, _newest(old)) if old else ())})


def _newest(contact: Contact) -> str:
    return contact.following[0] if contact.following else contact.mail


def _log(act: Act, caller: Caller, pupil: str, kept: Contact, second: str | None) -> None:
    record(
        act,
        Did.ADDRESS_CHANGED,
        staff(caller),
        outcome="granted",
        terms={
            "school": caller.school,
            "person": kept.person,
            "second": f"{caller.school}.{second}" if second else None,
            "counts_from": print_time(_counts_from(kept, act.now)),
        },
        boards=[caller.board],
        pupil=pupil,
    )


def _tell(parts: Parts, act: Act, pupil: str, kept: Contact, mails: Iterable[str]) -> None:
    """Write to each address that is or was this person's. No message names another one: it may be a secret."""
    text = LATER if kept.following else AT_ONCE
    until = date_in_words(_counts_from(kept, act.now))
    for mail in sorted(mails):
        post(parts, act, pupil, replace(kept, mail=mail), text, until=until)


def _counts_from(kept: Contact, now: datetime) -> datetime:
    return kept.following[1] if kept.following else now
