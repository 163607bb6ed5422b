"""The commands of a school that talk to the service: transfers, sending, fetching, acknowledging.

Each takes the client's settings as options or from the environment. None has a default: nothing is trusted by itself.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

import click

from consent.terms import Purpose, Route, Section
from handover.answers import said
from handover.cli.reading import CUSTODY_LIMIT, custody_in, read_keyfile, read_object, school_code, section_names
from handover.cli.rows import of_receiver, of_sender
from handover.cli.terminal import EXISTING, FOLDER, InputRefused, answer, as_json, progress, remark
from handover.roles import Role

if TYPE_CHECKING:
    from datetime import date

    from crypto.checkpoint import Checkpoint
    from crypto.encoding import JSON
    from handover.client import Client
    from handover.directory import Directory
    from handover.trust import Trust

C = TypeVar("C", bound="Client")
P = ParamSpec("P")
R = TypeVar("R")
SECTIONS = f"Of {', '.join(Section)}."


@dataclass(frozen=True, slots=True)
class Desk:
    """Who works where: the client's settings, not yet opened."""

    origin: str
    keyfile: Path
    staff: str
    role: str
    root: Path | None
    state: Path | None

    def client(self) -> "Client":
        """Open the key file and make a client."""
        from handover.client import Client

        return self.client_of(Client)

    def client_of(self, kind: "type[C]") -> "C":
        """Open the key file and make a client of a kind."""
        from handover.client import Staff

        staff = Staff(self.staff, Role(self.role))
        return kind(self.origin, read_keyfile(self.keyfile), staff, seen=self._seen())

    def _seen(self) -> "bytes | None":
        from handover.following import newest

        return None if self.root is None or self.state is None else newest(self.trust(), self.state)

    def follow(self, client: "Client") -> None:
        """Look at the service's journal, and refuse one that doesn't follow on what was seen of it before."""
        from handover.following import follow

        folder = self.folder()
        follow(client, self.trust(), folder)

    def compare(self, client: "Client") -> "Callable[[set[Checkpoint]], None]":
        """Give what compares the checkpoints of receipts with the journal that the service shows to all."""
        from handover.following import compare

        return lambda receipts: compare(client, self.trust(), self.folder(), receipts)

    def folder(self) -> Path:
        """Give the folder in which the school keeps what it has seen of the logs."""
        if self.state is None:
            raise InputRefused("where what was seen of the logs is kept must be said: --state or HANDOVER_STATE")
        return self.state

    def trust(self) -> "Trust":
        """Read the trust file."""
        from handover.trust import read_trust

        if self.root is None:
            raise InputRefused("whom to trust must be said: --root or HANDOVER_ROOT")
        return read_trust(self.root)

    def directory(self, client: "Client") -> "Directory":
        """Bring the replica of the key log up to date, and check one's own school in it."""
        from handover.directory import refresh

        folder = self.folder()
        directory = refresh(client, self.trust(), folder)
        directory.check_own(client.key, datetime.now(UTC))
        return directory


_OPTIONS = (
    click.option("--origin", envvar="HANDOVER_ORIGIN", required=True, help="Address of the service."),
    click.option("--keyfile", envvar="HANDOVER_KEYFILE", type=EXISTING, required=True, help="The school's key file."),
    click.option("--staff", envvar="HANDOVER_STAFF", required=True, help="Pseudonym of the member of staff."),
    click.option(
        "--role", envvar="HANDOVER_ROLE", type=click.Choice(list(map(str, Role))), required=True, help="As what."
    ),
    click.option("--root", envvar="HANDOVER_ROOT", type=EXISTING, help="The trust file: root and logs."),
    click.option("--state", envvar="HANDOVER_STATE", type=FOLDER, help="Folder for what was seen of the logs."),
)


