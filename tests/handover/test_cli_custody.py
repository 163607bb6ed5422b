"""The commands for a court's ruling and a receiver's new code, against a service on a loopback port."""

import hashlib

import pytest

from crypto.encoding import JSON
from tests.handover.loopback import as_json
from tests.handover.test_cli_school import School, at

__all__ = ["at"]

TOLD: dict[str, JSON] = {"proposal": "p-1", "event": "e-1", "told": 2}
COURT = ("custody", "court", "t-1", "--court", "RBMNE", "--stands-for", "g-1", "--decided-on", "2026-11-20")
SAID: dict[str, JSON] = {
    "court": "RBMNE",
    "stands_for": "g-1",
    "sections": ["okr", "lvs"],
    "decided_on": "2026-11-20",
    "scan": hashlib.sha256(b"%PDF-1.4 een beschikking").hexdigest(),
}


@pytest.fixture
def ruled(at: School) -> School:
    (at.desk.folder / "ruling.pdf").write_bytes(b"%PDF-1.4 een beschikking")
    at.service.answer = lambda asked: as_json(TOLD)
    return at


@pytest.mark.parametrize(
    ("more", "until"),
    [((), {}), (("--until", "2027-06-01"), {"until": "2027-06-01T00:00:00.000000Z"})],
    ids=["to the end", "until a day"],
)
def test_a_ruling_is_sent_with_the_hash_of_its_scan(
    ruled: School, more: tuple[str, ...], until: dict[str, JSON]
) -> None:
    ran = ruled.call(*COURT, "--sections", "lvs,okr", "--scan", "ruling.pdf", *more)
    assert (ran.code, ran.out) == (0, "p-1\nnow a colleague confirms it\n")
    asked = ruled.service.asked[0]
    assert (asked.method, asked.path, asked.json) == ("POST", "/v1/transfers/t-1/court", SAID | until)


def test_a_ruling_without_its_scan_is_not_sent(ruled: School) -> None:
    ran = ruled.call(*COURT, "--sections", "okr", "--scan", "absent.pdf")
    assert (ran.code, ruled.service.asked) == (2, [])


def test_a_receiver_goes_on_under_another_code(ruled: School) -> None:
    ran = ruled.call("custody", "successor", "p-1", "22BB", "22BB01")
    assert (ran.code, ran.out) == (0, "e-1\ntold: 2 of the family\n")
    asked = ruled.service.asked[0]
    assert (asked.path, asked.json) == ("/v1/pupils/p-1/successors", {"receiver": "22BB00", "successor": "22BB01"})
    assert ruled.call("custody", "successor", "p-1", "22BB", "elders").code == 2
