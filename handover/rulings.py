"""What a school says to a family's requests (AVG art. 12, 16 to 19): the list of open ones, decisions, reminders.

A request is answered by the school that sent the invitation through which it came. A correction counts as granted only
when each receiver has a version made after the request; an erasure only by two, and when nothing stops it. Who asked is
told of every decision, and the board's FG of what is due within a week or overdue, once each.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from consent.db import reading
from consent.entry import Opened
from consent.errors import EventRefused, IntegrityBroken
from consent.events import Draft, Event, Kind
from consent.journal import Act, Actor, Criteria
from consent.tables import Pupil
from consent.terms import Right, Role, Ruling
from crypto.encoding import JSON
from handover import erasure
from handover.accesslog import BOOK, SERVICE, Did, record, staff
from handover.asked import AT_ONCE, EXTENDED, Asked, asked, due_after
from handover.bundles import handed_out, newest
from handover.dpos import mails_of
from handover.errors import NotTheirs, RequestRefused
from handover.freezing import is_frozen
from handover.idempotency import Answer, Once, carry_out, earlier
from handover.insight import words_about
from handover.logs import log
from handover.notices import date_in_words
from handover.outbox import deliver, post, post_to_dpo, waiting_for
from handover.parts import Caller, Parts
from handover.people import reachable, staff_actor, told_at_once
from handover.proposals import Confirmed, Wanted, propose
from handover.proposed import Matter, Proposed
from handover.rights import print_asked, what_stops
from handover.tables import Board, Transfer, Words
from handover.transfers import boards_of, tell_receiver
from handover.words import keep_words, words_shown

PAGE: Final = 50
DAYS_BEFORE: Final = 7
LOOKED_BACK: Final = timedelta(days=180)
"""How far back reminders look: further than the longest term, and a sweep that didn't run for weeks."""

_Page = tuple[list[Opened], int | None]
_KINDS: Final = (Kind.REQUEST, Kind.OBJECT)
_DECIDED: Final = frozenset({Right.RECTIFICATION, Right.ERASURE})
_TEXTS: Final = {"due_soon": "request_due", "overdue": "request_overdue"}


def listing(parts: Parts, caller: Caller, before: int | None) -> Answer:
    """Show a page of the requests and objections that wait for the caller's school, and the restrictions in force.

    Newest first, from below the index `before`. A page looks at so many requests, and may show fewer.
    """
    with reading(parts.main) as session:
        page, following = _page(parts, session, caller.board, before)
        shown = []
        for pupil, one in _asked_of(parts, session, page):
            row = _transfer_of(session, one.event.id)
            if row is not None and row.sender == caller.school and (one.waits or one.state == "in_force"):
                words = words_about(parts, session, pupil)
                by = {"person": one.event.by.person, "role": str(one.event.by.role)}
                left = one.days_left(parts.clock()) if one.waits else None
                shown.append(print_asked(one, words) | by | {"pupil": pupil, "transfer": row.id, "days_left": left})
    words_shown(parts, caller, ((one["pupil"], one["transfer"], one["person"]) for one in shown if one["text"]))
    return {"requests": shown, "next": following}


def decide(parts: Parts, caller: Caller, once: Once, request: str, body: Mapping[str, Any]) -> Answer:
    """Record the school's decision on a request for correction or erasure, or that it needs longer; who asked is told.

    Granting an erasure takes two: it comes to a proposal. Raises RequestRefused: for one that isn't there or isn't this
    school's, that needs no decision, that can't be granted yet (NEW_VERSION_NEEDED, ERASURE_STOPPED), that was decided
    or can't be put off any more (TOO_LATE); and for an erasure in part (NOT_IN_PARTS).
    """
    if (told := earlier(parts, once)) is not None:
        return told
    with reading(parts.main) as session:
        row, one = own(parts, session, caller, request)
    if one.event.right is Right.ERASURE and body["ruling"] == Ruling.GRANTED:
        return _propose_erasure(parts, caller, once, row, request, body)

    def work(act: Act) -> Answer:
        return _decide(parts, act, caller, once, request, body)

    told = carry_out(parts, once, lambda: parts.journal.act(pupil=row.pupil), work)
    deliver(parts)
    return told


