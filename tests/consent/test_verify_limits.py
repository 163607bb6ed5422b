"""The verifier where something is as large, as deep or as empty as it may be."""

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
import zstandard

from consent.exported import LINE_MAX, WINDOW_MAX
from consent.exported_tree import Tree
from consent.findings import Findings
from consent.verify import TOGETHER, verify_export
from crypto.checkpoint import Checkpoint, print_checkpoint
from crypto.merkle import root
from tests.consent.forged import KEY, ORIGIN, Line, export, note

FIRST = Line()
HASHES = [sha256(b"%d" % number).digest() for number in range(23)]


def found(path: Path, lines: list[bytes], key: bytes | None = KEY.public) -> list[str]:
    path.write_bytes(b"".join(lines))
    return [str(finding) for finding in verify_export(path, key).findings]


@pytest.mark.parametrize("together", [1, 2, 7, 23])
@pytest.mark.parametrize("size", [0, 1, 6, 7, 8, 14, 22, 23])
def test_a_tree_is_compared_at_the_size_of_the_checkpoint_kept_elsewhere(size: int, together: int) -> None:
    for hashes, wrong in ((HASHES, 0), ([bytes(32), *HASHES[1:]], 1 if size else 0)):
        findings = Findings()
        tree = Tree(((0, ORIGIN),), KEY.public, findings)
        tree.expect(print_checkpoint(Checkpoint(ORIGIN, size, root(HASHES[:size])), KEY))
        for begin in range(0, len(hashes), together):
            assert tree.compared == (size if size <= begin else None)
            tree.extend(hashes[begin : begin + together])
        assert tree.compared == size
        assert len(findings.all()) == wrong
        assert (tree.size, tree.root()) == (23, root(hashes))


def test_a_checkpoint_of_another_log_is_named_without_a_key_too(tmp_path: Path) -> None:
    lines = export(FIRST, last=note([FIRST], origin="another.example/journal"))
    for key in (None, KEY.public):
        assert found(tmp_path / "export", lines, key) == [
            "the checkpoint after 1 entries: the checkpoint is of another log",
            "the export doesn't end with a checkpoint over all its entries",
        ]


@pytest.mark.parametrize(("type_", "terms"), [(0x11, {"actors": [], "erased": []}), (0x12, {"erased": []})])
def test_an_erasure_that_lists_nothing_erases_nothing(tmp_path: Path, type_: int, terms: dict[str, list[int]]) -> None:
    lines = export(Line(type_, book="erasure", boards={}, terms=terms))
    assert found(tmp_path / "export", lines) == []


def test_an_erased_entry_of_any_type_is_empty_in_one_way(tmp_path: Path) -> None:
    erasure = Line(0x11, 2, "erasure", boards={}, terms={"actors": [], "erased": [0]})
    assert found(tmp_path / "export", export(Line(0x27).erased(), erasure)) == []


def test_a_part_that_is_nested_without_end_is_no_entry_of_this_format(tmp_path: Path) -> None:
    head, line, last = export(FIRST)
    at = line.index(b'{"at":')
    line = line[:at] + b"[" * 200_000 + line[at:]
    assert found(tmp_path / "export", [head, line, last])[0] == "entry 0: its line isn't an entry of this format"


def test_a_board_may_see_who_acted_and_the_terms(tmp_path: Path) -> None:
    told = {"board-b": {"outcome": "refused", "sees": ["actor", "terms"]}}
    heard = Line(0x27, boards={"board-a": 1, "board-b": 1}, told=told).heard("board-b")
    assert found(tmp_path / "export", export(heard, board="board-b")) == []
    lost = replace(heard, gone=("subject", "actor", "terms"))
    assert found(tmp_path / "export", export(lost, board="board-b")) == [
        "entry 0: its actor, terms neither opens nor was erased"
    ]


def test_a_line_may_have_four_million_bytes_and_not_one_more(tmp_path: Path) -> None:
    assert LINE_MAX == 4_000_000
    short = len(Line(terms={"x": ""}).printed(0))
    longest = Line(terms={"x": "a" * (LINE_MAX - short)})
    assert len(longest.printed(0)) == LINE_MAX
    assert found(tmp_path / "export", export(longest)) == []
    longer = Line(terms={"x": "a" * (LINE_MAX - short + 1)})
    assert found(tmp_path / "export", export(longer)) == [
        "entry 0: its line is cut short or too long; nothing after it was read"
    ]


