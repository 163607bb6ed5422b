"""`handover pack` and `handover open`: sealing and opening on the school's own machine, without the service."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from consent.terms import Purpose, Route, Section
from handover.cli.reading import (
    attachment,
    read_dossier,
    read_public,
    read_shares,
    section_names,
    unlocking,
)
from handover.cli.terminal import EXISTING, NEW, InputRefused, answer, as_json, progress, remark

if TYPE_CHECKING:
    from collections.abc import Iterator

    from consent.terms import Section
    from crypto.manifest import Core
    from handover.dossier import Dossier
    from handover.opening import OpenedFolder
    from handover.packing import Packed
    from handover.versions import Source


@click.command()
@click.argument("dossier", type=EXISTING)
@click.option("--attach", multiple=True, metavar="[SECTION=]FILE", help="A file to seal too; to `reports` unless said.")
@click.option(
    "--sections", metavar="A,B", help=f"Pack only these, of {', '.join(Section)}; the others are sealed empty."
)
@click.option("--transfer", default="", help="The transfer that the bundle is for, as the service named it.")
@click.option("--purpose", type=click.Choice(list(map(str, Purpose))), help="What it is sent for.")
@click.option("--route", type=click.Choice(list(map(str, Route))), help="From which kind of school to which.")
@click.option("--from", "keyfile", type=EXISTING, required=True, help="The sending school's private key file.")
@click.option("--to", "recipient", type=EXISTING, required=True, help="The receiving school's public key file.")
@click.option("--out", type=NEW, required=True, help="File for the sealed bundle.")
@click.option("--shares", type=NEW, required=True, help="File for the release shares: for the service alone.")
@as_json
def pack(
    dossier: Path,
    attach: tuple[str, ...],
    sections: str | None,
    transfer: str,
    purpose: str | None,
    route: str | None,
    keyfile: Path,
    recipient: Path,
    out: Path,
    shares: Path,
    as_json: bool,
) -> None:
    """Seal a dossier (JSON or OSO XML) into a bundle that only one school can open.

    What the law forbids to travel is left out and listed; that can't be overruled.
    """
    if out.absolute() == shares.absolute():
        raise InputRefused("--out and --shares name the same file")
    only = None if sections is None else section_names(sections)
    attached = [attachment(text) for text in attach]
    sender = unlocking(keyfile)

    # Only now: most of what these import is there before the key file has opened.
    from handover.certifying import seal_epoch
    from handover.packing import EVERYTHING, Attachment, Order
    from handover.packing import pack as pack_dossier
    from handover.versions import remember_source

    source = _source(dossier, attached, only) if transfer else None
    content, warnings = read_dossier(dossier)
    receiver = read_public(recipient)
    total = dossier.stat().st_size + sum(path.stat().st_size for _, path in attached)
    keys = sender()
    with progress("packing", total) as done:
        packed = pack_dossier(
            content,
            [Attachment(section, path) for section, path in attached],
            keyfile=keyfile,
            sender=keys,
            recipient=receiver,
            epoch=seal_epoch(receiver),
            out=out,
            shares=shares,
            now=datetime.now(UTC),
            order=Order(transfer, purpose or "", route or ""),
            only=EVERYTHING if only is None else only,
            progress=done,
        )
    if source:
        remember_source(keyfile, transfer, source, datetime.now(UTC))
    for warning in (*warnings, *_of_another_school(content, keys.school)):
        remark(f"warning: {warning}")
    _tell_packed(packed, out, shares, receiver.fingerprint, as_json=as_json)


def _of_another_school(dossier: "Dossier", school: str | None) -> "Iterator[str]":
    """Say so where the file names another school than the one whose keys seal it. Both may be right after a merger."""
    at = dossier.sections.okr and dossier.sections.okr.huidigeschool
    if at and school and at.brincode != school[:4]:
        yield f"the dossier is of {at.brincode}, and the keys are of {school}"


def _source(dossier: Path, attached: "list[tuple[Section, Path]]", only: "frozenset[Section] | None") -> "Source":
    """Look at what is packed as it is now, to tell later whether it still is."""
    from handover.versions import File, Source

    seen = tuple((str(section), File.seen(path)) for section, path in attached)
    return Source(File.seen(dossier), seen, None if only is None else tuple(sorted(only)))


def _tell_packed(packed: "Packed", out: Path, shares: Path, fingerprint: str, *, as_json: bool) -> None:
    for left in packed.left_out:
        remark(f"left out: {left.place}: {left.rule}")
    for flagged in packed.flagged:
        remark(f"look at attachment {flagged.number}: {', '.join(flagged.flags)}")
    told: dict[str, object] = {
        "bundle": packed.id,
        "out": str(out),
        "shares": str(shares),
        "to": fingerprint,
        "sections": list(packed.sections),
        "expires_at": packed.expires_at.isoformat().replace("+00:00", "Z"),
        "left_out": [{"place": left.place, "rule": left.rule} for left in packed.left_out],
        "flagged": [{"attachment": flagged.number, "flags": list(flagged.flags)} for flagged in packed.flagged],
    }
    lines = [
        f"{out}",
        f"sealed to {fingerprint}",
        f"sections  {', '.join(packed.sections) or 'none'}",
        f"expires   {told['expires_at']}",
        f"{shares} is for the service alone: it releases the sections",
    ]
    answer(told, "\n".join(lines), as_json=as_json)


@click.command("open")
@click.argument("bundle", type=EXISTING)
@click.option("--key", "keyfile", type=EXISTING, required=True, help="The receiving school's private key file.")
@click.option("--sender", type=EXISTING, required=True, help="The sending school's public key file.")
@click.option("--shares", type=EXISTING, required=True, help="The release shares that the service gave out.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="New folder to open into.")
@as_json
def open_(bundle: Path, keyfile: Path, sender: Path, shares: Path, out: Path, as_json: bool) -> None:
    """Open the sections of a bundle whose release shares are there, into a new folder.

    The folder gets dossier.json, every document as a file, and index.html to read.
    """
    parts, public = read_shares(shares), read_public(sender)
    key = unlocking(keyfile)

    from handover.opening import open_bundle

    with bundle.open("rb") as stream, progress("opening", 2 * bundle.stat().st_size) as done:
        opened = open_bundle(stream, key=key(), sender=public, shares=parts, out=out, progress=done)
    tell_opened(opened, out, as_json=as_json)


def tell_opened(opened: "OpenedFolder", out: Path, *, as_json: bool) -> None:
    """Print what was opened, from whom, and until when the service releases it."""
    core: Core = opened.core
    told: dict[str, object] = {
        "bundle": opened.id,
        "out": str(out),
        "sender": core.sender.school,
        "sections": list(opened.sections),
        "files": [path.name for path in opened.files],
        "made_at": core.made_at.isoformat().replace("+00:00", "Z"),
        "expires_at": core.expires_at.isoformat().replace("+00:00", "Z"),
    }
    lines = [
        f"{out}",
        f"from      {core.sender.school or 'a key of no school'}",
        f"sections  {', '.join(opened.sections)}",
        f"expires   {told['expires_at']}",
    ]
    answer(told, "\n".join(lines), as_json=as_json)
