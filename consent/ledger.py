"""The consent ledger: the book of the journal that says who decided what about a pupil, and the rule put to it.

Everything happens inside an act of the journal, which holds the pupil's lock and has read the clock after it; so what
`ask` answers was true when nobody else could write. State is derived from the events each time, never kept beside them.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Final

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from consent.entry import Actor, Entry, Opened, Told
from consent.errors import Destroyed, EventRefused, IntegrityBroken, KeyConflict, KeyUnknown, RecordRefused
from consent.events import Author, Draft, Event, Kind, UnknownEvent, from_terms, new_id, to_terms
from consent.fields import by_terms, read_by
from consent.guardians import AMSTERDAM, keeps_voice, speakers
from consent.journal import Act, Journal
from consent.reasons import Reason
from consent.rule import Granted, Question, Refused, decide
from consent.tables import JournalBoard, Pupil, core
from consent.terms import EMERGENCY_LASTS, FAMILY_ROLES, Collected, Level, Policy, Role, Ruling, is_school

BOOK: Final = "ledger"

_NEWEST_POLICY = (
    select(JournalBoard.index)
    .where(JournalBoard.board == bindparam("board"), JournalBoard.type == int(Kind.POLICY))
    .order_by(JournalBoard.index.desc())
    .limit(1)
)
_BOARD_OF = select(core(Pupil).c.board).where(core(Pupil).c.id == bindparam("pupil"))


class Refusal(StrEnum):
    """Why an event may not be recorded."""

    LEDGER_INTEGRITY = "the ledger of this pupil doesn't hold together"
    ROLE = "nobody records this kind of event in this role"
    NOT_A_SPEAKER = "this person doesn't speak for the pupil in this role"
    EVIDENCE_MISSING = "an answer that staff took down needs its paper and a witness"
    REFERENCE = "it refers to an event that isn't there, or is another's"
    ALREADY_DECIDED = "the objection or the request was decided"
    SECOND_NEEDED = "it needs a second person"
    IN_FUTURE = "it was checked or born after today"
    REMOVAL_UNPROVEN = "a holder whose no stands is taken out only with evidence, a second person and a notice"
    STANDS_FOR = "a court stands in for a present holder"
    ALREADY_OVER = "its time was over before it was recorded"
    TOO_LONG = "an emergency lasts 72 hours at most"


STAFF: Final = frozenset({Role.STAFF})

WHO: Final[dict[Kind, frozenset[Role]]] = {
    Kind.GRANT: FAMILY_ROLES,
    Kind.REFUSE: FAMILY_ROLES,
    Kind.WITHDRAW: FAMILY_ROLES,
    Kind.INZAGE: FAMILY_ROLES,
    Kind.VIEW: FAMILY_ROLES,
    Kind.OBJECT: FAMILY_ROLES,
    Kind.RESTRICT: FAMILY_ROLES | STAFF,
    Kind.OBJECTION_DECIDED: STAFF,
    Kind.APPLIED: STAFF,  # of the receiver; its door sees to that
    Kind.STATUTORY: STAFF,
    Kind.HOLD: STAFF,
    Kind.CUSTODY: STAFF,
    Kind.COURT: frozenset({Role.COURT}),
    Kind.SUCCESSOR: STAFF,
    Kind.EMERGENCY: STAFF,
    Kind.POLICY: STAFF,
    Kind.REQUEST: FAMILY_ROLES,
    Kind.REQUEST_DECIDED: STAFF,
    Kind.ROLLBACK: STAFF,  # of the operator and an FG; `handover admin restore` sees to that
}
"""In which roles a kind of event is recorded."""


@dataclass(frozen=True, slots=True)
class History:
    """A pupil's events in the order of the journal, and the newest running number that anybody acknowledged."""

    events: tuple[Event | UnknownEvent, ...]
    newest_number: int

    @property
    def known(self) -> tuple[Event, ...]:
        """Return the events of a schema version that is understood."""
        return tuple(event for event in self.events if isinstance(event, Event))

    @property
    def whole(self) -> bool:
        """Tell whether there are as many events as were numbered."""
        return len(self.events) == self.newest_number


