"""The service and its witnesses; and checkpoints that come back from outside (C3, K2, K3, K4, K8)."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import time_machine
from click.testing import CliRunner
from flask import Flask
from werkzeug.serving import make_server
from werkzeug.test import TestResponse

from consent.db import open_engine
from consent.journal import Journal
from consent.keystore import KeyStore
from consent.ledger import Ledger
from crypto.checkpoint import Checkpoint, parse_checkpoint, print_checkpoint, print_verifier
from crypto.cosignature import Cosigner, cosign, verify_cosignature
from crypto.encoding import unb64
from crypto.errors import CheckpointRefused
from crypto.keyfile import PublicIdentity, print_identity_public
from crypto.keys import SignKey
from crypto.merkle import verify_consistency
from handover.accesslog import Did
from handover.admin import init as make_service
from handover.app import create_app
from handover.cli import main
from handover.client import Client, PublicClient, ServiceRefused, Staff
from handover.errors import RequestRefused
from handover.following import JournalRefused, follow, newest
from handover.parts import Parts
from handover.roles import Role
from handover.signing import print_checkpoint_header, sign_request
from handover.trust import Trust
from handover.witness import UNPROVED, Reason, Refused, check, init, read
from handover.witnessing import enroll
from tests.handover import loopback
from tests.handover.story import PO, Story, later
from tests.region import LOG, ORIGIN, expect, now

NAME = "fg.example/witness"
JOURNAL = f"{LOG}/journal"
KEY = SignKey.from_seed(bytes(range(32, 64)), "witness")
WITNESS = Cosigner(NAME, KEY.public)


@pytest.fixture(scope="module")
def watched(standing: Story) -> Story:
    """Give a story whose service has one witness enrolled."""
    enroll(standing.region.parts, WITNESS.print())
    return standing


def seconds(**ahead: float) -> int:
    with later(**ahead):
        return int(now().timestamp())


def head_note(story: Story) -> bytes:
    return story.region.http.get("/v1/journal/checkpoint").get_data()


def cosigned(note: bytes, time: int | None = None, key: SignKey = KEY, name: str = NAME) -> bytes:
    return note + cosign(parse_checkpoint(note), name, key, seconds() if time is None else time)


def signed_by_log(story: Story, size: int, root: bytes) -> bytes:
    return print_checkpoint(Checkpoint(JOURNAL, size, root), story.region.parts.log_key)


def post(story: Story, note: bytes) -> TestResponse:
    return story.region.http.post("/v1/journal/witnessed", json={"note": note.decode()})


def witnesses(story: Story) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = expect(story.region.http.get("/v1/journal/witnessed"), 200).get_json()["witnesses"]
    return listed


# Enrolling.


def test_a_witness_is_enrolled_once_and_that_is_logged(lite: Story) -> None:
    assert witnesses(lite) == []
    for _ in range(2):
        assert enroll(lite.region.parts, WITNESS.print()) == {"witness": NAME}
    [entry] = lite.journal(Did.WITNESS_ENROLLED)
    assert entry.terms == {"witness": NAME, "verifier": WITNESS.print()}
    unseen = {"size": None, "witnessed_at": None, "note": None}
    assert witnesses(lite) == [{"name": NAME, "verifier": WITNESS.print()} | unseen]


def test_a_name_keeps_its_key(watched: Story) -> None:
    other = Cosigner(NAME, SignKey.generate("witness").public)
    with pytest.raises(RequestRefused, match="NAME_TAKEN"):
        enroll(watched.region.parts, other.print())
    assert [row["verifier"] for row in witnesses(watched)] == [WITNESS.print()]


def test_a_name_has_at_most_a_hundred_characters(lite: Story) -> None:
    enroll(lite.region.parts, Cosigner("n" * 100, KEY.public).print())
    with pytest.raises(RequestRefused, match="NAME_TOO_LONG"):
        enroll(lite.region.parts, Cosigner("n" * 101, KEY.public).print())
    assert [row["name"] for row in witnesses(lite)] == ["n" * 100]


@pytest.mark.parametrize("line", ["", print_verifier(NAME, KEY.public), WITNESS.print() + "\n"])
def test_only_a_witnesss_verifier_key_enrolls(watched: Story, line: str) -> None:
    with pytest.raises(CheckpointRefused):
        enroll(watched.region.parts, line)


# Proofs.


def test_a_proof_shows_that_the_journal_grew(story: Story) -> None:
    notes = [parse_checkpoint(head_note(story))]
    for _ in range(2):
        story.case(invited=False, bundle=False)
        notes.append(parse_checkpoint(head_note(story)))
    for old in notes:
        for new in notes:
            answer = story.region.http.get(f"/v1/journal/consistency?old={old.size}&new={new.size}")
            if old.size > new.size:
                assert expect(answer, 422).get_json()["code"] == UNPROVED
                continue
            said = expect(answer, 200).get_json()
            assert (said["old"], said["new"]) == (old.size, new.size)
            proof = [unb64(hashed, 32) for hashed in said["proof"]]
            verify_consistency(old.size, new.size, old.root, new.root, proof)


@pytest.mark.parametrize("query", ["", "?old=1", "?new=1", "?old=-1&new=1", "?old=x&new=1", "?old=0&new=1099511627777"])
def test_sizes_that_are_none_are_refused(watched: Story, query: str) -> None:
    expect(watched.region.http.get(f"/v1/journal/consistency{query}"), 422)


def test_a_size_that_the_journal_never_had_is_refused_and_its_own_is_not(watched: Story) -> None:
    size = watched.size()
    expect(watched.region.http.get(f"/v1/journal/consistency?old={size}&new={size}"), 200)
    expect(watched.region.http.get(f"/v1/journal/consistency?old=0&new={size}"), 200)
    answer = expect(watched.region.http.get(f"/v1/journal/consistency?old=1&new={size + 1}"), 422)
    assert answer.get_json()["code"] == "SIZES_REFUSED"


# What a witness hands over.


def test_what_a_witness_cosigned_is_shown_with_size_time_and_note(story: Story) -> None:
    enroll(story.region.parts, WITNESS.print())
    note, time = head_note(story), seconds()
    answer = expect(post(story, cosigned(note, time)), 200).get_json()
    [row] = witnesses(story)
    assert answer == {"witnesses": [row]}
    at = datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert (row["size"], row["witnessed_at"]) == (parse_checkpoint(note).size, at)
    said = verify_cosignature(row["note"].encode(), WITNESS)
    assert (said.checkpoint, said.time) == (parse_checkpoint(note), time)
    assert story.size() == parse_checkpoint(note).size, "what a witness says isn't an entry: it would never end"


def test_the_newest_of_a_witness_is_kept_and_nobody_elses_signature_with_it(watched: Story) -> None:
    older, early, late = head_note(watched), seconds(), seconds(seconds=60)
    watched.case(invited=False, bundle=False)
    newer = head_note(watched)
    other = cosigned(older, late, SignKey.generate("witness"), "other.example")[len(older) :]
    for note, kept in (
        (cosigned(older, late) + other, cosigned(older, late)),
        (cosigned(older, early), cosigned(older, late)),
        (cosigned(newer, early), cosigned(newer, early)),
        (cosigned(newer, late), cosigned(newer, late)),
        (cosigned(newer, early), cosigned(newer, late)),
        (cosigned(older, late + 1), cosigned(newer, late)),
    ):
        expect(post(watched, note), 200)
        assert [row["note"].encode() for row in witnesses(watched)] == [kept]


def test_two_witnesses_may_stand_in_one_note(lite: Story) -> None:
    key = SignKey.generate("witness")
    enroll(lite.region.parts, WITNESS.print())
    enroll(lite.region.parts, Cosigner("b.example", key.public).print())
    note, time = head_note(lite), seconds()
    both = cosigned(note, time) + cosigned(note, time, key, "b.example")[len(note) :]
    expect(post(lite, both), 200)
    assert [(row["name"], row["size"]) for row in witnesses(lite)] == [("b.example", lite.size()), (NAME, lite.size())]
    assert witnesses(lite)[1]["note"].encode() == cosigned(note, time)


def _line() -> bytes:
    return cosign(Checkpoint(JOURNAL, 1, bytes(32)), NAME, KEY, 1)


BAD: dict[str, tuple[Callable[[Story], bytes], int, str]] = {
    "nothing": (lambda story: b"", 422, "INVALID"),
    "too long": (lambda story: b"x" * 16385, 422, "INVALID"),
    "no note": (lambda story: b"x", 422, "CRYPTO_REFUSED"),
    "not cosigned": (head_note, 403, "NOT_A_WITNESS"),
    "by a stranger": (
        lambda story: cosigned(head_note(story), None, SignKey.generate("witness"), "x.example"),
        403,
        "NOT_A_WITNESS",
    ),
    "by another key under the name": (
        lambda story: cosigned(head_note(story), None, SignKey.generate("witness")),
        403,
        "NOT_A_WITNESS",
    ),
    "a line of another checkpoint": (
        lambda story: head_note(story) + _line(),
        422,
        "CRYPTO_REFUSED",
    ),
    "of another log": (
        lambda story: cosigned(print_checkpoint(Checkpoint("x", 1, bytes(32)), story.region.parts.log_key)),
        422,
        "CRYPTO_REFUSED",
    ),
    "not of this log's key": (
        lambda story: cosigned(print_checkpoint(parse_checkpoint(head_note(story)), SignKey.generate("journal"))),
        422,
        "CRYPTO_REFUSED",
    ),
    "tomorrow's": (lambda story: cosigned(head_note(story), seconds(seconds=310)), 422, "CLOCK_SKEW"),
}


@pytest.mark.parametrize("how", BAD)
def test_any_other_note_is_refused_and_changes_nothing(watched: Story, how: str) -> None:
    make, status, code = BAD[how]
    before = witnesses(watched)
    answer = expect(post(watched, make(watched)), status)
    assert answer.get_json()["code"] == code
    assert witnesses(watched) == before


def test_a_witnesss_clock_may_be_exactly_five_minutes_ahead(watched: Story) -> None:
    with time_machine.travel(now().replace(microsecond=0), tick=False):
        assert (
            expect(post(watched, cosigned(head_note(watched), seconds() + 301)), 422).get_json()["code"] == "CLOCK_SKEW"
        )
        expect(post(watched, cosigned(head_note(watched), seconds() + 300)), 200)


# Checkpoints that this journal doesn't lead to.

NEWER: dict[str, Callable[[Story], bytes]] = {
    "one entry more": lambda story: signed_by_log(story, story.size() + 1, bytes(32)),
    "another of the same size": lambda story: signed_by_log(story, story.size(), bytes(32)),
    "another beginning": lambda story: signed_by_log(story, 1, bytes(32)),
    "another nothing": lambda story: signed_by_log(story, 0, bytes(32)),
}


@pytest.mark.parametrize("how", NEWER)
@pytest.mark.parametrize("by_witness", [True, False])
def test_a_note_of_this_log_that_the_journal_does_not_lead_to_is_an_alarm_whoever_brings_it(
    watched: Story, how: str, by_witness: bool
) -> None:
    """K2, K3, K4, K8"""
    before = witnesses(watched)
    note = NEWER[how](watched)
    answer = expect(post(watched, cosigned(note) if by_witness else note), 409)
    assert answer.get_json()["code"] == "NEWER_KNOWN"
    assert witnesses(watched) == before


def ask(story: Story, header: str | None, *, covered: bool = True) -> TestResponse:
    """Send a school's signed request with this header."""
    key = story.region.schools[PO].keys.request
    path = "/v1/transfers?side=sender"
    staff = {"Overdracht-Staff": '"s-1";role=principal'}
    more = {} if header is None else {"Overdracht-Checkpoint": header}
    headers = staff | (more if covered else {})
    signed = sign_request("GET", ORIGIN + path, headers, kid=key.kid, sign=key.sign_bare, now=now(), body=False)
    return story.region.http.get(path, headers=signed | more, base_url=ORIGIN)


