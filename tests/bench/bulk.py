"""A journal of any size on SQLite, loaded straight into its tables: real commitments, a real tree, real keys.

Everything is as an act would leave it, so whatever reads a journal reads this one. Pupils, staff, schools, sections,
grounds and outcomes are spread evenly over the entries, boards in turn, and a day ends every `A_DAY` entries.
"""

import atexit
import secrets
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Engine

from consent import tree
from consent.db import Keys, Main, open_engine, reading, writing
from consent.entry import SALT_SIZE, WHOLE, Leaf, commitment, section_bits
from consent.journal import Journal
from consent.keystore import KeyStore, OwnerKey
from consent.owners import staff_owner
from consent.sealing import BY_PERSON, BY_PUPIL, part_aad
from consent.tables import JournalBoard, JournalLeaf, JournalLookup, JournalNode, JournalPart, Pupil, core
from crypto.encoding import JSON, canon, parse
from crypto.keys import SignKey
from crypto.merkle import leaf_hash

ORIGIN = "journal.example"
KEY = SignKey.from_seed(bytes(32), "journal")
BEGIN = datetime(2026, 1, 5, 8, tzinfo=UTC)
A_DAY, BATCH = 2_000, 10_000
BOARDS = tuple(f"board-{number}" for number in range(4))
PUPILS, STAFF = 400, 80
SECTIONS = (("okr",), ("okr", "lvs"), ("support",), ("views", "handover_notes"))
GROUNDS = ("consent", "explicit_consent", "statutory", None)
OUTCOMES = ("granted", "granted", "granted", "NO_GRANT", "WITHDRAWN")
TYPE = 0x27

_TABLES = (JournalLeaf, JournalPart, JournalLookup, JournalBoard, JournalNode)
_TERMS = (
    '{"at":"%s","boards":{"%s":%d},"book":"access","ground":%s,"outcome":"%s","school":"%s",'
    '"sections":[%s],"terms":{"purpose":"placement","school":"%s","transfer":"%032x"},"told":{}}'
)


@dataclass(frozen=True)
class Bulk:
    """A loaded journal: open engines, the journal itself, its newest checkpoint and who stands in it."""

    folder: Path
    size: int
    main: Engine
    keystore: KeyStore
    journal: Journal
    checkpoint: bytes

    def export(self) -> Path:
        """Write everything out, once."""
        path = self.folder / "export.jsonl"
        if not path.exists():
            with path.open("wb") as out:
                self.journal.export(out)
        return path


@cache
def bulk(size: int) -> Bulk:
    """Load a journal of a size, once in a run; its folder goes when the run ends."""
    folder = tempfile.TemporaryDirectory(prefix="overdracht-bench-")
    atexit.register(folder.cleanup)
    return load(Path(folder.name), size)


def load(folder: Path, size: int) -> Bulk:
    """Load a journal of a size into a new folder."""
    main, keys = (open_engine(f"sqlite:///{folder / name}.sqlite") for name in ("main", "keys"))
    Main.metadata.create_all(main)
    Keys.metadata.create_all(keys)
    keystore = KeyStore(keys, folder / "epochs")
    journal = Journal(main, keystore, KEY, ORIGIN, lambda: BEGIN)
    journal.initialise()
    people = _People(keystore)
    with writing(main) as session:
        session.add_all(Pupil(id=pupil(at), board=BOARDS[at % len(BOARDS)]) for at in range(PUPILS))
        head = tree.load(session, ORIGIN, KEY.public, lock=True)
        assert head is not None
        board_rows = core(JournalBoard)
        for index in board_rows.indexes:
            index.drop(session.connection())  # made again at once over all rows, which is faster
        for begin in range(0, size, BATCH):
            rows = [_rows(people, head, at) for at in range(begin, min(size, begin + BATCH))]
            for table, values in zip(_TABLES[:4], zip(*rows, strict=True), strict=True):
                session.connection().execute(core(table).insert(), list(values))
            session.connection().execute(core(JournalNode).insert(), head.nodes)
            head.nodes.clear()
            print(f"\r  loading a journal: {begin + len(rows):,} of {size:,}", end="", file=sys.stderr, flush=True)
        for index in board_rows.indexes:
            index.create(session.connection())
        tree.save(session, head, ORIGIN, KEY)
        root = head.frontier.root()
    print(file=sys.stderr)
    keystore.raise_mark(size, root)
    with reading(main) as session:
        checkpoint = journal.checkpoint(session)
    return Bulk(folder, size, main, keystore, journal, checkpoint)


