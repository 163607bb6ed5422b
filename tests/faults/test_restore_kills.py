"""A restore that dies at every step that changes something, and is run again: it ends where one that lived would.

Where it puts everything back its process is killed; with a loss it dies in this one. A backup is killed too.
"""

import os
import shutil
import signal
import warnings
from collections.abc import Callable, Iterator
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
from handover import backup as backups
from handover import bundles, copying, restoring, unfinished
from handover.admin import TRUST
from handover.errors import SettingsRefused
from handover.parts import RESTORING, Parts, assemble
from handover.release import Withheld
from handover.restoring import Restored, RestoreRefused, restore
from handover.second import Second
from handover.settings import Settings
from tests.conftest import Databases
from tests.faults.disaster import Service
from tests.faults.story import granted_file
from tests.faults.test_restore import Lossy, approvals, asks, held, lossy, restate, withdraw
from tests.faults.test_sweep_kills import Dead
from tests.faults.worker import PROCESSES
from tests.region import Region

__all__ = ["lossy"]


@pytest.fixture
def light(sqlite_region: Region, sqlite_databases: Databases) -> Service:
    return Service(sqlite_region, sqlite_databases)


@contextmanager
def before_each_step(tick: Callable[[], None]) -> Iterator[None]:
    """Do something just before a commit, a copy written or put back, an object shipped, a file written or removed."""

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
            (backups, "write_private"),
            (Path, "rename"),
            (Second, "put"),
            (Second, "delete"),
            (Path, "unlink"),
        ):
            patch.setattr(place, name, before(getattr(place, name)))
        try:
            yield
        finally:
            event.remove(Engine, "commit", commits)


@contextmanager
def dying_at(step: int) -> Iterator[None]:
    """Die just before a step."""
    steps = count(1)

    def tick() -> None:
        if next(steps) >= step:
            raise Dead

    with before_each_step(tick):
        yield


def killed_at(step: int, deed: Callable[..., object], *arguments: object) -> None:
    """Do a deed in a process of its own, which sends itself the signal that nothing survives; then raise Dead."""
    process = PROCESSES.Process(target=_live, args=(step, deed, arguments))
    process.start()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL)
    if process.exitcode:
        raise Dead


def _live(step: int, deed: Callable[..., object], arguments: tuple[object, ...]) -> None:
    warnings.simplefilter("error")
    steps = count(1)

    def tick() -> None:
        if next(steps) == step:
            os.kill(os.getpid(), signal.SIGKILL)

    with before_each_step(tick):
        deed(*arguments)


def take(settings: Settings, out: Path) -> None:
    """Take a backup."""
    parts = assemble(settings)
    backups.backup(parts, out)
    parts.close()


def deaths(service: Service, copies: tuple[Path, Path], **options: Any) -> Iterator[Restored]:
    """Lose everything, restore and die, one step later each time, and restore again; gives what came of each."""
    kept = service.region.folder / "kept-second"
    shutil.copytree(service.second, kept)
    for step in count(1):
        service.lose()
        shutil.rmtree(service.second)
        shutil.copytree(kept, service.second)
        (service.settings.home / TRUST).unlink(missing_ok=True)
        try:
            if options:
                with dying_at(step):
                    restore(service.settings, *copies, **options)
            else:
                killed_at(step, restore, service.settings, *copies)
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


def test_a_restore_whose_process_is_killed_at_any_step_is_finished_by_running_it_again(light: Service) -> None:
    """K4, H3: SIGKILL, after which nothing of it runs."""
    file = granted_file(light.region, holders=1)
    copies = light.backup()
    withdraw(light, file, destroy_now=True)
    before = held(light)
    for done in deaths(light, copies):
        assert done.lost == ()
        assert held(light) == before


def test_a_backup_whose_process_is_killed_at_any_step_leaves_no_manifest_of_a_copy_that_isn_t_whole(
    light: Service, tmp_path: Path
) -> None:
    """K4, H3: and the next one is whole, whatever lies beside it."""
    file = granted_file(light.region, holders=1)
    before = held(light)
    light.region.parts.close()
    left = set()
    for step in count(1):
        out = tmp_path / f"killed-{step}"
        try:
            killed_at(step, take, light.settings, out)
        except Dead:
            whole = [backups.read_backup(path, path.name.partition("-")[0]) for path in out.glob("*.json")]
            left.add(len(whole))
            continue
        break
    assert step > 4
    assert left == {0, 1}
    half = next(path for path in tmp_path.glob("killed-*") if list(path.glob(".*.partial")))
    assert len(backups.backup(light.start(), half)) == 2
    assert list(half.glob(".*.partial")) == []
    manifests = sorted(out.glob("*.json"), reverse=True)
    withdraw(light, file)
    light.lose()
    light.restore((manifests[0], manifests[1]))
    assert asks(light, file) == Withheld("WITHDRAWN")
    assert len(held(light)["journal_leaf"]) > len(before["journal_leaf"])


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
