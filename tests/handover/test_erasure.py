"""Erasing a pupil: nothing of it is left that can be read, and everything that was proved still holds."""

import json
from typing import Any

import pytest
from sqlalchemy import Table, select

from consent.db import Main, reading
from consent.entry import ERASE, Actor
from consent.errors import Destroyed
from consent.journal import Criteria
from consent.tables import DataKey, JournalErasure, JournalHead, JournalLeaf, LookupHash, Pupil
from consent.terms import Section
from consent.verify import verify_export
from crypto.checkpoint import parse_receipt, verify_receipt
from handover import outbox
from handover.accesslog import SERVICE, Did
from handover.erasure import Erased, erase, finish
from handover.parts import Caller
from handover.release import Released, hand_out, release
from handover.roles import Role
from handover.sweeping import sweep
from handover.tables import Idempotency, Person
from tests.handover.story import PO, VO, Case, Story, later
from tests.region import head_of


def everything_said(story: Story, **pupil: Any) -> Case:
    """Make a pupil of whom every kind of row exists."""
    case = story.agreed("okr", "reports", **({"pupil": pupil} if pupil else {}))
    case.family("view", text="Zij leest graag.", travels=True, done=False)
    case.send()
    case.all_say(okr="yes")
    case.ask("okr")
    story.region.post(VO, f"{case.path}/acknowledgement", {"received": True, "placed": True})
    story.region.invite(PO, case.transfer, case.child.persons[0])
    return case


def erased_by_right(story: Story, case: Case) -> Erased:
    parts = story.region.parts
    with parts.journal.act(pupil=case.child.pupil) as act:
        done = erase(parts, act, case.child.pupil, SERVICE, "AVG art. 17(1)(b)")
    finish(parts, done)
    return done


def hanging_on(story: Story, pupil: str) -> set[str]:
    """Name every table of the main database in which a row leads to this pupil, by foreign keys."""
    found: dict[str, set[Any]] = {"pupil": {pupil}}
    with reading(story.region.parts.main) as session:
        for table in Main.metadata.sorted_tables:
            for key in (key for column in table.columns for key in column.foreign_keys):
                if key.column.table.name in found and key.column.table.name in _OF_PUPILS:
                    wanted = select(_key(table)).where(key.parent.in_(found[key.column.table.name]))
                    found.setdefault(table.name, set()).update(session.scalars(wanted))
    return {name for name, rows in found.items() if rows} - {"pupil"}


_OF_PUPILS = {"pupil", "transfer", "person", "bundle"}


def _key(table: Table) -> Any:
    return next(iter(table.primary_key.columns))


def test_every_row_and_everything_behind_it_goes(story: Story) -> None:
    """J4, J7: what is left of a pupil are leaves, and entries that say when who of the staff did something."""
    case = everything_said(story)
    parts, pupil = story.region.parts, case.child.pupil
    assert {"transfer", "person", "words", "invitation", "bundle", "bundle_section", "release"} <= hanging_on(
        story, pupil
    )
    assert any(outbox.pupil_of(path) == pupil for path, _ in outbox.waiting_files(parts))
    done = erased_by_right(story, case)
    assert hanging_on(story, pupil) == set()
    with reading(parts.main) as session:
        row = session.get_one(Pupil, pupil)
        assert (row.sealed, row.erased) == (None, True)
        assert session.scalars(select(JournalErasure)).all() == []
        with pytest.raises(Destroyed):
            parts.ledger.history(session, pupil)
    assert (len(done.stores), len(done.objects)) == (2, 8)
    assert (parts.blobs.names(), list(parts.settings.outbox.iterdir())) == ([], [])
    with reading(story.keys) as session:
        live = session.scalars(select(DataKey.owner_kind).where(DataKey.wrapped.is_not(None))).all()
        assert set(live) == {"person", "board"}
        assert session.scalars(select(LookupHash)).all() == []
    assert sweep(parts).done["orphan"] == 0


