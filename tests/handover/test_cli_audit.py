"""`handover audit` on an FG's own machine: what it asks a real service for, prints, verifies and refuses."""

import csv
import io
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from zstandard import ZstdCompressor, ZstdDecompressor

from crypto.encoding import JSON
from crypto.keyfile import print_identity
from crypto.keys import SignKey
from handover.accesslog import Did
from handover.audit import COLUMNS
from handover.cli.terminal import answer, progress
from handover.patterns import NAMES
from tests.handover.live import Live, copied, listening
from tests.handover.loopback import Answer, as_json, service
from tests.handover.samples import PASSPHRASE, Desk, Ran
from tests.handover.story import OTHER, VO, Case
from tests.region import now

BOARD = "po-noord"
HEADS = (
    "index when what outcome who role sections ground emergency erased pupil",
    "nummer wanneer wat uitkomst wie rol onderdelen grondslag spoed gewist leerling",
)
EVIL = "x\x1b[2J\r\n\x9b1A  20  release  granted\u202e\u2028"


@dataclass
class Office:
    """An FG's machine: a folder with the key, the trust file, and nothing of a school or of the service."""

    live: Live
    desk: Desk
    case: Case

    def call(self, *words: str | Path, root: bool = True) -> Ran:
        who = ("--origin", self.live.origin, "--keyfile", "fg.key", "--staff", "fg-1")
        trust = ("--root", self.live.folder / "trust") if words[0] == "export" and root else ()
        return self.desk.call("audit", *words, *who, *trust)


@pytest.fixture(scope="module")
def office(sqlite_templates: dict[str, Path], scratch: Path) -> Iterator[Office]:
    folder = Path(tempfile.mkdtemp(dir=scratch))
    with (
        copied(sqlite_templates, folder) as databases,
        pytest.MonkeyPatch.context() as patch,
        listening(databases, folder, patch) as live,
    ):
        case = live.story.agreed("okr")
        case.ask("okr")
        case.ask("opp", status=403)
        own = folder / "fg"
        own.mkdir()
        (own / "fg.key").write_bytes(print_identity(live.story.region.dpo(BOARD), PASSPHRASE))
        yield Office(live, Desk(own), case)
    shutil.rmtree(folder)


def days(back: int = 1) -> tuple[str, ...]:
    today = now().date()
    first, last = today - timedelta(days=back), today + timedelta(days=1)
    return ("--since", first.isoformat(), "--until", last.isoformat())


def test_a_search_lists_who_did_what_under_a_head_in_two_languages(office: Office) -> None:
    ran = office.call("search", "--kind", "release", "--pupil", office.case.child.pupil)
    assert (ran.code, ran.err) == (0, "")
    english, dutch, *rows = [line.split() for line in ran.out.splitlines()]
    assert (" ".join(english), " ".join(dutch)) == HEADS
    assert [row[2:7] for row in rows] == [
        ["release", "SECTION_NOT_COVERED", f"{VO}.s-1", "internal_supervisor", "opp"],
        ["release", "granted", f"{VO}.s-1", "internal_supervisor", "okr"],
    ]
    assert {row[-1] for row in rows} == {office.case.child.pupil}


def test_a_search_in_json_goes_on_over_pages_up_to_what_was_asked_for(office: Office) -> None:
    whole = office.call("search", "--json", "--most", "10000").json["entries"]
    assert isinstance(whole, list)
    before = office.live.story.size()
    for _ in range(110):
        office.live.story.region.examine(BOARD, "POST", "/v1/audit/search", {"limit": 1})
    more = office.call("search", "--json", "--most", "105", "--kind", "audit_searched").json["entries"]
    assert isinstance(more, list)
    assert len({row["index"] for row in more if isinstance(row, dict)}) == 105
    assert office.live.story.size() == before + 112  # the two pages are two searches


def test_what_is_looked_for_reaches_the_service_as_it_was_typed(office: Office) -> None:
    criteria = {
        "person": f"{VO}.s-1",
        "school": VO,
        "section": "okr",
        "ground": "consent",
        "outcome": "granted",
        "kind": "release",
        "since": now().date().isoformat(),
        "until": now().date().isoformat(),
    }
    words = [word for name, value in criteria.items() for word in (f"--{name}", value)]
    ran = office.call("search", "--json", *words)
    assert [row["outcome"] for row in ran.json["entries"] if isinstance(row, dict)] == ["granted"]  # type: ignore[union-attr]
    terms = dict(office.live.story.journal(Did.AUDIT_SEARCHED)[-1].terms)
    kept = str(terms.pop("person"))  # a tag: test_audit_traces.py
    assert (len(kept), terms) == (
        64,
        {name: value for name, value in criteria.items() if name != "person"} | {"limit": "100"},
    )
    assert office.call("search", "--pupil-number", "K-0").out == "Nothing was found.\n"


