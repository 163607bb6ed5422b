"""Somebody's own words behind an event: a view, an objection, the decision on one. Sealed under the pupil's key."""

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from consent.journal import Act
from handover.accesslog import Did, record, staff
from handover.parts import Caller, Parts
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


def words_shown(parts: Parts, caller: Caller, looks: Iterable[tuple[str, str, str]]) -> None:
    """Log that a school is shown what people wrote, before it is: each look is a pupil, a transfer and who wrote.

    One entry for each person, in one act: whose words they are reads it in the log.
    """
    every = sorted(set(looks))
    if not every:
        return
    with parts.journal.act(pupils={pupil for pupil, _, _ in every}) as act:
        for pupil, transfer, person in every:
            terms = {"school": caller.school, "transfer": transfer, "person": person}
            boards = [caller.board]
            record(act, Did.WORDS_SHOWN, staff(caller), outcome="granted", terms=terms, boards=boards, pupil=pupil)


def _aad(event: str) -> bytes:
    return f"overdracht/v1/words\0{event}".encode()
