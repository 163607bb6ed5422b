"""Attachments: typed by what they hold, flagged for what could act, never opened."""

import io
import random
import stat
import struct
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import pytest

from handover.dossier.archive import ArchiveTooLarge, ArchiveUnreadable, only_file, opened, packed
from handover.dossier.attachments import OFFICE, Attachment, Flag, examine
from tests.handover.oso_files import zipped

TYPES = "[Content_Types].xml"
RELS = b'<Relationships><Relationship Target="http://elders.example" TargetMode="External"/></Relationships>'
OLE_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
PDF = b"%PDF-1.7\n1 0 obj << /Type /Catalog >> endobj\n%%EOF\n"


def seen(data: bytes, name: str = "x") -> Attachment:
    return examine(io.BytesIO(data), name)


def office(*parts: str, **contents: bytes) -> bytes:
    files = [(TYPES, b"<Types/>")] + [(part, b"<x/>") for part in parts]
    return zipped(*files, *((name, data) for name, data in contents.items()))


def open_document(kind: str, *more: tuple[str, bytes]) -> bytes:
    return zipped(("mimetype", f"application/vnd.oasis.opendocument.{kind}".encode()), ("content.xml", b"<x/>"), *more)


def object_stream(hidden: bytes) -> bytes:
    return b"%PDF-1.7\n7 0 obj << /Type /ObjStm >> stream\r\n" + zlib.compress(hidden) + b"\nendstream endobj\n%%EOF"


def utf16(text: str) -> bytes:
    return text.encode("utf-16-le")


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (b"", "application/octet-stream"),
        (b"\x00\x01", "application/octet-stream"),
        (PDF, "application/pdf"),
        (b"\x89PNG\r\n\x1a\n....", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"GIF87a", "image/gif"),
        (b"{\\rtf1 }", "application/rtf"),
        ("tekst, ook met ë\r\n\t".encode(), "text/plain"),
        ("tekst".encode("utf-16"), "text/plain"),
        (b"<!DOCTYPE html><p>", "text/html"),
        (b"  <svg onload=x>", "text/html"),
        (zipped(("a.txt", b"a")), "application/zip"),
        (zipped(), "application/zip"),
        (office("word/document.xml"), OFFICE + "wordprocessingml.document"),
        (office("xl/workbook.xml"), OFFICE + "spreadsheetml.sheet"),
        (office("ppt/presentation.xml"), OFFICE + "presentationml.presentation"),
        (zipped(("word/document.xml", b"")), "application/zip"),
        (open_document("text"), "application/vnd.oasis.opendocument.text"),
        (open_document("spreadsheet"), "application/vnd.oasis.opendocument.spreadsheet"),
        (open_document("presentation"), "application/vnd.oasis.opendocument.presentation"),
        (zipped(("mimetype", b"application/pdf-by-its-own-word")), "application/zip"),
        (OLE_MAGIC + bytes(100), "application/x-ole-storage"),
        (OLE_MAGIC + utf16("WordDocument"), "application/msword"),
        (OLE_MAGIC + utf16("Workbook"), "application/vnd.ms-excel"),
        (OLE_MAGIC + utf16("PowerPoint Document"), "application/vnd.ms-powerpoint"),
        (b"x" * 70_000 + b"\x00", "application/octet-stream"),
    ],
)
def test_the_content_decides_the_type_whatever_the_name(data: bytes, media_type: str) -> None:
    """D5, D11: an empty file is application/octet-stream too."""
    assert seen(data).media_type == media_type
    assert seen(data, "plaatje.jpeg").media_type == media_type


