"""Export and offline verification: what an outsider can see, and every kind of tampering named (K1-K3, K8)."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select, text, update

from consent import tree
from consent.db import reading, writing
from consent.entry import PARTS, Leaf, commitment
from consent.sealing import CLEAR
from consent.tables import JournalBoard, JournalLeaf, JournalLookup, JournalPart
from consent.verify import Finding, Report, verify_export
from crypto.checkpoint import Checkpoint, print_checkpoint
from crypto.keys import SignKey
from crypto.merkle import leaf_hash, root
from tests.conftest import Databases
from tests.consent.forged import noted
from tests.consent.test_journal import KEY, ORIGIN, SERVICE, STAFF, House, grant

Lines = list[bytes]


@pytest.fixture
def house(databases: Databases, tmp_path: Path) -> House:
    return House(databases, tmp_path / "epochs")


@pytest.fixture
def lite(sqlite_databases: Databases, tmp_path: Path) -> House:
    return House(sqlite_databases, tmp_path / "epochs")


def exported(house: House, folder: Path) -> Path:
    path = folder / "export.jsonl"
    with path.open("wb") as out:
        house.journal.export(out)
    return path


def filled(house: House, count: int = 5) -> House:
    for number in range(count):
        house.append(grant("p1" if number % 2 else "p2", actor=STAFF if number == 2 else grant().actor))
    return house


def said(report: Report) -> list[str]:
    return [str(finding) for finding in report.findings]


def test_an_export_verifies_and_says_what_was_checked(house: House, tmp_path: Path) -> None:
    kept = filled(house).checkpoint()
    house.append(grant())
    report = verify_export(exported(house, tmp_path), KEY.public, kept)
    assert report
    assert (report.origin, report.size) == (ORIGIN, 6)
    assert report.checked == (
        "6 entries against the tree and its checkpoints",
        "6 entries opened against their commitments; 0 were erased",
        "every checkpoint against the log's public key",
        "the first 5 entries against the checkpoint kept elsewhere",
    )


def test_without_key_and_checkpoint_it_says_that_it_is_consistent_with_itself_only(lite: House, tmp_path: Path) -> None:
    report = verify_export(exported(filled(lite), tmp_path))
    assert report
    assert report.checked[2:] == (
        "NOT CHECKED: who signed the checkpoints",
        "NOT CHECKED: against a checkpoint kept elsewhere",
        "consistent with itself only",
    )


def test_an_empty_journal_verifies(lite: House, tmp_path: Path) -> None:
    report = verify_export(exported(lite, tmp_path), KEY.public, lite.checkpoint())
    assert (bool(report), report.size, report.root) == (True, 0, root([]))


def test_an_export_carries_the_kept_checkpoints(lite: House, tmp_path: Path) -> None:
    with lite.journal.act() as act:
        for _ in range(600):
            act.append(grant(pupil=None, numbered=False))
    path = exported(lite, tmp_path)
    notes = [line for line in path.read_bytes().splitlines() if line.startswith(b'{"checkpoint"')]
    assert len(notes) == 3
    assert verify_export(path, KEY.public)


def test_what_was_erased_is_gone_from_the_export_and_no_finding(house: House, tmp_path: Path) -> None:
    filled(house)
    with house.journal.act(pupil="p1") as act:
        house.journal.erase(act, "p1", STAFF, ("board-a",))
    path = exported(house, tmp_path)
    report = verify_export(path, KEY.public, house.checkpoint())
    assert said(report) == []
    assert report.checked[1] == "4 entries opened against their commitments; 2 were erased"
    assert b'"p1"' not in path.read_bytes().replace(b"\\", b"")


@pytest.mark.parametrize(
    ("table", "values", "what"),
    [
        (JournalLeaf, {"leaf": b"\x01" * 98}, "entry 2: its leaf isn't what was hashed"),
        (JournalLeaf, {"leaf": b"\x01" * 9}, "entry 2: its line isn't an entry; nothing after it was read"),
        (JournalLeaf, {"hash": bytes(32)}, "entry 2: its leaf isn't what was hashed"),
        (JournalPart, {"terms": b"\x01" + bytes(99)}, "entry 2: its terms neither opens nor was erased"),
        (JournalPart, {"terms": None}, "entry 2: its terms neither opens nor was erased"),
        (JournalPart, {"actor": None}, "entry 2: its actor neither opens nor was erased"),
        (JournalPart, {"subject": b"\x00" + bytes(40)}, "entry 2: its subject neither opens nor was erased"),
        (JournalLookup, {"outcome": "refused"}, "entry 2: what stands in clear isn't what was committed to"),
        (JournalLookup, {"ground": "law"}, "entry 2: what stands in clear isn't what was committed to"),
        (JournalLookup, {"sections": 255}, "entry 2: what stands in clear isn't what was committed to"),
        (JournalLookup, {"number": 7}, "entry 2: what stands in clear isn't what was committed to"),
        (JournalLookup, {"day": None}, "entry 2: what stands in clear isn't what was committed to"),
        (JournalLookup, {"book": "access"}, "entry 2: what stands in clear isn't what was committed to"),
        (JournalLookup, {"type": 9}, "entry 2: its subject, actor, terms neither opens nor was erased"),
        (JournalLookup, {"pupil_tag": None}, "entry 2: its subject, terms neither opens nor was erased"),
    ],
)
def test_one_row_edited_in_the_database_is_named(
    house: House, tmp_path: Path, table: type[JournalLeaf], values: dict[str, object], what: str
) -> None:
    filled(house)
    with writing(house.databases.main) as session:
        session.execute(update(table).where(table.index == 2).values(**values))
    report = verify_export(exported(house, tmp_path), KEY.public)
    assert not report
    assert what in said(report)


@pytest.mark.parametrize("part", PARTS)
def test_one_part_that_is_gone_is_one_finding(lite: House, tmp_path: Path, part: str) -> None:
    filled(lite)
    with writing(lite.databases.main) as session:
        session.execute(update(JournalPart).where(JournalPart.index == 2).values({part: None}))
    report = verify_export(exported(lite, tmp_path), KEY.public)
    assert said(report) == [f"entry 2: its {part} neither opens nor was erased"]
    assert report.checked[1] == "5 entries opened against their commitments; 0 were erased"


def test_a_row_taken_out_is_named_and_so_is_a_tail_cut_off(house: House, tmp_path: Path) -> None:
    filled(house)
    with writing(house.databases.main) as session:
        session.execute(delete(JournalBoard).where(JournalBoard.index == 4))
        session.execute(delete(JournalPart).where(JournalPart.index == 4))
    assert said(verify_export(exported(house, tmp_path))) == [
        "a checkpoint of 5 entries stands after 4",
        "the export doesn't end with a checkpoint over all its entries",
        "the entries of board-a end at number 4, and its newest is 5",
        "the entries of board-b end at number 4, and its newest is 5",
    ]
    with writing(house.databases.main) as session:
        session.execute(delete(JournalLookup).where(JournalLookup.index == 1))
    assert said(verify_export(exported(house, tmp_path))) == ["entry 1: it is missing; nothing after it was read"]


def test_a_boards_number_that_was_taken_out_is_named(house: House, tmp_path: Path) -> None:
    filled(house)
    with writing(house.databases.main) as session:
        session.execute(delete(JournalBoard).where(JournalBoard.index == 1, JournalBoard.board == "board-a"))
    assert said(verify_export(exported(house, tmp_path))) == [
        "entry 1: what stands in clear isn't what was committed to",
        "entry 2: a board's running number doesn't follow on the one before",
    ]


# Tampering with the file.


def _swap(lines: Lines) -> Lines:
    return [*lines[:2], lines[3], lines[2], *lines[4:]]


def _number(line: bytes, number: int) -> bytes:
    _, _, rest = line[285:].partition(b",")
    return line[:285] + b"%d," % number + rest


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (lambda lines: lines[:3] + lines[4:], "entry 2: it is missing; nothing after it was read"),
        (lambda lines: [*lines[:3], lines[2], *lines[3:]], "entry 2: it is missing; nothing after it was read"),
        (_swap, "entry 1: it is missing; nothing after it was read"),
        (
            lambda lines: [*lines[:2], _number(lines[3], 1), _number(lines[2], 2), *lines[4:]],
            "entries 0 to 4 aren't all those that the checkpoint there was signed over",
        ),
        (lambda lines: lines[:4], "the export doesn't end with a checkpoint over all its entries"),
        (lambda lines: lines[:3] + lines[-1:], "a checkpoint of 5 entries stands after 2"),
        (lambda lines: lines[1:], "not an export of a journal, version 1; nothing after it was read"),
        (lambda lines: [], "the file is empty; nothing after it was read"),
        (lambda lines: [b"\n"], "its line isn't canonical JSON; nothing after it was read"),
        (lambda lines: [b"[" * 100_000 + b"\n"], "its line isn't canonical JSON; nothing after it was read"),
        (lambda lines: [*lines[:2], b"[]\n"], "entry 1: its line isn't an entry; nothing after it was read"),
        (lambda lines: [*lines[:2], b'{"checkpoint":"x"}\n'], "the checkpoint after 1 entries: not a signed note"),
        (lambda lines: [*lines[:-1], lines[-1][:-1]], "entry 5: its line is cut short or too long; nothing after"),
        (lambda lines: [lines[0].replace(b"journal", b"other"), *lines[1:]], "not an export of a journal"),
        (
            lambda lines: [lines[0].replace(b"example", b"invalid"), *lines[1:]],
            "the checkpoint after 5 entries: the checkpoint is of another log",
        ),
        (
            lambda lines: [*lines[:2], lines[2].replace(b"canary", b"kanary"), *lines[3:]],
            "entry 1: its terms isn't what the leaf commits to",
        ),
        (
            lambda lines: [*lines[:-1], b'{"checkpoint":"\\ud800"}\n'],
            "entry 5: its line isn't canonical JSON; nothing after",
        ),
        (lambda lines: [*lines[:-1], b'{"checkpoint":5}\n'], "entry 5: its line isn't an entry; nothing after"),
        (lambda lines: [b'{"format":"overdracht-journal","origin":"","v":1}\n'], "not an export of a journal"),
        (lambda lines: [b'{"format":"overdracht-journal","origin":5,"v":1}\n'], "not an export of a journal"),
        (lambda lines: [b'{"format":"overdracht-journal","origin":"x","v":2}\n'], "not an export of a journal"),
        (lambda lines: [b'{"format":"overdracht-journal","origin":"x","v":1}'], "its line is cut short or too long"),
        (lambda lines: [*lines[:2], lines[2][:-1] + b" " * 4_000_000, *lines[3:]], "entry 1: its line is cut short"),
    ],
)
def test_a_file_that_was_tampered_with_is_found_out(
    lite: House, tmp_path: Path, spoil: Callable[[Lines], Lines], what: str
) -> None:
    path = exported(filled(lite), tmp_path)
    path.write_bytes(b"".join(spoil(path.read_bytes().splitlines(keepends=True))))
    assert any(line.startswith(what) for line in said(verify_export(path, KEY.public))), said(verify_export(path))


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        (b'"subject":["', b'"subject":["00', "its line isn't an entry of this format"),
        (b'"subject":["', b'"subject": ["', "its line isn't an entry of this format"),
        (b'],"terms":["', b',1],"terms":["', "its line isn't an entry of this format"),
        (b'},"row":{', b',"more":null},"row":{', "its line isn't an entry of this format"),
        (b'},"row":{', b'},"row":{},"row":{', "its line isn't an entry of this format"),
        (b'"type":1}}', b'"type":1}}}', "its line isn't an entry of this format"),
        (b'"type":1}}', b'"type":1},"type":1}', "its line isn't an entry of this format"),
        (b'"type":1}}', b'"type":1}', "its line isn't an entry of this format"),
        (b'"type":1}}', b'"type":' + b"[" * 100_000 + b"}}", "its line isn't an entry of this format"),
        (b'"type":1}}', b'"type":' + b"1" * 5_000 + b"}}", "its line isn't an entry of this format"),
        (b'"row":{"boards":{', b'"row":{"boards":"","":{', "its line isn't an entry of this format"),
        (b'"parts":{', b'"parts":[', "its line isn't an entry of this format"),
        (b'"number":2,"pupil"', b'"number":2, "pupil"', "its subject isn't what the leaf commits to"),
        (b'"n":1,', b'"n":01,', "its line isn't an entry; nothing after it was read"),
        (b'"n":1,', b'"n":2,', "it is missing; nothing after it was read"),
        (b'"n":1,', b'"n":1 ,', "its line isn't an entry; nothing after it was read"),
        (b'","n":1,', b'","n":1}', "its line isn't an entry; nothing after it was read"),
    ],
)
def test_a_line_has_one_form(lite: House, tmp_path: Path, old: bytes, new: bytes, what: str) -> None:
    path = exported(filled(lite), tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    old, new = (text.replace(b'"number":2', b'"number":1') for text in (old, new))
    assert lines[2].count(old) == 1
    path.write_bytes(b"".join([*lines[:2], lines[2].replace(old, new), *lines[3:]]))
    assert f"entry 1: {what}" in said(verify_export(path, KEY.public))


@pytest.mark.parametrize("at", [9, 83], ids=["hash", "leaf"])
def test_a_hash_is_written_in_small_letters(lite: House, tmp_path: Path, at: int) -> None:
    path = exported(filled(lite), tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    lines[1] = lines[1][:at] + lines[1][at : at + 64].upper() + lines[1][at + 64 :]
    path.write_bytes(b"".join(lines))
    for only in (False, True):
        report = verify_export(path, KEY.public, hashes_only=only)
        assert said(report) == ["entry 0: its line isn't an entry; nothing after it was read"]


def test_hashes_alone_name_an_edited_leaf_and_say_what_was_left_out(lite: House, tmp_path: Path) -> None:
    kept = filled(lite).checkpoint()
    path = exported(lite, tmp_path)
    report = verify_export(path, KEY.public, kept, hashes_only=True)
    assert report
    assert (report.size, report.root) == (5, verify_export(path).root)
    assert report.checked == (
        "5 entries against the tree and its checkpoints",
        "NOT CHECKED: what the entries say, what was erased, and the boards' running numbers",
        "every checkpoint against the log's public key",
        "the first 5 entries against the checkpoint kept elsewhere",
    )
    lines = path.read_bytes().splitlines(keepends=True)
    lines[2] = lines[2][:100] + (b"0" if lines[2][100:101] != b"0" else b"1") + lines[2][101:]
    path.write_bytes(b"".join(lines))
    assert said(verify_export(path, KEY.public, kept, hashes_only=True)) == ["entry 1: its leaf isn't what was hashed"]


def test_hashes_alone_leave_what_the_entries_say_unread(lite: House, tmp_path: Path) -> None:
    path = exported(filled(lite), tmp_path)
    path.write_bytes(path.read_bytes().replace(b"canary", b"kanary"))
    assert verify_export(path, KEY.public, hashes_only=True)
    assert not verify_export(path, KEY.public)


def long(house: House, count: int) -> House:
    with house.journal.act() as act:
        for _ in range(count):
            act.append(grant(pupil=None, actor=SERVICE, numbered=False, boards=()))
    return house


@pytest.mark.parametrize("only", [False, True])
def test_where_a_tree_was_rebuilt_the_range_between_checkpoints_is_named_once(
    lite: House, tmp_path: Path, only: bool
) -> None:
    """K2: the checkpoints kept from before still stand, and from the first changed range on none of them holds."""
    path = exported(long(lite, 900), tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    places = [at for at, line in enumerate(lines) if line.startswith(b'{"hash"')]
    one, other = places[300], places[301]
    lines[one], lines[other] = _number(lines[other], 300), _number(lines[one], 301)
    path.write_bytes(b"".join(lines))
    assert said(verify_export(path, KEY.public, hashes_only=only)) == [
        "entries 256 to 511 aren't all those that the checkpoint there was signed over"
    ]


def test_a_forged_checkpoint_between_true_ones_is_named_alone(lite: House, tmp_path: Path) -> None:
    path = exported(long(lite, 900), tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    for size, line in ((256, lines[257]), (768, lines[771])):
        lines[lines.index(line)] = noted(print_checkpoint(Checkpoint(ORIGIN, size, bytes(32)), KEY))
    path.write_bytes(b"".join(lines))
    assert said(verify_export(path, KEY.public)) == [
        "entries 0 to 255 aren't all those that the checkpoint there was signed over",
        "entries 512 to 767 aren't all those that the checkpoint there was signed over",
    ]


@pytest.mark.parametrize("count", [1, 2, 3, 255, 256, 257, 511, 515, 768])
def test_the_root_of_an_export_is_that_of_its_tree(lite: House, tmp_path: Path, count: int) -> None:
    report = verify_export(exported(long(lite, count), tmp_path), KEY.public, hashes_only=True)
    with reading(lite.databases.main) as session:
        hashes = session.scalars(select(JournalLeaf.hash).order_by(JournalLeaf.index)).all()
    assert (bool(report), report.size, report.root) == (True, count, root(hashes))


def test_a_part_that_would_end_its_line_is_written_as_closed(lite: House, tmp_path: Path) -> None:
    parts = {part: bytes(32) + b"{\n}" for part in PARTS}
    leaf = Leaf(1, *(commitment(part, parts[part]) for part in PARTS)).print()
    hashed = leaf_hash(leaf)
    with writing(lite.databases.main) as session:
        head = lite.journal.lock_head(session)
        head.append(hashed)
        session.add_all(
            [
                JournalLeaf(index=0, leaf=leaf, hash=hashed),
                JournalPart(index=0, **{part: CLEAR + salted for part, salted in parts.items()}),
                JournalLookup(index=0, book="ledger", type=1, sections=0),
            ]
        )
        tree.save(session, head, ORIGIN, KEY)
    assert said(verify_export(exported(lite, tmp_path), KEY.public)) == [
        "entry 0: its subject, actor, terms neither opens nor was erased"
    ]


def test_every_bit_flipped_in_an_entry_is_found_out(lite: House, tmp_path: Path) -> None:
    """K1: no bit of a line may change without a finding."""
    path = exported(filled(lite, 2), tmp_path)
    whole = path.read_bytes()
    begin = whole.index(b"\n") + 1
    end = whole.index(b"\n", begin)
    for at in range(begin, end + 1):
        for bit in (0x01, 0x20, 0x80):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1 :])
            assert not verify_export(path, KEY.public), (at - begin, bit)


def rebuilt(lines: Lines, key: SignKey) -> Lines:
    """Leave out the first entry and write everything after it anew, signed: what the log's owner could do (K2)."""
    kept = [_number(line, index) for index, line in enumerate(lines[2:-1])]
    hashes = [bytes.fromhex(json.loads(line)["hash"]) for line in kept]
    return [lines[0], *kept, noted(print_checkpoint(Checkpoint(ORIGIN, len(kept), root(hashes)), key))]


