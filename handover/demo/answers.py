"""Scenes of the demo in which a family answers, and what may leave follows its answers."""

from typing import Final

from handover.demo.dossiers import open_transfer, seal_and_send
from handover.demo.file import REPORT
from handover.demo.play import LAWFUL, RECEIVER, SECTIONS, SENDER, Play

STATUTORY: Final = ("okr", "lvs", "attendance", "support")


def one_guardian_missing(play: Play) -> None:
    """One guardian says yes to all; the other hasn't answered."""
    play.transfer = open_transfer(play, SENDER, RECEIVER)
    seal_and_send(play, play.transfer, SENDER, RECEIVER, "first", play.stage.folder / "export.xml")
    play.stage.answer(play.tokens[SENDER][0], SECTIONS)
    play.say("   guardian 1      yes to all; guardian 2 hasn't answered")
    play.expect("nothing is released", play.fetch(play.transfer, RECEIVER) is None)
    heard = play.sender_hears(play.transfer, SENDER, "okr")
    play.expect("GUARDIAN_MISSING", heard == "GUARDIAN_MISSING")


def all_but_the_report(play: Play) -> None:
    """The second guardian grants all but the report: it is released without it, and nothing tells of it."""
    play.stage.answer(play.tokens[SENDER][1], [name for name in SECTIONS if name != "reports"], ["reports"])
    play.say("   guardian 2      yes to all but the report")
    out = play.fetch(play.transfer, RECEIVER)
    assert out is not None
    told = b"".join(path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file() and path.name != "bundle")
    names = [path.name for path in out.rglob("*")]
    play.expect("the report isn't there", REPORT.encode() not in told and not any(REPORT in name for name in names))
    play.expect("the page is there", (out / "dossier" / "index.html").is_file())
    play.say("   opened          a page, the dossier and its documents; no report, and no word of one")
    play.expect("GUARDIAN_OBJECTS", play.sender_hears(play.transfer, SENDER, "reports") == "GUARDIAN_OBJECTS")


def withdrawal(play: Play) -> None:
    """A guardian withdraws: as easy as granting, and the next fetch is refused."""
    body = {"token": play.tokens[SENDER][1], "sections": list(SECTIONS), "destroy_now": False}
    told = play.stage.family("withdrawal", body)
    play.say(f"   guardian 2      withdraws; is told what was opened already: {', '.join(told['opened'])}")
    play.expect("nothing is released any more", play.fetch(play.transfer, RECEIVER) is None)
    play.expect("WITHDRAWN", play.sender_hears(play.transfer, SENDER, "okr") == "WITHDRAWN")


def under_the_law(play: Play) -> None:
    """The same dossier from a board that chose `wettelijk`: inzage, waiting, and then the release."""
    stage, sender = play.stage, play.schools[LAWFUL]
    transfer = open_transfer(play, LAWFUL, RECEIVER)
    seal_and_send(play, transfer, LAWFUL, RECEIVER, "law", stage.folder / "export.xml")
    stage.do("transfer", "law", transfer, "--sections", ",".join(STATUTORY), by=sender)
    play.expect("INZAGE_MISSING", play.sender_hears(transfer, LAWFUL, "okr") == "INZAGE_MISSING")
    for token in play.tokens[LAWFUL]:
        _inzage(play, token, done=False)
    play.say("   both guardians  have read these versions; the waiting time of 14 days runs")
    play.expect("WAITING", play.sender_hears(transfer, LAWFUL, "okr") == "WAITING")
    play.expect("nothing is released yet", play.fetch(transfer, RECEIVER) is None)
    for token in play.tokens[LAWFUL]:
        _inzage(play, token, done=True)
    play.say("   both guardians  say that they need no more time")
    out = play.fetch(transfer, RECEIVER)
    play.expect("the statutory sections are released, and no others", out is not None)


def _inzage(play: Play, token: str, *, done: bool) -> None:
    asked = play.stage.family("question", {"token": token})
    versions = {row["section"]: row["version"] for row in asked["sections"] if row["requirement"] == "statutory"}
    play.stage.family("inzage", {"token": token, "versions": versions, "done": done})
