"""What one member of a school's staff proposes and another one confirms: the content, and the id that stands for it.

The id is SHA-256 over the content in canonical JSON, so who confirms an id, in a request that the school signs, has
confirmed exactly these words and no others; the service can't show one thing and carry out another. README.md, "What
takes two", has the form, tests/vectors/proposals.json freezes it. Pure, for both sides.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Self

from consent.fields import Malformed, print_time, read_time
from crypto.encoding import JSON, Printable, canon, integer, parse, record, text
from crypto.errors import EncodingRefused


class Matter(StrEnum):
    """What a school does only by two."""

    EMERGENCY = "emergency"  # sections go before the family's answer
    PAPER = "paper"  # an answer on paper is taken over
    HOLD = "hold"  # a hold is lifted
    RESTRICTION = "restriction"  # a restriction is lifted
    COURT = "court"  # a court's ruling is taken down
    ERASURE = "erasure"  # a request for erasure is granted


VERSION: Final = 1
LIMIT: Final = 1 << 16
SALT: Final = 16
"""Bytes. Without the salt an id in a log or a list would tell what was proposed to whoever can guess it."""

_PREFIX: Final = b"overdracht/v1/proposal\0"
_MEMBERS: Final = ("at", "by", "matter", "pupil", "said", "salt", "transfer", "v")
_ID: Final = "[A-Za-z0-9_-]{1,64}"
_STAFF: Final = r"[0-9A-Z]{6}\.[A-Za-z0-9._-]{1,64}"


@dataclass(frozen=True, slots=True)
class Proposed:
    """A proposal: `by` names school and member of staff, `said` is what would be done, in its matter's own form."""

    matter: Matter
    pupil: str
    transfer: str | None
    by: str
    at: datetime
    said: Mapping[str, JSON]
    salt: str

    @property
    def id(self) -> str:
        """Give the id that stands for all of it."""
        return hashlib.sha256(_PREFIX + canon(self.content())).hexdigest()

    def content(self) -> dict[str, Printable]:
        """Print it, as it is hashed, sealed and shown."""
        return {
            "v": VERSION,
            "matter": str(self.matter),
            "pupil": self.pupil,
            "transfer": self.transfer,
            "by": self.by,
            "at": print_time(self.at),
            "said": dict(self.said),
            "salt": self.salt,
        }

    @classmethod
    def of(cls, content: JSON) -> Self:
        """Read a printed proposal back; raises EncodingRefused for any other form."""
        said = record(content, *_MEMBERS)
        integer(said["v"], VERSION, VERSION)
        transfer, about = said["transfer"], said["said"]
        if not isinstance(about, dict):
            raise EncodingRefused("what is proposed isn't an object")
        try:
            return cls(
                matter=Matter(text(said["matter"])),
                pupil=text(said["pupil"], _ID),
                transfer=None if transfer is None else text(transfer, _ID),
                by=text(said["by"], _STAFF),
                at=read_time(said["at"]),
                said=about,
                salt=text(said["salt"], f"[0-9a-f]{{{2 * SALT}}}"),
            )
        except (ValueError, Malformed):
            raise EncodingRefused("not a proposal: its matter or its time") from None


def read_proposed(data: bytes, identifier: str) -> Proposed:
    """Read a proposal from its canonical bytes; raises EncodingRefused unless it is what this id stands for."""
    return checked(parse(data, limit=LIMIT), identifier)


def checked(content: JSON, identifier: str) -> Proposed:
    """Take a proposal that somebody shows; raises EncodingRefused unless it is what this id stands for."""
    proposed = Proposed.of(content)
    if proposed.id != identifier:
        raise EncodingRefused("this isn't what the id of the proposal stands for")
    return proposed
