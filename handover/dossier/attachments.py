"""What an attachment is, by what it holds, and what in it could act or reach out.

A file is never rendered or opened here, and never held in memory whole: it is read once in pieces, and office files are
then looked into as the archives they are. The name counts for one thing only: whether it agrees. Flags are hints for a
person; the absence of a flag is no promise (an encrypted file, say, hides what it has).
"""

import codecs
import hashlib
import re
import zlib
from contextlib import nullcontext
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, Final

from handover.dossier.archive import Archive, ArchiveTooLarge, ArchiveUnreadable, opened

PIECE: Final = 1 << 16
OVERLAP: Final = 64
UNPACKED_MAX: Final = 2 << 30
"""Bytes that an attached archive may say it unpacks to. Only the beginnings of its entries are ever unpacked."""
UNKNOWN: Final = "application/octet-stream"
ZIP: Final = "application/zip"
PDF: Final = "application/pdf"
OLE: Final = "application/x-ole-storage"
OFFICE: Final = "application/vnd.openxmlformats-officedocument."


class Flag(StrEnum):
    """What a person should know before opening an attachment."""

    MACROS = "macros"
    ACTIVE_PDF = "active-pdf"
    EMBEDDED_FILES = "embedded-files"
    OLE_OBJECT = "ole-object"
    EXTERNAL_LINK = "external-link"
    MARKUP = "markup"
    ENCRYPTED = "encrypted"
    ARCHIVE = "archive"
    NESTED_ARCHIVE = "nested-archive"
    DAMAGED = "damaged"  # some of it couldn't be looked into
    OVERSIZED = "oversized"  # an archive that unpacks to too much
    POLYGLOT = "polyglot"
    NAME_DISAGREES = "name-disagrees"


@dataclass(frozen=True, slots=True)
class Attachment:
    """What was seen of a file: its media type by content, size in bytes, SHA-256 in hex, and flags in their order."""

    media_type: str
    size: int
    sha256: str
    flags: tuple[Flag, ...]


_MAGIC: Final = (
    (b"%PDF-", PDF),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"PK\x03\x04", ZIP),
    (b"PK\x05\x06", ZIP),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", OLE),
    (b"{\\rtf", "application/rtf"),
)
# The directory of an OLE file names its streams in UTF-16; one of these tells which program wrote it.
_OLE_STREAMS: Final = {
    "WordDocument".encode("utf-16-le"): "application/msword",
    "Workbook".encode("utf-16-le"): "application/vnd.ms-excel",
    "PowerPoint Document".encode("utf-16-le"): "application/vnd.ms-powerpoint",
}
_OFFICE_PARTS: Final = {
    "word/": OFFICE + "wordprocessingml.document",
    "xl/": OFFICE + "spreadsheetml.sheet",
    "ppt/": OFFICE + "presentationml.presentation",
}
_NAMED: Final = {
    "pdf": {PDF},
    "png": {"image/png"},
    "jpg": {"image/jpeg"},
    "jpeg": {"image/jpeg"},
    "gif": {"image/gif"},
    "zip": {ZIP},
    "rtf": {"application/rtf"},
    "txt": {"text/plain"},
    "doc": {"application/msword", OLE},
    "xls": {"application/vnd.ms-excel", OLE},
    "ppt": {"application/vnd.ms-powerpoint", OLE},
    "docx": {OFFICE + "wordprocessingml.document"},
    "xlsx": {OFFICE + "spreadsheetml.sheet"},
    "pptx": {OFFICE + "presentationml.presentation"},
    "odt": {"application/vnd.oasis.opendocument.text"},
    "ods": {"application/vnd.oasis.opendocument.spreadsheet"},
    "odp": {"application/vnd.oasis.opendocument.presentation"},
}
ALLOWED: Final = frozenset({*_NAMED, "odf"} - {"gif", "rtf", "zip"})
"""Extensions that OSO allows for a document."""

