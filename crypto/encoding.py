"""One encoding per value: canonical JSON, base64url, length prefixes and padded sizes.

Whatever is hashed or signed passes through here, so two readers can't disagree about what a byte string says.
"""

import json
import re
from binascii import a2b_base64, b2a_base64
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TypeAlias

import rfc8785

from crypto.errors import EncodingRefused

JSON: TypeAlias = "dict[str, JSON] | list[JSON] | str | int | float | bool | None"
"""A value as the parsers give it."""

Printable: TypeAlias = "Mapping[str, Printable] | Sequence[Printable] | str | int | float | bool | None"
"""A value as `canon` takes it: dicts, lists, tuples and scalars."""

INTEGER_MAX = 2**53 - 1
"""The largest integer that a JSON number holds exactly (RFC 7493)."""

SCHOOL = r"[0-9]{2}[A-Z]{2}[0-9]{2}"
"""How a school's location is written: BRIN and vestiging, six characters."""

BOARD = r"[a-z0-9-]{2,40}"
"""How a board's own code is written."""

# The closing quote is optional so that an unterminated string is passed over once instead of from each of its quotes.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_PLAIN = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
# Fractions, exponents, and integers long enough to be too long. Texts may hold what looks like one.
_PRINTED_OTHERWISE = re.compile(rb"[:,\[]-?(?:[0-9]+[.e]|[0-9]{16})")
# The first byte of characters that sort otherwise by UTF-16 than by code point.
_BEYOND_BMP = re.compile(rb"[\xf0-\xf4]")

_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_AS_SQUARE = bytes.maketrans(b"{}", b"[]")

_TO_URL, _FROM_URL = bytes.maketrans(b"+/", b"-_"), bytes.maketrans(b"-_", b"+/")


def canon(value: Printable) -> bytes:
    """Print a value as canonical JSON (RFC 8785).

    Raises EncodingRefused for what has no canonical form: NaN, integers beyond 2^53 - 1, lone surrogates, other types.
    """
    try:
        printed = _PLAIN.encode(value).encode("utf-8")
        # The standard library's encoder is several times as fast, and prints most values in the same way.
        return rfc8785.dumps(value) if _may_differ(printed) else printed
    except (TypeError, ValueError, RecursionError):
        raise EncodingRefused("the value has no canonical form") from None


def _may_differ(printed: bytes) -> bool:
    """Tell whether RFC 8785 could print this otherwise: its numbers, or the order of its names by UTF-16."""
    if not printed.isascii() and _BEYOND_BMP.search(printed):
        return True
    # Strings are only taken out, which is slow, where a number or a text that looks like one was seen.
    member = b"[" + printed
    return bool(_PRINTED_OTHERWISE.search(member) and _PRINTED_OTHERWISE.search(_STRING.sub(b'""', member)))


def parse(data: bytes, *, limit: int, depth: int = 32) -> JSON:
    """Read canonical JSON of at most `limit` bytes and `depth` levels; any other way to write the value is refused.

    Raises EncodingRefused.
    """
    value = json_load(data, limit=limit, depth=depth)
    if canon(value) != data:
        raise EncodingRefused("the JSON is not canonical")
    return value