@dataclass(frozen=True, slots=True)
class Ledger:
    """The ledger in one journal."""

    journal: Journal

    def record(self, act: Act, draft: Draft, boards: tuple[str, ...], told: Mapping[str, Told] | None = None) -> Event:
        """Record an event within an act that holds its pupil's lock; `boards` see it whole, others hear what is `told`.

        The same idempotency key with the same content gives the event that is there. Nothing is written when this
        raises, so the act may go on and log that it was refused.

        Raises:
            EventRefused: the draft breaks the form of its kind.
            RecordRefused: this person may not record it, or not now; `reason` is a name of `Refusal`.
            KeyConflict: the key stands for another content.
            Destroyed: the pupil was erased.
        """
        event_id = new_id(act.now)
        terms = to_terms(draft, event_id)
        number = 0
        if draft.subject is not None:
            history = self._sound_history(act.session, draft.subject)
            for event in history.known:
                if event.key == draft.key:
                    act.repeated = True
                    return _same_again(event, draft)
            number = history.newest_number + 1
            _check_may_record(draft, history.known, act)
        elif draft.by.role not in WHO[draft.kind]:
            raise RecordRefused(Refusal.ROLE.name)
        appended = act.append(
            Entry(
                book=BOOK,
                type=int(draft.kind),
                pupil=draft.subject,
                actor=_actor(draft.by),
                terms=terms,
                boards=boards,
                sections=tuple(map(str, draft.sections or ())),
                ground=None if draft.ground is None else str(draft.ground),
                numbered=draft.subject is not None,
                school=_school(draft.by),
                told=told or {},
            )
        )
        said = {field.name: getattr(draft, field.name) for field in fields(Draft)}
        return Event(**said, id=event_id, number=number, index=appended.index, recorded_at=act.now)

    def history(self, session: Session, pupil: str) -> History:
        """Read a pupil's events.

        Raises:
            IntegrityBroken, EventRefused: an entry doesn't open, or isn't what was committed to.
            Destroyed: the pupil was erased.
            KeyUnknown: there is no such pupil.
        """
        return self._history(session, pupil, self.journal.of_pupil(session, pupil, BOOK))

    def _history(self, session: Session, pupil: str, entries: Sequence[Opened]) -> History:
        events = tuple(map(_event, entries))
        numbers = [event.number for event in events]
        return History(events, max([self.journal.newest_number(session, pupil), *numbers]))

    def histories(self, session: Session, pupils: Collection[str]) -> dict[str, History | None]:
        """Read the events of several pupils at once.

        None stands for a pupil whose events don't hold together or aren't all there; who was erased is left out.
        """
        found = self.journal.of_pupils(session, pupils, BOOK)
        return {pupil: self._whole(session, pupil, entries) for pupil, entries in found.items()}

    def _whole(self, session: Session, pupil: str, entries: Sequence[Opened] | None) -> History | None:
        if entries is None:
            return None
        try:
            history = self._history(session, pupil, entries)
        except EventRefused:
            return None
        return history if history.whole else None

    def ask(self, act: Act, question: Question, policy: Policy) -> Granted | Refused:
        """Put a question to the rule, within an act that holds the pupil's lock.

        Never says yes on a broken ledger, on entries that aren't those that the journal's head is signed over, nor
        while entries of the pupil's board are missing.
        """
        try:
            history = self.history(act.session, question.subject)
            self.journal.check_signed(act.session, [event.index for event in history.events])
            board = act.session.connection().execute(_BOARD_OF, {"pupil": question.subject}).scalar_one()
            self._check_board(act.session, board)
        except Destroyed:
            return Refused(Reason.SUBJECT_ERASED)
        except (IntegrityBroken, EventRefused, KeyUnknown):
            return Refused(Reason.LEDGER_INTEGRITY)
        return decide(question, history.events, history.newest_number, policy, act.now, self.journal.first)

    def policy_of(self, session: Session, board: str) -> Event | None:
        """Find a board's present POLICY: the policy stands in `.policy`, the place to freeze it by in `.index`.

        Raises `IntegrityBroken` while entries of the board are missing: a newer POLICY may be among them.
        """
        self._check_board(session, board)
        index = session.scalar(_NEWEST_POLICY, {"board": board})
        return None if index is None else self.policy_at(session, index)

    def policy_at(self, session: Session, index: int) -> Event:
        """Read the POLICY at an index, as a transfer froze it when it opened.

        Raises:
            IntegrityBroken: no POLICY stands there, or the entry contradicts its leaf.
            EventRefused: its terms aren't of their form.
        """
        event = _event(self.journal.read(session, index))
        if not isinstance(event, Event) or event.policy is None:
            raise IntegrityBroken("not a policy", index)
        return event

    def _check_board(self, session: Session, board: str) -> None:
        for first, last in self.journal.missing(session, [board]).values():
            raise IntegrityBroken(f"entries of a board are missing among its numbers {first} to {last}")

    def _sound_history(self, session: Session, pupil: str) -> History:
        try:
            history = self.history(session, pupil)
        except (IntegrityBroken, EventRefused):
            raise RecordRefused(Refusal.LEDGER_INTEGRITY.name) from None
        if not history.whole:
            raise RecordRefused(Refusal.LEDGER_INTEGRITY.name)
        return history


