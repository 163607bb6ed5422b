"""Bad requests: each is refused with a problem that says where, repeats nothing, and leaves everything as it was.

The cases are in tests/vectors/bad-requests.json (bad cases E4, E7, G1, G4, G5).
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.handover.story import PO, Case, Story, everything
from tests.region import ORIGIN, expect

VECTORS = Path(__file__).parents[1] / "vectors" / "bad-requests.json"
CASES: list[dict[str, Any]] = json.loads(VECTORS.read_text("utf-8"))["cases"]


@pytest.fixture(scope="module")
def case(standing: Story) -> Case:
    return standing.case(invited=False, bundle=False)


def body_of(bad: dict[str, Any], case: Case) -> bytes:
    if "raw" not in bad:
        return json.dumps(bad["body"]).replace('"PUPIL"', json.dumps(case.child.pupil)).encode()
    text: str = bad["raw"]
    if "repeat" in bad:
        part, times = bad["repeat"]
        text = text.replace(part, part * times)
    return text.encode(bad.get("encoding", "utf-8"))


def values(value: Any) -> Iterator[str]:
    """Give every text of some length in a body: none may come back."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from values(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from values(inner)
    elif isinstance(value, str) and len(value) > 5 and value not in everything():
        yield value


@pytest.mark.parametrize("bad", CASES, ids=lambda bad: bad["name"])
def test_a_bad_request_is_a_problem_and_changes_nothing(standing: Story, case: Case, bad: dict[str, Any]) -> None:
    """E4, E7, G5"""
    method, path = bad["route"].replace("TRANSFER", case.transfer).replace("PUPIL", case.child.pupil).split(" ")
    data, kind = body_of(bad, case), bad.get("type", "application/json")
    before, size = standing.rows("nonce", "lookup_hash", "data_key"), standing.size()
    if path.startswith(("/v1/family", "/v1/boards", "/v1/schools")):
        headers = {"Idempotency-Key": '"0123456789abcdef"', "Content-Type": kind}
        response = standing.region.http.open(path, method=method, data=data, headers=headers, base_url=ORIGIN)
    else:
        response = standing.region.send(PO, method, path, data, role="principal", content_type=kind)
    problem = expect(response, bad["status"]).get_json(force=True)
    assert response.content_type == "application/problem+json"
    assert (problem["code"], problem["status"]) == (bad["code"], bad["status"])
    assert problem["type"] == f"urn:overdracht:problem:{bad['code']}"
    if bad["fields"] == ["*"]:
        assert len(problem["fields"]) == 1
    else:
        assert sorted(problem.get("fields", {})) == sorted(bad["fields"])
    said = response.get_data(as_text=True)
    assert not [value for value in values(bad.get("body")) if json.dumps(value)[1:-1] in said]
    assert (standing.rows("nonce", "lookup_hash", "data_key"), standing.size()) == (before, size)


def test_the_cases_have_names_of_their_own() -> None:
    assert len({bad["name"] for bad in CASES}) == len(CASES) > 80


QUERIES = {
    "": ["/query/side"],
    "?side=both": ["/query/side"],
    "?side=sender&limit=100000": ["/query/limit"],
    "?side=sender&cursor=": ["/query/cursor"],
    f"?side=sender&cursor={'x' * 121}": ["/query/cursor"],
}


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_is_read_as_strictly(standing: Story, query: str) -> None:
    """G4"""
    answer = standing.region.send(PO, "GET", f"/v1/transfers{query}")
    assert list(expect(answer, 422).get_json()["fields"]) == QUERIES[query]


@pytest.mark.parametrize("start", ["-1", "x", "1.5", str(2**40 + 1), ""])
def test_a_place_in_the_key_log_is_a_whole_number(standing: Story, start: str) -> None:
    """G4, C7"""
    answer = standing.region.http.get(f"/v1/keylog?start={start}")
    assert list(expect(answer, 422).get_json()["fields"]) == ["/query/start"]


def test_an_address_with_a_nul_finds_nothing(story: Story) -> None:
    """E6: on both databases, of which one holds no NUL."""
    for path in ("/v1/schools/%00", "/v1/schools/%ff", "/v1/nothing%00"):
        expect(story.region.http.get(path), 404)
    expect(story.region.send(PO, "GET", "/v1/transfers/a%00b"), 401)  # nobody signs a path that has to be decoded
    expect(story.region.send(PO, "GET", "/v1/transfers?side=sender&cursor=a%00b"), 422)
