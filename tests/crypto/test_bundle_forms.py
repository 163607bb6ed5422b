"""The manifest, the lists of items and their contents have one form each; every other is refused."""

import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from crypto.bundle import (
    INDEX_LEAST,
    INDEX_LIMIT,
    ITEM_LIMIT,
    ITEMS_LIMIT,
    PART_LIMIT,
    Item,
    Reader,
    ciphertext_size,
    padded_size,
    parse_items,
    plain_size,
    print_items,
)
from crypto.encoding import b64, canon, padme
from crypto.errors import (
    BundleAltered,
    BundleMalformed,
    BundleRefused,
)
from crypto.manifest import MANIFEST_LIMIT, parse_manifest, print_manifest
from tests.crypto.forge import index, padded
from tests.crypto.samples import DOCUMENT, SENDER, Bundle, forged, raw_sections, refused

Change = Callable[[dict[str, Any]], object]


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


TWO = print_items([Item(16_472, bytes(32)), Item(80, bytes(range(32)))])


@pytest.mark.parametrize(
    "printed",
    [
        TWO + b" ",
        b" " + TWO,
        TWO[1:],
        TWO[:-1],
        TWO.replace(b'"length":', b'"length":0'),
        TWO.replace(b"},{", b"}, {"),
        TWO.replace(b"},{", b"},null,{"),
        TWO.replace(b"},{", b"}{"),
    ],
)
def test_a_list_of_items_printed_in_another_way_is_refused(printed: bytes) -> None:
    assert print_items(parse_items(TWO)) == TWO
    with pytest.raises(BundleMalformed, match=r"^the items of a section: not as they are printed here$"):
        parse_items(printed)


def test_a_hash_in_a_list_of_items_has_no_stray_bits() -> None:
    with pytest.raises(BundleMalformed, match=r"^the items of a section: not base64url as it is printed here$"):
        parse_items(TWO.replace(b'AAA"', b'AAB"'))


def test_the_limits_are_those_of_the_specification() -> None:
    assert (MANIFEST_LIMIT, PART_LIMIT, ITEMS_LIMIT) == (65_536, 262_144, 1024)
    assert (INDEX_LEAST, INDEX_LIMIT, ITEM_LIMIT) == (16_384, 16_777_216, 1_099_511_627_776)


def test_the_number_of_items_has_a_limit_d9() -> None:
    least = Item(16_472, bytes(32))
    document = Item(56 + 8 + 16, bytes(32))
    assert len(parse_items(print_items([least] + [document] * (ITEMS_LIMIT - 1)))) == ITEMS_LIMIT
    with pytest.raises(BundleMalformed, match="from 1 to 1,024"):
        parse_items(print_items([least] + [document] * ITEMS_LIMIT))


def test_the_size_of_an_item_has_a_limit_d9() -> None:
    for plain, number in ((INDEX_LIMIT, 0), ((1 << 40) - (1 << 35), 1)):
        items = [Item(16_472, bytes(32))] * number + [Item(ciphertext_size(plain), bytes(32))]
        assert parse_items(print_items(items)) == tuple(items)
        items[-1] = Item(ciphertext_size(padme(plain + (1 << 36) * number + 1)), bytes(32))
        with pytest.raises(BundleMalformed, match="a size that no padded item has"):
            parse_items(print_items(items))


@pytest.mark.parametrize("length", [0, 1, 56, 71, *range(72, 80), 81, 56 + 9 + 16, 56 + 16_384 + 16])
def test_a_length_that_no_padded_document_has_is_refused(length: int) -> None:
    index, document = Item(16_472, bytes(32)), Item(80, bytes(32))
    assert parse_items(print_items([index, document])) == (index, document)
    with pytest.raises(BundleMalformed, match="a size that no padded item has"):
        parse_items(print_items([index, Item(length, bytes(32))]))


@pytest.mark.parametrize("length", [80, 16_456, 16_471, 16_473])
def test_a_length_that_no_padded_index_has_is_refused(length: int) -> None:
    with pytest.raises(BundleMalformed, match="a size that no padded item has"):
        parse_items(print_items([Item(length, bytes(32))]))


def test_a_ciphertext_has_a_tag_for_each_chunk_and_for_a_last_one_that_is_shorter() -> None:
    sizes = [ciphertext_size(plain) for plain in (0, 16_383, 16_384, 32_767, 32_768)]
    assert sizes == [72, 16_455, 16_472, 32_855, 32_872]


@pytest.mark.parametrize("plain", [0, 1, 8, 16_271, 16_272, 16_383, 16_384, 16_385, 32_767, 32_768, 1 << 40])
def test_the_size_of_a_plaintext_follows_from_its_ciphertexts(plain: int) -> None:
    assert plain_size(ciphertext_size(plain)) == plain


def test_a_size_is_padded_with_its_length_before_it() -> None:
    assert [padded_size(size, 1) for size in (0, 1, 2, 16_376)] == [8, 10, 10, 16_384]
    assert [padded_size(size, 0) for size in (0, 16_376, 16_377)] == [16_384, 16_384, 17_408]


@pytest.mark.parametrize(
    ("at", "why"),
    [
        (0, "this is not a sealed bundle"),
        (10, "this is not a sealed bundle"),
        (11, "the container's version is unknown"),
        (16, "the signatures aren't those that the suite demands"),
    ],
)
def test_another_byte_in_the_header_is_told_for_what_it_is_b1(at: int, why: str) -> None:
    data = bytearray(forged().data)
    data[at] ^= 1
    with pytest.raises(BundleRefused, match=why):
        Reader(BytesIO(data)).verify(SENDER.sign.public)


class Halting(BytesIO):
    """A stream that gives one byte first, and then all that it is asked for."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(1 if self.tell() == 0 else size)


def test_a_reader_asks_a_stream_for_no_more_than_it_needs() -> None:
    bundle = forged()
    assert Reader(Halting(bundle.data)).manifest_bytes == Reader(BytesIO(bundle.data)).manifest_bytes


def test_lengths_beyond_their_limits_are_refused_before_they_are_read_d9() -> None:
    with pytest.raises(BundleMalformed, match="too long"):
        Reader(BytesIO(b"overdracht\n\x01" + (MANIFEST_LIMIT + 1).to_bytes(4, "big") + bytes(2)))
    with pytest.raises(BundleMalformed, match="cut off"):
        Reader(BytesIO(b"overdracht\n\x01" + MANIFEST_LIMIT.to_bytes(4, "big") + bytes(2)))
    bundle = forged(sections={"okr": [index(1)]})
    at = len(bundle.data) - len(next(iter(dict(raw_sections(bundle)).values())))
    for size, why in ((PART_LIMIT + 1, "too long"), (PART_LIMIT, "cut off")):
        data = bundle.data[:at] + size.to_bytes(4, "big") + bundle.data[at + 4 :]
        with pytest.raises(BundleMalformed, match=why):
            list(Reader(BytesIO(data)).sections())


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
