"""Tampering with a real service's databases, as their owner could: who finds what (K1 to K4, K8, C2, C3).

`tests/vectors/tampering.csv` is the table: a row for everything that was tried, and in it what each of those who might
notice says. Start-up, gate and the service's own proofs look with what the service holds. Verifier, witness and a
school's client also hold a checkpoint that left the house. Nothing in the table is found by nobody; what needs nobody,
since it changes nothing, has tests of its own below.
"""

import csv
import re
import shutil
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, insert, select

from consent import tree
from consent.db import open_engine, reading
from consent.entry import section_bits
from consent.errors import StartRefused
from consent.events import Kind
from consent.tables import (
    DataKey,
    Freeze,
    JournalBoard,
    JournalLeaf,
    JournalLookup,
    JournalPart,
    LookupHash,
    Mark,
    core,
)
from consent.verify import verify_export
from crypto.checkpoint import parse_checkpoint, parse_receipt
from crypto.errors import ProofRefused
from crypto.merkle import verify_inclusion
from handover.accesslog import SERVICE, Did, record
from handover.client import ServiceRefused
from handover.doctor import doctor
from tests.conftest import Databases
from tests.faults import owner
from tests.faults.finders import (
    NAME,
    OPEN,
    WITHDRAWN,
    House,
    ask,
    board_side,
    client,
    gate,
    listening,
    start,
    verifier,
    witness,
)
from tests.faults.lived import Scene, lived
from tests.faults.tampers import CASES, ONE, Tried, node, put_back
from tests.handover.story import VO, Story
from tests.region import head_of

TABLE = Path(__file__).parents[1] / "vectors" / "tampering.csv"
FINDERS = ("start", "gate", "verifier", "witness", "client")
COLUMNS = (*FINDERS, "withdrawn section")


@pytest.fixture(scope="module")
def scene(sqlite_templates: dict[str, Path], scratch: Path) -> Iterator[Scene]:
    base = scratch / "tampering"
    folder, elsewhere = base / "service", base / "elsewhere"
    folder.mkdir(parents=True)
    elsewhere.mkdir()
    for which, template in sqlite_templates.items():
        shutil.copyfile(template, folder / f"{which}.sqlite")
    urls = [f"sqlite:///{folder / which}.sqlite" for which in ("main", "keys")]
    main, keys = map(open_engine, urls)
    story = Story(Databases("sqlite", urls[0], urls[1], main, keys), folder)
    with listening(story.region.app) as origin:
        scene = lived(story, keys, folder, elsewhere, origin)
        with scene.talks:
            yield scene
        for engine in (scene.house.main, scene.house.keys, main, keys):
            engine.dispose()
    shutil.rmtree(base)


def found_by(scene: Scene, tried: Tried) -> dict[str, str]:
    """Tamper, and let everybody look: the start and the gate by themselves, at what nobody has touched since."""
    found: dict[str, str | None] = {}
    with scene.copy() as house:
        tried(house, scene)
        found["start"] = start(house)
    with scene.copy() as house:
        tried(house, scene)
        found["verifier"] = verifier(house, scene.outside)
        found["gate"] = gate(house, VO, scene.transfer)
        released = ask(house, VO, scene.transfer, WITHDRAWN).status_code == 200
        found["withdrawn section"] = "released" if released else None
    with scene.copy() as house:
        tried(house, scene)
        found["client"] = client(house, scene.talks, scene.transfer)
        found["witness"] = witness(house, scene.talks)
        if found["witness"]:
            assert gate(house, VO, scene.transfer), "who was told by the witness still releases"
    return {name: found[name] or "" for name in COLUMNS}


with TABLE.open(encoding="utf-8", newline="") as _file:
    ROWS = {row.pop("case"): row for row in csv.DictReader(_file)}


def test_the_table_has_a_row_for_each_case_and_somebody_who_finds_it() -> None:
    assert list(ROWS) == list(CASES)
    assert [case for case, row in ROWS.items() if not any(row[name] for name in FINDERS)] == []


def test_nobody_finds_anything_where_nobody_tampered(scene: Scene) -> None:
    assert found_by(scene, lambda house, scene: None) == dict.fromkeys(COLUMNS, "")


@pytest.mark.parametrize("case", CASES)
def test_tampering_is_found_by_those_whom_the_table_names(scene: Scene, case: str) -> None:
    """K1, K2, K3, K4, K8, C2, C3"""
    assert found_by(scene, CASES[case]) == ROWS[case]


# What nobody finds.


@pytest.mark.parametrize("level", range(1, 9))
def test_a_node_that_was_altered_makes_no_proof_that_holds(scene: Scene, level: int) -> None:
    """K1: it says nothing by itself, so nobody meets it before a proof goes over it."""
    with scene.copy() as house:
        node(level, 0)(house, scene)
        head = parse_checkpoint(scene.outside)
        with reading(house.main) as session:
            for index, holds in ((1 << level, False), (0, True)):  # beside the node, and below it
                proof = house.parts.journal.inclusion_proof(session, index, head.size)
                hashed = session.get_one(JournalLeaf, index).hash
                refused = nullcontext() if holds else pytest.raises(ProofRefused)
                with refused:
                    verify_inclusion(hashed, index, head.size, proof, head.root)