@pytest.mark.parametrize(
    ("data", "flags"),
    [
        (PDF, []),
        (PDF + b"<< /OpenAction 3 0 R >>", [Flag.ACTIVE_PDF]),
        (PDF + b"<< /S /JavaScript >>", [Flag.ACTIVE_PDF]),
        (PDF + b"<< /S /J#61vaScript >>", [Flag.ACTIVE_PDF]),
        (PDF + b"<< /S /Launch /AA 1 >>", [Flag.ACTIVE_PDF]),
        (PDF + b"/JSON /AAB /Launchpad", []),
        (PDF + b"<< /Type /EmbeddedFile >>", [Flag.EMBEDDED_FILES]),
        (PDF + b"<< /S /URI >>", [Flag.EXTERNAL_LINK]),
        (PDF + b"<< /Encrypt 9 0 R >>", [Flag.ENCRYPTED]),
        (b"%PDF-" + b"." * 65_525 + b"/JavaScript ", [Flag.ACTIVE_PDF]),
        (object_stream(b"<< /S /JavaScript >>"), [Flag.ACTIVE_PDF]),
        (object_stream(b"<< /Type /Font >>"), []),
        (b"%PDF-1.7 /ObjStm stream\nrommel", [Flag.DAMAGED]),
        (b"%PDF-1.7 /ObjStm", []),
        (office("word/document.xml"), []),
        (office("word/vbaProject.bin"), [Flag.MACROS]),
        (office("word/embeddings/oleObject1.bin"), [Flag.OLE_OBJECT]),
        (office("word/activeX/activeX1.xml"), [Flag.OLE_OBJECT]),
        (office("word/x.xml", **{"word/_rels/document.xml.rels": RELS}), [Flag.EXTERNAL_LINK]),
        (open_document("text", ("Basic/script.xml", b"")), [Flag.MACROS]),
        (open_document("text", ("Object 1/content.xml", b"<x/>")), [Flag.OLE_OBJECT]),
        (
            zipped(
                ("mimetype", b"application/vnd.oasis.opendocument.text"),
                ("content.xml", b'<a xlink:href="https://x"/>'),
            ),
            [Flag.EXTERNAL_LINK],
        ),
        (OLE_MAGIC + utf16("_VBA_PROJECT"), [Flag.MACROS]),
        (OLE_MAGIC + utf16("Ole10Native"), [Flag.OLE_OBJECT]),
        (b"<html><script>", [Flag.MARKUP]),
        (zipped(("a.txt", b"a")), [Flag.ARCHIVE]),
        (zipped(("a", zipped(("b", b"b")))), [Flag.ARCHIVE, Flag.NESTED_ARCHIVE]),
        (b"PK\x03\x04 rommel", [Flag.DAMAGED]),
        (b"\x89PNG\r\n\x1a\n" + zipped(("a", b"a")), [Flag.POLYGLOT]),
        (PDF + zipped(("a", b"a")), [Flag.POLYGLOT]),
        (b"GIF89a <script>alert(1)</script>", [Flag.POLYGLOT]),
        (b"\xff\xd8\xff %PDF-1.4", [Flag.POLYGLOT]),
        (b"tekst\n%PDF-1.4", [Flag.POLYGLOT]),
    ],
)
def test_what_could_act_is_flagged(data: bytes, flags: list[Flag]) -> None:
    """D1, D10, D11."""
    assert list(seen(data).flags) == flags


@pytest.mark.parametrize(
    ("data", "name", "disagrees"),
    [
        (PDF, "a.pdf", False),
        (PDF, "A.PDF", False),
        (PDF, "a.txt", True),
        (b"tekst", "a.pdf", True),
        (PDF, "a.onbekend", False),
        (PDF, "pdf", False),
        (b"", "a.pdf", False),
        (b"\xff\xd8\xff", "a.jpg", False),
        (OLE_MAGIC, "a.doc", False),
        (OLE_MAGIC + utf16("Workbook"), "a.doc", True),
    ],
)
def test_a_name_that_disagrees_with_the_content_is_flagged(data: bytes, name: str, disagrees: bool) -> None:
    assert (Flag.NAME_DISAGREES in seen(data, name).flags) == disagrees


def test_a_path_and_a_stream_are_seen_alike_from_their_start(tmp_path: Path) -> None:
    file = tmp_path / "a.pdf"
    file.write_bytes(PDF)
    stream = io.BytesIO(PDF)
    stream.seek(7)
    assert examine(file, "a.pdf") == examine(stream, "a.pdf")
    assert examine(file, "a.pdf").size == len(PDF)
    assert not stream.closed


def test_a_long_file_is_read_in_pieces(tmp_path: Path) -> None:
    file = tmp_path / "lang.pdf"
    with file.open("wb") as stream:
        stream.write(b"%PDF-1.7\n")
        stream.truncate(40 << 20)
    tracemalloc.start()
    found = examine(file, "lang.pdf")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.size == 40 << 20
    assert peak < 4 << 20


@pytest.mark.parametrize(("size", "refused"), [(1 << 20, False), ((1 << 20) + 1, True)])
def test_a_high_ratio_counts_from_a_mebibyte_on(size: int, refused: bool) -> None:
    """D1."""
    data = zipped(("nullen", bytes(size)))
    if refused:
        with pytest.raises(ArchiveTooLarge, match="more than 200 times"):
            only_file(data)
    else:
        assert only_file(data) == ("nullen", bytes(size))


