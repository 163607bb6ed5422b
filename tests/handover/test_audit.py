"""What a board's FG finds in the access log: the own side, newest first, each look written down."""

import csv
import io
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from zstandard import ZstdDecompressor

from consent.export import compress
from consent.fields import print_time
from consent.reasons import Reason
from consent.verify import verify_export
from crypto.cosignature import Cosigner
from crypto.keys import SignKey
from handover.accesslog import Did
from handover.api.auditforms import AuditSearch
from handover.audit import COLUMNS, OUTCOMES
from handover.sweeping import sweep
from handover.witnessing import enroll
from tests.handover.story import OTHER, PO, VO, Case, Story, later
from tests.region import expect, now

SENDER, RECEIVER = "po-noord", "vo-zuid"


@pytest.fixture(scope="module")
def seen(standing: Story) -> Case:
    """One transfer that was refused, answered, released and withdrawn, with an FG on either side."""
    standing.region.dpo(SENDER)
    standing.region.dpo(RECEIVER)
    case = standing.case()
    case.refused("NO_GRANT")
    case.all_say(okr="yes", opp="yes")
    case.ask("okr")
    case.family("withdrawal", sections=["opp"], destroy_now=False)
    case.refused("WITHDRAWN", "opp")
    case.ask("reports", status=403)
    return case


def search(story: Story, board: str, status: int = 200, **asked: Any) -> list[dict[str, Any]]:
    answer = expect(story.region.examine(board, "POST", "/v1/audit/search", asked), status).get_json()
    entries: list[dict[str, Any]] = answer.get("entries", [])
    return entries


def test_the_senders_fg_reads_why_a_release_was_refused_and_the_receivers_fg_only_that_it_was(seen: Case) -> None:
    """K9"""
    sender = search(seen.story, SENDER, kind="release", pupil=seen.child.pupil)
    assert [row["outcome"] for row in sender] == ["SECTION_NOT_COVERED", "WITHDRAWN", "granted", "NO_GRANT"]
    assert {row["pupil"] for row in sender} == {seen.child.pupil}
    receiver = search(seen.story, RECEIVER, kind="release", person=f"{VO}.s-1")
    assert [row["outcome"] for row in receiver[:4]] == ["refused", "refused", "granted", "refused"]
    assert {row["pupil"] for row in receiver} == {None}
    assert {row["who"] for row in receiver} == {f"{VO}.s-1"}


@pytest.mark.parametrize(
    ("asked", "kinds"),
    [
        ({"section": "opp", "outcome": "WITHDRAWN"}, {"release"}),
        ({"ground": "consent", "kind": "release"}, {"release"}),
        ({"school": VO, "outcome": "granted", "section": "okr"}, {"release", "acknowledged", "applied"}),
        ({"kind": "withdraw"}, {"withdraw"}),
        ({"outcome": "OBJECTION_UPHELD"}, set()),
        ({"outcome": "overdue"}, set()),
    ],
    ids=["section", "ground", "school", "kind", "nothing", "no word"],
)
def test_each_criterion_narrows_the_search(seen: Case, asked: dict[str, Any], kinds: set[str]) -> None:
    found = search(seen.story, SENDER, pupil=seen.child.pupil, **asked)
    assert {row["kind"] for row in found} <= kinds
    assert bool(found) is bool(kinds)


def test_a_search_by_days_includes_both(seen: Case) -> None:
    today = now().date()
    assert search(seen.story, SENDER, since=today.isoformat(), until=today.isoformat())
    assert search(seen.story, SENDER, until=(today - timedelta(days=1)).isoformat()) == []


def test_pages_follow_on_each_other_without_a_hole(seen: Case) -> None:
    whole = search(seen.story, SENDER, limit=100)
    paged: list[dict[str, Any]] = []
    cursor: dict[str, int] = {"cursor": whole[0]["index"] + 1}
    while cursor:
        answer = seen.story.region.examine(SENDER, "POST", "/v1/audit/search", {"limit": 7, **cursor}).get_json()
        paged += answer["entries"]
        cursor = {} if answer["next"] is None else {"cursor": answer["next"]}
    assert [row["index"] for row in paged][: len(whole)] == [row["index"] for row in whole]
    assert [row["number"] for row in paged] == list(range(len(paged), 0, -1))


