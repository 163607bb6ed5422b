"""Reading OSO files of our own making: what is right, what is wrong and where, and what is only worth a warning."""

import base64
import hashlib
import json
import random
from datetime import date
from pathlib import Path

import pytest

from handover.dossier import DossierRefused, Problem, dump, load, to_json
from handover.oso import read
from handover.oso.reader import ReadResult
from tests.handover.oso_files import BSN, NS, b64, content, rich, zipped
from tests.handover.test_oso_official import holds_everything

BAD = json.loads((Path(__file__).parent.parent / "vectors" / "oso_bad.json").read_text(encoding="utf-8"))
PUPIL = "/dossier/huidigeschool/leerling"
CARE = f"{PUPIL}/onderwijsondersteuning"
OTHER_YEAR = ("oso_gegevensset/2019/dossier", "oso_gegevensset/2022/dossier")


def refusal(data: bytes) -> tuple[Problem, ...]:
    with pytest.raises(DossierRefused) as refused:
        read(data)
    return refused.value.problems


def warned(result: ReadResult) -> set[tuple[str, str]]:
    return {(warning.place, warning.text) for warning in result.warnings}


def test_every_value_of_a_file_with_every_element_is_in_the_dossier() -> None:
    holds_everything(rich())


@pytest.mark.parametrize("row", BAD, ids=lambda row: row["case"])
def test_a_bad_file_is_refused_with_place_and_line(row: dict[str, str]) -> None:
    data = rich((row["old"], row["new"]))
    problems = refusal(data)
    assert [[problem.place, problem.text] for problem in problems] == row["problems"]
    assert all(problem.line and problem.line <= data.count(b"\n") + 1 for problem in problems)


def test_all_problems_are_told_at_once_in_the_order_of_the_file() -> None:
    data = rich((">2014-05-06<", ">x<"), (f">{BSN}<", ">123456789<"), ("<dl>75<", "<dl>y<"))
    problems = refusal(data)
    assert [problem.place.rpartition("/")[2] for problem in problems] == ["geboortedatum", "bsn", "dl"]
    lines = data.decode().split("\n")
    assert [lines[(problem.line or 0) - 1].strip()[:4] for problem in problems] == ["<geb", "<bsn", "<dl>"]


def test_a_problem_never_repeats_a_value() -> None:
    text = "\n".join(map(str, refusal(rich((f">{BSN}<", ">987654321<"), (">2014-05-06<", ">geheim<")))))
    assert "987654321" not in text
    assert "geheim" not in text


@pytest.mark.parametrize(
    ("category", "cut"),
    [
        ("cat_eindtoetsbo", ("<eindtoets_basisonderwijs>", "</eindtoets_basisonderwijs>")),
        ("cat_verzuim", ("<verzuim>", "</verzuim>")),
        ("cat_toetsresultaten", ("<toetslijst>", "</toetslijst>")),
        ("cat_bijlagedocs", ("<overigdocumentlijst>", "</overigdocumentlijst>")),
        ("cat_vve", ("<voorschools>", "</vroegschools>")),
    ],
)
def test_what_the_file_itself_calls_mandatory_must_be_there(category: str, cut: tuple[str, str]) -> None:
    text = rich((f"<{category}>OPTIONEEL<", f"<{category}>VERPLICHT<")).decode()
    read(text.encode())
    begin, end = text.index(cut[0]), text.index(cut[1]) + len(cut[1])
    (problem,) = refusal((text[:begin] + text[end:]).encode())
    assert problem.place == f"/dossier/metadata/categorie_uitlevering/{category}"
    assert problem.text.startswith("mandatory by this line, but ")
    assert problem.text.endswith(" is missing")


def test_a_category_that_is_opted_out_but_there_is_a_warning_at_what_is_there() -> None:
    result = read(
        rich(("<cat_verzuim>OPTIONEEL<", "<cat_verzuim>OPT-UIT<"), ("<cat_vve>OPTIONEEL<", "<cat_vve>VERBODEN<"))
    )
    assert (f"{PUPIL}/verzuim", "there, though cat_verzuim says OPT-UIT") in warned(result)
    assert (f"{PUPIL}/voorschools", "there, though cat_vve says VERBODEN") in warned(result)
    assert result.dossier.sections.attendance is not None


