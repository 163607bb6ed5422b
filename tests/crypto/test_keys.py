"""Keys and signatures, and the files that keys are kept in."""

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path

import nacl.pwhash.argon2id
import pytest
from cryptography.cobblestone import Cobblestone256Encryptor
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from crypto.encoding import b64, unb64
from crypto.errors import BundleAltered, KeyRefused, PassphraseRefused, SignatureRefused
from crypto.keyfile import (
    KeyFile,
    PublicIdentity,
    parse_identity,
    parse_identity_public,
    parse_private,
    parse_public,
    print_identity,
    print_identity_public,
    print_private,
    print_public,
)
from crypto.keys import SealKey, SignKey, check_seal_public, check_sign_public, hpke_seal, kid
from crypto.sign import sign, verify, verify_bare
from tests.crypto.samples import RECIPIENT, SENDER

FOLDER = Path(__file__).parents[1] / "vectors"
VECTOR = json.loads((FOLDER / "keyfile.json").read_text("utf-8"))
PHRASE = VECTOR["passphrase"]
SCHOOL, PUBLIC, ROOT = ((FOLDER / VECTOR["files"][name]).read_bytes() for name in ("school", "public", "root"))

# The eight points of small order of Curve25519, as RFC 7748 and its errata list them, below the prime.
SMALL_X25519 = [
    "00" * 32,
    "01" + "00" * 31,
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ec" + "ff" * 30 + "7f",
]
SMALL_ED25519 = [
    "00" * 32,
    "01" + "00" * 31,
    "00" * 31 + "80",
    "ec" + "ff" * 30 + "7f",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
]


def test_a_seal_key_is_expanded_from_its_seed_as_x_wing_says() -> None:
    seed = bytes(range(32))
    expanded = hashlib.shake_256(seed).digest(96)
    mlkem = MLKEM768PrivateKey.from_seed_bytes(expanded[:64]).public_key().public_bytes_raw()
    x25519 = X25519PrivateKey.from_private_bytes(expanded[64:]).public_key().public_bytes_raw()
    key = SealKey.from_seed(seed)
    assert key.public == mlkem + x25519
    assert len(key.public) == 1216
    assert key.kid == hashlib.sha256(b"seal\0" + key.public).digest()


def test_a_sign_key_is_the_ed25519_key_of_its_seed() -> None:
    seed = bytes(range(32))
    reference = Ed25519PrivateKey.from_private_bytes(seed)
    key = SignKey.from_seed(seed, "request")
    assert key.public == reference.public_key().public_bytes_raw()
    assert key.kid == kid("request", key.public) == hashlib.sha256(b"request\0" + key.public).digest()
    assert key.sign_bare(b"x") == reference.sign(b"x")
    assert sign(key, "bundle", b"x") == reference.sign(b"overdracht/v1/bundle\0x")


def test_one_key_of_two_kinds_has_two_names() -> None:
    assert SignKey.from_seed(bytes(32), "sign").kid != SignKey.from_seed(bytes(32), "request").kid


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_a_seed_of_another_length_is_refused(size: int) -> None:
    with pytest.raises(KeyRefused, match="32 bytes"):
        SealKey.from_seed(bytes(size))
    with pytest.raises(KeyRefused, match="32 bytes"):
        SignKey.from_seed(bytes(size))


def test_two_generated_keys_differ() -> None:
    assert SealKey.generate().seed != SealKey.generate().seed
    assert SignKey.generate().seed != SignKey.generate().seed
    assert SignKey.generate().kind == "sign"


def test_keys_print_without_their_secrets() -> None:
    keys = KeyFile.generate("99AB00")
    shown = repr(keys) + repr(keys.seal) + repr(keys.sign)
    for secret in (keys.seal.seed, keys.sign.seed, keys.request.seed):
        assert secret.hex() not in shown
        assert repr(secret)[2:-1] not in shown
    assert keys.seal.kid.hex()[:16] in shown


