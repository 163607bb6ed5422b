"""Dossiers as JSON, and the law's rules for them."""

import hashlib
import json
from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crypto.encoding import b64
from handover.dossier import (
    Dossier,
    DossierRefused,
    completeness,
    document,
    dump,
    from_json,
    load,
    problems,
    to_json,
    travelling,
)
from handover.dossier.dossier import Document, Kept, Sections
from handover.dossier.elements import BY_PATH, CATEGORIES, HEAD, ROWS, rows_of, steps, xpath
from handover.dossier.kinds import Kind
from handover.dossier.pruning import without
from handover.dossier.rules import first_test_day, left_out, year_before
from handover.dossier.schema import Slot, slots
from handover.oso import read, write
from tests.handover.oso_files import rich

PUPIL = "/dossier/huidigeschool/leerling"
CARE = f"{PUPIL}/onderwijsondersteuning"
TODAY = date(2026, 3, 10)
LF = {depth: "\n" + " " * depth for depth in (8, 10)}


def small(**changes: Any) -> dict[str, Any]:
    return {"v": 1, "source": {"standard": "form", "version": "1"}, "sections": {}} | changes


def with_sections(**sections: Any) -> Dossier:
    return from_json(small(sections=sections))


def refusal(value: Any) -> list[tuple[str, str]]:
    with pytest.raises(DossierRefused) as refused:
        load(value if isinstance(value, bytes) else json.dumps(value).encode())
    return [(problem.place, problem.text) for problem in refused.value.problems]


TEXTS = {
    "not a date (yyyy-mm-dd)": ["2024-02-29", "1999-12-31Z", "2026-01-01+01:00"],
    "not the last day of a school year": ["2026-07-31"],
    "not dd-mm-yyyy": ["01-02-2014"],
    "not yyyy-mm": ["2014-05"],
    "not a school year (yyyy-yyyy)": ["2025-2026"],
    "not true or false": ["true", "false", "1", "0"],
    "not a whole number": ["0", "-12", "+7"],
    "not a whole number from -2147483648 to 2147483647": ["-2147483648", "2147483647"],
    "not a whole number from 0 to 1000": ["0", "1000"],
    "not a whole number from 1 to 24": ["1", "24"],
    "not a decimal number": ["1.20", ".5", "-3."],
    "not a BRIN code": ["99AB"],
    "not a vestigingscode": ["00"],
    "not an elementcode": ["0041"],
    "not a valid BSN (elfproef)": ["111222333", "123456782"],
    "not a valid onderwijsnummer": ["100000004"],
    "not Ja, Nee or Onbekend": ["Ja", "Nee", "Onbekend"],
}
letters = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), min_size=1, max_size=20
)


def texts(kind: Kind) -> st.SearchStrategy[str]:
    return (
        st.sampled_from(TEXTS[kind.fault]) if kind.fault in TEXTS else letters.filter(lambda text: not kind.check(text))
    )


def parts(part: type) -> st.SearchStrategy[Any]:
    return st.builds(part, **{slot.field: field(slot) for slot in slots(part)})


def field(slot: Slot) -> st.SearchStrategy[Any]:
    assert slot.kind or slot.part
    one = texts(slot.kind) if slot.kind else st.deferred(lambda: parts(slot.part or Sections))
    if slot.many:
        return st.lists(one, min_size=int(slot.required), max_size=2).map(tuple)
    return one if slot.required else st.none() | one


def sections() -> st.SearchStrategy[Sections]:
    return st.builds(Sections, **{slot.field: st.none() | parts(slot.part) for slot in slots(Sections) if slot.part})


SLOW = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


@SLOW
@given(sections(), letters, st.binary(max_size=40))
def test_what_is_printed_is_read_again(made: Sections, text: str, data: bytes) -> None:
    base = from_json(small(route="POVO"))
    dossier = Dossier(
        route="POVO",
        source=base.source,
        sections=made,
        documents=(document("opp", "a", data, omschrijving=text),),
        kept=(Kept(path="/dossier/x", section="lvs", value=text), Kept(path="/dossier/y", value="")),
    )
    printed = dump(dossier)
    assert load(printed) == dossier
    assert dump(load(printed)) == printed


