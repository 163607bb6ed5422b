"""Puts a service back from a backup and the second place, to where it was when the last act was acknowledged, or not.

(1) The backup's files are those of their manifests. Shipments that came after them follow on each other.
(2) What is known to have been there is gathered: the mark and the head of what is to be replaced, a checkpoint that
    froze the service, checkpoints that people kept, and what an earlier try of this restore knew.
(3) Unless all of that is reached, nothing is touched, and what is missing is named. It goes on only when two people
    have approved of the loss (`handover.loss`).
(4) From here on a file in HANDOVER_HOME keeps the service from starting, until the end. A restore that was killed is
    run again: it knows what it knew, and puts nothing back twice once both databases are.
(5) The main database is put back, the shipments upon it, and the tree must give the signed root. Then the key store,
    and what was destroyed since is destroyed again. A key store from a backup has no mark: it gets one last.
(6) After a loss the log goes on under another name, with a ROLLBACK: what was said before is suspended.
"""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import Engine, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from consent import replay, tree
from consent.db import open_engine, reading, writing
from consent.errors import EpochKeyMissing, ShipmentRefused
from consent.events import Actor, Draft, Kind
from consent.keystore import KeyStore
from consent.shipping import Shipment, Shipping
from consent.tables import Freeze, JournalHead, JournalLookup, Mark, Shipped
from consent.terms import Level, Role
from crypto.checkpoint import Checkpoint, parse_checkpoint, verify_checkpoint
from crypto.encoding import JSON, canon
from crypto.errors import CheckpointRefused, SignatureRefused
from crypto.files import replace_private
from crypto.keys import kid
from handover import bundles, copying
from handover.accesslog import Did
from handover.admin import VERIFIERS, verifiers
from handover.backup import Manifest, read_backup
from handover.errors import HandoverError
from handover.loss import Approval
from handover.parts import EPOCHS, RESTORING, Parts, journal_name, now, put_together, read_log_key, shipping_of
from handover.settings import Settings
from handover.tables import Board, Dpo, KeyLogEntry
from handover.unfinished import Back, Known, begin, begun
from migrations import upgrade

LOSS: Final = "loss.json"
"""The statement of what a restore would lose, in HANDOVER_HOME."""

