"""A changed mail address: who holds a mailbox answers as that person, so it changes slowly and in the open (A10)."""

import json
from datetime import timedelta
from typing import Any

import pytest

from handover.accesslog import Did
from handover.letters import TEXTS
from tests import canary
from tests.faults.overlap import at_once
from tests.handover.story import PO, Case, Story, later
from tests.handover.test_audit import patterns
from tests.handover.test_service_consent import born
from tests.region import expect, now

ONE, TWO = (f"{canary.MAIL}{place}@gezin.test" for place in (1, 2))
SAM = "sam@gezin.test"
NEW, NEWER = "elders@post.test", "verder@post.test"


def states(case: Case, *mails: str, status: int = 200, **more: Any) -> dict[str, Any]:
    """State the custody anew with the same guardians, at these addresses."""
    named = [
        {"name": f"Ouder {place}", "mail": mail, "role": "guardian", "person": person}
        for place, (person, mail) in enumerate(zip(case.child.persons, mails, strict=False))
    ]
    evidence = {"kind": "gezagsregister", "date": now().date().isoformat(), "staff": "s-1"}
    path = f"/v1/pupils/{case.child.pupil}/custody"
    body = {"holders": named, "evidence": evidence} | more
    answer: dict[str, Any] = expect(case.story.region.send(PO, "PUT", path, body, staff="s-1"), status).get_json()
    return answer


def empty(story: Story) -> None:
    for path in story.region.settings.outbox.glob("*.json"):
        path.unlink()


def messages(story: Story) -> list[tuple[str, str]]:
    """Give what lies in the outbox: to whom, about what."""
    read = [json.loads(path.read_bytes()) for path in story.region.settings.outbox.iterdir()]
    return sorted((one["to"], one["subject"]) for one in read)


def test_a_new_address_does_not_turn_the_no_of_who_had_the_old_one(lite: Story) -> None:
    """A5, A10: nobody answers as the other parent by giving that parent another mailbox."""
    case = lite.case(sections=("okr",))
    case.say(0, okr="yes")
    case.say(1, okr="no")
    person = case.child.persons[1]
    alone = states(case, ONE, NEW, status=422)
    assert (alone["code"], list(alone["fields"])) == ("SECOND_NEEDED", ["/second_person"])
    for same in ("s-1", "S-1"):
        assert states(case, ONE, NEW, status=422, second_person=same)["code"] == "SECOND_NEEDED"
    assert lite.journal(Did.ADDRESS_CHANGED) == []
    states(case, ONE, NEW, second_person="s-2")
    empty(lite)
    lite.region.post(PO, f"{case.path}/invitations", {"person": person}, 201)
    assert messages(lite) == [(TWO, TEXTS["invitation"][0])]
    case.refused("GUARDIAN_OBJECTS")


def test_the_old_token_works_on_while_the_old_address_counts(lite: Story) -> None:
    case = lite.case(sections=("okr",))
    case.say(1, okr="no")
    states(case, ONE, NEW, second_person="s-2")
    case.say(1, okr="yes")
    case.family("withdrawal", 1, sections=["okr"], destroy_now=False)
    assert case.why() == "WITHDRAWN"


@pytest.mark.parametrize(
    "said", [("view", {"text": "Sam leest.", "travels": True, "done": False}), ("rights", {"right": "restriction"})]
)
def test_whatever_somebody_said_makes_the_address_change_slowly(lite: Story, said: tuple[str, dict[str, Any]]) -> None:
    case = lite.case(sections=("okr",))
    case.family(said[0], 1, **said[1])
    assert states(case, ONE, NEW, status=422)["code"] == "SECOND_NEEDED"


def test_both_addresses_hear_of_the_change_and_neither_hears_of_the_other(lite: Story) -> None:
    case = lite.case(sections=("okr",))
    case.say(1, okr="no")
    empty(lite)
    states(case, ONE, NEW, second_person="s-2")
    about = TEXTS["address_later"][0]
    assert [each for each in messages(lite) if each[1] == about] == [(NEW, about), (TWO, about)]
    bodies = {path.read_text() for path in lite.region.settings.outbox.iterdir()}
    assert not [body for body in bodies if NEW in body and TWO in body]
    entry = lite.journal(Did.ADDRESS_CHANGED)[-1]
    assert (entry.terms["person"], entry.terms["second"]) == (case.child.persons[1], f"{PO}.s-2")
    assert entry.terms["counts_from"] > (now() + timedelta(days=6, hours=23)).isoformat()
    assert (entry.actor and entry.actor.id, entry.pupil) == (f"{PO}.s-1", case.child.pupil)


def test_after_seven_days_the_new_address_is_the_address(lite: Story) -> None:
    case = lite.case(sections=("okr",))
    case.say(1, okr="no")
    states(case, ONE, NEW, second_person="s-2")
    for days, to in ((6.99, TWO), (7.01, NEW)):
        with later(days=days):
            empty(lite)
            lite.region.invite(PO, case.transfer, case.child.persons[1])
            assert messages(lite) == [(to, TEXTS["invitation"][0])]
    with later(days=8):  # and from there on the new address is the old one
        states(case, ONE, NEW)
        assert states(case, ONE, NEWER, status=422)["code"] == "SECOND_NEEDED"


