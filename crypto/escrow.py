"""Recovery of a school's keys by two of three officers: one opens the outer envelope, another the inner one.

README.md, "Recovery of a school's keys", is the specification, and says what each officer learns and when. Nothing here
is of use to the service: who holds the file and no officer's key holds nothing.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import permutations
from typing import Final

from crypto.encoding import JSON, Printable, b64, canon, integer, lp, parse, record, unb64
from crypto.errors import BundleAltered, EncodingRefused, KeyRefused, RecoveryRefused, SignatureRefused
from crypto.keyfile import FILE_LIMIT, KeyFile, PublicFile, PublicOfficer, parse_public, print_public
from crypto.keys import (
    KID_SIZE,
    SEAL_PUBLIC_SIZE,
    SEED_SIZE,
    SHARE_OVERHEAD,
    SIGNATURE_SIZE,
    SealKey,
    check_seal_public,
    hpke_seal,
)
from crypto.sign import label, sign, verify

OFFICERS: Final = 3
_ORDERS: Final = tuple(permutations(range(OFFICERS), 2))
"""Who opens first and who second, by their places among the officers: any two, either way round."""
_SEEDS_SIZE: Final = 3 * SEED_SIZE
_INNER_SIZE: Final = _SEEDS_SIZE + SHARE_OVERHEAD
_OUTER_SIZE: Final = _INNER_SIZE + SHARE_OVERHEAD
_CONTEXT: Final = "recovery"


@dataclass(frozen=True, slots=True)
class Recovery:
    """A recovery file: whose keys, the three officers in the order of their kids, and six envelopes in `_ORDERS`."""

    keys: PublicFile
    officers: tuple[PublicOfficer, ...]
    envelopes: tuple[bytes, ...] = field(repr=False)
    signature: bytes = field(repr=False)

    @property
    def digest(self) -> bytes:
        """SHA-256 of the file: what a part names it by."""
        return sha256(print_recovery(self)).digest()


@dataclass(frozen=True, slots=True)
class Part:
    """What the first officer hands over: the inner envelopes, each by the kid of the officer who can open it."""

    recovery: bytes
    first: bytes
    envelopes: Mapping[bytes, bytes] = field(repr=False)


def make_recovery(keys: KeyFile, officers: Sequence[PublicOfficer]) -> Recovery:
    """Put a school's seeds into envelopes for every two of three officers; raises RecoveryRefused, KeyRefused."""
    if len(officers) != OFFICERS or len(set(officers)) != OFFICERS:
        raise RecoveryRefused(f"{OFFICERS} different officers are needed")
    three = tuple(sorted(officers, key=lambda officer: officer.kid))
    binding = _binding(keys.public, three)
    envelopes = []
    for first, second in ((three[one], three[other]) for one, other in _ORDERS):
        inner = hpke_seal(second.public, keys.seeds, _info("inner", binding, first.kid, second.kid))
        envelopes.append(hpke_seal(first.public, inner, _info("outer", binding, first.kid, second.kid)))
    signature = sign(keys.sign, _CONTEXT, canon(_said(keys.public, three, envelopes)))
    return Recovery(keys.public, three, tuple(envelopes), signature)


def print_recovery(recovery: Recovery) -> bytes:
    """Print a recovery file as canonical JSON."""
    said = _said(recovery.keys, recovery.officers, recovery.envelopes)
    return canon({**said, "signature": b64(recovery.signature)})


def parse_recovery(data: bytes) -> Recovery:
    """Read a recovery file and check its signature; raises RecoveryRefused.

    The signature is by the key that the file itself names: whose key that is, a person sees by the fingerprint.
    """
    try:
        value = record(parse(data, limit=FILE_LIMIT), "v", "keys", "officers", "envelopes", "signature")
        integer(value["v"], 1, 1)
        keys = parse_public(canon(value["keys"]))
        officers = tuple(map(_officer, _list(value["officers"], OFFICERS)))
        if len(set(officers)) != OFFICERS or list(officers) != sorted(officers, key=lambda officer: officer.kid):
            raise EncodingRefused("the officers aren't in order, or one is named twice")
        envelopes = tuple(unb64(sealed, _OUTER_SIZE) for sealed in _list(value["envelopes"], len(_ORDERS)))
        signature = unb64(value["signature"], SIGNATURE_SIZE)
        verify(keys.sign, _CONTEXT, canon(_said(keys, officers, envelopes)), signature)
    except SignatureRefused:
        raise RecoveryRefused("the recovery file was altered: the school's signature doesn't hold") from None
    except (EncodingRefused, KeyRefused) as error:
        raise RecoveryRefused(f"not a recovery file: {error}") from None
    return Recovery(keys, officers, envelopes, signature)


