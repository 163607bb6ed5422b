"""Bundles at the service: checked when they come, kept as ciphertext per section, replaced by later versions, shredded.

The order of writes makes every crash harmless: ciphertext on the disk, then the release shares, then the row with its
leaf in the journal. Shredding goes the other way: the intent in the journal (the gate refuses from there), then the
shares, then the ciphertext, then the leaf that says it is done. What somebody holds back isn't shredded here: it stays,
out of reach of every release, until a sweep finds nobody holding it any more.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO, Final, cast

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.orm import Session

from consent.db import reading
from consent.errors import IntegrityBroken
from consent.events import Kind
from consent.journal import Act, Entry
from consent.rule import Question
from consent.tables import core
from consent.terms import Section
from crypto.bundle import Reader
from crypto.encoding import JSON, b64
from crypto.errors import CryptoError
from crypto.manifest import Core, check_share, parse_manifest
from crypto.shares import SHARES_LIMIT, parse_shares
from handover.accesslog import BOOK, SERVICE, Did, record, staff
from handover.blobs import new_name
from handover.errors import RequestRefused
from handover.idempotency import Answer, Once, carry_out, earlier
from handover.outbox import deliver, post
from handover.parts import Caller, Parts
from handover.people import contacts
from handover.retention import Kept, held_back
from handover.schools import CLOCK_TOLERANCE, keylog_state
from handover.tables import Bundle, BundleSection, Release, Transfer
from handover.transfers import boards_of, of_side, purpose_of, route_of, scope_of, still_open, transfers_of

LARGEST: Final = 1 << 30
"""Bytes of an upload at most."""

BATCH: Final = 100
"""How many bundles are shredded at once."""

_MARKED: Final = (
    select(BundleSection.bundle, BundleSection.section, BundleSection.object, Bundle.store, Transfer.pupil)
    .join(Bundle, Bundle.id == BundleSection.bundle)
    .join(Transfer, Transfer.id == Bundle.transfer)
    .where(BundleSection.shred_since.is_not(None))
)
_SECTIONS = core(BundleSection)
_MARK: Final = (
    update(_SECTIONS)
    .where(_SECTIONS.c.bundle == bindparam("of"), _SECTIONS.c.section == bindparam("name"))
    .where(_SECTIONS.c.shred_since.is_(None))
    .values(shred_since=bindparam("at"))
)


class Pieces:
    """A stream over an iterator of pieces: what `crypto.bundle.Reader` reads from."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._rest = b""

    def read(self, size: int) -> bytes:
        """Give at most `size` bytes; nothing at the end."""
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._rest = piece
        data, self._rest = self._rest[:size], self._rest[size:]
        return data

    def exactly(self, size: int) -> bytes:
        """Give `size` bytes; raises RequestRefused when there are fewer."""
        data = b""
        while len(data) < size:
            more = self.read(size - len(data))
            if not more:
                raise RequestRefused("UPLOAD_MALFORMED", 422, "The upload is cut off.")
            data += more
        return data


@dataclass(frozen=True, slots=True)
class _Received:
    """An upload that was checked and is on the disk, not yet in the database."""

    core: Core
    manifest: bytes
    signatures: bytes
    objects: Mapping[str, str]
    store: str


def upload(parts: Parts, caller: Caller, once: Once, transfer: str, body: Callable[[], Iterator[bytes]]) -> Answer:
    """Take a bundle in: a first one, or a later version that replaces the one before.

    `body` gives the upload in pieces, the last one only when its signed digest holds. Raises RequestRefused or
    CryptoError, and then nothing of it stays behind.
    """
    if (answer := earlier(parts, once)) is not None:
        return answer
    with reading(parts.main) as session:
        row = still_open(of_side(session, caller, transfer, "sender"))
    received = _receive(parts, caller, row, Pieces(body()))
    try:
        answer = carry_out(
            parts,
            once,
            lambda: parts.journal.act(schools_shared=(row.sender, row.receiver), pupil=row.pupil),
            lambda act: _take_in(parts, act, caller, row.id, received),
        )
    finally:
        _discard_unless_taken(parts, row.pupil, received)
    finish_shredding(parts, row.id)
    deliver(parts)
    return answer


