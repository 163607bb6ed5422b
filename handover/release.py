"""THE RELEASE RULE: a section's share leaves the service only when all of this holds, decided again for each request.

(0) Who asks is known: a request signed by a school's current request key, naming staff and role (the door checks it).
(0b) The service isn't frozen (`handover.freezing`); what is asked meanwhile is refused and logged.
(1) The school is the receiver of this transfer. What isn't there and what isn't theirs get the same answer; the door
    counts either per school and writes it down as an ATTEMPT (`handover.attempts`), and no pupil is locked.
(2) The school's keys and then the pupil are locked; only then are the clock and the ledger's events read.
    A transfer or a manifest that isn't as the journal or its sender wrote it is judged by nothing: LEDGER_INTEGRITY.
(3) The consent rule (`consent.rule`) grants this sender, receiver, purpose and exactly these sections.
(4) The transfer is open; its newest bundle is sealed to the receiver's current key and hasn't expired; and the key
    store still has the share of every section asked.
(5) The decision, granted or refused, is appended to the journal.
(6) It is committed, and the key store's mark is raised. Whatever fails up to here, nothing leaves.
(7) Shares and ciphertext of exactly those sections are sent, with a receipt that verifies offline. Shares of which the
    first byte isn't sent within two seconds of the commit's start are dropped: what was decided is too old by then.
(8) What became of it, DELIVERED or ABORTED, is appended; where neither ever was, a later start appends UNKNOWN.

The receiver is never told why not. Sender, guardians and FG are (`handover.overview`).
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from sqlalchemy import select, update

from consent.db import reading
from consent.errors import IntegrityBroken
from consent.journal import Act
from consent.reasons import Reason
from consent.rule import Evidence, Refused
from consent.terms import Purpose, Section
from crypto.bundle import write_container
from crypto.checkpoint import parse_receipt
from crypto.encoding import Printable, b64, canon
from crypto.sign import sign
from handover.accesslog import SERVICE, Did, record, staff
from handover.bundles import core_of, finish_shredding, free_sections, newest, question_of, start_shredding
from handover.errors import NotTheirs, RequestRefused
from handover.freezing import FROZEN, is_frozen
from handover.parts import Caller, Parts
from handover.retention import Kept
from handover.tables import Bundle, BundleSection, Release, Transfer
from handover.transfers import boards_of, policy_of, tell_receiver, was_cancelled

FRESH: Final = 2.0
"""Seconds between the start of a decision's commit and the first byte of its shares, at most."""

KEY_ROTATED: Final = "KEY_ROTATED"
SETTLE_AFTER: Final = timedelta(minutes=15)
"""How long a release may be under way before it is taken for lost. The door ends a response sooner."""


@dataclass(frozen=True, slots=True)
class Released:
    """Yes: what goes out, and when its commit began. True in a condition."""

    index: int
    transfer: str
    bundle: Bundle
    shares: Mapping[str, bytes] = field(repr=False)
    objects: Mapping[str, str]
    committed_at: float

    def __bool__(self) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class Withheld:
    """No, and why: a reason of the consent rule, FROZEN, or one of step (4). False in a condition."""

    reason: str

    def __bool__(self) -> bool:
        return False


def release(parts: Parts, caller: Caller, transfer: str, sections: tuple[Section, ...]) -> Released | Withheld:
    """Decide on one request of a receiver, and log the decision. Raises RequestRefused for what isn't theirs."""
    pupil = _party(parts, caller, transfer)  # (1)
    with parts.journal.act(schools_shared=(caller.school,), pupil=pupil) as act:  # (2)
        row = act.session.get_one(Transfer, transfer)
        bundle = newest(act.session, transfer)
        evidence, found = _decide(parts, act, row, bundle, sections)
        index = _log(act, caller, row, bundle, sections, evidence, found)  # (5)
        committed_at = time.monotonic()
    if isinstance(found, Withheld):  # (6) is behind us
        if found.reason == KEY_ROTATED:
            finish_shredding(parts, transfer)
        return found
    return Released(index, transfer, found.bundle, found.shares, found.objects, committed_at)


