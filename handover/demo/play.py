"""What the scenes of the demo share: the stage, how to tell, and who and what has come up so far."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from handover.demo.stage import Answer, DemoFailed, Examiner, School, Stage

SECTIONS: Final = ("okr", "opp", "lvs", "attendance", "support", "reports")
SENDER: Final = "99AA00"
RECEIVER: Final = "99BB00"
OTHER: Final = "99BB01"
LAWFUL: Final = "99CC00"
"""Two schools that hand over, one that has nothing to do with it, and one of a board that chose the law."""

EXAMINED: Final = "de-linde"
"""The sender's board, whose FG looks at the log and watches over it as a witness."""

Words = list[str | Path]


@dataclass
class Play:
    """What the scenes share: the stage, how to tell, and who and what has come up so far."""

    stage: Stage
    say: Callable[[str], None]
    schools: dict[str, School] = field(default_factory=dict)
    people: dict[str, list[str]] = field(default_factory=dict)
    pupils: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, list[str]] = field(default_factory=dict)
    transfer: str = ""
    fetched: int = 0
    opened: list[Path] = field(default_factory=list)

    @property
    def examiner(self) -> Examiner:
        """The FG of the sender's board."""
        return Examiner("fg-1", self.stage.folder / EXAMINED / "fg")

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
        self.opened.append(out)
        return out
