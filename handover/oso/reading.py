"""The elements of one OSO file, each put where it belongs: a field, the documents, or what is kept."""

from collections import Counter
from typing import Any, Final

from consent.terms import Section
from handover.dossier.archive import ArchiveTooLarge
from handover.dossier.dossier import Document, Kept, Sections
from handover.dossier.elements import (
    BY_PATH,
    CATEGORIES,
    DOCUMENT_LISTS,
    DOCUMENTS_ELSEWHERE,
    HEAD,
    MANDATORY,
    Row,
    order,
    rows_of,
)
from handover.dossier.head import Head
from handover.dossier.kinds import FILE_NAME, PROOFS, Kind
from handover.dossier.problems import Problem
from handover.dossier.schema import CONTENT, GROUPS, Slot, slots
from handover.oso.documents import unpacked
from handover.oso.xml import Element, place

UNPACKED_MAX: Final = 128 << 20
"""Bytes of all embedded documents together."""

_SCHEMA_LOCATION: Final = "{http://www.w3.org/2001/XMLSchema-instance}"
_SPACE: Final = " \t\r\n"
_PARTS: Final = {slot.name: slot.part for slot in slots(Sections) if slot.part} | {HEAD: Head}
_ANSWERS: Final = frozenset({"VERPLICHT", "OPTIONEEL", "VERBODEN", "OPT-UIT"})