def _decide(parts: Parts, act: Act, caller: Caller, once: Once, request: str, body: Mapping[str, Any]) -> Answer:
    ruling, (row, one) = Ruling(body["ruling"]), own(parts, act.session, caller, request)
    if one.event.right not in _DECIDED:
        raise RequestRefused("NOTHING_TO_DECIDE", 409, "This was answered at once, or is decided elsewhere.")
    if one.event.right is Right.ERASURE and ruling is Ruling.PARTLY:
        where = {"/ruling": "Grant it, or refuse it and say in the reason what the family can do instead."}
        raise RequestRefused("NOT_IN_PARTS", 422, "An erasure takes the whole record: nothing goes in part.", where)
    longer = due_after(one.event.recorded_at, EXTENDED)
    if ruling is Ruling.EXTENDED and one.due <= act.now:
        raise RequestRefused("TOO_LATE", 409, "The term is over; it can't be made longer any more.")
    passes_on = one.event.right is Right.RECTIFICATION and ruling in (Ruling.GRANTED, Ruling.PARTLY)
    if passes_on:
        _all_have_a_newer_version(act, one)
    draft = Draft(
        kind=Kind.REQUEST_DECIDED,
        key=f"ruling-{request}-{once.key}",
        by=staff_actor(caller),
        subject=row.pupil,
        request=request,
        ruling=ruling,
        article=body.get("article"),
        valid_until=longer if ruling is Ruling.EXTENDED else None,
    )
    event = put_down(parts, act, row, draft, body["reason"])
    if ruling is Ruling.EXTENDED:
        tell(parts, act, one, "request_extended", until=date_in_words(longer))
    else:
        tell(parts, act, one, "request_decided")
    if passes_on:
        _pass_on(act, caller, row.pupil)
    return {"request": request, "event": event.id, "ruling": str(ruling)}


def _propose_erasure(
    parts: Parts, caller: Caller, once: Once, row: Transfer, request: str, body: Mapping[str, Any]
) -> Answer:
    """Propose that a request for erasure is granted: nothing is decided, and nobody told, before another agrees."""

    def look(act: Act) -> Mapping[str, JSON] | RequestRefused:
        return _may_be_erased(parts, act, own(parts, act.session, caller, request)[1]) or {}

    said = {"request": request, "reason": body["reason"], "article": body.get("article")}
    told = propose(parts, caller, once, Wanted(Matter.ERASURE, row.pupil, row.id, said), look)
    return {"request": request, "ruling": str(Ruling.GRANTED), **told}


def grant_erasure(parts: Parts, act: Act, caller: Caller, proposed: Proposed) -> Confirmed | RequestRefused:
    """Grant an erasure as it was proposed, and tell who asked. The record goes when this is in the journal."""
    said: Mapping[str, Any] = proposed.said
    row, one = own(parts, act.session, caller, said["request"])
    if refused := _may_be_erased(parts, act, one):
        return refused
    draft = Draft(
        kind=Kind.REQUEST_DECIDED,
        key=f"ruling-{proposed.id}",
        by=staff_actor(caller),
        subject=row.pupil,
        request=said["request"],
        ruling=Ruling.GRANTED,
        article=said["article"],
        second=proposed.by,
    )
    event = put_down(parts, act, row, draft, said["reason"])
    tell(parts, act, one, "request_decided")
    _tell_others(parts, act, one)
    answer = {"request": said["request"], "event": event.id, "ruling": str(Ruling.GRANTED)}
    return Confirmed(answer, {"event": event.id})


def remind(parts: Parts) -> int:
    """Write to the FGs what is due within a week, and once more what is overdue; gives how many were written."""
    now, written = parts.clock(), 0
    for board, pupil, one in _lately(parts):
        if one.waits and one.days_left(now) <= DAYS_BEFORE:
            written += _remind(parts, board, pupil, one.event.id)
    deliver(parts)
    return written


