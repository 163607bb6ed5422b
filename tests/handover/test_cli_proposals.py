"""The commands for what takes two, and for holds, against a service on a loopback port."""

import json
from pathlib import Path
from typing import Any, Final

import pytest

from crypto.encoding import JSON
from handover.proposed import Matter
from tests.handover.loopback import Asked, as_json, problem
from tests.handover.test_cli_school import School, at

__all__ = ["at"]

VECTORS: Final = json.loads((Path(__file__).parents[1] / "vectors" / "proposals.json").read_bytes())["proposals"]
OF: Final = {vector["content"]["matter"]: vector for vector in VECTORS}
CAME: Final = {"event": "e-1", "told": 2}


def waits(*vectors: Any, yours: bool = False, **changed: JSON) -> dict[str, JSON]:
    """Give the page on which these wait."""
    rows = [
        {"proposal": one["id"], "content": one["content"], "lapses_at": "L", "yours": yours} | changed
        for one in vectors
    ]
    return {"proposals": rows, "next": None}


def serves(at: School, page: dict[str, JSON]) -> None:
    at.service.answer = lambda asked: as_json(page if asked.method == "GET" else CAME)


@pytest.mark.parametrize(
    ("group", "matter"),
    [
        ("emergency", "emergency"),
        ("paper", "paper"),
        ("hold", "hold"),
        ("request", "restriction"),
        ("request", "erasure"),
    ],
)
def test_a_colleague_confirms_what_is_shown_word_for_word(at: School, group: str, matter: str) -> None:
    vector = OF[matter]
    serves(at, waits(*VECTORS))
    ran = at.call(group, "confirm", vector["id"])
    assert ran.code == 0, ran.err
    lines = ran.out.splitlines()
    assert lines[:2] == [f"{vector['id']}  {matter}", "  proposed by 99AB00.s-1 at 2027-03-01T09:30:00.000001Z"]
    assert lines[-3:] == ["confirmed", "  event: e-1", "  told: 2"]
    asked = at.service.asked
    assert [(one.method, one.path) for one in asked] == [
        ("GET", "/v1/proposals"),
        ("POST", f"/v1/proposals/{vector['id']}/confirm"),
    ]
    assert (asked[1].json, asked[1].staff) == ({}, asked[0].staff)


@pytest.mark.parametrize("group", ["emergency", "paper", "hold", "request"])
def test_what_is_about_something_else_or_waits_no_more_isn_t_confirmed(at: School, group: str) -> None:
    other = OF["hold" if group != "hold" else "paper"]
    for page in (waits(other), waits()):
        serves(at, page)
        ran = at.call(group, "confirm", other["id"])
        assert (ran.code, "no such proposal waits here" in ran.err) == (2, True)
    assert {asked.method for asked in at.service.asked} == {"GET"}


@pytest.mark.parametrize(
    "changed",
    [
        {"content": OF["paper"]["content"]},
        {"content": OF["hold"]["content"] | {"by": "99AB00.s-9"}},
        {"content": None},
        {"proposal": 7},
        {"more": 1},
    ],
    ids=["another's words", "another maker", "no words", "no id", "a member too many"],
)
def test_k2_words_that_the_id_doesn_t_stand_for_are_never_confirmed(at: School, changed: dict[str, JSON]) -> None:
    serves(at, waits(OF["hold"], **changed))
    assert at.call("hold", "confirm", OF["hold"]["id"]).code == 2
    assert {asked.method for asked in at.service.asked} == {"GET"}


def test_what_the_service_refuses_is_said(at: School) -> None:
    def answers(asked: Asked) -> Any:
        said = "Who proposed it can't confirm it."
        return as_json(waits(OF["paper"])) if asked.method == "GET" else problem(409, "SECOND_NEEDED", said)

    at.service.answer = answers
    ran = at.call("paper", "confirm", OF["paper"]["id"])
    assert (ran.code, ran.err) == (2, "handover: SECOND_NEEDED: Who proposed it can't confirm it.\n")


