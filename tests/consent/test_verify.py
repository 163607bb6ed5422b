"""The verifier on exports written by hand: each finding, in its words and at its place, and nothing beside it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import rfc8785
import zstandard

from consent.verify import Finding, Report, verify_export
from crypto.keys import SignKey
from crypto.merkle import EMPTY_ROOT, root
from tests.consent.forged import HEAD, KEY, ORIGIN, Bare, Line, export, note, noted

FIRST = Line()
SECOND = Line(number=2, boards={"board-a": 2, "board-b": 1}, sections=("views",))
THIRD = Line(boards={}, number=3)
STOPPED = "; nothing after it was read"
CLEAR = "what stands in clear isn't what was committed to"
FORM = "its line isn't an entry of this format"
HEARD = "what this board hears isn't what was committed to"
WORD = "NOT CHECKED: day, sections, ground, school and outcome of {} entries, which are the operator's word"
NUMBERS = "a board's running number doesn't follow on the one before"
BACK = "it was erased, and is still there"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "export"


def verified(path: Path, lines: Sequence[bytes], key: bytes | None = KEY.public, kept: bytes | None = None) -> Report:
    path.write_bytes(b"".join(lines))
    return verify_export(path, key, kept)


def found(path: Path, lines: Sequence[bytes], key: bytes | None = KEY.public, kept: bytes | None = None) -> list[str]:
    return [str(finding) for finding in verified(path, lines, key, kept).findings]


def test_an_export_that_is_right_is_reported_whole(path: Path) -> None:
    lines = (FIRST, SECOND, THIRD)
    hashes = [line.hashed(index) for index, line in enumerate(lines)]
    report = verified(path, export(*lines), kept=note(lines[:2]))
    assert report == Report(
        origin=ORIGIN,
        size=3,
        root=root(hashes),
        board=None,
        findings=(),
        checked=(
            "3 entries against the tree and its checkpoints",
            "3 entries opened against their commitments; 0 were erased",
            "every checkpoint against the log's public key",
            "the first 2 entries against the checkpoint kept elsewhere",
        ),
    )
    assert report


def test_what_was_not_looked_at_is_said(path: Path) -> None:
    nothing = ("NOT CHECKED: who signed the checkpoints", "NOT CHECKED: against a checkpoint kept elsewhere")
    signed = "every checkpoint against the log's public key"
    alone = "consistent with itself only"
    assert verified(path, export(FIRST), None).checked[2:] == (*nothing, alone)
    assert verified(path, export(FIRST)).checked[2:] == (signed, nothing[1])
    kept = "the first 0 entries against the checkpoint kept elsewhere"
    assert verified(path, export(FIRST), None, note([])).checked[2:] == (nothing[0], kept)
    only = verify_export(path, hashes_only=True)
    assert only.checked == (
        "1 entries against the tree and its checkpoints",
        "NOT CHECKED: what the entries say, what was erased, and the boards' running numbers",
        *nothing,
        alone,
    )


def test_a_finding_is_printed_with_its_entry_where_it_has_one() -> None:
    assert [str(Finding(None, "wrong")), str(Finding(0, "wrong"))] == ["wrong", "entry 0: wrong"]


# The head.


@pytest.mark.parametrize(
    "head",
    [
        [],
        [[]],
        7,
        None,
        "x",
        {},
        HEAD,
        {**HEAD, "newest": {}, "more": 1},
        {**HEAD, "newest": {}, "v": 2},
        {**HEAD, "newest": {}, "v": True},
        {**HEAD, "newest": {}, "format": "another"},
        {**HEAD, "newest": {}, "origin": ""},
        {**HEAD, "newest": {}, "origin": 5},
        {"format": HEAD["format"], "newest": {}, "v": 1},
        {**HEAD, "newest": {}, "board": 5},
        {**HEAD, "newest": {}, "board": "board-a"},
        {**HEAD, "newest": {"board-b": 0}, "board": "board-a"},
        {**HEAD, "newest": {"board-a": 0, "board-b": 0}, "board": "board-a"},
        {**HEAD, "newest": []},
        {**HEAD, "newest": {"board-a": -1}},
        {**HEAD, "newest": {"board-a": True}},
        {**HEAD, "newest": {"board-a": "1"}},
        {**HEAD, "newest": {"board-a": None}},
    ],
    ids=json.dumps,
)
def test_a_head_in_another_form_is_no_export(path: Path, head: object) -> None:
    report = verified(path, [rfc8785.dumps(head) + b"\n"])
    assert report.findings == (Finding(None, "not an export of a journal, version 1" + STOPPED),)
    assert (report.origin, report.size, report.root, report.board) == ("", 0, EMPTY_ROOT, None)
    assert report.checked == ("NOT CHECKED: anything",)


@pytest.mark.parametrize("at", [0, -1])
@pytest.mark.parametrize(("old", "new"), [(b":", b": "), (b'"', b' "'), (b'"}', b'","x":1}'), (b'{"', b'{"a":1,"')])
def test_head_and_checkpoints_are_written_in_one_way(path: Path, at: int, old: bytes, new: bytes) -> None:
    lines = export(FIRST)
    lines[at] = lines[at].replace(b'"v":1}', b'"v":"1"}').replace(old, new, 1).replace(b'"v":"1"}', b'"v":1}')
    (finding,) = found(path, lines)
    assert finding.endswith(STOPPED)


@pytest.mark.parametrize(
    "later",
    [
        *([], None, 5, "ab", {"a": 1}, [5], [[1]], [[1, "b", 2]], [["1", "b"]], [[True, "b"]], [[1, 2]], [[-1, "b"]]),
        *([[2, "b"], [1, "c"]], [[1, "b"], [1, "c"]], [[1, "b"], 5]),
    ],
    ids=json.dumps,
)
def test_later_names_in_another_form_stop_the_reading(path: Path, later: object) -> None:
    what = "its head names the log's later names in another way"
    assert found(path, export(FIRST, later=later)) == [what + STOPPED]


def test_a_log_that_took_later_names_is_followed_through_them(path: Path) -> None:
    lines = (FIRST, SECOND, replace(THIRD, type=0x15), replace(THIRD, type=0x15, number=4))
    later = [[2, "b/journal"], [3, "c/journal"]]

    def told(size: int, origin: str) -> list[str]:
        return found(
            path,
            export(*lines, last=note(lines, origin="c/journal"), later=later),
            kept=note(lines[:size], origin=origin),
        )

    for size, origin in ((0, ORIGIN), (2, ORIGIN), (3, "b/journal"), (4, "c/journal")):
        assert told(size, origin) == []
    start = "the checkpoint kept elsewhere: "
    for size, origin in ((2, "b/journal"), (3, "c/journal"), (4, "d/journal"), (0, "c/journal")):
        assert told(size, origin) == [f"{start}the checkpoint is of another log"]
    lost = f"{start}that log lost its entries from %d on, and went on as %s"
    assert told(3, ORIGIN) == [lost % (2, "b/journal")]
    assert told(4, ORIGIN) == told(4, "b/journal") == [lost % (3, "c/journal")]


def test_a_log_takes_another_name_only_where_entries_were_lost(path: Path) -> None:
    lines = (FIRST, replace(SECOND, type=0x15), THIRD)
    last = note(lines, origin="b/journal")
    assert found(path, export(*lines, last=last, later=[[1, "b/journal"]])) == []
    for first in (0, 2):
        assert found(path, export(*lines, last=last, later=[[first, "b/journal"]])) == [
            f"entry {first}: the log took another name here, and no entry was lost"
        ]
    assert found(path, export(*lines, last=note(lines), later=[[3, "b/journal"]])) == []


def test_a_name_from_the_very_start_takes_the_place_of_the_first(path: Path) -> None:
    first = replace(FIRST, type=0x15)
    for size in (0, 1):
        last = note([first][:size], origin="b/journal")
        assert found(path, export(*[first][:size], last=last, later=[[0, "b/journal"]])) == []
        kept = note([], origin=ORIGIN)
        assert found(path, export(*[first][:size], last=last, later=[[0, "b/journal"]]), kept=kept) == [
            "the checkpoint kept elsewhere: that log lost its entries from 0 on, and went on as b/journal"
        ]


# Lines.


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (lambda lines: [], "the file is empty"),
        (lambda lines: [lines[0][:-1]], "its line is cut short or too long"),
        (lambda lines: [lines[0], lines[1][:-1]], "entry 0: its line is cut short or too long"),
        (lambda lines: [lines[0], b'{"checkpoint":5}'], "entry 0: its line is cut short or too long"),
        (lambda lines: [*lines[:2], b"{}\n"], "entry 1: its line isn't an entry"),
        (lambda lines: [*lines[:2], b"[]\n"], "entry 1: its line isn't an entry"),
        (lambda lines: [*lines[:2], b'{"checkpoint":5}\n'], "entry 1: its line isn't an entry"),
        (lambda lines: [*lines[:2], b"{\n"], "entry 1: its line isn't canonical JSON"),
        (lambda lines: [*lines[:2], b"{} \n"], "entry 1: its line isn't canonical JSON"),
        (lambda lines: [*lines[:2], lines[1]], "entry 1: it is missing"),
        (lambda lines: [lines[0], *lines[2:]], "entry 0: it is missing"),
        (lambda lines: [lines[0], lines[1][:82] + b"x" + lines[1][83:]], "entry 0: its line isn't an entry"),
        (lambda lines: [lines[0], lines[1][:90] + b"x" + lines[1][91:]], "entry 0: its line isn't an entry"),
        (lambda lines: [lines[0], lines[1][:90] + b"\n"], "entry 0: its line isn't an entry"),
    ],
)
def test_a_file_is_read_as_far_as_its_lines_go(path: Path, spoil, what: str) -> None:  # type: ignore[no-untyped-def]
    lines = spoil(export(FIRST, SECOND))
    for key in (None, KEY.public):
        assert found(path, lines, key) == [what + STOPPED]
    assert [str(each) for each in verify_export(path, hashes_only=True).findings] == [what + STOPPED]


def test_a_hash_that_is_not_its_leafs_is_named_and_still_counted(path: Path) -> None:
    head, line, last = export(FIRST)
    line = line[:9] + b"0" * 64 + line[73:]
    over = "entries 0 to 0 aren't all those that the checkpoint there was signed over"
    report = verified(path, [head, line, last], kept=note([FIRST]))
    assert [str(finding) for finding in report.findings] == [
        "entry 0: its leaf isn't what was hashed",
        "the first 1 entries aren't those of the checkpoint kept elsewhere",
        over,
    ]
    assert report.root == bytes(32)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"parts":{"actor":[', b'"parts":{"actor":{'),
        (b'"parts":', b'"part":'),
        (b',"subject":["', b', "subject":["'),
        (b',"subject":["', b',"subject":["0'),
        (b',"subject":["', b',"subject":["A'),
        (b'],"terms":["', b'}"terms":["'),
        (b'],"terms":["', b' ],"terms":["'),
        (b'],"terms":["', b'},"terms":["'),
        (b']},"row":', b'}},"row":'),
        (b'},"row":', b'}, "row":'),
        (b'},"row":', b'},"rox":'),
        (b'"type":1}}', b'"type":1}} '),
        (b'"type":1}}', b'"type":1}]'),
        (b'"type":1}}', b'"type":}}'),
        (b'"type":1}}', b'"type":"\xff"}}'),
        (b'"row":{', b'"row":5}\n'),
        (b'"boards":{"board-a":1},"book":"ledger","day"', b'"boards":[],"book":"ledger","day"'),
    ],
)
def test_a_line_that_is_built_in_another_way_is_one_finding(path: Path, old: bytes, new: bytes) -> None:
    head, line, last = export(FIRST)
    assert line.count(old) == 1
    line = line.replace(old, new).partition(b"\n")[0] + b"\n"
    assert found(path, [head, line, last])[0] == f"entry 0: {FORM}"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b',"subject":null', b',"subject":nul1'),
        (b',"subject":null', b""),
        (b',"terms":null', b',"term":null'),
        (b',"terms":null', b""),
    ],
)
def test_a_part_that_is_gone_is_written_in_one_way(path: Path, old: bytes, new: bytes) -> None:
    head, line, *rest = export(FIRST.without("subject", "terms"), erasure(0))
    assert line.count(old) == 1
    assert found(path, [head, line.replace(old, new), *rest])[0] == f"entry 0: {FORM}"


@pytest.mark.parametrize("part", ["subject", "actor", "terms"])
def test_a_salt_is_written_in_one_way(path: Path, part: str) -> None:
    head, line, last = export(FIRST)
    salt = FIRST.salted(0)[part][0].hex().encode()
    for other in (line.replace(salt, salt.upper()), line.replace(salt + b'",', salt + b'" ')):
        assert other != line
        assert found(path, [head, other, last])[0] == f"entry 0: {FORM}"


@pytest.mark.parametrize("part", ["subject", "actor", "terms"])
def test_another_salt_is_not_what_the_leaf_commits_to(path: Path, part: str) -> None:
    head, line, last = export(FIRST)
    salt = FIRST.salted(0)[part][0].hex().encode()
    other = (b"1" if salt.startswith(b"0") else b"0") + salt[1:]
    assert found(path, [head, line.replace(salt, other), last]) == [
        f"entry 0: its {part} isn't what the leaf commits to"
    ]


class Garbled(Line):
    """An entry that commits to an actor which is no JSON."""

    def salted(self, index: int) -> dict[str, tuple[bytes, bytes]]:
        said = super().salted(index)
        return said | {"actor": (said["actor"][0], b"{kind:")}


def test_who_acted_is_held_to_what_was_committed_to_and_not_read(path: Path) -> None:
    assert found(path, export(Garbled())) == []


def test_a_leaf_of_another_version_is_not_read(path: Path) -> None:
    assert found(path, export(Line(version=2)))[0] == f"entry 0: {FORM}"


@pytest.mark.parametrize(
    "clear",
    [
        {"type": 2},
        {"day": "2027-03-02"},
        {"day": None},
        {"sections": 4},
        {"number": 2},
        {"book": "access"},
        {"ground": None},
        {"outcome": "refused"},
        {"school": None},
        {"told": {"board-b": None}},
        {"told": 5},
        {"more": None},
        {"contradicted": ["board-a"]},
    ],
    ids=str,
)
def test_what_stands_in_clear_is_held_against_what_was_committed_to(path: Path, clear: dict[str, object]) -> None:
    assert found(path, export(FIRST.but(**clear))) == [f"entry 0: {CLEAR}"]


class Silent(Line):
    """An entry that says of nothing on which ground, with what outcome, at which school and as which of a pupil's."""

    def committed(self) -> dict[str, dict[str, object]]:
        said = super().committed()
        said["terms"] |= {"ground": None, "outcome": None, "school": None}
        return said | {"subject": {"pupil": None, "number": None}}


