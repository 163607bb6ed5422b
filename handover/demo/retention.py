"""Scenes of the demo in which time has gone by: what may no longer be kept is destroyed, and the proofs still hold."""

import json
from typing import Final

from handover.demo.play import EXAMINED, SENDER, Play
from handover.demo.tampering import verified
from handover.fetching import RECEIPTS
from handover.receipts import verify_release
from handover.trust import read_trust

MONTH: Final = 32
YEARS: Final = 5 * 366
"""Days from now: past the 30 days after the acknowledgement, and past the five years after the last release."""


def a_month_later(play: Play) -> None:
    """The sweep first says what it would destroy, why and since when; then it does."""
    stage = play.stage
    for line in stage.told("admin", "sweep", "--dry-run", days=MONTH):
        if not line.endswith(": 0"):
            play.say(f"   dry run    {line}")
    swept = stage.do("admin", "sweep", days=MONTH)["done"]
    done = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in swept.items() if count)
    play.say(f"   swept      {done}")
    play.expect("the delivered bundle is destroyed", swept["delivered_bundle"] > 0)


def certificate(play: Play) -> None:
    """Once a backup is confirmed, the epoch's key goes too; the FG verifies the certificate of that, offline."""
    stage, file = play.stage, play.examiner.folder / "certificate.json"
    copies = stage.folder / "backup"
    stage.do("admin", "backup", "--out", copies, days=MONTH)
    (epoch,) = stage.do("admin", "backup", "--confirm", copies, days=MONTH)["epochs_ended"]
    play.say(f"   a backup is safe elsewhere; the key of epoch {epoch} is destroyed")
    stage.do("admin", "certificate", "--epoch", str(epoch), "--board", EXAMINED, "--out", file, days=MONTH)
    for line in stage.told("audit", "certificate", file, by=play.examiner):
        play.say(f"     {line}")


def five_years_later(play: Play) -> None:
    """The sweep stops at a calendar that leapt; told that it is right, it erases the pupil. The proofs still hold."""
    stage = play.stage
    play.say(f"   the sweep       {stage.refused('admin', 'sweep', days=YEARS)}")
    swept = stage.do("admin", "sweep", "--accept-due", "1", "--accept-clock", days=YEARS)["done"]
    play.expect("pupils are erased", swept["released_pupil"] > 0)
    play.say(f"   told to go on   it erases {swept['released_pupil']} pupils")
    play.expect("no transfer is left", stage.told("transfer", "list", by=play.schools[SENDER]) == ["no transfers"])
    play.say("   sender sees     no transfers any more")
    size = _receipt_holds(play)
    play.say(f"   receiver's own  receipt of the release of okr still verifies, in a journal of {size} entries then")
    report = verified(play, "journal-erased.jsonl")
    play.say(
        f"   the journal     of {report['size']} entries verifies against the checkpoint that left the house then:"
    )
    play.say(f"                   {next(line for line in report['checked'] if 'erased' in line)}")


def _receipt_holds(play: Play) -> int:
    """Verify a receipt as the receiver kept it, offline; gives how large the journal was when it was made."""
    folder = next(folder for folder in play.opened if (folder / RECEIPTS / "okr.json").exists())
    kept = json.loads((folder / RECEIPTS / "okr.json").read_bytes())
    said = {"transfer": play.transfer, "bundle": kept["bundle"], "sections": ["okr"]}
    return verify_release(kept["receipt"], read_trust(play.stage.trust), **said).size