def lower_number(house: House, scene: Scene) -> None:
    key = core(DataKey)
    owner.set_(house.keys, DataKey, key.c.owner_id == scene.pupil, number=key.c.number - 1)


def lower_mark(house: House, scene: Scene) -> None:
    with reading(house.main) as session:
        owner.set_(house.keys, Mark, core(Mark).c.id == ONE, size=256, root=tree.root_at(session, 256))


@pytest.mark.parametrize("tried", [lower_number, lower_mark, put_back("late", "keys")])
def test_a_key_store_that_forgot_only_how_far_it_was_changes_nothing(scene: Scene, tried: Tried) -> None:
    """K4: the journal is larger than the mark, and what was withdrawn stays withdrawn; a start raises the mark."""
    assert found_by(scene, tried) == dict.fromkeys(COLUMNS, "")
    with scene.copy() as house:
        tried(house, scene)
        start(house)
        mark = house.parts.keystore.mark()
        head = parse_checkpoint(scene.outside)
        assert mark is not None
        assert (mark.size, mark.root) == (head.size, head.root)
        assert ask(house, VO, scene.transfer, WITHDRAWN).status_code == 403


def test_a_look_up_that_was_altered_finds_nobody_rather_than_another(scene: Scene) -> None:
    with scene.copy() as house:
        look_up, keystore = core(LookupHash), house.parts.keystore
        keystore.remember("po-noord", "L000000", "somebody")
        assert keystore.find("po-noord", "L000000") == "somebody"
        owner.flip(house.keys, LookupHash, "hash", look_up.c.id == "somebody")
        assert keystore.find("po-noord", "L000000") is None
        assert gate(house, VO, scene.transfer) is None


# The window: what was written after the last checkpoint that left the house.


def rewritten(house: House, scene: Scene, index: int) -> None:
    """Let the entry at an index say another thing, and build and sign the whole tree anew."""
    owner.say_otherwise(house.main, house.parts.keystore, NAME, index, lambda said: said["terms"].update(number=-1))
    owner.rebuild(house.main, NAME, scene.log_key, house.keys)


def test_what_no_checkpoint_outside_covers_yet_is_rewritten_unnoticed(scene: Scene) -> None:
    """K2: the honest window. Nobody who holds an older checkpoint can tell, and this is what is said of it."""
    with scene.copy() as house:
        with house.parts.journal.act() as act:
            entry = record(act, Did.SWEPT, SERVICE, outcome="granted", terms={"number": 1}, boards=("po-noord",))
        rewritten(house, scene, entry.index)
        assert verifier(house, scene.outside) is None
        assert start(house) is None
        assert client(house, scene.talks, scene.transfer) is None
        assert witness(house, scene.talks) is None


def test_a_receipt_closes_the_window_up_to_its_own_entry(scene: Scene) -> None:
    """K2: the receiver holds the checkpoint that its release stands under; whoever is shown it finds the forgery."""
    with scene.copy() as house:
        with house.parts.journal.act() as act:
            entry = record(act, Did.SWEPT, SERVICE, outcome="granted", terms={"number": 1}, boards=("po-noord",))
        head, _ = head_of(ask(house, VO, scene.transfer, OPEN))
        kept = parse_receipt(head["receipt"]["proof"].encode()).checkpoint
        assert parse_checkpoint(kept).size > entry.index
        assert verifier(house, kept) is None
        rewritten(house, scene, entry.index)
        assert verifier(house, scene.outside) is None
        assert verifier(house, kept) == "the first N entries aren't those of the checkpoint kept elsewhere"
        house.enter(scene.house.origin)
        with pytest.raises(ServiceRefused, match="NEWER_KNOWN"):
            scene.talks.post_witnessed(kept)
        assert gate(house, VO, scene.transfer) == "503 FROZEN"


def test_a_service_whose_freeze_is_taken_out_freezes_again_at_the_next_look(scene: Scene) -> None:
    """K4"""
    with scene.copy() as house:
        put_back("late", "main", "keys")(house, scene)
        for _ in range(2):
            assert gate(house, VO, scene.transfer) is None
            assert witness(house, scene.talks) == "SHRUNK"
            assert gate(house, VO, scene.transfer) == "503 FROZEN"
            owner.remove(house.keys, Freeze, core(Freeze).c.id == ONE)


# A board's own side.


