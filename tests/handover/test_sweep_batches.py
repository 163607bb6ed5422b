"""Bundles that are shredded together: what keeps one of them keeps no other, and each is said by itself."""

from datetime import timedelta

from sqlalchemy import delete, select, update

from consent.db import reading
from consent.events import Kind
from consent.tables import JournalLookup
from handover.accesslog import Did
from handover.bundles import mark, shred
from handover.destruction import Ended
from handover.retention import HeldBy, Kept, due
from handover.tables import Bundle, BundleSection
from tests.handover.story import Case, Story
from tests.handover.test_sweep import kept_of, record, rows, swept_at
from tests.region import now


def hide_an_event(case: Case) -> None:
    """Take an event of a pupil out of sight, as an owner of the database could: perhaps it was a hold."""
    parts = case.story.region.parts
    with reading(parts.main) as session:
        (custody,) = [e for e in parts.ledger.history(session, case.child.pupil).known if e.kind is Kind.CUSTODY]
    with parts.main.begin() as connection:
        connection.execute(update(JournalLookup).where(JournalLookup.index == custody.index).values(pupil_tag=None))


def test_of_bundles_that_are_due_together_each_goes_or_stays_by_itself(lite: Story) -> None:
    """J2, J3, K1: one is held, one pupil's ledger misses an event, one goes."""
    parts, end = lite.region.parts, now().replace(microsecond=0) + timedelta(days=10)
    held, broken, free = (lite.case(bundle=False) for _ in range(3))
    for case in (held, broken, free):
        case.send(expires_at=end)
    record(lite, held.child.pupil, Kind.HOLD, article="Rv art. 843a")
    hide_an_event(broken)
    swept = swept_at(parts, due(Kept.EXPIRED_BUNDLE, end))
    assert swept.done[Kept.EXPIRED_BUNDLE] == 1
    assert swept.left[Kept.EXPIRED_BUNDLE] == {HeldBy.HOLD: 1, Ended.BROKEN: 1}
    assert kept_of(free) == (16, 16, 16)  # of the other two
    (intent,), (done,) = lite.journal(Did.SHRED_INTENT), lite.journal(Did.SHRED_DONE)
    assert [entry.terms["transfer"] for entry in (intent, done)] == [free.transfer] * 2
    assert (intent.pupil, done.pupil) == (free.child.pupil, free.child.pupil)


def test_what_somebody_else_has_shredded_meanwhile_isnt_said_again(lite: Story) -> None:
    """J3: two finish the same bundles; the rows of one are gone already."""
    parts = lite.region.parts
    first, second = lite.case(), lite.case()
    with parts.main.begin() as connection:
        connection.execute(update(BundleSection).values(shred_since=now()))
        of_first = select(Bundle.id).where(Bundle.transfer == first.transfer)
        connection.execute(delete(BundleSection).where(BundleSection.bundle.in_(of_first)))
        bundles = connection.execute(select(Bundle.id)).scalars().all()
    shred(parts, *bundles)
    shred(parts, *bundles)
    (done,) = lite.journal(Did.SHRED_DONE)
    assert done.terms["transfer"] == second.transfer
    assert rows(parts, BundleSection) == [0]


def test_nothing_to_mark_writes_nothing(lite: Story) -> None:
    size = lite.size()
    with lite.region.parts.journal.act() as act:
        mark(act, [], why="nothing")
    assert lite.size() == size
