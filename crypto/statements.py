"""Statements about keys: the register's root certifies boards, a board's identity states its schools' keys.

A statement is canonical JSON with its signatures, and a leaf of the key log as it stands. Nothing here judges whether
it is current or follows on another: that is `crypto.keylog`. The form stands in KEYLOG.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, TypeAlias, get_args

from crypto.encoding import BOARD, JSON, SCHOOL, Printable, b64, canon, integer, parse, record, text, unb64
from crypto.errors import EncodingRefused, KeyRefused, SignatureRefused, StatementRefused
from crypto.keys import SIGNATURE_SIZE, SignKey, check_seal_public, check_sign_public, kid
from crypto.sign import sign, verify

Kind: TypeAlias = Literal["seal", "sign", "request"]
State: TypeAlias = Literal["current", "rotated", "revoked"]

KINDS: tuple[Kind, ...] = get_args(Kind)
STATES: tuple[State, ...] = get_args(State)
LIMIT = 65_536
"""The longest statement that is read, in bytes: a board of several thousand schools."""

EPOCH_MAX = 1_000_000
_TIME = "%Y-%m-%dT%H:%M:%SZ"
_NAME = r"[^\x00-\x1f\x7f]{1,200}"
_ROOT, _BOARD_KEY, _OWN = "register", "identity", "key"
_CERTIFICATE = "board-certificate"
_STATEMENT = "key-statement"


@dataclass(frozen=True, slots=True)
class BoardCertificate:
    """The register's word that this identity key speaks for a board and its schools, from and until a moment (UTC).

    `epoch` counts a board's certificates from 1; `previous` is the leaf hash of the one before. A revoked one ends the
    board's voice.
    """

    board: str
    name: str
    identity: bytes
    schools: tuple[str, ...]
    epoch: int
    valid_from: datetime
    valid_until: datetime
    previous: bytes | None
    state: State = "current"


@dataclass(frozen=True, slots=True)
class KeyStatement:
    """A board's word on a school's key of one kind, from and until a moment (UTC).

    `epoch` counts the statements on that school and kind from 1; `previous` is the leaf hash of the one before.
    `current` brings a new key. `rotated` ends the newest without a successor. `revoked` says that a key, of whatever
    epoch, must not be believed, not even for what was signed before.
    """

    school: str
    kind: Kind
    public: bytes
    epoch: int
    valid_from: datetime
    valid_until: datetime
    previous: bytes | None
    state: State = "current"

    @property
    def kid(self) -> bytes:
        """The name of the key spoken of."""
        return kid(self.kind, self.public)


@dataclass(frozen=True, slots=True)
class Signed:
    """A statement as it was parsed: what it says, and who is said to have signed it. Nothing was verified yet."""

    statement: BoardCertificate | KeyStatement
    body: bytes
    signatures: Mapping[str, bytes]


def print_certificate(certificate: BoardCertificate, root: SignKey) -> bytes:
    """Sign a board's certificate with the register's root key."""
    body = _certificate(certificate)
    return _print(body, {_ROOT: sign(root, _CERTIFICATE, canon(body))})


def print_statement(statement: KeyStatement, identity: SignKey, own: SignKey | None) -> bytes:
    """Sign a key statement with the board's identity and, where it brings a key, with a key of the school.

    `own` is the new key itself; for a `seal` key, which can't sign, it is the school's current `sign` key. Statements
    that end a key have no such signature: the key may be lost.
    """
    body = _statement(statement)
    signatures = {_BOARD_KEY: sign(identity, _STATEMENT, canon(body))}
    if own is not None:
        signatures[_OWN] = sign(own, _STATEMENT, canon(body))
    return _print(body, signatures)


def parse_statement(leaf: bytes) -> Signed:
    """Read a statement of either kind; raises `StatementRefused` for any bytes that `print` wouldn't give."""
    try:
        value = record(parse(leaf, limit=LIMIT), "body", "signatures")
        statement = _read(value["body"])
        names = _signers(statement)
        signatures = {name: unb64(value, SIGNATURE_SIZE) for name, value in record(value["signatures"], *names).items()}
    except (EncodingRefused, KeyRefused) as refused:
        raise StatementRefused(f"not a statement: {refused}") from None
    return Signed(statement, canon(value["body"]), signatures)


def verify_certificate(signed: Signed, root: bytes) -> BoardCertificate:
    """Give a certificate that the register's root signed; raises `StatementRefused`."""
    if not isinstance(signed.statement, BoardCertificate):
        raise StatementRefused("not a board's certificate")
    _verify(signed, _ROOT, root, _CERTIFICATE)
    return signed.statement


