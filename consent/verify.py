"""Verifies an export of the journal: streaming, offline, without a database and without trust in who wrote it.

(1) every leaf hash is that of its leaf, indices run from 0 without a hole, and every checkpoint is the tree's root;
(2) every part that is there is what the leaf commits to, and says what stands in clear beside it;
(3) every part that isn't there was erased by an entry that lists it, and nothing that was erased is still there;
(4) the boards' running numbers run without a hole;
(5) with the log's public key: every checkpoint was signed by it;
(6) with a checkpoint that was kept elsewhere: the export is the same log, grown.

Without (5) and (6) an export is only consistent with itself: its owner could have written another one.

In a board's export (2) and (3) hold for what that board may see whole, (4) for its own numbers. The other entries are
counted: of other boards' there is the hash alone, of those whose contents are another board's what this one hears.
"""

import re
from binascii import hexlify, unhexlify
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from operator import and_, itemgetter
from pathlib import Path
from typing import Any

from consent.entry import (
    ERASE,
    ERASURES,
    PARTS,
    SEES,
    STAFF_ERASED,
    VERSION,
    WHOLE,
    commitment,
    section_bits,
)
from consent.exported import FORMAT, HASH, LEAF, Unreadable, lines_of, read_json, read_later, read_parts, whole
from crypto.checkpoint import Checkpoint, parse_checkpoint, verify_checkpoint
from crypto.errors import CheckpointRefused
from crypto.merkle import Frontier

_NO_KEY = "NOT CHECKED: who signed the checkpoints"
_NO_CHECKPOINT = "NOT CHECKED: against a checkpoint kept elsewhere"
_NO_PARTS = "NOT CHECKED: what the entries say, what was erased, and the boards' running numbers"
_ENTRY, _OTHER = b'{"hash":"', b'","n":'
_SAID = itemgetter("book", "boards", "ground", "outcome", "school", "told")
_HEAD = b'{"hash":"%b","leaf":"%b","n":%d,'
_ANY_HEAD = re.compile(rb'\{"hash":"([0-9a-f]{64})","leaf":"[0-9a-f]{196}","n":(0|[1-9][0-9]*),')
_BARE = re.compile(rb'\{"hash":"([0-9a-f]{64})","n":(0|[1-9][0-9]*)\}\n')
_NEWLINE = ord("\n")
_COMMITTED = {part: slice(2 + 32 * at, 34 + 32 * at) for at, part in enumerate(PARTS)}
_BODY = SEES["subject"] | SEES["terms"]
_MAY_GO = {ERASE: WHOLE, STAFF_ERASED: SEES["actor"]}
_MUST_GO = {ERASE: _BODY, STAFF_ERASED: SEES["actor"]}
"""Which parts may be gone, and which have to be, of an entry that an erasure of this type lists."""


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
    board: str | None
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
    with lines_of(path) as lines:
        try:
            run.read(lines)
        except Unreadable as stop:
            run.find(run.size if run.origin else None, f"{stop}; nothing after it was read")
    return Report(run.origin, run.size, run.root(), run.board, tuple(run.findings), run.checked())


