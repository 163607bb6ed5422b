"""Parts that several sections share: addresses, ways to reach somebody, schools and persons.

The fields of every part here and in the sections stand in the order of the OSO schema 2019.1 and carry its names.
"""

from dataclasses import dataclass

from handover.dossier.kinds import Brin, Flag, Free, Integer, Line, Location, Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Land:
    """A country by its GBA code, and in words."""

    code: Text
    omschrijving: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Nationaliteit:
    """A nationality by its code, and in words. It is read; it never travels."""

    code: Free
    omschrijving: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Adres:
    """An address of one kind: bezoek, post or gba."""

    soortadres: Text
    straat: Text
    nummer: Text
    toevoeging: Text | None = None
    aanduiding: Text | None = None
    locatieomschrijving: Line | None = None
    postcode: Text
    plaats: Text
    gemeente: Text | None = None
    land: Land | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Adreslijst:
    """Addresses of one person or school."""

    adres: tuple[Adres, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Communicatie:
    """A telephone number or mail address; `geheim` marks one that its owner keeps secret."""

    soort: Text
    aanduiding: Text | None = None
    nummer: Text
    geheim: Flag | None = None
    noodnummer: Flag | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Communicatielijst:
    """Ways to reach one person or school."""

    communicatie: tuple[Communicatie, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Instelling:
    """An institution that needn't be a school."""

    naam: Text
    adreslijst: Adreslijst | None = None
    communicatielijst: Communicatielijst | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class School(Instelling):
    """A school at one location (BRIN and vestigingscode)."""

    brincode: Brin
    vestigingscode: Location
    aanleverpunt: Text
    soort: Text | None = None
    type: Text | None = None
    naamdirecteur: Text | None = None
    website: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Persoon:
    """A person beside the pupil. `geslacht`: 0 unknown, 1 woman, 2 man."""

    voornaam: tuple[Text, ...] = ()
    voorletters_1: Text | None = None
    voorvoegsel: Text | None = None
    achternaam: Text
    roepnaam: Text | None = None
    geslacht: Integer | None = None
    adresgeheim: Flag | None = None
    adreslijst: Adreslijst | None = None
    communicatielijst: Communicatielijst | None = None
