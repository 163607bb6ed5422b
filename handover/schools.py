"""Boards, schools and their keys, as the register certifies them and boards state them; and the public key log.

Nobody registers by a sign-in: a certificate carries the register's signature, a statement its board's. The service
replays the whole log with the same code as its clients before it adds an entry, and adds nothing they would refuse.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from consent.db import reading
from consent.events import Draft, Event, Kind
from consent.fields import CODECS, Author, Malformed, read_time
from consent.journal import Act
from consent.tables import JournalLookup
from consent.terms import Level, Role, is_board, is_school
from crypto.checkpoint import Checkpoint, print_checkpoint
from crypto.encoding import JSON, b64, canon, parse, record, unb64
from crypto.errors import EncodingRefused, StatementRefused
from crypto.keyfile import PublicFile, print_public
from crypto.keylog import KeyLog
from crypto.merkle import EMPTY_ROOT
from crypto.sign import verify
from crypto.statements import KINDS, LIMIT, BoardCertificate, KeyStatement, parse_statement
from handover.accesslog import SERVICE, Did
from handover.accesslog import record as log_entry
from handover.errors import RequestRefused, not_found
from handover.idempotency import Answer
from handover.parts import Parts
from handover.register import RegisterRefused
from handover.tables import Board, KeyLogEntry, School

PAGE: Final = 500
CLOCK_TOLERANCE: Final = timedelta(minutes=5)
"""How far the clock of whoever made a statement or a bundle may be ahead."""
_POLICY: Final = "policy-"
SPEAKS_FOR_BOARD: Final = Level.HIGH
"""A policy is signed by the board's identity key, which stands offline."""


@dataclass(frozen=True, slots=True)
class KeyLogState:
    """Size and root of the key log at a moment."""

    size: int
    root: bytes


def keylog_origin(parts: Parts) -> str:
    """Give the name of the key log on its checkpoints."""
    return f"{parts.settings.log}/keys"


def speaking(parts: Parts, session: Session, board: str) -> BoardCertificate:
    """Give the certificate with which a board speaks now; raises RequestRefused."""
    if session.get(Board, board) is None:
        raise not_found()
    certificate = parts.register.speaking(session, board, parts.clock())
    if certificate is None:
        raise RequestRefused("BOARD_ENDED", 409, "The register has ended this board's voice, or it has run out.")
    return certificate


def keylog_state(session: Session) -> KeyLogState:
    """Give the key log's present size and root."""
    last = session.scalar(select(KeyLogEntry).order_by(KeyLogEntry.index.desc()).limit(1))
    return KeyLogState(0, EMPTY_ROOT) if last is None else KeyLogState(last.index + 1, last.root)


def check_keylog(parts: Parts) -> None:
    """Replay the key log and compare it with what the journal last said of it; raises RegisterRefused."""
    grew = select(JournalLookup.index).where(JournalLookup.type.in_([int(Did.BOARD_JOINED), int(Did.KEYS_PUBLISHED)]))
    with reading(parts.main) as session:
        log = parts.register.log(session)
        index = session.scalar(grew.order_by(JournalLookup.index.desc()).limit(1))
        if index is None:
            return
        if parts.journal.read(session, index).terms["keylog"] != {"size": log.size, "root": log.root.hex()}:
            raise RegisterRefused(f"the key log isn't the one that entry {index} of the journal tells of")


def join(parts: Parts, certificate: JSON) -> Answer:
    """Let a board join, or renew its certificate. The same certificate again changes nothing."""
    leaf = canon(certificate)
    said = parse_statement(leaf).statement
    if not isinstance(said, BoardCertificate):
        raise StatementRefused("not a board's certificate")
    _add(parts, [leaf], said.schools, said.board)
    return {"board": said.board, "schools": list(said.schools)}


def publish_keys(parts: Parts, school: str, statements: Sequence[JSON]) -> Answer:
    """Publish statements on a school's keys. Bundles sealed to a key that ends here are refused from then on."""
    leaves = [canon(statement) for statement in statements]
    for place, leaf in enumerate(leaves):
        said = parse_statement(leaf).statement
        if not isinstance(said, KeyStatement) or said.school != school:
            where = {f"/statements/{place}": "Not a statement on this school's keys."}
            raise RequestRefused("STATEMENT_REFUSED", 422, "Publish each school's keys at its own address.", where)
    with reading(parts.main) as session:
        row = session.get(School, school)
    if row is None:
        raise RequestRefused("SCHOOL_UNKNOWN", 422, "No board here speaks for this school.")
    state = _add(parts, leaves, [school], row.board)
    return {"school": school, "keylog": {"size": state.size, "root": b64(state.root)}}


def choose_policy(parts: Parts, board: str, statement: JSON, signature: str) -> Answer:
    """Record a board's choice of policy, signed by its identity. There is no policy before this, and so no transfer."""
    try:
        said = record(statement, "v", "board", "policy", "made_at")
        if said["board"] != board or not is_board(board):
            raise Malformed("another board")
        made_at = read_time(said["made_at"])
        policy = CODECS["policy"][1](said["policy"])
        signed = unb64(signature, 64)
    except (EncodingRefused, Malformed):
        raise RequestRefused("POLICY_REFUSED", 422, "Not a policy statement of this board.") from None
    with parts.journal.act() as act:
        verify(speaking(parts, act.session, board).identity, "policy", canon(statement), signed)
        present = parts.ledger.policy_of(act.session, board)
        if present is not None and present.policy == policy:
            return _policy(board, present)
        _check_newer(made_at, present, act.now)
        by = Author(board, Role.STAFF, SPEAKS_FOR_BOARD)
        draft = Draft(kind=Kind.POLICY, key=f"{_POLICY}{said['made_at']}", by=by, board=board, policy=policy)
        event = parts.ledger.record(act, draft, (board,))
    return _policy(board, event)


