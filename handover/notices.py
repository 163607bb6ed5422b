"""The exact words that a family reads before it answers. Dutch, B1; the ledger keeps the SHA-256 of what was shown.

A changed text gets a new version in `consent.terms.NOTICES`: a material change asks for new answers.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from consent.terms import AMSTERDAM, Ground, Purpose, Section
from handover.letters import to_the_pupil

LANGUAGE: Final = "nl"
VERSION: Final = 2


class Reader(StrEnum):
    """Who reads a text: that says what is chosen, and how somebody is spoken to."""

    HOLDER = "holder"  # holds gezag, and decides
    BESIDE = "beside"  # holds gezag of a pupil who is 16 or older, and decides without them
    PUPIL = "pupil"


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
WANTS: Final = "School {sender} wil gegevens van uw kind sturen naar school {receiver}"
CHOICE: Final = "Uw keuze geldt tot en met {until}. U kunt uw keuze altijd veranderen. U hoeft niet te zeggen waarom."
CHOSEN: Final = frozenset({Ground.CONSENT, Ground.EXPLICIT_CONSENT})
"""Grounds that are answered with yes or no."""

PUPIL_DECIDES: Final = "Uw kind is 16 of ouder en beslist zelf."

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


@dataclass(frozen=True, slots=True)
class Matter:
    """What a text is about: whose data, from and to which school (as it is named), what for, up to when."""

    child: str
    sender: str
    receiver: str
    purpose: Purpose
    until: datetime


def notice(matter: Matter, grounds: Mapping[Section, Ground], reader: Reader) -> Notice:
    """Write the text for one transfer: what, from whom, to whom, what for, until when, and what a no means."""
    about = "jou, " if reader is Reader.PUPIL else ""
    wants = _said(
        f"School {{sender}} wil gegevens van uw kind sturen naar school {{receiver}}, {PURPOSES[matter.purpose]}.",
        reader,
    )
    choice = _said(
        "Uw keuze geldt tot en met {until}. U kunt uw keuze altijd veranderen. U hoeft niet te zeggen waarom.", reader
    )
    lines = [
        f"Deze vraag gaat over {about}{matter.child}.",
        wants.format(sender=matter.sender, receiver=matter.receiver),
        PUPIL_DECIDES if reader is Reader.BESIDE else choice.format(until=date_in_words(matter.until)),
        "Wat een school al gelezen heeft, kunnen we niet meer terughalen.",
        *(f"{name_of(section, reader)}: {text_of(section, need, reader)}" for section, need in grounds.items()),
    ]
    return Notice("inzage" if Ground.STATUTORY in grounds.values() else "consent", "\n".join(lines))


def name_of(section: Section, reader: Reader) -> str:
    """Name a section as its reader knows it."""
    return _said(SECTIONS[section][0], reader)


def text_of(section: Section, need: Ground, reader: Reader) -> str:
    """Say what a section holds, and what its reader may choose."""
    how = PUPIL_DECIDES if need in CHOSEN and reader is Reader.BESIDE else HOW[need]
    return _said(f"{SECTIONS[section][1]} {how}", reader)


def _said(text: str, reader: Reader) -> str:
    return to_the_pupil(text) if reader is Reader.PUPIL else text
