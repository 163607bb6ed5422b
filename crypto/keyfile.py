"""Files of keys: a school's public file, its private file, and the single keys of boards, the register and FGs.

README.md, "Files of keys", is the specification.
"""

import base64
import secrets
import unicodedata
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Literal, get_args

import nacl.pwhash.argon2id as argon2id
from cryptography.cobblestone import Cobblestone256Decryptor, Cobblestone256Encryptor
from cryptography.exceptions import InvalidTag

from crypto.encoding import JSON, SCHOOL, Printable, b64, canon, integer, lp, parse, record, text, unb64
from crypto.errors import EncodingRefused, KeyRefused, PassphraseRefused
from crypto.keys import (
    SEAL_PUBLIC_SIZE,
    SEED_SIZE,
    SIGN_PUBLIC_SIZE,
    SealKey,
    SignKey,
    check_seal_public,
    check_sign_public,
    kid,
)
from crypto.sign import label

FILE_LIMIT = 1 << 20
_SALT_SIZE = argon2id.SALTBYTES
# Fixed by the file's version and written nowhere, so that nobody can ask for a weaker derivation.
_PASSES = 3
_MEMORY = 64 << 20

Kind = Literal["identity", "root", "dpo"]
_SINGLE: dict[str, Kind] = {kind: kind for kind in get_args(Kind)}


@dataclass(frozen=True, slots=True)
class PublicFile:
    """The public keys of a school and the statements that certify them; `school` is None for keys of nobody yet."""

    school: str | None
    seal: bytes
    sign: bytes
    request: bytes
    statements: tuple[JSON, ...] = ()

    @property
    def fingerprint(self) -> str:
        """160 bits over school and keys in eight groups of four characters, for comparing over the telephone."""
        kids = kid("seal", self.seal), kid("sign", self.sign), kid("request", self.request)
        return _groups(label("fingerprint") + lp((self.school or "").encode("ascii"), *kids))


@dataclass(frozen=True, slots=True)
class KeyFile:
    """The private keys of a school."""

    school: str | None
    seal: SealKey
    sign: SignKey
    request: SignKey
    statements: tuple[JSON, ...] = field(default=(), repr=False)

    @classmethod
    def generate(cls, school: str | None) -> "KeyFile":
        """Make new keys for a school, or for nobody yet."""
        return cls(school, SealKey.generate(), SignKey.generate("sign"), SignKey.generate("request"))

    @classmethod
    def from_seeds(cls, school: str | None, seeds: bytes, statements: tuple[JSON, ...] = ()) -> "KeyFile":
        """Make the keys of their three seeds, in the order seal, sign, request; raises KeyRefused for other lengths."""
        seal, sign, request = seeds[:SEED_SIZE], seeds[SEED_SIZE : 2 * SEED_SIZE], seeds[2 * SEED_SIZE :]
        return cls(
            school,
            SealKey.from_seed(seal),
            SignKey.from_seed(sign, "sign"),
            SignKey.from_seed(request, "request"),
            statements,
        )

    @property
    def seeds(self) -> bytes:
        """The three seeds, as `from_seeds` takes them: all that is secret."""
        return self.seal.seed + self.sign.seed + self.request.seed

    @property
    def public(self) -> PublicFile:
        """What others may know."""
        return PublicFile(self.school, self.seal.public, self.sign.public, self.request.public, self.statements)


@dataclass(frozen=True, slots=True)
class PublicIdentity:
    """The public key of a board (`identity`), of the register (`root`), or of a board's FG (`dpo`)."""

    kind: Kind
    public: bytes

    @property
    def fingerprint(self) -> str:
        """160 bits over kind and key in eight groups of four characters."""
        return _groups(label("fingerprint") + lp(kid(self.kind, self.public)))


@dataclass(frozen=True, slots=True)
class PublicOfficer:
    """The public key (X-Wing) of an officer who may help to recover a school's keys."""

    public: bytes

    @property
    def kid(self) -> bytes:
        """The name of the public key."""
        return kid("officer", self.public)

    @property
    def fingerprint(self) -> str:
        """160 bits over the key in eight groups of four characters."""
        return _groups(label("fingerprint") + lp(self.kid))