def test_what_an_entry_says_nothing_of_is_null_in_clear(path: Path) -> None:
    nothing = {"ground": None, "outcome": None, "school": None, "number": None}
    assert found(path, export(Silent().but(**nothing))) == []
    for name in nothing:
        assert found(path, export(Silent().but(**(nothing | {name: ""})))) == [f"entry 0: {CLEAR}"]


def test_what_others_are_told_stands_in_clear_as_it_was_committed_to(path: Path) -> None:
    told = {"board-b": {"outcome": "refused", "sees": ["actor"]}}
    both = {**told, "board-c": {"outcome": None, "sees": []}}
    for line in (replace(FIRST, told=told), replace(FIRST, told=both)):
        assert found(path, export(line)) == []
        assert found(path, export(line.but(told={}))) == [f"entry 0: {CLEAR}"]


def test_a_boards_numbers_run_from_one_without_a_hole(path: Path) -> None:
    def told(*numbers: int) -> list[str]:
        return found(
            path, export(*[replace(FIRST, number=at + 1, boards={"board-a": n}) for at, n in enumerate(numbers)])
        )

    assert told(1, 2, 3) == []
    assert told(0) == told(2) == [f"entry 0: {NUMBERS}"]
    assert told(1, 1) == told(1, 3) == [f"entry 1: {NUMBERS}"]
    assert told(1, 5, 6) == [f"entry 1: {NUMBERS}"]


