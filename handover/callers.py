"""Who signed a request: a school's current request key, and a nonce that counts once."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.exc import IntegrityError

from consent.db import reading, writing
from handover.parts import Parts
from handover.signing import SignatureRefused, Signed
from handover.tables import Nonce


@dataclass(frozen=True, slots=True)
class Signer:
    """The school that signs its requests with a key, and its board."""

    school: str
    board: str


def request_key(parts: Parts, kid: bytes, now: datetime) -> tuple[Signer, bytes] | None:
    """Give whose request key this kid is, and the public key, when it is current now; or None."""
    with reading(parts.main) as session:
        found = parts.register.school_of(session, kid, now)
    if found is None:
        return None
    said, board = found
    return Signer(said.school, board), said.public


def use_nonce(parts: Parts, signed: Signed) -> None:
    """Remember a request's nonce; raises SignatureRefused when it was used before (bad case G7)."""
    try:
        with writing(parts.main) as session:
            session.add(Nonce(kid=signed.kid, nonce=signed.nonce, seen_at=parts.clock()))
    except IntegrityError:
        raise SignatureRefused("a nonce was used twice") from None