def test_a_schools_request_may_carry_what_it_has_seen(watched: Story) -> None:
    seen = head_note(watched)
    expect(ask(watched, print_checkpoint_header(seen)), 200)
    watched.case(invited=False, bundle=False)
    expect(ask(watched, print_checkpoint_header(seen)), 200)
    expect(ask(watched, print_checkpoint_header(cosigned(seen))), 200)


@pytest.mark.parametrize("how", NEWER)
def test_a_schools_newer_checkpoint_is_an_alarm(watched: Story, how: str) -> None:
    """K4"""
    answer = expect(ask(watched, print_checkpoint_header(NEWER[how](watched))), 409)
    assert answer.get_json()["code"] == "NEWER_KNOWN"


def test_a_checkpoint_of_another_log_says_nothing(watched: Story) -> None:
    other = print_checkpoint(Checkpoint("old/journal", 10**6, bytes(32)), watched.region.parts.log_key)
    expect(ask(watched, print_checkpoint_header(other)), 200)


def test_a_checkpoint_that_this_log_did_not_sign_is_refused(watched: Story) -> None:
    forged = print_checkpoint(Checkpoint(JOURNAL, 10**6, bytes(32)), SignKey.generate("journal"))
    for note, why in ((forged, "has not signed"), (b"x", "not a signed note")):
        answer = expect(ask(watched, print_checkpoint_header(note)), 400)
        assert answer.get_json()["code"] == "CHECKPOINT_REFUSED"
        assert why in answer.get_json()["detail"]


