"""A school's client: one method per route of the service, each request signed (see README.md, "A signed request").

It knows HTTP and nothing of what is inside a bundle: uploads and releases are streamed, so a file of any size takes
the same memory. What the service answers is checked for form before it is used; a refusal becomes `ServiceRefused`.
"""

import hashlib
import re
import secrets
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, BinaryIO, Final, Self
from urllib.parse import quote

from crypto.encoding import JSON, Printable, b64, canon, unb64
from crypto.errors import EncodingRefused
from crypto.keyfile import KeyFile
from crypto.merkle import HASH_SIZE
from handover.answers import (
    ANSWER_LIMIT,
    CHUNK,
    PROBLEM,
    ServiceFailed,
    ServiceRefused,
    as_object,
    odd,
    read,
    read_json,
    refusal,
    split_head,
)
from handover.errors import SettingsRefused
from handover.roles import Role
from handover.settings import check_origin
from handover.signing import content_digest, print_checkpoint_header, sign_request

if TYPE_CHECKING:
    import httpx

# Whoever imports httpx gets its command line too, and with it rich, which takes twice as long as all the rest. None
# stands for a module that isn't installed, and httpx does without this one.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]

__all__ = [
    "ANSWER_LIMIT",
    "PROBLEM",
    "RELEASE",
    "UPLOAD",
    "Client",
    "PublicClient",
    "Release",
    "ServiceFailed",
    "ServiceRefused",
    "Staff",
    "path_id",
]

ATTEMPTS: Final = 3
"""How often a request that got no answer is made, where repeating it can't have a second effect."""
UPLOAD: Final = "application/vnd.overdracht.upload"
RELEASE: Final = "application/vnd.overdracht.release"


@dataclass(frozen=True, slots=True)
class Staff:
    """Who asks: the school's own pseudonym for a member of staff, and that person's role."""

    id: str
    role: Role

    @property
    def header(self) -> str:
        """The value of `Overdracht-Staff` (an RFC 9651 item)."""
        return f'"{self.id}";role={self.role.value}'


@dataclass(frozen=True, slots=True)
class Release:
    """One release as it comes in: its head, and the container's bytes behind it."""

    head: dict[str, JSON]
    container: Iterator[bytes]


class PublicClient:
    """Talks to one service without a school's key: what is public, and what carries signatures of its own.

    Use it as a context manager: it holds connections.
    """

    def __init__(self, origin: str) -> None:
        """Prepare a client; raises SettingsRefused for an origin that isn't https or this machine."""
        import httpx

        if wrong := check_origin(origin):
            raise SettingsRefused((wrong,))
        self.origin = origin
        self._http = httpx.Client(follow_redirects=False, timeout=httpx.Timeout(60, connect=10))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def put_board(self, certificate: Printable) -> dict[str, JSON]:
        """Register a board by its certificate."""
        return self._json("POST", "/v1/boards", {"certificate": certificate})

    def put_policy(self, board: str, policy: Printable, signature: bytes) -> dict[str, JSON]:
        """Publish a board's policy, signed by its identity."""
        body: Printable = {"policy": policy, "signature": b64(signature)}
        return self._json("PUT", f"/v1/boards/{path_id(board)}/policy", body)

    def put_dpo(self, board: str, dpo: Printable, signature: str) -> dict[str, JSON]:
        """Publish who a board's FG is, signed by the board's identity; `signature` as base64url."""
        return self._json("PUT", f"/v1/boards/{path_id(board)}/dpos", {"dpo": dpo, "signature": signature})

    def put_keys(self, school: str, statements: Sequence[Printable]) -> dict[str, JSON]:
        """Publish the key statements of one set of a school's keys."""
        return self._json("POST", f"/v1/schools/{path_id(school)}/keys", {"statements": list(statements)})

    def get_school(self, school: str) -> dict[str, JSON]:
        """Get a school's public file as the service tells it: a claim, to be checked against the key log."""
        return self._json("GET", f"/v1/schools/{path_id(school)}")

    def keylog(self, start: int) -> dict[str, JSON]:
        """Get entries of the key log from an index on."""
        return self._json("GET", f"/v1/keylog?start={start}")

    def keylog_checkpoint(self) -> bytes:
        """Get the key log's signed checkpoint."""
        return self._text("/v1/keylog/checkpoint")

    def journal_checkpoint(self) -> bytes:
        """Get the journal's signed checkpoint."""
        return self._text("/v1/journal/checkpoint")

    def journal_consistency(self, old: int, new: int) -> list[bytes]:
        """Get the proof that the journal of the old size is how that of the new size began."""
        answer = self._json("GET", f"/v1/journal/consistency?old={old}&new={new}")
        proof = answer.get("proof")
        if not isinstance(proof, list):
            raise odd()
        try:
            return [unb64(hashed, HASH_SIZE) for hashed in proof]
        except EncodingRefused:
            raise odd() from None

    def post_witnessed(self, note: bytes) -> dict[str, JSON]:
        """Hand over a checkpoint of the journal that a witness has cosigned."""
        return self._json("POST", "/v1/journal/witnessed", {"note": note.decode()})

    def _json(self, method: str, path: str, body: Printable = None) -> dict[str, JSON]:
        content, headers = (b"", {}) if body is None else self._body(body)
        import httpx

        for attempt in range(1, ATTEMPTS + 1):
            try:
                with self._exchange(method, path, headers, content) as response:
                    return read_json(response)
            except ServiceFailed as failure:
                # The same Idempotency-Key goes with every attempt, so a lost answer has no second effect (bad case H6).
                if attempt == ATTEMPTS or not isinstance(failure.__cause__, httpx.TransportError):
                    raise
        raise AssertionError("the last attempt returns or raises")

    def _text(self, path: str) -> bytes:
        with self._exchange("GET", path, {}, b"") as response:
            return read(response)

    def _body(self, body: Printable) -> tuple[bytes, dict[str, str]]:
        content = canon(body)
        return content, {
            "Content-Type": "application/json",
            "Content-Digest": content_digest(hashlib.sha256(content).digest()),
            "Idempotency-Key": f'"{secrets.token_urlsafe(24)}"',
        }

    @contextmanager
    def _exchange(
        self, method: str, path: str, headers: Mapping[str, str], content: bytes | Iterable[bytes]
    ) -> Iterator["httpx.Response"]:
        import httpx

        url = self.origin + path
        prepared = dict(self._prepared(method, url, headers))
        try:
            with self._http.stream(method, url, headers=prepared, content=content or None) as response:
                if not response.is_success:
                    raise refusal(response)
                yield response
        except httpx.TransportError as error:
            raise ServiceFailed(f"the service at {self.origin} gave no answer ({type(error).__name__})") from error

    def _prepared(self, method: str, url: str, headers: Mapping[str, str]) -> Mapping[str, str]:
        """Give the headers of a request as they are sent."""
        return headers