def finish(parts: Parts) -> int:
    """Carry out the erasures that were granted and not finished, because a process ended in between; gives how many.

    Nothing is erased beside a journal that isn't what it was.
    """
    if is_frozen(parts):
        return 0
    granted = [pupil for _, pupil, one in _lately(parts) if _is_to_be_erased(one)]
    return sum(erase(parts, pupil, SERVICE) for pupil in granted)


# ---- finding requests


def _page(parts: Parts, session: Session, board: str, before: int | None, since: date | None = None) -> _Page:
    """Give a board's newest requests and objections below an index, and where the next page begins."""
    found = [
        one
        for kind in _KINDS
        for one in parts.journal.search(session, board, Criteria(type=int(kind), since=since), before, PAGE)
    ]
    page = sorted(found, key=lambda one: one.index, reverse=True)[:PAGE]
    return [one.opened for one in page if one.opened], page[-1].index if len(page) == PAGE else None


def _asked_of(parts: Parts, session: Session, page: Iterable[Opened]) -> Iterator[tuple[str, Asked]]:
    """Give how each of these requests stands, with its pupil; what was answered at once is passed over.

    Of a pupil whose events don't hold together nothing is given: that holds up no other's request.
    """
    histories: dict[str, list[Asked]] = {}
    for opened in page:
        if opened.pupil is not None and opened.terms.get("right") not in AT_ONCE:
            if opened.pupil not in histories:
                histories[opened.pupil] = _asked_about(parts, session, opened.pupil)
            yield from ((opened.pupil, one) for one in histories[opened.pupil] if one.event.index == opened.index)


def _asked_about(parts: Parts, session: Session, pupil: str) -> list[Asked]:
    try:
        return asked(parts.ledger.history(session, pupil).known)
    except (IntegrityBroken, EventRefused) as problem:
        log().error("requests_refused", error=type(problem).__name__)
        return []


def _lately(parts: Parts) -> Iterator[tuple[str, str, Asked]]:
    """Give what was asked of every board as far as reminders look back: board, pupil, and how it stands."""
    since = (parts.clock() - LOOKED_BACK).date()
    with reading(parts.main) as session:
        boards = session.scalars(select(Board.code).order_by(Board.code)).all()
    for board in boards:
        before: int | None = None
        while True:
            with reading(parts.main) as session:
                page, before = _page(parts, session, board, before, since)
                found = list(_asked_of(parts, session, page))
            yield from ((board, pupil, one) for pupil, one in found)
            if before is None:
                break


def _transfer_of(session: Session, request: str) -> Transfer | None:
    words = session.get(Words, request)
    return None if words is None else session.get(Transfer, words.transfer)


def own(parts: Parts, session: Session, caller: Caller, request: str) -> tuple[Transfer, Asked]:
    """Give a request that the caller's school answers; raises the one answer for absent and foreign."""
    row = _transfer_of(session, request)
    if row is not None and row.sender == caller.school:
        for one in asked(parts.ledger.history(session, row.pupil).known):
            if one.event.id == request:
                return row, one
    raise NotTheirs


# ---- deciding


def _tell_others(parts: Parts, act: Act, one: Asked) -> None:
    """Tell the others whom a record is about that it goes now, as far as they heard of the request: not a pupil's."""
    if one.event.by.role is not Role.PUPIL:
        for contact in told_at_once(parts, act, one.event.subject or "").values():
            if contact.person != one.event.by.person:
                post(parts, act, None, contact, "erased")


def _all_have_a_newer_version(act: Act, one: Asked) -> None:
    rows = _handed_out(act.session, one.event.subject or "")
    old = [row.id for row in rows if row.cancelled_at is None and not _is_newer(act.session, row, one.event)]
    if old:
        where = {f"/transfers/{transfer}": "Its newest bundle is older than the request." for transfer in old}
        raise RequestRefused("NEW_VERSION_NEEDED", 409, "Send each receiver a corrected version first.", where)


