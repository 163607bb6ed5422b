"""Uploads: what the service takes in, and what it refuses without keeping any of it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from consent.db import reading
from crypto.keyfile import KeyFile
from handover import bundles
from handover.accesslog import Did
from handover.tables import Bundle
from tests.handover.story import OTHER, PO, VO, Case, Story, later
from tests.handover.test_signing import Request, digest
from tests.region import UPLOAD, bundle_bytes, expect, now


def kept(story: Story) -> tuple[int, int, int]:
    """Count shares, rows and objects: what an upload leaves behind."""
    rows = story.rows()
    objects = [path for path in (story.region.folder / "bundles").iterdir() if path.is_file()]
    return rows["share"], rows["bundle_section"], len(objects)


@pytest.fixture
def case(standing: Story) -> Case:
    return standing.case(bundle=False, invited=False)


def test_an_upload_is_kept_whole_and_logged(story: Story) -> None:
    case = story.case(bundle=False, invited=False)
    answer = case.send()
    assert answer == {"bundle": answer["bundle"], "index": story.size() - 1, "supersedes": None, "told": 0}
    assert bundle_bytes(answer["bundle"]) == case.bundles[0].core.bundle
    assert kept(story) == (8, 8, 8)
    entry = story.journal(Did.UPLOADED)[-1]
    assert entry.terms["bundle"] == answer["bundle"]
    assert entry.terms["versions"] == case.for_sender()["bundle"]["versions"]
    assert entry.terms["signed_by"] == story.region.schools[PO].keys.sign.kid.hex()
    assert entry.terms["keylog"]["size"] == 3 + 4 * 3  # type: ignore[index,call-overload]


def test_a_later_version_takes_the_place_of_the_one_before(story: Story) -> None:
    case = story.agreed()
    case.ask("okr")
    old = case.bundles[0].core.bundle
    answer = case.send()
    assert bundle_bytes(answer["supersedes"]) == old
    assert answer["told"] == 1  # the receiver, which had opened it
    assert kept(story) == (8, 8, 8)
    kinds = [entry.type for entry in story.journal(Did.SHRED_INTENT, Did.UPLOADED, Did.SHRED_DONE)]
    assert kinds == [Did.UPLOADED, Did.SHRED_INTENT, Did.UPLOADED, Did.SHRED_DONE]
    assert story.journal(Did.SHRED_INTENT)[-1].terms["why"] == "superseded"
    assert case.for_receiver()["superseded"] is True
    head = case.ask("okr")
    assert case.bundles[1].core.bundle != old
    assert head.status_code == 200
    with reading(story.region.parts.main) as session:
        assert list(session.scalars(select(Bundle.number).order_by(Bundle.number))) == [1, 2]


@pytest.mark.parametrize("supersedes", [None, bytes(16)], ids=["nothing", "another"])
def test_a_later_version_names_the_one_before_it(lite: Story, supersedes: bytes | None) -> None:
    case = lite.case(invited=False)
    refused = case.send(422, supersedes=supersedes)
    assert (refused["code"], list(refused["fields"])) == ("BUNDLE_MISMATCH", ["/core/supersedes"])
    assert kept(lite) == (8, 8, 8)


def test_a_first_version_names_none(case: Case) -> None:
    assert list(case.send(422, supersedes=bytes(16))["fields"]) == ["/core/supersedes"]


MISMATCHES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "another transfer": ({"transfer": "0123"}, {"/core/transfer"}),
    "another purpose": ({"purpose": "support"}, {"/core/purpose"}),
    "another route": ({"route": "POPO"}, {"/core/route"}),
    "another epoch": ({"epoch": 2}, {"/core/to/epoch"}),
    "made tomorrow": ({"made_at": 1}, {"/core/made_at"}),
    "expired": ({"made_at": -91, "expires_at": -1}, {"/core/expires_at"}),
    "three at once": (
        {"transfer": "", "purpose": "", "route": ""},
        {"/core/transfer", "/core/purpose", "/core/route"},
    ),
}


@pytest.mark.parametrize("name", MISMATCHES)
def test_a_bundle_is_for_this_transfer_in_every_respect(case: Case, name: str) -> None:
    """A4, B3: all that differs is told at once."""
    changed, places = MISMATCHES[name]
    today = now().replace(microsecond=0)
    days = {name: today + timedelta(days=value) for name, value in changed.items() if name.endswith("_at")}
    before = kept(case.story)
    refused = case.send(422, **(changed | days))
    assert (refused["code"], set(refused["fields"])) == ("BUNDLE_MISMATCH", places)
    assert kept(case.story) == before


@pytest.mark.parametrize(("sender", "receiver"), [(OTHER, VO), (PO, OTHER), (VO, PO)])
def test_a_bundle_for_other_schools_is_refused(case: Case, sender: str, receiver: str) -> None:
    """B3, B7: re-addressed, or signed by another certified school."""
    region, before = case.story.region, kept(case.story)
    data, _ = region.seal(case.transfer, sender, receiver)
    refused = region.upload(PO, case.transfer, data, 422)
    assert refused["code"] == "BUNDLE_MISMATCH"
    assert {
        f"/core/{end}/school" for end, is_, was in (("from", sender, PO), ("to", receiver, VO)) if is_ != was
    } <= set(refused["fields"])
    assert kept(case.story) == before


@pytest.mark.parametrize("which", ["sender", "recipient"])
def test_a_key_that_nobody_published_is_refused(case: Case, which: str) -> None:
    """C1, C5: the right school's name with another key."""
    school = case.story.region.schools[PO if which == "sender" else VO]
    own, school.keys = school.keys, KeyFile.generate(school.code)
    data, _ = case.story.region.seal(case.transfer, PO, VO)
    school.keys = own
    refused = case.story.region.upload(PO, case.transfer, data, 422)
    assert list(refused["fields"]) == ["/core/from/kid" if which == "sender" else "/core/to/kid"]


