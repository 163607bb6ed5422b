"""Puts a service back from a backup and the second place, to where it was when the last act was acknowledged, or not.

(1) The backup's files are those of their manifests. Shipments that came after them follow on each other.
(2) What is known to have been there is gathered: the mark and the head of what is to be replaced, a checkpoint that
    froze the service, checkpoints that people kept, and what an earlier try of this restore knew.
(3) Unless all of that is reached, nothing is touched, and what is missing is named. It goes on only when two people
    have approved of exactly that loss (`handover.loss`, `handover.approvers`).
(4) From here on a file in HANDOVER_HOME keeps the service from starting, until the end. A restore that was killed is
    run again: it knows what it knew, and puts nothing back twice once both databases are.
(5) The main database is put back, the shipments upon it, and the tree must give the signed root. Then the key store,
    and what was destroyed since is destroyed again. A key store from a backup has no mark: it gets one last.
(6) After a loss the shipments of the branch that is given up are put aside, so that the next restore reads what came
    instead. The log goes on under a name that it never had, with a ROLLBACK: what was said before is suspended.
"""

from collections.abc import Collection, Iterable, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from dataclasses import replace as replaced
from pathlib import Path
from typing import Final

from sqlalchemy import Engine, select
from sqlalchemy.exc import SQLAlchemyError

from consent import replay, tree
from consent.db import reading, writing
from consent.errors import EpochKeyMissing, ShipmentRefused
from consent.events import Author, Draft, Kind
from consent.keystore import KeyStore
from consent.shipping import Shipment, Shipping
from consent.tables import JournalHead, JournalLookup, Mark
from consent.terms import Level, Role
from crypto.checkpoint import Checkpoint, parse_checkpoint
from crypto.encoding import JSON, canon
from crypto.files import replace_private
from handover import approvers, bundles, copying, running, traces
from handover.accesslog import Did
from handover.admin import TRUST
from handover.backup import Manifest, read_backup
from handover.errors import HandoverError
from handover.loss import Approval, LossRefused, next_name
from handover.parts import (
    EPOCHS,
    RESTORING,
    Parts,
    journal_name,
    now,
    open_databases,
    put_together,
    read_log_key,
    shipping_of,
)
from handover.settings import Settings
from handover.tables import Board, KeyLogEntry
from handover.trust import print_trust
from handover.unfinished import NOTHING, Back, Known, Try, begin, begun
from migrations import upgrade

LOSS: Final = "loss.json"
"""The statement of what a restore would lose, in HANDOVER_HOME."""

OTHER_LOSS: Final = "an approval is of another loss than this restore's"


class RestoreRefused(HandoverError):
    """A restore can't be done, or not without a loss. `problems` lists everything that stands in its way."""

    def __init__(self, *problems: str) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Plan:
    """What a restore would put back, and what would be missing then."""

    shipments: tuple[Shipment, ...]
    given_up: tuple[int, ...]
    taken: str
    note: str
    knows: Try

    @property
    def began(self) -> Checkpoint:
        """Give the checkpoint of the backup."""
        return parse_checkpoint(self.taken.encode())

    @property
    def reached(self) -> Checkpoint:
        """Give the checkpoint that the journal would end at."""
        return parse_checkpoint(self.note.encode())


@dataclass(frozen=True, slots=True)
class Restored:
    """What came of a restore: for the operator, and for those who have to be told."""

    size: int
    root: bytes
    origin: str
    shipments: int
    lost: tuple[str, ...]
    witnesses: tuple[str, ...]


