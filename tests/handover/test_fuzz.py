"""Nasty values in every place of every request that the served document knows of, by everybody who may send it.

Whatever comes, the answer is what the document promises or a problem, never a fault of the service's own, and no
problem repeats what was sent. Nothing here depends on chance (bad cases E4, E6, E7, F3, G4, G5, K7).
"""

import copy
import json
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from hashlib import sha256
from itertools import count, islice
from typing import Any, Final

import pytest
from http_message_signatures import HTTPMessageSignaturesException
from marshmallow import Schema, class_registry
from sqlalchemy import delete
from werkzeug.datastructures import Headers
from werkzeug.test import TestResponse

from consent.db import writing
from consent.fields import print_time
from crypto.keys import SignKey
from handover.api.door import JSON_LIMIT
from handover.signing import content_digest, sign_request
from handover.tables import Attempt
from tests.handover.story import PO, VO, Story
from tests.handover.test_api_openapi import documented, operations, resolved
from tests.handover.test_service_access import EXAMINED, PUBLIC, SIGNED, WITH_TOKEN, routes
from tests.region import ORIGIN, UPLOAD, now

PROBLEM: Final = "application/problem+json"
PROBE: Final = "zq7Merel9x"
"""Stands in the nasty texts: no problem may hold it."""

Route = tuple[str, str]
Place = tuple[str | int, ...]
SIGNED_BY_OTHERS: Final[dict[Route, Any]] = {
    ("POST", "/v1/boards"): {"certificate": {}},
    ("PUT", "/v1/boards/<string(maxlength=40):board>/policy"): {"policy": {}, "signature": "A" * 86},
    ("PUT", "/v1/boards/<string(maxlength=40):board>/dpos"): {"dpo": {}, "signature": "A" * 86},
    ("POST", "/v1/schools/<string(maxlength=6):school>/keys"): {"statements": [{}]},
    ("POST", "/v1/journal/witnessed"): {"note": "overdracht.test/journal\n1\nAAAA\n"},
}
BODIES: Final[dict[Route, Any]] = {
    **{route: row.body for route, row in SIGNED.items()},
    **WITH_TOKEN,
    **EXAMINED,
    **SIGNED_BY_OTHERS,
}
JSON_ROUTES: Final = sorted(route for route, body in BODIES.items() if isinstance(body, dict))
VALUES: Final[list[Any]] = [
    f"' OR 1=1 -- \U0001f426 {PROBE}",
    f"../../{PROBE}",
    "\u0663",
    f"{PROBE}\0",
    f"{PROBE} \u202e\u2028\x1b",
    PROBE * 1000,
    "",
    None,
    True,
    1,
    -1,
    0.5,
    2**53 - 1,
    [],
    [PROBE, PROBE],
    [[[[PROBE]]]],
    {},
    {PROBE: PROBE},
    {"v": PROBE, "okr": None},
    "x@\U0001f426.test",
    "0001-01-01",
    "1900-01-01",
    "2999-12-31",
    "9999-12-31",
    "0001-01-01T00:00:00+23:59",
    "1900-01-01T00:00:00Z",
    "2999-12-30T23:59:59.999999-23:59",
    "9999-12-31T23:59:59-23:59",
]
MEANT: Final = 3
"""Of so many values that a form lets through in a place, each is sent."""
RAW: Final[list[tuple[bytes, str]]] = [
    (b"", "application/json"),
    (b"null", "application/json"),
    (f'["{PROBE}"]'.encode(), "application/json"),
    (f'{{"{PROBE}": 1, "{PROBE}": 2}}'.encode(), "application/json"),
    (b'{"token": "\\ud800"}', "application/json"),
    (b'{"token": "\xff' + PROBE.encode() + b'"}', "application/json"),
    (b'{"token": 1e999}', "application/json"),
    (b'{"token": -' + b"9" * 5000 + b"}", "application/json"),
    (b"[" * 100_000, "application/json"),
    (b'{"a":' * 20 + b"1" + b"}" * 20, "application/json"),
    (b" " * (JSON_LIMIT + 1), "application/json"),
    (f"<{PROBE}/>".encode(), "application/xml"),
    (b"token=" + PROBE.encode(), "application/x-www-form-urlencoded"),
    (b"{}", f"application/{PROBE}"),
    (b"\xff\xff\xff\xff" + PROBE.encode(), UPLOAD),
    (b"\0\0\0\x02{}", UPLOAD),
]
IN_ADDRESSES: Final = [
    "%00",
    "%0d%0aX-A:%20b",
    "%ff%fe",
    "%ed%a0%80",
    "..%2f..%2f",
    "%2e%2e",
    PROBE,
    PROBE * 30,
    "%F0%9F%90%A6",
    f"'%20OR%201=1--{PROBE}",
    "%25s%7B0%7D",
    ";",
    "%C2%A0",
]
NUMBERS: Final = ["", "-1", "9" * 400, "%D9%A3", "0x10", "1_0", "+1", "%201", "1e3", "nan", "007"]
IN_HEADERS: Final = ["", PROBE, PROBE * 1000, f'"{PROBE}', f"\u00e9{PROBE}", "()", "overdracht=:AAAA:", "-1", "9" * 100]
HEADERS: Final = {
    "Idempotency-Key": [],
    "Overdracht-Staff": [f'"{PROBE}";role=principal', '"s-1";role=dpo'],
    "Signature": ["overdracht=:" + "A" * 86 + "==:"],
    "Signature-Input": ["a=()", f'overdracht=("@method");created={"9" * 400}', 'overdracht=("@method";req)'],
    "Content-Digest": [f"sha-256=:{'A' * 43}=:"],
    "Overdracht-Checkpoint": [":::", f":{PROBE}==:"],
    "Content-Type": [f"application/json;charset={PROBE}", 'application/json; x="'],
    "Content-Length": [],
    "Transfer-Encoding": ["chunked"],
    "Host": [f"{PROBE}.test"],
    "Range": [f"bytes={PROBE}"],
}
METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "PROPFIND", PROBE)
_numbers = count()


