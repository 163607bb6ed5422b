"""The sweep: what is due goes, what isn't stays, and what somebody holds back waits."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from sqlalchemy import Select, insert, select, update

from consent import inventory
from consent.db import reading, writing
from consent.entry import STAFF_ERASED
from consent.events import Author, Draft, Kind
from consent.journal import Journal
from consent.tables import DataKey, JournalLookup, JournalPart, Pupil
from consent.terms import Level, Role, Section
from handover.accesslog import SERVICE, Did
from handover.errors import RequestRefused
from handover.parts import Parts
from handover.people import Contact, contacts, keep_contact
from handover.retention import HeldBy, Kept, due
from handover.sweeping import Swept, sweep
from handover.tables import (
    Attempt,
    Bundle,
    BundleSection,
    Idempotency,
    Invitation,
    Message,
    Nonce,
    Person,
    Proposal,
    Release,
    Transfer,
    Words,
)
from tests.handover.story import PO, VO, Case, Story, later
from tests.handover.test_service_consent import born
from tests.region import expect, now

STAFF = Author(f"{PO}.s-9", Role.STAFF, Level.SUBSTANTIAL)


@contextmanager
def at(moment: datetime) -> Iterator[None]:
    """Stand still at a moment."""
    with time_machine.travel(moment, tick=False):
        yield


def swept_at(parts: Parts, moment: datetime) -> Swept:
    with at(moment):
        return sweep(parts, accept=1.0, accept_clock=True)


def rows(parts: Parts, *tables: Any) -> list[int]:
    with reading(parts.main) as session:
        return [len(session.scalars(select(table)).all()) for table in tables]


def column(parts: Parts, wanted: Any) -> Any:
    with reading(parts.main) as session:
        return session.scalars(wanted if isinstance(wanted, Select) else select(wanted)).one()


def destroyed(story: Story) -> dict[str, Any]:
    """Give what the newest entry says of what was destroyed."""
    parts = story.region.parts
    newest = select(JournalLookup.index).where(JournalLookup.type == int(Did.DESTROYED))
    with reading(parts.main) as session:
        index = session.scalars(newest.order_by(JournalLookup.index.desc())).first()
        assert index is not None
        return dict(parts.journal.read(session, index).terms)


def kept_of(case: Case) -> tuple[int, int, int]:
    """Count what there is of a file: rows of sections, shares, objects."""
    parts = case.story.region.parts
    stores = inventory.stores(parts.keystore)
    shares = sum(len(parts.keystore.shares(store)) for store in stores)
    return rows(parts, BundleSection)[0], shares, len(parts.blobs.names())


def acknowledged(story: Story) -> tuple[Case, datetime]:
    case = story.agreed("okr")
    case.ask("okr")
    story.region.post(VO, f"{case.path}/acknowledgement", {"received": True, "placed": True})
    return case, column(story.region.parts, Transfer.received_at)


def expiring(story: Story) -> tuple[Case, datetime]:
    case = story.case(bundle=False)
    case.send(expires_at=now().replace(microsecond=0) + timedelta(days=10))
    return case, column(story.region.parts, Bundle.expires_at)


def unanswered(story: Story) -> tuple[Case, datetime]:
    case = story.case()
    return case, column(story.region.parts, Bundle.uploaded_at)


def withdrawn(story: Story) -> tuple[Case, datetime]:
    case = story.agreed("okr")
    case.family("withdrawal", sections=list(map(str, Section)), destroy_now=False)
    with reading(story.region.parts.main) as session:
        (*_, last) = story.region.parts.ledger.history(session, case.child.pupil).known
    return case, last.recorded_at


def cancelled(story: Story) -> tuple[Case, datetime]:
    case = story.agreed("okr")
    case.family("view", text="Zij leest graag.", travels=True, done=False)
    story.region.post(PO, f"{case.path}/cancel", {})
    return case, column(story.region.parts, Transfer.cancelled_at)


def silent(story: Story) -> tuple[Case, datetime]:
    case = story.case(bundle=False)
    return case, column(story.region.parts, Transfer.opened_at)


def silent_since_its_upload(story: Story) -> tuple[Case, datetime]:
    case = story.case(bundle=False)
    with later(days=1):
        case.send()
    return case, column(story.region.parts, Bundle.uploaded_at)


BUNDLES: dict[Kept, Callable[[Story], tuple[Case, datetime]]] = {
    Kept.DELIVERED_BUNDLE: acknowledged,
    Kept.EXPIRED_BUNDLE: expiring,
    Kept.WITHDRAWN_SHARE: withdrawn,
}


@pytest.mark.parametrize("kept", BUNDLES)
def test_a_bundle_goes_at_its_last_moment_and_not_before(lite: Story, kept: Kept) -> None:
    """J1, J2, I5: share and ciphertext go, the journal says why, and the next sweep finds nothing."""
    case, counted_from = BUNDLES[kept](lite)
    parts, end = lite.region.parts, due(kept, counted_from)
    before = swept_at(parts, end - timedelta.resolution)
    assert (before.done[kept], kept_of(case)) == (0, (8, 8, 8))
    after = swept_at(parts, end)
    assert (after.done[kept], kept_of(case)) == (1, (0, 0, 0))
    (intent,), (done,) = lite.journal(Did.SHRED_INTENT), lite.journal(Did.SHRED_DONE)
    assert (intent.terms["why"], set(intent.sections)) == (str(kept), set(map(str, Section)))
    assert (done.pupil, done.sections) == (case.child.pupil, tuple(map(str, Section)))
    assert swept_at(parts, end).done[kept] == 0


def test_a_bundle_that_nobody_acknowledged_goes_after_ninety_days(lite: Story) -> None:
    """J1: the sender's own end lies before that in every bundle; where its clock ran ahead, this row holds."""
    case, counted_from = unanswered(lite)
    parts = lite.region.parts
    with parts.main.begin() as connection:
        connection.execute(update(Bundle).values(expires_at=counted_from + timedelta(days=200)))
    end = due(Kept.UNDELIVERED_BUNDLE, counted_from)
    assert swept_at(parts, end - timedelta.resolution).done[Kept.UNDELIVERED_BUNDLE] == 0
    assert swept_at(parts, end).done[Kept.UNDELIVERED_BUNDLE] == 1
    assert kept_of(case) == (0, 0, 0)


