"""The keys of a school: X-Wing to seal to, Ed25519 to sign with.

Private keys are values made once from 32-byte seeds; they print without their secret.
"""

import hashlib
import secrets
from dataclasses import dataclass, field
from functools import lru_cache

import nacl.bindings
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from crypto.errors import BundleAltered, KeyRefused

SEED_SIZE = 32
KID_SIZE = 32
SIGN_PUBLIC_SIZE = 32
SIGNATURE_SIZE = 64
SEAL_PUBLIC_SIZE = 1216
_MLKEM_PUBLIC_SIZE = 1184
_MLKEM_SEED_SIZE = 64
_X25519_PRIME = 2**255 - 19

_SUITE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
SHARE_OVERHEAD = 1120 + 16
"""Bytes that `hpke_seal` adds: the encapsulated key and the tag."""


def kid(kind: str, public: bytes) -> bytes:
    """Name a public key: SHA-256 of its kind, a zero byte and the key (32 bytes)."""
    return hashlib.sha256(kind.encode("ascii") + b"\0" + public).digest()


@dataclass(frozen=True, slots=True)
class SignKey:
    """A private Ed25519 key; `kind` is what it signs for: sign, request, identity, root, dpo or journal."""

    kind: str
    seed: bytes = field(repr=False)
    public: bytes = field(repr=False)

    @classmethod
    def generate(cls, kind: str = "sign") -> "SignKey":
        """Make a new key from the system's randomness."""
        return cls.from_seed(secrets.token_bytes(SEED_SIZE), kind)

    @classmethod
    def from_seed(cls, seed: bytes, kind: str = "sign") -> "SignKey":
        """Make the key of a 32-byte seed (RFC 8032); raises KeyRefused for another length."""
        _check_seed(seed)
        public, _ = nacl.bindings.crypto_sign_seed_keypair(seed)
        return cls(kind, seed, public)

    @property
    def kid(self) -> bytes:
        """The name of the public key."""
        return kid(self.kind, self.public)

    def __repr__(self) -> str:
        return f"SignKey({self.kind}, {self.kid.hex()[:16]})"

    def sign_bare(self, message: bytes) -> bytes:
        """Sign bytes as they are, for formats with a domain of their own (C2SP notes, RFC 9421).

        Everything else goes through `crypto.sign.sign`, which separates contexts.
        """
        signed: bytes = nacl.bindings.crypto_sign(message, self.seed + self.public)
        return signed[:SIGNATURE_SIZE]


def check_sign_public(public: bytes) -> None:
    """Raise KeyRefused unless these bytes are an Ed25519 key: a canonical point of the main subgroup."""
    if len(public) != SIGN_PUBLIC_SIZE or not nacl.bindings.crypto_core_ed25519_is_valid_point(public):
        raise KeyRefused("not an Ed25519 public key")


@dataclass(frozen=True, slots=True)
class SealKey:
    """A private X-Wing key (ML-KEM-768 and X25519, draft-connolly-cfrg-xwing-kem): what bundles are sealed to."""

    seed: bytes = field(repr=False)
    public: bytes = field(repr=False)
    _private: MLKEM768X25519PrivateKey = field(repr=False, compare=False)

    @classmethod
    def generate(cls) -> "SealKey":
        """Make a new key from the system's randomness."""
        return cls.from_seed(secrets.token_bytes(SEED_SIZE))

    @classmethod
    def from_seed(cls, seed: bytes) -> "SealKey":
        """Make the key of a 32-byte seed as X-Wing expands it; raises KeyRefused for another length."""
        _check_seed(seed)
        expanded = hashlib.shake_256(seed).digest(_MLKEM_SEED_SIZE + 32)
        mlkem = MLKEM768PrivateKey.from_seed_bytes(expanded[:_MLKEM_SEED_SIZE])
        x25519 = X25519PrivateKey.from_private_bytes(expanded[_MLKEM_SEED_SIZE:])
        public = mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()
        return cls(seed, public, MLKEM768X25519PrivateKey(mlkem, x25519))

    @property
    def kid(self) -> bytes:
        """The name of the public key."""
        return kid("seal", self.public)

    def __repr__(self) -> str:
        return f"SealKey({self.kid.hex()[:16]})"

    def open(self, sealed: bytes, info: bytes) -> bytes:
        """Open what `hpke_seal` made for this key with the same `info`; raises BundleAltered."""
        try:
            return _SUITE.decrypt(sealed, self._private, info)
        except (InvalidTag, ValueError):
            raise BundleAltered("the share for the recipient doesn't open") from None


def hpke_seal(public: bytes, plaintext: bytes, info: bytes) -> bytes:
    """Seal a short secret to an X-Wing key: HPKE base mode, HKDF-SHA256, AES-256-GCM (RFC 9180), bound to `info`.

    Raises KeyRefused for a malformed key or one with a small-order point.
    """
    key = _seal_public(public)
    try:
        return _SUITE.encrypt(plaintext, key, info)
    except ValueError:
        raise KeyRefused("the key can't be sealed to: its X25519 part is a point of small order") from None


def slot_key(share: bytes, secret: bytes, info: bytes) -> bytes:
    """Derive the key of a section's slot from the release share and the recipient's secret (HKDF-SHA512); 32 bytes."""
    return HKDF(SHA512(), SEED_SIZE, share, info).derive(secret)


def check_seal_public(public: bytes) -> None:
    """Raise KeyRefused unless these bytes are an X-Wing public key that can be sealed to."""
    _seal_public(public)
    try:
        # Any private key shows a point of small order: the shared secret is zero.
        X25519PrivateKey.generate().exchange(X25519PublicKey.from_public_bytes(public[_MLKEM_PUBLIC_SIZE:]))
    except ValueError:
        raise KeyRefused("not an X-Wing public key: its X25519 part is a point of small order") from None


@lru_cache(maxsize=64)
def _seal_public(public: bytes) -> MLKEM768X25519PublicKey:
    if len(public) != SEAL_PUBLIC_SIZE:
        raise KeyRefused("not an X-Wing public key: its length is wrong")
    point = public[_MLKEM_PUBLIC_SIZE:]
    # X25519 reads 2^255 - 18 as 1: a key that can be written in two ways would have two kids.
    if int.from_bytes(point, "little") >= _X25519_PRIME:
        raise KeyRefused("not an X-Wing public key: its X25519 part is not canonical")
    x25519 = X25519PublicKey.from_public_bytes(point)
    try:
        return MLKEM768X25519PublicKey(MLKEM768PublicKey.from_public_bytes(public[:_MLKEM_PUBLIC_SIZE]), x25519)
    except ValueError:
        raise KeyRefused("not an X-Wing public key: its ML-KEM-768 part is malformed") from None


def _check_seed(seed: bytes) -> None:
    if len(seed) != SEED_SIZE:
        raise KeyRefused("a seed is 32 bytes")
