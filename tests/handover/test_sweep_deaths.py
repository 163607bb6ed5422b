"""Something of each kind falls due, and a fresh sweep dies at each of its steps: the next one finishes it.

One sweep is let live, and its files are copied just before each step: what is there when its process is killed. From
each copy the next sweep begins, and what is there in the end is what an undisturbed one leaves: the same rows, shares,
ciphertext, keys and files, and each entry of the journal as often.
"""

import shutil
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from consent import inventory
from consent.db import Main, reading
from consent.entry import ERASE, STAFF_ERASED
from consent.errors import IntegrityBroken
from consent.tables import DataKey, JournalLookup
from crypto.encoding import canon
from handover.accesslog import Did
from handover.app import recover
from handover.leases import LASTS
from handover.parts import Parts
from handover.retention import Kept, due, year_over
from handover.sweeping import sweep
from tests.faults.test_sweep_kills import before_each_step
from tests.handover.story import Story
from tests.handover.test_sweep import acknowledged, at, cancelled, swept_at
from tests.region import now

AGAIN = LASTS + timedelta(minutes=1)


@dataclass(frozen=True)
class Rest:
    """A service that copies of itself can be put in the place of. `size` is that of its journal when it came to rest.

    Its engines stay, so that no statement is compiled anew for each death.
    """

    parts: Parts
    keys: Engine
    size: int

    def become(self, copy: Path) -> Parts:
        """Make of the service what a copy of it is, and start it."""
        self.close()
        home = self.parts.settings.home
        shutil.rmtree(home)
        shutil.copytree(copy, home)
        self.parts.journal.start()
        return self.parts

    def copied(self, name: str) -> Path:
        """Copy the service as its files are now: as they would be if its process died."""
        home = self.parts.settings.home
        return shutil.copytree(home, home.parent / f"{home.name}-{name}", ignore=shutil.ignore_patterns("*-shm"))

    def close(self) -> None:
        """Let go of its files."""
        self.parts.close()
        self.keys.dispose()


def resting(story: Story) -> Rest:
    rest = Rest(story.region.parts, story.keys, story.size())
    rest.close()
    return rest


def finished(rest: Rest, copy: Path, moment: datetime) -> dict[str, Any]:
    """Let a sweep finish what it finds; gives what is there then."""
    with at(moment):
        parts = rest.become(copy)
        recover(parts)
        assert sweep(parts, accept=1.0, accept_clock=True).left == {}
        return there(rest)


def there(rest: Rest) -> dict[str, Any]:
    """Tell what a service holds, and what its journal says since it rested; not when, nor which sweep said it.

    An epoch's number isn't told either: one that died as it was made is given to no other.
    """
    parts = rest.parts
    with reading(parts.main) as session:
        found: dict[str, Any] = {
            table.name: sorted(map(repr, session.execute(select(table)).all()))
            for table in Main.metadata.sorted_tables
            if not table.name.startswith("journal") and table.name != "sweep"
        }
        kinds = session.execute(
            select(JournalLookup.index, JournalLookup.type).where(
                JournalLookup.index >= rest.size, JournalLookup.type != int(Did.SWEPT)
            )
        )
        found["entries"] = Counter((kind, _said(parts, session, index)) for index, kind in kinds)
    with reading(rest.keys) as session:
        found["keys"] = sorted(map(tuple, session.execute(select(DataKey.id, DataKey.wrapped.is_(None)))))
    found["epochs"] = [(state.current, state.destroyed) for state in inventory.epochs(parts.keystore)]
    stores = inventory.stores(parts.keystore)
    found["shares"] = {store: sorted(parts.keystore.shares(store)) for store in stores}
    found["objects"] = parts.blobs.names()
    found["files"] = sorted(path.name for path in parts.settings.outbox.glob("*"))
    return found


def _said(parts: Parts, session: Session, index: int) -> bytes | None:
    """Give what an entry says, or None where it was erased."""
    try:
        entry = parts.journal.read(session, index)
    except IntegrityBroken:
        return None
    return canon({"pupil": entry.pupil, "sections": list(entry.sections), "terms": dict(entry.terms)})


def deaths(rest: Rest, moment: datetime, monkeypatch: pytest.MonkeyPatch) -> tuple[int, dict[str, Any]]:
    """Sweep once, and finish what a death just before each step of it would leave.

    Gives how many steps there are, and what is there in the end, which is the same wherever it died.
    """
    left: list[Path] = []
    with at(moment), before_each_step(lambda: left.append(rest.copied(f"{len(left)}")), monkeypatch):
        assert sweep(rest.parts, accept=1.0, accept_clock=True).left == {}
    rest.close()
    wanted = finished(rest, rest.copied("whole"), moment + AGAIN)
    for step, copy in enumerate(left):
        assert finished(rest, copy, moment + AGAIN) == wanted, f"died before step {step + 1}"
        shutil.rmtree(copy)
    return len(left), wanted


def leave_orphans(parts: Parts) -> None:
    old = (now() - timedelta(hours=26)).strftime("%Y%m%d%H")
    parts.keystore.put_shares(old + "0" * 22, {"okr": bytes(32)})
    assert parts.blobs.folder is not None
    (parts.blobs.folder / (old + "1" * 22)).write_bytes(b"left behind")


def test_a_sweep_that_dies_at_any_step_of_a_transfer_that_never_happened_leaves_what_an_undisturbed_one_does(
    lite: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    """J3, H3, H8: a bundle, its transfer, the pupil; orphans, rows, files and the turn of the epoch."""
    _, cancelled_at = cancelled(lite)
    leave_orphans(lite.region.parts)
    rest, moment = resting(lite), due(Kept.UNRELEASED_PUPIL, cancelled_at)
    steps, after = deaths(rest, moment, monkeypatch)
    assert {kind for kind, *_ in after["entries"]} >= {Did.SHRED_INTENT, Did.SHRED_DONE, Did.DESTROYED, ERASE}
    assert (after["transfer"], after["bundle"], after["objects"], after["shares"], after["files"]) == (
        [],
        [],
        [],
        {},
        [],
    )
    assert (after["nonce"], after["idempotency"], after["lease"]) == ([], [], [])
    assert steps >= 20


def test_a_sweep_that_dies_at_any_step_of_what_was_released_leaves_what_an_undisturbed_one_does(
    lite: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    """J3, H3: contact data, the pupil with its evidence, and who of the staff did what."""
    _, received_at = acknowledged(lite)
    parts = lite.region.parts
    swept_at(parts, due(Kept.CONTACT, received_at) - timedelta.resolution)  # the bundle, and what is short of life
    rest, moment = resting(lite), due(Kept.STAFF_RECORD, year_over(received_at.year))
    steps, after = deaths(rest, moment, monkeypatch)
    assert sum(many for (kind, *_), many in after["entries"].items() if kind == Did.DESTROYED) == 2
    assert {kind for kind, *_ in after["entries"]} >= {ERASE, STAFF_ERASED}
    assert steps >= 12
