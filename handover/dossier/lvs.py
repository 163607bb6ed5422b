"""The extract from the leerlingvolgsysteem: tests, marks, exams (Besluit uitwisseling art. 4)."""

from dataclasses import dataclass

from handover.dossier.address import Instelling, School
from handover.dossier.kinds import (
    Date,
    Decimal,
    ElementCode,
    Flag,
    Free,
    Int,
    Integer,
    StandardScore,
    TestAdvice,
    Text,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Domein:
    """A domain within a part of the eindtoets."""

    domeincode: Free
    domeinomschrijving: Free | None = None
    dom_referentieniveau: Free | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Domeinen:
    """Domains within a part of the eindtoets."""

    domein: tuple[Domein, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EindtoetsOnderdeel:
    """A part of the eindtoets, with its reference level."""

    onderdeelcode: Free
    onderdeelomschrijving: Free | None = None
    ond_referentieniveau: Free | None = None
    domeinen: Domeinen | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EindtoetsOnderdelen:
    """Parts of the eindtoets."""

    onderdeel: tuple[EindtoetsOnderdeel, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Eindtoetsresultaat:
    """The result of the test at the end of primary school (doorstroomtoets)."""

    toetssoort: Free
    toetsniveau: Free
    toetsomschrijving: Free | None = None
    datum_afname: Date
    wettelijke_ontheffing: Free | None = None
    standaardscore: StandardScore | None = None
    toets_advies: TestAdvice | None = None
    onderdelen: EindtoetsOnderdelen


@dataclass(frozen=True, slots=True, kw_only=True)
class EindtoetsBasisonderwijs:
    """Whether the pupil took the test, and what came of it."""

    eindtoetsresultaat: Eindtoetsresultaat | None = None
    deelgenomen: Flag


@dataclass(frozen=True, slots=True, kw_only=True)
class Toetsidentificatie:
    """Which test."""

    eldtoetscode: Text
    leergebied: Text | None = None
    toetsnaam: Text | None = None
    toetsversie: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Werkgever:
    """Where the person who took a test works: an institution or a school."""

    instelling: Instelling | None = None
    school: School | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Afgenomendoor:
    """Who took the test."""

    naammedewerker: Text
    functie: Text | None = None
    werktbijinstelling: Werkgever | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Afname:
    """When the test was taken; `dl` is the didactische leeftijd in months of education."""

    afnamedatum: Date
    jaargroep: Text | None = None
    dl: Integer | None = None
    afgenomendoor: Afgenomendoor | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Betrouwbaarheidsinterval:
    """Between which scores the pupil's skill lies."""

    bivlaag: Decimal
    bivhoog: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Toetsscore:
    """Raw scores; `tijd` in seconds."""

    aantalopgaven: Int | None = None
    aantalgoed: Int | None = None
    aantalfout: Int | None = None
    aantalgelezen: Int | None = None
    tijd: Decimal | None = None
    vaardigheidsscore: Decimal | None = None
    codevaardigheidsschaal: Text | None = None
    betrouwbaarheidsinterval: Betrouwbaarheidsinterval | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Referentiescore:
    """A score compared with a group: level, DLE, percentile, reference level and so on."""

    codereferentiescore: Text
    codevergelijkingsgroep: Text
    waarde: Text
    kwalificatie: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Resultaat:
    """What came of a test or of a part of it."""

    toetsscore: Toetsscore | None = None
    referentiescore: tuple[Referentiescore, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Toetsonderdeel:
    """A part of a test."""

    eldonderdeelcode: Text
    onderdeelnaam: Text | None = None
    resultaat: Resultaat


@dataclass(frozen=True, slots=True, kw_only=True)
class Toets:
    """One test taken."""

    toetsidentificatie: Toetsidentificatie
    afname: Afname
    resultaat: Resultaat
    toetsonderdeel: tuple[Toetsonderdeel, ...] = ()
    opmerking: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Toetslijst:
    """Tests taken."""

    toets: tuple[Toets, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A mark, as a value or in words."""

    waarde: Text | None = None
    kwalificatie: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CijferlijstOnderdeel:
    """A mark on a list of marks."""

    naam: Text
    score: Score
    afnamedatum: Date | None = None
    jaargroep: Text | None = None
    periode: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CijferlijstGroep:
    """A named group of marks. OSO puts several groups after each other into one element."""

    naam: Text
    onderdeel: tuple[CijferlijstOnderdeel, ...] = ()
    score: tuple[Score, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cijferlijst:
    """A list of marks of one period."""

    cijferlijst_typelijst: tuple[CijferlijstGroep, ...]
    afnamedatum: Date | None = None
    jaargroep: Text
    periode: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cijferlijstlijst:
    """Lists of marks."""

    cijferlijst: tuple[Cijferlijst, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bevorderd:
    """To which year the pupil was promoted."""

    elementcode: ElementCode | None = None
    leerjaar: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Examenresultaat:
    """The result of a final exam."""

    soortdiploma: Text | None = None
    examenjaar: Int | None = None
    datumuitslag: Date | None = None
    examenuitslag: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Werkstuk:
    """A thesis: its title and what it was judged to be."""

    werkstuktitel: Text
    werkstukbeoordeling: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultaatvakkenVo:
    """A subject at a VO school, with one of several kinds of mark."""

    vakcode: Text
    vakleergebied: Text | None = None
    afgerond: Flag
    datumafgerond: Date | None = None
    examenvak: Flag
    beoordelingexamenvak: Text | None = None
    exameneindcijfer: Int | None = None
    cijferce: Decimal | None = None
    eindcijferse: Decimal | None = None
    cijferse: tuple[Decimal, ...] = ()
    rapportcijfer: Decimal | None = None
    werkstuk: Werkstuk | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lvs:
    """The section `lvs`."""

    eindtoets_basisonderwijs: EindtoetsBasisonderwijs | None = None
    toetslijst: Toetslijst | None = None
    cijferlijstlijst: Cijferlijstlijst | None = None
    bevorderd: Bevorderd | None = None
    examenresultaat: Examenresultaat | None = None
    resultaatvakkenvo: tuple[ResultaatvakkenVo, ...] = ()
    certificaat: tuple[Text, ...] = ()
