"""The element table: where each part of an OSO file lives in a dossier.

A row names an element by its path below `dossier`, and the section whose field of the same name holds it. An element
without a row of its own goes with its parent; one that no part has a field for goes to the dossier's `kept`, in the
section of its nearest mapped parent, else in `reports`. The rows stand in the order of the OSO schema 2019.1.

`article`: which article of the Besluit uitwisseling leer- en begeleidingsgegevens lets it travel without consent; None
where no article does. `category`: the element of categorie_uitlevering that speaks of it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from consent.terms import Section

HEAD: Final = "head"

_PUPIL: Final = "huidigeschool/leerling"
_CARE: Final = "huidigeschool/leerling/onderwijsondersteuning"


@dataclass(frozen=True, slots=True)
class Row:
    """One element. `after` names the sibling it follows where that is a field of the parent's part."""

    path: str
    section: str | None
    article: str | None = None
    category: str | None = None
    after: str | None = None

    @property
    def name(self) -> str:
        """The element's own name, which is also the section's field."""
        return self.path.rpartition("/")[2]

    @property
    def parent(self) -> str:
        """The path of the element around it."""
        return self.path.rpartition("/")[0]


ROWS: Final = (
    Row("metadata", HEAD, "3", "cat_metadata"),
    Row("metadata/categorie_uitlevering", None, after="validatieversie"),
    Row("overdrachtsoort", HEAD, "3"),
    Row("inzage", Section.VIEWS, None, "cat_ouderinzage"),
    Row("inzage/inzagedatum", HEAD, "3", after="inzage"),
    Row("huidigeschool", Section.OKR, "3", "cat_school"),
    Row(_PUPIL, Section.OKR, "3", "cat_leerling"),
    Row(f"{_PUPIL}/overstapadvies", Section.OKR, "4", "cat_overstapadvies", after="aansprakelijkeinstelling"),
    Row(f"{_PUPIL}/voorschools", Section.OKR, "4", "cat_vve"),
    Row(f"{_PUPIL}/vroegschools", Section.OKR, "4", "cat_vve"),
    Row(f"{_PUPIL}/schoolloopbaanlijst", Section.OKR, "4", "cat_schoolloopbaan"),
    Row(_CARE, Section.SUPPORT),
    Row(f"{_CARE}/toelichting_onderwijsbehoeften", Section.SUPPORT, "6", "cat_onderwijsondersteuning"),
    Row(f"{_CARE}/diagnose", Section.SUPPORT, "6", "cat_onderwijsondersteuning"),
    Row(f"{_CARE}/medicijngebruik", Section.SUPPORT, "6", "cat_onderwijsondersteuning"),
    Row(f"{_CARE}/handelingsplan", Section.SUPPORT, "6", "cat_handelingsplannen"),
    Row(f"{_CARE}/opp", Section.OPP, "6", "cat_onderwijsondersteuning"),
    Row(f"{_CARE}/tlv", Section.SUPPORT, "6", "cat_onderwijsondersteuning"),
    Row(f"{_CARE}/arrangement_cluster12", Section.SUPPORT, "6", "cat_onderwijsondersteuning"),
    Row(f"{_CARE}/arrangement_pao", Section.SUPPORT, "6", "cat_onderwijsondersteuning"),
    Row(f"{_CARE}/lwoo", Section.SUPPORT, "6", "cat_onderwijsondersteuning"),
    Row(f"{_CARE}/rvc", Section.SUPPORT, "6", "cat_onderwijsondersteuning"),
    Row(f"{_PUPIL}/verzuim", Section.ATTENDANCE, "7", "cat_verzuim"),
    Row(f"{_PUPIL}/eindtoets_basisonderwijs", Section.LVS, "4", "cat_eindtoetsbo"),
    Row(f"{_PUPIL}/toetslijst", Section.LVS, "4", "cat_toetsresultaten"),
    Row(f"{_PUPIL}/cijferlijstlijst", Section.LVS, "4", "cat_cijferlijsten"),
    Row(f"{_PUPIL}/overigdocumentlijst", Section.REPORTS, None, "cat_bijlagedocs"),
    Row(f"{_PUPIL}/verzorger", Section.OKR, "3", "cat_oudersverzorgers"),
    Row(f"{_PUPIL}/bevorderd", Section.LVS, "4", "cat_vombo"),
    Row(f"{_PUPIL}/examenresultaat", Section.LVS, "4", "cat_vombo"),
    Row(f"{_PUPIL}/resultaatvakkenvo", Section.LVS, "4", "cat_vombo"),
    Row(f"{_PUPIL}/certificaat", Section.LVS, "4", "cat_vombo"),
    Row(f"{_PUPIL}/competenties", Section.OKR, "4", "cat_vombo"),
    Row(f"{_PUPIL}/stage", Section.OKR, "4", "cat_vombo"),
    Row(f"{_PUPIL}/overigvombo", Section.OKR, "4", "cat_vombo"),
)

