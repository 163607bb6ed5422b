"""Boards, schools and their keys, as the register certifies them and boards state them; and the public key log.

Nobody registers by a sign-in: a certificate carries the register's signature, a statement its board's. The service
replays the whole log with the same code as its clients before it adds an entry, and adds nothing they would refuse.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from consent.db import reading
from consent.events import Draft, Event, Kind
from consent.fields import CODECS, Malformed
from consent.fields import Actor as Speaker
from consent.journal import Act
from consent.terms import Level, Role, is_board, is_school
from crypto.checkpoint import Checkpoint, print_checkpoint
from crypto.encoding import JSON, b64, canon, parse, record, text, unb64
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
from handover.tables import Board, KeyLogEntry, School, SchoolKey

PAGE: Final = 500
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


def current_key(session: Session, school: str, kind: str, now: datetime) -> SchoolKey | None:
    """Give a school's key of a kind that is current and valid now, or None."""
    wanted = select(SchoolKey).where(
        SchoolKey.school == school,
        SchoolKey.kind == kind,
        SchoolKey.state == "current",
        SchoolKey.valid_from <= now,
        SchoolKey.valid_until > now,
    )
    return session.scalar(wanted.order_by(SchoolKey.epoch.desc()).limit(1))


def key_of(session: Session, kid: bytes) -> bytes:
    """Give the public key of a kid that a school published; raises RequestRefused."""
    row = session.get(SchoolKey, kid)
    if row is None:
        raise RequestRefused("KEY_UNKNOWN", 422, "The key log has no such key.")
    return row.public


def keylog_state(session: Session) -> KeyLogState:
    """Give the key log's present size and root."""
    last = session.scalar(select(KeyLogEntry).order_by(KeyLogEntry.index.desc()).limit(1))
    return KeyLogState(0, EMPTY_ROOT) if last is None else KeyLogState(last.index + 1, last.root)


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
        made_at = text(said["made_at"], r"[0-9TZ:-]{20}")
        policy = CODECS["policy"][1](said["policy"])
        signed = unb64(signature, 64)
    except (EncodingRefused, Malformed):
        raise RequestRefused("POLICY_REFUSED", 422, "Not a policy statement of this board.") from None
    with reading(parts.main) as session:
        row = session.get(Board, board)
    if row is None:
        raise not_found()
    verify(row.identity, "policy", canon(statement), signed)
    with parts.journal.act() as act:
        present = parts.ledger.policy_of(act.session, board)
        if present is not None and present.policy == policy:
            return _policy(board, present)
        by = Speaker(board, Role.STAFF, SPEAKS_FOR_BOARD)
        draft = Draft(kind=Kind.POLICY, key=f"policy-{made_at}", by=by, board=board, policy=policy)
        event = parts.ledger.record(act, draft, (board,))
    return _policy(board, event)


def public_file(parts: Parts, school: str) -> bytes:
    """Give a school's public file: its current keys, and every statement on them as the key log has it."""
    if not is_school(school):
        raise not_found()
    now = parts.clock()
    with reading(parts.main) as session:
        keys = {kind: current_key(session, school, kind, now) for kind in KINDS}
        rows = session.scalars(select(SchoolKey.entry).where(SchoolKey.school == school))
        leaves = session.scalars(select(KeyLogEntry.leaf).where(KeyLogEntry.index.in_(rows.all())))
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
    """Add entries to the key log under the exclusive lock of the schools they concern, and bring the tables along."""
    try:
        with parts.journal.act(schools_exclusive=schools) as act:
            known = list(act.session.scalars(select(KeyLogEntry.leaf).order_by(KeyLogEntry.index)))
            log = KeyLog(parts.settings.root).extend(known)
            new = [leaf for leaf in leaves if leaf not in known]
            for leaf in new:
                index = log.size
                log = log.extend([leaf])
                _take_over(parts, act, log, index, leaf)
            state = KeyLogState(log.size, log.root)
            if new:
                _logged(act, new, state, board)
    except IntegrityError:
        raise RequestRefused("CONFLICT", 409, "Somebody else was first. Nothing was done; try again.") from None
    return state


def _take_over(parts: Parts, act: Act, log: KeyLog, index: int, leaf: bytes) -> None:
    head = Checkpoint(keylog_origin(parts), log.size, log.root)
    note = print_checkpoint(head, parts.log_key)
    act.session.add(KeyLogEntry(index=index, leaf=leaf, root=log.root, checkpoint=note))
    said = parse_statement(leaf).statement
    if isinstance(said, BoardCertificate):
        act.session.merge(Board(code=said.board, name=said.name, identity=said.identity))
        act.session.flush()
        for school in said.schools if said.state == "current" else ():
            act.session.merge(School(code=school, board=said.board))
    else:
        _take_over_key(act.session, said, index)
    act.session.flush()


def _take_over_key(session: Session, said: KeyStatement, index: int) -> None:
    if said.state == "current":
        older = select(SchoolKey).where(SchoolKey.school == said.school, SchoolKey.kind == said.kind)
        for key in session.scalars(older.where(SchoolKey.state == "current")):
            key.state = "rotated"
        session.add(
            SchoolKey(
                kid=said.kid,
                school=said.school,
                kind=said.kind,
                public=said.public,
                epoch=said.epoch,
                valid_from=said.valid_from,
                valid_until=said.valid_until,
                state="current",
                entry=index,
            )
        )
    else:
        row = session.get_one(SchoolKey, said.kid)
        row.state, row.entry = said.state, index


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
