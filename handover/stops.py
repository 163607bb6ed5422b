"""What keeps a pupil's data although somebody asks to erase them (AVG art. 17(3)), each with its source and its end."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from consent.events import Event
from consent.terms import Ground
from handover.retention import HeldBy, Kept, due, held_back
from handover.sentences import Said


@dataclass(frozen=True, slots=True)
class Stop:
    """One reason not to erase yet, with its source as a family reads it. `until` is None where its end isn't a date."""

    kind: str
    said: Said
    basis: str
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Sent:
    """What erasing has to know of one transfer: is it under way, on which grounds, when was something last released."""

    under_way: bool
    grounds: frozenset[Ground]
    released_at: datetime | None


EVIDENCE: Final = Said(
    "Er is iets naar een andere school gegaan. De school moet kunnen bewijzen dat dat mocht.",
    "Something went to another school. The school must be able to prove that this was allowed.",
)
DUTY: Final = Said(
    "De school moet van de wet nog gegevens sturen. Is de overstap klaar of gestopt, dan vervalt deze reden.",
    "The law tells the school to send data still. This reason ends when the transfer is done or cancelled.",
)
HELD: Final[dict[HeldBy, tuple[Said, str]]] = {
    HeldBy.HOLD: (
        Said(
            "Er loopt nog iets, zoals een klacht of een rechtszaak. Daar zijn de gegevens voor nodig.",
            "Something still runs, such as a complaint or a court case. The data are needed for it.",
        ),
        "AVG art. 17 lid 3 onder e",
    ),
    HeldBy.RESTRICTION: (
        Said(
            "Iemand heeft de gegevens laten stilzetten. Zolang mag de school ze niet wissen.",
            "Somebody had the data frozen. So long the school may not erase them.",
        ),
        "AVG art. 18 lid 2",
    ),
    HeldBy.OBJECTION: (
        Said("Er is bezwaar gemaakt. Daar moet eerst over beslist zijn.", "An objection must be decided first."),
        "AVG art. 17 lid 3 onder e, art. 21",
    ),
}
PROOF: Final = "AVG art. 17 lid 3 onder e, art. 5 lid 2 en art. 7 lid 1; BW art. 3:310"
STATUTORY: Final = "AVG art. 17 lid 3 onder b; WPO art. 42, WEC art. 43, voor het vo de opvolger van WVO art. 103b"


def stops(known: Sequence[Event], transfers: Iterable[Sent], now: datetime) -> tuple[Stop, ...]:
    """Name what stops the erasure of a pupil now; nothing where it may be erased."""
    sent = list(transfers)
    found = []
    releases = [one.released_at for one in sent if one.released_at is not None]
    if releases and (until := due(Kept.RELEASED_PUPIL, max(releases))) > now:
        found.append(Stop("evidence", EVIDENCE, PROOF, until))
    if any(one.under_way and Ground.STATUTORY in one.grounds for one in sent):
        found.append(Stop("duty", DUTY, STATUTORY, None))
    if (held := held_back(Kept.UNRELEASED_PUPIL, known, now)) in HELD:
        said, basis = HELD[held]
        found.append(Stop(held.name.lower(), said, basis, None))
    return tuple(found)