def pupil(at: int) -> str:
    """Name a pupil."""
    return f"pupil-{at:04}"


def person(at: int) -> str:
    """Name a member of staff."""
    return f"{school(at)}.s-{at:03}"


def school(at: int) -> str:
    """Name the school of a member of staff, of the same board."""
    return f"9{at % len(BOARDS)}AB{at // len(BOARDS) % 2:02}"


class _People:
    """Keys of pupils and staff, and their parts as they are printed."""

    def __init__(self, keystore: KeyStore) -> None:
        self.pupils = [_Owner(keystore.new_key("pupil", pupil(at)), _subject(at)) for at in range(PUPILS)]
        self._keystore = keystore
        self._staff: dict[tuple[int, int], _Owner] = {}

    def staff(self, at: int, now: datetime) -> "_Owner":
        """Give somebody's key of a year."""
        found = self._staff.get((at, now.year))
        if found is None:
            key = self._keystore.new_key("person", staff_owner(person(at), now))
            found = self._staff[at, now.year] = _Owner(key, _actor(at))
        return found


class _Owner:
    def __init__(self, key: OwnerKey, text: JSON) -> None:
        self.tag, self.cipher, self.text = key.tag, AESGCM(key.key), canon(text)

    def seal(self, whose: bytes, salted: bytes, aad: bytes) -> bytes:
        nonce = secrets.token_bytes(12)
        return whose + nonce + self.cipher.encrypt(nonce, salted, aad)


def _subject(at: int) -> JSON:
    return {"pupil": pupil(at), "number": None}


def _actor(at: int) -> JSON:
    return {"kind": "staff", "id": person(at), "details": {"role": "ib", "school": school(at)}}


def _rows(people: _People, head: tree.Head, index: int) -> tuple[dict[str, object], ...]:
    turn, place = divmod(index, len(BOARDS))
    now = BEGIN + timedelta(days=index // A_DAY, seconds=index % A_DAY)
    about = people.pupils[(turn * len(BOARDS) + place) % PUPILS]
    by = (turn * 7 * len(BOARDS) + place) % STAFF
    actor, board = people.staff(by, now), BOARDS[place]
    said = {
        "type": TYPE,
        "day": now.date(),
        "sections": section_bits(SECTIONS[turn % len(SECTIONS)]),
        "ground": GROUNDS[turn % len(GROUNDS)],
        "outcome": OUTCOMES[turn % len(OUTCOMES)],
        "school": school(by),
    }
    salts = secrets.token_bytes(3 * SALT_SIZE)
    texts = {"subject": about.text, "actor": actor.text, "terms": _terms(said, turn, board, now, index)}
    salted = {part: salts[at : at + SALT_SIZE] + texts[part] for at, part in zip((0, 32, 64), texts, strict=True)}
    leaf = Leaf(TYPE, *(commitment(part, salted[part]) for part in ("subject", "actor", "terms"))).print()
    hashed = leaf_hash(leaf)
    head.append(hashed)
    sealed = {
        part: (actor if part == "actor" else about).seal(
            BY_PERSON if part == "actor" else BY_PUPIL, salted[part], part_aad(part, (ORIGIN, index, hashed))
        )
        for part in salted
    }
    tags = {"pupil_tag": about.tag, "actor_tag": actor.tag}
    return (
        {"idx": index, "leaf": leaf, "hash": hashed},
        {"idx": index, **sealed},
        {"idx": index, "book": "access", **said, **tags},
        {"idx": index, "board": board, "number": turn + 1, "sees": WHOLE, **said, **tags},
    )


def _terms(said: dict[str, object], turn: int, board: str, now: datetime, index: int) -> bytes:
    ground = "null" if said["ground"] is None else f'"{said["ground"]}"'
    sections = ",".join(f'"{name}"' for name in SECTIONS[turn % len(SECTIONS)])
    at = now.isoformat(timespec="microseconds")
    text = _TERMS % (at, board, turn + 1, ground, said["outcome"], said["school"], sections, said["school"], index)
    data = text.encode()
    if index < len(BOARDS):  # the text is put together by hand, for speed: see that it is canonical
        assert canon(parse(data, limit=len(data))) == data
    return data
