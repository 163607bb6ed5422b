"""`handover key officer`, `key recovery` and `key rotate`: two of three officers, and what each refuses."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from crypto.encoding import canon
from crypto.errors import KeyLogRefused
from crypto.keyfile import (
    KeyFile,
    parse_identity_public,
    parse_officer,
    parse_officer_public,
    parse_private,
    parse_public,
    print_private,
)
from crypto.keylog import KeyLog
from handover.certifying import seal_epoch
from tests.handover.loopback import as_json, problem, service
from tests.handover.samples import PASSPHRASE, Desk, Ran

NAMES = ("een", "twee", "drie")


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """A desk with a certified school, three officers and one more, the recovery file and the first officer's part."""
    at = Desk(tmp_path_factory.mktemp("desk"))
    certify = ("certify", "--root", "root", "--identity", "board.pub", "--board", "bestuur", "--name", "Bestuur")
    for arguments in (
        ("identity", "--root", "--out", "root"),
        ("identity", "--out", "board"),
        (*certify, "--school", "99AB", "--out", "cert"),
        ("new", "--school", "99AB", "--identity", "board", "--out", "s.key", "--public", "s.pub"),
        ("new", "--out", "nobody.key", "--public", "nobody.pub"),
        *(("officer", "--out", name, "--public", f"{name}.pub") for name in (*NAMES, "vreemd")),
        ("recovery", "make", "--key", "s.key", *officers(*NAMES), "--out", "recovery.json"),
        ("recovery", "make", "--key", "s.key", *officers(*NAMES), "--out", "again.json"),
        ("recovery", "open", "--file", "recovery.json", "--officer", "een", "--out", "part"),
        ("recovery", "open", "--file", "recovery.json", "--officer", "een", "--for", "twee.pub", "--out", "for-twee"),
    ):
        ran = at.call("key", *arguments)
        assert ran.code == 0, ran.err
    return at


def officers(*names: str) -> list[str]:
    return [word for name in names for word in ("--officer", f"{name}.pub")]


def refused(at: Desk, *arguments: str, passphrase: str = PASSPHRASE) -> Ran:
    """Run a command that must end with 2, one line, and no file more than before."""
    before = {path.name for path in at.folder.iterdir()}
    ran = at.call("key", *arguments, passphrase=passphrase)
    assert (ran.code, ran.out) == (2, "")
    assert {path.name for path in at.folder.iterdir()} == before
    return ran


def test_an_officers_key_is_private_and_its_fingerprint_is_shown(at: Desk, tmp_path: Path) -> None:
    ran = at.call("key", "officer", "--out", tmp_path / "o", "--public", tmp_path / "o.pub", "--json")
    public = parse_officer_public((tmp_path / "o.pub").read_bytes())
    assert ran.json == {"public": str(tmp_path / "o.pub"), "fingerprint": public.fingerprint}
    assert parse_officer((tmp_path / "o").read_bytes(), PASSPHRASE).public == public.public
    assert (tmp_path / "o").stat().st_mode & 0o777 == 0o600


def test_any_two_officers_recover_the_keys_and_each_step_shows_whom_to_ask(at: Desk, tmp_path: Path) -> None:
    school = parse_public(at.path("s.pub").read_bytes())
    prints = {name: parse_officer_public(at.path(f"{name}.pub").read_bytes()).fingerprint for name in NAMES}
    for first, second in (("een", "drie"), ("drie", "twee"), ("twee", "een")):
        part, out = tmp_path / f"{first}.part", tmp_path / f"{second}.key"
        opened = at.call("key", "recovery", "open", "--file", "recovery.json", "--officer", first, "--out", part)
        assert opened.out.splitlines()[:3] == [str(part), "school      99AB00", f"fingerprint {school.fingerprint}"]
        assert sorted(opened.out.splitlines()[3:]) == sorted(f"officer     {each}" for each in prints.values())
        finish = ("recovery", "finish", "--file", "recovery.json", "--part", part, "--officer", second, "--out", out)
        done = at.call("key", *finish, "--json")
        assert done.json["school"] == "99AB00"
        assert set(done.json["officers"]) == set(prints.values())  # type: ignore[arg-type]
        assert "handover key rotate" in done.err
        assert parse_private(out.read_bytes(), PASSPHRASE) == parse_private(at.path("s.key").read_bytes(), PASSPHRASE)
        assert (out.stat().st_mode & 0o777, part.stat().st_mode & 0o777) == (0o600, 0o600)


FINISH = ("recovery", "finish", "--out", "x")
OPEN = ("recovery", "open", "--file", "recovery.json", "--out", "x")
REFUSED = [
    ("3 different officers", ("recovery", "make", "--key", "s.key", *officers("een", "twee"), "--out", "x")),
    ("3 different officers", ("recovery", "make", "--key", "s.key", *officers("een", "twee", "een"), "--out", "x")),
    ("3 different officers", ("recovery", "make", "--key", "s.key", *officers(*NAMES, "vreemd"), "--out", "x")),
    ("KEY: not an officer's public", ("recovery", "make", "--key", "s.key", "--officer", "s.pub", "--out", "x")),
    ("isn't one of the three", (*OPEN, "--officer", "vreemd")),
    ("other two", (*OPEN, "--officer", "een", "--for", "een.pub")),
    ("other two", (*OPEN, "--officer", "een", "--for", "vreemd.pub")),
    ("not a recovery file", ("recovery", "open", "--file", "s.pub", "--officer", "een", "--out", "x")),
    ("KEY: not an officer's file", (*OPEN, "--officer", "board")),
    ("officer's own", (*FINISH, "--file", "recovery.json", "--part", "part", "--officer", "een")),
    ("isn't one of the three", (*FINISH, "--file", "recovery.json", "--part", "part", "--officer", "vreemd")),
    ("isn't for this officer", (*FINISH, "--file", "recovery.json", "--part", "for-twee", "--officer", "drie")),
    ("another recovery file", (*FINISH, "--file", "again.json", "--part", "part", "--officer", "twee")),
    ("not an officer's part", (*FINISH, "--file", "recovery.json", "--part", "recovery.json", "--officer", "twee")),
    ("TARGET_EXISTS", ("recovery", "open", "--file", "recovery.json", "--officer", "een", "--out", "part")),
    ("belong to no school", ("rotate", "--key", "nobody.key", "--identity", "board", "--out", "x")),
    ("is needed", ("rotate", "--key", "s.key", "--identity", "root", "--out", "x")),
    ("HANDOVER_ORIGIN", ("rotate", "--key", "s.key", "--identity", "board", "--out", "x", "--publish")),
    ("TARGET_EXISTS", ("rotate", "--key", "s.key", "--identity", "board", "--out", "s.key")),
]  # fmt: skip


