"""Invitations: how somebody who decides gets in, with a token of 256 bits that only the outbox ever carries.

A token is `id.secret`. The id finds the row, the secret is compared in constant time; a wrong one costs one of five
attempts. The id is of 128 bits and stands in no answer, the school's neither: so nobody else can use up a family's
attempts, and whoever guesses without an id uses up nobody's. A token is bound to one person, one transfer and one end;
alone it recognises somebody at the lowest level.

What the row holds of the secret is HMAC-SHA-256 under the person's contact key over `"overdracht/v1/invitation" 0x00 ||
lp(id, transfer, person, end, secret)`. That key is in the key store: who can write in the main database alone can
neither make an invitation nor lead one to another person, transfer or time.
"""

import hmac
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy import delete, select, update

from consent.db import reading, writing
from consent.errors import Destroyed
from consent.events import Author
from consent.fields import print_time
from consent.guardians import speakers
from consent.journal import Act
from consent.terms import Level, Role
from crypto.encoding import b64, lp
from handover.accesslog import Did, record, staff
from handover.errors import RequestRefused, not_found
from handover.idempotency import Answer, Once, carry_out
from handover.notices import date_in_words
from handover.outbox import deliver, post
from handover.parts import Caller, Parts
from handover.people import CONTACT, Contact, reachable
from handover.tables import Invitation, Transfer
from handover.transfers import boards_of, of_side, pupil_of, still_open, time

VALID_FOR: Final = timedelta(days=14)
ATTEMPTS: Final = 5
_CONTEXT: Final = b"overdracht/v1/invitation\0"


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who came in with a token: who, about which transfer of which pupil."""

    invitation: str
    person: str
    role: Role
    transfer: str
    pupil: str

    @property
    def actor(self) -> Author:
        """This visitor as the ledger names those who answer."""
        return Author(self.person, self.role, Level.LOW)


def invite(parts: Parts, caller: Caller, once: Once, transfer: str, person: str) -> Answer:
    """Invite one person to one transfer. No answer holds any of the token; a new one ends the earlier one."""
    pupil = pupil_of(parts, caller, transfer)

    def work(act: Act) -> Answer | RequestRefused:
        row = still_open(of_side(act.session, caller, transfer, "sender"))
        contact = reachable(parts, act, pupil).get(person)
        if contact is None:
            return RequestRefused("PERSON_UNKNOWN", 422, "Not a person of this pupil.", {"/person": "Unknown here."})
        invited = issue(parts, act, row, contact, "invitation")
        record(
            act,
            Did.INVITED,
            staff(caller),
            outcome="granted",
            terms={"school": caller.school, "transfer": transfer, "person": person},
            boards=boards_of(act.session, row),
            pupil=pupil,
        )
        return {"person": person, "expires_at": time(invited.expires_at)}

    answer = carry_out(parts, once, lambda: parts.journal.act(pupil=pupil), work)
    deliver(parts)
    return answer


def issue(parts: Parts, act: Act, transfer: Transfer, contact: Contact, text: str, **words: str) -> Invitation:
    """Make a new invitation, the only one of this person to this transfer, and send its token with a text."""
    identifier, secret = b64(secrets.token_bytes(16)), b64(secrets.token_bytes(32))
    same = (Invitation.transfer == transfer.id) & (Invitation.person == contact.person)
    act.session.execute(delete(Invitation).where(same))
    made = Invitation(
        id=identifier,
        transfer=transfer.id,
        person=contact.person,
        expires_at=act.now + VALID_FOR,
        attempts_left=ATTEMPTS,
        sent_at=act.now,
    )
    made.secret_hash = _hash(parts, made, secret)
    act.session.add(made)
    until = date_in_words(made.expires_at)
    post(parts, act, transfer.pupil, contact, text, token=f"{identifier}.{secret}", until=until, **words)
    return made


def admit(parts: Parts, token: str) -> Visitor:
    """Let in whoever holds a live token. Every other token gets one answer, and a wrong secret costs an attempt."""
    identifier, _, secret = token.partition(".")
    with reading(parts.main) as session:
        of_token = select(Invitation, Transfer.pupil).join(Transfer, Transfer.id == Invitation.transfer)
        found = session.execute(of_token.where(Invitation.id == identifier)).one_or_none()
    if found is None:
        raise not_found()
    row, pupil = found
    if row.attempts_left < 1 or row.expires_at <= parts.clock():
        raise not_found()
    try:
        known = hmac.compare_digest(row.secret_hash, _hash(parts, row, secret))
    except Destroyed:  # this person's contact has ended, and the token with it
        raise not_found() from None
    if not known:
        _count_attempt(parts, identifier)
        raise not_found()
    with reading(parts.main) as session:
        events = parts.ledger.history(session, pupil).known
    role = speakers(events, pupil, parts.clock()).get(row.person)
    if role is None:  # taken out since, or the child is 18: the token ends with the voice (bad case A10)
        raise not_found()
    return Visitor(identifier, row.person, role, row.transfer, pupil)


def _count_attempt(parts: Parts, identifier: str) -> None:
    lowered = update(Invitation).where(Invitation.id == identifier, Invitation.attempts_left > 0)
    with writing(parts.main) as session:
        session.execute(lowered.values(attempts_left=Invitation.attempts_left - 1))


def _hash(parts: Parts, row: Invitation, secret: str) -> bytes:
    said = (row.id, row.transfer, row.person, print_time(row.expires_at), secret)
    key = parts.keystore.key(CONTACT, row.person)
    return hmac.digest(key, _CONTEXT + lp(*(part.encode("ascii", "replace") for part in said)), "sha256")
