"""What a restore that isn't finished wrote down in HANDOVER_HOME: what was known before it began, and how far it came.

As long as this file is there nothing starts. A restore that was killed is run again and reads it: what it put in the
place of the databases can't hide any more what was known of them.
"""

import json
from dataclasses import asdict, dataclass
from typing import Final

from crypto.encoding import JSON
from crypto.files import replace_private
from handover.parts import RESTORING
from handover.settings import Settings


@dataclass(frozen=True, slots=True)
class Known:
    """A size that the journal is known to have had, with its root, and who says so."""

    size: int
    root: bytes
    source: str


@dataclass(frozen=True, slots=True)
class Back:
    """That both databases were put back from these copies: up to which checkpoint, and what of it was lost."""

    copies: list[str]
    note: str
    shipments: int
    statement: JSON


@dataclass(frozen=True, slots=True)
class Try:
    """What a restore knows when it begins, and what it finds wrong; `back` when both databases are put back.

    `names` are those that the log is known to have had, `revoked` the FGs' keys that are known to have been revoked,
    `given` the newest number that each board is known to have been given.
    """

    known: tuple[Known, ...]
    problems: tuple[str, ...]
    names: tuple[str, ...]
    revoked: tuple[bytes, ...]
    given: dict[str, int]
    back: Back | None = None


NOTHING: Final = Try((), (), (), (), {})
"""What is known where nothing was begun."""


def begin(settings: Settings, this: Try) -> None:
    """Write down what a restore knows, and how far it came."""
    said = {
        "known": [[fact.size, fact.root.hex(), fact.source] for fact in this.known],
        "problems": this.problems,
        "names": this.names,
        "revoked": [key.hex() for key in this.revoked],
        "given": this.given,
        "back": this.back and asdict(this.back),
    }
    replace_private(settings.home / RESTORING, json.dumps(said).encode())


def begun(settings: Settings) -> Try | None:
    """Give what an earlier try knew, or None where there was none."""
    try:
        said = json.loads((settings.home / RESTORING).read_bytes())
    except FileNotFoundError:
        return None
    return Try(
        known=tuple(Known(size, bytes.fromhex(root), source) for size, root, source in said["known"]),
        problems=tuple(said["problems"]),
        names=tuple(said["names"]),
        revoked=tuple(map(bytes.fromhex, said["revoked"])),
        given=said["given"],
        back=said["back"] and Back(**said["back"]),
    )
