"""Bundles that were tampered with, forged or mixed up: each is refused, and nothing is left behind."""

import hashlib
import os
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from crypto.bundle import (
    Reader,
    write_container,
)
from crypto.encoding import b64
from crypto.errors import (
    BundleAltered,
    BundleMalformed,
    BundleMisaddressed,
    BundleRefused,
    BundleUnsigned,
    ShareRefused,
    TargetExists,
)
from crypto.keyfile import KeyFile
from crypto.shares import Shares
from tests.crypto.forge import index, padded, prefixed
from tests.crypto.samples import DOCUMENT, OTHER, SENDER, forged, raw_sections, refused

Change = Callable[[dict[str, Any]], object]


def test_a_forged_bundle_that_follows_the_specification_opens(tmp_path: Path) -> None:
    opened = forged().open(tmp_path / "open")
    assert {name: section.index for name, section in opened.sections.items()} == {"okr": {"groep": 8}, "reports": None}
    assert [file.path.read_bytes() for file in opened.sections["reports"].files] == [DOCUMENT[2]]


ONE = {"reports": [index(None, [DOCUMENT]), padded(DOCUMENT[2])]}


@pytest.mark.parametrize("quarter", range(4))
def test_every_flipped_byte_is_refused_b1(quarter: int, tmp_path: Path) -> None:
    bundle = forged(sections=ONE)
    for place in range(quarter, len(bundle.data), 4):
        data = bytearray(bundle.data)
        data[place] ^= 1 << place % 8
        with pytest.raises(BundleRefused):
            bundle.open(tmp_path / "open", data=bytes(data))
    assert os.listdir(tmp_path) == []


def test_every_truncation_is_refused_b2(tmp_path: Path) -> None:
    bundle = forged(sections=ONE)
    head = 4_000
    for size in [*range(head), *range(head, len(bundle.data), 97), len(bundle.data) - 1]:
        with pytest.raises(BundleMalformed):
            bundle.open(tmp_path / "open", data=bundle.data[:size])
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("more", [b"\0", b"\1", bytes(20_000)])
def test_bytes_after_the_last_section_are_refused_b2(more: bytes, tmp_path: Path) -> None:
    bundle = forged()
    refused(bundle, tmp_path, BundleMalformed, "^there are bytes after the last section$", data=bundle.data + more)


BIG = padded(bytes(range(256)) * 256)  # five chunks of 16 KiB
TWO = {
    "okr": [index(None, [("a", "x/y", bytes(range(256)) * 256), ("b", "x/y", DOCUMENT[2])]), BIG, padded(DOCUMENT[2])],
    "opp": [index(None)],
}


def _chunks(ciphertext: bytes) -> list[bytes]:
    return [ciphertext[:56], *(ciphertext[at : at + 16_400] for at in range(56, len(ciphertext), 16_400))]


@pytest.mark.parametrize(
    "order",
    [[0, 2, 1, 3, 4, 5], [0, 1, 2, 3, 5], [0, 1, 2, 2, 3, 4, 5], [0, 2, 3, 4, 5], [1, 2, 3, 4, 5], [0, 1, 2, 3, 4]],
)
def test_chunks_swapped_dropped_or_doubled_are_refused_even_when_signed_b2(order: list[int], tmp_path: Path) -> None:
    def rearrange(section: str, ciphertexts: list[bytes]) -> list[bytes]:
        if section == "okr":
            chunks = _chunks(ciphertexts[1])
            ciphertexts[1] = b"".join(chunks[each] for each in order)
        return ciphertexts

    refused(forged(sections=TWO, items=rearrange), tmp_path)


@pytest.mark.parametrize("order", [[1, 0, 2], [0, 2, 1], [0, 1], [0], [0, 1, 1, 2], [1, 2], [0, 1, 2, 2], []])
def test_items_swapped_dropped_or_doubled_are_refused_even_when_signed_b2(order: list[int], tmp_path: Path) -> None:
    def rearrange(section: str, ciphertexts: list[bytes]) -> list[bytes]:
        return [ciphertexts[each] for each in order] if section == "okr" else ciphertexts

    refused(forged(sections=TWO, items=rearrange), tmp_path)


