"""Verifies an export of the journal: streaming, offline, without a database and without trust in who wrote it.

(1) every leaf hash is that of its leaf, indices run from 0 without a hole, and every checkpoint is the tree's root;
(2) every part that is there is what the leaf commits to, and what stands in clear beside it is what the parts say;
(3) every part that isn't there was erased by an entry that lists it, and nothing that was erased is still there, in
    clear neither;
(4) the boards' running numbers run without a hole to the newest that was given;
(5) with the log's public key: every checkpoint was signed by it;
(6) with a checkpoint that was kept elsewhere: the export is the same log, grown.

Without (5) and (6) an export is only consistent with itself: its owner could have written another one.

In a board's export (2) and (3) hold for what that board may see, (4) for its own numbers. The other entries are
counted: of other boards' there is the hash alone. What a board hears of an entry without seeing its terms, or once it
was erased, is committed to nowhere that it can see: there (2) holds for type and who acted, and the rest is the
operator's word, which the report says.
"""

import re
from binascii import hexlify, unhexlify
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from consent.entry import ROLLBACK
from consent.erased import BODY
from consent.exported import HASH_END, LEAF, Head, Unreadable, lines_of, read_head, read_line, whole
from consent.exported_entry import AnotherForm, read_entry
from consent.exported_erasures import Erasures
from consent.exported_tree import Tree
from consent.findings import Finding, Findings
from crypto.merkle import EMPTY_ROOT

__all__ = ["Finding", "Report", "verify_export"]

_NO_KEY = "NOT CHECKED: who signed the checkpoints"
_NO_CHECKPOINT = "NOT CHECKED: against a checkpoint kept elsewhere"
_NO_PARTS = "NOT CHECKED: what the entries say, what was erased, and the boards' running numbers"
_WORD = "NOT CHECKED: day, sections, ground, school and outcome of {} entries, which are the operator's word"
_ENTRY, _OTHER = b'{"hash":"', b'","n":'
_HEAD = b'{"hash":"%b","leaf":"%b","n":%d,'
_ANY_HEAD = re.compile(rb'\{"hash":"([0-9a-f]{64})","leaf":"[0-9a-f]{196}","n":(0|[1-9][0-9]*),')
_BARE = re.compile(rb'\{"hash":"([0-9a-f]{64})","n":(0|[1-9][0-9]*)\}\n')
_NEWLINE = ord("\n")
TOGETHER = 1024
"""How many hashes are added at once, which is faster; no export may fill the memory with them."""


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

    `hashes_only` leaves (2) to (4) out: order, count and every leaf are still fixed, at a sixth of the time.
    Never raises for what is in the file: whatever is wrong with it is a finding.
    """
    findings = Findings()
    with lines_of(path) as lines:
        try:
            head = read_head(whole(next(lines, b"")))
        except Unreadable as stop:
            findings.add(None, f"{stop}; nothing after it was read")
            return Report("", 0, EMPTY_ROOT, None, findings.all(), ("NOT CHECKED: anything",))
        tree = Tree(((0, head.origin), *head.later), public_key, findings)
        if checkpoint is not None:
            tree.expect(checkpoint)
        side = None if hashes_only else _Side(head, findings, {first for first, _ in head.later})
        reading = _Reading(tree, side, head.board is not None)
        try:
            reading.read(lines)
        except Unreadable as stop:
            findings.add(tree.size, f"{stop}; nothing after it was read")
    checked = _checked(tree, side, reading.others, checkpoint is not None, head.board is not None)
    return Report(head.origin, tree.size, tree.root(), head.board, findings.all(), checked)


@dataclass(slots=True)
class _Reading:
    """Goes through the lines. `others` counts entries of other boards, of which there is the hash alone."""

    tree: Tree
    side: "_Side | None"
    of_board: bool
    others: int = 0
    _hashes: list[bytes] = field(default_factory=list)

    def read(self, lines: Iterator[bytes]) -> None:
        """Read to the end; raises `Unreadable`."""
        try:
            self._read(lines)
        finally:
            self._grow()
        self.tree.end()
        if self.side is not None:
            self.side.end()

    def _read(self, lines: Iterator[bytes]) -> None:
        side, hashes, index = self.side, self._hashes, 0
        for line in lines:  # (1), in one piece: a few calls would take as long as the hashing
            try:
                leaf = unhexlify(line[LEAF])
            except ValueError:
                leaf = b""
            hashed = sha256(b"\x00" + leaf).digest()
            head = _HEAD % (hexlify(hashed), hexlify(leaf), index)
            entry = leaf and line.startswith(head) and line[-1] == _NEWLINE
            if entry:
                if side is not None:
                    side.entry(index, line, leaf)
                hashes.append(hashed)
                index += 1
                if len(hashes) < TOGETHER:
                    continue
            self._grow()
            if not entry:
                self._other(line, leaf)
                index = self.tree.size

    def _grow(self) -> None:
        self.tree.extend(self._hashes)
        self._hashes.clear()

    def _other(self, line: bytes, leaf: bytes) -> None:
        """Take in what isn't an entry with the hash of its leaf: a checkpoint, a bare hash, or a wrong one."""
        if not whole(line).startswith(_ENTRY):
            self.tree.hold(_note(line))
            return
        bare = self.of_board and line.startswith(_OTHER, HASH_END)
        head = _BARE.fullmatch(line) if bare else _ANY_HEAD.match(line)
        index = self.tree.size
        if head is None:
            raise Unreadable("its line isn't an entry")
        if head[2] != b"%d" % index:
            raise Unreadable("it is missing")
        if bare:
            self.others += 1
        else:
            self.tree.findings.add(index, "its leaf isn't what was hashed")
        if self.side is not None:
            if bare:
                self.side.erasures.entry(0, 0)
            else:
                self.side.entry(index, line, leaf)
        self.tree.extend([unhexlify(head[1])])


