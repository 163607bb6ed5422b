"""What is due now, by the retention table: found page by page, and looked at again under the lock.

A kind's candidates are selected from what stands in clear; where that says too little, each candidate is looked at in
the ledger. Whoever destroys asks `still` again inside the act that holds the pupil's lock: between finding and
destroying somebody may have sent, answered or restricted something.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias

from sqlalchemy import ColumnElement, Select, case, func, literal, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from consent import inventory
from consent.days import first_and_last
from consent.db import reading
from consent.errors import Destroyed, EventRefused, IntegrityBroken
from consent.events import Kind
from consent.guardians import family
from consent.ledger import History
from consent.owners import year_at
from consent.rule import Granted, decide
from consent.tables import JournalLookup, Pupil
from consent.terms import Section
from handover.accesslog import BOOK, Did
from handover.blobs import made_before
from handover.bundles import question_of
from handover.parts import Parts
from handover.retention import Kept, before, due, withdrawn_since, year_over
from handover.tables import Bundle, BundleSection, Person, Release, Transfer
from handover.transfers import policy_of, scope_of

Rows: TypeAlias = "Select[*tuple[Any, ...]]"
"""Candidates: id, pupil, and what the term counts from where that stands in clear."""

PAGE: Final = 500
STAFF_MAX: Final = 100_000
"""Most staff keys of one year that one sweep looks at."""

_HOUR: Final = "%Y%m%d%H"
_MOVES: Final = (Did.PUPIL_REGISTERED, Did.TRANSFER_OPENED, Did.TRANSFER_CANCELLED)


@dataclass(frozen=True, slots=True)
class Due:
    """Something that may be kept no longer from `at` on: its kind, its pseudonymous id, the pupil whose it is."""

    kept: Kept
    id: str
    at: datetime
    pupil: str | None = None


def pages(parts: Parts, kept: Kept, now: datetime) -> Iterator[list[Due]]:
    """Give everything of a kind that is due now, in pages; a page may be empty."""
    if kept is Kept.STAFF_RECORD:
        yield from _staff(parts, now)
    elif kept is Kept.ORPHAN:
        yield from _orphans(parts, now)
    else:
        yield from _found(parts, _KINDS[kept], kept, now)


def still(parts: Parts, session: Session, kept: Kept, ids: Iterable[str], now: datetime) -> set[str]:
    """Give those things of a kind that were found and are due now."""
    kind = _KINDS[kept]
    rows = session.execute(kind.candidates(before(kept, now)).where(kind.id.in_(list(ids)))).all()
    return {this.id for this in kind.closer(parts, session, kept, rows, now)}


def total(parts: Parts, kept: Kept) -> int:
    """Count what there is of a kind, due or not."""
    if kept is Kept.STAFF_RECORD:
        return inventory.count(parts.keystore, "person")
    if kept is Kept.ORPHAN:
        return sum(map(len, _stores(parts))) + sum(map(len, parts.blobs.pages()))
    with reading(parts.main) as session:
        return session.scalar(_KINDS[kept].total) or 0


@dataclass(frozen=True, slots=True)
class _Kind:
    """How a kind is found: by which id, among which rows (id, pupil, counted from), and with what closer look."""

    id: InstrumentedAttribute[str]
    candidates: Callable[[datetime], Rows]
    total: Select[int]
    closer: Callable[[Parts, Session, Kept, Sequence[Any], datetime], Iterator[Due]]


def _found(parts: Parts, kind: _Kind, kept: Kept, now: datetime) -> Iterator[list[Due]]:
    wanted, after = kind.candidates(before(kept, now)).order_by(kind.id).limit(PAGE), ""
    while True:
        with reading(parts.main) as session:
            rows = session.execute(wanted.where(kind.id > after)).all()
            found = list(kind.closer(parts, session, kept, rows, now))
        yield found
        if len(rows) < PAGE:
            return
        after = rows[-1][0]


def _as_they_are(parts: Parts, session: Session, kept: Kept, rows: Sequence[Any], now: datetime) -> Iterator[Due]:
    for identifier, pupil, counted_from in rows:
        yield Due(kept, identifier, due(kept, counted_from), pupil)


# ---- bundles

_LIVE: Final = (
    select(BundleSection.bundle)
    .where(BundleSection.bundle == Bundle.id, BundleSection.shred_since.is_(None))
    .correlate(Bundle)
    .exists()
)
_LIVE_BUNDLES: Final = select(func.count()).select_from(Bundle).where(_LIVE)


def _bundles(counted_from: ColumnElement[Any] | InstrumentedAttribute[Any]) -> Rows:
    return select(Bundle.id, Transfer.pupil, counted_from).join(Transfer, Transfer.id == Bundle.transfer).where(_LIVE)


def _superseded(moment: datetime) -> Rows:
    newer = aliased(Bundle)
    later = newer.transfer == Bundle.transfer, newer.number > Bundle.number
    replaced_at = select(func.min(newer.uploaded_at)).where(*later).correlate(Bundle).scalar_subquery()
    return _bundles(replaced_at).where(replaced_at < moment)


def _delivered(moment: datetime) -> Rows:
    received, uploaded = Transfer.received_at, Bundle.uploaded_at
    return _bundles(_later(received, uploaded)).where(received < moment, uploaded < moment)


def _expired(moment: datetime) -> Rows:
    return _bundles(Bundle.expires_at).where(Bundle.expires_at < moment)


def _undelivered(moment: datetime) -> Rows:
    return _bundles(Bundle.uploaded_at).where(Bundle.uploaded_at < moment, Transfer.received_at.is_(None))


def _any_live(moment: datetime) -> Rows:
    return _bundles(Bundle.uploaded_at)


def _later(one: Any, other: Any) -> ColumnElement[Any]:
    return case((one > other, one), else_=other)


def _withdrawn(parts: Parts, session: Session, kept: Kept, rows: Sequence[Any], now: datetime) -> Iterator[Due]:
    pupils = {row[1] for row in rows}
    days = first_and_last(session, parts.keystore, pupils, [Kind.WITHDRAW])
    last_day = before(kept, now).date()
    for identifier, pupil, _ in rows:
        if pupil in days and days[pupil][0] <= last_day:
            sections = withdrawn_sections(parts, session, identifier, now)
            if sections:
                yield Due(kept, identifier, min(sections.values()), pupil)


def withdrawn_sections(parts: Parts, session: Session, bundle: str, now: datetime) -> dict[Section, datetime]:
    """Give the sections of a bundle of which the share is due for a withdrawal, with since when.

    A section that the rule would release now is none of them, whatever was said before, nor one that somebody withdrew
    whose no doesn't stop it. Nothing is due in a ledger that doesn't hold together: whoever destroys will meet that.
    """
    row = session.get(Bundle, bundle)
    transfer = session.get(Transfer, row.transfer) if row else None
    if row is None or transfer is None:
        return {}
    with suppress(IntegrityBroken, EventRefused, Destroyed):
        history = parts.ledger.history(session, transfer.pupil)
        speakers = family(history.known, transfer.pupil, now, parts.journal.first)
        stopping = speakers.stopping if speakers else frozenset()
        counting = [event for event in history.known if event.by.person in stopping]
        found = {}
        for section in live_sections(session, bundle):
            since = withdrawn_since(counting, scope_of(transfer), section)
            ends = due(Kept.WITHDRAWN_SHARE, since) if since else None
            if ends and ends <= now and not _goes(parts, session, transfer, row, history, section, now):
                found[section] = ends
        return found
    return {}


def _goes(
    parts: Parts,
    session: Session,
    transfer: Transfer,
    bundle: Bundle,
    history: History,
    section: Section,
    now: datetime,
) -> bool:
    question, policy = question_of(transfer, bundle, (section,)), policy_of(parts, session, transfer)
    return isinstance(
        decide(question, history.events, history.newest_number, policy, now, parts.journal.first), Granted
    )


def live_sections(session: Session, bundle: str) -> list[Section]:
    """Give the sections of a bundle that are still here and weren't marked to be shredded."""
    return live_of(session, [bundle])[bundle]