def packed(data: bytes, window: int) -> bytes:
    """Compress as a stream, with a window of 2 to this power bytes."""
    settings = zstandard.ZstdCompressionParameters(window_log=window, write_content_size=False)
    packing = zstandard.ZstdCompressor(compression_params=settings).compressobj()
    return packing.compress(data) + packing.flush()


def test_an_export_may_be_compressed_in_pieces_but_not_with_a_larger_window(tmp_path: Path) -> None:
    assert WINDOW_MAX == 1 << 23
    head, *rest = export(FIRST)
    pieces = [zstandard.compress(head), packed(b"".join(rest), 23)]
    assert found(tmp_path / "export", pieces) == []
    assert found(tmp_path / "export", [packed(head + b"".join(rest), 24)]) == [
        "the file can't be decompressed; nothing after it was read"
    ]


def test_no_later_name_holds_from_before_the_start(tmp_path: Path) -> None:
    lines = export(FIRST, later=[[-1, "b/journal"], [1, "c/journal"]])
    assert found(tmp_path / "export", lines) == [
        "its head names the log's later names in another way; nothing after it was read"
    ]


def test_what_can_not_be_read_keeps_its_place_among_what_is_erased(tmp_path: Path) -> None:
    strange, gone = Line(boards={}, version=2), Line(0x27, 2, boards={}).erased()
    for erased in ([0], [1], [0, 1]):
        terms = {"actors": [], "erased": erased}
        left = gone if 1 in erased else Line(0x27, 2, boards={})
        lines = export(strange, left, Line(0x11, 3, "erasure", boards={}, terms=terms))
        assert found(tmp_path / "export", lines) == ["entry 0: its line isn't an entry of this format"]


def test_a_list_is_no_checkpoint(tmp_path: Path) -> None:
    head, line, _ = export(FIRST)
    assert found(tmp_path / "export", [head, line, b'["checkpoint"]\n']) == [
        "entry 1: its line isn't an entry; nothing after it was read"
    ]


def test_more_entries_than_are_added_at_once_are_one_tree(tmp_path: Path) -> None:
    lines = [Line(boards={}, number=at + 1) for at in range(TOGETHER + 2)]
    path, written = tmp_path / "export", export(*lines)
    path.write_bytes(b"".join(written))
    report = verify_export(path, KEY.public, note(lines[:-1]))
    assert (report.findings, report.size) == ((), TOGETHER + 2)
    assert report.root == root([line.hashed(index) for index, line in enumerate(lines)])
    assert found(path, [*written[:-3], *written[-2:]]) == [
        f"entry {TOGETHER}: it is missing; nothing after it was read"
    ]


@pytest.mark.parametrize("leaf", ["", "00", "5858"])
def test_a_leaf_that_is_cut_short_is_no_entry(tmp_path: Path, leaf: str) -> None:
    head, _, last = export(FIRST)
    hashed = sha256(b"\0" + bytes.fromhex(leaf)).hexdigest()
    line = f'{{"hash":"{hashed}","leaf":"{leaf}","n":0,"parts":{{}}}}\n'.encode()
    for lines in ([head, line, last], [head, line.ljust(300, b" ")[:-1] + b"\n", last]):
        assert found(tmp_path / "export", lines) == ["entry 0: its line isn't an entry; nothing after it was read"]


def test_what_stands_before_a_broken_place_in_a_compressed_file_was_read(tmp_path: Path) -> None:
    head, line, long, _ = export(FIRST, Line(boards={}, terms={"x": "a" * 1_000_000}))
    path = tmp_path / "export"
    path.write_bytes(zstandard.compress(head + line + long) + b"more")
    report = verify_export(path, KEY.public)
    assert (report.size, report.root) == (1, root([FIRST.hashed(0)]))
    assert [str(each) for each in report.findings] == [
        "entry 1: the file can't be decompressed; nothing after it was read"
    ]
