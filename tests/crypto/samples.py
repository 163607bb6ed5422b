"""The two schools of these tests, and a small bundle between them."""

import os
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from crypto.bundle import Reader
from crypto.errors import BundleRefused
from crypto.keyfile import KeyFile
from crypto.shares import Shares
from crypto.unseal import Opened, unseal
from tests.crypto.forge import Forgery, index, padded


def keys(school: str, number: int) -> KeyFile:
    return KeyFile.from_seeds(school, b"".join([bytes([number + each]) * 32 for each in range(3)]))


SENDER, RECIPIENT, OTHER = keys("99AB00", 1), keys("99CD01", 11), keys("99EF02", 21)
DOCUMENT = ("verslag.pdf", "application/pdf", b"%PDF-1.7 een verzonnen verslag")


def forgery(**choices: object) -> Forgery:
    choices.setdefault(
        "sections", {"okr": [index({"groep": 8})], "reports": [index(None, [DOCUMENT]), padded(DOCUMENT[2])]}
    )
    return Forgery(SENDER.sign.seed, RECIPIENT.seal.public, **choices)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Bundle:
    data: bytes
    shares: Shares

    def open(
        self,
        out: Path,
        *,
        data: bytes | None = None,
        key: KeyFile = RECIPIENT,
        sender: KeyFile = SENDER,
        shares: Shares | None = None,
    ) -> Opened:
        stream = BytesIO(self.data if data is None else data)
        return unseal(stream, key=key, sender=sender.public, shares=shares or self.shares, out=out)


def forged(**choices: object) -> Bundle:
    made = forgery(**choices)
    data = made.make()
    return Bundle(data, Shares(made.bundle, RECIPIENT.seal.kid, made.shares))


def refused(
    bundle: Bundle, folder: Path, kind: type[BundleRefused] = BundleRefused, match: str | None = None, **how: Any
) -> None:
    """Open it: refused for this reason, with nothing in the folder afterwards."""
    with pytest.raises(kind, match=match) as caught:
        bundle.open(folder / "open", **how)
    assert caught.value.reason == kind.reason or kind is BundleRefused
    assert os.listdir(folder) == []


def raw_sections(bundle: Bundle) -> list[tuple[str, bytes]]:
    """Give each section's own bytes."""
    return [(name, b"".join(pieces)) for name, pieces in Reader(BytesIO(bundle.data)).sections()]
