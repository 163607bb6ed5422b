"""An entry and its leaf, byte by byte: from the specification, without a journal."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256

import pytest

from consent import entry as form
from consent.entry import (
    LEAF_SIZE,
    PARTS,
    SALT_SIZE,
    SEES,
    WHOLE,
    Actor,
    Entry,
    Leaf,
    Opened,
    Told,
    check_part,
    commitment,
    parse_leaf,
    print_parts,
    read_actor,
    read_entry,
    read_told,
    section_bits,
    section_names,
)
from consent.errors import IntegrityBroken
from consent.terms import Section

AT = datetime(2027, 3, 1, 12, 0, 0, 7, tzinfo=UTC)
TOLD = {"board-b": Told("refused", ("actor", "terms")), "board-c": Told(None)}
ENTRY = Entry(
    book="ledger",
    type=0x27,
    pupil="kim",
    actor=Actor("staff", "99AB00.s-1", {"role": "mentor", "levels": "x"}),
    terms={"b": [1], "a": None},
    boards=("board-a",),
    sections=("okr", "lvs"),
    ground="consent",
    outcome="granted",
    numbered=True,
    school="99AB00",
    told=TOLD,
)
BOARDS = {"board-a": 3, "board-b": 9, "board-c": 1}
VALUES = {
    "subject": {"number": 5, "pupil": "kim"},
    "actor": {"details": {"levels": "x", "role": "mentor"}, "id": "99AB00.s-1", "kind": "staff"},
    "terms": {
        "at": "2027-03-01T12:00:00.000007+00:00",
        "boards": BOARDS,
        "book": "ledger",
        "ground": "consent",
        "outcome": "granted",
        "school": "99AB00",
        "sections": ["okr", "lvs"],
        "terms": {"a": None, "b": [1]},
        "told": {
            "board-b": {"outcome": "refused", "sees": ["actor", "terms"]},
            "board-c": {"outcome": None, "sees": []},
        },
    },
}


def test_the_constants_are_pinned() -> None:
    assert (form.VERSION, form.ERASE, form.STAFF_ERASED, form.ROLLBACK, form.ERASURES) == (1, 17, 18, 21, "erasure")
    assert (PARTS, SALT_SIZE, LEAF_SIZE) == (("subject", "actor", "terms"), 32, 98)
    assert form.GONE.format("actor") == "its actor neither opens nor was erased"
    assert (SEES, WHOLE) == ({"subject": 1, "actor": 2, "terms": 4}, 7)


def test_each_part_is_canonical_json_behind_a_salt_of_its_own() -> None:
    for at in (AT, AT.astimezone(timezone(timedelta(hours=1)))):
        parts = print_parts(ENTRY, 5, BOARDS, at)
        assert list(parts) == list(PARTS)
        for part, salted in parts.items():
            assert salted[32:] == json.dumps(VALUES[part], separators=(",", ":"), sort_keys=True).encode()
    whole = print_parts(ENTRY, 5, BOARDS, AT.replace(microsecond=0))["terms"]
    assert b'"at":"2027-03-01T12:00:00.000000+00:00"' in whole
    again = print_parts(ENTRY, 5, BOARDS, AT)
    assert len({salted[:32] for made in (parts, again) for salted in made.values()}) == 6


def test_details_that_could_end_the_actor_in_an_export_are_not_printed() -> None:
    ends = Actor("staff", "s", {"z": [{"a": []}]})
    assert print_parts(replace(ENTRY, actor=ends), 5, BOARDS, AT)
    for details in ({"role": [1], "subject": 1}, {"a": {"role": [], "subject": None}}):
        with pytest.raises(ValueError, match="can't be told from what follows"):
            print_parts(replace(ENTRY, actor=Actor("staff", "s", details)), 5, BOARDS, AT)  # type: ignore[arg-type]


@pytest.mark.parametrize("part", PARTS)
def test_a_commitment_is_the_hash_of_label_salt_and_text(part: str) -> None:
    assert commitment(part, b"salted") == sha256(b"overdracht/v1/" + part.encode() + b"\0salted").digest()


def test_a_leaf_is_version_type_and_three_commitments() -> None:
    leaf = Leaf(0x27, b"s" * 32, b"a" * 32, b"t" * 32)
    assert leaf.print() == b"\x01\x27" + b"s" * 32 + b"a" * 32 + b"t" * 32
    assert parse_leaf(leaf.print(), 4) == leaf


@pytest.mark.parametrize("data", [b"", bytes(98), b"\x02" + bytes(97), b"\x01" + bytes(96), b"\x01" + bytes(98)])
def test_a_leaf_of_another_form_is_refused(data: bytes) -> None:
    with pytest.raises(IntegrityBroken, match=r"^entry 4: not a leaf of version 1$") as refused:
        parse_leaf(data, 4)
    assert refused.value.index == 4


def test_a_part_is_what_the_leaf_commits_to() -> None:
    parts = print_parts(ENTRY, 5, BOARDS, AT)
    leaf = Leaf(ENTRY.type, *(commitment(part, parts[part]) for part in PARTS))
    for part in PARTS:
        check_part(leaf, part, parts[part], 4)
        with pytest.raises(IntegrityBroken, match=f"^entry 4: its {part} isn't what the tree holds$"):
            check_part(leaf, part, parts[part] + b" ", 4)


def test_an_entry_is_read_back_from_its_parts() -> None:
    parts = print_parts(ENTRY, 5, BOARDS, AT)
    opened = read_entry(4, ENTRY.type, parts["subject"], parts["actor"], parts["terms"])
    assert opened == Opened(
        index=4,
        book="ledger",
        type=0x27,
        pupil="kim",
        number=5,
        actor=ENTRY.actor,
        recorded_at=AT,
        boards=BOARDS,
        sections=("okr", "lvs"),
        ground="consent",
        outcome="granted",
        terms={"a": None, "b": [1]},
        school="99AB00",
        told=TOLD,
    )
    assert read_entry(4, ENTRY.type, parts["subject"], None, parts["terms"]) == replace(opened, actor=None)
    assert (read_actor(parts["actor"]), read_actor(None)) == (ENTRY.actor, None)
    assert read_told(parts["terms"]) == VALUES["terms"]["told"]


def test_a_board_that_sees_an_entry_whole_is_told_nothing_of_it() -> None:
    told = {"board-a": Told("refused"), **TOLD}
    assert replace(ENTRY, told=told).only_told() == TOLD
    printed = print_parts(replace(ENTRY, told=told), 5, BOARDS, AT)["terms"][32:]
    assert json.loads(printed)["told"] == VALUES["terms"]["told"]


def test_a_board_hears_what_it_is_told_and_everybody_else_the_outcome() -> None:
    parts = print_parts(ENTRY, 5, BOARDS, AT)
    opened = read_entry(4, ENTRY.type, parts["subject"], parts["actor"], parts["terms"])
    assert [opened.heard_by(board) for board in ("board-a", "board-b", "board-c")] == ["granted", "refused", None]
    assert [opened.seen_by(board) for board in ("board-a", "board-b", "board-c")] == [7, 6, 0]


def test_sections_are_bits_the_first_one_lowest() -> None:
    names = tuple(map(str, Section))
    assert [section_bits((name,)) for name in names] == [1, 2, 4, 8, 16, 32, 64, 128]
    assert section_bits(names) == 255
    assert (section_bits(()), section_bits(("lvs", "okr", "lvs"))) == (0, 5)
    for bits in range(256):
        assert section_bits(section_names(bits)) == bits
    assert section_names(5) == ("okr", "lvs")


def test_an_entry_says_nothing_that_it_was_not_told_to_say() -> None:
    plain = Entry("ledger", 1, None, Actor("service", "service"), {}, ())
    assert (plain.numbered, plain.told, plain.sections, plain.school) == (False, {}, (), None)
    assert (plain.ground, plain.outcome, plain.actor.details) == (None, None, {})
    assert Told("x").sees == ()
