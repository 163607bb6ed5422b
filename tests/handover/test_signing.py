"""Signed requests (RFC 9421): what is signed by hand here is taken, and nothing that differs from it has any effect."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from secrets import token_urlsafe
from typing import Any

import pytest
from werkzeug.test import TestResponse

from crypto.keys import SignKey
from handover.signing import (
    SignatureRefused,
    Signed,
    components,
    content_digest,
    parse_checkpoint_header,
    parse_content_digest,
    print_checkpoint_header,
    sign_request,
    verify_request,
)
from tests.handover.story import OTHER, PO, VO, Case, Story
from tests.region import ORIGIN, expect, now

BODY = b"{}"
SIGNED_PARTS = ("@method", "@target-uri", "overdracht-staff", "content-digest", "content-type", "idempotency-key")


def digest(body: bytes, name: str = "sha-256", hashed: Callable[[bytes], Any] = sha256) -> str:
    return f"{name}=:{base64.b64encode(hashed(body).digest()).decode()}:"


@dataclass
class Request:
    """A request to cancel a transfer, before it is signed. What is signed may differ from what is sent."""

    path: str
    key: SignKey
    method: str = "POST"
    body: bytes = BODY
    origin: str = ORIGIN
    headers: dict[str, str | None] = field(default_factory=dict)
    covered: tuple[str, ...] = SIGNED_PARTS
    parameters: dict[str, int | str | None] = field(default_factory=dict)
    sent_path: str | None = None
    sent_method: str | None = None
    sent_body: bytes | None = None
    sent: dict[str, str | None] = field(default_factory=dict)

    def all_headers(self) -> dict[str, str]:
        plain = {
            "Overdracht-Staff": '"s-1";role=internal_supervisor',
            "Content-Type": "application/json",
            "Content-Digest": digest(self.body),
            "Idempotency-Key": f'"{token_urlsafe(18)}"',
        }
        return {name: value for name, value in (plain | self.headers).items() if value is not None}

    def signed(self) -> dict[str, str]:
        headers = self.all_headers()
        created = int(now().timestamp())
        parameters: dict[str, int | str | None] = {
            "created": created,
            "expires": created + 300,
            "nonce": token_urlsafe(18),
            "keyid": self.key.kid.hex(),
            "alg": "ed25519",
            "tag": "overdracht-v1",
        }
        parameters |= self.parameters
        values = {name.lower(): value for name, value in headers.items()}
        values |= {"@method": self.method, "@target-uri": self.origin + self.path, "@authority": "overdracht.test"}
        printed = [f"{name}={json.dumps(value)}" for name, value in parameters.items() if value is not None]
        said = f"({' '.join(json.dumps(name) for name in self.covered)});{';'.join(printed)}"
        lines = [f'"{name}": {values[name]}' for name in self.covered] + [f'"@signature-params": {said}']
        signature = base64.b64encode(self.key.sign_bare("\n".join(lines).encode())).decode()
        return headers | {"Signature-Input": f"overdracht={said}", "Signature": f"overdracht=:{signature}:"}

    def go(self, story: Story, headers: dict[str, str] | None = None) -> TestResponse:
        whole: dict[str, str | None] = dict(headers or self.signed())
        kept = {name: value for name, value in (whole | self.sent).items() if value is not None}
        body = self.body if self.sent_body is None else self.sent_body
        path, method = self.sent_path or self.path, self.sent_method or self.method
        return story.region.http.open(path, method=method, data=body or None, headers=kept, base_url=ORIGIN)


@pytest.fixture(scope="module")
def case(standing: Story) -> Case:
    return standing.case(invited=False, bundle=False)


@pytest.fixture
def request_(case: Case) -> Request:
    return Request(f"{case.path}/cancel", case.story.region.schools[PO].keys.request)


def at(**ahead: float) -> int:
    return int((now() + timedelta(**ahead)).timestamp())


def without(name: str) -> tuple[str, ...]:
    return tuple(part for part in SIGNED_PARTS if part != name)


MUTATIONS: dict[str, dict[str, Any]] = {
    "no signature": {"sent": {"Signature": None}},
    "no signature input": {"sent": {"Signature-Input": None}},
    "neither": {"sent": {"Signature": None, "Signature-Input": None}},
    "an empty signature": {"sent": {"Signature": ""}},
    "a signature that is no structured field": {"sent": {"Signature": "overdracht=\u00e9"}},
    "a signature of zeros": {"sent": {"Signature": f"overdracht=:{base64.b64encode(bytes(64)).decode()}:"}},
    "a short signature": {"sent": {"Signature": "overdracht=:AAAA:"}},
    "a signature that is a text": {"sent": {"Signature": 'overdracht="AAAA"'}},
    "another label on one of the two": {"sent": {"Signature": "other=:AAAA:"}},
    "the method isn't covered": {"covered": without("@method")},
    "the target isn't covered": {"covered": without("@target-uri")},
    "the staff isn't covered": {"covered": without("overdracht-staff")},
    "the digest isn't covered": {"covered": without("content-digest")},
    "the type isn't covered": {"covered": without("content-type")},
    "the idempotency key isn't covered": {"covered": without("idempotency-key")},
    "nothing is covered": {"covered": ()},
    "the authority in the target's stead": {"covered": (*without("@target-uri"), "@authority")},
    "a part covered twice": {"covered": (*SIGNED_PARTS, "@method")},
    "another method": {"method": "PUT", "sent_method": "POST"},
    "a get that was signed, sent as a post": {"method": "GET", "sent_method": "POST"},
    "another origin": {"origin": "https://elders.test"},
    "another scheme": {"origin": ORIGIN.replace("https", "http")},
    "another port": {"origin": f"{ORIGIN}:8443"},
    "a query that wasn't signed": {"sent_path": "?x=1"},
    "another path": {"sent_path": "/../application"},
    "another member of staff": {"sent": {"Overdracht-Staff": '"s-2";role=internal_supervisor'}},
    "another role": {"sent": {"Overdracht-Staff": '"s-1";role=principal'}},
    "no staff": {"sent": {"Overdracht-Staff": None}},
    "another type": {"sent": {"Content-Type": "application/json; charset=latin-1"}},
    "no type": {"sent": {"Content-Type": None}},
    "another idempotency key": {"sent": {"Idempotency-Key": '"0123456789abcdef"'}},
    "no idempotency key": {"sent": {"Idempotency-Key": None}},
    "another digest": {"sent": {"Content-Digest": digest(b"[]")}},
    "no digest": {"sent": {"Content-Digest": None}},
    "a digest of something else, signed": {"headers": {"Content-Digest": digest(b"[]")}},
    "a digest by another hash, signed": {"headers": {"Content-Digest": digest(BODY, "sha-512")}},
    "two digests, signed": {"headers": {"Content-Digest": f"{digest(BODY)}, {digest(BODY, 'sha-512')}"}},
    "a digest that isn't base64, signed": {"headers": {"Content-Digest": "sha-256=:!:"}},
    "a digest of another length, signed": {"headers": {"Content-Digest": "sha-256=:AAAA:"}},
    "a digest in capitals, signed": {"headers": {"Content-Digest": digest(BODY, "SHA-256")}},
    "another body": {"sent_body": b'{"a": 1}'},
    "a longer body": {"sent_body": b"{} "},
    "no body where one was signed": {"sent_body": b""},
    "created six minutes ago": {"parameters": {"created": lambda: at(minutes=-6), "expires": lambda: at(minutes=-1)}},
    "expired": {"parameters": {"created": lambda: at(seconds=-100), "expires": lambda: at(seconds=-6)}},
    "created in the future": {"parameters": {"created": lambda: at(seconds=60), "expires": lambda: at(seconds=200)}},
    "living a second too long": {"parameters": {"expires": lambda: at(seconds=302)}},
    "living for a year": {"parameters": {"expires": lambda: at(days=365)}},
    "expiring when it is made": {"parameters": {"expires": lambda: at()}},
    "expiring before it is made": {"parameters": {"expires": lambda: at(seconds=-1)}},
    "a time beyond all years": {"parameters": {"expires": 10**15 - 1}},
    "a time in words": {"parameters": {"created": "now"}},
    "not created": {"parameters": {"created": None}},
    "never expiring": {"parameters": {"expires": None}},
    "no nonce": {"parameters": {"nonce": None}},
    "an empty nonce": {"parameters": {"nonce": ""}},
    "a nonce of 15": {"parameters": {"nonce": "n" * 15}},
    "a nonce of 65": {"parameters": {"nonce": "n" * 65}},
    "a nonce that is a number": {"parameters": {"nonce": 1234567890123456}},
    "no key": {"parameters": {"keyid": None}},
    "an unknown key": {"parameters": {"keyid": "00" * 32}},
    "a key that isn't hex": {"parameters": {"keyid": "x" * 64}},
    "a key in capitals": {"parameters": {"keyid": lambda key: key.kid.hex().upper()}},
    "no tag": {"parameters": {"tag": None}},
    "another tag": {"parameters": {"tag": "overdracht-v2"}},
    "a shared secret for an algorithm": {"parameters": {"alg": "hmac-sha256"}},
    "another algorithm": {"parameters": {"alg": "rsa-v1_5-sha256"}},
    "a parameter nobody knows": {"parameters": {"admin": "true"}},
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_request_that_differs_from_what_was_signed_has_no_effect(
    standing: Story, request_: Request, name: str
) -> None:
    """G7"""
    change = dict(MUTATIONS[name])
    if "parameters" in change:
        given = change["parameters"].items()
        change["parameters"] = {
            part: (value(request_.key) if part == "keyid" else value()) if callable(value) else value
            for part, value in given
        }
    if "sent_path" in change:
        path = change["sent_path"]
        change["sent_path"] = request_.path + path if path[0] == "?" else request_.path.replace("/cancel", path[3:])
    for attribute, value in change.items():
        setattr(request_, attribute, value)
    before = standing.rows("nonce")
    answer = expect(request_.go(standing), 401)
    assert answer.get_json()["code"] == "SIGNATURE_REFUSED"
    assert answer.get_json()["detail"] == "The request isn't signed as it must be."
    assert standing.rows("nonce") == before


@pytest.mark.parametrize(
    "header",
    [
        *("", "s-1", '"s-1"', '"s-1";role=', '"s-1";role=operator', '"s-1"; role=teacher', '"s 1";role=teacher'),
        *('"";role=teacher', f'"{"s" * 65}";role=teacher', '"s-1";role=teacher;role=principal'),
    ],
)
def test_a_malformed_name_of_staff_is_refused(standing: Story, request_: Request, header: str) -> None:
    request_.headers = {"Overdracht-Staff": header}
    before = standing.size()
    answer = request_.go(standing)
    assert expect(answer, 400).get_json()["code"] == "STAFF_REFUSED"
    assert standing.size() == before


@pytest.mark.parametrize(
    "header", ["0123456789abcdef", '"0123456789abcde"', f'"{"k" * 65}"', '"0123456789 abcdef"', '""']
)
def test_a_malformed_idempotency_key_is_refused(standing: Story, request_: Request, header: str) -> None:
    request_.headers = {"Idempotency-Key": header}
    before = standing.size()
    assert expect(request_.go(standing), 400).get_json()["code"] == "IDEMPOTENCY_KEY_MISSING"
    assert standing.size() == before


def test_a_get_with_a_body_needs_that_body_signed(standing: Story, case: Case, request_: Request) -> None:
    request_.path, request_.method, request_.body = case.path, "GET", b""
    request_.covered = ("@method", "@target-uri", "overdracht-staff")
    request_.headers = {"Content-Digest": None, "Content-Type": None, "Idempotency-Key": None}
    expect(request_.go(standing), 200)
    request_.sent_body = BODY
    expect(request_.go(standing), 401)


def test_a_request_counts_once(standing: Story, case: Case, request_: Request) -> None:
    """G7"""
    request_.path, request_.body = f"{case.path}/invitations", json.dumps({"person": case.child.persons[0]}).encode()
    headers = request_.signed()
    expect(request_.go(standing, headers), 201)
    before = standing.size()
    expect(request_.go(standing, headers), 401)
    assert standing.size() == before


def test_a_request_of_a_refused_role_counts_once_too(standing: Story, request_: Request) -> None:
    """G7"""
    request_.headers = {"Overdracht-Staff": '"s-1";role=teacher'}
    headers = request_.signed()
    expect(request_.go(standing, headers), 403)
    expect(request_.go(standing, headers), 401)


def test_two_keys_may_use_one_nonce(standing: Story, case: Case, request_: Request) -> None:
    nonce: dict[str, int | str | None] = {"nonce": token_urlsafe(18)}
    for school, status in ((PO, 404), (OTHER, 404), (PO, 401)):
        key = standing.region.schools[school].keys.request
        request = Request("/v1/transfers/0123/cancel", key, parameters=nonce)
        expect(request.go(standing), status)


def test_two_signatures_for_this_service_are_one_too_many(standing: Story, request_: Request) -> None:
    headers = request_.signed()
    for name in ("Signature", "Signature-Input"):
        headers[name] += ", second=" + headers[name].removeprefix("overdracht=")
    expect(request_.go(standing, headers), 401)


def test_a_signature_for_somebody_else_beside_ours_is_no_matter(standing: Story, case: Case, request_: Request) -> None:
    request_.path = "/v1/transfers/0123/cancel"
    headers = request_.signed()
    headers["Signature-Input"] += ', proxy=("@method");created=1;keyid="p";tag="proxy"'
    headers["Signature"] += ", proxy=:AAAA:"
    expect(request_.go(standing, headers), 404)


@pytest.mark.parametrize("kind", ["sign", "seal"])
def test_only_the_request_key_signs_requests(standing: Story, request_: Request, kind: str) -> None:
    """C5: what a key is for is part of the key."""
    keys = standing.region.schools[PO].keys
    if kind == "sign":
        request_.key = keys.sign
    else:
        request_.parameters = {"keyid": keys.seal.kid.hex()}
    before = standing.size()
    expect(request_.go(standing), 401)
    assert standing.size() == before


@pytest.mark.parametrize("state", ["rotated", "revoked", "superseded"])
def test_a_key_that_is_no_more_signs_nothing(lite: Story, state: str) -> None:
    """C2, C5"""
    region = lite.region
    old = region.schools[VO].keys.request
    if state == "superseded":
        region.schools[VO].keys = type(region.schools[VO].keys).generate(VO)
        region.publish(VO, "request")
    else:
        region.publish(VO, "request", state=state)  # type: ignore[arg-type]
    expect(Request("/v1/transfers/0123/cancel", old).go(lite), 401)
    if state == "superseded":
        expect(Request("/v1/transfers/0123/cancel", region.schools[VO].keys.request).go(lite), 404)


def test_the_host_that_is_asked_for_is_no_matter(standing: Story, request_: Request) -> None:
    """F6: the target is built from the configured origin."""
    request_.path = "/v1/transfers/0123/cancel"
    headers = {**request_.signed(), "Host": "elders.test", "X-Forwarded-Host": "elders.test"}
    expect(request_.go(standing, headers), 404)


# The two functions by themselves.

KEY = SignKey.from_seed(bytes(range(32)))
URL = f"{ORIGIN}/v1/transfers?side=sender"


def signed(**changed: Any) -> dict[str, str]:
    options: dict[str, Any] = {"kid": KEY.kid, "sign": KEY.sign_bare, "now": now(), "body": False} | changed
    return sign_request("GET", URL, {"Overdracht-Staff": '"s-1";role=teacher'}, **options)


def verified(headers: dict[str, str], **changed: Any) -> Signed:
    options: dict[str, Any] = {"find": {KEY.kid: KEY.public}.get, "now": now(), "body": False} | changed
    return verify_request("GET", URL, headers, **options)


def test_what_is_signed_is_verified_and_names_key_and_nonce() -> None:
    headers = signed()
    found = verified(headers)
    assert found.kid == KEY.kid
    assert len(found.nonce) == 24
    assert f'nonce="{found.nonce}"' in headers["Signature-Input"]
    assert verified(signed()).nonce != found.nonce


def test_a_signature_lives_three_hundred_seconds_and_the_clock_may_be_five_off() -> None:
    whole = datetime.now(UTC).replace(microsecond=0)
    headers = signed(now=whole)
    assert verified(headers, now=whole + timedelta(seconds=304)).kid == KEY.kid
    with pytest.raises(SignatureRefused, match=r"\Aexpired\Z"):
        verified(headers, now=whole + timedelta(seconds=305))


def test_the_log_is_told_what_is_wrong() -> None:
    with pytest.raises(SignatureRefused, match="Unable to resolve verification key"):
        verified(signed(), find=lambda kid: None)
    with pytest.raises(SignatureRefused, match="content-digest"):
        verified(signed(), body=True)


@pytest.mark.parametrize(
    ("method", "body", "more"),
    [
        ("GET", False, ()),
        ("GET", True, ("content-digest", "content-type")),
        ("POST", False, ("idempotency-key",)),
        ("POST", True, ("content-digest", "content-type", "idempotency-key")),
        ("PUT", True, ("content-digest", "content-type", "idempotency-key")),
        ("PATCH", False, ("idempotency-key",)),
        ("DELETE", False, ("idempotency-key",)),
    ],
)
def test_what_must_be_covered_depends_on_method_and_body(method: str, body: bool, more: tuple[str, ...]) -> None:
    assert components(method, body=body) == ("@method", "@target-uri", "overdracht-staff", *more)


def test_a_checkpoint_that_is_sent_along_is_covered_last() -> None:
    covered = components("POST", body=True, checkpoint=True)
    assert covered == (*components("POST", body=True), "overdracht-checkpoint")


def test_a_checkpoints_header_has_one_form() -> None:
    assert print_checkpoint_header(b"x?") == ":eD8=:"
    assert parse_checkpoint_header(":eD8=:") == b"x?"
    assert parse_checkpoint_header("::") == b""
    for other in ("", ":", "eD8=", ":eD8=", "eD8=:", ":eD9=:", ":eD8:", " :eD8=:", ":eD8=: ", ":eD8=\n:", ":e\u00e9=:"):
        with pytest.raises(SignatureRefused, match="overdracht-checkpoint is not"):
            parse_checkpoint_header(other)


def test_a_digest_has_one_form() -> None:
    hashed = sha256(b"x").digest()
    written = content_digest(hashed)
    assert written == "sha-256=:LXEWQrcmsEQBYnyp+6wy9chTD7GQPMTbAiWHF5IaSIE=:"
    assert parse_content_digest(written) == hashed
    for other in (written[:-1], written[8:], f" {written}", f"{written}x", written.replace("=:L", "=:-"), ""):
        with pytest.raises(SignatureRefused, match="content-digest is not"):
            parse_content_digest(other)
