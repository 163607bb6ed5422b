"""The law's rules for a dossier that travels. Pure: a rule is told the day.

`problems` tells what is wrong and can be mended at the school. `left_out` tells what must not travel whoever wants it,
`travelling` takes exactly that out. The rules:

(1) Closed list: the onderwijskundig rapport holds nothing beyond art. 3 to 7 of the Besluit uitwisseling leer- en
    begeleidingsgegevens. No article has room for bank accounts, the family doctor, nationality, birthplace or the
    register's name (gba).
(2) A secret address means no address at all: of the pupil, nor of a carer, with whom the pupil may live. A number or
    mail address that is marked secret stays out too, except OSO's two placeholders.
(3) A test travels in the school year it was taken and the two after (OSO 2019.1, rule on toetsen).
(4) Verzuim travels for the year before the dossier's date only (art. 7), and for a year after that date.
(5) A samenwerkingsverband gets neither BSN nor onderwijsnummer (OSO 2019.1, profiles PaO).
(6) What the school or the parents took out by category doesn't travel (OSO 2019.1, categorie_uitlevering).
(7) What belongs to no section doesn't travel: it would tell what was withheld.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from handover.dossier.address import Persoon
from handover.dossier.dossier import Dossier
from handover.dossier.elements import CATEGORIES_PATH, HEAD, rows_of, steps, xpath
from handover.dossier.kinds import day, true
from handover.dossier.okr import Leerling, Okr, Verzorger
from handover.dossier.problems import Problem
from handover.dossier.pruning import without

PLACEHOLDERS: Final = frozenset({"9999999999", "geheim@geheim.geheim"})
"""What OSO writes instead of a secret number or mail address."""

FORBIDDEN: Final = frozenset({"banknummer", "iban", "huisarts", "geboorteplaats", "nationaliteit", "gba"})
"""Elements that no article of the closed list has room for, wherever they stand."""


class Rule(StrEnum):
    """Which rule keeps something from travelling."""

    CLOSED_LIST = "outside the closed list (Besluit uitwisseling art. 3-7)"
    SECRET_ADDRESS = "a secret address means no address at all"  # noqa: S105 - the words of a rule
    SECRET_CONTACT = "marked secret by its owner"  # noqa: S105 - the words of a rule
    OLD_TEST = "taken before the last three school years"
    OLD_ABSENCE = "absence of more than a year ago (Besluit uitwisseling art. 7)"
    SWV_NUMBER = "a samenwerkingsverband gets no BSN or onderwijsnummer"
    CATEGORY = "taken out by categorie_uitlevering"
    NO_SECTION = "belongs to no section"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something that doesn't travel: where it stands, and by which rule."""

    place: str
    rule: Rule

    def __str__(self) -> str:
        return f"{self.place}: {self.rule}"


def year_before(today: date) -> date:
    """Give the same day a year earlier; for 29 February the 28th."""
    return today.replace(year=today.year - 1, day=28 if (today.month, today.day) == (2, 29) else today.day)


def first_test_day(today: date) -> date:
    """Give the first day of the school year before the last: school years begin on 1 August."""
    return date(today.year - (2 if today.month >= 8 else 3), 8, 1)


def left_out(dossier: Dossier, today: date | None) -> tuple[LeftOut, ...]:
    """Tell what must not travel; without a day the rules on terms are passed over."""
    found = [*_closed_list(dossier), *_secrets(dossier), *_swv(dossier), *_categories(dossier), *_homeless(dossier)]
    if today:
        found += [*_old_tests(dossier, today), *_old_absence(dossier, today)]
    return tuple({each.place: each for each in reversed(found)}.values())[::-1]


def travelling(dossier: Dossier, today: date) -> tuple[Dossier, tuple[LeftOut, ...]]:
    """Take out of a dossier what must not travel, and tell what that was."""
    found = left_out(dossier, today)
    return without(dossier, [each.place for each in found]), found


def _carriers(okr: Okr | None) -> Iterator[tuple[tuple[str | int, ...], Leerling | Verzorger]]:
    """Give the pupil and the carers, each with where they stand in the section."""
    if okr and okr.leerling:
        yield ("leerling",), okr.leerling
    for number, carer in enumerate(okr.verzorger if okr else ()):
        yield ("verzorger", number), carer