def test_a_log_that_was_rebuilt_is_found_out_by_whoever_holds_a_checkpoint(lite: House, tmp_path: Path) -> None:
    """K2, K3, K8: only what left the house tells; and a stranger without the key can't sign."""
    with lite.journal.act() as act:
        for _ in range(5):
            act.append(grant(boards=(), numbered=False))
    kept = lite.checkpoint()
    lite.append(grant(boards=(), numbered=False))
    path = exported(lite, tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(rebuilt(lines, KEY)))
    assert verify_export(path, KEY.public)
    assert said(verify_export(path, KEY.public, kept)) == [
        "the first 5 entries aren't those of the checkpoint kept elsewhere"
    ]
    path.write_bytes(b"".join(rebuilt(lines, SignKey.generate("journal"))))
    assert verify_export(path)
    assert said(verify_export(path, KEY.public)) == [
        "the checkpoint after 5 entries: the log's key has not signed the checkpoint",
        "the export doesn't end with a checkpoint over all its entries",
    ]


def test_an_export_shorter_than_a_checkpoint_kept_elsewhere_is_a_rollback(lite: House, tmp_path: Path) -> None:
    path = exported(filled(lite), tmp_path)
    lite.append(grant())
    report = verify_export(path, KEY.public, lite.checkpoint())
    assert said(report) == ["the checkpoint kept elsewhere has 6 entries, the export 5"]
    assert report.findings == (Finding(None, "the checkpoint kept elsewhere has 6 entries, the export 5"),)
    assert "NOT CHECKED: against a checkpoint kept elsewhere" in report.checked