def test_an_unknown_answer_in_a_category_is_a_warning() -> None:
    found = warned(read(rich(("<cat_verzuim>OPTIONEEL<", "<cat_verzuim>MISSCHIEN<"))))
    place = "/dossier/metadata/categorie_uitlevering/cat_verzuim"
    assert (place, "not VERPLICHT, OPTIONEEL, VERBODEN or OPT-UIT") in found


def test_what_the_law_forbids_is_kept_and_warned_of() -> None:
    result = read(rich(), date(2026, 3, 10))
    never = {place for place, text in warned(result) if text.startswith("never travels")}
    assert never == {
        f"{PUPIL}/gba",
        f"{PUPIL}/geboorteplaats",
        f"{PUPIL}/nationaliteit[1]",
        f"{PUPIL}/huisarts",
        f"{PUPIL}/communicatielijst/communicatie[2]",
        f"{PUPIL}/toetslijst/toets[1]",
        f"{PUPIL}/verzorger[1]/adreslijst",
        f"{PUPIL}/verzorger[1]/banknummer",
        f"{PUPIL}/verzorger[1]/iban",
    }
    assert result.dossier.sections.okr
    assert result.dossier.sections.okr.verzorger[0].iban == "NL00BANK0000000000"


def test_terms_are_passed_over_where_no_day_is_told() -> None:
    assert f"{PUPIL}/toetslijst/toets[1]" not in {place for place, _ in warned(read(rich()))}


def test_what_the_standard_does_not_know_is_kept_with_its_path_and_section() -> None:
    data = rich(
        ("<tehuis>0</tehuis>", '<tehuis>0</tehuis><bijnaam soort="a">Zo<b>nu</b></bijnaam>'),
        ("<frequentie>5</frequentie>", "<frequentie>5</frequentie><reden>ziek</reden>"),
        ("<overdrachtsoort>", "<nieuw>x</nieuw><overdrachtsoort>"),
        ("<rvcdatum>", '<rvcdatum zone="w">'),
        ("<adreslijst>\n          <adres>\n            <soortadres>post", "<adreslijst>los<adres><soortadres>post"),
        ("<overstap>POVO</overstap>", "<overstap>POVO</overstap><extra>1</extra>"),
    )
    result = read(data)
    kept = {each["path"]: (each.get("section"), each["value"]) for each in to_json(result.dossier)["kept"]}
    assert {path: value for path, value in kept.items() if "/cat_" not in path} == {
        f"{PUPIL}/bijnaam/@soort": ("okr", "a"),
        f"{PUPIL}/bijnaam/text()": ("okr", "Zo"),
        f"{PUPIL}/bijnaam/b": ("okr", "nu"),
        f"{PUPIL}/verzuim/reden": ("attendance", "ziek"),
        "/dossier/nieuw": ("reports", "x"),
        f"{CARE}/rvc/rvcdatum/@zone": ("support", "w"),
        f"{PUPIL}/verzorger[1]/adreslijst/text()": ("okr", "los"),
        "/dossier/metadata/extra": (None, "1"),
    }
    assert (f"{PUPIL}/bijnaam", "not in the standard as it is known here; kept as it is") in warned(result)
    assert (f"{CARE}/rvc/rvcdatum", "an attribute that the standard doesn't have; kept as it is") in warned(result)
    assert (f"{PUPIL}/verzorger[1]/adreslijst", "text beside elements; kept as it is") in warned(result)
    assert ("/dossier", "its elements aren't in the order of the standard") not in warned(result)


def test_a_schema_location_is_kept_without_a_warning() -> None:
    place = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="a b"'
    result = read(rich((f'xmlns="{NS}"', f'xmlns="{NS}" {place}')))
    (kept,) = (each for each in result.dossier.kept if each.path.startswith("/dossier/@"))
    assert (kept.value, kept.section) == ("a b", None)
    assert warned(result) == warned(read(rich()))


def test_elements_in_another_order_are_read_with_a_warning() -> None:
    data = rich(
        (
            "<leerlinggewicht>0.30</leerlinggewicht>\n      <nnca>0</nnca>",
            "<nnca>0</nnca><leerlinggewicht>0.30</leerlinggewicht>",
        )
    )
    result = read(data)
    assert (PUPIL, "its elements aren't in the order of the standard") in warned(result)
    assert result.dossier == read(rich()).dossier


