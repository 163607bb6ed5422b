"""Tables for spreadsheets: CSV (RFC 4180) in which no cell is ever taken for a formula (bad case E5, OWASP)."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

BOM: Final = "\N{BYTE ORDER MARK}"
"""Without it Excel takes UTF-8 for a code page of its own."""

_DANGEROUS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def csv_lines(columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> Iterator[bytes]:
    """Write a table, a line at a time: every cell quoted, and an apostrophe before what a program could carry out."""
    yield (BOM + _line(columns)).encode()
    for row in rows:
        yield _line([cell(row[name]) for name in columns]).encode()


def cell(value: object) -> str:
    """Write one value: nothing for None, yes and no for truths, lists with spaces between."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return f"'{text}" if text.startswith(_DANGEROUS) else text


def _line(cells: Sequence[str]) -> str:
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerow(cells)
    return out.getvalue()
