"""Support that a pupil gets or needs, and absence (Besluit uitwisseling art. 5, 6 and 7)."""

from dataclasses import dataclass

from handover.dossier.kinds import Brin, Date, Flag, Integer, Location, SchoolYearEnd, Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnose:
    """The fact of a diagnosis as far as it bears on education. The report of it is a document in `reports`."""

    code: tuple[Text, ...]
    naam: Text | None = None
    datum: Date | None = None
    doorwie: Text | None = None
    instantie: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Handelingsplan:
    """A plan of approach for one subject or domain."""

    startdatum: Date
    einddatum: Date | None = None
    isgerichtop: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Tlv:
    """A toelaatbaarheidsverklaring of the samenwerkingsverband."""

    tlvingangdatum: Date
    tlvswvnummer: Text
    tlvcategorie: Text
    tlvbeschikkingsnummer: Text
    tlveinddatum: Date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrangementCluster12:
    """An arrangement for pupils with a visual, auditory or communicative handicap."""

    arrangement_datum: Date
    arrangement_brin: Brin | None = None
    arrangement_vestigingscode: Location | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrangementPao:
    """An arrangement of the samenwerkingsverband (passend onderwijs)."""

    arrangement_datum: Date
    arrangement_kenmerk: Text | None = None
    arrangement_beschikkingsnr: Text | None = None
    arrangement_einddatum: Date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lwoo:
    """Leerwegondersteunend onderwijs."""

    lwoo_ingangdatum: Date
    lwoo_swvnummer: Text
    lwoo_beschikkingsnummer: Text
    lwoo_einddatum: SchoolYearEnd | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Signaleringlwoopro:
    """What was seen that points to LWOO or praktijkonderwijs."""

    deelgenomenaanonderzoek: Flag
    leerachterstand: Flag
    lagescoreeindtoets: Flag


@dataclass(frozen=True, slots=True, kw_only=True)
class Rvc:
    """The former regionale verwijzingscommissie's advice."""

    centraleproblematiek: Text | None = None
    maatregelen: Text | None = None
    signaleringlwoopro: Signaleringlwoopro
    rvcdatum: Date | None = None
    rvcindicatie: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Support:
    """The section `support`."""

    diagnose: tuple[Diagnose, ...] = ()
    medicijngebruik: Flag | None = None
    handelingsplan: tuple[Handelingsplan, ...] = ()
    tlv: tuple[Tlv, ...] = ()
    arrangement_cluster12: tuple[ArrangementCluster12, ...] = ()
    arrangement_pao: tuple[ArrangementPao, ...] = ()
    lwoo: Lwoo | None = None
    rvc: Rvc | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verzuim:
    """Absence over twelve months: half days (PO) or hours (VO), allowed and not."""

    dagdelengeoorloofd: Integer | None = None
    dagdelenongeoorloofd: Integer | None = None
    urengeoorloofd: Integer | None = None
    urenongeoorloofd: Integer | None = None
    meerdan25percent: Flag | None = None
    frequentie: Integer | None = None
    contactleerplicht: Flag | None = None
    rmcmelding: Flag | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attendance:
    """The section `attendance`. OSO has no dates: without `begindatum` the year before the dossier is meant."""

    verzuim: Verzuim | None = None
    begindatum: Date | None = None