@pytest.mark.parametrize("number", [True, "1", None, [1], 1.5], ids=str)
def test_a_number_is_a_number(path: Path, number: object) -> None:
    line = replace(FIRST, boards={"board-a": number})  # type: ignore[dict-item]
    assert found(path, export(line, newest={"board-a": 1}))[0] == f"entry 0: {FORM}"


def test_each_boards_numbers_end_at_its_newest(path: Path) -> None:
    def told(**newest: int) -> list[str]:
        return found(path, export(FIRST, SECOND, newest={name.replace("_", "-"): n for name, n in newest.items()}))

    assert told(board_a=2, board_b=1) == []
    what = "the entries of {} end at number {}, and its newest is {}"
    assert told(board_a=3, board_b=1) == [what.format("board-a", 2, 3)]
    assert told(board_a=2, board_b=0) == told(board_a=2) == [what.format("board-b", 1, 0)]
    assert told(board_a=2, board_b=1, board_c=1) == [what.format("board-c", 0, 1)]
    assert told(board_a=2, board_b=1, board_c=0) == []


def test_numbers_go_on_behind_those_that_were_lost(path: Path) -> None:
    """K12: where the log took another name, a board's numbers may leave out those of the entries that went."""
    lines = (
        FIRST,
        replace(SECOND, type=0x15, boards={"board-a": 5, "board-b": 1}),
        replace(THIRD, boards={"board-a": 6}),
    )
    later = [[1, "b/journal"]]
    last = note(lines, origin="b/journal")
    assert found(path, export(*lines, last=last, later=later)) == []
    back = (FIRST, replace(lines[1], boards={"board-a": 1}), lines[2])
    last = note(back, origin="b/journal")
    assert found(path, export(*back, last=last, later=later)) == [f"entry 1: {NUMBERS}", f"entry 2: {NUMBERS}"]


