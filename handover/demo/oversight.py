"""Scenes of the demo in which those look at the log who may: the family, and the FG of a board."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from zstandard import ZstdDecompressor

from handover.demo.play import SENDER, Play, Words
from handover.demo.stage import Answer, Guardian
from handover.demo.tampering import against, refused_at

TOLD: Final = frozenset({"released", "refused", "shred_done"})
"""Kinds of lines in a family's log of which the demo shows the newest."""

SHOWN: Final = 6
"""How many lines of a longer answer are shown."""


def family_looks(play: Play) -> None:
    """A guardian reads who had which section of the child's file, when, and on which consent."""
    file = play.stage.folder / "guardian-1.token"
    file.write_text(play.tokens[SENDER][0], "ascii")
    rows: list[Answer] = play.stage.do("family", "log", by=Guardian(file))["rows"]
    kinds = {(row["kind"], row["ground"]): row for row in reversed(rows) if row["kind"] in TOLD}
    play.say(f"   guardian 1 reads {len(rows)} lines, in Dutch or English; among them:")
    for row in sorted(kinds.values(), key=rows.index):
        play.say(f"     {row['nl']}")
        play.say(f"       {row['en']}")
    play.expect("the emergency is among them", ("released", "emergency") in kinds)


def _show(play: Play, who: str, lines: list[str]) -> None:
    play.say(f"   {who} ({len(lines)} lines):")
    for line in lines[:SHOWN]:
        play.say(f"     {line}")


def examiner_searches(play: Play) -> None:
    """The FG searches the board's own side, and lets patterns be looked for; both are entries themselves."""
    stage, examiner = play.stage, play.examiner
    for asked in (("--outcome", "WITHDRAWN"), ("--ground", "emergency")):
        found = stage.told("audit", "search", *asked, by=examiner)
        _show(play, f"search {' '.join(asked)}", found)
        play.expect("something is found", len(found) > 1)
    today = datetime.now(UTC).date()
    days: Words = ["--since", str(today - timedelta(days=1)), "--until", str(today + timedelta(days=1))]
    patterns = stage.do("audit", "patterns", *days, by=examiner)["patterns"]
    for pattern in patterns:
        if pattern["count"]:
            play.say(f"   pattern {pattern['name']}, {pattern['count']} times: {pattern['why']}")
    play.expect("the emergency is a pattern", any(one["name"] == "emergency" and one["count"] for one in patterns))
    looked = stage.told("audit", "search", "--kind", "audit_searched", by=examiner)
    _show(play, "and who searched", looked)


def examiner_exports(play: Play) -> None:
    """The FG's export is verified offline; after one character of it was changed the verifier names the place."""
    stage, examiner = play.stage, play.examiner
    exported = examiner.folder / "export.jsonl.zst"
    stage.do("audit", "export", exported, by=examiner)
    report = stage.do("journal", "verify", exported, *against(stage), by=examiner)
    play.expect("the export verifies", not report["findings"])
    play.say(f"   {report['size']} entries, of other boards the hash alone, verified on the FG's own machine:")
    for line in report["checked"]:
        play.say(f"     {line}")
    changed, index = _one_character_changed(exported)
    play.say(f"   one character of entry {index} changed; the verifier says: {refused_at(play, changed, index)}")


def _one_character_changed(exported: Path) -> tuple[Path, int]:
    """Change one character of a release in a copy of an export; gives the copy, and which entry it was."""
    with exported.open("rb") as file, ZstdDecompressor().stream_reader(file) as plain:
        lines = plain.read().splitlines(keepends=True)
    at, line = next((at, line) for at, line in enumerate(lines) if b'"evidence":[' in line)
    lines[at] = line.replace(b'"purpose":"placement"', b'"purpose":"placemend"')
    changed = exported.with_name("export-changed.jsonl")
    changed.write_bytes(b"".join(lines))
    return changed, json.loads(line)["n"]
