"""What packing, opening and the command line cost, beside pyrage, age, gpg and the bare primitives."""

import hashlib
import io
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from crypto.keyfile import KeyFile
from crypto.seal import Content, Document, Sealed, seal
from crypto.unseal import unseal
from tests.bench.table import Row, as_fast, at_most, compare, not_measured

ALL = ("okr", "opp", "lvs", "attendance", "support", "reports", "views", "handover_notes")
THREE = ALL[:3]
BIG, SMALL = 10_000_000, 100_000
MADE = datetime(2025, 3, 1, tzinfo=UTC)
SENDER, RECIPIENT = KeyFile.generate("99AB00"), KeyFile.generate("99CD01")


def rows() -> list[Row]:
    """Measure the table of figures, each row with both sides in turn."""
    with _folder() as folder:
        return [*_packing(), *_opening(folder), *_command_line(folder), _memory(folder)]


@contextmanager
def _folder() -> Iterator[Path]:
    """Work in memory where the system offers it: the peers write no files."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as name:
        yield Path(name)


def _documents(size: int) -> list[bytes]:
    return [os.urandom(size) for _ in range(3)]


def _contents(documents: list[bytes]) -> dict[str, Content]:
    """Put each document into a section of its own, with its hash where packing knows it from typing the file."""
    return {name: Content(None, [_document(data)]) for name, data in zip(THREE, documents, strict=True)}


def _document(data: bytes) -> Document:
    return Document(
        "verslag.pdf", "application/pdf", len(data), lambda: io.BytesIO(data), hashlib.sha256(data).digest()
    )


def _packer(out: Any, documents: list[bytes], sections: tuple[str, ...]) -> Callable[[], Sealed]:
    contents = _contents(documents)

    def pack() -> Sealed:
        out.seek(0)
        return _seal(out, contents, sections)

    return pack


def _seal(out: Any, contents: dict[str, Content], sections: tuple[str, ...] = ALL) -> Sealed:
    return seal(
        out,
        sender=SENDER,
        recipient=RECIPIENT.public,
        sections=sections,
        contents=contents,
        made_at=MADE,
        expires_at=MADE + timedelta(days=30),
    )


def _primitives(documents: list[bytes]) -> Callable[[], None]:
    cipher, buffer = AESGCM(os.urandom(32)), bytearray(len(documents[0]) + 16)

    def work() -> None:
        for data in documents:
            cipher.encrypt_into(bytes(12), data, None, buffer)
            hashlib.sha256(buffer).digest()

    return work


def _packing() -> Iterator[Row]:
    out = io.BytesIO()
    big, small = _documents(BIG), _documents(SMALL)
    for label, sections in (("pack 3 x 10 MB, their hashes known", ALL), ("the same, 3 sections only", THREE)):
        times = compare(_packer(out, big, sections), _primitives(big), 5)
        yield at_most(label, *times, 1.25, "AES-256-GCM + SHA-256")
    with suppress(ImportError):
        import pyrage

        reader = pyrage.x25519.Identity.generate().to_public()
        for label, documents, sections, least, rounds in (
            ("pack 3 x 10 MB", big, ALL, 1.3, 5),
            ("pack 3 x 100 KB", small, ALL, 0.7, 31),
            ("the same, 3 sections only", small, THREE, 0.7, 31),
        ):
            peer = _each(lambda data: pyrage.encrypt(data, [reader]), documents)
            times = compare(_packer(out, documents, sections), peer, rounds)
            yield as_fast(label, *times, least, "pyrage.encrypt x 3")
        return
    yield not_measured("pack 3 x 10 MB", ">= 1.3x", "pyrage isn't installed")
    yield not_measured("pack 3 x 100 KB", ">= 0.7x", "pyrage isn't installed")


def _each(work: Callable[[bytes], object], values: list[bytes]) -> Callable[[], object]:
    return lambda: [work(value) for value in values]


def _opening(folder: Path) -> Iterator[Row]:
    cases = (("open 3 x 10 MB", BIG, ALL, 1.2, 5), ("open 3 x 100 KB", SMALL, ALL, 0.9, 31))
    cases += (("the same, 3 sections only", SMALL, THREE, 0.9, 31),)
    try:
        import pyrage
    except ImportError:
        for label, _, _, least, _ in cases:
            yield not_measured(label, f">= {least:g}x", "pyrage isn't installed")
        return
    identity = pyrage.x25519.Identity.generate()
    for label, size, sections, least, rounds in cases:
        documents = _documents(size)
        sealed = [pyrage.encrypt(data, [identity.to_public()]) for data in documents]
        peer = _each(lambda data: pyrage.decrypt(data, [identity]), sealed)
        times = compare(_opener(folder, documents, sections), peer, rounds)
        yield as_fast(label, *times, least, "pyrage.decrypt x 3")


def _opener(folder: Path, documents: list[bytes], sections: tuple[str, ...]) -> Callable[[], object]:
    path, out = folder / "bundle", folder / "opened"
    with path.open("wb") as file:
        sealed = _packer(file, documents, sections)()

    def work() -> None:
        shutil.rmtree(out, ignore_errors=True)
        with path.open("rb") as stream:
            unseal(stream, key=RECIPIENT, sender=SENDER.public, shares=sealed.shares, out=out)

    return work


def _command_line(folder: Path) -> Iterator[Row]:
    """Compare whole processes, each from reading three files to having written the result."""
    inputs = []
    for number, data in enumerate(_documents(BIG)):
        inputs.append(folder / f"in{number}")
        inputs[-1].write_bytes(data)
    ours = _process([sys.executable, "-m", "tests.bench.crypto", str(folder)])
    if shutil.which("age") and shutil.which("age-keygen"):
        made = subprocess.run(["age-keygen"], capture_output=True, text=True, check=True).stdout
        public = made.split("public key: ")[1].split()[0]
        peer = _processes([["age", "-r", public, "-o", f"{path}.age", str(path)] for path in inputs])
        yield at_most("process packing 3 x 10 MB", *compare(ours, peer, 5), 2.2, "age x 3")
    else:
        yield not_measured("process packing 3 x 10 MB", "<= 2.2x", "age isn't installed")
    if shutil.which("gpg"):
        home = folder / "gnupg"
        home.mkdir(mode=0o700)
        gpg = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--yes", "--trust-model", "always"]
        subprocess.run(
            [*gpg, "--passphrase", "", "--quick-gen-key", "bench@example.org", "rsa2048", "encr"], check=True
        )
        options = ["-z", "0", "-r", "bench@example.org"]
        peer = _processes([[*gpg, *options, "-o", f"{path}.gpg", "-e", str(path)] for path in inputs])
        yield at_most("process packing 3 x 10 MB", *compare(ours, peer, 5), 1.0, "gpg -z0 x 3")
    else:
        yield not_measured("process packing 3 x 10 MB", "<= 1x", "gpg isn't installed")


def _process(command: list[str]) -> Callable[[], object]:
    return lambda: subprocess.run(command, check=True, capture_output=True)


def _processes(commands: list[list[str]]) -> Callable[[], object]:
    return lambda: [subprocess.run(command, check=True, capture_output=True) for command in commands]


def _pack_files(folder: Path) -> None:
    """Pack the three files of a folder, hashing each first, as the command does to type it."""
    contents = {}
    for number, name in enumerate(THREE):
        path = folder / f"in{number}"
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").digest()
        document = Document(
            path.name, "application/pdf", path.stat().st_size, lambda path=path: path.open("rb"), digest
        )
        contents[name] = Content(None, [document])
    with (folder / "packed").open("wb") as out:
        _seal(out, contents)


def _memory(folder: Path) -> Row:
    """Pack one attachment of 200 MB in a process of its own, and see how far its memory rose above a small one's."""
    label, limit = "memory growth, packing 200 MB", 16
    peaks = [_peak(folder, size) for size in (100_000, 200_000_000)]
    growth = max(0, peaks[1] - peaks[0]) / 1024
    verdict = "OK" if growth <= limit else "MISSED"
    return Row(label, f"{growth:.1f} MB", "the same with 100 KB", "-", f"<= {limit} MB", verdict)  # type: ignore[arg-type]


def _peak(folder: Path, size: int) -> int:
    path = folder / "large"
    with path.open("wb") as file:
        file.truncate(size)
    run = subprocess.run(
        [sys.executable, "-m", "tests.bench.crypto", str(folder), "large"], check=True, capture_output=True, text=True
    )
    return int(run.stdout)


def _pack_large(folder: Path) -> int:
    path = folder / "large"
    document = Document("large", "application/octet-stream", path.stat().st_size, lambda: path.open("rb"))
    with (folder / "packed").open("wb") as out:
        _seal(out, {"reports": Content(None, [document])})
    # Not ru_maxrss: a child inherits its parent's peak through exec, which hides everything smaller.
    status = Path("/proc/self/status").read_text("ascii")
    return int(status.split("VmHWM:")[1].split()[0])


if __name__ == "__main__":
    if sys.argv[2:] == ["large"]:
        print(_pack_large(Path(sys.argv[1])))
    else:
        _pack_files(Path(sys.argv[1]))