def _may_be_erased(parts: Parts, act: Act, one: Asked) -> RequestRefused | None:
    pupil = one.event.subject or ""
    if not one.waits:
        return RequestRefused("ALREADY_DECIDED", 409, "This request was decided.")
    if is_frozen(parts):
        return RequestRefused("FROZEN", 503, "Nothing is erased until the operator has restored the journal.")
    if found := what_stops(parts, act, pupil, parts.ledger.history(act.session, pupil).known):
        where = {f"/stops/{stop.kind}": f"{stop.said.en} ({stop.basis})" for stop in found}
        return RequestRefused("ERASURE_STOPPED", 409, "The law says to keep this for now.", where)
    return None


def _handed_out(session: Session, pupil: str) -> list[Transfer]:
    rows = session.scalars(select(Transfer).where(Transfer.pupil == pupil).order_by(Transfer.id))
    return [row for row in rows if handed_out(session, row.id)]


def _is_newer(session: Session, row: Transfer, request: Event) -> bool:
    bundle = newest(session, row.id)
    return bundle is not None and bundle.uploaded_at > request.recorded_at


def _pass_on(act: Act, caller: Caller, pupil: str) -> None:
    """Tell each receiver's board that what it got was corrected (AVG art. 19); its inbox shows `superseded`."""
    for row in _handed_out(act.session, pupil):
        record(
            act,
            Did.CORRECTION_PASSED_ON,
            staff(caller),
            outcome="granted",
            terms={"transfer": row.id},
            boards=boards_of(act.session, row),
            told=tell_receiver(act.session, row, "granted", "terms"),
            pupil=pupil,
        )


def put_down(parts: Parts, act: Act, row: Transfer, draft: Draft, reason: str) -> Event:
    """Record what the school decided, with its reason."""
    event = parts.ledger.record(act, draft, boards_of(act.session, row))
    keep_words(parts, act, row, event.id, reason)
    return event


def tell(parts: Parts, act: Act, one: Asked, text: str, **words: str) -> None:
    """Write to who asked; what tells of an erasure doesn't go with the pupil's record."""
    pupil = one.event.subject or ""
    contact = reachable(parts, act, pupil).get(one.event.by.person)
    if contact is not None:
        post(parts, act, None if one.event.right is Right.ERASURE else pupil, contact, text, **words)


def _is_to_be_erased(one: Asked) -> bool:
    return one.event.right is Right.ERASURE and one.state == Ruling.GRANTED


def erase(parts: Parts, pupil: str, actor: Actor) -> int:
    """Erase a pupil whose erasure was granted; gives how many were, which is none where something stops it by now."""
    deliver(parts)  # what was written to the family stands under keys that go now
    with parts.journal.act(pupil=pupil) as act:
        if act.session.get_one(Pupil, pupil).erased or waiting_for(act, pupil):
            return 0
        if is_frozen(parts) or what_stops(parts, act, pupil, parts.ledger.history(act.session, pupil).known):
            return 0  # since it was granted something was released, or frozen: a later sweep looks again
        erased = erasure.erase(parts, act, pupil, actor, "AVG art. 17")
    erasure.finish(parts, erased)
    return 1


# ---- reminding


def _remind(parts: Parts, board: str, pupil: str, request: str) -> int:
    """Write to a board's FGs about one request, unless they have been told, or it was decided meanwhile."""
    with parts.journal.act(pupil=pupil) as act:
        mails = mails_of(parts, act.session, board)
        if act.session.get_one(Pupil, pupil).erased or not mails:
            return 0
        known = parts.ledger.history(act.session, pupil).known
        one = next(each for each in asked(known) if each.event.id == request)
        when = "overdue" if one.due <= act.now else "due_soon"
        terms: dict[str, JSON] = {"request": request, "when": when}
        entries = parts.journal.of_pupil(act.session, pupil, BOOK)
        if not one.waits or terms in [dict(entry.terms) for entry in entries if entry.type == Did.REQUEST_REMINDED]:
            return 0
        for owner, mail in sorted(mails.items()):
            post_to_dpo(parts, act, owner, mail, _TEXTS[when], until=date_in_words(one.due), request=request)
        record(act, Did.REQUEST_REMINDED, SERVICE, outcome=when, terms=terms, boards=[board], pupil=pupil)
        return 1
