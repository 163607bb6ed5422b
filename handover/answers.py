"""What the service answers, read strictly: JSON of a bounded size, a problem with its reason, a release's head."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from crypto.encoding import JSON, json_load
from crypto.errors import EncodingRefused
from handover.errors import HandoverError, RequestRefused

if TYPE_CHECKING:
    import httpx

ANSWER_LIMIT: Final = 8 * 1024 * 1024
"""Bytes of a JSON answer. A page of the key log is the largest there is."""
HEAD_LIMIT: Final = 256 * 1024
CHUNK: Final = 256 * 1024
PROBLEM: Final = "application/problem+json"


class ServiceRefused(RequestRefused):
    """The service said no, and why."""


class ServiceFailed(HandoverError):
    """The service can't be reached, or answered what it never should."""


def read(response: "httpx.Response", limit: int = ANSWER_LIMIT) -> bytes:
    """Give an answer's body; raises ServiceFailed for one beyond the limit."""
    data = bytearray()
    for chunk in response.iter_bytes(CHUNK):
        data += chunk
        if len(data) > limit:
            raise odd()
    return bytes(data)


def read_json(response: "httpx.Response", limit: int = ANSWER_LIMIT) -> dict[str, JSON]:
    """Give an answer that must be a JSON object; raises ServiceFailed."""
    try:
        return as_object(json_load(read(response, limit), limit=limit))
    except EncodingRefused:
        raise odd() from None


def refusal(response: "httpx.Response") -> HandoverError:
    """Give what an answer without success means: ServiceRefused with its reason, or ServiceFailed where it has none."""
    failed = ServiceFailed(f"the service answered {response.status_code} without a reason")
    if response.headers.get("Content-Type", "").partition(";")[0] != PROBLEM:
        return failed
    try:
        problem = as_object(json_load(read(response), limit=ANSWER_LIMIT))
    except EncodingRefused:
        return failed
    fields = problem.get("fields")
    told = {place: str(fault) for place, fault in fields.items()} if isinstance(fields, dict) else {}
    code, detail = problem.get("code"), problem.get("detail")
    if not isinstance(code, str) or not isinstance(detail, str):
        return failed
    return ServiceRefused(code, response.status_code, detail, told)


def split_head(chunks: Iterator[bytes]) -> tuple[dict[str, JSON], Iterator[bytes]]:
    """Take the length and the JSON head off a release; what comes behind is the container."""
    data = b""
    for chunk in chunks:
        data += chunk
        if len(data) >= 4 and len(data) >= 4 + (size := int.from_bytes(data[:4], "big")):
            break
        if len(data) > HEAD_LIMIT:
            raise odd()
    else:
        raise ServiceFailed("the release broke off")
    try:
        head = as_object(json_load(data[4 : 4 + size], limit=HEAD_LIMIT))
    except EncodingRefused:
        raise odd() from None
    return head, _behind(data[4 + size :], chunks)


def _behind(first: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from chunks


def said(answer: dict[str, JSON], name: str) -> str:
    """Give a text that an answer must hold; raises ServiceFailed: what names nothing may have done nothing."""
    value = answer.get(name)
    if not isinstance(value, str):
        raise odd()
    return value


def listed(answer: dict[str, JSON], name: str) -> list[dict[str, JSON]]:
    """Give a list of objects that an answer must hold; raises ServiceFailed."""
    rows = answer.get(name)
    if not isinstance(rows, list):
        raise odd()
    return [as_object(row) for row in rows]


def as_object(value: JSON) -> dict[str, JSON]:
    """Take a value that must be an object; raises ServiceFailed."""
    if not isinstance(value, dict):
        raise odd()
    return value


def odd() -> ServiceFailed:
    """Give the error for an answer that this client can't make sense of."""
    return ServiceFailed("the service answered in a form that this client doesn't know")
