"""Something of each kind falls due, and a fresh sweep dies at each of its steps in turn: the next one finishes it.

Every death begins from the same copy of the service, and what is there in the end is what an undisturbed sweep leaves:
the same rows, shares, ciphertext, keys and files, and each entry of the journal as often.
"""

import shutil
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from consent import inventory
from consent.db import Main, open_engine, reading
from consent.entry import ERASE, STAFF_ERASED
from consent.errors import IntegrityBroken
from consent.tables import DataKey, JournalLookup
from crypto.encoding import canon
from handover.accesslog import Did
from handover.app import recover
from handover.leases import LASTS
from handover.parts import Parts, assemble
from handover.retention import Kept, due, year_over
from handover.settings import Settings
from handover.sweeping import sweep
from tests.faults.test_sweep_kills import Dead, dying_at
from tests.handover.story import Story
from tests.handover.test_sweep import acknowledged, at, cancelled, swept_at
from tests.region import now

AGAIN = LASTS + timedelta(minutes=1)


@dataclass(frozen=True)
class Rest:
    """A service at rest: `open` gives a copy of it as often as one likes."""

    folder: Path
    settings: Settings
    size: int

    def open(self, number: int) -> Settings:
        home = self.folder.parent / f"{self.folder.name}-{number}"
        shutil.copytree(self.folder, home)
        urls = {f"{which}_url": f"sqlite:///{home / name}.sqlite" for which, name in DATABASES.items()}
        places = {"keys": home / "keys", "blobs": str(home / "bundles"), "outbox": home / "outbox"}
        return replace(self.settings, home=home, **urls, **places)  # type: ignore[arg-type]


DATABASES = {"database": "main", "keystore": "keys"}


def resting(story: Story) -> Rest:
    parts = story.region.parts
    size = story.size()
    parts.close()
    story.keys.dispose()
    folder = parts.settings.home
    copy = folder.parent / f"{folder.name}-rest"
    shutil.copytree(folder, copy)
    return Rest(copy, parts.settings, size)


def ends(rest: Rest, number: int, moment: datetime, dying: Callable[[], Any]) -> tuple[bool, dict[str, Any]]:
    """Sweep a copy at a moment, perhaps to death, and again; tells whether the first one lived, and what is there."""
    settings = rest.open(number)
    with at(moment):
        parts = assemble(settings)
        lived = True
        try:
            with dying():
                sweep(parts, accept=1.0)
        except Dead:
            lived = False
        parts.close()
    with at(moment + AGAIN):
        parts = assemble(settings)
        recover(parts)
        assert sweep(parts, accept=1.0).left == {}
        found = there(parts, rest.size)
        parts.close()
    shutil.rmtree(settings.home)
    return lived, found


def there(parts: Parts, since: int) -> dict[str, Any]:
    """Tell what a service holds, and what its journal says from an index on; not when, nor which sweep said it."""
    with reading(parts.main) as session:
        found: dict[str, Any] = {
            table.name: sorted(map(repr, session.execute(select(table)).all()))
            for table in Main.metadata.sorted_tables
            if not table.name.startswith("journal") and table.name != "sweep"
        }
        kinds = session.execute(
            select(JournalLookup.index, JournalLookup.type).where(
                JournalLookup.index >= since, JournalLookup.type != int(Did.SWEPT)
            )
        )
        found["entries"] = Counter((kind, _said(parts, session, index)) for index, kind in kinds)
    keys = open_engine(parts.settings.keystore_url)
    with reading(keys) as session:
        found["keys"] = sorted(map(tuple, session.execute(select(DataKey.id, DataKey.wrapped.is_(None)))))
    keys.dispose()
    found["epochs"] = [(state.number, state.current, state.destroyed) for state in inventory.epochs(parts.keystore)]
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


def undisturbed(rest: Rest, moment: datetime) -> dict[str, Any]:
    """Tell what is there when nobody dies."""
    lived, found = ends(rest, 0, moment, nullcontext)
    assert lived
    return found


def deaths(rest: Rest, moment: datetime, wanted: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> int:
    """Let a fresh sweep die at each step there is; gives how many there are."""
    for step in count(1):
        lived, found = ends(rest, step, moment, partial(dying_at, step, monkeypatch))
        assert found == wanted, f"died at step {step}"
        if lived:
            return step - 1
    raise AssertionError


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
    after = undisturbed(rest, moment)
    assert {kind for kind, *_ in after["entries"]} >= {Did.SHRED_INTENT, Did.SHRED_DONE, Did.DESTROYED, ERASE}
    assert (after["transfer"], after["bundle"], after["objects"], after["shares"], after["files"]) == (
        [],
        [],
        [],
        {},
        [],
    )
    assert (after["nonce"], after["idempotency"], after["lease"]) == ([], [], [])
    assert deaths(rest, moment, after, monkeypatch) >= 20


def test_a_sweep_that_dies_at_any_step_of_what_was_released_leaves_what_an_undisturbed_one_does(
    lite: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    """J3, H3: contact data, the pupil with its evidence, and who of the staff did what."""
    _, received_at = acknowledged(lite)
    parts = lite.region.parts
    swept_at(parts, due(Kept.CONTACT, received_at) - timedelta.resolution)  # the bundle, and what is short of life
    rest, moment = resting(lite), due(Kept.STAFF_RECORD, year_over(received_at.year))
    after = undisturbed(rest, moment)
    assert sum(many for (kind, *_), many in after["entries"].items() if kind == Did.DESTROYED) == 2
    assert {kind for kind, *_ in after["entries"]} >= {ERASE, STAFF_ERASED}
    assert deaths(rest, moment, after, monkeypatch) >= 12