def test_what_is_sealed_opens_with_the_key_and_the_same_info_only() -> None:
    sealed = hpke_seal(RECIPIENT.seal.public, b"geheim", b"info")
    assert len(sealed) == 6 + 1136
    assert RECIPIENT.seal.open(sealed, b"info") == b"geheim"
    for key, data, info in [
        (SENDER.seal, sealed, b"info"),
        (RECIPIENT.seal, sealed, b"Info"),
        (RECIPIENT.seal, sealed[:-1], b"info"),
        (RECIPIENT.seal, b"", b"info"),
        (RECIPIENT.seal, bytes([sealed[0] ^ 1]) + sealed[1:], b"info"),
        (RECIPIENT.seal, sealed[:1088] + bytes(32) + sealed[1120:], b"info"),
    ]:
        with pytest.raises(BundleAltered):
            key.open(data, info)


@pytest.mark.parametrize("point", SMALL_X25519)
def test_a_seal_key_with_a_point_of_small_order_is_refused_b6(point: str) -> None:
    public = RECIPIENT.seal.public[:1184] + bytes.fromhex(point)
    with pytest.raises(KeyRefused, match="small order"):
        check_seal_public(public)
    with pytest.raises(KeyRefused, match="small order"):
        hpke_seal(public, bytes(32), b"")


@pytest.mark.parametrize("number", [2**255 - 19, 2**255 - 10, 2**255 + 9, 2**256 - 1])
def test_a_seal_key_that_could_be_written_otherwise_is_refused(number: int) -> None:
    with pytest.raises(KeyRefused, match="not canonical"):
        check_seal_public(RECIPIENT.seal.public[:1184] + number.to_bytes(32, "little"))


def test_a_seal_key_with_a_malformed_lattice_part_or_length_is_refused() -> None:
    with pytest.raises(KeyRefused, match="ML-KEM-768"):
        check_seal_public(b"\xff" * 1184 + RECIPIENT.seal.public[1184:])
    for public in (b"", RECIPIENT.seal.public[:-1], RECIPIENT.seal.public + b"\0"):
        with pytest.raises(KeyRefused, match="length"):
            check_seal_public(public)
    check_seal_public(RECIPIENT.seal.public)


@pytest.mark.parametrize("point", SMALL_ED25519)
def test_a_sign_key_of_small_order_is_refused_b6(point: str) -> None:
    with pytest.raises(KeyRefused):
        check_sign_public(bytes.fromhex(point))
    with pytest.raises(SignatureRefused):
        verify(bytes.fromhex(point), "bundle", b"x", bytes.fromhex(point) + bytes(32))


def test_a_sign_key_of_another_length_is_refused() -> None:
    check_sign_public(SENDER.sign.public)
    for public in (b"", SENDER.sign.public[:-1], SENDER.sign.public + b"\0"):
        with pytest.raises(KeyRefused):
            check_sign_public(public)


def test_a_signature_holds_for_its_key_context_and_message_only() -> None:
    signature = sign(SENDER.sign, "bundle", b"bericht")
    verify(SENDER.sign.public, "bundle", b"bericht", signature)
    verify_bare(SENDER.sign.public, b"overdracht/v1/bundle\0bericht", signature)
    for public, context, message in [
        (RECIPIENT.sign.public, "bundle", b"bericht"),
        (SENDER.sign.public, "statement", b"bericht"),
        (SENDER.sign.public, "bundle", b"bericht "),
        (SENDER.sign.public, "bundl", b"e\0bericht"),
        (SENDER.sign.public[:-1], "bundle", b"bericht"),
    ]:
        with pytest.raises(SignatureRefused):
            verify(public, context, message, signature)


def test_every_flipped_bit_and_other_length_of_a_signature_is_refused() -> None:
    signature = sign(SENDER.sign, "bundle", b"bericht")
    broken = [
        bytes(each ^ (at == place) << bit for at, each in enumerate(signature)) for place in range(64) for bit in (0, 7)
    ]
    for one in [*broken, b"", signature[:-1], signature + b"\0"]:
        with pytest.raises(SignatureRefused):
            verify(SENDER.sign.public, "bundle", b"bericht", one)


def test_a_signature_whose_scalar_is_not_reduced_is_refused() -> None:
    order = 2**252 + 27742317777372353535851937790883648493
    signature = sign(SENDER.sign, "bundle", b"bericht")
    scalar = int.from_bytes(signature[32:], "little") + order
    with pytest.raises(SignatureRefused):
        verify(SENDER.sign.public, "bundle", b"bericht", signature[:32] + scalar.to_bytes(32, "little"))