def test_an_item_moved_to_another_section_is_refused_b2(tmp_path: Path) -> None:
    kept: list[list[bytes]] = []

    def move(section: str, ciphertexts: list[bytes]) -> list[bytes]:
        kept.append(ciphertexts)
        return kept[0]

    # Both sections under one key, so that only the item's context tells them apart.
    same = os.urandom(32)
    refused(
        forged(sections={"okr": [index(1)], "opp": [index(2)]}, items=move, deks={"okr": same, "opp": same}),
        tmp_path,
        BundleAltered,
        "an item of opp doesn't decrypt",
    )


def test_an_item_of_another_bundle_under_the_same_key_is_refused_b3(tmp_path: Path) -> None:
    kept: list[bytes] = []
    same = os.urandom(32)

    def keep(_: str, ciphertexts: list[bytes]) -> list[bytes]:
        kept.extend(ciphertexts)
        return ciphertexts

    forged(sections={"okr": [index(1)]}, items=keep, deks={"okr": same})
    other = forged(sections={"okr": [index(2)]}, items=lambda *_: kept, deks={"okr": same})
    refused(other, tmp_path, BundleAltered, "doesn't decrypt")


def test_a_flipped_byte_is_told_by_the_section_that_it_is_in_b1(tmp_path: Path) -> None:
    bundle = forged(sections={"okr": [index(1)], "opp": [index(2)]})
    altered = bundle.data[:-1] + bytes([bundle.data[-1] ^ 1])
    told = "^an item of opp isn't the one that was signed$"
    refused(bundle, tmp_path, BundleAltered, told, data=altered)


def test_sections_exchanged_in_the_container_are_refused_b2(tmp_path: Path) -> None:
    bundle = forged(sections={"okr": [index(1)], "opp": [index(2)]})
    reader = Reader(BytesIO(bundle.data))
    raw = {name: b"".join(pieces) for name, pieces in reader.sections()}
    swapped = write_container(reader.manifest_bytes, reader.signatures, {"okr": [raw["opp"]], "opp": [raw["okr"]]})
    refused(bundle, tmp_path, BundleAltered, "the items of okr", data=b"".join(swapped))


def test_slots_exchanged_between_sections_are_refused_even_when_signed(tmp_path: Path) -> None:
    def exchange(field: str) -> Change:
        def change(manifest: dict[str, Any]) -> None:
            okr, opp = manifest["sections"]["okr"], manifest["sections"]["opp"]
            okr[field], opp[field] = opp[field], okr[field]

        return change

    sections = {"okr": [index(1)], "opp": [index(2)]}
    refused(forged(sections=sections, manifest=exchange("part")), tmp_path, BundleAltered, "items of okr")
    refused(forged(sections=sections, manifest=exchange("w")), tmp_path, BundleAltered, "key of okr")
    refused(forged(sections=sections, manifest=exchange("rc")), tmp_path, ShareRefused, "share of okr")


def test_one_ciphertext_under_another_key_is_refused_b8(tmp_path: Path) -> None:
    kept: list[bytes] = []
    forged(sections={"okr": [index(1)]}, items=lambda _, ciphertexts: kept.extend(ciphertexts) or ciphertexts)
    refused(forged(sections={"okr": [index(1)]}, items=lambda *_: kept), tmp_path, BundleAltered, "doesn't decrypt")


# Who may open, who signed.


def test_a_bundle_for_another_school_is_refused_b3(tmp_path: Path) -> None:
    refused(forged(), tmp_path, BundleMisaddressed, "another key", key=OTHER)


