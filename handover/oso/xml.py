"""XML of strangers: read into a small tree within limits, with the place of everything.

There are no document types, so no entities beyond the five of XML, and nothing outside the file is ever fetched (bad
cases E1, E2). Encodings are UTF-8, UTF-16 with a byte order mark, ISO-8859-1 and US-ASCII; a NUL or a broken character
is refused (E6). A dossier is about 14 levels deep (E3).
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final
from xml.parsers import expat

from handover.dossier.problems import DossierRefused, Problem

SIZE_MAX: Final = 64 << 20
DEPTH_MAX: Final = 32
ELEMENTS_MAX: Final = 200_000
ATTRIBUTES_MAX: Final = 16
NAME_MAX: Final = 200

_ENCODINGS: Final = frozenset({"utf-8", "utf-16", "iso-8859-1", "us-ascii"})
_BOMS: Final = (b"\xff\xfe", b"\xfe\xff")
_SPACE: Final = " \t\r\n"


@dataclass(slots=True)
class Element:
    """One element. `name` has its namespace in braces before it unless that is the root's; `number` counts siblings."""

    name: str
    number: int
    line: int
    parent: "Element | None"
    attributes: dict[str, str]
    children: list["Element"] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def text(self) -> str:
        """All text directly in the element."""
        return "".join(self.texts)

    @property
    def stray(self) -> str:
        """Text beside child elements, without the white space that only indents."""
        return self.text.strip(_SPACE) if self.children else ""


class _Stop(Exception):
    """Ends the parser at a problem after which nothing more can be trusted."""


class _Reader:
    def __init__(self) -> None:
        self.root: Element | None = None
        self.problem: Problem | None = None
        self.namespace = ""
        self._at: Element | None = None
        self._depth = 0
        self._elements = 0
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.buffer_text = True
        self._parser.XmlDeclHandler = self._declaration
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text

    def read(self, data: bytes) -> Element:
        try:
            self._parser.Parse(data, True)
        except _Stop:
            pass
        except expat.ExpatError as error:
            # The library's own words name no content, only the kind of fault.
            self.problem = Problem(self._place(), f"not well-formed XML: {expat.ErrorString(error.code)}", error.lineno)
        if self.problem or self.root is None:
            raise DossierRefused((self.problem or Problem("/", "no element"),))
        return self.root

    def _stop(self, text: str) -> None:
        self.problem = Problem(self._place(), text, self._parser.CurrentLineNumber)
        raise _Stop

    def _place(self) -> str:
        return place(self._at) if self._at else "/"

    def _declaration(self, version: str, encoding: str | None, standalone: int) -> None:
        if encoding is not None and encoding.lower() not in _ENCODINGS:
            self._stop("an encoding that isn't UTF-8, UTF-16, ISO-8859-1 or US-ASCII")

    def _doctype(self, name: str, system: str | None, public: str | None, internal: bool) -> None:
        self._stop("a document type declaration (DTD), which no dossier has")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        self._elements += 1
        if self._depth > DEPTH_MAX:
            self._stop(f"nested deeper than {DEPTH_MAX} elements")
        if self._elements > ELEMENTS_MAX:
            self._stop(f"more than {ELEMENTS_MAX} elements")
        if len(attributes) > ATTRIBUTES_MAX:
            self._stop(f"more than {ATTRIBUTES_MAX} attributes at one element")
        if any(len(each) > NAME_MAX for each in (name, *attributes)):
            self._stop(f"a name longer than {NAME_MAX} characters")
        if self.root is None:
            self.namespace = name.rpartition(" ")[0]
        self._open(self._named(name), {self._named(each, ""): value for each, value in attributes.items()})

    def _open(self, name: str, attributes: dict[str, str]) -> None:
        parent = self._at
        number = 1
        if parent:
            parent.counts[name] += 1
            number = parent.counts[name]
        element = Element(name, number, self._parser.CurrentLineNumber, parent, attributes)
        if parent:
            parent.children.append(element)
        else:
            self.root = element
        self._at = element

    def _named(self, name: str, own: str | None = None) -> str:
        space, _, local = name.rpartition(" ")
        return local if space == (self.namespace if own is None else own) else f"{{{space}}}{local}"

    def _end(self, name: str) -> None:
        self._depth -= 1
        assert self._at is not None
        self._at = self._at.parent

    def _text(self, text: str) -> None:
        assert self._at is not None
        self._at.texts.append(text)


def parse(data: bytes) -> tuple[Element, str]:
    """Read XML into a tree, and its root's namespace; raises DossierRefused with the place of what is wrong."""
    if len(data) > SIZE_MAX:
        raise DossierRefused((Problem("/", f"larger than {SIZE_MAX >> 20} MiB"),))
    if b"\0" in data and not data.startswith(_BOMS):
        line = data.count(b"\n", 0, data.index(b"\0")) + 1
        raise DossierRefused((Problem("/", "holds a NUL character, or UTF-16 without a byte order mark", line),))
    reader = _Reader()
    return reader.read(data), reader.namespace


def place(element: Element) -> str:
    """Print where an element stands: XPath from the root, with a number where it has siblings of its name."""
    steps: list[str] = []
    at: Element | None = element
    while at:
        steps.append(at.name if at.parent is None or at.parent.counts[at.name] == 1 else f"{at.name}[{at.number}]")
        at = at.parent
    return "/" + "/".join(reversed(steps))
