import ast
import csv
from pathlib import Path

import pytest

from tests.mutation.__main__ import EQUIVALENT, TESTS
from tests.mutation.mutants import mutants

NOES = (
    "'NOXX', f'{a} is a no', 403",
    "'', f'{a} is a no', 403",
    "'NO', f'{a} is a no', 404",
    "'NO', f'{a} is a no', 402",
)
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("line", "changed"),
    [
        ("return a < 1", {"", "return None", "return a <= 1", "return a >= 1", "return a < 2", "return a < 0"}),
        ("return not a", {"", "return None", "return a"}),
        ("a = b and c", {"", "a = None", "a = b", "a = c", "a = b or c"}),
        ("a += 1", {"", "a = 1", "a -= 1", "a += 2", "a += 0"}),
        ("raise Refused('NO')", {"", "raise Refused('NOXX')", "raise Refused('')"}),
        ("raise Refused('NO', f'{a} is a no', 403)", {"", *(f"raise Refused({each})" for each in NOES)}),
        ("return [b for b in a if b]", {"", "return None", "return [b for b in a]"}),
        ("f(a[b:], c=True)", {"", "f(a[b:])", "f(a[b:], c=False)", "f(a[b + 1:], c=True)", "f(a[b - 1:], c=True)"}),
        ("a: int = min(b)", {"a: int = max(b)"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_line_is_changed_in_every_small_way(line: str, changed: set[str]) -> None:
    made = list(mutants(f'def f(a, b, c):\n    """Say what."""\n    {line}\n'))
    assert {mutant.after for mutant in made} == changed
    assert len(made) == len(changed)
    assert {(mutant.line, mutant.function) for mutant in made} == {(3, "f")}
    assert {mutant.before for mutant in made} == {ast.unparse(ast.parse(line))}


def test_nothing_at_the_end_of_a_function_is_what_it_gives_anyway() -> None:
    made = {mutant.after for mutant in mutants("def f(a):\n    if a:\n        return None\n    return None\n")}
    assert made == {"if True:", "if False:", ""}


def test_a_condition_is_decided_both_ways_and_what_it_guards_stays() -> None:
    made = {mutant.after for mutant in mutants("def f(a):\n    if a:\n        g()\n")}
    assert made == {"if True:", "if False:", ""}


def test_what_stands_outside_of_functions_is_told_apart() -> None:
    made = list(mutants("SIZE = 8\n\nclass A:\n    size: int = SIZE + 1\n\n    def f(self, a=2):\n        g()\n"))
    assert {(mutant.function, mutant.after) for mutant in made if mutant.line != 6} == {
        (None, "SIZE = 9"),
        (None, "SIZE = 7"),
        (None, "size: int = SIZE - 1"),
        (None, "size: int = SIZE + 2"),
        (None, "size: int = SIZE + 0"),
        ("A.f", ""),
    }
    assert {mutant.function for mutant in made if mutant.line == 6} == {None}


def test_a_function_that_a_function_makes_may_have_been_made_by_now() -> None:
    made = mutants("def f():\n    def g():\n        h()\n    h()\n")
    assert {(mutant.line, mutant.function) for mutant in made} == {(3, None), (4, "f")}


def test_what_is_excused_is_a_mutant_that_there_is_and_says_why() -> None:
    with EQUIVALENT.open(encoding="utf-8", newline="") as file:
        excused = [(row["module"], row["before"], row["after"], row["reason"]) for row in csv.DictReader(file)]
    for path in {module for module, *_ in excused}:
        made = {(mutant.before, mutant.after) for mutant in mutants((ROOT / path).read_text("utf-8"))}
        assert {(before, after) for module, before, after, _ in excused if module == path} <= made
    assert {module for module, *_ in excused} <= set(TESTS)
    assert all(reason for *_, reason in excused)
