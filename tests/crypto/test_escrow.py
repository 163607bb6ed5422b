"""Recovery of a school's keys by two of three officers: who can open what, and that nothing else opens."""

import hashlib
import json
from collections.abc import Callable
from itertools import combinations, permutations
from pathlib import Path
from typing import Any

import nacl.pwhash.argon2id
import pytest
from cryptography.cobblestone import Cobblestone256Encryptor
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PrivateKey, Suite

from crypto.encoding import b64, canon, unb64
from crypto.errors import KeyRefused, PassphraseRefused, RecoveryRefused
from crypto.escrow import (
    Part,
    finish,
    make_recovery,
    open_part,
    parse_part,
    parse_recovery,
    print_part,
    print_recovery,
)
from crypto.keyfile import (
    KeyFile,
    PublicOfficer,
    parse_identity,
    parse_officer,
    parse_officer_public,
    print_officer,
    print_officer_public,
    print_public,
)
from crypto.keys import SealKey, hpke_seal
from crypto.sign import sign
from tests.crypto.samples import OTHER, RECIPIENT, SENDER, keys

FOLDER = Path(__file__).parents[1] / "vectors"
VECTOR = json.loads((FOLDER / "recovery.json").read_text("utf-8"))
FILE, PART, OFFICER = ((FOLDER / VECTOR["files"][name]).read_bytes() for name in ("recovery", "part", "officer"))
OFFICERS = [SealKey.from_seed(bytes.fromhex(officer["seed"])) for officer in VECTOR["officers"]]
STRANGER = SealKey.from_seed(b"\x54" * 32)
RECOVERY = parse_recovery(FILE)
SUITE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
PAIRS = list(permutations(range(3), 2))


def public(officer: SealKey) -> PublicOfficer:
    return PublicOfficer(officer.public)


def school() -> KeyFile:
    made = keys("99CD01", 11)
    return KeyFile(made.school, made.seal, made.sign, made.request, ({"verzonnen": "verklaring"},))


def opened_by_hand(seed: bytes, sealed: bytes, info: bytes) -> bytes:
    """Open an envelope with the library alone."""
    expanded = hashlib.shake_256(seed).digest(96)
    private = MLKEM768PrivateKey.from_seed_bytes(expanded[:64]), X25519PrivateKey.from_private_bytes(expanded[64:])
    return SUITE.decrypt(sealed, MLKEM768X25519PrivateKey(*private), info)


def changed(data: bytes, change: Callable[[dict[str, Any]], object], signer: KeyFile | None = None) -> bytes:
    value = json.loads(data)
    change(value)
    if signer is not None:
        value.pop("signature", None)
        value["signature"] = b64(sign(signer.sign, "recovery", canon(value)))
    return canon(value)


def test_the_file_of_the_vectors_opens_as_the_specification_says() -> None:
    value = json.loads(FILE)
    head = {name: value[name] for name in ("v", "keys", "officers")}
    binding = hashlib.sha256(b"overdracht/v1/recovery\0" + canon(head)).digest()
    assert binding.hex() == VECTOR["binding"]
    kids = [hashlib.sha256(b"officer\0" + unb64(public)).digest() for public in value["officers"]]
    assert kids == sorted(bytes.fromhex(officer["kid"]) for officer in VECTOR["officers"])
    seeds = {officer["kid"]: bytes.fromhex(officer["seed"]) for officer in VECTOR["officers"]}
    for (one, other), envelope in zip(PAIRS, value["envelopes"], strict=True):
        bound = b"".join(b"\0\x20" + each for each in (binding, kids[one], kids[other]))
        inner = opened_by_hand(seeds[kids[one].hex()], unb64(envelope), b"overdracht/v1/recovery-outer\0" + bound)
        found = opened_by_hand(seeds[kids[other].hex()], inner, b"overdracht/v1/recovery-inner\0" + bound)
        assert found.hex() == "".join(VECTOR["seeds"].values())


def test_files_of_the_vectors_print_as_they_were_read() -> None:
    assert print_recovery(RECOVERY) == FILE
    assert RECOVERY.digest.hex() == VECTOR["digest"] == hashlib.sha256(FILE).hexdigest()
    part = parse_part(PART)
    assert print_part(part) == PART
    assert (part.recovery, part.first.hex()) == (RECOVERY.digest, VECTOR["first"])
    assert print_part(open_part(RECOVERY, OFFICERS[0])) == PART
    assert [public(officer).fingerprint for officer in OFFICERS] == [each["fingerprint"] for each in VECTOR["officers"]]


