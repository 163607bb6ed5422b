"""Who may do what: every route of the service, every role, and things that are somebody else's.

The matrix is made from the routes that the application really has. A route without a row here fails (bad case A9).
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Literal

import pytest
import time_machine
from sqlalchemy import delete
from werkzeug.test import TestResponse

from consent.db import writing
from handover.accesslog import Did
from handover.roles import MAY, Action, Role, may
from handover.tables import Attempt
from tests.handover.story import OTHER, PO, PO_TOO, VO, Case, Story, later
from tests.region import ORIGIN, UPLOAD, expect, now

Whose = Literal["nobody's", "either side", "sender", "receiver", "board", "request", "proposal"]
ABSENT: Final = "0123456789abcdef0123456789abcdef"
SHA: Final = "0" * 64


@dataclass(frozen=True)
class Signed:
    """A route that a school signs for: what it asks of the roles, whose object it is about, and a body that is fine."""

    action: Action
    whose: Whose
    body: Any = None


_CUSTODY: Final = {
    "holders": [{"name": "Ouder 1", "mail": "ouder1@gezin.test", "role": "guardian"}],
    "evidence": {"kind": "gezagsregister", "date": "2026-01-05", "staff": "s-1"},
}
_PUPIL: Final = {"number": "L1", "first_name": "Sam", "birth_date": "2014-05-06", "custody": _CUSTODY}
_TRANSFER: Final = {"pupil": ABSENT, "receiver": VO, "route": "POVO", "purpose": "placement", "sections": ["okr"]}
_EMERGENCY: Final = {"ground": "meldcode", "sections": ["okr"], "until": "2026-01-05T12:00:00Z", "reason": "Spoed."}
_PAPER: Final = {
    "person": ABSENT,
    "answers": {"okr": "yes"},
    "notice": SHA,
    "scan": SHA,
    "collected": "paper",
    "signed_on": "2026-01-05",
}
_COURT: Final = {
    "court": "RBMNE",
    "stands_for": ABSENT,
    "sections": ["okr"],
    "decided_on": "2026-01-05",
    "scan": SHA,
}
_T: Final = "/v1/transfers/<string(maxlength=64):transfer>"

SIGNED: Final[dict[tuple[str, str], Signed]] = {
    ("POST", "/v1/pupils"): Signed(Action.REGISTER_PUPIL, "nobody's", _PUPIL),
    ("PUT", "/v1/pupils/<string(maxlength=64):pupil>/custody"): Signed(Action.SET_CUSTODY, "board", _CUSTODY),
    ("POST", "/v1/transfers"): Signed(Action.OPEN_TRANSFER, "board", _TRANSFER),
    ("GET", "/v1/transfers"): Signed(Action.SEE_TRANSFERS, "nobody's"),
    ("GET", _T): Signed(Action.SEE_TRANSFERS, "either side"),
    ("POST", f"{_T}/cancel"): Signed(Action.CANCEL_TRANSFER, "sender", {}),
    ("POST", f"{_T}/application"): Signed(Action.CONFIRM_APPLICATION, "receiver", {}),
    ("POST", f"{_T}/statutory"): Signed(Action.INVOKE_LAW, "sender", {"sections": ["okr"]}),
    ("POST", f"{_T}/invitations"): Signed(Action.INVITE, "sender", {"person": ABSENT}),
    ("POST", f"{_T}/objections/<string(maxlength=64):event>/decision"): Signed(
        Action.DECIDE_OBJECTION, "sender", {"upheld": True, "reason": "Terecht."}
    ),
    ("POST", f"{_T}/bundles"): Signed(Action.UPLOAD_BUNDLE, "sender", b"\0\0\0\0"),
    ("PUT", "/v1/pupils/<string(maxlength=64):pupil>/group"): Signed(Action.REGISTER_PUPIL, "board", {"group": "8a"}),
    ("GET", "/v1/pupils/<string(maxlength=64):pupil>/holds"): Signed(Action.HOLD_PUPIL, "board"),
    ("POST", "/v1/pupils/<string(maxlength=64):pupil>/holds"): Signed(Action.HOLD_PUPIL, "board", {"ground": "LKC 1"}),
    ("POST", "/v1/pupils/<string(maxlength=64):pupil>/holds/<string(maxlength=64):event>/lifting"): Signed(
        Action.HOLD_PUPIL, "board", {"ground": "LKC 1"}
    ),
    ("PUT", "/v1/pupils/<string(maxlength=64):pupil>/flag"): Signed(Action.FLAG_PUPIL, "board", {"colleague": True}),
    ("GET", "/v1/season"): Signed(Action.SEE_TRANSFERS, "nobody's"),
    ("GET", f"{_T}/emergency"): Signed(Action.RELEASE_IN_EMERGENCY, "sender"),
    ("POST", f"{_T}/emergency"): Signed(Action.RELEASE_IN_EMERGENCY, "sender", _EMERGENCY),
    ("POST", f"{_T}/emergency/<string(maxlength=64):event>/end"): Signed(Action.RELEASE_IN_EMERGENCY, "sender", {}),
    ("POST", f"{_T}/court"): Signed(Action.RECORD_COURT, "sender", _COURT),
    ("POST", "/v1/pupils/<string(maxlength=64):pupil>/successors"): Signed(
        Action.RECORD_SUCCESSOR, "board", {"receiver": VO, "successor": OTHER}
    ),
    ("GET", f"{_T}/paper"): Signed(Action.RECORD_PAPER, "sender"),
    ("POST", f"{_T}/paper"): Signed(Action.RECORD_PAPER, "sender", _PAPER),
    ("GET", "/v1/requests"): Signed(Action.SEE_REQUESTS, "nobody's"),
    ("POST", "/v1/requests/<string(maxlength=64):event>/decision"): Signed(
        Action.DECIDE_REQUEST, "request", {"ruling": "refused", "reason": "Het klopt wel."}
    ),
    ("POST", "/v1/requests/<string(maxlength=64):event>/lifting"): Signed(
        Action.DECIDE_REQUEST, "request", {"reason": "Het is uitgezocht."}
    ),
    ("GET", "/v1/proposals"): Signed(Action.CONFIRM_PROPOSAL, "nobody's"),
    ("POST", "/v1/proposals/<string(maxlength=64):proposal>/confirm"): Signed(Action.CONFIRM_PROPOSAL, "proposal", {}),
    ("POST", "/v1/proposals/<string(maxlength=64):proposal>/withdrawal"): Signed(
        Action.CONFIRM_PROPOSAL, "proposal", {}
    ),
    ("POST", f"{_T}/release"): Signed(Action.ASK_RELEASE, "receiver", {"sections": ["okr"]}),
    ("POST", f"{_T}/acknowledgement"): Signed(Action.ACKNOWLEDGE, "receiver", {"received": True, "placed": None}),
}
PUBLIC: Final = {
    ("GET", "/v1/openapi.json"),
    ("GET", "/v1/health"),
    ("GET", "/v1/keylog"),
    ("GET", "/v1/keylog/checkpoint"),
    ("GET", "/v1/journal/checkpoint"),
    ("GET", "/v1/journal/consistency"),
    ("GET", "/v1/journal/witnessed"),
    ("GET", "/v1/schools/<string(maxlength=6):school>"),
}
CARRIES_SIGNATURES: Final = {
    ("POST", "/v1/journal/witnessed"),
    ("POST", "/v1/boards"),
    ("PUT", "/v1/boards/<string(maxlength=40):board>/policy"),
    ("PUT", "/v1/boards/<string(maxlength=40):board>/dpos"),
    ("POST", "/v1/schools/<string(maxlength=6):school>/keys"),
}
WITH_TOKEN: Final[dict[tuple[str, str], dict[str, Any]]] = {
    ("POST", "/v1/family/question"): {},
    ("POST", "/v1/family/answers"): {"notice": SHA, "answers": {"okr": "yes"}},
    ("POST", "/v1/family/withdrawal"): {"sections": ["okr"], "destroy_now": True},
    ("POST", "/v1/family/inzage"): {"versions": {"okr": "v"}, "done": True},
    ("POST", "/v1/family/view"): {"text": "Sam leest graag.", "travels": True, "done": True},
    ("POST", "/v1/family/objection"): {"sections": ["okr"], "reason": "Nee."},
    ("POST", "/v1/family/log"): {},
    ("POST", "/v1/family/rights"): {"right": "access"},
    ("POST", "/v1/family/requests"): {},
}
EXAMINED: Final[dict[tuple[str, str], Any]] = {
    ("POST", "/v1/audit/search"): {},
    ("POST", "/v1/audit/patterns"): {"since": "2027-01-01", "until": "2027-01-31"},
    ("POST", "/v1/audit/breach"): {"since": "2027-01-01T00:00:00Z", "until": "2027-02-01T00:00:00Z"},
    ("POST", "/v1/audit/export"): {},
}
"""What only a board's FG may ask, each with a body that is fine."""
OBJECTS: Final = [route for route, row in SIGNED.items() if row.whose != "nobody's"]


