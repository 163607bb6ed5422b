"""Losing a key in March: recovered by two of three officers, replaced, and every sender seals again in one command."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Databases
from tests.handover.live import Live, listening
from tests.handover.samples import Desk
from tests.handover.story import PO, PO_TOO, VO


@pytest.fixture
def live(sqlite_databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Live]:
    with listening(sqlite_databases, tmp_path, monkeypatch) as running:
        yield running


def waiting(live: Live, desk: Desk) -> dict[str, bool]:
    """Give the sender's list: transfer -> whether it must be sealed again."""
    rows = json.loads(live.call(desk, "transfer", "list", "--json").out)["transfers"]
    return {row["transfer"]: row["seal_again"] for row in rows}


def test_keys_are_recovered_rotated_and_every_sender_seals_again_with_one_command(live: Live) -> None:
    """C4"""
    vo, senders = live.desk(VO), {code: live.desk(code) for code in (PO, PO_TOO)}
    public = vo.path("s.pub")
    for name in ("een", "twee", "drie"):
        assert vo.call("key", "officer", "--out", name, "--public", f"{name}.pub").code == 0
    officers = [word for name in ("een", "twee", "drie") for word in ("--officer", f"{name}.pub")]
    assert vo.call("key", "recovery", "make", "--key", "s.key", *officers, "--out", "recovery.json").code == 0
    _, first = live.sent(senders[PO], PO, public, "1")
    _, second = live.sent(senders[PO], PO, public, "2")
    _, third = live.sent(senders[PO_TOO], PO_TOO, public, "3")

    old = vo.path("s.key").read_bytes()
    vo.path("s.key").unlink()  # and nobody has a copy
    opened = vo.call("key", "recovery", "open", "--file", "recovery.json", "--officer", "drie", "--out", "part")
    assert opened.code == 0, opened.err
    finish = ("--file", "recovery.json", "--part", "part", "--officer", "een", "--out", "back.key")
    assert vo.call("key", "recovery", "finish", *finish).code == 0

    # What is waiting for the old key is still released to it, until it is replaced.
    fetched = live.call(vo, "fetch", first, "--out", "early", keyfile="back.key")
    assert fetched.code == 0, fetched.err
    rotated = vo.call(
        "key", "rotate", "--key", "back.key", "--identity", "identity", "--out", "new.key", "--publish",
        "--origin", live.origin,
    )  # fmt: skip
    assert rotated.code == 0, rotated.err
    live.take_keys(VO, vo, "new.key")
    assert live.call(vo, "fetch", second, "--out", "late", keyfile="back.key").code == 2
    assert "nothing was released" in live.call(vo, "fetch", second, "--out", "late", keyfile="new.key").err

    # What was fetched before opens with the recovered keys, and with no others.
    again = ("--sender", live.folder / PO / "s.pub", "--shares", "early/shares.json")
    assert vo.call("open", "early/bundle", "--key", "back.key", *again, "--out", "once-more").code == 0
    assert vo.path("once-more/dossier.json").read_bytes() == vo.path("early/dossier/dossier.json").read_bytes()
    assert vo.call("open", "early/bundle", "--key", "new.key", *again, "--out", "never").code == 2
    vo.path("s.key").write_bytes(old)
    assert vo.call("open", "early/bundle", "--key", "s.key", *again, "--out", "as-before").code == 0

    assert waiting(live, senders[PO]) == {first: True, second: True}
    assert "seal again" in live.call(senders[PO_TOO], "transfer", "list").out
    for code, transfers in ((PO, {first, second}), (PO_TOO, {third})):
        done = live.call(senders[code], "reseal", "--all", "--json")
        assert done.code == 0, done.err
        assert set(done.json["sealed"]) == transfers  # type: ignore[arg-type]
        assert set(waiting(live, senders[code]).values()) == {False}
        assert live.call(senders[code], "reseal", "--all").out == "nothing was sealed again\n"

    for number, transfer in enumerate((first, second, third)):
        ran = live.call(vo, "fetch", transfer, "--out", f"new-{number}", "--json", keyfile="new.key")
        assert ran.code == 0, ran.err
        assert ran.json["sections"] == ["okr", "opp"]