_MARKUP = re.compile(rb"<\s*(!doctype\s+html|html|script|svg|iframe|body)\b", re.IGNORECASE)
_PDF_SIGNS: Final = (
    (
        re.compile(rb"/(JavaScript|JS|Launch|OpenAction|AA|RichMedia|XFA|SubmitForm|ImportData)(?![A-Za-z])"),
        Flag.ACTIVE_PDF,
    ),
    (re.compile(rb"/(EmbeddedFiles?|Filespec)(?![A-Za-z])"), Flag.EMBEDDED_FILES),
    (re.compile(rb"/(URI|GoToR|GoToE)(?![A-Za-z])"), Flag.EXTERNAL_LINK),
    (re.compile(rb"/Encrypt(?![A-Za-z])"), Flag.ENCRYPTED),
)
_PDF_ESCAPE = re.compile(rb"#([0-9A-Fa-f]{2})")
_OBJECTS = re.compile(rb"/ObjStm(?![A-Za-z])")
_OBJECTS_MAX: Final = 1000
_MACRO_SIGNS: Final = tuple(word.encode("utf-16-le") for word in ("_VBA_PROJECT", "VBA"))
_OLE_NATIVE: Final = "Ole10Native".encode("utf-16-le")
_LINKED = re.compile(rb"""TargetMode\s*=\s*["']External|xlink:href\s*=\s*["'](https?|ftp|file|smb):""")
_TEXT = re.compile(rb"[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*").fullmatch