# Erasures.


def erasure(*erased: int, actors: Sequence[int] = (), boards: Mapping[str, int] | None = None) -> Line:
    terms = {"actors": list(actors), "erased": list(erased)}
    return Line(0x11, 9, "erasure", boards=boards or {}, terms=terms)


def staff_erasure(*erased: int) -> Line:
    return Line(0x12, 9, "erasure", boards={}, terms={"erased": list(erased)})


GONE = FIRST.erased()
NOBODY = FIRST.erased("actor")


@pytest.mark.parametrize(
    ("gone", "names"),
    [
        (["subject"], "subject"),
        (["actor"], "actor"),
        (["terms"], "terms"),
        (["terms", "subject"], "subject, terms"),
        (["subject", "actor", "terms"], "subject, actor, terms"),
    ],
)
def test_a_part_that_no_erasure_lists_has_to_be_there(path: Path, gone: list[str], names: str) -> None:
    what = f"entry 1: its {names} neither opens nor was erased"
    lost = SECOND.without(*gone)
    assert found(path, export(FIRST, lost, THIRD)) == [what]
    assert found(path, export(GONE, lost, erasure(0))) == [what]
    assert found(path, export(FIRST, lost, replace(erasure(1), book="access"))) == [what]


def test_an_empty_row_lets_nothing_go(path: Path) -> None:
    assert found(path, export(GONE)) == ["entry 0: its subject, terms neither opens nor was erased"]


