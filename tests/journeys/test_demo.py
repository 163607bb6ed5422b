"""The demo as a newcomer runs it: a real service process, real commands, over HTTP."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from handover.cli.demo import SUMMARY, VERIFY
from handover.demo.story import SCENES

pytestmark = pytest.mark.xdist_group("demo")  # it plays once, for all of them
PROGRAM = Path(sys.executable).parent / "handover"


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Play it once, keeping everything."""
    folder = tmp_path_factory.mktemp("demo") / "kept"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HANDOVER_")}
    done = subprocess.run(
        [PROGRAM, "demo", "--keep", folder], env=environment, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return folder, done.stdout


def test_the_demo_plays_every_scene_and_ends_with_a_summary_in_two_languages(played: tuple[Path, str]) -> None:
    _, shown = played
    for number, title in enumerate(SCENES, 1):
        assert f"{number:2}. {title}" in shown
    for english, dutch in SUMMARY:
        assert english in shown
        assert dutch in shown


@pytest.mark.parametrize(
    "words",
    [
        "GUARDIAN_MISSING",
        "SECOND_NEEDED",
        "told at once    karim@gezin.example: Gegevens van uw kind mogen met spoed naar een andere school",
        "told at once    fg@de-linde.example: Een spoedvrijgave op school 99AA00",
        "GUARDIAN_OBJECTS",
        "nothing was released",
        "NOT_FOUND",
        "BUNDLE_MISADDRESSED",
        "BUNDLE_ALTERED",
        "WITHDRAWN",
        "received, placed",
        "INZAGE_MISSING",
        "WAITING",
        "It was urgent. Therefore it was allowed without consent.",
        "entries verified offline",
        "its leaf isn't what was hashed",
        "pattern emergency",
        "one character of entry",
        "ROLLBACK",
        "NOT cosigned: FORKED",
        "FROZEN",
        "dry run    delivered_bundle",
        "Nothing was changed.",
        "1 delivered bundle",
        "Verklaring van vernietiging",
        "een bundel die is ontvangen",
        "days after the last sweep",
        "it erases 2 pupils",
        "receipt of the release of okr still verifies",
        "verifies against the checkpoint that left the house then:",
    ],
)
def test_the_demo_shows_the_services_own_answer(played: tuple[Path, str], words: str) -> None:
    assert words in played[1]


def test_the_service_holds_nothing_readable_of_the_child(played: tuple[Path, str]) -> None:
    folder, _ = played
    secret = (
        "Noor",
        "Voorbeeld",
        "Denkbeeld",
        "111222333",
        "L-2042",
        "sanne@gezin.example",
        "dyslexie",
        "Juf Anna",
        "medicijnen",
    )
    service = {path: path.read_bytes() for path in (folder / "service").rglob("*") if path.is_file()}
    service |= {folder / "service.log": (folder / "service.log").read_bytes()}
    found = [
        f"{path.relative_to(folder)} holds {word}"
        for path, data in service.items()
        if "outbox" not in path.parts
        for word in secret
        if word.encode() in data or word.encode("utf-16-le") in data
    ]
    assert found == []


def test_what_the_receiver_opened_is_the_dossier_without_the_report(played: tuple[Path, str]) -> None:
    folder, _ = played
    opened = folder / "het-baken" / "99BB00" / "fetched-4" / "dossier"
    dossier = json.loads((opened / "dossier.json").read_bytes())
    assert {name for name, section in dossier["sections"].items() if section} >= {"okr", "lvs", "support"}
    assert [document["name"] for document in dossier["documents"]] == ["opp.pdf"]
    page = (opened / "index.html").read_text("utf-8")
    assert "Noor" in page
    assert "onderzoek-dyslexie" not in page


def test_everything_the_demo_keeps_is_for_its_owner_alone(played: tuple[Path, str]) -> None:
    folder, _ = played
    assert folder.stat().st_mode & 0o077 == 0
    readable = [path for path in folder.rglob("*") if path.stat().st_mode & 0o077]
    assert readable == []


def verified(folder: Path, *words: str) -> tuple[int, str]:
    """Verify with nothing but the package: no service, no settings, no database."""
    done = subprocess.run(
        [PROGRAM, *words], cwd=folder, env={"LANG": "C.UTF-8"}, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout


def test_what_the_fg_exported_is_verified_on_another_machine_and_a_changed_character_is_named(
    played: tuple[Path, str],
) -> None:
    folder, shown = played
    assert VERIFY in shown
    words = VERIFY.split()[1:]
    code, said = verified(folder, *words)
    assert (code, "NOT" in said) == (0, False)
    index = shown.partition("one character of entry ")[2].split()[0]
    code, said = verified(folder, *(word.replace("export.jsonl.zst", "export-changed.jsonl") for word in words))
    assert code == 2
    assert f"NOT  entry {index}: its terms" in said
