"""Builds bundles from the specification with plain libraries, for vectors and for bundles that nobody should make.

Nothing of the project's own sealing or encoding is used here, so that a mistake there can't hide.
"""

import base64
import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from cryptography.cobblestone import Cobblestone256Encryptor
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PublicKey, Suite
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

L = b"overdracht/v1/"


def text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def jcs(value: object) -> bytes:
    """Canonical for what is used here: ASCII names, no fractions."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def prefixed(*values: bytes) -> bytes:
    return b"".join(len(value).to_bytes(2, "big") + value for value in values)


def sha(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def kid(kind: str, public: bytes) -> bytes:
    return sha(kind.encode(), b"\0", public)


def padded(data: bytes, least: int = 0, fill: bytes = b"\0") -> bytes:
    """An item's plaintext; PADME is written here as its paper has it, with logarithms counted out."""
    size = max(len(data) + 8, least)
    exponent = 0
    while 2 ** (exponent + 1) <= size:
        exponent += 1
    bits = 0
    while 2**bits <= exponent:
        bits += 1
    step = 2 ** (exponent - bits)
    total = -(-size // step) * step
    return (len(data).to_bytes(8, "big") + data).ljust(total, fill)


def index(content: object, documents: Sequence[tuple[str, str, bytes]] = ()) -> bytes:
    listed = [
        {"name": name, "type": kind, "size": len(data), "sha256": text(sha(data))} for name, kind, data in documents
    ]
    return padded(jcs({"content": content, "documents": listed}), 16384)


def hpke(public: bytes, secret: bytes, info: bytes) -> bytes:
    key = MLKEM768X25519PublicKey(
        MLKEM768PublicKey.from_public_bytes(public[:1184]), X25519PublicKey.from_public_bytes(public[1184:])
    )
    return Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM).encrypt(secret, key, info)


@dataclass
class Forgery:
    """What a forger may choose. The defaults make a bundle that opens."""

    sign_seed: bytes
    seal_public: bytes
    sections: Mapping[str, Sequence[bytes]]  # per section the plaintexts of its items, padded
    core: Callable[[dict[str, object]], object] = lambda core: core
    manifest: Callable[[dict[str, object]], object] = lambda manifest: manifest
    printed: Callable[[bytes], bytes] = lambda printed: printed
    signatures: Callable[[bytes], bytes] = lambda signatures: signatures
    items: Callable[[str, list[bytes]], list[bytes]] = lambda section, ciphertexts: ciphertexts
    parts: Callable[[str, bytes], bytes] = lambda section, printed: printed
    signed_with: bytes | None = None
    absent: frozenset[str] = frozenset()
    shares: dict[str, bytes] = field(default_factory=dict)
    deks: dict[str, bytes] = field(default_factory=dict)
    bundle: bytes = field(default_factory=lambda: os.urandom(16))

    def make(self) -> bytes:
        signer = Ed25519PrivateKey.from_private_bytes(self.signed_with or self.sign_seed)
        named = Ed25519PrivateKey.from_private_bytes(self.sign_seed).public_key().public_bytes_raw()
        sender, to = kid("sign", named), kid("seal", self.seal_public)
        core: dict[str, object] = {
            "v": 1,
            "suite": "x-wing+cobblestone256+ed25519",
            "bundle": text(self.bundle),
            "transfer": "",
            "purpose": "",
            "route": "",
            "from": {"school": "99AB00", "kid": text(sender)},
            "to": {"school": "99CD01", "kid": text(to), "epoch": 0},
            "sections": list(self.sections),
            "versions": {name: text(os.urandom(16)) for name in self.sections},
            "supersedes": None,
            "made_at": "2025-03-01T12:00:00Z",
            "expires_at": "2025-05-30T12:00:00Z",
        }
        self.core(core)
        hc = sha(L, b"core\0", jcs(core))
        secret = os.urandom(32)
        slots, bodies = {}, []
        for name, plaintexts in self.sections.items():
            slots[name], body = self._section(hc, to, secret, name, plaintexts)
            bodies.append(b"\0" if name in self.absent else b"\1" + body)
        share = hpke(self.seal_public, secret, L + b"share\0" + prefixed(hc, to, sender))
        manifest: dict[str, object] = {"core": core, "share": text(share), "sections": slots}
        self.manifest(manifest)
        printed = self.printed(jcs(manifest))
        signature = signer.sign(L + b"bundle\0" + hashlib.sha512(printed).digest())
        block = self.signatures(prefixed(signature))
        head = b"overdracht\n\x01" + len(printed).to_bytes(4, "big") + len(block).to_bytes(2, "big")
        return head + printed + block + b"".join(bodies)

    def _section(
        self, hc: bytes, to: bytes, secret: bytes, name: str, plaintexts: Sequence[bytes]
    ) -> tuple[dict[str, str], bytes]:
        dek = self.deks.setdefault(name, os.urandom(32))
        ciphertexts = []
        for number, plaintext in enumerate(plaintexts):
            context = L + b"item\0" + prefixed(hc, name.encode(), number.to_bytes(4, "big"))
            cipher = Cobblestone256Encryptor(dek, context)
            ciphertexts.append(cipher.update(plaintext) + cipher.finalize())
        ciphertexts = self.items(name, ciphertexts)
        listed = self.parts(name, jcs([{"length": len(each), "sha256": text(sha(each))} for each in ciphertexts]))
        share = self.shares.setdefault(name, os.urandom(32))
        info = L + b"slot\0" + prefixed(hc, to, name.encode())
        kek = HKDF(SHA512(), 32, share, info).derive(secret)
        slot = {
            "part": text(sha(L, b"part\0", prefixed(hc, name.encode(), sha(listed)))),
            "w": text(AESGCM(kek).encrypt(bytes(12), dek, info)),
            "rc": text(sha(L, b"release\0", prefixed(hc, to, name.encode(), share))),
        }
        return slot, len(listed).to_bytes(4, "big") + listed + b"".join(ciphertexts)
