"""`asvs.csv`: OWASP ASVS 5.0.0, levels 1 and 2 without chapter V10 (OAuth and OIDC, which the service doesn't speak).

Each requirement names the tests that show it, or says why none does: it can't apply, it isn't shown here, or it isn't
met. Subjects are our own words; the standard's text is at https://owasp.org/www-project-application-security-verification-standard/.
"""

import csv
import importlib
import re
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
COLUMNS = ["id", "level", "subject", "shown_by", "reason"]
ID = re.compile(r"V([1-9][0-9]?)\.([1-9][0-9]?)\.([1-9][0-9]?)")
NODE = re.compile(r"(tests/(?:[a-z_]+/)?test_[a-z0-9_]+\.py)::(test_[a-z0-9_]+)")
REASON = re.compile(r"(can't apply|not shown|not met): [^\n]+\.")
# How many requirements of levels 1 and 2 the standard has in each chapter.
WANTED = {
    1: {1: 8, 2: 4, 3: 8, 4: 2, 5: 4, 6: 13, 7: 6, 8: 4, 9: 4, 11: 3, 12: 3, 13: 1, 14: 2, 15: 3},
    2: {1: 19, 2: 7, 3: 11, 4: 8, 5: 5, 6: 22, 7: 12, 8: 3, 9: 3, 11: 11, 12: 6, 13: 12, 14: 7, 15: 10, 16: 16, 17: 7},
}
LEAVES_OUT = re.compile(r"(pytest\.(skip|xfail|importorskip)|skipTest)\(")
UNITS = {
    "KiB": 1 << 10,
    "MiB": 1 << 20,
    "GiB": 1 << 30,
    "seconds": timedelta(seconds=1),
    "days": timedelta(days=1),
}


@cache
def rows() -> tuple[dict[str, str], ...]:
    with (ROOT / "tests" / "asvs.csv").open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file, strict=True)
        assert reader.fieldnames == COLUMNS
        return tuple(reader)


def shown() -> Iterator[tuple[str, str]]:
    """Give each id with each test that it names."""
    for row in rows():
        yield from ((row["id"], node) for node in row["shown_by"].split(";") if node)


def place(row: dict[str, str]) -> tuple[int, ...]:
    """Read an id into chapter, section and number."""
    found = ID.fullmatch(row["id"])
    assert found, row["id"]
    return tuple(map(int, found.groups()))


def test_every_requirement_stands_once_and_in_order() -> None:
    places = [place(row) for row in rows()]
    assert places == sorted(set(places))
    for level, chapters in WANTED.items():
        assert Counter(place(row)[0] for row in rows() if row["level"] == str(level)) == chapters
    assert {row["level"] for row in rows()} == {"1", "2"}


def test_every_requirement_is_shown_by_a_test_or_says_why_not() -> None:
    for row in rows():
        assert row["subject"], row["id"]
        assert bool(row["shown_by"]) is not bool(row["reason"]), row["id"]
        assert not row["reason"] or REASON.fullmatch(row["reason"]), row["id"]


def left_out(item: pytest.Item) -> bool:
    """Tell whether a mark may keep a test from being run, or from counting."""
    return any(mark.name in {"skip", "skipif", "xfail"} for mark in item.iter_markers())


def test_every_test_that_is_named_exists_and_runs(request: pytest.FixtureRequest) -> None:
    """pytest itself collects the named files, in this process."""
    named: dict[str, set[str]] = {}
    for requirement, node in shown():
        found = NODE.fullmatch(node)
        assert found, f"{requirement}: {node} is no test"
        named.setdefault(found[1], set()).add(found[2])
    for path, names in named.items():
        source = (ROOT / path).read_text("utf-8")
        assert not LEAVES_OUT.search(source), f"{path} may leave tests out"
        collected = pytest.Module.from_parent(request.session, path=ROOT / path).collect()
        items = [item for item in collected if isinstance(item, pytest.Function)]
        there = {item.originalname for item in items if not left_out(item)}
        assert names <= there, f"{path}: {sorted(names - there)}"


def test_a_test_that_is_skipped_or_expected_to_fail_shows_nothing(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    marks = ("", "@pytest.mark.skip", "@pytest.mark.skipif(True, reason='x')", "@pytest.mark.xfail")
    tests = "\n".join(f"{mark}\ndef test_{number}(): pass\n" for number, mark in enumerate(marks))
    file = tmp_path / "test_marks_of_asvs.py"
    file.write_text(f"import pytest\n{tests}")
    collected = pytest.Module.from_parent(request.session, path=file).collect()
    assert [left_out(item) for item in collected if isinstance(item, pytest.Item)] == [False, True, True, True]


def test_the_limits_that_the_readme_names_are_those_of_the_code() -> None:
    """V2.1.3, V5.1.1, V6.1.1, V15.1.3"""
    readme = (ROOT / "handover" / "README.md").read_text("utf-8")
    table = re.findall(r"^\| [^|]+ \| ([0-9]+)(?: ([A-Za-z]+))? \| `([a-z._]+)\.([A-Z_]+)` \|$", readme, re.MULTILINE)
    assert len(table) > 15
    for number, unit, module, constant in table:
        value = getattr(importlib.import_module(module), constant)
        said = int(number) * UNITS.get(unit, 1)
        if isinstance(said, timedelta) and not isinstance(value, timedelta):
            value = timedelta(seconds=value)
        assert said == value, f"{module}.{constant}"
