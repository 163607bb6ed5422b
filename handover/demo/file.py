"""The dossier of the demo: an OSO file of our own making, about a child that doesn't exist, dated around today."""

import base64
import io
import re
import zipfile
from datetime import date
from importlib.resources import files
from typing import Final

REPORT: Final = "onderzoek-dyslexie.pdf"
_YEAR = re.compile(r"\{(-?\d+)\}")
_DOCUMENT = re.compile(r">@([a-z.-]+)<")
_FONT: Final = b"<</Font<</F1<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>>>"
_LINES: Final = {
    REPORT: "Onderzoek naar dyslexie bij een verzonnen leerling",
    "opp.pdf": "Ontwikkelingsperspectief van een verzonnen leerling",
}


def oso_file(today: date) -> bytes:
    """Write the file as a school's system would export it today: documents as base64 of a ZIP."""
    text = files("handover.demo").joinpath("dossier.xml").read_text("utf-8")
    text = _YEAR.sub(lambda year: str(today.year + int(year[1])), text)
    return _DOCUMENT.sub(lambda name: f">{_enclosed(name[1])}<", text).encode("utf-8")


def _enclosed(name: str) -> str:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, pdf(_LINES[name]))
    return base64.b64encode(stream.getvalue()).decode("ascii")


def pdf(line: str) -> bytes:
    """Write the smallest PDF that shows one line of text."""
    content = f"BT /F1 18 Tf 72 760 Td ({line}) Tj ET".encode("ascii")
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources %s>>" % _FONT,
        b"<</Length %d>>stream\n%s\nendstream" % (len(content), content),
    ]
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    head = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    tail = b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, len(out))
    return out + head + table + tail
