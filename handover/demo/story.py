"""The story that the demo plays, scene by scene. Each scene checks that what was answered is what the story says."""

import json
import shutil
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

from handover.demo.file import REPORT, oso_file
from handover.demo.stage import Answer, DemoFailed, School, Stage

SECTIONS: Final = ("okr", "opp", "lvs", "attendance", "support", "reports")
STATUTORY: Final = ("okr", "lvs", "attendance", "support")
LOG_NAME: Final = "demo.overdracht"
Words = list[str | Path]


@dataclass
class Play:
    """What the scenes share: the stage, how to tell, and who and what has come up so far."""

    stage: Stage
    say: Callable[[str], None]
    schools: dict[str, School] = field(default_factory=dict)
    people: dict[str, list[str]] = field(default_factory=dict)
    pupils: dict[str, str] = field(default_factory=dict)
    tokens: list[str] = field(default_factory=list)
    transfer: str = ""
    fetched: int = 0

    def expect(self, what: str, held: bool) -> None:
        """Stop the demo when something isn't as told."""
        if not held:
            raise DemoFailed(f"the story says: {what}; it isn't so")

    def sender_hears(self, transfer: str, by: str, section: str) -> str:
        """Let the sender look, and tell what the service says about a section."""
        row = self.row(transfer, by)
        decisions = row["decisions"]
        assert isinstance(decisions, dict)
        decision = decisions[section]
        reason = "granted" if decision["granted"] else str(decision["reason"])
        allows = "" if decision["granted"] else f" What would allow it: {decision['allows']}"
        self.say(f"   sender hears    {section}: {reason}.{allows}")
        return reason

    def row(self, transfer: str, by: str) -> Answer:
        """Give a transfer as its sender sees it in its list."""
        listed = self.stage.do("transfer", "list", by=self.schools[by])
        rows: list[Answer] = listed["transfers"]
        return next(row for row in rows if row["transfer"] == transfer)

    def fetch(self, transfer: str, by: str) -> Path | None:
        """Let the receiver fetch all it can get; None when nothing was released."""
        self.fetched += 1
        out = self.schools[by].folder / f"fetched-{self.fetched}"
        ran = self.stage.run("fetch", transfer, "--out", out, "--json", by=self.schools[by])
        if ran.code == 2:
            self.say(f"   receiver hears  {ran.err.removeprefix('handover: ')}")
            return None
        opened = ", ".join(sorted(ran.json["sections"]))
        self.say(f"   receiver gets   {opened}")
        return out


def prepare(play: Play) -> None:
    """Make the register, three boards with four schools, and the service; nothing is taken from anywhere."""
    stage, register = play.stage, play.stage.folder / "register"
    register.mkdir(mode=0o700)
    stage.do("key", "identity", "--root", "--out", register / "root")
    boards = {
        "de-linde": ("toestemming", ("99AA00",)),
        "het-baken": ("toestemming", ("99BB00", "99BB01")),
        "de-eik": ("wettelijk", ("99CC00",)),
    }
    for board, (policy, schools) in boards.items():
        _make_board(play, register, board, policy, schools)
    words: Words = ["admin", "init", "--origin", stage.origin, "--log", LOG_NAME, "--root", register / "root.pub"]
    stage.do(*words)
    root = (register / "root.pub").read_text("utf-8").strip()
    stage.trust.write_text(f"{root}\n{(stage.home / 'verifiers.txt').read_text('utf-8')}", "utf-8")
    for board in boards:
        papers = stage.folder / board
        joined = stage.run("admin", "join", "--certificate", papers / "certificate", "--policy", papers / "policy")
        play.expect(f"board {board} joins ({joined.err})", joined.code == 0)
        play.say(f"   {joined.out.strip()}")
    stage.start()
    for school in play.schools.values():
        stage.do("key", "publish", school.public)
    play.say(f"   A service runs on {stage.origin}, with SQLite and a folder. Four schools have published their keys.")