ROOT: Final = "register"
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
    last_number: int | None
    taken: str
    note: str
    known: tuple[Known, ...]
    problems: tuple[str, ...]

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

    Raises RestoreRefused with all that is missing, BackupRefused, ShippingError, EpochKeyMissing or CopyFailed. What
    was there is untouched where it raises before (4).
    """
    (said_main, main_file), (said_keys, keys_file) = read_backup(of_main, "main"), read_backup(of_keys, "keys")
    manifests = said_main, said_keys
    with ExitStack() as held:
        main, keys = open_engine(settings.database_url), open_engine(settings.keystore_url)
        held.callback(main.dispose)
        held.callback(keys.dispose)
        _check_targets(settings, main, keys, manifests, replace)
        copies = [manifest.sha256 for manifest in manifests]
        back = _put_back_before(settings, main, keys, copies, known)
        if back is None:
            plan = make_plan(settings, main, keys, KeyStore(keys, settings.keys / EPOCHS), manifests, known)
            _check_loss(settings, plan, approvals)  # (3)
            begin(settings, plan.known, plan.problems)  # (4)
            _main_back(settings, main, main_file, plan, approvals)  # (5)
            _keys_back(settings, main, keys, keys_file, plan)
            back = Back(copies, plan.note, len(plan.shipments), loss_statement(settings, plan))
            begin(settings, plan.known, plan.problems, back)
        elif any(approval.statement != back.statement for approval in approvals):
            raise RestoreRefused(OTHER_LOSS)
    return _finish(settings, manifests, back, approvals)


def _finish(
    settings: Settings, manifests: tuple[Manifest, Manifest], back: Back, approvals: Sequence[Approval]
) -> Restored:
    of_main, of_keys = manifests
    _, lost, _ = begun(settings)
    with closing(put_together(settings, resumed=bool(of_keys.shipped or back.shipments))) as parts:
        if lost:
            _roll_back(parts, approvals)  # (6)
        bundles.finish_shredding(parts)
        witnesses = _enrolled_since(parts, parse_checkpoint(of_main.checkpoint.encode()).size)
        (settings.home / LOSS).unlink(missing_ok=True)
        (settings.home / RESTORING).unlink()
        reached = parse_checkpoint(back.note.encode())
        return Restored(reached.size, reached.root, parts.journal.origin, back.shipments, tuple(lost), witnesses)


def _check_loss(settings: Settings, plan: Plan, approvals: Sequence[Approval]) -> None:
    statement = loss_statement(settings, plan)
    if plan.problems and not approvals:
        replace_private(settings.home / LOSS, canon(statement))
        raise RestoreRefused(*plan.problems, f"what would be lost stands in {settings.home / LOSS}")
    if any(approval.statement != statement for approval in approvals):
        raise RestoreRefused(OTHER_LOSS)


def make_plan(
    settings: Settings,
    main: Engine,
    keys: Engine,
    store: KeyStore,
    manifests: tuple[Manifest, Manifest],
    known: Iterable[bytes],
) -> Plan:
    """Find out how far the backup and the second place lead, and what is known beyond that; changes nothing."""
    of_main, of_keys = manifests
    begin = parse_checkpoint(of_main.checkpoint.encode()).size
    shipping = shipping_of(settings, main, keys, store)
    problems: list[str] = []
    shipments: list[Shipment] = []
    numbers: list[int] = []
    if shipping is not None:
        first = min(of_main.shipped, of_keys.shipped) + 1
        numbers = [number for number in shipping.numbers() if number >= first]
        if numbers and numbers[0] != first:
            problems.append(f"shipment {first} is missing")
        else:
            read, unreadable = _read(shipping, numbers)
            shipments, fault = replay.chain(read, begin)
            problems += [each for each in (fault, unreadable) if each]
    ends = [each for each in (of_main.checkpoint, *(one.note for one in shipments)) if each]
    note = max(ends, key=lambda each: parse_checkpoint(each.encode()).size)
    before, found, _ = begun(settings)
    unique = {(fact.size, fact.root): fact for fact in [*_known(settings, main, keys, known), *before]}
    facts = tuple(unique[each] for each in sorted(unique))
    problems += _beyond(parse_checkpoint(note.encode()), facts)
    problems += [each for each in found if each not in problems]
    if shipping is None and not facts:
        problems.append("nobody can say what came after the backup: there is no second place and no mark")
    return Plan(tuple(shipments), max(numbers, default=None), of_main.checkpoint, note, facts, tuple(problems))


def _read(shipping: Shipping, numbers: Iterable[int]) -> tuple[list[Shipment], str | None]:
    """Open shipments as far as they can be opened; gives them, and what is wrong with the next one."""
    read: list[Shipment] = []
    for number in numbers:
        try:
            read.append(shipping.read(number))
        except (ShipmentRefused, EpochKeyMissing) as problem:
            return read, f"shipment {number} can't be read: {problem}"
    return read, None


def loss_statement(settings: Settings, plan: Plan) -> dict[str, JSON]:
    """Say what would be lost, and how the log would go on."""
    reached = plan.reached
    beyond = [fact for fact in plan.known if fact.size >= reached.size and fact.root != reached.root]
    newest = max(beyond, key=lambda fact: fact.size, default=None)  # what an earlier try put back changes nothing here
    return {
        "v": 1,
        "log": journal_name(settings),
        "missing": list(plan.problems),
        "known": None if newest is None else {"size": newest.size, "root": newest.root.hex()},
        "restored": {"size": reached.size, "root": reached.root.hex()},
        "origin": _next_name(journal_name(settings), reached.origin),
    }


def _next_name(first: str, present: str) -> str:
    number = 1 if present == first else int(present.removeprefix(f"{first}-"))
    return f"{first}-{number + 1}"


def _beyond(reached: Checkpoint, facts: Iterable[Known]) -> list[str]:
    missing = [
        f"the journal had {fact.size} entries ({fact.source}); {reached.size} can be put back"
        for fact in facts
        if fact.size > reached.size
    ]
    return missing + [_other(fact) for fact in facts if fact.size == reached.size and fact.root != reached.root]


def _other(fact: Known) -> str:
    return f"the journal had other entries below {fact.size} ({fact.source})"


def _known(settings: Settings, main: Engine, keys: Engine, kept: Iterable[bytes]) -> Iterable[Known]:
    """(2) Gather what is known of the journal's size. A database that can't be read says nothing."""
    yield from _kept(settings, kept)
    with suppress(SQLAlchemyError), reading(keys) as session:
        mark = session.scalars(select(Mark)).one_or_none()
        yield from _kept(settings, session.scalars(select(Freeze.note)), "what froze the service")
        if mark is not None:
            yield Known(mark.size, mark.root, "the mark of the key store")
    with suppress(SQLAlchemyError), reading(main) as session:
        yield from _kept(settings, session.scalars(select(JournalHead.checkpoint)), "the journal that is replaced")


def _kept(settings: Settings, notes: Iterable[bytes], source: str = "a checkpoint that was kept") -> Iterable[Known]:
    """Give what checkpoints of this log say; others say nothing."""
    public, log = read_log_key(settings.keys).public, journal_name(settings)
    for note in notes:
        with suppress(CheckpointRefused):
            origin = parse_checkpoint(note).origin
            if origin == log or origin.startswith(f"{log}-"):
                checkpoint = verify_checkpoint(note, origin, public)
                yield Known(checkpoint.size, checkpoint.root, source)


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
    before, _, back = begun(settings)
    news = {(fact.size, fact.root) for fact in _kept(settings, kept)} - {(fact.size, fact.root) for fact in before}
    if back is None or back.copies != copies or news:
        return None
    size = parse_checkpoint(back.note.encode()).size
    with suppress(SQLAlchemyError), reading(main) as session, reading(keys) as store:
        stand = session.scalars(select(JournalHead.size)).all(), store.scalars(select(Mark.size)).all()
        return back if all(each and min(each) >= size for each in stand) else None
    return None


def _main_back(settings: Settings, main: Engine, file: Path, plan: Plan, approvals: Sequence[Approval]) -> None:
    copying.put_back(main, file)
    upgrade(main, "main")
    key, reached = read_log_key(settings.keys), plan.reached
    with writing(main) as session:
        replay.put_back(session, plan.shipments, KeyLogEntry.__tablename__)
        replay.grow(session, plan.note.encode(), plan.began.origin, key.public)
        if plan.problems:
            _check_approvals(settings, session, approvals)
            tree.rename(session, reached.origin, _next_name(journal_name(settings), reached.origin), key)
            return
        other = [_other(fact) for fact in plan.known if tree.root_at(session, fact.size) != fact.root]
        if other:
            begin(settings, plan.known, other)
            raise RestoreRefused(*other, "run the same restore again for a statement of what would be lost")


def _keys_back(settings: Settings, main: Engine, keys: Engine, file: Path, plan: Plan) -> None:
    given = _numbers_given(settings, keys) if plan.problems else {}
    copying.put_back(keys, file)
    upgrade(keys, "keys")
    with writing(keys) as session, reading(main) as journal:
        replay.put_back_keys(session, plan.shipments, settings.keys / EPOCHS)
        replay.settle(session, journal, plan.reached, lossy=bool(plan.problems), given=given)
        if plan.last_number is not None:  # a number of the lost branch is never given again
            session.execute(update(Shipped).where(Shipped.number < plan.last_number).values(number=plan.last_number))


def _numbers_given(settings: Settings, keys: Engine) -> dict[str, int]:
    """Read, of the key store that is replaced, how far each board's numbers had come, where it can be read."""
    with suppress(SQLAlchemyError):
        known = KeyStore(keys, settings.keys / EPOCHS).of_boards()
        return {board: said.number for board, said in known.items()}
    return {}