def routes(story: Story) -> Iterator[tuple[str, str]]:
    for rule in story.region.app.url_map.iter_rules():
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            yield method, rule.rule


def ask(
    story: Story, school: str, route: tuple[str, str], subject: str, *, role: Role = Role.PRINCIPAL, event: str = ABSENT
) -> TestResponse:
    method, rule = route
    row = SIGNED[route]
    event = subject if row.whose == "request" else event
    path = rule.replace("<string(maxlength=64):event>", event).replace("<string(maxlength=64):proposal>", subject)
    path = path.replace("<string(maxlength=64):transfer>", subject).replace("<string(maxlength=64):pupil>", subject)
    body = row.body | {"pupil": subject} if rule == "/v1/transfers" and method == "POST" else row.body
    if rule == "/v1/transfers" and method == "GET":
        path += "?side=sender"
    kind = UPLOAD if isinstance(body, bytes) else "application/json"
    return story.region.send(school, method, path, body, role=str(role), content_type=kind)


def subject_of(case: Case, route: tuple[str, str]) -> str:
    if SIGNED[route].whose == "request":
        asked: str = case.family("rights", right="rectification", text="Het advies klopt niet.")["request"]
        return asked
    if SIGNED[route].whose == "proposal":
        body = _EMERGENCY | {"until": (now() + timedelta(hours=1)).isoformat()}
        proposal: str = case.story.region.post(PO, f"{case.path}/emergency", body, 201)["proposal"]
        return proposal
    return case.child.pupil if SIGNED[route].whose == "board" else case.transfer


