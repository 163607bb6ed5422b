"""The story that most tests of the service begin with: who is there, and how far a transfer has come."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import time_machine
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from consent.db import Keys, Main, reading
from consent.entry import Opened
from consent.tables import JournalHead, JournalLookup
from consent.terms import Section
from crypto.seal import Content, Sealed
from handover.accesslog import Did
from tests.conftest import Databases
from tests.region import Child, Region, expect, now

PO, PO_TOO = "11AA00", "11AA01"
VO = "22BB00"
OTHER = "33CC00"
ASKED = ("okr", "opp", "lvs", "reports")


@dataclass
class Case:
    """One transfer with its pupil, the tokens of those who decide, and the bundles sent so far."""

    story: "Story"
    child: Child
    transfer: str
    sender: str = PO
    receiver: str = VO
    tokens: list[str] = field(default_factory=list)
    bundles: list[Sealed] = field(default_factory=list)

    @property
    def path(self) -> str:
        return f"/v1/transfers/{self.transfer}"

    def send(self, status: int = 201, contents: dict[str, Content] | None = None, **changed: Any) -> dict[str, Any]:
        """Seal and upload; a second bundle names the first."""
        region = self.story.region
        before = self.bundles[-1].core.bundle if self.bundles else None
        options = {"supersedes": before} | changed
        transfer = options.pop("transfer", self.transfer)
        data, sealed = region.seal(transfer, self.sender, self.receiver, contents, **options)
        answer = region.upload(self.sender, self.transfer, data, status)
        if status == 201:
            self.bundles.append(sealed)
        return answer

    def say(self, who: int, status: int = 200, **answers: str) -> dict[str, Any]:
        """Let one of those who decide answer: `okr="yes"`."""
        return self.story.region.answer(self.tokens[who], status, **answers)

    def all_say(self, **answers: str) -> None:
        for who in range(len(self.tokens)):
            self.say(who, **answers)

    def family(self, what: str, who: int = 0, status: int = 200, **body: Any) -> dict[str, Any]:
        return self.story.region.family(what, {"token": self.tokens[who], **body}, status)

    def ask(self, *sections: str, status: int = 200, **options: Any) -> TestResponse:
        """Let the receiver ask for sections; the answer is read to its end."""
        response = expect(self.story.region.release(self.receiver, self.transfer, *sections, **options), status)
        response.get_data()
        return response

    def why(self, section: str = "okr") -> str | None:
        """Give the sender's reason for a section, or None where it may go."""
        reason: str | None = self.for_sender()["decisions"][section]["reason"]
        return reason

    def refused(self, reason: str, section: str = "okr") -> None:
        """Check that a request is refused for this reason, that the journal and the sender know, and nobody else."""
        answer = self.ask(section, status=403)
        assert answer.get_json()["code"] == "NOT_AUTHORISED"
        assert reason not in answer.get_data(as_text=True)
        assert self.story.journal(Did.RELEASE)[-1].outcome == reason

    def for_sender(self) -> dict[str, Any]:
        return self.story.region.show(self.sender, self.transfer)

    def for_receiver(self) -> dict[str, Any]:
        return self.story.region.show(self.receiver, self.transfer)

    def versions(self, *sections: str) -> dict[str, str]:
        shown = self.for_sender()["bundle"]["versions"]
        return {name: shown[name] for name in sections}


class Story:
    """A region with three boards; `case` brings a transfer of a pupil's file up to where a test begins."""

    def __init__(self, databases: Databases, folder: Path) -> None:
        region = self.region = Region(databases, folder)
        self.keys = databases.keys
        region.board("po-noord", PO, PO_TOO)
        region.board("vo-zuid", VO)
        region.board("vo-oost", OTHER)

    def case(
        self,
        *,
        sections: Iterable[str] = ASKED,
        invited: bool = True,
        bundle: bool = True,
        child: Child | None = None,
        pupil: dict[str, Any] | None = None,
        **transfer: Any,
    ) -> Case:
        """Open a transfer, invite everybody who decides, and send a bundle."""
        child = child or self.region.pupil(PO, **(pupil or {}))
        case = Case(self, child, self.region.transfer(child, PO, VO, sections=tuple(sections), **transfer))
        if invited:
            case.tokens += [self.region.invite(PO, case.transfer, person) for person in child.persons]
        if bundle:
            own = {name: transfer[name] for name in ("purpose", "route") if name in transfer}
            case.send(**own)
        return case

    def agreed(self, *sections: str, **options: Any) -> Case:
        """Bring a transfer to where everybody has said yes to these sections (to `okr` when none is named)."""
        case = self.case(**options)
        case.all_say(**dict.fromkeys(sections or ("okr",), "yes"))
        return case

    def journal(self, *kinds: Did) -> list[Opened]:
        """Read the journal's entries of these kinds, or all of them, in order."""
        journal = self.region.parts.journal
        with reading(self.region.parts.main) as session:
            wanted = select(JournalLookup.index).order_by(JournalLookup.index)
            if kinds:
                wanted = wanted.where(JournalLookup.type.in_(map(int, kinds)))
            return [journal.read(session, index) for index in session.scalars(wanted)]

    def size(self) -> int:
        """Give how many entries the journal has."""
        with reading(self.region.parts.main) as session:
            return session.scalars(select(JournalHead.size)).one()

    def rows(self, *besides: str) -> dict[str, int]:
        """Count the rows of every table in both databases, besides those named: what a refusal must not change."""
        counts = {}
        for base, engine in ((Main, self.region.parts.main), (Keys, self.keys)):
            with reading(engine) as session:
                for table in base.metadata.sorted_tables:
                    if table.name not in besides:
                        counts[table.name] = session.scalar(select(func.count()).select_from(table)) or 0
        return counts


def merged(region: Region) -> tuple[str, str]:
    """Let a new board have two locations, of which the first one has ended its keys: gives both codes."""
    number = 40 + sum(code.startswith("vo-samen") for code in region.boards)
    old, new = f"{number}EE00", f"{number}EE01"
    region.board(f"vo-samen-{number}", old, new)
    region.publish(old, "seal", state="revoked")
    return old, new


@contextmanager
def later(**ahead: float) -> Iterator[None]:
    """Go through the block so much later: `later(days=15)`."""
    with time_machine.travel(now() + timedelta(**ahead)):
        yield


def everything() -> tuple[str, ...]:
    return tuple(map(str, Section))