def live_of(session: Session, bundles: Sequence[str]) -> dict[str, list[Section]]:
    """Give the live sections of several bundles, as `live_sections` does of one."""
    live = BundleSection.bundle.in_(bundles), BundleSection.shred_since.is_(None)
    found = set(map(tuple, session.execute(select(BundleSection.bundle, BundleSection.section).where(*live))))
    return {bundle: [section for section in Section if (bundle, section) in found] for bundle in bundles}


# ---- transfers

_UNRELEASED: Final = ~select(Release.index).where(Release.transfer == Transfer.id).correlate(Transfer).exists()
_TRANSFERS: Final = select(func.count()).select_from(Transfer)


def _cancelled(moment: datetime) -> Rows:
    wanted = select(Transfer.id, Transfer.pupil, Transfer.cancelled_at)
    return wanted.where(Transfer.cancelled_at < moment, _UNRELEASED)


def _silent(moment: datetime) -> Rows:
    newest = select(func.max(Bundle.uploaded_at)).where(Bundle.transfer == Transfer.id).correlate(Transfer)
    last = _later(newest.scalar_subquery(), Transfer.opened_at)
    wanted = select(Transfer.id, Transfer.pupil, last)
    return wanted.where(Transfer.cancelled_at.is_(None), last < moment, _UNRELEASED)


