"""What somebody wrote into the database, or a disk spoilt: nothing leaves by it, nobody is answered with a fault.

The receiver did nothing wrong and hears what it hears of every refusal; the sender and the journal hear why (K1).
"""

from typing import Any

import pytest
from sqlalchemy import select, update

from consent.db import writing
from consent.events import Kind
from consent.tables import JournalPart
from handover.accesslog import Did
from handover.retention import Kept
from handover.sweeping import sweep
from handover.tables import Bundle, Transfer
from tests.handover.story import PO, VO, Case, Story, later
from tests.region import expect

GARBAGE: dict[str, tuple[Any, dict[str, Any]]] = {
    "purpose": (Transfer, {"purpose": "zq7"}),
    "route": (Transfer, {"route": "zq7"}),
    "sections": (Transfer, {"sections": "okr,zq7"}),
    "no manifest": (Bundle, {"manifest": b""}),
    "a spoilt manifest": (Bundle, {"manifest": b"\0" * 300}),
    "another's manifest": (Bundle, {"manifest": b"another's"}),
}


@pytest.fixture(scope="module")
def sound(standing: Story) -> Case:
    return standing.agreed()


def spoil(case: Case, how: str, sound: Case) -> Case:
    """Let somebody write into the database what no use case writes there."""
    table, changed = GARBAGE[how]
    with writing(case.story.region.parts.main) as session:
        if how == "another's manifest":
            of_other = select(Bundle.manifest).where(Bundle.transfer == sound.transfer)
            changed = {"manifest": session.scalars(of_other).one()}
        of = Transfer.id if table is Transfer else Bundle.transfer
        session.execute(update(table).where(of == case.transfer).values(changed))
    return case


@pytest.fixture(scope="module", params=GARBAGE)
def damaged(request: pytest.FixtureRequest, sound: Case) -> Case:
    return spoil(sound.story.agreed(), request.param, sound)


def test_the_receiver_hears_no_more_than_of_any_refusal_and_the_journal_why(damaged: Case) -> None:
    """A8, K1"""
    refused = damaged.ask("okr", status=403)
    assert damaged.story.journal(Did.RELEASE)[-1].outcome == "LEDGER_INTEGRITY"
    assert refused.get_data() == damaged.ask("opp", status=403).get_data()
    assert refused.get_json()["code"] == "NOT_AUTHORISED"


def test_both_sides_see_their_other_transfers_and_the_sender_what_is_wrong(damaged: Case, sound: Case) -> None:
    region = damaged.story.region
    found = expect(region.send(PO, "GET", "/v1/transfers?side=sender"), 200).get_json()["transfers"]
    of = {each["transfer"]: each for each in found}
    spoilt = of[damaged.transfer]["decisions"]
    assert {one["reason"] for one in spoilt.values()} == {"LEDGER_INTEGRITY"}
    assert spoilt["okr"]["allows"].startswith("The ledger of this pupil is incomplete or was altered.")
    assert of[sound.transfer]["decisions"]["okr"]["granted"] is True
    inbox = expect(region.send(VO, "GET", "/v1/transfers?side=receiver"), 200).get_json()["transfers"]
    assert {each["transfer"] for each in inbox} == set(of)
    assert damaged.for_receiver()["withdrawn"] == []


def test_nobody_meets_a_fault_of_the_service(damaged: Case) -> None:
    """Whoever asks what can't be answered is told that the service can't do it safely: 503, and nothing was done."""
    region, token = damaged.story.region, damaged.tokens[0]
    bodies: dict[str, dict[str, Any]] = {
        "question": {},
        "answers": {"notice": "0" * 64, "answers": {"okr": "no"}},
        "withdrawal": {"sections": ["okr"], "destroy_now": True},
        "objection": {"sections": ["okr"], "reason": "Nee."},
        "log": {},
        "requests": {},
        "rights": {"right": "access"},
    }
    for what, body in bodies.items():
        headers = {"Idempotency-Key": f'"{what:x<20}"'}
        answer = region.http.post(f"/v1/family/{what}", json={"token": token, **body}, headers=headers)
        assert answer.status_code in (200, 409, 422, 503), (what, answer.get_data())
    for path in ("/v1/season", f"{damaged.path}/paper", "/v1/requests", "/v1/proposals", damaged.path):
        assert region.send(PO, "GET", path).status_code in (200, 409, 503), path
    for path, said in (("invitations", {"person": damaged.child.persons[0]}), ("cancel", {})):
        assert region.send(PO, "POST", f"{damaged.path}/{path}", said).status_code in (200, 201, 503), path


def test_a_sweep_does_the_rest_and_says_what_it_leaves(lite: Story) -> None:
    """Nobody can say what a transfer was for, and so who holds it back: it stays. A manifest holds nothing back."""
    sound = lite.agreed()
    for how in ("purpose", "a spoilt manifest"):
        spoil(lite.agreed(), how, sound)
    with later(days=39):
        swept = sweep(lite.region.parts, accept=1.0)
    assert swept.done["expired_bundle"] == 2
    assert sum(swept.left["expired_bundle"].values()) == 1


def test_a_spoilt_row_stops_no_reminder_of_others_and_no_destruction(lite: Story) -> None:
    """Six days later a first reminder is due, of the spoilt ones too."""
    sound = lite.case(bundle=False)
    for how in ("purpose", "route", "sections", "a spoilt manifest"):
        spoil(lite.case(), how, sound)
    with later(days=6):
        swept = sweep(lite.region.parts, accept=1.0)
    assert swept.done["reminded"] == len(sound.child.persons)
    assert swept.done[Kept.NONCE] > 0
    season = expect(lite.region.send(PO, "GET", "/v1/season"), 200).get_json()
    assert [each["transfer"] for each in season["transfers"]] == [sound.transfer]


def test_a_spoilt_entry_of_a_pupil_holds_up_no_request_of_others(lite: Story) -> None:
    spoilt, sound = lite.case(bundle=False), lite.case(bundle=False)
    asked = [case.family("rights", right="rectification", text="Anders.")["request"] for case in (spoilt, sound)]
    stated = {one.pupil: one.index for one in lite.journal() if one.type == Kind.CUSTODY}
    with writing(lite.region.parts.main) as session:
        session.execute(update(JournalPart).where(JournalPart.index == stated[spoilt.child.pupil]).values(terms=None))
    found = expect(lite.region.send(PO, "GET", "/v1/requests"), 200).get_json()["requests"]
    assert [each["request"] for each in found] == asked[1:]
    with later(days=6):
        assert sweep(lite.region.parts, accept=1.0).done["reminded"] == len(sound.child.persons)