def test_an_erasure_lets_go_what_it_lists_and_nothing_else(path: Path) -> None:
    assert found(path, export(GONE, erasure(0))) == []
    assert found(path, export(NOBODY, erasure(0, actors=[0]))) == []
    assert found(path, export(NOBODY, erasure(0))) == ["entry 0: its actor neither opens nor was erased"]
    assert found(path, export(GONE, erasure(0, actors=[0]))) == [f"entry 0: {BACK}"]
    assert found(path, export(THIRD, GONE, erasure(1), SECOND.without("actor"), staff_erasure(3))) == []
    assert found(path, export(FIRST.without("actor"), staff_erasure(0))) == []
    for kept in ("subject", "terms"):
        (other,) = {"subject", "terms"} - {kept}
        assert found(path, export(replace(GONE, gone=(other,)), erasure(0)))[-1] == f"entry 0: {BACK}"
    assert found(path, export(FIRST, erasure(0))) == [f"entry 0: {BACK}"]
    assert found(path, export(FIRST, staff_erasure(0))) == [f"entry 0: {BACK}"]
    assert found(path, export(GONE, staff_erasure(0))) == [
        f"entry 0: {BACK}",
        "entry 0: its subject, terms neither opens nor was erased",
    ]


@pytest.mark.parametrize(
    "left",
    [
        {"day": "2027-03-01"},
        {"ground": "consent"},
        {"ground": ""},
        {"number": 1},
        {"outcome": "granted"},
        {"school": "99AB00"},
        {"sections": 1},
        {"sections": False},
        {"book": "ledger"},
        {"told": {"board-a": {"outcome": None, "sees": ["actor"]}}},
        {"told": None},
        {"type": 3},
        {"type": True},
        {"more": None},
        {"contradicted": ["board-a"]},
    ],
    ids=str,
)
def test_an_erasure_empties_what_stands_in_clear(path: Path, left: dict[str, object]) -> None:
    what = CLEAR if "contradicted" in left else BACK
    assert found(path, export(GONE.but(**left), erasure(0))) == [f"entry 0: {what}"]


def test_a_row_that_was_emptied_says_what_the_leaf_does(path: Path) -> None:
    """What an erasure empties can't be filled in, nor the entry made one of another type."""
    assert found(path, export(GONE.but(boards={"board-a": 2}), erasure(0))) == [f"entry 0: {NUMBERS}"]
    for boards in ([], None, {"board-a": True}, {"board-a": "1"}):
        head, _, *rest = export(GONE, erasure(0))
        lines = [head, GONE.but(boards=boards).printed(0), *rest]
        assert found(path, lines)[0] == f"entry 0: {FORM}"


def test_an_erasure_takes_nothing_back_of_another_one(path: Path) -> None:
    both = (erasure(0), staff_erasure(0))
    for erasures in (both, both[::-1]):
        assert found(path, export(NOBODY, *erasures)) == []
        assert found(path, export(FIRST.without("actor"), *erasures)) == [f"entry 0: {BACK}"]
        assert found(path, export(GONE, *erasures)) == [f"entry 0: {BACK}"]


def test_an_erasure_lists_only_what_was_there_before_it(path: Path) -> None:
    what = "entry 1: it erases what wasn't there yet"
    lost = "entry 0: its subject, terms neither opens nor was erased"
    for listing in (erasure, staff_erasure):
        for erased in ([1], [2], [-1], [99]):
            assert found(path, export(THIRD, listing(*erased))) == [what]
    for erased in ([0, 1], [-1, 0]):
        assert found(path, export(GONE, erasure(*erased))) == [what, lost]


