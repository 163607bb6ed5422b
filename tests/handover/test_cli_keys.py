"""`handover key`: from the register's root to a school's keys, their successors and their end, and what is refused."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy.exc import OperationalError

from crypto.encoding import canon
from crypto.errors import BundleAltered, KeyLogRefused
from crypto.keyfile import parse_identity_public, parse_public
from crypto.keylog import KeyLog
from handover.certifying import seal_epoch
from handover.cli import lines_of, main, printable
from handover.dossier import DossierRefused, Problem
from handover.errors import RequestRefused, SettingsRefused
from tests.handover.loopback import as_json, service
from tests.handover.region import RECEIVER, Region
from tests.handover.samples import Desk, keys


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """A desk with a root, a board's identity and certificate, and a school's certified keys."""
    at = Desk(tmp_path_factory.mktemp("desk"))
    for arguments in (
        ("identity", "--root", "--out", "root"),
        ("identity", "--out", "board"),
        (*CERTIFY, "--school", "99AB", "--school", "99AB01", "--out", "cert"),
        ("new", "--school", "99AB", "--identity", "board", "--out", "s.key", "--public", "s.pub"),
    ):
        ran = at.call("key", *arguments)
        assert ran.code == 0, ran.err
    return at


BAD = json.loads((Path(__file__).parent.parent / "vectors" / "cli_key_bad.json").read_text("utf-8"))
CERTIFY = ("certify", "--root", "root", "--identity", "board.pub", "--board", "bestuur", "--name", "Bestuur")


def replayed(at: Desk, *leaves: bytes) -> KeyLog:
    root = parse_identity_public(at.path("root.pub").read_bytes())
    return KeyLog(root.public).extend([at.path("cert").read_bytes(), *leaves])


def statements(at: Desk, name: str) -> list[bytes]:
    return [canon(statement) for statement in parse_public(at.path(name).read_bytes()).statements]


def test_a_brin_alone_means_its_first_location(at: Desk) -> None:
    public = parse_public(at.path("s.pub").read_bytes())
    assert public.school == "99AB00"
    assert seal_epoch(public) == 1


def test_the_key_log_takes_what_the_commands_make(at: Desk) -> None:
    log = replayed(at, *statements(at, "s.pub"))
    current = log.current("99AB00", "seal", datetime.now(UTC))
    assert current.public == parse_public(at.path("s.pub").read_bytes()).seal


def test_new_keys_follow_on_the_ones_before_and_an_end_on_both(at: Desk) -> None:
    more = ("--school", "99AB00", "--identity", "board", "--previous", "s.pub")
    assert at.call("key", "new", *more, "--out", "s2.key", "--public", "s2.pub").code == 0
    log = replayed(at, *statements(at, "s2.pub"))
    assert log.current("99AB00", "seal", datetime.now(UTC)).epoch == 2
    ended = at.call(
        "key", "state", "s2.key", "--identity", "board", "--kind", "seal", "--to", "revoked", "--out", "end"
    )
    assert ended.code == 0
    with pytest.raises(KeyLogRefused):
        log.extend([at.path("end").read_bytes()]).current("99AB00", "seal", datetime.now(UTC))


def test_a_boards_next_certificate_follows_on_the_one_before(at: Desk) -> None:
    done = at.call("key", *CERTIFY, "--previous", "cert", "--school", "99AB", "--out", "cert2", "--json")
    assert done.json["schools"] == ["99AB00"]
    log = replayed(at, at.path("cert2").read_bytes())
    assert log.certificate("99AB00", datetime.now(UTC)).epoch == 2


@pytest.mark.parametrize("case", BAD, ids=[" ".join(case["arguments"]) for case in BAD])
def test_what_cannot_be_is_refused_with_2_and_leaves_nothing(at: Desk, case: dict[str, list[str]]) -> None:
    keys(at.folder, "nobody")
    before = {path.name for path in at.folder.iterdir()}
    ran = at.call("key", *case["arguments"])
    assert (ran.code, ran.out) == (2, "")
    assert str(case["says"]) in ran.err
    assert {path.name for path in at.folder.iterdir()} == before


@pytest.mark.parametrize("words", [["identity", "--root", "--out", "x"], ["new", "--out", "x", "--public", "y"]])
def test_a_new_key_takes_a_passphrase_of_twelve_characters(at: Desk, words: list[str]) -> None:
    before = {path.name for path in at.folder.iterdir()}
    for short in ("a", "elf tekens."):
        ran = at.call("key", *words, passphrase=short)
        assert (ran.code, ran.out) == (2, "")
        assert "a new passphrase has 12 characters or more" in ran.err
    assert {path.name for path in at.folder.iterdir()} == before
    assert at.call("key", *words, passphrase="twaalf teken").code == 0
    for name in {path.name for path in at.folder.iterdir()} - before:
        at.path(name).unlink()


@pytest.mark.parametrize(
    ("name", "kind"), [("root", "root"), ("root.pub", "root"), ("board", "identity"), ("o.key", "officer")]
)
def test_a_key_of_a_board_the_register_or_an_officer_is_shown_without_its_passphrase(
    at: Desk, name: str, kind: str
) -> None:
    if name == "o.key":
        at.call("key", "officer", "--out", "o.key", "--public", "o.pub")
    ran = at.call("key", "show", name, passphrase="een heel ander wachtwoord")
    first, second = ran.out.splitlines()
    assert (ran.code, first.split()) == (0, ["type", kind])
    assert second.startswith("fingerprint ")
    assert at.call("key", "show", name, "--json").json == {"type": kind, "fingerprint": second[12:]}


def test_an_output_that_is_there_already_is_named(at: Desk) -> None:
    ran = at.call("key", "identity", "--out", "board")
    assert (ran.code, ran.err) == (2, "handover: TARGET_EXISTS: board.pub: there is something of that name already\n")


def test_certificate_and_keys_are_published_each_at_its_own_address(at: Desk) -> None:
    with service() as running:
        ran = at.call("key", "publish", "cert", "s.pub", "--origin", running.origin)
        assert ran.code == 0, ran.err
        assert [asked.path for asked in running.asked] == ["/v1/boards", "/v1/schools/99AB00/keys"]
        assert running.asked[0].json == {"certificate": json.loads(at.path("cert").read_bytes())}
        assert len(running.asked[1].json["statements"]) == 3  # type: ignore[call-overload,index,arg-type]


def test_a_schools_keys_are_taken_from_the_checked_log(at: Desk, tmp_path: Path) -> None:
    from crypto.checkpoint import print_verifier
    from crypto.keyfile import PublicIdentity, print_identity_public
    from tests.handover.loopback import Answer, Asked

    region = Region.founded(datetime.now(UTC).replace(microsecond=0))
    root = print_identity_public(PublicIdentity("root", region.root.public)).decode()
    at.path("trust").write_text(f"{root}\n{print_verifier('handover.example/keys', region.log_key.public)}\n")

    def answer(asked: Asked) -> Answer:
        if asked.path.endswith("checkpoint"):
            return Answer(body=region.keylog_checkpoint(), media_type="text/plain")
        return as_json(region.keylog(int(asked.path.partition("start=")[2])))

    with service() as running:
        running.answer = answer
        where = ("--origin", running.origin, "--root", "trust", "--state", str(tmp_path / "state"))
        ran = at.call("key", "get", RECEIVER, *where, "--out", "receiver.pub")
    assert ran.code == 0, ran.err
    assert parse_public(at.path("receiver.pub").read_bytes()) == region.schools[RECEIVER].public
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700


def test_an_error_speaks_for_itself_only_when_it_was_raised_on_purpose() -> None:
    refused = RequestRefused("CODE", 422, "A sentence.", {"/a": "wrong"})
    assert list(lines_of(refused)) == ["CODE: A sentence.", "/a: wrong"]
    assert list(lines_of(SettingsRefused(("one", "two")))) == ["one", "two"]
    assert list(lines_of(DossierRefused((Problem("a.b", "wrong", 3),)))) == ["a.b (line 3): wrong"]
    assert list(lines_of(BundleAltered("text"))) == ["BUNDLE_ALTERED: text"]
    assert list(lines_of(FileNotFoundError(2, "No such file", "x.json"))) == ["x.json: No such file"]
    assert list(lines_of(OSError(28, "No space left"))) == ["No space left"]
    [fault] = lines_of(ValueError("Quirijntje"))
    assert "Quirijntje" not in fault
    assert "ValueError at an unknown place" in fault


def test_a_fault_in_the_program_names_its_place_and_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(main.callback.__globals__["COMMANDS"], "broken", ("tests.handover.broken:broken", "x"))  # type: ignore[union-attr]
    ran = CliRunner().invoke(main, ["broken"])
    assert ran.exit_code == 2
    assert "ZeroDivisionError at broken.py:" in ran.stderr
    assert "Quirijntje" not in ran.stderr


def test_a_database_that_hangs_up_is_no_fault_in_the_program() -> None:
    [line] = lines_of(OperationalError("SELECT 1", None, Exception("Quirijntje"), connection_invalidated=True))
    assert line.startswith("a database went away meanwhile")


def test_lines_hold_nothing_that_a_terminal_obeys() -> None:
    """K7"""
    assert printable("a\x1b[2Jb\u202ec\r\n") == "a\ufffd[2Jb\ufffdc\ufffd\ufffd"
