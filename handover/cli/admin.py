"""`handover admin`: what the operator does."""

from dataclasses import dataclass
from pathlib import Path

import click

from crypto.encoding import JSON, record, text
from handover.cli import printable
from handover.cli.accountability import breach, register
from handover.cli.backup import approve_loss, backup, restore
from handover.cli.reading import KEYS_LIMIT, read_bytes, read_object
from handover.cli.sweep import certificate, sweep
from handover.cli.terminal import EXISTING, answer, as_json


@click.group()
def admin() -> None:
    """Set up, check and sweep the service."""


admin.add_command(sweep)
admin.add_command(backup)
admin.add_command(restore)
admin.add_command(approve_loss)
admin.add_command(certificate)


admin.add_command(register)
admin.add_command(breach)


@admin.command()
@click.option(
    "--origin",
    required=True,
    prompt="Address of the service (https://...)",
    help="The address that schools use, and sign for.",
)
@click.option(
    "--log",
    "log_name",
    required=True,
    prompt="Name of the logs (a host's name)",
    help="Such as handover.example; never changes again.",
)
@click.option("--root", required=True, type=EXISTING, help="PUBFILE of the register's root.")
@click.option("--certificate", type=EXISTING, help="Certificate of the first board that joins.")
@click.option("--policy", type=EXISTING, help="That board's signed choice: toestemming or wettelijk.")
@as_json
def init(
    origin: str, log_name: str, root: Path, certificate: Path | None, policy: Path | None, *, as_json: bool
) -> None:
    """Make a service in HANDOVER_HOME, or else in ./overdracht-data: keys, databases, an empty journal.

    There is no default policy: a board has chosen one when its signed statement is in the journal.
    """
    import os

    from crypto.keyfile import parse_identity_public
    from handover.admin import TRUST
    from handover.admin import init as make

    if (certificate is None) is not (policy is None):
        raise click.UsageError("A board joins with its certificate and its policy, both.")
    home = Path(os.environ.get("HANDOVER_HOME", "overdracht-data")).absolute()
    register = parse_identity_public(read_bytes(root, KEYS_LIMIT))
    if register.kind != "root":
        raise click.UsageError(f"{root.name} is the key of a board, not of a register.")
    joining = None if certificate is None or policy is None else _read_joining(certificate, policy)
    settings = make(home, origin, log_name, register.public)
    lines = (
        f"The service stands in {home}.\nKeys are in {settings.keys}: keep them out of every database backup.\n"
        f"Give {home / TRUST} to the register: it is the trust file of every school and FG.\n"
    )
    if joining is not None:
        lines += f"{_join(joining)}\n"
    else:
        lines += "No board has joined yet: `handover admin join` with a certificate and a signed policy.\n"
    answer({"home": str(home), "keys": str(settings.keys)}, lines + "Next: handover serve", as_json=as_json)


@admin.command()
@click.option("--certificate", required=True, type=EXISTING, help="Board certificate by the register's root.")
@click.option("--policy", required=True, type=EXISTING, help="The board's signed choice of policy.")
def join(certificate: Path, policy: Path) -> None:
    """Let a board join, with the policy that it has chosen and signed."""
    click.echo(printable(_join(_read_joining(certificate, policy))))


@dataclass(frozen=True, slots=True)
class _Joining:
    """A board's certificate and its signed policy, read before anything is made."""

    certificate: dict[str, JSON]
    policy: JSON
    signature: str


def _read_joining(certificate: Path, policy: Path) -> _Joining:
    chosen = record(read_object(policy, KEYS_LIMIT), "policy", "signature")
    return _Joining(read_object(certificate, KEYS_LIMIT), chosen["policy"], text(chosen["signature"]))


def _join(joining: _Joining) -> str:
    from handover import schools
    from handover.parts import assemble
    from handover.settings import load

    parts = assemble(load())
    board = schools.join(parts, joining.certificate)["board"]
    kind = schools.choose_policy(parts, board, joining.policy, joining.signature)["policy"]
    return f"Board {board} has joined, with policy {kind}."


@admin.command()
@as_json
def doctor(*, as_json: bool) -> None:
    """Check the service: settings, keys, databases, journal, backups.

    `warn` is said of what may cost data on a bad day. Ends with 2 when something must be mended (`NOT`).
    """
    from handover.doctor import doctor as look
    from handover.parts import assemble
    from handover.settings import load

    findings = look(assemble(load()))
    lines = "\n".join(f"{f.state:<5} {f.what}{f.said and ': ' + f.said}" for f in findings)
    answer({f.what: f.state for f in findings}, lines, as_json=as_json)
    if "NOT" in {f.state for f in findings}:
        raise click.exceptions.Exit(2)


@admin.group()
def witness() -> None:
    """Enroll the journal's witnesses."""


@witness.command()
@click.argument("line", metavar="LINE")
@as_json
def add(line: str, *, as_json: bool) -> None:
    """Enroll a witness by its verifier key, the line that `handover witness init` printed."""
    from handover.parts import assemble
    from handover.settings import load
    from handover.witnessing import enroll

    done = enroll(assemble(load()), line)
    answer(done, f"{done['witness']} is enrolled", as_json=as_json)
