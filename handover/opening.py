"""Opening on the receiver's side: what was released of a bundle becomes a folder that people and programs can read.

    dossier.json       the dossier, with the sections that were opened and the documents that were part of it
    index.html         the same to read, in Dutch (see `handover.page`)
    SECTION-N-NAME     every document as a file; the name it was given is data and made harmless

Documents that were attached by hand stand beside `dossier.json`, not in it. Nothing in the folder tells of a section
that wasn't opened. All is checked before anything is written, and built under a passing name, so a failure leaves
nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Final

from crypto.encoding import JSON, b64, integer, record
from crypto.errors import BundleAltered, EncodingRefused
from crypto.files import write_private
from crypto.keyfile import KeyFile, PublicFile
from crypto.manifest import Core
from crypto.shares import Shares
from crypto.unseal import File, Opened, Section, unseal
from handover import page
from handover.dossier import DossierRefused, Problem, dump, examine, from_json, to_json
from handover.packing import VERSION

DOSSIER: Final = "dossier.json"
PAGE: Final = "index.html"


@dataclass(frozen=True, slots=True)
class OpenedFolder:
    """What was opened: the bundle's own words about itself, the sections, and the files in the folder."""

    core: Core
    sections: tuple[str, ...]
    files: tuple[Path, ...]

    @property
    def id(self) -> str:
        """The bundle's id as it is printed."""
        return b64(self.core.bundle)


def open_bundle(
    stream: BinaryIO,
    *,
    key: KeyFile,
    sender: PublicFile,
    shares: Shares,
    out: Path,
    progress: Callable[[int], None] | None = None,
) -> OpenedFolder:
    """Open the sections whose shares are there into the new folder `out`.

    Raises CryptoError for a bundle that must not be trusted, DossierRefused for one whose sender sealed something that
    is no dossier, OSError. `expires_at` isn't judged here: it says until when the service releases.
    """
    opened = unseal(stream, key=key, sender=sender, shares=shares, out=out, finish=_write, progress=progress)
    files = tuple(file.path for section in opened.sections.values() for file in section.files)
    return OpenedFolder(opened.core, tuple(opened.sections), files)


def _write(folder: Path, opened: Opened) -> None:
    contents = {name: _content(section, name) for name, section in opened.sections.items()}
    # First: what isn't the document that its index lists must not be read as one.
    documents = [_linked(folder, name, file) for name, section in opened.sections.items() for file in section.files]
    dossier = from_json(_dossier(folder, opened.sections, contents))
    write_private(folder / DOSSIER, dump(dossier))
    fields = to_json(replace(dossier, documents=()))["sections"]
    facts = page.Facts(opened.core.sender.school, opened.core.made_at, opened.core.expires_at)
    shown: dict[str, JSON] = {name: _shown(fields.get(name), content) for name, content in contents.items()}
    write_private(folder / PAGE, page.render(facts, shown, documents).encode())


def _content(section: Section, name: str) -> dict[str, JSON]:
    """Take what packing sealed for a section; raises DossierRefused for anything else."""
    try:
        value = record(section.index, "v", "route", "source", "head", "section", "kept", "documents")
        integer(value["v"], VERSION, VERSION)
    except EncodingRefused as problem:
        raise DossierRefused((Problem(name, f"not a section as it is sealed: {problem}"),)) from None
    documents = value["documents"]
    if not isinstance(value["kept"], list) or not isinstance(documents, list) or len(documents) > len(section.files):
        raise DossierRefused((Problem(name, "not a section as it is sealed"),))
    return value


def _dossier(folder: Path, sections: Mapping[str, Section], contents: Mapping[str, dict[str, JSON]]) -> JSON:
    """Put the opened sections together again into one dossier."""
    heads = [{part: content[part] for part in ("v", "route", "source", "head")} for content in contents.values()]
    if any(head != heads[0] for head in heads):
        raise DossierRefused((Problem("head", "the sections are of different dossiers"),))
    dossier: dict[str, JSON] = {name: value for name, value in heads[0].items() if value is not None}
    dossier["sections"] = {name: content["section"] for name, content in contents.items() if content["section"]}
    dossier["documents"] = [
        _enclosed(folder, name, file, told)
        for name, content in contents.items()
        for file, told in zip(sections[name].files, _list(content["documents"]), strict=False)
    ]
    dossier["kept"] = [kept for content in contents.values() for kept in _list(content["kept"])]
    return dossier


def _enclosed(folder: Path, section: str, file: File, told: JSON) -> JSON:
    """Give a document of the dossier with its data again; what was told of it can't stand in for what it is."""
    more = told if isinstance(told, dict) else {}
    data = (folder / file.path.name).read_bytes()
    itself: dict[str, JSON] = {"section": section, "name": file.name, "type": file.media_type}
    return {**more, **itself, "sha256": file.sha256.hex(), "data": b64(data)}


def _shown(fields: JSON, content: Mapping[str, JSON]) -> JSON:
    """Choose what a reader sees of a section: its fields, and what was kept without a field of its own."""
    kept: list[JSON] = [{"plaats": one.get("path"), "waarde": one.get("value")} for one in _objects(content["kept"])]
    if not kept:
        return fields
    return {**(fields if isinstance(fields, dict) else {}), "overige_gegevens": kept}


def _linked(folder: Path, section: str, file: File) -> page.Document:
    # Typed again by what it is: a sender may say anything.
    seen = examine(folder / file.path.name, file.name)
    if (seen.size, seen.sha256) != (file.size, file.sha256.hex()):
        raise BundleAltered(f"a document of {section} isn't the one that its index says")
    return page.Document(section, file.name, file.path.name, seen.media_type, file.size, seen.flags)


def _list(value: JSON) -> list[JSON]:
    return value if isinstance(value, list) else []


def _objects(value: JSON) -> list[dict[str, JSON]]:
    return [one for one in _list(value) if isinstance(one, dict)]