def test_a_checkpoint_that_nobody_signed_for_or_of_another_form_is_refused(watched: Story) -> None:
    good = print_checkpoint_header(head_note(watched))
    expect(ask(watched, good, covered=False), 401)
    for header in ("", "::x", good[1:], good[:-1], good[:-2] + ":", f":{good}:", good.replace("=", "-")):
        expect(ask(watched, header), 401)


# The whole way, over a real connection.


@contextmanager
def served(parts: Parts) -> Iterator[str]:
    """Run the service on a loopback port, under that address as its origin."""
    server = make_server("127.0.0.1", 0, Flask("nothing"), threaded=True)
    origin = f"http://127.0.0.1:{server.server_port}"
    server.app = create_app(replace(parts, settings=replace(parts.settings, origin=origin)))
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield origin
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def backed_up(story: Story, folder: Path) -> dict[str, Path]:
    """Copy both databases, as a backup would."""
    files = {}
    for which in ("main", "keys"):
        files[which] = folder / f"backup_{which}.sqlite"
        url = {"main": story.region.settings.database_url, "keys": story.region.settings.keystore_url}[which]
        there, here = sqlite3.connect(url.removeprefix("sqlite:///")), sqlite3.connect(files[which])
        with closing(there) as source, closing(here) as copy:
            source.backup(copy)
    return files