def test_the_list_says_what_waits_for_whom_and_is_safe_for_a_terminal(at: School) -> None:
    """K7"""
    serves(at, waits(OF["emergency"]))
    assert at.call("proposal", "list").out.splitlines() == [
        f"{OF['emergency']['id']}  emergency",
        "  proposed by 99AB00.s-1 at 2027-03-01T09:30:00.000001Z",
        f"  pupil {'0f' * 16}, transfer {'1e' * 16}",
        "  emergency: meldcode",
        *("  reason: Het is dringend.", "    Vandaag nog."),
        "  sections: okr, support",
        "  until: 2027-03-02T09:30:00.000000Z",
        "  waits for you, until L",
    ]
    serves(at, waits(OF["paper"], OF["erasure"], OF["hold"], yours=True))
    out = at.call("proposal", "list").out
    assert ("  answers: okr yes, reports no" in out, "  article: -" in out) == (True, True)
    assert (f"  pupil {'0f' * 16}\n" in out, out.count("waits for a colleague, until L")) == (True, 3)
    shown = json.loads(at.call("proposal", "list", "--json").out)["proposals"]
    assert [one["content"]["matter"] for one in shown] == ["paper", "erasure", "hold"]
    serves(at, waits())
    assert at.call("proposal", "list").out == "nothing waits\n"


def test_what_one_proposed_is_taken_back(at: School) -> None:
    at.service.answer = lambda _: as_json({"proposal": "p-1", "withdrawn": True})
    assert at.call("proposal", "withdraw", "p-1").out == "p-1 withdrawn\n"
    [asked] = at.service.asked
    assert (asked.method, asked.path, asked.json) == ("POST", "/v1/proposals/p-1/withdrawal", {})


def test_a_granted_erasure_and_a_restrictions_end_wait_for_a_colleague(at: School) -> None:
    (at.desk.folder / "why.txt").write_text("Het is uitgezocht.")
    at.service.answer = lambda _: as_json({"request": "r-1", "ruling": "granted", "proposal": "p-1"})
    for words in (("decide", "r-1", "--ruling", "granted"), ("lift", "r-1")):
        assert at.call("request", *words, "--reason", "why.txt").out == "p-1\nnow a colleague confirms it\n"
    assert [asked.path for asked in at.service.asked] == ["/v1/requests/r-1/decision", "/v1/requests/r-1/lifting"]


@pytest.mark.parametrize(
    ("words", "until"),
    [((), {}), (("--until", "2027-03-27"), {"until": "2027-03-27T23:00:00.000000Z"})],
    ids=["until it is lifted", "up to and with a day in the Netherlands"],
)
def test_i5_a_hold_is_placed(at: School, words: tuple[str, ...], until: dict[str, str]) -> None:
    at.service.answer = lambda _: as_json({"hold": "h-1"})
    assert at.call("hold", "place", "p-1", "--ground", "LKC 1", *words).out == "h-1\n"
    [asked] = at.service.asked
    assert (asked.method, asked.path, asked.json) == ("POST", "/v1/pupils/p-1/holds", {"ground": "LKC 1"} | until)


def test_a_holds_end_is_proposed(at: School) -> None:
    at.service.answer = lambda _: as_json({"proposal": "p-1"})
    assert at.call("hold", "lift", "p-1", "h-1", "--ground", "klaar").out == "p-1\nnow a colleague confirms it\n"
    [asked] = at.service.asked
    assert (asked.path, asked.json) == ("/v1/pupils/p-1/holds/h-1/lifting", {"ground": "klaar"})


def test_holds_are_listed_with_their_end(at: School) -> None:
    hold: dict[str, JSON] = {"hold": "h-1", "ground": "LKC 1", "until": None, "lifted": None}
    rows: list[JSON] = [hold, hold | {"hold": "h-2", "until": "U"}, hold | {"hold": "h-3", "lifted": {"at": "A"}}]
    at.service.answer = lambda _: as_json({"holds": rows})
    assert at.call("hold", "list", "p-1").out.splitlines() == [
        "h-1  LKC 1  until lifted",
        "h-2  LKC 1  until U",
        "h-3  LKC 1  lifted at A",
    ]
    assert at.service.asked[0].path == "/v1/pupils/p-1/holds"
    at.service.answer = lambda _: as_json({"holds": []})
    assert at.call("hold", "list", "p-1").out == "no holds\n"


def test_every_matter_has_a_command_that_confirms_it() -> None:
    assert set(OF) == set(map(str, Matter))