def _at(share: float) -> Callable[[bytes], bytes]:
    def flip(data: bytes) -> bytes:
        place = min(int(len(data) * share), len(data) - 1)
        return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]

    return flip


def _longer_list(data: bytes) -> bytes:
    return (1 << 31).to_bytes(4, "big") + data[4:]


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "cut in the length": lambda data: data[:3],
    "cut in the shares": lambda data: data[:100],
    "cut after the shares": lambda data: data[: 4 + int.from_bytes(data[:4], "big")],
    "cut in the manifest": lambda data: data[: 200 + int.from_bytes(data[:4], "big")],
    "cut at the last byte": lambda data: data[:-1],
    "cut in the middle": lambda data: data[: len(data) * 2 // 3],
    "one byte more": lambda data: data + b"\0",
    "another bundle behind it": lambda data: data + data,
    "no shares": lambda data: b"\0\0\0\0" + data,
    "a list of shares of two gigabytes": _longer_list,
    **{f"a bit flipped at {share}": _at(share) for share in (0.0001, 0.02, 0.05, 0.2, 0.4, 0.6, 0.9999)},
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_upload_is_refused_and_nothing_of_it_stays(case: Case, name: str) -> None:
    """B1, B2: damaged before it was signed for, so that the digest holds."""
    region = case.story.region
    data, _ = region.seal(case.transfer, PO, VO)
    before, size = kept(case.story), case.story.size()
    response = region.send(PO, "POST", f"{case.path}/bundles", DAMAGE[name](data), content_type=UPLOAD)
    assert expect(response, 422).content_type == "application/problem+json"
    assert (kept(case.story), case.story.size()) == (before, size)


def test_the_shares_are_this_bundles(case: Case) -> None:
    """B3"""
    region, before = case.story.region, kept(case.story)
    one, _ = region.seal(case.transfer, PO, VO)
    other, _ = region.seal(case.transfer, PO, VO)
    length = 4 + int.from_bytes(one[:4], "big")
    refused = region.upload(PO, case.transfer, other[:length] + one[length:], 422)
    assert refused["code"] == "SHARES_MISMATCH"
    assert kept(case.story) == before


def test_a_body_that_is_not_the_signed_one_leaves_nothing(case: Case) -> None:
    """The last piece is only given when the digest holds."""
    region, before = case.story.region, kept(case.story)
    data, _ = region.seal(case.transfer, PO, VO)
    request = Request(f"{case.path}/bundles", region.schools[PO].keys.request, body=data)
    request.headers = {"Content-Type": UPLOAD, "Content-Digest": digest(b"something else")}
    expect(request.go(case.story), 401)
    assert kept(case.story) == before


def test_an_upload_has_its_own_type(case: Case) -> None:
    response = case.story.region.send(PO, "POST", f"{case.path}/bundles", b"{}")
    assert expect(response, 415).get_json()["code"] == "UNSUPPORTED_MEDIA_TYPE"


def test_an_upload_that_is_too_large_is_refused(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("handover.api.transfers.LARGEST", 10_000)
    before = kept(case.story)
    assert case.send(413)["code"] == "TOO_LARGE"
    assert kept(case.story) == before
    assert bundles.LARGEST == 1 << 30


def test_an_upload_that_is_sent_again_is_taken_once(story: Story) -> None:
    """A6, H7: the same key and body give the same answer, and another body none."""
    case = story.case(bundle=False, invited=False)
    data, _ = story.region.seal(case.transfer, PO, VO)
    first, again = (story.region.upload(PO, case.transfer, data, key="k" * 20) for _ in range(2))
    assert first == again
    assert kept(story) == (8, 8, 8)
    other, _ = story.region.seal(case.transfer, PO, VO)
    assert story.region.upload(PO, case.transfer, other, 409, key="k" * 20)["code"] == "IDEMPOTENCY_CONFLICT"
    assert kept(story) == (8, 8, 8)


def test_nothing_is_uploaded_to_a_cancelled_transfer(case: Case) -> None:
    case.story.region.post(PO, f"{case.path}/cancel", {})
    assert case.send(409)["code"] == "CANCELLED"


def test_a_bundle_that_has_expired_may_be_followed_by_another(lite: Story) -> None:
    case = lite.agreed()
    with later(days=31):
        case.refused("BUNDLE_EXPIRED")
        case.send()
        case.ask("okr")