@dataclass(frozen=True, slots=True)
class _Ready:
    bundle: Bundle
    shares: Mapping[str, bytes] = field(repr=False)
    objects: Mapping[str, str]


def _party(parts: Parts, caller: Caller, transfer: str) -> str:
    """(1) Give the pupil of the caller's own transfer; raises NotTheirs, which the door counts and logs."""
    with reading(parts.main) as session:
        row = session.get(Transfer, transfer)
    if row is None or row.receiver != caller.school:
        raise NotTheirs
    return row.pupil


def _decide(
    parts: Parts, act: Act, transfer: Transfer, bundle: Bundle | None, sections: tuple[Section, ...]
) -> tuple[tuple[Evidence, ...], _Ready | Withheld]:
    """(0b), (3), (4): give what authorises the sections, and what can be sent or what keeps it here."""
    if is_frozen(parts):  # (0b)
        return (), Withheld(FROZEN)
    try:
        asked, policy = question_of(transfer, bundle, sections), policy_of(parts, act.session, transfer)
    except IntegrityBroken:
        return (), Withheld(Reason.LEDGER_INTEGRITY.name)
    decision = parts.ledger.ask(act, asked, policy)  # (3)
    if isinstance(decision, Refused):
        return (), Withheld(decision.reason.name)
    if was_cancelled(parts, act.session, transfer):  # (4)
        return decision.evidence, Withheld("CANCELLED")
    if bundle is None:
        return decision.evidence, Withheld("NO_BUNDLE")
    found = _ready(parts, act, transfer, bundle, sections)
    if isinstance(found, Withheld) and found.reason == KEY_ROTATED:
        free = free_sections(parts, act, transfer, Section, kept=Kept.SUPERSEDED_BUNDLE)
        start_shredding(parts, act, transfer, bundle, free, why="key rotated")
    return decision.evidence, found


def _ready(
    parts: Parts, act: Act, transfer: Transfer, bundle: Bundle, sections: tuple[Section, ...]
) -> _Ready | Withheld:
    """(4) Give what can be sent of a bundle, or say what keeps it here."""
    if bundle.expires_at <= act.now:
        return Withheld("BUNDLE_EXPIRED")
    signer = core_of(bundle).sender.kid
    if signer in parts.register.log(act.session).revoked(transfer.sender, "sign"):
        return Withheld("KEY_REVOKED")
    key = parts.register.current(act.session, transfer.receiver, "seal", act.now)
    if key is None or key.kid != bundle.to_kid:
        return Withheld(KEY_ROTATED)
    rows = act.session.scalars(select(BundleSection).where(BundleSection.bundle == bundle.id))
    objects = {row.section: row.object for row in rows if row.section in sections and row.shred_since is None}
    kept = parts.keystore.shares(bundle.store)
    shares = {str(name): kept[name] for name in sections if name in kept}
    if len(objects) < len(sections) or len(shares) < len(sections):
        return Withheld("SHREDDED")
    return _Ready(bundle, shares, objects)


def _log(
    act: Act,
    caller: Caller,
    transfer: Transfer,
    bundle: Bundle | None,
    sections: tuple[Section, ...],
    evidence: tuple[Evidence, ...],
    found: _Ready | Withheld,
) -> int:
    """(5) Append the decision with what it rests on; a granted one also gets the row that (8) closes."""
    outcome = found.reason if isinstance(found, Withheld) else "granted"
    entry = record(
        act,
        Did.RELEASE,
        staff(caller),
        outcome=outcome,
        terms={
            "school": caller.school,
            "role": str(caller.role),
            "transfer": transfer.id,
            "bundle": bundle.id if bundle else None,
            "purpose": transfer.purpose if transfer.purpose in tuple(Purpose) else None,
            "sections": [str(name) for name in sections],
            "evidence": [
                {
                    "section": str(one.section),
                    "ground": str(one.ground),
                    "source": one.source,
                    "entries": [index for _, index in one.entries],
                }
                for one in evidence
            ],
        },
        boards=boards_of(act.session, transfer),
        told=tell_receiver(act.session, transfer, "granted" if isinstance(found, _Ready) else "refused", "actor"),
        pupil=transfer.pupil,
        sections=sections,
        ground=str(evidence[0].ground) if evidence else None,
    )
    if isinstance(found, _Ready):
        act.session.add(
            Release(
                index=entry.index,
                transfer=transfer.id,
                bundle=found.bundle.id,
                sections=",".join(sections),
                at=act.now,
            )
        )
    return entry.index


