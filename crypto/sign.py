"""Ed25519 signatures, each in a context, so that a signature made for one purpose never holds for another."""

from functools import cache

import nacl.bindings
import nacl.exceptions

from crypto.errors import SignatureRefused
from crypto.keys import SIGN_PUBLIC_SIZE, SIGNATURE_SIZE, SignKey

LABEL = b"overdracht/v1/"
"""Stands before everything that this project hashes, derives or signs."""


@cache
def label(context: str) -> bytes:
    """Give the prefix of a context: the label, the context's name and a zero byte."""
    return LABEL + context.encode("ascii") + b"\0"


def sign(key: SignKey, context: str, message: bytes) -> bytes:
    """Sign a message in a context (RFC 8032, over `label(context) || message`); 64 bytes."""
    return key.sign_bare(label(context) + message)


def verify(public: bytes, context: str, message: bytes, signature: bytes) -> None:
    """Raise SignatureRefused unless this key signed this message in this context."""
    verify_bare(public, label(context) + message, signature)


def verify_bare(public: bytes, message: bytes, signature: bytes) -> None:
    """Raise SignatureRefused unless the key signed exactly these bytes.

    Keys and points of small order, and scalars that aren't reduced, are refused too: libsodium checks them.
    """
    if len(public) != SIGN_PUBLIC_SIZE or len(signature) != SIGNATURE_SIZE:
        raise SignatureRefused("a key or a signature of a wrong length")
    try:
        nacl.bindings.crypto_sign_open(signature + message, public)
    except nacl.exceptions.BadSignatureError:
        raise SignatureRefused("the signature doesn't hold") from None