def at_desk(command: Callable[Concatenate[Desk, P], R]) -> Callable[P, R]:
    """Give a command the client's settings, as its options, in one value."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        settings = {name: kwargs.pop(name) for name in ("origin", "keyfile", "staff", "role", "root", "state")}
        return command(Desk(**settings), *args, **kwargs)  # type: ignore[arg-type]

    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped


@click.group()
def transfer() -> None:
    """Open, list and cancel transfers."""


@transfer.command("pupil")
@click.argument("file", type=EXISTING)
@as_json
@at_desk
def pupil(desk: Desk, file: Path, as_json: bool) -> None:
    """Register a pupil of one's own board.

    From a file and not from options: a child's name doesn't belong in the shell's history. FILE is JSON:

    \b
    {"number": "L-2042", "first_name": "Noor", "birth_date": "2014-03-14",
     "custody": {"holders": [
         {"name": "Sanne Voorbeeld", "mail": "sanne@gezin.example", "role": "guardian"}],
       "evidence": {"kind": "gezagsregister", "date": "2026-11-20", "staff": "s-1"}}}

    `number` is the board's own, never a BSN. `custody` is as `handover custody state --help` explains.
    """
    number, first_name, born, custody = _registration(file)
    with desk.client() as client:
        made = client.new_pupil(number, first_name, born, custody)
    tell(made, "pupil", as_json=as_json)


def _registration(file: Path) -> "tuple[str, str, date, dict[str, JSON]]":
    from datetime import date

    from crypto.encoding import record, text
    from crypto.errors import EncodingRefused

    try:
        said = record(read_object(file, CUSTODY_LIMIT), "number", "first_name", "birth_date", "custody")
        number, first_name, born = (text(said[name]) for name in ("number", "first_name", "birth_date"))
        return number, first_name, date.fromisoformat(born), custody_in(said, file)
    except EncodingRefused as problem:
        raise InputRefused(f"{file.name}: {problem}; see --help") from None
    except ValueError:
        raise InputRefused(f"{file.name}: birth_date is no day such as 2014-03-14") from None


@transfer.command("group")
@click.argument("pupil_id", metavar="PUPIL")
@click.argument("label", required=False)
@as_json
@at_desk
def group(desk: Desk, pupil_id: str, label: str | None, as_json: bool) -> None:
    """Note in which class a pupil is, such as 8a; without a label it is in none. See `handover season`."""
    from handover.assisting import AssistingClient

    with desk.client_of(AssistingClient) as client:
        said(client.set_group(pupil_id, label), "pupil")
    answer({"pupil": pupil_id, "group": label}, f"{pupil_id} {label or 'in no class'}", as_json=as_json)


@transfer.command("new")
@click.option("--pupil", "pupil_id", required=True, help="The pupil, as the service named it.")
@click.option("--to", "receiver", required=True, help="The receiving school: BRIN and vestiging.")
@click.option(
    "--route", type=click.Choice(list(map(str, Route))), required=True, help="From which kind of school to which."
)
@click.option("--purpose", type=click.Choice(list(map(str, Purpose))), required=True, help="What it is sent for.")
@click.option("--sections", required=True, metavar="A,B", help=f"What is to be sent. {SECTIONS}")
@as_json
@at_desk
def new(desk: Desk, pupil_id: str, receiver: str, route: str, purpose: str, sections: str, as_json: bool) -> None:
    """Open a transfer of one pupil's dossier to one school."""
    wanted = section_names(sections)
    names = [section for section in Section if section in wanted]
    with desk.client() as client:
        made = client.new_transfer(pupil_id, school_code(receiver), route, purpose, names)
    tell(made, "transfer", as_json=as_json)


@transfer.command("list")
@as_json
@at_desk
def list_(desk: Desk, as_json: bool) -> None:
    """List the transfers that this school sends."""
    _list(desk, "sender", as_json=as_json)


@transfer.command("cancel")
@click.argument("transfer_id", metavar="TRANSFER")
@as_json
@at_desk
def cancel(desk: Desk, transfer_id: str, as_json: bool) -> None:
    """Cancel a transfer. A wrong receiver is cancelled, never redirected."""
    with desk.client() as client:
        tell(client.cancel(transfer_id), "state", as_json=as_json)


@transfer.command("invite")
@click.argument("transfer_id", metavar="TRANSFER")
@click.argument("person")
@as_json
@at_desk
def invite(desk: Desk, transfer_id: str, person: str, as_json: bool) -> None:
    """Invite somebody who may speak for the pupil. The code goes to that person alone, and ends an earlier one."""
    with desk.client() as client:
        tell(client.invite(transfer_id, person), "person", as_json=as_json)
    remark("A code that this person got before for this transfer works no more: only the newest mail's does.")


@transfer.command("apply")
@click.argument("transfer_id", metavar="TRANSFER")
@as_json
@at_desk
def apply(desk: Desk, transfer_id: str, as_json: bool) -> None:
    """Confirm, as the receiver, that the pupil has applied (aanmelding)."""
    with desk.client() as client:
        said(client.confirm_application(transfer_id), "transfer")
    answer({"transfer": transfer_id, "applied": True}, f"{transfer_id} applied", as_json=as_json)


