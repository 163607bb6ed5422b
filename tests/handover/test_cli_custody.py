"""The commands for who holds gezag, a court's ruling and a new code, against a service on a loopback port."""

import hashlib
import json

import pytest

from consent.reasons import Reason, allows
from crypto.encoding import JSON
from tests.handover.loopback import as_json
from tests.handover.samples import written
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

HOLDER: dict[str, JSON] = {"name": "Quirine Voorbeeld", "mail": "q@gezin.example", "role": "guardian", "person": "g-1"}
EVIDENCE: dict[str, JSON] = {"kind": "gezagsregister", "date": "2026-11-20", "staff": "s-1"}
STATED: dict[str, JSON] = {"holders": [HOLDER], "evidence": EVIDENCE}


@pytest.mark.parametrize(
    ("more", "second"),
    [((), {}), (("--second", "s-2"), {"second_person": "s-2"})],
    ids=["by one", "by two"],
)
def test_who_holds_gezag_is_recorded_anew_from_a_file(
    at: School, more: tuple[str, ...], second: dict[str, JSON]
) -> None:
    written(at.desk.path("custody.json"), STATED)
    persons = [{"person": "g-1", "role": "guardian"}, {"person": "p-1", "role": "pupil"}]
    at.service.answer = lambda asked: as_json({"pupil": "p-1", "persons": persons})
    ran = at.call("custody", "state", "p-1", "custody.json", *more)
    assert (ran.code, ran.out) == (0, "p-1\npersons:\n  g-1  guardian\n  p-1  pupil\n")
    asked = at.service.asked[0]
    assert (asked.method, asked.path, asked.json) == ("PUT", "/v1/pupils/p-1/custody", STATED | second)


def test_the_custody_in_a_pupils_registration_is_taken_too(at: School) -> None:
    pupil: dict[str, JSON] = {"number": "17", "first_name": "Q", "birth_date": "2014-03-02", "custody": STATED}
    written(at.desk.path("pupil.json"), pupil)
    at.service.answer = lambda asked: as_json({"pupil": "p-1", "persons": []})
    assert at.call("custody", "state", "p-1", "pupil.json").code == 0
    assert at.service.asked[0].json == STATED


@pytest.mark.parametrize("text", ["", "[]", '{"holders": []', '{"custody": "Quirine"}', '{"holder": ["Quirine"]}'])
def test_what_is_no_custody_is_refused_with_its_file_and_form_and_without_a_word_of_it(at: School, text: str) -> None:
    at.desk.path("custody.json").write_text(text)
    ran = at.call("custody", "state", "p-1", "custody.json")
    assert (ran.code, at.service.asked) == (2, [])
    assert ran.err.startswith("handover: custody.json: ")
    assert "see --help" in ran.err
    assert "Quirine" not in ran.err


def test_the_help_shows_a_custody_that_can_be_copied(at: School) -> None:
    shown = at.desk.call("custody", "state", "--help").out
    example = json.loads(shown[shown.index("{") : shown.rindex("}") + 1])
    assert {"holders", "evidence"} <= set(example)


def test_who_is_refused_because_it_isn_t_known_who_decides_reads_which_command_helps(at: School) -> None:
    assert "`handover custody state`" in allows(Reason.CUSTODY_UNKNOWN).staff


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
