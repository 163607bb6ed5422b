"""What a restore that isn't finished wrote down in HANDOVER_HOME: what was known before it began, and how far it came.

As long as this file is there nothing starts. A restore that was killed is run again and reads it: what it put in the
place of the databases can't hide any more what was known of them.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

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


def begin(settings: Settings, known: Sequence[Known], problems: Sequence[str], back: Back | None = None) -> None:
    """Write down what is known and what is wrong; `back` when both databases are put back."""
    facts = [[fact.size, fact.root.hex(), fact.source] for fact in known]
    said = {"known": facts, "problems": list(problems), "back": back and asdict(back)}
    replace_private(settings.home / RESTORING, json.dumps(said).encode())


def begun(settings: Settings) -> tuple[list[Known], list[str], Back | None]:
    """Give what an earlier try of a restore knew, found wrong, and put back."""
    try:
        said = json.loads((settings.home / RESTORING).read_bytes())
    except FileNotFoundError:
        return [], [], None
    known = [Known(size, bytes.fromhex(root), source) for size, root, source in said["known"]]
    return known, said["problems"], said["back"] and Back(**said["back"])