def test_the_key_files_of_the_vectors_open_to_their_seeds() -> None:
    keys = parse_private(SCHOOL, PHRASE)
    seeds = {"seal": keys.seal.seed, "sign": keys.sign.seed, "request": keys.request.seed}
    assert {name: seed.hex() for name, seed in seeds.items()} == {name: VECTOR["seeds"][name] for name in seeds}
    assert keys.school == VECTOR["school"]
    assert [keys.seal.kid.hex(), keys.sign.kid.hex(), keys.request.kid.hex()] == list(VECTOR["kids"].values())
    assert parse_public(PUBLIC) == keys.public
    assert parse_identity(ROOT, PHRASE) == SignKey.from_seed(bytes.fromhex(VECTOR["seeds"]["root"]), "root")


def test_public_files_print_as_they_were_read() -> None:
    assert print_public(parse_public(PUBLIC)) == PUBLIC
    root = print_identity_public(PublicIdentity("root", parse_identity(ROOT, PHRASE).public))
    assert print_identity_public(parse_identity_public(root)) == root


def test_a_fingerprint_is_that_of_the_vectors_and_changes_with_everything_it_covers() -> None:
    public = RECIPIENT.public
    assert public.fingerprint == VECTOR["fingerprint"]
    assert re.fullmatch(r"([A-Z2-7]{4} ){7}[A-Z2-7]{4}", public.fingerprint)
    others = {
        KeyFile(None, RECIPIENT.seal, RECIPIENT.sign, RECIPIENT.request).public.fingerprint,
        KeyFile("99CD01", SENDER.seal, RECIPIENT.sign, RECIPIENT.request).public.fingerprint,
        KeyFile("99CD01", RECIPIENT.seal, SENDER.sign, RECIPIENT.request).public.fingerprint,
        KeyFile("99CD01", RECIPIENT.seal, RECIPIENT.sign, SENDER.request).public.fingerprint,
        public.fingerprint,
        PublicIdentity("root", SENDER.sign.public).fingerprint,
        PublicIdentity("identity", SENDER.sign.public).fingerprint,
    }
    assert len(others) == 7


def test_a_private_file_reads_back_with_its_statements_and_not_twice_the_same() -> None:
    keys = KeyFile(None, SENDER.seal, SENDER.sign, SENDER.request, ({"v": 1, "kind": "seal"},))
    first, second = print_private(keys, "wachtzin"), print_private(keys, "wachtzin")
    assert parse_private(first, "wachtzin") == parse_private(second, "wachtzin") == keys
    assert first != second


def test_a_passphrase_may_arrive_composed_or_decomposed() -> None:
    assert parse_identity(print_identity(SENDER_ROOT, "caf\u00e9"), "cafe\u0301") == SENDER_ROOT


SENDER_ROOT = SignKey.from_seed(b"\x07" * 32, "identity")


@pytest.mark.parametrize("phrase", ["", "een verzonnen wachtzin ", "Een verzonnen wachtzin"])
def test_another_passphrase_is_refused(phrase: str) -> None:
    with pytest.raises(PassphraseRefused):
        parse_private(SCHOOL, phrase)
    with pytest.raises(PassphraseRefused):
        parse_identity(ROOT, phrase)


def test_an_empty_passphrase_protects_nothing_and_is_refused() -> None:
    with pytest.raises(PassphraseRefused, match="empty"):
        print_private(SENDER, "")


def test_only_keys_of_boards_and_the_register_go_into_an_identity_file() -> None:
    with pytest.raises(KeyRefused, match="only the key of a board"):
        print_identity(SENDER.sign, "wachtzin")


def _with(data: bytes, change: Callable[[dict[str, object]], object]) -> bytes:
    value = json.loads(data)
    change(value)
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


@pytest.mark.parametrize(
    "change",
    [
        lambda v: v.update(school="99AB00"),
        lambda v: v.update(school=None),
        lambda v: v.update(statements=[{}]),
        lambda v: v["keys"].update(request=v["keys"]["sign"]),
        lambda v: v["secrets"].update(salt=b64(bytes(16))),
        lambda v: v["secrets"].update(box=b64(unb64(v["secrets"]["box"])[:-1])),
        lambda v: v["secrets"].update(box=b64(unb64(v["secrets"]["box"]) + b"\0")),
        lambda v: v["secrets"].update(box=""),
    ],
)
def test_a_private_file_altered_in_any_part_does_not_open(change: Callable[[dict[str, object]], object]) -> None:
    with pytest.raises(PassphraseRefused):
        parse_private(_with(SCHOOL, change), PHRASE)


