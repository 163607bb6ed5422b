"""A service that has lived a while: who stands where in its journal, and what others keep of it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Engine, select

from consent.db import reading
from consent.events import Kind
from consent.tables import (
    JournalLookup,
    core,
)
from crypto.keys import SignKey
from crypto.seal import Content
from handover.accesslog import SERVICE, Did, record
from handover.client import Client, Staff
from handover.directory import refresh
from handover.erasure import erase, finish
from handover.following import follow
from handover.roles import Role
from handover.tables import Bundle, KeyLogEntry, Transfer
from handover.witness import check, init
from handover.witnessing import enroll
from tests.faults.finders import (
    NAME,
    OPEN,
    WITHDRAWN,
    House,
    house_at,
    move_in,
    trust_of,
)
from tests.handover.story import VO, Story
from tests.region import now

CHILD = {
    "leerling": {"voornaam": ["Quirijntje"], "achternaam": "Steen", "geboortedatum": "2014-03-02", "geslacht": "1"}
}


@dataclass(frozen=True)
class Scene:
    """A service that is closed, what was kept elsewhere when it was last looked at, and who stands where in it."""

    story: Story
    folder: Path
    empty: Path
    early: Path
    late: Path
    elsewhere: Path
    outside: bytes
    pupil: str
    transfer: str
    bundle: Bundle
    at: dict[str, int]
    house: House
    talks: Client

    @property
    def log_key(self) -> SignKey:
        return self.story.region.parts.log_key

    @contextmanager
    def copy(self) -> Iterator[House]:
        """Give the house with a fresh copy of the service in it."""
        self.house.main.dispose()
        self.house.keys.dispose()
        move_in(self.folder, self.elsewhere, self.house.settings.home)
        yield self.house


def content(section: dict[str, Any] | None) -> Content:
    source = {"standard": "JSON", "version": "1"}
    more: dict[str, Any] = {"head": None, "section": section, "kept": [], "documents": []}
    return Content({"v": 1, "route": "POVO", "source": source, **more})


def lived(story: Story, keys: Engine, folder: Path, elsewhere: Path, origin: str) -> Scene:
    """Let a service live a while: a file with a withdrawal, another one, an erased pupil, and many entries more."""
    region = story.region
    parts = region.parts

    def closed(name: str) -> Path:
        parts.main.dispose()
        keys.dispose()
        return shutil.copytree(folder, folder.parent / name)

    fg = init(elsewhere / "fg", "fg.example/witness", {NAME: parts.log_key.public})
    enroll(parts, fg.cosigner.print())
    region.choose("vo-zuid", "wettelijk")
    empty = closed("empty")
    other = story.agreed("okr")
    gone = story.case()
    with parts.journal.act(pupil=gone.child.pupil) as act:
        erased = erase(parts, act, gone.child.pupil, SERVICE, "a term")
    finish(parts, erased)
    case = story.case(sections=(OPEN, WITHDRAWN), bundle=False)
    case.send(contents={OPEN: content(CHILD), WITHDRAWN: content(None)})
    case.all_say(**{OPEN: "yes", WITHDRAWN: "yes"})
    early = closed("early")
    case.family("withdrawal", 1, sections=[WITHDRAWN], destroy_now=False)
    late = closed("late")
    with parts.journal.act() as act:
        for number in range(260):
            record(act, Did.SWEPT, SERVICE, outcome="granted", terms={"number": number}, boards=("po-noord",))
    lookup = core(JournalLookup)
    mine = lookup.c.pupil_tag == parts.keystore.tag("pupil", case.child.pupil)
    theirs = lookup.c.pupil_tag == parts.keystore.tag("pupil", other.child.pupil)
    with reading(parts.main) as session:
        bundle = session.scalars(select(Bundle).where(Bundle.transfer == case.transfer)).one()
        policy = session.scalars(select(Transfer.policy).where(Transfer.id == case.transfer)).one()
        outside = parts.journal.checkpoint(session)

        def newest(*which: ColumnElement[bool]) -> int:
            return session.scalars(select(lookup.c.idx).where(*which).order_by(lookup.c.idx.desc())).first() or 0

        at = {
            "grant": newest(mine, lookup.c.type == Kind.GRANT),
            "withdrawal": newest(mine, lookup.c.type == Kind.WITHDRAW),
            "application": newest(mine, lookup.c.type == Kind.APPLIED),
            "another's": newest(theirs),
            "nobody's": story.size() - 30,
            "last": story.size() - 1,
            "erasure": erased.index,
            "policy": policy,
            "keylog": session.scalars(select(KeyLogEntry.index).order_by(KeyLogEntry.index.desc())).first() or 0,
            "another policy": newest(lookup.c.type == Kind.POLICY),
        }
    parts.main.dispose()
    keys.dispose()
    house = house_at(region, folder, elsewhere, folder.parent / "copy", origin)
    trust, state = trust_of(region), elsewhere / "school"
    talks = Client(origin, region.schools[VO].keys, Staff("s-1", Role.INTERNAL_SUPERVISOR), seen=outside)
    house.enter(origin)
    refresh(talks, trust, state)
    follow(talks, trust, state)
    assert check(talks, elsewhere / "fg", int(now().timestamp()))
    others = (folder, empty, early, late, elsewhere)
    return Scene(story, *others, outside, case.child.pupil, case.transfer, bundle, at, house, talks)
