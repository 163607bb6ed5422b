"""The register of processing (AVG art. 30): complete, in Dutch, and the same as the tables say."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from consent.terms import (
    CONSENT_ROW,
    STATUS_REQUIREMENT,
    STATUTORY_ROWS,
    EmergencyGround,
    Ground,
    PolicyKind,
    Purpose,
    Route,
    Section,
    ground,
)
from handover import processing
from handover.cli import main
from handover.processing import CONCERNED, MEASURES, PHRASES, Described, dutch, register
from handover.retention import TABLE, HeldBy, Kept, Term, Unit
from handover.roles import Role
from tests.handover.story import Story
from tests.handover.test_breach import run

ROOT = Path(__file__).resolve().parents[2]
COMMITTED = ROOT / "deploy" / "register-of-processing.md"
BOARD = Described("po-noord", "Bestuur Noord", ("11AA00", "11AA01"), PolicyKind.WETTELIJK)


def test_the_committed_register_is_what_the_tables_say() -> None:
    assert COMMITTED.read_text("utf-8") == register(), f"make it again: {processing.COMMAND}"


def test_every_section_and_every_kind_of_data_is_in_the_register() -> None:
    text = register()
    words = [
        (processing.PURPOSES, Purpose),
        (processing.SECTIONS, Section),
        (processing.ROUTES, Route),
        (processing.GROUNDS, Ground),
        (processing.POLICIES, PolicyKind),
        (processing.EMERGENCIES, EmergencyGround),
        (processing.ROLES, Role),
        (processing.KEPT, Kept),
        (processing.UNITS, Unit),
        (processing.HELD_BY, HeldBy),
    ]
    for table, members in words:
        assert list(table) == list(members)
    assert not [one.who for one in CONCERNED if one.data not in text]
    assert not [one for one in (*Section, *Purpose) if f"`{one}`" not in text]
    assert not [reason for reason, _ in processing.EMERGENCIES.values() if reason not in text]


@pytest.mark.parametrize("policy", PolicyKind)
@pytest.mark.parametrize("route", Route)
def test_each_cell_of_the_table_of_grounds_stands_there_for_its_routes(policy: PolicyKind, route: Route) -> None:
    text = register(Described("b", "B", (), policy))
    name = "elke overstap" if policy is PolicyKind.TOESTEMMING else processing.ROUTES[route]
    parts = re.split(r"^Voor (?=[^`\n]*:$)", text, flags=re.MULTILINE)[1:]
    (part,) = [part for part in parts if name in part.split(":")[0].split(", ")]
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", part, re.MULTILINE)[: len(Section)])
    for section in Section:
        need = ground(policy, route, Purpose.PLACEMENT, section)
        assert rows[section] == f"{processing.GROUNDS[need.ground]} | {dutch(need.source)}"


def test_a_source_is_told_in_dutch() -> None:
    rows = (CONSENT_ROW, *STATUTORY_ROWS.values())
    sources = {need.source for row in rows for need in row.values()} | {STATUS_REQUIREMENT.source}
    sources |= {row.basis.split(": ")[0] for row in TABLE.values()}
    english = re.compile(r"\b(the|only|what|year|before|health|relation|successor|needs|and|of)\b")
    assert not [source for source in map(dutch, sources) if english.search(source)]
    assert not [phrase for phrase in PHRASES if not any(phrase in source for source in sources)]


def test_each_row_of_the_retention_table_stands_there_with_its_term() -> None:
    text = register()
    assert "| 5 jaar | gewist | AVG art. 7(1), 5(2) | ja |" in text
    for kept, row in TABLE.items():
        data, since, then = processing.KEPT[kept]
        assert f"| {data} | {since} | {processing.term(row.term)} | {then} | " in text


@pytest.mark.parametrize(
    ("term", "said"),
    [
        (Term(5, Unit.YEAR), "5 jaar"),
        (Term(1, Unit.DAY), "1 dag"),
        (Term(30, Unit.DAY), "30 dagen"),
        (Term(24, Unit.HOUR), "24 uur"),
        (Term(1, Unit.SECOND), "1 seconde"),
        (Term(600, Unit.SECOND), "600 seconden"),
        (Term(0, Unit.SECOND), "meteen"),
        (Term(0, Unit.HOUR), "meteen"),
        (Term(0, Unit.DAY), "tot het eind van die dag"),
        (Term(0, Unit.YEAR), "tot het eind van die dag"),
    ],
)
def test_a_term_is_told_in_dutch(term: Term, said: str) -> None:
    assert processing.term(term) == said


def test_a_board_gets_its_own_policy_alone() -> None:
    text = register(BOARD)
    assert "Bestuur Noord (po-noord), met de scholen 11AA00, 11AA01" in text
    assert "Beleid ‘wettelijk’" in text
    assert "Beleid ‘toestemming’" not in text
    assert "Beleid ‘toestemming’" in register()


def test_every_place_that_a_measure_points_to_exists() -> None:
    assert not [place for place in MEASURES.values() if not (ROOT / place).is_file()]


def test_chapters_are_numbered_and_every_table_has_its_columns() -> None:
    text = register()
    assert [int(number) for number in re.findall(r"^## (\d+)\. ", text, re.MULTILINE)] == list(range(1, 9))
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        assert len({line.count("|") for line in block.splitlines()}) == 1
    assert text.endswith("\n")
    assert "\n\n\n" not in text


def test_a_sentence_is_short_enough_to_read() -> None:
    """B1: at most twenty-two words."""
    prose = " ".join(line for line in register().splitlines() if line[:1] not in "|#" and "`" not in line)
    assert not [said for said in re.split(r"(?<=[.:])\s+", prose) if len(said.split()) > 22]


def test_the_command_shows_it_or_writes_it(tmp_path: Path) -> None:
    shown = CliRunner().invoke(main, ["admin", "register"])
    assert (shown.exit_code, shown.stdout) == (0, register())
    out = tmp_path / "register.md"
    for _ in range(2):  # it is made again whenever a table changes
        assert CliRunner().invoke(main, ["admin", "register", "--out", str(out)]).exit_code == 0
    assert out.read_text("utf-8") == register()


def test_the_command_makes_it_for_a_board_of_the_service(lite: Story) -> None:
    shown = run(lite, "register", "--board", "po-noord")
    assert shown.exit_code == 0, shown.output
    assert shown.stdout == register(
        Described("po-noord", "Bestuur po-noord", ("11AA00", "11AA01"), PolicyKind.TOESTEMMING)
    )
    assert run(lite, "register", "--board", "nobody").exit_code == 2
