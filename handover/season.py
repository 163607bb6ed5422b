"""The season: who hasn't answered yet, per class, and the reminders that go to them.

A transfer is in the season while it is open and the receiver hasn't acknowledged it. Somebody is silent whose answer it
still needs: a yes or no to each section that is asked of this person, or inzage of the present version of each section
that the law sends. Where it isn't known who holds gezag nobody is, and the list says so. Who was invited is reminded
after 5 and after 10 days; the reminder holds no code, it names the day of the mail that does.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from consent.answers import Scope, is_live, present, scope_of, successors
from consent.db import reading
from consent.errors import Destroyed, EventRefused, IntegrityBroken, PupilUnknown
from consent.events import Event, Kind
from consent.guardians import family
from consent.journal import Act
from consent.overview import Answer as Said
from consent.overview import Person, overview
from consent.rule import confirmed
from consent.tables import Pupil
from consent.terms import Ground, Policy, Section
from handover.accesslog import SERVICE, Did, record, staff
from handover.bundles import newest, versions_of
from handover.errors import NotTheirs
from handover.idempotency import Answer, Once, carry_out
from handover.logs import log
from handover.notices import date_in_words
from handover.outbox import deliver, post
from handover.parts import Caller, Parts
from handover.people import child_of, own_pupil, reachable
from handover.question import requirements
from handover.tables import Bundle, Invitation, Transfer
from handover.transfers import boards_of, policy_of, purpose_of, time

REMINDED_AFTER: Final = (timedelta(days=5), timedelta(days=10))
"""How long after an invitation each reminder goes."""

PAGE: Final = 50
BATCH: Final = 100

_OWED: Final = frozenset({Said.NONE, Said.ENDED, Said.SUSPENDED})
_IN_SEASON: Final = and_(Transfer.cancelled_at.is_(None), Transfer.received_at.is_(None))


def set_group(parts: Parts, caller: Caller, once: Once, pupil: str, group: str | None) -> Answer:
    """Note in which class a pupil is now, or that it is in none."""
    return _note(parts, caller, once, pupil, Did.GROUP_SET, group=group)


def flag(parts: Parts, caller: Caller, once: Once, pupil: str, *, colleague: bool) -> Answer:
    """Note that a parent of the pupil works at the school, or no longer: who asks for this file is worth a look."""
    return _note(parts, caller, once, pupil, Did.PUPIL_FLAGGED, colleague=colleague)


def _note(parts: Parts, caller: Caller, once: Once, pupil: str, did: Did, **noted: str | bool | None) -> Answer:
    def work(act: Act) -> Answer:
        row = own_pupil(act.session, caller, pupil)
        row.sealed = replace(child_of(parts.keystore, row), **noted).seal(parts.keystore, pupil)  # type: ignore[arg-type]
        terms = {"school": caller.school}
        record(act, did, staff(caller), outcome="granted", terms=terms, boards=[caller.board], pupil=pupil)
        return {"pupil": pupil}

    with reading(parts.main) as session:
        own_pupil(session, caller, pupil)  # before the lock: nobody holds up another board's pupil
    return carry_out(parts, once, lambda: parts.journal.act(pupil=pupil), work)


# ---- who hasn't answered


def silent(parts: Parts, session: Session, row: Transfer, now: datetime) -> list[Person] | None:
    """Give who hasn't yet answered all that this transfer asks of them; None, while it isn't known who decides."""
    known = parts.ledger.history(session, row.pupil).known
    return owing(known, row, policy_of(parts, session, row), newest(session, row.id), now, parts.journal.first)


def owing(
    known: Sequence[Event], row: Transfer, policy: Policy, bundle: Bundle | None, now: datetime, suspended_below: int
) -> list[Person] | None:
    """Tell the same as `silent` from what was read of the transfer and of its pupil."""
    speaking = family(known, row.pupil, now, suspended_below)
    if speaking is None:
        return None
    needs, versions = requirements(policy, row), versions_of(bundle)
    scope = Scope(row.sender, row.receiver, purpose_of(row))
    ruled = _ruled(known, scope, now, suspended_below)

    def owes(person: Person) -> bool:
        asked = {section for section, need in needs.items() if need in (Ground.CONSENT, Ground.EXPLICIT_CONSENT)}
        open_ = {section for section in asked if person.answers[section] in _OWED}
        if person.decides and open_ - {section for stands_for, section in ruled if stands_for == person.id}:
            return True
        by_law = [section for section, need in needs.items() if need is Ground.STATUTORY and section in versions]
        return person.id in speaking.readers and any(person.shown.get(name) != versions[name] for name in by_law)

    told = overview(known, row.pupil, scope, now, suspended_below)
    return [person for person in told.persons if owes(person)]


def _ruled(
    known: Sequence[Event], scope: Scope, now: datetime, suspended_below: int
) -> set[tuple[str | None, Section]]:
    """Give in whose place a court has decided on which section, as far as that counts now."""
    chain = successors(known)
    here = present(scope, chain)
    rulings = [event for event in confirmed(known, suspended_below) if event.kind is Kind.COURT]
    return {
        (event.stands_for, section)
        for event in rulings
        if scope_of(event, chain) == here and is_live(event, now)
        for section in event.sections or ()
    }


@dataclass(frozen=True, slots=True, order=True)
class _Place:
    """Where a transfer stands in the list: by class, those without one last; then by age."""

    no_group: bool
    group: str
    opened_at: datetime
    transfer: str

    @classmethod
    def of(cls, parts: Parts, row: Transfer, pupil: Pupil) -> "_Place":
        group = child_of(parts.keystore, pupil).group
        return cls(group is None, group or "", row.opened_at, row.id)


def listing(parts: Parts, caller: Caller, group: str | None, cursor: str | None) -> Answer:
    """Show which of the school's transfers wait for whose answer, a page at a time, by class.

    One that isn't as it was opened is left out: nobody can answer it, and the sender's work list says why.
    """
    now = parts.clock()
    wanted = select(Transfer, Pupil).join(Pupil, Pupil.id == Transfer.pupil).where(Transfer.sender == caller.school)
    with reading(parts.main) as session:
        found = session.execute(wanted.where(_IN_SEASON, Pupil.erased.is_(False)))
        places = {_Place.of(parts, row, pupil): row for row, pupil in found}
        if cursor is not None:
            last = session.execute(wanted.where(Transfer.id == cursor, Pupil.erased.is_(False))).one_or_none()
            if last is None:
                raise NotTheirs
            places = {place: row for place, row in places.items() if place > _Place.of(parts, *last)}
        asked = sorted(place for place in places if group is None or place.group == group)
        page = []
        for place in asked[:PAGE]:
            with suppress(IntegrityBroken, EventRefused):
                page.append(_print(parts, session, place, places[place], now))
    following = asked[PAGE - 1].transfer if len(asked) > PAGE else None
    return {"transfers": [each for each in page if each["persons"] or not each["custody_known"]], "next": following}


def _print(parts: Parts, session: Session, place: _Place, row: Transfer, now: datetime) -> Answer:
    named = session.scalars(select(Invitation).where(Invitation.transfer == row.id))
    invited = {each.person: each for each in named}
    persons = silent(parts, session, row, now)
    return {
        "transfer": row.id,
        "pupil": row.pupil,
        "group": None if place.no_group else place.group,
        "receiver": row.receiver,
        "purpose": row.purpose,
        "opened_at": time(row.opened_at),
        "custody_known": persons is not None,
        "persons": [
            {"person": one.id, "role": str(one.role)} | _invited(invited.get(one.id), now) for one in persons or ()
        ],
    }


def _invited(row: Invitation | None, now: datetime) -> Answer:
    if row is None:
        return {"invited_at": None, "expired": False, "reminders": 0, "next_reminder": None}
    ended = row.expires_at <= now or row.attempts_left < 1
    left = None if ended or row.reminded >= len(REMINDED_AFTER) else row.sent_at + REMINDED_AFTER[row.reminded]
    return {
        "invited_at": time(row.sent_at),
        "expired": ended,
        "reminders": row.reminded,
        "next_reminder": time(left),
    }


# ---- reminders


def remind(parts: Parts) -> int:
    """Send each reminder that is due, once; gives how many. Safe with several running at once."""
    sent = sum(_remind(parts, invitation, pupil) for invitation, pupil in _due(parts))
    deliver(parts)
    return sent


def _due(parts: Parts) -> Iterator[tuple[str, str]]:
    """Give each invitation whose next reminder is due, with the pupil to lock, batch by batch."""
    now, last = parts.clock(), ""
    late = or_(
        *(
            and_(Invitation.reminded <= place, Invitation.sent_at <= now - after)
            for place, after in enumerate(REMINDED_AFTER)
        )
    )
    wanted = (
        select(Invitation.id, Transfer.pupil)
        .join(Transfer, Transfer.id == Invitation.transfer)
        .where(_IN_SEASON, late, Invitation.expires_at > now, Invitation.attempts_left > 0)
        .order_by(Invitation.id)
        .limit(BATCH)
    )
    while True:
        with reading(parts.main) as session:
            batch = session.execute(wanted.where(Invitation.id > last)).all()
        yield from batch
        if len(batch) < BATCH:
            return
        last = batch[-1][0]


def _remind(parts: Parts, invitation: str, pupil: str) -> bool:
    """Send one reminder unless nobody owes an answer any more, or the pupil was erased meanwhile.

    What of a pupil doesn't hold together holds up no other's reminder, nor the sweep.
    """
    try:
        with reading(parts.main) as session:  # most who were invited have answered: they cost no lock
            owed = _owed(parts, session, invitation, parts.clock())
        return bool(owed) and _remind_now(parts, invitation, pupil)
    except (Destroyed, PupilUnknown):
        pass
    except (IntegrityBroken, EventRefused) as problem:
        log().error("reminder_refused", error=type(problem).__name__)
    return False


def _remind_now(parts: Parts, invitation: str, pupil: str) -> bool:
    """Send one reminder if it is still due under the pupil's lock."""
    with parts.journal.act(pupil=pupil) as act:
        number = _owed(parts, act.session, invitation, act.now)
        if not number:
            return False
        row = act.session.get_one(Invitation, invitation)
        contact = reachable(parts, act, pupil).get(row.person)
        if contact is None:
            return False
        transfer = act.session.get_one(Transfer, row.transfer)
        row.reminded = number
        sent = date_in_words(row.sent_at + timedelta(microseconds=1))  # the day itself, though it began at midnight
        post(parts, act, pupil, contact, "reminder", sent=sent, until=date_in_words(row.expires_at))
        record(
            act,
            Did.REMINDED,
            SERVICE,
            outcome="granted",
            terms={"transfer": transfer.id, "person": row.person, "reminder": number},
            boards=boards_of(act.session, transfer),
            pupil=pupil,
        )
    return True


def _owed(parts: Parts, session: Session, invitation: str, now: datetime) -> int:
    """Say which reminder is due now: 1, 2, or 0 for none. Two that are due at once are one."""
    row = session.get(Invitation, invitation)
    if row is None or row.expires_at <= now:
        return 0
    number = sum(row.sent_at + after <= now for after in REMINDED_AFTER)
    transfer = session.get_one(Transfer, row.transfer)
    gone = transfer.cancelled_at is not None or transfer.received_at is not None
    if number <= row.reminded or gone:
        return 0
    return number if any(one.id == row.person for one in silent(parts, session, transfer, now) or ()) else 0
