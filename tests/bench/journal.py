"""Figures of the journal: what verifying an export costs beside hashing alone, and a proof as the tree grows.

The journals are filled in bulk through the functions that an act goes through, and written out by the export itself.
"""

import tempfile
from binascii import unhexlify
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from pathlib import Path

from sqlalchemy import insert

from consent import tree
from consent.db import Keys, Main, open_engine, reading, writing
from consent.entry import PARTS, Actor, Entry, Leaf, commitment, print_parts, section_bits
from consent.fields import by_terms
from consent.journal import Journal
from consent.keystore import KeyStore, OwnerKey
from consent.ledger import BOOK
from consent.sealing import seal_parts
from consent.tables import JournalBoard, JournalLeaf, JournalLookup, JournalPart
from consent.verify import verify_export
from crypto.keys import SignKey
from crypto.merkle import leaf_hash
from tests.bench.table import Row, at_most, compare
from tests.consent.story import PUPIL, Story, T

ORIGIN, BOARDS = "journal.example", ("board-a", "board-b")
KEY = SignKey.from_seed(bytes(32), "journal")
TABLES = (JournalLeaf, JournalPart, JournalLookup)
SMALL, LARGE = 10_000, 100_000
PROOFS = 50
BATCH = 5_000


def rows() -> list[Row]:
    """Measure the journal's rows of the ledger's table."""
    with tempfile.TemporaryDirectory() as folder:
        small, large = Filled(Path(folder, "small"), SMALL), Filled(Path(folder, "large"), LARGE)
        found = [*verifying(large), proving(small, large)]
        small.close()
        large.close()
    return found


class Filled:
    """A journal of a size on SQLite, its newest checkpoint, and its export."""

    def __init__(self, folder: Path, count: int) -> None:
        folder.mkdir()
        self.main, self.keys = (open_engine(f"sqlite:///{folder / name}.sqlite") for name in ("main", "keys"))
        Main.metadata.create_all(self.main)
        Keys.metadata.create_all(self.keys)
        self.size, self.keystore = count, KeyStore(self.keys, folder / "epochs")
        self.journal = Journal(self.main, self.keystore, KEY, ORIGIN, lambda: T)
        self.journal.initialise()
        self._fill()
        self.path = folder / "export.jsonl"
        with reading(self.main) as session, self.path.open("wb") as out:
            self.checkpoint = self.journal.checkpoint(session)
            self.journal.export(session, out)

    def _fill(self) -> None:
        key, entry = self.keystore.new_key("pupil", PUPIL), grant()
        with writing(self.main) as session:
            head = tree.load(session, ORIGIN, KEY.public, lock=True)
            assert head is not None
            for begin in range(0, self.size, BATCH):
                rows = [_rows(head, key, entry) for _ in range(begin, begin + BATCH)]
                for table, values in zip(
                    (JournalLeaf, JournalPart, JournalLookup), zip(*rows, strict=True), strict=True
                ):
                    session.execute(insert(table), values)
                numbered = [{"index": i, "board": b, "number": i + 1} for i in range(begin, head.size) for b in BOARDS]
                session.execute(insert(JournalBoard), numbered)
            tree.save(session, head, ORIGIN, KEY)

    def close(self) -> None:
        """Let go of both databases."""
        self.main.dispose()
        self.keys.dispose()


def _rows(head: tree.Head, key: OwnerKey, entry: Entry) -> tuple[dict[str, object], ...]:
    index = head.size
    parts = print_parts(entry, index + 1, dict.fromkeys(BOARDS, index + 1), T)
    leaf = Leaf(entry.type, *(commitment(part, parts[part]) for part in PARTS)).print()
    hashed = leaf_hash(leaf)
    head.append(hashed)
    sealed = seal_parts(parts, entry, key, None, (ORIGIN, index, hashed))
    clear = {"book": entry.book, "type": entry.type, "day": T.date(), "sections": section_bits(entry.sections)}
    clear |= {"ground": entry.ground, "number": index + 1, "pupil_tag": key.tag}
    return {"index": index, "leaf": leaf, "hash": hashed}, {"index": index, **sealed}, {"index": index, **clear}


def grant() -> Entry:
    """Give a guardian's consent as an entry of the ledger."""
    event = Story().tell("GRANT", "g1")
    by = Actor("family", event.by.person, by_terms(event.by))
    return Entry(BOOK, event.kind, PUPIL, by, event.to_terms(), BOARDS, ("okr", "lvs"), "consent", numbered=True)


def bare_pass(path: Path) -> bytes:
    """Hash the leaves that stand in a file into their root, level by level: no checks, nothing else read."""
    with path.open("rb") as file:
        level = [sha256(b"\0" + unhexlify(line[83:279])).digest() for line in file if line.startswith(b'{"hash"')]
    while len(level) > 1:
        odd = level[-1:] if len(level) % 2 else []
        pairs = zip(level[::2], level[1::2], strict=False)
        level = [sha256(b"\1" + left + right).digest() for left, right in pairs] + odd
    return level[0]


def verifying(journal: Filled) -> list[Row]:
    """Verify an export with the log's key and a checkpoint from elsewhere, beside hashing its leaves."""

    def verify(hashes_only: bool) -> None:
        report = verify_export(journal.path, KEY.public, journal.checkpoint, hashes_only=hashes_only)
        assert report, report.findings
        assert report.size == journal.size

    peer = partial(bare_pass, journal.path)
    cases = (("verify an export of 100,000, hashes only", True, 1.5), ("the same, every part", False, 10))
    return [
        at_most(label, *compare(partial(verify, only), peer, 5), limit, "a bare Merkle pass over its leaves")
        for label, only, limit in cases
    ]


def proofs(journal: Filled) -> Callable[[], None]:
    """Prove entries all over the journal, each in a transaction of its own."""

    def work() -> None:
        for index in range(0, journal.size, journal.size // PROOFS):
            with reading(journal.main) as session:
                assert journal.journal.inclusion_proof(session, index, journal.size)

    return work


def proving(small: Filled, large: Filled) -> Row:
    """Prove inclusion in the larger tree and in the smaller."""
    ours, peer = compare(proofs(large), proofs(small))
    return at_most("an inclusion proof at 100,000 entries", ours / PROOFS, peer / PROOFS, 1.3, "at 10,000")