def restore(
    settings: Settings,
    of_main: Path,
    of_keys: Path,
    *,
    replace: bool = False,
    known: Sequence[bytes] = (),
    approvals: Sequence[Approval] = (),
) -> Restored:
    """Put a service back from the backups with these manifests.

    `known` are checkpoints that somebody kept; `replace` lets go of what stands there now.

    Raises RestoreRefused with all that is missing, LossRefused for approvals that don't hold, BackupRefused,
    ShippingError, EpochKeyMissing or CopyFailed. What was there is untouched where it raises before (4).
    """
    (said_main, main_file), (said_keys, keys_file) = read_backup(of_main, "main"), read_backup(of_keys, "keys")
    manifests = said_main, said_keys
    with ExitStack() as held:
        try:
            held.enter_context(running.alone(settings.home))
        except BlockingIOError:
            raise RestoreRefused("the service still runs here: stop it first") from None
        main, keys = open_databases(settings)
        held.callback(main.dispose)
        held.callback(keys.dispose)
        _check_targets(settings, main, keys, manifests, replace)
        copies = [manifest.sha256 for manifest in manifests]
        back = _put_back_before(settings, main, keys, copies, known)
        if back is None:
            plan = make_plan(settings, main, keys, KeyStore(keys, settings.keys / EPOCHS), manifests, known)
            _check_loss(settings, plan, approvals, said_main, main_file)  # (3)
            begin(settings, plan.knows)  # (4)
            _main_back(settings, main, main_file, plan)  # (5)
            _keys_back(settings, main, keys, keys_file, plan)
            _put_aside(settings, main, keys, plan)
            back = Back(copies, plan.note, len(plan.shipments), loss_statement(settings, plan))
            begin(settings, replaced(plan.knows, back=back))
        elif any(approval.statement != back.statement for approval in approvals):
            raise LossRefused(OTHER_LOSS)
    return _finish(settings, manifests, back, approvals)


def _finish(
    settings: Settings, manifests: tuple[Manifest, Manifest], back: Back, approvals: Sequence[Approval]
) -> Restored:
    of_main, of_keys = manifests
    this = begun(settings) or NOTHING
    with closing(put_together(settings, resumed=bool(of_keys.shipped or back.shipments))) as parts:
        if this.problems:
            _roll_back(parts, approvals, this.revoked)  # (6)
        bundles.finish_shredding(parts)
        witnesses = _enrolled_since(parts, parse_checkpoint(of_main.checkpoint.encode()).size)
        (settings.home / LOSS).unlink(missing_ok=True)
        (settings.home / RESTORING).unlink()
        reached = parse_checkpoint(back.note.encode())
        return Restored(reached.size, reached.root, parts.journal.origin, back.shipments, this.problems, witnesses)


def _check_loss(settings: Settings, plan: Plan, approvals: Sequence[Approval], said: Manifest, file: Path) -> None:
    statement, problems = loss_statement(settings, plan), plan.knows.problems
    if problems and not approvals:
        replace_private(settings.home / LOSS, canon(statement))
        raise RestoreRefused(*problems, f"what would be lost stands in {settings.home / LOSS}")
    if any(approval.statement != statement for approval in approvals):
        raise LossRefused(OTHER_LOSS)
    if problems:
        fgs = approvers.put_back(said.kind, file, plan.shipments)
        approvers.two(approvals, fgs, plan.knows.revoked, settings.root, now())


