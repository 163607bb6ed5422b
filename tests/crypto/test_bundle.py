"""Bundles that were tampered with, forged or mixed up: each is refused, and nothing is left behind."""

import hashlib
import json
import os
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from crypto.bundle import (
    INDEX_LIMIT,
    ITEMS_LIMIT,
    PART_LIMIT,
    Item,
    Reader,
    ciphertext_size,
    parse_items,
    print_items,
    write_container,
)
from crypto.encoding import b64, canon, padme
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
from crypto.manifest import MANIFEST_LIMIT, check_share, parse_manifest, print_manifest
from crypto.shares import SHARES_LIMIT, Shares, parse_shares, print_shares
from tests.crypto.forge import index, padded, prefixed
from tests.crypto.samples import DOCUMENT, OTHER, SENDER, Bundle, forged

Change = Callable[[dict[str, Any]], object]


def refused(
    bundle: Bundle, folder: Path, kind: type[BundleRefused] = BundleRefused, match: str | None = None, **how: Any
) -> None:
    """Open it: refused for this reason, with nothing in the folder afterwards."""
    with pytest.raises(kind, match=match) as caught:
        bundle.open(folder / "open", **how)
    assert caught.value.reason == kind.reason or kind is BundleRefused
    assert os.listdir(folder) == []


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
    refused(bundle, tmp_path, BundleMalformed, "after the last section", data=bundle.data + more)


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
    "change",
    [
        lambda core: core.update(suite="x-wing+cobblestone256"),
        lambda core: core.update(suite="none"),
        lambda core: core.update(suite=["x-wing+cobblestone256+ed25519"]),
        lambda core: core.update(v=0),
        lambda core: core.update(v=2),
        lambda core: core.update(v=True),
    ],
)
def test_another_suite_or_version_is_refused_b4(change: Change, tmp_path: Path) -> None:
    refused(forged(core=change), tmp_path, BundleMalformed)


# The manifest has one form.


@pytest.mark.parametrize(
    "printed",
    [
        lambda data: data + b"\n",
        lambda data: b" " + data,
        lambda data: data.replace(b'":', b'": ', 1),
        lambda data: json.dumps(dict(reversed(json.loads(data).items())), separators=(",", ":")).encode(),
        lambda data: data.replace(b'"v":1', b'"v":1.0'),
        lambda data: data.replace(b'"v":1', b'"v":1,"v":1'),
        lambda data: data.replace(b'"route":""', b'"route":"\\u0041"'),
        lambda data: data[:-1],
        lambda data: b"",
        lambda data: b"[]",
        lambda data: b"null",
        lambda data: b"[" * 1_000,
        lambda data: b"\xff" * 10,
    ],
)
def test_a_manifest_printed_in_another_way_is_refused(printed: Callable[[bytes], bytes], tmp_path: Path) -> None:
    refused(forged(printed=printed), tmp_path, BundleMalformed)


CORE_CHANGES: list[Change] = [
    lambda core: core.update(more=1),
    lambda core: core.update({"from": None}),
    lambda core: core["from"].update(more=1),
    lambda core: core["from"].update(school="99ab00"),
    lambda core: core["from"].update(kid="AA"),
    lambda core: core["to"].update(epoch=-1),
    lambda core: core["to"].update(epoch=2**53),
    lambda core: core["to"].update(epoch="0"),
    lambda core: core["to"].pop("epoch"),
    lambda core: core.update(bundle=b64(bytes(15))),
    lambda core: core.update(bundle=b64(bytes(17))),
    lambda core: core.update(bundle=None),
    lambda core: core.update(supersedes=""),
    lambda core: core.update(supersedes=b64(bytes(15))),
    lambda core: core.update(transfer="a b"),
    lambda core: core.update(transfer="a" * 65),
    lambda core: core.update(purpose=None),
    lambda core: core.update(route="POVO\n"),
    lambda core: core.update(sections=[]),
    lambda core: core.update(sections=["okr"]),
    lambda core: core.update(sections=["okr", "okr", "reports"]),
    lambda core: core.update(sections=["okr", "reports", "opp"]),
    lambda core: core.update(sections=["okr", "Reports"]),
    lambda core: core.update(sections=["okr", "../reports"]),
    lambda core: core.update(sections="okr"),
    lambda core: core.update(versions={}),
    lambda core: core.update(versions=None),
    lambda core: core["versions"].update(okr=b64(bytes(15))),
    lambda core: core["versions"].update(opp=b64(bytes(16))),
    lambda core: core.update(made_at="2025-03-01T12:00:00+00:00"),
    lambda core: core.update(made_at="2025-03-01T12:00:00.0Z"),
    lambda core: core.update(made_at="2025-02-29T12:00:00Z"),
    lambda core: core.update(made_at="2025-03-01T24:00:00Z"),
    lambda core: core.update(made_at="２025-03-01T12:00:00Z"),
    lambda core: core.update(made_at=1740830400),
    lambda core: core.update(made_at="2025-05-30T12:00:00Z"),
    lambda core: core.update(made_at="2025-05-30T12:00:01Z"),
    lambda core: core.update(expires_at="2025-05-30T12:00:01Z"),
    lambda core: core.update(expires_at=None),
]


