"""No decision rests on entries that aren't those that the journal's head is signed over (K1, K2)."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, update

from consent.db import reading, writing
from consent.errors import IntegrityBroken
from consent.reasons import Reason
from consent.rule import Granted, Refused
from consent.tables import JournalHead, JournalLeaf, JournalNode
from tests.conftest import Databases
from tests.consent.desk import Desk
from tests.faults.owner import say_otherwise


@pytest.fixture
def desk(databases: Databases, tmp_path: Path) -> Desk:
    """Five entries of a pupil, among others', so that the tree has a node beside them on each level."""
    made = Desk(databases, tmp_path / "epochs").pupil().pupil("other")
    made.record("CUSTODY", "s1", holders=["g1"])
    made.record("CUSTODY", "s1", subject="other", holders=["g2"])
    made.record("CUSTODY", "s1", subject="other", holders=["g2"])
    made.record("APPLIED", "r1")
    made.record("GRANT", "g1", sections=["okr", "lvs"])
    made.record("REFUSE", "g1", sections=["lvs"])
    return made


def of_lvs(said: dict[str, Any]) -> None:
    said["sections"] = said["terms"]["sections"] = ["opp"]


def test_a_refusal_said_otherwise_in_both_databases_makes_no_yes(desk: Desk) -> None:
    """K2: commitments, sealed parts and what stands in clear agree; only the tree knows better."""
    assert isinstance(desk.ask(["okr"]), Granted)
    say_otherwise(desk.databases.main, desk.keystore, "journal.example", 5, of_lvs)
    for sections in (["okr"], ["lvs"]):
        assert desk.ask(sections) == Refused(Reason.LEDGER_INTEGRITY)


def check(desk: Desk, *indices: int) -> None:
    with reading(desk.databases.main) as session:
        desk.journal.check_signed(session, indices)


def test_a_leaf_beside_an_entry_that_was_altered_makes_no_yes(desk: Desk) -> None:
    """K1"""
    with writing(desk.databases.main) as session:
        session.execute(update(JournalLeaf).where(JournalLeaf.index == 1).values(hash=bytes(32)))
    assert desk.ask(["okr"]) == Refused(Reason.LEDGER_INTEGRITY)


def test_a_node_above_others_that_was_altered_or_taken_out_is_found(desk: Desk) -> None:
    """K1"""
    check(desk, 3)
    node = (JournalNode.level == 1) & (JournalNode.index == 0)
    with writing(desk.databases.main) as session:
        session.execute(update(JournalNode).where(node).values(hash=bytes(32)))
    with pytest.raises(IntegrityBroken, match="entries aren't those that the head of the journal was signed over"):
        check(desk, 3)
    check(desk, 0)  # the node is on its own way up, and isn't asked for
    with writing(desk.databases.main) as session:
        session.execute(delete(JournalNode).where(node))
    with pytest.raises(IntegrityBroken, match="a node of the tree is missing on level 1"):
        check(desk, 3)


def test_every_entry_together_asks_for_no_node_and_none_asks_for_nothing(desk: Desk) -> None:
    with writing(desk.databases.main) as session:
        session.execute(delete(JournalNode))
    check(desk, *range(6))
    check(desk)


def test_an_entry_beyond_the_head_makes_no_yes(desk: Desk) -> None:
    """K1"""
    with pytest.raises(IntegrityBroken, match="an entry stands beyond the head of the journal"):
        check(desk, 0, 6)


def test_a_journal_that_was_never_begun_has_no_entries(desk: Desk) -> None:
    with writing(desk.databases.main) as session:
        session.execute(delete(JournalHead))
    with pytest.raises(IntegrityBroken, match="no journal was begun"):
        check(desk, 0)