def test_a_pupil_is_found_by_the_boards_own_number(standing: Story, seen: Case) -> None:
    child = standing.region.pupil(PO, number="L-77")
    assert {row["pupil"] for row in search(standing, SENDER, pupil_number="L-77")} == {child.pupil}
    assert search(standing, SENDER, pupil_number="L-78") == []
    assert search(standing, RECEIVER, pupil_number="L-77") == []


def test_another_boards_pupil_and_person_lead_nowhere(seen: Case) -> None:
    """A8"""
    assert search(seen.story, RECEIVER, pupil=seen.child.pupil) == []
    assert search(seen.story, RECEIVER, person=f"{PO}.s-1") == []


def test_every_look_is_an_entry_of_the_log_before_anything_is_shown(seen: Case) -> None:
    """K6"""
    before = seen.story.size()
    search(seen.story, SENDER, outcome="granted")
    (entry,) = seen.story.journal(Did.AUDIT_SEARCHED)[-1:]
    assert seen.story.size() == before + 1
    assert entry.actor is not None
    assert (entry.actor.id, entry.terms["outcome"]) == (f"{SENDER}.fg-1", "granted")
    assert search(seen.story, SENDER, kind="audit_searched")[1]["index"] == entry.index


def test_a_search_for_a_pupil_is_sealed_with_that_pupil(seen: Case) -> None:
    search(seen.story, SENDER, pupil=seen.child.pupil)
    entry = seen.story.journal(Did.AUDIT_SEARCHED)[-1]
    assert entry.pupil == seen.child.pupil
    assert seen.child.pupil not in str(entry.terms)


def test_an_fg_never_reads_somebodys_words(seen: Case) -> None:
    text = "Dit zijn mijn eigen woorden."
    seen.family("view", text=text, travels=True, done=False)
    whole = search(seen.story, SENDER, pupil=seen.child.pupil, limit=100)
    assert text not in str(whole)
    assert all(set(row) == set(COLUMNS) for row in whole)


@pytest.mark.parametrize(
    ("what", "since", "until", "place"),
    [
        ("patterns", "0001-01-01", "0001-01-02", "/since"),
        ("patterns", "2999-12-31", "3000-01-01", "/until"),
        ("breach", "0001-01-01T00:00:00+14:00", "2026-01-01T00:00:00Z", "/since"),
        ("breach", "2026-01-01T00:00:00Z", "9999-12-31T23:59:00-12:00", "/until"),
    ],
)
def test_a_period_out_of_this_time_is_refused_with_its_place(
    seen: Case, what: str, since: str, until: str, place: str
) -> None:
    """G4, I2"""
    asked = {"since": since, "until": until}
    answer = expect(seen.story.region.examine(SENDER, "POST", f"/v1/audit/{what}", asked), 422).get_json()
    assert place in answer["fields"]


@pytest.mark.parametrize(
    ("asked", "place"),
    [
        ({"section": "bsn"}, "/section"),
        ({"kind": "peek"}, "/kind"),
        ({"limit": 101}, "/limit"),
        ({"cursor": -1}, "/cursor"),
        ({"since": "gisteren"}, "/since"),
        ({"pupil": "a", "pupil_number": "1"}, "/pupil_number"),
        ({"sql": "1"}, "/?"),
        ({"outcome": "Jan Jansen"}, "/outcome"),
        ({"outcome": "ingetrokken"}, "/outcome"),
        ({"outcome": "Withdrawn"}, "/outcome"),
        ({"until": "9999-12-31"}, "/until"),
    ],
    ids=str,
)
def test_a_search_of_another_form_is_refused_with_its_place(seen: Case, asked: dict[str, Any], place: str) -> None:
    """G4"""
    answer = expect(seen.story.region.examine(SENDER, "POST", "/v1/audit/search", asked), 422).get_json()
    assert place in answer["fields"]


