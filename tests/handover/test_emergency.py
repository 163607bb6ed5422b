"""Release in an emergency: by two, briefly, and never unnoticed (bad case K10)."""

import json
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from consent.db import reading, writing
from consent.events import Draft, Event, Kind
from consent.fields import print_time
from consent.terms import Section
from handover.accesslog import Did
from handover.parts import Caller
from handover.people import staff_actor
from handover.roles import Role
from handover.tables import Person
from tests import canary
from tests.handover.story import OTHER, PO, PO_TOO, VO, Case, Story, later
from tests.region import expect, now

BOARD = "po-noord"
REASON = f"Het is dringend. {canary.NOTE}"


def asked(**changed: Any) -> dict[str, Any]:
    until = print_time(now() + timedelta(hours=24))
    return {"ground": "vitaal_belang", "sections": ["okr"], "until": until, "reason": REASON} | changed


def propose(case: Case, status: int = 201, *, staff: str = "s-1", **changed: Any) -> dict[str, Any]:
    region = case.story.region
    return region.post(PO, f"{case.path}/emergency", asked(**changed), status, staff=staff)


def confirm(case: Case, proposal: str, status: int = 200, **options: Any) -> dict[str, Any]:
    return case.story.region.confirm(PO, proposal, status, **options)


def end(case: Case, event: str, status: int = 200, **options: Any) -> dict[str, Any]:
    return case.story.region.post(PO, f"{case.path}/emergency/{event}/end", {}, status, **options)


def begun(case: Case, **changed: Any) -> str:
    event: str = confirm(case, propose(case, **changed)["proposal"])["event"]
    return event


def shown(case: Case) -> dict[str, Any]:
    answer: dict[str, Any] = expect(case.story.region.send(PO, "GET", f"{case.path}/emergency"), 200).get_json()
    return answer


def mails(story: Story, before: set[str]) -> list[dict[str, str]]:
    """Give the messages that aren't among those before."""
    return [
        json.loads(path.read_bytes()) for path in story.region.settings.outbox.glob("*.json") if str(path) not in before
    ]


def posted(story: Story) -> set[str]:
    return set(map(str, story.region.settings.outbox.glob("*.json")))


def events(case: Case) -> tuple[Event, ...]:
    with reading(case.story.region.parts.main) as session:
        return case.story.region.parts.ledger.history(session, case.child.pupil).known


@pytest.fixture
def case(standing: Story) -> Case:
    return standing.case(invited=False)


@pytest.fixture
def bare(standing: Story) -> Case:
    """A transfer without a bundle."""
    return standing.case(invited=False, bundle=False)


def test_k10_what_one_proposed_and_another_confirmed_may_go_at_once(story: Story) -> None:
    case = story.case(invited=False, sections=("okr", "lvs"))
    story.region.dpo(BOARD)
    before = posted(story)
    proposal = propose(case)["proposal"]
    assert posted(story) == before, "nobody is alarmed before a second person has agreed"
    case.refused("NO_GRANT")
    answer = confirm(case, proposal)
    assert (answer["sections"], answer["told"]) == (["okr"], 2)
    case.ask("okr")
    case.refused("NO_GRANT", "lvs")
    event = events(case)[-1]
    assert (event.id, event.kind, event.by.person, event.second) == (
        answer["event"],
        Kind.EMERGENCY,
        f"{PO}.s-2",
        f"{PO}.s-1",
    )
    assert story.journal(Did.RELEASE)[-2].ground == "emergency"
    assert story.rows()["proposal"] == 0


def test_k10_the_family_and_the_fg_are_told_at_once_and_in_plain_words(lite: Story) -> None:
    case = lite.case(invited=False)
    lite.region.dpo(BOARD)
    before = posted(lite)
    begun(case, until=print_time(now() + timedelta(hours=1)))
    told = {mail["to"]: mail for mail in mails(lite, before)}
    family = [f"{canary.MAIL}{place}@gezin.test" for place in (1, 2)]
    assert set(told) == {*family, f"fg-1@{BOARD}.test"}
    for address in family:
        assert "Twee medewerkers hebben dat samen besloten." in told[address]["body"]
        assert REASON not in told[address]["body"]
    entry = lite.journal()[-2]
    assert entry.type == Kind.EMERGENCY
    fg = told[f"fg-1@{BOARD}.test"]
    assert (PO in fg["subject"], f"nummer {entry.index} " in fg["body"], "bericht: 2." in fg["body"]) == (True,) * 3


