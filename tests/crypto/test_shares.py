"""Release shares: which sections they open, and which are refused."""

import json
import os
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest

from crypto.bundle import (
    Reader,
)
from crypto.encoding import b64
from crypto.errors import (
    ShareRefused,
)
from crypto.manifest import check_share
from crypto.shares import SHARES_LIMIT, Shares, parse_shares, print_shares
from tests.crypto.samples import forged, refused

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
            with pytest.raises(ShareRefused, match=f"^the release share of {name} isn't this bundle's$"):
                check_share(manifest, name, other)
    with pytest.raises(ShareRefused, match=r"^a release share is for a section that the bundle doesn't have$"):
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
