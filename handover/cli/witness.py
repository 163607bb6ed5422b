"""`handover witness`: watch the journal from a machine that isn't the operator's, the FG's."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from handover.cli import Unreachable
from handover.cli.terminal import EXISTING, FOLDER, InputRefused, answer, as_json

if TYPE_CHECKING:
    from handover.witness import Looked

_state = click.option("--state", type=FOLDER, required=True, help="The witness's folder.")


@click.group()
def witness() -> None:
    """Watch the journal: refuse one that shrank or forked, cosign one that grew."""


@witness.command()
@click.option("--name", required=True, help="The witness's name, as a host's with a path: fg.example/witness.")
@click.option("--log", "lines", multiple=True, metavar="LINE", help="Verifier key of a journal to watch.")
@click.option("--trust", type=EXISTING, help="A trust file: its journal is watched.")
@click.option("--out", type=FOLDER, required=True, help="New folder for the key and for what was seen.")
@as_json
def init(name: str, lines: tuple[str, ...], trust: Path | None, out: Path, as_json: bool) -> None:
    """Make a witness's key and folder. What the log shows first is believed; from then on it may only grow.

    The key has no passphrase, since a timer uses it: only the account that the timer runs under may read it.
    """
    from crypto.checkpoint import parse_verifier
    from handover.trust import JOURNAL, read_trust
    from handover.witness import init as make

    if bool(lines) is (trust is not None):
        raise click.UsageError("What to watch is said by --log LINE or by --trust FILE.")
    logs = dict([read_trust(trust).log(JOURNAL)] if trust is not None else map(parse_verifier, lines))
    if trust is None and len(logs) != len(lines):
        raise InputRefused("a log is named twice")
    verifier = make(out, name, logs).cosigner.print()
    told = {"name": name, "verifier": verifier, "logs": list(logs)}
    enroll = f"Give this line to the operator, who enrolls it with `handover admin witness add`:\n{verifier}"
    answer(told, f"Witness {name} watches {', '.join(logs)}.\n{enroll}", as_json=as_json)


@witness.command()
@click.option("--origin", envvar="HANDOVER_ORIGIN", required=True, help="Address of the service.")
@_state
@as_json
def check(origin: str, state: Path, as_json: bool) -> None:
    """Look at the journal once, and cosign it if it grew from what was seen before.

    Ends with 2 when it didn't: then nothing is cosigned, and both notes are kept as evidence. Ends with 75 while the
    operator hasn't enrolled this witness.
    """
    import time

    from handover.client import PublicClient, ServiceRefused
    from handover.witness import check as look

    try:
        with PublicClient(origin) as client:
            looked = look(client, state, int(time.time()))
    except ServiceRefused as refused:
        if refused.code != "NOT_A_WITNESS":
            raise
        what = "the operator hasn't enrolled this witness, so the service takes no cosignature: handover witness show"
        raise Unreachable(what) from None
    told, line = _told(looked)
    answer(told, line, as_json=as_json)
    if not looked:
        raise click.exceptions.Exit(2)


def _told(looked: "Looked") -> tuple[dict[str, object], str]:
    from handover.witness import SENTENCES, Refused

    decided, before = looked.decided, looked.before
    if isinstance(decided, Refused):
        evidence = None if looked.evidence is None else str(looked.evidence)
        line = f"NOT cosigned: {decided.reason}: {SENTENCES[decided.reason]} (it had {before})"
        told: dict[str, object] = {"cosigned": False, "reason": str(decided.reason), "before": before}
        return told | {"evidence": evidence}, line if evidence is None else f"{line}; evidence in {evidence}"
    head = decided.checkpoint
    return (
        {"cosigned": True, "origin": head.origin, "before": before, "size": head.size, "root": head.root.hex()},
        f"{head.origin} cosigned: {head.size} entries, {head.size - before} more than before",
    )


@witness.command()
@_state
@as_json
def show(state: Path, as_json: bool) -> None:
    """Show the witness's verifier key, and what it cosigned last of each log."""
    from handover.witness import read

    kept = read(state)
    logs = [{"origin": log.origin, "size": log.size, "at": _moment(kept.last(log))} for log in kept.logs.values()]
    told = {"name": kept.name, "verifier": kept.cosigner.print(), "logs": logs}
    lines = [f"{log['origin']}: {log['size']} entries, cosigned {log['at'] or 'never'}" for log in logs]
    answer(told, "\n".join([f"{kept.name}: {told['verifier']}", *lines]), as_json=as_json)


def _moment(seconds: int | None) -> str | None:
    from datetime import UTC, datetime

    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
