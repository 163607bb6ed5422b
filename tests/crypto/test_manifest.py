"""What a manifest is made with: a core that a reader would take, what binds its insides to it, who signed it."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from io import BytesIO
from typing import Any

import pytest

from crypto.bundle import Reader
from crypto.encoding import canon, lp
from crypto.errors import BundleMalformed, BundleUnsigned, EncodingRefused, ShareRefused
from crypto.keys import SignKey
from crypto.manifest import (
    Manifest,
    check_commitment,
    check_share,
    core_hash,
    item_context,
    manifest_size,
    parse_manifest,
    part_hash,
    print_checked,
    print_core,
    print_manifest,
    printed_core,
    share_commitment,
    share_info,
    sign_manifest,
    slot_info,
    verify_manifest,
)
from tests.crypto.samples import RECIPIENT, SENDER, forged

BUNDLE = forged()
READ = Reader(BytesIO(BUNDLE.data))
MANIFEST, CORE = READ.manifest, READ.manifest.core
MADE = datetime(2027, 3, 1, 12, tzinfo=UTC)


def labelled(what: str, *values: bytes) -> bytes:
    """Write a context as README.md has it: the label, and each value behind its length."""
    return f"overdracht/v1/{what}".encode() + b"\0" + b"".join(len(v).to_bytes(2, "big") + v for v in values)


def test_a_core_that_a_reader_would_take_is_printed_as_any_other() -> None:
    assert print_checked(CORE) == print_core(CORE) == printed_core(READ.manifest_bytes)
    assert print_manifest(MANIFEST) == print_manifest(MANIFEST, print_core(CORE)) == READ.manifest_bytes
    assert print_manifest(MANIFEST, b"its core").startswith(b'{"core":its core,"sections":')


def test_a_core_between_keys_of_nobody_yet_is_printed_and_read() -> None:
    nobody = replace(CORE, sender=replace(CORE.sender, school=None), recipient=replace(CORE.recipient, school=None))
    assert print_checked(nobody) == print_core(nobody)
    assert parse_manifest(print_manifest(replace(MANIFEST, core=nobody))).core == nobody


@pytest.mark.parametrize("sections", [dict.fromkeys(CORE.sections, 1), "".join(CORE.sections), 2, None, []])
def test_the_sections_of_a_core_are_a_list(sections: Any) -> None:
    value = json.loads(READ.manifest_bytes)
    value["core"]["sections"] = sections
    with pytest.raises(BundleMalformed, match=r"^the manifest: sections are a list of names$"):
        parse_manifest(canon(value))


@pytest.mark.parametrize("count", [1, 2, 9, 64])
def test_the_size_of_a_manifest_is_known_before_what_stands_in_it(count: int) -> None:
    names = tuple(f"s{'x' * (number % 31)}{number}"[:32] for number in range(count))
    core = replace(CORE, sections=names, versions=dict.fromkeys(names, bytes(16)))
    slot = next(iter(MANIFEST.slots.values()))
    manifest = print_manifest(Manifest(core, MANIFEST.share, dict.fromkeys(names, slot)))
    assert manifest_size(print_core(core), names) == len(manifest)


def test_a_moment_is_printed_in_utc_to_the_second() -> None:
    amsterdam = timezone(timedelta(hours=1))
    core = replace(CORE, made_at=MADE.astimezone(amsterdam), expires_at=MADE + timedelta(days=90, microseconds=999_999))
    printed = print_core(core)
    assert b'"made_at":"2027-03-01T12:00:00Z"' in printed
    assert b'"expires_at":"2027-05-30T12:00:00Z"' in printed
    with pytest.raises(EncodingRefused, match="without its zone"):
        print_core(replace(CORE, made_at=MADE.replace(tzinfo=None)))


@pytest.mark.parametrize(
    "change",
    [
        {"made_at": MADE.replace(tzinfo=None)},
        {"made_at": MADE, "expires_at": MADE},
        {"made_at": MADE, "expires_at": MADE + timedelta(days=90, seconds=1)},
        {"transfer": "a b"},
        {"sections": ()},
        {"versions": {}},
        {"bundle": bytes(15)},
        {"epoch": -1},
    ],
    ids=lambda change: " ".join(change),
)
def test_a_core_that_no_reader_would_take_is_not_printed(change: dict[str, Any]) -> None:
    with pytest.raises(BundleMalformed, match=r"^the core: "):
        print_checked(replace(CORE, **change))


def test_what_binds_the_insides_is_written_as_it_is_specified() -> None:
    binding, to, sender = core_hash(CORE), CORE.recipient.kid, CORE.sender.kid
    items = sha256(b"[]").digest()
    assert part_hash(binding, "okr", b"[]") == sha256(labelled("part", binding, b"okr", items)).digest()
    assert item_context(binding, "okr", 258) == labelled("item", binding, b"okr", b"\0\0\1\2")
    assert slot_info(binding, to, "okr") == labelled("slot", binding, to, b"okr")
    assert share_info(binding, to, sender) == labelled("share", binding, to, sender)
    assert share_commitment(binding, to, "okr", b"s") == sha256(labelled("release", binding, to, b"okr", b"s")).digest()


def test_a_release_share_is_this_bundles_and_this_sections() -> None:
    shares = BUNDLE.shares.shares
    for section, share in shares.items():
        check_share(MANIFEST, section, share)
    okr, reports = shares["okr"], shares["reports"]
    for section, share in (("okr", reports), ("okr", okr[:-1]), ("okr", b"")):
        with pytest.raises(ShareRefused, match="of okr isn't this bundle's"):
            check_share(MANIFEST, section, share)
    with pytest.raises(ShareRefused, match="okr isn't"):
        check_commitment(MANIFEST, bytes(32), "okr", okr)
    with pytest.raises(ShareRefused, match="a section that the bundle doesn't have"):
        check_share(MANIFEST, "opp", okr)


def test_a_manifest_is_signed_by_the_key_that_its_core_names() -> None:
    printed, public = READ.manifest_bytes, SENDER.sign.public
    signatures = sign_manifest(SENDER.sign, printed)
    assert signatures == READ.signatures
    verify_manifest(CORE, printed, signatures, public)
    with pytest.raises(BundleUnsigned, match="another sender's key"):
        verify_manifest(CORE, printed, signatures, RECIPIENT.sign.public)
    forger = SignKey.generate("sign")
    for forged_by in (sign_manifest(forger, printed), sign_manifest(SENDER.sign, printed + b" "), lp(bytes(64))):
        with pytest.raises(BundleUnsigned, match="isn't the sender's"):
            verify_manifest(CORE, printed, forged_by, public)


@pytest.mark.parametrize(
    "block",
    [
        lambda block: b"",
        lambda block: block[:-1],
        lambda block: block[:1],
        lambda block: block + b"\0",
        lambda block: block + b"\0\0",
        lambda block: block + block,
        lambda block: b"\0\0" + block,
        lambda block: b"\0\x41" + block[2:] + b"\0",
        lambda block: b"\0\x3f" + block[2:-1],
        lambda block: b"\0\x41" + block[2:],
    ],
)
def test_a_block_of_signatures_has_one_form(block: Any) -> None:
    with pytest.raises(BundleUnsigned, match="aren't those that the suite demands"):
        verify_manifest(CORE, READ.manifest_bytes, block(READ.signatures), SENDER.sign.public)