def print_public(keys: PublicFile) -> bytes:
    """Print a public file as canonical JSON."""
    return canon(_public_value(keys))


def parse_public(data: bytes) -> PublicFile:
    """Read a public file; raises KeyRefused."""
    try:
        return _public(record(parse(data, limit=FILE_LIMIT), "keys", "school", "statements", "v"))
    except EncodingRefused as error:
        raise KeyRefused(f"not a public key file: {error}") from None


def print_private(keys: KeyFile, passphrase: str) -> bytes:
    """Print a private file, its seeds sealed under a passphrase; raises PassphraseRefused for an empty one."""
    return _print_sealed(_public_value(keys.public), keys.seeds, passphrase)


def parse_private(data: bytes, passphrase: str) -> KeyFile:
    """Read a private file; raises KeyRefused for its form, PassphraseRefused for the passphrase or an altered file."""
    value, sealed = _parse_sealed(data, "keys", "school", "statements", "v")
    try:
        public = _public(value)
    except EncodingRefused as error:
        raise KeyRefused(f"not a private key file: {error}") from None
    seeds = _unwrap(sealed, passphrase, canon(value), 3 * SEED_SIZE)
    keys = KeyFile.from_seeds(public.school, seeds, public.statements)
    if keys.public != public:
        raise KeyRefused("the private keys don't belong to the public ones beside them")
    return keys


def print_identity_public(identity: PublicIdentity) -> bytes:
    """Print the public key of a board, of the register or of an FG as canonical JSON."""
    return canon({"v": 1, "type": identity.kind, "public": b64(identity.public)})


def parse_identity_public(data: bytes) -> PublicIdentity:
    """Read the public key of a board, of the register or of an FG; raises KeyRefused."""
    try:
        return _identity(record(parse(data, limit=FILE_LIMIT), "public", "type", "v"))
    except EncodingRefused as error:
        raise KeyRefused(f"not a public identity file: {error}") from None


def print_identity(key: SignKey, passphrase: str) -> bytes:
    """Print a board's, the register's or an FG's private key; raises PassphraseRefused, KeyRefused."""
    if key.kind not in _SINGLE:
        raise KeyRefused("only the key of a board, of the register or of an FG goes into such a file")
    return _print_sealed({"v": 1, "type": key.kind, "public": b64(key.public)}, key.seed, passphrase)


def parse_identity(data: bytes, passphrase: str) -> SignKey:
    """Read a board's, the register's or an FG's private key; raises KeyRefused and PassphraseRefused."""
    value, sealed = _parse_sealed(data, "public", "type", "v")
    try:
        identity = _identity(value)
    except EncodingRefused as error:
        raise KeyRefused(f"not an identity file: {error}") from None
    key = SignKey.from_seed(_unwrap(sealed, passphrase, canon(value), SEED_SIZE), identity.kind)
    if key.public != identity.public:
        raise KeyRefused("the private key doesn't belong to the public one beside it")
    return key


def print_officer_public(officer: PublicOfficer) -> bytes:
    """Print an officer's public key as canonical JSON."""
    return canon(_officer_value(officer))


def parse_officer_public(data: bytes) -> PublicOfficer:
    """Read an officer's public key; raises KeyRefused."""
    try:
        return _officer(record(parse(data, limit=FILE_LIMIT), "public", "type", "v"))
    except EncodingRefused as error:
        raise KeyRefused(f"not an officer's public file: {error}") from None


def print_officer(key: SealKey, passphrase: str) -> bytes:
    """Print an officer's private key under a passphrase; raises PassphraseRefused."""
    return _print_sealed(_officer_value(PublicOfficer(key.public)), key.seed, passphrase)


def parse_officer(data: bytes, passphrase: str) -> SealKey:
    """Read an officer's private key; raises KeyRefused and PassphraseRefused."""
    value, sealed = _parse_sealed(data, "public", "type", "v")
    try:
        officer = _officer(value)
    except EncodingRefused as error:
        raise KeyRefused(f"not an officer's file: {error}") from None
    key = SealKey.from_seed(_unwrap(sealed, passphrase, canon(value), SEED_SIZE))
    if key.public != officer.public:
        raise KeyRefused("the private key doesn't belong to the public one beside it")
    return key


