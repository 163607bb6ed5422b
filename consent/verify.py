"""Verifies an export of the journal: streaming, offline, without a database and without trust in who wrote it.

(1) every leaf hash is that of its leaf, indices run from 0 without a hole, and every checkpoint is the tree's root;
(2) every part that is there is what the leaf commits to, and says what stands in clear beside it;
(3) every part that isn't there was erased by an entry that lists it, and nothing that was erased is still there;
(4) the boards' running numbers run without a hole;
(5) with the log's public key: every checkpoint was signed by it;
(6) with a checkpoint that was kept elsewhere: the export is the same log, grown.

Without (5) and (6) an export is only consistent with itself: its owner could have written another one.
"""

import json
import re
from binascii import hexlify, unhexlify
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from consent.entry import ERASE, PARTS, SALT_SIZE, commitment, parse_leaf, section_bits
from consent.errors import IntegrityBroken
from crypto.checkpoint import Checkpoint, parse_checkpoint, verify_checkpoint
from crypto.encoding import JSON, json_load
from crypto.errors import CheckpointRefused, EncodingRefused
from crypto.merkle import Frontier

FORMAT = "overdracht-journal"
LINE_MAX = 4_000_000
_BUFFER = 1 << 18  # a line crosses the end of a small buffer too often
_NO_KEY = "NOT CHECKED: who signed the checkpoints"
_NO_CHECKPOINT = "NOT CHECKED: against a checkpoint kept elsewhere"
_NO_PARTS = "NOT CHECKED: what the entries say, what was erased, and the boards' running numbers"
_ENTRY = b'{"hash":"'
_LEAF = slice(83, 279)
_HEAD = b'{"hash":"%b","leaf":"%b","n":%d,'
_ANY_HEAD = re.compile(rb'\{"hash":"([0-9a-f]{64})","leaf":"[0-9a-f]{196}","n":(0|[1-9][0-9]*),')
_NEWLINE = ord("\n")
_PLACES = (("actor", ',"parts":{"actor":'), ("subject", ',"subject":'), ("terms", ',"terms":'))
_OPENINGS = tuple((part, opening + "null", opening + '["') for part, opening in _PLACES)
_ROW = '},"row":'
_read: Callable[[str, int], tuple[Any, int]] = json.JSONDecoder().scan_once  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong, at an entry where one can be named."""

    index: int | None
    what: str

    def __str__(self) -> str:
        return self.what if self.index is None else f"entry {self.index}: {self.what}"


@dataclass(frozen=True, slots=True)
class Report:
    """What was found, and what was looked at: `checked` says it in sentences for a person."""

    origin: str
    size: int
    root: bytes
    findings: tuple[Finding, ...]
    checked: tuple[str, ...]

    def __bool__(self) -> bool:
        return not self.findings


def verify_export(
    path: Path, public_key: bytes | None = None, checkpoint: bytes | None = None, *, hashes_only: bool = False
) -> Report:
    """Verify an export, with the log's public key and a checkpoint that was kept elsewhere where there are such.

    `hashes_only` leaves (2) to (4) out: order, count and every leaf are still fixed, at a tenth of the time.
    Never raises for what is in the file: whatever is wrong with it is a finding.
    """
    run = _Run(public_key, checkpoint, hashes_only)
    with path.open("rb", buffering=_BUFFER) as file:
        try:
            run.read(iter(partial(file.readline, LINE_MAX), b""))
        except _Unreadable as stop:
            run.find(run.size if run.origin else None, f"{stop}; nothing after it was read")
    return Report(run.origin, run.size, run.root(), tuple(run.findings), run.checked())


class _Unreadable(Exception):
    """The export can't be read on."""