@pytest.mark.parametrize("pair", PAIRS)
def test_any_two_officers_get_the_keys_back_either_one_first(pair: tuple[int, int]) -> None:
    one, other = (OFFICERS[place] for place in pair)
    part = parse_part(print_part(open_part(RECOVERY, one)))
    assert finish(RECOVERY, part, other) == school()
    limited = open_part(RECOVERY, one, [public(other)])
    assert list(limited.envelopes) == [public(other).kid]
    assert finish(RECOVERY, limited, other) == school()


def test_a_made_file_reads_back_whatever_the_order_of_the_officers() -> None:
    for three in permutations(map(public, OFFICERS)):
        made = make_recovery(SENDER, three)
        assert parse_recovery(print_recovery(made)) == made
        assert made.officers == RECOVERY.officers
        assert finish(made, open_part(made, OFFICERS[2]), OFFICERS[1]) == SENDER


def test_no_officer_alone_gets_anything() -> None:
    """What one officer can open is sealed to another: neither seeds nor a key stand in it."""
    for officer in OFFICERS:
        part = open_part(RECOVERY, officer)
        assert public(officer).kid not in part.envelopes
        with pytest.raises(RecoveryRefused, match="officer's own"):
            finish(RECOVERY, part, officer)
        forged = Part(part.recovery, part.first, {**part.envelopes, public(officer).kid: bytes(1232)})
        with pytest.raises(RecoveryRefused, match="officer's own"):
            finish(RECOVERY, forged, officer)
        seeds = [bytes.fromhex(seed) for seed in VECTOR["seeds"].values()]
        assert not [seed for seed in seeds for envelope in part.envelopes.values() if seed in envelope]


def test_a_part_of_ones_own_that_claims_to_be_anothers_does_not_open() -> None:
    """The inner envelope says who must have opened the outer one, so an officer can't play both."""
    one, other, third = OFFICERS
    part = open_part(RECOVERY, one)
    claimed = Part(part.recovery, public(third).kid, part.envelopes)
    with pytest.raises(RecoveryRefused, match="doesn't open"):
        finish(RECOVERY, claimed, other)


def test_a_part_for_one_officer_is_of_no_use_to_the_other() -> None:
    part = open_part(RECOVERY, OFFICERS[0], [public(OFFICERS[1])])
    with pytest.raises(RecoveryRefused, match="isn't for this officer"):
        finish(RECOVERY, part, OFFICERS[2])
    moved = Part(part.recovery, part.first, {public(OFFICERS[2]).kid: next(iter(part.envelopes.values()))})
    with pytest.raises(RecoveryRefused, match="doesn't open"):
        finish(RECOVERY, moved, OFFICERS[2])


def test_an_officer_who_is_not_named_opens_nothing() -> None:
    with pytest.raises(RecoveryRefused, match="isn't one of the three"):
        open_part(RECOVERY, STRANGER)
    with pytest.raises(RecoveryRefused, match="isn't one of the three"):
        finish(RECOVERY, parse_part(PART), STRANGER)


@pytest.mark.parametrize("seconds", [[STRANGER], [OFFICERS[0]], [OFFICERS[1], STRANGER], [OFFICERS[1], OFFICERS[0]]])
def test_a_part_is_made_only_for_the_other_officers(seconds: list[SealKey]) -> None:
    with pytest.raises(RecoveryRefused, match="one of the other two"):
        open_part(RECOVERY, OFFICERS[0], list(map(public, seconds)))


def test_a_part_of_another_file_is_refused_even_of_the_same_keys_and_officers() -> None:
    again = make_recovery(school(), RECOVERY.officers)
    assert again.digest != RECOVERY.digest
    with pytest.raises(RecoveryRefused, match="another recovery file"):
        finish(again, parse_part(PART), OFFICERS[1])


def test_an_envelope_of_another_file_does_not_open_here() -> None:
    other = make_recovery(SENDER, RECOVERY.officers)
    part = open_part(other, OFFICERS[0])
    with pytest.raises(RecoveryRefused, match="doesn't open"):
        finish(RECOVERY, Part(RECOVERY.digest, part.first, part.envelopes), OFFICERS[1])


def test_three_different_officers_are_needed() -> None:
    three = list(map(public, OFFICERS))
    others = (three[:2], [*three, public(STRANGER)], [*three, three[0]], [three[0], three[1], three[0]], [])
    for officers in others:
        with pytest.raises(RecoveryRefused, match="3 different officers"):
            make_recovery(SENDER, officers)


def test_an_officer_with_a_key_of_small_order_is_refused_b6() -> None:
    weak = PublicOfficer(OFFICERS[0].public[:1184] + bytes(32))
    with pytest.raises(KeyRefused, match="small order"):
        make_recovery(SENDER, [weak, *map(public, OFFICERS[:2])])


