"""Whom a process believes, by the key log that stands in its database (C1-C7)."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from consent.db import writing
from crypto.keylog import KeyLog
from crypto.keys import SignKey
from crypto.merkle import leaf_hash
from crypto.statements import BoardCertificate, KeyStatement, State, print_certificate, print_statement
from handover.register import Register, RegisterRefused
from handover.tables import KeyLogEntry
from tests.conftest import Databases
from tests.crypto.test_keylog import BOARD_LEAF, CERTIFICATE, IDENTITY, NOW, OTHER_IDENTITY, ROOT, YEAR

SCHOOL, REQUEST = "99AB00", SignKey.from_seed(bytes([9]) * 32, "request")
SAID = KeyStatement(SCHOOL, "request", REQUEST.public, 1, NOW, NOW + YEAR, None)
SAID_LEAF = print_statement(SAID, IDENTITY, REQUEST)


@pytest.fixture
def session(sqlite_databases: Databases) -> Iterator[Session]:
    with writing(sqlite_databases.main) as session:
        yield session


@pytest.fixture
def register(session: Session) -> Register:
    put(session, BOARD_LEAF, SAID_LEAF)
    return Register(ROOT.public)


def put(session: Session, *leaves: bytes, after: tuple[bytes, ...] = ()) -> None:
    """Store leaves as the entries that follow on those `after` which they come, each with its root."""
    log = KeyLog(ROOT.public).extend(after)
    for leaf in leaves:
        index, log = log.size, log.extend([leaf])
        session.add(KeyLogEntry(index=index, leaf=leaf, root=log.root, checkpoint=b""))
    session.flush()


def certified(state: State, epoch: int, before: bytes, **changed: object) -> bytes:
    said: BoardCertificate = replace(CERTIFICATE, state=state, epoch=epoch, previous=leaf_hash(before), **changed)  # type: ignore[arg-type]
    return print_certificate(said, ROOT)


def test_who_speaks_is_known_at_once_and_as_the_log_grows(session: Session) -> None:
    register = Register(ROOT.public)
    assert register.log(session).size == 0
    assert register.school_of(session, REQUEST.kid, NOW) is None
    put(session, BOARD_LEAF)
    assert register.speaking(session, "board-a", NOW) == CERTIFICATE
    assert register.current(session, SCHOOL, "request", NOW) is None
    put(session, SAID_LEAF, after=(BOARD_LEAF,))
    assert register.current(session, SCHOOL, "request", NOW) == SAID
    assert register.school_of(session, REQUEST.kid, NOW) == (SAID, "board-a")
    assert register.log(session) is register.log(session), "nothing is replayed twice"
    assert Register(ROOT.public).log(session).root == register.log(session).root


def test_what_was_seen_is_never_forgotten(session: Session, register: Register) -> None:
    assert register.log(session).size == 2
    session.execute(delete(KeyLogEntry))
    assert register.current(session, SCHOOL, "request", NOW) == SAID


def test_a_key_counts_until_the_next_and_while_its_board_speaks(session: Session, register: Register) -> None:
    """C2, C5: from the first moment on, up to the last."""
    assert register.school_of(session, REQUEST.kid, NOW - timedelta(microseconds=1)) is None
    assert register.school_of(session, REQUEST.kid, NOW + YEAR) is None
    assert register.speaking(session, "board-a", NOW + 3 * YEAR) is None
    assert register.school_of(session, b"nobody's", NOW) is None
    newer = SignKey.from_seed(bytes([10]) * 32, "request")
    said = replace(SAID, public=newer.public, epoch=2, previous=leaf_hash(SAID_LEAF))
    put(session, print_statement(said, IDENTITY, newer), after=(BOARD_LEAF, SAID_LEAF))
    assert register.school_of(session, REQUEST.kid, NOW) is None
    assert register.school_of(session, newer.kid, NOW) == (said, "board-a")


def test_a_board_vouches_with_every_identity_that_it_never_revoked(session: Session, register: Register) -> None:
    """C6"""
    assert register.vouches(session, "board-a", IDENTITY.public, NOW)
    assert not register.vouches(session, "board-a", IDENTITY.public, NOW + 3 * YEAR)
    assert not register.vouches(session, "board-b", IDENTITY.public, NOW)
    ended = certified("revoked", 2, BOARD_LEAF)
    put(session, ended, after=(BOARD_LEAF, SAID_LEAF))
    assert not register.vouches(session, "board-a", IDENTITY.public, NOW)
    assert register.speaking(session, "board-a", NOW) is None
    assert register.school_of(session, REQUEST.kid, NOW) is None
    anew = certified("current", 3, ended, identity=OTHER_IDENTITY.public)
    put(session, anew, after=(BOARD_LEAF, SAID_LEAF, ended))
    assert register.vouches(session, "board-a", OTHER_IDENTITY.public, NOW)
    assert not register.vouches(session, "board-a", IDENTITY.public, NOW)


FORGED = print_certificate(CERTIFICATE, IDENTITY)  # by the board itself, not by the register's root


@pytest.mark.parametrize(
    ("index", "row"),
    [
        (0, {"leaf": FORGED}),
        (0, {"leaf": b"{}"}),
        (1, {"root": bytes(32)}),
        (1, {"leaf": BOARD_LEAF}),
        (1, {"index": 2}),
        (0, {"index": -1}),
    ],
    ids=["forged", "malformed", "another root", "said twice", "a gap", "before the first"],
)
def test_a_log_that_somebody_wrote_into_the_database_is_not_believed(
    session: Session, register: Register, index: int, row: dict[str, object]
) -> None:
    """C1, C7"""
    session.execute(update(KeyLogEntry).where(KeyLogEntry.index == index).values(row))
    session.expire_all()
    with pytest.raises(RegisterRefused):
        register.log(session)
    with pytest.raises(RegisterRefused):
        register.current(session, SCHOOL, "request", NOW)