def test_each_word_that_the_log_has_for_an_outcome_can_be_looked_for() -> None:
    ends = {did.name.lower() for did in (Did.DELIVERED, Did.ABORTED, Did.UNKNOWN)}
    assert {"granted", "refused", "due_soon", "overdue", *ends} == set(OUTCOMES)
    asked = [*OUTCOMES, "SECOND_NEEDED", *(reason.name for reason in Reason)]
    assert [word for word in asked if AuditSearch().validate({"outcome": word})] == []


def test_an_export_is_verified_offline_and_holds_the_own_side_alone(seen: Case, tmp_path: Path) -> None:
    """K1"""
    region = seen.story.region
    answer = expect(region.examine(RECEIVER, "POST", "/v1/audit/export", {}), 200)
    file = tmp_path / "export.jsonl.zst"
    file.write_bytes(answer.get_data())
    note = region.http.get("/v1/journal/checkpoint").get_data()
    report = verify_export(file, region.parts.log_key.public, note)
    assert report.findings == ()
    assert report.board == RECEIVER
    assert answer.content_type == "application/zstd"


def test_what_is_sent_on_is_what_an_export_writes_and_comes_piece_by_piece(seen: Case) -> None:
    journal = seen.story.region.parts.journal
    for board in (None, SENDER, RECEIVER):
        out = io.BytesIO()
        assert journal.export(out, board) == seen.story.size()
        lines = list(journal.exported(board))
        assert [line.count(b"\n") for line in lines] == [1] * len(lines)
        assert b"".join(lines) == out.getvalue()
        assert ZstdDecompressor().stream_reader(b"".join(compress(lines))).read() == out.getvalue()
    answer = seen.story.region.examine(SENDER, "POST", "/v1/audit/export", {})
    assert answer.is_streamed
    assert "Content-Length" not in answer.headers


def test_a_table_for_a_spreadsheet_holds_no_formula(seen: Case) -> None:
    """E5"""
    region = seen.story.region
    region.send(OTHER, "GET", "/v1/transfers?side=sender", staff="-2")
    data = expect(region.examine(SENDER, "POST", "/v1/audit/export", {"form": "csv"}), 200).get_data()
    rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    assert rows[0] == list(COLUMNS)
    assert len(rows) > 10
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@"))]


def patterns(story: Story, board: str, *names: str, days: int = 30) -> dict[str, dict[str, Any]]:
    today = now().date()
    body = {"since": (today - timedelta(days=days)).isoformat(), "until": (today + timedelta(days=1)).isoformat()}
    asked: dict[str, Any] = body | ({"names": list(names)} if names else {})
    answer = expect(story.region.examine(board, "POST", "/v1/audit/patterns", asked), 200).get_json()
    return {pattern["name"]: pattern for pattern in answer["patterns"]}


def test_requests_after_a_withdrawal_are_a_pattern(seen: Case) -> None:
    found = patterns(seen.story, SENDER, "after_withdrawal")
    assert list(found) == ["after_withdrawal"]
    assert found["after_withdrawal"]["count"] == 1


def test_a_flagged_child_is_a_pattern(standing: Story, seen: Case) -> None:
    """K9"""
    case = standing.agreed()
    path = f"/v1/pupils/{case.child.pupil}/flag"
    expect(standing.region.send(PO, "PUT", path, {"colleague": True}, role="principal"), 200)
    case.ask("okr")
    assert patterns(standing, SENDER, "colleagues_child")["colleagues_child"]["count"] == 1
    expect(standing.region.send(PO, "PUT", path, {"colleague": False}, role="principal"), 200)
    assert patterns(standing, SENDER, "colleagues_child")["colleagues_child"]["count"] == 0


def test_repeated_refusals_are_told_once_for_each_crowd(lite: Story) -> None:
    lite.region.dpo(SENDER)
    case = lite.case()
    for _ in range(4):
        case.ask("okr", status=403)
    assert patterns(lite, SENDER, "repeated_refusals")["repeated_refusals"]["count"] == 0
    case.ask("okr", status=403)
    found = patterns(lite, SENDER, "repeated_refusals")["repeated_refusals"]
    assert (found["count"], len(found["found"][0]["entries"]), found["found"][0]["who"]) == (1, 5, f"{VO}.s-1")