def test_a_later_upload_counts_anew_after_an_acknowledgement(lite: Story) -> None:
    case, received_at = acknowledged(lite)
    with later(days=20):
        case.send()
    swept = swept_at(lite.region.parts, due(Kept.DELIVERED_BUNDLE, received_at))
    assert (swept.done[Kept.DELIVERED_BUNDLE], kept_of(case)) == (0, (8, 8, 8))
    swept = swept_at(lite.region.parts, due(Kept.DELIVERED_BUNDLE, received_at + timedelta(days=20)))
    assert (swept.done[Kept.DELIVERED_BUNDLE], kept_of(case)) == (1, (0, 0, 0))


def test_a_superseded_bundle_that_an_upload_left_goes_at_once(lite: Story) -> None:
    case = lite.agreed("okr")
    case.send()
    parts = lite.region.parts
    with parts.main.begin() as connection:  # as if the upload had been held back from shredding
        old = connection.execute(select(Bundle.id).order_by(Bundle.number)).scalars().first()
        connection.execute(insert(BundleSection).values(bundle=old, section="okr", object="gone"))
    assert sweep(parts).done[Kept.SUPERSEDED_BUNDLE] == 1
    assert kept_of(case) == (8, 8, 8)
    case.ask("okr")


@pytest.mark.parametrize("story_of", [cancelled, silent, silent_since_its_upload])
def test_a_transfer_that_never_happened_goes_with_all_that_hangs_on_it(
    lite: Story, story_of: Callable[[Story], tuple[Case, datetime]]
) -> None:
    """J1, J2: rows, shares, ciphertext; the pupil and what the ledger holds stay for their own term."""
    case, counted_from = story_of(lite)
    kept = Kept.CANCELLED_TRANSFER if story_of is cancelled else Kept.SILENT_TRANSFER
    parts, end = lite.region.parts, due(kept, counted_from)
    assert swept_at(parts, end - timedelta.resolution).done[kept] == 0
    assert rows(parts, Transfer) == [1]
    swept = swept_at(parts, end)
    assert swept.done[kept] == 1
    assert rows(parts, Transfer, Bundle, BundleSection, Invitation, Words, Proposal) == [0] * 6
    assert kept_of(case) == (0, 0, 0)
    assert destroyed(lite) == {"what": str(kept), "transfer": case.transfer}
    assert rows(parts, Pupil, Person) == [1, 2]


