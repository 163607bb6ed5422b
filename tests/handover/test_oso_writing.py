"""Writing OSO files, and the two commands."""

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from handover.dossier import Dossier, DossierRefused, document, dump, from_json, load, travelling
from handover.dossier.dossier import Kept
from handover.oso import read, unwritten, write
from tests.handover.oso_files import NS, b64, rich, zipped
from tests.handover.test_oso_reading import OTHER_YEAR

HANDOVER = Path(sys.executable).with_name("handover")
PUPIL = "/dossier/huidigeschool/leerling"


def elements(xml: bytes, path: str) -> list[ET.Element]:
    return ET.fromstring(xml).findall("/".join(f"{{{NS}}}{name}" for name in path.split("/")))


def test_a_rich_file_is_written_as_it_was_but_for_the_packing_of_documents() -> None:
    xml = write(read(rich()).dossier)
    said = [(e.tag, e.text, e.attrib) for e in ET.fromstring(xml).iter() if not e.tag.endswith("}bestandsinhoud")]
    whole = [(e.tag, e.text, e.attrib) for e in ET.fromstring(rich()).iter() if not e.tag.endswith("}bestandsinhoud")]
    assert [(tag, (text or "").strip(), attributes) for tag, text, attributes in said] == [
        (tag, (text or "").strip(), attributes) for tag, text, attributes in whole
    ]
    assert write(read(xml).dossier) == xml


@pytest.mark.parametrize(
    "changes",
    [
        [("<tehuis>", '<bijnaam xml:lang="nl" a="1&#10;2">Zo<b>&lt;nu&gt;&#13;</b></bijnaam><tehuis>')],
        [("<tehuis>", '<x:bijnaam xmlns:x="urn:a&amp;b" x:soort="s">Zo</x:bijnaam><tehuis>')],
        [("<tehuis>", '<kaal xmlns=""><b>1</b></kaal><tehuis>')],
        [("<tehuis>", f'<kaal xmlns=""><b xmlns="{NS}">1</b></kaal><tehuis>')],
        [("<tehuis>", "<été>1</été><tehuis>")],
        [(f'xmlns="{NS}"', f'xmlns="{NS}" xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:schemaLocation="a b"')],
        [("@behoeften.pdf", "geen base64!")],
        [("@behoeften.pdf", b64(b"geen zip"))],
        [("@behoeften.pdf", b64(zipped(("ander.pdf", b"%PDF-"))))],
        [("@behoeften.pdf</bestandsinhoud>", "@behoeften.pdf</bestandsinhoud><auteur>niemand</auteur>")],
        [("Zit graag vooraan.", "&lt;&amp;&gt;\"' ]]&gt; \n\t&#13;  ")],
        [("<overdrachtsoort>", "<nieuw>x</nieuw><nieuw>y</nieuw><overdrachtsoort>")],
        [(">Kade &amp; Sluis<", ">😀 Ĳ<")],
    ],
)
def test_whatever_is_kept_comes_back(changes: list[tuple[str, str]]) -> None:
    first = read(rich(*changes)).dossier
    again = read(write(first)).dossier
    assert sorted(map(str, again.kept)) == sorted(map(str, first.kept))
    assert replace(again, kept=()) == replace(first, kept=())


def test_a_file_of_another_version_comes_back_too() -> None:
    first = read(rich(OTHER_YEAR, (">2019.1<", ">2022.1<"), ("<dl>75<", "<dl>zeven<"))).dossier
    again = read(write(first)).dossier
    assert sorted(map(str, again.kept)) == sorted(map(str, first.kept))
    assert replace(again, kept=()) == replace(first, kept=())


def test_a_document_whose_element_is_not_there_goes_with_the_loose_ones() -> None:
    dossier = read(rich()).dossier
    lost = replace(dossier, sections=replace(dossier.sections, support=None))
    xml = write(lost)
    loose = elements(xml, "huidigeschool/leerling/overigdocumentlijst/document/bestandsnaam")
    assert [each.text for each in loose] == ["tekening.png", "onderzoek.pdf", "plan.txt"]
    assert len(read(xml).dossier.documents) == len(dossier.documents)


def test_a_document_attached_by_hand_is_written_with_the_loose_ones() -> None:
    dossier = read(rich()).dossier
    more = replace(dossier, documents=(*dossier.documents, document("reports", "brief.txt", b"x")))
    names = elements(write(more), "huidigeschool/leerling/overigdocumentlijst/document/bestandsnaam")
    assert [each.text for each in names] == ["tekening.png", "brief.txt"]


def test_categories_are_told_from_what_arrived() -> None:
    travels, _ = travelling(read(rich()).dossier, date(2026, 3, 10))
    withheld = replace(travels, sections=replace(travels.sections, lvs=None), documents=())
    told = {
        each.tag.partition("}")[2]: each.text for each in elements(write(withheld), "metadata/categorie_uitlevering")[0]
    }
    out = {name for name, answer in told.items() if answer == "OPT-UIT"}
    assert set(told.values()) == {"OPTIONEEL", "OPT-UIT"}
    assert len(told) == 16
    assert out == {"cat_eindtoetsbo", "cat_toetsresultaten", "cat_cijferlijsten", "cat_bijlagedocs"}
    assert read(write(withheld)).dossier.sections == withheld.sections


def test_a_dossier_without_what_every_file_has_is_refused() -> None:
    empty = from_json({"v": 1, "source": {"standard": "form", "version": "1"}, "sections": {}})
    with pytest.raises(DossierRefused) as refused:
        write(empty)
    assert [problem.place for problem in refused.value.problems] == [
        "/dossier/metadata",
        "/dossier/overdrachtsoort",
        "/dossier/huidigeschool",
        "/dossier/huidigeschool/leerling",
    ]


