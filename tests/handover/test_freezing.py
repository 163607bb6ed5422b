"""The freeze: which checkpoints from outside bring it about, what it stops, and that nothing but a restore ends it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from consent.db import reading
from crypto.checkpoint import Checkpoint, parse_checkpoint, print_checkpoint
from crypto.cosignature import cosign
from crypto.errors import CheckpointRefused
from crypto.keys import SignKey
from handover import backup
from handover.accesslog import Did
from handover.app import create_app
from handover.doctor import doctor
from handover.errors import RequestRefused
from handover.freezing import is_frozen, notice
from handover.parts import assemble
from handover.sweeping import SweepStopped, refuse_frozen
from handover.witnessing import hear
from tests.handover.story import Story
from tests.region import LOG, expect

JOURNAL = f"{LOG}/journal"
OTHER_ROOT = b"\x07" * 32
WITNESS = SignKey.from_seed(b"\x08" * 32, "witness")


def head(story: Story) -> bytes:
    with reading(story.region.parts.main) as session:
        return story.region.parts.journal.checkpoint(session)


def changed(story: Story, note: bytes, more: int = 0, root: bytes | None = None) -> bytes:
    """Sign, as this log, what differs from a note in size or root."""
    said = parse_checkpoint(note)
    return print_checkpoint(Checkpoint(JOURNAL, said.size + more, root or said.root), story.region.parts.log_key)


def empty(story: Story, note: bytes) -> bytes:
    """Give the checkpoint of the journal before its first entry."""
    with reading(story.region.parts.main) as session:
        proof = story.region.parts.journal.consistency_proof(session, 0, parse_checkpoint(note).size)
    assert proof == []
    return print_checkpoint(Checkpoint(JOURNAL, 0, EMPTY), story.region.parts.log_key)


EMPTY = bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
"""The root of a tree without leaves: SHA-256 of nothing (RFC 6962)."""

Make = Callable[[Story, bytes], bytes]

FITTING: dict[str, Make] = {
    "an older one": lambda story, note: note,
    "the present one": lambda story, note: head(story),
    "the present one, cosigned": lambda story, note: (
        (present := head(story)) + cosign(parse_checkpoint(present), "fg.example/witness", WITNESS, 1)
    ),
    "the one before the first entry": empty,
}

CONTRADICTING: dict[str, Make] = {
    "an older one with another root": lambda story, note: changed(story, note, root=OTHER_ROOT),
    "another root at the present size": lambda story, note: changed(story, head(story), root=OTHER_ROOT),
    "larger by one entry": lambda story, note: changed(story, head(story), more=1),
    "much larger": lambda story, note: changed(story, head(story), more=1 << 30),
    "another root of nothing": lambda story, note: print_checkpoint(
        Checkpoint(JOURNAL, 0, OTHER_ROOT), story.region.parts.log_key
    ),
}

REFUSED: dict[str, Make] = {
    "not a note": lambda story, note: b"nothing\n",
    "unsigned": lambda story, note: note.partition(b"\n\n")[0] + b"\n\n",
    "signed by another key under the log's name": lambda story, note: print_checkpoint(
        Checkpoint(JOURNAL, 1 << 30, OTHER_ROOT), SignKey.generate("sign")
    ),
    "a size changed after it was signed": lambda story, note: note.replace(
        b"\n%d\n" % parse_checkpoint(note).size, b"\n%d\n" % (1 << 30)
    ),
    "of another log": lambda story, note: print_checkpoint(
        Checkpoint("elsewhere.test/journal", 1 << 30, OTHER_ROOT), story.region.parts.log_key
    ),
    "of this log under a later name": lambda story, note: print_checkpoint(
        Checkpoint(f"{JOURNAL}-2", 1 << 30, OTHER_ROOT), story.region.parts.log_key
    ),
    "of the key log": lambda story, note: print_checkpoint(
        Checkpoint(f"{LOG}/keys", 1 << 30, OTHER_ROOT), story.region.parts.log_key
    ),
}


@pytest.fixture(scope="module")
def old(standing: Story) -> bytes:
    """Give a checkpoint that the journal has outgrown."""
    standing.case(bundle=False, invited=False)
    note = head(standing)
    standing.case(bundle=False, invited=False)
    assert parse_checkpoint(note).size < parse_checkpoint(head(standing)).size
    return note


@pytest.mark.parametrize("name", FITTING)
def test_a_checkpoint_that_fits_changes_nothing(standing: Story, old: bytes, name: str) -> None:
    """K4: every school sends older ones all day."""
    parts = standing.region.parts
    assert notice(parts, FITTING[name](standing, old), "a test") is False
    assert not is_frozen(parts)


@pytest.mark.parametrize("name", REFUSED)
def test_what_this_log_did_not_sign_under_its_present_name_freezes_nothing(
    standing: Story, old: bytes, name: str
) -> None:
    """K2: nobody but the log itself can bring its service to a stop."""
    parts = standing.region.parts
    with pytest.raises(CheckpointRefused):
        notice(parts, REFUSED[name](standing, old), "a test")
    assert not is_frozen(parts)


@pytest.mark.parametrize("name", CONTRADICTING)
def test_a_checkpoint_that_contradicts_the_journal_freezes(lite: Story, name: str) -> None:
    """K2, K3, K4: it's kept as it came."""
    old = head(lite)
    lite.case(bundle=False, invited=False)
    note = CONTRADICTING[name](lite, old)
    assert notice(lite.region.parts, note, "a test") is True
    assert lite.region.parts.keystore.frozen() == note


def test_everything_that_releases_or_destroys_stands_still_while_it_is_frozen(lite: Story, tmp_path: Path) -> None:
    """K3, K4, K12: a release, a sweep, and the word that a backup is safe, which would destroy keys and shipments."""
    case, parts = lite.agreed(), lite.region.parts
    manifests = [path.read_bytes() for path in backup.backup(parts, tmp_path)]
    with pytest.raises(RequestRefused, match="NEWER_KNOWN"):
        hear(parts, changed(lite, head(lite), more=1), "a school")

    answer = case.ask("okr", status=503)
    assert answer.get_json()["code"] == "FROZEN"
    assert lite.journal(Did.RELEASE)[-1].outcome == "FROZEN"
    assert expect(lite.region.http.get("/v1/health"), 200).get_json() == {"status": "frozen"}
    assert "nothing is frozen" in [finding.what for finding in doctor(parts) if finding.state == "NOT"]
    with pytest.raises(SweepStopped, match="frozen"):
        refuse_frozen(parts)
    with pytest.raises(backup.BackupRefused, match="frozen"):
        backup.confirm(parts, manifests)
    case.family("withdrawal", sections=["okr"], destroy_now=False)  # a no is heard all the same


def test_neither_a_start_nor_a_checkpoint_that_fits_ends_a_freeze(lite: Story) -> None:
    """K3, K4: and of several that contradict the journal the first is kept."""
    case, parts = lite.agreed(), lite.region.parts
    first = changed(lite, head(lite), more=1)
    notice(parts, first, "a test")
    notice(parts, changed(lite, head(lite), more=2), "a test")
    notice(parts, head(lite), "a test")
    lite.journal()
    parts.close()
    again = lite.region.parts = assemble(replace(parts.settings), parts.clock)
    lite.region.app = create_app(again)
    lite.region.http = lite.region.app.test_client()
    assert again.keystore.frozen() == first
    assert case.ask("okr", status=503).get_json()["code"] == "FROZEN"
    assert expect(lite.region.http.get("/v1/health"), 200).get_json() == {"status": "frozen"}
    again.close()