def make_plan(
    settings: Settings,
    main: Engine,
    keys: Engine,
    store: KeyStore,
    manifests: tuple[Manifest, Manifest],
    known: Sequence[bytes],
) -> Plan:
    """Find out how far the backup and the second place lead, and what is known beyond that; changes nothing."""
    of_main, of_keys = manifests
    begin = parse_checkpoint(of_main.checkpoint.encode()).size
    shipping = shipping_of(settings, main, keys, store)
    problems: list[str] = []
    shipments: list[Shipment] = []
    read: list[Shipment] = []
    numbers: list[int] = []
    if shipping is not None:
        first = min(of_main.shipped, of_keys.shipped) + 1
        numbers = [number for number in shipping.numbers() if number >= first]
        read, unreadable = _read(shipping, numbers)
        if numbers and numbers[0] != first:
            problems.append(f"shipment {first} is missing")
        else:
            end = min(unreadable, default=None)
            shipments, fault = replay.chain([one for one in read if end is None or one.number < end], begin)
            problems += [each for each in (fault, end and unreadable[end]) if each]
    ends = [each for each in (of_main.checkpoint, *(one.note for one in shipments)) if each]
    note = max(ends, key=lambda each: parse_checkpoint(each.encode()).size)
    before = begun(settings) or NOTHING
    unique = {(fact.size, fact.root): fact for fact in [*traces.sizes(settings, main, keys, known), *before.known]}
    facts = tuple(unique[each] for each in sorted(unique))
    problems += _beyond(parse_checkpoint(note.encode()), facts)
    if shipping is None and not facts:
        problems.append("nobody can say what came after the backup: there is no second place and no mark")
    knows = Try(
        known=facts,
        problems=tuple(dict.fromkeys([*before.problems, *problems])),
        names=traces.names(
            settings, main, shipping, [*known, *(each.encode() for each in (note, *(one.note for one in read)))]
        ),
        revoked=tuple(sorted({*before.revoked, *approvers.revoked(main, read)})),
        given=traces.numbers(settings, keys, before.given),
    )
    given_up = tuple(number for number in numbers if number not in {one.number for one in shipments})
    return Plan(tuple(shipments), given_up, of_main.checkpoint, note, knows)


def _read(shipping: Shipping, numbers: Iterable[int]) -> tuple[list[Shipment], dict[int, str]]:
    """Open all shipments that can be opened; gives them, and by number what is wrong with the others."""
    read: list[Shipment] = []
    unreadable: dict[int, str] = {}
    for number in numbers:
        try:
            read.append(shipping.read(number))
        except (ShipmentRefused, EpochKeyMissing) as problem:
            unreadable[number] = f"shipment {number} can't be read: {problem}"
    return read, unreadable


def loss_statement(settings: Settings, plan: Plan) -> dict[str, JSON]:
    """Say what would be lost, and how the log would go on."""
    reached = plan.reached
    beyond = [fact for fact in plan.knows.known if fact.size >= reached.size and fact.root != reached.root]
    newest = max(beyond, key=lambda fact: fact.size, default=None)  # what an earlier try put back changes nothing here
    return {
        "v": 1,
        "log": journal_name(settings),
        "missing": list(plan.knows.problems),
        "known": None if newest is None else {"size": newest.size, "root": newest.root.hex()},
        "restored": {"size": reached.size, "root": reached.root.hex()},
        "origin": next_name(journal_name(settings), plan.knows.names),
    }


def _beyond(reached: Checkpoint, facts: Iterable[Known]) -> list[str]:
    missing = [
        f"the journal had {fact.size} entries ({fact.source}); {reached.size} can be put back"
        for fact in facts
        if fact.size > reached.size
    ]
    return missing + [_other(fact) for fact in facts if fact.size == reached.size and fact.root != reached.root]


def _other(fact: Known) -> str:
    return f"the journal had other entries below {fact.size} ({fact.source})"


def _check_targets(
    settings: Settings, main: Engine, keys: Engine, manifests: tuple[Manifest, Manifest], replace: bool
) -> None:
    problems = []
    again = (settings.home / RESTORING).exists()
    for engine, manifest, name in zip((main, keys), manifests, ("main database", "key store"), strict=True):
        if manifest.log != settings.log:
            problems.append(f"the backup of the {name} is one of another service")
        if manifest.kind != copying.kind_of(engine):
            problems.append(f"the backup of the {name} is of {manifest.kind}; the settings name another kind")
        if not (replace or again or copying.is_empty(engine)):
            problems.append(f"the {name} isn't empty: --replace lets go of what is in it")
    if problems:
        raise RestoreRefused(*problems)


def _put_back_before(
    settings: Settings, main: Engine, keys: Engine, copies: list[str], kept: Iterable[bytes]
) -> Back | None:
    """Tell what an earlier try, which knew no less, made of these copies, if both databases stand as it left them."""
    before = begun(settings) or NOTHING
    back, facts = before.back, {(fact.size, fact.root) for fact in before.known}
    news = {(fact.size, fact.root) for fact in traces.of_notes(settings, kept)} - facts
    if back is None or back.copies != copies or news:
        return None
    size = parse_checkpoint(back.note.encode()).size
    with suppress(SQLAlchemyError), reading(main) as session, reading(keys) as store:
        stand = session.scalars(select(JournalHead.size)).all(), store.scalars(select(Mark.size)).all()
        return back if all(each and min(each) >= size for each in stand) else None
    return None