def test_a_transfer_of_which_something_was_released_stays_for_the_evidence(lite: Story) -> None:
    case = lite.agreed("okr")
    case.ask("okr")
    lite.region.post(PO, f"{case.path}/cancel", {})
    swept = swept_at(lite.region.parts, now() + timedelta(days=500))
    assert (swept.done[Kept.CANCELLED_TRANSFER], swept.done[Kept.SILENT_TRANSFER]) == (0, 0)
    assert rows(lite.region.parts, Transfer, Release) == [1, 1]
    assert kept_of(case) == (0, 0, 0)


def test_contact_data_end_a_year_after_the_last_thing_that_happened(lite: Story) -> None:
    """J1, J2: names and addresses go; who they were to the pupil, and what they said, stays with the evidence."""
    case, received_at = acknowledged(lite)
    parts, end = lite.region.parts, due(Kept.CONTACT, received_at)
    assert swept_at(parts, end - timedelta.resolution).done[Kept.CONTACT] == 0
    assert contact_keys(lite) == 2
    assert swept_at(parts, end).done[Kept.CONTACT] == 1
    assert contact_keys(lite) == 0
    assert rows(parts, Person, Person.sealed, Transfer, Release) == [2, 2, 1, 1]
    with reading(parts.main) as session:
        assert set(session.scalars(select(Person.sealed))) == {None}
    assert destroyed(lite) == {"what": "contact", "persons": 2}
    assert swept_at(parts, end).done[Kept.CONTACT] == 0
    assert list(parts.settings.outbox.iterdir()) == []
    with reading(parts.main) as session:
        assert len(parts.ledger.history(session, case.child.pupil).known) > 3


def reach_again(case: Case) -> None:
    """Let the school state the custody anew, with addresses of one guardian and of the pupil."""
    holder = {"name": "Ouder", "mail": "ouder@gezin.test", "role": "guardian", "person": case.child.persons[0]}
    evidence = {"kind": "gezagsregister", "date": now().date().isoformat(), "staff": "s-1"}
    body = {"holders": [holder], "evidence": evidence, "pupil_mail": "kind@gezin.test", "second_person": "s-2"}
    expect(case.story.region.send(PO, "PUT", f"/v1/pupils/{case.child.pupil}/custody", body), 200)


def contact_keys(story: Story) -> int:
    with reading(story.keys) as session:
        wanted = select(DataKey.id).where(DataKey.owner_kind == "contact", DataKey.wrapped.is_not(None))
        return len(session.scalars(wanted).all())


@pytest.mark.parametrize("what", ["opened", "cancelled", "uploaded"])
def test_contact_data_stay_while_anything_still_happens(lite: Story, what: str) -> None:
    case, received_at = acknowledged(lite)
    with later(days=100):
        if what == "uploaded":
            case.send()
        else:
            other = lite.case(child=case.child, invited=False, bundle=False)
            if what == "cancelled":
                lite.region.post(PO, f"{other.path}/cancel", {})
    swept = swept_at(lite.region.parts, due(Kept.CONTACT, received_at))
    assert swept.done[Kept.CONTACT] == 0
    swept = swept_at(lite.region.parts, due(Kept.CONTACT, received_at + timedelta(days=100)))
    assert swept.done[Kept.CONTACT] == (0 if what == "opened" else 1)


def test_somebody_whose_contact_ended_can_be_reached_again(lite: Story) -> None:
    case, received_at = acknowledged(lite)
    parts = lite.region.parts
    swept_at(parts, due(Kept.CONTACT, received_at))
    with later(days=380):
        body = {
            "holders": [
                {"name": "Ouder", "mail": "ouder@gezin.test", "role": "guardian", "person": case.child.persons[0]}
            ],
            "evidence": {"kind": "gezagsregister", "date": now().date().isoformat(), "staff": "s-1"},
            "pupil_mail": "kind@gezin.test",
            "second_person": "s-2",
        }
        answer = lite.region.send(PO, "PUT", f"/v1/pupils/{case.child.pupil}/custody", body)
        assert answer.status_code == 200, answer.get_data()
    assert contact_keys(lite) == 2


