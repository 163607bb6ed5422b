"""The retention table: terms to the second, DST, 29 February, and who holds back what."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.answers import Scope
from consent.errors import NaiveTime
from consent.events import Author, Event, Kind
from consent.guardians import AMSTERDAM
from consent.terms import Level, Purpose, Right, Role, Ruling, Section
from handover.retention import TABLE, HeldBy, Kept, Term, Unit, before, due, held_back, withdrawn_since, year_over

T = datetime(2027, 3, 1, 12, tzinfo=UTC)
SCOPE = Scope("11AA00", "22BB00", Purpose.PLACEMENT)
OTHER = Scope("11AA00", "33CC00", Purpose.PLACEMENT)
ANSWERED_WITH = {
    Kept.CANCELLED_TRANSFER,
    Kept.SILENT_TRANSFER,
    Kept.CONTACT,
    Kept.RELEASED_PUPIL,
    Kept.UNRELEASED_PUPIL,
}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("kept", "counted_from", "ends"),
    [
        # Winter, summer, and over both changes of the clock (I1).
        (Kept.DELIVERED_BUNDLE, "2027-01-10T09:00:00+01:00", "2027-02-10T00:00:00+01:00"),
        (Kept.DELIVERED_BUNDLE, "2027-02-26T09:00:00+01:00", "2027-03-29T00:00:00+02:00"),
        (Kept.WITHDRAWN_SHARE, "2027-03-21T01:00:00+01:00", "2027-03-29T00:00:00+02:00"),
        (Kept.WITHDRAWN_SHARE, "2027-10-24T02:30:00+02:00", "2027-11-01T00:00:00+01:00"),
        # The last moment of a Dutch day and the first of the next, written in UTC (I5).
        (Kept.WITHDRAWN_SHARE, "2027-01-10T22:59:59.999999+00:00", "2027-01-18T00:00:00+01:00"),
        (Kept.WITHDRAWN_SHARE, "2027-01-10T23:00:00+00:00", "2027-01-19T00:00:00+01:00"),
        (Kept.EXPIRED_BUNDLE, "2027-07-01T10:00:00+00:00", "2027-07-02T00:00:00+02:00"),
        (Kept.INVITATION, "2027-03-28T00:30:00+00:00", "2027-03-29T00:00:00+02:00"),
        (Kept.UNDELIVERED_BUNDLE, "2027-03-01T12:00:00+00:00", "2027-05-31T00:00:00+02:00"),
        (Kept.CANCELLED_TRANSFER, "2027-03-01T12:00:00+00:00", "2027-04-01T00:00:00+02:00"),
        (Kept.SILENT_TRANSFER, "2027-03-01T12:00:00+00:00", "2028-04-05T00:00:00+02:00"),
        (Kept.PROPOSAL, "2027-03-01T12:00:00+00:00", "2027-03-09T00:00:00+01:00"),
        (Kept.MESSAGE, "2027-03-01T12:00:00+00:00", "2027-03-16T00:00:00+01:00"),
        (Kept.IDEMPOTENCY, "2027-03-01T12:00:00+00:00", "2027-03-09T00:00:00+01:00"),
        (Kept.ATTEMPT, "2027-03-01T12:00:00+00:00", "2027-03-03T00:00:00+01:00"),
        # Years, and years over 29 February (I3).
        (Kept.CONTACT, "2027-03-01T12:00:00+00:00", "2028-03-02T00:00:00+01:00"),
        (Kept.RELEASED_PUPIL, "2027-12-31T23:30:00+01:00", "2033-01-01T00:00:00+01:00"),
        (Kept.RELEASED_PUPIL, "2028-02-29T12:00:00+01:00", "2033-03-01T00:00:00+01:00"),
        (Kept.RELEASED_PUPIL, "2028-02-28T12:00:00+01:00", "2033-03-01T00:00:00+01:00"),
        (Kept.RELEASED_PUPIL, "2023-02-28T12:00:00+01:00", "2028-02-29T00:00:00+01:00"),
        (Kept.UNRELEASED_PUPIL, "2028-02-29T12:00:00+01:00", "2029-03-01T00:00:00+01:00"),
        (Kept.STAFF_RECORD, "2026-12-31T23:59:59.999999+01:00", "2032-01-01T00:00:00+01:00"),
        # To the second.
        (Kept.SUPERSEDED_BUNDLE, "2027-03-28T00:59:59+00:00", "2027-03-28T00:59:59+00:00"),
        (Kept.NONCE, "2027-03-28T00:59:59+00:00", "2027-03-28T01:09:59+00:00"),
        (Kept.ORPHAN, "2027-03-27T12:00:00+00:00", "2027-03-28T12:00:00+00:00"),
    ],
)
def test_a_term_ends_with_its_last_dutch_day_or_to_the_second(kept: Kept, counted_from: str, ends: str) -> None:
    """I1, I3, I5."""
    found = due(kept, at(counted_from))
    assert found == at(ends)
    assert found.utcoffset() == timedelta()
    assert before(kept, found) > at(counted_from) >= before(kept, found - timedelta.resolution)


moments = st.integers(1_577_836_800, 2_208_988_800).map(lambda second: datetime.fromtimestamp(second, UTC))


@given(st.sampled_from(Kept), moments, moments)
def test_what_is_counted_from_before_a_moment_is_what_is_due(kept: Kept, counted_from: datetime, now: datetime) -> None:
    """J1, J2: never early, never late, whichever way round it is asked."""
    assert (due(kept, counted_from) <= now) == (counted_from < before(kept, now))


@given(st.sampled_from(Kept), moments, moments)
def test_what_began_earlier_never_ends_later(kept: Kept, one: datetime, other: datetime) -> None:
    first, second = sorted((one, other))
    assert due(kept, first) <= due(kept, second)
    assert due(kept, first) >= first


@given(st.sampled_from([kept for kept in Kept if TABLE[kept].term.unit in (Unit.DAY, Unit.YEAR)]), moments)
def test_a_term_in_days_or_years_ends_at_midnight_in_the_netherlands(kept: Kept, counted_from: datetime) -> None:
    local = due(kept, counted_from).astimezone(AMSTERDAM)
    assert (local.hour, local.minute, local.second, local.microsecond) == (0, 0, 0, 0)


@pytest.mark.parametrize("kept", Kept)
def test_a_moment_without_a_zone_is_refused(kept: Kept) -> None:
    """I4."""
    for ask in (due, before):
        with pytest.raises(NaiveTime):
            ask(kept, T.replace(tzinfo=None))


def test_the_terms_are_those_that_were_chosen() -> None:
    assert {str(kept): str(TABLE[kept].term) for kept in TABLE} == {
        "superseded_bundle": "at once",
        "withdrawn_share": "7 days",
        "delivered_bundle": "30 days",
        "expired_bundle": "that day",
        "undelivered_bundle": "90 days",
        "cancelled_transfer": "30 days",
        "silent_transfer": "400 days",
        "contact": "1 year",
        "released_pupil": "5 years",
        "unreleased_pupil": "1 year",
        "staff_record": "5 years",
        "invitation": "that day",
        "message": "14 days",
        "proposal": "7 days",
        "nonce": "600 seconds",
        "attempt": "1 day",
        "idempotency": "7 days",
        "orphan": "24 hours",
    }
    assert str(Term(0, Unit.YEAR)) == "that day"


def test_every_kind_has_a_row_that_says_what_why_from_when_and_what_then() -> None:
    assert set(TABLE) == set(Kept)
    for row in TABLE.values():
        assert all((row.data, row.counts_from, row.then))
        assert "AVG" in row.basis
    assert {kept for kept in Kept if TABLE[kept].held_by} == {
        kept
        for kept in Kept
        if "bundle" in kept or "transfer" in kept or "pupil" in kept or kept in ("contact", "withdrawn_share")
    }
    assert {kept for kept in Kept if TABLE[kept].held_by == frozenset(HeldBy)} == ANSWERED_WITH
    bundles = {kept for kept in Kept if "bundle" in kept or kept == "withdrawn_share"}
    assert {kept for kept in Kept if TABLE[kept].held_by == frozenset(HeldBy) - {HeldBy.REQUEST}} == bundles
    assert [kept for kept in Kept if not TABLE[kept].guarded] == [
        Kept.INVITATION,
        Kept.MESSAGE,
        Kept.PROPOSAL,
        Kept.NONCE,
        Kept.ATTEMPT,
        Kept.IDEMPOTENCY,
    ]


def test_a_years_records_count_from_its_last_moment_in_amsterdam() -> None:
    assert year_over(2026) == at("2026-12-31T23:59:59.999999+01:00")


# ---- who holds back


class Told:
    """Events in the order in which they are told."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, kind: Kind, day: int = 1, who: str = "g1", **fields: object) -> Event:
        scope = {"sender": SCOPE.sender, "receiver": SCOPE.receiver, "purpose": SCOPE.purpose}
        if kind in (Kind.HOLD, Kind.RESTRICT, Kind.OBJECTION_DECIDED):
            scope = {}
        number = len(self.events) + 1
        event = Event(
            kind=kind,
            key=f"key-{number}",
            by=Author(who, Role.GUARDIAN, Level.LOW),
            subject="p",
            id=f"e{number}",
            number=number,
            index=number,
            recorded_at=datetime(2027, 3, day, 12, tzinfo=UTC),
            **scope | fields,  # type: ignore[arg-type]
        )
        self.events.append(event)
        return event


