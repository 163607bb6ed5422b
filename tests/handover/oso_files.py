"""OSO files of our own making: nobody in them exists."""

import base64
import io
import os
import re
import zipfile
from pathlib import Path

import pytest

TEMPLATE = Path(__file__).parent.parent / "vectors" / "oso_rich.xml"
BSN = "111222333"
NS = "http://www.edustandaard.nl/oso_gegevensset/2019/dossier"
_DOCUMENT = re.compile(r"(?<=>)@([a-z.]+)")
_MAGIC = {"pdf": b"%PDF-1.4\n% ", "png": b"\x89PNG\r\n\x1a\n", "txt": b""}


def content(name: str) -> bytes:
    """The bytes of a document of the rich file."""
    return _MAGIC[name.rpartition(".")[2]] + f"verzonnen inhoud van {name}".encode()


def zipped(*files: tuple[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files:
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return stream.getvalue()


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def rich(*changes: tuple[str, str]) -> bytes:
    """The rich file with some of its text replaced; each change must meet the text exactly once."""
    text = TEMPLATE.read_text(encoding="utf-8")
    for old, new in changes:
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in the file"
        text = text.replace(old, new)
    return _DOCUMENT.sub(lambda match: b64(zipped((match[1], content(match[1])))), text).encode()


def official() -> Path:
    """The folder of the official samples and their schema; one skip of the whole where it isn't there."""
    told = os.environ.get("OVERDRACHT_OSO_SAMPLES")
    folder = Path(told) if told else Path(__file__).parents[3] / "shared" / "data" / "oso"
    if not folder.is_dir():
        pytest.skip("the official OSO samples aren't here; OVERDRACHT_OSO_SAMPLES can name their folder")
    return folder
