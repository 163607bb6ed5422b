"""Scenes of the demo in which the operator's databases are edited, put back and forked, and who notices."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from crypto.checkpoint import parse_checkpoint
from handover.demo.play import LAWFUL, RECEIVER, SENDER, Play, Words
from handover.demo.stage import Answer, Stage

MAIN: Final = "main.sqlite"
KEYS: Final = "keystore.sqlite"
KEPT: Final = "checkpoint.txt"
"""A checkpoint of the journal that left the house: what everything later is verified against."""


def journal_verified(play: Play) -> None:
    """The journal is exported and verified offline; then one row is edited, and the verifier names it."""
    stage = play.stage
    (stage.folder / KEPT).write_bytes(stage.checkpoint())
    entries = verified(play, "journal.jsonl")["size"]
    play.say(f"   {entries} entries verified offline, against the log's key and a checkpoint that had left the house")
    edited = entries // 2
    with closing(sqlite3.connect(stage.home / MAIN)) as rows, rows:
        before = rows.execute("SELECT leaf FROM journal_leaf WHERE idx = ?", (edited,)).fetchone()[0]
        changed = before[:-1] + bytes([before[-1] ^ 1])
        rows.execute("UPDATE journal_leaf SET leaf = ? WHERE idx = ?", (changed, edited))
    tampered = stage.folder / "journal-edited.jsonl"
    stage.do("journal", "export", tampered)
    found = refused_at(play, tampered, edited)
    play.say(f"   row {edited} edited in the database; the verifier says: {found}")
    with closing(sqlite3.connect(stage.home / MAIN)) as rows, rows:
        rows.execute("UPDATE journal_leaf SET leaf = ? WHERE idx = ?", (before, edited))


def verified(play: Play, name: str) -> Answer:
    """Export the whole journal and verify it against the checkpoint that was kept; gives the verifier's report."""
    exported = play.stage.folder / name
    play.stage.do("journal", "export", exported)
    report = play.stage.do("journal", "verify", exported, *against(play.stage))
    play.expect("the journal verifies", not report["findings"])
    return report


def refused_at(play: Play, exported: Path, index: int) -> str:
    """Let the verifier refuse an export; gives the finding that names this entry."""
    ran = play.stage.run("journal", "verify", exported, *against(play.stage), "--json")
    play.expect("the verifier refuses", ran.code == 2)
    findings: list[str] = ran.json["findings"]
    return next(line for line in findings if f"entry {index}:" in line)


def against(stage: Stage) -> Words:
    """Name what an export is verified against: the log's key, and the checkpoint that was kept."""
    return ["--key", stage.trust, "--checkpoint", stage.folder / KEPT]


def older_copy(play: Play) -> None:
    """An older copy of the main database is put back, with its older consents: the service refuses to start."""
    stage = play.stage
    stage.stop()
    _keep(stage, "older")
    stage.start()
    play.say(f"   the witness     {_cosigned(play)}")
    stage.family("withdrawal", {"token": play.tokens[LAWFUL][0], "sections": ["reports"], "destroy_now": False})
    play.say("   a guardian      withdraws")
    play.say(f"   the witness     {_cosigned(play)}")
    stage.stop()
    _keep(stage, "present")
    _put_back(stage, "older", MAIN)
    refused = stage.refused("serve")
    play.expect("the start is refused as a rollback", "ROLLBACK" in refused)
    play.say(f"   the operator    puts an older main database back; the service: {refused}")


def forked_log(play: Play) -> None:
    """Both databases are put back together and the log grows on: inside all fits, only the witness can tell."""
    stage, witness = play.stage, play.examiner.witness
    _put_back(stage, "older", MAIN, KEYS)
    stage.start()
    play.say("   the operator    puts both databases back; they agree with each other, and the service starts")
    (log,) = stage.do("witness", "show", "--state", witness)["logs"]
    while parse_checkpoint(stage.checkpoint()).size < log["size"]:
        stage.family("question", {"token": play.tokens[SENDER][0]})
    play.say("   the log         grows on without the withdrawal, as far as the witness had seen it")
    play.say(f"   the witness     {stage.refused('witness', 'check', '--state', witness).split('; evidence')[0]}")
    play.expect("nothing is released any more", play.fetch(play.transfer, RECEIVER) is None)
    stage.stop()
    _put_back(stage, "present", MAIN, KEYS)
    stage.start()
    play.say(f"   the operator    puts the true databases back; the witness: {_cosigned(play)}")


def _cosigned(play: Play) -> str:
    (line,) = play.stage.told("witness", "check", "--state", play.examiner.witness)
    return line


def _keep(stage: Stage, name: str) -> None:
    """Copy both databases of a service that doesn't run."""
    folder = stage.folder / name
    folder.mkdir(mode=0o700)
    for database in (MAIN, KEYS):
        there, here = sqlite3.connect(stage.home / database), sqlite3.connect(folder / database)
        with closing(there) as original, closing(here) as copy:
            original.backup(copy)


def _put_back(stage: Stage, name: str, *databases: str) -> None:
    for database in databases:
        present = stage.home / database
        for leftover in (present, *(present.with_name(database + end) for end in ("-wal", "-shm"))):
            leftover.unlink(missing_ok=True)
        shutil.copyfile(stage.folder / name / database, present)