@transfer.command("law")
@click.argument("transfer_id", metavar="TRANSFER")
@click.option("--sections", required=True, metavar="A,B", help=f"What the law lets go without consent. {SECTIONS}")
@as_json
@at_desk
def law(desk: Desk, transfer_id: str, sections: str, as_json: bool) -> None:
    """Invoke the law for sections, where the board chose the policy `wettelijk`."""
    wanted = section_names(sections)
    names = [section for section in Section if section in wanted]
    with desk.client() as client:
        said(client.invoke_law(transfer_id, names), "transfer")
    answer({"transfer": transfer_id, "sections": names}, f"{transfer_id} {', '.join(names)}", as_json=as_json)


@click.command()
@click.argument("transfer_id", metavar="TRANSFER")
@click.argument("bundle", type=EXISTING)
@click.option("--shares", type=EXISTING, required=True, help="The bundle's shares; deleted once the service has them.")
@as_json
@at_desk
def send(desk: Desk, transfer_id: str, bundle: Path, shares: Path, as_json: bool) -> None:
    """Send a sealed bundle with its release shares."""
    from handover.sending import send as send_bundle

    with desk.client() as client, progress("sending", bundle.stat().st_size) as done:
        directory, now = desk.directory(client), datetime.now(UTC)
        told = send_bundle(client, directory, transfer_id, bundle, shares, keyfile=desk.keyfile, now=now, progress=done)
    tell(told, "bundle", as_json=as_json)


@click.command()
@as_json
@at_desk
def inbox(desk: Desk, as_json: bool) -> None:
    """List the transfers that are addressed to this school."""
    _list(desk, "receiver", as_json=as_json)


@click.command()
@click.argument("transfer_id", metavar="TRANSFER")
@click.option("--sections", metavar="A,B", help=f"Ask for these only; each is a question of its own. {SECTIONS}")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="New folder for what is released.")
@as_json
@at_desk
def fetch(desk: Desk, transfer_id: str, sections: str | None, out: Path, as_json: bool) -> None:
    """Ask for the sections of a transfer, one by one, and open what is released.

    The folder gets the bundle, its shares, the receipts, and the opened dossier in `dossier`.
    """
    from handover.cli.pack import tell_opened
    from handover.fetching import DOSSIER
    from handover.fetching import fetch as fetch_sections

    wanted = frozenset(Section) if sections is None else section_names(sections)
    names = [section for section in Section if section in wanted]
    with desk.client() as client:
        desk.follow(client)
        directory, trust, compare = desk.directory(client), desk.trust(), desk.compare(client)
        opened = fetch_sections(client, directory, trust, transfer_id, names, out, compare)
    tell_opened(opened, out / DOSSIER, as_json=as_json)


@click.command()
@click.argument("transfer_id", metavar="TRANSFER")
@click.option("--placed/--not-placed", default=None, help="Whether the pupil has a place; leave out while unknown.")
@click.option("--used-for", multiple=True, type=click.Choice(["support", "class", "teaching"]), help="What it served.")
@as_json
@at_desk
def ack(desk: Desk, transfer_id: str, placed: bool | None, used_for: tuple[str, ...], as_json: bool) -> None:
    """Confirm receipt, and say whether the pupil was placed and what the dossier was used for."""
    with desk.client() as client:
        said(client.acknowledge(transfer_id, placed, used_for or None), "transfer")
    answer({"transfer": transfer_id, "received": True, "placed": placed}, f"{transfer_id} received", as_json=as_json)


def _list(desk: Desk, side: str, *, as_json: bool) -> None:
    from handover.worklist import heard

    with desk.client() as client:
        if desk.root is not None and desk.state is not None:
            desk.follow(client)
        rows = list(client.transfers(side))
    if side == "sender":
        heard(desk.keyfile, rows, datetime.now(UTC))
    lay_out = of_sender if side == "sender" else of_receiver
    lines = [line for row in rows for line in lay_out(row)]
    answer({"transfers": rows}, "\n".join(lines) or "no transfers", as_json=as_json)


def tell(value: "dict[str, JSON]", name: str, *, as_json: bool) -> None:
    """Print what the service answered: first the one value that the next command asks for, then the rest by name."""
    lines = [said(value, name)]
    for key, told in value.items():
        if isinstance(told, list):
            lines += [f"{key}:", *(f"  {_row(each)}" for each in told)]
        elif key != name and told is not None:
            lines.append(f"{key}: {told}")
    answer(value, "\n".join(lines), as_json=as_json)


def _row(value: "JSON") -> str:
    return "  ".join(map(str, value.values())) if isinstance(value, dict) else str(value)
