"""The head of a dossier: what goes with every section.

It holds neither the categories nor any answer of the parents: those would tell what was withheld, and why.
"""

from dataclasses import dataclass

from handover.dossier.kinds import Date, Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """Which package wrote the file, when, and by which version of the standard."""

    deeldossier: Text
    pakketnaam: Text
    pakketversie: Text
    datum: Date
    standaardversie: Text
    validatieversie: Text
    overstap: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The file's metadata, the kind of transfer, and the day on which the parents saw the dossier."""

    metadata: Metadata | None = None
    overdrachtsoort: Text | None = None
    inzagedatum: Date | None = None