def test_a_flipped_byte_of_the_file_is_refused() -> None:
    for at in [*range(0, len(FILE), 29), len(FILE) - 1]:
        with pytest.raises(RecoveryRefused):
            parse_recovery(FILE[:at] + bytes([FILE[at] ^ 1]) + FILE[at + 1 :])


def test_a_flipped_byte_of_a_part_is_refused() -> None:
    """Also in the envelope for the officer who isn't there: that one is only of no use to the other."""
    data = print_part(open_part(RECOVERY, OFFICERS[0], [public(OFFICERS[1])]))
    for at in range(0, len(data), 3):
        with pytest.raises(RecoveryRefused):
            finish(RECOVERY, parse_part(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]), OFFICERS[1])


@pytest.mark.parametrize("cut", [0, 1, 100, -1])
def test_a_cut_file_or_part_is_refused(cut: int) -> None:
    for parser, data in ((parse_recovery, FILE), (parse_part, PART)):
        with pytest.raises(RecoveryRefused):
            parser(data[:cut])


def test_a_file_that_was_changed_and_not_signed_again_is_refused() -> None:
    with pytest.raises(RecoveryRefused, match="signature doesn't hold"):
        parse_recovery(changed(FILE, lambda value: value["keys"].update(school="99AB00")))
    with pytest.raises(RecoveryRefused, match="signature doesn't hold"):
        parse_recovery(changed(FILE, lambda value: value.update(envelopes=value["envelopes"][::-1])))


MALFORMED: list[Callable[[dict[str, Any]], object]] = [
    lambda v: v.update(v=2),
    lambda v: v.update(v=True),
    lambda v: v.update(more=1),
    lambda v: v.pop("officers"),
    lambda v: v.update(officers={}),
    lambda v: v.update(officers=v["officers"][:2]),
    lambda v: v.update(officers=[*v["officers"], v["officers"][0]]),
    lambda v: v.update(officers=v["officers"][::-1]),
    lambda v: v.update(officers=[v["officers"][0], v["officers"][0], v["officers"][1]]),
    lambda v: v.update(officers=[1, 2, 3]),
    lambda v: v["officers"].__setitem__(0, b64(bytes(1216))),
    lambda v: v["officers"].__setitem__(0, v["officers"][0][:-4]),
    lambda v: v.update(envelopes=v["envelopes"][:5]),
    lambda v: v.update(envelopes=[*v["envelopes"], v["envelopes"][0]]),
    lambda v: v["envelopes"].__setitem__(3, b64(bytes(2367))),
    lambda v: v["envelopes"].__setitem__(3, None),
    lambda v: v.update(keys=None),
    lambda v: v["keys"].update(school="99ab00"),
    lambda v: v["keys"].update(v=2),
]


@pytest.mark.parametrize("change", MALFORMED)
def test_a_file_of_another_form_is_refused_though_it_is_signed(change: Callable[[dict[str, Any]], object]) -> None:
    with pytest.raises(RecoveryRefused, match="not a recovery file"):
        parse_recovery(changed(FILE, change, RECIPIENT))


@pytest.mark.parametrize("signature", [None, "", b64(bytes(63)), b64(bytes(65))])
def test_a_signature_of_another_form_is_refused(signature: object) -> None:
    with pytest.raises(RecoveryRefused, match="not a recovery file"):
        parse_recovery(changed(FILE, lambda value: value.update(signature=signature)))


def test_a_file_signed_by_another_key_than_its_own_is_refused() -> None:
    with pytest.raises(RecoveryRefused, match="signature doesn't hold"):
        parse_recovery(changed(FILE, lambda value: None, OTHER))


def test_envelopes_put_in_the_place_of_others_and_signed_again_do_not_open() -> None:
    swapped = parse_recovery(changed(FILE, lambda v: v.update(envelopes=v["envelopes"][::-1]), RECIPIENT))
    for officer in OFFICERS:
        with pytest.raises(RecoveryRefused, match="doesn't open"):
            open_part(swapped, officer)


def test_seeds_of_other_keys_than_the_file_names_are_refused() -> None:
    """A file that a school's own people made wrong on purpose is found out by the second officer."""
    binding = bytes.fromhex(VECTOR["binding"])
    kids = [officer.kid for officer in RECOVERY.officers]
    bound = b"".join(b"\0\x20" + each for each in (binding, kids[0], kids[1]))
    wrong = SENDER.seal.seed + SENDER.sign.seed + SENDER.request.seed
    inner = hpke_seal(RECOVERY.officers[1].public, wrong, b"overdracht/v1/recovery-inner\0" + bound)
    second = next(officer for officer in OFFICERS if public(officer).kid == kids[1])
    with pytest.raises(RecoveryRefused, match="other keys than it says"):
        finish(RECOVERY, Part(RECOVERY.digest, kids[0], {kids[1]: inner}), second)