def test_a_bundle_addressed_to_the_key_under_another_school_is_refused_b3(tmp_path: Path) -> None:
    bundle = forged(core=lambda core: core["to"].update(school="99EF02"))
    refused(bundle, tmp_path, BundleMisaddressed)


def test_a_readdressed_bundle_is_refused_even_when_signed_b3(tmp_path: Path) -> None:
    # The sender's own signature, the other school's kid, but the secret sealed for the first.
    bundle = forged(core=lambda core: core["to"].update(school="99EF02", kid=b64(OTHER.seal.kid)))
    shares = Shares(bundle.shares.bundle, OTHER.seal.kid, bundle.shares.shares)
    refused(bundle, tmp_path, BundleAltered, "share for the recipient", key=OTHER, shares=shares)


def test_a_core_changed_after_sealing_is_refused_even_when_signed_b3(tmp_path: Path) -> None:
    for change in (
        {"transfer": "t2"},
        {"purpose": "support"},
        {"route": "POVO"},
        {"expires_at": "2025-05-29T12:00:00Z"},
    ):
        bundle = forged(manifest=lambda manifest, change=change: manifest["core"].update(change))
        refused(bundle, tmp_path, BundleAltered)


def test_a_bundle_signed_again_by_another_school_is_refused_b7(tmp_path: Path) -> None:
    refused(forged(signed_with=OTHER.sign.seed), tmp_path, BundleUnsigned, "isn't the sender's")
    refused(forged(signed_with=OTHER.sign.seed), tmp_path, BundleUnsigned, "names another", sender=OTHER)
    renamed = forged(
        signed_with=OTHER.sign.seed,
        manifest=lambda manifest: manifest["core"]["from"].update(school="99EF02", kid=b64(OTHER.sign.kid)),
    )
    refused(renamed, tmp_path, BundleAltered, sender=OTHER)


def test_a_bundle_whose_sender_has_another_school_than_its_key_is_refused_b7(tmp_path: Path) -> None:
    bundle = forged(core=lambda core: core["from"].update(school="99EF02"))
    refused(bundle, tmp_path, BundleUnsigned, "another school")


def _ed25519(message: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(SENDER.sign.seed).sign(message)


@pytest.mark.parametrize(
    "signatures",
    [
        lambda block: b"",
        lambda block: block + block,
        lambda block: block + prefixed(b""),
        lambda block: block + b"\0",
        lambda block: prefixed(b"") + block,
        lambda block: block[2:],
        lambda block: block[:-1],
        lambda block: prefixed(block[2:-1]),
        lambda block: prefixed(block[2:] + b"\0"),
        lambda block: prefixed(bytes(64)),
        lambda block: prefixed(_ed25519(b"something else")),
    ],
)
def test_a_signature_list_that_is_shorter_longer_or_other_is_refused_b7(
    signatures: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    refused(forged(signatures=signatures), tmp_path, BundleUnsigned)


def test_a_signature_made_in_another_context_is_refused(tmp_path: Path) -> None:
    bundle = forged()
    printed = Reader(BytesIO(bundle.data)).manifest_bytes
    digest = hashlib.sha512(printed).digest()
    block = prefixed(_ed25519(b"overdracht/v1/statement\0" + digest))
    data = bundle.data.replace(Reader(BytesIO(bundle.data)).signatures, block)
    refused(bundle, tmp_path, BundleUnsigned, data=data)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda core: core.update(suite="x-wing+cobblestone256"), "the suite is unknown"),
        (lambda core: core.update(suite="none"), "the suite is unknown"),
        (lambda core: core.update(suite=["x-wing+cobblestone256+ed25519"]), "the suite is unknown"),
        (lambda core: core.update(v=0), "a whole number from 1 to 1 is expected"),
        (lambda core: core.update(v=2), "a whole number from 1 to 1 is expected"),
        (lambda core: core.update(v=True), "a whole number from 1 to 1 is expected"),
    ],
)
def test_another_suite_or_version_is_refused_b4(change: Change, why: str, tmp_path: Path) -> None:
    refused(forged(core=change), tmp_path, BundleMalformed, f"^the manifest: {why}$")


