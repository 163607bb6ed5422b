"""What one of a family sees, and is told, of another: the same rule in the log, in inzage and in the mail."""

import json
from datetime import date

import pytest

from handover.accesslog import Did, record, staff
from handover.parts import Caller
from handover.roles import Role
from tests import canary
from tests.handover.story import PO, Case, Story
from tests.region import now

OWN = {"refuse", "withdraw", "grant", "object", "objection_decided", "restrict", "request", "view", "inzage"}


def kinds(case: Case, who: int) -> tuple[set[str], set[str]]:
    """Give the kinds of entries that somebody sees in the log, and of events in what inzage gives."""
    log = {row["kind"] for row in case.family("log", who)["rows"]}
    everything = case.family("rights", who, right="access")["answer"]
    assert {row["kind"] for row in everything["log"]} == log
    return log, {event["kind"] for event in everything["ledger"]}


def decide(case: Case, event: str) -> None:
    body = {"upheld": False, "reason": "Wij zien het anders."}
    case.story.region.post(PO, f"{case.path}/objections/{event}/decision", body, role="principal")


@pytest.fixture
def disputed(lite: Story) -> Case:
    """A transfer in which the second holder has said and asked all that can be said and asked."""
    lite.region.choose("po-noord", "wettelijk")
    case = lite.case(sections=("okr", "opp"))
    case.say(1, opp="yes")
    case.family("withdrawal", 1, sections=["opp"], destroy_now=False)
    case.say(1, opp="no")
    case.family("inzage", 1, versions=case.versions("okr"), done=True)
    case.family("view", 1, text="Dit is van mij.", travels=False, done=False)
    decide(case, case.family("objection", 1, sections=["okr"], reason="Nee.")["events"][0])
    case.family("rights", 1, right="restriction", sections=["okr"])
    return case


def test_what_another_said_and_what_the_school_answered_is_shown_in_neither_place(disputed: Case) -> None:
    """J6, AVG art. 15(4)"""
    log, ledger = kinds(disputed, 0)
    assert not log & OWN
    assert ledger == {"custody", "applied", "request"}, "the request is the visitor's own, for access"
    mine, held = kinds(disputed, 1)
    assert mine - log == {"objection_decided"}
    assert held == {"custody", "applied", *OWN}


def test_the_state_of_what_they_decide_together_is_shown_and_nobody_is_named(disputed: Case) -> None:
    disputed.ask("opp", status=403)
    [refused] = [row for row in disputed.family("log")["rows"] if row["kind"] == "refused"]
    assert "Dat mocht niet. Een ouder of voogd wil dit niet." in refused["nl"]
    assert disputed.child.persons[1] not in json.dumps(refused)
    deciders = {one["you"]: one["answered"] for one in disputed.family("question")["deciders"]}
    assert deciders == {True: False, False: True}


def test_a_changed_address_is_shown_to_nobody_else(standing: Story) -> None:
    """What leads to a parent who hides isn't even hinted at to the other."""
    case = standing.case(bundle=False)
    parts = standing.region.parts
    with parts.journal.act(pupil=case.child.pupil) as act:
        record(
            act,
            Did.ADDRESS_CHANGED,
            staff(Caller(PO, "po-noord", "s-1", Role.ADMINISTRATION)),
            outcome="granted",
            terms={"school": PO, "person": case.child.persons[1], "second": None},
            boards=["po-noord"],
            pupil=case.child.pupil,
        )
    assert [kinds(case, who)[0] & {"address_changed"} for who in (0, 1)] == [set(), {"address_changed"}]


def mails(story: Story) -> list[dict[str, str]]:
    files = [json.loads(path.read_bytes()) for path in story.region.settings.outbox.glob("*.json")]
    return [mail for mail in files if "Er is iets gevraagd" in mail["subject"]]


@pytest.mark.parametrize("right", ["erasure", "restriction", "objection"])
def test_the_other_holder_is_told_that_something_was_asked_and_no_more(lite: Story, right: str) -> None:
    """Not who, which, why or where: the same words for all three, since a mailbox may be read along."""
    lite.region.choose("po-noord", "wettelijk")
    case = lite.case(sections=("okr",), bundle=False)
    if right == "objection":
        case.family("objection", 0, sections=["okr"], reason="Geheim.")
    else:
        case.family("rights", 0, right=right, text="Geheim.")
    [told] = mails(lite)
    assert told["to"] == f"{canary.MAIL}2@gezin.test"
    about = json.dumps({name: told[name] for name in ("subject", "body")})
    for hidden in ("Geheim", canary.NAME, canary.MAIL, PO, "okr", *case.child.persons):
        assert hidden not in about
    case.family("rights", 0, right="access")
    case.family("rights", 0, right="rectification", text="Geheim.")
    assert mails(lite) == [told], "what changes nothing for the other is nobody else's"


def test_what_a_pupil_of_sixteen_asks_is_told_to_no_parent_and_what_parents_ask_not_to_a_child(lite: Story) -> None:
    born = date(now().year - 17, 1, 1)
    grown = lite.case(bundle=False, pupil={"born": born, "pupil_mail": "sam@gezin.test"})
    grown.family("rights", 2, right="erasure")
    assert mails(lite) == []
    child = lite.case(bundle=False, pupil={"pupil_mail": "kind@gezin.test"})
    child.family("rights", 0, right="restriction")
    assert [mail["to"] for mail in mails(lite)] == [f"{canary.MAIL}2@gezin.test"]