def _make_board(play: Play, register: Path, board: str, policy: str, schools: tuple[str, ...]) -> None:
    stage, papers = play.stage, play.stage.folder / board
    papers.mkdir(mode=0o700)
    stage.do("key", "identity", "--out", papers / "identity")
    named: Words = [word for school in schools for word in ("--school", school)]
    certify: Words = [
        "key",
        "certify",
        "--root",
        register / "root",
        "--identity",
        papers / "identity.pub",
        "--board",
        board,
    ]
    stage.do(*certify, "--name", f"Bestuur {board}", *named, "--out", papers / "certificate")
    chosen: Words = ["--board", board, "--policy", policy, "--consent-level", "low", "--explicit-level", "low"]
    stage.do("key", "policy", "--identity", papers / "identity", *chosen, "--out", papers / "policy")
    for code in schools:
        school = School(code, papers / code)
        school.folder.mkdir(mode=0o700)
        (school.folder / "state").mkdir(mode=0o700)
        keys: Words = ["--school", code, "--identity", papers / "identity", "--public", school.public]
        stage.do("key", "new", "--out", school.keyfile, *keys)
        play.schools[code] = school


def read_the_file(play: Play) -> None:
    """The school's system exports an OSO file; it is read and checked."""
    file = play.stage.folder / "export.xml"
    file.write_bytes(oso_file(date.today()))  # noqa: DTZ011 - a school's calendar is local
    ran = play.stage.run("oso", "read", file)
    play.expect("the OSO file reads", ran.code == 0)
    dossier = json.loads(ran.out)
    play.say(
        f"   read {len(dossier['sections'])} sections and {len(dossier['documents'])} documents from an OSO 2019.1 file"
    )
    for line in ran.err.splitlines():
        play.say(f"   {line}")


def open_transfer(play: Play, sender: str, receiver: str) -> str:
    """Register the pupil with two guardians, open a transfer, confirm the application, invite both."""
    stage, school = play.stage, play.schools[sender]
    holders = [
        {"name": "Sanne Voorbeeld", "mail": "sanne@gezin.example", "role": "guardian"},
        {"name": "Karim Denkbeeld", "mail": "karim@gezin.example", "role": "guardian"},
    ]
    evidence = {"kind": "gezagsregister", "date": datetime.now(UTC).date().isoformat(), "staff": "s-001"}
    pupil = {
        "number": "L-2042",
        "first_name": "Noor",
        "birth_date": f"{datetime.now(UTC).year - 12}-03-14",
        "custody": {"holders": holders, "evidence": evidence},
    }
    file = school.folder / "pupil.json"
    file.write_text(json.dumps(pupil), "utf-8")
    made = stage.do("transfer", "pupil", file, by=school)
    file.unlink()
    play.pupils[sender] = made["pupil"]
    play.people[sender] = [person["person"] for person in made["persons"]]
    words: Words = ["--pupil", made["pupil"], "--to", receiver, "--route", "POVO", "--purpose", "placement"]
    transfer: str = stage.do("transfer", "new", *words, "--sections", ",".join(SECTIONS), by=school)["transfer"]
    stage.do("transfer", "apply", transfer, by=play.schools[receiver])
    play.tokens = []
    for person in play.people[sender]:
        stage.do("transfer", "invite", transfer, person, by=school)
        play.tokens.append(stage.newest_token())
    play.say(f"   transfer {transfer[:8]}: {sender} to {receiver}, asked: {', '.join(SECTIONS)}")
    return transfer


