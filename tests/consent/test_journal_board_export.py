"""A board's export: its own side whole, what it hears, a hash of everything else; and compressed files."""

import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
import zstandard
from sqlalchemy import update

from consent.db import writing
from consent.entry import Told
from consent.export import compressed
from consent.exported import LINE_MAX, WINDOW_MAX
from consent.tables import JournalBoard, JournalPart
from consent.verify import Report, verify_export
from tests.conftest import Databases
from tests.consent.test_journal import KEY, SERVICE, House, grant
from tests.consent.test_journal_search import OTHER, erase, erase_staff, next_year, release


@pytest.fixture
def house(databases: Databases, tmp_path: Path) -> House:
    return House(databases, tmp_path / "epochs")


@pytest.fixture
def lite(sqlite_databases: Databases, tmp_path: Path) -> House:
    return House(sqlite_databases, tmp_path / "epochs")


def export(house: House, path: Path, board: str | None = None) -> Path:
    with path.open("wb") as out:
        house.journal.export(out, board)
    return path


def filled(house: House) -> House:
    """Four entries: a family's, another board's staff's, that board's own, and one that both see whole."""
    house.append(grant(boards=("board-a",)))
    house.append(release(told={"board-b": Told("refused", ("actor", "terms"))}))
    house.append(grant("p2", boards=("board-b",), terms={"note": "canary-b"}))
    house.append(grant(pupil=None, actor=SERVICE, numbered=False))
    return house


def said(report: Report) -> list[str]:
    return [str(finding) for finding in report.findings]


def entries(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_bytes().splitlines() if line.startswith(b'{"hash"')]


def test_a_boards_export_verifies_and_counts_what_is_not_its_own(house: House, tmp_path: Path) -> None:
    kept = filled(house).checkpoint()
    path = export(house, tmp_path / "b", "board-b")
    report = verify_export(path, KEY.public, kept)
    assert said(report) == []
    assert (report.board, report.size) == ("board-b", 4)
    assert report.root == verify_export(export(house, tmp_path / "all")).root
    assert report.checked == (
        "4 entries against the tree and its checkpoints",
        "2 entries opened against their commitments; 0 were erased",
        "every checkpoint against the log's public key",
        "the first 4 entries against the checkpoint kept elsewhere",
        "1 entries of other boards; 1 whose contents are another board's",
    )
    assert verify_export(export(house, tmp_path / "a", "board-a")).checked[4:] == (
        "1 entries of other boards; 0 whose contents are another board's",
        "consistent with itself only",
    )


def test_a_boards_export_holds_nothing_of_anothers(house: House, tmp_path: Path) -> None:
    path = export(filled(house), tmp_path / "b", "board-b")
    first, second, third, fourth = entries(path)
    assert first.keys() == {"hash", "n"}
    parts, row = second["parts"], second["row"]
    assert isinstance(parts, dict)
    assert (parts["subject"], parts["actor"][1]["id"], parts["terms"][1]["terms"]) == (
        None,
        OTHER.id,
        {"evidence": [0]},
    )
    assert row == {
        "boards": {"board-b": 1},
        "book": None,
        "day": "2026-03-02",
        "ground": "consent",
        "number": None,
        "outcome": "refused",
        "school": "99CD01",
        "sections": 1,
        "told": {"board-b": {"outcome": "refused", "sees": ["actor", "terms"]}},
        "type": 0x27,
    }
    for whole in (third, fourth):
        assert None not in whole["parts"].values()  # type: ignore[attr-defined]
    data = path.read_bytes()
    assert b"canary-b" in data
    assert b"canary-terms" in data  # of the entry that both see whole
    assert b"canary" not in b"".join(data.splitlines()[1:3])
    assert b'"p1"' not in data


def test_the_whole_export_says_what_each_board_was_told(house: House, tmp_path: Path) -> None:
    rows = [entry["row"] for entry in entries(export(filled(house), tmp_path / "all"))]
    told = [row["told"] for row in rows]  # type: ignore[index]
    assert told == [{}, {"board-b": {"outcome": "refused", "sees": ["actor", "terms"]}}, {}, {}]
    assert [row["school"] for row in rows] == [None, "99CD01", None, None]  # type: ignore[index]


@pytest.mark.parametrize("board", [None, "board-a", "board-b", "board-c"])
def test_erasures_are_no_findings_on_any_side(house: House, tmp_path: Path, board: str | None) -> None:
    filled(house)
    erase(house)
    next_year(house)
    house.append(release("p2", told={"board-b": Told("refused", ("actor",))}))
    erase_staff(house, f"{OTHER.id}/2026")
    report = verify_export(export(house, tmp_path / "export", board), KEY.public)
    assert said(report) == []
    opened = {
        None: "5 entries opened against their commitments; 2 were erased",
        "board-a": "4 entries opened against their commitments; 2 were erased",
        "board-b": "3 entries opened against their commitments; 0 were erased, and of 1 more who acted",
        "board-c": "0 entries opened against their commitments; 0 were erased",
    }
    assert report.checked[1] == opened[board]