@SLOW
@given(sections())
def test_what_is_written_as_oso_is_read_again(made: Sections) -> None:
    base = read(rich()).dossier
    filled = Sections(
        **{
            slot.field: _merged(getattr(made, slot.field), getattr(base.sections, slot.field))
            for slot in slots(Sections)
        }
    )
    dossier = Dossier(route=base.route, source=base.source, head=base.head, sections=filled)
    again = read(write(dossier)).dossier
    assert to_json(again)["sections"] == _with_elements(to_json(dossier)["sections"])


def _merged(made: Any, base: Any) -> Any:
    """Random parts, with the parts that every file must have and the one that goes with the day of inzage."""
    if made is None or base is None:
        return base
    kept = {name: getattr(base, name) for name in ("huidigeschool", "leerling", "inzage") if hasattr(base, name)}
    return type(made)(**{slot.field: getattr(made, slot.field) for slot in slots(type(made))} | kept)


def _with_elements(sections: dict[str, Any]) -> dict[str, Any]:
    """Only what OSO has an element for; a section without any is absent."""
    names = {(row.section, row.name) for row in ROWS}
    left = {
        section: {name: value for name, value in fields.items() if (section, name) in names}
        for section, fields in sections.items()
    }
    return {section: fields for section, fields in left.items() if fields}


def test_a_dossier_needs_no_more_than_its_version_source_and_sections() -> None:
    assert to_json(load(json.dumps(small()).encode())) == small(route=None, documents=[], kept=[])


@pytest.mark.parametrize(
    ("change", "place", "text"),
    [
        ({"v": 2}, "v", "not a dossier of version 1"),
        ({"v": True}, "v", "not a dossier of version 1"),
        ({"v": "1"}, "v", "not a dossier of version 1"),
        ({"route": "POSWV"}, "route", "not a route"),
        ({"extra": 1}, "extra", "Unknown field."),
        ({"naam van een kind": 1}, "?", "Unknown field."),
        ({"sections": []}, "sections", "Invalid input type."),
        ({"sections": {"okr": None}}, "sections.okr", "Field may not be null."),
        (
            {"sections": {"okr": {"leerling": {}}}},
            "sections.okr.leerling.achternaam",
            "Missing data for required field.",
        ),
        (
            {"sections": {"okr": {"leerling": {"achternaam": 1}}}},
            "sections.okr.leerling.achternaam",
            "Not a valid string.",
        ),
        (
            {"sections": {"okr": {"leerling": {"achternaam": "a\u0000"}}}},
            "sections.okr.leerling.achternaam",
            "holds a character that XML doesn't have",
        ),
        (
            {"sections": {"okr": {"leerling": {"achternaam": "a", "bsn": "111222334"}}}},
            "sections.okr.leerling.bsn",
            "not a valid BSN (elfproef)",
        ),
        ({"sections": {"lvs": {"certificaat": []}}}, "sections.lvs.certificaat", "an empty list"),
        ({"sections": {"lvs": {"certificaat": ["a", ""]}}}, "sections.lvs.certificaat[2]", "empty"),
        ({"kept": [{"path": "/x", "value": ""}]}, "kept[1].path", "not a path from /dossier"),
        ({"kept": [{"path": "/dossier", "value": "", "section": "x"}]}, "kept[1].section", "not a section"),
        ({"documents": {}}, "documents", "Not a valid list."),
    ],
)
def test_a_json_dossier_that_is_wrong_is_refused_with_its_place(change: dict[str, Any], place: str, text: str) -> None:
    assert refusal(small(**change)) == [(place, text)]