def test_every_proof_and_receipt_from_before_still_holds(story: Story) -> None:
    """J7, K6: count, order and proofs stand; the entries that went are listed, and nothing else is missing."""
    case = everything_said(story)
    parts = story.region.parts
    head, _ = head_of(story.region.release(VO, case.transfer, "okr"))
    receipt = parse_receipt(head["receipt"]["proof"].encode())
    with reading(parts.main) as session:
        before = session.scalars(select(JournalHead.size)).one()
        leaves = list(session.scalars(select(JournalLeaf.leaf).order_by(JournalLeaf.index)))
        note = parts.journal.checkpoint(session)
    done = erased_by_right(story, case)
    verify_receipt(receipt, receipt.extra, parts.journal.origin, parts.log_key.public)
    with reading(parts.main) as session:
        assert list(session.scalars(select(JournalLeaf.leaf).order_by(JournalLeaf.index)))[:before] == leaves
        export = parts.settings.home / "export.jsonl"
        with export.open("wb") as out:
            parts.journal.export(out)
    report = verify_export(export, parts.log_key.public, note)
    assert report.findings == ()
    entries = {each.index: each for each in _readable(story, done.index)}
    assert entries[done.index].type == ERASE
    said = entries[done.index + 1]
    assert (said.type, said.pupil) == (Did.DESTROYED, None)
    assert said.terms == {"what": "pupil", "ground": "AVG art. 17(1)(b)", "erasure": done.index}


def _readable(story: Story, first: int) -> list[Any]:
    parts = story.region.parts
    with reading(parts.main) as session:
        size = session.scalars(select(JournalHead.size)).one()
        return [parts.journal.read(session, index) for index in range(first, size)]


def test_to_everybody_outside_an_erased_pupil_was_never_there(lite: Story) -> None:
    """A8, G1: sender, receiver and family get the answer for what isn't there; the number may be used again."""
    case = everything_said(lite, number="L-77")
    absent = lite.region.send(VO, "POST", "/v1/transfers/absent/release", {"sections": ["okr"]})
    erased_by_right(lite, case)
    gone = lite.region.release(VO, case.transfer, "okr")
    assert (gone.status_code, gone.get_json()) == (404, absent.get_json())
    for school in (PO, VO):
        assert lite.region.send(school, "GET", case.path).get_json() == absent.get_json()
        listed = lite.region.send(school, "GET", f"/v1/transfers?side={'sender' if school == PO else 'receiver'}")
        assert listed.get_json()["transfers"] == []
    for token in case.tokens:
        lite.region.family("question", {"token": token}, 404)
    body = {"holders": [], "evidence": {"kind": "gezagsregister", "date": "2026-01-01", "staff": "s-1"}}
    assert lite.region.send(PO, "PUT", f"/v1/pupils/{case.child.pupil}/custody", body).status_code in (404, 422)
    again = lite.case(pupil={"number": "L-77"})
    assert again.child.pupil != case.child.pupil
    again.all_say(okr="yes")
    again.ask("okr")


def test_another_pupil_keeps_everything(lite: Story) -> None:
    """J6: a brother at the same school, with the same parents' addresses."""
    other, case = everything_said(lite), everything_said(lite)
    before = hanging_on(lite, other.child.pupil)
    files = {path for path, _ in outbox.waiting_files(lite.region.parts) if outbox.pupil_of(path) == other.child.pupil}
    assert files
    erased_by_right(lite, case)
    assert hanging_on(lite, other.child.pupil) == before
    assert {path for path, _ in outbox.waiting_files(lite.region.parts)} == files
    other.ask("okr")