def test_white_space_counts_in_text_and_not_in_numbers() -> None:
    okr = read(rich((">2014-05-06<", "> 2014-05-06\n<"), (">L-0042<", "> L-0042<"))).dossier.sections.okr
    assert okr
    assert okr.leerling
    assert (okr.leerling.geboortedatum, okr.leerling.leerlingid) == ("2014-05-06", " L-0042")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_is_understood(encoding: str) -> None:
    text = rich().decode()
    data = text.replace("UTF-8", "UTF-16" if encoding == "utf-16" else "UTF-8", 1).encode(encoding)
    assert read(data).dossier == read(rich()).dossier


def test_latin_1_is_read_where_it_is_declared() -> None:
    data = rich().decode().replace("UTF-8", "ISO-8859-1", 1).encode("latin-1")
    assert read(data).dossier == read(rich()).dossier


def test_utf_16_without_a_byte_order_mark_is_refused() -> None:
    (problem,) = refusal(rich().decode().encode("utf-16-le"))
    assert problem.text == "holds a NUL character, or UTF-16 without a byte order mark"


@pytest.mark.parametrize(
    "data", [b"", b" ", b"\xef\xbb\xbf", b"{}", b"<dossier/>", b"<a xmlns='x'/>", b"\xff\xfe", b"PK\x03\x04"]
)
def test_what_is_no_dossier_at_all_is_refused_with_a_line(data: bytes) -> None:
    (problem,) = refusal(data)
    assert problem.line is not None


def test_a_deep_file_ends_at_the_limit_and_not_in_recursion() -> None:
    (problem,) = refusal(f'<dossier xmlns="{NS}">'.encode() + b"<x>" * 200_000)
    assert problem.text == "nested deeper than 32 elements"


def test_a_file_of_too_many_elements_is_refused() -> None:
    (problem,) = refusal(f'<dossier xmlns="{NS}">'.encode() + b"<x/>" * 200_000)
    assert problem.text == "more than 200000 elements"


def test_a_file_of_too_many_bytes_is_refused() -> None:
    (problem,) = refusal(b" " * ((64 << 20) + 1))
    assert problem.text == "larger than 64 MiB"


@pytest.mark.parametrize(
    ("overstap", "soort", "route"),
    [
        ("POPO", "BAO", "POPO"),
        ("VOVO", "VO", "VOVO"),
        ("VOMBO", "VO", "VOMBO"),
        ("WECVO", "VSO", "VSOVO"),
        ("WECVO", "SO", "SOVO"),
        ("WECMBO", "VSO", "VSOMBO"),
        ("POSWV", "BAO", None),
    ],
)
def test_the_route_is_told_by_overstap_and_kind_of_school(overstap: str, soort: str, route: str | None) -> None:
    changes = (("<overstap>POVO<", f"<overstap>{overstap}<"), ("<soort>BAO<", f"<soort>{soort}<"))
    assert read(rich(*changes)).dossier.route == route


def test_a_file_within_one_brin_needs_no_overstap_and_no_inzage() -> None:
    text = rich(("    <overstap>POVO</overstap>\n", ""), (">overstapdossier<", ">overdrachtbinnenbrin<")).decode()
    text = text.replace("<cat_ouderinzage>VERPLICHT", "<cat_ouderinzage>OPTIONEEL")
    result = read((text[: text.index("  <inzage>")] + text[text.index("  <huidigeschool>") :]).encode())
    assert (result.dossier.route, result.dossier.sections.views) == (None, None)