BY_PATH: Final = {row.path: row for row in ROWS}

DOCUMENTS_ELSEWHERE: Final = {f"{_CARE}/diagnose": Section.REPORTS}
"""Documents that don't go with the element they hang under: the fact of a diagnosis is support, its report is not."""

LOOSE_DOCUMENTS: Final = f"/dossier/{_PUPIL}/overigdocumentlijst"
"""Where documents hang that belong to no other element."""

DOCUMENT_LISTS: Final = frozenset(
    {f"{_CARE}/toelichting_onderwijsbehoeften", f"{_PUPIL}/verzuim/documentLijst", f"{_PUPIL}/overigdocumentlijst"}
)
"""Elements that hold documents and nothing else, at least one."""

CATEGORIES: Final = (
    "cat_metadata",
    "cat_ouderinzage",
    "cat_school",
    "cat_leerling",
    "cat_oudersverzorgers",
    "cat_vve",
    "cat_schoolloopbaan",
    "cat_overstapadvies",
    "cat_onderwijsondersteuning",
    "cat_verzuim",
    "cat_eindtoetsbo",
    "cat_toetsresultaten",
    "cat_handelingsplannen",
    "cat_cijferlijsten",
    "cat_vombo",
    "cat_bijlagedocs",
)
"""The parts of categorie_uitlevering, all of them in this order."""

MANDATORY: Final = ("metadata", "overdrachtsoort", "huidigeschool", _PUPIL)
"""Elements that every file must have."""

CATEGORIES_PATH: Final = "/dossier/metadata/categorie_uitlevering"


def order(path: str, fields: tuple[str, ...]) -> tuple[str, ...]:
    """Give the names of an element's children in the order of the standard.

    `fields` are those that its part has fields for; those with a row of their own come in between, documents last.
    """
    names = list(fields)
    for row in ROWS:
        if row.parent == path:
            names.insert(names.index(row.after) + 1 if row.after else len(names), row.name)
    return (*names, "document")


def field_row(section: str, name: str) -> Row | None:
    """Find the row of a section's field; None for a field that OSO has no element for."""
    return next((row for row in ROWS if row.section == section and row.name == name), None)


def rows_of(category: str) -> Iterator[Row]:
    """Give the elements that a category speaks of."""
    return (row for row in ROWS if row.category == category)


def xpath(section: str, *steps: str | int) -> str:
    """Print where a field of a section stands in an OSO file: XPath from the root, elements that repeat counted from 1.

    A field that OSO has no element for gets a dotted path that starts with its section.
    """
    row = field_row(section, str(steps[0]))
    if row is None:
        return section + "".join(f"[{step + 1}]" if isinstance(step, int) else f".{step}" for step in steps)
    place = f"/dossier/{row.path}"
    for step in steps[1:]:
        place += f"[{step + 1}]" if isinstance(step, int) else f"/{step}"
    return place


_STEP = re.compile(r"/(@)?((?:\{[^{}]*\})?[^/\[\]{}@]+)(?:\[([1-9][0-9]{0,5})\])?")


def steps(path: str) -> list[tuple[str, int]] | None:
    """Read a path from `/dossier` on: names with their numbers, an attribute as `@name`; None if it isn't one."""
    found = list(_STEP.finditer(path))
    if not found or "".join(match[0] for match in found) != path or any(match[1] for match in found[:-1]):
        return None
    return [((match[1] or "") + match[2], int(match[3] or 1)) for match in found]