@pytest.mark.parametrize(
    ("note", "what"),
    [
        (b"", "the checkpoint kept elsewhere: not a signed note"),
        (
            print_checkpoint(Checkpoint("other", 0, root([])), KEY),
            "the checkpoint kept elsewhere: the checkpoint is of another log",
        ),
        (
            print_checkpoint(Checkpoint(ORIGIN, 0, root([])), SignKey.from_seed(b"o" * 32, "journal")),
            "the checkpoint kept elsewhere: the log's key has not signed the checkpoint",
        ),
    ],
)
def test_a_checkpoint_from_elsewhere_must_be_this_logs(lite: House, tmp_path: Path, note: bytes, what: str) -> None:
    assert said(verify_export(exported(filled(lite), tmp_path), KEY.public, note)) == [what]


def test_without_a_key_a_checkpoint_must_still_be_of_this_log(lite: House, tmp_path: Path) -> None:
    other = print_checkpoint(Checkpoint("other", 0, root([])), KEY)
    assert said(verify_export(exported(filled(lite), tmp_path), None, other)) == [
        "the checkpoint kept elsewhere: the checkpoint is of another log"
    ]


def test_something_that_was_erased_and_came_back_is_named(lite: House, tmp_path: Path) -> None:
    filled(lite)
    with reading(lite.databases.main) as session:
        part = session.get_one(JournalPart, 1)
        tag = session.get_one(JournalLookup, 1).pupil_tag
    key = lite.keystore.owner("pupil", "p1")
    with lite.journal.act(pupil="p1") as act:
        lite.journal.erase(act, "p1", STAFF, ())
    with writing(lite.databases.main) as session:
        session.execute(
            update(JournalPart).where(JournalPart.index == 1).values(subject=part.subject, terms=part.terms)
        )
        session.execute(update(JournalLookup).where(JournalLookup.index == 1).values(pupil_tag=tag))
    lite.keystore.by_tags = lambda tags: {tag: key for tag in tags if tag == key.tag}  # type: ignore[method-assign]
    assert "entry 1: it was erased, and is still there" in said(verify_export(exported(lite, tmp_path)))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.lists(st.binary(max_size=60) | st.just(b'{"format":"overdracht-journal","origin":"x","v":1}'), max_size=4)
)
def test_any_file_gives_a_report(tmp_path: Path, data: list[bytes]) -> None:
    path = tmp_path / "any"
    path.write_bytes(b"\n".join(data))
    assert not verify_export(path)


def test_the_line_of_an_entry_is_fixed_so_that_hashes_can_be_read_without_parsing(lite: House, tmp_path: Path) -> None:
    line = exported(filled(lite), tmp_path).read_bytes().splitlines()[1]
    assert (line[:9], line[73:83], line[279:285]) == (b'{"hash":"', b'","leaf":"', b'","n":')
    with reading(lite.databases.main) as session:
        assert session.scalar(text("SELECT count(*) FROM journal_leaf")) == 5
