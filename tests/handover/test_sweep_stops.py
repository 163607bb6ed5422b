"""When a sweep stops and asks, what it would do, and what its command shows."""

import json
import secrets
from datetime import timedelta

import pytest
from click.testing import CliRunner
from sqlalchemy import insert, select, update

from consent.db import reading
from consent.tables import Pupil
from crypto.encoding import b64
from handover import overdue, sweeping
from handover.cli import main
from handover.destruction import DONE, GONE, destroy
from handover.leases import LASTS, claimed
from handover.parts import Parts
from handover.retention import TABLE, Kept, due
from handover.sweeping import SweepStopped, plan, sweep
from handover.tables import BundleSection, Lease, Sweep, Transfer
from tests.handover.story import PO, VO, Story
from tests.handover.test_sweep import acknowledged, at, cancelled, swept_at
from tests.region import now


def many_transfers(story: Story, due_ones: int, others: int) -> None:
    """Put rows of transfers in: cancelled long ago, and open."""
    parts = story.region.parts
    child = story.region.pupil(PO)
    made = [
        {
            "id": secrets.token_hex(16),
            "pupil": child.pupil,
            "sender": PO,
            "receiver": VO,
            "route": "POVO",
            "purpose": "placement",
            "sections": "okr",
            "policy": 0,
            "entry": 0,
            "opened_at": now(),
            "cancelled_at": now() - timedelta(days=60) if number < due_ones else None,
        }
        for number in range(due_ones + others)
    ]
    with parts.main.begin() as connection:
        connection.execute(insert(Transfer), made)


def transfers(parts: Parts) -> int:
    with reading(parts.main) as session:
        return len(session.scalars(select(Transfer.id)).all())


@pytest.mark.parametrize(
    ("due_ones", "others", "stops"), [(50, 0, False), (51, 203, True), (51, 204, False), (60, 240, False)]
)
def test_a_sweep_stops_when_more_than_a_fifth_and_more_than_fifty_are_due(
    lite: Story, due_ones: int, others: int, stops: bool
) -> None:
    """J8: nothing goes, and the figures are told."""
    many_transfers(lite, due_ones, others)
    found = list(sweeping.doubts(lite.region.parts))
    all_of_it = due_ones + others
    share = f"{due_ones / all_of_it:.0%}"
    assert found == ([f"cancelled_transfer: {due_ones} of {all_of_it} are due at once ({share})"] if stops else [])


def test_a_stopped_sweep_destroys_nothing_until_somebody_says_yes_to_this_share(lite: Story) -> None:
    """J8: a yes to less than what is due is no yes."""
    many_transfers(lite, 51, 100)
    parts = lite.region.parts
    for accept in (None, 0.3):
        with pytest.raises(SweepStopped, match="51 of 151") as stopped:
            sweep(parts, accept=accept)
        assert len(stopped.value.problems) == 2
    assert transfers(parts) == 151
    assert sweep(parts, accept=0.34).done[Kept.CANCELLED_TRANSFER] == 51
    assert transfers(parts) == 100


@pytest.mark.parametrize("moved", [timedelta(days=-400), -timedelta(minutes=5, microseconds=1), timedelta(days=41)])
def test_a_clock_that_leapt_stops_the_sweep_until_somebody_says_yes(lite: Story, moved: timedelta) -> None:
    """I2, J8: back, and forward."""
    cancelled(lite)
    parts, start = lite.region.parts, now()
    swept_at(parts, start)
    with at(start + moved):
        with pytest.raises(SweepStopped, match="the clock says"):
            sweep(parts)
        with pytest.raises(SweepStopped, match="the clock says"):
            sweep(parts, accept=0.2)
        sweep(parts, accept_clock=True)
        sweep(parts)
    assert transfers(parts) == (0 if moved > timedelta() else 1)


@pytest.mark.parametrize("moved", [timedelta(days=-2), timedelta(days=42)])
def test_the_first_sweep_holds_its_clock_against_the_journal(lite: Story, moved: timedelta) -> None:
    """I2, J8"""
    cancelled(lite)
    with at(now() + moved), pytest.raises(SweepStopped, match="the last entry"):
        sweep(lite.region.parts)
    sweep(lite.region.parts)