def seal_and_send(play: Play, transfer: str, sender: str, receiver: str, name: str, file: Path) -> Path:
    """Pack the dossier for the receiver alone, and send it with its release shares."""
    stage, school = play.stage, play.schools[sender]
    to = school.folder / f"{name}.to"
    stage.do("key", "get", receiver, "--out", to, by=school)
    bundle, shares = school.folder / f"{name}.bundle", school.folder / f"{name}.shares"
    words: Words = [
        "--transfer",
        transfer,
        "--purpose",
        "placement",
        "--route",
        "POVO",
        "--from",
        school.keyfile,
        "--to",
        to,
    ]
    packed = stage.do("pack", file, *words, "--out", bundle, "--shares", shares, "--sections", ",".join(SECTIONS))
    for left in packed["left_out"]:
        play.say(f"   left out        {left['place']}: {left['rule']}")
    stage.do("send", transfer, bundle, "--shares", shares, by=school)
    play.say(
        f"   sealed and sent {bundle.stat().st_size:,} bytes; the shares file was deleted after the service had it"
    )
    play.expect("the shares are gone from the sender's disk", not shares.exists())
    return bundle


def one_guardian_missing(play: Play) -> None:
    """One guardian says yes to all; the other hasn't answered."""
    play.transfer = open_transfer(play, "99AA00", "99BB00")
    seal_and_send(play, play.transfer, "99AA00", "99BB00", "first", play.stage.folder / "export.xml")
    play.stage.answer(play.tokens[0], SECTIONS)
    play.say("   guardian 1      yes to all; guardian 2 hasn't answered")
    play.expect("nothing is released", play.fetch(play.transfer, "99BB00") is None)
    heard = play.sender_hears(play.transfer, "99AA00", "okr")
    play.expect("GUARDIAN_MISSING", heard == "GUARDIAN_MISSING")


def all_but_the_report(play: Play) -> None:
    """The second guardian grants all but the report: it is released without it, and nothing tells of it."""
    play.stage.answer(play.tokens[1], [name for name in SECTIONS if name != "reports"], ["reports"])
    play.say("   guardian 2      yes to all but the report")
    out = play.fetch(play.transfer, "99BB00")
    assert out is not None
    told = b"".join(path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file() and path.name != "bundle")
    names = [path.name for path in out.rglob("*")]
    play.expect("the report isn't there", REPORT.encode() not in told and not any(REPORT in name for name in names))
    play.expect("the page is there", (out / "dossier" / "index.html").is_file())
    play.say("   opened          a page, the dossier and its documents; no report, and no word of one")
    play.expect("GUARDIAN_OBJECTS", play.sender_hears(play.transfer, "99AA00", "reports") == "GUARDIAN_OBJECTS")