@pytest.mark.parametrize(
    "terms",
    [
        {"erased": [0]},
        {"actors": [], "erased": [0], "more": []},
        {"actors": [], "erased": None},
        {"actors": [], "erased": {}},
        {"actors": [], "erased": [False]},
        {"actors": [], "erased": ["0"]},
        {"actors": [], "erased": [0.5]},
        {"actors": [], "erased": [0, 0]},
        {"actors": [], "erased": [1, 0]},
        {"actors": [0], "erased": []},
        {"actors": None, "erased": [0]},
        {"actors": [0, 0], "erased": [0]},
        5,
    ],
    ids=str,
)
def test_an_erasure_lists_in_one_way(path: Path, terms: dict[str, object]) -> None:
    assert found(path, export(THIRD, THIRD, replace(erasure(), terms=terms)))[0] == f"entry 2: {FORM}"
    assert found(path, export(THIRD, replace(staff_erasure(), terms={"actors": [], "erased": []}))) == [
        f"entry 1: {FORM}"
    ]
    assert found(path, export(THIRD, replace(erasure(0), type=0x13))) == [f"entry 1: {FORM}"]


def test_what_was_erased_is_counted_whole_and_by_its_actor(path: Path) -> None:
    nobody = replace(SECOND, gone=("actor",), boards={})
    lines = (NOBODY, nobody, nobody, erasure(0, actors=[0]), staff_erasure(1, 2))
    report = verified(path, export(*lines))
    assert report.findings == ()
    told = "4 entries opened against their commitments; 1 were erased"
    assert report.checked[1] == f"{told}, and of 2 more who acted"
    both = verified(path, export(NOBODY, erasure(0), staff_erasure(0)))
    assert both.findings == ()
    assert both.checked[1].endswith("; 1 were erased")
    assert verified(path, export(GONE, erasure(0))).checked[1].endswith("; 1 were erased")
    assert verified(path, export(FIRST.without("actor", "terms"))).checked[1].startswith("1 entries opened")
    assert verified(path, export(FIRST.without("subject", "terms"))).checked[1].startswith("0 entries opened")


def test_no_more_is_kept_of_findings_than_somebody_reads(path: Path) -> None:
    lines = [replace(FIRST, boards={}).but(day=None) for _ in range(1003)]
    assert len(found(path, export(*lines[:1000]))) == 1000
    told = found(path, export(*lines))
    assert told == [*(f"entry {index}: {CLEAR}" for index in range(1000)), "3 more findings"]


# Checkpoints.


def test_an_export_ends_with_a_checkpoint_over_all_of_it(path: Path) -> None:
    missing = "the export doesn't end with a checkpoint over all its entries"
    lines = export(FIRST, SECOND)
    assert found(path, lines[:-1]) == [missing]
    assert found(path, [*lines[:2], noted(note([FIRST])), lines[2]]) == [missing]
    assert found(path, [*lines[:2], noted(note([FIRST])), *lines[2:]]) == []
    assert found(path, export(FIRST, last=note([FIRST], 2))) == ["a checkpoint of 2 entries stands after 1", missing]


def test_a_checkpoint_of_another_tree_names_the_entries_since_the_last_that_held(path: Path) -> None:
    lines = [FIRST, SECOND, THIRD, replace(THIRD, number=4), replace(THIRD, number=5)]
    head, *printed = export(*lines)[:-1]
    other = note([THIRD, SECOND], 3)
    what = "aren't all those that the checkpoint there was signed over"
    good = [noted(note(lines[:size])) for size in range(6)]
    forged = [noted(note([THIRD], size)) for size in range(6)]
    assert noted(other) != good[3]
    between = [
        printed[0],
        good[1],
        printed[1],
        forged[2],
        printed[2],
        forged[3],
        printed[3],
        good[4],
        printed[4],
        forged[5],
    ]
    assert found(path, [head, *between]) == [f"entries 1 to 1 {what}", f"entries 4 to 4 {what}"]


def test_a_checkpoint_that_is_refused_is_named_and_read_past(path: Path) -> None:
    stranger = SignKey.generate("journal")
    lines = export(FIRST)
    assert found(path, [*lines[:-1], noted(note([FIRST], key=stranger)), lines[-1]]) == [
        "the checkpoint after 1 entries: the log's key has not signed the checkpoint"
    ]
    assert found(path, export(FIRST, last=note([FIRST], key=stranger)), None) == []