def test_a_hold_keeps_everything_until_it_is_lifted_or_over() -> None:
    """J2."""
    told = Told()
    hold = told(Kind.HOLD, article="AVG art. 18(2)", valid_until=T + timedelta(days=1))
    for kept in Kept:
        wanted = HeldBy.HOLD if TABLE[kept].held_by else None
        assert held_back(kept, told.events, T) is wanted
        assert held_back(kept, told.events, T, OTHER, Section.LVS) is wanted
    assert held_back(Kept.CONTACT, told.events, T + timedelta(days=1) - timedelta.resolution) is HeldBy.HOLD
    assert held_back(Kept.CONTACT, told.events, T + timedelta(days=1)) is None
    told(Kind.HOLD, withdraws=hold.id)
    assert held_back(Kept.CONTACT, told.events, T) is None


def test_a_hold_without_an_end_ends_when_it_is_lifted_and_no_other_is_left() -> None:
    told = Told()
    one, _ = told(Kind.HOLD), told(Kind.HOLD)
    told(Kind.HOLD, withdraws=one.id)
    assert held_back(Kept.RELEASED_PUPIL, told.events, T) is HeldBy.HOLD


def test_a_restriction_keeps_what_it_names_and_all_that_is_about_the_pupil() -> None:
    """J2: AVG art. 18."""
    told = Told()
    restriction = told(Kind.RESTRICT, sections=(Section.OKR,))
    assert held_back(Kept.EXPIRED_BUNDLE, told.events, T, SCOPE, Section.OKR) is HeldBy.RESTRICTION
    assert held_back(Kept.EXPIRED_BUNDLE, told.events, T, OTHER, Section.OKR) is HeldBy.RESTRICTION
    assert held_back(Kept.EXPIRED_BUNDLE, told.events, T, SCOPE, Section.LVS) is None
    assert held_back(Kept.CONTACT, told.events, T) is HeldBy.RESTRICTION
    told(Kind.RESTRICT, sections=(Section.OKR,), withdraws=restriction.id)
    assert held_back(Kept.EXPIRED_BUNDLE, told.events, T, SCOPE, Section.OKR) is None