def newest(session: Session, transfer: str) -> Bundle | None:
    """Give the newest version of a transfer's bundle, or None."""
    return session.scalar(select(Bundle).where(Bundle.transfer == transfer).order_by(Bundle.number.desc()).limit(1))


def versions_of(bundle: Bundle | None) -> dict[Section, str]:
    """Give the version ids that a bundle names for its sections."""
    if bundle is None:
        return {}
    return {Section(name): b64(version) for name, version in core_of(bundle).versions.items()}


def core_of(bundle: Bundle) -> Core:
    """Give what a bundle's manifest says; raises `IntegrityBroken` where the row holds another than was taken in."""
    try:
        core = parse_manifest(bundle.manifest).core
    except CryptoError:
        raise IntegrityBroken("a bundle's manifest isn't as it was taken in") from None
    if b64(core.bundle) != bundle.id:
        raise IntegrityBroken("a bundle's manifest is another bundle's")
    return core


def handed_out(session: Session, transfer: str) -> set[Section]:
    """Give the sections of a transfer that were handed out: delivered, or not known to have failed."""
    rows = session.scalars(
        select(Release).where(Release.transfer == transfer, Release.outcome.is_distinct_from("aborted"))
    )
    return {Section(name) for row in rows for name in row.sections.split(",")}


def question_of(transfer: Transfer, bundle: Bundle | None, sections: tuple[Section, ...]) -> Question:
    """Write the question that the consent rule answers about a transfer."""
    return Question(
        subject=transfer.pupil,
        sender=transfer.sender,
        receiver=transfer.receiver,
        purpose=purpose_of(transfer),
        route=route_of(transfer),
        sections=sections,
        versions=versions_of(bundle),
    )


def free_sections(
    parts: Parts, act: Act, transfer: Transfer, sections: Iterable[Section], *, kept: Kept
) -> list[Section]:
    """Give those sections of a transfer's bundle that nobody holds back, by the row of the retention table.

    None is free in a ledger that doesn't hold together or isn't all there: what is missing may have been a hold.
    """
    history = parts.ledger.histories(act.session, [transfer.pupil]).get(transfer.pupil)
    if history is None:
        return []
    scope = scope_of(transfer)
    return [name for name in sections if held_back(kept, history.known, act.now, scope, name) is None]


@dataclass(frozen=True, slots=True)
class Doomed:
    """Sections of one bundle that are here and are to be shredded."""

    transfer: Transfer
    bundle: str
    sections: Sequence[str]


def start_shredding(
    parts: Parts, act: Act, transfer: Transfer, bundle: Bundle, sections: Sequence[str], *, why: str
) -> None:
    """Write the intent: the gate refuses these sections from this commit on. `shred` finishes it after the commit.

    Who calls has looked whether anybody holds them back (`free_sections`).
    """
    these = BundleSection.bundle == bundle.id, BundleSection.section.in_(sections)
    here = set(act.session.scalars(select(BundleSection.section).where(*these)))
    if here:
        mark(act, [Doomed(transfer, bundle.id, [name for name in Section if name in here])], why=why)


def mark(act: Act, doomed: Sequence[Doomed], *, why: str) -> None:
    """Write the intents for several bundles, as `start_shredding` does for one."""
    _log(act, Did.SHRED_INTENT, doomed, why)
    marks = [{"of": each.bundle, "name": str(name), "at": act.now} for each in doomed for name in each.sections]
    if marks:
        act.session.connection().execute(_MARK, marks)


def shred(parts: Parts, *bundles: str) -> None:
    """Destroy what was marked in these bundles, and say so in the journal; again and again does no harm."""
    of_these = BundleSection.bundle.in_(bundles)
    with reading(parts.main) as session:
        doomed = session.execute(_MARKED.where(of_these)).all()
    if not doomed:
        return
    epoch = parts.keystore.drop_shares((row.store, row.section) for row in doomed)
    objects = [row.object for row in doomed]
    parts.blobs.delete(*objects)
    with parts.journal.act(pupils={row.pupil for row in doomed}) as act:
        these = delete(BundleSection).where(of_these, BundleSection.object.in_(objects))
        gone = act.session.execute(these.returning(BundleSection.bundle, BundleSection.section)).all()
        found: dict[str, set[str]] = {}
        for bundle, section in gone:
            found.setdefault(bundle, set()).add(section)
        transfers = transfers_of(act.session, sorted(found))
        done = [Doomed(transfers[of], of, [name for name in Section if name in found[of]]) for of in sorted(found)]
        _log(act, Did.SHRED_DONE, done, f"epoch {epoch}")  # what somebody else has finished is said already