_UNKNOWN_STAFF = Author("", Role.STAFF, Level.LOW)
"""Stands for a member of staff whose key was destroyed."""


def _actor(by: Author) -> Actor:
    return Actor("staff" if by.role is Role.STAFF else "family", by.person, by_terms(by))


def _school(by: Author) -> str | None:
    """Give the school of a member of staff, whose pseudonym begins with it."""
    school = by.person.partition(".")[0]
    return school if by.role is Role.STAFF and is_school(school) else None


def _event(opened: Opened) -> Event | UnknownEvent:
    by = _UNKNOWN_STAFF if opened.actor is None else read_by(opened.actor.id, dict(opened.actor.details))
    return from_terms(
        opened.type,
        opened.terms,
        subject=opened.pupil,
        by=by,
        number=opened.number or 0,
        index=opened.index,
        recorded_at=opened.recorded_at,
    )


def _same_again(event: Event, draft: Draft) -> Event:
    if event.by != draft.by or event.kind is not draft.kind or to_terms(draft, event.id) != event.to_terms():
        raise KeyConflict("this idempotency key stands for another event")
    return event


# ---- who may record what: each check names what is wrong, or nothing


def _check_may_record(draft: Draft, events: Sequence[Event], act: Act) -> None:
    """Refuse what this actor may not record now."""
    for check in (_role, _evidence, _references, *_CHECKS.get(draft.kind, ())):
        refusal = check(draft, events, act)
        if refusal is not None:
            raise RecordRefused(refusal.name)


def _role(draft: Draft, events: Sequence[Event], act: Act) -> Refusal | None:
    if draft.by.role not in WHO[draft.kind]:
        return Refusal.ROLE
    if draft.by.role in FAMILY_ROLES:
        speaking = speakers(events, draft.subject or "", act.now)
        if speaking.get(draft.by.person) is not draft.by.role:
            return Refusal.NOT_A_SPEAKER
    return None


def _evidence(draft: Draft, events: Sequence[Event], act: Act) -> Refusal | None:
    """Staff never enter an answer for a family without its paper and a witness."""
    taken_down = draft.collected not in (None, Collected.ONLINE) or draft.witness is not None
    if taken_down and (draft.witness is None or draft.scan is None):
        return Refusal.EVIDENCE_MISSING
    return None


