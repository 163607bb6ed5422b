"""Every single character of an export counts: changed, left out or doubled, the verifier names the place."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import pytest

from consent.verify import Finding, verify_export
from tests.consent.forged import KEY, Bare, Line, export, note, noted

NAMES = [[4, "b/journal"]]
BY_STAFF = {"board-b": {"outcome": "refused", "sees": ["actor"]}}
BY_TERMS = {"board-b": {"outcome": "granted", "sees": ["actor", "terms"]}}
WORD = ("day", "ground", "school", "sections")
"""What a board that doesn't see the terms has only the operator's word for."""


def erasure(number: int, boards: dict[str, int], **lists: list[int]) -> Line:
    return Line(0x11 if "actors" in lists else 0x12, number, "erasure", boards=boards, terms=lists)


ENTRIES: tuple[Line, ...] = (
    Line(boards={"board-a": 1}),
    Line(0x27, 2, "access", boards={"board-a": 2, "board-b": 1}, told=BY_STAFF, sections=("lvs",)),
    Line(0x28, 3, "access", boards={"board-a": 3, "board-b": 2}, told=BY_TERMS),
    Line(4, 4, boards={"board-b": 3}),
    Line(0x15, 5, boards={"board-a": 4, "board-b": 4}),
    erasure(6, {"board-a": 5, "board-b": 5}, actors=[0], erased=[0, 1]),
    erasure(7, {"board-b": 6}, erased=[3]),
)
GONE = (ENTRIES[0].erased("actor"), ENTRIES[1].erased(), ENTRIES[2], ENTRIES[3].without("actor"), *ENTRIES[4:])


def whole() -> list[bytes]:
    """An export of everything: two pupils' entries, of which some were erased, two names and two checkpoints."""
    lines = export(*GONE, last=note(ENTRIES, origin="b/journal"), later=NAMES)
    return [*lines[:3], noted(note(ENTRIES[:2])), *lines[3:]]


def of_board() -> list[bytes]:
    """A board's export: what it sees, what it hears with and without terms, what was erased, and a hash."""
    heard = [ENTRIES[at].heard("board-b") for at in (1, 2)]
    last = (erasure(5, {"board-b": 4}, erased=[3]), erasure(6, {"board-a": 4, "board-b": 5}, actors=[0], erased=[0]))
    return export(Bare(), *heard, GONE[3], *last, last=note((*ENTRIES[:4], *last)), board="board-b")


def changed(line: bytes, at: int, chance: Random) -> bytes:
    """Give a line with one character changed a little or for any other, left out or doubled."""
    one = line[at]
    other = chance.choice([byte for byte in b'0123456789abcdef"{}[]:, tnr\\\n' if byte != one])
    new = chance.choice((bytes([one ^ 1]), bytes([other]), b"", bytes([one, one])))
    return line[:at] + new + line[at + 1 :]


def place_of(lines: Sequence[bytes], which: int) -> int | None:
    """Give the index of the entry in that line, if it is one."""
    begin = re.compile(rb'\{"hash"')
    return sum(1 for line in lines[:which] if begin.match(line)) if begin.match(lines[which]) else None


def names_it(findings: Sequence[Finding], line: bytes, at: int, place: int | None) -> bool:
    """Tell whether a finding is about the entry of a line, or about none where the line can't be told from others.

    A line's end belongs to the next one too; of another board's entry there is the hash alone, which stands in a range;
    and the numbers of an erased entry are held by those around it.
    """
    indices = {finding.index for finding in findings}
    if place is None or b'"parts"' not in line or line[at : at + 1] == b"\n":
        return bool(findings)
    emptied = b'"day":null' in line and line.index(b'"row":{"boards":{') <= at < line.index(b',"book"')
    return place in indices or (emptied and bool(findings))


def words(line: bytes, at: int) -> str | None:
    """Name the column of the operator's word in which a character stands."""
    row = line.find(b'"row":')
    for column in WORD:
        found = re.compile(rb'"%b":("[^"]*"|[^,}]*)' % column.encode()).search(line, max(row, 0))
        if found and found.start(1) <= at < found.end(1):
            return column
    return None


@pytest.mark.parametrize("make", [whole, of_board])
def test_no_character_of_an_export_may_be_another_one(tmp_path: Path, make: Callable[[], list[bytes]]) -> None:
    """K1: all but a few columns that a board hears of an entry whose terms it doesn't see, which the report names."""
    path, lines, chance = tmp_path / "export", make(), Random(7)
    path.write_bytes(b"".join(lines))
    clean = verify_export(path, KEY.public)
    assert clean.findings == ()
    told = re.findall(r"NOT CHECKED: (.*) and outcome of (\d+) entries", "\n".join(clean.checked))
    taken = set()  # without the key, which only checkpoints need, an entry's line is read faster
    for which, line in enumerate(lines):
        place, deaf = place_of(lines, which), make is of_board and place_of(lines, which) == 1
        for at in range(len(line)):
            other = changed(line, at, chance)
            path.write_bytes(b"".join([*lines[:which], other, *lines[which + 1 :]]))
            report = verify_export(path, None if place is not None else KEY.public)
            column = words(line, at) if deaf else None
            if report and column:
                taken.add(column)
            else:
                assert names_it(report.findings, line, at, place), (which, at, other)
    assert taken == (set(WORD) if make is of_board else set())
    assert told == ([("day, sections, ground, school", "1")] if make is of_board else [])
