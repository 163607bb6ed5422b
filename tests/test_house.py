"""The house's own rules: contracts between modules, names in lock files, texts that must agree with the code."""

import csv
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
CONTRACTS = {contract["id"]: contract for contract in PROJECT["tool"]["importlinter"]["contracts"]}
SERVICE_SIDE = set(CONTRACTS["sealed"]["source_modules"])

# Contract -> the file that gets a line which breaks it, and the line.
VIOLATIONS = {
    "floors": ("crypto/encoding.py", "import consent.terms"),
    "circles": ("crypto/errors.py", "import crypto.encoding"),
    "layers": ("handover/utils.py", "NOTHING = None"),
    "sealed": ("handover/release.py", "import crypto.unseal"),
    "school": ("handover/packing.py", "import sqlalchemy"),
    "pure": ("consent/rule.py", "import consent.journal"),
    "sql": ("handover/api/pupils.py", "import sqlalchemy"),
    "http": ("handover/release.py", "import flask"),
}


def _lint(folder: Path, contract: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--contract", contract, "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("house")
    for name in ("crypto", "consent", "handover", "migrations"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def test_every_contract_has_a_violation_that_is_tried() -> None:
    assert VIOLATIONS.keys() == CONTRACTS.keys()


@pytest.mark.parametrize("contract", VIOLATIONS)
def test_a_contract_holds_and_a_seeded_violation_breaks_it(copy: Path, contract: str) -> None:
    assert _lint(copy, contract).returncode == 0, _lint(copy, contract).stdout
    name, line = VIOLATIONS[contract]
    file = copy / name
    before = file.read_text("utf-8") if file.exists() else None
    try:
        file.write_text(f"{before or ''}\n{line}\n", "utf-8")
        broken = _lint(copy, contract)
        assert broken.returncode == 1, f"{contract} didn't notice `{line}` in {name}"
        assert "BROKEN" in broken.stdout or "does not" in broken.stdout or "not listed" in broken.stdout
    finally:
        file.unlink() if before is None else file.write_text(before, "utf-8")


def test_every_module_of_handover_is_on_one_side_of_the_contract_that_keeps_the_service_blind() -> None:
    school_side = set(CONTRACTS["school"]["source_modules"])
    shared = {"handover.cli", "handover.demo", "handover.errors", "handover.logs", "handover.settings"}
    names = {f"handover.{path.stem}" for path in (ROOT / "handover").iterdir() if path.suffix == ".py" or path.is_dir()}
    names -= {"handover.__init__", "handover.__pycache__", "handover.README"}
    assert names == SERVICE_SIDE | school_side | shared
    assert not SERVICE_SIDE & school_side


def test_a_service_that_runs_has_nothing_loaded_that_opens_a_bundle() -> None:
    code = (
        "import handover.app, sys; "
        "print([m for m in sys.modules if m in "
        "('crypto.unseal', 'crypto.seal', 'crypto.escrow', "
        "'handover.packing', 'handover.opening', 'handover.oso', 'handover.client')])"
    )
    shown = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


@pytest.mark.parametrize("lock", sorted(path.name for path in ROOT.glob("requirements*.txt")))
def test_a_lock_file_names_hashes_and_no_host_and_no_path(lock: str) -> None:
    text = (ROOT / lock).read_text("utf-8")
    pins = re.findall(r"^[a-zA-Z0-9._-]+==[^ ]+ ?.*\\$", text, re.MULTILINE)
    assert pins
    assert text.count("--hash=sha256:") >= len(pins)
    assert not re.search(r"https?://|file:|/root/|/home/|/opt/|index-url", text)


def _tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def test_no_tracked_file_holds_a_secret_or_a_path_of_a_machine() -> None:
    secret = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----|AKIA[0-9A-Z]{16}|/work/|/root/\.")
    found = []
    for path in _tracked():
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        if path != Path(__file__) and secret.search(text):
            found.append(path.relative_to(ROOT).as_posix())
    assert found == []


def test_no_file_of_the_floors_is_longer_than_four_hundred_lines() -> None:
    long = [
        f"{path.relative_to(ROOT)}: {lines}"
        for path in _tracked()
        if path.suffix == ".py"
        and path.relative_to(ROOT).parts[0] != "tests"
        and (lines := path.read_text("utf-8").count("\n")) > 400
    ]
    assert long == []


def test_every_command_that_the_readme_names_is_one_that_the_program_knows() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    named = set(re.findall(r"`handover ((?:[a-z-]+ ?)+)", readme))
    assert named
    for words in named:
        command = [str(Path(sys.executable).parent / "handover"), *words.split(), "--help"]
        shown = subprocess.run(command, capture_output=True, text=True, check=False)
        assert shown.returncode == 0, f"handover {words}: {shown.stderr}"


def test_every_make_target_that_the_readme_names_exists() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    named = set(re.findall(r"`make ([a-z]+)`", (ROOT / "README.md").read_text("utf-8")))
    assert {"demo", "test"} <= named
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in named)


def test_every_place_that_the_readme_points_to_exists() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    places = set(re.findall(r"`((?:crypto|consent|handover|migrations|tests|deploy)/[A-Za-z0-9_./-]*)`", readme))
    assert places
    assert [place for place in sorted(places) if not (ROOT / place).exists()] == []


def test_every_bad_case_has_a_test_or_a_reason() -> None:
    """The catalogue: each case names the tests that show it, or says in one line why it can't occur or isn't shown."""
    with (ROOT / "tests" / "bad-cases.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["case"]: row for row in csv.DictReader(file)}
    wanted = {"A": 12, "B": 10, "C": 7, "D": 11, "E": 9, "I": 5, "J": 8, "K": 12}
    assert list(rows) == [f"{letter}{number}" for letter, last in wanted.items() for number in range(1, last + 1)]
    for case, row in rows.items():
        if row["how"] != "test":
            assert row["how"] in ("can't occur", "not shown"), case
            assert row["where or why"].endswith("."), case
            continue
        assert row["where or why"], case
        for place in row["where or why"].split():
            path, _, name = place.partition("::")
            source = (ROOT / path).read_text("utf-8")
            assert f"\ndef {name}(" in source, f"{case}: {place} isn't there"
            assert "pytest.skip" not in source, f"{case}: its test may be skipped"
