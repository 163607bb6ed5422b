"""Certifying keys, offline: the register speaks for boards, a board for its schools' keys.

Statements follow on each other (`crypto/KEYLOG.md`): whoever makes the next one needs the one before. A school's public
file carries all statements on its keys, so it is what the next ones are made from.
"""

from datetime import datetime, timedelta
from typing import Final

from crypto.encoding import JSON, canon, parse
from crypto.keyfile import KeyFile, PublicFile
from crypto.keys import SignKey, kid
from crypto.merkle import leaf_hash
from crypto.statements import (
    LIMIT,
    BoardCertificate,
    KeyStatement,
    Kind,
    State,
    parse_statement,
    print_certificate,
    print_statement,
)
from handover.errors import HandoverError

BOARD_LIFE: Final = timedelta(days=2 * 365)
KEY_LIFE: Final = timedelta(days=365)
ORDER: Final[tuple[Kind, ...]] = ("sign", "seal", "request")
"""The sign key first: it answers for the seal key, which can't sign."""


class CertifyingRefused(HandoverError):
    """A statement can't be made: something it follows on or speaks of isn't there."""


def certify_board(
    root: SignKey,
    identity: bytes,
    board: str,
    name: str,
    schools: tuple[str, ...],
    now: datetime,
    before: bytes | None = None,
) -> bytes:
    """Certify, as the register, that an identity speaks for a board and its schools; gives the signed certificate.

    `before` is the board's certificate before this one. Raises CertifyingRefused, StatementRefused.
    """
    epoch, previous = 1, None
    if before is not None:
        known = parse_statement(before).statement
        if not isinstance(known, BoardCertificate) or known.board != board:
            raise CertifyingRefused("the previous certificate isn't this board's")
        epoch, previous = known.epoch + 1, leaf_hash(before)
    start = now.replace(microsecond=0)
    codes = tuple(sorted(set(schools)))
    said = BoardCertificate(board, name, identity, codes, epoch, start, start + BOARD_LIFE, previous)
    return print_certificate(said, root)


def state_keys(keys: KeyFile, identity: SignKey, now: datetime, before: PublicFile | None = None) -> KeyFile:
    """Give a school's new keys with its board's statements on them.

    `before` is the school's public file with the statements so far; without it these are its first keys.
    Raises CertifyingRefused, StatementRefused.
    """
    if keys.school is None or (before is not None and before.school != keys.school):
        raise CertifyingRefused("keys are stated for one school, and follow on keys of the same")
    earlier = () if before is None else before.statements
    start = now.replace(microsecond=0)
    stated: list[JSON] = []
    for kind in ORDER:
        epoch, previous = _next(earlier, keys.school, kind)
        public = getattr(keys, kind).public
        said = KeyStatement(keys.school, kind, public, epoch, start, start + KEY_LIFE, previous)
        leaf = print_statement(said, identity, keys.request if kind == "request" else keys.sign)
        stated.append(parse(leaf, limit=LIMIT))
    return KeyFile(keys.school, keys.seal, keys.sign, keys.request, (*earlier, *stated))


def end_key(public: PublicFile, kind: Kind, state: State, identity: SignKey, now: datetime) -> bytes:
    """State that a school's key has ended: `rotated`, or `revoked`, which undoes what it signed before too.

    Raises CertifyingRefused, StatementRefused.
    """
    epoch, previous = _next(public.statements, public.school or "", kind)
    if previous is None or public.school is None:
        raise CertifyingRefused(f"there is no statement on a {kind} key of this school to follow on")
    start = now.replace(microsecond=0)
    said = KeyStatement(public.school, kind, getattr(public, kind), epoch, start, start + KEY_LIFE, previous, state)
    return print_statement(said, identity, None)


def seal_epoch(public: PublicFile) -> int:
    """Give the epoch of the key to seal to, as the statements beside it say; 0 for a key of nobody yet.

    Raises CertifyingRefused for a public file that names a school and has no statement that gives it this key.
    """
    wanted = kid("seal", public.seal)
    epochs = [said.epoch for _, said in _said(public.statements) if said.kid == wanted and said.state == "current"]
    if public.school is not None and not epochs:
        raise CertifyingRefused(
            "the public file names a school, but nothing in it states that this key is the school's"
        )
    return max(epochs, default=0)


def _next(statements: tuple[JSON, ...], school: str, kind: Kind) -> tuple[int, bytes | None]:
    """Give the epoch of the next statement on a school's keys of a kind, and the hash of the one before it."""
    known = [(said.epoch, leaf) for leaf, said in _said(statements) if (said.school, said.kind) == (school, kind)]
    if not known:
        return 1, None
    epoch, leaf = max(known)
    return epoch + 1, leaf_hash(leaf)


def _said(statements: tuple[JSON, ...]) -> list[tuple[bytes, KeyStatement]]:
    leaves = [(leaf, parse_statement(leaf).statement) for leaf in map(canon, statements)]
    return [(leaf, said) for leaf, said in leaves if isinstance(said, KeyStatement)]