def test_a_file_of_another_year_is_read_as_far_as_it_goes() -> None:
    data = rich(
        OTHER_YEAR,
        (">2019.1<", ">2022.1<"),
        ("<dl>75<", "<dl>zeven<"),
        ("        <soortadres>bezoek</soortadres>\n        <straat>Kade", "        <straat>Kade"),
        ("  <overdrachtsoort>overstapdossier</overdrachtsoort>\n", ""),
        ("<jaargroep>8</jaargroep>\n          <begindatum>", "<begindatum>"),
        (">behoeften.pdf<", "><"),
        ("<nnca>0</nnca>", "<nnca>0</nnca><nnca>1</nnca>"),
        ('omschrijving="Nederlandse"', 'omschrijving=""'),
    )
    result = read(data)
    assert result.dossier.source.version == "2022.1"
    assert ("/dossier", "another version of the standard than 2019.1; read as far as it goes") in warned(result)
    assert (f"{PUPIL}/toetslijst/toets[2]/afname/dl", "not a whole number") in warned(result)
    kept = {each.path: each.value for each in result.dossier.kept}
    assert kept[f"{PUPIL}/toetslijst/toets[2]/afname/dl"] == "zeven"
    assert kept["/dossier/huidigeschool/adreslijst/adres/straat"] == "Kade & Sluis"
    assert kept[f"{PUPIL}/schoolloopbaanlijst/schoolloopbaan/groepscode"] == "8a"
    assert kept[f"{PUPIL}/nnca[2]"] == "1"
    assert kept[f"{PUPIL}/nationaliteit"] == "0001"
    assert kept[f"{CARE}/toelichting_onderwijsbehoeften/document/bestandsinhoud"]
    assert load(dump(result.dossier)) == result.dossier


def test_a_wrong_bsn_is_refused_in_any_version() -> None:
    (problem,) = refusal(rich(OTHER_YEAR, (f">{BSN}<", ">111222334<")))
    assert (problem.place, problem.text) == (f"{PUPIL}/bsn", "not a valid BSN (elfproef)")


def test_the_same_file_read_twice_gives_the_same_dossier() -> None:
    """E9."""
    assert dump(read(rich()).dossier) == dump(read(rich()).dossier)


def test_documents_are_unpacked_typed_and_put_in_their_sections() -> None:
    documents = read(rich()).dossier.documents
    assert [(each.section, each.name, each.media_type) for each in documents] == [
        ("support", "behoeften.pdf", "application/pdf"),
        ("reports", "onderzoek.pdf", "application/pdf"),
        ("support", "plan.txt", "text/plain"),
        ("opp", "opp.txt", "text/plain"),
        ("attendance", "verzuim.txt", "text/plain"),
        ("lvs", "oud.txt", "text/plain"),
        ("lvs", "rekenen.txt", "text/plain"),
        ("reports", "tekening.png", "image/png"),
    ]
    for each in documents:
        assert each.data == content(each.name)
        assert each.sha256 == hashlib.sha256(each.data).hexdigest()
    assert documents[1].omschrijving == "verslag van het onderzoek"
    assert documents[1].under == f"{CARE}/diagnose"


DOCUMENT = f"{CARE}/toelichting_onderwijsbehoeften/document"


def with_content(raw: bytes) -> ReadResult:
    return read(rich((">@behoeften.pdf<", f">{b64(raw)}<")))


def test_a_document_that_is_no_zip_is_kept_as_it_is() -> None:
    result = with_content(b"geen zip")
    document = result.dossier.documents[0]
    assert (document.data, document.wrapped, document.inner) == (b"geen zip", "base64", None)
    assert (DOCUMENT, "not a whole ZIP; kept as it is") in warned(result)


def test_a_document_that_is_no_base64_is_kept_as_text() -> None:
    result = read(rich((">@behoeften.pdf<", ">zomaar tekst!<")))
    document = result.dossier.documents[0]
    assert (document.data, document.wrapped) == (b"zomaar tekst!", "text")
    assert (DOCUMENT, "bestandsinhoud isn't base64; kept as it is") in warned(result)


def test_base64_in_lines_is_read() -> None:
    lines = base64.encodebytes(zipped(("behoeften.pdf", b"%PDF-1.4"))).decode()
    assert read(rich((">@behoeften.pdf<", f">\n{lines}<"))).dossier.documents[0].data == b"%PDF-1.4"


def test_another_name_inside_the_zip_is_kept_and_warned_of() -> None:
    """D2: the name is data, and makes no path."""
    result = with_content(zipped(("../../weg.pdf", b"%PDF-1.4")))
    document = result.dossier.documents[0]
    assert (document.name, document.inner) == ("behoeften.pdf", "../../weg.pdf")
    assert (DOCUMENT, "the ZIP has another name for the file") in warned(result)


def test_a_zip_of_several_files_is_kept_whole() -> None:
    raw = zipped(("a.pdf", b"1"), ("b.pdf", b"2"))
    result = with_content(raw)
    assert result.dossier.documents[0].data == raw
    assert (DOCUMENT, "the ZIP holds 2 files instead of one; kept as it is") in warned(result)


