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
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import nacl.pwhash.argon2id as argon2id
from cryptography.cobblestone import Cobblestone256Encryptor
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from crypto.bundle import padded_size
from crypto.keyfile import KeyFile, print_private, print_public
from crypto.keys import hpke_seal, slot_key
from crypto.seal import Content, Document, Sealed, seal
from crypto.sign import sign
from crypto.unseal import unseal
from tests.bench.table import Row, as_fast, at_most, compare, figure, not_measured

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
    return Document("verslag.pdf", "application/pdf", len(data), lambda: data, hashlib.sha256(data).digest())


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


def _bare(documents: list[bytes], sections: tuple[str, ...]) -> Callable[[], None]:
    """Do what the format asks of the ciphers, the hashes and the keys, and nothing else: no packing is faster."""
    info, buffer = bytes(100), memoryview(bytearray(2 * len(documents[0])))
    padded = [data.ljust(padded_size(len(data), 1)) for data in documents]
    index = bytes(padded_size(0, 0))

    def item(plain: bytes) -> None:
        cipher = Cobblestone256Encryptor(bytes(32), info)
        digest = hashlib.sha256(buffer[: cipher.update_into(plain, buffer)])
        digest.update(cipher.finalize())
        digest.digest()

    def work() -> None:
        hpke_seal(RECIPIENT.seal.public, bytes(32), info)
        sign(SENDER.sign, "bundle", bytes(64))
        for _ in sections:
            AESGCM(slot_key(bytes(32), bytes(32), info)).encrypt(bytes(12), bytes(32), info)
            item(index)
        for plain in padded:
            item(plain)

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
            times = _compared(_packer(out, documents, sections), peer, rounds)
            yield as_fast(label, *times, least, "pyrage.encrypt x 3")
            if documents is small:
                bare, beside = _compared(_bare(documents, sections), peer, rounds)
                yield figure("of it, the format's own ciphers and hashes", bare, f"{beside / bare:.2f}x as fast")
        return
    yield not_measured("pack 3 x 10 MB", ">= 1.3x", "pyrage isn't installed")
    yield not_measured("pack 3 x 100 KB", ">= 0.7x", "pyrage isn't installed")


def _compared(ours: Callable[[], object], peer: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Measure what takes a millisecond ten times in a row, so that neither side pays for the other's cold caches."""
    calls = 10 if rounds > 5 else 1
    times = compare(_repeated(ours, calls), _repeated(peer, calls), rounds)
    return times[0] / calls, times[1] / calls


def _repeated(work: Callable[[], object], calls: int) -> Callable[[], None]:
    def repeat() -> None:
        for _ in range(calls):
            work()

    return repeat


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
        with _opener(folder, documents, sections) as opener:
            times = _compared(opener, peer, rounds)
        yield as_fast(label, *times, least, "pyrage.decrypt x 3")


@contextmanager
def _opener(folder: Path, documents: list[bytes], sections: tuple[str, ...]) -> Iterator[Callable[[], object]]:
    """Give the work of opening a bundle into one new folder after another; they are removed outside of the time."""
    path, numbers = folder / "bundle", count()
    with path.open("wb") as file:
        sealed = _packer(file, documents, sections)()

    def work() -> None:
        with path.open("rb") as stream:
            out = folder / f"opened-{next(numbers)}"
            unseal(stream, key=RECIPIENT, sender=SENDER.public, shares=sealed.shares, out=out)

    yield work
    for out in folder.glob("opened-*"):
        shutil.rmtree(out)


def _command_line(folder: Path) -> Iterator[Row]:
    """Compare whole processes, each from reading three files to having written the result.

    Ours is the real command: it also unlocks a key file (Argon2id, on purpose as slow as it is), reads a dossier, looks
    into each attachment, and waits for the disk.
    """
    inputs = []
    for number, data in enumerate(_documents(BIG)):
        inputs.append(folder / f"in{number}")
        inputs[-1].write_bytes(data)
    ours = _pack_command(folder, inputs)
    yield figure("an interpreter that does nothing", _alone(_processes([[sys.executable, "-c", ""]])))
    yield figure("Argon2id, which opens the key file", _alone(partial(argon2id.kdf, 32, b"a", bytes(16), 3, 64 << 20)))
    if shutil.which("age") and shutil.which("age-keygen"):
        made = subprocess.run(["age-keygen"], capture_output=True, text=True, check=True).stdout
        public = made.split("public key: ")[1].split()[0]
        peer = _processes([["age", "-r", public, "-o", f"{path}.age", str(path)] for path in inputs])
        yield at_most("handover pack, 3 x 10 MB", *compare(ours, peer, 5), 2.2, "age x 3")
    else:
        yield not_measured("handover pack, 3 x 10 MB", "<= 2.2x", "age isn't installed")
    if shutil.which("gpg"):
        home = folder / "gnupg"
        home.mkdir(mode=0o700)
        gpg = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--yes", "--trust-model", "always"]
        subprocess.run(
            [*gpg, "--passphrase", "", "--quick-gen-key", "bench@example.org", "rsa2048", "encr"], check=True
        )
        options = ["-z", "0", "-r", "bench@example.org"]
        peer = _processes([[*gpg, *options, "-o", f"{path}.gpg", "-e", str(path)] for path in inputs])
        yield at_most("handover pack, 3 x 10 MB", *compare(ours, peer, 5), 1.0, "gpg -z0 x 3")
    else:
        yield not_measured("handover pack, 3 x 10 MB", "<= 1x", "gpg isn't installed")


def _alone(work: Callable[[], object]) -> float:
    return compare(work, work, 5)[0]


PASSPHRASE = "vier losse woorden samen"
DOSSIER = b'{"v":1,"route":"POVO","source":{"standard":"JSON","version":"1"},"sections":{},"documents":[],"kept":[]}'


def _pack_command(folder: Path, inputs: list[Path]) -> Callable[[], object]:
    keyfile, public, dossier = folder / "a.key", folder / "b.pub", folder / "dossier.json"
    keyfile.write_bytes(print_private(KeyFile.generate(None), PASSPHRASE))
    public.write_bytes(print_public(KeyFile.generate(None).public))
    dossier.write_bytes(DOSSIER)
    attached = [option for path in inputs for option in ("--attach", str(path))]
    # Compiled once, like an installed program, whatever the environment says.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"HANDOVER_PASSPHRASE": PASSPHRASE, "PYTHONPYCACHEPREFIX": str(folder / "compiled")}
    numbers = count()

    def work() -> None:
        out = folder / f"packed-{next(numbers)}"
        command = [sys.executable, "-c", "from handover.cli import main; main()", "pack", str(dossier), *attached]
        command += ["--from", str(keyfile), "--to", str(public), "--out", str(out), "--shares", f"{out}.json"]
        subprocess.run(command, check=True, capture_output=True, env=environment)

    return work


def _processes(commands: list[list[str]]) -> Callable[[], object]:
    return lambda: [subprocess.run(command, check=True, capture_output=True) for command in commands]


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
        [sys.executable, "-m", "tests.bench.crypto", str(folder)], check=True, capture_output=True, text=True
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
    print(_pack_large(Path(sys.argv[1])))
