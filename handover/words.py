"""Somebody's own words behind an event: a view, an objection, the decision on one. Sealed under the pupil's key."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from consent.journal import Act
from handover.parts import Parts
from handover.tables import Transfer, Words


def keep_words(parts: Parts, act: Act, transfer: Transfer, event: str, text: str) -> None:
    """Keep the words behind an event, inside the transaction that records it."""
    sealed = parts.keystore.seal("pupil", transfer.pupil, text.encode(), _aad(event))
    act.session.add(Words(event=event, transfer=transfer.id, pupil=transfer.pupil, sealed=sealed))


def read_words(parts: Parts, session: Session, transfer: Transfer) -> dict[str, str]:
    """Unseal the words behind a transfer's events, by event."""
    rows = session.scalars(select(Words).where(Words.transfer == transfer.id))
    return {
        row.event: parts.keystore.open("pupil", transfer.pupil, row.sealed, _aad(row.event)).decode() for row in rows
    }


def _aad(event: str) -> bytes:
    return f"overdracht/v1/words\0{event}".encode()
