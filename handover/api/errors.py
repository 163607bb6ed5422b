"""An error's status, in one table, and its form: RFC 9457 `application/problem+json`.

A problem never repeats what was sent and never tells more than its code: values stay out, places stay in.
"""

from functools import cache
from typing import Any, Final

from flask import Flask, Response
from flask import json as flask_json
from marshmallow import Schema
from sqlalchemy.exc import DBAPIError, NoResultFound
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from consent.errors import ConsentError, KeyConflict, NotShipped, RecordRefused
from consent.terms import Section
from crypto.errors import CryptoError
from handover.errors import HandoverError, RequestRefused, not_found
from handover.logs import log

MEDIA_TYPE: Final = "application/problem+json"

UNSURE: Final = "The service can't reach its store. It may have been done or not: send the same request again."
# What isn't a RequestRefused: the class, the status, the code, what a person reads. First match counts.
TABLE: Final[tuple[tuple[type[Exception], int, str, str], ...]] = (
    (NoResultFound, 404, "NOT_FOUND", not_found().detail),  # it went with its pupil while the request waited
    (CryptoError, 422, "CRYPTO_REFUSED", "Something that was sent can't be trusted: {reason}."),
    (PoolTimeout, 503, "BUSY", "The service is busy. Try again."),
    (DBAPIError, 503, "STORE_UNAVAILABLE", UNSURE),
    (OSError, 503, "STORE_UNAVAILABLE", UNSURE),
    (NotShipped, 503, "STORE_UNAVAILABLE", UNSURE),
    (RecordRefused, 409, "RECORD_REFUSED", "The ledger doesn't take this from you now: {reason}."),
    (KeyConflict, 409, "IDEMPOTENCY_CONFLICT", "This Idempotency-Key was used for another request."),
    (ConsentError, 503, "NOT_SAFE", "The service can't do this safely now. Nothing was done."),
    (HandoverError, 503, "NOT_SAFE", "The service can't do this safely now. Nothing was done."),
)
TITLES: Final = {
    400: "BAD_REQUEST",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    408: "TIMEOUT",
    411: "LENGTH_REQUIRED",
    413: "TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
    422: "INVALID",
    431: "HEADERS_TOO_LARGE",
}


def problem(refused: RequestRefused) -> Response:
    """Write a refusal as an answer."""
    body: dict[str, Any] = {
        "type": f"urn:overdracht:problem:{refused.code}",
        "title": refused.code.replace("_", " ").capitalize(),
        "status": refused.status,
        "code": refused.code,
        "detail": refused.detail,
    }
    if refused.fields:
        body["fields"] = refused.fields
    response = Response(flask_json.dumps(body), refused.status, content_type=MEDIA_TYPE)
    if refused.status in {429, 503}:
        response.headers["Retry-After"] = "5"
    return response


_PARTS: Final = ("query", "key", "value")


@cache
def _names() -> frozenset[str]:
    """Every name of a field of the API's forms and of a section, and what marshmallow calls the parts of a request."""
    forms = list(Schema.__subclasses__())
    for form in forms:
        forms += form.__subclasses__()
    declared = (form._declared_fields.items() for form in forms if form.__module__.startswith("handover.api"))
    return frozenset(field.data_key or name for own in declared for name, field in own) | {*map(str, Section), *_PARTS}


def pointers(messages: Any, place: str = "") -> dict[str, str]:
    """Turn marshmallow's nested messages into JSON pointers (RFC 6901) with one sentence each.

    A name that no form has is shown as `?`: it is what was sent, and may be anything.
    """
    if isinstance(messages, dict):
        flat: dict[str, str] = {}
        for key, value in messages.items():
            known = isinstance(key, int) or key in _names()
            flat |= pointers(value, place if key == "_schema" else f"{place}/{key if known else '?'}")
        return flat
    sentences = messages if isinstance(messages, list) else [messages]
    return {place or "/": " ".join(str(sentence) for sentence in sentences)}


def _http(error: HTTPException) -> Response:
    status = error.code or 500
    messages = getattr(error, "data", {}).get("messages")
    fields = pointers(messages.get("json", messages)) if isinstance(messages, dict) else None
    detail = "The request isn't as it should be; see `fields`." if fields else f"{error.name}."
    response = problem(RequestRefused(TITLES.get(status, "REFUSED"), status, detail, fields))
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return response


def _known(error: Exception) -> Response:
    for kind, status, code, detail in TABLE:
        if isinstance(error, kind):
            reason = getattr(error, "reason", "")
            log().warning("request_refused", code=code, error=type(error).__name__, status=status)
            return problem(RequestRefused(code, status, detail.format(reason=reason)))
    # The name of the class alone: a message or a traceback may hold what was sent.
    log().error("request_failed", error=type(error).__name__, where=_where(error))
    return problem(RequestRefused("FAILED", 500, "Something went wrong on our side. Nothing was done."))


def _where(error: Exception) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f"{trace.tb_frame.f_code.co_name}:{trace.tb_lineno}"


def register(app: Flask) -> None:
    """Make every error of the application a problem; called after the API has set its own handlers."""
    app.register_error_handler(RequestRefused, problem)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _known)