def test_who_has_said_nothing_yet_has_the_new_address_at_once(lite: Story) -> None:
    """A school's mistake in writing mends by itself; both addresses hear of it all the same."""
    case = lite.case(sections=("okr",), invited=False)
    empty(lite)
    states(case, ONE, NEW)
    about = TEXTS["address"][0]
    assert [each for each in messages(lite) if each[1] == about] == [(NEW, about), (TWO, about)]
    assert lite.journal(Did.ADDRESS_CHANGED)[-1].terms["second"] is None
    empty(lite)
    lite.region.invite(PO, case.transfer, case.child.persons[1])
    assert messages(lite) == [(NEW, TEXTS["invitation"][0])]


def test_the_same_addresses_are_no_change(lite: Story) -> None:
    case = lite.case(sections=("okr",))
    case.say(1, okr="no")
    states(case, ONE, TWO)
    assert lite.journal(Did.ADDRESS_CHANGED) == []
    states(case, ONE, NEW, second_person="s-2")
    with later(days=6):
        states(case, ONE, NEW)  # said again it neither begins anew nor counts sooner
    with later(days=7, minutes=1):
        empty(lite)
        lite.region.invite(PO, case.transfer, case.child.persons[1])
        assert messages(lite) == [(NEW, TEXTS["invitation"][0])]
    assert len(lite.journal(Did.ADDRESS_CHANGED)) == 1


def test_the_old_address_stated_again_ends_the_change(lite: Story) -> None:
    case = lite.case(sections=("okr",))
    case.say(1, okr="no")
    states(case, ONE, NEW, second_person="s-2")
    empty(lite)
    states(case, ONE, TWO)
    about = TEXTS["address"][0]
    assert [each for each in messages(lite) if each[1] == about] == [(NEW, about), (TWO, about)]
    with later(days=8):
        empty(lite)
        lite.region.invite(PO, case.transfer, case.child.persons[1])
        assert messages(lite) == [(TWO, TEXTS["invitation"][0])]


def test_a_third_address_waits_its_own_seven_days(lite: Story) -> None:
    case = lite.case(sections=("okr",))
    case.say(1, okr="no")
    states(case, ONE, NEW, second_person="s-2")
    with later(days=6):
        assert states(case, ONE, NEWER, status=422)["code"] == "SECOND_NEEDED"
        empty(lite)
        states(case, ONE, NEWER, second_person="s-2")
        about = TEXTS["address_later"][0]
        assert [to for to, subject in messages(lite) if subject == about] == sorted([TWO, NEW, NEWER])
    with later(days=8):
        empty(lite)
        lite.region.invite(PO, case.transfer, case.child.persons[1])
        assert messages(lite) == [(TWO, TEXTS["invitation"][0])]


def test_the_pupil_s_own_address_changes_as_slowly(lite: Story) -> None:
    """A10: from 16 the pupil's no is the one that counts."""
    case = lite.case(sections=("okr",), pupil={"born": born(16, days=-30), "pupil_mail": SAM})
    case.say(2, okr="no")
    assert states(case, ONE, TWO, status=422, pupil_mail=NEW)["code"] == "SECOND_NEEDED"
    states(case, ONE, TWO, pupil_mail=NEW, second_person="s-2")
    empty(lite)
    lite.region.post(PO, f"{case.path}/invitations", {"person": case.child.pupil}, 201)
    assert [to for to, _ in messages(lite)] == [SAM]
    case.refused("PUPIL_OBJECTS")


def test_a_change_and_an_invitation_at_once_let_nobody_in_at_the_new_address(lite: Story) -> None:
    """A2: whichever comes first."""
    case = lite.case(sections=("okr",))
    case.say(0, okr="yes")
    case.say(1, okr="no")
    person, region = case.child.persons[1], lite.region
    empty(lite)
    at_once(
        region.parts,
        case.child.pupil,
        lambda: states(case, ONE, NEW, second_person="s-2"),
        lambda: region.post(PO, f"{case.path}/invitations", {"person": person}, 201),
        lambda: region.post(PO, f"{case.path}/invitations", {"person": person}, 201),
    )
    invited = [to for to, subject in messages(lite) if subject == TEXTS["invitation"][0]]
    assert invited == [TWO, TWO]
    assert case.why() == "GUARDIAN_OBJECTS"


def test_the_fg_is_shown_the_changed_address_of_who_had_spoken(lite: Story) -> None:
    lite.region.dpo("po-noord")
    case = lite.case(sections=("okr",))
    case.say(1, okr="no")
    states(case, NEW, TWO)
    assert patterns(lite, "po-noord", "changed_address")["changed_address"]["count"] == 0
    states(case, NEW, NEWER, second_person="s-2")
    found = patterns(lite, "po-noord", "changed_address")["changed_address"]
    assert (found["count"], found["found"][0]["who"]) == (1, f"{PO}.s-1")
