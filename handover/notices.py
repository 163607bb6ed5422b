"""The exact words that a family reads before it answers. Dutch, B1; the ledger keeps the SHA-256 of what was shown.

A changed text gets a new version in `consent.terms.NOTICES`: a material change asks for new answers.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from consent.guardians import AMSTERDAM
from consent.terms import Ground, Purpose, Section

LANGUAGE: Final = "nl"
VERSION: Final = 1

SECTIONS: Final[dict[Section, tuple[str, str]]] = {
    Section.OKR: (
        "Onderwijskundig rapport",
        "Gegevens van uw kind en van u, de schoolloopbaan, het schooladvies en hoe het gaat op school.",
    ),
    Section.OPP: (
        "Ontwikkelingsperspectief",
        "Het plan voor extra hulp: de doelen, de afspraken en wat u en uw kind daarvan vinden.",
    ),
    Section.LVS: ("Toetsen en cijfers", "Uitslagen van toetsen en cijfers uit het leerlingvolgsysteem."),
    Section.ATTENDANCE: ("Verzuim", "Hoe vaak uw kind het afgelopen jaar niet op school was."),
    Section.SUPPORT: (
        "Zorg en ondersteuning",
        "Welke hulp uw kind krijgt, en een beperking of ziekte die op school meetelt. Dit zijn gevoelige gegevens.",
    ),
    Section.REPORTS: (
        "Onderzoeken en verslagen",
        "Verslagen van bijvoorbeeld een psycholoog of arts. Dit zijn gevoelige gegevens.",
    ),
    Section.VIEWS: ("Uw eigen verhaal", "Wat u en uw kind zelf in het dossier willen zetten."),
    Section.HANDOVER_NOTES: ("Gesprek tussen de scholen", "Afspraken uit het gesprek over de overstap."),
}
PURPOSES: Final[dict[Purpose, str]] = {
    Purpose.PLACEMENT: "om uw kind een goede plek op de nieuwe school te geven",
    Purpose.SUPPORT: "om uw kind op school goed te helpen",
    Purpose.FOLLOW_UP: "om aan de oude school te laten weten hoe het gaat",
}
HOW: Final[dict[Ground, str]] = {
    Ground.CONSENT: "U kiest: ja of nee. Zegt u nee, dan gaat dit deel niet mee. Een nee heeft geen slechte gevolgen.",
    Ground.EXPLICIT_CONSENT: (
        "U kiest zelf: ja of nee. Het gaat om gevoelige gegevens, daarom vragen we het apart. "
        "Zegt u nee, dan gaat dit deel niet mee. Een nee heeft geen slechte gevolgen."
    ),
    Ground.STATUTORY: (
        "De school moet dit van de wet meesturen. U mag het eerst lezen, er uw eigen verhaal bij zetten "
        "en bezwaar maken."
    ),
    Ground.VIEW: "Dit gaat alleen mee als u dat wilt, samen met een ander deel.",
}


_MONTHS: Final = (
    "januari februari maart april mei juni juli augustus september oktober november december".split()  # noqa: SIM905
)


def date_in_words(moment: datetime) -> str:
    """Write the last whole day before a moment, in Amsterdam, as a family reads it: `3 maart 2027`."""
    day = (moment.astimezone(AMSTERDAM) - timedelta(microseconds=1)).date()
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


@dataclass(frozen=True, slots=True)
class Notice:
    """A text as it is shown, and its hash."""

    id: str
    text: str

    @property
    def sha256(self) -> str:
        """The hash of the exact words, in hex."""
        return hashlib.sha256(self.text.encode("utf-8")).hexdigest()


def notice(
    sender: str, receiver: str, purpose: Purpose, until: datetime, grounds: dict[Section, Ground], *, statutory: bool
) -> Notice:
    """Write the text for one transfer: what, from whom, to whom, what for, until when, and what a no means."""
    lines = [
        f"School {sender} wil gegevens van uw kind sturen naar school {receiver}, {PURPOSES[purpose]}.",
        f"Uw keuze geldt tot en met {date_in_words(until)}. U kunt uw keuze altijd veranderen.",
        "U hoeft niet te zeggen waarom. Wat een school al gelezen heeft, kunnen we niet meer terughalen.",
    ]
    for section, ground in grounds.items():
        name, what = SECTIONS[section]
        lines.append(f"{name}: {what} {HOW[ground]}")
    return Notice("inzage" if statutory else "consent", "\n".join(lines))