def _officer_value(officer: PublicOfficer) -> dict[str, Printable]:
    return {"v": 1, "type": "officer", "public": b64(officer.public)}


def _officer(value: dict[str, JSON]) -> PublicOfficer:
    integer(value["v"], 1, 1)
    text(value["type"], "officer")
    officer = PublicOfficer(unb64(value["public"], SEAL_PUBLIC_SIZE))
    check_seal_public(officer.public)
    return officer


def _public_value(keys: PublicFile) -> dict[str, Printable]:
    public = {"seal": b64(keys.seal), "sign": b64(keys.sign), "request": b64(keys.request)}
    return {"v": 1, "school": keys.school, "keys": public, "statements": keys.statements}


def _public(value: dict[str, JSON]) -> PublicFile:
    integer(value["v"], 1, 1)
    keys = record(value["keys"], "seal", "sign", "request")
    if not isinstance(value["statements"], list):
        raise EncodingRefused("statements are a list")
    public = PublicFile(
        None if value["school"] is None else text(value["school"], SCHOOL),
        unb64(keys["seal"], SEAL_PUBLIC_SIZE),
        unb64(keys["sign"], SIGN_PUBLIC_SIZE),
        unb64(keys["request"], SIGN_PUBLIC_SIZE),
        tuple(value["statements"]),
    )
    check_seal_public(public.seal)
    check_sign_public(public.sign)
    check_sign_public(public.request)
    return public


def _identity(value: dict[str, JSON]) -> PublicIdentity:
    integer(value["v"], 1, 1)
    kind = _SINGLE.get(text(value["type"], "[a-z]+"))
    if kind is None:
        raise EncodingRefused("no such kind of key")
    identity = PublicIdentity(kind, unb64(value["public"], SIGN_PUBLIC_SIZE))
    check_sign_public(identity.public)
    return identity


def _print_sealed(value: dict[str, Printable], secret: bytes, passphrase: str) -> bytes:
    salt = secrets.token_bytes(_SALT_SIZE)
    wrap = Cobblestone256Encryptor(_wrap_key(passphrase, salt), _wrap_context(canon(value)))
    box = wrap.update(secret) + wrap.finalize()
    return canon({**value, "secrets": {"salt": b64(salt), "box": b64(box)}})


def _parse_sealed(data: bytes, *names: str) -> tuple[dict[str, JSON], dict[str, JSON]]:
    """Split a private file into what it says openly and its `secrets`."""
    try:
        value = record(parse(data, limit=FILE_LIMIT), *names, "secrets")
        return value, record(value.pop("secrets"), "salt", "box")
    except EncodingRefused as error:
        raise KeyRefused(f"not a private key file: {error}") from None


def _unwrap(sealed: dict[str, JSON], passphrase: str, public: bytes, size: int) -> bytes:
    try:
        salt, box = unb64(sealed["salt"], _SALT_SIZE), unb64(sealed["box"])
    except EncodingRefused as error:
        raise KeyRefused(f"not a private key file: {error}") from None
    wrap = Cobblestone256Decryptor(_wrap_key(passphrase, salt), _wrap_context(public))
    try:
        secret = wrap.update(box) + wrap.finalize()
    except (InvalidTag, ValueError):
        raise PassphraseRefused("the passphrase doesn't open this file, or the file was altered") from None
    if len(secret) != size:
        raise KeyRefused("the file's secrets have another length")
    return secret


def _wrap_context(public: bytes) -> bytes:
    """Bind the secrets to everything that the file says openly."""
    return label("keyfile") + sha256(public).digest()


def _wrap_key(passphrase: str, salt: bytes) -> bytes:
    # The same passphrase typed on two systems may arrive composed or decomposed (RFC 8265 normalises the same way).
    normal = unicodedata.normalize("NFC", passphrase).encode("utf-8", "surrogatepass")
    if not normal:
        raise PassphraseRefused("the passphrase is empty")
    key: bytes = argon2id.kdf(32, normal, salt, opslimit=_PASSES, memlimit=_MEMORY)
    return key


def _groups(message: bytes) -> str:
    letters = base64.b32encode(sha256(message).digest()[:20]).decode("ascii")
    return " ".join(letters[at : at + 4] for at in range(0, 32, 4))