def verify_statement(signed: Signed, identity: bytes, sign_public: bytes | None) -> KeyStatement:
    """Give a key statement that the board signed and, where it brings a key, the school too; raises `StatementRefused`.

    `sign_public` is the school's current `sign` key: it answers for a `seal` key. Other keys answer for themselves.
    """
    statement = signed.statement
    if not isinstance(statement, KeyStatement):
        raise StatementRefused("not a key statement")
    _verify(signed, _BOARD_KEY, identity, _STATEMENT)
    if statement.state == "current":
        own = sign_public if statement.kind == "seal" else statement.public
        if own is None:
            raise StatementRefused("a seal key needs the school's sign key to answer for it")
        _verify(signed, _OWN, own, _STATEMENT)
    return statement


def _verify(signed: Signed, name: str, public: bytes, context: str) -> None:
    try:
        verify(public, context, signed.body, signed.signatures[name])
    except SignatureRefused:
        raise StatementRefused(f"the signature of the {name} doesn't hold") from None


def _signers(statement: BoardCertificate | KeyStatement) -> tuple[str, ...]:
    if isinstance(statement, BoardCertificate):
        return (_ROOT,)
    return (_BOARD_KEY, _OWN) if statement.state == "current" else (_BOARD_KEY,)


def _print(body: dict[str, Printable], signatures: Mapping[str, bytes]) -> bytes:
    leaf = canon({"body": body, "signatures": {name: b64(signature) for name, signature in signatures.items()}})
    parse_statement(leaf)  # never print what no reader takes
    return leaf


def _certificate(said: BoardCertificate) -> dict[str, Printable]:
    own = {"board": said.board, "name": said.name, "identity": b64(said.identity), "schools": said.schools}
    return {"type": _CERTIFICATE, **own, **_common(said)}


def _statement(said: KeyStatement) -> dict[str, Printable]:
    own = {"school": said.school, "kind": said.kind, "public": b64(said.public)}
    return {"type": _STATEMENT, **own, **_common(said)}


def _common(said: BoardCertificate | KeyStatement) -> dict[str, Printable]:
    return {
        "v": 1,
        "epoch": said.epoch,
        "valid_from": _print_time(said.valid_from),
        "valid_until": _print_time(said.valid_until),
        "previous": None if said.previous is None else b64(said.previous),
        "state": said.state,
    }


_COMMON = ("type", "v", "epoch", "valid_from", "valid_until", "previous", "state")


def _read(body: JSON) -> BoardCertificate | KeyStatement:
    if isinstance(body, dict) and body.get("type") == _CERTIFICATE:
        return _read_certificate(record(body, *_COMMON, "board", "name", "identity", "schools"))
    return _read_statement(record(body, *_COMMON, "school", "kind", "public"))


def _read_certificate(body: dict[str, JSON]) -> BoardCertificate:
    identity = unb64(body["identity"])
    check_sign_public(identity)
    listed = body["schools"] if isinstance(body["schools"], list) else [None]
    schools = tuple(text(school, SCHOOL) for school in listed)
    if list(schools) != sorted(set(schools)):
        raise EncodingRefused("the schools aren't in order, or one is named twice")
    return BoardCertificate(
        text(body["board"], BOARD), text(body["name"], _NAME), identity, schools, *_read_common(body)
    )


def _read_statement(body: dict[str, JSON]) -> KeyStatement:
    text(body["type"], _STATEMENT)
    kind = next((kind for kind in KINDS if kind == body["kind"]), None)
    if kind is None:
        raise EncodingRefused("no such kind of key")
    public = unb64(body["public"])
    (check_seal_public if kind == "seal" else check_sign_public)(public)
    return KeyStatement(text(body["school"], SCHOOL), kind, public, *_read_common(body))


def _read_common(body: dict[str, JSON]) -> tuple[int, datetime, datetime, bytes | None, State]:
    integer(body["v"], 1, 1)
    epoch = integer(body["epoch"], 1, EPOCH_MAX)
    valid_from, valid_until = _read_time(body["valid_from"]), _read_time(body["valid_until"])
    if valid_from >= valid_until:
        raise EncodingRefused("it ends before it begins")
    previous = None if body["previous"] is None else unb64(body["previous"], 32)
    if (previous is None) != (epoch == 1):
        raise EncodingRefused("the first epoch, and no other, has nothing before it")
    state = next((state for state in STATES if state == body["state"]), None)
    if state is None:
        raise EncodingRefused("no such state")
    return epoch, valid_from, valid_until, previous, state


def _print_time(moment: datetime) -> str:
    if moment.tzinfo is None or moment.microsecond:
        raise StatementRefused("a moment is in whole seconds and has a time zone")
    return moment.astimezone(UTC).strftime(_TIME)


def _read_time(value: JSON) -> datetime:
    try:
        moment = datetime.strptime(text(value, r"[12][0-9]{3}-[0-9-]{5}T[0-9:]{8}Z"), _TIME).replace(tzinfo=UTC)
    except ValueError:
        raise EncodingRefused("not a moment") from None
    return moment
