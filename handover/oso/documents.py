"""Documents inside an OSO file: base64 of a ZIP of one file, unpacked where that can be done."""

import re
from base64 import b64decode
from io import BytesIO
from typing import Final

from handover.dossier.archive import ArchiveTooLarge, ArchiveUnreadable, only_file
from handover.dossier.attachments import ALLOWED, examine
from handover.dossier.dossier import Document, document
from handover.dossier.kinds import FILE_NAME
from handover.oso.xml import Element, place

_WHITE: Final = re.compile(r"[ \t\r\n]+")


def unpacked(element: Element, section: str, name: str, told: str | None) -> tuple[Document, tuple[str, ...]]:
    """Make a document of the element `document`, and say what a person should know of it.

    What can't be unpacked is kept as it was. Raises ArchiveTooLarge for what unpacks to more than is allowed.
    """
    under = place(element.parent) if element.parent else None
    content = next(child.text for child in element.children if child.name == "bestandsinhoud")
    inner, wrapped, remarks = None, None, []
    try:
        raw = b64decode(_WHITE.sub("", content), validate=True)
    except ValueError:
        data, wrapped = content.encode(), "text"
        remarks.append("bestandsinhoud isn't base64; kept as it is")
    else:
        try:
            inner, data = _file(raw)
        except ArchiveTooLarge:
            raise
        except ArchiveUnreadable as error:
            data, wrapped = raw, "base64"
            remarks.append(f"{error}; kept as it is")
    if inner is not None and inner != name:
        remarks.append("the ZIP has another name for the file")
    made = document(
        section,
        name,
        data,
        omschrijving=told,
        under=under,
        inner=inner if inner != name else None,
        wrapped=wrapped,
    )
    return made, (*remarks, *_remarks(made))


def _file(raw: bytes) -> tuple[str, bytes]:
    inner, data = only_file(raw)
    if FILE_NAME.check(inner):
        raise ArchiveUnreadable("the ZIP has a name that can't be written")
    return inner, data


def _remarks(made: Document) -> tuple[str, ...]:
    if made.wrapped:
        return ()
    strange = made.name.rpartition(".")[2].lower() not in ALLOWED
    flags = examine(BytesIO(made.data), made.name).flags
    return ("a kind of file that OSO doesn't allow",) * strange + tuple(f"flagged: {flag}" for flag in flags)
