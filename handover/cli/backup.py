"""`handover admin backup`, `restore` and `approve-loss`: how a service comes back after a disaster."""

from pathlib import Path

import click

from handover.cli.reading import read_bytes
from handover.cli.terminal import EXISTING, FOLDER, NEW, answer, as_json

LIMIT = 1 << 16


@click.command()
@click.option("--out", type=FOLDER, help="Folder for both copies and their manifests.")
@click.option(
    "--confirm",
    "confirmed",
    type=FOLDER,
    multiple=True,
    help="A safe place that holds a copy of the newest backup, or both; name each place.",
)
@as_json
def backup(out: Path | None, confirmed: tuple[Path, ...], *, as_json: bool) -> None:
    """Copy main database and key store as of one moment; or confirm that both copies are safe.

    The copies belong in two places. Keys of epochs that ended before a confirmed backup are destroyed, and an older
    backup is worth nothing from then on: it may be thrown away.
    """
    from handover.backup import backup as take
    from handover.backup import checked, confirm, print_manifest
    from handover.parts import assemble
    from handover.settings import load

    if (out is None) is not bool(confirmed):
        raise click.UsageError("Either --out FOLDER, or --confirm FOLDER.")
    parts = assemble(load())
    if out is not None:
        manifests = [str(manifest) for manifest in take(parts, out)]
        answer({"manifests": manifests}, "\n".join(manifests), as_json=as_json)
        return
    said = checked(confirmed)
    ended, dropped = confirm(parts, [print_manifest(each) for each in said])
    told = {"files": [each.file for each in said], "epochs_ended": list(ended), "shipments_removed": dropped}
    keys = "".join(f"\nThe key of epoch {number} is destroyed." for number in ended)
    line = f"Confirmed: {' and '.join(each.file for each in said)}.{keys}\nShipments removed: {dropped}."
    answer(told, f"{line}\nOlder backups may be thrown away.", as_json=as_json)


@click.command()
@click.argument("folders", type=FOLDER, nargs=-1, required=True, metavar="FOLDER...")
@click.option("--replace", is_flag=True, help="Let go of what the databases hold now.")
@click.option("--known", type=EXISTING, multiple=True, help="A checkpoint that somebody kept, as a witness has it.")
@click.option("--accept-loss", type=(EXISTING, EXISTING), metavar="APPROVAL APPROVAL", help="Two people's approvals.")
@as_json
def restore(
    folders: tuple[Path, ...],
    replace: bool,
    known: tuple[Path, ...],
    accept_loss: tuple[Path, Path] | None,
    *,
    as_json: bool,
) -> None:
    """Put the service back from a backup and the second place, to where its last answer left it.

    Of each FOLDER, one or two, it takes the newest backup: both copies, each beside its manifest.

    Stop the service first. Ends with 2, and touches nothing, when something would be lost: then it says what.
    """
    from handover.backup import newest
    from handover.loss import read_approval
    from handover.restoring import restore as put_back
    from handover.settings import load

    done = put_back(
        load(),
        *newest(folders),
        replace=replace,
        known=[read_bytes(path, LIMIT) for path in known],
        approvals=[read_approval(read_bytes(path, LIMIT)) for path in accept_loss or ()],
    )
    lines = [
        f"Restored: {done.size} entries, {done.shipments} shipments put back upon the backup.",
        f"Log: {done.origin}",
    ]
    lines += [f"LOST: {each}" for each in done.lost]
    if done.lost:
        lines += [
            "What was said before the loss is suspended: schools state custody, ask, and confirm applications again.",
            "Holds and restrictions may be lost: place them again, then `handover admin sweep --accept-loss`.",
            "Whether an FG who approved had been revoked in what was lost, nobody knows: ask both boards.",
            "Give trust.txt to the register: schools and witnesses follow this log under its new name.",
        ]
    lines += [f"Enroll again: witness {name}" for name in done.witnesses]
    told = {"size": done.size, "root": done.root.hex(), "origin": done.origin, "shipments": done.shipments}
    answer(told | {"lost": list(done.lost), "witnesses": list(done.witnesses)}, "\n".join(lines), as_json=as_json)


@click.command("approve-loss")
@click.argument("statement", type=EXISTING)
@click.option(
    "--key", "key_file", type=EXISTING, required=True, help="Private key of an FG, or of the register's root."
)
@click.option("--reason", required=True, help="Why the service goes on without what was lost.")
@click.option("--out", type=NEW, required=True, help="New file for the approval.")
@as_json
def approve_loss(statement: Path, key_file: Path, reason: str, out: Path, *, as_json: bool) -> None:
    """Approve of what a restore would lose, on your own machine, after reading STATEMENT."""
    import json

    from crypto.files import write_private
    from crypto.keyfile import parse_identity
    from handover.cli.terminal import passphrase
    from handover.loss import approve, read_statement

    said = read_statement(read_bytes(statement, LIMIT))
    key = parse_identity(read_bytes(key_file, LIMIT), passphrase(key_file))
    write_private(out, approve(said, reason, key))
    lines = [json.dumps(said, indent=1, ensure_ascii=False), f"Approved by {key.kind} {key.kid.hex()[:16]}: {out}"]
    answer({"out": str(out), "statement": said, "kid": key.kid.hex()}, "\n".join(lines), as_json=as_json)