def test_a_restriction_that_is_lifted_for_one_section_keeps_the_others() -> None:
    """J2: AVG art. 18."""
    told = Told()
    restriction = told(Kind.RESTRICT, sections=(Section.OKR, Section.LVS))
    told(Kind.RESTRICT, sections=(Section.OKR,), withdraws=restriction.id)
    assert held_back(Kept.EXPIRED_BUNDLE, told.events, T, SCOPE, Section.OKR) is None
    assert held_back(Kept.EXPIRED_BUNDLE, told.events, T, SCOPE, Section.LVS) is HeldBy.RESTRICTION
    assert held_back(Kept.CONTACT, told.events, T) is HeldBy.RESTRICTION
    told(Kind.RESTRICT, sections=(Section.LVS,), withdraws=restriction.id)
    assert held_back(Kept.CONTACT, told.events, T) is None


def test_an_objection_keeps_what_it_is_about_until_it_is_decided() -> None:
    """J2: AVG art. 21; decided either way it holds nothing back any more."""
    told = Told()
    objection = told(Kind.OBJECT, sections=(Section.LVS,))
    assert held_back(Kept.DELIVERED_BUNDLE, told.events, T, SCOPE, Section.LVS) is HeldBy.OBJECTION
    assert held_back(Kept.DELIVERED_BUNDLE, told.events, T, SCOPE, Section.OKR) is None
    assert held_back(Kept.DELIVERED_BUNDLE, told.events, T, OTHER, Section.LVS) is None
    assert held_back(Kept.SILENT_TRANSFER, told.events, T, SCOPE) is HeldBy.OBJECTION
    assert held_back(Kept.SILENT_TRANSFER, told.events, T, OTHER) is None
    assert held_back(Kept.RELEASED_PUPIL, told.events, T) is HeldBy.OBJECTION
    told(Kind.OBJECTION_DECIDED, objection=objection.id, upheld=True)
    assert held_back(Kept.RELEASED_PUPIL, told.events, T) is None


@pytest.mark.parametrize("ruling", [Ruling.GRANTED, Ruling.PARTLY, Ruling.REFUSED])
@pytest.mark.parametrize("right", [Right.RECTIFICATION, Right.ERASURE])
def test_an_open_request_keeps_what_its_answer_needs_until_it_is_decided(right: Right, ruling: Ruling) -> None:
    """J2: AVG art. 12(3), 16, 17; that the answer takes longer decides nothing."""
    told = Told()
    request = told(Kind.REQUEST, right=right)
    told(Kind.REQUEST_DECIDED, request=request.id, ruling=Ruling.EXTENDED)
    assert {kept for kept in Kept if held_back(kept, told.events, T) is HeldBy.REQUEST} == ANSWERED_WITH
    assert {kept for kept in Kept if held_back(kept, told.events, T)} == ANSWERED_WITH
    assert held_back(Kept.SILENT_TRANSFER, told.events, T, OTHER) is HeldBy.REQUEST
    told(Kind.REQUEST_DECIDED, request=request.id, ruling=ruling)
    assert {held_back(kept, told.events, T) for kept in Kept} == {None}