def rewritten(data: bytes, change: dict[int, bytes], at: bytes) -> bytes:
    changed = bytearray(data)
    start = data.index(at)
    for offset, new in change.items():
        changed[start + offset : start + offset + len(new)] = new
    return bytes(changed)


CENTRAL, END = b"PK\x01\x02", b"PK\x05\x06"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not a whole ZIP"),
        (zipped(("a", b"a"))[:-1], "not a whole ZIP"),
        (zipped(("a", b"a"), ("b", b"b")), "the ZIP holds 2 files instead of one"),
        (zipped(), "the ZIP holds 0 files instead of one"),
        (zipped(("map/", b"")), "the ZIP holds 0 files instead of one"),
        (rewritten(zipped(("a", b"a")), {8: b"\x01"}, CENTRAL), "encrypted"),
        (rewritten(zipped(("a", b"a")), {10: b"\x0c"}, CENTRAL), "uncommon method"),
        (rewritten(zipped(("ab", b"a")), {46: b"x"}, CENTRAL), "the ZIP is damaged"),
        (rewritten(zipped(("ab", b"a")), {46: b"\0", 30 - 30: CENTRAL}, CENTRAL), "a NUL"),
        (rewritten(zipped(("a", b"inhoud")), {24: b"\x02\0\0\0"}, CENTRAL), "the ZIP is damaged"),
        (rewritten(zipped(("a", b"a")), {16: b"\xff\xff\xff\xff"}, END), "the ZIP is damaged"),
        (rewritten(zipped(("a", b"a" * 50)), {31: b"\xff\xff"}, b"PK\x03\x04"), "the ZIP is damaged"),
        (rewritten(zipped(("a", b"a")), {10: struct.pack("<H", 2001)}, END), "more than 2000 entries"),
        (rewritten(zipped(("a", b"a")), {12: struct.pack("<I", (1 << 20) + 1)}, END), "more than 2000 entries"),
        (
            rewritten(zipped(("a", b"a")), {20: struct.pack("<II", 1 << 20, (64 << 20) + 1)}, CENTRAL),
            "more than 64 MiB",
        ),
    ],
)
def test_an_archive_that_is_not_what_it_should_be_is_refused(data: bytes, reason: str) -> None:
    """D1, D2, D4, D7, D9."""
    with pytest.raises(ArchiveUnreadable, match=reason):
        only_file(data)


def test_two_entries_of_one_name_are_refused() -> None:
    """D3."""
    data = zipped(("a", b"1"), ("b", b"2"))
    with pytest.raises(ArchiveUnreadable, match="two entries of one name"):
        only_file(data.replace(b"b", b"a"))


def test_a_link_is_no_file() -> None:
    """D2."""
    info = zipfile.ZipInfo("a")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(info, "/etc/hostname")
    with pytest.raises(ArchiveUnreadable, match="a link instead of a file"):
        only_file(stream.getvalue())


@pytest.mark.parametrize("name", ["../../e", "/etc/e", "C:\\e", "naam\u202egpj.exe", "punt.", "É"])
def test_a_name_is_data_and_comes_back_as_it_was(name: str) -> None:
    """D2, D8."""
    assert only_file(packed(name, b"x")) == (name, b"x")
    assert packed(name, b"x") == packed(name, b"x")


def test_an_archive_of_many_entries_is_read_up_to_the_limit() -> None:
    """D9."""
    with opened(io.BytesIO(zipped(*((str(number), b"") for number in range(2000))))) as archive:
        assert len(archive.entries) == 2000
    with pytest.raises(ArchiveTooLarge), opened(io.BytesIO(zipped(*((str(number), b"") for number in range(2001))))):
        pass


def test_an_archive_that_says_it_holds_gigabytes_is_flagged_and_not_unpacked() -> None:
    data = rewritten(zipped(("a", b"a")), {20: struct.pack("<II", 1 << 30, (2 << 30) + 1)}, CENTRAL)
    assert seen(data).flags == (Flag.OVERSIZED,)
    assert seen(data).media_type == "application/zip"


def test_random_changes_to_archives_and_documents_end_in_a_value_or_a_refusal() -> None:
    """D7."""
    chance = random.Random(7)
    wholes = [
        zipped(("a.txt", b"tekst " * 50)),
        office("word/vbaProject.bin"),
        object_stream(b"/AA"),
        open_document("text"),
    ]
    refused = 0
    for _ in range(1500):
        data = bytearray(chance.choice(wholes))
        for _ in range(chance.randint(1, 6)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        assert seen(bytes(data)).size == len(data)
        try:
            only_file(bytes(data))
        except ArchiveUnreadable:
            refused += 1
    assert 0 < refused < 1500