def json_load(data: bytes, *, limit: int, depth: int = 32) -> JSON:
    """Read JSON that people and other programs write: as strict as `parse`, but free in spacing and order.

    Refuses a name that appears twice, numbers that a double can't hold, NaN, invalid UTF-8 and lone surrogates.
    Raises EncodingRefused.
    """
    if len(data) > limit:
        raise EncodingRefused(f"the JSON is longer than {limit} bytes")
    _check_depth(data, depth)
    try:
        value: JSON = _STRICT.decode(data.decode("utf-8"))
    except UnicodeDecodeError:
        raise EncodingRefused("the JSON is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise EncodingRefused(f"not JSON at line {error.lineno}, column {error.colno}") from None
    if b"\\u" in data:
        _check_surrogates(value)
    return value


def _check_depth(data: bytes, depth: int) -> None:
    """Strip all but brackets and peel one level at a time, so that no parser recurses deeper than allowed."""
    if data.count(b"[") + data.count(b"{") <= depth:
        return
    brackets = _STRING.sub(b"", data).translate(_AS_SQUARE, _NOT_BRACKETS)
    for _ in range(depth):
        brackets = brackets.replace(b"[]", b"")
    if brackets:
        raise EncodingRefused(f"the JSON is unbalanced or nested deeper than {depth} levels")


def _check_surrogates(value: JSON) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise EncodingRefused("the JSON holds half of a surrogate pair") from None


def _object(pairs: list[tuple[str, JSON]]) -> dict[str, JSON]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise EncodingRefused("the JSON has an object that names a member twice")
    return value


def _integer(digits: str) -> int:
    # The length first: converting a very long number is slow, and Python refuses it with a ValueError.
    if len(digits) > 17 or abs(int(digits)) > INTEGER_MAX:
        raise EncodingRefused("the JSON holds a number beyond 2^53 - 1")
    return int(digits)


def _float(digits: str) -> float:
    number = float(digits)
    if not abs(number) <= INTEGER_MAX:
        raise EncodingRefused("the JSON holds a number beyond 2^53 - 1")
    return number


def _constant(name: str) -> JSON:
    raise EncodingRefused(f"the JSON holds {name}")


_STRICT = json.JSONDecoder(object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_constant)


def record(value: JSON, *names: str) -> dict[str, JSON]:
    """Take a parsed value that must be an object with exactly these members; raises EncodingRefused."""
    if not isinstance(value, dict):
        raise EncodingRefused("an object is expected")
    if value.keys() != set(names):
        raise EncodingRefused(f"an object with exactly the members {', '.join(names)} is expected")
    return value


def text(value: JSON, pattern: str = r".*") -> str:
    """Take a parsed value that must be a string matching the whole pattern; raises EncodingRefused."""
    if not isinstance(value, str) or _compiled(pattern).fullmatch(value) is None:
        raise EncodingRefused("a text of another form is expected")
    return value


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.DOTALL)


def integer(value: JSON, least: int = 0, most: int = INTEGER_MAX) -> int:
    """Take a parsed value that must be a whole number within bounds; raises EncodingRefused."""
    if type(value) is not int or not least <= value <= most:
        raise EncodingRefused(f"a whole number from {least} to {most} is expected")
    return value


def b64(data: bytes) -> str:
    """Print bytes as base64url without padding (RFC 4648, section 5)."""
    return b2a_base64(data, newline=False).translate(_TO_URL, b"=").decode("ascii")


def unb64(value: JSON, length: int | None = None) -> bytes:
    """Read base64url without padding, of exactly `length` bytes where that is given; raises EncodingRefused.

    Only what `b64` prints is read: no padding, no line breaks, no other alphabet, no stray bits in the last character.
    """
    if not isinstance(value, str):
        raise EncodingRefused("base64url is expected")
    try:
        data = a2b_base64(value.encode("ascii").translate(_FROM_URL) + b"==")
    except ValueError:
        raise EncodingRefused("not base64url") from None
    if b64(data) != value:
        raise EncodingRefused("not base64url as it is printed here")
    if length is not None and len(data) != length:
        raise EncodingRefused(f"{length} bytes are expected")
    return data


def lp(*values: bytes) -> bytes:
    """Join byte strings, each after its length in two bytes, so that no two lists give the same bytes.

    Raises EncodingRefused for a value of 65,536 bytes or more.
    """
    try:
        return b"".join([len(value).to_bytes(2, "big") + value for value in values])
    except OverflowError:
        raise EncodingRefused("a value is too long for its length prefix") from None


def padme(size: int) -> int:
    """Round a size in bytes up so that it tells only its order of magnitude.

    Adds at most 12 %, and leaks O(log log size) bits (Nikitin et al., "Reducing Metadata Leakage from Encrypted
    Files and Communication with PURBs", PoPETs 2019).
    """
    if size < 2:
        return size
    exponent = size.bit_length() - 1
    free = exponent - exponent.bit_length()
    return (size + (1 << free) - 1) >> free << free