class World:
    """A service with one of each thing that an address may name, and everybody who may ask."""

    def __init__(self, story: Story) -> None:
        region = story.region
        self.region, self.case = region, story.agreed("okr", "reports")
        region.dpo("po-noord")
        soon = print_time(now() + timedelta(hours=9))
        spoken = {"ground": "meldcode", "sections": ["okr"], "until": soon, "reason": "Nu."}
        asked = self.case.family("rights", right="rectification", text="Het klopt niet.")
        self.names = {
            "transfer": self.case.transfer,
            "pupil": self.case.child.pupil,
            "event": asked["request"],
            "proposal": region.post(PO, f"{self.case.path}/emergency", spoken, 201)["proposal"],
            "school": PO,
            "board": "po-noord",
        }
        notice = self.case.family("question")["notice"]["sha256"]
        person = self.case.child.persons[0]
        self.true = {"token": self.case.tokens[0], "notice": notice, "person": person, "stands_for": person}
        self.true |= {"versions": self.case.versions("okr"), "pupil": self.names["pupil"]}

    def body(self, route: Route) -> Any:
        """Give a body that is fine, with what this service really holds."""
        body = dict(BODIES[route], token="") if route in WITH_TOKEN else dict(BODIES[route])
        body |= {"number": f"L{next(_numbers)}"} if "number" in body else {}
        return copy.deepcopy(body | {name: value for name, value in self.true.items() if name in body})

    def path(self, route: Route, **other: str) -> str:
        named = self.names | other
        return re.sub(r"{(\w+)}", lambda name: named[name[1]], documented(route)[1])

    def ask(self, route: Route, data: bytes | None, kind: str = "application/json", **other: str) -> TestResponse:
        """Send a request of whoever may send it, and check the answer."""
        key, staff = self._caller(route)
        return self.send(route[0], self.path(route, **other), data, kind=kind, key=key, staff=staff)

    def _caller(self, route: Route) -> tuple[SignKey | None, str]:
        if route in EXAMINED:
            return self.region.dpos["po-noord"], '"fg-1";role=dpo'
        if route not in SIGNED:
            return None, ""
        school = VO if SIGNED[route].whose == "receiver" else PO
        return self.region.schools[school].keys.request, '"s-1";role=principal'

    def send(
        self,
        method: str,
        path: str,
        data: bytes | None = None,
        *,
        kind: str = "application/json",
        key: SignKey | None = None,
        staff: str = "",
        more: tuple[str, str] | None = None,
    ) -> TestResponse:
        """Send a request, signed where there is a key, with one header more, and check the answer."""
        headers = {"Idempotency-Key": f'"{next(_numbers):020}"'}
        if data:
            headers |= {"Content-Type": kind, "Content-Digest": content_digest(sha256(data).digest())}
        if key is not None:
            headers |= {"Overdracht-Staff": staff}
            how: dict[str, Any] = {"kid": key.kid, "sign": key.sign_bare, "now": now(), "body": bool(data)}
            try:
                headers = sign_request(method, ORIGIN + path, headers, **how)
            except HTTPMessageSignaturesException:  # nobody can sign such an address
                headers = sign_request(method, ORIGIN, headers, **how)
        sent = Headers([*headers.items(), *([more] if more else [])])
        answer = self.region.http.open(path, method=method, data=data, headers=sent, base_url=ORIGIN)
        return held(answer, (method, path[:200], (data or b"")[:2000], more))