class _Scan:
    """One pass over a file: size, hash, first bytes, signs of activity, and whether it can be text."""

    def __init__(self, stream: BinaryIO) -> None:
        self.size = 0
        self.head = b""
        self.flags: set[Flag] = set()
        self.objects: list[int] = []
        self.ole = OLE
        self.is_text = True
        digest = hashlib.sha256()
        rest = b""
        while piece := stream.read(PIECE):
            if not self.size:
                self.head = piece[:1024]
            digest.update(piece)
            self._look(rest + piece, self.size - len(rest))
            rest = piece[-OVERLAP:]
            self.size += len(piece)
        self.sha256 = digest.hexdigest()

    @property
    def magic(self) -> str | None:
        return next((kind for magic, kind in _MAGIC if self.head.startswith(magic)), None)

    def _look(self, window: bytes, start: int) -> None:
        match self.magic:
            case "application/pdf":
                self._look_in_pdf(window, start)
            case "application/x-ole-storage":
                self._look_in_ole(window)
            case None:
                self.is_text = self.is_text and (self._is_utf16() or _TEXT(window) is not None)

    def _look_in_pdf(self, window: bytes, start: int) -> None:
        self.flags |= _signs(window)
        found = (start + match.start() for match in _OBJECTS.finditer(window))
        self.objects += [at for at in found if at not in self.objects[-1:]][: _OBJECTS_MAX - len(self.objects)]

    def _look_in_ole(self, window: bytes) -> None:
        self.ole = next((kind for name, kind in _OLE_STREAMS.items() if name in window), self.ole)
        if any(sign in window for sign in _MACRO_SIGNS):
            self.flags.add(Flag.MACROS)
        if _OLE_NATIVE in window:
            self.flags.add(Flag.OLE_OBJECT)

    def _is_utf16(self) -> bool:
        return self.head[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def _signs(pdf: bytes) -> set[Flag]:
    """Look for the names of PDF's actions; a name may be written with #xx for any of its characters."""
    plain = _PDF_ESCAPE.sub(lambda match: bytes([int(match[1], 16)]), pdf)
    return {flag for sign, flag in _PDF_SIGNS if sign.search(plain)}


def examine(source: Path | BinaryIO, name: str) -> Attachment:
    """Type a file by its content and flag what could act; `source` is a path or a seekable stream, read from its start.

    Never raises for what a file holds; OSError where it can't be read.
    """
    with source.open("rb") if isinstance(source, Path) else nullcontext(source) as stream:
        stream.seek(0)
        scan = _Scan(stream)
        flags = set(scan.flags)
        kind = _kind(stream, scan, flags)
        if kind == PDF:
            _look_into_objects(stream, scan.objects, flags)
        if _has_two_faces(stream, scan, kind):
            flags.add(Flag.POLYGLOT)
    expected = _NAMED.get(name.rpartition(".")[2].lower())
    if scan.size and expected is not None and kind not in expected:
        flags.add(Flag.NAME_DISAGREES)
    return Attachment(kind, scan.size, scan.sha256, tuple(flag for flag in Flag if flag in flags))


def _kind(stream: BinaryIO, scan: _Scan, flags: set[Flag]) -> str:
    match scan.magic:
        case "application/x-ole-storage":
            return scan.ole
        case "application/zip":
            return _look_into_zip(stream, flags)
        case None if not scan.size or not scan.is_text:
            return UNKNOWN
        case None if _MARKUP.search(scan.head):
            flags.add(Flag.MARKUP)
            return "text/html"
        case None:
            return "text/plain"
        case magic:
            return magic


def _look_into_zip(stream: BinaryIO, flags: set[Flag]) -> str:
    try:
        with opened(stream, size_max=UNPACKED_MAX) as archive:
            return _kind_of_zip(archive, flags)
    except ArchiveTooLarge:
        flags.add(Flag.OVERSIZED)
    except ArchiveUnreadable:
        flags.add(Flag.DAMAGED)
    return ZIP


def _kind_of_zip(archive: Archive, flags: set[Flag]) -> str:
    names = [entry.name for entry in archive.entries]
    kind = next((kind for part, kind in _OFFICE_PARTS.items() if any(name.startswith(part) for name in names)), ZIP)
    if "[Content_Types].xml" not in names:
        kind = _open_document(archive)
    if kind == ZIP:
        flags.add(Flag.ARCHIVE)
    for entry in archive.entries:
        low = entry.name.lower()
        head = archive.head(entry, 8)
        if low.endswith("vbaproject.bin") or low.startswith(("basic/", "scripts/")):
            flags.add(Flag.MACROS)
        elif "/embeddings/" in low or "activex" in low or low.startswith("object "):
            flags.add(Flag.OLE_OBJECT)
        elif head.startswith((b"PK\x03\x04", b"7z\xbc\xaf", b"Rar!", b"\x1f\x8b")):
            flags.add(Flag.NESTED_ARCHIVE)
        if low.endswith((".rels", "content.xml")) and _LINKED.search(archive.head(entry, 4 << 20)):
            flags.add(Flag.EXTERNAL_LINK)
    return kind


def _open_document(archive: Archive) -> str:
    """Read an OpenDocument file's own word for what it is, if that is a word that we know."""
    for entry in archive.entries[:1]:
        if entry.name == "mimetype":
            said = archive.head(entry, 100).decode("ascii", "replace")
            return said if any(said in kinds for kinds in _NAMED.values()) else ZIP
    return ZIP


def _look_into_objects(stream: BinaryIO, objects: list[int], flags: set[Flag]) -> None:
    """Inflate the object streams of a PDF, where its actions may be written compressed, the first MiB of each."""
    for at in objects:
        stream.seek(at)
        _, found, data = stream.read(PIECE).partition(b"stream")
        data = data.removeprefix(b"\r").removeprefix(b"\n")
        try:
            flags |= _signs(zlib.decompressobj().decompress(data, 1 << 20)) if found else set()
        except zlib.error:
            flags.add(Flag.DAMAGED)


def _has_two_faces(stream: BinaryIO, scan: _Scan, kind: str) -> bool:
    """Tell a file that another program would take for something else (bad case D11)."""
    late_pdf = kind != PDF and b"%PDF-" in scan.head
    if kind.startswith("image/") and _MARKUP.search(scan.head):
        return True
    if late_pdf or scan.magic == ZIP or not scan.size:
        return late_pdf
    try:
        with opened(stream) as archive:
            return bool(archive.entries)
    except ArchiveUnreadable:
        return False