def finish_shredding(parts: Parts, transfer: str | None = None) -> int:
    """Shred what is marked, of one transfer or, after a crash, of all; gives how many bundles it touched."""
    marked = select(BundleSection.bundle).where(BundleSection.shred_since.is_not(None)).distinct()
    if transfer is not None:
        marked = marked.where(BundleSection.bundle.in_(select(Bundle.id).where(Bundle.transfer == transfer)))
    with reading(parts.main) as session:
        bundles = sorted(session.scalars(marked))
    for begin in range(0, len(bundles), BATCH):
        shred(parts, *bundles[begin : begin + BATCH])
    return len(bundles)


def _receive(parts: Parts, caller: Caller, transfer: Transfer, stream: Pieces) -> _Received:
    size = int.from_bytes(stream.exactly(4), "big")
    if size > SHARES_LIMIT:
        raise RequestRefused("UPLOAD_MALFORMED", 422, "The list of shares is too long.")
    shares = parse_shares(stream.exactly(size))
    reader = Reader(cast(BinaryIO, stream))
    core = reader.manifest.core
    with reading(parts.main) as session:
        reader.verify(_check_core(parts, session, transfer, core))
    if shares.bundle != core.bundle or shares.to != core.recipient.kid or set(shares.shares) != set(core.sections):
        raise RequestRefused("SHARES_MISMATCH", 422, "The shares aren't those of this bundle.")
    for name, share in shares.shares.items():
        check_share(reader.manifest, name, share)
    store, objects = new_name(), dict[str, str]()
    try:
        for name, pieces in reader.sections():
            objects[name] = parts.blobs.put(pieces)
        if set(objects) != set(core.sections):
            raise RequestRefused("UPLOAD_MALFORMED", 422, "An upload holds every section.")
        parts.keystore.put_shares(store, shares.shares)
    except BaseException:
        _discard(parts, store, objects.values())
        raise
    return _Received(core, reader.manifest_bytes, reader.signatures, objects, store)


def _check_core(parts: Parts, session: Session, transfer: Transfer, core: Core) -> bytes:
    """Compare what the bundle says of itself with the transfer and the key log; all differences at once.

    Gives the public key that must have signed it.
    """
    now = parts.clock()
    sign_key = parts.register.current(session, transfer.sender, "sign", now)
    seal_key = parts.register.current(session, transfer.receiver, "seal", now)
    before = newest(session, transfer.id)
    facts: tuple[tuple[str, bool, str], ...] = (
        ("transfer", core.transfer == transfer.id, "Not this transfer."),
        ("purpose", core.purpose == transfer.purpose, "Not this transfer's purpose."),
        ("route", core.route == transfer.route, "Not this transfer's route."),
        ("sections", core.sections == tuple(map(str, Section)), "Every section of the vocabulary, in order."),
        ("from/school", core.sender.school == transfer.sender, "Not the sender."),
        ("from/kid", sign_key is not None and core.sender.kid == sign_key.kid, "Not the sender's current key."),
        ("to/school", core.recipient.school == transfer.receiver, "Not the receiver."),
        ("to/kid", seal_key is not None and core.recipient.kid == seal_key.kid, "Not the receiver's current key."),
        ("to/epoch", seal_key is not None and core.epoch == seal_key.epoch, "Not the receiver's current key."),
        ("supersedes", _names(core.supersedes) == (before.id if before else None), "Not the version before this one."),
        ("made_at", core.made_at <= now + CLOCK_TOLERANCE, "Lies ahead; check the clock."),
        ("expires_at", core.expires_at > now, "Lies behind."),
    )
    if wrong := {f"/core/{place}": why for place, holds, why in facts if not holds}:
        raise RequestRefused("BUNDLE_MISMATCH", 422, "The bundle isn't for this transfer.", wrong)
    assert sign_key is not None  # its kid is the bundle's
    return sign_key.public


