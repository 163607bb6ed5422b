"""The lines of an export as the verifier reads them: nothing here believes what it reads.

A file is plain or compressed (zstd). Whatever it unpacks to, only one line at a time is held, of at most `LINE_MAX`
bytes, and a frame that asks for a larger window than an export ever has isn't opened.
"""

import json
from binascii import unhexlify
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO, cast

from consent.entry import AFTER_ACTOR, SALT_SIZE
from crypto.encoding import JSON, canon, parse
from crypto.errors import EncodingRefused

FORMAT = "overdracht-journal"
LINE_MAX = 4_000_000
WINDOW_MAX = 1 << 23
"""Bytes that decompressing may look back over; an export asks for a quarter of it."""

HASH_END, LEAF = 73, slice(83, 279)
"""Where the hash ends and where the leaf stands in the line of an entry."""

_ZSTD = bytes.fromhex("28b52ffd")
_BUFFER = 1 << 18  # a line crosses the end of a small buffer too often
_PLACES = (("actor", ',"parts":{"actor":'), ("subject", ',"subject":'), ("terms", ',"terms":'))
_OPENINGS = tuple((part, opening + "null", opening + '["') for part, opening in _PLACES)
_ROW, _END = '},"row":', "}\n"
_read: Callable[[str, int], tuple[Any, int]] = json.JSONDecoder().scan_once  # type: ignore[attr-defined]


_REST = canon({"format": FORMAT, "v": 1})
_NO_EXPORT = "not an export of a journal, version 1"


@dataclass(frozen=True, slots=True)
class Head:
    """What the first line says: the log's name, whose side this is, and the newest number given to each board.

    `later` are the names under which the log went on, each with the index from which it did.
    """

    origin: str
    board: str | None
    later: tuple[tuple[int, str], ...]
    newest: Mapping[str, int]


class Unreadable(Exception):
    """The export can't be read on."""


@contextmanager
def lines_of(path: Path) -> Iterator[Iterator[bytes]]:
    """Open an export and give its lines; a line longer than `LINE_MAX` comes in pieces without an end.

    Reading raises `Unreadable` where the file doesn't decompress.
    """
    with path.open("rb", buffering=_BUFFER) as file:
        magic = file.read(len(_ZSTD))
        file.seek(0)
        yield _unpacked(file) if magic == _ZSTD else _lines(file)


def _lines(file: BinaryIO) -> Iterator[bytes]:
    return iter(partial(file.readline, LINE_MAX), b"")


def _unpacked(file: BinaryIO) -> Iterator[bytes]:
    from zstandard import ZstdDecompressor, ZstdError

    reader = ZstdDecompressor(max_window_size=WINDOW_MAX).stream_reader(file, read_across_frames=True)
    try:
        yield from _lines(BufferedReader(cast(Any, reader), _BUFFER))
    except ZstdError:
        raise Unreadable("the file can't be decompressed") from None


def whole(line: bytes) -> bytes:
    """Give a line back that is whole; raises `Unreadable`."""
    if not line.endswith(b"\n"):
        raise Unreadable("its line is cut short or too long" if line else "the file is empty")
    return line


def read_line(line: bytes) -> JSON:
    """Read a line that isn't an entry; raises `Unreadable`."""
    try:
        return parse(line[:-1], limit=LINE_MAX)
    except EncodingRefused:
        raise Unreadable("its line isn't canonical JSON") from None


def read_parts(line: bytes) -> tuple[dict[str, tuple[bytes, Any]], str]:
    """Read what stands behind the head of a line: each part that is there, as it was committed to and as a value.

    What is hashed is the part's very text, salt in front; of the actor there is only that, and no value. The row in
    clear is given as it stands. Raises ValueError or StopIteration for a line that is built in another way.
    """
    text = line.decode()
    parts: dict[str, tuple[bytes, Any]] = {}
    at = text.index(",", LEAF.stop + len('","n":'))
    for part, closed, opening in _OPENINGS:
        if text.startswith(opening, at):
            salt = at + len(opening)
            begin = salt + 2 * SALT_SIZE + 2
            salted = unhexlify(text[salt : begin - 2])
            value, end = (None, text.index(AFTER_ACTOR, begin)) if part == "actor" else _read(text, begin)
            if not text.startswith(salted.hex() + '",', salt) or not text.startswith("]", end):
                raise ValueError("a part is more or less than salt and text")
            parts[part] = salted + text[begin:end].encode(), value
            at = end + 1
        elif text.startswith(closed, at):
            at += len(closed)
        else:
            raise ValueError("a part isn't where it belongs")
    if not text.startswith(_ROW, at) or not text.endswith(_END):
        raise ValueError("the row isn't where it belongs")
    return parts, text[at + len(_ROW) : -len(_END)]


def read_head(line: bytes) -> Head:
    """Read the first line of an export; raises `Unreadable`."""
    head = read_line(line)
    if not isinstance(head, dict):
        raise Unreadable(_NO_EXPORT)
    later = _read_later(head.pop("later")) if "later" in head else ()
    board, origin, newest = head.pop("board", None), head.pop("origin", None), head.pop("newest", None)
    if not isinstance(origin, str) or not origin or not _are_numbers(newest, board) or canon(head) != _REST:
        raise Unreadable(_NO_EXPORT)
    return Head(origin, cast("str | None", board), later, cast("dict[str, int]", newest))


def _are_numbers(newest: JSON, board: JSON) -> bool:
    """Tell whether these are boards' newest numbers, in a board's export its own alone."""
    return (
        isinstance(newest, dict)
        and (board is None or list(newest) == [board])
        and all(type(number) is int and number >= 0 for number in newest.values())
    )


def _read_later(value: JSON) -> tuple[tuple[int, str], ...]:
    """Read the names that a log took after its first one, with the index from which each holds; raises `Unreadable`."""
    given = value if isinstance(value, list) else []
    pairs = tuple(
        (each[0], each[1])
        for each in given
        if isinstance(each, list) and len(each) == 2 and type(each[0]) is int and isinstance(each[1], str)
    )
    begins = [first for first, _ in pairs]
    if 0 < len(pairs) == len(given) and begins == sorted(set(begins)) and begins[0] >= 0:
        return pairs
    raise Unreadable("its head names the log's later names in another way")