def test_k10_each_step_stands_in_the_log_with_who_did_it(bare: Case) -> None:
    event = begun(bare)
    end(bare, event)
    kinds = Did.EMERGENCY_PROPOSED, Did.EMERGENCY_CONFIRMED, Did.EMERGENCY_ENDED
    entries = [entry for entry in bare.story.journal(*kinds) if entry.pupil == bare.child.pupil]
    assert [entry.type for entry in entries] == list(kinds)
    assert [entry.actor and entry.actor.id for entry in entries] == [f"{PO}.s-1", f"{PO}.s-2", f"{PO}.s-1"]
    for entry in entries:
        assert (entry.ground, entry.outcome, entry.sections) == ("emergency", "granted", ("okr",))
        assert (set(entry.boards), entry.told) == ({BOARD}, {}), "the receiver's side hears nothing of it"
        assert (entry.terms["transfer"], entry.terms["emergency"]) == (bare.transfer, "vitaal_belang")
    assert entries[1].terms["told"] == sorted(bare.child.persons)
    assert (entries[1].terms["second"], entries[1].terms["event"]) == (f"{PO}.s-1", event)


def test_k10_who_proposed_it_can_t_confirm_it(case: Case) -> None:
    proposal = propose(case)["proposal"]
    before = posted(case.story)
    for role in ("internal_supervisor", "principal"):
        assert confirm(case, proposal, 409, staff="s-1", role=role)["code"] == "SECOND_NEEDED"
    case.refused("NO_GRANT")
    assert posted(case.story) == before
    assert confirm(case, proposal)["event"]


@pytest.mark.parametrize(("hours", "seconds", "status"), [(72, -5, 201), (72, 5, 422), (0, -5, 422), (0, 5, 201)])
def test_k10_an_emergency_lies_ahead_and_lasts_72_hours_at_most(
    bare: Case, hours: int, seconds: int, status: int
) -> None:
    until = now() + timedelta(hours=hours, seconds=seconds)
    answer = propose(bare, status, until=print_time(until))
    assert answer.get("fields", {}) == ({} if status == 201 else {"/until": "Must lie ahead, by 72 hours at most."})


def test_k10_it_ends_by_itself(case: Case) -> None:
    begun(case, until=print_time(now() + timedelta(hours=2)))
    with later(hours=1, minutes=59):
        case.ask("okr")
    with later(hours=2, minutes=1):
        case.refused("NO_GRANT")


def test_views_and_what_isn_t_asked_never_go_in_an_emergency(standing: Story) -> None:
    case = standing.case(invited=False, bundle=False, sections=("okr", "views"))
    answer = propose(case, 422, sections=["okr", "views", "lvs"])
    assert set(answer["fields"]) == {"/sections/1", "/sections/2"}
    tried = standing.journal(Did.EMERGENCY_PROPOSED)[-1]
    assert (tried.outcome, tried.sections) == ("INVALID", ("okr", "lvs", "views"))
    assert "proposal" not in tried.terms


def test_a_restriction_still_stops_it(case: Case) -> None:
    begun(case)
    caller, parts = Caller(PO, BOARD, "s-9", Role.PRINCIPAL), case.story.region.parts
    with parts.journal.act(pupil=case.child.pupil) as act:
        restriction = Draft(
            kind=Kind.RESTRICT,
            key="restricted",
            by=staff_actor(caller),
            subject=case.child.pupil,
            sections=(Section.OKR,),
        )
        parts.ledger.record(act, restriction, (BOARD,))
    case.refused("RESTRICTED")


def test_a_proposal_that_waited_past_its_own_end_is_over(case: Case) -> None:
    proposal = propose(case, until=print_time(now() + timedelta(hours=1)))["proposal"]
    with later(hours=1, seconds=1):
        assert confirm(case, proposal, 409)["code"] == "EMERGENCY_OVER"
        case.refused("NO_GRANT")


