"""Messages to families leave by this door alone, and never with anything from a file in them.

A message is written, sealed, in the transaction that causes it, and handed over after the commit: to a folder by
default, from where a mail system takes it. A crash in between leaves the row, and the next delivery takes it along; a
crash after handing over may deliver twice, never not at all. A file's name begins with the pseudonym of the pupil that
it is about, so that it can go when the pupil is erased.
"""

import hashlib
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from sqlalchemy import delete, func, select

from consent.db import reading, writing
from consent.errors import Destroyed, KeyUnknown, ValueRefused
from consent.journal import Act
from consent.terms import Role
from handover.logs import log
from handover.parts import Parts
from handover.people import CONTACT, Contact
from handover.tables import Message, Person

BATCH: Final = 500
"""How many messages one request hands over at most: what an outage kept waiting is the sweep's to hand over."""

DPO: Final = "dpo"
"""The kind of key under which an FG's mail address stands."""

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


TO_THE_PUPIL: Final = (
    ("de overstap van uw kind", "uw overstap"),
    ("De gegevens van uw kind", "Uw gegevens"),
    ("de gegevens van uw kind", "uw gegevens"),
    ("Gegevens van uw kind", "Uw gegevens"),
    ("gegevens van uw kind", "uw gegevens"),
    ("het dossier van uw kind", "uw dossier"),
    ("De nieuwe school van uw kind", "Uw nieuwe school"),
    ("uw kind", "u"),
)
"""How a text to those who hold gezag reads to the pupil itself, replaced in this order."""


def post(parts: Parts, act: Act, pupil: str | None, contact: Contact, text: str, **words: str) -> None:
    """Put a message to somebody of a pupil's in the outbox, inside the transaction that causes it.

    Without `pupil` it doesn't go with the pupil's record: it may tell of the erasure.
    """
    subject, body = TEXTS[text]
    if contact.role is Role.PUPIL:
        subject, body = to_the_pupil(subject), to_the_pupil(body)
    _post(parts, act, pupil, (CONTACT, contact.person), contact.mail, (subject, body), words)


def to_the_pupil(text: str) -> str:
    """Turn a text about somebody's child into one about whoever reads it."""
    for parents, own in TO_THE_PUPIL:
        text = text.replace(parents, own)
    return text


def post_to_dpo(parts: Parts, act: Act, owner: str, mail: str, text: str, **words: str) -> None:
    """Put a message to a board's FG in the outbox; `owner` names the key that the address stands under."""
    _post(parts, act, None, (DPO, owner), mail, TEXTS[text], words)


def _post(
    parts: Parts,
    act: Act,
    pupil: str | None,
    owner: tuple[str, str],
    mail: str,
    text: tuple[str, str],
    words: Mapping[str, str],
) -> None:
    subject, body = text
    filled = {**words, "origin": parts.settings.origin}
    message = {"to": mail, "subject": subject.format_map(filled), "body": body.format_map(filled)}
    identifier = secrets.token_hex(16)
    kind, name = owner
    sealed = parts.keystore.seal(kind, name, json.dumps(message).encode(), _aad(identifier))
    row = Message(id=identifier, pupil=pupil, owner_kind=kind, owner=name, sealed=sealed, created_at=act.now)
    act.session.add(row)


def text_sha256(parts: Parts, text: str) -> str:
    """Give the hash of the exact words of a message that needs none of its own."""
    return hashlib.sha256(TEXTS[text][1].format(origin=parts.settings.origin).encode()).hexdigest()


def deliver(parts: Parts) -> int:
    """Hand over what waits, the oldest first, at most `BATCH` messages; gives how many left.

    What caused a message was committed with it. So an outbox that can't be written fails nobody's request: the message
    waits, the operational log says so, and a sweep hands it over or says that it couldn't.
    """
    with reading(parts.main) as session:
        waiting = list(session.scalars(select(Message).order_by(Message.created_at).limit(BATCH)))
    left = 0
    for row in waiting:
        try:
            message = parts.keystore.open(row.owner_kind, row.owner, row.sealed, _aad(row.id))
        except (Destroyed, KeyUnknown, ValueRefused):
            continue  # this contact has ended since the row was read, or somebody else wrote the row
        try:
            path = _write(parts, row, message)
        except OSError as problem:
            log().error("outbox_refused", error=type(problem).__name__, count=len(waiting))
            break
        with writing(parts.main) as session:
            ours = session.execute(delete(Message).where(Message.id == row.id).returning(Message.id)).all()
        if not ours and _has_ended(parts, row):
            path.unlink(missing_ok=True)
        left += len(ours)
    return left


def deliver_all(parts: Parts) -> int:
    """Hand over all that waits; gives how many left."""
    left = 0
    while now := deliver(parts):
        left += now
    return left


def queued(parts: Parts) -> int:
    """Count what waits."""
    with reading(parts.main) as session:
        return session.scalar(select(func.count()).select_from(Message)) or 0


def waiting(act: Act, pupil: str, moment: datetime) -> bool:
    """Tell whether something that was written about a pupil up to a moment hasn't left yet."""
    row = select(Message.id).where(Message.pupil == pupil, Message.created_at <= moment).limit(1)
    return act.session.scalar(row) is not None


def waiting_for(act: Act, pupil: str) -> bool:
    """Tell whether anything to those who speak for a pupil, or to the pupil, hasn't left yet."""
    persons = select(Person.id).where(Person.pupil == pupil)
    own = (Message.owner_kind == CONTACT) & Message.owner.in_(persons)
    return act.session.scalar(select(Message.id).where(own).limit(1)) is not None


def forget(parts: Parts, pupil: str) -> None:
    """Remove the messages about a pupil that were handed over and not taken out of the outbox yet.

    What can't be removed is left to the sweeps, which look for files about whoever was erased.
    """
    for path in parts.settings.outbox.glob(f"{pupil}-*.json"):
        remove(path)


def remove(path: Path) -> bool:
    """Remove a file of the outbox, which somebody may have taken out meanwhile; false where it can't be."""
    try:
        path.unlink(missing_ok=True)
    except OSError as problem:
        log().error("outbox_refused", error=type(problem).__name__)
        return False
    return True


def waiting_files(parts: Parts) -> Iterator[tuple[Path, datetime]]:
    """Give every file in the outbox, unfinished ones too, with the time of its writing."""
    for path in parts.settings.outbox.glob("*"):
        with suppress(FileNotFoundError):  # taken out meanwhile
            yield path, datetime.fromtimestamp(path.stat().st_mtime, UTC)


def pupil_of(path: Path) -> str | None:
    """Give the pupil that a file in the outbox is about, or None."""
    pupil, dash, _ = path.name.rpartition("-")
    return pupil if dash else None


def _write(parts: Parts, row: Message, message: bytes) -> Path:
    folder = parts.settings.outbox
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Two deliveries at once may hand a message over twice; neither may stumble over the other's file.
    partial = folder / f".{secrets.token_hex(8)}.partial"
    whole = folder / (f"{row.pupil}-{row.id}.json" if row.pupil else f"{row.id}.json")
    try:
        with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(message)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(whole)
    except OSError:
        remove(partial)
        raise
    return whole


def _has_ended(parts: Parts, row: Message) -> bool:
    try:
        parts.keystore.key(row.owner_kind, row.owner)
    except (Destroyed, KeyUnknown):
        return True
    return False


def _aad(identifier: str) -> bytes:
    return f"overdracht/v1/message\0{identifier}".encode()