def test_what_is_kept_anew_doesn_t_go_with_a_contact_that_a_killed_sweep_had_begun_to_end(
    lite: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    """H8, J4: else nobody of this pupil could be written to again, and no withdrawal recorded."""
    case, received_at = acknowledged(lite)
    parts, end = lite.region.parts, due(Kept.CONTACT, received_at)

    def killed(_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "_finish_erasures", killed)
        with pytest.raises(KeyboardInterrupt):
            swept_at(parts, end)
    contact = Contact(case.child.persons[0], Role.GUARDIAN, "Ouder", "ouder@gezin.test")
    with at(end):
        with writing(parts.main) as session, pytest.raises(RequestRefused, match="CONFLICT"):
            keep_contact(parts.keystore, session, case.child.pupil, contact)
        holder = {"name": "Ouder", "mail": contact.mail, "role": "guardian", "person": contact.person}
        evidence = {"kind": "gezagsregister", "date": end.date().isoformat(), "staff": "s-1"}
        path = f"/v1/pupils/{case.child.pupil}/custody"
        body = {"holders": [holder], "evidence": evidence, "second_person": "s-2"}
        expect(lite.region.send(PO, "PUT", path, body), 200)
        parts.journal.start()
        with reading(parts.main) as session:
            assert contacts(parts.keystore, session, case.child.pupil, end) == {contact.person: contact}


def test_a_pupil_ends_five_years_after_the_last_release(lite: Story) -> None:
    """J1, J2."""
    case = lite.agreed("okr")
    case.ask("okr")
    parts = lite.region.parts
    end = due(Kept.RELEASED_PUPIL, column(parts, Release.at))
    assert swept_at(parts, end - timedelta.resolution).done[Kept.RELEASED_PUPIL] == 0
    assert rows(parts, Transfer, Release) == [1, 1]
    assert swept_at(parts, end).done[Kept.RELEASED_PUPIL] == 1
    assert rows(parts, Transfer, Release, Person, Bundle) == [0, 0, 0, 0]
    assert column(parts, Pupil.erased) is True
    said = destroyed(lite)
    assert (said["what"], said["ground"]) == ("pupil", "released_pupil")


def test_a_pupil_with_an_open_question_isnt_erased_for_an_old_release(lite: Story) -> None:
    case = lite.agreed("okr")
    case.ask("okr")
    parts = lite.region.parts
    end = due(Kept.RELEASED_PUPIL, column(parts, Release.at))
    with parts.main.begin() as connection:
        row = dict(connection.execute(select(Transfer)).mappings().one())
        opened = {"id": "new", "opened_at": end - timedelta(days=30), "received_at": None}
        connection.execute(insert(Transfer).values(**row | opened))
    assert swept_at(parts, end).done[Kept.RELEASED_PUPIL] == 0
    with parts.main.begin() as connection:
        connection.execute(update(Transfer).where(Transfer.id == "new").values(cancelled_at=end))
    assert swept_at(parts, end).done[Kept.RELEASED_PUPIL] == 1


@pytest.mark.parametrize("what", ["registered", "cancelled", "silent"])
def test_a_pupil_of_whom_nothing_was_released_ends_a_year_after_the_last_transfer(lite: Story, what: str) -> None:
    """J1, J2."""
    parts = lite.region.parts
    if what == "registered":
        lite.region.pupil(PO)
        ended = lite.journal(Did.PUPIL_REGISTERED)[-1].recorded_at
    elif what == "cancelled":
        _, ended = cancelled(lite)
        swept_at(parts, due(Kept.CANCELLED_TRANSFER, ended))
    else:
        _, opened_at = silent(lite)
        ended = due(Kept.SILENT_TRANSFER, opened_at)
        swept_at(parts, ended)
    end = due(Kept.UNRELEASED_PUPIL, ended)
    assert swept_at(parts, end - timedelta.resolution).done[Kept.UNRELEASED_PUPIL] == 0
    assert column(parts, Pupil.erased) is False
    assert swept_at(parts, end).done[Kept.UNRELEASED_PUPIL] == 1
    assert column(parts, Pupil.erased) is True


def test_who_of_the_staff_did_what_ends_five_years_after_its_year(lite: Story) -> None:
    """J1, J2, J7: the keys of that year go, and nothing else of those entries."""
    lite.agreed("okr")
    parts, year = lite.region.parts, now().year
    end = due(Kept.STAFF_RECORD, datetime(year, 12, 31, 12, tzinfo=UTC))
    owners = parts.journal.staff_of(year)
    assert {f"11AA00.s-1/{year}", f"22BB00.s-1/{year}"} < set(owners)
    assert swept_at(parts, end - timedelta.resolution).done[Kept.STAFF_RECORD] == 0
    assert swept_at(parts, end).done[Kept.STAFF_RECORD] == len(owners)
    assert parts.journal.staff_of(year) == []
    assert [entry.type for entry in lite.journal() if entry.type == STAFF_ERASED] == [STAFF_ERASED]
    assert swept_at(parts, end).done[Kept.STAFF_RECORD] == 0


def test_rows_that_count_no_longer_are_deleted_each_at_its_own_end(lite: Story) -> None:
    """J1: invitation, message, proposal, nonce, attempt, answer; and files that nobody took out of the outbox."""
    case = lite.case()
    lite.region.release("33CC00", case.transfer, "okr")
    parts, start = lite.region.parts, now()
    tomorrow = start + timedelta(days=1)
    row = {"id": "p", "school": PO, "transfer": None, "pupil": case.child.pupil, "sealed": b"x"}
    with parts.main.begin() as connection:
        connection.execute(insert(Proposal).values(**row, created_at=tomorrow))
    ends = column(parts, select(Invitation.expires_at).limit(1))
    tables = {
        Kept.NONCE: (Nonce, start),
        Kept.ATTEMPT: (Attempt, start),
        Kept.IDEMPOTENCY: (Idempotency, start),
        Kept.PROPOSAL: (Proposal, tomorrow),
        Kept.INVITATION: (Invitation, ends),
    }
    for kept, (table, counted_from) in tables.items():
        many, end = rows(parts, table)[0], due(kept, counted_from)
        assert many
        swept_at(parts, end - timedelta(seconds=30))
        assert rows(parts, table) == [many]
        assert len(files := list(parts.settings.outbox.iterdir())) >= 2
        swept = swept_at(parts, end)
        assert swept.done[kept] == many
        assert rows(parts, table) == [0]
    assert swept.done[Kept.MESSAGE] == len(files)
    assert list(parts.settings.outbox.iterdir()) == []


def test_a_message_that_cant_be_handed_over_goes_after_fourteen_days(lite: Story) -> None:
    lite.case(bundle=False)
    parts = lite.region.parts
    outbox = parts.settings.outbox
    for path in outbox.iterdir():
        path.unlink()
    outbox.rmdir()
    outbox.write_text("in the way")
    case = lite.case(invited=False, bundle=False)
    lite.region.post(PO, f"/v1/transfers/{case.transfer}/invitations", {"person": case.child.persons[0]}, 201)
    assert rows(parts, Message) == [1]
    outbox.unlink()
    with at(due(Kept.MESSAGE, now())):
        from handover import sweeping

        assert list(sweeping._delete_rows(parts, Kept.MESSAGE, parts.clock())) == [1]
    assert rows(parts, Message) == [0]


def test_the_sweep_removes_orphans_a_day_later_and_nothing_that_has_a_row(story: Story) -> None:
    """H8: shares and ciphertext of an upload that died before its row."""
    case = story.agreed("okr")
    parts = story.region.parts
    old = (now() - timedelta(hours=26)).strftime("%Y%m%d%H")
    parts.keystore.put_shares(old + "0" * 22, {"okr": bytes(32)})
    fresh = parts.blobs.put([b"under way"])
    stale = parts.blobs.folder
    assert stale is not None
    (stale / (old + "1" * 22)).write_bytes(b"left behind")
    assert sweep(parts).done[Kept.ORPHAN] == 2
    assert parts.keystore.shares(old + "0" * 22) == {}
    assert fresh in parts.blobs.names()
    assert len(parts.blobs.names()) == 9
    assert sweep(parts).done[Kept.ORPHAN] == 0
    case.ask("okr")


# ---- withdrawn, and given again


def test_a_section_that_was_given_again_keeps_its_share(lite: Story) -> None:
    """J2."""
    case = lite.agreed("okr", "lvs")
    case.family("withdrawal", sections=["okr", "lvs"], destroy_now=False)
    with later(days=2):
        case.say(0, okr="yes")
    with later(days=9):
        assert sweep(lite.region.parts).done[Kept.WITHDRAWN_SHARE] == 1
    (intent,) = lite.journal(Did.SHRED_INTENT)
    assert intent.sections == ("lvs",)
    with later(days=9):
        case.ask("okr")
        case.ask("lvs", status=403)


def test_a_withdrawal_of_somebody_who_no_longer_decides_destroys_nothing_that_may_go(lite: Story) -> None:
    """J2: the pupil turned 16 and said yes."""
    turns = now().date() + timedelta(days=3)
    born = date(turns.year - 16, turns.month, min(turns.day, 28))
    case = lite.agreed("okr", pupil={"born": born, "holders": 1})
    case.family("withdrawal", sections=["okr"], destroy_now=False)
    with later(days=4):
        reach_again(case)
        token = lite.region.invite(PO, case.transfer, case.child.pupil)
        lite.region.answer(token, okr="yes")
    with later(days=9):
        assert sweep(lite.region.parts).done[Kept.WITHDRAWN_SHARE] == 0
        case.ask("okr")


# ---- held back


def test_nor_does_it_while_something_else_still_keeps_the_file_here(lite: Story) -> None:
    """At 16 the pupil's yes is there to be released upon: a guardian's earlier no doesn't end what it doesn't stop."""
    pupil = {"born": born(16, days=3), "pupil_mail": "sam@gezin.test"}
    case = lite.case(sections=("okr",), pupil=pupil, applied=False)
    case.family("withdrawal", 0, sections=["okr"], destroy_now=False)
    with later(days=5):
        case.say(2, okr="yes")
        assert case.why() == "NOT_APPLIED"
        swept = swept_at(lite.region.parts, due(Kept.WITHDRAWN_SHARE, now()) + timedelta(minutes=1))
        assert swept.done[Kept.WITHDRAWN_SHARE] == 0
        case.family("withdrawal", 2, sections=["okr"], destroy_now=False)
        swept = swept_at(lite.region.parts, due(Kept.WITHDRAWN_SHARE, now()) + timedelta(minutes=1))
        assert swept.done[Kept.WITHDRAWN_SHARE] == 1


def record(story: Story, pupil: str, kind: Kind, **fields: Any) -> str:
    parts = story.region.parts
    with parts.journal.act(pupil=pupil) as act:
        draft = Draft(kind=kind, key=secrets.token_hex(16), by=fields.pop("by", STAFF), subject=pupil, **fields)
        return parts.ledger.record(act, draft, ("po-noord",)).id


def test_a_hold_stops_every_destruction_until_it_is_lifted(story: Story) -> None:
    """J2: nothing of the pupil goes, whatever its kind; it is said what was left, and for whom."""
    case, received_at = acknowledged(story)
    parts, pupil = story.region.parts, case.child.pupil
    hold = record(story, pupil, Kind.HOLD, article="Rv art. 843a")
    moment = due(Kept.RELEASED_PUPIL, received_at) + timedelta(days=1)
    left = swept_at(parts, moment).left
    held = (Kept.DELIVERED_BUNDLE, Kept.EXPIRED_BUNDLE, Kept.CONTACT, Kept.RELEASED_PUPIL)
    assert {kept: dict(why) for kept, why in left.items()} == {kept: {HeldBy.HOLD: 1} for kept in held}
    assert kept_of(case) == (8, 8, 8)
    assert story.journal(Did.SWEPT)[-1].terms["left"] == {str(kept): {"legal hold": 1} for kept in held}
    record(story, pupil, Kind.HOLD, article="Rv art. 843a", withdraws=hold, second=f"{PO}.s-8")
    swept = swept_at(parts, moment)
    assert (swept.left, swept.done[Kept.RELEASED_PUPIL], kept_of(case)) == ({}, 1, (0, 0, 0))


def test_a_restriction_keeps_its_section_and_lets_the_others_go(lite: Story) -> None:
    """J2: AVG art. 18."""
    case, received_at = acknowledged(lite)
    record(lite, case.child.pupil, Kind.RESTRICT, sections=(Section.LVS,))
    end = due(Kept.DELIVERED_BUNDLE, received_at)
    assert swept_at(lite.region.parts, end).done[Kept.DELIVERED_BUNDLE] == 1
    assert kept_of(case) == (1, 1, 1)
    again = swept_at(lite.region.parts, end)
    assert (again.done[Kept.DELIVERED_BUNDLE], again.left[Kept.DELIVERED_BUNDLE]) == (0, {HeldBy.RESTRICTION: 1})


def test_an_open_objection_keeps_a_cancelled_transfer_until_it_is_decided(lite: Story) -> None:
    """J2: AVG art. 21."""
    lite.region.choose("po-noord", "wettelijk")
    case = lite.case()
    event = case.family("objection", sections=["lvs"], reason="Dit klopt niet.")["events"][0]
    lite.region.post(PO, f"{case.path}/cancel", {})
    end = due(Kept.CANCELLED_TRANSFER, column(lite.region.parts, Transfer.cancelled_at))
    assert swept_at(lite.region.parts, end).left[Kept.CANCELLED_TRANSFER] == {HeldBy.OBJECTION: 1}
    body = {"upheld": False, "reason": "Het klopt wel."}
    lite.region.post(PO, f"{case.path}/objections/{event}/decision", body, role="principal")
    assert swept_at(lite.region.parts, end).done[Kept.CANCELLED_TRANSFER] == 1


def test_nothing_of_a_pupil_goes_whose_ledger_doesnt_hold_together(lite: Story) -> None:
    """J2, K1: an event that was taken away may have been a hold."""
    case, received_at = acknowledged(lite)
    parts = lite.region.parts
    with reading(parts.main) as session:
        (applied,) = [e for e in parts.ledger.history(session, case.child.pupil).known if e.kind is Kind.APPLIED]
    with parts.main.begin() as connection:
        connection.execute(update(JournalPart).where(JournalPart.index == applied.index).values(terms=b"\1broken"))
    swept = swept_at(parts, due(Kept.DELIVERED_BUNDLE, received_at))
    assert swept.left[Kept.DELIVERED_BUNDLE] == {"the pupil's ledger doesn't hold together": 1}
    assert kept_of(case) == (8, 8, 8)


# ---- both databases, the journal, and what comes with a sweep


def test_a_sweep_says_in_the_journal_what_it_did_and_turns_the_epoch_once_a_day(story: Story) -> None:
    case, received_at = acknowledged(story)
    parts, end = story.region.parts, due(Kept.DELIVERED_BUNDLE, received_at)
    swept = swept_at(parts, end)
    assert (swept.done[Kept.DELIVERED_BUNDLE], swept.done["epochs"], kept_of(case)) == (1, 1, (0, 0, 0))
    said = story.journal(Did.SWEPT)[-1]
    assert said.terms["done"] == {str(name): count for name, count in swept.done.items() if count}
    assert (said.pupil, set(said.boards)) == (None, {"po-noord", "vo-oost", "vo-zuid"})
    assert said.actor == SERVICE
    states = inventory.epochs(parts.keystore)
    assert [(state.number, state.current, state.emptied_at is not None) for state in states] == [
        (1, False, True),
        (2, True, False),
    ]
    assert swept_at(parts, end + timedelta(hours=23)).done["epochs"] == 0
    assert swept_at(parts, end + timedelta(hours=24)).done["epochs"] == 1
    assert [entry.terms["epoch"] for entry in story.journal(Did.EPOCH_TURNED)] == [1, 2]
