"""The key log: every certificate and key statement in one public tree, replayed by whoever relies on it.

The log is a list of leaves; a leaf is a signed statement as `crypto.statements` prints it. Whoever replays it keeps a
`KeyLog` and extends it up to a signed checkpoint. It never goes back: a smaller log (rollback), missing leaves (a
hole), other leaves below the checkpoint (a fork), an epoch that isn't the next one (fast-forward), a key that belongs
to another school, or an identity that the register's root didn't sign, is refused whole, and what was known stays.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Generic, TypeVar

from crypto.checkpoint import Checkpoint
from crypto.errors import KeyLogRefused
from crypto.keys import kid
from crypto.merkle import Frontier, leaf_hash
from crypto.statements import (
    KINDS,
    BoardCertificate,
    KeyStatement,
    Kind,
    Signed,
    parse_statement,
    verify_certificate,
    verify_statement,
)

_Said = TypeVar("_Said", BoardCertificate, KeyStatement)


@dataclass(frozen=True, slots=True)
class Logged(Generic[_Said]):
    """A statement with its place in the log, and the identity it rests on: its board's own, or the one it certifies."""

    index: int
    leaf_hash: bytes
    identity: bytes
    said: _Said


@dataclass(frozen=True, slots=True)
class KeyLog:
    """The log as far as it was replayed, under one register's root. `extend` gives a longer one and leaves this be."""

    root_key: bytes
    frontier: Frontier = field(default_factory=Frontier)
    boards: dict[str, tuple[Logged[BoardCertificate], ...]] = field(default_factory=dict)
    keys: dict[tuple[str, Kind], tuple[Logged[KeyStatement], ...]] = field(default_factory=dict)
    owners: dict[bytes, str] = field(default_factory=dict)
    claims: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """How many entries were replayed."""
        return self.frontier.size

    @property
    def root(self) -> bytes:
        """The tree's root over them."""
        return self.frontier.root()

    def extend(self, leaves: Iterable[bytes], checkpoint: Checkpoint | None = None) -> "KeyLog":
        """Replay the next leaves, up to exactly `checkpoint` where one is given; it must have been verified.

        Raises `KeyLogRefused` or `StatementRefused`, and then nothing was learned.
        """
        longer = replace(
            self,
            frontier=Frontier(self.frontier.size, list(self.frontier.hashes)),
            boards=dict(self.boards),
            keys=dict(self.keys),
            owners=dict(self.owners),
            claims=dict(self.claims),
        )
        if checkpoint is not None and checkpoint.size < self.size:
            raise KeyLogRefused("rollback: the log is smaller than it was")
        for leaf in leaves:
            longer._apply(leaf)
        if checkpoint is not None and longer.size != checkpoint.size:
            raise KeyLogRefused("hole: the leaves don't reach to the checkpoint")
        if checkpoint is not None and longer.root != checkpoint.root:
            raise KeyLogRefused("fork: the checkpoint is of other entries")
        return longer

    def current(self, school: str, kind: Kind, at: datetime, size: int | None = None) -> KeyStatement:
        """Give the statement on a school's key that was current at a moment in the log of `size`, by default this one.

        Only a revocation reaches back: it counts wherever it stands. Raises `KeyLogRefused` where no key is current.
        """
        seen = self.size if size is None else size
        if not 0 <= seen <= self.size:
            raise KeyLogRefused("the log wasn't replayed that far")
        known = [logged.said for logged in self.keys.get((school, kind), ()) if logged.index < seen]
        newest = _newest(known)
        if newest is None:
            raise KeyLogRefused("no key of that kind is current for that school")
        if newest.kid in self.revoked(school, kind):
            raise KeyLogRefused("the key was revoked")
        if not newest.valid_from <= at < newest.valid_until:
            raise KeyLogRefused("the key has expired, or is not valid yet")
        self.certificate(school, at, seen)
        return newest

    def certificate(self, school: str, at: datetime, size: int | None = None) -> BoardCertificate:
        """Give the certificate of the board that spoke for a school at a moment; raises `KeyLogRefused`."""
        seen = self.size if size is None else size
        heads = [self._certificates(board, seen)[-1:] for board in self.claims.get(school, ())]
        speaking = [certificate for head in heads for certificate in head if school in certificate.schools]
        if not speaking:
            raise KeyLogRefused("no board speaks for that school")
        newest = next((certificate for certificate in speaking if certificate.state == "current"), speaking[0])
        return self.speaking(newest.board, at, seen)

    def speaking(self, board: str, at: datetime, size: int | None = None) -> BoardCertificate:
        """Give the certificate with which a board spoke at a moment; raises `KeyLogRefused`."""
        known = self._certificates(board, self.size if size is None else size)
        if not known:
            raise KeyLogRefused("no such board was certified")
        newest, last = known[-1], self.boards[board][-1].said
        if newest.state != "current" or last.state == "revoked" or newest.identity in self.ended(board):
            raise KeyLogRefused("the board's identity has ended")
        if not newest.valid_from <= at < newest.valid_until:
            raise KeyLogRefused("the board's identity has expired, or is not valid yet")
        return newest

    def revoked(self, school: str, kind: Kind) -> frozenset[bytes]:
        """Give the kids that a school's board revoked, and those that rest on an identity that was revoked itself."""
        known = self.keys.get((school, kind), ())
        ended = frozenset[bytes]().union(*(self.ended(board) for board in self.claims.get(school, ())))
        return frozenset(
            logged.said.kid for logged in known if logged.said.state == "revoked" or logged.identity in ended
        )

    def ended(self, board: str) -> frozenset[bytes]:
        """Give the identities of a board that were ever revoked: nothing they stated counts, also not from before."""
        known = (logged.said for logged in self.boards.get(board, ()))
        return frozenset(certificate.identity for certificate in known if certificate.state == "revoked")

    def holds(self, leaf: bytes) -> bool:
        """Tell whether exactly this statement is in the log already; raises `StatementRefused` where it is none."""
        said, hashed = parse_statement(leaf).statement, leaf_hash(leaf)
        known: Sequence[Logged[BoardCertificate] | Logged[KeyStatement]] = (
            self.boards.get(said.board, ())
            if isinstance(said, BoardCertificate)
            else self.keys.get((said.school, said.kind), ())
        )
        return any(logged.leaf_hash == hashed for logged in known)

    def entries(self, school: str) -> list[Logged[KeyStatement]]:
        """Give everything the log says of a school's keys, in its order: what the school itself should recognise."""
        found = [logged for kind in KINDS for logged in self.keys.get((school, kind), ())]
        return sorted(found, key=lambda logged: logged.index)

    def _apply(self, leaf: bytes) -> None:
        signed = parse_statement(leaf)
        index, hashed = self.size, leaf_hash(leaf)
        if isinstance(signed.statement, BoardCertificate):
            certificate = self._check_certificate(signed)
            board, before = certificate.board, self.boards.get(certificate.board, ())
            self.boards[board] = (*before, Logged(index, hashed, certificate.identity, certificate))
            self.owners[kid("identity", certificate.identity)] = board
            for school in certificate.schools:
                if board not in self.claims.get(school, ()):
                    self.claims[school] = (*self.claims.get(school, ()), board)
        else:
            statement, identity = self._check_statement(signed, signed.statement)
            place = (statement.school, statement.kind)
            self.keys[place] = (*self.keys.get(place, ()), Logged(index, hashed, identity, statement))
            self.owners[statement.kid] = statement.school
        self.frontier.append(hashed)

    def _check_certificate(self, signed: Signed) -> BoardCertificate:
        certificate = verify_certificate(signed, self.root_key)
        _check_follows(certificate, self.boards.get(certificate.board, ()))
        board, known = certificate.board, self.owners.get(kid("identity", certificate.identity))
        if known not in (None, board):
            raise KeyLogRefused("the identity belongs to another board")
        if certificate.state != "current" and known is None:
            raise KeyLogRefused("an identity that was never there can't be ended")
        if certificate.state == "current" and certificate.identity in self.ended(board):
            raise KeyLogRefused("the identity was revoked: a new one is needed")
        for school in certificate.schools:
            for other in self.claims.get(school, ()):
                newest = self.boards[other][-1].said
                if other != board and newest.state == "current" and school in newest.schools:
                    raise KeyLogRefused("a school is still certified for another board")
        return certificate

    def _check_statement(self, signed: Signed, said: KeyStatement) -> tuple[KeyStatement, bytes]:
        certificate = self.certificate(said.school, said.valid_from)
        sign_key = _newest(self._said(said.school, "sign"))
        statement = verify_statement(signed, certificate.identity, None if sign_key is None else sign_key.public)
        _check_follows(statement, self.keys.get((said.school, said.kind), ()))
        before = self._said(said.school, said.kind)
        if statement.state == "current":
            if statement.kid in self.owners:
                raise KeyLogRefused("the key was there before, or belongs to another school")
        elif statement.kid not in {known.kid for known in before}:
            raise KeyLogRefused("a key that was never there can't be ended")
        newest = _newest(before)
        if statement.state == "rotated" and (newest is None or newest.kid != statement.kid):
            raise KeyLogRefused("only the newest key can be rotated out")
        return statement, certificate.identity

    def _said(self, school: str, kind: Kind) -> list[KeyStatement]:
        return [logged.said for logged in self.keys.get((school, kind), ())]

    def _certificates(self, board: str, size: int) -> list[BoardCertificate]:
        return [logged.said for logged in self.boards.get(board, ()) if logged.index < size]


def _newest(statements: Sequence[KeyStatement]) -> KeyStatement | None:
    """Give the key that the newest statements leave in force, or None where it was ended."""
    newest = None
    for statement in statements:
        if statement.state == "current":
            newest = statement
        elif newest is not None and newest.kid == statement.kid:
            newest = None
    return newest


def _check_follows(said: _Said, before: Sequence[Logged[_Said]]) -> None:
    epoch, previous = (before[-1].said.epoch, before[-1].leaf_hash) if before else (0, None)
    if said.epoch != epoch + 1:
        raise KeyLogRefused(f"epoch {said.epoch} doesn't follow on {epoch}")
    if said.previous != previous:
        raise KeyLogRefused("the statement follows on another one")
