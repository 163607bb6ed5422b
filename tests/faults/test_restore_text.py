"""The drill: deploy/restore.md, carried out to the letter, with its own commands, on both kinds of database."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from crypto.keyfile import print_identity
from handover.admin import TRUST
from handover.parts import RESTORING
from handover.release import Withheld, release
from handover.trust import JOURNAL, read_trust
from tests.conftest import Databases
from tests.faults.disaster import Service, programs_on_path
from tests.faults.story import FETCHES, granted_file
from tests.faults.test_restore import OKR, held, restate, withdraw
from tests.region import Region

PASSPHRASE = "zeven kale kikkers"
ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "deploy" / "restore.md").read_text("utf-8")


def commands(heading: str) -> list[str]:
    """Read the commands under a heading of the text: lines that stand further in."""
    part = re.split(r"^## ", TEXT, flags=re.M)
    chosen = next(each for each in part if each.startswith(heading))
    return [line.strip() for line in chosen.splitlines() if line.startswith("       ")]


class Operator:
    """Somebody who types what the text says, in the service's environment."""

    def __init__(self, service: Service) -> None:
        settings = service.settings
        said = {"origin": settings.origin, "log": settings.log, "root": settings.root.hex()}
        (settings.home / "service.json").write_text(json.dumps(said))
        self.folder = settings.home
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("HANDOVER_")},
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{programs_on_path()}",
            "HANDOVER_HOME": str(settings.home),
            "HANDOVER_DATABASE_URL": settings.database_url,
            "HANDOVER_KEYSTORE_URL": settings.keystore_url,
            "HANDOVER_SECOND": str(settings.second),
            "HANDOVER_PASSPHRASE": PASSPHRASE,
        }

    def types(self, command: str, ends_with: int = 0) -> str:
        """Run one command in the shell, as it stands there; gives what is to be seen."""
        done = self.begin(command)
        out, err = done.communicate(timeout=120)
        assert done.returncode == ends_with, err
        return out + err

    def begin(self, command: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            ["bash", "-c", f"exec {command}"],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture
def service(region: Region, databases: Databases, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    monkeypatch.setenv("PATH", programs_on_path())
    made = Service(region, databases)
    yield made
    made.region.parts.close()


def test_the_text_leads_a_tired_operator_through_a_disaster_and_a_killed_restore(service: Service) -> None:
    """K4, K12: nights with a backup, a withdrawal after it, both databases lost, a restore killed, and run again."""
    take, confirm = commands("Before")
    back, look = (each for each in commands("After") if each.startswith("handover"))
    withdrawn, standing = granted_file(service.region, holders=1), granted_file(service.region, holders=1)
    operator = Operator(service)
    operator.types(take)
    for path in (operator.folder / "backups").iterdir():  # as if it were of an earlier night
        path.rename(path.with_name(re.sub(r"-\d{8}T", "-20200101T", path.name)))
    main, keys = map(Path, operator.types(take).split())
    assert "no backup stands there" in operator.types(confirm, ends_with=2)
    for place, manifest in (("place-1", main), ("place-2", keys)):
        (operator.folder / place).mkdir()
        for path in (operator.folder / manifest, operator.folder / manifest.with_suffix("")):
            shutil.copy(path, operator.folder / place)
    operator.types(take)  # the next night's has begun: it is at no safe place, and isn't what is confirmed
    assert f"Confirmed: {main.stem} and {keys.stem}.\n" in operator.types(confirm)
    withdraw(service, withdrawn, destroy_now=True)
    before = held(service)
    service.lose()

    running = operator.begin(back)
    begun = service.settings.home / RESTORING
    while not begun.exists():  # killed as soon as it says that it began; test_restore_kills.py takes each step
        with suppress(subprocess.TimeoutExpired):
            running.wait(0.002)
        assert running.poll() is None or begun.exists()
    running.kill()
    running.communicate()
    assert running.returncode == -signal.SIGKILL
    operator.types(look, ends_with=2)  # nothing starts beside a restore that isn't finished
    seen = operator.types(back)
    assert "Restored" in seen
    assert {line.split()[0] for line in operator.types(look).splitlines()} == {"ok", "warn"}
    assert held(service) == before
    service.start()
    assert release(service.region.parts, FETCHES, withdrawn.transfer, OKR) == Withheld("WITHDRAWN")
    assert release(service.region.parts, FETCHES, standing.transfer, OKR)


def test_the_text_leads_an_operator_and_two_others_through_a_loss(
    sqlite_region: Region, sqlite_databases: Databases
) -> None:
    """K4, K12: one of two withdrawals is gone for good; the FG and the keeper of the root say that it goes on."""
    service = Service(sqlite_region, sqlite_databases)
    take, _ = commands("Before")
    back, look = (each for each in commands("After") if each.startswith("handover"))
    approve, accept, go_on = commands("With a loss")
    for name, key in (("fg.key", sqlite_region.dpo("stad")), ("root.key", sqlite_region.root)):
        (service.settings.home / name).write_bytes(print_identity(key, PASSPHRASE))
    forgotten, kept = granted_file(sqlite_region, holders=1), granted_file(sqlite_region, holders=1)
    operator = Operator(service)
    operator.types(take)
    withdraw(service, forgotten)
    lost = max(service.second.iterdir())
    withdraw(service, kept)
    lost.unlink()
    service.lose()

    assert "is missing" in operator.types(back, ends_with=2)
    operator.types(approve)
    operator.types(approve.replace("fg.key", "root.key").replace("approval-1", "approval-2"))
    seen = operator.types(accept)
    assert "LOST" in seen
    assert "overdracht.test/journal-2" in seen
    [left] = (line for line in operator.types(look, ends_with=2).splitlines() if line.startswith("NOT"))
    assert go_on in left
    trust = read_trust(service.settings.home / TRUST)
    assert (trust.root, trust.log(JOURNAL)[0]) == (service.settings.root, "overdracht.test/journal-2")
    service.start()
    for file in (forgotten, kept):
        assert release(sqlite_region.parts, FETCHES, file.transfer, OKR) == Withheld("CUSTODY_UNKNOWN")
        restate(service, file)
        assert release(sqlite_region.parts, FETCHES, file.transfer, OKR) == Withheld("SUSPENDED")
    assert "placed again" in operator.types("handover admin sweep", ends_with=2)
    operator.types(go_on)
    assert "NOT" not in operator.types(look)
    operator.types(take.replace("backups", "today"))