def _closed_list(dossier: Dossier) -> Iterator[LeftOut]:
    """(1) Nothing that no article has room for."""
    for where, person in _carriers(dossier.sections.okr):
        for name in sorted(FORBIDDEN):
            value = getattr(person, name, None)
            places = (
                [(name, number) for number in range(len(value))]
                if isinstance(value, tuple)
                else [(name,)] * bool(value)
            )
            for place in places:
                yield LeftOut(xpath("okr", *where, *place), Rule.CLOSED_LIST)
    for kept in dossier.kept:
        if any(name in FORBIDDEN for name, _ in steps(kept.path) or ()):
            yield LeftOut(kept.path, Rule.CLOSED_LIST)


def _secrets(dossier: Dossier) -> Iterator[LeftOut]:
    """(2) No address where the pupil's is secret, and none of a carer whose own is."""
    okr = dossier.sections.okr
    pupil = okr.leerling if okr else None
    for where, person in _carriers(okr):
        if true(person.adresgeheim) or (pupil and true(pupil.adresgeheim)):
            yield from (LeftOut(place, Rule.SECRET_ADDRESS) for place in _addresses(where, person))
        yield from _secret_contacts(where, person)


def _addresses(where: tuple[str | int, ...], person: Leerling | Verzorger) -> Iterator[str]:
    if person.adreslijst:
        yield xpath("okr", *where, "adreslijst")
    if isinstance(person, Leerling):
        if person.postcode4adres:
            yield xpath("okr", *where, "postcode4adres")
        for number in range(len(person.adresbuitenland)):
            yield xpath("okr", *where, "adresbuitenland", number)


def _secret_contacts(where: tuple[str | int, ...], person: Leerling | Persoon) -> Iterator[LeftOut]:
    for number, contact in enumerate(person.communicatielijst.communicatie if person.communicatielijst else ()):
        if true(contact.geheim) and contact.nummer not in PLACEHOLDERS:
            place = xpath("okr", *where, "communicatielijst", "communicatie", number)
            yield LeftOut(place, Rule.SECRET_CONTACT)


def _old_tests(dossier: Dossier, today: date) -> Iterator[LeftOut]:
    """(3) Only tests of this school year and the two before."""
    lvs = dossier.sections.lvs
    for number, test in enumerate(lvs.toetslijst.toets if lvs and lvs.toetslijst else ()):
        if day(test.afname.afnamedatum) < first_test_day(today):
            yield LeftOut(xpath("lvs", "toetslijst", "toets", number), Rule.OLD_TEST)


def _old_absence(dossier: Dossier, today: date) -> Iterator[LeftOut]:
    """(4) Only absence of the year before the dossier's date, and only while that is less than a year ago."""
    attendance = dossier.sections.attendance
    if attendance is None or attendance.verzuim is None:
        return
    made = day(dossier.head.metadata.datum) if dossier.head and dossier.head.metadata else today
    begun = day(attendance.begindatum) if attendance.begindatum else year_before(made)
    if made < year_before(today) or begun < year_before(made):
        yield LeftOut(xpath("attendance", "verzuim"), Rule.OLD_ABSENCE)


def is_for_swv(dossier: Dossier) -> bool:
    """Tell whether the file was made for a samenwerkingsverband instead of a school."""
    head = dossier.head
    overstap = head.metadata.overstap if head and head.metadata else None
    return bool(head and head.overdrachtsoort == "swv-dossier") or overstap in ("POSWV", "VOSWV")


def _swv(dossier: Dossier) -> Iterator[LeftOut]:
    """(5) No number of the pupil for a samenwerkingsverband."""
    okr = dossier.sections.okr
    for name in ("bsn", "onderwijsnummer") if is_for_swv(dossier) else ():
        if okr and okr.leerling and getattr(okr.leerling, name):
            yield LeftOut(xpath("okr", "leerling", name), Rule.SWV_NUMBER)


def _categories(dossier: Dossier) -> Iterator[LeftOut]:
    """(6) Nothing of a category that the file itself says is out."""
    for kept in dossier.kept:
        path, _, category = kept.path.rpartition("/")
        if path == CATEGORIES_PATH and kept.value in ("OPT-UIT", "VERBODEN"):
            for row in rows_of(category):
                if row.section != HEAD:
                    yield from (LeftOut(place, Rule.CATEGORY) for place in _present(dossier, row.section, row.path))