def test_a_sweep_that_stops_has_done_nothing_at_all(lite: Story) -> None:
    """J8: what it finishes for others would be done at a wrong time too, an erasure most of all."""
    case = lite.agreed()
    parts, size = lite.region.parts, lite.size()
    with parts.main.begin() as connection:
        connection.execute(update(BundleSection).values(shred_since=now()))
    waiting = sorted(lite.region.settings.outbox.iterdir())
    with at(now() + timedelta(days=60)), pytest.raises(SweepStopped):
        sweep(parts)
    assert lite.size() == size
    assert lite.rows()["share"] == 8
    assert sorted(lite.region.settings.outbox.iterdir()) == waiting
    assert case.for_sender()["bundle"] is not None


@pytest.mark.parametrize("moved", [-timedelta(minutes=5), timedelta(), timedelta(days=40)])
def test_a_clock_that_differs_a_little_or_a_sweep_that_was_away_a_month_is_no_reason(
    lite: Story, moved: timedelta
) -> None:
    start = now()
    swept_at(lite.region.parts, start)
    with at(start + moved):
        sweep(lite.region.parts)


def test_the_last_sweep_is_remembered_and_none_before_it(lite: Story) -> None:
    parts, start = lite.region.parts, now()
    for days in (0, 1, 2):
        swept_at(parts, start + timedelta(days=days))
    with reading(parts.main) as session:
        (row,) = session.scalars(select(Sweep))
        assert (row.begun_at, row.ended_at) == (start + timedelta(days=2), start + timedelta(days=2))
        assert session.scalars(select(Lease)).all() == []


def test_a_frozen_service_isnt_swept(lite: Story) -> None:
    """K12: what its journal says may not be so."""
    cancelled(lite)
    parts = lite.region.parts
    parts.keystore.freeze(b"note", "witness", now())
    with pytest.raises(SweepStopped, match="frozen"):
        swept_at(parts, now() + timedelta(days=60))
    assert transfers(parts) == 1


def test_a_sweep_stops_between_two_batches_when_the_service_freezes(lite: Story) -> None:
    """K12"""
    many_transfers(lite, 155, 620)
    parts = lite.region.parts

    def freezes(kept: str, done: int) -> None:
        parts.keystore.freeze(b"note", "witness", now())

    with pytest.raises(SweepStopped, match="frozen"):
        sweep(parts, progress=freezes)
    assert transfers(parts) == 155 + 620 - sweeping.BATCH


# ---- what it would do


def test_a_dry_run_names_what_why_and_since_when_and_changes_nothing(lite: Story) -> None:
    case, received_at = acknowledged(lite)
    parts = lite.region.parts
    end = due(Kept.DELIVERED_BUNDLE, received_at)
    before = lite.rows()
    with at(end):
        (found, *others) = [each for each in plan(parts) if each.due.kept is Kept.DELIVERED_BUNDLE]
    assert others == []
    assert (found.due.at, found.due.pupil, found.outcome) == (end, case.child.pupil, DONE)
    assert lite.rows() == before
    swept = swept_at(parts, end)
    assert swept.done[Kept.DELIVERED_BUNDLE] == 1
    with at(end):
        assert [each for each in plan(parts) if each.due.kept is Kept.DELIVERED_BUNDLE] == []


@pytest.fixture
def served(lite: Story, monkeypatch: pytest.MonkeyPatch) -> Story:
    """Let the command find the story's service."""
    monkeypatch.setattr("handover.settings.load", lambda: lite.region.settings)
    return lite