@dataclass(slots=True)
class _Run:
    public_key: bytes | None
    outside: bytes | None
    hashes_only: bool
    origin: str = ""
    size: int = 0
    tree: Frontier = field(default_factory=Frontier)
    waiting: list[bytes] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    closed: dict[int, str] = field(default_factory=dict)
    erased: set[int] = field(default_factory=set)
    open_below: set[int] = field(default_factory=set)
    boards: dict[str, int] = field(default_factory=dict)
    last: Checkpoint | None = None
    held: int = 0
    rebuilt: bool = False
    kept: Checkpoint | None = None
    kept_seen: bool = False

    def find(self, index: int | None, what: str) -> None:
        self.findings.append(Finding(index, what))

    def root(self) -> bytes:
        """Give the root over what was read: hashes wait for it, since many are added faster at once."""
        _grow(self.tree, self.waiting)
        self.waiting = []
        return self.tree.root()

    def read(self, lines: Iterator[bytes]) -> None:
        self._begin(_whole(next(lines, b"")))
        for line in lines:
            if line.startswith(_ENTRY):
                self._entry(line)
            else:
                self._checkpoint(_whole(line))
        self._finish()

    def _begin(self, line: bytes) -> None:
        head = _json(line)
        origin = head.pop("origin", None) if isinstance(head, dict) else None
        if not isinstance(origin, str) or not origin or head != {"format": FORMAT, "v": 1}:
            raise _Unreadable("not an export of a journal, version 1")
        self.origin = origin
        if self.outside is not None:
            try:
                self.kept = self._read_note(self.outside)
            except CheckpointRefused as refused:
                self.find(None, f"the checkpoint kept elsewhere: {refused}")
            self._compare_kept()

    def _entry(self, line: bytes) -> None:  # (1), in one piece: a few calls would take as long as the hashing
        try:
            leaf = unhexlify(line[_LEAF])
        except ValueError:
            raise _Unreadable("its line isn't an entry") from None
        hashed, index = sha256(b"\x00" + leaf).digest(), self.size
        if line[-1] != _NEWLINE or not line.startswith(_HEAD % (hexlify(hashed), hexlify(leaf), index)):
            hashed = self._stated(_whole(line))
        self.waiting.append(hashed)
        self.size = index + 1
        if not self.hashes_only:
            self._contents(line, leaf, index)
        if self.kept is not None and self.kept.size == self.size:
            self._compare_kept()

    def _stated(self, line: bytes) -> bytes:
        """Say what is wrong with the head of an entry's line, and go on with the hash that it states."""
        head = _ANY_HEAD.match(line)
        if head is None:
            raise _Unreadable("its line isn't an entry")
        if head[2] != b"%d" % self.size:
            raise _Unreadable("it is missing")
        self.find(self.size, "its leaf isn't what was hashed")
        return unhexlify(head[1])

    def _contents(self, line: bytes, leaf: bytes, index: int) -> None:  # (2)
        try:
            parts, row = _read_parts(line)
            committed = parse_leaf(leaf, index)
            for part, stated in zip(PARTS, committed[1:], strict=True):
                if part in parts and commitment(part, parts[part][0]) != stated:
                    self.find(index, f"its {part} isn't what the leaf commits to")
            if len(parts) < len(PARTS):
                self.closed[index] = ", ".join(part for part in PARTS if part not in parts)
            if "subject" in parts or "terms" in parts:
                self.open_below.add(index)
            self._count_boards(index, row["boards"])
            if "subject" in parts and "terms" in parts:
                self._compare_clear(index, row, committed.type, parts["terms"][1], parts["subject"][1])
        except (KeyError, TypeError, ValueError, AttributeError, StopIteration, RecursionError, IntegrityBroken):
            self.find(index, "its line isn't an entry of this format")

    def _count_boards(self, index: int, boards: dict[str, int]) -> None:  # (4)
        for board, number in boards.items():
            if number != self.boards.get(board, 0) + 1:
                self.find(index, "a board's running number doesn't follow on the one before")
            self.boards[board] = number

    def _compare_clear(self, index: int, row: Any, type_: int, terms: Any, subject: Any) -> None:
        bits = section_bits(tuple(terms["sections"]))
        committed = (type_, terms["book"], terms["at"][:10], bits, terms["ground"], terms["outcome"])
        clear = (row["type"], row["book"], row["day"], row["sections"], row["ground"], row["outcome"])
        if (committed, subject["number"], terms["boards"]) != (clear, row["number"], row["boards"]):
            self.find(index, "what stands in clear isn't what was committed to")
        if type_ == ERASE and terms["book"] == "erasure":
            self.erased.update(gone for gone in terms["terms"]["erased"] if gone < index)

    def _checkpoint(self, line: bytes) -> None:
        note = _json(line)
        if not isinstance(note, dict) or not isinstance(note.get("checkpoint"), str):
            raise _Unreadable("its line isn't an entry")
        try:
            self.last = self._read_note(str(note["checkpoint"]).encode())
        except CheckpointRefused as refused:
            self.find(None, f"the checkpoint after {self.size} entries: {refused}")
            return
        if self.last.size != self.size:
            self.find(None, f"a checkpoint of {self.last.size} entries stands after {self.size}")
        elif self.last.root == self.root():
            self.held, self.rebuilt = self.size, False
        elif not self.rebuilt:  # where the tree was rebuilt, no later checkpoint holds either: one finding says it
            self.rebuilt = True
            what = "aren't all those that the checkpoint there was signed over"
            self.find(None, f"entries {self.held} to {self.size - 1} {what}")

    def _read_note(self, note: bytes) -> Checkpoint:  # (5)
        if self.public_key is not None:
            return verify_checkpoint(note, self.origin, self.public_key)
        checkpoint = parse_checkpoint(note)
        if checkpoint.origin != self.origin:
            raise CheckpointRefused("the checkpoint is of another log")
        return checkpoint

    def _compare_kept(self) -> None:  # (6)
        if self.kept is not None and self.kept.size == self.size:
            self.kept_seen = True
            if self.kept.root != self.root():
                self.find(None, f"the first {self.size} entries aren't those of the checkpoint kept elsewhere")

    def _finish(self) -> None:
        if self.last is None or self.last.size != self.size:
            self.find(None, "the export doesn't end with a checkpoint over all its entries")
        if self.kept is not None and not self.kept_seen:
            self.find(None, f"the checkpoint kept elsewhere has {self.kept.size} entries, the export {self.size}")
        for index, what in self.closed.items():  # (3)
            if index not in self.erased:
                self.find(index, f"its {what} neither opens nor was erased")
        for index in sorted(self.erased & self.open_below):
            self.find(index, "it was erased, and is still there")

    def checked(self) -> tuple[str, ...]:
        opened, signed, outside = _NO_PARTS, _NO_KEY, _NO_CHECKPOINT
        if not self.hashes_only:
            opened = f"{len(self.open_below)} entries opened against their commitments; {len(self.erased)} were erased"
        if self.public_key is not None:
            signed = "every checkpoint against the log's public key"
        if self.kept is not None and self.kept_seen:
            outside = f"the first {self.kept.size} entries against the checkpoint kept elsewhere"
        alone = self.public_key is None and self.outside is None
        told = (f"{self.size} entries against the tree and its checkpoints", opened, signed, outside)
        return (*told, "consistent with itself only") if alone else told