@pytest.mark.parametrize(
    "path", ["/dossier[2]/a", "/dossierx", "/dossier/a b", "/dossier/1", "/dossier/@x y", "/dossier/<a>"]
)
def test_a_path_that_no_element_can_have_is_refused(path: str) -> None:
    dossier = read(rich()).dossier
    with pytest.raises(DossierRefused, match="a path that no element can have"):
        write(replace(dossier, kept=(Kept(path=path, value="x"),)))


@pytest.mark.parametrize(
    ("route", "code"), [("SOVO", "WECVO"), ("VSOVO", "WECVO"), ("VSOMBO", "WECMBO"), ("VOVO", "VOVO")]
)
def test_a_route_has_a_code_of_its_own_in_oso(route: str, code: str) -> None:
    dossier = read(rich(("    <overstap>POVO</overstap>\n", ""))).dossier
    (written,) = elements(write(replace(dossier, route=route)), "metadata/overstap")
    assert written.text == code


def test_an_overstap_that_the_file_had_stays() -> None:
    dossier = read(rich(("<overstap>POVO<", "<overstap>POSWV<"))).dossier
    (written,) = elements(write(replace(dossier, route="POVO")), "metadata/overstap")
    assert written.text == "POSWV"


def test_the_day_of_inzage_goes_with_the_rest_of_it_only() -> None:
    dossier = read(rich()).dossier
    withheld = replace(dossier, sections=replace(dossier.sections, views=None))
    assert elements(write(withheld), "inzage") == []
    assert unwritten(withheld) == ("head.inzagedatum",)
    assert unwritten(dossier) == ()


def test_what_oso_has_no_element_for_is_named() -> None:
    sections = {"opp": {"leerling_gehoord": "2025-01-01"}, "handover_notes": {"afspraak": [{"tekst": "bellen"}]}}
    dossier = from_json({"v": 1, "source": {"standard": "form", "version": "1"}, "sections": sections})
    assert unwritten(dossier) == ("opp.leerling_gehoord", "handover_notes.afspraak")


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([HANDOVER, "oso", *arguments], capture_output=True, text=True, encoding="utf-8", check=False)


def line_of(tag: str) -> int:
    """The line of the rich file where a tag stands for the first time."""
    text = rich().decode()
    return text.count("\n", 0, text.index(tag)) + 1


def test_the_read_command_prints_the_dossier_and_warns_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "leerling.xml"
    file.write_bytes(rich())
    done = run("read", file)
    assert done.returncode == 0
    assert load(done.stdout.encode()) == read(rich()).dossier
    assert f"warning: {PUPIL}/gba (line {line_of('<gba>')}): never travels: outside the closed list" in done.stderr
    assert "Heelmeester" not in done.stderr


@pytest.mark.parametrize("as_json", [False, True])
def test_the_read_command_ends_with_2_and_every_problem(tmp_path: Path, as_json: bool) -> None:
    file = tmp_path / "leerling.xml"
    file.write_bytes(rich((">111222333<", ">111222334<"), (">2014-05-06<", ">morgen<")))
    done = run("read", file, *(["--json"] if as_json else []))
    assert (done.returncode, done.stdout) == (2, "")
    lines = done.stderr.splitlines()
    if as_json:
        found = [json.loads(line) for line in lines]
        assert [(each["kind"], each["place"], each["line"]) for each in found] == [
            ("problem", f"{PUPIL}/geboortedatum", line_of("<geboortedatum>")),
            ("problem", f"{PUPIL}/bsn", line_of("<bsn>")),
        ]
    else:
        assert lines == [
            f"problem: {PUPIL}/geboortedatum (line {line_of('<geboortedatum>')}): not a date (yyyy-mm-dd)",
            f"problem: {PUPIL}/bsn (line {line_of('<bsn>')}): not a valid BSN (elfproef)",
        ]


def test_the_write_command_prints_a_file_that_reads_the_same(tmp_path: Path) -> None:
    file = tmp_path / "dossier.json"
    dossier = read(rich()).dossier
    sections = replace(dossier.sections, opp=from_opp())
    file.write_bytes(dump(replace(dossier, sections=sections)))
    done = run("write", file)
    assert done.returncode == 0
    assert done.stderr == "warning: opp.leerling_gehoord: left out, OSO has no element for it\n"
    assert read(done.stdout.encode()).dossier.sections.okr == dossier.sections.okr


def from_opp() -> object:
    sections = {"opp": {"leerling_gehoord": "2025-01-01"}}
    dossier: Dossier = from_json({"v": 1, "source": {"standard": "form", "version": "1"}, "sections": sections})
    return dossier.sections.opp


def test_the_write_command_refuses_what_is_no_dossier(tmp_path: Path) -> None:
    file = tmp_path / "dossier.json"
    file.write_bytes(b'{"v": 1}')
    done = run("write", file)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_very_many_kept_values_are_carried_without_growing_with_their_square() -> None:
    """D9."""
    many = "<iban>x</iban>" * 10_000
    dossier = read(
        rich(("<tehuis>0</tehuis>", f"<tehuis>0</tehuis>{many}"), ("<overstap>", f"{many}<overstap>"))
    ).dossier
    travels, found = travelling(dossier, date(2026, 3, 10))
    assert len(found) > 20_000
    assert travels.kept == ()
    assert len(read(write(dossier)).dossier.kept) == len(dossier.kept)