def _check_approvals(settings: Settings, session: Session, approvals: Sequence[Approval]) -> tuple[str, str]:
    """Name the two who approved: FGs that stand in what was put back, or one and the register's root."""
    names: set[tuple[str, str]] = set()
    for approval in approvals:
        who, public = _approver(settings, session, approval.kid)
        try:
            approval.check(public)
        except SignatureRefused:
            raise RestoreRefused("an approval isn't signed by the key that it names") from None
        names.add(who)
    boards = {board for board, _ in names}
    if len(names) != 2 or len(boards) != 2 or boards == {ROOT}:
        raise RestoreRefused("two people approve of a loss: a board's FG, and another board's or the register's root")
    first, second = sorted(names, key=lambda who: (who[0] == ROOT, who))
    return ".".join(first), "-".join(second)


def _approver(settings: Settings, session: Session, identifier: bytes) -> tuple[tuple[str, str], bytes]:
    if identifier == kid("root", settings.root):
        return (ROOT, "root"), settings.root
    row = session.get(Dpo, identifier)
    if row is None or row.revoked or row.valid_until <= now():
        raise RestoreRefused("an approval is by a key that isn't an FG's, nor the register's root")
    return (row.board, row.name), row.public


def _roll_back(parts: Parts, approvals: Sequence[Approval]) -> None:
    """(6) Write the ROLLBACK, the first entry under the new name, which every board sees, and the log's key line."""
    with reading(parts.main) as session:
        done = parse_checkpoint(parts.journal.checkpoint(session)).size > parts.journal.first
    if not done:
        _write_rollback(parts, approvals)
    names = f"{parts.settings.log}/keys", parts.journal.name, parts.journal.origin
    replace_private(parts.settings.home / VERIFIERS, verifiers(*names, public=parts.log_key.public))


def _write_rollback(parts: Parts, approvals: Sequence[Approval]) -> None:
    with parts.journal.act() as act:
        first, second = _check_approvals(parts.settings, act.session, approvals)
        there = act.session.scalars(select(Board.code))
        boards = tuple(sorted({*there, *parts.keystore.of_boards()}))  # of some the joining may be lost
        by = Actor(first, Role.STAFF, Level.HIGH)
        draft = Draft(kind=Kind.ROLLBACK, key=f"rollback-{parts.journal.first}", by=by, second=second)
        parts.ledger.record(act, draft, boards)


def _enrolled_since(parts: Parts, size: int) -> tuple[str, ...]:
    """Name the witnesses that were enrolled since the backup: their rows aren't shipped."""
    enrolled = select(JournalLookup.index).where(JournalLookup.type == int(Did.WITNESS_ENROLLED))
    with reading(parts.main) as session:
        found = session.scalars(enrolled.where(JournalLookup.index >= size)).all()
        entries = [parts.journal.read(session, index) for index in found]
    return tuple(sorted({str(entry.terms["witness"]) for entry in entries}))
