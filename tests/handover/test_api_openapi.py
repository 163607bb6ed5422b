"""The OpenAPI document that the service gives out: valid, whole, and true about its errors."""

import json
import re
import secrets
from datetime import timedelta
from typing import Any

import pytest
from marshmallow import Schema
from openapi_spec_validator import OpenAPIV31SpecValidator

from consent.fields import print_time
from consent.terms import Right
from consent.touched import Period
from handover import audit, familylog, overview, paper, patterns, rights, rulings, season
from handover import emergency as emergencies
from handover.api import answerforms, auditforms, familyforms
from handover.idempotency import Once
from handover.parts import Caller, Examiner
from handover.question import question
from handover.roles import Role
from tests.handover.story import PO, VO, Story
from tests.handover.test_service_access import CARRIES_SIGNATURES, EXAMINED, PUBLIC, SIGNED, WITH_TOKEN
from tests.region import now

PROBLEM = "application/problem+json"


@pytest.fixture(scope="module")
def document(standing: Story) -> dict[str, Any]:
    found: dict[str, Any] = standing.region.http.get("/v1/openapi.json").get_json()
    return found


def operations(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (method.upper(), path): operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method != "parameters"
    }


def documented(route: tuple[str, str]) -> tuple[str, str]:
    return route[0], re.sub(r"<[^:>]*:?(\w+)>", r"{\1}", re.sub(r"\([^)]*\)", "", route[1]))


def resolved(document: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in value:
        found = document
        for step in value["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        value = found
    return value


def test_it_is_a_valid_document_of_version_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    OpenAPIV31SpecValidator(document).validate()


def test_every_route_is_in_it(document: dict[str, Any]) -> None:
    every = {*SIGNED, *PUBLIC, *CARRIES_SIGNATURES, *WITH_TOKEN, *EXAMINED} - {("GET", "/v1/openapi.json")}
    assert set(operations(document)) == {documented(route) for route in every}


def test_every_operation_says_in_a_sentence_what_it_does_and_gives_problems(document: dict[str, Any]) -> None:
    for (method, path), operation in operations(document).items():
        assert operation["summary"].endswith("."), (method, path)
        errors = {status: answer for status, answer in operation["responses"].items() if not status.startswith("2")}
        assert "default" in errors, (method, path)
        for status, answer in errors.items():
            content = resolved(document, answer)["content"]
            assert list(content) == [PROBLEM], (method, path, status)
            assert resolved(document, content[PROBLEM]["schema"])["properties"].keys() == {
                *("type", "title", "status", "code", "detail", "fields")
            }


def test_a_signed_route_says_that_it_is_signed_and_how_it_is_refused(document: dict[str, Any]) -> None:
    every = operations(document)
    for route in SIGNED:
        operation = every[documented(route)]
        assert operation["security"] == [{"signature": []}], route
        assert {"400", "401", "403", "404", "409"} <= set(operation["responses"]), route
    for route in {*CARRIES_SIGNATURES, *WITH_TOKEN}:
        assert "security" not in every[documented(route)], route
    assert "RFC 9421" in document["components"]["securitySchemes"]["signature"]["description"]


def test_every_body_has_a_schema(document: dict[str, Any]) -> None:
    for (method, path), operation in operations(document).items():
        if method == "GET":
            assert "requestBody" not in operation
            continue
        content = operation["requestBody"]["content"]
        expected = "application/vnd.overdracht.upload" if path.endswith("/bundles") else "application/json"
        assert list(content) == [expected], (method, path)
        assert resolved(document, content[expected]["schema"])["type"] in ("object", "string")


def test_every_answer_has_a_schema(document: dict[str, Any]) -> None:
    """What a client can rely on stands in the document: names, types, and what may be null."""
    for (method, path), operation in operations(document).items():
        [status] = [status for status in operation["responses"] if status.startswith("2")]
        content = operation["responses"][status].get("content", {})
        assert content, (method, path)
        for media, form in content.items():
            found = resolved(document, form["schema"])
            assert found["type"] == ("object" if media == "application/json" else "string"), (method, path, media)
            assert found["type"] == "string" or found["properties"], (method, path)


def held(answer: Any, form: Schema) -> None:
    """Check that a form lets through all that a use case answers."""
    assert form.dump(answer) == json.loads(json.dumps(answer))


def test_no_form_leaves_out_what_a_use_case_answers(lite: Story) -> None:
    region, parts = lite.region, lite.region.parts
    region.dpo("po-noord")
    case = lite.agreed("okr", "reports")
    case.family("view", text="Sam leest graag.", travels=True, done=False)
    case.ask("okr")
    emergency = {"ground": "meldcode", "sections": ["lvs"], "reason": "Spoed."}
    until = print_time(now() + timedelta(hours=1))
    for _ in range(2):
        body = emergency | {"until": until}
        proposal = region.post(PO, f"{case.path}/emergency", body, 201)["proposal"]
    region.confirm(PO, proposal)
    asked = [case.family("rights", right=right, text="Nee.")["request"] for right in ("rectification", "restriction")]
    po, vo = (Caller(code, board, "s-1", Role.PRINCIPAL) for code, board in ((PO, "po-noord"), (VO, "vo-zuid")))
    for caller in (po, vo):
        side = "sender" if caller is po else "receiver"
        held(overview.one(parts, caller, case.transfer), answerforms.TransferShown())
        held(overview.listing(parts, caller, side, None), answerforms.TransfersShown())
    held(emergencies.listing(parts, po, case.transfer), answerforms.EmergenciesShown())
    held(season.listing(parts, po, None, None), answerforms.SeasonShown())
    held(paper.form(parts, po, case.transfer), answerforms.PaperForm())
    found = rulings.listing(parts, po, None)
    assert {one["request"] for one in found["requests"]} == set(asked)
    held(found, familyforms.RequestsShown())
    token = case.tokens[0]
    held(question(parts, token), familyforms.QuestionShown())
    held(familylog.show(parts, token, None), familyforms.LogShown())
    held(rights.mine(parts, token), familyforms.RequestsMine())
    for right in Right:
        body = {"token": token, "right": str(right), "text": "Nee."}
        held(
            rights.ask(parts, lambda who: Once(who, "rights", secrets.token_hex(16), b""), body),
            familyforms.RightTaken(),
        )
    fg = Examiner("po-noord", "fg-1")
    held(audit.search(parts, fg, {"limit": 100}), auditforms.AuditFound())
    today = now().date()
    held(patterns.look(parts, fg, today, today), auditforms.PatternsFound())
    held(audit.breach(parts, fg, Period(now() - timedelta(days=1), now())), auditforms.BreachReport())


def test_a_release_is_bytes(document: dict[str, Any]) -> None:
    answer = operations(document)["POST", "/v1/transfers/{transfer}/release"]["responses"]["200"]
    assert list(answer["content"]) == ["application/vnd.overdracht.release"]


def test_it_says_nothing_of_where_it_runs(document: dict[str, Any], standing: Story) -> None:
    assert str(standing.region.folder) not in str(document)
    assert PO not in str(document)
