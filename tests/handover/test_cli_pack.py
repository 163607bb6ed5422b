"""`handover key new`, `pack` and `open` as real processes, offline."""

import hashlib
import json
import stat
from pathlib import Path

import pytest

from handover.dossier import load
from tests.handover import oso_files
from tests.handover.samples import ACTIVE_PDF, EVIL, PDF, Desk, desk, document, dossier_json, keys, written

BAD = json.loads((Path(__file__).parent.parent / "vectors" / "cli_pack_bad.json").read_text("utf-8"))
LARGE = 20_000_000


@pytest.fixture
def at(tmp_path: Path) -> Desk:
    place = desk(tmp_path)
    written(tmp_path / "d.json", dossier_json())
    return place


def sealed(at: Desk, *more: str | Path) -> Desk:
    packed = at.pack("d.json", *more)
    assert packed.code == 0, packed.err
    return at


def left(at: Desk) -> set[str]:
    return {path.name for path in at.folder.iterdir()}


def only_sections(at: Desk, *names: str) -> None:
    shares = json.loads(at.path("x.json").read_bytes())
    shares["shares"] = {name: shares["shares"][name] for name in names}
    at.path("x.json").write_text(json.dumps(shares), encoding="utf-8")


def test_new_keys_pack_and_open_a_dossier_with_empty_and_large_attachments(tmp_path: Path) -> None:
    at = Desk(tmp_path)
    for name in ("a", "b"):
        made = at.run("key", "new", "--out", f"{name}.key", "--public", f"{name}.pub")
        assert made.code == 0
        assert "fingerprint" in made.out
    written(at.path("d.json"), dossier_json())
    at.path("leeg.bin").touch()
    at.path("groot.bin").write_bytes(large := hashlib.sha256(b"x").digest() * (LARGE // 32))
    sealed(at, "--attach", "leeg.bin", "--attach", "groot.bin", "--attach", "opp=leeg.bin")
    opened = at.open("--json")
    assert opened.code == 0, opened.err
    assert len(opened.json["sections"]) == 8
    out = at.path("out")
    assert (out / "reports-1-verslag.pdf").read_bytes() == PDF
    assert (out / "reports-2-leeg.bin").read_bytes() == b""
    assert (out / "reports-3-groot.bin").read_bytes() == large
    assert (out / "opp-1-leeg.bin").read_bytes() == b""
    assert load((out / "dossier.json").read_bytes()) == load(json.dumps(dossier_json()).encode())


def test_an_oso_file_is_packed_and_opened_to_the_same_dossier(at: Desk) -> None:
    at.path("d.xml").write_bytes(oso_files.rich())
    read, packed = at.run("oso", "read", "d.xml"), at.pack("d.xml")
    assert (read.code, packed.code) == (0, 0), read.err + packed.err
    assert at.open().code == 0
    given, back = json.loads(read.out), json.loads(at.path("out/dossier.json").read_bytes())
    assert back["sections"]["opp"] == given["sections"]["opp"]
    assert back["sections"]["okr"]["huidigeschool"] == given["sections"]["okr"]["huidigeschool"]
    assert {one["sha256"] for one in back["documents"]} <= {one["sha256"] for one in given["documents"]}
    assert back["documents"]


@pytest.mark.parametrize(
    ("name", "school", "says"),
    [
        ("c", "99CD00", ["warning: the dossier is of 99AB, and the keys are of 99CD00"]),
        ("d", "99AB01", []),
        ("a", "", []),
    ],
    ids=["another school", "another location", "nobody's keys"],
)
def test_who_packs_the_dossier_of_another_school_is_warned(at: Desk, name: str, school: str, says: list[str]) -> None:
    at.path("d.xml").write_bytes(oso_files.rich())
    if school:
        keys(at.folder, name, school)
    files = ("--from", f"{name}.key", "--to", "b.pub", "--out", "x.bundle", "--shares", "x.json")
    ran = at.call("pack", "d.xml", *files)
    assert ran.code == 0, ran.err
    assert [line for line in ran.err.splitlines() if "the keys are of" in line] == says


def test_every_file_that_is_written_is_for_its_owner_alone(at: Desk) -> None:
    at.run("key", "new", "--out", "c.key", "--public", "c.pub")
    sealed(at)
    at.open()
    for name in ("c.key", "x.bundle", "x.json"):
        assert stat.S_IMODE(at.path(name).stat().st_mode) == 0o600
    assert stat.S_IMODE(at.path("out").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in at.path("out").iterdir()} == {0o600}


def test_only_the_sections_whose_shares_are_there_are_opened_and_no_other_is_mentioned(at: Desk) -> None:
    only_sections(sealed(at), "opp")
    opened = at.open("--json")
    assert opened.json["sections"] == ["opp"]
    told = at.path("out/index.html").read_text("utf-8") + at.path("out/dossier.json").read_text("utf-8") + opened.out
    for hidden in ("okr", "Onderwijskundig", "reports", "Verslagen", "views", "Zienswijze", "Zonnebloemsteen"):
        assert hidden not in told
    assert {path.name for path in at.path("out").iterdir()} == {"dossier.json", "index.html"}


def test_without_any_share_opening_ends_with_2(at: Desk) -> None:
    only_sections(sealed(at))
    opened = at.open()
    assert opened.code == 2
    assert "no section was released" in opened.err
    assert "out" not in left(at)


def test_sections_limits_what_is_packed(at: Desk) -> None:
    packed = sealed(at).pack("d.json", "--sections", "opp, views", "--json")
    assert packed.code == 2  # nothing is overwritten
    at.path("x.bundle").unlink()
    at.path("x.json").unlink()
    packed = at.pack("d.json", "--sections", "opp, views", "--json")
    assert packed.json["sections"] == ["opp", "views"]
    at.open()
    back = json.loads(at.path("out/dossier.json").read_bytes())
    assert set(back["sections"]) == {"opp", "views"}
    assert back["documents"] == back["kept"] == []


def test_transfer_purpose_and_route_are_sealed_into_the_bundle(at: Desk) -> None:
    from crypto.bundle import Reader

    sealed(at, "--transfer", "t-1", "--purpose", "placement", "--route", "POVO")
    with at.path("x.bundle").open("rb") as stream:
        core = Reader(stream).manifest.core
    assert (core.transfer, core.purpose, core.route) == ("t-1", "placement", "POVO")
    assert at.path("a.key.versions").exists()


def test_what_the_law_forbids_is_left_out_and_listed_without_its_value(at: Desk) -> None:
    value = dossier_json()
    value["sections"]["okr"]["leerling"]["geboorteplaats"] = "Verweggistan"  # type: ignore[index,call-overload]
    written(at.path("d.json"), value)
    packed = at.pack("d.json")
    assert packed.code == 0
    assert "geboorteplaats" in packed.err
    assert "Verweggistan" not in packed.err + packed.out
    at.open()
    assert "Verweggistan" not in at.path("out/dossier.json").read_text("utf-8")


def test_an_attachment_that_could_act_is_flagged_before_sending_and_on_the_page(at: Desk) -> None:
    """D10"""
    at.path("actief.pdf").write_bytes(ACTIVE_PDF)
    packed = at.pack("d.json", "--attach", "actief.pdf", "--json")
    assert packed.json["flagged"] == [{"attachment": 1, "flags": ["active-pdf"]}]
    at.open()
    assert "PDF met actieve inhoud" in at.path("out/index.html").read_text("utf-8")


def test_the_page_escapes_what_it_shows_and_runs_nothing(at: Desk) -> None:
    """F2, D8"""
    sealed(at)
    at.open()
    page = at.path("out/index.html").read_text("utf-8")
    assert EVIL not in page
    assert "\u202e" not in page
    assert "<script" not in page.lower()
    assert "&lt;script&gt;alert" in page
    assert "default-src 'none'" in page
    assert "http" not in page.replace("http-equiv", "")
    assert page.index("Voornaam") < page.index("Achternaam")


@pytest.mark.parametrize("case", BAD, ids=[case["name"] for case in BAD])
def test_bad_input_ends_with_2_a_clear_line_and_nothing_left(at: Desk, case: dict[str, object]) -> None:
    for name, text in dict(case["files"]).items():  # type: ignore[call-overload]
        at.path(name).write_text(text, encoding="utf-8")
    before = left(at)
    files = {"--from": "a.key", "--to": "b.pub", "--out": "x.bundle", "--shares": "x.json"}
    files |= dict(case["options"])  # type: ignore[call-overload]
    words = [word for pair in files.items() for word in pair]
    ran = at.call("pack", *list(case["arguments"]), *words)  # type: ignore[call-overload]
    assert ran.code == 2
    assert str(case["says"]) in ran.err
    assert "Traceback" not in ran.err
    assert "Quirijntje" not in ran.err
    assert ran.out == ""
    assert left(at) == before


@pytest.mark.parametrize(
    ("key", "sender", "says"),
    [
        ("a.key", "a.pub", "BUNDLE_MISADDRESSED"),
        ("b.key", "b.pub", "BUNDLE_UNSIGNED"),
        ("b.key", "d.json", "not a public key file"),
        ("b.pub", "a.pub", "not a private key file"),
    ],
)
def test_swapped_keys_open_nothing(at: Desk, key: str, sender: str, says: str) -> None:
    """B3, B7"""
    sealed(at)
    before = left(at)
    opened = at.open(key=key, sender=sender)
    assert (opened.code, opened.out) == (2, "")
    assert says in opened.err
    assert left(at) == before


def test_a_flipped_byte_opens_nothing(at: Desk) -> None:
    """B1"""
    sealed(at)
    data = bytearray(at.path("x.bundle").read_bytes())
    data[len(data) // 2] ^= 1
    at.path("x.bundle").write_bytes(data)
    before = left(at)
    opened = at.open()
    assert opened.code == 2
    assert "BUNDLE_ALTERED" in opened.err
    assert left(at) == before


def test_a_wrong_or_missing_passphrase_opens_nothing(at: Desk) -> None:
    sealed(at)
    files = ("--key", "b.key", "--sender", "a.pub", "--shares", "x.json", "--out", "out")
    wrong = at.run("open", "x.bundle", *files, passphrase="een andere zin")
    assert (wrong.code, "PASSPHRASE" in wrong.err) == (2, True)
    missing = at.run("open", "x.bundle", *files, passphrase=None)
    assert (missing.code, "HANDOVER_PASSPHRASE" in missing.err) == (2, True)
    empty = at.run("open", "x.bundle", *files, passphrase="")
    assert (empty.code, "empty passphrase" in empty.err) == (2, True)
    assert "out" not in left(at)


def test_an_existing_folder_is_never_opened_into(at: Desk) -> None:
    sealed(at).path("out").mkdir()
    opened = at.open()
    assert (opened.code, "TARGET_EXISTS" in opened.err) == (2, True)
    assert list(at.path("out").iterdir()) == []


def test_an_existing_key_file_is_never_overwritten(at: Desk) -> None:
    before = at.path("a.key").read_bytes()
    made = at.run("key", "new", "--out", "a.key", "--public", "new.pub")
    assert (made.code, "TARGET_EXISTS" in made.err) == (2, True)
    assert at.path("a.key").read_bytes() == before
    assert "new.pub" not in left(at)


def test_document_names_from_a_bundle_never_leave_the_folder(at: Desk) -> None:
    """D2, D3, D8"""
    names = ["../../weg.pdf", "/etc/weg.pdf", "C:\\weg.pdf", "nul.pdf", "a\u202efdp.pdf", "zelfde.pdf", "zelfde.pdf"]
    written(
        at.path("d.json"), dossier_json(documents=[document("reports", name, "application/pdf", PDF) for name in names])
    )
    sealed(at)
    opened = at.open()
    assert opened.code == 0, opened.err
    found = sorted(path.relative_to(at.path("out")) for path in at.path("out").rglob("*") if path.is_file())
    assert len(found) == len(names) + 2
    assert all(len(path.parts) == 1 and path.name.isprintable() for path in found)
    assert not list(at.folder.parent.glob("weg*"))
    assert [one["name"] for one in json.loads(at.path("out/dossier.json").read_bytes())["documents"]] == names


def test_key_show_tells_what_a_file_says_openly_and_asks_no_passphrase(at: Desk) -> None:
    made = keys(at.folder, "c", "99AB00")
    for name in ("c.key", "c.pub"):
        shown = at.run("key", "show", name, "--json", passphrase=None)
        assert shown.json["school"] == "99AB00"
        assert shown.json["fingerprint"] == made.public.fingerprint
    assert "99AB00" in at.run("key", "show", "c.pub", passphrase=None).out


def test_help_names_every_command_and_loads_none(at: Desk) -> None:
    helped = at.run("--help", PYTHONPROFILEIMPORTTIME="1")
    assert helped.code == 0
    for name in ("demo", "serve", "admin", "oso", "key", "pack", "open", "transfer", "send", "inbox", "fetch", "ack"):
        assert f"\n  {name} " in helped.out
    for heavy in ("cryptography", "marshmallow", "sqlalchemy", "flask", "httpx", "rich"):
        assert f"| {heavy}\n" not in helped.err.replace("|   ", "| ")