class Client(PublicClient):
    """Talks to one service for one school, each request signed with the school's `request` key."""

    def __init__(
        self,
        origin: str,
        key: KeyFile,
        staff: Staff,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        seen: bytes | None = None,
    ) -> None:
        """Prepare a client; raises SettingsRefused for a bad origin, or a key of no school.

        `seen` is the newest checkpoint of the journal that the school holds; it goes with every request.
        """
        super().__init__(origin)
        if key.school is None:
            raise SettingsRefused(("this key file names no school; the service knows only certified schools",))
        self.key = key
        self._staff = staff
        self._clock = clock
        self._seen = seen

    # Pupils.

    def new_pupil(self, number: str, first_name: str, birth_date: date, custody: Printable) -> dict[str, JSON]:
        """Register a pupil of one's own board with who holds gezag."""
        body: Printable = {
            "number": number,
            "first_name": first_name,
            "birth_date": birth_date.isoformat(),
            "custody": custody,
        }
        return self._json("POST", "/v1/pupils", body)

    def set_custody(self, pupil: str, custody: Mapping[str, Printable], second_person: str | None) -> dict[str, JSON]:
        """Say anew who holds gezag over a pupil."""
        second = {} if second_person is None else {"second_person": second_person}
        return self._json("PUT", f"/v1/pupils/{path_id(pupil)}/custody", {**custody, **second})

    # Transfers.

    def new_transfer(
        self, pupil: str, receiver: str, route: str, purpose: str, sections: Sequence[str]
    ) -> dict[str, JSON]:
        """Open a transfer."""
        body: Printable = {
            "pupil": pupil,
            "receiver": receiver,
            "route": route,
            "purpose": purpose,
            "sections": list(sections),
        }
        return self._json("POST", "/v1/transfers", body)

    def transfers(self, side: str) -> Iterator[dict[str, JSON]]:
        """List the transfers of this school as sender or receiver, all pages."""
        return self._pages(f"/v1/transfers?side={side}&", "transfers")

    def transfer(self, transfer: str) -> dict[str, JSON]:
        """Get one transfer as this school sees it."""
        return self._json("GET", f"/v1/transfers/{path_id(transfer)}")

    def cancel(self, transfer: str) -> dict[str, JSON]:
        """Cancel a transfer; a wrong receiver is cancelled, never redirected."""
        return self._json("POST", f"/v1/transfers/{path_id(transfer)}/cancel", {})

    def confirm_application(self, transfer: str) -> dict[str, JSON]:
        """Confirm, as the receiver, that the pupil has applied (aanmelding)."""
        return self._json("POST", f"/v1/transfers/{path_id(transfer)}/application", {})

    def invoke_law(self, transfer: str, sections: Sequence[str]) -> dict[str, JSON]:
        """Invoke the law for sections that need no consent under policy `wettelijk`."""
        return self._json("POST", f"/v1/transfers/{path_id(transfer)}/statutory", {"sections": list(sections)})

    def invite(self, transfer: str, person: str) -> dict[str, JSON]:
        """Invite somebody who may speak for the pupil; the token goes to that person alone."""
        return self._json("POST", f"/v1/transfers/{path_id(transfer)}/invitations", {"person": person})

    def decide_objection(self, transfer: str, event: str, *, upheld: bool, reason: str) -> dict[str, JSON]:
        """Decide an objection."""
        body: Printable = {"upheld": upheld, "reason": reason}
        return self._json("POST", f"/v1/transfers/{path_id(transfer)}/objections/{path_id(event)}/decision", body)

    def requests(self) -> Iterator[dict[str, JSON]]:
        """List what families ask and wait for, and the restrictions in force; all pages."""
        return self._pages("/v1/requests?", "requests")

    def decide_request(self, request: str, decision: Mapping[str, Printable]) -> dict[str, JSON]:
        """Decide on a request for correction or erasure: ruling and reason, perhaps the article."""
        return self._json("POST", f"/v1/requests/{path_id(request)}/decision", dict(decision))

    def lift_restriction(self, request: str, reason: str) -> dict[str, JSON]:
        """Propose to end the restriction that a request brought with it; a colleague has to confirm it."""
        return self._json("POST", f"/v1/requests/{path_id(request)}/lifting", {"reason": reason})

    def acknowledge(self, transfer: str, placed: bool | None, used_for: Sequence[str] | None) -> dict[str, JSON]:
        """Confirm receipt; `placed` is None while that isn't known."""
        body: dict[str, Printable] = {"received": True, "placed": placed}
        if used_for is not None:
            body["used_for"] = list(used_for)
        return self._json("POST", f"/v1/transfers/{path_id(transfer)}/acknowledgement", body)

    def upload(
        self, transfer: str, shares: bytes, bundle: BinaryIO, key: str, progress: Callable[[int], None]
    ) -> dict[str, JSON]:
        """Send a bundle with its shares. `bundle` is read twice: once for its digest, once to send it.

        The same `key` on a second try gives the first answer, if there was one.
        """
        opening = len(shares).to_bytes(4, "big") + shares
        digest, size = hashlib.sha256(opening), len(opening)
        for chunk in _chunks(bundle):
            digest.update(chunk)
            size += len(chunk)
        bundle.seek(0)
        headers = {
            "Content-Type": UPLOAD,
            "Content-Digest": content_digest(digest.digest()),
            "Content-Length": str(size),
            "Idempotency-Key": f'"{key}"',
        }
        body = _counted(opening, _chunks(bundle), progress)
        with self._exchange("POST", f"/v1/transfers/{path_id(transfer)}/bundles", headers, body) as response:
            return read_json(response)

    @contextmanager
    def release(self, transfer: str, section: str) -> Iterator[Release]:
        """Ask for one section. Never repeated by itself: each asking is a decision of its own."""
        content, headers = self._body({"sections": [section]})
        with self._exchange("POST", f"/v1/transfers/{path_id(transfer)}/release", headers, content) as response:
            if response.headers.get("Content-Type") != RELEASE:
                raise odd()
            chunks = response.iter_bytes(CHUNK)
            head, rest = split_head(chunks)
            yield Release(head, rest)

    def _pages(self, path: str, name: str) -> Iterator[dict[str, JSON]]:
        """Give the rows of all pages; `path` ends where the next parameter would begin."""
        cursor = ""
        while True:
            page = self._json("GET", f"{path}cursor={quote(cursor, safe='')}" if cursor else path[:-1])
            rows, following = page.get(name), page.get("next")
            if not isinstance(rows, list) or not isinstance(following, str | int | None) or str(following) == cursor:
                raise odd()
            for row in rows:
                yield as_object(row)
            if not following:
                return
            cursor = str(following)

    def _prepared(self, method: str, url: str, headers: Mapping[str, str]) -> Mapping[str, str]:
        seen = {} if self._seen is None else {"Overdracht-Checkpoint": print_checkpoint_header(self._seen)}
        return sign_request(
            method,
            url,
            {**headers, **seen, "Overdracht-Staff": self._staff.header},
            kid=self.key.request.kid,
            sign=self.key.request.sign_bare,
            now=self._clock(),
            body="Content-Digest" in headers,
        )


def path_id(text: str) -> str:
    """Let only what can be an id into a path."""
    if re.fullmatch(r"[A-Za-z0-9_-]{1,64}", text) is None:
        raise ServiceRefused("ID_REFUSED", 400, "an id is 1 to 64 letters, digits, - and _")
    return text


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    while chunk := stream.read(CHUNK):
        yield chunk


def _counted(opening: bytes, chunks: Iterable[bytes], progress: Callable[[int], None]) -> Iterator[bytes]:
    done = 0
    yield opening
    for chunk in chunks:
        yield chunk
        done += len(chunk)
        progress(done)
