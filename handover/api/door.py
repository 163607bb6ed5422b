"""What every route of the REST door shares: strict bodies, signed requests, one request carried out once.

Order for a signed route: the signature over the headers, the role, the nonce, the body's digest, the body's form, and
only then the use case (RFC 9421; bad cases G7, A9).
"""

import hashlib
import hmac
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import wraps
from http import HTTPStatus
from typing import Any, Final, ParamSpec, TypeVar, cast

from flask import current_app, g, request
from flask_smorest import Blueprint as SmorestBlueprint
from webargs.flaskparser import FlaskParser

from crypto.encoding import json_load
from crypto.errors import EncodingRefused
from handover.attempts import note_attempt
from handover.callers import request_key, use_nonce
from handover.dpos import dpo_key
from handover.errors import NotTheirs, RequestRefused
from handover.idempotency import Once
from handover.logs import log
from handover.parts import Caller, Examiner, Parts
from handover.register import RegisterRefused
from handover.roles import Action, Role, may
from handover.signing import SignatureRefused, parse_checkpoint_header, parse_content_digest, verify_request
from handover.witnessing import hear

JSON_LIMIT: Final = 1 << 20
JSON_DEPTH: Final = 12
CHUNK: Final = 256 * 1024
SIGNED_ERRORS: Final = {
    str(int(status)): status.name
    for status in (
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.CONFLICT,
    )
}
"""What any signed route may answer besides its own, as the OpenAPI document says it."""

_STAFF = re.compile(r'"([A-Za-z0-9._-]{1,64})";role=([a-z_]+)')
_KEY = re.compile(r'"([A-Za-z0-9_-]{16,64})"')

P = ParamSpec("P")
R = TypeVar("R")


def parts() -> Parts:
    """Give the parts of the running service."""
    return cast(Parts, current_app.extensions["handover"])


class StrictParser(FlaskParser):
    """Reads JSON bodies as strictly as the rest of the product (bad case E4)."""

    DEFAULT_UNKNOWN_BY_LOCATION = {  # noqa: RUF012 - the library reads it as an instance's
        **FlaskParser.DEFAULT_UNKNOWN_BY_LOCATION,
        "json": "raise",
        "query": "raise",
    }

    def _raw_load_json(self, req: Any) -> Any:
        if req.mimetype != "application/json":
            raise RequestRefused("UNSUPPORTED_MEDIA_TYPE", 415, "Send application/json.")
        try:
            return json_load(json_body(), limit=JSON_LIMIT, depth=JSON_DEPTH)
        except EncodingRefused as error:
            raise RequestRefused("BAD_JSON", 400, f"The body can't be read: {error}.") from None


class Blueprint(SmorestBlueprint):
    """A blueprint whose JSON bodies are read by the strict parser."""

    ARGUMENTS_PARSER = StrictParser()


def json_body() -> bytes:
    """Give the whole body, its signed digest already compared; refused beyond the limit."""
    if "body" not in g:
        g.body = b"".join(stream_body(JSON_LIMIT))
    return cast(bytes, g.body)


def stream_body(limit: int) -> Iterator[bytes]:
    """Give the body in pieces; the last one comes only when the signed digest holds for all of them."""
    digest, size, waiting = hashlib.sha256(), 0, b""
    while piece := request.stream.read(CHUNK):
        size += len(piece)
        if size > limit:
            raise RequestRefused("TOO_LARGE", 413, f"The body may hold at most {limit} bytes.")
        digest.update(piece)
        if waiting:
            yield waiting
        waiting = piece
    signed = g.get("digest")
    if signed is not None and not hmac.compare_digest(signed, digest.digest()):
        raise _refused("the body isn't the one that was signed")
    if waiting:
        yield waiting


def _refused(why: str) -> RequestRefused:
    log().warning("signature_refused", problem=why, route=str(request.url_rule), method=request.method)
    return RequestRefused("SIGNATURE_REFUSED", 401, "The request isn't signed as it must be.")


def _staff() -> tuple[str, Role]:
    header = _STAFF.fullmatch(request.headers.get("Overdracht-Staff", ""))
    if header is None or header.group(2) not in set(Role):
        raise RequestRefused("STAFF_REFUSED", 400, "Overdracht-Staff must name a member of staff and a role.")
    return header.group(1), Role(header.group(2))