def test_a_delivery_that_nobody_confirmed_is_a_pattern_after_two_weeks(lite: Story) -> None:
    lite.region.dpo(SENDER)
    case = lite.agreed("okr", "opp")
    case.ask("okr")
    assert patterns(lite, SENDER, "not_acknowledged")["not_acknowledged"]["count"] == 0
    with later(days=15):
        assert patterns(lite, SENDER, "not_acknowledged")["not_acknowledged"]["count"] == 1
        lite.region.post(VO, f"{case.path}/acknowledgement", {"received": True, "placed": True})
        assert patterns(lite, SENDER, "not_acknowledged")["not_acknowledged"]["count"] == 0


def test_every_pattern_says_why_in_two_languages(seen: Case) -> None:
    for pattern in patterns(seen.story, SENDER).values():
        assert pattern["why"]
        assert pattern["waarom"]


def test_the_openapi_document_says_what_each_answer_holds(seen: Case) -> None:
    document = seen.story.region.http.get("/v1/openapi.json").get_json()
    forms = document["components"]["schemas"]
    assert list(forms["AuditEntry"]["properties"]) == list(COLUMNS)
    found = {
        path.removeprefix("/v1/audit/"): item["post"]["responses"]["200"]["content"]
        for path, item in document["paths"].items()
        if path.startswith("/v1/audit/")
    }
    assert set(found.pop("export")) == {"application/zstd", "text/csv"}
    assert {name: content["application/json"]["schema"]["$ref"].split("/")[-1] for name, content in found.items()} == {
        "search": "AuditFound",
        "patterns": "PatternsFound",
        "breach": "BreachReport",
    }


def test_an_fg_reports_what_of_the_own_board_was_touched(seen: Case) -> None:
    asked = {"since": print_time(now() - timedelta(hours=1)), "until": print_time(now() + timedelta(hours=1))}
    region = seen.story.region
    made = expect(region.examine(SENDER, "POST", "/v1/audit/breach", asked), 200).get_json()
    assert (made["board"], made["pupils"][seen.child.pupil]["sections_released"]) == (SENDER, ["okr"])
    entry = seen.story.journal(Did.BREACH_REPORTED)[-1]
    assert (entry.actor and entry.actor.id, set(entry.boards)) == (f"{SENDER}.fg-1", {SENDER})
    other = expect(region.examine(RECEIVER, "POST", "/v1/audit/breach", asked), 200).get_json()
    assert (other["board"], other["pupils"]) == (RECEIVER, {})
    assert seen.transfer in other["transfers"]
    backwards = {"since": asked["until"], "until": asked["until"]}
    refused = expect(region.examine(SENDER, "POST", "/v1/audit/breach", backwards), 422).get_json()
    assert refused["fields"] == {"/until": "Must lie after since."}


def test_what_concerns_the_whole_service_every_fg_finds_and_not_how_much_others_lost(
    lite: Story, tmp_path: Path
) -> None:
    witness = Cosigner("fg.test", SignKey.generate("witness").public)
    enroll(lite.region.parts, witness.print())
    lite.agreed()
    with later(days=200):
        sweep(lite.region.parts, accept=1.0, accept_clock=True)
        for board in (SENDER, RECEIVER):
            lite.region.dpo(board)
            (swept,) = search(lite, board, kind="swept")
            assert (swept["who"], swept["outcome"]) == ("overdracht", "granted")
            assert search(lite, board, kind="witness_enrolled")
            assert search(lite, board, kind="epoch_turned")
            file = tmp_path / board
            file.write_bytes(lite.region.examine(board, "POST", "/v1/audit/export", {}).get_data())
            assert verify_export(file, lite.region.parts.log_key.public).findings == ()
            lines = ZstdDecompressor().stream_reader(file.read_bytes()).read().splitlines()
            assert json.loads(lines[swept["index"] + 1])["parts"]["terms"] is None