_REFERRED: Final[dict[str, dict[Kind, frozenset[Kind]]]] = {
    "adds": {Kind.GRANT: frozenset({Kind.GRANT})},
    "withdraws": {
        Kind.RESTRICT: frozenset({Kind.RESTRICT}),
        Kind.HOLD: frozenset({Kind.HOLD}),
        Kind.EMERGENCY: frozenset({Kind.EMERGENCY}),
    },
    "objection": {Kind.OBJECTION_DECIDED: frozenset({Kind.OBJECT})},
    "request": {Kind.REQUEST_DECIDED: frozenset({Kind.REQUEST})},
}


def _references(draft: Draft, events: Sequence[Event], act: Act) -> Refusal | None:
    by_id = {event.id: event for event in events}
    for name, kinds in _REFERRED.items():
        wanted = getattr(draft, name)
        if wanted is None:
            continue
        found = by_id.get(wanted)
        if found is None or found.kind not in kinds[draft.kind]:
            return Refusal.REFERENCE
        if draft.by.role in FAMILY_ROLES and found.by.person != draft.by.person:
            return Refusal.REFERENCE
    return None


def _objection_open(draft: Draft, events: Sequence[Event], act: Act) -> Refusal | None:
    decided = {event.objection for event in events}
    return Refusal.ALREADY_DECIDED if draft.objection in decided else None


def _request_open(draft: Draft, events: Sequence[Event], act: Act) -> Refusal | None:
    rulings = [event.ruling for event in events if event.request == draft.request]
    again = Ruling.EXTENDED in rulings and draft.ruling is Ruling.EXTENDED  # longer once (AVG art. 12(3))
    return Refusal.ALREADY_DECIDED if again or set(rulings) - {Ruling.EXTENDED} else None


def _lifted_by_two(draft: Draft, events: Sequence[Event], act: Act) -> Refusal | None:
    lifting = draft.withdraws is not None and draft.by.role is Role.STAFF
    return Refusal.SECOND_NEEDED if lifting and draft.second is None else None


def _checked_and_born(draft: Draft, events: Sequence[Event], act: Act) -> Refusal | None:
    today = act.now.astimezone(AMSTERDAM).date()
    if any(day is not None and day > today for day in (draft.checked_on, draft.birth_date)):
        return Refusal.IN_FUTURE
    births = [event.birth_date for event in events if event.kind is Kind.CUSTODY]
    if births and births[-1] != draft.birth_date and (draft.second is None or draft.evidence is None):
        return Refusal.SECOND_NEEDED
    return Refusal.REMOVAL_UNPROVEN if keeps_voice(events, draft) else None


def _for_a_holder(draft: Draft, events: Sequence[Event], act: Act) -> Refusal | None:
    present = speakers(events, draft.subject or "", act.now)
    held = draft.stands_for in present and present[draft.stands_for] is not Role.PUPIL
    return None if held else Refusal.STANDS_FOR


def _not_over(draft: Draft, events: Sequence[Event], act: Act) -> Refusal | None:
    return Refusal.ALREADY_OVER if draft.valid_until is not None and draft.valid_until <= act.now else None


def _not_too_long(draft: Draft, events: Sequence[Event], act: Act) -> Refusal | None:
    too_long = draft.valid_until is not None and draft.valid_until - act.now > EMERGENCY_LASTS
    return Refusal.TOO_LONG if too_long else None


_CHECKS: Final[dict[Kind, tuple[Callable[[Draft, Sequence[Event], Act], Refusal | None], ...]]] = {
    Kind.GRANT: (_not_over,),
    Kind.OBJECTION_DECIDED: (_objection_open,),
    Kind.REQUEST_DECIDED: (_request_open,),
    Kind.RESTRICT: (_lifted_by_two,),
    Kind.HOLD: (_lifted_by_two,),
    Kind.CUSTODY: (_checked_and_born,),
    Kind.COURT: (_for_a_holder, _not_over),
    Kind.EMERGENCY: (_not_over, _not_too_long),
}
