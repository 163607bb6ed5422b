"""The demo's register, boards, schools, FG, witness and service, made from nothing."""

from pathlib import Path
from typing import Final

from handover.admin import TRUST
from handover.demo.play import EXAMINED, LAWFUL, OTHER, RECEIVER, SENDER, Play, Words
from handover.demo.stage import School

LOG_NAME: Final = "demo.overdracht"
BOARDS: Final = {
    "de-linde": ("toestemming", (SENDER,)),
    "het-baken": ("toestemming", (RECEIVER, OTHER)),
    "de-eik": ("wettelijk", (LAWFUL,)),
}
"""Each board's policy and schools."""


def prepare(play: Play) -> None:
    """Make the register, three boards with four schools, and the service; nothing is taken from anywhere."""
    stage, register = play.stage, play.stage.folder / "register"
    register.mkdir(mode=0o700)
    stage.do("key", "identity", "--root", "--out", register / "root")
    for board, (policy, schools) in BOARDS.items():
        _make_board(play, register, board, policy, schools)
    words: Words = ["admin", "init", "--origin", stage.origin, "--log", LOG_NAME, "--root", register / "root.pub"]
    stage.do(*words)
    stage.trust.write_bytes((stage.home / TRUST).read_bytes())
    for board in BOARDS:
        papers = stage.folder / board
        (joined,) = stage.told("admin", "join", "--certificate", papers / "certificate", "--policy", papers / "policy")
        play.say(f"   {joined}")
    stage.start()
    stage.do("key", "publish", *(school.public for school in play.schools.values()))
    play.say(f"   A service runs on {stage.origin}, with SQLite and a folder. Four schools have published their keys.")
    _state_examiner(play, stage.folder / EXAMINED)


def _make_board(play: Play, register: Path, board: str, policy: str, schools: tuple[str, ...]) -> None:
    stage, papers = play.stage, play.stage.folder / board
    papers.mkdir(mode=0o700)
    stage.do("key", "identity", "--out", papers / "identity")
    named: Words = [word for school in schools for word in ("--school", school)]
    certify: Words = ["--root", register / "root", "--identity", papers / "identity.pub", "--board", board]
    certify += ["--name", f"Bestuur {board}", *named, "--out", papers / "certificate"]
    stage.do("key", "certify", *certify)
    chosen: Words = ["--board", board, "--policy", policy, "--consent-level", "low", "--explicit-level", "low"]
    stage.do("key", "policy", "--identity", papers / "identity", *chosen, "--out", papers / "policy")
    for code in schools:
        school = School(code, papers / code)
        school.folder.mkdir(mode=0o700)
        (school.folder / "state").mkdir(mode=0o700)
        keys: Words = ["--school", code, "--identity", papers / "identity", "--public", school.public]
        stage.do("key", "new", "--out", school.keyfile, *keys)
        play.schools[code] = school


def _state_examiner(play: Play, papers: Path) -> None:
    """Let a board state who its FG is; the FG watches the journal too, from a machine that isn't the operator's."""
    stage, examiner = play.stage, play.examiner
    examiner.folder.mkdir(mode=0o700)
    stage.do("key", "identity", "--dpo", "--out", examiner.keyfile)
    public = examiner.folder / "key.pub"
    named: Words = ["--board", papers.name, "--name", examiner.name, "--mail", f"fg@{papers.name}.example"]
    stage.do("key", "dpo", "--identity", papers / "identity", *named, "--public", public, "--out", papers / "fg.stated")
    stage.do("key", "publish", papers / "fg.stated")
    watch: Words = ["--name", f"fg.{papers.name}.example", "--trust", stage.trust, "--out", examiner.witness]
    stage.do("admin", "witness", "add", stage.do("witness", "init", *watch)["verifier"])
    play.say(f"   Board {papers.name} has signed who its FG is. The FG's own machine watches the journal as a witness.")