@pytest.mark.parametrize("change", CORE_CHANGES)
def test_a_core_with_a_field_of_another_form_is_refused(change: Change, tmp_path: Path) -> None:
    refused(forged(core=change), tmp_path, BundleMalformed, "the manifest: ")


@pytest.mark.parametrize(
    "change",
    [
        lambda core: core.update(supersedes=b64(bytes(16)), transfer="a" * 64, purpose="support", route="POVO"),
        lambda core: core["to"].update(epoch=2**53 - 1),
        lambda core: core.update(made_at="2025-05-30T11:59:59Z"),
        lambda core: core.update(made_at="2024-02-29T23:59:59Z", expires_at="2024-05-29T23:59:59Z"),
    ],
)
def test_a_core_at_the_edge_of_its_form_opens(change: Change, tmp_path: Path) -> None:
    bundle = forged(core=change)
    opened = bundle.open(tmp_path / "open")
    printed = Reader(BytesIO(bundle.data)).manifest_bytes
    assert print_manifest(parse_manifest(printed)) == printed
    assert opened.core == parse_manifest(printed).core


@pytest.mark.parametrize(
    "change",
    [
        lambda manifest: manifest.update(more=1),
        lambda manifest: manifest.pop("share"),
        lambda manifest: manifest.update(share=manifest["share"][:-2]),
        lambda manifest: manifest.update(sections=[]),
        lambda manifest: manifest["sections"].pop("okr"),
        lambda manifest: manifest["sections"].update(opp=manifest["sections"]["okr"]),
        lambda manifest: manifest["sections"]["okr"].update(more=1),
        lambda manifest: manifest["sections"]["okr"].update(part=b64(bytes(31))),
        lambda manifest: manifest["sections"]["okr"].update(w=b64(bytes(47))),
        lambda manifest: manifest["sections"]["okr"].update(rc=b64(bytes(33))),
    ],
)
def test_a_manifest_with_a_field_of_another_form_is_refused(change: Change, tmp_path: Path) -> None:
    refused(forged(manifest=change), tmp_path, BundleMalformed, "the manifest: ")


def _named(count: int) -> Bundle:
    one = [index(None)]
    return forged(sections={f"s{number}": one for number in range(count)})


def test_sixty_four_sections_open_and_one_more_is_refused(tmp_path: Path) -> None:
    refused(_named(65), tmp_path, BundleMalformed, "list of names")
    assert len(_named(64).open(tmp_path / "open").sections) == 64


@pytest.mark.parametrize("item", [
    lambda listed: [], lambda listed: {}, lambda listed: None, lambda listed: [listed[0] | {"more": 1}],
    lambda listed: [listed[0] | {"length": listed[0]["length"] + 1}], lambda listed: [listed[0] | {"length": 0}],
    lambda listed: [listed[0] | {"length": -56}], lambda listed: [listed[0] | {"length": 72}],
    lambda listed: [listed[0] | {"length": 16_456.0}], lambda listed: [listed[0] | {"length": "16456"}],
    lambda listed: [listed[0] | {"length": 2**53}], lambda listed: [listed[0] | {"sha256": ""}],
    lambda listed: [*listed, listed[0] | {"length": 79}], lambda listed: [*listed, listed[0] | {"length": 81}],
])  # fmt: skip
def test_a_list_of_items_of_another_form_is_refused(item: Callable[[Any], object], tmp_path: Path) -> None:
    def parts(_: str, printed: bytes) -> bytes:
        return json.dumps(item(json.loads(printed)), sort_keys=True, separators=(",", ":")).encode()

    refused(forged(sections={"okr": [index(1)]}, parts=parts), tmp_path, BundleMalformed, "the items of a section")