def hand_out(parts: Parts, released: Released) -> Iterator[bytes]:
    """(7) Give the bytes of a release, shares first, and (8) say in the journal what became of them.

    Raises RequestRefused, or what a store raises, before there is anything to send: a door can still say so.
    """
    try:
        head = _head(parts, released)
        objects = {name: parts.blobs.stream(place) for name, place in released.objects.items()}
        container = write_container(released.bundle.manifest, released.bundle.signatures, objects)
        _check_fresh(released)
    except BaseException:
        close(parts, released.index, Did.ABORTED)
        raise
    return _sent(parts, released, head, container)


def _sent(parts: Parts, released: Released, head: bytes, container: Iterator[bytes]) -> Iterator[bytes]:
    outcome = Did.ABORTED
    try:
        _check_fresh(released)  # again: the door may have been slow to send
        yield len(head).to_bytes(4, "big") + head
        yield from container
        outcome = Did.DELIVERED
    finally:
        close(parts, released.index, outcome)


def _check_fresh(released: Released) -> None:
    if time.monotonic() - released.committed_at > FRESH:
        raise RequestRefused("TOO_SLOW", 503, "The decision is too old by now. Ask again.")


def _head(parts: Parts, released: Released) -> bytes:
    head: dict[str, Printable] = {
        "v": 1,
        "transfer": released.transfer,
        "bundle": released.bundle.id,
        "shares": {name: b64(share) for name, share in released.shares.items()},
        "receipt": _receipt(parts, released),
    }
    return canon(head)


def _receipt(parts: Parts, released: Released) -> dict[str, Printable]:
    """Say, signed, which entry of the journal this release is, with the proof that it stands there.

    The entry's own terms stay closed: they name ledger entries, and a receiver could count what lies between them.
    """
    proof = parts.journal.receipt(released.index)
    statement: dict[str, Printable] = {
        "v": 1,
        "transfer": released.transfer,
        "bundle": released.bundle.id,
        "sections": list(released.shares),
        "index": released.index,
        "leaf": b64(parse_receipt(proof).extra),
    }
    signature = sign(parts.log_key, "receipt", canon(statement))
    return {"statement": statement, "signature": b64(signature), "proof": proof.decode()}


def close(parts: Parts, index: int, outcome: Did) -> None:
    """(8) Append what became of a granted release, once."""
    with reading(parts.main) as session:
        these = select(Release, Transfer).where(Release.index == index, Transfer.id == Release.transfer)
        found = session.execute(these).one_or_none()
    if found is None:  # the pupil was erased meanwhile, and the release with it
        return
    row, transfer = found
    with parts.journal.act(pupil=transfer.pupil) as act:
        named = update(Release).where(Release.index == index, Release.outcome.is_(None))
        first = act.session.execute(named.values(outcome=outcome.name.lower())).rowcount  # type: ignore[attr-defined]
        if not first:
            return
        entry = record(
            act,
            outcome,
            SERVICE,
            outcome=outcome.name.lower(),
            terms={"transfer": transfer.id, "bundle": row.bundle, "release": index},
            boards=boards_of(act.session, transfer),
            told=tell_receiver(act.session, transfer, outcome.name.lower(), "actor", "terms"),
            pupil=transfer.pupil,
            sections=row.sections.split(","),
        )
        act.session.execute(update(Release).where(Release.index == index).values(closed=entry.index))


def settle(parts: Parts) -> int:
    """(8) Append UNKNOWN for releases of which nobody knows what became; gives how many."""
    before = parts.clock() - SETTLE_AFTER
    with reading(parts.main) as session:
        lost = list(session.scalars(select(Release.index).where(Release.outcome.is_(None), Release.at < before)))
    for index in lost:
        close(parts, index, Did.UNKNOWN)
    return len(lost)