# ---- pupils


def _of_pupil(*more: ColumnElement[bool]) -> ColumnElement[bool]:
    return select(Transfer.id).where(Transfer.pupil == Pupil.id, *more).correlate(Pupil).exists()


_RELEASED: Final = _of_pupil(~_UNRELEASED)
_WAITING: Final = _of_pupil(Transfer.cancelled_at.is_(None), _UNRELEASED)
_LAST_RELEASE: Final = (
    select(func.max(Release.at)).join(Transfer, Transfer.id == Release.transfer).where(Transfer.pupil == Pupil.id)
).correlate(Pupil)
_PUPILS: Final = select(func.count()).select_from(Pupil).where(Pupil.erased.is_(False))
_REACHED: Final = select(func.count(Person.pupil.distinct())).where(Person.sealed.is_not(None))


def _released_pupils(moment: datetime) -> Rows:
    last = _LAST_RELEASE.scalar_subquery()
    return select(Pupil.id, Pupil.id, last).where(Pupil.erased.is_(False), ~_WAITING, last < moment)


def _idle_pupils(moment: datetime) -> Rows:
    return select(Pupil.id, Pupil.id, literal(0)).where(Pupil.erased.is_(False), ~_WAITING, ~_RELEASED)


def _contacts(moment: datetime) -> Rows:
    reached = select(Person.id).where(Person.pupil == Pupil.id, Person.sealed.is_not(None)).correlate(Pupil).exists()
    moved = or_(Transfer.opened_at >= moment, Transfer.cancelled_at >= moment, Transfer.received_at >= moment)
    sent = select(Bundle.id).where(Bundle.transfer == Transfer.id, Bundle.uploaded_at >= moment).exists()
    rested = ~_of_pupil(or_(moved, sent))
    return _released_pupils(moment).where(reached, rested)


def _contact_ends(parts: Parts, session: Session, kept: Kept, rows: Sequence[Any], now: datetime) -> Iterator[Due]:
    for pupil, _, released_at in rows:
        transfers = session.scalars(select(Transfer).where(Transfer.pupil == pupil)).all()
        moments = [moment for row in transfers for moment in (row.opened_at, row.cancelled_at, row.received_at)]
        of_these = Bundle.transfer.in_([row.id for row in transfers])
        moments += [released_at, session.scalar(select(func.max(Bundle.uploaded_at)).where(of_these))]
        moments.append(_last_end(parts, session, pupil, now))  # of a transfer that is forgotten by now
        ends = due(kept, max(moment for moment in moments if moment is not None))
        if ends <= now:
            yield Due(kept, pupil, ends, pupil)


