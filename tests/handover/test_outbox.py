"""An outbox that doesn't take messages, or doesn't let go of them: nothing else stops for it, and it is said."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import select, update

from consent.db import reading, writing
from handover import outbox
from handover.app import recover
from handover.cli import main
from handover.doctor import doctor
from handover.retention import Kept, due
from handover.sweeping import UNDELIVERED, UNREMOVED, planned_rows, sweep
from handover.tables import Message
from tests.handover.story import PO, Story
from tests.handover.test_sweep import acknowledged, at, swept_at
from tests.region import expect, now


@contextmanager
def full(story: Story) -> Iterator[Path]:
    """Put a file in the outbox's place: not even an administrator can write below it."""
    folder = story.region.settings.outbox
    away = folder.with_name("away")
    if folder.exists():
        folder.rename(away)
    folder.write_text("no folder")
    try:
        yield folder
    finally:
        folder.unlink()
        if away.exists():
            away.rename(folder)


def sweep_by_command(story: Story, monkeypatch: pytest.MonkeyPatch, *options: str) -> tuple[int, str]:
    monkeypatch.setattr("handover.settings.load", lambda: story.region.settings)
    done = CliRunner().invoke(main, ["admin", "sweep", *options])
    return done.exit_code, done.stdout


def test_a_message_that_cant_leave_fails_no_request_and_leaves_later(lite: Story) -> None:
    """H3: it was committed with what it tells of."""
    case = lite.case(bundle=False, invited=False)
    parts, [person, *_] = lite.region.parts, case.child.persons
    with full(lite):
        lite.region.post(PO, f"{case.path}/invitations", {"person": person}, 201)
        assert outbox.queued(parts) == 1
        assert [finding.state for finding in doctor(parts) if finding.what == "no message waits"] == ["NOT"]
        recover(parts)  # the service starts too
        assert outbox.deliver(parts) == 0
    assert outbox.deliver(parts) == 1
    assert outbox.queued(parts) == 0
    assert [finding.state for finding in doctor(parts) if finding.what == "no message waits"] == ["ok"]
    assert len(list(lite.region.settings.outbox.iterdir())) == 1


def test_what_waits_is_handed_over_to_the_last_one(lite: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "BATCH", 2)
    case = lite.case(bundle=False, invited=False)
    with full(lite):
        for person in case.child.persons * 2:
            lite.region.post(PO, f"{case.path}/invitations", {"person": person}, 201)
    assert outbox.deliver(lite.region.parts) == 2
    assert outbox.deliver_all(lite.region.parts) == 2


def test_a_sweep_does_the_rest_where_messages_cant_leave_and_ends_with_2(
    lite: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    case, received_at = acknowledged(lite)
    with at(due(Kept.DELIVERED_BUNDLE, received_at)):
        with full(lite):
            lite.region.post(PO, f"{case.path}/invitations", {"person": case.child.persons[0]}, 201)
            code, out = sweep_by_command(lite, monkeypatch, "--accept-due", "1", "--accept-clock")
        assert code == 2
        assert "delivered_bundle: 1\n" in out
        assert f"delivered: 1 left ({UNDELIVERED})\n" in out
        assert ": 0" not in out
        code, out = sweep_by_command(lite, monkeypatch, "--json")
        assert code == 0
        assert outbox.queued(lite.region.parts) == 0
        assert "delivered" not in json.loads(out)["left"]


def test_a_row_that_somebody_else_wrote_holds_up_no_message(lite: Story) -> None:
    case = lite.case(bundle=False, invited=False)
    first, second = case.child.persons
    with full(lite):
        for person in (first, second):
            lite.region.post(PO, f"{case.path}/invitations", {"person": person}, 201)
    with writing(lite.region.parts.main) as session:
        session.execute(update(Message).where(Message.owner == first).values(sealed=b"nonsense"))
    assert outbox.deliver(lite.region.parts) == 1
    assert outbox.queued(lite.region.parts) == 1


def test_many_rows_that_cant_be_opened_hold_up_nothing_behind_them(
    lite: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "BATCH", 2)
    parts, case = lite.region.parts, lite.case(bundle=False, invited=False)
    with full(lite):
        for person in case.child.persons * 4:
            lite.region.post(PO, f"{case.path}/invitations", {"person": person}, 201)
    with writing(parts.main) as session:
        rows = session.scalars(select(Message).order_by(Message.created_at, Message.id)).all()
        for row in rows[:3]:  # more than a batch, and part of the next one; all at one moment
            row.sealed = b"nonsense"
        for row in rows:
            row.created_at = rows[0].created_at
        spoilt = {row.id for row in rows[:3]}
    assert (len(rows), outbox.deliver(parts)) == (8, 2)
    assert outbox.deliver_all(parts) == 3
    with reading(parts.main) as session:
        assert set(session.scalars(select(Message.id))) == spoilt


def test_what_the_outbox_doesnt_let_go_of_is_left_and_said(lite: Story) -> None:
    parts = lite.region.parts
    stuck = lite.region.settings.outbox / f"{'0' * 32}-{'1' * 32}.json"
    stuck.mkdir(parents=True)  # nobody can unlink a folder, an administrator neither
    old = (now() - timedelta(days=30)).timestamp()
    os.utime(stuck, (old, old))
    outbox.forget(parts, "0" * 32)
    assert planned_rows(parts)[Kept.MESSAGE] == 1
    swept = sweep(parts)
    assert (swept.done[Kept.MESSAGE], swept.left[Kept.MESSAGE]) == (0, {UNREMOVED: 1})
    assert sweep(parts).done["epochs"] == 0
    stuck.rmdir()


def test_a_dry_run_counts_the_files_that_would_go_and_no_zeros(lite: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    lite.case(bundle=False)
    files = len(list(lite.region.settings.outbox.iterdir()))
    later = due(Kept.MESSAGE, now())
    with at(later):
        code, out = sweep_by_command(lite, monkeypatch, "--dry-run")
        assert (code, planned_rows(lite.region.parts)[Kept.MESSAGE]) == (0, files)
        assert f"message: {files}\n" in out
        assert ": 0" not in out
    assert swept_at(lite.region.parts, later).done[Kept.MESSAGE] == files


def test_nobody_is_erased_while_the_family_couldnt_be_told(lite: Story) -> None:
    case = lite.case(bundle=False)
    request = case.family("rights", right="erasure")["request"]
    body = {"ruling": "granted", "reason": "Er is niets meer nodig."}
    with full(lite):
        said = lite.region.post(PO, f"/v1/requests/{request}/decision", body, role="principal")
        lite.region.confirm(PO, said["proposal"], role="principal")
        assert sweep(lite.region.parts).done["erased by right"] == 0
    expect(lite.region.send(PO, "GET", f"/v1/pupils/{case.child.pupil}/holds", role="principal"), 200)
    assert sweep(lite.region.parts).done["erased by right"] == 1
    assert any("wist" in json.loads(path.read_bytes())["subject"] for path in lite.region.settings.outbox.iterdir())