def held(answer: TestResponse, what: object) -> TestResponse:
    """Check that an answer is no fault of the service's own, that a refusal is a problem and repeats nothing."""
    said = answer.get_data()
    assert answer.status_code < 500, (what, said)
    assert PROBE not in str(answer.headers), what
    if answer.status_code >= 400 and answer.request.method != "HEAD":
        assert answer.content_type == PROBLEM, what
        problem = json.loads(said)
        assert problem.keys() - {"fields"} == {"type", "title", "status", "code", "detail"}, what
        assert problem["status"] == answer.status_code, what
        assert PROBE.encode() not in said, (what, said)
    return answer


def places(document: dict[str, Any], form: dict[str, Any], body: Any) -> Iterator[Place]:
    """Name every place of a body, and each that the form knows and the body leaves out."""
    form = resolved(document, form)
    if isinstance(body, list):
        inside = {0: form.get("items", {})} if body else {}
    else:
        named = body if isinstance(body, dict) else {}
        inside = {name: {} for name in named} | form.get("properties", {})
    for name, inner in inside.items():
        yield (name,)
        at = body[name] if isinstance(body, list) else body.get(name) if isinstance(body, dict) else None
        yield from ((name, *rest) for rest in places(document, inner, at))


def put(body: Any, place: Place, value: Any) -> Any:
    """Give a body with this value in this place."""
    if not place:
        return value
    if isinstance(body, list):
        return [put(body[0], place[1:], value), *body[1:]]
    named = body if isinstance(body, dict) else {}
    return {**named, place[0]: put(named.get(place[0]), place[1:], value)}


def form_of(document: dict[str, Any], route: Route) -> tuple[dict[str, Any], Schema]:
    """Give the form of a route's body as the document has it, and as the door reads by it."""
    form = operations(document)[documented(route)]["requestBody"]["content"]["application/json"]["schema"]
    found: Any = class_registry.get_class(form["$ref"].rsplit("/", 1)[1])
    return form, found()


@pytest.fixture(scope="module")
def world(standing: Story) -> World:
    return World(standing)


@pytest.fixture(scope="module")
def document(standing: Story) -> dict[str, Any]:
    found: dict[str, Any] = standing.region.http.get("/v1/openapi.json").get_json()
    return found


@pytest.fixture(autouse=True)
def patient(standing: Story) -> Callable[[], None]:
    """Forget what schools asked before that isn't theirs: here it is more than thirty things a minute."""

    def forget() -> None:
        with writing(standing.region.parts.main) as session:
            session.execute(delete(Attempt))

    forget()
    return forget


