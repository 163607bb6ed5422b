"""The journal's witnesses and what they said; and checkpoints that come back to the service from outside.

A journal can prove nothing against its owner by itself: whoever holds the databases can put both back. What tells is a
checkpoint that left the house. So every one that comes back, from a witness or with a school's request, is compared
with the journal as it stands: one that this log signed, and that is larger than the journal or has another root at its
size, means that the journal isn't what it was (bad cases K2, K3, K4).

A witness is enrolled by the operator, by its verifier key. Its cosignature is taken over a note of this log only, and
the newest of each witness is kept: the larger size, and of the same size the later time.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import and_, or_, select, update

from consent.db import reading, writing
from crypto.checkpoint import bare_note, parse_checkpoint, read_note, verify_checkpoint
from crypto.cosignature import Cosignature, Cosigner, parse_cosigner, verify_cosignature
from crypto.encoding import b64
from crypto.errors import CheckpointRefused
from handover.accesslog import SERVICE, Did, every_board, record
from handover.errors import RequestRefused
from handover.freezing import notice
from handover.idempotency import Answer
from handover.parts import Parts
from handover.tables import Witness

NAME_MAX: Final = 100
AHEAD: Final = timedelta(seconds=300)
"""How far a witness's clock may be ahead. A time from the far future would keep every later one out."""


def enroll(parts: Parts, line: str) -> Answer:
    """Let the operator enroll a witness by its verifier key; the same line again changes nothing.

    Raises CheckpointRefused for a line that isn't one, RequestRefused for a name that has another key.
    """
    cosigner = parse_cosigner(line)
    if len(cosigner.name) > NAME_MAX:
        raise RequestRefused("NAME_TOO_LONG", 422, f"A witness's name has at most {NAME_MAX} characters.")
    with parts.journal.act() as act:
        row = act.session.get(Witness, cosigner.name)
        if row is None:
            act.session.add(Witness(name=cosigner.name, verifier=line))
            terms = {"witness": cosigner.name, "verifier": line}
            boards = every_board(act.session)
            record(act, Did.WITNESS_ENROLLED, SERVICE, outcome="granted", terms=terms, boards=boards)
        elif row.verifier != line:
            raise RequestRefused("NAME_TAKEN", 409, "A witness of this name is enrolled with another key.")
    return {"witness": cosigner.name}


def accept(parts: Parts, note: bytes) -> Answer:
    """Take a checkpoint of this journal that an enrolled witness has cosigned; gives all witnesses as `listed` does.

    Raises CheckpointRefused for a note that this log or the witness didn't sign, RequestRefused for any other.
    """
    verify_checkpoint(note, parts.journal.origin, parts.log_key.public)
    _compare(parts, note, "witness")
    signers = {(name, signed[:4]) for name, signed in read_note(note)[1]}
    with reading(parts.main) as session:
        cosigners = map(parse_cosigner, session.scalars(select(Witness.verifier)))
        said = {each.name: _fresh(parts, note, each) for each in cosigners if (each.name, each.key_id) in signers}
    if not said:
        raise RequestRefused("NOT_A_WITNESS", 403, "No witness that is enrolled here has cosigned this checkpoint.")
    bare = bare_note(note, parts.journal.origin, parts.log_key.public)
    for name, cosignature in said.items():
        _keep(parts, name, bare, cosignature)
    return listed(parts)


def _fresh(parts: Parts, note: bytes, cosigner: Cosigner) -> Cosignature:
    said = verify_cosignature(note, cosigner)
    if datetime.fromtimestamp(said.time, UTC) > parts.clock() + AHEAD:
        raise RequestRefused("CLOCK_SKEW", 422, "The cosignature is of a time that hasn't come yet.")
    return said


def _keep(parts: Parts, name: str, bare: bytes, said: Cosignature) -> None:
    size, at = said.checkpoint.size, datetime.fromtimestamp(said.time, UTC)
    older = or_(Witness.size.is_(None), Witness.size < size, and_(Witness.size == size, Witness.witnessed_at < at))
    newest = {"size": size, "note": bare + said.line, "witnessed_at": at}
    with writing(parts.main) as session:
        session.execute(update(Witness).where(Witness.name == name, older).values(newest))


def listed(parts: Parts) -> Answer:
    """Give every enrolled witness: name, verifier key, and size, time and note of what it cosigned last."""
    with reading(parts.main) as session:
        rows = session.scalars(select(Witness).order_by(Witness.name)).all()
    return {
        "witnesses": [
            {
                "name": row.name,
                "verifier": row.verifier,
                "size": row.size,
                "witnessed_at": None if row.witnessed_at is None else row.witnessed_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "note": None if row.note is None else row.note.decode(),
            }
            for row in rows
        ]
    }


def consistency(parts: Parts, old: int, new: int) -> Answer:
    """Prove that the journal of the old size is how that of the new size began; at most 64 hashes.

    Raises RequestRefused for sizes that the journal never had.
    """
    with reading(parts.main) as session:
        if not old <= new <= parse_checkpoint(parts.journal.checkpoint(session)).size:
            raise RequestRefused("SIZES_REFUSED", 422, "The old size is at most the new one, and that the journal's.")
        proof = parts.journal.consistency_proof(session, old, new)
    return {"old": old, "new": new, "proof": [b64(hashed) for hashed in proof]}


def hear(parts: Parts, note: bytes, source: str) -> None:
    """Compare the newest checkpoint that somebody outside holds with the journal; one of another log says nothing.

    `source` says who sent it. Raises RequestRefused for what isn't a checkpoint, or isn't signed by this log.
    """
    try:
        if parse_checkpoint(note).origin != parts.journal.origin:
            return
        verify_checkpoint(note, parts.journal.origin, parts.log_key.public)
    except CheckpointRefused as refused:
        raise RequestRefused("CHECKPOINT_REFUSED", 400, f"Overdracht-Checkpoint: {refused}.") from None
    _compare(parts, note, source)


def _compare(parts: Parts, note: bytes, source: str) -> None:
    if notice(parts, note, source):
        raise RequestRefused(
            "NEWER_KNOWN", 409, "This journal once was larger than it is now, or another. Nothing can be released."
        )
