"""Fetching as the receiver: every section is asked for by itself, and what is released is checked and opened.

The new folder holds all of it, or isn't there:

    bundle              the container with the sections that were released
    shares.json         their release shares
    receipts/okr.json   per section the service's receipt, verified (see `handover.receipts`)
    dossier/            what was opened (see `handover.opening`)

A section that isn't released leaves no trace: neither whether it was refused, withdrawn, never asked for or empty.
"""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from consent.terms import Section
from crypto.bundle import Reader, write_container
from crypto.checkpoint import Checkpoint
from crypto.encoding import JSON, Printable, b64, canon, integer, record, unb64
from crypto.errors import BundleAltered, EncodingRefused, TargetExists
from crypto.files import fsync_folder, new_file, partial_of, write_private
from crypto.manifest import SECRET_SIZE
from crypto.shares import Shares, print_shares
from handover.client import Client, Release, ServiceFailed, ServiceRefused
from handover.directory import Directory
from handover.errors import HandoverError
from handover.opening import OpenedFolder, open_bundle
from handover.receipts import verify_release
from handover.trust import Trust

NOT_RELEASED: Final = "NOT_AUTHORISED"
BUNDLE: Final = "bundle"
SHARES: Final = "shares.json"
RECEIPTS: Final = "receipts"
DOSSIER: Final = "dossier"


class FetchingRefused(HandoverError):
    """Nothing was released, or what came isn't what was asked for."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """One section as it came: where its container was put, its share, its receipt."""

    path: Path
    bundle: str
    share: bytes
    receipt: JSON


def fetch(
    client: Client,
    directory: Directory,
    trust: Trust,
    transfer: str,
    sections: Sequence[Section],
    out: Path,
    compare: Callable[[set[Checkpoint]], None],
    progress: Callable[[int], None] | None = None,
) -> OpenedFolder:
    """Ask for sections of a transfer and open what is released into the new folder `out`.

    `compare` is given the receipts' checkpoints before anything is opened, and raises where one isn't of the journal as
    the school knows it. Raises FetchingRefused, ReceiptRefused, CryptoError, ServiceRefused, ServiceFailed; then the
    folder isn't there.
    """
    if os.path.lexists(out):
        raise TargetExists("there is something with the name of the output already")
    with _new_folder(out) as folder, ExitStack() as files:
        pieces = {name: piece for name in sections if (piece := _ask(client, transfer, name, folder)) is not None}
        if not pieces:
            raise FetchingRefused("nothing was released; the sender and the family can see what would allow it")
        compare(_check_receipts(trust, transfer, pieces))
        readers = {name: Reader(files.enter_context(piece.path.open("rb"))) for name, piece in pieces.items()}
        first = next(iter(readers.values()))
        if any(reader.manifest_bytes != first.manifest_bytes for reader in readers.values()):
            raise FetchingRefused("a newer version came in between: fetch again")
        core = first.manifest.core
        if any(piece.bundle != b64(core.bundle) for piece in pieces.values()):
            raise FetchingRefused("the container is of another bundle than the receipt")
        sender = directory.signer(core.sender.school or "", core.sender.kid, core.made_at)
        with new_file(folder / BUNDLE) as container:
            raw: dict[str, Iterator[bytes]] = {name: _section(reader, name) for name, reader in readers.items()}
            for chunk in write_container(first.manifest_bytes, first.signatures, raw):
                container.write(chunk)
        shares = Shares(core.bundle, core.recipient.kid, {name: piece.share for name, piece in pieces.items()})
        write_private(folder / SHARES, print_shares(shares))
        _write_receipts(folder, pieces)
        for piece in pieces.values():
            piece.path.unlink()
        with (folder / BUNDLE).open("rb") as stream:
            inside = folder / DOSSIER
            return open_bundle(stream, key=client.key, sender=sender, shares=shares, out=inside, progress=progress)


def _ask(client: Client, transfer: str, section: Section, folder: Path) -> _Piece | None:
    """Put one question; None where the answer is no."""
    path = folder / f"{section}.part"
    try:
        with client.release(transfer, section) as release, path.open("xb") as file:
            for chunk in release.container:
                file.write(chunk)
            return _piece(release, transfer, section, path)
    except ServiceRefused as refused:
        if refused.code != NOT_RELEASED:
            raise
        return None


def _piece(release: Release, transfer: str, section: Section, path: Path) -> _Piece:
    try:
        head = record(release.head, "v", "transfer", "bundle", "shares", "receipt")
        integer(head["v"], 1, 1)
        share = unb64(record(head["shares"], section)[section], SECRET_SIZE)
    except EncodingRefused:
        raise ServiceFailed("the release isn't in the form that was agreed") from None
    bundle = head["bundle"]
    if head["transfer"] != transfer or not isinstance(bundle, str):
        raise ServiceFailed("the release is of another transfer")
    return _Piece(path, bundle, share, head["receipt"])


def _check_receipts(trust: Trust, transfer: str, pieces: Mapping[Section, _Piece]) -> set[Checkpoint]:
    return {
        verify_release(piece.receipt, trust, transfer=transfer, bundle=piece.bundle, sections=[section])
        for section, piece in pieces.items()
    }


def _section(reader: Reader, wanted: Section) -> Iterator[bytes]:
    """Give the one section of a container, as the reader checks it; any other in it is refused."""
    found = False
    for name, pieces in reader.sections():
        if name != wanted:
            raise BundleAltered(f"a section came that wasn't asked for, in the place of {wanted}")
        found = True
        yield from pieces
    if not found:
        raise BundleAltered(f"{wanted} was released, but isn't in the container")


def _write_receipts(folder: Path, pieces: Mapping[Section, _Piece]) -> None:
    (folder / RECEIPTS).mkdir(0o700)
    for section, piece in pieces.items():
        kept: Printable = {"v": 1, "bundle": piece.bundle, "receipt": piece.receipt}
        write_private(folder / RECEIPTS / f"{section}.json", canon(kept))


@contextmanager
def _new_folder(out: Path) -> Iterator[Path]:
    """Build a folder under a passing name; whatever goes wrong leaves nothing."""
    partial = partial_of(out)
    partial.mkdir(0o700)
    try:
        yield partial
        fsync_folder(partial)
        partial.rename(out)
    except BaseException:
        shutil.rmtree(partial)
        raise
    fsync_folder(out.parent)