def test_a_gap_in_a_boards_running_numbers_is_found_in_its_own_export(scene: Scene) -> None:
    """K1: its newest entries are missed too, whatever is written after them."""
    with scene.copy() as house:
        assert board_side(house, "po-noord", scene.outside) == []
        owner.remove(house.main, JournalBoard, core(JournalBoard).c.idx == scene.at["last"])
        [cut] = board_side(house, "po-noord", scene.outside)
        assert re.fullmatch(r"the entries of po-noord end at number \d+, and its newest is \d+", cut)
        with house.parts.journal.act() as act:
            entry = record(act, Did.SWEPT, SERVICE, outcome="granted", terms={"number": 1}, boards=("po-noord",))
        gap = "entry {}: a board's running number doesn't follow on the one before"
        assert board_side(house, "po-noord", scene.outside) == [gap.format(entry.index)]
        owner.remove(house.main, JournalBoard, core(JournalBoard).c.idx == scene.at["grant"])
        gaps = [gap.format(scene.at["grant"] + 1), gap.format(entry.index)]
        assert board_side(house, "po-noord", scene.outside) == gaps
        assert board_side(house, "vo-oost", scene.outside) == []


def test_a_board_of_which_entries_are_missing_gets_and_gives_nothing_until_they_are_back(scene: Scene) -> None:
    """K1: neither what is logged meanwhile nor a restart makes up for them; a file of another board goes on."""
    with scene.copy() as house:
        rows = core(JournalBoard)
        newest = (rows.c.board == "po-noord") & (rows.c.idx >= scene.at["last"] - 3)
        with reading(house.main) as session:
            kept = [dict(row) for row in session.execute(select(rows).where(newest)).mappings()]
        owner.remove(house.main, JournalBoard, newest)
        for _ in range(2):
            assert gate(house, VO, scene.transfer) == "LEDGER_INTEGRITY"
            assert (start(house) or "").startswith("entries_missing po-noord")
        [finding] = (each for each in doctor(house.parts) if each.what == "every board's entries are there")
        assert finding.state == "NOT"
        assert "entries of po-noord were taken out" in finding.said
        owner.carry_out(house.main, lambda connection: connection.execute(insert(rows), kept))
        assert gate(house, VO, scene.transfer) is None
        assert start(house) is None


# The same on each kind of database.


def test_on_each_database_an_altered_leaf_a_missing_look_up_and_a_cut_tail_are_found(
    databases: Databases, tmp_path: Path
) -> None:
    """K1, K3"""
    story = Story(databases, tmp_path)
    parts, lookup = story.region.parts, core(JournalLookup)
    case = story.agreed(OPEN)
    case.family("withdrawal", 1, sections=["opp"], destroy_now=False)
    case.ask(OPEN)
    newest = select(func.max(lookup.c.idx))
    with reading(parts.main) as session:
        grant = session.scalars(newest.where(lookup.c.type == Kind.GRANT)).one()
        withdrawal = session.scalars(newest.where(lookup.c.type == Kind.WITHDRAW)).one()
    for of, column in ((JournalLeaf, "leaf"), (JournalLeaf, "hash"), (JournalPart, "terms")):
        owner.flip(parts.main, of, column, core(of).c.idx == grant)
        case.refused("LEDGER_INTEGRITY")
        owner.flip(parts.main, of, column, core(of).c.idx == grant)  # back again
        case.ask(OPEN)
    owner.remove(parts.main, JournalLookup, lookup.c.idx == withdrawal)
    case.refused("LEDGER_INTEGRITY")
    owner.cut(parts.main, withdrawal)
    owner.rebuild(parts.main, NAME, parts.log_key)
    with pytest.raises(StartRefused) as refused:
        parts.journal.start()
    assert refused.value.reason == StartRefused.ROLLBACK


def test_on_each_database_what_is_edited_and_wholly_rebuilt_is_told_by_a_checkpoint_outside(
    databases: Databases, tmp_path: Path
) -> None:
    """K2: with every key at hand nothing inside tells it any more."""
    story = Story(databases, tmp_path)
    parts, lookup = story.region.parts, core(JournalLookup)
    case = story.agreed(OPEN)
    case.family("withdrawal", 1, sections=["opp"], destroy_now=False)
    with reading(parts.main) as session:
        withdrawal = session.scalars(select(lookup.c.idx).where(lookup.c.type == Kind.WITHDRAW)).one()
        outside = parts.journal.checkpoint(session)

    def change(terms: dict[str, Any]) -> None:
        terms["sections"] = terms["terms"]["sections"] = ["lvs"]

    owner.say_otherwise(parts.main, parts.keystore, NAME, withdrawal, change)
    for of in (JournalLookup, JournalBoard):
        owner.set_(parts.main, of, core(of).c.idx == withdrawal, sections=section_bits(("lvs",)))
    owner.rebuild(parts.main, NAME, parts.log_key, databases.keys)
    parts.journal.start()
    path = tmp_path / "export.jsonl"
    with path.open("wb") as out:
        parts.journal.export(out)
    assert verify_export(path, parts.log_key.public)
    [finding] = verify_export(path, parts.log_key.public, outside).findings
    assert finding.what == f"the first {withdrawal + 1} entries aren't those of the checkpoint kept elsewhere"