def test_all_problems_of_a_json_dossier_are_told_at_once() -> None:
    wrong = small(route="x", sections={"okr": {"leerling": {"geslacht": "m"}}, "new": {}})
    assert {place for place, _ in refusal(wrong)} == {
        "route",
        "sections.okr.leerling.geslacht",
        "sections.okr.leerling.achternaam",
        "sections.new",
    }


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 100_000,
        b'{"v": ' + b"9" * 5000 + b"}",
        b'{"v": NaN}',
        b'{"v": 1, "v": 1}',
        b'{"v": "\\ud800"}',
        b"\xff",
        b"",
        b"[]",
        b"1",
        b"null",
    ],
)
def test_hostile_json_is_refused(data: bytes) -> None:
    """E4: depth, digits, NaN, a name twice, half a surrogate."""
    ((place, text),) = refusal(data)
    assert place == ""
    assert text


def enclosed(**changes: Any) -> dict[str, Any]:
    item = {"section": "opp", "name": "a.txt", "type": "text/plain", "data": b64(b"tekst")}
    return item | {"sha256": hashlib.sha256(b"tekst").hexdigest()} | changes


@pytest.mark.parametrize(
    ("change", "place", "text"),
    [
        ({"sha256": "0" * 64}, "documents[1].sha256", "not the SHA-256 of the data"),
        ({"sha256": "A" * 64}, "documents[1].sha256", "not a SHA-256 in lower-case hex"),
        ({"type": "application/pdf"}, "documents[1].type", "not the media type that the data has"),
        ({"data": "dGVrc3Q="}, "documents[1].data", "not base64url without padding"),
        ({"data": 1}, "documents[1].data", "not base64url without padding"),
        ({"name": "n" * 1001}, "documents[1].name", "not 1 to 1000 characters long"),
        ({"wrapped": "tar"}, "documents[1].wrapped", "not base64 or text"),
        ({"section": "rapport"}, "documents[1].section", "not a section"),
        ({"under": "opp"}, "documents[1].under", "not a path from /dossier"),
    ],
)
def test_a_document_that_is_not_what_is_said_of_it_is_refused(change: dict[str, Any], place: str, text: str) -> None:
    """D5."""
    load(json.dumps(small(documents=[enclosed()])).encode())
    assert refusal(small(documents=[enclosed(**change)])) == [(place, text)]


@pytest.mark.parametrize("data", [b"\xff", b"a\x00"])
def test_bytes_that_no_element_can_hold_are_not_text_of_one(data: bytes) -> None:
    made = enclosed(data=b64(data), sha256=hashlib.sha256(data).hexdigest(), wrapped="text")
    assert refusal(small(documents=[made])) == [("documents[1].data", "not the text of an element")]


def test_a_document_s_repr_names_neither_it_nor_its_content() -> None:
    assert repr(document("opp", "plan van Zoë.txt", b"geheim")) == "Document(opp, 6 bytes)"


def test_every_row_of_the_element_table_has_a_field_or_holds_only_others() -> None:
    fields = {(slot.name, each.name) for slot in slots(Sections) if slot.part for each in slots(slot.part)}
    loose = {row.name for row in ROWS if row.section != HEAD and (row.section, row.name) not in fields}
    assert loose == {
        "categorie_uitlevering",
        "onderwijsondersteuning",
        "toelichting_onderwijsbehoeften",
        "overigdocumentlijst",
    }
    assert len(BY_PATH) == len(ROWS)
    assert all(list(rows_of(category)) for category in CATEGORIES)


def test_what_travels_without_consent_has_an_article_and_the_rest_has_none() -> None:
    without_article = {row.name for row in ROWS if row.article is None}
    assert without_article == {"categorie_uitlevering", "inzage", "onderwijsondersteuning", "overigdocumentlijst"}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/dossier", [("dossier", 1)]),
        ("/a/b[12]/@c", [("a", 1), ("b", 12), ("@c", 1)]),
        ("/a/{urn:x/y}b[2]", [("a", 1), ("{urn:x/y}b", 2)]),
        ("/a/text()", [("a", 1), ("text()", 1)]),
        ("", None),
        ("a", None),
        ("/a/", None),
        ("/a//b", None),
        ("/a[0]", None),
        ("/a[01]", None),
        ("/@a/b", None),
        ("/a[1]x", None),
    ],
)
def test_paths_are_read_one_way(path: str, found: list[tuple[str, int]] | None) -> None:
    assert steps(path) == found


