"""The official samples and schema, read in place. One test, so that where they are absent there is one skip."""

import base64
import io
import xml.etree.ElementTree as ET
import zipfile
from collections import Counter
from collections.abc import Iterator
from typing import Any

from handover.dossier import dump, load, to_json
from handover.dossier.dossier import Sections
from handover.dossier.elements import BY_PATH, DOCUMENT_LISTS, HEAD, order
from handover.dossier.head import Head
from handover.dossier.kinds import Kind
from handover.dossier.schema import CONTENT, GROUPS, Slot, slots
from handover.oso import read, write
from tests.handover.oso_files import official

X = "{http://www.w3.org/2001/XMLSchema}"


def leaves(xml: bytes) -> Iterator[str]:
    for element in ET.fromstring(xml).iter():
        yield from element.attrib.values()
        if len(element) == 0 and not element.tag.endswith("}bestandsinhoud"):
            yield element.text or ""


def values(item: Any) -> Iterator[str]:
    if isinstance(item, dict | list):
        for each in item.values() if isinstance(item, dict) else item:
            yield from values(each)
    else:
        yield item


def embedded(xml: bytes) -> Iterator[bytes]:
    for element in ET.fromstring(xml).iter():
        if element.tag.endswith("}bestandsinhoud"):
            raw = base64.b64decode(element.text or "")
            try:
                with zipfile.ZipFile(io.BytesIO(raw)) as archive:
                    yield archive.read(archive.namelist()[0])
            except zipfile.BadZipFile:
                yield raw


def holds_everything(xml: bytes) -> None:
    dossier = read(xml).dossier
    json = to_json(dossier)
    said = [{name: each[name] for name in each if name in ("name", "omschrijving")} for each in json["documents"]]
    kept = [each["value"] for each in json["kept"]]
    there = Counter(value for value in values([json.get("head"), json["sections"], said, kept]))
    assert Counter(leaves(xml)) == there
    assert sorted(embedded(xml)) == sorted(document.data for document in dossier.documents)
    assert load(dump(dossier)) == dossier
    assert read(write(dossier)).dossier == dossier


class Schema:
    """Just enough of XML Schema to tell the children of an element: name, least, many, and what is below."""

    def __init__(self, root: ET.Element) -> None:
        self.types = {each.get("name"): each for each in root if each.tag == f"{X}complexType"}
        self.elements = {each.get("name"): each for each in root if each.tag == f"{X}element"}

    def children(self, element: ET.Element) -> list[tuple[str, bool, bool, ET.Element]]:
        of = self.elements[element.get("ref")] if element.get("ref") else element
        found = of.find(f"{X}complexType")
        found = self.types.get(of.get("type")) if found is None else found
        return [] if found is None else list(self.particles(found))

    def particles(self, at: ET.Element, optional: bool = False) -> Iterator[tuple[str, bool, bool, ET.Element]]:
        for each in at:
            if each.tag in (f"{X}sequence", f"{X}choice", f"{X}complexContent"):
                yield from self.particles(each, optional or each.tag == f"{X}choice" or each.get("minOccurs") == "0")
            elif each.tag == f"{X}extension":
                if base := self.types.get(each.get("base")):
                    yield from self.particles(base, optional)
                yield from self.particles(each, optional)
            elif each.tag == f"{X}element":
                needed = not optional and each.get("minOccurs") != "0"
                yield each.get("ref") or each.get("name") or "", needed, each.get("maxOccurs") == "unbounded", each


PARTS = {slot.name: slot.part for slot in slots(Sections)} | {HEAD: Head}


def differences(schema: Schema, element: ET.Element, path: str, slot: Slot | None) -> Iterator[str]:
    fields = {each.name: each for each in slots(slot.part)} if slot and slot.part else {}
    children = schema.children(element)
    names = [name for name, *_ in children]
    known = [name for name in order(path, tuple(fields)) if name in names]
    if slot and slot.part in CONTENT:
        return
    if known != [name for name in names if f"{path}/{name}" not in DOCUMENT_LISTS or f"{path}/{name}" in BY_PATH]:
        yield f"{path}: {known} is not {names}"
    for name, needed, many, child in children:
        below = f"{path}/{name}".lstrip("/")
        row = BY_PATH.get(below)
        field = fields.get(name)
        if row and row.section:
            field = next((each for each in slots(PARTS[row.section]) if each.name == name), None)
        if field:
            if field.many != many and field.part not in GROUPS:
                yield f"{below}: repeats?"
            if field.required != needed and not row:
                yield f"{below}: needed?"
            if (field.part is None) != (not schema.children(child)) and field.part not in CONTENT:
                yield f"{below}: a value or a part?"
            assert field.part or isinstance(field.kind, Kind)
        if name not in ("document", "categorie_uitlevering"):
            yield from differences(schema, child, below, field)


def test_the_official_samples_are_read_whole_and_the_parts_are_the_schema_s() -> None:
    folder = official()
    samples = sorted(folder.glob("*.xml"))
    assert samples
    for sample in samples:
        holds_everything(sample.read_bytes())
    schema = Schema(ET.parse(next(folder.glob("*2019.1.xsd"))).getroot())
    assert list(differences(schema, schema.elements["dossier"], "", None)) == []
