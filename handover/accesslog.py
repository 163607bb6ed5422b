"""The access log: a book of the journal that says who did what with whose file, granted or refused.

What an entry holds follows NEN 7513 where it fits: person, role, school, purpose, ground and ledger entry, section,
outcome, when. It never holds contents. It is written in the transaction of what it records, so that an action without
an entry, or an entry without its action, can't be (bad cases K5, K6).
"""

from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from consent.journal import Act, Actor, Appended, Entry, Told
from crypto.encoding import JSON
from handover.parts import Caller
from handover.tables import Board

BOOK: Final = "access"
SERVICE: Final = Actor("service", "overdracht", {})


class Did(IntEnum):
    """What was done: the type byte of the entry's leaf. The ledger's own kinds end at 0x1f."""

    PUPIL_REGISTERED = 0x20
    TRANSFER_OPENED = 0x21
    TRANSFER_CANCELLED = 0x22
    INVITED = 0x23
    QUESTION_SHOWN = 0x24
    UPLOADED = 0x25
    ATTEMPT = 0x26
    RELEASE = 0x27
    DELIVERED = 0x28
    ABORTED = 0x29
    UNKNOWN = 0x2A
    SHRED_INTENT = 0x2B
    SHRED_DONE = 0x2C
    ACKNOWLEDGED = 0x2D
    BOARD_JOINED = 0x2E
    KEYS_PUBLISHED = 0x2F
    DPO_STATED = 0x30
    SWEPT = 0x34
    EPOCH_TURNED = 0x35
    EPOCH_ENDED = 0x36
    DESTROYED = 0x37
    AUDIT_SEARCHED = 0x38
    AUDIT_PATTERNS = 0x39
    AUDIT_EXPORTED = 0x3A
    PUPIL_FLAGGED = 0x3B
    BREACH_REPORTED = 0x3F
    FAMILY_LOG_SHOWN = 0x40
    REQUEST_ANSWERED = 0x41
    REQUESTS_SHOWN = 0x42
    REQUEST_REMINDED = 0x43
    CORRECTION_PASSED_ON = 0x44
    COURT_RECORDED = 0x45
    ADDRESS_CHANGED = 0x46
    WORDS_SHOWN = 0x47
    COURT_PROPOSED = 0x48
    EMERGENCY_PROPOSED = 0x50
    EMERGENCY_CONFIRMED = 0x51
    EMERGENCY_ENDED = 0x52
    PAPER_RECORDED = 0x53
    GROUP_SET = 0x54
    REMINDED = 0x55
    PAPER_CONFIRMED = 0x56
    LIFTING_PROPOSED = 0x57
    LIFTING_CONFIRMED = 0x58
    ERASURE_PROPOSED = 0x59
    ERASURE_CONFIRMED = 0x5A
    PROPOSAL_WITHDRAWN = 0x5B
    WITNESS_ENROLLED = 0x70


def every_board(session: Session) -> list[str]:
    """Name all boards: what concerns the whole service is on each FG's side of the log."""
    return list(session.scalars(select(Board.code).order_by(Board.code)))


def staff(caller: Caller) -> Actor:
    """Name the member of staff who acts: the pseudonym is unique within its school."""
    return Actor("staff", f"{caller.school}.{caller.staff}", {"school": caller.school, "role": str(caller.role)})


def record(
    act: Act,
    did: Did,
    actor: Actor,
    *,
    outcome: str,
    terms: Mapping[str, JSON],
    boards: Iterable[str],
    told: Mapping[str, Told] | None = None,
    pupil: str | None = None,
    sections: Iterable[str] = (),
    ground: str | None = None,
) -> Appended:
    """Append one entry to the access log, inside the transaction of what it tells of.

    `boards` see it whole: the pupil's board, or where there is no pupil the board of who acted. `told` is what another
    board hears of it.
    """
    school = actor.details.get("school")
    return act.append(
        Entry(
            book=BOOK,
            type=int(did),
            pupil=pupil,
            actor=actor,
            terms=dict(terms),
            boards=tuple(sorted(set(boards))),
            sections=tuple(sections),
            ground=ground,
            outcome=outcome,
            school=None if school is None else str(school),
            told=told or {},
        )
    )
