"""`handover journal`: export the journal, and verify an export or a receipt on any machine."""

from pathlib import Path

import click

from handover.cli.reading import KEYS_LIMIT, read_bytes
from handover.cli.terminal import EXISTING, NEW, answer, as_json

_LACKING = {
    (True, True): "Without --key and --checkpoint this says only: consistent with itself.",
    (True, False): "Without --key this can't tell who signed the checkpoints.",
    (False, True): "Without --checkpoint this can't tell whether others were shown another log.",
}
"""What a verification can't say, by whether the key and the checkpoint are lacking."""
_OLDER = "This export is older than the checkpoint, or its end is missing: take a new one, and verify that."


@click.group()
def journal() -> None:
    """Export the journal, and verify an export or a receipt offline."""


@journal.command()
@click.argument("out", type=NEW)
@click.option("--board", help="Only what this board may see; of other boards' entries there is the hash alone.")
@as_json
def export(out: Path, board: str | None, as_json: bool) -> None:
    """Write the journal of this service into the new file OUT (operator); compressed where its name ends in .zst."""
    from contextlib import nullcontext

    from consent.export import compressed
    from crypto.files import new_file
    from handover.parts import assemble
    from handover.settings import load

    parts = assemble(load())
    written = compressed if out.suffix == ".zst" else nullcontext
    with new_file(out) as file, written(file) as into:
        count = parts.journal.export(into, board)
    answer({"entries": count, "out": str(out)}, f"{count} entries in {out}", as_json=as_json)


@journal.command()
@click.argument("export_file", metavar="EXPORT", type=EXISTING)
@click.option("--key", type=EXISTING, help="File with the log's verifier key, as `admin init` writes it.")
@click.option("--checkpoint", type=EXISTING, help="A checkpoint of the log that was kept elsewhere.")
@click.option("--witness", metavar="LINE", help="Verifier key of a witness that must have cosigned the checkpoint.")
@click.option(
    "--hashes-only", is_flag=True, help="Check order, count and leaves alone: faster, and entries stay unread."
)
@as_json
def verify(
    export_file: Path,
    key: Path | None,
    checkpoint: Path | None,
    witness: str | None,
    hashes_only: bool,
    as_json: bool,
) -> None:
    """Verify an export, offline. Without a key and a checkpoint it can only be consistent with itself.

    Ends with 2 and names every entry that isn't what it was.
    """
    from consent.verify import verify_export

    kept = None if checkpoint is None else read_bytes(checkpoint, KEYS_LIMIT)
    witnessed = [] if witness is None else [_witnessed(kept, witness)]
    report = verify_export(export_file, None if key is None else _journal_key(key), kept, hashes_only=hashes_only)
    told: dict[str, object] = {
        "origin": report.origin,
        "board": report.board,
        "size": report.size,
        "root": report.root.hex(),
        "checked": [*report.checked, *witnessed],
        "findings": [str(finding) for finding in report.findings],
    }
    lines = [*report.checked, *witnessed, *(f"NOT  {finding}" for finding in report.findings)]
    lines += [_LACKING[key is None, kept is None]] if key is None or kept is None else []
    if kept is not None and _ends_before(report.size, kept):
        lines.append(_OLDER)
    answer(told, "\n".join(lines), as_json=as_json)
    if not report:
        raise click.exceptions.Exit(2)


@journal.command()
@click.argument("file", type=EXISTING)
@click.option(
    "--key", type=EXISTING, required=True, help="File with the log's verifier key, as `admin init` writes it."
)
@as_json
def receipt(file: Path, key: Path, as_json: bool) -> None:
    """Verify a receipt offline: that an entry stands in the journal, and of which release the service said so.

    FILE is one of `receipts/` as `handover fetch` keeps them, or a bare tlog-proof. Ends with 2 where it doesn't hold.
    """
    from handover.receipts import LIMIT, verify_shown

    shown = verify_shown(read_bytes(file, LIMIT), dict(_journal_keys(key)))
    checkpoint = shown.checkpoint
    told: dict[str, object] = {
        "origin": checkpoint.origin,
        "index": shown.index,
        "leaf": shown.leaf.hex(),
        "size": checkpoint.size,
        "root": checkpoint.root.hex(),
        "transfer": shown.transfer,
        "bundle": shown.bundle,
        "sections": list(shown.sections),
    }
    lines = [f"entry {shown.index} stands in {checkpoint.origin} of {checkpoint.size} entries"]
    if shown.transfer is not None:
        released = ", ".join(shown.sections)
        lines.append(f"it is the release of {released} of transfer {shown.transfer}, bundle {shown.bundle}")
    answer(told, "\n".join(lines), as_json=as_json)


def _ends_before(size: int, note: bytes) -> bool:
    """Tell whether a log of this size ends before a checkpoint, which a finding speaks of where it can't be read."""
    from crypto.checkpoint import read_note
    from crypto.errors import CheckpointRefused

    try:
        return size < read_note(note)[0].size
    except CheckpointRefused:
        return False


def _witnessed(note: bytes | None, line: str) -> str:
    from datetime import UTC, datetime

    from crypto.cosignature import parse_cosigner, verify_cosignature

    if note is None:
        raise click.UsageError("--witness says who cosigned the --checkpoint: give both.")
    cosigner = parse_cosigner(line)
    said = verify_cosignature(note, cosigner)
    at = datetime.fromtimestamp(said.time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"witnessed by {cosigner.name} at {at}, size {said.checkpoint.size}"


def _journal_key(path: Path) -> bytes:
    return _journal_keys(path)[0][1]


def _journal_keys(path: Path) -> list[tuple[str, bytes]]:
    """Read the journals' names and keys in a file: of more than one where it lost entries and went on."""
    import re

    from crypto.checkpoint import parse_verifier

    lines = read_bytes(path, KEYS_LIMIT).decode("utf-8", "replace").splitlines()
    found = [parse_verifier(line) for line in lines if re.search(r"/journal(-[0-9]+)?\+", line)]
    if not found:
        raise click.UsageError(f"{path.name} holds no key of a journal.")
    return found