def test_a_list_of_items_printed_in_another_way_is_refused(tmp_path: Path) -> None:
    refused(forged(parts=lambda _, printed: printed + b" "), tmp_path, BundleMalformed, "not canonical")


def test_the_number_of_items_has_a_limit_d9() -> None:
    least = Item(16_472, bytes(32))
    document = Item(56 + 8 + 16, bytes(32))
    assert len(parse_items(print_items([least] + [document] * (ITEMS_LIMIT - 1)))) == ITEMS_LIMIT
    with pytest.raises(BundleMalformed, match="1,024 items"):
        parse_items(print_items([least] + [document] * ITEMS_LIMIT))


def test_the_size_of_an_item_has_a_limit_d9() -> None:
    for plain, number in ((INDEX_LIMIT, 0), ((1 << 40) - (1 << 35), 1)):
        items = [Item(16_472, bytes(32))] * number + [Item(ciphertext_size(plain), bytes(32))]
        assert parse_items(print_items(items)) == tuple(items)
        items[-1] = Item(ciphertext_size(padme(plain + (1 << 36) * number + 1)), bytes(32))
        with pytest.raises(BundleMalformed, match="a whole number from 0"):
            parse_items(print_items(items))


def test_lengths_beyond_their_limits_are_refused_before_they_are_read_d9() -> None:
    with pytest.raises(BundleMalformed, match="too long"):
        Reader(BytesIO(b"overdracht\n\x01" + (MANIFEST_LIMIT + 1).to_bytes(4, "big") + bytes(2)))
    with pytest.raises(BundleMalformed, match="cut off"):
        Reader(BytesIO(b"overdracht\n\x01" + MANIFEST_LIMIT.to_bytes(4, "big") + bytes(2)))
    bundle = forged(sections={"okr": [index(1)]})
    at = len(bundle.data) - len(next(iter(dict(_raw(bundle)).values())))
    for size, why in ((PART_LIMIT + 1, "too long"), (PART_LIMIT, "cut off")):
        data = bundle.data[:at] + size.to_bytes(4, "big") + bundle.data[at + 4 :]
        with pytest.raises(BundleMalformed, match=why):
            list(Reader(BytesIO(data)).sections())


def _raw(bundle: Bundle) -> list[tuple[str, bytes]]:
    return [(name, b"".join(pieces)) for name, pieces in Reader(BytesIO(bundle.data)).sections()]


# Inside the items.


@pytest.mark.parametrize(
    ("items", "why"),
    [
        ([padded(b"{}", 16384, fill=b"\1")], "padding that isn't zero"),
        ([padded(b"{}", 16384)[:-1] + b"\1"], "padding that isn't zero"),
        ([(17_000).to_bytes(8, "big") + bytes(16_376)], "isn't padded"),
        ([(2**63).to_bytes(8, "big") + bytes(16_376)], "isn't padded"),
        ([padded(b"{}", 16384)], "object with exactly"),
        ([padded(b'{"content":1}', 16384)], "object with exactly"),
        ([padded(b'{"content":1,"documents":{}}', 16384)], "documents are a list"),
        ([padded(b'{"content":1,"documents":[]} ', 16384)], "not canonical"),
        ([padded(b'{"content":NaN,"documents":[]}', 16384)], "holds NaN"),
        ([padded(b"", 16384)], "not JSON"),
        ([padded(b'{"content":1,"documents":[{}]}', 16384)], "object with exactly"),
        ([padded(b'{"content":%b,"documents":[]}' % (b"[" * 64 + b"]" * 64), 16384)], "deeper than 64"),
        ([index(None, [DOCUMENT])], "other documents than its index says"),
        ([index(None), padded(b"undeclared")], "other documents than its index says"),
        ([index(None, [DOCUMENT]), padded(DOCUMENT[2][:-1])], "isn't the one that its index says"),
        ([index(None, [DOCUMENT]), padded(DOCUMENT[2] + b"!")], "isn't the one that its index says"),
    ],
)
def test_contents_of_another_form_are_refused_even_when_signed_d5_d6(
    items: list[bytes], why: str, tmp_path: Path
) -> None:
    refused(forged(sections={"okr": items}), tmp_path, BundleAltered, why)


