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
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from consent.entry import ERASE, LEAF_SIZE, PARTS, commitment, parse_leaf, section_bits
from consent.errors import IntegrityBroken
from crypto.checkpoint import Checkpoint, parse_checkpoint, verify_checkpoint
from crypto.errors import CheckpointRefused
from crypto.merkle import Frontier, leaf_hash

FORMAT = "overdracht-journal"
LINE_MAX = 4_000_000
_NO_KEY = "NOT CHECKED: who signed the checkpoints"
_NO_CHECKPOINT = "NOT CHECKED: against a checkpoint kept elsewhere"
_HASH = slice(9, 73)
_LEAF = slice(83, 83 + 2 * LEAF_SIZE)
_ENTRY, _MIDDLE, _END = b'{"hash":"', b'","leaf":"', b'","n":'


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


def verify_export(path: Path, public_key: bytes | None = None, checkpoint: bytes | None = None) -> Report:
    """Verify an export, with the log's public key and a checkpoint that was kept elsewhere where there are such.

    Never raises for what is in the file: whatever is wrong with it is a finding.
    """
    run = _Run(public_key, checkpoint)
    with path.open("rb") as file:
        try:
            for line in _lines(file):
                run.take(line)
            run.finish()
        except _Unreadable as stop:
            run.find(run.tree.size if run.origin else None, f"{stop}; nothing after it was read")
    return Report(run.origin, run.tree.size, run.tree.root(), tuple(run.findings), run.checked())


class _Unreadable(Exception):
    """The export can't be read on."""