@pytest.mark.parametrize(
    "change",
    [
        lambda v: v.update(v=2),
        lambda v: v.update(v=True),
        lambda v: v.update(more=1),
        lambda v: v.pop("school"),
        lambda v: v.update(school="99ab00"),
        lambda v: v.update(school="99AB0"),
        lambda v: v.update(statements={}),
        lambda v: v.update(keys=[]),
        lambda v: v["keys"].pop("request"),
        lambda v: v["keys"].update(seal=v["keys"]["sign"]),
        lambda v: v["keys"].update(sign=b64(bytes(32))),
        lambda v: v["keys"].update(request=b64(bytes(32))),
        lambda v: v["keys"].update(seal=b64(unb64(v["keys"]["seal"])[:1184] + bytes(32))),
    ],
)
def test_a_malformed_key_file_is_refused_b6(change: Callable[[dict[str, object]], object]) -> None:
    with pytest.raises(KeyRefused):
        parse_public(_with(PUBLIC, change))
    with pytest.raises(KeyRefused):
        parse_private(_with(SCHOOL, change), PHRASE)


@pytest.mark.parametrize(
    "change",
    [
        lambda v: v.update(v=2),
        lambda v: v.update(type="sign"),
        lambda v: v.update(type=None),
        lambda v: v.update(public=b64(bytes(32))),
        lambda v: v.update(secrets=[]),
        lambda v: v.update(secrets={"salt": "AA", "box": "AA"}),
        lambda v: v.update(secrets={"salt": b64(bytes(16)), "box": "A"}),
        lambda v: v.pop("secrets"),
    ],
)
def test_a_malformed_identity_file_is_refused(change: Callable[[dict[str, object]], object]) -> None:
    with pytest.raises(KeyRefused):
        parse_identity(_with(ROOT, change), PHRASE)


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"\xff", b'{"public":"","type":"root","v":1}', SCHOOL])
def test_what_is_no_public_identity_is_refused(data: bytes) -> None:
    with pytest.raises(KeyRefused):
        parse_identity_public(data)


@pytest.mark.parametrize("data", [PUBLIC + b"\n", b" " + PUBLIC, PUBLIC.replace(b",", b", "), b"", SCHOOL, ROOT])
def test_a_public_file_written_in_another_way_is_refused(data: bytes) -> None:
    with pytest.raises(KeyRefused):
        parse_public(data)


def _sealed_by_hand(data: bytes, secret: bytes) -> bytes:
    """Seal other secrets into a private file, with plain libraries and from the specification."""
    value = json.loads(data)
    del value["secrets"]
    openly = json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
    key = nacl.pwhash.argon2id.kdf(32, PHRASE.encode(), bytes(16), opslimit=3, memlimit=64 << 20)
    wrap = Cobblestone256Encryptor(key, b"overdracht/v1/keyfile\0" + hashlib.sha256(openly).digest())
    box = b64(wrap.update(secret) + wrap.finalize())
    return _with(data, lambda each: each.update(secrets={"salt": b64(bytes(16)), "box": box}))


def test_a_private_file_made_from_the_specification_opens() -> None:
    seeds = RECIPIENT.seal.seed + RECIPIENT.sign.seed + RECIPIENT.request.seed
    assert parse_private(_sealed_by_hand(SCHOOL, seeds), PHRASE) == RECIPIENT


def test_secrets_that_are_not_those_of_the_public_keys_are_refused() -> None:
    swapped = RECIPIENT.seal.seed + RECIPIENT.request.seed + RECIPIENT.sign.seed
    with pytest.raises(KeyRefused, match="don't belong"):
        parse_private(_sealed_by_hand(SCHOOL, swapped), PHRASE)
    with pytest.raises(KeyRefused, match="doesn't belong"):
        parse_identity(_sealed_by_hand(ROOT, bytes(32)), PHRASE)
    for size in (95, 97):
        with pytest.raises(KeyRefused, match="another length"):
            parse_private(_sealed_by_hand(SCHOOL, bytes(size)), PHRASE)


def test_the_kind_of_an_identity_is_part_of_what_is_sealed() -> None:
    with pytest.raises(PassphraseRefused):
        parse_identity(_with(ROOT, lambda v: v.update(type="identity")), PHRASE)