def test_a_field_without_an_element_has_a_dotted_place() -> None:
    assert xpath("opp", "perspectief", "doelen", 0) == "opp.perspectief.doelen[1]"
    assert xpath("okr", "verzorger", 1, "iban") == f"{PUPIL}/verzorger[2]/iban"


def test_nothing_the_law_forbids_travels_and_all_of_it_is_listed() -> None:
    dossier = read(rich()).dossier
    travels, found = travelling(dossier, TODAY)
    assert {str(each) for each in found} == {
        f"{PUPIL}/{name}: outside the closed list (Besluit uitwisseling art. 3-7)"
        for name in (
            "gba",
            "geboorteplaats",
            "nationaliteit[1]",
            "huisarts",
            "verzorger[1]/iban",
            "verzorger[1]/banknummer",
        )
    } | {
        f"{PUPIL}/verzorger[1]/adreslijst: a secret address means no address at all",
        f"{PUPIL}/communicatielijst/communicatie[2]: marked secret by its owner",
        f"{PUPIL}/toetslijst/toets[1]: taken before the last three school years",
        "/dossier/metadata/categorie_uitlevering: belongs to no section",
    }
    printed = dump(travels).decode()
    for value in (
        "NL00BANK",
        "Heelmeester",
        "Elders",
        "Nederlandse",
        "Geheimpad",
        "zoe@bedacht",
        "06-05-2014",
        "cat_",
        "OUD-1",
    ):
        assert value not in printed
    assert travelling(travels, TODAY) == (travels, ())
    assert read(write(travels)).dossier.sections == travels.sections


def test_a_document_goes_with_the_test_it_belongs_to_and_the_others_close_up() -> None:
    travels, _ = travelling(read(rich()).dossier, TODAY)
    under = {each.name: each.under for each in travels.documents}
    assert "oud.txt" not in under
    assert under["rekenen.txt"] == f"{PUPIL}/toetslijst/toets[1]/resultaat"
    again = {each.name: each.section for each in read(write(travels)).dossier.documents}
    assert again["rekenen.txt"] == "lvs"


def test_a_secret_address_of_the_pupil_leaves_no_address_of_anybody() -> None:
    dossier = read(rich(("<adresgeheim>false<", "<adresgeheim>1<"))).dossier
    travels, found = travelling(dossier, TODAY)
    assert {each.place.removeprefix(PUPIL) for each in found if "address" in each.rule} == {
        "/adreslijst",
        "/adresbuitenland[1]",
        "/verzorger[1]/adreslijst",
    }
    printed = dump(travels).decode()
    assert all(street not in printed for street in ("Rietkraag", "Geheimpad", "Imaginary"))
    assert "Sluis" in printed


def test_four_digits_of_a_secret_postcode_stay_out_too() -> None:
    pupil = {"achternaam": "a", "adresgeheim": "true", "postcode4adres": "0000"}
    found = left_out(with_sections(okr={"leerling": pupil}), TODAY)
    assert [each.place for each in found] == [f"{PUPIL}/postcode4adres"]


@pytest.mark.parametrize(
    ("contact", "stays"),
    [
        ({"nummer": "9999999999", "geheim": "true"}, True),
        ({"nummer": "geheim@geheim.geheim", "geheim": "1"}, True),
        ({"nummer": "0200000003", "geheim": "true"}, False),
        ({"nummer": "0200000003", "geheim": "false"}, True),
        ({"nummer": "0200000003"}, True),
    ],
)
def test_a_secret_number_stays_out_unless_it_is_a_placeholder(contact: dict[str, str], stays: bool) -> None:
    contacts = {"communicatie": [contact | {"soort": "telefoon"}]}
    carer = {"achternaam": "a", "wettigevertegenwoordiger": "1", "communicatielijst": contacts}
    travels, found = travelling(with_sections(okr={"verzorger": [carer]}), TODAY)
    assert (not found) == stays
    assert travels.sections.okr
    assert (travels.sections.okr.verzorger[0].communicatielijst is not None) == stays


