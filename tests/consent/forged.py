"""An export of the journal written by hand, from the specification and without the journal's own code."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

import rfc8785

from crypto.checkpoint import Checkpoint, print_checkpoint
from crypto.keys import SignKey
from crypto.merkle import root

ORIGIN = "school.example/journal"
KEY = SignKey.from_seed(bytes(range(32)), "journal")
SECTIONS = ("okr", "opp", "lvs", "attendance", "support", "reports", "views", "handover_notes")
HEAD = {"format": "overdracht-journal", "origin": ORIGIN, "v": 1}


@dataclass(frozen=True)
class Line:
    """An entry as it was committed to, and what its line says otherwise: `clear` in the row, `gone` of the parts.

    `heard` makes of it what a board hears, and `erased` what is left in clear once the pupil was erased.
    """

    type: int = 1
    number: int = 1
    book: str = "ledger"
    boards: Mapping[str, int] = field(default_factory=lambda: {"board-a": 1})
    sections: Sequence[str] = ("okr", "lvs")
    told: Mapping[str, Any] = field(default_factory=dict)
    terms: Mapping[str, Any] = field(default_factory=dict)
    clear: Mapping[str, Any] = field(default_factory=dict)
    gone: Sequence[str] = ()
    version: int = 1

    def but(self, **clear: Any) -> "Line":
        """Say something else in the row than what was committed to."""
        return replace(self, clear={**self.clear, **clear})

    def without(self, *parts: str) -> "Line":
        """Leave parts out."""
        return replace(self, gone=parts)

    def heard(self, board: str) -> "Line":
        """Show it as a board hears it: the parts that it sees, and what it is told."""
        told = self.told[board]
        gone = tuple(part for part in ("subject", "actor", "terms") if part not in told["sees"])
        shown = self.but(
            book=None, number=None, outcome=told["outcome"], boards={board: self.boards[board]}, told={board: told}
        )
        return replace(shown, gone=gone)

    def erased(self, *also: str) -> "Line":
        """Leave out subject and terms, and other parts, and all that an erasure empties in clear."""
        empty = dict.fromkeys(("book", "day", "ground", "number", "outcome", "school"))
        shown = self.but(**empty, sections=0, told={})
        return replace(shown, gone=("subject", "terms", *also))

    def committed(self) -> dict[str, dict[str, Any]]:
        """Give what each part says."""
        return {
            "subject": {"pupil": "kim", "number": self.number},
            "actor": {"kind": "family", "id": "g1", "details": {}},
            "terms": {
                "book": self.book,
                "at": "2027-03-01T23:59:59.000001+00:00",
                "boards": self.boards,
                "sections": self.sections,
                "ground": "consent",
                "outcome": "granted",
                "school": "99AB00",
                "told": self.told,
                "terms": self.terms,
            },
        }

    def row(self) -> dict[str, Any]:
        """Give what stands in clear."""
        return {
            "boards": self.boards,
            "book": self.book,
            "day": "2027-03-01",
            "ground": "consent",
            "number": self.number,
            "outcome": "granted",
            "school": "99AB00",
            "sections": sum(1 << SECTIONS.index(name) for name in self.sections),
            "told": self.told,
            "type": self.type,
            **self.clear,
        }

    def salted(self, index: int) -> dict[str, tuple[bytes, bytes]]:
        """Give salt and text of each part."""
        return {
            part: (sha256(b"%d %b" % (index, part.encode())).digest(), rfc8785.dumps(said))
            for part, said in self.committed().items()
        }

    def leaf(self, index: int) -> bytes:
        """Give the leaf: version, type, and what it commits to."""
        commitments = (
            sha256(b"overdracht/v1/" + part.encode() + b"\0" + salt + text).digest()
            for part, (salt, text) in self.salted(index).items()
        )
        return bytes((self.version, self.type)) + b"".join(commitments)

    def hashed(self, index: int) -> bytes:
        """Give the hash of the leaf."""
        return sha256(b"\0" + self.leaf(index)).digest()

    def printed(self, index: int) -> bytes:
        """Give the line."""
        parts = {
            part: b"null" if part in self.gone else b'["%b",%b]' % (salt.hex().encode(), text)
            for part, (salt, text) in self.salted(index).items()
        }
        return b'{"hash":"%b","leaf":"%b","n":%d,"parts":{"actor":%b,"subject":%b,"terms":%b},"row":%b}\n' % (
            self.hashed(index).hex().encode(),
            self.leaf(index).hex().encode(),
            index,
            parts["actor"],
            parts["subject"],
            parts["terms"],
            rfc8785.dumps(self.row()),
        )


@dataclass(frozen=True)
class Bare(Line):
    """An entry of another board, of which there is nothing but the hash."""

    def printed(self, index: int) -> bytes:
        return b'{"hash":"%b","n":%d}\n' % (self.hashed(index).hex().encode(), index)


def note(lines: Sequence[Line], size: int | None = None, origin: str = ORIGIN, key: SignKey = KEY) -> bytes:
    """Sign a checkpoint over the first lines, of `size` where that is to be another one."""
    tree = root([line.hashed(index) for index, line in enumerate(lines)])
    return print_checkpoint(Checkpoint(origin, len(lines) if size is None else size, tree), key)


def noted(note: bytes) -> bytes:
    """Print the line of a checkpoint."""
    return rfc8785.dumps({"checkpoint": note.decode()}) + b"\n"


def newest(lines: Sequence[Line], board: str | None = None) -> dict[str, int]:
    """Give the last number of each board, or of one, that is shown."""
    last = {} if board is None else {board: 0}
    for line in lines:
        shown = {} if isinstance(line, Bare) else line.row()["boards"]
        last |= {name: number for name, number in shown.items() if board in (None, name)}
    return last


def export(*lines: Line, last: bytes | None = None, **head: Any) -> list[bytes]:
    """Write an export with one checkpoint at its end."""
    begin = rfc8785.dumps({**HEAD, "newest": newest(lines, head.get("board")), **head}) + b"\n"
    printed = [line.printed(index) for index, line in enumerate(lines)]
    return [begin, *printed, noted(note(lines) if last is None else last)]
