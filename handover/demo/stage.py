"""The stage of the demo: a folder, a real service in a process of its own, and hands for schools and families.

Schools, the operator and the FG work through the command line, each command in a process of its own; families through
HTTP with the token out of the outbox. Nothing is pretended: what is printed is what was answered.
"""

import json
import os
import secrets
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from handover.errors import HandoverError

MAIN: Final = "from handover.cli import main; main(prog_name='handover')"
LATER: Final = f"from handover.demo.calendar import ahead; ahead({{days}}); {MAIN}"
START_SECONDS: Final = 60
Answer = dict[str, Any]


class DemoFailed(HandoverError):
    """Something in the demo didn't go as the story says; the demo ends with an error, and says where."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Answer:
        """What it printed with `--json`."""
        answer: Answer = json.loads(self.out)
        return answer


@dataclass(frozen=True, slots=True)
class Message:
    """A message in the outbox."""

    to: str
    subject: str
    body: str


@dataclass(frozen=True, slots=True)
class School:
    """A school on the stage: its code, where its keys and papers are, and who of its staff is at the desk."""

    code: str
    folder: Path
    staff: str = "s-001"

    @property
    def keyfile(self) -> Path:
        """Its private keys."""
        return self.folder / "keys"

    @property
    def public(self) -> Path:
        """Its public keys."""
        return self.folder / "keys.pub"

    @property
    def settings(self) -> dict[str, str]:
        """What its commands are told by their environment."""
        return {
            "HANDOVER_KEYFILE": str(self.keyfile),
            "HANDOVER_STATE": str(self.folder / "state"),
            "HANDOVER_STAFF": self.staff,
            "HANDOVER_ROLE": "principal",
        }


@dataclass(frozen=True, slots=True)
class Examiner:
    """A board's FG on the stage: the board's own name for the FG, and the folder on the FG's machine."""

    name: str
    folder: Path

    @property
    def keyfile(self) -> Path:
        """The FG's private key."""
        return self.folder / "key"

    @property
    def witness(self) -> Path:
        """What the FG keeps as a witness of the journal."""
        return self.folder / "witness"

    @property
    def settings(self) -> dict[str, str]:
        """What the FG's commands are told by their environment."""
        return {"HANDOVER_KEYFILE": str(self.keyfile), "HANDOVER_STAFF": self.name}


@dataclass(frozen=True, slots=True)
class Guardian:
    """Somebody with a token, in a file."""

    token_file: Path

    @property
    def settings(self) -> dict[str, str]:
        """What the guardian's commands are told by their environment."""
        return {"HANDOVER_TOKEN_FILE": str(self.token_file)}


Desk = School | Examiner | Guardian


class Stage:
    """Everything the demo works with, below one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "service"
        self.origin = f"http://127.0.0.1:{_free_port()}"
        self.trust = folder / "register" / "trust.txt"
        self._passphrase = secrets.token_urlsafe(16)
        self._service: subprocess.Popen[bytes] | None = None

    def environment(self, desk: Desk | None = None) -> dict[str, str]:
        """Give the environment of a command: the operator's, or somebody else's."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HANDOVER_")}
        kept |= {"HANDOVER_PASSPHRASE": self._passphrase, "HANDOVER_ORIGIN": self.origin}
        if desk is None:
            return kept | {"HANDOVER_HOME": str(self.home)}
        return kept | {"HANDOVER_ROOT": str(self.trust)} | desk.settings

    def run(self, *words: str | Path, by: Desk | None = None, days: int = 0) -> Ran:
        """Run one command and give what it said; `days` sets the operator's calendar so many days ahead."""
        program = LATER.format(days=days) if days else MAIN
        done = subprocess.run(  # noqa: S603 - our own program, our own words
            [sys.executable, "-c", program, *map(str, words)],
            env=self.environment(by),
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
        )
        return Ran(done.returncode, done.stdout, done.stderr.strip())

    def do(self, *words: str | Path, by: Desk | None = None, days: int = 0) -> Answer:
        """Run a command that must succeed; gives its answer."""
        ran = self.run(*words, "--json", by=by, days=days)
        if ran.code != 0:
            raise DemoFailed(f"handover {shlex.join(map(str, words))} ended with {ran.code}: {ran.err}")
        return ran.json

    def told(self, *words: str | Path, by: Desk | None = None, days: int = 0) -> list[str]:
        """Run a command that must succeed; gives the lines that a person reads."""
        ran = self.run(*words, by=by, days=days)
        if ran.code != 0:
            raise DemoFailed(f"handover {shlex.join(map(str, words))} ended with {ran.code}: {ran.err}")
        return ran.out.splitlines()

    def refused(self, *words: str | Path, by: Desk | None = None, days: int = 0) -> str:
        """Run a command that must be refused; gives the first line of what it said."""
        ran = self.run(*words, by=by, days=days)
        if ran.code != 2:
            raise DemoFailed(f"handover {shlex.join(map(str, words))} ended with {ran.code} and not with 2")
        return (ran.err or ran.out).removeprefix("handover: ").splitlines()[0]

    # The service.

    def start(self) -> None:
        """Start the service and wait until it answers."""
        log = (self.folder / "service.log").open("ab")
        self._service = subprocess.Popen(  # noqa: S603
            [sys.executable, "-c", MAIN, "serve"], env=self.environment(), stdout=log, stderr=log, cwd=self.folder
        )
        log.close()
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and self._service.poll() is None:
            try:
                if httpx.get(f"{self.origin}/v1/health", timeout=2).is_success:
                    return
            except httpx.TransportError:
                time.sleep(0.1)
        raise DemoFailed(f"the service didn't start; see {self.folder / 'service.log'}")

    def stop(self) -> None:
        """Stop the service, if it runs."""
        if self._service is not None:
            self._service.terminate()
            self._service.wait(timeout=30)
            self._service = None

    def checkpoint(self) -> bytes:
        """Take the journal's checkpoint from the service, as anybody can."""
        return httpx.get(f"{self.origin}/v1/journal/checkpoint", timeout=10).content

    # Families.

    def messages(self) -> list[Message]:
        """Give what is in the outbox, oldest first."""
        paths = sorted((self.home / "outbox").glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
        read = [json.loads(path.read_bytes()) for path in paths]
        return [Message(said["to"], said["subject"], said["body"]) for said in read]

    def newest_token(self) -> str:
        """Take the newest token out of the outbox, as the person it was sent to would read it."""
        lines = [line for message in self.messages() for line in message.body.splitlines()]
        return [line for line in lines if len(line) == 66 and "." in line][-1]

    def family(self, what: str, body: Mapping[str, object]) -> Answer:
        """Let somebody with a token say something; must succeed."""
        headers = {"Idempotency-Key": f'"{secrets.token_urlsafe(18)}"'}
        response = httpx.post(f"{self.origin}/v1/family/{what}", json=body, headers=headers, timeout=30)
        answer: Answer = response.json()
        if not response.is_success:
            raise DemoFailed(f"family/{what} was answered {response.status_code}: {answer}")
        return answer

    def answer(self, token: str, yes: Sequence[str], no: Sequence[str] = ()) -> None:
        """Read the question and answer it."""
        asked = self.family("question", {"token": token})
        answers = dict.fromkeys(yes, "yes") | dict.fromkeys(no, "no")
        self.family("answers", {"token": token, "notice": asked["notice"]["sha256"], "answers": answers})


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