@pytest.mark.parametrize(
    ("today", "first"),
    [
        (date(2026, 3, 10), date(2023, 8, 1)),
        (date(2026, 7, 31), date(2023, 8, 1)),
        (date(2026, 8, 1), date(2024, 8, 1)),
        (date(2026, 12, 31), date(2024, 8, 1)),
    ],
)
def test_tests_of_three_school_years_travel(today: date, first: date) -> None:
    assert first_test_day(today) == first


@pytest.mark.parametrize(("day", "stays"), [("2023-07-31", False), ("2023-08-01", True), ("2026-03-10", True)])
def test_the_first_day_of_the_oldest_school_year_counts(day: str, stays: bool) -> None:
    taken = {"toetsidentificatie": {"eldtoetscode": "T"}, "afname": {"afnamedatum": day}, "resultaat": {}}
    travels, found = travelling(with_sections(lvs={"toetslijst": {"toets": [taken]}}), TODAY)
    assert (found == ()) == stays
    assert (travels.sections.lvs is not None) == stays


@pytest.mark.parametrize(
    ("made", "begun", "stays"),
    [
        ("2026-03-02", None, True),
        ("2025-03-10", None, True),
        ("2025-03-09", None, False),
        ("2026-03-02", "2025-03-02", True),
        ("2026-03-02", "2025-03-01", False),
        (None, "2025-03-10", True),
        (None, "2025-03-09", False),
        (None, None, True),
    ],
)
def test_absence_travels_for_the_year_before_the_dossier_only(made: str | None, begun: str | None, stays: bool) -> None:
    attendance: dict[str, Any] = {"verzuim": {"frequentie": "1"}} | ({"begindatum": begun} if begun else {})
    head = to_json(read(rich()).dossier)["head"]
    value = small(sections={"attendance": attendance})
    if made:
        value["head"] = {"metadata": head["metadata"] | {"datum": made}}
    assert (left_out(from_json(value), TODAY) == ()) == stays


def test_a_year_before_a_leap_day_is_the_28th() -> None:
    assert year_before(date(2028, 2, 29)) == date(2027, 2, 28)
    assert year_before(date(2026, 2, 28)) == date(2025, 2, 28)


@pytest.mark.parametrize(
    "changes",
    [
        ((">overstapdossier<", ">swv-dossier<"),),
        (("<overstap>POVO<", "<overstap>POSWV<"),),
        (("<overstap>POVO<", "<overstap>VOSWV<"),),
    ],
)
def test_a_samenwerkingsverband_gets_no_number_of_the_pupil(changes: tuple[tuple[str, str], ...]) -> None:
    travels, found = travelling(read(rich(*changes)).dossier, TODAY)
    assert f"{PUPIL}/bsn: a samenwerkingsverband gets no BSN or onderwijsnummer" in set(map(str, found))
    assert b"111222333" not in dump(travels)


def test_what_a_category_takes_out_does_not_travel() -> None:
    changes = [
        (f"<{name}>OPTIONEEL<", f"<{name}>{answer}<")
        for name, answer in (("cat_verzuim", "OPT-UIT"), ("cat_bijlagedocs", "VERBODEN"), ("cat_vombo", "OPT-UIT"))
    ]
    changes.append(("<cat_onderwijsondersteuning>OPTIONEEL<", "<cat_onderwijsondersteuning>OPT-UIT<"))
    travels, found = travelling(read(rich(*changes)).dossier, TODAY)
    places = {each.place for each in found if each.rule == "taken out by categorie_uitlevering"}
    assert f"{PUPIL}/verzuim" in places
    assert f"{PUPIL}/overigdocumentlijst" in places
    assert f"{PUPIL}/resultaatvakkenvo[2]" in places
    assert f"{CARE}/toelichting_onderwijsbehoeften" in places
    assert f"{CARE}/handelingsplan" not in places
    assert travels.sections.attendance is None
    assert travels.sections.opp is None
    assert travels.sections.support
    assert travels.sections.support.handelingsplan
    assert not travels.sections.support.diagnose
    assert {each.name for each in travels.documents} == {"plan.txt", "rekenen.txt"}