def test_staffs_access_records_stay_readable_for_their_own_term(lite: Story) -> None:
    """J7: who looked isn't erased with whom it was about."""
    case = everything_said(lite)
    parts = lite.region.parts
    erased_by_right(lite, case)
    with reading(parts.main) as session:
        found = parts.journal.search(session, "po-noord", Criteria(person=f"{PO}.s-1"))
    gone = [entry for entry in found if entry.erased]
    assert len(gone) > 3
    assert {entry.actor and entry.actor.id for entry in gone} == {f"{PO}.s-1"}
    assert {(entry.terms, entry.day, entry.sections, entry.opened) for entry in gone} == {(None, None, (), None)}


def test_what_a_crash_left_after_the_erasure_is_taken_by_the_next_sweep(lite: Story) -> None:
    """H3, J3: shares, ciphertext, files in the outbox."""
    case = everything_said(lite)
    parts, pupil = lite.region.parts, case.child.pupil
    with later(days=2):
        with parts.journal.act(pupil=pupil) as act:
            done = erase(parts, act, pupil, SERVICE, "AVG art. 17")
        files = len(list(parts.settings.outbox.iterdir()))
        assert len(parts.blobs.names()) == 8
        swept = sweep(parts)
        assert (swept.done["orphan"], swept.done["message"]) == (9, files)
        assert (parts.blobs.names(), list(parts.settings.outbox.iterdir())) == ([], [])
        finish(parts, done)


def test_an_erasure_that_fails_leaves_everything_as_it_was(lite: Story) -> None:
    """K5: an erasure that can't be logged doesn't happen."""
    case = everything_said(lite)
    parts, pupil, before = lite.region.parts, case.child.pupil, lite.rows()

    def fails() -> None:
        with parts.journal.act(pupil=pupil) as act:
            erase(parts, act, pupil, SERVICE, "AVG art. 17")
            raise InterruptedError

    with pytest.raises(InterruptedError):
        fails()
    assert lite.rows() == before
    case.ask("okr")


def test_erasing_twice_is_refused(lite: Story) -> None:
    case = lite.case(bundle=False)
    erased_by_right(lite, case)
    with pytest.raises(Destroyed):
        erased_by_right(lite, case)


def test_an_erasure_by_a_person_names_that_person_and_stays_searchable(lite: Story) -> None:
    case = lite.case(bundle=False)
    parts, pupil = lite.region.parts, case.child.pupil
    with parts.journal.act(pupil=pupil) as act:
        done = erase(parts, act, pupil, Actor("staff", f"{PO}.p-1", {"school": PO}), "AVG art. 17(1)(a)")
    entry, said = _readable(lite, done.index)
    assert (entry.actor.id, said.actor.id, said.school) == (f"{PO}.p-1", f"{PO}.p-1", PO)


def test_answers_that_are_remembered_hold_ids_and_nothing_else(lite: Story) -> None:
    """J4, J7: what a repeated request gets after the erasure says nothing about anybody."""
    everything_said(lite)
    with reading(lite.region.parts.main) as session:
        answers = [json.loads(text) for text in session.scalars(select(Idempotency.answer))]
    names = {name for answer in answers for name in answer}
    known = "pupil persons transfer policy applied person expires_at bundle index supersedes told events opened"
    assert names <= {*known.split(), "state", "received_at", "placed"}
    assert {key for answer in answers for person in answer.get("persons", []) for key in person} == {"person", "role"}


def test_a_release_that_is_being_sent_ends_without_a_word(lite: Story) -> None:
    """Erasure against a slow release: what was decided before may end, and closes nothing that is gone."""
    case = everything_said(lite)
    parts = lite.region.parts
    caller = Caller(VO, "vo-zuid", "s-2", Role.CARE_COORDINATOR)
    found = release(parts, caller, case.transfer, (Section.OKR,))
    assert isinstance(found, Released)
    pieces = hand_out(parts, found)
    next(pieces)
    erased_by_right(lite, case)
    size = lite.size()
    pieces.close()  # type: ignore[attr-defined]
    assert lite.size() == size
    with reading(parts.main) as session:
        assert session.scalars(select(Person)).all() == []