# Where it is opened.


def test_something_with_the_name_of_the_output_stops_everything(tmp_path: Path) -> None:
    bundle = forged()
    (tmp_path / "file").write_text("kept")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    for name in ("file", "link", "empty"):
        with pytest.raises(TargetExists):
            bundle.open(tmp_path / name)
    assert sorted(os.listdir(tmp_path)) == ["empty", "file", "link"]


def test_a_folder_left_by_an_interrupted_run_is_named_and_kept(tmp_path: Path) -> None:
    (tmp_path / ".open.partial").mkdir()
    with pytest.raises(TargetExists, match=r"\.partial"):
        forged().open(tmp_path / "open")
    assert os.listdir(tmp_path) == [".open.partial"]


def test_a_stranger_can_not_open(tmp_path: Path) -> None:
    refused(forged(), tmp_path, BundleMisaddressed, key=KeyFile.generate("99CD01"))


@pytest.mark.parametrize("data", [b"", b"overdracht\n", b"PK\x03\x04" + bytes(100), b"overdracht\n\x02" + bytes(100)])
def test_what_is_no_bundle_is_refused(data: bytes, tmp_path: Path) -> None:
    refused(forged(), tmp_path, BundleMalformed, data=data)


@pytest.mark.parametrize("flag", [2, 255, ord("0")])
def test_a_section_is_present_or_absent_and_nothing_else(flag: int, tmp_path: Path) -> None:
    bundle = forged(sections={"okr": [index(1)]})
    at = len(bundle.data) - len(raw_sections(bundle)[0][1]) - 1
    data = bundle.data[:at] + bytes([flag]) + bundle.data[at + 1 :]
    refused(bundle, tmp_path, BundleMalformed, "neither present nor absent", data=data)


class Trickle(BytesIO):
    """A stream that gives at most seven bytes at a time, as sockets may."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(size or 0, 7) if size and size > 0 else size)


def test_a_reader_takes_a_stream_that_trickles_and_checks_what_nobody_reads() -> None:
    bundle = forged()
    reader = Reader(Trickle(bundle.data))
    reader.verify(SENDER.sign.public)
    assert [name for name, _ in reader.sections()] == ["okr", "reports"]
    with pytest.raises(BundleAltered):
        [name for name, _ in Reader(Trickle(bundle.data[:-1] + b"\0")).sections()]


def test_a_container_of_released_sections_holds_nothing_of_the_others(tmp_path: Path) -> None:
    bundle = forged()
    reader = Reader(BytesIO(bundle.data))
    raw = {name: list(pieces) for name, pieces in reader.sections()}
    some = b"".join(write_container(reader.manifest_bytes, reader.signatures, {"okr": raw["okr"], "reports": None}))
    assert some == bundle.data[: -1 - len(b"".join(raw["reports"]))] + b"\0"
    shares = Shares(bundle.shares.bundle, bundle.shares.to, {"okr": bundle.shares.shares["okr"]})
    assert list(bundle.open(tmp_path / "open", data=some, shares=shares).sections) == ["okr"]


def test_a_writer_refuses_a_manifest_that_is_none() -> None:
    with pytest.raises(BundleMalformed):
        list(write_container(b"{}", b"", {}))


def test_no_error_tells_what_is_inside(tmp_path: Path) -> None:
    name = "Anna Verzonnen 999990019.pdf"
    bundle = forged(sections={"okr": [index({"bsn": "999990019"}, [(name, "x/y", b"geheim")]), padded(b"iets anders")]})
    with pytest.raises(BundleRefused) as caught:
        bundle.open(tmp_path / "open", shares=bundle.shares)
    assert all(secret not in str(caught.value) for secret in ("Anna", "999990019", "geheim"))
