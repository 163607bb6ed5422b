"""Sealing again on the sender's side: a receiver has a new key, and what was sealed to its old one can't be released.

The service says in the sender's list which transfers wait for it (`seal_again`); to which key a bundle is then sealed
says the key log alone, replayed and checked. The dossier comes from the file that it was packed from, as noted beside
the key file (`handover.versions`), or from a folder where it is called after its transfer. A file that is no longer
what was packed is sealed only when somebody says so. Each transfer by itself is packed, sent and done, or left as it
was: what a stop leaves open, the next run finds.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

from consent.terms import Section
from crypto.files import locked
from handover import versions
from handover.certifying import seal_epoch
from handover.client import Client
from handover.directory import Directory
from handover.dossier import Dossier
from handover.errors import HandoverError
from handover.packing import EVERYTHING, Attachment, Order, Packed, pack
from handover.sending import send
from handover.versions import File, Source
from handover.worklist import Sent

WORKPLACE: Final = "reseal"
SUFFIXES: Final = (".json", ".xml")


class ResealingRefused(HandoverError):
    """A bundle can't be sealed again; says what is missing."""


def find(keyfile: Path, sent: Sent, folder: Path | None, *, changed: bool) -> Source:
    """Find what a transfer's bundle is packed from; raises ResealingRefused, VersionsRefused, OSError.

    A dossier in `folder` goes before the one that was noted. Where nothing was noted, the sections are those that the
    transfer asked for, and `views`: the family's own words go along. `changed` allows files that were changed since.
    """
    transfer = sent.transfer
    noted, given = versions.source_of(keyfile, transfer), _given(folder, transfer)
    if given is not None:
        asked = tuple(sorted({*sent.sections, Section.VIEWS}))
        source = Source(given, (), asked) if noted is None else replace(noted, dossier=given)
    elif noted is not None:
        source = noted
    else:
        raise ResealingRefused(f"nobody noted its file: put it into a folder as {transfer}.xml or .json (--dossiers)")
    now = replace(
        source,
        dossier=_now(source.dossier),
        attached=tuple((section, _now(file)) for section, file in source.attached),
    )
    different = [file.path.name for file, was in zip(_files(now), _files(source), strict=True) if file != was]
    if different and not changed:
        raise ResealingRefused(f"{', '.join(different)}: changed since it was packed; look at it, then say --changed")
    return now


def size(source: Source) -> int:
    """Give how many bytes there are to pack."""
    return sum(file.path.stat().st_size for file in _files(source))


def seal_again(
    client: Client,
    directory: Directory,
    sent: Sent,
    source: Source,
    dossier: Dossier,
    *,
    keyfile: Path,
    workplace: Path,
    now: datetime,
    progress: Callable[[int], None] = lambda _: None,
) -> Packed:
    """Pack a dossier for the receiver's present key and send it in the place of what was sent before.

    `progress` is told how much is done of twice the source's size: it is packed, and then sent.
    Raises KeyLogRefused where the receiver has no current key, and what packing and sending refuse.
    """
    recipient, total = directory.public_file(sent.receiver, now), size(source)
    bundle, shares = workplace / sent.transfer, workplace / f"{sent.transfer}.shares"
    packed = pack(
        dossier,
        [Attachment(Section(section), file.path) for section, file in source.attached],
        keyfile=keyfile,
        sender=client.key,
        recipient=recipient,
        epoch=seal_epoch(recipient),
        out=bundle,
        shares=shares,
        now=now,
        order=Order(sent.transfer, sent.purpose, sent.route),
        only=EVERYTHING if source.sections is None else frozenset(map(Section, source.sections)),
        progress=lambda done: progress(min(done, total)),
    )
    versions.remember_source(keyfile, sent.transfer, source, now)
    send(
        client,
        directory,
        sent.transfer,
        bundle,
        shares,
        keyfile=keyfile,
        now=now,
        progress=lambda done: progress(total + min(done, total)),
    )
    bundle.unlink()
    return packed


@contextmanager
def workplace(state: Path) -> Iterator[Path]:
    """Give a folder for bundles on their way, to one run at a time; what a killed run left there is removed first."""
    with locked(state / WORKPLACE):
        folder = state / WORKPLACE / "bundles"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            shutil.rmtree(folder)


def _given(folder: Path | None, transfer: str) -> File | None:
    if folder is None:
        return None
    there = [path for suffix in SUFFIXES if (path := folder / f"{transfer}{suffix}").is_file()]
    if len(there) > 1:
        raise ResealingRefused(f"{' and '.join(path.name for path in there)} are both there")
    return File.seen(there[0]) if there else None


def _files(source: Source) -> Sequence[File]:
    return [source.dossier, *(file for _, file in source.attached)]


def _now(file: File) -> File:
    try:
        return File.seen(file.path)
    except FileNotFoundError:
        raise ResealingRefused(f"{file.path.name}: it isn't any more where it was packed from") from None