def _unreleased_pupils(parts: Parts, session: Session, kept: Kept, rows: Sequence[Any], now: datetime) -> Iterator[Due]:
    last_day = before(kept, now).date()
    days = first_and_last(session, parts.keystore, [row[0] for row in rows], _MOVES)
    for pupil, (_, last) in sorted(days.items()):
        if last <= last_day and (ends := due(kept, _last_end(parts, session, pupil, now))) <= now:
            yield Due(kept, pupil, ends, pupil)


def _last_end(parts: Parts, session: Session, pupil: str, now: datetime) -> datetime:
    """Give when the last transfer of a pupil ended, or else when it was registered, as the journal has it."""
    try:
        entries = parts.journal.of_pupil(session, pupil, BOOK)
    except (IntegrityBroken, Destroyed):
        return now
    return max(
        entry.recorded_at
        for entry in entries
        if entry.type in _MOVES or (entry.type == Did.DESTROYED and entry.terms["what"] == Kept.SILENT_TRANSFER)
    )


_KINDS: Final[dict[Kept, _Kind]] = {
    Kept.SUPERSEDED_BUNDLE: _Kind(Bundle.id, _superseded, _LIVE_BUNDLES, _as_they_are),
    Kept.WITHDRAWN_SHARE: _Kind(Bundle.id, _any_live, _LIVE_BUNDLES, _withdrawn),
    Kept.DELIVERED_BUNDLE: _Kind(Bundle.id, _delivered, _LIVE_BUNDLES, _as_they_are),
    Kept.EXPIRED_BUNDLE: _Kind(Bundle.id, _expired, _LIVE_BUNDLES, _as_they_are),
    Kept.UNDELIVERED_BUNDLE: _Kind(Bundle.id, _undelivered, _LIVE_BUNDLES, _as_they_are),
    Kept.CANCELLED_TRANSFER: _Kind(Transfer.id, _cancelled, _TRANSFERS, _as_they_are),
    Kept.SILENT_TRANSFER: _Kind(Transfer.id, _silent, _TRANSFERS, _as_they_are),
    Kept.CONTACT: _Kind(Pupil.id, _contacts, _REACHED, _contact_ends),
    Kept.RELEASED_PUPIL: _Kind(Pupil.id, _released_pupils, _PUPILS, _as_they_are),
    Kept.UNRELEASED_PUPIL: _Kind(Pupil.id, _idle_pupils, _PUPILS, _unreleased_pupils),
}


# ---- what isn't a pupil's


def _staff(parts: Parts, now: datetime) -> Iterator[list[Due]]:
    with reading(parts.main) as session:
        first = session.scalar(select(func.min(JournalLookup.day)))
    for year in range(first.year if first else year_at(now), year_at(now)):
        ends = due(Kept.STAFF_RECORD, year_over(year))
        if ends <= now:
            yield [Due(Kept.STAFF_RECORD, owner, ends) for owner in parts.journal.staff_of(year, STAFF_MAX)]


def _orphans(parts: Parts, now: datetime) -> Iterator[list[Due]]:
    for column, found in ((Bundle.store, _stores(parts)), (BundleSection.object, parts.blobs.pages())):
        what = "share" if column is Bundle.store else "object"
        for page in found:
            old = [name for name in page if made_before(name, before(Kept.ORPHAN, now))]
            with reading(parts.main) as session:
                named = set(session.scalars(select(column).where(column.in_(old))))
            yield [Due(Kept.ORPHAN, f"{what}/{name}", _orphaned_at(name, now)) for name in old if name not in named]


def _stores(parts: Parts) -> Iterator[list[str]]:
    after = ""
    while page := inventory.stores(parts.keystore, after, PAGE):
        yield page
        after = page[-1]


def _orphaned_at(name: str, now: datetime) -> datetime:
    with suppress(ValueError):
        made = datetime.strptime(name[:10], _HOUR).replace(tzinfo=UTC)
        return due(Kept.ORPHAN, made + timedelta(hours=1))
    return now
