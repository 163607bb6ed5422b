"""What every answer of the REST door carries, what the operational log says of it, and how often a request counts."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from handover.accesslog import Did
from handover.api.errors import pointers
from handover.logs import FIELDS, LONGEST, configure, log
from handover.transfers import PAGE
from tests import canary
from tests.handover.story import OTHER, PO, VO, Story
from tests.region import ORIGIN, expect

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=63072000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/health", 200),
        ("GET", "/v1/openapi.json", 200),
        ("GET", "/v1/keylog/checkpoint", 200),
        ("GET", "/v1/journal/checkpoint", 200),
        ("GET", f"/v1/schools/{PO}", 200),
        ("GET", "/v1/nothing", 404),
        ("GET", "/", 404),
        ("GET", "/static/x", 404),
        ("GET", "/v1//health", 404),
        ("DELETE", "/v1/health", 405),
        ("GET", "/v1/transfers?side=sender", 401),
        ("POST", "/v1/family/question", 415),
        ("OPTIONS", "/v1/health", 200),
        ("HEAD", "/v1/health", 200),
    ],
)
def test_every_answer_carries_the_same_headers_and_every_error_is_a_problem(
    standing: Story, method: str, path: str, status: int
) -> None:
    """F3, F7, F10"""
    answer = expect(standing.region.http.open(path, method=method, base_url=ORIGIN), status)
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
    assert "Set-Cookie" not in answer.headers
    assert "Access-Control-Allow-Origin" not in answer.headers
    if status >= 400:
        assert answer.content_type == "application/problem+json"
        assert answer.get_json()["status"] == status
        assert set(answer.get_json()) == {"type", "title", "status", "code", "detail"}


def test_a_method_that_a_route_does_not_know_is_told_which_it_knows(standing: Story) -> None:
    answer = expect(standing.region.http.patch("/v1/transfers"), 405)
    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS, POST"
    assert answer.get_json()["code"] == "METHOD_NOT_ALLOWED"


def test_the_service_is_well_when_its_databases_answer(story: Story) -> None:
    assert expect(story.region.http.get("/v1/health"), 200).get_json() == {"status": "ok"}


def test_the_service_is_not_well_without_a_database(lite: Story) -> None:
    lite.keys.dispose()
    (lite.region.folder / "keys.sqlite").write_bytes(b"not a database" * 100)
    answer = expect(lite.region.http.get("/v1/health"), 503)
    assert answer.headers["Retry-After"] == "5"
    assert answer.get_json()["code"] in ("STORE_UNAVAILABLE", "NOT_SAFE")


# The operational log


def lines(captured: str) -> Iterator[dict[str, Any]]:
    for line in captured.splitlines():
        yield json.loads(line)


def test_the_log_knows_its_fields_and_holds_nothing_of_anybody(lite: Story, capsys: pytest.CaptureFixture[str]) -> None:
    """K7, L6"""
    configure()  # on the stream that is captured
    case = lite.agreed()
    case.ask("okr")
    case.family("view", text="Dit mag niemand lezen.", travels=True, done=True)
    case.ask("lvs", status=403)
    lite.region.release(OTHER, case.transfer, "okr")
    captured = capsys.readouterr().err
    said = list(lines(captured))
    assert said
    assert {name for line in said for name in line} <= FIELDS
    assert {line["event"] for line in said} == {"request"}
    secret = [canary.NAME, canary.MAIL, "Dit mag niemand lezen", case.child.pupil, case.transfer, "s-1", *case.tokens]
    assert not [value for value in secret if value in captured]


@pytest.mark.parametrize("nasty", ["\r\n{}", "\x1b[2J", "\u2028", '"}\n{"event": "forged"'])
def test_a_value_can_not_pretend_to_be_a_line(nasty: str, capsys: pytest.CaptureFixture[str]) -> None:
    """K7"""
    configure()
    log().warning("signature_refused", problem=f"a{nasty}b" + "x" * 300)
    captured = capsys.readouterr().err
    assert captured.isascii()
    assert captured[:-1].isprintable()
    (line,) = lines(captured)
    assert line["problem"] == f"a{nasty}b".ljust(LONGEST, "x")[:LONGEST]


def test_an_input_can_not_write_a_line(standing: Story, capsys: pytest.CaptureFixture[str]) -> None:
    """K7: in the path, the query, a header and a body."""
    configure()
    http = standing.region.http
    http.get("/v1/x%0d%0a%7b%22event%22:%22forged%22%7d%1b[2J?y=%0aforged")
    http.get("/v1/transfers?side=forged", headers={"Signature": "forged", "Signature-Input": "\u00e9forged"})
    http.post("/v1/boards", json={"certificate": {"forged\r\n": "\x1b"}})
    captured = capsys.readouterr().err
    assert len(list(lines(captured))) == len(captured.splitlines()) >= 3
    assert "forged" not in captured


def test_what_is_no_field_is_dropped_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    configure()
    log().info("bundle_stored", transfer="t", size=3, name="Sam", mail="sam@gezin.test")
    (line,) = lines(capsys.readouterr().err)
    assert (line["transfer"], line["size"], line["fields"]) == ("t", 3, "2 dropped")
    assert "Sam" not in str(line)
    assert set(line) == {"transfer", "size", "fields", "event", "level", "timestamp"}


# A request that is sent twice


def test_the_same_key_carries_a_request_out_once(story: Story) -> None:
    """A6, H6, H7"""
    child = story.region.pupil(PO)
    body = {"pupil": child.pupil, "receiver": VO, "route": "POVO", "purpose": "placement", "sections": ["okr"]}
    first, again = (story.region.send(PO, "POST", "/v1/transfers", body, key="k" * 16) for _ in range(2))
    assert (first.status_code, first.get_data()) == (again.status_code, again.get_data())
    assert len(story.journal(Did.TRANSFER_OPENED)) == 1
    other = story.region.post(PO, "/v1/transfers", body | {"sections": ["lvs"]}, 409, key="k" * 16)
    assert other["code"] == "IDEMPOTENCY_CONFLICT"
    story.region.post(PO, "/v1/transfers", body, 201, key="l" * 16)
    assert len(story.journal(Did.TRANSFER_OPENED)) == 2


def test_a_refused_request_may_be_sent_again_under_its_key(lite: Story) -> None:
    child = lite.region.pupil(PO)
    body = {"pupil": child.pupil, "receiver": "44DD00", "route": "POVO", "purpose": "placement", "sections": ["okr"]}
    lite.region.post(PO, "/v1/transfers", body, 422, key="k" * 16)
    lite.region.board("nieuw", "44DD00")
    lite.region.post(PO, "/v1/transfers", body, 201, key="k" * 16)


def test_a_key_is_its_schools_and_its_routes(lite: Story) -> None:
    """A8: the same key elsewhere is another request."""
    case = lite.case(bundle=False, invited=False, applied=False)
    for school, what in ((VO, "application"), (PO, "cancel")):
        lite.region.post(school, f"{case.path}/{what}", {}, key="k" * 16)
    assert case.for_sender()["state"] == "cancelled"


def test_a_line_of_the_log_names_the_school_that_signed(lite: Story, capsys: pytest.CaptureFixture[str]) -> None:
    configure()  # on the stream that is captured
    expect(lite.region.send(PO, "GET", "/v1/transfers?side=sender"), 200)
    expect(lite.region.http.get("/v1/health"), 200)
    signed, public = list(lines(capsys.readouterr().err))[-2:]
    assert (signed["route"], signed["school"]) == ("/v1/transfers", PO)
    assert "school" not in public


# Pages


def test_a_list_comes_in_pages_newest_first_without_a_gap(lite: Story) -> None:
    """G4"""
    child = lite.region.pupil(PO)
    opened = [lite.region.transfer(child, PO, VO, sections=["okr"], applied=False) for _ in range(PAGE + 3)]
    for school, side in ((PO, "sender"), (VO, "receiver")):
        first = lite.region.send(school, "GET", f"/v1/transfers?side={side}").get_json()
        rest = lite.region.send(school, "GET", f"/v1/transfers?side={side}&cursor={first['next']}").get_json()
        assert (len(first["transfers"]), len(rest["transfers"]), rest["next"]) == (PAGE, 3, None)
        shown = [one["transfer"] for one in first["transfers"] + rest["transfers"]]
        assert shown == opened[::-1]
    empty = {"transfers": [], "next": None}
    assert lite.region.send(VO, "GET", "/v1/transfers?side=sender").get_json() == empty
    assert lite.region.send(OTHER, "GET", "/v1/transfers?side=receiver").get_json() == empty


def test_places_are_json_pointers_and_repeat_no_name_that_was_sent() -> None:
    """RFC 6901; a name that no form has may be anything, a child's too."""
    faults = {0: {"mail": ["One.", "Two."], "Jan de Vries": ["Unknown field."]}}
    found = pointers({"holders": faults, "_schema": "Four."})
    assert found == {"/holders/0/mail": "One. Two.", "/holders/0/?": "Unknown field.", "/": "Four."}
