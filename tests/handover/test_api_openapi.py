"""The OpenAPI document that the service gives out: valid, whole, and true about its errors."""

import re
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.handover.story import PO, Story
from tests.handover.test_service_access import CARRIES_SIGNATURES, EXAMINED, PUBLIC, SIGNED, WITH_TOKEN

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


def test_a_release_is_bytes(document: dict[str, Any]) -> None:
    answer = operations(document)["POST", "/v1/transfers/{transfer}/release"]["responses"]["200"]
    assert list(answer["content"]) == ["application/vnd.overdracht.release"]


def test_it_says_nothing_of_where_it_runs(document: dict[str, Any], standing: Story) -> None:
    assert str(standing.region.folder) not in str(document)
    assert PO not in str(document)
