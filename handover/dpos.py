"""The FGs of boards: a board's identity states who examines its access log, with a key that only that person holds.

An FG reads the log of the own board's side and never a file (AVG art. 38, 39). The board names its FG, not the
operator: a statement counts only with the board's signature, and a newer one on the same name replaces the one before.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from consent.db import reading
from consent.errors import ConsentError
from consent.fields import Malformed, print_time, read_time
from consent.journal import Act, Actor
from consent.tables import JournalBoard
from crypto.encoding import JSON, canon, record, text, unb64
from crypto.errors import EncodingRefused
from crypto.keys import check_sign_public, kid
from crypto.sign import verify
from handover.accesslog import SERVICE, Did
from handover.accesslog import record as log_entry
from handover.errors import RequestRefused
from handover.idempotency import Answer
from handover.outbox import DPO
from handover.parts import Examiner, Parts
from handover.schools import speaking
from handover.tables import Dpo

NAME: Final = r"[a-z0-9-]{1,40}"
_MAIL: Final = r"[!-?A-~]{1,120}@[!-?A-~]{1,120}"
_SEALED: Final = b"overdracht/v1/dpo\0"


@dataclass(frozen=True, slots=True)
class Stated:
    """What a board's identity says of one FG."""

    name: str
    public: bytes
    mail: str | None
    valid_until: datetime
    revoked: bool
    stated_at: datetime


def state(parts: Parts, board: str, statement: JSON, signature: str) -> Answer:
    """Take over a board's statement on an FG; raises RequestRefused, or SignatureRefused for another's signature."""
    with reading(parts.main) as session:
        identity = speaking(parts, session, board).identity
    said = _read(board, statement)
    try:
        verify(identity, "dpo", canon(statement), unb64(signature, 64))
    except EncodingRefused:
        raise _malformed() from None
    key = parts.keystore.new_key(DPO, f"{board}/{said.name}")
    sealed = None if said.mail is None else key.seal(said.mail.encode(), _SEALED + key.owner.encode())
    with parts.journal.act() as act:
        if speaking(parts, act.session, board).identity != identity:
            raise RequestRefused("CONFLICT", 409, "The board was given another identity meanwhile. Nothing was done.")
        _take_over(act, board, said, sealed, identity)
    return {"board": board, "name": said.name, "state": "revoked" if said.revoked else "current"}


def _take_over(act: Act, board: str, said: Stated, sealed: bytes | None, identity: bytes) -> None:
    known = act.session.scalars(select(Dpo).where(Dpo.board == board, Dpo.name == said.name)).all()
    if any(row.stated_at >= said.stated_at for row in known):
        raise RequestRefused("STATEMENT_OLD", 409, "The board has said something newer about this FG.")
    identifier = kid("dpo", said.public)
    there = act.session.get(Dpo, identifier)
    if there is not None and (there.board, there.name) != (board, said.name):  # one key, one FG: it stays whose it is
        raise RequestRefused("KEY_TAKEN", 409, "This key was stated for somebody else. Make a new one.")
    if there is not None and there.revoked:
        raise RequestRefused("KEY_REVOKED", 409, "This key was revoked. Make a new one.")
    same = (Dpo.board == board) & (Dpo.name == said.name)
    act.session.execute(update(Dpo).where(same).values(revoked=True, sealed=None))
    act.session.merge(
        Dpo(
            kid=identifier,
            board=board,
            name=said.name,
            public=said.public,
            valid_until=said.valid_until,
            revoked=said.revoked,
            stated_at=said.stated_at,
            sealed=sealed,
        )
    )
    terms = {
        "name": said.name,
        "kid": identifier.hex(),
        "state": "revoked" if said.revoked else "current",
        "valid_until": print_time(said.valid_until),
        "identity": identity.hex(),
    }
    log_entry(act, Did.DPO_STATED, SERVICE, outcome="granted", terms=terms, boards=[board])


def dpo_key(parts: Parts, identifier: bytes, now: datetime) -> tuple[Examiner, bytes] | None:
    """Give who signs with the key of this kid, and the public key, when it counts now; or None.

    The row only leads to the board and the name: what counts is what the journal last says of that FG, and that the
    identity that stated it was never revoked.
    """
    with reading(parts.main) as session:
        row = session.get(Dpo, identifier)
        if row is None or kid("dpo", row.public) != identifier:
            return None
        said = _last_said(parts, session, row.board, row.name)
        if said.get("kid") != identifier.hex() or said["state"] != "current" or read_time(said["valid_until"]) <= now:
            return None
        if not parts.register.vouches(session, row.board, bytes.fromhex(said["identity"]), now):
            return None
    return Examiner(row.board, row.name), row.public


def _last_said(parts: Parts, session: Session, board: str, name: str) -> Mapping[str, Any]:
    """Give the terms of the newest entry on a board's FG of this name; nothing where there is none."""
    stated = (JournalBoard.board == board) & (JournalBoard.type == int(Did.DPO_STATED))
    for index in session.scalars(select(JournalBoard.index).where(stated).order_by(JournalBoard.index.desc())):
        terms = parts.journal.read(session, index).terms
        if terms["name"] == name:
            return terms
    return {}


def mails_of(parts: Parts, session: Session, board: str) -> Mapping[str, str]:
    """Unseal where a board's FGs can be written to, by the owner of the key that a message to them is sealed under."""
    found = {}
    wanted = select(Dpo).where(Dpo.board == board, Dpo.revoked.is_(False), Dpo.sealed.is_not(None))
    for row in session.scalars(wanted):
        owner = f"{board}/{row.name}"
        found[owner] = parts.keystore.open(DPO, owner, row.sealed or b"", _SEALED + owner.encode()).decode()
    return found


def examiner(who: Examiner) -> Actor:
    """Name an FG as the access log does."""
    return Actor("staff", f"{who.board}.{who.name}", {"board": who.board, "role": "dpo"})


def _read(board: str, statement: JSON) -> Stated:
    try:
        said: dict[str, Any] = record(
            statement, "v", "board", "name", "public", "mail", "valid_until", "state", "made_at"
        )
        if said["v"] != 1 or said["board"] != board or said["state"] not in ("current", "revoked"):
            raise _malformed()
        public = unb64(said["public"], 32)
        check_sign_public(public)
        mail = None if said["mail"] is None else text(said["mail"], _MAIL)
        until, made_at = read_time(said["valid_until"]), read_time(said["made_at"])
    except (EncodingRefused, Malformed, ConsentError):
        raise _malformed() from None
    return Stated(text(said["name"], NAME), public, mail, until, said["state"] == "revoked", made_at)


def _malformed() -> RequestRefused:
    return RequestRefused("STATEMENT_REFUSED", 422, "Not a statement of this board on its FG.")