def test_whatever_a_form_lets_through_meets_no_fault(world: World, document: dict[str, Any]) -> None:
    """E4, E7, G5: each value in each place, one at a time; what the form refuses comes in the next test."""
    for route in JSON_ROUTES:
        form, schema = form_of(document, route)
        assert schema.validate(world.body(route)) == {}, route
        for place in places(document, form, world.body(route)):
            bodies = (put(world.body(route), place, value) for value in VALUES)
            for body in islice((body for body in bodies if schema.validate(body) == {}), MEANT):
                world.ask(route, json.dumps(body).encode())


def test_what_is_wrong_in_many_places_is_told_at_once(world: World, document: dict[str, Any]) -> None:
    """E7, G5: with values of a wrong kind, and with every kind of value, the next one in the next place."""
    for route in JSON_ROUTES:
        form, _ = form_of(document, route)
        fields = resolved(document, form).get("properties", {})
        wrong = world.ask(route, json.dumps(dict.fromkeys([*fields, PROBE], 0.5)).encode())
        assert wrong.status_code == 422, route
        assert set(wrong.get_json()["fields"]) == {*(f"/{name}" for name in fields), "/?"}, route
        own = [*places(document, form, world.body(route)), (PROBE,)]
        for first in range(0, len(VALUES), 11):
            body = world.body(route)
            for at, place in enumerate(reversed(own)):  # the inner places first: an outer one may take them away
                body = put(body, place, VALUES[(first + at) % len(VALUES)]) if at % 3 else body
            world.ask(route, json.dumps(body).encode())


def test_a_body_that_is_none_meets_no_fault(world: World) -> None:
    """E4, E6: a third of these for each route, the others for the next; a GET's isn't read."""
    for at, route in enumerate(sorted(BODIES)):
        for data, kind in RAW[at % 3 :: 3]:
            answer = world.ask(route, data, kind)
            assert answer.status_code >= 400 or route[0] == "GET", (route, data[:99])


def test_an_address_with_anything_in_it_meets_no_fault(world: World, patient: Callable[[], None]) -> None:
    """E6, G4: in each part that names something, and in each query."""
    every = [*BODIES, *sorted(PUBLIC)]
    for at, route in enumerate(every):
        patient()
        data = None if route[0] == "GET" else json.dumps(world.body(route) if route in JSON_ROUTES else 0).encode()
        for name in re.findall(r"{(\w+)}", documented(route)[1]):
            for value in IN_ADDRESSES[at % 3 :: 3]:
                assert world.ask(route, data, **{name: value}).status_code >= 400


def test_a_query_with_anything_in_it_meets_no_fault(world: World, document: dict[str, Any]) -> None:
    """E6, G4"""
    asked = 0
    for method, path in operations(document):
        for of in operations(document)[method, path].get("parameters", []):
            for value in (*IN_ADDRESSES, *NUMBERS, "1&{name}=2") if of["in"] == "query" else ():
                key, staff = world._caller((method, path))
                query = f"{of['name']}={value}".replace("{name}", of["name"])
                world.send(method, f"{path}?{query}", key=key, staff=staff)
                asked += 1
    assert asked > 200


def test_a_header_with_anything_in_it_meets_no_fault(world: World) -> None:
    """G7, K7: twice, beside the right one, and in its place."""
    key = world.region.schools[VO].keys.request
    staff = '"s-1";role=principal'
    for header, own in HEADERS.items():
        for value in (*IN_HEADERS, *own):
            world.send("POST", f"{world.case.path}/release", b"{}", key=key, staff=staff, more=(header, value))
            plain = {"Content-Type": "application/json", header: value}
            answer = world.region.http.post("/v1/family/answers", data=b"{}", headers=plain, base_url=ORIGIN)
            held(answer, (header, value))


def test_a_method_that_a_route_does_not_know_meets_no_fault(standing: Story, world: World) -> None:
    """G6"""
    known = set(routes(standing))
    for method in METHODS:
        for route in {(method, rule) for _, rule in known} - known:
            assert world.send(method, world.path(route)).status_code == 405