def put_back(story: Story, files: dict[str, Path]) -> Parts:
    """Give the service as it is after both databases were put back together: it finds nothing wrong with itself."""
    engines = {which: open_engine(f"sqlite:///{file}") for which, file in files.items()}
    parts = story.region.parts
    keystore = KeyStore(engines["keys"], story.region.settings.keys / "epochs")
    journal = Journal(engines["main"], keystore, parts.log_key, JOURNAL, now)
    journal.start()
    return replace(parts, main=engines["main"], keystore=keystore, journal=journal, ledger=Ledger(journal))


def test_both_databases_put_back_are_found_out_by_witness_and_school_alone(lite: Story, tmp_path: Path) -> None:
    """K4, C3: the service's own mark agrees with the older journal."""
    public = lite.region.parts.log_key.public
    trust = Trust(lite.region.root.public, {JOURNAL: public})
    fg, school = tmp_path / "fg", tmp_path / "school"
    enroll(lite.region.parts, init(fg, NAME, {JOURNAL: public}).cosigner.print())
    files = backed_up(lite, tmp_path)
    lite.case(invited=False, bundle=False)
    size = lite.size()
    with served(lite.region.parts) as origin, PublicClient(origin) as client:
        assert check(client, fg, seconds())
        assert [row["size"] for row in witnesses(lite)] == [size]
        seen = follow(client, trust, school)
    parts = put_back(lite, files)
    with served(parts) as origin, PublicClient(origin) as client:
        looked = check(client, fg, seconds())
        assert looked.decided == Refused(Reason.SHRUNK, size)
        assert read(fg).logs[JOURNAL].size == size
        with pytest.raises(JournalRefused, match="older than the one you have seen"):
            follow(client, trust, school)
        assert newest(trust, school) == seen
        code, out = run("witness", "check", "--origin", origin, "--state", fg)
        why = "NOT cosigned: SHRUNK: the log is smaller than it was when it was last cosigned: entries were taken away"
        assert (code, out) == (2, f"{why} (it had {size}); evidence in {looked.evidence}\n")
        code, out = run("witness", "check", "--origin", origin, "--state", fg, "--json")
        want = {"cosigned": False, "reason": "SHRUNK", "before": size, "evidence": str(looked.evidence)}
        assert (code, json.loads(out)) == (2, want)
        with pytest.raises(ServiceRefused, match="NEWER_KNOWN"):
            client.post_witnessed(seen)
    parts.close()


