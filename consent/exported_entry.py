"""An entry of an export: what its line holds, against what its leaf commits to.

A row in clear has one form, and is compared as it stands: what was committed to is printed as the row has to be. Only
what nothing commits to any more is read: the rows of erased entries, of which all but boards and type must be empty,
and of those that a board hears without their terms, which are the operator's word.
"""

from collections.abc import Mapping
from datetime import date
from json.encoder import encode_basestring
from typing import Any, NamedTuple, cast

from consent.entry import ERASURES, PARTS, SEES, VERSION, WHOLE, commitment, section_bits
from consent.erased import BODY, Listed, read_listed
from consent.exported import LINE_MAX, read_parts
from consent.exported_erasures import CLEAR
from consent.terms import Section
from crypto.encoding import canon, parse, record
from crypto.errors import EncodingRefused

DIFFERS = "what stands in clear isn't what was committed to"
HEARS = "what this board hears isn't what was committed to"

_COMMITTED = {part: slice(2 + 32 * at, 34 + 32 * at) for at, part in enumerate(PARTS)}
_SEEN: tuple[list[str], ...] = ([], ["actor"], ["terms"], ["actor", "terms"])
"""What a board may see of an entry that it only hears of."""

_NOTHING = {"ground": None, "outcome": None, "school": None, "sections": 0}
_EMPTIED: dict[str, Any] = {**_NOTHING, "book": None, "day": None, "number": None, "told": {}}


class AnotherForm(Exception):
    """The line is built in another way than an entry's."""


class Line(NamedTuple):
    """What the line of an entry holds. `wanted` and `there` are what has to be there and what is, as bits.

    `numbers` are the boards' that can be followed here, `erasure` what one lists, `wrong` what isn't as committed to;
    `told` says that the board only hears of the entry, and `word` that nothing it was shown commits to that.
    """

    wanted: int
    there: int
    numbers: Mapping[str, int]
    wrong: tuple[str, ...]
    erasure: Listed | None = None
    told: bool = False
    word: bool = False


def read_entry(line: bytes, leaf: bytes, board: str | None) -> Line:
    """Read the line of an entry of which the head was checked, in the whole export or in a board's.

    Raises `AnotherForm`.
    """
    try:
        return _read(line, leaf, board)
    except (KeyError, TypeError, ValueError, AttributeError, StopIteration, RecursionError, EncodingRefused):
        raise AnotherForm from None


def _read(line: bytes, leaf: bytes, board: str | None) -> Line:
    if leaf[0] != VERSION:
        raise ValueError("not a leaf of version 1")
    parts, row = read_parts(line)
    there, wrong = 0, cast(tuple[str, ...], ())
    for part, (salted, _) in parts.items():
        there |= SEES[part]
        if commitment(part, salted) != leaf[_COMMITTED[part]]:
            wrong = (*wrong, f"its {part} isn't what the leaf commits to")
    terms = parts["terms"][1] if there & SEES["terms"] else None
    if there & BODY == BODY:
        return _whole(there, wrong, leaf[1], row, terms, parts["subject"][1]["number"], board)
    said = _read_row(row)
    if board is not None and board in said["told"]:
        return _heard(there, wrong, leaf[1], row, terms, said, board)
    return _emptied(there, wrong, leaf[1], row, said, board)


def _whole(
    there: int, wrong: tuple[str, ...], type_: int, row: str, terms: Any, number: Any, board: str | None
) -> Line:
    """Compare an entry that is there with its row; who acted may have been erased."""
    boards = terms["boards"]
    if _row(type_, terms, number) != row:
        boards = _read_row(row)["boards"]
        wrong = (*wrong, DIFFERS)
    erasure = read_listed(type_, terms["terms"]) if terms["book"] == ERASURES else None
    return Line(WHOLE, there | CLEAR, _numbers(boards, board), wrong, erasure)


