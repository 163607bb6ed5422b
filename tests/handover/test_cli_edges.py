"""Every command with files that aren't there or aren't files, and with a service that isn't one.

Whatever it meets, it ends with 2 and says in plain lines what and where: no traceback, no "None" for an answer, and
nothing half written. The commands are those that the parser knows: a new one is in this by itself.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click
import pytest
from click.testing import CliRunner, Result

from crypto.keys import SignKey
from handover.cli import main
from handover.trust import print_trust
from tests.handover.loopback import Answer, Service, service

Command = tuple[tuple[str, ...], click.Command]
ENDLESS: Final = {("demo",), ("serve",)}
NOBODY: Final = "http://127.0.0.1:1"
KNOWN: Final = {
    "signed_on": "2026-01-05",
    "decided_on": "2026-01-05",
    "birth_date": "2026-01-05",
    "role": "principal",
    "staff": "s-1",
}
SCHOOLS: Final = ("receiver", "school", "old", "new")


def commands(command: click.Command = main, path: tuple[str, ...] = ()) -> Iterator[Command]:
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            found = command.get_command(click.Context(command), name)
            assert found is not None
            yield from commands(found, (*path, name))
    else:
        yield path, command


ALL: Final = list(commands())


@dataclass
class Shell:
    """A folder with keys, a trust file, a code and a file of nonsense; runs commands in this process."""

    folder: Path
    runner: CliRunner

    def run(self, *arguments: str) -> Result:
        return self.runner.invoke(main, arguments)

    def words(self, command: Command, origin: str, **said: str) -> list[str]:
        """Give a whole command line: `said` by parameter, the rest of what it needs as well as nobody knows better."""
        path, of = command
        options, arguments = list(path), []
        for one in of.params:
            given = said.get(str(one.name)) or self.value(path, one, origin)
            if isinstance(one, click.Argument):
                arguments += [given] if one.required or one.name in said else []
            elif isinstance(one, click.Option) and not one.is_flag and one.name != "help":
                wanted = one.required or one.name in (*said, "origin", "keyfile", "root", "token_file", "staff", "role")
                options += [max(one.opts, key=len), given] if wanted else []
        return options + arguments

    def value(self, path: tuple[str, ...], one: click.Parameter, origin: str) -> str:
        name, kind = str(one.name), one.type
        if name == "origin":
            return origin
        if isinstance(kind, click.Path):
            audit = "fg.key" if path[0] == "audit" else "school.key"
            files = {"keyfile": audit, "root": "trust", "trust": "trust", "token_file": "code", "out": "made"}
            if path[0] == "witness" and name == "state":
                return str(self.folder / "witness")
            return str(self.folder / files.get(name, "nonsense"))
        if isinstance(kind, click.Choice):
            return str(next(iter(kind.choices)))
        if isinstance(kind, click.IntRange) or kind is click.INT:
            return "1"
        if name in ("since", "until"):
            return "2026-01-05" if path[-1] == "patterns" else "2026-01-05T00:00:00+00:00"
        return KNOWN.get(name) or ("okr" if "section" in name else "99CD01" if name in SCHOOLS else "a" * 32)


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    folder = tmp_path_factory.mktemp("edges")
    names = {"STAFF": "s-1", "ROLE": "principal", "PASSPHRASE": "merel zingt vroeg", "HOME": str(folder / "no-service")}
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("HANDOVER_")]:
            patch.delenv(name)
        for name, value in names.items():
            patch.setenv(f"HANDOVER_{name}", value)
        patch.chdir(folder)
        patch.setattr("crypto.keyfile._MEMORY", 8192)  # nothing here is about how dear a guess at a passphrase is
        patch.setattr("crypto.keyfile._PASSES", 1)
        made = Shell(folder, CliRunner())
        (folder / "nonsense").write_bytes(b"\0\xff nonsense")
        (folder / "code").write_text("A" * 22 + "." + "A" * 43)
        root, log = SignKey.generate("root"), SignKey.generate("journal")
        (folder / "trust").write_bytes(print_trust(root.public, "x.test/keys", "x.test/journal", public=log.public))
        for line in (
            "key identity --out board.key",
            "key identity --dpo --out fg.key",
            "key new --out school.key --public school.pub --school 99AB00 --identity board.key",
            "witness init --name fg.test/w --trust trust --out witness",
        ):
            done = made.run(*line.split())
            assert done.exit_code == 0, done.stderr
        yield made


def plainly_refused(done: Result, what: object) -> None:
    """Check that a command ended with 2 and said why, in lines that a person reads."""
    assert done.exit_code == 2, (what, done.exit_code, done.exception, done.output)
    assert done.exception is None or isinstance(done.exception, SystemExit), (what, done.exception)
    assert done.output.strip(), what
    for line in ("Traceback", "a fault in the program", "None"):
        assert line not in done.output, (what, done.output)


def test_every_command_tells_what_it_does(shell: Shell) -> None:
    for path, _ in ALL:
        done = shell.run(*path, "--help")
        assert done.exit_code == 0, path
        assert done.stdout.count("\n") > 3, path


def test_a_file_that_is_none_is_named(shell: Shell) -> None:
    """Where a command reads one and where it writes one."""
    nonsense, loop = shell.folder / "nonsense", shell.folder / "loop"
    loop.symlink_to(loop)
    bad = {"missing": shell.folder / "no" / "such", "a folder": shell.folder, "below": nonsense / "x", "loop": loop}
    bad["nonsense"] = nonsense
    seen = 0
    for command in ALL:
        if command[0] in ENDLESS:
            continue
        files = [one for one in command[1].params if isinstance(one.type, click.Path)]
        each = [(one, how) for one in files for how in bad if one is files[0] or how in ("missing", "a folder")]
        for one, how in each:
            if (command[0][-1], one.name, how) == ("register", "out", "nonsense"):
                continue  # it is made again where it stands
            words = shell.words(command, NOBODY, **{str(one.name): str(bad[how])})
            plainly_refused(shell.run(*words), words)
            seen += 1
    assert seen > 200
    assert nonsense.read_bytes() == b"\0\xff nonsense"


FORMS: Final[dict[str, Answer]] = {
    "a page": Answer(body=b"<html>welcome to this network", media_type="text/html"),
    "a proxy's refusal": Answer(502, b"<html>bad gateway", "text/html"),
    "a list": Answer(body=b"[1]"),
    "nothing": Answer(body=b"{}"),
    "too deep": Answer(body=b"[" * 100_000),
    "a refusal without a reason": Answer(400, b'{"code": 5}', "application/problem+json"),
}


def asking() -> list[Command]:
    """Give the commands that talk to a service."""
    return [
        each for each in ALL if any(one.name == "origin" for one in each[1].params) and each[0] != ("admin", "init")
    ]


def test_a_service_that_cant_be_reached_is_named(shell: Shell) -> None:
    for command in asking():
        done = shell.run(*shell.words(command, NOBODY))
        plainly_refused(done, command[0])
    assert len(asking()) > 40
    assert not (shell.folder / "made").exists()


@pytest.fixture(scope="module")
def odd() -> Iterator[Service]:
    with service() as running:
        yield running


def test_an_answer_that_is_none_is_no_success(shell: Shell, odd: Service) -> None:
    """What a café's network answers in the service's place isn't its word: every form for a few commands,
    and for all commands the two that look most like an answer.
    """
    few = {("transfer", "cancel"), ("inbox",), ("family", "log"), ("audit", "search"), ("witness", "check")}
    for form, answer in FORMS.items():
        odd.answer = lambda asked, answer=answer: answer
        for command in asking():
            if command[0] in few or form in ("a page", "nothing"):
                done = shell.run(*shell.words(command, odd.origin))
                plainly_refused(done, (form, command[0]))
                assert not (shell.folder / "made").exists(), command[0]