def test_a_checkpoint_kept_elsewhere_is_held_against_that_many_entries(path: Path) -> None:
    lines = (FIRST, SECOND, THIRD)
    for size in range(4):
        assert found(path, export(*lines), kept=note(lines[:size])) == []
        other = note((SECOND, *lines[1:])[:size] if size else (FIRST,), size)
        assert found(path, export(*lines), kept=other) == [
            f"the first {size} entries aren't those of the checkpoint kept elsewhere"
        ]
    longer = verified(path, export(*lines), kept=note((*lines, THIRD)))
    assert longer.findings == (Finding(None, "the checkpoint kept elsewhere has 4 entries, the export 3"),)
    assert longer.checked[3] == "NOT CHECKED: against a checkpoint kept elsewhere"
    unread = verified(path, export(*lines), None, b"")
    assert unread.findings == (Finding(None, "the checkpoint kept elsewhere: not a signed note"),)
    assert "consistent with itself only" not in unread.checked


# A board's export.

TOLD = {"board-b": {"outcome": "refused", "sees": ["terms"]}}
RELEASE = Line(0x27, boards={"board-a": 1, "board-b": 1}, told=TOLD)
HEARS = RELEASE.heard("board-b")
BY_STAFF = {"board-b": {"outcome": "refused", "sees": ["actor"]}}
DEAF = replace(RELEASE, told=BY_STAFF).heard("board-b")
EMPTIED = {"day": None, "ground": None, "school": None, "sections": 0, "outcome": None}
EMPTY = {**EMPTIED, "told": {"board-b": {"outcome": None, "sees": ["terms"]}}}


def test_a_board_reads_its_own_hears_of_others_and_counts_the_rest(path: Path) -> None:
    lines = (HEARS, Bare(), SECOND.but(boards={"board-b": 2}), Bare(number=7))
    own = replace(SECOND, boards={"board-b": 2})
    report = verified(path, export(HEARS, Bare(), own, Bare(number=7), board="board-b"), kept=note((HEARS, Bare())))
    assert report.findings == ()
    assert (report.board, report.size) == ("board-b", 4)
    assert report.checked[1] == "1 entries opened against their commitments; 0 were erased"
    assert report.checked[3:] == (
        "the first 2 entries against the checkpoint kept elsewhere",
        "2 entries of other boards; 1 whose contents are another board's",
    )
    assert found(path, export(*lines, board="board-b")) == [f"entry 2: {CLEAR}"]
    assert verify_export(path, KEY.public, hashes_only=True).checked[4:] == ("2 entries of other boards",)


def test_everything_that_a_board_hears_is_counted(path: Path) -> None:
    again = replace(RELEASE, boards={"board-a": 2, "board-b": 2}, told=BY_STAFF).heard("board-b")
    report = verified(path, export(HEARS, again, Bare(), board="board-b"), None)
    assert report.checked[4:] == (
        "1 entries of other boards; 2 whose contents are another board's",
        WORD.format(1),
        "consistent with itself only",
    )


def test_a_hash_that_is_not_its_leafs_is_named_in_a_boards_export_too(path: Path) -> None:
    own = replace(SECOND, boards={"board-b": 1})
    head, line, last = export(own, board="board-b")
    assert found(path, [head, line[:9] + b"0" * 64 + line[73:], last]) == [
        "entry 0: its leaf isn't what was hashed",
        "entries 0 to 0 aren't all those that the checkpoint there was signed over",
    ]


def test_an_erasure_may_list_what_this_board_has_no_part_of(path: Path) -> None:
    lines = (Bare(), replace(HEARS, gone=("subject", "actor", "terms")).but(**EMPTY))
    assert found(path, export(*lines, erasure(0, 1), board="board-b"))[0] == f"entry 2: {FORM}"
    own = erasure(0, 1, boards={"board-b": 2})
    report = verified(path, export(*lines, own, board="board-b"))
    assert report.findings == ()
    assert report.checked[1] == "1 entries opened against their commitments; 2 were erased"
    assert found(path, export(Bare(), HEARS, own, board="board-b")) == [f"entry 1: {BACK}"]


def test_of_an_erased_entry_a_board_is_shown_its_own_number_alone(path: Path) -> None:
    both = replace(FIRST, boards={"board-a": 1, "board-b": 1}).erased()
    own = erasure(0, boards={"board-b": 2})
    assert found(path, export(both.but(boards={"board-b": 1}), own, board="board-b")) == []
    assert found(path, export(both, own, board="board-b")) == [f"entry 0: {BACK}"]


@pytest.mark.parametrize(
    "clear",
    [
        {"type": 0x28},
        {"outcome": "granted"},
        {"day": None},
        {"sections": 1},
        {"ground": None},
        {"school": None},
        {"boards": {"board-b": 1, "board-a": 1}},
        {"told": {"board-b": {"outcome": "refused", "sees": ["actor"]}}},
        {"told": {"board-b": {"outcome": "refused", "sees": ["terms"], "more": 1}}},
        {"told": {"board-b": None}},
        {"contradicted": ["board-b"]},
        {"more": None},
        {"book": "ledger"},
        {"number": 1},
        EMPTY,
    ],
    ids=str,
)
def test_what_a_board_hears_is_held_against_what_was_committed_to(path: Path, clear: dict[str, object]) -> None:
    assert found(path, export(HEARS.but(**clear), board="board-b")) == [f"entry 0: {HEARD}"]