def _check_newer(made_at: datetime, present: Event | None, now: datetime) -> None:
    """Refuse an older statement that somebody sends again: a board's last word counts."""
    if made_at > now + CLOCK_TOLERANCE:
        raise RequestRefused("POLICY_REFUSED", 422, "The statement was made ahead of now; check the clock.")
    if present is not None and read_time(present.key.removeprefix(_POLICY)) >= made_at:
        raise RequestRefused("STATEMENT_OLD", 409, "The board has chosen a policy after this statement was made.")


def public_file(parts: Parts, school: str) -> bytes:
    """Give a school's public file: its current keys, and every statement on them as the key log has it."""
    if not is_school(school):
        raise not_found()
    now = parts.clock()
    with reading(parts.main) as session:
        keys = {kind: parts.register.current(session, school, kind, now) for kind in KINDS}
        entries = [logged.index for logged in parts.register.log(session).entries(school)]
        leaves = session.scalars(
            select(KeyLogEntry.leaf).where(KeyLogEntry.index.in_(entries)).order_by(KeyLogEntry.index)
        )
        statements = [parse(leaf, limit=LIMIT) for leaf in leaves]
    seal, sign, request = keys["seal"], keys["sign"], keys["request"]
    if seal is None or sign is None or request is None:
        raise not_found()
    return print_public(PublicFile(school, seal.public, sign.public, request.public, tuple(statements)))


def keylog_page(parts: Parts, start: int) -> Answer:
    """Give a page of the key log from an index on, and the log's size."""
    with reading(parts.main) as session:
        wanted = select(KeyLogEntry.leaf).where(KeyLogEntry.index >= start).order_by(KeyLogEntry.index).limit(PAGE)
        leaves = session.scalars(wanted).all()
        size = keylog_state(session).size
    return {"entries": [parse(leaf, limit=LIMIT) for leaf in leaves], "size": size}


def keylog_checkpoint(parts: Parts) -> bytes:
    """Give the key log's newest signed checkpoint."""
    with reading(parts.main) as session:
        last = session.scalar(select(KeyLogEntry).order_by(KeyLogEntry.index.desc()).limit(1))
    if last is not None:
        return last.checkpoint
    return print_checkpoint(Checkpoint(keylog_origin(parts), 0, EMPTY_ROOT), parts.log_key)


def _add(parts: Parts, leaves: Sequence[bytes], schools: Iterable[str], board: str) -> KeyLogState:
    """Add entries to the key log under the exclusive lock of the schools they concern, and bring the tables along.

    What doesn't follow on the log is refused before anything is locked: anybody may send statements.
    """
    with reading(parts.main) as session:
        log = parts.register.log(session)
        log.extend(_new(log, leaves))
    try:
        with parts.journal.act(schools_exclusive=schools) as act:
            log = parts.register.log(act.session)
            new = _new(log, leaves)
            for leaf in new:
                log = log.extend([leaf])
                _take_over(parts, act.session, log, leaf)
            state = KeyLogState(log.size, log.root)
            if new:
                _logged(act, new, state, board)
    except IntegrityError:
        raise RequestRefused("CONFLICT", 409, "Somebody else was first. Nothing was done; try again.") from None
    return state


def _new(log: KeyLog, leaves: Sequence[bytes]) -> list[bytes]:
    return [leaf for leaf in leaves if not log.holds(leaf)]


def _take_over(parts: Parts, session: Session, log: KeyLog, leaf: bytes) -> None:
    note = print_checkpoint(Checkpoint(keylog_origin(parts), log.size, log.root), parts.log_key)
    session.add(KeyLogEntry(index=log.size - 1, leaf=leaf, root=log.root, checkpoint=note))
    said = parse_statement(leaf).statement
    if isinstance(said, BoardCertificate):
        session.merge(Board(code=said.board, name=said.name))
        session.flush()
        for school in said.schools if said.state == "current" else ():
            session.merge(School(code=school, board=said.board))
    session.flush()


def _logged(act: Act, leaves: Sequence[bytes], state: KeyLogState, board: str) -> None:
    said = parse_statement(leaves[0]).statement
    joined = isinstance(said, BoardCertificate)
    school = {} if isinstance(said, BoardCertificate) else {"school": said.school}
    log_entry(
        act,
        Did.BOARD_JOINED if joined else Did.KEYS_PUBLISHED,
        SERVICE,
        outcome="granted",
        terms=school | {"entries": len(leaves), "keylog": {"size": state.size, "root": state.root.hex()}},
        boards=[board],
    )


def _policy(board: str, event: Event) -> Answer:
    assert event.policy is not None
    return {"board": board, "policy": str(event.policy.kind), "index": event.index}