def _names(bundle: bytes | None) -> str | None:
    return None if bundle is None else b64(bundle)


def _take_in(parts: Parts, act: Act, caller: Caller, transfer_id: str, received: _Received) -> Answer:
    transfer = still_open(of_side(act.session, caller, transfer_id, "sender"))
    core = received.core
    _check_core(parts, act.session, transfer, core)  # again: the keys are locked now
    before = newest(act.session, transfer.id)
    told = 0
    if before is not None:
        free = free_sections(parts, act, transfer, Section, kept=Kept.SUPERSEDED_BUNDLE)
        start_shredding(parts, act, transfer, before, free, why="superseded")
    bundle = Bundle(
        id=b64(core.bundle),
        transfer=transfer.id,
        number=before.number + 1 if before else 1,
        manifest=received.manifest,
        signatures=received.signatures,
        store=received.store,
        to_kid=core.recipient.kid,
        expires_at=core.expires_at,
        uploaded_at=act.now,
    )
    act.session.add(bundle)
    act.session.flush()
    act.session.add_all(
        BundleSection(bundle=bundle.id, section=name, object=place) for name, place in received.objects.items()
    )
    if before is not None:
        told = _tell_readers(parts, act, transfer, before, bundle)
    keylog = keylog_state(act.session)
    entry = record(
        act,
        Did.UPLOADED,
        staff(caller),
        outcome="granted",
        terms={
            "school": caller.school,
            "transfer": transfer.id,
            "bundle": bundle.id,
            "versions": {str(name): version for name, version in versions_of(bundle).items()},
            "signed_by": core.sender.kid.hex(),
            "keylog": {"size": keylog.size, "root": keylog.root.hex()},
        },
        boards=boards_of(act.session, transfer),
        pupil=transfer.pupil,
    )
    supersedes = before.id if before else None
    return {"bundle": bundle.id, "index": entry.index, "supersedes": supersedes, "told": told}


def _tell_readers(parts: Parts, act: Act, transfer: Transfer, before: Bundle, bundle: Bundle) -> int:
    """Tell everybody who saw what has changed that there is a newer version; the receiver sees it in its inbox.

    What was only sealed again, for a new key, has the version ids it had.
    """
    old = set(versions_of(before).values()) - set(versions_of(bundle).values())
    readers = {
        event.by.person
        for event in parts.ledger.history(act.session, transfer.pupil).known
        if event.kind is Kind.INZAGE and old & set((event.versions or {}).values())
    }
    people = contacts(parts.keystore, act.session, transfer.pupil, act.now)
    for person in sorted(readers & set(people)):
        post(parts, act, transfer.pupil, people[person], "new_version")
    opened = act.session.scalar(select(Release.index).where(Release.bundle == before.id).limit(1))
    return len(readers & set(people)) + (opened is not None)


def _log(act: Act, did: Did, doomed: Sequence[Doomed], why: str) -> None:
    senders = {each.transfer.sender: each.transfer for each in doomed}
    sees = {sender: boards_of(act.session, transfer) for sender, transfer in senders.items()}
    entries = []
    for each in doomed:
        transfer, sections = each.transfer, tuple(each.sections)
        terms: dict[str, JSON] = {"transfer": transfer.id, "bundle": each.bundle, "why": why}
        boards = sees[transfer.sender]
        entries.append(Entry(BOOK, int(did), transfer.pupil, SERVICE, terms, boards, sections, outcome="granted"))
    act.extend(entries)


def _discard_unless_taken(parts: Parts, pupil: str, received: _Received) -> None:
    """Remove an upload that was refused or whose retry was first; one that may have a row stays, whatever failed."""
    with suppress(Exception):
        with parts.journal.act(pupil=pupil) as act:  # waits for a commit of which the answer was lost
            taken = act.session.scalar(select(Bundle.id).where(Bundle.store == received.store))
        if taken is None:
            _discard(parts, received.store, received.objects.values())


def _discard(parts: Parts, store: str, objects: Iterable[str]) -> None:
    """Remove what never got a row. What fails here is an orphan that the sweep takes later."""
    with suppress(Exception):
        parts.keystore.drop_share(store)
        for name in objects:
            parts.blobs.delete(name)
