"""Packing on the school's side: a dossier and its attachments become one sealed bundle and its release shares.

Reading a dossier is faithful, packing is careful: what the law forbids to travel is left out, whoever sends it, and
told (`Packed.left_out`). Each section is sealed by itself, with the dossier's head; every section is there, also the
empty.

What is sealed for a section, as JSON:

    {"v": 1, "route": ..., "source": {...}, "head": {...} or null,
     "section": {...} or null, "kept": [...], "documents": [...]}

`section`, `kept` and `head` are the dossier's own. `documents` tells of the first of the sealed documents what the
dossier said of each besides its name, type and content; attachments come after these and have no entry.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from consent.terms import STATUTORY_ROWS, Ground, Section
from crypto.encoding import Printable, b64
from crypto.files import new_file
from crypto.keyfile import KeyFile, PublicFile
from crypto.seal import Content, Document, seal
from crypto.shares import print_shares
from handover import versions
from handover.dossier import Dossier, examine, to_json, travelling
from handover.dossier.attachments import Attachment as Examined
from handover.dossier.attachments import Flag
from handover.dossier.dossier import Document as Enclosed
from handover.dossier.rules import LeftOut
from handover.errors import HandoverError

VERSION: Final = 1
EVERYTHING: Final = frozenset(Section)
SHOWN_BY_VERSION: Final = frozenset(
    section for row in STATUTORY_ROWS.values() for section, need in row.items() if need.ground is Ground.STATUTORY
)
"""Sections for which inzage of a version can count. The others get a new version id in every bundle: ids stand openly
in the manifest, and one that stays or changes would tell a receiver of a section that it never got (`reports`, say)."""
LIFE: Final = timedelta(days=90)
"""How long a bundle may be released: the longest that the format allows."""
SEALED_APART: Final = ("section", "name", "type", "sha256", "data")
"""Fields of a document that are sealed as the document itself, not in its section's JSON."""


class PackingRefused(HandoverError):
    """What was asked can't be packed."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file given by hand, and the section it goes to. It is read from the disk while it is sealed."""

    section: Section
    path: Path


@dataclass(frozen=True, slots=True)
class Order:
    """What a bundle is for. Offline the fields may be empty; the service refuses a bundle with empty ones."""

    transfer: str = ""
    purpose: str = ""
    route: str = ""


@dataclass(frozen=True, slots=True)
class Flagged:
    """An attachment that a person should look at before sending: which one, counted from 1, and why."""

    number: int
    flags: tuple[Flag, ...]


@dataclass(frozen=True, slots=True)
class Packed:
    """What was packed: the bundle's id, the sections with something in them, and what was left out by which rule."""

    bundle: bytes
    sections: tuple[Section, ...]
    versions: Mapping[str, bytes]
    supersedes: bytes | None
    expires_at: datetime
    left_out: tuple[LeftOut, ...]
    flagged: tuple[Flagged, ...]

    @property
    def id(self) -> str:
        """The bundle's id as it is printed."""
        return b64(self.bundle)


def pack(
    dossier: Dossier,
    attachments: Sequence[Attachment],
    *,
    keyfile: Path,
    sender: KeyFile,
    recipient: PublicFile,
    epoch: int,
    out: Path,
    shares: Path,
    now: datetime,
    order: Order = Order(),
    only: frozenset[Section] = EVERYTHING,
    progress: Callable[[int], None] | None = None,
) -> Packed:
    """Pack what may travel of a dossier into the files `out` and `shares`; both or neither is there afterwards.

    `keyfile` is where `sender` came from: what was packed is noted beside it (see `handover.versions`). `only` limits
    the sections. Raises PackingRefused, DossierRefused, CryptoError and OSError.
    """
    if stray := [attached.section for attached in attachments if attached.section not in only]:
        raise PackingRefused(f"an attachment goes to {stray[0]}, which isn't among the sections to pack")
    travels, left_out = travelling(dossier, now.date())
    looked = [(attached, examine(attached.path, attached.path.name)) for attached in attachments]
    said = _said(travels)
    parts = {section: _part(travels, said, section, looked, only) for section in Section}
    macs: dict[str, bytes] = {
        section: versions.content_mac(sender, section, part.told)
        for section, part in parts.items()
        if section in SHOWN_BY_VERSION
    }
    chosen = versions.choose(keyfile, order.transfer, macs)
    filled = tuple(section for section, part in parts.items() if part.filled)
    with new_file(shares) as shares_file, new_file(out) as bundle_file:
        sealed = seal(
            bundle_file,
            sender=sender,
            recipient=recipient,
            epoch=epoch,
            sections=tuple(Section),
            contents={section: part.content for section, part in parts.items()},
            made_at=now,
            expires_at=now + LIFE,
            transfer=order.transfer,
            purpose=order.purpose,
            route=order.route,
            versions=chosen.versions,
            supersedes=chosen.supersedes,
            progress=progress,
        )
        shares_file.write(print_shares(sealed.shares))
        if order.transfer:
            versions.remember_packed(
                keyfile, order.transfer, sealed.core.bundle, macs, sealed.core.versions, filled, now
            )
    flagged = tuple(Flagged(number, seen.flags) for number, (_, seen) in enumerate(looked, 1) if seen.flags)
    core = sealed.core
    return Packed(core.bundle, filled, core.versions, core.supersedes, core.expires_at, left_out, flagged)


@dataclass(frozen=True, slots=True)
class _Part:
    """One section on its way: what is sealed, and all that tells one content from another."""

    content: Content
    told: Printable
    filled: bool


def _said(dossier: Dossier) -> dict[str, Any]:
    """Print a dossier without the data of its documents, which is sealed as it is."""
    return to_json(replace(dossier, documents=tuple(replace(document, data=b"") for document in dossier.documents)))


def _part(
    dossier: Dossier,
    said: Mapping[str, Any],
    section: Section,
    looked: Sequence[tuple[Attachment, Examined]],
    only: frozenset[Section],
) -> _Part:
    chosen = section if section in only else None
    inside = [document for document in dossier.documents if document.section == chosen]
    beside = [(attached.path, seen) for attached, seen in looked if attached.section is section]
    index = _index(said, chosen)
    documents = [_from_dossier(document) for document in inside] + [_from_disk(path, seen) for path, seen in beside]
    hashes = [document.sha256 for document in inside] + [seen.sha256 for _, seen in beside]
    told = [[document.name, document.media_type, sha256] for document, sha256 in zip(documents, hashes, strict=True)]
    filled = bool(index["section"] or index["kept"] or documents)
    return _Part(Content(index, documents), [index, told], filled)


def _index(said: Mapping[str, Any], section: Section | None) -> dict[str, Printable]:
    """Give what is sealed of a section, or of none: then only the head is in it."""
    return {
        "v": VERSION,
        "route": said["route"],
        "source": said["source"],
        "head": said.get("head"),
        "section": None if section is None else said["sections"].get(section),
        "kept": [kept for kept in said["kept"] if section is not None and kept.get("section") == section],
        "documents": [
            {name: told for name, told in document.items() if name not in SEALED_APART}
            for document in said["documents"]
            if document["section"] == section
        ],
    }


def _from_dossier(document: Enclosed) -> Document:
    data = document.data
    return Document(document.name, document.media_type, len(data), lambda: data, bytes.fromhex(document.sha256))


def _from_disk(path: Path, seen: Examined) -> Document:
    # The lambda and not a partial: of `open` only a call shows that these words make it unbuffered bytes.
    return Document(
        path.name, seen.media_type, seen.size, lambda: path.open("rb", buffering=0), bytes.fromhex(seen.sha256)
    )