def _grow(tree: Frontier, hashes: list[bytes]) -> None:
    """Add leaf hashes level by level, each with the frontier's own node before them where it has one there."""
    kept, bits = [], tree.size
    tree.size += len(hashes)
    while hashes:
        if bits & 1:
            hashes = [tree.hashes.pop(), *hashes]
        if len(hashes) & 1:
            kept.append(hashes[-1])
        lefts = iter(hashes)
        hashes = [sha256(b"\x01" + left + right).digest() for left, right in zip(lefts, lefts, strict=False)]
        bits >>= 1
    tree.hashes += reversed(kept)


def _whole(line: bytes) -> bytes:
    if not line.endswith(b"\n"):
        raise _Unreadable("its line is cut short or too long" if line else "the file is empty")
    return line


def _json(line: bytes) -> JSON:
    try:
        return json_load(line, limit=LINE_MAX)
    except EncodingRefused:
        raise _Unreadable("its line isn't JSON") from None


def _read_parts(line: bytes) -> tuple[dict[str, tuple[bytes, Any]], Any]:
    """Read what stands behind the head of a line: each part that is there, as it was committed to and as a value.

    What is hashed is the part's very text, salt in front. Raises ValueError or StopIteration for a line that is built
    in another way.
    """
    text = line.decode()
    parts: dict[str, tuple[bytes, Any]] = {}
    at = text.index(",", _LEAF.stop + len('","n":'))
    for part, closed, opening in _OPENINGS:
        if text.startswith(closed, at):
            at += len(closed)
            continue
        salt = at + len(opening)
        begin = salt + 2 * SALT_SIZE + 2
        if not text.startswith(opening, at) or text[begin - 2 : begin] != '",':
            raise ValueError("a part isn't where it belongs")
        value, at = _read(text, begin)
        parts[part] = _salt(text[salt : begin - 2]) + text[begin:at].encode(), value
        if not text.startswith("]", at):
            raise ValueError("a part has more than salt and text")
        at += 1
    if not text.startswith(_ROW, at):
        raise ValueError("the row isn't where it belongs")
    row, at = _read(text, at + len(_ROW))
    if text[at:] != "}\n":
        raise ValueError("something stands behind the entry")
    return parts, row


def _salt(text: str) -> bytes:
    salt = unhexlify(text)
    if salt.hex() != text:
        raise ValueError("not a salt as it is printed here")
    return salt