@dataclass(slots=True)
class _Side:
    """What entries say, from (2) to (4): of the whole journal, or of what one board sees and hears.

    `renamed` are the indices at which the log took another name.
    """

    head: Head
    findings: Findings
    renamed: set[int]
    erasures: Erasures = field(default_factory=Erasures)
    opened: int = 0
    heard: int = 0
    words: int = 0
    _numbers: dict[str, int] = field(default_factory=dict)

    def entry(self, index: int, line: bytes, leaf: bytes) -> None:
        """Take in an entry of which the hash is known."""
        try:
            read = read_entry(line, leaf, self.head.board)
        except AnotherForm:
            self.erasures.entry(0, 0)
            self.findings.add(index, "its line isn't an entry of this format")
            return
        self.erasures.entry(read.wanted, read.there)
        for what in read.wrong:  # (2)
            self.findings.add(index, what)
        if index in self.renamed and leaf[1] != ROLLBACK:
            self.findings.add(index, "the log took another name here, and no entry was lost")
        for board, number in read.numbers.items():
            self._follow(index, board, number)
        if read.erasure is not None:
            for at, what in self.erasures.erase(index, read.erasure):  # (3)
                self.findings.add(at, what)
        self.words += read.word
        if read.told:
            self.heard += 1
        elif read.there & BODY:
            self.opened += 1

    def _follow(self, index: int, board: str, number: int) -> None:  # (4)
        last = self._numbers.get(board, 0)
        if number != last + 1 and not (number > last and index in self.renamed):
            self.findings.add(index, "a board's running number doesn't follow on the one before")
        self._numbers[board] = number

    def end(self) -> None:
        """Say what is missing at the end."""
        for board in sorted({*self._numbers, *self.head.newest}):
            last, newest = self._numbers.get(board, 0), self.head.newest.get(board, 0)
            if last != newest:
                self.findings.add(None, f"the entries of {board} end at number {last}, and its newest is {newest}")
        for index, what in self.erasures.lost():
            self.findings.add(index, what)


def _note(line: bytes) -> bytes:
    value = read_line(line)
    if not isinstance(value, dict) or list(value) != ["checkpoint"] or not isinstance(value["checkpoint"], str):
        raise Unreadable("its line isn't an entry")
    return value["checkpoint"].encode()


def _checked(tree: Tree, side: _Side | None, others: int, outside: bool, of_board: bool) -> tuple[str, ...]:
    told = [f"{tree.size} entries against the tree and its checkpoints", _NO_PARTS, _NO_KEY, _NO_CHECKPOINT]
    if side is not None:
        told[1] = _opened(side)
    if tree.public_key is not None:
        told[2] = "every checkpoint against the log's public key"
    if tree.compared is not None:
        told[3] = f"the first {tree.compared} entries against the checkpoint kept elsewhere"
    if of_board:
        heard = f"; {side.heard} whose contents are another board's" if side else ""
        told.append(f"{others} entries of other boards{heard}")
    if side is not None and side.words:
        told.append(_WORD.format(side.words))
    if tree.public_key is None and not outside:
        told.append("consistent with itself only")
    return tuple(told)


def _opened(side: _Side) -> str:
    erased, staff = side.erasures.counts()
    told = f"{side.opened} entries opened against their commitments; {erased} were erased"
    return f"{told}, and of {staff} more who acted" if staff else told