@pytest.mark.parametrize(("says", "arguments"), REFUSED, ids=[f"{case[1][1]} {case[0]}" for case in REFUSED])
def test_what_cannot_be_is_refused_with_2_and_one_line(at: Desk, says: str, arguments: tuple[str, ...]) -> None:
    ran = refused(at, *arguments)
    assert says in ran.err
    assert len(ran.err.splitlines()) == 1


def test_an_officers_passphrase_is_needed(at: Desk) -> None:
    open_ = ("recovery", "open", "--file", "recovery.json", "--officer", "een", "--out", "x")
    assert "PASSPHRASE" in refused(at, *open_, passphrase="een andere").err


@pytest.mark.parametrize("name", ["recovery.json", "for-twee"])
def test_a_flipped_byte_is_refused_by_the_command(at: Desk, tmp_path: Path, name: str) -> None:
    """A part for one officer only: what another officer's envelope holds is nothing to this one."""
    shutil.copytree(at.folder, tmp_path / "copy")
    copy = Desk(tmp_path / "copy")
    data = bytearray(copy.path(name).read_bytes())
    for place in (10, len(data) // 2, len(data) - 20):
        changed = bytes(data[:place]) + bytes([data[place] ^ 1]) + bytes(data[place + 1 :])
        copy.path(name).write_bytes(changed)
        ran = refused(copy, *FINISH, "--file", "recovery.json", "--part", "for-twee", "--officer", "twee")
        assert ran.err.startswith("handover: RECOVERY: ")


def test_rotated_keys_follow_on_the_old_ones_and_end_them(at: Desk) -> None:
    at.path("s.key.versions").write_bytes(b'{"packed":{},"transfers":{},"v":2}')
    ran = at.call("key", "rotate", "--key", "s.key", "--identity", "board", "--out", "r.key", "--json")
    assert ran.code == 0, ran.err
    old, new = (parse_public(at.path(name).read_bytes()) for name in ("s.pub", "r.key.pub"))
    assert ran.json["fingerprint"] == new.fingerprint
    assert ran.json["published"] is False
    assert "make a new one" in ran.err
    assert parse_private(at.path("r.key").read_bytes(), PASSPHRASE).public == new
    assert seal_epoch(new) == 2
    assert at.path("r.key.versions").read_bytes() == at.path("s.key.versions").read_bytes()
    root = parse_identity_public(at.path("root.pub").read_bytes()).public
    log = KeyLog(root).extend([at.path("cert").read_bytes(), *map(canon, new.statements)])
    now = datetime.now(UTC)
    for kind in ("seal", "sign", "request"):
        assert log.current("99AB00", kind, now).public == getattr(new, kind)  # type: ignore[arg-type]
        assert getattr(new, kind) != getattr(old, kind)
    with pytest.raises(KeyLogRefused):
        log.extend([canon(new.statements[-1])])


def test_the_public_file_is_enough_to_rotate_where_the_keys_are_lost_for_good(at: Desk) -> None:
    ran = at.call("key", "rotate", "--key", "s.pub", "--identity", "board", "--out", "p.key")
    assert ran.code == 0, ran.err
    assert ran.out.splitlines()[2] == "publish p.key.pub"


def test_keys_that_no_statement_gives_to_the_school_are_not_rotated(at: Desk) -> None:
    """A recovery file that somebody made for keys of their own ends here at the latest."""
    swapped = KeyFile.generate("99AB00")
    statements = parse_public(at.path("s.pub").read_bytes()).statements
    forged = KeyFile("99AB00", swapped.seal, swapped.sign, swapped.request, statements)
    at.path("forged.key").write_bytes(print_private(forged, PASSPHRASE))
    ran = refused(at, "rotate", "--key", "forged.key", "--identity", "board", "--out", "x")
    assert "nothing in it states that this key is the school's" in ran.err


def test_rotated_keys_are_published_when_asked(at: Desk) -> None:
    with service() as running:
        running.answer = lambda asked: as_json({"school": "99AB00"})
        words = ("key", "rotate", "--key", "s.key", "--identity", "board", "--publish", "--origin", running.origin)
        ran = at.call(*words, "--out", "q.key", "--json")
        assert ran.json["published"] is True
        [asked] = running.asked
        assert asked.path == "/v1/schools/99AB00/keys"
        assert asked.json == {"statements": json.loads(at.path("q.key.pub").read_bytes())["statements"]}
        running.answer = lambda asked: problem(422, "KEY_LOG", "Not the next epoch.")
        ran = at.call(*words, "--out", "late.key")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.splitlines() == [
        "the new keys are made but not published: handover key publish late.key.pub",
        "handover: KEY_LOG: Not the next epoch.",
    ]
    assert at.path("late.key").exists()
