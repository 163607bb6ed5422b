"""A service on a loopback port that checks signatures as the real one does and answers as a test tells it to."""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from crypto.encoding import JSON
from handover.client import PROBLEM
from handover.signing import SignatureRefused, parse_content_digest, verify_request

KEPT = 1 << 20
"""Bytes of a body that are kept, about."""


@dataclass(frozen=True)
class Asked:
    """A request as it came in; `staff` is None where it wasn't signed by a key that the service knows."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    staff: str | None

    @property
    def json(self) -> JSON:
        value: JSON = json.loads(self.body)
        return value


@dataclass(frozen=True)
class Answer:
    """Status, media type and body; `cut` breaks the connection after so many bytes."""

    status: int = 200
    body: bytes = b"{}"
    media_type: str = "application/json"
    cut: int | None = None


def problem(status: int, code: str, detail: str, **fields: str) -> Answer:
    value = {"type": f"urn:overdracht:problem:{code}", "title": code, "status": status, "code": code, "detail": detail}
    return Answer(status, json.dumps(value | {"fields": fields}).encode(), PROBLEM)


def as_json(value: object) -> Answer:
    return Answer(body=json.dumps(value).encode())


@dataclass
class Service:
    """What was asked, in order, and who answers."""

    origin: str
    known: dict[bytes, bytes]
    answer: Callable[[Asked], Answer] = lambda asked: Answer()
    asked: list[Asked] = field(default_factory=list)


@contextmanager
def service(known: dict[bytes, bytes] | None = None) -> Iterator[Service]:
    """Run a service until the block ends. `known` holds public request keys by their kid."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    running = Service(f"http://127.0.0.1:{server.server_port}", known or {})
    server.RequestHandlerClass = type("Handler", (_Handler,), {"service": running})
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield running
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    service: Service

    def _handle(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        size, digest, body = int(headers.get("content-length", 0)), hashlib.sha256(), b""
        while size and (piece := self.rfile.read(min(size, 1 << 16))):
            size -= len(piece)
            digest.update(piece)
            body = body if len(body) >= KEPT else body + piece
        asked = Asked(self.command, self.path, headers, body, self._staff(headers, digest.digest()))
        self.service.asked.append(asked)
        answer = self.service.answer(asked)
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.media_type)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(answer.body[: answer.cut])

    def _staff(self, headers: dict[str, str], digest: bytes) -> str | None:
        try:
            verify_request(
                self.command,
                self.service.origin + self.path,
                headers,
                find=self.service.known.get,
                now=datetime.now(UTC),
                body="content-digest" in headers,
            )
            if "content-digest" in headers and parse_content_digest(headers["content-digest"]) != digest:
                return None
        except (SignatureRefused, KeyError):
            return None
        return headers["overdracht-staff"]

    do_GET = do_POST = do_PUT = _handle  # noqa: N815 - named by http.server

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass
