"""What is written to families and to FGs: subject and body of each message, in Dutch (B1), with nothing from a file."""

import re
from typing import Final

TEXTS: Final = {
    "invitation": (
        "Een vraag over de overstap van uw kind",
        (
            "Een school wil gegevens van uw kind naar een andere school sturen.\n"
            "U beslist mee. Ga naar {origin} en vul deze code in:\n\n{token}\n\n"
            "De code werkt tot en met {until}. Geef de code aan niemand anders.\n"
        ),
    ),
    "changed": (
        "Er is iets veranderd bij de overstap van uw kind",
        (
            "Iemand die meebeslist, heeft een keuze gemaakt of veranderd.\n"
            "Wilt u weten wat? Ga naar {origin} of bel de school.\n"
        ),
    ),
    "request_made": (
        "Er is iets gevraagd over de gegevens van uw kind",
        (
            "Iemand die meebeslist over uw kind, heeft een recht gebruikt over de gegevens van uw kind.\n"
            "Zo iemand kan vragen om gegevens te wissen of stil te zetten, of bezwaar maken.\n"
            "U hoeft niets te doen. Wilt u weten wat het voor uw kind betekent? Ga naar {origin} of bel de school.\n"
        ),
    ),
    "erased": (
        "De school wist de gegevens van uw kind",
        (
            "De school heeft besloten om te wissen wat hier over uw kind staat. Iemand die meebeslist, vroeg daarom.\n"
            "Wat een andere school al heeft, blijft daar. Wilt u weten waarom? Bel de school.\n"
            "Bent u het er niet mee eens? U kunt naar de FG van het schoolbestuur, naar de Autoriteit "
            "Persoonsgegevens of naar de rechter.\n"
        ),
    ),
    "custody": (
        "De school heeft vastgelegd wie over uw kind beslist",
        (
            "De school heeft nagekeken wie het gezag heeft over uw kind, en dat vastgelegd.\n"
            "Klopt het niet? Laat het de school binnen 7 dagen weten, of ga naar {origin}.\n"
        ),
    ),
    "address": (
        "De school heeft uw mailadres veranderd",
        (
            "De school heeft een ander mailadres van u opgeschreven. Vanaf nu schrijven wij naar het nieuwe adres.\n"
            "Hebt u dit niet zelf gevraagd? Bel meteen de school.\n"
            "U kunt ook naar de functionaris gegevensbescherming (FG) van het schoolbestuur gaan.\n"
        ),
    ),
    "address_later": (
        "De school wil uw mailadres veranderen",
        (
            "De school heeft een ander mailadres van u opgeschreven. Twee medewerkers hebben dat samen gedaan.\n"
            "Tot en met {until} schrijven wij naar het oude adres. Daarna schrijven wij naar het nieuwe adres.\n"
            "Uw antwoorden blijven staan, en uw code blijft werken.\n"
            "Hebt u dit niet zelf gevraagd? Bel meteen de school, voor die dag.\n"
            "U kunt ook naar de functionaris gegevensbescherming (FG) van het schoolbestuur gaan.\n"
        ),
    ),
    "emergency": (
        "Gegevens van uw kind mogen met spoed naar een andere school",
        (
            "De school mag nu met spoed gegevens van uw kind naar een andere school sturen.\n"
            "Twee medewerkers hebben dat samen besloten. Zij hoefden u daarvoor nu niet om toestemming te vragen.\n"
            "Dit stopt vanzelf, uiterlijk op {until}.\n"
            "Bent u zelf de leerling? Dan gaat het om uw eigen gegevens.\n"
            "Wilt u weten waarom, of bent u het er niet mee eens? Bel de school.\n"
            "U kunt ook uitleg vragen aan de functionaris gegevensbescherming (FG) van het schoolbestuur.\n"
        ),
    ),
    "emergency_dpo": (
        "Een spoedvrijgave op school {school}",
        (
            "Twee medewerkers van school {school} hebben een dossier met spoed vrijgegeven.\n"
            "Het gaat om nummer {entry} in het logboek. Zoveel mensen kregen bericht: {told}.\n"
            "Kijk of dit terecht was.\n"
        ),
    ),
    "court": (
        "De rechter heeft beslist over de overstap van uw kind",
        (
            "Een rechter heeft beslist in plaats van iemand die meebeslist over de overstap van uw kind.\n"
            "De school heeft dat vastgelegd. Twee medewerkers hebben de beslissing van de rechter gezien.\n"
            "Klopt er iets niet? Bel meteen de school, of ga naar {origin}.\n"
            "U kunt ook naar de functionaris gegevensbescherming (FG) van het schoolbestuur gaan.\n"
        ),
    ),
    "court_dpo": (
        "School {school} heeft een beslissing van een rechter vastgelegd",
        (
            "School {school} heeft vastgelegd dat een rechter besliste in plaats van een ouder of voogd.\n"
            "Het gaat om nummer {entry} in het logboek. Vraag de school om de beslissing, en kijk of het klopt.\n"
        ),
    ),
    "successor": (
        "De nieuwe school van uw kind heeft een andere code",
        (
            "De school waar de gegevens van uw kind naartoe gaan, heeft een andere code. Bijvoorbeeld door een fusie.\n"
            "Wat u eerder hebt gekozen, geldt nu voor de school met de nieuwe code.\n"
            "Wilt u dat niet, of klopt er iets niet? Ga naar {origin} of bel de school. U kunt uw keuze veranderen.\n"
        ),
    ),
    "paper_own": (
        "De school heeft uw antwoord van papier overgenomen",
        (
            "De school heeft een papier met uw antwoord over de overstap van uw kind, en heeft dat overgenomen.\n"
            "Een nee telt meteen. Een ja telt pas na {starts}.\n"
            "Klopt het niet? Of hebt u niets ingevuld? Ga dan naar {origin} en vul deze code in:\n\n{token}\n\n"
            "Daar geeft u zelf antwoord. Dat gaat voor het papier. U kunt ook de school bellen.\n"
            "De code werkt tot en met {until}. Geef de code aan niemand anders.\n"
        ),
    ),
    "paper": (
        "Iemand heeft op papier antwoord gegeven over uw kind",
        (
            "Iemand die meebeslist over de overstap van uw kind, heeft op papier antwoord gegeven.\n"
            "De school heeft dat overgenomen. Een nee telt meteen. Een ja telt pas na {starts}.\n"
            "Bent u het er niet mee eens, of klopt er iets niet? Ga naar {origin} of bel de school.\n"
            "U beslist zelf, ook als een ander al geantwoord heeft.\n"
        ),
    ),
    "reminder": (
        "Wilt u nog antwoord geven over de overstap van uw kind?",
        (
            "Op {sent} kreeg u een mail met een vraag over de overstap van uw kind.\n"
            "U hebt nog niet op alles antwoord gegeven.\n"
            "Kijk in de mail van {sent}. Daar staat uw code. Ga naar {origin} en vul de code in.\n"
            "De code werkt tot en met {until}. U mag ja of nee zeggen. Allebei is goed.\n"
            "Hebt u de mail niet meer? Vraag de school om een nieuwe code.\n"
        ),
    ),
    "new_version": (
        "De school heeft het dossier van uw kind verbeterd",
        (
            "U heeft het dossier gezien. Er is nu een nieuwe versie.\n"
            "Wilt u die ook zien? Ga naar {origin} of bel de school.\n"
        ),
    ),
    "request_decided": (
        "De school heeft uw verzoek beantwoord",
        (
            "U heeft de school iets gevraagd over de gegevens van uw kind. De school heeft beslist.\n"
            "Wilt u weten wat? Ga naar {origin} of bel de school.\n"
            "Bent u het er niet mee eens? U kunt naar de FG van het schoolbestuur, naar de Autoriteit "
            "Persoonsgegevens of naar de rechter.\n"
        ),
    ),
    "request_extended": (
        "De school heeft meer tijd nodig voor uw verzoek",
        (
            "U heeft de school iets gevraagd over de gegevens van uw kind. Dat kost meer tijd.\n"
            "U krijgt antwoord, uiterlijk op {until}.\n"
            "Wilt u weten waarom? Ga naar {origin} of bel de school.\n"
            "Bent u het er niet mee eens? U kunt naar de FG van het schoolbestuur, naar de Autoriteit "
            "Persoonsgegevens of naar de rechter.\n"
        ),
    ),
    "restriction_lifting": (
        "De school wil gegevens van uw kind weer gebruiken",
        (
            "Er is gevraagd om gegevens van uw kind stil te zetten. De school wil ze weer gaan gebruiken.\n"
            "Dat gebeurt als een tweede medewerker het ermee eens is. Dan krijgt u weer bericht.\n"
            "Wilt u weten waarom? Ga naar {origin} of bel de school.\n"
            "Bent u het er niet mee eens? Laat het de school meteen weten. U kunt ook naar de FG van het "
            "schoolbestuur, naar de Autoriteit Persoonsgegevens of naar de rechter.\n"
        ),
    ),
    "restriction_lifted": (
        "De gegevens van uw kind zijn niet meer stilgezet",
        (
            "U heeft gevraagd om gegevens van uw kind stil te zetten. De school mag ze nu weer gebruiken.\n"
            "Wilt u weten waarom? Ga naar {origin} of bel de school.\n"
            "Bent u het er niet mee eens? U kunt naar de FG van het schoolbestuur, naar de Autoriteit "
            "Persoonsgegevens of naar de rechter.\n"
        ),
    ),
    "request_due": (
        "Een verzoek van een ouder of leerling wacht op antwoord",
        (
            "Een school van uw bestuur moet een verzoek beantwoorden, uiterlijk op {until}.\n"
            "Het gaat om verzoek {request}. Vraag de school om te beslissen. AVG artikel 12, lid 3.\n"
        ),
    ),
    "request_overdue": (
        "Een verzoek van een ouder of leerling is te laat",
        (
            "Een school van uw bestuur had een verzoek moeten beantwoorden, uiterlijk op {until}.\n"
            "Het gaat om verzoek {request}. Vraag de school om meteen te beslissen. AVG artikel 12, lid 3.\n"
        ),
    ),
}


_TO_THE_PUPIL: Final = tuple(
    (re.compile(parents), own)
    for parents, own in (
        (r"\bGegevens van uw kind en van u\b", "Je gegevens en die van je ouders"),
        (r"\b([Ww]at) u en uw kind\b", r"\1 jij en je ouders"),
        (r"\bover u en uw kind\b", "over jou"),
        (r"\bGegevens van uw kind\b", "Je gegevens"),
        (r"\b(?:De|Het) ((?:nieuwe )?\w+) van uw kind\b", r"Je \1"),
        (r"\b(?:(?:de|het) )?((?:nieuwe )?\w+) van uw kind\b", r"je \1"),
        (r"\b(?:uw|het) kind is\b", "je bent"),
        (r"\b(over|voor|om) (?:uw|het) kind\b", r"\1 jou"),
        (r"\b[Uu]w kind\b", "je"),
        (r"\b[Hh]eeft u\b", "Heb je"),
        (r"\b([Ww]il|[Hh]eb|[Bb]en|[Zz]eg|[Kk]un|geef|krijg)t u\b", r"\1 je"),
        (r"\b(U|u) heeft\b", r"\1 hebt"),
        (r"\b(van|voor|aan|over|met) u\b", r"\1 jou"),
        (r"\bUw?\b", "Je"),
        (r"\buw?\b", "je"),
    )
)
"""How a text to those who hold gezag reads to the pupil itself, replaced in this order."""


def to_the_pupil(text: str) -> str:
    """Turn a text about somebody's child into one to that child, who is spoken to as `je`."""
    for parents, own in _TO_THE_PUPIL:
        text = parents.sub(own, text)
    return text