def run(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(main, ["admin", "sweep", *arguments])
    return done.exit_code, done.stdout, done.stderr


def test_the_command_tells_a_person_what_it_would_do_and_then_does_it(served: Story) -> None:
    case, received_at = acknowledged(served)
    row = TABLE[Kept.DELIVERED_BUNDLE]
    with at(due(Kept.DELIVERED_BUNDLE, received_at)):
        code, out, err = run("--dry-run")
        assert (code, err) == (0, "")
        assert f"delivered_bundle {b64(case.bundles[0].core.bundle)}, due since" in out
        assert f"{row.data}; 30 days from {row.counts_from}" in out
        assert f"    {row.then} ({row.basis})" in out
        assert out.endswith("Nothing was changed.\n")
        code, out, err = run()
        assert (code, err) == (0, "")
        assert "delivered_bundle: 1\n" in out
        assert json.loads(run("--json")[1])["done"]["delivered_bundle"] == 0


def test_the_command_in_json_gives_ids_counts_and_doubts(served: Story) -> None:
    many_transfers(served, 51, 10)
    code, out, _ = run("--dry-run", "--json")
    said = json.loads(out)
    assert (code, said["counts"]["cancelled_transfer"], len(said["due"])) == (0, 51, 51)
    assert set(said["due"][0]) == {"kind", "id", "since", "left"}
    assert said["doubts"] == ["cancelled_transfer: 51 of 61 are due at once (84%)"]
    code, out, err = run()
    assert (code, out) == (2, "")
    assert err == (
        "handover: cancelled_transfer: 51 of 61 are due at once (84%)\n"
        "handover: look first; `--accept-due` with a share, `--accept-clock` and `--accept-loss` say yes for one run\n"
    )
    assert run("--accept-due", "1.5")[0] == 2
    assert json.loads(run("--accept-due", "0.9", "--json")[1])["done"]["cancelled_transfer"] == 51


# ---- claims


def test_a_claim_keeps_others_off_until_it_is_given_back_or_runs_out(story: Story) -> None:
    parts, start = story.region.parts, now()
    with at(start), claimed(parts, "a", "kind", ["1", "2"]) as first:
        with claimed(parts, "b", "kind", ["1", "2", "3"]) as second:
            assert (first, second) == ({"1", "2"}, {"3"})
            with claimed(parts, "b", "other", ["1"]) as third:
                assert third == {"1"}
        with at(start + LASTS - timedelta.resolution), claimed(parts, "c", "kind", ["1"]) as late:
            assert late == set()
        with at(start + LASTS), claimed(parts, "c", "kind", ["1"]) as later:
            assert later == {"1"}
    with claimed(parts, "d", "kind", ["1", "2", "3"]) as again:
        assert again == {"1", "2", "3"}
    with claimed(parts, "d", "kind", []) as none:
        assert none == set()
    with reading(parts.main) as session:
        assert session.scalars(select(Lease)).all() == []


def test_what_is_found_comes_in_pages_and_each_once(lite: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    many_transfers(lite, 7, 0)
    monkeypatch.setattr(overdue, "PAGE", 3)
    found = list(overdue.pages(lite.region.parts, Kept.CANCELLED_TRANSFER, now()))
    assert [len(page) for page in found] == [3, 3, 1]
    ids = [each.id for page in found for each in page]
    assert ids == sorted(set(ids))


def test_a_pupil_that_is_gone_meanwhile_is_no_error(lite: Story) -> None:
    _, received_at = acknowledged(lite)
    parts = lite.region.parts
    with at(due(Kept.RELEASED_PUPIL, received_at) + timedelta(days=1)):
        found = [each.due for each in plan(parts) if each.due.pupil]
        assert {each.kept for each in found} == {
            Kept.DELIVERED_BUNDLE,
            Kept.EXPIRED_BUNDLE,
            Kept.CONTACT,
            Kept.RELEASED_PUPIL,
        }
        (last,) = [each for each in found if each.kept is Kept.RELEASED_PUPIL]
        assert destroy(parts, last) is DONE
        assert {destroy(parts, each) for each in found} == {GONE}
    with reading(parts.main) as session:
        assert session.scalars(select(BundleSection)).all() == []
        assert session.scalars(select(Pupil.erased)).all() == [True]


def test_an_object_of_another_form_is_an_orphan_and_a_message_to_an_fg_is_nobodys_pupil(lite: Story) -> None:
    parts = lite.region.parts
    assert parts.blobs.folder is not None
    (parts.blobs.folder / "leftover").write_bytes(b"x")
    parts.settings.outbox.mkdir(exist_ok=True)
    (parts.settings.outbox / "dpo.json").write_text("{}")
    assert sweep(parts).done[Kept.ORPHAN] == 1
    assert [path.name for path in parts.settings.outbox.iterdir()] == ["dpo.json"]
