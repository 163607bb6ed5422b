"""A dossier to OSO XML, in the order of the schema 2019.1.

Each field goes to the element that the table gives it, documents and kept values to their paths. categorie_uitlevering
is what the file had, or else told from what is there, so that it says nothing of what was withheld.
"""

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator
from typing import Any, Final
from xml.sax.saxutils import quoteattr

from handover.dossier.archive import packed
from handover.dossier.dossier import Document, Dossier, Sections
from handover.dossier.elements import (
    BY_PATH,
    CATEGORIES,
    CATEGORIES_PATH,
    DOCUMENT_LISTS,
    HEAD,
    LOOSE_DOCUMENTS,
    MANDATORY,
    ROWS,
    Row,
    field_row,
    order,
    rows_of,
    steps,
)
from handover.dossier.head import Head
from handover.dossier.problems import DossierRefused, Problem
from handover.dossier.schema import CONTENT, GROUPS, Slot, schema, slots
from handover.oso.reader import NAMESPACE

_PARTS: Final = {slot.name: slot.part for slot in slots(Sections) if slot.part} | {HEAD: Head}
_OVERSTAP: Final = {"SOVO": "WECVO", "VSOVO": "WECVO", "VSOMBO": "WECMBO"}
"""Routes that OSO has another code for."""

_NAME = re.compile(r"(?:\{([^{}]*)\})?([^\W\d][\w.-]*)").fullmatch
_XML: Final = "http://www.w3.org/XML/1998/namespace"


class Node:
    """An element to be written."""

    __slots__ = ("_named", "attributes", "children", "name", "text")

    def __init__(self, name: str, text: str = "", children: Iterable["Node"] = ()) -> None:
        self.name = name
        self.text = text
        self.attributes: dict[str, str] = {}
        self.children: list[Node] = []
        self._named: dict[str, list[Node]] = {}
        for child in children:
            self.add(child)

    def add(self, child: "Node") -> "Node":
        """Put a child behind the others."""
        self.children.append(child)
        self._named.setdefault(child.name, []).append(child)
        return child

    def child(self, name: str, number: int = 1) -> "Node | None":
        """Give the child of a name by its number."""
        found = self._named.get(name, [])
        return found[number - 1] if number <= len(found) else None

    def need(self, name: str, number: int = 1) -> "Node":
        """Give the child of a name by its number, made where it isn't there."""
        return self.child(name, number) or self.add(Node(name))


def write(dossier: Dossier) -> bytes:
    """Print a dossier as OSO XML (UTF-8); raises DossierRefused where it lacks what every file must have."""
    root = Node("dossier")
    sections = _sections(dossier)
    for row in ROWS:
        slot = _slot(row)
        if slot and slot.name in sections.get(row.section or "", {}):
            _fill(_parent(root, row.parent), slot, sections[row.section or ""][slot.name])
    _check(root)
    # What is kept may stand inside a document, and a document may hang under what is kept.
    homeless = [document for document in dossier.documents if not _hang(root, document)]
    for kept in dossier.kept:
        _put(root, kept.path, kept.value)
    for document in homeless:
        if not _hang(root, document):
            _parent(root, LOOSE_DOCUMENTS.removeprefix("/dossier/")).add(_node(document))
    _categorise(root, dossier)
    _sort(root, "")
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + "".join(_lines(root, 0, "")).encode()


def unwritten(dossier: Dossier) -> tuple[str, ...]:
    """Tell which fields of a dossier OSO has no element for, so that `write` leaves them out."""
    sections: dict[str, dict[str, Any]] = schema(Sections).dump(dossier.sections)
    dropped = [
        f"{section}.{name}" for section, fields in sections.items() for name in fields if not field_row(section, name)
    ]
    if dossier.head and dossier.head.inzagedatum and "inzage" not in sections.get("views", {}):
        dropped.append("head.inzagedatum")
    return tuple(dropped)


def _sections(dossier: Dossier) -> dict[str, dict[str, Any]]:
    values: dict[str, dict[str, Any]] = schema(Sections).dump(dossier.sections)
    head = schema(Head).dump(dossier.head) if dossier.head else {}
    if "metadata" in head and dossier.route:
        head["metadata"].setdefault("overstap", _OVERSTAP.get(dossier.route, dossier.route))
    if "inzage" not in values.get("views", {}):
        # Its element has no room for the day alone.
        head.pop("inzagedatum", None)
    return {HEAD: head} | values


def _parent(root: Node, path: str) -> Node:
    for name in filter(None, path.split("/")):
        root = root.need(name)
    return root


def _fill(parent: Node, slot: Slot, value: Any) -> None:
    if slot.part in GROUPS:
        group = parent.need(slot.name)
        for each in value:
            _fields(group, slot.part, each)
        return
    for each in value if slot.many else [value]:
        node = parent.add(Node(slot.name))
        if slot.part is None:
            node.text = each
        elif slot.part in CONTENT:
            text, *attributes = slots(slot.part)
            node.text = each[text.name]
            node.attributes = {other.name: each[other.name] for other in attributes if other.name in each}
        else:
            _fields(node, slot.part, each)


