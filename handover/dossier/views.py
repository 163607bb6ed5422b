"""What parents and pupil say, and what schools agree with each other."""

from dataclasses import dataclass

from handover.dossier.kinds import Date, Flag, Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Inzage:
    """Whether the parents saw the dossier and agree with it; the day is in the head."""

    voorlopigdossier: Flag
    inzage: Flag | None = None
    akkoord: Text | None = None
    redennietakkoord: Text | None = None
    toestemming: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Zienswijze:
    """A view, in its writer's own words."""

    door: Text
    datum: Date | None = None
    tekst: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Views:
    """The section `views`: inzage, the parents' view and the pupil's own words."""

    inzage: Inzage | None = None
    zienswijze: tuple[Zienswijze, ...] = ()
    woorden_leerling: tuple[Zienswijze, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Gesprek:
    """Notes of a warm handover talk."""

    datum: Date
    aanwezig: tuple[Text, ...] = ()
    verslag: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Afspraak:
    """Something that was agreed, by whom and until when."""

    tekst: Text
    wie: Text | None = None
    voor: Date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HandoverNotes:
    """The section `handover_notes`."""

    gesprek: tuple[Gesprek, ...] = ()
    afspraak: tuple[Afspraak, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reports:
    """The section `reports`: documents and nothing else."""
