"""The onderwijskundig rapport: school, pupil, carers, school career and advice (Besluit uitwisseling art. 3 and 4)."""

from dataclasses import dataclass

from handover.dossier.address import Adreslijst, Communicatielijst, Instelling, Nationaliteit, Persoon, School
from handover.dossier.kinds import (
    Brin,
    Bsn,
    Date,
    ElementCode,
    Flag,
    GbaDate,
    Integer,
    Line,
    Location,
    Month,
    Onderwijsnummer,
    PreschoolMonths,
    SchoolYear,
    ShortText,
    Text,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gba:
    """The name by the municipal register. It is read; it never travels."""

    gbavoornaam: tuple[Text, ...]
    gbavoorvoegsel: Text | None = None
    gbaachternaam: Text
    gbageboortedatum: GbaDate


@dataclass(frozen=True, slots=True, kw_only=True)
class Leerling:
    """The pupil (art. 3). `geboortemaand` and `postcode4adres` stand in for date and address where those stay out."""

    voornaam: tuple[Text, ...] = ()
    voorletters_1: Text | None = None
    voorvoegsel: Text | None = None
    achternaam: Text
    roepnaam: Text | None = None
    geboortedatum: Date | None = None
    geboortemaand: Month | None = None
    geslacht: Integer | None = None
    adresgeheim: Flag | None = None
    adreslijst: Adreslijst | None = None
    postcode4adres: Text | None = None
    communicatielijst: Communicatielijst | None = None
    gba: Gba | None = None
    adresbuitenland: tuple[Line, ...] = ()
    geboorteplaats: Text | None = None
    nationaliteit: tuple[Nationaliteit, ...] = ()
    onderwijsnummer: Onderwijsnummer | None = None
    bsn: Bsn | None = None
    leerlingid: Text | None = None
    onderwijssinds: Date | None = None
    startdatumhuidigonderwijs: Date | None = None
    datuminschrijving: Date | None = None
    datumuitschrijving: Date | None = None
    teruggeplaatstnaarbrin: Brin | None = None
    leerlinggewicht: Text | None = None
    nnca: Text | None = None
    tehuis: Flag | None = None
    huisarts: Persoon | None = None
    verzorgersaansprakelijk: Flag | None = None
    aansprakelijkeinstelling: Instelling | None = None
    vanpeuterspeelzaal: Flag | None = None
    naampeuterspeelzaal: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Overstapadvies:
    """The school's advice beside what parents and pupil wish (art. 4: in connection with each other)."""

    advies: Text | None = None
    wensouders: Text | None = None
    wensleerling: Text | None = None
    herzienadvies: Text | None = None
    motivatie_herzienadvies: Text | None = None
    profiel: Text | None = None
    argumentatie: Text | None = None
    contactnodig: Flag | None = None
    contactpersoon: Text | None = None
    contacttelefoon: Text | None = None
    contactemail: Text | None = None
    aandachtspunten: ShortText | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Voorschools:
    """Programmes before school (codes and months)."""

    codevoorschoolsehistorie: Integer | None = None
    codevoorschoolsprogramma: Integer
    voorschoolsemaanden: PreschoolMonths
    codevoorschoolsetoeleider: Integer | None = None
    codevoorschoolsedeelname: Integer | None = None
    voorschoolseaanwezigheid: Integer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Vroegschools:
    """A programme in the first years at school."""

    codevroegschoolsprogramma: Integer
    vroegschoolsdatumingang: Date
    vroegschoolseinddatum: Date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Schoolloopbaan:
    """One year of the school career."""

    schooljaar: SchoolYear
    groepscode: Text
    groepsnaam: Text | None = None
    jaargroep: Text
    begindatum: Date | None = None
    einddatum: Date | None = None
    brincode: Brin
    vestigingscode: Location
    schoolsoort: Text | None = None
    schooltype: Text | None = None
    voelementcode: ElementCode | None = None
    voelementomschrijving: Text | None = None
    schoolsoortomschrijving: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Schoolloopbaanlijst:
    """The school career, year by year."""

    schoolloopbaan: tuple[Schoolloopbaan, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verzorger(Persoon):
    """A parent, voogd or other carer. Numbers of bank accounts are read; they never travel."""

    relatietotkind: Text | None = None
    overleden: Flag | None = None
    overlijdensdatum: Date | None = None
    wettigevertegenwoordiger: Flag
    banknummer: Text | None = None
    iban: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Competenties:
    """A competence and how far the pupil has it: the place for strengths."""

    competentiereferentie: Text | None = None
    competentiecategorie: Text | None = None
    competentiebeschrijving: Text | None = None
    competentiestatus: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A placement at work and how it went."""

    begindatum: Date | None = None
    einddatum: Date | None = None
    soortstage: Text | None = None
    functierol: Text | None = None
    instelling: Instelling | None = None
    beoordeling: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Overigvombo:
    """What a pupil has ready for the choice of a next education (VO to MBO)."""

    keuzevervolgopleiding: Text | None = None
    beroepskeuzetest: Flag
    portfolio: Flag
    pop: Flag
    motivatiebrief: Flag
    lobdossier: Flag


@dataclass(frozen=True, slots=True, kw_only=True)
class Okr:
    """The section `okr`."""

    huidigeschool: School | None = None
    leerling: Leerling | None = None
    overstapadvies: Overstapadvies | None = None
    voorschools: Voorschools | None = None
    vroegschools: tuple[Vroegschools, ...] = ()
    schoolloopbaanlijst: Schoolloopbaanlijst | None = None
    verzorger: tuple[Verzorger, ...] = ()
    competenties: tuple[Competenties, ...] = ()
    stage: tuple[Stage, ...] = ()
    overigvombo: Overigvombo | None = None