def test_who_acted_is_listed_apart_from_what_was_erased(house: House, tmp_path: Path) -> None:
    filled(house)
    next_year(house)
    erase_staff(house, f"{OTHER.id}/2026")
    report = verify_export(export(house, tmp_path / "all"), KEY.public)
    assert said(report) == []
    assert report.checked[1] == "5 entries opened against their commitments; 0 were erased, and of 1 more who acted"


def test_an_erasure_of_staff_lets_nothing_go_but_the_actor(house: House, tmp_path: Path) -> None:
    filled(house)
    next_year(house)
    erase_staff(house, f"{OTHER.id}/2026")
    with writing(house.databases.main) as session:
        session.execute(update(JournalPart).where(JournalPart.index == 1).values(subject=None, terms=None))
    report = verify_export(export(house, tmp_path / "all"), KEY.public)
    assert said(report) == ["entry 1: its subject, terms neither opens nor was erased"]


def test_an_actor_that_was_erased_and_came_back_is_named(lite: House, tmp_path: Path) -> None:
    filled(lite)
    next_year(lite)
    before = entries(export(lite, tmp_path / "before"))
    erase_staff(lite, f"{OTHER.id}/2026")
    path = export(lite, tmp_path / "all")
    lines = path.read_bytes().splitlines(keepends=True)
    parts = before[1]["parts"]
    assert isinstance(parts, dict)
    actor = json.dumps(parts["actor"], separators=(",", ":")).encode()
    lines[2] = lines[2].replace(b'"actor":null', b'"actor":' + actor, 1)
    path.write_bytes(b"".join(lines))
    assert said(verify_export(path, KEY.public)) == ["entry 1: it was erased, and is still there"]


# Tampering.

_HEARD = "entry 1: what this board hears isn't what was committed to"
_CLEAR = "entry 1: what stands in clear isn't what was committed to"


@pytest.mark.parametrize(
    "change",
    [
        {"outcome": "granted"},
        {"sees": 2},
        {"ground": None},
        {"day": None},
        {"sections": 3},
        {"school": None},
        {"type": 1},
        {"sees": 7},
    ],
)
def test_a_boards_row_that_was_edited_is_named_on_both_sides(
    house: House, tmp_path: Path, change: dict[str, object]
) -> None:
    filled(house)
    with writing(house.databases.main) as session:
        of_b = (JournalBoard.board == "board-b") & (JournalBoard.index == 1)
        session.execute(update(JournalBoard).where(of_b).values(**change))
    whole = change.get("sees") == 7
    found = said(verify_export(export(house, tmp_path / "b", "board-b"), KEY.public))
    assert found == [_CLEAR if whole else _HEARD]
    for board in (None, "board-a"):
        found = said(verify_export(export(house, tmp_path / "export", board), KEY.public))
        assert found == [_CLEAR]


def test_an_entry_kept_from_a_board_leaves_a_gap_in_its_numbers(lite: House, tmp_path: Path) -> None:
    path = export(filled(lite), tmp_path / "b", "board-b")
    lines = path.read_bytes().splitlines(keepends=True)
    lines[2] = b'{"hash":"%b","n":1}\n' % lines[2][9:73]
    path.write_bytes(b"".join(lines))
    assert said(verify_export(path, KEY.public)) == [
        "entry 2: a board's running number doesn't follow on the one before"
    ]


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        (b'"n":0}', b'"n":1}', "entry 0: it is missing; nothing after it was read"),
        (b'"n":0}', b'"n":0 }', "entry 0: its line isn't an entry; nothing after it was read"),
        (b'"n":0}', b'"n":0,"m":1}', "entry 0: its line isn't an entry; nothing after it was read"),
        (b'"outcome":"refused","school"', b'"outcome":"granted","school"', _HEARD),
        (
            b'"book":null,"day":"2026-03-02"',
            b'"book":null,"day":null',
            _HEARD,
        ),
        (b'"boards":{"board-b":1},"book":null', b'"boards":{"board-b":1,"x":1},"book":null', _HEARD),
        (b'"type":39}}', b'"type":38}}', _HEARD),
        (b'"boards":{"board-b":1},"book":null', b'"boards":{},"book":null', _HEARD),
        (
            b'"board":"board-b","format"',
            b'"board":5,"format"',
            "not an export of a journal, version 1; nothing after it",
        ),
        (
            b'"board":"board-b","format"',
            b'"board":"board-c","format"',
            "not an export of a journal, version 1; nothing after it",
        ),
        (b'"board":"board-b","format"', b'"format"', "entry 0: its line isn't an entry; nothing after it was read"),
    ],
)
def test_a_boards_export_that_was_tampered_with_is_found_out(
    lite: House, tmp_path: Path, old: bytes, new: bytes, what: str
) -> None:
    path = export(filled(lite), tmp_path / "b", "board-b")
    data = path.read_bytes()
    assert data.count(old) == 1
    path.write_bytes(data.replace(old, new))
    assert any(line.startswith(what) for line in said(verify_export(path, KEY.public))), said(verify_export(path))