def test_kept_values_travel_with_their_section_unless_the_law_forbids_them() -> None:
    kept = [
        {"path": f"{PUPIL}/bijnaam", "section": "okr", "value": "a"},
        {"path": f"{PUPIL}/tante/iban", "section": "okr", "value": "b"},
        {"path": "/dossier/metadata/extra", "value": "c"},
        {"path": f"{PUPIL}/verzorger[3]/x", "section": "okr", "value": "d"},
    ]
    travels, found = travelling(from_json(small(kept=kept)), TODAY)
    assert [each.value for each in travels.kept] == ["a", "d"]
    assert [each.place for each in found] == [f"{PUPIL}/tante/iban", "/dossier/metadata/extra"]


def test_taking_out_a_place_that_is_not_there_changes_nothing() -> None:
    dossier = read(rich()).dossier
    places = [
        f"{PUPIL}/verzorger[9]",
        f"{PUPIL}/bsn[2]",
        f"{PUPIL}/bsn/x",
        "/dossier/x",
        "opp.doelen",
        f"{PUPIL}/gba/y",
    ]
    assert without(dossier, places) == dossier


def test_numbers_close_up_behind_what_is_taken_out() -> None:
    kept = tuple(Kept(path=f"{PUPIL}/verzorger[{number}]/x", section="okr", value=str(number)) for number in (1, 2, 3))
    carers = [{"achternaam": name, "wettigevertegenwoordiger": "1"} for name in "abc"]
    dossier = from_json(
        small(sections={"okr": {"verzorger": carers}}, kept=[{"path": each.path, "value": each.value} for each in kept])
    )
    left = without(dossier, [f"{PUPIL}/verzorger[1]", f"{PUPIL}/verzorger[3]"])
    assert left.sections.okr
    assert [each.achternaam for each in left.sections.okr.verzorger] == ["b"]
    assert [(each.path, each.value) for each in left.kept] == [(f"{PUPIL}/verzorger[1]/x", "2")]


def test_a_rich_dossier_has_no_problems() -> None:
    assert problems(read(rich()).dossier) == ()


@pytest.mark.parametrize(
    ("changes", "place", "text"),
    [
        (
            [("    <inzagedatum>2026-02-26</inzagedatum>\n", "")],
            "/dossier/inzage",
            "inzage was given, but inzagedatum is missing",
        ),
        ([("    <akkoord>Ja</akkoord>\n", "")], "/dossier/inzage", "inzage was given, but akkoord is missing"),
        ([("<bsn>", "<onderwijsnummer>100000004</onderwijsnummer><bsn>")], PUPIL, "has both bsn and onderwijsnummer"),
        ([("<bsn>111222333</bsn>", "")], PUPIL, "has neither bsn nor onderwijsnummer"),
        (
            [("<geslacht>1<", "<geboortemaand>2014-05</geboortemaand><geslacht>1<")],
            PUPIL,
            "has both geboortedatum and geboortemaand",
        ),
        (
            [
                (
                    f"<communicatielijst>{LF[8]}<communicatie>{LF[10]}<soort>telefoon</soort>{LF[10]}<nummer>99",
                    "<postcode4adres>0000</postcode4adres><communicatielijst><communicatie><soort>tel</soort><nummer>99",
                )
            ],
            PUPIL,
            "has both adreslijst and postcode4adres",
        ),
        ([("<leerlingid>L-0042</leerlingid>", "")], PUPIL, "leerlingid is missing, which the profile POVO demands"),
        ([("<advies>40</advies>", "")], f"{PUPIL}/overstapadvies", "advies is missing, which the profile POVO demands"),
        (
            [("<contacttelefoon>0200000002</contacttelefoon>", "")],
            f"{PUPIL}/overstapadvies",
            "contact is wanted, but contactpersoon or contacttelefoon is missing",
        ),
        (
            [("<contactpersoon>Juf Anja</contactpersoon>", "")],
            f"{PUPIL}/overstapadvies",
            "contact is wanted, but contactpersoon or contacttelefoon is missing",
        ),
        ([(">2026-10-01<", ">2025-09-30<")], f"{CARE}/opp", "ends before it begins"),
        ([(">2026-06-30<", ">2025-08-31<")], f"{CARE}/handelingsplan[1]", "ends before it begins"),
        ([(">2027-07-31<", ">2025-08-01<")], f"{CARE}/tlv[1]", "ends before it begins"),
    ],
)
def test_what_breaks_a_profile_s_rule_is_a_problem_to_mend(
    changes: list[tuple[str, str]], place: str, text: str
) -> None:
    result = read(rich(*changes))
    assert [(each.place, each.text) for each in problems(result.dossier)] == [(place, text)]
    assert (place, text) in {(each.place, each.text) for each in result.warnings}