def test_an_outcome_that_the_log_doesn_t_know_is_refused_or_told(office: Office) -> None:
    ran = office.call("search", "--outcome", "ingetrokken")
    assert (ran.code, ran.out) == (2, "")
    assert "/outcome: One of granted, refused, " in ran.err
    for outcome, says in (("WITDRAWN", "The rule has no reason WITDRAWN. It has: "), ("OBJECTION_UPHELD", "")):
        lines = office.call("search", "--outcome", outcome).out.splitlines()
        assert lines[0] == "Nothing was found."
        assert [line.startswith(says) for line in lines[1:]] == [True] * bool(says)


def test_patterns_are_told_with_their_reason_in_two_languages(office: Office) -> None:
    ran = office.call("patterns", *days(), "--pattern", "paper", "--pattern", "attempts")
    assert ran.code == 0
    assert [line.split() for line in ran.out.splitlines() if line[4:5].isdigit()] == [["0", "attempts"], ["0", "paper"]]
    assert "Een antwoord is overgenomen van papier" in ran.out
    assert "An answer was taken over from paper" in ran.out
    whole = office.call("patterns", *days(), "--json").json["patterns"]
    assert isinstance(whole, list)
    assert [one["name"] for one in whole if isinstance(one, dict)] == list(NAMES)


def test_an_export_is_verified_as_soon_as_it_is_there(office: Office) -> None:
    """K1"""
    ran = office.call("export", "own.zst", "--json")
    assert (ran.code, ran.json["verified"], ran.json["findings"], ran.json["board"]) == (0, True, [], BOARD)
    assert ran.json["bytes"] == office.desk.path("own.zst").stat().st_size
    told = office.call("export", "again.zst")
    assert f"side of board {BOARD}" in told.out
    assert "NOT" not in told.out
    assert "entries against the service's own checkpoint of just now" in told.out
    assert "kept elsewhere" not in told.out
    assert office.call("export", "own.zst").code == 2, "nothing is overwritten"


def test_an_export_without_a_trust_file_says_that_it_was_not_verified(office: Office) -> None:
    ran = office.call("export", "bare.zst", root=False)
    assert (ran.code, ran.out.splitlines()[-1]) == (0, "NOT VERIFIED: name the trust file.")
    table = office.call("export", "own.csv", "--csv")
    assert (table.code, table.out.splitlines()[-1]) == (0, "NOT VERIFIED: a table proves nothing.")
    rows = list(csv.reader(io.StringIO(office.desk.path("own.csv").read_text("utf-8-sig"), newline="")))
    assert rows[0] == list(COLUMNS)


def test_an_export_is_no_table_by_its_name_alone(office: Office) -> None:
    ran = office.call("export", "table.CSV")
    assert (ran.code, ran.err) == (2, "handover: table.CSV: add --csv for a table, or give it another name\n")
    assert not office.desk.path("table.CSV").exists()