def open_part(recovery: Recovery, officer: SealKey, seconds: Collection[PublicOfficer] = ()) -> Part:
    """Open the first officer's own envelopes; gives what is inside, which only a second officer can open.

    `seconds` limits it to these officers; without them it is for whichever of the others comes. Raises RecoveryRefused.
    """
    first = _place(recovery, officer)
    wanted = {recovery.officers.index(second) for second in seconds if second in recovery.officers}
    if len(wanted) != len(seconds) or first in wanted:
        raise RecoveryRefused("the second officer is one of the other two that the file names")
    binding = _binding(recovery.keys, recovery.officers)
    inner = {}
    for (one, other), sealed in zip(_ORDERS, recovery.envelopes, strict=True):
        if one == first and (not wanted or other in wanted):
            kids = recovery.officers[one].kid, recovery.officers[other].kid
            inner[kids[1]] = _open(officer, sealed, _info("outer", binding, *kids))
    return Part(recovery.digest, recovery.officers[first].kid, inner)


def print_part(part: Part) -> bytes:
    """Print what the first officer hands over, as canonical JSON."""
    envelopes = {b64(kid): b64(sealed) for kid, sealed in part.envelopes.items()}
    return canon({"v": 1, "recovery": b64(part.recovery), "first": b64(part.first), "envelopes": envelopes})


def parse_part(data: bytes) -> Part:
    """Read what a first officer handed over; raises RecoveryRefused."""
    try:
        value = record(parse(data, limit=FILE_LIMIT), "v", "recovery", "first", "envelopes")
        integer(value["v"], 1, 1)
        sealed = value["envelopes"]
        if not isinstance(sealed, dict) or not 0 < len(sealed) < OFFICERS:
            raise EncodingRefused("the envelopes are an object with one or two members")
        envelopes = {unb64(kid, KID_SIZE): unb64(inner, _INNER_SIZE) for kid, inner in sealed.items()}
        return Part(unb64(value["recovery"], KID_SIZE), unb64(value["first"], KID_SIZE), envelopes)
    except EncodingRefused as error:
        raise RecoveryRefused(f"not an officer's part: {error}") from None


def finish(recovery: Recovery, part: Part, officer: SealKey) -> KeyFile:
    """Open, as the second officer, what the first one handed over; gives the school's keys. Raises RecoveryRefused."""
    second = recovery.officers[_place(recovery, officer)].kid
    if part.recovery != recovery.digest:
        raise RecoveryRefused("the part was made from another recovery file")
    if part.first == second:
        raise RecoveryRefused("the part is this officer's own: another officer must open the second envelope")
    if second not in part.envelopes:
        raise RecoveryRefused("the part isn't for this officer")
    binding = _binding(recovery.keys, recovery.officers)
    seeds = _open(officer, part.envelopes[second], _info("inner", binding, part.first, second))
    return _keys(recovery.keys, seeds)


def _keys(public: PublicFile, seeds: bytes) -> KeyFile:
    keys = KeyFile.from_seeds(public.school, seeds, public.statements)
    if keys.public != public:
        raise RecoveryRefused("the recovery file holds other keys than it says")
    return keys


def _place(recovery: Recovery, officer: SealKey) -> int:
    own = PublicOfficer(officer.public)
    if own not in recovery.officers:
        raise RecoveryRefused("this officer isn't one of the three that the file names")
    return recovery.officers.index(own)


def _open(officer: SealKey, sealed: bytes, info: bytes) -> bytes:
    try:
        return officer.open(sealed, info)
    except BundleAltered:
        raise RecoveryRefused("the envelope doesn't open: it was altered, or was made for somebody else") from None


def _said(keys: PublicFile, officers: Sequence[PublicOfficer], envelopes: Sequence[bytes]) -> dict[str, Printable]:
    """Give all of the file but its signature."""
    return {**_head(keys, officers), "envelopes": [b64(sealed) for sealed in envelopes]}


def _head(keys: PublicFile, officers: Sequence[PublicOfficer]) -> dict[str, Printable]:
    public = parse(print_public(keys), limit=FILE_LIMIT)
    return {"v": 1, "keys": public, "officers": [b64(officer.public) for officer in officers]}


def _binding(keys: PublicFile, officers: Sequence[PublicOfficer]) -> bytes:
    return sha256(label(_CONTEXT) + canon(_head(keys, officers))).digest()


def _info(which: str, binding: bytes, first: bytes, second: bytes) -> bytes:
    return label(f"{_CONTEXT}-{which}") + lp(binding, first, second)


def _officer(value: JSON) -> PublicOfficer:
    public = unb64(value, SEAL_PUBLIC_SIZE)
    check_seal_public(public)
    return PublicOfficer(public)


def _list(value: JSON, length: int) -> list[JSON]:
    if not isinstance(value, list) or len(value) != length:
        raise EncodingRefused(f"a list of {length} is expected")
    return value