@pytest.fixture(scope="module")
def case(standing: Story) -> Case:
    return standing.case(bundle=False)


@pytest.fixture(autouse=True)
def patient(standing: Story) -> None:
    """Forget what schools asked before that isn't theirs: here it is more than thirty things a minute."""
    with writing(standing.region.parts.main) as session:
        session.execute(delete(Attempt))


def test_every_route_of_the_application_has_a_row_and_every_row_a_route(standing: Story) -> None:
    """A9"""
    assert set(routes(standing)) == set(SIGNED) | PUBLIC | CARRIES_SIGNATURES | set(WITH_TOKEN) | set(EXAMINED)


def test_every_view_says_whom_it_is_for(standing: Story) -> None:
    """A9: a view without a word on it isn't public by accident."""
    app = standing.region.app
    said = {
        (method, rule.rule): getattr(app.view_functions[rule.endpoint], "action", "nothing")
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    del said["GET", "/v1/openapi.json"]  # made by the library, from what everybody may read
    others = dict.fromkeys(EXAMINED, "dpo") | {route: None for route in said if route not in {*SIGNED, *EXAMINED}}
    assert said == {route: row.action for route, row in SIGNED.items()} | others


@pytest.mark.parametrize("route", SIGNED, ids=" ".join)
def test_a_role_may_do_what_the_table_says_and_nothing_else(
    standing: Story, case: Case, route: tuple[str, str]
) -> None:
    """A9, A11"""
    whose = SIGNED[route].whose
    school = VO if whose == "receiver" else PO
    able = ", ".join(str(role) for role in Role if may(role, SIGNED[route].action))
    for role in Role:
        answer = ask(standing, school, route, ABSENT, role=role)
        if not may(role, SIGNED[route].action):
            expect(answer, 403)
            assert answer.get_json()["code"] == "ROLE_REFUSED"
            assert answer.get_json()["detail"] == f"The role {role} may not do this. Who may: {able}."
        elif whose == "nobody's":
            assert answer.status_code in (200, 201, 409, 422), answer.get_data()
        else:
            expect(answer, 404)


@pytest.mark.parametrize("route", OBJECTS, ids=" ".join)
def test_what_is_anothers_looks_as_if_it_were_not_there(standing: Story, case: Case, route: tuple[str, str]) -> None:
    """A8, G1"""
    subject = subject_of(case, route)
    written = ("nonce", "attempt", *(f"journal_{table}" for table in ("leaf", "part", "lookup", "board", "checkpoint")))
    before, size = standing.rows(*written), standing.size()
    foreign = expect(ask(standing, OTHER, route, subject), 404)
    absent = expect(ask(standing, OTHER, route, ABSENT), 404)
    assert foreign.get_data() == absent.get_data()
    assert list(foreign.headers) == list(absent.headers)
    after = standing.rows(*written)
    after["data_key"], after["journal_node"] = before["data_key"], before["journal_node"]  # an ATTEMPT names its staff
    assert after == before
    assert standing.size() == size + 2
    last = standing.journal(Did.ATTEMPT)[-1]
    assert (last.terms["asked"], last.terms["count"]) == (str(SIGNED[route].action), 2)


@pytest.mark.parametrize("left", [(29, 404, 1), (30, 429, 1), (31, 429, 0), (59, 429, 0), (60, 429, 1)], ids=str)
def test_guessing_is_slowed_down_and_seen_on_whatever_route(standing: Story, left: tuple[int, int, int]) -> None:
    """A8, G2: beyond the limit each thirtieth attempt is an entry, from the first on."""
    before, status, entries = left
    minute = now().replace(second=0, microsecond=0) + timedelta(minutes=2)
    with time_machine.travel(minute, tick=False):
        with writing(standing.region.parts.main) as session:
            session.execute(delete(Attempt))
            session.add(Attempt(school=OTHER, minute=minute, count=before))
        size = standing.size()
        expect(standing.region.send(OTHER, "GET", f"/v1/transfers/{ABSENT}"), status)
        assert standing.size() == size + entries


@pytest.mark.parametrize("school", [PO_TOO, VO])
def test_a_pupil_is_its_boards_and_a_transfer_its_schools(standing: Story, case: Case, school: str) -> None:
    """A8: another location of the sender's own board is no side of the transfer."""
    answer = standing.region.send(school, "PUT", f"/v1/pupils/{case.child.pupil}/custody", _CUSTODY | {"holders": []})
    assert answer.status_code == (404 if school == VO else 200)
    seen = standing.region.send(school, "GET", case.path)
    assert seen.status_code == (200 if school == VO else 404)


@pytest.mark.parametrize("route", [r for r, row in SIGNED.items() if row.whose in ("sender", "receiver")], ids=" ".join)
def test_the_other_side_is_told_that_it_is_the_other_side(standing: Story, case: Case, route: tuple[str, str]) -> None:
    """A8: a receiver can't act for the sender, nor a sender for the receiver; a release isn't there for the sender."""
    other = VO if SIGNED[route].whose == "sender" else PO
    answer = ask(standing, other, route, case.transfer)
    if route[1].endswith("/release"):
        expect(answer, 404)
    else:
        expect(answer, 403)
        assert answer.get_json()["code"] == "OTHER_SIDE"


def test_a_cursor_of_another_school_is_as_unknown_as_one_that_never_was(standing: Story, case: Case) -> None:
    """A8, G4"""
    get = standing.region.send
    foreign = expect(get(OTHER, "GET", f"/v1/transfers?side=sender&cursor={case.transfer}"), 404)
    absent = expect(get(OTHER, "GET", f"/v1/transfers?side=sender&cursor={ABSENT}"), 404)
    assert foreign.get_data() == absent.get_data()
    other_side = expect(get(VO, "GET", f"/v1/transfers?side=sender&cursor={case.transfer}"), 404)
    assert other_side.get_data() == absent.get_data()


def test_a_person_of_another_pupil_is_as_unknown_as_one_that_never_was(standing: Story, case: Case) -> None:
    """A8, A11"""
    stranger = standing.region.pupil(PO).persons[0]
    path = f"{case.path}/invitations"
    answers = [standing.region.send(PO, "POST", path, {"person": person}) for person in (stranger, ABSENT)]
    assert [answer.status_code for answer in answers] == [422, 422]
    assert answers[0].get_data() == answers[1].get_data()
    named = _CUSTODY | {"holders": [_CUSTODY["holders"][0] | {"person": stranger}]}
    taken = standing.region.send(PO, "PUT", f"/v1/pupils/{case.child.pupil}/custody", named)
    assert expect(taken, 422).get_json()["fields"] == {"/holders/0/person": "Not a person of this pupil."}


@pytest.mark.parametrize("route", WITH_TOKEN, ids=" ".join)
def test_a_token_that_opens_nothing_gets_the_one_answer_on_every_route(standing: Story, route: tuple[str, str]) -> None:
    """A8, G1"""
    body = {"token": "A" * 22 + "." + "A" * 43} | WITH_TOKEN[route]
    answer = standing.region.http.post(route[1], json=body, headers={"Idempotency-Key": f'"{ABSENT}"'})
    assert json.loads(answer.get_data())["code"] == "NOT_FOUND"
    absent = standing.region.send(OTHER, "GET", f"/v1/transfers/{ABSENT}")
    assert answer.get_data() == absent.get_data()


@pytest.mark.parametrize("route", [*SIGNED, ("GET", "/v1/transfers")], ids=" ".join)
def test_without_a_signature_nothing_of_a_school_can_be_asked(
    standing: Story, case: Case, route: tuple[str, str]
) -> None:
    method, rule = route
    path = rule.replace("<string(maxlength=64):transfer>", case.transfer)
    path = path.replace("<string(maxlength=64):pupil>", case.child.pupil).replace("<string(maxlength=64):event>", "x")
    path = path.replace("<string(maxlength=64):proposal>", "x")
    answer = standing.region.http.open(path, method=method, json={}, base_url=ORIGIN)
    assert expect(answer, 401).get_json()["code"] == "SIGNATURE_REFUSED"


@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method"])
def test_a_method_is_what_the_request_line_says(standing: Story, header: str) -> None:
    """G6"""
    answer = standing.region.http.get("/v1/boards", headers={header: "POST"})
    assert expect(answer, 405).headers["Allow"] == "OPTIONS, POST"
    assert expect(standing.region.http.head("/v1/transfers?side=sender"), 401).get_data() == b""


def test_the_roles_are_these_and_may_do_this() -> None:
    """Pins handover/roles.py as a whole: a change of the table is a change of two places."""
    desk = {"see_transfers", "confirm_application", "acknowledge"}
    sending = {
        *("register_pupil", "set_custody", "open_transfer", "cancel_transfer", "invite", "upload_bundle"),
    }
    care = desk | sending | {"see_requests", "invoke_law", "ask_release", "release_in_emergency", "record_paper"}
    care |= {"confirm_proposal"}
    assert {str(role): set(map(str, actions)) for role, actions in MAY.items()} == {
        "principal": care
        | {"decide_objection", "decide_request", "flag_pupil", "hold_pupil"}
        | {"record_court", "record_successor"},
        "internal_supervisor": care,
        "care_coordinator": care,
        "teacher": {"see_transfers"},
        "mentor": {"see_transfers", "ask_release", "acknowledge"},
        "counsellor": {"see_transfers", "ask_release", "acknowledge"},
        "intake": desk | {"ask_release"},
        "transition_coach": {"see_transfers", "ask_release"},
        "administration": desk | sending,
    }
    assert len(Action) == 21


def test_a_holder_who_was_taken_out_has_no_way_in_any_more(standing: Story) -> None:
    """A10: the token ends with the voice, and says so no more than any other dead token."""
    case = standing.case(bundle=False)
    case.say(1, okr="yes")
    kept = {"name": "Ouder 1", "mail": "ouder1@gezin.test", "role": "guardian", "person": case.child.persons[0]}
    standing.region.send(PO, "PUT", f"/v1/pupils/{case.child.pupil}/custody", _CUSTODY | {"holders": [kept]})
    case.family("question", 1, 404)
    case.family("withdrawal", 1, 404, sections=["okr"], destroy_now=True)
    case.family("question", 0)


def test_a_parent_of_a_pupil_who_has_become_eighteen_has_no_way_in_any_more(standing: Story) -> None:
    """A5, A10"""
    birthday = now().date() + timedelta(days=2)
    born = birthday.replace(year=birthday.year - 18, day=min(birthday.day, 28))
    case = standing.case(bundle=False, pupil={"born": born - timedelta(days=1), "pupil_mail": "sam@gezin.test"})
    with later(days=5):
        case.family("question", 0, 404)
        case.family("question", 2)