def test_another_entrys_hash_in_a_boards_export_is_named_by_its_range(lite: House, tmp_path: Path) -> None:
    path = export(filled(lite), tmp_path / "b", "board-b")
    data = bytearray(path.read_bytes())
    at = data.index(b'{"hash":"') + 9
    data[at : at + 64] = b"0" * 64
    path.write_bytes(data)
    what = "entries 0 to 3 aren't all those that the checkpoint there was signed over"
    for only in (False, True):
        assert said(verify_export(path, KEY.public, hashes_only=only)) == [what]
    kept = lite.checkpoint()
    assert (
        said(verify_export(path, KEY.public, kept))[0]
        == "the first 4 entries aren't those of the checkpoint kept elsewhere"
    )


def test_an_outside_checkpoint_may_stand_at_another_boards_entry(lite: House, tmp_path: Path) -> None:
    lite.append(grant(boards=("board-a",)))
    kept = lite.checkpoint()
    lite.append(grant())
    report = verify_export(export(lite, tmp_path / "b", "board-b"), KEY.public, kept)
    assert said(report) == []
    assert report.checked[3] == "the first 1 entries against the checkpoint kept elsewhere"


@pytest.mark.parametrize("erased", [[-1], [5], [6], [0, 99]])
def test_an_erasure_of_what_was_not_there_is_named(lite: House, tmp_path: Path, erased: list[int]) -> None:
    filled(lite)
    lite.append(grant(pupil=None, numbered=False))
    lite.append(grant(pupil=None, actor=SERVICE, numbered=False, book="erasure", type=0x12, terms={"erased": erased}))
    found = said(verify_export(export(lite, tmp_path / "all"), KEY.public))
    assert "entry 5: it erases what wasn't there yet" in found


def test_an_erasure_of_another_type_is_no_erasure(lite: House, tmp_path: Path) -> None:
    filled(lite)
    lite.append(grant(pupil=None, actor=SERVICE, numbered=False, book="erasure", type=0x13, terms={"erased": [0]}))
    found = said(verify_export(export(lite, tmp_path / "all"), KEY.public))
    assert found[0] == "entry 4: its line isn't an entry of this format"


# Compressed.


def packed(house: House, path: Path) -> Path:
    with path.open("wb") as out, compressed(out) as into:
        house.journal.export(into)
    return path


def test_a_compressed_export_is_the_same_export(lite: House, tmp_path: Path) -> None:
    filled(lite)
    plain, small = export(lite, tmp_path / "plain"), packed(lite, tmp_path / "small")
    assert small.stat().st_size < plain.stat().st_size
    with small.open("rb") as file:
        assert zstandard.ZstdDecompressor().stream_reader(file).read() == plain.read_bytes()
    assert verify_export(small, KEY.public, lite.checkpoint()) == verify_export(plain, KEY.public, lite.checkpoint())
    assert verify_export(small, hashes_only=True)


def _wide(data: bytes) -> bytes:
    parameters = zstandard.ZstdCompressionParameters(window_log=24, enable_ldm=True)
    out = BytesIO()
    with zstandard.ZstdCompressor(compression_params=parameters).stream_writer(out, closefd=False) as writer:
        writer.write(data)
    return out.getvalue()


def _two(data: bytes) -> bytes:
    half = len(data) // 2
    return b"".join(zstandard.ZstdCompressor().compress(part) for part in (data[:half], data[half:]))


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (_wide, ["the file can't be decompressed; nothing after it was read"]),
        (lambda data: zstandard.compress(data)[:4], ["the file is empty; nothing after it was read"]),
        (
            lambda data: zstandard.compress(b"x" * 300_000_000),
            ["its line is cut short or too long; nothing after it was read"],
        ),
        (
            lambda data: zstandard.compress(data + b"\n"),
            ["entry 4: its line isn't canonical JSON; nothing after it was read"],
        ),
        (
            lambda data: zstandard.compress(data) + b"more",
            ["the file can't be decompressed; nothing after it was read"],
        ),
        (_two, []),
    ],
)
def test_a_compressed_file_that_was_tampered_with_is_found_out(
    lite: House, tmp_path: Path, spoil: Callable[[bytes], bytes], what: list[str]
) -> None:
    path = export(filled(lite), tmp_path / "plain")
    path.write_bytes(spoil(path.read_bytes()))
    assert said(verify_export(path, KEY.public)) == what


def test_every_byte_of_a_compressed_export_counts(lite: House, tmp_path: Path) -> None:
    """A flag of the format's own that changes nothing of what comes out isn't the log's concern."""
    path = packed(filled(lite), tmp_path / "small")
    whole = path.read_bytes()
    kept = lite.checkpoint()
    same = unpacked(whole)
    for at in range(0, len(whole), 7):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert not verify_export(path, KEY.public, kept) or unpacked(path.read_bytes()) == same, at


def unpacked(data: bytes) -> bytes:
    with zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True) as reader:
        return reader.read()


def test_what_is_held_of_a_file_has_bounds() -> None:
    assert (LINE_MAX, WINDOW_MAX) == (4_000_000, 8 * 1024 * 1024)