class Reading:
    """One file on its way to a dossier. `strict` is false for a version of the standard that isn't known here."""

    def __init__(self, strict: bool) -> None:
        self.strict = strict
        self.tree: dict[str, dict[str, Any]] = {}
        self.documents: list[Document] = []
        self.unpacked = 0
        self.kept: list[Kept] = []
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
        self.present: dict[str, Element] = {}
        self.categories: dict[str, tuple[str, Element]] = {}

    def fill(self, element: Element, path: str, fields: tuple[Slot, ...], section: str) -> dict[str, Any]:
        """Read an element's children into the fields of its part, and whatever else it holds to where that belongs."""
        found: dict[str, Any] = {}
        named = {slot.name: slot for slot in fields}
        for child in element.children:
            self._child(child, f"{path}/{child.name}".lstrip("/"), named.get(child.name), found, section)
        self._check_children(element, path, fields)
        return found

    def _child(self, child: Element, path: str, slot: Slot | None, found: dict[str, Any], section: str) -> None:
        if row := BY_PATH.get(path):
            self._row(row, child)
        elif path in DOCUMENT_LISTS:
            self._container(child, path, section)
        elif child.name == "document":
            self._document(child, DOCUMENTS_ELSEWHERE.get(path.rpartition("/")[0], section))
        elif slot:
            self._put(found, slot, child, path, section)
        else:
            self.warn(child, "not in the standard as it is known here; kept as it is")
            self.keep(child, section)

    def _row(self, row: Row, child: Element) -> None:
        self.present.setdefault(row.path, child)
        if row.section is None:
            self._category(child)
            return
        slot = next((slot for slot in slots(_PARTS[row.section]) if slot.name == row.name), None)
        if slot:
            self._put(self.tree.setdefault(row.section, {}), slot, child, row.path, row.section)
        else:
            self._container(child, row.path, row.section)

    def _container(self, child: Element, path: str, section: str) -> None:
        self.outside(child, section)
        if child.number > 1:
            self.wrong(child, "there already; it may be there once", section)
        else:
            self.fill(child, path, (), section)

    def _put(self, found: dict[str, Any], slot: Slot, child: Element, path: str, section: str) -> None:
        if slot.name in found and not (slot.many and slot.part not in GROUPS):
            self.wrong(child, "there already; it may be there once", section)
        elif slot.part and not self.strict and not _fits(child, slot.part):
            self.wrong(child, "not as the standard has it", section)
        elif values := self._values(slot, child, path, section):
            found[slot.name] = found.get(slot.name, []) + values if slot.many else values[0]

    def _values(self, slot: Slot, child: Element, path: str, section: str) -> list[Any]:
        if slot.part is None:
            assert slot.kind is not None
            self.outside(child, section)
            return self._leaf(child, slot.kind, section)
        if slot.part in CONTENT:
            return self._content(child, slots(slot.part), section)
        self.outside(child, section)
        if slot.part in GROUPS:
            return [
                self.fill(group, path, slots(slot.part), section) for group in _groups(child, slots(slot.part)[0].name)
            ]
        return [self.fill(child, path, slots(slot.part), section)]

    def _leaf(self, child: Element, kind: Kind, section: str) -> list[str]:
        for inner in child.children:
            self.wrong(inner, "an element where a value belongs", section)
        text = child.text.strip(_SPACE) if kind.collapses else child.text
        if fault := kind.check(text):
            self.wrong(child, fault, section)
            return []
        return [text]

    def _content(self, child: Element, fields: tuple[Slot, ...], section: str) -> list[dict[str, str]]:
        given = {slot.name: child.attributes[slot.name] for slot in fields[1:] if slot.name in child.attributes}
        found = {fields[0].name: child.text} | given
        faults = (slot.kind.check(found[slot.name]) for slot in fields if slot.kind and slot.name in found)
        if fault := next(filter(None, faults), None):
            self.wrong(child, fault, section)
            return []
        for name in child.attributes:
            if name not in given:
                self._attribute(child, name, section)
        for inner in child.children:
            self.wrong(inner, "an element where a value belongs", section)
        return [found]

    def _check_children(self, element: Element, path: str, fields: tuple[Slot, ...]) -> None:
        for slot in fields:
            if slot.required and slot.name not in element.counts:
                self.problem(element, "missing", slot.name)
        if path in DOCUMENT_LISTS and "document" not in element.counts:
            self.problem(element, "missing", "document")
        ranks = {name: rank for rank, name in enumerate(order(path, tuple(slot.name for slot in fields)))}
        seen = [ranks[child.name] for child in element.children if child.name in ranks]
        if seen != sorted(seen):
            self.warn(element, "its elements aren't in the order of the standard")

    def _document(self, element: Element, section: str) -> None:
        texts = {child.name: child for child in reversed(element.children)}
        name, told, content = (texts.get(each) for each in ("bestandsnaam", "omschrijving", "bestandsinhoud"))
        fine = True
        for each, child in (("bestandsnaam", name), ("bestandsinhoud", content)):
            if child is None:
                self.problem(element, "missing", each)
                fine = False
        for child in (name, told, content):
            fault = child and ("empty" if not child.text else FILE_NAME.check(child.text) if child is name else None)
            if child and fault:
                self.problem(child, fault)
                fine = False
        if not fine:
            self.keep_inside(element, section)
            return
        assert name is not None
        try:
            made, remarks = unpacked(element, section, name.text, told.text if told else None)
        except ArchiveTooLarge as error:
            self.problems.append(Problem(place(element), str(error), element.line))
            return
        self.outside(element, section)
        for child in element.children:
            if texts[child.name] is not child or child not in (name, told, content):
                self.warn(child, "not in the standard as it is known here; kept as it is")
                self.keep(child, section)
        for remark in remarks:
            self.warn(element, remark)
        self.documents.append(made)
        self.unpacked += len(made.data)
        if self.unpacked - len(made.data) <= UNPACKED_MAX < self.unpacked:
            self.problems.append(
                Problem(place(element), f"documents of more than {UNPACKED_MAX >> 20} MiB in all", element.line)
            )

    def _category(self, element: Element) -> None:
        for child in element.children:
            self.categories[child.name] = (child.text, child)
        for name in CATEGORIES:
            if name not in element.counts:
                self.problem(element, "missing", name)
        self.keep(element, HEAD)

    def outside(self, element: Element, section: str) -> None:
        """Keep what stands at an element besides its children: attributes and stray text."""
        for name in element.attributes:
            self._attribute(element, name, section)
        if element.stray:
            self.warn(element, "text beside elements; kept as it is")
            self._keep(f"{place(element)}/text()", element.stray, section)

    def _attribute(self, element: Element, name: str, section: str) -> None:
        if not name.startswith(_SCHEMA_LOCATION):
            self.warn(element, "an attribute that the standard doesn't have; kept as it is")
        self._keep(f"{place(element)}/@{name}", element.attributes[name], section)

    def keep(self, element: Element, section: str) -> None:
        """Keep all that an element holds, with its path; documents in it are documents all the same."""
        if element.name == "document" and {"bestandsnaam", "bestandsinhoud"} <= element.counts.keys():
            self._document(element, section if section != HEAD else Section.REPORTS)
        else:
            self.keep_inside(element, section)

    def keep_inside(self, element: Element, section: str) -> None:
        """Keep an element's attributes, its text, and what is below it."""
        for name, value in element.attributes.items():
            self._keep(f"{place(element)}/@{name}", value, section)
        if not element.children:
            self._keep(place(element), element.text, section)
        elif element.stray:
            self._keep(f"{place(element)}/text()", element.stray, section)
        for child in element.children:
            self.keep(child, section)

    def _keep(self, path: str, value: str, section: str) -> None:
        self.kept.append(Kept(path=path, section=None if section == HEAD else section, value=value))

    def wrong(self, element: Element, text: str, section: str) -> None:
        """Note what goes against the standard; in an unknown version of it, keep the element instead."""
        self.problem(element, text)
        if not self.strict:
            self.keep_inside(element, section)

    def problem(self, element: Element, text: str, missing: str = "") -> None:
        """Note a problem; in an unknown version of the standard only what can't be right in any is one."""
        found = Problem(place(element) + (f"/{missing}" if missing else ""), text, element.line)
        (self.problems if self.strict or text in PROOFS else self.warnings).append(found)

    def warn(self, element: Element, text: str) -> None:
        """Note a warning."""
        self.warnings.append(Problem(place(element), text, element.line))

    def check_demands(self, root: Element) -> None:
        """Check what every file must have, and what this one says of itself."""
        for path in MANDATORY:
            parent = self.present.get(path.rpartition("/")[0], root)
            if path not in self.present and ("/" not in path or parent is not root):
                self.problem(parent, "missing", path.rpartition("/")[2])
        for name, (answer, element) in self.categories.items():
            rows = [row for row in rows_of(name) if row.path in self.present]
            if answer == "VERPLICHT" and not rows and name in CATEGORIES:
                self.problem(element, f"mandatory by this line, but {_names(name)} is missing")
            if answer in ("OPT-UIT", "VERBODEN"):
                for row in rows:
                    self.warn(self.present[row.path], f"there, though {name} says {answer}")
            if answer not in _ANSWERS:
                self.warn(element, "not VERPLICHT, OPTIONEEL, VERBODEN or OPT-UIT")


def _names(category: str) -> str:
    return " or ".join(row.name for row in rows_of(category))


def _fits(element: Element, part: type) -> bool:
    """Tell whether an element has all that its part needs, so that the part can be made."""
    if part in CONTENT:
        return True
    groups = _groups(element, slots(part)[0].name) if part in GROUPS else [element]
    return all(_has(group, slot) for group in groups for slot in slots(part) if slot.required)


def _has(element: Element, slot: Slot) -> bool:
    found = [child for child in element.children if child.name == slot.name]
    if slot.part:
        return any(_fits(child, slot.part) for child in found)
    return any(slot.kind is None or slot.kind.check(child.text.strip(_SPACE)) is None for child in found)


def _groups(element: Element, first: str) -> list[Element]:
    """Cut an element that holds several groups after each other into one element for each."""
    groups: list[list[Element]] = []
    for child in element.children:
        if child.name == first or not groups:
            groups.append([])
        groups[-1].append(child)
    return [
        Element(
            element.name, element.number, element.line, element.parent, {}, group, [], Counter(c.name for c in group)
        )
        for group in groups or [[]]
    ]
