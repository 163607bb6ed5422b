"""A restore that dies at every step that changes something, and is run again: it ends where one that lived would."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, func, select

from consent.db import reading
from consent.events import Kind
from consent.tables import JournalLookup
from crypto.checkpoint import Checkpoint, parse_checkpoint, print_checkpoint
from handover import bundles, copying, restoring, unfinished
from handover.admin import VERIFIERS
from handover.errors import SettingsRefused
from handover.parts import RESTORING, Parts, assemble
from handover.release import Withheld
from handover.restoring import Restored, RestoreRefused, restore
from handover.second import Second
from tests.conftest import Databases
from tests.faults.disaster import Service
from tests.faults.story import granted_file
from tests.faults.test_restore import Lossy, approvals, asks, held, lossy, restate, withdraw
from tests.faults.test_sweep_kills import Dead
from tests.region import Region

__all__ = ["lossy"]


@pytest.fixture
def light(sqlite_region: Region, sqlite_databases: Databases) -> Service:
    return Service(sqlite_region, sqlite_databases)


@contextmanager
def dying_at(step: int) -> Iterator[None]:
    """Die just before a step: a commit, a copy put back, an object shipped, a file written or removed."""
    steps = count(1)

    def tick(*_: Any) -> None:
        if next(steps) >= step:
            raise Dead

    def commits(connection: Any) -> None:
        if not connection.get_execution_options().get("reading"):
            tick()

    def before(real: Any) -> Any:
        return lambda *arguments, **named: (tick(), real(*arguments, **named))[1]

    event.listen(Engine, "commit", commits)
    with pytest.MonkeyPatch.context() as patch:
        for place, name in (
            (copying, "put_back"),
            (unfinished, "replace_private"),
            (restoring, "replace_private"),
            (Second, "put"),
            (Second, "delete"),
            (Path, "unlink"),
        ):
            patch.setattr(place, name, before(getattr(place, name)))
        try:
            yield
        finally:
            event.remove(Engine, "commit", commits)


def deaths(service: Service, copies: tuple[Path, Path], **options: Any) -> Iterator[Restored]:
    """Lose everything, restore and die, one step later each time, and restore again; gives what came of each."""
    kept = service.region.folder / "kept-second"
    shutil.copytree(service.second, kept)
    for step in count(1):
        service.lose()
        shutil.rmtree(service.second)
        shutil.copytree(kept, service.second)
        (service.settings.home / VERIFIERS).unlink(missing_ok=True)
        try:
            with dying_at(step):
                restore(service.settings, *copies, **options)
        except Dead:
            if (service.settings.home / RESTORING).exists():
                with pytest.raises(SettingsRefused, match="restore"):
                    assemble(service.settings)
                yield restore(service.settings, *copies, **options)
            elif step > 5:  # nothing was left to do but to say that it is done
                assemble(service.settings).close()
        else:
            assert step > 10
            return


def test_a_restore_that_dies_at_any_step_is_finished_by_running_it_again(light: Service) -> None:
    """K4, H3."""
    file = granted_file(light.region, holders=1)
    copies = light.backup()
    withdraw(light, file, destroy_now=True)
    before = held(light)
    for done in deaths(light, copies):
        assert done.lost == ()
        assert held(light) == before


def test_a_restore_with_a_loss_that_dies_at_any_step_takes_the_same_two_approvals(lossy: Lossy) -> None:
    """K4, K12: one ROLLBACK, one new name, and what was lost is told again."""
    light, copies, file, people = lossy
    known = [(light.region.folder / "kept").read_bytes()]
    said = approvals(light, people[0], people[1])
    (light.settings.home / RESTORING).unlink(missing_ok=True)
    ends = set()
    for done in deaths(light, copies, known=known, approvals=said):
        ends.add((done.size, done.root, done.origin, done.lost))
        parts = assemble(light.settings)
        with reading(parts.main) as session:
            rollbacks = select(func.count()).where(JournalLookup.type == int(Kind.ROLLBACK))
            assert session.scalar(rollbacks) == 1
        parts.close()
    assert len(ends) == 1
    assert {origin for _, _, origin, _ in ends} == {"overdracht.test/journal-2"}
    light.start()
    restate(light, file)
    assert asks(light, file) == Withheld("SUSPENDED")


def dies_late(service: Service, copies: tuple[Path, Path]) -> None:
    """Restore, and die when both databases are put back and the service isn't free to start yet."""

    def dies(parts: Parts) -> None:
        raise Dead

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bundles, "finish_shredding", dies)
        with pytest.raises(Dead):
            restore(service.settings, *copies)
    assert (service.settings.home / RESTORING).exists()


def test_a_restore_that_died_late_begins_anew_when_the_databases_are_lost_once_more(light: Service) -> None:
    """K4: what the first try put back is gone again."""
    granted_file(light.region, holders=1)
    copies = light.backup()
    before = held(light)
    light.lose()
    dies_late(light, copies)
    light.lose()
    assert restore(light.settings, *copies).lost == ()
    assert held(light) == before


def test_a_restore_that_died_late_looks_again_when_somebody_knows_of_more(light: Service) -> None:
    """K3, K4: a witness answers only after the first try."""
    granted_file(light.region, holders=1)
    copies = light.backup()
    parts = light.region.parts
    with reading(parts.main) as session:
        head = parse_checkpoint(parts.journal.checkpoint(session))
    more = print_checkpoint(Checkpoint(head.origin, head.size + 1, head.root), parts.log_key)
    light.lose()
    dies_late(light, copies)
    with pytest.raises(RestoreRefused, match=f"had {head.size + 1} entries .a checkpoint that was kept."):
        restore(light.settings, *copies, known=[more])
    with pytest.raises(SettingsRefused, match="restore"):
        assemble(light.settings)
