"""What a dossier lacks: shown before it is sealed, never a reason to refuse it.

Missing parts of the OPP, tests that have aged, wishes that should stand beside the advice (Besluit uitwisseling
art. 4), and balance: a dossier that tells what hinders a child and nothing of what helps.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from handover.dossier.dossier import Dossier
from handover.dossier.elements import xpath
from handover.dossier.kinds import day, true
from handover.dossier.opp import Opp
from handover.dossier.rules import year_before


class Lack(StrEnum):
    """What may be missing."""

    INZAGE = "the parents haven't seen the dossier yet"
    ADVICE = "no advice of the school"
    WISH_PARENTS = "no wish of the parents beside the advice"
    WISH_PUPIL = "no wish of the pupil beside the advice"
    OPP = "support, but no OPP"
    OPP_DESTINATION = "no uitstroombestemming"
    OPP_GROUNDS = "no onderbouwing"
    OPP_HINDERS = "no belemmerende factoren"
    OPP_HELPS = "no bevorderende factoren"
    OPP_ACTION = "no handelingsdeel"
    OPP_ASSENT = "no assent of the parents to the handelingsdeel"
    OPP_HEARD = "the pupil wasn't heard, or not in own words"
    OPP_EVALUATION = "not evaluated in the last year"
    TESTS = "no test of the last year"
    STRENGTHS = "obstacles, but no strengths beside them"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is missing, and where it would stand."""

    place: str
    lack: Lack

    def __str__(self) -> str:
        return f"{self.place}: {self.lack}"


def completeness(dossier: Dossier, today: date) -> tuple[Finding, ...]:
    """Tell what the dossier lacks."""
    return (*_inzage(dossier), *_advice(dossier), *_opp(dossier, today), *_tests(dossier, today), *_balance(dossier))


def _inzage(dossier: Dossier) -> Iterator[Finding]:
    views = dossier.sections.views
    if not (views and views.inzage and true(views.inzage.inzage)):
        yield Finding(xpath("views", "inzage"), Lack.INZAGE)


def _advice(dossier: Dossier) -> Iterator[Finding]:
    advice = dossier.sections.okr.overstapadvies if dossier.sections.okr else None
    if dossier.route not in ("POVO", "SOVO"):
        return
    for name, lack in (("advies", Lack.ADVICE), ("wensouders", Lack.WISH_PARENTS), ("wensleerling", Lack.WISH_PUPIL)):
        if not getattr(advice, name, None):
            yield Finding(xpath("okr", "overstapadvies", name), lack)


def _opp(dossier: Dossier, today: date) -> Iterator[Finding]:
    opp, support, views = dossier.sections.opp, dossier.sections.support, dossier.sections.views
    if opp is None:
        if support and (support.tlv or support.arrangement_pao or support.arrangement_cluster12):
            yield Finding(xpath("opp", "opp"), Lack.OPP)
        return
    yield from _opp_parts(opp)
    if not (opp.leerling_gehoord and views and views.woorden_leerling):
        yield Finding("views.woorden_leerling", Lack.OPP_HEARD)
    begun = day(opp.opp.opp_ingangdatum) if opp.opp else None
    last = max([day(each.datum) for each in opp.evaluatie], default=begun)
    if last is None or last < year_before(today):
        yield Finding("opp.evaluatie", Lack.OPP_EVALUATION)


def _opp_parts(opp: Opp) -> Iterator[Finding]:
    perspective = opp.perspectief
    for name, lack in (
        ("uitstroombestemming", Lack.OPP_DESTINATION),
        ("onderbouwing", Lack.OPP_GROUNDS),
        ("belemmerende_factoren", Lack.OPP_HINDERS),
        ("bevorderende_factoren", Lack.OPP_HELPS),
    ):
        if not getattr(perspective, name, None):
            yield Finding(f"opp.perspectief.{name}", lack)
    if opp.handelingsdeel is None:
        yield Finding("opp.handelingsdeel", Lack.OPP_ACTION)
    if opp.instemming is None or opp.instemming.antwoord != "Ja" or opp.instemming.datum is None:
        yield Finding("opp.instemming", Lack.OPP_ASSENT)


def _tests(dossier: Dossier, today: date) -> Iterator[Finding]:
    lvs = dossier.sections.lvs
    tests = lvs.toetslijst.toets if lvs and lvs.toetslijst else ()
    if all(day(test.afname.afnamedatum) < year_before(today) for test in tests):
        yield Finding(xpath("lvs", "toetslijst"), Lack.TESTS)


def _balance(dossier: Dossier) -> Iterator[Finding]:
    """Compare fields with fields: what documents say can't be weighed here."""
    okr, opp, support = dossier.sections.okr, dossier.sections.opp, dossier.sections.support
    perspective = opp.perspectief if opp else None
    obstacles = support and (support.diagnose or support.handelingsplan)
    strengths = (perspective and perspective.bevorderende_factoren) or (okr and okr.competenties)
    if (obstacles or (perspective and perspective.belemmerende_factoren)) and not strengths:
        yield Finding("opp.perspectief.bevorderende_factoren", Lack.STRENGTHS)
