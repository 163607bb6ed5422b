"""What packing remembers and leaves out, and how opening puts it together again."""

import hashlib
import json
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest

from consent.terms import Section
from crypto.bundle import Reader
from crypto.errors import BundleAltered, TargetExists
from crypto.keyfile import KeyFile
from crypto.seal import Content, Document, seal
from crypto.shares import Shares, parse_shares
from handover import versions
from handover.dossier import DossierRefused, from_json, load
from handover.opening import open_bundle
from handover.packing import Attachment, Order, Packed, PackingRefused, pack
from handover.versions import VersionsRefused
from tests.handover.region import NOW
from tests.handover.samples import PDF, document, dossier_json

SENDER, RECEIVER = KeyFile.generate("99AB00"), KeyFile.generate("99CD01")
ORDER = Order("t-1", "placement", "POVO")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.key").write_bytes(b"stands in for the key file, which is only locked")
    return tmp_path


def packed(folder: Path, name: str, value: object = None, **more: object) -> Packed:
    options: dict[str, object] = {"order": ORDER, "attachments": (), "now": NOW} | more
    return pack(
        from_json(value or dossier_json()),
        options.pop("attachments"),  # type: ignore[arg-type]
        keyfile=folder / "a.key",
        sender=SENDER,
        recipient=RECEIVER.public,
        epoch=1,
        out=folder / name,
        shares=folder / f"{name}.json",
        **options,  # type: ignore[arg-type]
    )


def record(folder: Path) -> dict[str, object]:
    value = json.loads((folder / "a.key.versions").read_bytes())
    assert isinstance(value, dict)
    return value


def changed_okr() -> dict[str, object]:
    value = dossier_json()
    value["sections"]["okr"]["leerling"]["roepnaam"] = "Q"  # type: ignore[index,call-overload]
    return dict(value)


NEVER_SHOWN = {"reports", "views", "handover_notes"}
"""Sections whose version ids are new in every bundle: nobody has inzage of a version of them."""


def differing(one: Packed, other: Packed) -> set[str]:
    return {name for name in Section if one.versions[name] != other.versions[name]}


def test_a_section_keeps_its_version_while_its_content_is_unchanged(folder: Path) -> None:
    first, second = packed(folder, "1"), packed(folder, "2", changed_okr())
    assert differing(first, second) == {"okr"} | NEVER_SHOWN
    assert differing(packed(folder, "3", changed_okr()), second) == NEVER_SHOWN


@pytest.mark.parametrize("change", ["bytes", "name", "more"])
def test_another_attachment_is_another_version_of_its_section(folder: Path, change: str) -> None:
    one, other = folder / "een.txt", folder / "twee.txt"
    one.write_text("een")
    other.write_text("een")
    first = packed(folder, "1", attachments=[Attachment(Section.LVS, one)])
    same = packed(folder, "2", attachments=[Attachment(Section.LVS, one)])
    assert differing(same, first) == NEVER_SHOWN
    if change == "bytes":
        one.write_text("twee")
    files = {"bytes": [one], "name": [other], "more": [one, one]}[change]
    again = packed(folder, "3", attachments=[Attachment(Section.LVS, file) for file in files])
    assert differing(again, first) == {"lvs"} | NEVER_SHOWN


def test_versions_never_pass_from_one_transfer_to_another(folder: Path) -> None:
    first, other = packed(folder, "1"), packed(folder, "2", order=replace(ORDER, transfer="t-2"))
    assert not set(first.versions.values()) & set(other.versions.values())
    alone = packed(folder, "3", order=Order())
    again = packed(folder, "4", order=Order())
    assert not set(alone.versions.values()) & set(again.versions.values())
    assert set(record(folder)["transfers"]) == {"t-1", "t-2"}  # type: ignore[call-overload]


def test_a_bundle_supersedes_the_one_that_was_sent_and_not_one_that_was_only_packed(folder: Path) -> None:
    first = packed(folder, "1")
    assert packed(folder, "2").supersedes is None
    versions.remember_sent(folder / "a.key", "t-1", first.bundle, NOW)
    assert packed(folder, "3").supersedes == first.bundle
    with pytest.raises(VersionsRefused, match="sent already"):
        versions.filled_sections(folder / "a.key", first.bundle)


def test_what_is_filled_is_remembered_until_it_is_sent(folder: Path) -> None:
    done = packed(folder, "1", only=frozenset({Section.OKR, Section.LVS}))
    assert done.sections == ("okr",)
    assert versions.filled_sections(folder / "a.key", done.bundle) == ["okr"]


def test_the_record_tells_nothing_of_the_content_and_is_private(folder: Path) -> None:
    packed(folder, "1")
    data = (folder / "a.key.versions").read_bytes()
    index = json.dumps(dossier_json()["sections"])
    assert hashlib.sha256(index.encode()).hexdigest() not in data.decode()
    assert b"Quirijntje" not in data
    assert (folder / "a.key.versions").stat().st_mode & 0o777 == 0o600
    assert versions.content_mac(SENDER, "okr", {}) != versions.content_mac(RECEIVER, "okr", {})
    assert versions.content_mac(SENDER, "okr", {}) != versions.content_mac(SENDER, "opp", {})


