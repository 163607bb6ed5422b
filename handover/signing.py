"""Signed requests of schools: RFC 9421 with Ed25519, the same on both sides.

The library signs and verifies; this module fixes what must be covered and how long it counts, because the library's own
defaults leave that open (RFC 9421 section 3.2.1: the application decides). What is covered stands in `README.md`.
"""

import base64
import hashlib
import secrets
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from http_message_signatures import (
    HTTPMessageSigner,
    HTTPMessageVerifier,
    HTTPSignatureKeyResolver,
    InvalidSignature,
    algorithms,
)

LABEL = "overdracht"
TAG = "overdracht-v1"
LIFETIME = timedelta(seconds=300)
CHECKPOINT = "overdracht-checkpoint"
MUTATING = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class SignatureRefused(Exception):
    """A request isn't signed as it must be. The text is for the operational log, never for the caller."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A verified signature: which key, and the nonce that may count only once for that key."""

    kid: bytes
    nonce: str


@dataclass(slots=True)
class _Message:
    method: str
    url: str
    headers: MutableMapping[str, str] = field(default_factory=dict)


def content_digest(sha256: bytes) -> str:
    """Write a Content-Digest header (RFC 9530) for a body with this SHA-256."""
    return f"sha-256=:{base64.b64encode(sha256).decode('ascii')}:"


def parse_content_digest(value: str) -> bytes:
    """Read the one form of Content-Digest this service takes; raises SignatureRefused for any other."""
    try:
        digest = base64.b64decode(value.removeprefix("sha-256=:").removesuffix(":"), validate=True)
    except ValueError:
        raise SignatureRefused("content-digest is not base64") from None
    if len(digest) != hashlib.sha256().digest_size or value != content_digest(digest):
        raise SignatureRefused("content-digest is not one sha-256 value")
    return digest


def components(method: str, *, body: bool, checkpoint: bool = False) -> tuple[str, ...]:
    """List what a signature must cover, in order; `checkpoint` says that the request carries one of the journal."""
    covered = ["@method", "@target-uri", "overdracht-staff"]
    if body:
        covered += ["content-digest", "content-type"]
    if method in MUTATING:
        covered.append("idempotency-key")
    if checkpoint:
        covered.append(CHECKPOINT)
    return tuple(covered)


def print_checkpoint_header(note: bytes) -> str:
    """Write an Overdracht-Checkpoint header: the newest note of the journal that the sender holds (RFC 9651 bytes)."""
    return f":{base64.b64encode(note).decode('ascii')}:"


def parse_checkpoint_header(value: str) -> bytes:
    """Read what `print_checkpoint_header` gives; raises SignatureRefused for any other form."""
    try:
        note = base64.b64decode(value[1:-1], validate=True)
    except ValueError:
        raise SignatureRefused("overdracht-checkpoint is not base64") from None
    if value != print_checkpoint_header(note):
        raise SignatureRefused("overdracht-checkpoint is not one byte sequence")
    return note


def _has_checkpoint(headers: Mapping[str, str]) -> bool:
    return any(name.lower() == CHECKPOINT for name in headers)


def sign_request(
    method: str,
    url: str,
    headers: Mapping[str, str],
    *,
    kid: bytes,
    sign: Callable[[bytes], bytes],
    now: datetime,
    body: bool,
) -> dict[str, str]:
    """Give the headers of a request with its signature added.

    `url` is absolute, on the origin the service is configured with. `sign` makes an Ed25519 signature of the signature
    base with the school's `request` key. Where there is a body, `headers` hold its content-digest and content-type.
    """
    message = _Message(method, url, dict(headers))
    signer = HTTPMessageSigner(signature_algorithm=algorithms.ED25519)
    prepared = signer.prepare(
        message,
        key_id=kid.hex(),
        created=now,
        expires=now + LIFETIME,
        nonce=secrets.token_urlsafe(18),
        label=LABEL,
        tag=TAG,
        covered_component_ids=components(method, body=body, checkpoint=_has_checkpoint(headers)),
        use_existing_digest=body,
    )
    signer.apply(message, prepared, sign(prepared.signature_base))
    return dict(message.headers)


class _OneKey(HTTPSignatureKeyResolver):
    def __init__(self, find: Callable[[bytes], bytes | None]) -> None:
        self.find = find
        self.kid = b""

    def resolve_public_key(self, key_id: str) -> Ed25519PublicKey | None:
        try:
            self.kid = bytes.fromhex(key_id)
        except ValueError:
            return None
        public = self.find(self.kid) if key_id == self.kid.hex() else None
        return None if public is None else Ed25519PublicKey.from_public_bytes(public)


def verify_request(
    method: str,
    url: str,
    headers: Mapping[str, str],
    *,
    find: Callable[[bytes], bytes | None],
    now: datetime,
    body: bool,
) -> Signed:
    """Check a request's headers; the body's digest is compared by whoever reads the body.

    `url` is the target on the configured origin, `find` gives the public `request` key of a kid. Raises
    SignatureRefused unless exactly one signature with our tag covers all of `components` and lives at most LIFETIME.
    """
    keys = _OneKey(find)
    verifier = HTTPMessageVerifier(signature_algorithm=algorithms.ED25519, key_resolver=keys)
    needed = components(method, body=body, checkpoint=_has_checkpoint(headers))
    try:
        results = verifier.verify(
            _Message(method, url, dict(headers)),
            max_age=LIFETIME,
            expect_tag=TAG,
            require_components=[f'"{name}"' for name in needed],
        )
    except (InvalidSignature, ValueError) as error:
        raise SignatureRefused(str(error)) from None
    if len(results) != 1:
        raise SignatureRefused("more than one signature")
    parameters = results[0].parameters
    created, expires = parameters.get("created"), parameters.get("expires")
    if not isinstance(created, int) or not isinstance(expires, int) or not 0 < expires - created <= 300:
        raise SignatureRefused("lifetime is missing or too long")
    if datetime.fromtimestamp(expires, UTC) <= now - timedelta(seconds=5):
        raise SignatureRefused("expired")
    nonce = results[0].nonce
    if not nonce or not 16 <= len(nonce) <= 64:
        raise SignatureRefused("nonce is missing or of the wrong length")
    return Signed(kid=keys.kid, nonce=nonce)