def test_a_journal_that_was_put_back_and_has_outgrown_what_was_seen_is_found_out_too(
    lite: Story, tmp_path: Path
) -> None:
    """K2, K8: two histories, both signed with the log's own key, each without a fault in itself."""
    public = lite.region.parts.log_key.public
    trust = Trust(lite.region.root.public, {JOURNAL: public})
    fg, school = tmp_path / "fg", tmp_path / "school"
    enroll(lite.region.parts, init(fg, NAME, {JOURNAL: public}).cosigner.print())
    files = backed_up(lite, tmp_path)
    lite.case(invited=False, bundle=False)
    size = lite.size()
    with served(lite.region.parts) as origin, PublicClient(origin) as client:
        assert check(client, fg, seconds())
        seen = follow(client, trust, school)
    parts = put_back(lite, files)
    with served(parts) as origin, PublicClient(origin) as client:
        for reason in (Reason.SHRUNK, Reason.FORKED, Reason.NOT_CONSISTENT):
            while (now_size := parse_checkpoint(client.journal_checkpoint()).size) < size and reason != Reason.SHRUNK:
                enroll(parts, Cosigner(f"witness{now_size}.example", KEY.public).print())
            if reason == Reason.NOT_CONSISTENT:
                enroll(parts, Cosigner("one.more.example", KEY.public).print())
            assert check(client, fg, seconds()).decided == Refused(reason, size)
            with pytest.raises(JournalRefused):
                follow(client, trust, school)
            with pytest.raises(ServiceRefused, match="NEWER_KNOWN"):
                client.post_witnessed(seen)
        assert parse_checkpoint(client.journal_checkpoint()).size == size + 1
    assert len(list((fg / "evidence").iterdir())) == 3
    parts.close()


def test_a_clients_requests_carry_what_it_has_seen(lite: Story) -> None:
    """K4"""
    keys, staff = lite.region.schools[PO].keys, Staff("s-1", Role.PRINCIPAL)
    newer = signed_by_log(lite, lite.size() + 1, bytes(32))
    with served(lite.region.parts) as origin:
        with Client(origin, keys, staff, seen=head_note(lite)) as client:
            assert list(client.transfers("sender")) == []
        with Client(origin, keys, staff, seen=newer) as client, pytest.raises(ServiceRefused, match="NEWER_KNOWN"):
            list(client.transfers("sender"))


def run(*words: str | Path) -> tuple[int, str]:
    ran = CliRunner().invoke(main, [str(word) for word in words])
    return ran.exit_code, ran.output


def test_the_commands_of_a_witness(lite: Story, tmp_path: Path) -> None:
    """K8"""
    region, state = lite.region, tmp_path / "fg"
    line = print_verifier(JOURNAL, region.parts.log_key.public)
    code, out = run("witness", "init", "--name", NAME, "--log", line, "--out", state, "--json")
    assert code == 0
    verifier = json.loads(out)["verifier"]
    assert json.loads(out) == {"name": NAME, "verifier": verifier, "logs": [JOURNAL]}
    assert run("witness", "show", "--state", state) == (
        0,
        f"{NAME}: {verifier}\n{JOURNAL}: 0 entries, cosigned never\n",
    )
    enroll(region.parts, verifier)
    size = lite.size()
    with served(region.parts) as origin:
        told = f"{JOURNAL} cosigned: {size} entries, {size} more than before\n"
        assert run("witness", "check", "--origin", origin, "--state", state) == (0, told)
        code, out = run("witness", "check", "--origin", origin, "--state", state, "--json")
        root = parse_checkpoint(head_note(lite)).root.hex()
        want = {"cosigned": True, "origin": JOURNAL, "before": size, "size": size, "root": root}
        assert (code, json.loads(out)) == (0, want)
    code, out = run("witness", "show", "--state", state, "--json")
    shown = json.loads(out)["logs"]
    assert (code, [(log["origin"], log["size"]) for log in shown]) == (0, [(JOURNAL, size)])
    assert shown[0]["at"] == witnesses(lite)[0]["witnessed_at"]


def test_a_witness_that_isn_t_enrolled_yet_raises_no_alarm(lite: Story, tmp_path: Path) -> None:
    line = print_verifier(JOURNAL, lite.region.parts.log_key.public)
    assert run("witness", "init", "--name", NAME, "--log", line, "--out", tmp_path / "fg")[0] == 0
    with served(lite.region.parts) as origin:
        code, out = run("witness", "check", "--origin", origin, "--state", tmp_path / "fg")
    told = "the operator hasn't enrolled this witness, so the service takes no cosignature: handover witness show"
    assert (code, out) == (75, f"handover: {told}\n")
    assert read(tmp_path / "fg").logs[JOURNAL].size == lite.size(), "the next look goes on from here"


