"""The kinds of value that OSO has.

A value keeps the text that the file has for it ("01", "1.20", "true"), so that nothing changes on the way through;
its kind says which texts are allowed. Sources: the simple types of the OSO schema 2019.1, XML Schema part 2 for date,
boolean, integer and decimal, and the tests on numbers of persons (BSN: elfproef; onderwijsnummer: remainder 5).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Final, TypeAlias

TEXT_MAX: Final = 1 << 20
"""Characters in one value."""

# XML 1.0, production 2, turned round: what no document can hold, so no round trip could keep it.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_WEIGHTS: Final = (9, 8, 7, 6, 5, 4, 3, 2, -1)

NOT_A_BSN: Final = "not a valid BSN (elfproef)"
NOT_AN_ONDERWIJSNUMMER: Final = "not a valid onderwijsnummer"
PROOFS: Final = frozenset({NOT_A_BSN, NOT_AN_ONDERWIJSNUMMER})
"""Failures that hold under every version of the standard."""


@dataclass(frozen=True, slots=True)
class Kind:
    """Which texts a value may have: `test` says yes or no, `fault` is said after a no.

    Where `collapses` is true, white space around the text says nothing (XML Schema's whiteSpace facet) and is dropped.
    """

    test: Callable[[str], bool]
    fault: str
    collapses: bool = False
    most: int = TEXT_MAX

    def check(self, text: str) -> str | None:
        """Give what is wrong with a text, or None."""
        if len(text) > self.most:
            return f"longer than {self.most} characters"
        if _NOT_XML.search(text):
            return "holds a character that XML doesn't have"
        return None if self.test(text) else self.fault


def _pattern(pattern: str, fault: str, *, collapses: bool = False) -> Kind:
    matches = re.compile(pattern).fullmatch
    return Kind(lambda text: matches(text) is not None, fault, collapses)


def _length(least: int, most: int) -> Kind:
    fault = "empty" if most == TEXT_MAX else f"not {least} to {most} characters long"
    return Kind(lambda text: least <= len(text) <= most, fault)


def _number(least: int, most: int) -> Kind:
    def test(text: str) -> bool:
        return re.fullmatch(r"[+-]?[0-9]{1,18}", text) is not None and least <= int(text) <= most

    return Kind(test, f"not a whole number from {least} to {most}", collapses=True)


def _is_date(text: str) -> bool:
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(Z|[+-](0[0-9]|1[0-3]):[0-5][0-9]|[+-]14:00)?", text) is None:
        return False
    try:
        date.fromisoformat(text[:10])
    except ValueError:
        return False
    return True


def day(text: str) -> date:
    """Read a value of kind `Date`; its time zone, if any, doesn't move the day."""
    return date.fromisoformat(text[:10])


def true(text: str | None) -> bool:
    """Read a value of kind `Flag`; what isn't there isn't true."""
    return text in ("true", "1")


def _weighed(text: str) -> int | None:
    if re.fullmatch(r"[0-9]{9}", text) is None:
        return None
    return sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, text, strict=True)) % 11


def _is_bsn(text: str) -> bool:
    return text != "000000000" and _weighed(text) == 0


def _is_onderwijsnummer(text: str) -> bool:
    return text.startswith("10") and _weighed(text) == 5


Text: TypeAlias = Annotated[str, _length(1, TEXT_MAX)]
Free: TypeAlias = Annotated[str, _length(0, TEXT_MAX)]
ANYTHING: Final = Kind(lambda text: True, "", most=64 << 20)
Anything: TypeAlias = Annotated[str, ANYTHING]
Line: TypeAlias = Annotated[str, _length(1, 35)]
ShortText: TypeAlias = Annotated[str, _length(1, 280)]
FILE_NAME: Final = _length(1, 1000)
FileName: TypeAlias = Annotated[str, FILE_NAME]
TestAdvice: TypeAlias = Annotated[str, _length(0, 1024)]
Date: TypeAlias = Annotated[str, Kind(_is_date, "not a date (yyyy-mm-dd)", collapses=True)]
SchoolYearEnd: TypeAlias = Annotated[
    str, Kind(lambda text: _is_date(text) and text[4:] == "-07-31", "not the last day of a school year", collapses=True)
]
GbaDate: TypeAlias = Annotated[str, _pattern(r"[0-9]{2}-[0-9]{2}-[0-9]{4}", "not dd-mm-yyyy")]
Month: TypeAlias = Annotated[str, _pattern(r"\d{4}-\d{2}", "not yyyy-mm")]
SchoolYear: TypeAlias = Annotated[str, _pattern(r"[0-9]{4}-[0-9]{4}", "not a school year (yyyy-yyyy)")]
Flag: TypeAlias = Annotated[str, _pattern("true|false|1|0", "not true or false", collapses=True)]
Integer: TypeAlias = Annotated[str, _pattern(r"[+-]?[0-9]{1,64}", "not a whole number", collapses=True)]
Int: TypeAlias = Annotated[str, _number(-(2**31), 2**31 - 1)]
Decimal: TypeAlias = Annotated[
    str, _pattern(r"[+-]?([0-9]{1,64}(\.[0-9]{0,64})?|\.[0-9]{1,64})", "not a decimal number", collapses=True)
]
StandardScore: TypeAlias = Annotated[str, _number(0, 1000)]
PreschoolMonths: TypeAlias = Annotated[str, _number(1, 24)]
Brin: TypeAlias = Annotated[str, _pattern("[0-9]{2}[A-Z]{2}", "not a BRIN code")]
Location: TypeAlias = Annotated[str, _pattern("[0-9]{2}", "not a vestigingscode")]
ElementCode: TypeAlias = Annotated[str, _pattern("[0-9]{4}", "not an elementcode")]
Bsn: TypeAlias = Annotated[str, Kind(_is_bsn, NOT_A_BSN)]
Onderwijsnummer: TypeAlias = Annotated[str, Kind(_is_onderwijsnummer, NOT_AN_ONDERWIJSNUMMER)]
Assent: TypeAlias = Annotated[str, _pattern("Ja|Nee|Onbekend", "not Ja, Nee or Onbekend")]
