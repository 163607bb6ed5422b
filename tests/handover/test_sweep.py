"""The sweep: what is due goes, what isn't stays, and what somebody holds back waits."""

from datetime import timedelta

from handover.blobs import new_name
from handover.parts import Parts
from handover.retention import Kept
from handover.sweeping import sweep
from tests.handover.story import Story, later
from tests.region import now


def test_the_sweep_removes_orphans_a_day_later_and_nothing_that_has_a_row(story: Story) -> None:
    """H8: shares and ciphertext of an upload that died before its row."""
    case = story.agreed("okr")
    parts = story.region.parts
    old = (now() - timedelta(hours=26)).strftime("%Y%m%d%H")
    parts.keystore.put_shares(old + "0" * 22, {"okr": bytes(32)})
    fresh = parts.blobs.put([b"under way"])
    stale = parts.blobs.folder
    assert stale is not None
    (stale / (old + "1" * 22)).write_bytes(b"left behind")
    assert sweep(parts).done[Kept.ORPHAN] == 2
    assert parts.keystore.shares(old + "0" * 22) == {}
    assert fresh in parts.blobs.names()
    assert len(parts.blobs.names()) == 9
    assert sweep(parts).done[Kept.ORPHAN] == 0
    case.ask("okr")