def elsewhere(folder: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command on a machine that has the package and nothing else: no settings, no folder of ours."""
    start = "import sys; from handover.cli import main; sys.argv[0] = 'handover'; main()"
    command = [sys.executable, "-I", "-c", start, *map(str, words)]
    return subprocess.run(
        command, cwd=folder, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False
    )


def test_an_export_is_verified_on_another_machine_and_not_after_a_character_was_changed(
    office: Office, tmp_path: Path
) -> None:
    """K1"""
    assert office.call("export", "carried.zst").code == 0
    file = tmp_path / "export.jsonl"
    file.write_bytes(ZstdDecompressor().stream_reader(office.desk.path("carried.zst").read_bytes()).read())
    packed = shutil.copy(office.desk.path("carried.zst"), tmp_path / "export.zst")
    shutil.copy(office.live.folder / "trust", tmp_path / "log.pub")
    against = ("--key", "log.pub", "--checkpoint", "kept")
    (tmp_path / "kept").write_bytes(json.loads(file.read_bytes().splitlines()[-1])["checkpoint"].encode())
    for export in (packed, file):
        ran = elsewhere(tmp_path, "journal", "verify", export, *against)
        assert (ran.returncode, ran.stderr) == (0, "")
        assert "NOT" not in ran.stdout
        assert "Without" not in ran.stdout
    place, data = file.read_bytes().rindex(b"s-1"), bytearray(file.read_bytes())
    data[place] ^= 1
    file.write_bytes(data)
    ran = elsewhere(tmp_path, "journal", "verify", file, *against)
    named = json.loads(data.splitlines()[bytes(data[:place]).count(b"\n")])["n"]
    assert ran.returncode == 2
    assert f"NOT  entry {named}:" in ran.stdout


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ((), "Without --key and --checkpoint this says only: consistent with itself."),
        (("--key", "trust"), "Without --checkpoint this can't tell whether others were shown another log."),
        (("--checkpoint", "kept"), "Without --key this can't tell who signed the checkpoints."),
    ],
    ids=["neither", "key", "checkpoint"],
)
def test_a_verification_names_what_it_lacks(office: Office, given: tuple[str, ...], says: str) -> None:
    file = office.desk.path(f"lacking-{len(given)}-{''.join(given)[2:5]}.zst")
    assert office.call("export", file).code == 0
    lines = ZstdDecompressor().stream_reader(file.read_bytes()).read().splitlines()
    office.desk.path("kept").write_bytes(json.loads(lines[-1])["checkpoint"].encode())
    shutil.copy(office.live.folder / "trust", office.desk.path("trust"))
    ran = office.desk.call("journal", "verify", file, *given)
    assert (ran.code, ran.out.splitlines()[-1]) == (0, says)


def test_an_export_from_before_a_checkpoint_is_called_older_and_not_altered(office: Office) -> None:
    assert office.call("export", "older.zst").code == 0
    assert office.call("export", "newer.zst").code == 0
    lines = ZstdDecompressor().stream_reader(office.desk.path("newer.zst").read_bytes()).read().splitlines()
    office.desk.path("newer").write_bytes(json.loads(lines[-1])["checkpoint"].encode())
    ran = office.desk.call(
        "journal", "verify", "older.zst", "--checkpoint", "newer", "--key", office.live.folder / "trust"
    )
    said = "This export is older than the checkpoint, or its end is missing: take a new one, and verify that."
    assert (ran.code, ran.out.splitlines()[-1]) == (2, said)
    office.desk.path("newer").write_bytes(b"no note")
    assert said not in office.desk.call("journal", "verify", "older.zst", "--checkpoint", "newer").out


def test_a_breach_report_names_what_was_touched(office: Office) -> None:
    ran = office.call("breach", *days())
    assert ran.code == 0
    assert ran.out.startswith(f"Board {BOARD}, from ")
    assert f"    {office.case.child.pupil}: released 1 okr, tried 1 opp" in ran.out.splitlines()
    assert "  pupils of this board (eigen leerlingen): 1" in ran.out.splitlines()
    assert office.call("breach", *days(), "--json").json["released"] == 1
    backwards = office.call("breach", "--since", "2027-02-01", "--until", "2027-01-01")
    assert (backwards.code, "/until: Must lie after since." in backwards.err) == (2, True)


def test_a_key_that_the_board_never_stated_gets_nothing(office: Office) -> None:
    office.desk.path("other.key").write_bytes(print_identity(SignKey.generate("dpo"), PASSPHRASE))
    office.desk.path("board.key").write_bytes(print_identity(SignKey.generate("identity"), PASSPHRASE))
    for key, said in (("other.key", "SIGNATURE_REFUSED"), ("board.key", "where that of a dpo is needed")):
        ran = office.desk.call("audit", "search", "--origin", office.live.origin, "--keyfile", key, "--staff", "fg-1")
        assert (ran.code, ran.out) == (2, "")
        assert said in ran.err
    assert OTHER not in ran.err


# ---- what a service says that wants to deceive


def said(row: dict[str, JSON]) -> dict[str, JSON]:
    return {"entries": [row], "next": None}


def asked(folder: Path, answers: Answer, *words: str) -> Ran:
    """Run a command against a service that gives this answer."""
    key = SignKey.generate("dpo")
    (folder / "fg.key").write_bytes(print_identity(key, PASSPHRASE))
    with service({key.kid: key.public}) as running:
        running.answer = lambda _: answers
        who = ("--origin", running.origin, "--keyfile", "fg.key", "--staff", "fg-1")
        return Desk(folder).call("audit", *words, *who)


HIT = {"at": EVIL, "who": EVIL, "entries": [EVIL]}
COUNTS = {"released": 1, "tried": 0, "sections_released": [EVIL], "sections_tried": []}
DECEIVING = [
    (("search",), said(dict.fromkeys(COLUMNS, EVIL) | {"sections": [EVIL], "emergency": True}), 3),
    (
        ("patterns", "--since", "2027-01-01", "--until", "2027-01-31"),
        {"patterns": [{"name": EVIL, "why": EVIL, "waarom": EVIL, "count": EVIL, "found": [HIT]}]},
        4,
    ),
    (
        ("breach", "--since", "2027-01-01", "--until", "2027-01-31"),
        {"board": EVIL, "since": EVIL, "sections": {}, "schools": {}, "persons": {EVIL: COUNTS}}
        | {"pupils": {}, "transfers": {}},
        9,
    ),
]


@pytest.mark.parametrize(("words", "value", "lines"), DECEIVING, ids=["search", "patterns", "breach"])
def test_nothing_that_a_service_says_moves_a_terminal_or_begins_a_line(
    tmp_path: Path, words: tuple[str, ...], value: dict[str, JSON], lines: int
) -> None:
    """K7"""
    ran = asked(tmp_path, as_json(value), *words)
    assert ran.code == 0, ran.err
    assert len(ran.out.split("\n")) == lines + 1
    assert all(sign == "\n" or sign.isprintable() for sign in ran.out)
    as_data = asked(tmp_path, as_json(value), *words, "--json")
    assert as_data.out.rstrip("\n").isprintable()
    assert value | json.loads(as_data.out) == value


@pytest.mark.parametrize("odd", [{"entries": 1, "next": None}, {"entries": [], "next": "a"}, {"entries": [1]}, {}])
def test_an_answer_of_another_form_is_a_fault_of_the_service(tmp_path: Path, odd: dict[str, JSON]) -> None:
    ran = asked(tmp_path, as_json(odd), "search")
    assert (ran.code, ran.out) == (2, "")


def test_an_export_that_does_not_verify_ends_with_two_and_is_kept(office: Office, tmp_path: Path) -> None:
    """K1"""
    assert office.call("export", "good.zst").code == 0
    good = ZstdDecompressor().stream_reader(office.desk.path("good.zst").read_bytes()).read()
    bad = good.replace(b'"role":"internal_supervisor"', b'"role":"internal_supervisoR"', 1)
    assert bad != good
    note = json.loads(good.splitlines()[-1])["checkpoint"].encode()
    key = SignKey.generate("dpo")
    (tmp_path / "fg.key").write_bytes(print_identity(key, PASSPHRASE))
    with service({key.kid: key.public}) as running:
        export = Answer(200, ZstdCompressor().compress(bad), "application/zstd")
        running.answer = lambda asked: Answer(200, note, "text/plain") if asked.method == "GET" else export
        who = ("--origin", running.origin, "--keyfile", "fg.key", "--staff", "fg-1")
        ran = Desk(tmp_path).call("audit", "export", "out", *who, "--root", office.live.folder / "trust", "--json")
    assert (ran.code, ran.json["verified"]) == (2, False)
    assert (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "wrong", [Answer(200, b"index,at", "text/csv"), Answer(200, b"a whole export", "application/zstd", cut=3)]
)
def test_an_export_that_is_no_export_or_breaks_off_leaves_no_file(tmp_path: Path, wrong: Answer) -> None:
    ran = asked(tmp_path, wrong, "export", "out")
    assert (ran.code, ran.out) == (2, "")
    assert [path.name for path in tmp_path.iterdir()] == ["fg.key"]


def test_what_is_done_is_shown_where_nobody_knows_the_total(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    with progress("export", None) as done:
        done(3_000_000)
    assert "export" in screen.getvalue()
    assert "3.0 MB" in screen.getvalue()


class Screen(io.StringIO):
    """A terminal that remembers."""

    def isatty(self) -> bool:
        return True


def test_json_for_a_script_holds_no_sign_that_a_terminal_obeys(capsys: pytest.CaptureFixture[str]) -> None:
    """K7"""
    value = {"a": EVIL, "b": "\U000e0001é"}
    answer(value, "", as_json=True)
    printed = capsys.readouterr().out
    assert printed.rstrip("\n").isprintable()
    assert "é" in printed
    assert json.loads(printed) == value