def test_without_a_pupil_nothing_of_a_pupil_is_missed() -> None:
    assert problems(with_sections()) == ()
    assert problems(with_sections(okr={"overstapadvies": {"contactnodig": "false"}})) == ()


def test_a_category_never_takes_the_head_away() -> None:
    travels, found = travelling(read(rich(("<cat_metadata>VERPLICHT<", "<cat_metadata>OPT-UIT<"))).dossier, TODAY)
    assert travels.head == read(rich()).dossier.head
    assert all(each.rule != "taken out by categorie_uitlevering" for each in found)


def test_liable_carers_and_a_school_career_must_be_there() -> None:
    pupil = {"achternaam": "a", "bsn": "111222333", "verzorgersaansprakelijk": "true"}
    assert [each.text for each in problems(with_sections(okr={"leerling": pupil}))] == [
        "the carers are liable, but there is none",
        "schoolloopbaan is missing",
    ]


def test_a_period_of_one_day_and_a_special_school_without_advice_are_fine() -> None:
    dossier = read(
        rich((">2026-10-01<", ">2025-10-01<"), ("<soort>BAO<", "<soort>SO<"), ("<advies>40</advies>", ""))
    ).dossier
    assert problems(dossier) == ()


FULL_OPP = {
    "opp": {"opp_ingangdatum": "2025-03-10"},
    "perspectief": {
        "uitstroombestemming": "havo",
        "onderbouwing": "samen besproken",
        "belemmerende_factoren": ["lezen"],
        "bevorderende_factoren": ["doorzetten"],
    },
    "handelingsdeel": {"onderwijsbehoeften": "extra tijd"},
    "instemming": {"antwoord": "Ja", "datum": "2025-10-02", "door": "beide ouders"},
    "leerling_gehoord": "2025-09-30",
}
OWN_WORDS = {"woorden_leerling": [{"door": "Zoë", "tekst": "Ik lees liever strips."}]}


def lacks(dossier: Dossier) -> set[str]:
    return {str(finding) for finding in completeness(dossier, TODAY)}


def test_a_whole_dossier_lacks_nothing() -> None:
    rest = to_json(read(rich()).dossier)
    views = rest["sections"]["views"] | OWN_WORDS
    assert (
        completeness(from_json(rest | {"sections": rest["sections"] | {"opp": FULL_OPP, "views": views}}), TODAY) == ()
    )


def test_an_empty_dossier_lacks_inzage_and_tests() -> None:
    assert lacks(with_sections()) == {
        "/dossier/inzage: the parents haven't seen the dossier yet",
        f"{PUPIL}/toetslijst: no test of the last year",
    }


