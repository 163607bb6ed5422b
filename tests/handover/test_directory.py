"""The replica of the key log on the school's side, against a service that lies (bad cases C1 to C7)."""

import stat
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from crypto.encoding import canon, parse
from crypto.errors import CheckpointRefused, CryptoError, KeyLogRefused, StatementRefused
from crypto.keyfile import KeyFile
from crypto.keys import SignKey
from crypto.statements import LIMIT, KeyStatement, parse_statement, print_statement
from handover.certifying import certify_board, end_key, seal_epoch, state_keys
from handover.client import ServiceFailed
from handover.directory import FILE, DirectoryRefused, refresh
from tests.handover.region import LOG, NOW, RECEIVER, SENDER, Region


@pytest.fixture
def region() -> Region:
    return Region.founded()


def kept(folder: Path) -> bytes:
    return (folder / FILE).read_bytes()


def test_a_replica_gives_the_certified_keys_of_a_school(region: Region, tmp_path: Path) -> None:
    directory = refresh(region, region.trust, tmp_path)
    assert directory.public_file(RECEIVER, NOW) == region.schools[RECEIVER].public
    assert seal_epoch(directory.public_file(RECEIVER, NOW)) == 1
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_only_new_entries_are_asked_for(region: Region, tmp_path: Path) -> None:
    refresh(region, region.trust, tmp_path)
    assert region.asked == [0, 2, 4, 6]
    region.asked.clear()
    before = kept(tmp_path)
    refresh(region, region.trust, tmp_path)
    assert region.asked == []
    assert kept(tmp_path) == before
    region.publish(KeyFile.generate(RECEIVER), NOW)
    assert refresh(region, region.trust, tmp_path).log.size == 10
    assert region.asked == [7, 9]


def test_entries_behind_the_checkpoint_wait_for_the_next_one(region: Region, tmp_path: Path) -> None:
    note = region.keylog_checkpoint()
    region.publish(KeyFile.generate(RECEIVER), NOW)
    region.keylog_checkpoint = lambda: note  # type: ignore[method-assign]
    assert refresh(region, region.trust, tmp_path).log.size == 7


def test_a_swapped_key_without_a_statement_is_never_given(region: Region, tmp_path: Path) -> None:
    """C1: keys come from the log alone, and there each is signed by its board."""
    forged = state_keys(KeyFile.generate(RECEIVER), SignKey.generate("identity"), NOW, region.schools[RECEIVER].public)
    region.leaves += [canon(statement) for statement in forged.statements[3:]]
    with pytest.raises(StatementRefused):
        refresh(region, region.trust, tmp_path)
    assert not list(tmp_path.iterdir())


def test_an_identity_that_the_root_did_not_sign_is_refused(region: Region, tmp_path: Path) -> None:
    """C1"""
    stranger = SignKey.generate("root")
    region.leaves.append(certify_board(stranger, region.identity.public, "ander", "Ander", ("99EF00",), NOW))
    with pytest.raises(StatementRefused):
        refresh(region, region.trust, tmp_path)


def test_a_key_of_ones_own_school_that_one_did_not_make_is_told_loudly(region: Region, tmp_path: Path) -> None:
    """C1"""
    own = region.schools[SENDER]
    refresh(region, region.trust, tmp_path).check_own(own, NOW)
    region.publish(KeyFile.generate(SENDER), NOW)
    with pytest.raises(DirectoryRefused, match="posing as your school"):
        refresh(region, region.trust, tmp_path).check_own(own, NOW)


def test_a_shorter_log_is_a_rollback(region: Region, tmp_path: Path) -> None:
    """C2"""
    refresh(region, region.trust, tmp_path)
    before = kept(tmp_path)
    del region.leaves[-1]
    with pytest.raises(KeyLogRefused, match="rollback"):
        refresh(region, region.trust, tmp_path)
    assert kept(tmp_path) == before


def test_another_history_of_the_same_length_is_a_fork(region: Region, tmp_path: Path) -> None:
    """C3"""
    refresh(region, region.trust, tmp_path)
    before = kept(tmp_path)
    other = Region(root=region.root, identity=region.identity, log_key=region.log_key)
    other.leaves.append(region.leaves[0])
    for school in (SENDER, RECEIVER):
        other.publish(KeyFile.generate(school))
    with pytest.raises(KeyLogRefused, match="fork"):
        refresh(other, region.trust, tmp_path)
    assert kept(tmp_path) == before


def test_a_longer_log_on_another_history_is_a_fork_too(region: Region, tmp_path: Path) -> None:
    """C3"""
    refresh(region, region.trust, tmp_path)
    other = Region(root=region.root, identity=region.identity, log_key=region.log_key)
    other.leaves.append(region.leaves[0])
    for school in (SENDER, RECEIVER, RECEIVER):
        other.publish(KeyFile.generate(school))
    with pytest.raises((KeyLogRefused, StatementRefused)):
        refresh(other, region.trust, tmp_path)