def _row(type_: int, terms: Any, number: Any) -> str:
    """Print the row of an entry as canonical JSON, with its parts at hand: this costs what reading it would."""
    told = terms["told"]
    return (
        f'{{"boards":{_printed(terms["boards"])},"book":{_name(terms["book"])},"day":{_name(terms["at"][:10])},'
        f'"ground":{_name(terms["ground"])},"number":{_printed(number)},"outcome":{_name(terms["outcome"])},'
        f'"school":{_name(terms["school"])},"sections":{section_bits(tuple(terms["sections"]))},'
        f'"told":{"{}" if told == {} else _printed(told)},"type":{type_}}}'
    )


def _printed(value: Any) -> str:
    """Print a value; one board with its number, as most entries have, at once."""
    if value is None:
        return "null"
    if type(value) is dict and len(value) == 1:
        ((board, number),) = value.items()
        if type(number) is int:
            return f"{{{_name(board)}:{number}}}"
    return canon(value).decode()


def _name(value: Any) -> str:
    """Print a text or null; raises TypeError for anything else."""
    return "null" if value is None else encode_basestring(value)


def _read_row(row: str) -> Any:
    return parse(row.encode(), limit=LINE_MAX)


def _emptied(there: int, wrong: tuple[str, ...], type_: int, row: str, said: Any, board: str | None) -> Line:
    """Look whether a row is empty as an erasure leaves it. Of an erased entry a board is shown its own number alone."""
    numbers = _numbers(said["boards"], board)
    if "contradicted" in said:
        wrong = (*wrong, DIFFERS)
    elif row.encode() != canon({**_EMPTIED, "boards": numbers, "type": type_}):
        there |= CLEAR
    return Line(WHOLE, there, numbers, wrong)


def _heard(there: int, wrong: tuple[str, ...], type_: int, row: str, terms: Any, said: Any, board: str) -> Line:
    """Compare what a board hears with the terms where it sees them; otherwise only the row's form is held."""
    if terms is not None:
        bits = section_bits(tuple(terms["sections"]))
        heard = {**terms, "day": terms["at"][:10], "sections": bits}
    else:
        _check_word(said)
        heard = said
    told = heard["told"][board]
    sees = sum(SEES[part] for part in told["sees"])
    numbers = _numbers({board: heard["boards"][board]}, board)
    expected = {name: heard[name] for name in ("day", "ground", "school", "sections")}
    expected |= {"boards": numbers, "book": None, "number": None, "outcome": told["outcome"], "told": {board: told}}
    if canon({**expected, "type": type_}) != row.encode() or there & ~sees:
        wrong = (*wrong, HEARS)
    empty = {**expected, "told": {}} == {**_EMPTIED, "boards": numbers}
    wanted, clear = (0, 0) if empty else (sees, CLEAR)
    return Line(wanted, there | clear, numbers, wrong, told=True, word=terms is None)


def _check_word(said: Any) -> None:
    """Hold what is the operator's word to its form; raises ValueError, TypeError, KeyError or EncodingRefused."""
    for value in (said["ground"], said["school"], said["outcome"]):
        if value is not None and not isinstance(value, str):
            raise TypeError("not a name")
    if said["day"] is not None and date.fromisoformat(said["day"]).isoformat() != said["day"]:
        raise ValueError("not a day")
    if type(said["sections"]) is not int or not 0 <= said["sections"] < 1 << len(Section):
        raise ValueError("not the bits of sections")
    for told in said["told"].values():
        if record(told, "outcome", "sees")["sees"] not in _SEEN:
            raise ValueError("not what a board may see")


def _numbers(boards: Any, board: str | None) -> dict[str, int]:
    """Give the running numbers that can be followed: all, or this board's own."""
    numbers: dict[str, int] = boards if board is None else {board: boards[board]}
    for number in numbers.values():
        if type(number) is not int:
            raise TypeError("not a running number")
    return numbers