def test_a_board_is_shown_no_more_than_it_may_see(path: Path) -> None:
    for shown in (replace(HEARS, gone=("subject",)), replace(DEAF, gone=("subject",))):
        assert f"entry 0: {HEARD}" in found(path, export(shown, board="board-b"))


def test_a_part_that_a_board_sees_has_to_be_there_until_it_was_erased(path: Path) -> None:
    lost = "entry 0: its {} neither opens nor was erased"
    everything = ("subject", "actor", "terms")
    assert found(path, export(replace(HEARS, gone=everything), board="board-b")) == [lost.format("terms")]
    assert found(path, export(replace(DEAF, gone=everything), board="board-b")) == [lost.format("actor")]
    report = verified(path, export(replace(HEARS, gone=everything).but(**EMPTY), board="board-b"))
    assert report.findings == ()
    assert report.checked[-1] == WORD.format(1)
    actor = replace(staff_erasure(0), boards={"board-b": 2})
    assert found(path, export(replace(DEAF, gone=everything), actor, board="board-b")) == []


def test_what_nothing_shown_commits_to_is_named_as_the_operators_word(path: Path) -> None:
    for clear in ({"ground": None}, {"day": "2026-01-31"}, {"school": "99ZZ00"}, {"sections": 255}, {"day": None}):
        report = verified(path, export(DEAF.but(**clear), board="board-b"))
        assert report.findings == ()
        assert report.checked[4:] == (
            "0 entries of other boards; 1 whose contents are another board's",
            WORD.format(1),
        )


@pytest.mark.parametrize(
    ("clear", "what"),
    [
        *(({name: value}, HEARD) for name, value in (("type", 1), ("book", "x"), ("number", 1), ("more", None))),
        ({"outcome": "granted"}, HEARD),
        ({"outcome": 5}, FORM),
        ({"contradicted": ["board-b"]}, HEARD),
        ({"boards": {"board-b": 1, "board-a": 1}}, HEARD),
        *(({"day": day}, FORM) for day in (5, "2027-02-30", "20270301", "2027-W09-1", "")),
        *(({"ground": ground}, FORM) for ground in (5, [], {})),
        *(({"school": school}, FORM) for school in (5, [], {})),
        *(({"sections": sections}, FORM) for sections in (-1, 256, True, None, "1", 1.5)),
        *(
            ({"told": {"board-b": told}}, FORM)
            for told in (
                None,
                {"outcome": "refused", "sees": ["actor"], "more": 1},
                {"outcome": "refused"},
                {"outcome": "refused", "sees": [], "more": 1},
                {"outcome": "refused", "sees": ["subject"]},
                {"outcome": "refused", "sees": ["terms", "actor"]},
                {"outcome": "refused", "sees": ["actor", "actor"]},
                {"outcome": "refused", "sees": "actor"},
            )
        ),
        ({"told": {"board-b": BY_STAFF["board-b"], "board-c": BY_STAFF["board-b"]}}, HEARD),
    ],
    ids=str,
)
def test_even_the_operators_word_has_one_form(path: Path, clear: dict[str, object], what: str) -> None:
    assert found(path, export(DEAF.but(**clear), board="board-b"))[0] == f"entry 0: {what}"


def test_a_board_that_is_not_among_an_entrys_boards_has_no_such_line(path: Path) -> None:
    assert found(path, export(FIRST, board="board-c")) == [f"entry 0: {FORM}"]


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [(b'"n":0}', b'"n":1}', "it is missing"), (b'"n":0}', b'"n":00}', "its line isn't an entry")],
)
def test_a_bare_line_has_one_form(path: Path, old: bytes, new: bytes, what: str) -> None:
    head, line, last = export(Bare(), board="board-b")
    assert found(path, [head, line.replace(old, new), last]) == [f"entry 0: {what}{STOPPED}"]
    assert found(path, [head, line[:-1]]) == [f"entry 0: its line is cut short or too long{STOPPED}"]
    assert found(path, export(Bare())) == [f"entry 0: its line isn't an entry{STOPPED}"]


def test_a_compressed_export_is_read_as_a_plain_one(path: Path) -> None:
    lines = export(FIRST, SECOND)
    plain = verified(path, lines)
    path.write_bytes(zstandard.compress(b"".join(lines)))
    assert verify_export(path, KEY.public) == plain