def test_each_fixed_part_of_an_opp_is_missed() -> None:
    place = "opp.perspectief"
    assert lacks(with_sections(opp={"opp": {"opp_ingangdatum": "2025-03-09"}})) >= {
        f"{place}.uitstroombestemming: no uitstroombestemming",
        f"{place}.onderbouwing: no onderbouwing",
        f"{place}.belemmerende_factoren: no belemmerende factoren",
        f"{place}.bevorderende_factoren: no bevorderende factoren",
        "opp.handelingsdeel: no handelingsdeel",
        "opp.instemming: no assent of the parents to the handelingsdeel",
        "views.woorden_leerling: the pupil wasn't heard, or not in own words",
        "opp.evaluatie: not evaluated in the last year",
    }


@pytest.mark.parametrize(
    ("change", "lack"),
    [
        (
            {"instemming": {"antwoord": "Nee", "datum": "2025-10-02"}},
            "opp.instemming: no assent of the parents to the handelingsdeel",
        ),
        ({"instemming": {"antwoord": "Ja"}}, "opp.instemming: no assent of the parents to the handelingsdeel"),
        ({"opp": {"opp_ingangdatum": "2025-03-09"}}, "opp.evaluatie: not evaluated in the last year"),
        ({"evaluatie": [{"datum": "2025-03-09"}]}, "opp.evaluatie: not evaluated in the last year"),
    ],
)
def test_assent_and_evaluation_are_looked_at_closely(change: dict[str, Any], lack: str) -> None:
    views = {"inzage": {"voorlopigdossier": "false", "inzage": "true"}} | OWN_WORDS
    whole = lacks(with_sections(opp=FULL_OPP, views=views))
    assert lacks(with_sections(opp=FULL_OPP | change, views=views)) == whole | {lack}
    assert lack not in whole


def test_a_later_evaluation_refreshes_an_old_opp() -> None:
    old = FULL_OPP | {
        "opp": {"opp_ingangdatum": "2020-01-01"},
        "evaluatie": [{"datum": "2025-03-10"}, {"datum": "2021-01-01"}],
    }
    assert "opp.evaluatie: not evaluated in the last year" not in lacks(with_sections(opp=old))


def test_support_without_an_opp_and_obstacles_without_strengths_are_told() -> None:
    support = {"arrangement_pao": [{"arrangement_datum": "2025-01-01"}], "diagnose": [{"code": ["F81.0"]}]}
    found = lacks(with_sections(support=support))
    assert f"{CARE}/opp: support, but no OPP" in found
    balance = "opp.perspectief.bevorderende_factoren: obstacles, but no strengths beside them"
    assert balance in found
    assert balance not in lacks(with_sections(support=support, okr={"competenties": [{"competentiestatus": "ja"}]}))
    assert balance in lacks(with_sections(opp={"perspectief": {"belemmerende_factoren": ["a"]}}))
    assert balance not in lacks(
        with_sections(opp={"perspectief": {"belemmerende_factoren": ["a"], "bevorderende_factoren": ["b"]}})
    )


def test_wishes_belong_beside_the_advice_on_the_way_to_secondary_school() -> None:
    wishes = {"advies: no advice of the school", "wensouders: no wish of the parents beside the advice"}
    wishes.add("wensleerling: no wish of the pupil beside the advice")
    found = lacks(from_json(small(route="SOVO")))
    assert {f"{PUPIL}/overstapadvies/{wish}" for wish in wishes} <= found
    assert found - lacks(from_json(small(route="VOVO"))) == {f"{PUPIL}/overstapadvies/{wish}" for wish in wishes}


@pytest.mark.parametrize(("day", "fresh"), [("2025-03-10", True), ("2025-03-09", False)])
def test_a_test_of_the_last_year_is_fresh(day: str, fresh: bool) -> None:
    taken = {"toetsidentificatie": {"eldtoetscode": "T"}, "afname": {"afnamedatum": day}, "resultaat": {}}
    found = lacks(with_sections(lvs={"toetslijst": {"toets": [taken]}}))
    assert (f"{PUPIL}/toetslijst: no test of the last year" not in found) == fresh


def test_documents_are_values() -> None:
    made = document("opp", "a.txt", b"x")
    assert isinstance(made, Document)
    assert (made.media_type, made.under, made.inner, made.wrapped) == ("text/plain", None, None, None)