def test_leaves_that_are_missing_below_the_checkpoint_are_a_hole(region: Region, tmp_path: Path) -> None:
    """C3"""
    note = region.keylog_checkpoint()
    region.keylog_checkpoint = lambda: note  # type: ignore[method-assign]
    del region.leaves[3:]
    with pytest.raises(DirectoryRefused, match="hole"):
        refresh(region, region.trust, tmp_path)


def test_a_rotated_key_is_given_no_more_but_still_answers_for_what_it_signed(region: Region, tmp_path: Path) -> None:
    """C4"""
    old = region.schools[RECEIVER]
    new = region.publish(KeyFile.generate(RECEIVER), NOW)
    directory = refresh(region, region.trust, tmp_path)
    later = NOW + timedelta(minutes=1)
    assert directory.public_file(RECEIVER, later).seal == new.seal.public
    assert directory.signer(RECEIVER, old.sign.kid, later).sign == old.sign.public
    region.leaves.append(_revoked(region, old))
    with pytest.raises(DirectoryRefused):
        refresh(region, region.trust, tmp_path).signer(RECEIVER, old.sign.kid, later)


def _revoked(region: Region, keys: KeyFile) -> bytes:
    """State that an older key of a school is revoked, following on the newest statement."""
    stated = region.schools[RECEIVER].public
    leaf = end_key(stated, "sign", "revoked", region.identity, NOW)
    said = parse_statement(leaf).statement
    assert isinstance(said, KeyStatement)
    return print_statement(replace(said, public=keys.sign.public), region.identity, None)


def test_a_signer_must_be_the_schools_own_and_valid_when_it_signed(region: Region, tmp_path: Path) -> None:
    directory = refresh(region, region.trust, tmp_path)
    kid = region.schools[SENDER].sign.kid
    assert directory.signer(SENDER, kid, region.start).sign == region.schools[SENDER].sign.public
    for school, at in (
        (RECEIVER, NOW),
        (SENDER, region.start - timedelta(seconds=1)),
        (SENDER, region.start + timedelta(days=365)),
    ):
        with pytest.raises(DirectoryRefused):
            directory.signer(school, kid, at)


def test_an_expired_or_future_key_is_not_given(region: Region, tmp_path: Path) -> None:
    """C5"""
    directory = refresh(region, region.trust, tmp_path)
    end = region.start + timedelta(days=365)
    assert directory.public_file(RECEIVER, end - timedelta(seconds=1)).school == RECEIVER
    for at in (end, region.start - timedelta(seconds=1)):
        with pytest.raises(KeyLogRefused):
            directory.public_file(RECEIVER, at)


def test_without_the_service_nothing_is_current(region: Region, tmp_path: Path) -> None:
    """C6"""
    refresh(region, region.trust, tmp_path)

    def gone() -> bytes:
        raise ServiceFailed("the service gave no answer")

    region.keylog_checkpoint = gone  # type: ignore[method-assign]
    with pytest.raises(ServiceFailed):
        refresh(region, region.trust, tmp_path)


def test_an_epoch_that_jumps_is_refused(region: Region, tmp_path: Path) -> None:
    """C7"""
    keys = KeyFile.generate(RECEIVER)
    newest = [leaf for leaf in region.leaves if b'"sign"' in leaf and RECEIVER.encode() in leaf][-1]
    said = parse_statement(newest).statement
    jump = KeyStatement(RECEIVER, "sign", keys.sign.public, 1_000_000, NOW, NOW + timedelta(days=1), bytes(32))
    assert said.epoch == 1
    region.leaves.append(print_statement(jump, region.identity, keys.sign))
    with pytest.raises(KeyLogRefused, match="epoch"):
        refresh(region, region.trust, tmp_path)


def test_a_checkpoint_of_another_key_or_log_is_refused(region: Region, tmp_path: Path) -> None:
    """C3"""
    trust = region.trust
    region.log_key = SignKey.generate("journal")
    with pytest.raises(CheckpointRefused):
        refresh(region, trust, tmp_path)
    note = region.checkpoint_of(region.leaves, f"{LOG}/journal")
    region.keylog_checkpoint = lambda: note  # type: ignore[method-assign]
    with pytest.raises(CheckpointRefused):
        refresh(region, region.trust, tmp_path)


@pytest.mark.parametrize("damage", ["cut", "leaf", "order", "checkpoint", "version", "empty"])
def test_a_damaged_replica_is_refused_and_never_mended_by_itself(region: Region, tmp_path: Path, damage: str) -> None:
    refresh(region, region.trust, tmp_path)
    value = parse(kept(tmp_path), limit=LIMIT)
    assert isinstance(value, dict)
    leaves = value["leaves"]
    assert isinstance(leaves, list)
    changed = {
        "cut": {**value, "leaves": leaves[:-1]},
        "leaf": {**value, "leaves": [*leaves[:-1], leaves[0]]},
        "order": {**value, "leaves": leaves[::-1]},
        "checkpoint": {**value, "checkpoint": "x"},
        "version": {**value, "v": 2},
        "empty": {},
    }[damage]
    (tmp_path / FILE).write_bytes(canon(changed))
    with pytest.raises((DirectoryRefused, CryptoError)):
        refresh(region, region.trust, tmp_path)
    assert kept(tmp_path) == canon(changed)