@pytest.mark.parametrize(
    "who",
    [{"staff": "s-1"}, {"staff": "s-2", "role": "care_coordinator"}, {"staff": "s-9", "role": "principal"}],
    ids=["who proposed", "who confirmed", "the principal"],
)
def test_either_of_the_two_or_the_principal_ends_it_sooner(case: Case, who: dict[str, str]) -> None:
    event = begun(case)
    assert end(case, event, **who)["event"] == event
    case.refused("NO_GRANT")
    assert end(case, event, 409, **who)["code"] == "EMERGENCY_OVER"


def test_nobody_else_ends_it_and_that_it_was_tried_is_logged(case: Case) -> None:
    event = begun(case)
    assert end(case, event, 403, staff="s-3")["code"] == "NOT_YOURS"
    assert case.story.journal(Did.EMERGENCY_ENDED)[-1].outcome == "NOT_YOURS"
    case.ask("okr")
    with later(hours=25):
        assert end(case, event, 409)["code"] == "EMERGENCY_OVER"


def test_it_can_be_ended_after_the_transfer_was_cancelled_but_not_begun(bare: Case) -> None:
    waiting, event = propose(bare)["proposal"], begun(bare)
    bare.story.region.post(PO, f"{bare.path}/cancel", {})
    assert propose(bare, 409)["code"] == "CANCELLED"
    assert confirm(bare, waiting, 409)["code"] == "CANCELLED"
    end(bare, event)


def test_a8_what_belongs_to_another_transfer_isn_t_there(standing: Story, bare: Case) -> None:
    other = standing.case(invited=False, bundle=False)
    event = begun(other)
    end(bare, event, 404)
    end(bare, "0" * 32, 404)
    named = events(bare)[0].id
    end(bare, named, 404)
    for school, status in ((VO, 403), (OTHER, 404), (PO_TOO, 404)):
        expect(standing.region.send(school, "GET", f"{other.path}/emergency"), status)


def test_a6_the_same_request_twice_begins_one_emergency(bare: Case) -> None:
    proposal = propose(bare)["proposal"]
    first, again = (confirm(bare, proposal, key="k" * 16) for _ in range(2))
    assert first == again
    confirm(bare, proposal, 404)
    assert [event.kind for event in events(bare)].count(Kind.EMERGENCY) == 1


def test_the_school_sees_what_was_decided_with_the_reasons(bare: Case) -> None:
    until = print_time(now() + timedelta(hours=3))
    proposal = propose(bare, until=until, ground="meldcode")["proposal"]
    said = {"ground": "meldcode", "sections": ["okr"], "until": until, "reason": REASON}
    assert shown(bare) == {"releases": []}
    event = confirm(bare, proposal)["event"]
    both = {"event": event, "by": f"{PO}.s-2", "second": f"{PO}.s-1", "at": ""}
    assert [each | {"at": ""} for each in shown(bare)["releases"]] == [both | said]
    ended = end(bare, event)["ended_at"]
    assert shown(bare)["releases"][0]["until"] == ended


def test_where_nobody_can_be_told_that_is_what_is_recorded(bare: Case) -> None:
    main = bare.story.region.parts.main
    with writing(main) as session:
        session.execute(update(Person).where(Person.pupil == bare.child.pupil).values(sealed=None))
    assert confirm(bare, propose(bare)["proposal"])["told"] == 0
    assert bare.story.journal(Did.EMERGENCY_CONFIRMED)[-1].terms["told"] == []


@pytest.mark.parametrize(("age", "told"), [(15, 1), (16, 2), (18, 1)])
def test_the_pupil_is_told_from_16_and_alone_from_18(standing: Story, age: int, told: int) -> None:
    today = now().date()
    born = date(today.year - age, 1, 1)
    address = f"{canary.MAIL}-leerling@gezin.test"
    case = standing.case(invited=False, bundle=False, pupil={"born": born, "holders": 1, "pupil_mail": address})
    before = posted(standing)
    assert confirm(case, propose(case)["proposal"])["told"] == told
    assert (address in {mail["to"] for mail in mails(standing, before)}) is (age >= 16)
