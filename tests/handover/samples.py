"""Fictitious dossiers, key files and a real command line process, for the tests of the school's side."""

import atexit
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from click.testing import CliRunner

from crypto.encoding import JSON, b64
from crypto.keyfile import KeyFile, print_private, print_public
from handover.cli import main

PASSPHRASE = "vier losse woorden samen"
HANDOVER = Path(sys.executable).with_name("handover")
PDF = b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
ACTIVE_PDF = b"%PDF-1.7\n1 0 obj<</OpenAction<</S/JavaScript/JS(app.alert(1))>>>>endobj\n%%EOF\n"
EVIL = "<script>alert('x')</script>&\"'</dd>\u202egnp.exe"


def dossier_json(**changes: JSON) -> dict[str, JSON]:
    """A dossier as JSON: okr, opp, lvs, views and a report; the pupil's remarks try to be markup."""
    value: dict[str, JSON] = {
        "v": 1,
        "route": "POVO",
        "source": {"standard": "JSON", "version": "1"},
        "sections": {
            "okr": {
                "leerling": {
                    "voornaam": ["Quirijntje"],
                    "achternaam": "Zonnebloemsteen",
                    "geboortedatum": "2014-03-02",
                    "geslacht": "1",
                },
                "overstapadvies": {"advies": "60", "argumentatie": EVIL},
            },
            "opp": {
                "perspectief": {
                    "uitstroombestemming": "vmbo-tl",
                    "belemmerende_factoren": ["snel afgeleid"],
                    "bevorderende_factoren": ["leest graag"],
                }
            },
            "views": {"woorden_leerling": [{"door": "leerling", "tekst": "Ik wil graag naar de brugklas."}]},
        },
        "documents": [document("reports", "verslag.pdf", "application/pdf", PDF)],
        "kept": [{"path": "/dossier/leerling/bijzonder", "section": "okr", "value": "een eigen veld"}],
    }
    return value | changes


def document(section: str, name: str, media_type: str, data: bytes) -> dict[str, JSON]:
    return {
        "section": section,
        "name": name,
        "type": media_type,
        "sha256": hashlib.sha256(data).hexdigest(),
        "data": b64(data),
    }


def written(path: Path, value: JSON) -> Path:
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
    return path


@dataclass(frozen=True, slots=True)
class Desk:
    """A folder with the keys of a sender (`a`) and a receiver (`b`), in which commands are run."""

    folder: Path

    def path(self, name: str) -> Path:
        return self.folder / name

    def run(self, *arguments: str | Path, passphrase: str | None = PASSPHRASE, **env: str) -> "Ran":
        return run(self.folder, *arguments, passphrase=passphrase, **env)

    def call(self, *arguments: str | Path, passphrase: str = PASSPHRASE) -> "Ran":
        """Run a command in this process: for tables of cases, where a process for each would take too long."""
        here = Path.cwd()
        os.chdir(self.folder)
        try:
            done = CliRunner().invoke(main, list(map(str, arguments)), env={"HANDOVER_PASSPHRASE": passphrase})
        finally:
            os.chdir(here)
        return Ran(done.exit_code, done.stdout, done.stderr)

    def pack(self, dossier: Path | str, *more: str | Path) -> "Ran":
        files = ("--from", "a.key", "--to", "b.pub", "--out", "x.bundle", "--shares", "x.json")
        return self.run("pack", dossier, *more, *files)

    def open(self, *more: str | Path, out: str = "out", key: str = "b.key", sender: str = "a.pub") -> "Ran":
        files = ("--key", key, "--sender", sender, "--shares", "x.json", "--out", out)
        return self.run("open", "x.bundle", *files, *more)


@dataclass(frozen=True, slots=True)
class Ran:
    """What a process left: exit code, standard output and standard error."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, JSON]:
        value = json.loads(self.out)
        assert isinstance(value, dict)
        return value


@cache
def bytecode() -> str:
    """A folder for compiled modules, so that not every process compiles everything again."""
    folder = tempfile.mkdtemp(prefix="overdracht-bytecode-")
    atexit.register(shutil.rmtree, folder)
    return folder


def run(folder: Path, *arguments: str | Path, passphrase: str | None = PASSPHRASE, **env: str) -> Ran:
    """Run the real command line, with nothing of this process's settings but the path."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HANDOVER_")}
    clean.pop("PYTHONDONTWRITEBYTECODE", None)
    clean["PYTHONPYCACHEPREFIX"] = bytecode()
    if passphrase is not None:
        clean["HANDOVER_PASSPHRASE"] = passphrase
    done = subprocess.run(
        [HANDOVER, *map(str, arguments)],
        cwd=folder,
        env=clean | env,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        encoding="utf-8",
        timeout=110,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


@cache
def made_keys(name: str, school: str | None) -> tuple[KeyFile, bytes]:
    """Keys with their private file, made once: the passphrase's derivation is slow on purpose."""
    made = KeyFile.generate(school)
    return made, print_private(made, PASSPHRASE)


def keys(folder: Path, name: str, school: str | None = None) -> KeyFile:
    """Write NAME.key and NAME.pub."""
    made, printed = made_keys(name, school)
    (folder / f"{name}.key").write_bytes(printed)
    (folder / f"{name}.pub").write_bytes(print_public(made.public))
    return made


def desk(folder: Path) -> Desk:
    keys(folder, "a")
    keys(folder, "b")
    return Desk(folder)