@dataclass(slots=True)
class _Run:
    public_key: bytes | None
    outside: bytes | None
    hashes_only: bool
    origin: str = ""
    later: list[tuple[int, str]] = field(default_factory=list)
    size: int = 0
    tree: Frontier = field(default_factory=Frontier)
    waiting: list[bytes] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    board: str | None = None
    others: int = 0
    heard: int = 0
    wanted: bytearray = field(default_factory=bytearray)  # of each entry: the parts that have to be there,
    there: bytearray = field(default_factory=bytearray)  # those that are,
    may_go: bytearray = field(default_factory=bytearray)  # and, up to the last one that was erased: those that an
    must_go: bytearray = field(default_factory=bytearray)  # erasure lets go, or makes go
    boards: dict[str, int] = field(default_factory=dict)
    last: Checkpoint | None = None
    held: int = 0
    rebuilt: bool = False
    kept: Checkpoint | None = None
    kept_at: int = -1
    kept_seen: bool = False

    def find(self, index: int | None, what: str) -> None:
        self.findings.append(Finding(index, what))

    def root(self) -> bytes:
        """Give the root over what was read: hashes wait for it, since many are added faster at once."""
        self.tree.extend(self.waiting)
        self.waiting = []
        return self.tree.root()

    def read(self, lines: Iterator[bytes]) -> None:
        self._begin(whole(next(lines, b"")))
        entry = self._entry if self.board is None else self._own_or_other
        for line in lines:
            if line.startswith(_ENTRY):
                entry(line)
            else:
                self._checkpoint(whole(line))
        self._finish()

    def _begin(self, line: bytes) -> None:
        head = read_json(line)
        origin = head.pop("origin", None) if isinstance(head, dict) else None
        board = head.pop("board", None) if isinstance(head, dict) else None
        self.later = read_later(head.pop("later", []) if isinstance(head, dict) else [])
        named = isinstance(origin, str) and origin and (board is None or isinstance(board, str))
        if not named or head != {"format": FORMAT, "v": 1}:
            raise Unreadable("not an export of a journal, version 1")
        self.origin, self.board = str(origin), None if board is None else str(board)
        if self.outside is not None:
            try:
                self.kept = self._read_note(self.outside)
                self.kept_at = self.kept.size
            except CheckpointRefused as refused:
                self.find(None, f"the checkpoint kept elsewhere: {refused}")
            if self.size == self.kept_at:
                self._compare_kept()

    def _entry(self, line: bytes) -> None:  # (1), in one piece: a few calls would take as long as the hashing
        try:
            leaf = unhexlify(line[LEAF])
        except ValueError:
            raise Unreadable("its line isn't an entry") from None
        hashed, index = sha256(b"\x00" + leaf).digest(), self.size
        if line[-1] != _NEWLINE or not line.startswith(_HEAD % (hexlify(hashed), hexlify(leaf), index)):
            hashed = self._stated(_ANY_HEAD.match(whole(line)))
            self.find(index, "its leaf isn't what was hashed")
        self.waiting.append(hashed)
        self.size = index + 1
        if not self.hashes_only:
            self._contents(line, leaf, index)
        if self.size == self.kept_at:
            self._compare_kept()

    def _own_or_other(self, line: bytes) -> None:
        """Read an entry, or count that of another board, of which there is nothing but the hash."""
        if not line.startswith(_OTHER, HASH.stop):
            self._entry(line)
            return
        self.waiting.append(self._stated(_BARE.fullmatch(whole(line))))
        self.size += 1
        self.others += 1
        self.wanted.append(0)
        self.there.append(0)
        if self.size == self.kept_at:
            self._compare_kept()

    def _stated(self, head: re.Match[bytes] | None) -> bytes:
        """Give the hash that the head of an entry's line states."""
        if head is None:
            raise Unreadable("its line isn't an entry")
        if head[2] != b"%d" % self.size:
            raise Unreadable("it is missing")
        return unhexlify(head[1])

    def _contents(self, line: bytes, leaf: bytes, index: int) -> None:  # (2)
        there, wanted = 0, WHOLE
        try:
            parts, row = read_parts(line)
            if leaf[0] != VERSION:
                raise ValueError("not a leaf of version 1")
            type_ = leaf[1]
            for part, (salted, _) in parts.items():
                there |= SEES[part]
                if commitment(part, salted) != leaf[_COMMITTED[part]]:
                    self.find(index, f"its {part} isn't what the leaf commits to")
            for board, number in (row["boards"] if self.board is None else self._own(row["boards"])).items():  # (4)
                if number != self.boards.get(board, 0) + 1:
                    self.find(index, "a board's running number doesn't follow on the one before")
                self.boards[board] = number
            terms = parts["terms"][1] if "terms" in parts else None
            if self.board in row["told"]:
                wanted = 0
                self._compare_heard(index, row, type_, terms)
            elif "subject" in parts and terms is not None:
                self._compare_clear(index, row, type_, terms, parts["subject"][1])
        except (KeyError, TypeError, ValueError, AttributeError, StopIteration, RecursionError):
            self.find(index, "its line isn't an entry of this format")
        self.wanted.append(wanted)
        self.there.append(there)

    def _own(self, boards: dict[str, int]) -> dict[str, int]:
        return {str(self.board): boards[str(self.board)]}

    def _compare_clear(self, index: int, row: Any, type_: int, terms: Any, subject: Any) -> None:
        named = row["type"], row["day"], row["sections"], row["number"]
        committed = type_, terms["at"][:10], section_bits(tuple(terms["sections"])), subject["number"]
        if named != committed or _SAID(row) != _SAID(terms):
            self.find(index, "what stands in clear isn't what was committed to")
        if terms["book"] == ERASURES:
            self._erasure(index, type_, terms["terms"]["erased"])

    def _erasure(self, index: int, type_: int, erased: list[int]) -> None:
        may, must = _MAY_GO[type_], _MUST_GO[type_]
        for bits in (self.may_go, self.must_go):
            bits.extend(bytes(index - len(bits)))
        for gone in erased:
            if not 0 <= gone < index:
                self.find(index, "it erases what wasn't there yet")
                break
            self.may_go[gone] |= may
            self.must_go[gone] |= must

    def _compare_heard(self, index: int, row: Any, type_: int, terms: Any) -> None:
        told = row["told"][self.board]
        said = (row["type"], row["outcome"])
        clear = (row["day"], row["sections"], row["ground"], row["school"], row["boards"], told)
        committed = clear
        if terms is not None:
            bits, boards = section_bits(tuple(terms["sections"])), {self.board: terms["boards"][self.board]}
            committed = (terms["at"][:10], bits, terms["ground"], terms["school"], boards, terms["told"][self.board])
        if told is None or (said, clear) != ((type_, told["outcome"]), committed):
            self.find(index, "what this board hears isn't what was committed to")
        self.heard += 1

    def _checkpoint(self, line: bytes) -> None:
        note = read_json(line)
        if not isinstance(note, dict) or not isinstance(note.get("checkpoint"), str):
            raise Unreadable("its line isn't an entry")
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
        checkpoint = parse_checkpoint(note)
        names = [(0, self.origin), *self.later]
        begun = max(at for at, (first, _) in enumerate(names) if not first or first < checkpoint.size)
        if checkpoint.origin in [name for _, name in names[:begun]]:
            first, name = names[begun]
            raise CheckpointRefused(f"that log lost its entries from {first} on, and went on as {name}")
        if checkpoint.origin != names[begun][1]:
            raise CheckpointRefused("the checkpoint is of another log")
        if self.public_key is not None:
            verify_checkpoint(note, checkpoint.origin, self.public_key)
        return checkpoint

    def _compare_kept(self) -> None:  # (6)
        self.kept_seen = True
        if self.kept is not None and self.kept.root != self.root():
            self.find(None, f"the first {self.size} entries aren't those of the checkpoint kept elsewhere")

    def _finish(self) -> None:
        for bits in (self.may_go, self.must_go):
            bits.extend(bytes(self.size - len(bits)))
        if self.last is None or self.last.size != self.size:
            self.find(None, "the export doesn't end with a checkpoint over all its entries")
        if self.kept is not None and not self.kept_seen:
            self.find(None, f"the checkpoint kept elsewhere has {self.kept.size} entries, the export {self.size}")
        for index, lost in enumerate(map(_lost, self.wanted, self.there, self.may_go)):  # (3)
            if lost:
                names = ", ".join(part for part in PARTS if lost & SEES[part])
                self.find(index, f"its {names} neither opens nor was erased")
        for index, back in enumerate(map(and_, self.there, self.must_go)):
            if back:
                self.find(index, "it was erased, and is still there")

    def checked(self) -> tuple[str, ...]:
        opened, signed, outside = _NO_PARTS, _NO_KEY, _NO_CHECKPOINT
        if not self.hashes_only:
            opened = self._opened()
        if self.public_key is not None:
            signed = "every checkpoint against the log's public key"
        if self.kept is not None and self.kept_seen:
            outside = f"the first {self.kept.size} entries against the checkpoint kept elsewhere"
        alone = self.public_key is None and self.outside is None
        told = [f"{self.size} entries against the tree and its checkpoints", opened, signed, outside]
        if self.board is not None:
            told.append(f"{self.others} entries of other boards; {self.heard} whose contents are another board's")
        return (*told, "consistent with itself only") if alone else tuple(told)

    def _opened(self) -> str:
        opened = sum(1 for wanted, there in zip(self.wanted, self.there, strict=True) if wanted and there & _BODY)
        told = f"{opened} entries opened against their commitments; {self.may_go.count(WHOLE)} were erased"
        staff = self.may_go.count(SEES["actor"])
        return f"{told}, and of {staff} more who acted" if staff else told


def _lost(wanted: int, there: int, may_go: int) -> int:
    return wanted & ~there & ~may_go
