"""One pupil's file that is ready to be fetched, and what has to be known to act on it from another process."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, select

from consent.db import reading
from consent.journal import Opened
from consent.tables import Share
from handover.idempotency import Once
from handover.parts import Caller, Parts
from handover.question import question
from handover.roles import Role
from handover.settings import Settings
from handover.tables import Bundle, BundleSection
from tests.region import Region, bundle_bytes

SENDER, RECEIVER = "99AB00", "99CD00"
SENDS = Caller(SENDER, "stad", "s-1", Role.INTERNAL_SUPERVISOR)
FETCHES = Caller(RECEIVER, "dorp", "s-2", Role.CARE_COORDINATOR)


@dataclass(frozen=True)
class File:
    """A pupil's file on its way, and what its family comes in with. Nothing in it is open, so it can be handed on."""

    settings: Settings
    pupil: str
    transfer: str
    persons: tuple[str, ...]
    tokens: tuple[str, ...]
    notice: str
    bundle: str


def two_boards(region: Region) -> Region:
    """Let the two boards of this story join."""
    region.board("stad", SENDER)
    region.board("dorp", RECEIVER)
    return region


def ready_file(region: Region, *, holders: int = 2) -> File:
    """Make a file that was uploaded and applied for; nobody has answered yet."""
    child = region.pupil(SENDER, holders=holders)
    transfer = region.transfer(child, SENDER, RECEIVER)
    upload, _ = region.seal(transfer, SENDER, RECEIVER)
    bundle = region.upload(SENDER, transfer, upload)["bundle"]
    tokens = tuple(region.invite(SENDER, transfer, person) for person in child.persons)
    notice = question(region.parts, tokens[0])["notice"]["sha256"]
    return File(region.settings, child.pupil, transfer, tuple(child.persons), tokens, notice, bundle)


def second_version(region: Region, file: File) -> bytes:
    """Seal the version that replaces the file's first one."""
    return region.seal(file.transfer, SENDER, RECEIVER, supersedes=bundle_bytes(file.bundle))[0]


def granted_file(region: Region, *, holders: int = 2) -> File:
    """Make a file that may be fetched."""
    file = ready_file(region, holders=holders)
    for token in file.tokens:
        region.answer(token, okr="yes", opp="yes", lvs="yes")
    return file


def request(key: str, body: bytes = b"", *, caller: str = SENDER, route: str = "POST /") -> Once:
    """Name a request as the door does."""
    return Once(caller, route, key, hashlib.sha256(body).digest())


def journal_of(parts: Parts, pupil: str) -> list[Opened]:
    """Read everything in the journal about a pupil, in order."""
    with reading(parts.main) as session:
        return parts.journal.of_pupil(session, pupil)


def assert_no_orphans(region: Region, keys: Engine) -> None:
    """Every share in the key store and all ciphertext on the disk belongs to a row, and the other way round."""
    with reading(region.parts.main) as session:
        stores = set(session.scalars(select(Bundle.store)))
        named = set(session.scalars(select(BundleSection.object)))
    with reading(keys) as session:
        kept = set(session.scalars(select(Share.bundle)))
    assert {path.name for path in Path(region.settings.blobs).iterdir()} == named
    assert kept <= stores