@pytest.mark.parametrize(
    "change",
    [{"name": None}, {"type": 1}, {"size": -1}, {"size": "30"}, {"size": 2**53}, {"sha256": "AA"}, {"more": 1}],
)
def test_a_document_listed_in_another_form_is_refused(change: dict[str, object], tmp_path: Path) -> None:
    listed: dict[str, Any] = {"name": "a", "type": "b", "size": 1, "sha256": b64(bytes(32))} | change
    if change.get("size") == 2**53:
        data = json.dumps({"content": 1, "documents": [listed]}, sort_keys=True, separators=(",", ":")).encode()
    else:
        data = canon({"content": 1, "documents": [listed]})
    refused(forged(sections={"okr": [padded(data, 16384), padded(b"x")]}), tmp_path, BundleAltered, "the index of okr")


# Release shares.


def test_only_the_sections_whose_shares_are_there_open(tmp_path: Path) -> None:
    bundle = forged()
    some = Shares(bundle.shares.bundle, bundle.shares.to, {"okr": bundle.shares.shares["okr"]})
    assert list(bundle.open(tmp_path / "open", shares=some).sections) == ["okr"]
    assert os.listdir(tmp_path / "open") == []


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda s: Shares(s.bundle, s.to, {}), "there is no release share"),
        (lambda s: Shares(bytes(16), s.to, s.shares), "of another bundle"),
        (lambda s: Shares(s.bundle, bytes(32), s.shares), "of another bundle"),
        (lambda s: Shares(s.bundle, s.to, {"okr": bytes(32)}), "share of okr"),
        (lambda s: Shares(s.bundle, s.to, {"okr": s.shares["reports"]}), "share of okr"),
        (lambda s: Shares(s.bundle, s.to, {**s.shares, "opp": bytes(32)}), "doesn't have"),
    ],
)
def test_release_shares_of_something_else_are_refused(
    change: Callable[[Shares], Shares], why: str, tmp_path: Path
) -> None:
    bundle = forged()
    refused(bundle, tmp_path, ShareRefused, why, shares=change(bundle.shares))


def test_a_share_of_an_absent_section_is_refused(tmp_path: Path) -> None:
    refused(forged(absent=frozenset({"reports"})), tmp_path, ShareRefused, "reports, which isn't in this container")


def test_a_container_without_a_section_opens_the_others_and_tells_nothing_of_it(tmp_path: Path) -> None:
    bundle = forged(absent=frozenset({"reports"}))
    del bundle.shares.shares["reports"]  # type: ignore[attr-defined]
    assert list(bundle.open(tmp_path / "open").sections) == ["okr"]


def test_the_service_checks_shares_against_the_manifest() -> None:
    bundle = forged()
    manifest = Reader(BytesIO(bundle.data)).manifest
    for name, share in bundle.shares.shares.items():
        check_share(manifest, name, share)
        for other in (bytes(32), share[:-1], share + b"\0", b""):
            with pytest.raises(ShareRefused):
                check_share(manifest, name, other)
    with pytest.raises(ShareRefused, match="doesn't have"):
        check_share(manifest, "opp", bytes(32))


def test_a_file_of_shares_reads_as_it_was_printed_and_as_people_write_it() -> None:
    shares = Shares(bytes(16), bytes(32), {"okr": bytes(range(32)), "opp": bytes(32)})
    printed = print_shares(shares)
    assert print_shares(parse_shares(printed)) == printed
    assert parse_shares(json.dumps(json.loads(printed), indent=2).encode()) == shares
    assert b64(bytes(range(32))) not in repr(shares)
    assert "okr" not in repr(shares)


@pytest.mark.parametrize(
    "change",
    [
        {"v": 2}, {"v": True}, {"bundle": ""}, {"to": b64(bytes(31))}, {"shares": []}, {"shares": {"okr": "AA"}},
        {"shares": {"OKR": b64(bytes(32))}}, {"shares": {"": b64(bytes(32))}}, {"more": 1},
    ],
)  # fmt: skip
def test_a_malformed_file_of_shares_is_refused(change: dict[str, object]) -> None:
    value = json.loads(print_shares(Shares(bytes(16), bytes(32), {})))
    with pytest.raises(ShareRefused, match="not a file of release shares"):
        parse_shares(json.dumps(value | change).encode())


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"\xff", b"{" * 100, b" " * (SHARES_LIMIT + 1)])
def test_what_is_no_file_of_shares_is_refused(data: bytes) -> None:
    with pytest.raises(ShareRefused):
        parse_shares(data)


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
    at = len(bundle.data) - len(_raw(bundle)[0][1]) - 1
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