@pytest.mark.parametrize(
    "data", [b"{}", b"", b'{"packed":{},"transfers":{},"v":1}', b'{"packed":{},"transfers":[],"v":2}', b"x"]
)
def test_a_damaged_record_stops_packing_and_leaves_nothing(folder: Path, data: bytes) -> None:
    (folder / "a.key.versions").write_bytes(data)
    with pytest.raises(VersionsRefused):
        packed(folder, "1")
    assert {path.name for path in folder.iterdir()} == {"a.key", "a.key.versions"}
    assert (folder / "a.key.versions").read_bytes() == data


def test_shares_that_exist_stop_packing_and_leave_no_bundle(folder: Path) -> None:
    (folder / "1.json").write_bytes(b"mine")
    with pytest.raises(TargetExists):
        packed(folder, "1")
    assert {path.name for path in folder.iterdir()} == {"a.key", "1.json"}


def test_an_attachment_to_a_section_that_stays_empty_is_refused(folder: Path) -> None:
    with pytest.raises(PackingRefused, match="opp"):
        packed(folder, "1", attachments=[Attachment(Section.OPP, folder / "a.key")], only=frozenset({Section.OKR}))


def test_every_section_is_sealed_and_an_empty_one_looks_like_a_small_one(folder: Path) -> None:
    packed(folder, "1", only=frozenset({Section.OKR}))
    with (folder / "1").open("rb") as stream:
        sizes = {name: sum(map(len, pieces)) for name, pieces in Reader(stream).sections()}
    assert list(sizes) == list(Section)
    assert len(set(sizes.values())) == 1


def opened(folder: Path, name: str, *sections: str) -> Path:
    shares = parse_shares((folder / f"{name}.json").read_bytes())
    kept = {section: shares.shares[section] for section in sections or shares.shares}
    out = folder / "out"
    with (folder / name).open("rb") as stream:
        open_bundle(stream, key=RECEIVER, sender=SENDER.public, shares=replace(shares, shares=kept), out=out)
    return out


def test_every_choice_of_sections_opens_to_exactly_that_part_of_the_dossier(folder: Path) -> None:
    packed(folder, "1")
    whole = dossier_json()
    for section in ("okr", "opp", "lvs", "reports"):
        out = opened(folder, "1", section)
        part = json.loads((out / "dossier.json").read_bytes())
        assert part["sections"] == {name: told for name, told in whole["sections"].items() if name == section}  # type: ignore[union-attr]
        assert [one["section"] for one in part["documents"]] == ["reports"] * (section == "reports")
        assert [one["section"] for one in part["kept"]] == ["okr"] * (section == "okr")
        out.rename(folder / f"was-{section}")


def test_what_a_dossier_said_of_a_document_comes_back_with_it(folder: Path) -> None:
    told = document("reports", "verslag.pdf", "application/pdf", PDF) | {"omschrijving": "Een verslag"}
    packed(folder, "1", dossier_json(documents=[told]))
    back = load((opened(folder, "1") / "dossier.json").read_bytes())
    assert back.documents == from_json(dossier_json(documents=[told])).documents


@pytest.mark.parametrize("section", ["okr", "reports"])
def test_a_document_that_is_not_the_one_its_index_lists_is_refused_and_leaves_nothing(
    folder: Path, section: str
) -> None:
    """D5: the sender's own hash of a document is compared with what was opened, one of the dossier or attached."""
    index = {"v": 1, "route": "POVO", "source": {}, "head": None, "section": None, "kept": [], "documents": []}
    lying = Document("verslag.pdf", "application/pdf", len(PDF), lambda: BytesIO(PDF), hashlib.sha256(b"").digest())
    out, shares = sealed_sections({section: Content(index, [lying])})
    with pytest.raises(BundleAltered, match=f"^a document of {section} isn't the one that its index says$"):
        open_bundle(out, key=RECEIVER, sender=SENDER.public, shares=shares, out=folder / "out")
    assert {path.name for path in folder.iterdir()} == {"a.key"}


def sealed_sections(contents: dict[str, Content]) -> tuple[BytesIO, Shares]:
    """Seal what no packing would: a certified school can write its own programs."""
    out = BytesIO()
    sealed = seal(
        out,
        sender=SENDER,
        recipient=RECEIVER.public,
        sections=tuple(contents),
        contents=contents,
        made_at=NOW,
        expires_at=NOW.replace(month=12),
    )
    out.seek(0)
    return out, sealed.shares


def test_a_bundle_whose_sections_are_no_dossier_is_refused_and_leaves_nothing(folder: Path) -> None:
    """D5: a certified school can still seal nonsense."""
    for content in (
        Content({"okr": 1}),
        Content(None),
        Content({"v": 2, "route": None, "source": {}, "head": None, "section": None, "kept": [], "documents": []}),
        Content({"v": 1, "route": None, "source": {}, "head": None, "section": None, "kept": {}, "documents": []}),
        Content({"v": 1, "route": None, "source": {}, "head": None, "section": None, "kept": [], "documents": [{}]}),
        Content({"v": 1, "route": None, "source": 5, "head": None, "section": {"x": 1}, "kept": [], "documents": []}),
    ):
        out, shares = sealed_sections({"okr": content})
        with pytest.raises(DossierRefused):
            open_bundle(out, key=RECEIVER, sender=SENDER.public, shares=shares, out=folder / "out")
        assert {path.name for path in folder.iterdir()} == {"a.key"}