def _fields(node: Node, part: type, values: dict[str, Any]) -> None:
    for slot in slots(part):
        if slot.name in values:
            _fill(node, slot, values[slot.name])


def _check(root: Node) -> None:
    """Refuse what no reader of OSO would take, before anything is hung into it."""
    missing = [path for path in MANDATORY if not _is_there(root, path)]
    if missing:
        raise DossierRefused(tuple(Problem(f"/dossier/{path}", "missing, and OSO demands it") for path in missing))


def _is_there(root: Node | None, path: str) -> bool:
    for name in path.split("/"):
        root = root and root.child(name)
    return root is not None and bool(root.children or root.text)


def _put(root: Node, path: str, value: str) -> None:
    """Put a kept value back where it stood; refuses a path that no element can have."""
    found = steps(path)
    if not found or found[0] != ("dossier", 1) or not all(_is_name(name) for name, _ in found):
        raise DossierRefused((Problem("kept", "a path that no element can have"),))
    at = root
    for name, number in found[1:]:
        if name.startswith("@"):
            at.attributes[name[1:]] = value
            return
        if name != "text()":
            at = at.need(name, number)
    at.text = value


def _is_name(name: str) -> bool:
    return name == "text()" or _NAME(name.removeprefix("@")) is not None


def _hang(root: Node, document: Document) -> bool:
    """Hang a document under its element, if that is there."""
    parent = _under(root, document.under)
    if parent:
        parent.add(_node(document))
    return parent is not None


def _node(document: Document) -> Node:
    if document.wrapped == "text":
        content = document.data.decode()
    elif document.wrapped:
        content = b64encode(document.data).decode()
    else:
        content = b64encode(packed(document.inner or document.name, document.data)).decode()
    told = [Node("omschrijving", document.omschrijving)] if document.omschrijving else []
    return Node("document", children=[Node("bestandsnaam", document.name), *told, Node("bestandsinhoud", content)])


def _under(root: Node, under: str | None) -> Node | None:
    found = steps(under or "") or []
    path = "/".join(name for name, _ in found[1:])
    if path in DOCUMENT_LISTS:
        return _parent(root, path)
    at: Node | None = root
    for name, number in found[1:]:
        at = at and at.child(name, number)
    return at if found[1:] else None


def _categorise(root: Node, dossier: Dossier) -> None:
    if any(kept.path.startswith(CATEGORIES_PATH) for kept in dossier.kept):
        return
    categories = root.need("metadata").need("categorie_uitlevering")
    for category in CATEGORIES:
        there = any(_is_there(root, row.path) for row in rows_of(category))
        categories.add(Node(category, "OPTIONEEL" if there else "OPT-UIT"))


_ROW_PARENTS: Final = frozenset(row.parent for row in ROWS)


def _sort(node: Node, path: str) -> None:
    """Bring the children of an element that the table splits, and the documents of any, into the standard's order."""
    names = order(path, _field_names(path)) if path in _ROW_PARENTS else ("document",)
    ranks = {name: rank for rank, name in enumerate(names)}
    elsewhere = len(ranks) if path in _ROW_PARENTS else -1
    node.children.sort(key=lambda child: ranks.get(child.name, elsewhere))
    for child in node.children:
        _sort(child, f"{path}/{child.name}".lstrip("/"))


def _field_names(path: str) -> tuple[str, ...]:
    row = BY_PATH.get(path)
    slot = _slot(row) if row else None
    return tuple(each.name for each in slots(slot.part)) if slot and slot.part else ()


def _slot(row: Row) -> Slot | None:
    """Find the field of a section that a row tells of."""
    part = _PARTS.get(row.section or "")
    return next((slot for slot in slots(part) if slot.name == row.name), None) if part else None


def _lines(node: Node, depth: int, around: str) -> Iterator[str]:
    """Print an element; `around` is the namespace that names without a prefix have where it stands."""
    indent = "  " * depth
    tag, own, declared = _tag(node.name, around)
    attributes = (_attribute(number, *pair) for number, pair in enumerate(node.attributes.items()))
    opening = f"{indent}<{tag}{declared}{''.join(attributes)}>"
    text = _escaped(node.text)
    if not node.children:
        yield f"{opening}{text}</{tag}>\n"
        return
    yield f"{opening}{text}\n"
    for child in node.children:
        yield from _lines(child, depth + 1, own)
    yield f"{indent}</{tag}>\n"


def _tag(name: str, around: str) -> tuple[str, str, str]:
    match = _NAME(name)
    assert match is not None
    if match[1]:
        return f"x:{match[2]}", around, f" xmlns:x={quoteattr(match[1])}"
    own = NAMESPACE if match[1] is None else ""
    return match[2], own, "" if own == around else f' xmlns="{own}"'


def _attribute(number: int, name: str, value: str) -> str:
    match = _NAME(name)
    assert match is not None
    quoted = quoteattr(value, {"\r": "&#13;", "\n": "&#10;", "\t": "&#9;"})
    if not match[1]:
        return f" {match[2]}={quoted}"
    if match[1] == _XML:
        return f" xml:{match[2]}={quoted}"
    return f" xmlns:a{number}={quoteattr(match[1])} a{number}:{match[2]}={quoted}"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;")
