"""The ontwikkelingsperspectief (WPO art. 40a, WVO 2020, WEC art. 41a).

OSO has room for the dates and for documents only. The fixed parts below are this project's own fields: what the law
and the inspectorate ask of an OPP, so that it can be checked for what is missing. The pupil's own words and the
parents' view are in the section `views`; here stands only that and when the pupil was heard.
"""

from dataclasses import dataclass

from handover.dossier.kinds import Assent, Date, Text


@dataclass(frozen=True, slots=True, kw_only=True)
class OppDates:
    """The element `opp` of OSO: from when to when."""

    opp_ingangdatum: Date
    opp_einddatum: Date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Perspectief:
    """Where the pupil is heading, and why: what hinders and what helps belong together."""

    uitstroombestemming: Text | None = None
    onderbouwing: Text | None = None
    belemmerende_factoren: tuple[Text, ...] = ()
    bevorderende_factoren: tuple[Text, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Handelingsdeel:
    """What the school does; the parents must assent to this part."""

    onderwijsbehoeften: Text | None = None
    ondersteuning: Text | None = None
    afwijkingen: Text | None = None
    doelen: tuple[Text, ...] = ()
    evaluatiemomenten: tuple[Date, ...] = ()
    uitvoerder: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Instemming:
    """The parents' assent to the handelingsdeel, or that they withheld it."""

    antwoord: Assent
    datum: Date | None = None
    door: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluatie:
    """One evaluation with the parents, at least one per school year."""

    datum: Date
    uitkomst: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Opp:
    """The section `opp`."""

    opp: OppDates | None = None
    perspectief: Perspectief | None = None
    handelingsdeel: Handelingsdeel | None = None
    overleg: Date | None = None
    instemming: Instemming | None = None
    leerling_gehoord: Date | None = None
    evaluatie: tuple[Evaluatie, ...] = ()
