"""OSO XML to a dossier: faithfully, all of it, every problem with its place.

(1) parse within limits  (2) which version: a file of another one is read as far as it goes, with a warning  (3) each
element into the field that the element table and the parts give it; what has no field is kept with its path  (4) the
embedded documents unpacked  (5) what the standard and the file's own categorie_uitlevering demand  (6) the rules of the
law, as warnings.

Problems end the reading once all are known; warnings don't. Neither repeats a value from the file.
"""

import re
from dataclasses import dataclass, replace
from datetime import date
from typing import Final, TypeAlias

from consent.terms import Section
from handover.dossier.dossier import Dossier, Sections, Source
from handover.dossier.elements import HEAD, steps
from handover.dossier.head import Head
from handover.dossier.problems import DossierRefused, Problem
from handover.dossier.rules import Rule, left_out, problems
from handover.dossier.schema import schema
from handover.oso.reading import Reading
from handover.oso.xml import Element, parse, place

VERSION: Final = "2019.1"
NAMESPACE: Final = "http://www.edustandaard.nl/oso_gegevensset/2019/dossier"

Steps: TypeAlias = tuple[tuple[str, int], ...]

_ANY_YEAR: Final = re.compile(r"http://www\.edustandaard\.nl/oso_gegevensset/([0-9]{4})/dossier").fullmatch
_ROUTES: Final = {"POPO": "POPO", "POVO": "POVO", "VOVO": "VOVO", "VOMBO": "VOMBO", "WECMBO": "VSOMBO"}


@dataclass(frozen=True, slots=True)
class ReadResult:
    """A dossier, and what a person should know of the file that it came from."""

    dossier: Dossier
    warnings: tuple[Problem, ...]


def read(data: bytes, today: date | None = None) -> ReadResult:
    """Read an OSO file; raises DossierRefused with every problem at once.

    Told what day it is, it also warns of data that is past its term.
    """
    root, namespace = parse(data)
    year = _ANY_YEAR(namespace)
    if root.name != "dossier" or year is None:
        raise DossierRefused((Problem(place(root), "not a dossier of the OSO standard", root.line),))
    version = _version(root)
    reading = Reading(strict=namespace == NAMESPACE and version in (VERSION, None))
    if not reading.strict:
        reading.warn(root, f"another version of the standard than {VERSION}; read as far as it goes")
    reading.outside(root, HEAD)
    reading.fill(root, "", (), Section.REPORTS)
    reading.check_demands(root)
    if reading.problems:
        raise DossierRefused(tuple(sorted(reading.problems, key=_line)))
    dossier = _dossier(reading, version or year[1])
    return ReadResult(dossier, tuple(sorted((*reading.warnings, *_by_law(dossier, root, today)), key=_line)))


def _line(problem: Problem) -> int:
    return problem.line or 0


def _version(root: Element) -> str | None:
    """Look the standard's version up before all else: it decides how strictly the file is read."""
    found = (child for metadata in root.children if metadata.name == "metadata" for child in metadata.children)
    return next((child.text for child in found if child.name == "standaardversie" and 0 < len(child.text) <= 40), None)


def _dossier(reading: Reading, version: str) -> Dossier:
    head = reading.tree.pop(HEAD, None)
    dossier = Dossier(
        source=Source(standard="OSO", version=version),
        head=schema(Head).load(head) if head else None,
        sections=schema(Sections).load(reading.tree),
        documents=tuple(reading.documents),
        kept=tuple(reading.kept),
    )
    return replace(dossier, route=_route(dossier))


def _route(dossier: Dossier) -> str | None:
    """Tell the route; OSO has one code for all that come from special education, so the kind of school decides."""
    metadata, okr = dossier.head and dossier.head.metadata, dossier.sections.okr
    overstap = metadata.overstap if metadata else None
    if overstap == "WECVO":
        return "VSOVO" if okr and okr.huidigeschool and okr.huidigeschool.soort == "VSO" else "SOVO"
    return _ROUTES.get(overstap or "")


def _by_law(dossier: Dossier, root: Element, today: date | None) -> list[Problem]:
    """Say what the law's rules find, at the lines of the file."""
    found = [(problem.place, problem.text) for problem in problems(dossier)]
    forbidden = (each for each in left_out(dossier, today) if each.rule is not Rule.NO_SECTION)
    found += [(each.place, f"never travels: {each.rule}") for each in forbidden]
    lines = _lines(root) if found else {}
    return [Problem(where, text, _nearest(lines, steps(where) or [])) for where, text in found]


def _lines(root: Element) -> dict[Steps, int]:
    """Tell the line of every element by its steps from the root."""
    lines: dict[Steps, int] = {}
    todo: list[tuple[Element, Steps]] = [(root, ((root.name, 1),))]
    while todo:
        element, at = todo.pop()
        lines[at] = element.line
        todo += [(child, (*at, (child.name, child.number))) for child in element.children]
    return lines


def _nearest(lines: dict[Steps, int], where: list[tuple[str, int]]) -> int | None:
    """Give the line of a place, or of the nearest element around it that is there."""
    found = (lines.get(tuple(where[:length])) for length in range(len(where), 0, -1))
    return next((line for line in found if line), None)