def test_a_name_that_nothing_can_hold_leaves_the_zip_as_it_is() -> None:
    result = with_content(zipped(("a\x01.pdf", b"1")))
    assert result.dossier.documents[0].wrapped == "base64"
    assert (DOCUMENT, "the ZIP has a name that can't be written; kept as it is") in warned(result)


def test_a_zip_bomb_is_refused() -> None:
    """D1."""
    raw = zipped(("behoeften.pdf", bytes(2 << 20)))
    (problem,) = refusal(rich((">@behoeften.pdf<", f">{b64(raw)}<")))
    assert (problem.place, problem.text) == (DOCUMENT, "the ZIP unpacks to more than 200 times its size")


def test_documents_that_are_too_large_together_are_refused() -> None:
    """D9."""
    filler = random.Random(1)
    block = b"".join(filler.randbytes(64) + bytes(4096) for _ in range(12_000))
    changes = [(f"@{name}", b64(zipped((name, block)))) for name in ("plan.txt", "opp.txt", "verzuim.txt")]
    (problem,) = refusal(rich(*changes))
    assert (problem.place, problem.text) == (
        f"{PUPIL}/verzuim/documentLijst/document",
        "documents of more than 128 MiB in all",
    )


def test_what_stands_in_a_code_besides_its_words_is_kept_or_refused() -> None:
    place = "/dossier/huidigeschool/adreslijst/adres/land"
    result = read(rich(('<land omschrijving="Nederland">', '<land b="1" omschrijving="Nederland" a="2">')))
    kept = [(each.path, each.value) for each in result.dossier.kept if each.path.startswith(place)]
    assert kept == [(f"{place}/@b", "1"), (f"{place}/@a", "2")]
    (problem,) = refusal(rich((">6030</land>", ">6030<b/></land>")))
    assert (problem.place, problem.text) == (f"{place}/b", "an element where a value belongs")


def test_a_value_longer_than_a_mebibyte_is_refused() -> None:
    read(rich((">L-0042<", f">{'x' * (1 << 20)}<")))
    (problem,) = refusal(rich((">L-0042<", f">{'x' * ((1 << 20) + 1)}<")))
    assert problem.text == "longer than 1048576 characters"


def test_a_kind_of_file_beyond_the_standard_s_list_and_flags_are_warnings() -> None:
    raw = zipped(("behoeften.exe", b"<html><script>"))
    result = read(rich((">behoeften.pdf<", ">behoeften.exe<"), (">@behoeften.pdf<", f">{b64(raw)}<")))
    assert (DOCUMENT, "a kind of file that OSO doesn't allow") in warned(result)
    assert (DOCUMENT, "flagged: markup") in warned(result)


def test_an_unknown_element_of_a_document_is_kept() -> None:
    result = read(
        rich((">@behoeften.pdf</bestandsinhoud>", ">@behoeften.pdf</bestandsinhoud><auteur>niemand</auteur>"))
    )
    assert (f"{DOCUMENT}/auteur", "niemand") in {(each.path, each.value) for each in result.dossier.kept}


def test_a_document_under_an_unknown_element_is_a_document() -> None:
    inside = (
        "<bijlage><document><bestandsnaam>a.txt</bestandsnaam><bestandsinhoud>!</bestandsinhoud></document></bijlage>"
    )
    result = read(rich(("<tehuis>", f"{inside}<tehuis>")))
    assert [each.section for each in result.dossier.documents if each.name == "a.txt"] == ["okr"]


def test_random_changes_to_a_file_end_in_a_dossier_or_a_refusal() -> None:
    """D7, E6: a fixed seed, so that a failure comes back."""
    chance, whole = random.Random(20261122), rich()
    refused = 0
    for _ in range(400):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 8)):
            at = chance.randrange(len(data))
            match chance.randrange(3):
                case 0:
                    data[at] = chance.randrange(256)
                case 1:
                    del data[at : at + chance.randint(1, 200)]
                case _:
                    data[at:at] = data[at : at + chance.randint(1, 60)]
        try:
            result = read(bytes(data), date(2026, 3, 10))
        except DossierRefused:
            refused += 1
        else:
            assert load(dump(result.dossier)) == result.dossier
    assert 100 < refused < 400