def test_what_to_watch_is_said_once_by_line_or_by_trust_file(tmp_path: Path) -> None:
    public = SignKey.generate("journal").public
    line = print_verifier(JOURNAL, public)
    trust = tmp_path / "trust.txt"
    root = PublicIdentity("root", SignKey.generate("root").public)
    keys = print_verifier(f"{LOG}/keys", public)
    trust.write_bytes(b"\n".join([print_identity_public(root), keys.encode(), line.encode()]))
    out = tmp_path / "w"
    words = ("witness", "init", "--name", NAME, "--out", out)
    for more in ((), ("--log", line, "--trust", trust)):
        code, said = run(*words, *more)
        assert (code, "--log LINE or by --trust FILE" in said) == (2, True)
    assert run(*words, "--log", line, "--log", line) == (2, "handover: a log is named twice\n")
    assert not out.exists()
    code, said = run(*words, "--trust", trust)
    verifier = read(out).cosigner.print()
    assert (code, said.splitlines()) == (
        0,
        [
            f"Witness {NAME} watches {JOURNAL}.",
            "Give this line to the operator, who enrolls it with `handover admin witness add`:",
            verifier,
        ],
    )
    assert read(out).logs[JOURNAL].public == public
    assert run(*words, "--trust", trust) == (2, "handover: w isn't empty\n")


def test_what_is_no_checkpoint_is_told_without_evidence(tmp_path: Path) -> None:
    init(tmp_path / "w", NAME, {JOURNAL: SignKey.generate("journal").public})
    with loopback.service() as bad:
        bad.answer = lambda asked: loopback.Answer(body=b"<html>", media_type="text/html")
        code, out = run("witness", "check", "--origin", bad.origin, "--state", tmp_path / "w")
    assert (code, out) == (2, "NOT cosigned: MALFORMED: what was shown isn't a checkpoint (it had 0)\n")


def test_the_operator_enrolls_a_witness_by_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANDOVER_HOME", str(tmp_path / "home"))
    make_service(tmp_path / "home", "http://127.0.0.1:8443", LOG, SignKey.generate("root").public)
    assert run("admin", "witness", "add", WITNESS.print()) == (0, f"{NAME} is enrolled\n")
    code, out = run("admin", "witness", "add", WITNESS.print(), "--json")
    assert (code, json.loads(out)) == (0, {"witness": NAME})
    assert run("admin", "witness", "add", "x")[0] == 2


def test_an_export_is_verified_against_what_a_witness_cosigned(lite: Story, tmp_path: Path) -> None:
    """K8"""
    note, export = head_note(lite), tmp_path / "export"
    with export.open("wb") as file:
        lite.region.parts.journal.export(file)
    key, kept = tmp_path / "verifiers.txt", tmp_path / "kept.note"
    key.write_text(print_verifier(JOURNAL, lite.region.parts.log_key.public))
    kept.write_bytes(cosigned(note, 1_795_341_600))
    words = ("journal", "verify", export, "--key", key)
    code, out = run(*words, "--checkpoint", kept, "--witness", WITNESS.print())
    assert code == 0
    assert f"witnessed by {NAME} at 2026-11-22T10:00:00Z, size {lite.size()}" in out.splitlines()
    code, out = run(*words, "--checkpoint", kept, "--witness", WITNESS.print(), "--json")
    assert json.loads(out)["checked"][-1] == f"witnessed by {NAME} at 2026-11-22T10:00:00Z, size {lite.size()}"
    code, out = run(*words, "--witness", WITNESS.print())
    assert (code, "--witness says who cosigned the --checkpoint" in out) == (2, True)
    kept.write_bytes(note)
    refused = (2, "handover: CHECKPOINT: the witness has not cosigned the checkpoint\n")
    assert run(*words, "--checkpoint", kept, "--witness", WITNESS.print()) == refused
    kept.write_bytes(cosigned(signed_by_log(lite, lite.size(), bytes(32))))
    code, out = run(*words, "--checkpoint", kept, "--witness", WITNESS.print())
    assert (code, "aren't those of the checkpoint kept elsewhere" in out) == (2, True)