@dataclass(slots=True)
class _Run:
    public_key: bytes | None
    outside: bytes | None
    origin: str = ""
    tree: Frontier = field(default_factory=Frontier)
    findings: list[Finding] = field(default_factory=list)
    closed: dict[int, str] = field(default_factory=dict)
    erased: set[int] = field(default_factory=set)
    open_below: set[int] = field(default_factory=set)
    boards: dict[str, int] = field(default_factory=dict)
    last: Checkpoint | None = None
    kept: Checkpoint | None = None
    kept_seen: bool = False

    def find(self, index: int | None, what: str) -> None:
        self.findings.append(Finding(index, what))

    def take(self, line: bytes) -> None:
        if not self.origin:
            self._begin(line)
        elif line.startswith(_ENTRY):
            self._entry(line)
        else:
            self._checkpoint(line)

    def _begin(self, line: bytes) -> None:
        head = _json(line)
        if not isinstance(head, dict) or head.get("format") != FORMAT or head.get("v") != 1 or not head.get("origin"):
            raise _Unreadable("not an export of a journal, version 1")
        self.origin = str(head["origin"])
        if self.outside is not None:
            try:
                self.kept = self._read_note(self.outside)
            except CheckpointRefused as refused:
                self.find(None, f"the checkpoint kept elsewhere: {refused}")
            self._compare_kept()

    def _entry(self, line: bytes) -> None:  # (1)
        index = self.tree.size
        leaf, stated = _hex(line[_LEAF], LEAF_SIZE), _hex(line[_HASH], 32)
        if line[_HASH.stop : _LEAF.start] != _MIDDLE or line[_LEAF.stop : _LEAF.stop + len(_END)] != _END:
            raise _Unreadable("its line isn't an entry")
        if not line.startswith(b"%d," % index, _LEAF.stop + len(_END)):
            raise _Unreadable("it is missing")
        if leaf_hash(leaf) != stated:
            self.find(index, "its leaf isn't what was hashed")
        self.tree.append(stated)
        self._contents(line, leaf, index)
        self._compare_kept()

    def _contents(self, line: bytes, leaf: bytes, index: int) -> None:  # (2)
        try:
            entry = _json(line)
            parts = {part: _salted(entry["parts"][part]) for part in PARTS}
            committed = parse_leaf(leaf, index)
            for part, salted in parts.items():
                if salted is not None and commitment(part, salted) != getattr(committed, part):
                    self.find(index, f"its {part} isn't what the leaf commits to")
            self._note_parts(index, parts)
            self._count_boards(index, entry["row"]["boards"])
            if parts["terms"] is not None and parts["subject"] is not None:
                terms, subject = json.loads(parts["terms"][32:]), json.loads(parts["subject"][32:])
                self._compare_clear(index, entry["row"], committed.type, terms, subject)
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError, IntegrityBroken, _Unreadable):
            self.find(index, "its line isn't an entry of this format")

    def _note_parts(self, index: int, parts: dict[str, bytes | None]) -> None:
        missing = [part for part, salted in parts.items() if salted is None]
        if missing:
            self.closed[index] = ", ".join(missing)
        if parts["subject"] is not None or parts["terms"] is not None:
            self.open_below.add(index)

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
            self.last = self._read_note(note["checkpoint"].encode())
        except CheckpointRefused as refused:
            self.find(None, f"the checkpoint after {self.tree.size} entries: {refused}")
            return
        if self.last.size != self.tree.size:
            self.find(None, f"a checkpoint of {self.last.size} entries stands after {self.tree.size}")
        elif self.last.root != self.tree.root():
            self.find(None, f"the first {self.tree.size} entries aren't those of the checkpoint signed over them")

    def _read_note(self, note: bytes) -> Checkpoint:  # (5)
        checkpoint = parse_checkpoint(note)
        if checkpoint.origin != self.origin:
            raise CheckpointRefused("it is of another log")
        return checkpoint if self.public_key is None else verify_checkpoint(note, self.origin, self.public_key)

    def _compare_kept(self) -> None:  # (6)
        if self.kept is not None and self.kept.size == self.tree.size:
            self.kept_seen = True
            if self.kept.root != self.tree.root():
                self.find(None, f"the first {self.tree.size} entries aren't those of the checkpoint kept elsewhere")

    def finish(self) -> None:
        if not self.origin:
            raise _Unreadable("the file is empty")
        if self.last is None or self.last.size != self.tree.size:
            self.find(None, "the export doesn't end with a checkpoint over all its entries")
        if self.kept is not None and not self.kept_seen:
            self.find(None, f"the checkpoint kept elsewhere has {self.kept.size} entries, the export {self.tree.size}")
        for index, what in self.closed.items():  # (3)
            if index not in self.erased:
                self.find(index, f"its {what} neither opens nor was erased")
        for index in sorted(self.erased & self.open_below):
            self.find(index, "it was erased, and is still there")

    def checked(self) -> tuple[str, ...]:
        signed, outside = _NO_KEY, _NO_CHECKPOINT
        if self.public_key is not None:
            signed = "every checkpoint against the log's public key"
        if self.kept is not None and self.kept_seen:
            outside = f"the first {self.kept.size} entries against the checkpoint kept elsewhere"
        alone = self.public_key is None and self.outside is None
        return (
            f"{self.tree.size} entries against the tree and its checkpoints",
            f"{len(self.open_below)} entries opened against their commitments; {len(self.erased)} were erased",
            signed,
            outside,
            *(("consistent with itself only",) if alone else ()),
        )


def _lines(file: Any) -> Iterator[bytes]:
    while line := file.readline(LINE_MAX):
        if not line.endswith(b"\n"):
            raise _Unreadable("its line is cut short or too long")
        yield line


def _json(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        raise _Unreadable("its line isn't JSON") from None


def _hex(text: bytes, size: int) -> bytes:
    try:
        raw = bytes.fromhex(text.decode("ascii"))
    except ValueError:
        raise _Unreadable("its line isn't an entry") from None
    if len(raw) != size or raw.hex().encode() != text:
        raise _Unreadable("its line isn't an entry")
    return raw


def _salted(part: Any) -> bytes | None:
    if part is None:
        return None
    salt, said = part
    return _hex(str(salt).encode(), 32) + str(said).encode()