@pytest.mark.parametrize("right", [Right.ACCESS, Right.PORTABILITY, Right.RESTRICTION])
def test_a_request_that_nobody_has_to_decide_keeps_nothing(right: Right) -> None:
    told = Told()
    told(Kind.REQUEST, right=right)
    assert {held_back(kept, told.events, T) for kept in Kept} == {None}


def test_a_hold_is_named_before_a_restriction_that_before_an_objection_and_a_request_last() -> None:
    told = Told()
    told(Kind.REQUEST, right=Right.ERASURE)
    assert held_back(Kept.CONTACT, told.events, T) is HeldBy.REQUEST
    told(Kind.OBJECT, sections=(Section.OKR,))
    assert held_back(Kept.CONTACT, told.events, T) is HeldBy.OBJECTION
    told(Kind.RESTRICT, sections=(Section.OKR,))
    assert held_back(Kept.CONTACT, told.events, T) is HeldBy.RESTRICTION
    told(Kind.HOLD)
    assert held_back(Kept.CONTACT, told.events, T) is HeldBy.HOLD


@pytest.mark.parametrize("kind", [Kind.REFUSE, Kind.WITHDRAW, Kind.GRANT, Kind.APPLIED])
def test_a_no_never_holds_anything_back(kind: Kind) -> None:
    told = Told()
    told(kind, sections=tuple(Section))
    assert {held_back(kept, told.events, T) for kept in Kept} == {None}


# ---- withdrawn, and given again


def test_a_withdrawal_counts_from_the_first_that_its_maker_has_not_taken_back() -> None:
    told = Told()
    told(Kind.GRANT, 1, sections=(Section.OKR, Section.LVS))
    assert withdrawn_since(told.events, SCOPE, Section.OKR) is None
    first = told(Kind.WITHDRAW, 2, sections=(Section.OKR,))
    told(Kind.WITHDRAW, 3, sections=(Section.OKR,))
    told(Kind.REFUSE, 4, sections=(Section.OKR,))
    assert withdrawn_since(told.events, SCOPE, Section.OKR) == first.recorded_at
    assert withdrawn_since(told.events, SCOPE, Section.LVS) is None
    assert withdrawn_since(told.events, OTHER, Section.OKR) is None


def test_another_persons_yes_takes_nothing_back_and_ones_own_does() -> None:
    told = Told()
    first = told(Kind.WITHDRAW, 2, "g1", sections=(Section.OKR,))
    second = told(Kind.WITHDRAW, 3, "g2", sections=(Section.OKR,))
    told(Kind.GRANT, 4, "g2", sections=(Section.LVS,))
    assert withdrawn_since(told.events, SCOPE, Section.OKR) == first.recorded_at
    told(Kind.GRANT, 5, "g1", sections=(Section.OKR,))
    assert withdrawn_since(told.events, SCOPE, Section.OKR) == second.recorded_at
    told(Kind.GRANT, 6, "g2", sections=(Section.OKR,))
    assert withdrawn_since(told.events, SCOPE, Section.OKR) is None
    again = told(Kind.WITHDRAW, 7, "g2", sections=(Section.OKR,))
    assert withdrawn_since(told.events, SCOPE, Section.OKR) == again.recorded_at


def test_views_that_travel_again_take_back_the_withdrawal_of_views_alone() -> None:
    told = Told()
    first = told(Kind.WITHDRAW, 2, sections=(Section.OKR, Section.VIEWS))
    told(Kind.VIEW, 3, travels=False)
    assert withdrawn_since(told.events, SCOPE, Section.VIEWS) == first.recorded_at
    told(Kind.VIEW, 4, travels=True)
    assert withdrawn_since(told.events, SCOPE, Section.VIEWS) is None
    assert withdrawn_since(told.events, SCOPE, Section.OKR) == first.recorded_at


def test_a_day_is_the_day_in_the_netherlands_on_both_sides() -> None:
    """I5: an end that was written in UTC is judged by the day that people there had."""
    assert before(Kept.WITHDRAWN_SHARE, at("2027-01-18T00:00:00+01:00")) == at("2027-01-11T00:00:00+01:00")
    assert date(2027, 1, 18) == at("2027-01-17T23:00:00+00:00").astimezone(AMSTERDAM).date()