def _main_back(settings: Settings, main: Engine, file: Path, plan: Plan) -> None:
    copying.put_back(main, file)
    upgrade(main, "main")
    key, reached = read_log_key(settings.keys), plan.reached
    with writing(main) as session:
        replay.put_back(session, plan.shipments, KeyLogEntry.__tablename__)
        replay.grow(session, plan.note.encode(), plan.began.origin, key.public)
        if plan.knows.problems:
            tree.rename(session, reached.origin, next_name(journal_name(settings), plan.knows.names), key)
            return
        other = [_other(fact) for fact in plan.knows.known if tree.root_at(session, fact.size) != fact.root]
        if other:
            begin(settings, replaced(plan.knows, problems=tuple(other)))
            raise RestoreRefused(*other, "run the same restore again for a statement of what would be lost")


def _keys_back(settings: Settings, main: Engine, keys: Engine, file: Path, plan: Plan) -> None:
    copying.put_back(keys, file)
    upgrade(keys, "keys")
    with writing(keys) as session, reading(main) as journal:
        replay.put_back_keys(session, plan.shipments, settings.keys / EPOCHS)
        lossy, given = bool(plan.knows.problems), plan.knows.given
        replay.settle(session, journal, plan.reached, lossy=lossy, given=given if lossy else {})


def _put_aside(settings: Settings, main: Engine, keys: Engine, plan: Plan) -> None:
    """(6) Keep what was shipped of the branch that is given up, where no restore takes it for what came instead."""
    shipping = shipping_of(settings, main, keys, KeyStore(keys, settings.keys / EPOCHS))
    if shipping is not None and plan.given_up:
        shipping.give_up(plan.given_up, int(next_name(journal_name(settings), plan.knows.names).rpartition("-")[2]))


def _roll_back(parts: Parts, approvals: Sequence[Approval], revoked: Collection[bytes]) -> None:
    """(6) Write the ROLLBACK, the first entry under the new name, which every board sees, and the log's key line."""
    with reading(parts.main) as session:
        done = parse_checkpoint(parts.journal.checkpoint(session)).size > parts.journal.first
    if not done:
        _write_rollback(parts, approvals, revoked)
    names, root = (f"{parts.settings.log}/keys", parts.journal.name, parts.journal.origin), parts.settings.root
    replace_private(parts.settings.home / TRUST, print_trust(root, *names, public=parts.log_key.public))


def _write_rollback(parts: Parts, approvals: Sequence[Approval], revoked: Collection[bytes]) -> None:
    with parts.journal.act() as act:
        fgs = approvers.standing(act.session)
        first, second = approvers.two(approvals, fgs, revoked, parts.settings.root, act.now)
        there = act.session.scalars(select(Board.code))
        boards = tuple(sorted({*there, *parts.keystore.of_boards()}))  # of some the joining may be lost
        by = Author(first, Role.STAFF, Level.HIGH)
        draft = Draft(kind=Kind.ROLLBACK, key=f"rollback-{parts.journal.first}", by=by, second=second)
        parts.ledger.record(act, draft, boards)


def _enrolled_since(parts: Parts, size: int) -> tuple[str, ...]:
    """Name the witnesses that were enrolled since the backup: their rows aren't shipped."""
    enrolled = select(JournalLookup.index).where(JournalLookup.type == int(Did.WITNESS_ENROLLED))
    with reading(parts.main) as session:
        found = session.scalars(enrolled.where(JournalLookup.index >= size)).all()
        entries = [parts.journal.read(session, index) for index in found]
    return tuple(sorted({str(entry.terms["witness"]) for entry in entries}))