def _present(dossier: Dossier, section: str | None, path: str) -> Iterator[str]:
    name = path.rpartition("/")[2]
    value = getattr(getattr(dossier.sections, section or "", None), name, None)
    if isinstance(value, tuple):
        yield from (xpath(section or "", name, number) for number in range(len(value)))
    elif value is not None or any((item.under or "").startswith(f"/dossier/{path}") for item in dossier.documents):
        yield f"/dossier/{path}"


def _homeless(dossier: Dossier) -> Iterator[LeftOut]:
    """(7) Nothing that has no section to be decided on."""
    for kept in dossier.kept:
        if kept.section is None:
            inside = kept.path.startswith(f"{CATEGORIES_PATH}/")
            yield LeftOut(CATEGORIES_PATH if inside else kept.path, Rule.NO_SECTION)


def problems(dossier: Dossier) -> tuple[Problem, ...]:
    """Tell what is wrong by the rules of the standard's profiles, beyond what its schema can say."""
    return (
        *_inzage_problems(dossier),
        *_pupil_problems(dossier),
        *_advice_problems(dossier),
        *_period_problems(dossier),
    )


def _inzage_problems(dossier: Dossier) -> Iterator[Problem]:
    inzage = dossier.sections.views.inzage if dossier.sections.views else None
    place = xpath("views", "inzage")
    if inzage and true(inzage.inzage):
        if not (dossier.head and dossier.head.inzagedatum):
            yield Problem(place, "inzage was given, but inzagedatum is missing")
        if not inzage.akkoord:
            yield Problem(place, "inzage was given, but akkoord is missing")


def _pupil_problems(dossier: Dossier) -> Iterator[Problem]:
    okr = dossier.sections.okr
    if okr is None or okr.leerling is None:
        return
    pupil, place = okr.leerling, xpath("okr", "leerling")
    if pupil.bsn and pupil.onderwijsnummer:
        yield Problem(place, "has both bsn and onderwijsnummer")
    if not (pupil.bsn or pupil.onderwijsnummer or is_for_swv(dossier)):
        yield Problem(place, "has neither bsn nor onderwijsnummer")
    if pupil.geboortedatum and pupil.geboortemaand:
        yield Problem(place, "has both geboortedatum and geboortemaand")
    if pupil.adreslijst and pupil.postcode4adres:
        yield Problem(place, "has both adreslijst and postcode4adres")
    if dossier.route == "POVO" and not pupil.leerlingid:
        yield Problem(place, "leerlingid is missing, which the profile POVO demands")
    if true(pupil.verzorgersaansprakelijk) and not okr.verzorger:
        yield Problem(place, "the carers are liable, but there is none")
    if okr.schoolloopbaanlijst is None:
        yield Problem(place, "schoolloopbaan is missing")


def _advice_problems(dossier: Dossier) -> Iterator[Problem]:
    okr = dossier.sections.okr
    if okr is None:
        return
    advice, place = okr.overstapadvies, xpath("okr", "overstapadvies")
    special = okr.huidigeschool is not None and okr.huidigeschool.soort == "SO"
    if dossier.route == "POVO" and not special and not (advice and advice.advies):
        yield Problem(place, "advies is missing, which the profile POVO demands")
    if advice and true(advice.contactnodig) and not (advice.contactpersoon and advice.contacttelefoon):
        yield Problem(place, "contact is wanted, but contactpersoon or contacttelefoon is missing")


def _period_problems(dossier: Dossier) -> Iterator[Problem]:
    for place, begin, end in _periods(dossier):
        if end and day(end) < day(begin):
            yield Problem(place, "ends before it begins")


def _periods(dossier: Dossier) -> Iterator[tuple[str, str, str | None]]:
    support, opp = dossier.sections.support, dossier.sections.opp
    if opp and opp.opp:
        yield xpath("opp", "opp"), opp.opp.opp_ingangdatum, opp.opp.opp_einddatum
    for number, plan in enumerate(support.handelingsplan if support else ()):
        yield xpath("support", "handelingsplan", number), plan.startdatum, plan.einddatum
    for number, tlv in enumerate(support.tlv if support else ()):
        yield xpath("support", "tlv", number), tlv.tlvingangdatum, tlv.tlveinddatum
