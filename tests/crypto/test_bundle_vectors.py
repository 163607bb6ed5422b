"""A frozen bundle, recomputed step by step with plain libraries and opened by the project."""

import base64
import hashlib
import json
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from cryptography.cobblestone import Cobblestone256Decryptor
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PrivateKey, Suite
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from crypto.bundle import Reader, write_container
from crypto.manifest import core_hash, parse_manifest, print_manifest
from crypto.shares import Shares
from crypto.unseal import unseal
from tests.crypto.forge import L, jcs, prefixed, sha
from tests.crypto.samples import RECIPIENT, SENDER

FOLDER = Path(__file__).parents[1] / "vectors"
VECTOR: dict[str, Any] = json.loads((FOLDER / "bundle.json").read_text("utf-8"))
DATA = (FOLDER / VECTOR["container"]["file"]).read_bytes()
SIZE = VECTOR["container"]["manifest_size"]
PRINTED = DATA[18 : 18 + SIZE]
MANIFEST: dict[str, Any] = json.loads(PRINTED)
HC = bytes.fromhex(VECTOR["hc"])
TO, FROM = bytes.fromhex(VECTOR["recipient_kid"]), bytes.fromhex(VECTOR["sender_kid"])


def raw(value: str) -> bytes:
    return base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))


def bodies() -> dict[str, tuple[bytes, list[bytes]]]:
    """Cut the container into each section's list of items and ciphertexts, counting bytes by hand."""
    at, found = 18 + SIZE + 66, {}
    for name in MANIFEST["core"]["sections"]:
        assert DATA[at] == 1
        size = int.from_bytes(DATA[at + 1 : at + 5], "big")
        printed, at = DATA[at + 5 : at + 5 + size], at + 5 + size
        ciphertexts = []
        for item in json.loads(printed):
            ciphertexts.append(DATA[at : at + item["length"]])
            at += item["length"]
        found[name] = printed, ciphertexts
    assert at == len(DATA)
    return found


def recipient_secret() -> bytes:
    expanded = hashlib.shake_256(bytes.fromhex(VECTOR["recipient"]["seeds"]["seal"])).digest(96)
    key = MLKEM768X25519PrivateKey(
        MLKEM768PrivateKey.from_seed_bytes(expanded[:64]), X25519PrivateKey.from_private_bytes(expanded[64:])
    )
    suite = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
    return suite.decrypt(raw(MANIFEST["share"]), key, L + b"share\0" + prefixed(HC, TO, FROM))


def test_the_head_is_laid_out_as_specified() -> None:
    assert hashlib.sha256(DATA).hexdigest() == VECTOR["container"]["sha256"]
    assert DATA[:12] == b"overdracht\n\x01"
    assert int.from_bytes(DATA[12:16], "big") == SIZE
    assert DATA[16:18] == b"\0\x42"
    assert DATA[18 + SIZE : 18 + SIZE + 2] == b"\0\x40"
    assert jcs(MANIFEST) == PRINTED


def test_the_hash_of_the_core_is_that_of_the_vector() -> None:
    assert sha(L, b"core\0", jcs(MANIFEST["core"])) == HC == core_hash(parse_manifest(PRINTED).core)
    assert (SENDER.sign.kid, RECIPIENT.seal.kid) == (FROM, TO)


def test_the_signature_holds_by_another_library() -> None:
    message = L + b"bundle\0" + hashlib.sha512(PRINTED).digest()
    key = Ed25519PublicKey.from_public_bytes(SENDER.sign.public)
    assert key.verify(DATA[20 + SIZE : 84 + SIZE], message) is None


@pytest.mark.parametrize("name", ["okr", "reports"])
def test_every_hash_key_and_item_of_a_section_is_recomputed(name: str) -> None:
    printed, ciphertexts = bodies()[name]
    slot, share = MANIFEST["sections"][name], raw(VECTOR["shares"][name])
    assert json.loads(printed) == [
        {"length": len(each), "sha256": base64.urlsafe_b64encode(sha(each)).decode().rstrip("=")}
        for each in ciphertexts
    ]
    assert jcs(json.loads(printed)) == printed
    assert raw(slot["part"]) == sha(L, b"part\0", prefixed(HC, name.encode(), sha(printed)))
    assert raw(slot["rc"]) == sha(L, b"release\0", prefixed(HC, TO, name.encode(), share))
    info = L + b"slot\0" + prefixed(HC, TO, name.encode())
    kek = HKDF(SHA512(), 32, share, info).derive(recipient_secret())
    dek = AESGCM(kek).decrypt(bytes(12), raw(slot["w"]), info)
    assert dek.hex() == VECTOR["deks"][name]
    assert (slot["part"], slot["rc"]) == (VECTOR["part"][name], VECTOR["rc"][name])
    plaintexts = []
    for number, ciphertext in enumerate(ciphertexts):
        context = L + b"item\0" + prefixed(HC, name.encode(), number.to_bytes(4, "big"))
        cipher = Cobblestone256Decryptor(dek, context)
        plaintext = cipher.update(ciphertext) + cipher.finalize()
        size = int.from_bytes(plaintext[:8], "big")
        assert not any(plaintext[8 + size :])
        plaintexts.append(plaintext[8 : 8 + size])
    opened = VECTOR["opened"][name]
    index = json.loads(plaintexts[0])
    assert index["content"] == opened["content"]
    assert [(each["name"], each["type"]) for each in index["documents"]] == [
        (each["name"], each["media_type"]) for each in opened["files"]
    ]
    assert plaintexts[1:] == [each["text"].encode() for each in opened["files"]]


def test_the_frozen_bundle_opens(tmp_path: Path) -> None:
    shares = Shares(raw(MANIFEST["core"]["bundle"]), TO, {name: raw(each) for name, each in VECTOR["shares"].items()})
    out = tmp_path / "open"
    opened = unseal(BytesIO(DATA), key=RECIPIENT, sender=SENDER.public, shares=shares, out=out)
    for name, section in opened.sections.items():
        expected = VECTOR["opened"][name]
        assert section.index == expected["content"]
        assert [(each.name, each.media_type, each.path.read_bytes()) for each in section.files] == [
            (each["name"], each["media_type"], each["text"].encode()) for each in expected["files"]
        ]
    assert list(opened.sections) == ["okr", "reports"]


def test_the_frozen_bundle_is_written_again_byte_for_byte() -> None:
    reader = Reader(BytesIO(DATA))
    assert print_manifest(reader.manifest) == reader.manifest_bytes
    sections = {name: b"".join(pieces) for name, pieces in reader.sections()}
    again = write_container(reader.manifest_bytes, reader.signatures, {name: [raw] for name, raw in sections.items()})
    assert b"".join(again) == DATA
