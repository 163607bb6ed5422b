"""The command line. One file per group of commands, imported only when one of its commands is called.

What a command refuses ends with exit code 2 and plain lines on standard error; with 75 (EX_TEMPFAIL of sysexits.h) when
a database doesn't answer, so that a supervisor may try again by itself. A traceback is never shown: it could hold a
child's data.
"""

import errno
import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "demo": ("handover.cli.demo:demo", "Play the whole story with real keys against a real service."),
    "serve": ("handover.cli.serve:serve", "Run the service."),
    "admin": ("handover.cli.admin:admin", "Set up, check and sweep the service."),
    "oso": ("handover.cli.oso:oso", "Read and write OSO files."),
    "key": ("handover.cli.keys:key", "Make, certify and show keys."),
    "pack": ("handover.cli.pack:pack", "Seal a dossier into a bundle for one school."),
    "open": ("handover.cli.pack:open_", "Open a bundle into a folder."),
    "transfer": ("handover.cli.school:transfer", "Open, list and cancel transfers."),
    "season": ("handover.cli.season:season", "List who hasn't answered yet, per class."),
    "paper": ("handover.cli.season:paper", "Take over somebody's answer from paper."),
    "custody": ("handover.cli.custody:custody", "Record who holds gezag, a court's ruling, or a receiver's new code."),
    "proposal": ("handover.cli.proposal:proposal", "See what waits for a second person of the school."),
    "hold": ("handover.cli.hold:hold", "Hold a pupil's data back from destruction."),
    "emergency": ("handover.cli.emergency:emergency", "Release in an emergency: by two, and briefly."),
    "send": ("handover.cli.school:send", "Send a sealed bundle to the service."),
    "reseal": ("handover.cli.reseal:reseal", "Seal again what was sealed to a key that its receiver no longer uses."),
    "inbox": ("handover.cli.school:inbox", "List the transfers addressed to this school."),
    "fetch": ("handover.cli.school:fetch", "Ask for the sections of a transfer and open what is released."),
    "ack": ("handover.cli.school:ack", "Confirm receipt, and say whether the pupil was placed."),
    "request": ("handover.cli.request:request", "List what families ask under the AVG, and answer it."),
    "family": ("handover.cli.family:family", "For a guardian or pupil with a code: the log, answers, rights."),
    "audit": ("handover.cli.audit:audit", "Examine the access log of a board, as its FG."),
    "journal": ("handover.cli.journal:journal", "Export the journal and verify an export offline."),
    "witness": ("handover.cli.witness:witness", "Watch the journal from another machine, and cosign it."),
}
"""Command -> where it is defined, and its line in the help. Read without importing the command."""


class Refused(click.ClickException):
    """What a command refuses: one or more lines for a person, exit code 2."""

    exit_code = 2

    def show(self, file: object = None) -> None:
        """Print every line with the program's name before it, safe for a terminal."""
        for line in self.message.splitlines() or ["refused"]:
            click.echo(f"handover: {printable(line)}", err=True)


class Unreachable(Refused):
    """What a command couldn't do because a database doesn't answer, or a witness isn't enrolled: it may later."""

    exit_code = 75


class Commands(click.Group):
    """The root of the command line: knows its commands by name, loads one when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands in the order of the journey."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the one command that is asked for."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        _show_variables(command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands for `--help` without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; turn everything that went wrong into lines and an exit code."""
        try:
            return super().invoke(ctx)
        except (click.exceptions.Exit, click.Abort, click.UsageError, Refused):
            raise
        except click.ClickException as problem:
            raise Refused(problem.format_message()) from None
        except Exception as problem:
            if isinstance(problem, OSError) and problem.errno == errno.EPIPE:
                raise
            raise (Unreachable if _went_away(problem) else Refused)("\n".join(lines_of(problem))) from None


def lines_of(problem: Exception) -> Iterator[str]:
    """Say what went wrong, in lines. Only errors raised on purpose may speak for themselves."""
    from consent.errors import ConsentError
    from crypto.errors import CryptoError
    from handover.errors import HandoverError, RequestRefused

    if isinstance(problem, RequestRefused):
        yield f"{problem.code}: {problem.detail}"
        yield from (f"{place}: {fault}" for place, fault in problem.fields.items())
    elif several := getattr(problem, "problems", ()):
        yield from map(str, several)
    elif isinstance(problem, HandoverError | ConsentError | CryptoError):
        reason = getattr(problem, "reason", None)
        said = str(problem) or type(problem).__name__
        yield f"{reason}: {said}" if reason and not said.startswith(str(reason)) else said
    elif isinstance(problem, OSError):
        where = f"{problem.filename}: " if problem.filename else ""
        yield f"{where}{problem.strerror or type(problem).__name__}"
    elif _went_away(problem):
        yield "a database went away meanwhile: when it answers again, look how far this came"
    else:
        yield f"a fault in the program itself: {type(problem).__name__} at {_place(problem)}"


def _show_variables(command: click.Command) -> None:
    """Let the help of a command and of those under it name the variable that stands in for each option."""
    for option in command.params:
        if isinstance(option, click.Option) and option.envvar:
            option.show_envvar = True
    for under in command.commands.values() if isinstance(command, click.Group) else ():
        _show_variables(under)


def printable(text: str) -> str:
    """Replace what a terminal could take for a command, or an eye for other text (bad case K7)."""
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text)


def _went_away(problem: Exception) -> bool:
    """Tell whether a database couldn't be reached, or hung up."""
    from consent.errors import DatabaseUnreachable

    return isinstance(problem, DatabaseUnreachable) or bool(getattr(problem, "connection_invalidated", False))


def _place(problem: Exception) -> str:
    trace = problem.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else "an unknown place"


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="overdracht", prog_name="handover")
def main() -> None:
    """Hand a dossier over from school to school, sealed, and only as the family's consent allows."""
    os.umask(0o077)  # what a command writes is its owner's alone, databases included
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8")