def _has_body() -> bool:
    # A digest without a body is a body that got lost on the way.
    return bool(request.content_length) or not {"Transfer-Encoding", "Content-Digest"}.isdisjoint(
        request.headers.keys()
    )


def _verify(known: Callable[[Parts, bytes, datetime], tuple[R, bytes] | None]) -> R:
    """Check the signature and spend its nonce; gives whose key `known` says it is."""
    service = parts()
    now = service.clock()
    found: dict[bytes, R] = {}
    broken: list[RegisterRefused] = []

    def find(kid: bytes) -> bytes | None:
        try:
            key = known(service, kid, now)
        except RegisterRefused as refused:  # what reads signatures would take it for a wrong one
            broken.append(refused)
            return None
        if key is None:
            return None
        found[kid] = key[0]
        return key[1]

    target = service.settings.origin + request.full_path.rstrip("?")
    headers = dict(request.headers.items())
    try:
        signature = verify_request(request.method, target, headers, find=find, now=now, body=_has_body())
        g.digest = parse_content_digest(request.headers["Content-Digest"]) if _has_body() else None
        use_nonce(service, signature)
        if (checkpoint := request.headers.get("Overdracht-Checkpoint")) is not None:
            hear(service, parse_checkpoint_header(checkpoint), "request")
    except SignatureRefused as error:
        raise (broken[0] if broken else _refused(str(error))) from None
    return found[signature.kid]


def signed(action: Action) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a route be used only by a school whose signed request names a role that may do this."""

    def decorate(view: Callable[P, R]) -> Callable[P, R]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            key = _verify(request_key)
            staff, role = _staff()
            if not may(role, action):
                able = ", ".join(str(each) for each in Role if may(each, action))
                raise RequestRefused("ROLE_REFUSED", 403, f"The role {role} may not do this. Who may: {able}.")
            g.caller = Caller(key.school, key.board, staff, role)
            try:
                return view(*args, **kwargs)
            except NotTheirs:
                note_attempt(parts(), g.caller, str(action))
                raise

        documented: Callable[P, R] = Blueprint.doc(security=[{"signature": []}], responses=SIGNED_ERRORS)(guarded)
        documented.action = action  # type: ignore[attr-defined]  # the access matrix of the tests reads it
        return documented

    return decorate


def examined(view: Callable[P, R]) -> Callable[P, R]:
    """Let a route be used only by a board's FG, whose request is signed with the key that the board stated."""

    @wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        g.examiner = _verify(dpo_key)
        if request.headers.get("Overdracht-Staff") != f'"{g.examiner.name}";role=dpo':
            raise RequestRefused("STAFF_REFUSED", 400, "Overdracht-Staff must name the FG whose key this is, role dpo.")
        return view(*args, **kwargs)

    documented: Callable[P, R] = Blueprint.doc(security=[{"signature": []}], responses=SIGNED_ERRORS)(guarded)
    documented.action = "dpo"  # type: ignore[attr-defined]
    return documented


def public(view: Callable[P, R]) -> Callable[P, R]:
    """Say that a route is for everybody, or carries signatures of its own."""
    view.action = None  # type: ignore[attr-defined]
    return view


def caller() -> Caller:
    """Give the school that asks; only inside a signed route."""
    return cast(Caller, g.caller)


def examiner() -> Examiner:
    """Give the FG who asks; only inside an examined route."""
    return cast(Examiner, g.examiner)


def once(who: str) -> Once:
    """Give what makes this request the same request."""
    header = _KEY.fullmatch(request.headers.get("Idempotency-Key", ""))
    if header is None:
        raise RequestRefused("IDEMPOTENCY_KEY_MISSING", 400, "Send a quoted Idempotency-Key of 16 to 64 characters.")
    # A signed body's digest is compared before anything is committed, so that it can stand for the body here.
    body = g.get("digest") or hashlib.sha256(json_body()).digest()
    return Once(who, f"{request.method} {request.path}"[:100], header.group(1), body)