@pytest.mark.parametrize(
    "change",
    [
        lambda v: v.update(v=2),
        lambda v: v.update(v=True),
        lambda v: v.update(more=1),
        lambda v: v.pop("first"),
        lambda v: v.update(first=b64(bytes(31))),
        lambda v: v.update(recovery=b64(bytes(33))),
        lambda v: v.update(envelopes={}),
        lambda v: v.update(envelopes=[]),
        lambda v: v["envelopes"].update({b64(bytes(32)): b64(bytes(1232))}),
        lambda v: v["envelopes"].update({next(iter(v["envelopes"])): b64(bytes(1231))}),
        lambda v: v.update(envelopes={b64(bytes(31)): b64(bytes(1232))}),
    ],
)
def test_a_part_of_another_form_is_refused(change: Callable[[dict[str, Any]], object]) -> None:
    with pytest.raises(RecoveryRefused, match="not an officer's part"):
        parse_part(changed(PART, change))


def test_an_officers_file_opens_to_its_key_and_prints_as_it_was_read() -> None:
    key = parse_officer(OFFICER, VECTOR["passphrase"])
    assert key == OFFICERS[0]
    printed = print_officer_public(public(key))
    assert parse_officer_public(printed) == public(key)
    assert print_officer_public(parse_officer_public(printed)) == printed
    assert parse_officer(print_officer(STRANGER, "wachtzin"), "wachtzin") == STRANGER


def test_another_passphrase_or_an_altered_officers_file_is_refused() -> None:
    with pytest.raises(PassphraseRefused):
        parse_officer(OFFICER, "een andere wachtzin")
    other = changed(OFFICER, lambda value: value.update(public=b64(STRANGER.public)))
    with pytest.raises(PassphraseRefused):
        parse_officer(other, VECTOR["passphrase"])


def test_an_officers_private_key_must_belong_to_the_public_one() -> None:
    """Sealed by hand from the specification, once with the right seed and once with another."""
    openly = canon({"v": 1, "type": "officer", "public": b64(STRANGER.public)})
    key = nacl.pwhash.argon2id.kdf(32, b"wachtzin", bytes(16), opslimit=3, memlimit=64 << 20)
    for seed in (STRANGER.seed, bytes(32)):
        wrap = Cobblestone256Encryptor(key, b"overdracht/v1/keyfile\0" + hashlib.sha256(openly).digest())
        box = b64(wrap.update(seed) + wrap.finalize())
        data = canon({**json.loads(openly), "secrets": {"salt": b64(bytes(16)), "box": box}})
        if seed == STRANGER.seed:
            assert parse_officer(data, "wachtzin") == STRANGER
        else:
            with pytest.raises(KeyRefused, match="doesn't belong"):
                parse_officer(data, "wachtzin")


@pytest.mark.parametrize(
    "change",
    [
        lambda v: v.update(v=2),
        lambda v: v.update(type="root"),
        lambda v: v.update(public=b64(bytes(32))),
        lambda v: v.update(public=b64(bytes(1216))),
        lambda v: v.update(public=b64(OFFICERS[0].public[:1184] + bytes(32))),
    ],
)
def test_what_is_no_officers_file_is_refused(change: Callable[[dict[str, Any]], object]) -> None:
    with pytest.raises(KeyRefused):
        parse_officer(changed(OFFICER, change), VECTOR["passphrase"])
    with pytest.raises(KeyRefused):
        parse_officer_public(changed(print_officer_public(public(OFFICERS[0])), change))


def test_a_schools_file_is_no_officers_and_an_officers_no_boards() -> None:
    with pytest.raises(KeyRefused):
        parse_officer_public(print_public(SENDER.public))
    with pytest.raises(KeyRefused):
        parse_identity(OFFICER, VECTOR["passphrase"])


def test_fingerprints_of_officers_and_schools_differ() -> None:
    shown = {public(officer).fingerprint for officer in (*OFFICERS, STRANGER, SENDER.seal)}
    assert len(shown | {SENDER.public.fingerprint}) == 6
    assert all(one != other for one, other in combinations(shown, 2))


def test_nothing_prints_an_envelope_by_accident() -> None:
    assert "envelopes" not in repr(RECOVERY) + repr(parse_part(PART))
