"""How the names and codes of the OSO standard read on a page in Dutch. What isn't here is shown as the file has it."""

from typing import Final

LABELS: Final[dict[str, str]] = {
    "aandachtspunten": "Let op",
    "aansprakelijkeinstelling": "Verantwoordelijke instelling",
    "adresgeheim": "Adres is geheim",
    "adreslijst": "Adressen",
    "afname": "Afgenomen",
    "afnamedatum": "Op",
    "argumentatie": "Waarom",
    "arrangement_pao": "Arrangement",
    "attendance": "Verzuim",
    "begindatum": "Begin",
    "brincode": "BRIN",
    "bsn": "BSN",
    "cijferlijstlijst": "Cijferlijsten",
    "codereferentiescore": "Soort score",
    "codevaardigheidsschaal": "Schaal",
    "codevergelijkingsgroep": "Vergeleken met",
    "communicatielijst": "Bereikbaar",
    "contactemail": "E-mail",
    "contactleerplicht": "Contact met leerplicht",
    "contactnodig": "Contact is nodig",
    "contacttelefoon": "Telefoon",
    "dagdelengeoorloofd": "Dagdelen afwezig, met reden",
    "dagdelenongeoorloofd": "Dagdelen afwezig, zonder reden",
    "datuminschrijving": "Ingeschreven op",
    "datumuitschrijving": "Uitgeschreven op",
    "doorwie": "Door",
    "einddatum": "Einde",
    "eindtoets_basisonderwijs": "Doorstroomtoets",
    "eldtoetscode": "Toetscode",
    "geboortedatum": "Geboren op",
    "groepscode": "Groep",
    "herzienadvies": "Herzien advies",
    "huidigeschool": "School",
    "inzagedatum": "Inzage gegeven op",
    "isgerichtop": "Gericht op",
    "jaargroep": "Leerjaar",
    "leerlingid": "Leerlingnummer",
    "medicijngebruik": "Gebruikt medicijnen",
    "meerdan25percent": "Meer dan een kwart afwezig",
    "motivatie_herzienadvies": "Waarom herzien",
    "naamdirecteur": "Directeur",
    "onderwijsondersteuning": "Ondersteuning",
    "onderwijssinds": "Op school sinds",
    "opp_einddatum": "Tot",
    "opp_ingangdatum": "Vanaf",
    "overdrachtsoort": "Soort overdracht",
    "overlijdensdatum": "Overleden op",
    "overstapadvies": "Advies voor de overstap",
    "redennietakkoord": "Waarom niet akkoord",
    "referentiescore": "Vergelijking",
    "relatietotkind": "Is van het kind",
    "schoolloopbaanlijst": "Schoolloopbaan",
    "soortadres": "Soort",
    "standaardscore": "Standaardscore",
    "tlv": "Toelaatbaarheidsverklaring",
    "toetsidentificatie": "Toets",
    "toetslijst": "Toetsen",
    "toetsscore": "Score",
    "vestigingscode": "Vestiging",
    "verzorger": "Ouder of verzorger",
    "verzorgersaansprakelijk": "Ouders zijn verantwoordelijk",
    "voorletters-1": "Voorletters",
    "voorvoegsel": "Tussenvoegsel",
    "wensleerling": "Wens van de leerling",
    "wensouders": "Wens van de ouders",
    "wettigevertegenwoordiger": "Wettelijk vertegenwoordiger",
}
WRAPPERS: Final = frozenset(
    {"adreslijst", "cijferlijstlijst", "communicatielijst", "schoolloopbaanlijst", "toetslijst"}
)
"""Elements that only hold a list: the page shows the list under their name."""

CODES: Final[dict[str, dict[str, str]]] = {
    "geslacht": {"0": "onbekend", "1": "vrouw", "2": "man"},
    "relatietotkind": {"1": "vader", "2": "moeder"},
}
_WORDS: Final = {"true": "ja", "false": "nee"}


def label(name: str) -> str:
    """Give the label of a field."""
    return LABELS.get(name, name.replace("_", " ").capitalize())


def reading(name: str, value: str) -> str:
    """Give a value as a person reads it: a code with its meaning, yes and no as words."""
    if meaning := CODES.get(name, {}).get(value):
        return f"{meaning} ({value})"
    return _WORDS.get(value, value)
