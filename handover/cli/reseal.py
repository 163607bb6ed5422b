"""`handover reseal`: seal again, in one go, what was sealed to a key that its receiver no longer uses."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from handover.cli import lines_of
from handover.cli.reading import read_dossier
from handover.cli.school import Desk, at_desk
from handover.cli.terminal import FOLDER, InputRefused, answer, as_json, progress, remark
from handover.errors import HandoverError

if TYPE_CHECKING:
    from handover.client import Client
    from handover.versions import Source
    from handover.worklist import Sent


class Incomplete(HandoverError):
    """Not everything was sealed again. `problems` says per transfer what is missing."""

    def __init__(self, missing: dict[str, str]) -> None:
        self.problems = tuple(f"{transfer}: {said}" for transfer, said in missing.items())
        super().__init__("; ".join(self.problems))


@click.command()
@click.argument("transfers", nargs=-1, metavar="[TRANSFER]...")
@click.option("--all", "everything", is_flag=True, help="All transfers of this school that wait for it.")
@click.option("--dossiers", type=FOLDER, help="Folder with dossiers called TRANSFER.xml or TRANSFER.json.")
@click.option("--changed", is_flag=True, help="Seal also files that were changed since they were packed.")
@as_json
@at_desk
def reseal(
    desk: Desk, transfers: tuple[str, ...], everything: bool, dossiers: Path | None, changed: bool, as_json: bool
) -> None:
    """Seal again what was sealed to a key that its receiver lost or replaced, and send it.

    A dossier is taken from the file that it was packed from, or from --dossiers. What can't be done is listed with what
    is missing; run it again when that is there.
    """
    from handover.resealing import workplace
    from handover.worklist import heard

    if bool(transfers) == everything:
        raise InputRefused("name transfers, or say --all")
    if desk.state is None:
        raise InputRefused("where the replica of the key log is kept must be said: --state or HANDOVER_STATE")
    now = datetime.now(UTC)
    with desk.client() as client, workplace(desk.state) as folder:
        waiting = {
            sent.transfer: sent
            for sent in heard(desk.keyfile, client.transfers("sender"), now)
            if sent.seal_again and (everything or sent.transfer in transfers)
        }
        missing = {name: "nothing to seal again" for name in transfers if name not in waiting}
        found = _find(desk, waiting.values(), dossiers, missing, changed=changed)
        done = _seal(desk, client, [(waiting[name], source) for name, source in found.items()], missing, folder)
    lines = [f"{transfer}  sealed again  {bundle}" for transfer, bundle in done.items()]
    told = {"sealed": done, "missing": missing}
    answer(told, "\n".join(lines) or "nothing was sealed again", as_json=as_json)
    if missing:
        raise Incomplete(missing)


def _find(
    desk: Desk, waiting: "Iterable[Sent]", dossiers: Path | None, missing: dict[str, str], *, changed: bool
) -> "dict[str, Source]":
    """Find the files of every transfer before anything is packed, so that all that is missing is told at once."""
    from handover.resealing import find

    found = {}
    for sent in waiting:
        try:
            found[sent.transfer] = find(desk.keyfile, sent, dossiers, changed=changed)
        except (HandoverError, OSError) as problem:
            missing[sent.transfer] = "; ".join(lines_of(problem))
    return found


def _seal(
    desk: Desk, client: "Client", found: "Sequence[tuple[Sent, Source]]", missing: dict[str, str], folder: Path
) -> dict[str, str]:
    """Pack and send one after the other; where the service fails, the rest waits for the next run."""
    from crypto.errors import CryptoError
    from handover.client import ServiceFailed
    from handover.resealing import seal_again, size

    done: dict[str, str] = {}
    if not found:
        return done
    directory, behind, failed = desk.directory(client), 0, ""
    with progress("sealing again", sum(2 * size(source) for _, source in found)) as bar:
        for sent, source in found:
            transfer = sent.transfer
            if failed:
                missing[transfer] = f"not tried: {failed}"
                continue
            try:
                dossier, _ = read_dossier(source.dossier.path)
                packed = seal_again(
                    client,
                    directory,
                    sent,
                    source,
                    dossier,
                    keyfile=desk.keyfile,
                    workplace=folder,
                    now=datetime.now(UTC),
                    progress=_from(behind, bar),
                )
                done[transfer] = packed.id
                for left in packed.left_out:
                    remark(f"{transfer}: left out: {left.place}: {left.rule}")
            except (HandoverError, CryptoError, OSError) as problem:
                missing[transfer] = "; ".join(lines_of(problem))
                failed = missing[transfer] if isinstance(problem, ServiceFailed) else ""
            behind += 2 * size(source)
    return done


def _from(behind: int, bar: Callable[[int], None]) -> Callable[[int], None]:
    return lambda done: bar(behind + done)
