"""The register of processing (AVG art. 30), made from the tables by which the service itself decides.

Purposes, sections, grounds and their articles are `consent.terms`, who may ask for a file is `handover.roles`, how long
what is kept is `handover.retention`. What no table says stands here as data: the Dutch words, who is concerned, the
measures. Every member of a list has its words; a new one without them stops the register (KeyError) and the suite.
Dutch in short sentences (B1), for an FG to file.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import select

from consent.db import reading
from consent.terms import (
    CONSENT_ROW,
    SPECIAL,
    STATUS_REQUIREMENT,
    STATUTORY_ROWS,
    EmergencyGround,
    Ground,
    PolicyKind,
    Purpose,
    Requirement,
    Route,
    Section,
)
from handover.errors import not_found
from handover.parts import Parts
from handover.retention import TABLE, HeldBy, Kept, Row, Term, Unit
from handover.roles import MAY, Action, Role
from handover.tables import Board, School

COMMAND: Final = "handover admin register --out deploy/register-of-processing.md"

PURPOSES: Final[dict[Purpose, str]] = {
    Purpose.PLACEMENT: "De nieuwe school plaatst de leerling na de aanmelding.",
    Purpose.SUPPORT: "De nieuwe school geeft de leerling goede ondersteuning en begeleiding.",
    Purpose.FOLLOW_UP: "De vorige school hoort hoe het verder ging met de leerling.",
}

SECTIONS: Final[dict[Section, tuple[str, str]]] = {
    Section.OKR: (
        "Onderwijskundig rapport",
        "naam, persoonsgebonden nummer, geboortedatum, adres, ouders, advies",
    ),
    Section.OPP: ("Ontwikkelingsperspectief", "doelen, ondersteuning die nodig is, afspraken met ouders en leerling"),
    Section.LVS: ("Leerlingvolgsysteem en resultaten", "toetsen, cijfers, examens, certificaten"),
    Section.ATTENDANCE: ("Verzuim", "hoe vaak de leerling er niet was"),
    Section.SUPPORT: ("Ondersteuning", "diagnose als feit, medicijnen op school, handelingsplan, TLV"),
    Section.REPORTS: ("Verslagen en bijlagen", "verslagen van onderzoek, andere documenten over zorg"),
    Section.VIEWS: ("Zienswijze", "wat ouders en leerling er zelf van vinden"),
    Section.HANDOVER_NOTES: ("Overdrachtsgesprek en afspraken", "notities van het gesprek tussen de scholen"),
}

ROUTES: Final[dict[Route, str]] = {
    Route.POPO: "basisschool naar basisschool",
    Route.POVO: "basisschool of sbo naar vo",
    Route.SOVO: "so naar vo",
    Route.VOVO: "vo naar vo",
    Route.VSOVO: "vso naar vo",
    Route.VOMBO: "vo naar mbo",
    Route.VSOMBO: "vso naar mbo",
}

GROUNDS: Final[dict[Ground, str]] = {
    Ground.CONSENT: "toestemming",
    Ground.EXPLICIT_CONSENT: "uitdrukkelijke toestemming",
    Ground.STATUTORY: "wettelijke taak",
    Ground.EMERGENCY: "spoed",
    Ground.VIEW: "reist mee als de schrijver dat wil",
}

POLICIES: Final[dict[PolicyKind, tuple[str, str]]] = {
    PolicyKind.TOESTEMMING: (
        "Beleid ‘toestemming’",
        "Het bestuur vraagt voor elk onderdeel toestemming. Geen antwoord is nee.",
    ),
    PolicyKind.WETTELIJK: (
        "Beleid ‘wettelijk’",
        (
            "Wat de wet voorschrijft, gaat mee nadat ouders (en een leerling vanaf 16 jaar) het hebben ingezien. "
            "Zij kunnen bezwaar maken. Voor de rest vraagt het bestuur toestemming."
        ),
    ),
}

EMERGENCIES: Final[dict[EmergencyGround, tuple[str, str]]] = {
    EmergencyGround.VITAL_INTEREST: ("vitaal belang", "AVG art. 6(1)(d), 9(2)(c)"),
    EmergencyGround.MELDCODE: ("meldcode", "Wet verplichte meldcode huiselijk geweld en kindermishandeling"),
    EmergencyGround.LEERPLICHT: ("leerplicht", "Leerplichtwet 1969"),
}

ROLES: Final[dict[Role, str]] = {
    Role.PRINCIPAL: "directeur",
    Role.INTERNAL_SUPERVISOR: "intern begeleider",
    Role.CARE_COORDINATOR: "zorgcoördinator",
    Role.TEACHER: "leerkracht",
    Role.MENTOR: "mentor",
    Role.COUNSELLOR: "decaan",
    Role.INTAKE: "intake van het mbo",
    Role.TRANSITION_COACH: "transitiecoach",
    Role.ADMINISTRATION: "administratie",
}

PHRASES: Final[dict[str, str]] = {
    "WVO 103b's successor": "de opvolger van WVO art. 103b",
    "of art. 3 only what enrolling needs": "van art. 3 alleen wat nodig is om in te schrijven",
    "health in relation to education": "gezondheid in verband met onderwijs",
    "the latest OPP is part of the OKR": "het nieuwste OPP hoort bij het OKR",
    "the year before": "alleen het jaar ervoor",
    "norms SM.04 and": "normen SM.04 en",
}
"""The words around the articles in the tables, in Dutch."""


KEPT: Final[dict[Kept, tuple[str, str, str]]] = {
    Kept.SUPERSEDED_BUNDLE: ("dossier dat door een nieuwere versie is vervangen", "de nieuwere versie", "vernietigd"),
    Kept.WITHDRAWN_SHARE: ("onderdeel waarvoor de toestemming is ingetrokken", "het intrekken", "vernietigd"),
    Kept.DELIVERED_BUNDLE: ("dossier dat is ontvangen", "de bevestiging van ontvangst", "vernietigd"),
    Kept.EXPIRED_BUNDLE: ("dossier waarvan de tijd om is", "het eind dat de school koos", "vernietigd"),
    Kept.UNDELIVERED_BUNDLE: ("dossier waarvan de ontvangst niet is bevestigd", "het versturen", "vernietigd"),
    Kept.CANCELLED_TRANSFER: ("afgebroken overdracht, niets verstrekt", "het afbreken", "verwijderd"),
    Kept.SILENT_TRANSFER: ("open overdracht, niets verstrekt", "het openen, of het laatste versturen", "verwijderd"),
    Kept.CONTACT: ("naam en e-mailadres van ouders", "het eind van de laatste overdracht", "sleutel vernietigd"),
    Kept.RELEASED_PUPIL: ("gegevens van de leerling en bewijs van toestemming", "de laatste verstrekking", "gewist"),
    Kept.UNRELEASED_PUPIL: (
        "gegevens van een leerling van wie niets is verstrekt",
        "het eind van de laatste overdracht, of de inschrijving",
        "gewist",
    ),
    Kept.STAFF_RECORD: ("welke medewerker of FG wat deed", "het eind van het kalenderjaar", "sleutel vernietigd"),
    Kept.INVITATION: ("uitnodiging", "het eind van de uitnodiging", "verwijderd"),
    Kept.MESSAGE: ("bericht dat niet is opgehaald", "het schrijven", "verwijderd"),
    Kept.PROPOSAL: ("voorstel dat geen tweede medewerker bevestigde", "het voorstel", "verwijderd"),
    Kept.NONCE: ("kenmerk van een ondertekend verzoek", "het verzoek", "verwijderd"),
    Kept.ATTEMPT: ("telling van verzoeken om wat niet van de school is", "de minuut van vragen", "verwijderd"),
    Kept.IDEMPOTENCY: ("antwoord op een verzoek", "het antwoord", "verwijderd"),
    Kept.ORPHAN: ("rest van een mislukte verzending", "het uur van ontstaan", "vernietigd"),
}
"""What is kept, from when its term counts, and what becomes of it."""

UNITS: Final[dict[Unit, tuple[str, str]]] = {
    Unit.YEAR: ("jaar", "jaar"),
    Unit.DAY: ("dag", "dagen"),
    Unit.HOUR: ("uur", "uur"),
    Unit.SECOND: ("seconde", "seconden"),
}

HELD_BY: Final[dict[HeldBy, str]] = {
    HeldBy.HOLD: "bewaarplicht of rechtszaak",
    HeldBy.RESTRICTION: "beperking (AVG art. 18)",
    HeldBy.OBJECTION: "open bezwaar (AVG art. 21)",
    HeldBy.REQUEST: "open verzoek (AVG art. 16, 17)",
}


@dataclass(frozen=True, slots=True)
class Concerned:
    """A group of people, and what is held about them: by the service itself, not inside a sealed dossier."""

    who: str
    data: str
    how: str


CONCERNED: Final = (
    Concerned("Leerlingen", "voornaam, geboortedatum", "versleuteld met een sleutel per leerling"),
    Concerned("Leerlingen", "leerlingnummer van het bestuur", "alleen als afdruk (HMAC); geen BSN"),
    Concerned("Leerlingen", "het dossier", "versleuteld voor één school; de dienst kan het niet lezen"),
    Concerned("Ouders, voogden, gecertificeerde instellingen", "naam, e-mailadres, rol", "versleuteld per persoon"),
    Concerned("Ouders, voogden, leerlingen", "antwoorden, inzage, zienswijze, bezwaar", "in het grootboek, verzegeld"),
    Concerned("Medewerkers van scholen", "code van de school, rol, wat zij deden", "in het logboek, verzegeld"),
    Concerned("FG’s", "code, wat zij in het logboek zochten", "in het logboek, verzegeld"),
)

MEASURES: Final[dict[str, str]] = {
    "Een dossier is versleuteld van school tot school. De beheerder kan het niet lezen.": "crypto/README.md",
    "Elk onderdeel wordt apart vrijgegeven. Dat wordt bij elke vraag opnieuw beslist.": "handover/release.py",
    "Elke handeling staat in een logboek. Een verandering daarin wordt ontdekt.": "consent/JOURNAL.md",
    "Wie wat mag, staat in één tabel. Wat er niet in staat, mag niet.": "handover/roles.py",
    "Verzoeken van scholen zijn ondertekend. Een verzoek telt één keer.": "handover/signing.py",
    "Sleutels staan apart van de gegevens. Wordt een sleutel vernietigd, dan is de inhoud weg.": "consent/keystore.py",
    "In het technische logboek staan geen namen, adressen of inhoud.": "handover/logs.py",
    "Van elke eis van OWASP ASVS (niveau 1 en 2) staat erbij welke proef hem toont.": "tests/asvs.csv",
}
"""What protects the data -> where in this product that is."""


@dataclass(frozen=True, slots=True)
class Described:
    """The board for which a register is made: its code, its name, its locations, its policy."""

    code: str
    name: str
    schools: tuple[str, ...]
    policy: PolicyKind


def described(parts: Parts, code: str) -> Described:
    """Read a board of this service, with the policy that it has chosen; 404 where there is none."""
    with reading(parts.main) as session:
        row = session.get(Board, code)
        chosen = parts.ledger.policy_of(session, code)
        if row is None or chosen is None or chosen.policy is None:
            raise not_found()
        schools = session.scalars(select(School.code).where(School.board == code).order_by(School.code))
        return Described(code, row.name, tuple(schools), chosen.policy.kind)


def register(board: Described | None = None) -> str:
    """Print the register as Markdown: of one board with its policy, or of the service with both policies."""
    policies = tuple(PolicyKind) if board is None else (board.policy,)
    chapters = (
        ("Wie is verantwoordelijk", _who(board)),
        ("Waarvoor", _purposes()),
        ("Over wie, en wat de dienst zelf bewaart", _concerned()),
        ("Welke onderdelen een dossier heeft", _sections()),
        ("Op welke grond", _grounds(policies)),
        ("Wie het krijgt", _receivers()),
        ("Hoe lang het bewaard wordt", _terms()),
        ("Hoe het beveiligd is", _measures()),
    )
    lines = list(_head())
    for number, (title, told) in enumerate(chapters, 1):
        lines += [f"## {number}. {title}", "", *told]
    return "\n".join(lines)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield from (f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows))
    yield ""


def _head() -> Iterator[str]:
    yield from ("# Register van verwerkingsactiviteiten", "")
    yield "Dit register (AVG artikel 30) is gemaakt uit de tabellen waarmee Overdracht zelf beslist."
    yield f"Verander het niet met de hand: verander de tabel, en maak het opnieuw met `{COMMAND}`."
    yield from ("Wat tussen vierkante haken staat, vult het bestuur zelf in.", "")


def _who(board: Described | None) -> Iterator[str]:
    name = f"{board.name} ({board.code}), met de scholen {', '.join(board.schools)}" if board else "[naam en adres]"
    rows = (
        ("Verwerkingsverantwoordelijke", f"het schoolbestuur dat verstuurt: {name}"),
        ("Na ontvangst", "het bestuur van de nieuwe school, voor wat het heeft ontvangen"),
        ("Verwerker", "de beheerder van de dienst: [naam, adres, verwerkersovereenkomst]"),
        ("Functionaris gegevensbescherming", "[naam, e-mailadres]"),
    )
    yield from _table(("rol", "wie"), rows)


def _purposes() -> Iterator[str]:
    yield from _table(("doel", "uitleg"), ((f"`{purpose}`", PURPOSES[purpose]) for purpose in Purpose))


def _concerned() -> Iterator[str]:
    yield from _table(("wie", "gegevens", "hoe"), ((one.who, one.data, one.how) for one in CONCERNED))


def _sections() -> Iterator[str]:
    rows = ((f"`{one}`", *SECTIONS[one], "ja" if one in SPECIAL else "nee") for one in Section)
    yield from _table(("onderdeel", "naam", "wat erin staat", "bijzondere gegevens (AVG art. 9)"), rows)
    yield "Een bankrekening, nationaliteit en geboorteplaats gaan nooit mee. Het persoonsgebonden nummer staat alleen"
    yield from ("in het versleutelde dossier: de dienst heeft het niet.", "")


def _grounds(policies: Sequence[PolicyKind]) -> Iterator[str]:
    yield from ("De artikelen moeten door een jurist zijn bevestigd voordat de dienst in gebruik gaat.", "")
    for policy in policies:
        title, meaning = POLICIES[policy]
        yield from (f"### {title}", "", meaning, "")
        for routes, row in _rows(policy):
            yield from (f"Voor {routes}:", "")
            yield from _table(
                ("onderdeel", "grond", "bron"),
                ((f"`{one}`", GROUNDS[row[one].ground], dutch(row[one].source)) for one in Section),
            )
    yield from ("### Voor elk beleid", "")
    yield f"Voor `{Purpose.FOLLOW_UP}` vraagt het bestuur altijd toestemming. Alleen de vijf statussen van een"
    yield from (f"aanmelding bij het mbo gaan zonder: {dutch(STATUS_REQUIREMENT.source)}.", "")
    yield "Spoed: twee mensen beslissen, met een reden uit deze lijst. De ouders en de FG horen het meteen."
    yield ""
    yield from _table(("reden", "bron"), (EMERGENCIES[one] for one in EmergencyGround))


def _rows(policy: PolicyKind) -> Iterator[tuple[str, Mapping[Section, Requirement]]]:
    """Give each different row of the table of grounds once, with the routes that it holds for."""
    if policy is PolicyKind.TOESTEMMING:
        yield "elke overstap", CONSENT_ROW
        return
    seen: list[Mapping[Section, Requirement]] = []
    for row in STATUTORY_ROWS.values():
        if row not in seen:
            seen.append(row)
            yield ", ".join(ROUTES[route] for route in Route if STATUTORY_ROWS[route] == row), row


def dutch(source: str) -> str:
    """Give a source with the words around its articles in Dutch."""
    for phrase, words in PHRASES.items():
        source = source.replace(phrase, words)
    return source


def _receivers() -> Iterator[str]:
    asking = ", ".join(ROLES[role] for role in Role if Action.ASK_RELEASE in MAY[role])
    rows = (
        ("de nieuwe school", f"alleen de onderdelen die mogen; opvragen kan door: {asking}"),
        ("ouders, voogden en de leerling", "wat er gevraagd wordt, wat er verstuurd is en aan wie"),
        ("de FG van het bestuur", "het logboek van de eigen kant, nooit de inhoud van een dossier"),
        ("de beheerder van de dienst", "niets van een dossier; wel welke school wanneer iets deed"),
    )
    yield from _table(("ontvanger", "wat"), rows)
    yield "Overdracht geeft niets door aan landen buiten de EER. Waar de computers staan: [land, leverancier]."
    yield ""


def _terms() -> Iterator[str]:
    yield "Is de tijd om, dan ruimt de dienst zelf op. Een dag eindigt om middernacht in Nederland."
    yield f"Alleen dit kan het opruimen laten wachten: {', '.join(HELD_BY.values())}."
    yield from ("Een ‘nee’ van ouders is nooit een reden om iets te bewaren.", "")
    rows = (
        (KEPT[kept][0], KEPT[kept][1], term(row.term), KEPT[kept][2], dutch(row.basis.split(": ")[0]), _held(row))
        for kept, row in TABLE.items()
    )
    yield from _table(("gegevens", "telt vanaf", "termijn", "daarna", "bron", "kan wachten"), rows)
    yield "De scholen bewaren hun eigen dossiers volgens hun eigen regels; die staan niet in dit register."
    yield ""


def _held(row: Row) -> str:
    """Say whether everything on the list may let this wait, nothing, or what."""
    if len(row.held_by) == len(HeldBy):
        return "ja"
    return ", ".join(HELD_BY[by] for by in HeldBy if by in row.held_by) or "nee"


def term(of: Term) -> str:
    """Give a term in Dutch."""
    if not of.amount:
        return "tot het eind van die dag" if of.unit in (Unit.DAY, Unit.YEAR) else "meteen"
    one, more = UNITS[of.unit]
    return f"{of.amount} {one if of.amount == 1 else more}"


def _measures() -> Iterator[str]:
    yield from _table(("maatregel", "waar"), ((measure, f"`{place}`") for measure, place in MEASURES.items()))
