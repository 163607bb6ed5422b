"""How the family's commands read: in plain Dutch, with days and hours as they are in the Netherlands.

A line speaks of nobody as `u` or `uw kind`: whoever typed may be a parent or the pupil.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from consent.terms import AMSTERDAM, Section
from handover.answers import odd
from handover.errors import RequestRefused
from handover.notices import SECTIONS, date_in_words

ANSWERS: Final = {"yes": "ja", "no": "nee"}
RIGHTS: Final = {
    "access": "inzage",
    "portability": "een kopie om mee te nemen",
    "rectification": "verbeteren",
    "erasure": "wissen",
    "restriction": "stilzetten",
    "objection": "bezwaar",
}
STATES: Final = {
    "answered": "beantwoord",
    "open": "wacht op de school",
    "extended": "de school heeft meer tijd nodig",
    "in_force": "geldt nu",
    "lifted": "geldt niet meer",
    "granted": "ja",
    "partly": "voor een deel",
    "refused": "nee",
}
REFUSALS: Final = {
    "NOT_FOUND": "Deze code werkt niet (meer). Kijk in de nieuwste mail of bel de school.",
    "PUPIL_DECIDES": "Uw kind is 16 of ouder en beslist zelf.",
    "NOT_YET_SIXTEEN": "Dit kan vanaf 16 jaar. Tot dan is dit voor ouders of voogden.",
    "CANCELLED": "Deze overstap is gestopt.",
    "TOO_MANY": "Met deze code is vandaag al veel gedaan. Probeer het morgen, of bel de school.",
    "NOTICE_CHANGED": "De uitleg is net veranderd. Lees de vraag opnieuw.",
    "OTHER_VERSION": "Het dossier is net veranderd. Lees eerst de nieuwe versie.",
    "SECTION_NOT_ASKED": "Daar gaat deze vraag niet over. Kijk in de vraag wat er gevraagd wordt.",
    "NOT_BY_CONSENT": "De school moet dit van de wet sturen. Intrekken kan dan niet. Bezwaar maken kan wel.",
    "RECORD_REFUSED": "Dit kan niet met deze code. Bel de school.",
    "FROZEN": "Er is iets mis met de computers. Probeer het later, of bel de school.",
    "NOT_SAFE": "Er is iets mis met de computers. Probeer het later, of bel de school.",
}
"""What the service refuses a family with, by the code of the refusal."""


def day(moment: object) -> str:
    """Write the day of a moment in the Netherlands: `3 maart 2027`."""
    return date_in_words(_moment(moment) + timedelta.resolution)


def last_day(end: object) -> str:
    """Write the last whole day before the end of a term."""
    return date_in_words(_moment(end))


def hour(moment: object) -> str:
    """Write the time of a moment in the Netherlands: `15:22`."""
    return f"{_moment(moment).astimezone(AMSTERDAM):%H:%M}"


def date_and_hour(moment: object) -> str:
    """Write a moment in the Netherlands for who reads English: `2027-03-01 13:00`."""
    return f"{_moment(moment).astimezone(AMSTERDAM):%Y-%m-%d %H:%M}"


def section(name: object) -> str:
    """Name a section as a family knows it, with the code that a command takes."""
    known = str(name) in set(Section)
    return f"{SECTIONS[Section(str(name))][0]} ({name})" if known else str(name)


def sections(names: Iterable[object]) -> str:
    """Name several sections, or say that there is none."""
    return ", ".join(map(section, names)) or "niets"


def refusal(refused: RequestRefused) -> RequestRefused:
    """Put a refusal of the service in words for a family; one that isn't known stays as it is."""
    detail = REFUSALS.get(refused.code, refused.detail)
    return RequestRefused(refused.code, refused.status, detail, {} if refused.code in REFUSALS else refused.fields)


def _moment(moment: object) -> datetime:
    try:
        read = datetime.fromisoformat(str(moment))
    except ValueError:
        raise odd() from None
    if read.tzinfo is None:
        raise odd()
    return read
