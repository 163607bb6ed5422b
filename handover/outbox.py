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
from itertools import islice
from pathlib import Path
from typing import Final

from sqlalchemy import delete, func, select, tuple_

from consent.db import reading, writing
from consent.errors import Destroyed, KeyUnknown, ValueRefused
from consent.journal import Act
from consent.terms import Role
from handover.letters import TEXTS, to_the_pupil
from handover.logs import log
from handover.parts import Parts
from handover.people import CONTACT, Contact
from handover.tables import Message, Person

BATCH: Final = 500
"""How many messages one request hands over at most: what an outage kept waiting is the sweep's to hand over."""

DPO: Final = "dpo"
"""The kind of key under which an FG's mail address stands."""


def post(parts: Parts, act: Act, pupil: str | None, contact: Contact, text: str, **words: str) -> None:
    """Put a message to somebody of a pupil's in the outbox, inside the transaction that causes it.

    Without `pupil` it doesn't go with the pupil's record: it may tell of the erasure.
    """
    subject, body = TEXTS[text]
    if contact.role is Role.PUPIL:
        subject, body = to_the_pupil(subject), to_the_pupil(body)
    _post(parts, act, pupil, (CONTACT, contact.person), contact.mail, (subject, body), words)


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
    return sum(islice(_handed_over(parts), BATCH))


def deliver_all(parts: Parts) -> int:
    """Hand over all that waits; gives how many left."""
    return sum(_handed_over(parts))


def _handed_over(parts: Parts) -> Iterator[int]:
    """Hand over what waits, the oldest first: 1 for each message that left, 0 where another process was first."""
    for row in _waiting_rows(parts):
        try:
            message = parts.keystore.open(row.owner_kind, row.owner, row.sealed, _aad(row.id))
        except (Destroyed, KeyUnknown, ValueRefused):
            continue  # this contact has ended since the row was read, or somebody else wrote the row
        try:
            path = _write(parts, row, message)
        except OSError as problem:
            log().error("outbox_refused", error=type(problem).__name__, count=queued(parts))
            return
        with writing(parts.main) as session:
            ours = session.execute(delete(Message).where(Message.id == row.id).returning(Message.id)).all()
        if not ours and _has_ended(parts, row):
            path.unlink(missing_ok=True)
        yield len(ours)


def _waiting_rows(parts: Parts) -> Iterator[Message]:
    """Give what waits, page by page, each past the one before: what can't be opened holds up nothing behind it."""
    wanted = select(Message).order_by(Message.created_at, Message.id).limit(BATCH)
    with reading(parts.main) as session:
        page = session.scalars(wanted).all()
    while page:
        yield from page
        past = tuple_(Message.created_at, Message.id) > (page[-1].created_at, page[-1].id)
        with reading(parts.main) as session:
            page = session.scalars(wanted.where(past)).all()


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
