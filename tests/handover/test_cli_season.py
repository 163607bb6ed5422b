"""The commands for emergencies, paper and the season, against a service on a loopback port."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crypto.encoding import JSON
from handover.cli.emergency import LONGEST
from tests.handover.loopback import as_json
from tests.handover.test_cli_school import School, at

__all__ = ["at"]

FORM = "School 99AB00 wil gegevens sturen.\nU kiest: ja of nee."
SHA = hashlib.sha256(FORM.encode()).hexdigest()


def told(value: JSON) -> Any:
    return lambda asked: as_json(value)


def test_an_emergency_is_proposed_with_a_reason_from_a_file(at: School) -> None:
    (at.desk.folder / "why.txt").write_bytes(b"Er is haast bij.\nVandaag nog.\n")
    at.service.answer = told({"proposal": "p-1"})
    before = datetime.now(UTC)
    words = ("emergency", "propose", "t-1", "--ground", "meldcode", "--sections", "lvs,okr", "--hours", "72")
    ran = at.call(*words, "--reason", "why.txt")
    assert (ran.code, ran.out.splitlines()[0]) == (0, "p-1")
    asked = at.service.asked[0]
    body = asked.json
    assert (asked.method, asked.path) == ("POST", "/v1/transfers/t-1/emergency")
    until = datetime.fromisoformat(str(body.pop("until")))
    assert body == {"ground": "meldcode", "sections": ["okr", "lvs"], "reason": "Er is haast bij.\nVandaag nog."}
    assert timedelta(0) <= before + timedelta(hours=LONGEST) - until < timedelta(minutes=1)


@pytest.mark.parametrize(("hours", "code"), [("0", 2), ("73", 2)])
def test_an_emergency_of_no_or_too_many_hours_isn_t_even_asked(at: School, hours: str, code: int) -> None:
    (at.desk.folder / "why.txt").write_bytes(b"x")
    words = ("emergency", "propose", "t-1", "--ground", "meldcode", "--sections", "okr", "--hours", hours)
    assert at.call(*words, "--reason", "why.txt").code == code
    assert at.service.asked == []


def test_a_reason_that_is_no_text_is_refused(at: School) -> None:
    (at.desk.folder / "why.txt").write_bytes(b"\xff\xfe")
    words = ("emergency", "propose", "t-1", "--ground", "meldcode", "--sections", "okr", "--hours", "1")
    ran = at.call(*words, "--reason", "why.txt")
    assert (ran.code, "why.txt: not a text in UTF-8" in ran.err) == (2, True)
    assert at.service.asked == []


def test_an_emergency_is_ended(at: School) -> None:
    at.service.answer = told({"event": "e-1", "ended_at": "2026-12-31T00:00:00Z"})
    assert at.call("emergency", "end", "t-1", "e-1").out == "e-1 ended at 2026-12-31T00:00:00Z\n"
    assert at.service.asked[0].path == "/v1/transfers/t-1/emergency/e-1/end"


def test_k7_the_list_of_emergencies_is_safe_for_a_terminal(at: School) -> None:
    about = {"at": "A", "ground": "meldcode", "sections": ["okr", "lvs"], "until": "U", "reason": "een\n\x1b[2Jtwee"}
    release = {"event": "e-1", "by": "s-2", "second": "s-1"} | about
    at.service.answer = told({"releases": [release]})
    assert at.call("emergency", "list", "t-1").out.splitlines() == [
        "e-1  proposed by s-1, confirmed by s-2 at A",
        *("  meldcode  okr,lvs  until U", "  een", "  \N{REPLACEMENT CHARACTER}[2Jtwee"),
    ]
    assert json.loads(at.call("emergency", "list", "t-1", "--json").out)["releases"][0]["event"] == "e-1"
    at.service.answer = told({"releases": []})
    assert at.call("emergency", "list", "t-1").out == "no emergencies\n"


def notice(**changed: str) -> dict[str, Any]:
    return {"notice": {"version": 1, "language": "nl", "sha256": SHA, "text": FORM} | changed, "sections": ["okr"]}


def test_a_form_is_saved_word_for_word(at: School) -> None:
    at.service.answer = told(notice())
    assert at.call("paper", "form", "t-1", "--out", "form.txt").code == 0
    assert (at.desk.folder / "form.txt").read_bytes() == FORM.encode()
    assert at.service.asked[0].path == "/v1/transfers/t-1/paper"


@pytest.mark.parametrize("changed", [{"sha256": "0" * 64}, {"text": "iets anders"}, {"extra": "x"}])
def test_a_form_whose_words_aren_t_those_of_its_hash_is_refused(at: School, changed: dict[str, str]) -> None:
    at.service.answer = told(notice(**changed))
    assert at.call("paper", "form", "t-1", "--out", "form.txt").code == 2
    assert not (at.desk.folder / "form.txt").exists()


PAPER = ("--form", "form.txt", "--scan", "scan.pdf", "--collected", "meeting")
RECORD = ("paper", "record", "t-1", "g-1", *PAPER, "--signed-on", "2026-11-20")


@pytest.fixture
def signed(at: School) -> School:
    (at.desk.folder / "form.txt").write_bytes(FORM.encode())
    (at.desk.folder / "scan.pdf").write_bytes(b"%PDF-1.4 een scan")
    return at


def test_an_answer_from_paper_sends_hashes_and_no_paper(signed: School) -> None:
    signed.service.answer = told({"proposal": "p-1"})
    ran = signed.call(*RECORD, "--yes", "okr,lvs", "--no", "reports")
    assert (ran.code, ran.out) == (0, "p-1\nnow a colleague confirms it\n")
    asked = signed.service.asked[0]
    assert (asked.method, asked.path) == ("POST", "/v1/transfers/t-1/paper")
    assert asked.json == {
        "person": "g-1",
        "answers": {"okr": "yes", "lvs": "yes", "reports": "no"},
        "notice": SHA,
        "scan": hashlib.sha256(b"%PDF-1.4 een scan").hexdigest(),
        "collected": "meeting",
        "signed_on": "2026-11-20",
    }


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "say what the answer is"),
        (("--yes", "okr,lvs", "--no", "lvs"), "lvs: yes and no at once"),
        (("--yes", "alles"), "alles isn't a section"),
    ],
)
def test_an_answer_that_says_nothing_or_two_things_isn_t_sent(
    signed: School, words: tuple[str, ...], says: str
) -> None:
    ran = signed.call(*RECORD, *words)
    assert (ran.code, says in ran.err) == (2, True)
    assert signed.service.asked == []


def silent(person: str, **changed: Any) -> dict[str, Any]:
    usual = {"invited_at": "2026-11-02T09:00:00Z", "expired": False, "reminders": 1}
    return {"person": person, "role": "guardian"} | usual | {"next_reminder": "2026-11-12T09:00:00Z"} | changed


def row(transfer: str, group: str | None, *persons: dict[str, Any]) -> dict[str, Any]:
    return {"transfer": transfer, "pupil": f"of {transfer}", "group": group, "persons": list(persons)}


def test_the_season_is_a_table_with_totals_per_class(at: School) -> None:
    never = {"invited_at": None, "reminders": 0, "next_reminder": None}
    pages = [
        {"transfers": [row("t-1", "8a", silent("g-1"), silent("g-2", **never))], "next": "t-1"},
        {
            "transfers": [
                row("t-2", "8a", silent("g-3", expired=True, next_reminder=None)),
                row("t-3", None, silent("g-4", role="voogd", reminders=0)),
            ],
            "next": None,
        },
    ]
    at.service.answer = lambda asked: as_json(pages["cursor" in asked.path])
    assert at.call("season").out.splitlines() == [
        "class     transfer  person  role      invited             reminded  next reminder",
        "8a        t-1       g-1     guardian  2026-11-02          1         2026-11-12",
        "8a        t-1       g-2     guardian  -                   0         -",
        "8a        t-2       g-3     guardian  2026-11-02 (ended)  1         -",
        "8a: silent 3, pupils 2, not invited 1, reminders sent 2, to come 1",
        "no class  t-3       g-4     voogd     2026-11-02          0         2026-11-12",
        "no class: silent 1, pupils 1, not invited 0, reminders sent 0, to come 1",
    ]
    assert [asked.path for asked in at.service.asked] == ["/v1/season", "/v1/season?cursor=t-1"]


def test_the_season_names_the_transfers_of_which_it_isn_t_known_who_decides(at: School) -> None:
    known, unknown = row("t-1", "8a", silent("g-1")), row("t-2", "8a")
    rows = [known | {"custody_known": True}, unknown | {"custody_known": False}]
    at.service.answer = told({"transfers": rows, "next": None})
    assert at.call("season").out.splitlines()[2:] == [
        "8a: silent 1, pupils 1, not invited 0, reminders sent 1, to come 1",
        "t-2: it isn't known who decides: record who holds gezag with handover custody state of t-2",
    ]
    at.service.answer = told({"transfers": rows[1:], "next": None})
    assert len(at.call("season").out.splitlines()) == 1


def test_the_season_of_one_class_and_of_nobody(at: School) -> None:
    at.service.answer = told({"transfers": [], "next": None})
    ran = at.call("season", "--group", "8 a&b")
    assert (ran.code, ran.out) == (0, "no transfer that is under way waits for an answer\n")
    assert "group=8%20a%26b" in at.service.asked[0].path
    assert at.service.asked[0].staff is not None
    assert json.loads(at.call("season", "--json").out) == {"transfers": []}


@pytest.mark.parametrize(("words", "label"), [(("8a",), "8a"), ((), None)])
def test_a_pupil_is_put_into_a_class_or_taken_out(at: School, words: tuple[str, ...], label: str | None) -> None:
    at.service.answer = told({"pupil": "p-1"})
    assert at.call("transfer", "group", "p-1", *words).code == 0
    asked = at.service.asked[0]
    assert (asked.method, asked.path, asked.json) == ("PUT", "/v1/pupils/p-1/group", {"group": label})
