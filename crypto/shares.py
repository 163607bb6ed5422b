"""The file of release shares: what the service needs to release sections, kept apart from the bundle it belongs to."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from crypto.encoding import b64, canon, integer, json_load, record, unb64
from crypto.errors import EncodingRefused, ShareRefused
from crypto.keys import KID_SIZE
from crypto.manifest import ID_SIZE, SECRET_SIZE, SECTION_NAME

SHARES_LIMIT = 1 << 16


@dataclass(frozen=True, slots=True)
class Shares:
    """Release shares of sections of one bundle, for the key that it is sealed to."""

    bundle: bytes
    to: bytes
    shares: Mapping[str, bytes] = field(repr=False)


def print_shares(shares: Shares) -> bytes:
    """Print a file of shares as canonical JSON; it is a secret."""
    values = {name: b64(share) for name, share in shares.shares.items()}
    return canon({"v": 1, "bundle": b64(shares.bundle), "to": b64(shares.to), "shares": values})


def parse_shares(data: bytes) -> Shares:
    """Read a file of shares; raises ShareRefused. Spacing and order are free, since people take shares out by hand."""
    try:
        value = record(json_load(data, limit=SHARES_LIMIT), "v", "bundle", "to", "shares")
        integer(value["v"], 1, 1)
        shares = value["shares"]
        if not isinstance(shares, dict) or not all(re.fullmatch(SECTION_NAME, name) for name in shares):
            raise EncodingRefused("shares are an object of sections")
        values = {name: unb64(share, SECRET_SIZE) for name, share in shares.items()}
        return Shares(unb64(value["bundle"], ID_SIZE), unb64(value["to"], KID_SIZE), values)
    except EncodingRefused as error:
        raise ShareRefused(f"not a file of release shares: {error}") from None
