"""The dossier as a whole, and its JSON."""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Annotated, Any, Final, TypeAlias

from marshmallow import ValidationError

from consent.terms import Route, Section
from crypto.encoding import json_load
from crypto.errors import EncodingRefused
from handover.dossier.attachments import examine
from handover.dossier.head import Head
from handover.dossier.kinds import ANYTHING, Anything, FileName, Kind, Text
from handover.dossier.lvs import Lvs
from handover.dossier.okr import Okr
from handover.dossier.opp import Opp
from handover.dossier.problems import DossierRefused, Problem
from handover.dossier.schema import dotted, faults, schema
from handover.dossier.support import Attendance, Support
from handover.dossier.views import HandoverNotes, Reports, Views

VERSION: Final = 1
LIMIT: Final = 256 << 20
"""Bytes of one JSON dossier, documents included."""

_HEX = re.compile("[0-9a-f]{64}").fullmatch

SectionName: TypeAlias = Annotated[str, Kind(lambda text: text in tuple(Section), "not a section")]
RouteName: TypeAlias = Annotated[str, Kind(lambda text: text in tuple(Route), "not a route")]
Sha256: TypeAlias = Annotated[str, Kind(lambda text: _HEX(text) is not None, "not a SHA-256 in lower-case hex")]
Place: TypeAlias = Annotated[str, Kind(lambda text: text.startswith("/dossier"), "not a path from /dossier")]
Wrapping: TypeAlias = Annotated[str, Kind(lambda text: text in ("base64", "text"), "not base64 or text")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Which standard the dossier came in, and which version of it."""

    standard: Text
    version: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Sections:
    """The eight sections, in the order of `consent.terms.Section`."""

    okr: Okr | None = None
    opp: Opp | None = None
    lvs: Lvs | None = None
    attendance: Attendance | None = None
    support: Support | None = None
    reports: Reports | None = None
    views: Views | None = None
    handover_notes: HandoverNotes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A file that belongs to a section.

    `media_type` and `sha256` are of `data`. `under` is the element that it hangs under in an OSO file. `inner` is its
    name inside the ZIP where that differs from `name`. `wrapped` is absent for a file that OSO carries as base64 of a
    ZIP; "base64" where the ZIP couldn't be read, so that `data` is what the base64 held; "text" where even that failed
    and `data` is the element's text.
    """

    section: SectionName
    name: FileName
    media_type: Text
    sha256: Sha256
    data: bytes
    omschrijving: Text | None = None
    under: Place | None = None
    inner: FileName | None = None
    wrapped: Wrapping | None = None

    def __repr__(self) -> str:
        """Name the section and the size; what the document is called may tell too much for a log."""
        return f"Document({self.section}, {len(self.data)} bytes)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A value that no part has a field for. Without a section it belongs to none and never travels."""

    path: Place
    section: SectionName | None = None
    value: Anything


@dataclass(frozen=True, slots=True, kw_only=True)
class Dossier:
    """All that is known of one pupil for one transfer."""

    route: RouteName | None = None
    source: Source
    head: Head | None = None
    sections: Sections
    documents: tuple[Document, ...] = ()
    kept: tuple[Kept, ...] = ()


def document(section: str, name: str, data: bytes, **more: str | None) -> Document:
    """Make a document from a file's bytes: typed by what it holds, not by what it is called."""
    seen = examine(BytesIO(data), name)
    return Document(section=section, name=name, media_type=seen.media_type, sha256=seen.sha256, data=data, **more)


def to_json(dossier: Dossier) -> dict[str, Any]:
    """Give the dossier as JSON values."""
    value: dict[str, Any] = {"v": VERSION, "route": None}
    value |= schema(Dossier).dump(dossier)
    return value | {"documents": value.get("documents", []), "kept": value.get("kept", [])}


def from_json(value: Any) -> Dossier:
    """Read a dossier from JSON values; raises DossierRefused with every problem at once."""
    if not isinstance(value, dict):
        raise DossierRefused((Problem("", "not an object"),))
    if type(value.get("v")) is not int or value["v"] != VERSION:
        raise DossierRefused((Problem("v", f"not a dossier of version {VERSION}"),))
    absent: dict[str, Any] = {"route": None, "documents": [], "kept": []}
    given = {
        name: item for name, item in value.items() if name != "v" and not (name in absent and item == absent[name])
    }
    try:
        dossier: Dossier = schema(Dossier).load(given)
    except ValidationError as error:
        problems = [Problem(dotted(place), text) for place, text in faults(error.messages)]
        raise DossierRefused(tuple(problems)) from None
    problems = list(_untrue(dossier.documents))
    if problems:
        raise DossierRefused(tuple(problems))
    return dossier


def _untrue(documents: tuple[Document, ...]) -> Iterator[Problem]:
    """Compare what is said of each document with the document (bad case D5)."""
    for number, item in enumerate(documents):
        place = ("documents", number)
        if hashlib.sha256(item.data).hexdigest() != item.sha256:
            yield Problem(dotted((*place, "sha256")), "not the SHA-256 of the data")
        elif item.wrapped == "text" and not _is_text(item.data):
            yield Problem(dotted((*place, "data")), "not the text of an element")
        elif examine(BytesIO(item.data), item.name).media_type != item.media_type:
            yield Problem(dotted((*place, "type")), "not the media type that the data has")


def _is_text(data: bytes) -> bool:
    try:
        return ANYTHING.check(data.decode()) is None
    except UnicodeDecodeError:
        return False


def load(data: bytes) -> Dossier:
    """Read a JSON dossier; raises DossierRefused with every problem at once."""
    try:
        value = json_load(data, limit=LIMIT)
    except EncodingRefused as error:
        raise DossierRefused((Problem("", str(error)),)) from None
    return from_json(value)


def dump(dossier: Dossier) -> bytes:
    """Print a dossier as JSON; `load` gives it back."""
    return json.dumps(to_json(dossier), ensure_ascii=False, indent=2).encode() + b"\n"