def others_try(play: Play) -> None:
    """Another school, a changed byte, another school's key: each is refused."""
    stage, other, receiver = play.stage, play.schools["99BB01"], play.schools["99BB00"]
    refused = stage.refused("fetch", play.transfer, "--out", other.folder / "x", by=other)
    play.say(f"   another school asks:             {_first(refused)}")
    fetched = receiver.folder / f"fetched-{play.fetched}"
    sender, again = play.schools["99AA00"].public, fetched / "again"
    opening: Words = ["--sender", sender, "--shares", fetched / "shares.json", "--out", again]
    refused = stage.refused("open", fetched / "bundle", "--key", other.keyfile, *opening)
    play.say(f"   another school opens the file:   {_first(refused)}")
    data = bytearray((fetched / "bundle").read_bytes())
    data[len(data) // 2] ^= 1
    changed = fetched / "bundle.changed"
    changed.write_bytes(data)
    refused = stage.refused("open", changed, "--key", receiver.keyfile, *opening)
    play.say(f"   one bit of it was changed:       {_first(refused)}")
    play.expect("no plaintext was left behind", not again.exists() and not list(fetched.glob(".again*")))
    _swapped_key(play)


def _swapped_key(play: Play) -> None:
    """Somebody puts other keys in the receiver's place; the sender's own check of the key log notices."""
    stage, sender, forger = play.stage, play.schools["99AA00"], play.stage.folder / "de-eik"
    forged = forger / "forged.pub"
    words: Words = [
        "--school",
        "99BB00",
        "--identity",
        forger / "identity",
        "--previous",
        play.schools["99BB00"].public,
    ]
    stage.do("key", "new", "--out", forger / "forged", "--public", forged, *words)
    bundle, shares = sender.folder / "swapped.bundle", sender.folder / "swapped.shares"
    files: Words = ["--from", sender.keyfile, "--to", forged, "--out", bundle, "--shares", shares]
    order = ["--transfer", play.transfer, "--purpose", "placement", "--route", "POVO", "--sections", ",".join(SECTIONS)]
    stage.do("pack", stage.folder / "export.xml", *order, *files)
    refused = stage.refused("send", play.transfer, bundle, "--shares", shares, by=sender)
    play.say(f"   sealed to a swapped public key:  {_first(refused)}")
    play.say(f"   that key put to the service:     {_first(stage.refused('key', 'publish', forged))}")


def _first(said: str) -> str:
    return said.removeprefix("handover: ").splitlines()[0]


def corrected_version(play: Play) -> None:
    """The parents correct a fact; a later version takes the place of the first."""
    file = play.stage.folder / "corrected.xml"
    text = (play.stage.folder / "export.xml").read_text("utf-8")
    file.write_text(text.replace("<advies>40</advies>", "<advies>42</advies>"), "utf-8")
    seal_and_send(play, play.transfer, "99AA00", "99BB00", "second", file)
    rows: list[Answer] = play.stage.do("inbox", by=play.schools["99BB00"])["transfers"]
    play.expect("the receiver is told of the new version", rows[0]["superseded"])
    out = play.fetch(play.transfer, "99BB00")
    assert out is not None
    play.expect("the new advice arrived", b'"42"' in (out / "dossier" / "dossier.json").read_bytes())
    play.say("   receiver sees   a newer version, and has it; the shares of the first were destroyed")


def withdrawal(play: Play) -> None:
    """A guardian withdraws: as easy as granting, and the next fetch is refused."""
    body = {"token": play.tokens[1], "sections": list(SECTIONS), "destroy_now": False}
    told = play.stage.family("withdrawal", body)
    play.say(f"   guardian 2      withdraws; is told what was opened already: {', '.join(told['opened'])}")
    play.expect("nothing is released any more", play.fetch(play.transfer, "99BB00") is None)
    play.expect("WITHDRAWN", play.sender_hears(play.transfer, "99AA00", "okr") == "WITHDRAWN")


def acknowledgement(play: Play) -> None:
    """The receiver confirms receipt and says that the pupil is placed; the sender sees it."""
    play.stage.do("ack", play.transfer, "--placed", "--used-for", "class", by=play.schools["99BB00"])
    row = play.row(play.transfer, "99AA00")
    play.expect("the sender sees the acknowledgement", row["acknowledgement"]["placed"] is True)
    play.say(f"   sender sees     received, placed, used for: {', '.join(row['acknowledgement']['used_for'])}")


def under_the_law(play: Play) -> None:
    """The same dossier from a board that chose `wettelijk`: inzage, waiting, and then the release."""
    stage, sender = play.stage, play.schools["99CC00"]
    transfer = open_transfer(play, "99CC00", "99BB00")
    seal_and_send(play, transfer, "99CC00", "99BB00", "law", stage.folder / "export.xml")
    stage.do("transfer", "law", transfer, "--sections", ",".join(STATUTORY), by=sender)
    play.expect("INZAGE_MISSING", play.sender_hears(transfer, "99CC00", "okr") == "INZAGE_MISSING")
    for token in play.tokens:
        _inzage(play, token, done=False)
    play.say("   both guardians  have read these versions; the waiting time of 14 days runs")
    play.expect("WAITING", play.sender_hears(transfer, "99CC00", "okr") == "WAITING")
    play.expect("nothing is released yet", play.fetch(transfer, "99BB00") is None)
    for token in play.tokens:
        _inzage(play, token, done=True)
    play.say("   both guardians  say that they need no more time")
    out = play.fetch(transfer, "99BB00")
    play.expect("the statutory sections are released, and no others", out is not None)


def _inzage(play: Play, token: str, *, done: bool) -> None:
    asked = play.stage.family("question", {"token": token})
    versions = {row["section"]: row["version"] for row in asked["sections"] if row["requirement"] == "statutory"}
    play.stage.family("inzage", {"token": token, "versions": versions, "done": done})


def journal_verified(play: Play) -> None:
    """The journal is exported and verified offline; then one row is edited, and the verifier names it."""
    stage = play.stage
    checkpoint = stage.folder / "checkpoint.txt"
    checkpoint.write_bytes(_checkpoint(stage))
    exported = stage.folder / "journal.jsonl"
    entries = stage.do("journal", "export", exported)["entries"]
    kept: Words = ["--key", stage.home / "verifiers.txt", "--checkpoint", checkpoint]
    report = stage.do("journal", "verify", exported, *kept)
    play.expect("the journal verifies", not report["findings"])
    play.say(f"   {entries} entries verified offline, against the log's key and a checkpoint that had left the house")
    edited = entries // 2
    with _database(stage) as rows:
        before = rows.execute("SELECT leaf FROM journal_leaf WHERE idx = ?", (edited,)).fetchone()[0]
        changed = before[:-1] + bytes([before[-1] ^ 1])
        rows.execute("UPDATE journal_leaf SET leaf = ? WHERE idx = ?", (changed, edited))
    tampered = stage.folder / "journal-edited.jsonl"
    stage.do("journal", "export", tampered)
    ran = stage.run("journal", "verify", tampered, *kept, "--json")
    play.expect("the verifier refuses", ran.code == 2)
    found = next(line for line in ran.json["findings"] if f"entry {edited}:" in line)
    play.say(f"   row {edited} edited in the database; the verifier says: {found}")
    with _database(stage) as rows:
        rows.execute("UPDATE journal_leaf SET leaf = ? WHERE idx = ?", (before, edited))


def older_copy(play: Play) -> None:
    """An older copy of the main database is put back, with its older consents: the service refuses to start."""
    stage = play.stage
    older, present = stage.folder / "older.sqlite", stage.home / "main.sqlite"
    stage.stop()
    _copy(present, older)
    stage.start()
    play.stage.family("withdrawal", {"token": play.tokens[0], "sections": ["okr"], "destroy_now": False})
    stage.stop()
    for leftover in (present, present.with_name("main.sqlite-wal"), present.with_name("main.sqlite-shm")):
        leftover.unlink(missing_ok=True)
    shutil.copyfile(older, present)
    refused = stage.refused("serve")
    play.expect("the start is refused as a rollback", "ROLLBACK" in refused)
    play.say(f"   the service:    {_first(refused)}")


def _checkpoint(stage: Stage) -> bytes:
    import httpx

    return httpx.get(f"{stage.origin}/v1/journal/checkpoint", timeout=10).content


def _database(stage: Stage) -> sqlite3.Connection:
    return sqlite3.connect(stage.home / "main.sqlite")


def _copy(source: Path, target: Path) -> None:
    with sqlite3.connect(source) as original, sqlite3.connect(target) as copy:
        original.backup(copy)


SCENES: Final[Mapping[str, Callable[[Play], None]]] = {
    "A register, three boards, four schools and a service, from nothing": prepare,
    "The school's system exports an OSO file": read_the_file,
    "One guardian hasn't answered": one_guardian_missing,
    "The second grants all but the report": all_but_the_report,
    "Others try": others_try,
    "A corrected version replaces the first": corrected_version,
    "A guardian withdraws": withdrawal,
    "The receiver acknowledges": acknowledgement,
    "The same dossier, from a board that chose `wettelijk`": under_the_law,
    "The journal, verified offline and then edited": journal_verified,
    "An older copy of the database put back": older_copy,
}
"""Title and scene, in the order of the story."""
