"""Tables of this floor, in the main database beside those of the ledger and the journal.

Everything about a person is `sealed` under the pupil's own key. In clear: which schools, when, for which purpose and
sections. What can be derived from the ledger or the journal isn't stored again.
"""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from consent.db import UTC, Main

ID = String(64)
SCHOOL = String(6)


class Board(Main):
    """A school board (bevoegd gezag): controller of its schools' data, certified by the register's root."""

    __tablename__ = "board"
    code: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))


class School(Main):
    """A school location: BRIN and vestiging, of one board."""

    __tablename__ = "school"
    code: Mapped[str] = mapped_column(SCHOOL, primary_key=True)
    board: Mapped[str] = mapped_column(ForeignKey("board.code"))


class Dpo(Main):
    """A key of a board's FG, as the board's identity stated it. `name` is the board's own pseudonym for the person.

    `sealed` holds the mail address for reminders, under a key of this FG's own.
    """

    __tablename__ = "dpo"
    kid: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    board: Mapped[str] = mapped_column(ForeignKey("board.code"), index=True)
    name: Mapped[str] = mapped_column(String(64))
    public: Mapped[bytes] = mapped_column(LargeBinary(32))
    valid_until: Mapped[datetime] = mapped_column(UTC)
    revoked: Mapped[bool] = mapped_column(default=False)
    stated_at: Mapped[datetime] = mapped_column(UTC)
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)


class KeyLogEntry(Main):
    """One plain leaf of the public key log, with the root and the signed checkpoint of the tree that it ends."""

    __tablename__ = "keylog_entry"
    index: Mapped[int] = mapped_column("idx", primary_key=True, autoincrement=False)
    leaf: Mapped[bytes] = mapped_column(LargeBinary)
    root: Mapped[bytes] = mapped_column(LargeBinary(32))
    checkpoint: Mapped[bytes] = mapped_column(LargeBinary)


class Person(Main):
    """Somebody who may speak for a pupil, or the pupil: `sealed` holds name, mail address and role.

    It is sealed under a key of this person's own (`contact`), so that it can end before the pupil's record does.
    """

    __tablename__ = "person"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    pupil: Mapped[str] = mapped_column(ForeignKey("pupil.id"), index=True)
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)


class Transfer(Main):
    """One pupil's file, from one sender to one receiver, for one purpose.

    `policy` is the journal index of the sending board's POLICY when it opened, by which it is judged from then on, and
    `entry` that of the entry which opened it: what the row says is compared with it before anything is decided.
    """

    __tablename__ = "transfer"
    __table_args__ = (
        Index("ix_transfer_sender", "sender", "opened_at", "id"),
        Index("ix_transfer_receiver", "receiver", "opened_at", "id"),
    )
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    pupil: Mapped[str] = mapped_column(ForeignKey("pupil.id"), index=True)
    sender: Mapped[str] = mapped_column(ForeignKey("school.code"))
    receiver: Mapped[str] = mapped_column(ForeignKey("school.code"))
    route: Mapped[str] = mapped_column(String(8))
    purpose: Mapped[str] = mapped_column(String(16))
    sections: Mapped[str] = mapped_column(String(200))
    policy: Mapped[int]
    entry: Mapped[int]
    opened_at: Mapped[datetime] = mapped_column(UTC)
    cancelled_at: Mapped[datetime | None] = mapped_column(UTC)
    received_at: Mapped[datetime | None] = mapped_column(UTC)
    placed: Mapped[bool | None]
    used_for: Mapped[str | None] = mapped_column(String(100))


class Invitation(Main):
    """A token's hash, keyed, bound to one person and one transfer. The token itself is kept nowhere."""

    __tablename__ = "invitation"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    transfer: Mapped[str] = mapped_column(ForeignKey("transfer.id"), index=True)
    person: Mapped[str] = mapped_column(ForeignKey("person.id"), index=True)
    secret_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    expires_at: Mapped[datetime] = mapped_column(UTC)
    attempts_left: Mapped[int]
    sent_at: Mapped[datetime] = mapped_column(UTC)
    reminded: Mapped[int] = mapped_column(default=0)


class Words(Main):
    """Somebody's own words behind an event, sealed: a view (zienswijze), an objection, the decision on one."""

    __tablename__ = "words"
    event: Mapped[str] = mapped_column(ID, primary_key=True)
    transfer: Mapped[str] = mapped_column(ForeignKey("transfer.id"), index=True)
    pupil: Mapped[str] = mapped_column(ForeignKey("pupil.id"), index=True)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)


class Message(Main):
    """A message waiting to be delivered; the row goes when it has been handed over.

    It is sealed under the key of whom it goes to: `owner_kind` is `contact` (a person) or `dpo` (an FG).
    """

    __tablename__ = "message"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    pupil: Mapped[str | None] = mapped_column(ForeignKey("pupil.id"), index=True)
    owner_kind: Mapped[str] = mapped_column(String(20))
    owner: Mapped[str] = mapped_column(String(110))
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(UTC)


class Bundle(Main):
    """One version of a transfer's bundle. `number` counts the versions; the highest is the only one released.

    `store` is the name under which the key store keeps its release shares: random, so that an upload that fails can be
    cleaned up without touching another.
    """

    __tablename__ = "bundle"
    __table_args__ = (UniqueConstraint("transfer", "number"),)
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    transfer: Mapped[str] = mapped_column(ForeignKey("transfer.id"))
    number: Mapped[int]
    manifest: Mapped[bytes] = mapped_column(LargeBinary)
    signatures: Mapped[bytes] = mapped_column(LargeBinary)
    store: Mapped[str] = mapped_column(String(32))
    to_kid: Mapped[bytes] = mapped_column(LargeBinary(32))
    expires_at: Mapped[datetime] = mapped_column(UTC)
    uploaded_at: Mapped[datetime] = mapped_column(UTC)


class BundleSection(Main):
    """Where a section's ciphertext is. `shred_since` is set when the share is to go: the gate refuses from then on."""

    __tablename__ = "bundle_section"
    bundle: Mapped[str] = mapped_column(ForeignKey("bundle.id"), primary_key=True)
    section: Mapped[str] = mapped_column(String(20), primary_key=True)
    object: Mapped[str] = mapped_column(String(64))
    shred_since: Mapped[datetime | None] = mapped_column(UTC)


class Release(Main):
    """A granted release by its decision's index in the journal; `closed` is the index of what became of it."""

    __tablename__ = "release"
    index: Mapped[int] = mapped_column("idx", primary_key=True, autoincrement=False)
    transfer: Mapped[str] = mapped_column(ForeignKey("transfer.id"), index=True)
    bundle: Mapped[str] = mapped_column(ForeignKey("bundle.id"))
    sections: Mapped[str] = mapped_column(String(200))
    at: Mapped[datetime] = mapped_column(UTC)
    outcome: Mapped[str | None] = mapped_column(String(10))
    closed: Mapped[int | None]


class Proposal(Main):
    """What one member of a school's staff proposed and a second one has to confirm; `id` is a hash of what is sealed.

    `sealed` holds all of it (`handover.proposed`) under the pupil's key. A hold belongs to no transfer.
    """

    __tablename__ = "proposal"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    school: Mapped[str] = mapped_column(ForeignKey("school.code"), index=True)
    transfer: Mapped[str | None] = mapped_column(ForeignKey("transfer.id"), index=True)
    pupil: Mapped[str] = mapped_column(ForeignKey("pupil.id"), index=True)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(UTC)


class Lease(Main):
    """A sweep's claim on one thing that is due, so that several sweeps at once don't stumble over each other."""

    __tablename__ = "lease"
    kind: Mapped[str] = mapped_column(String(40), primary_key=True)
    id: Mapped[str] = mapped_column(String(80), primary_key=True)
    holder: Mapped[str] = mapped_column(String(32))
    until: Mapped[datetime] = mapped_column(UTC)


class Sweep(Main):
    """When sweeps ran: a clock that goes back, or far ahead since the last one, is noticed by it."""

    __tablename__ = "sweep"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    begun_at: Mapped[datetime] = mapped_column(UTC, index=True)
    ended_at: Mapped[datetime | None] = mapped_column(UTC)


class Witness(Main):
    """An enrolled witness of the journal by its verifier key, and the newest checkpoint that it cosigned."""

    __tablename__ = "witness"
    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    verifier: Mapped[str] = mapped_column(String(200))
    size: Mapped[int | None]
    note: Mapped[bytes | None] = mapped_column(LargeBinary)
    witnessed_at: Mapped[datetime | None] = mapped_column(UTC)


class Nonce(Main):
    """A signed request's nonce, so that it counts once."""

    __tablename__ = "nonce"
    kid: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    nonce: Mapped[str] = mapped_column(String(64), primary_key=True)
    seen_at: Mapped[datetime] = mapped_column(UTC, index=True)


class Idempotency(Main):
    """What a mutating request was answered. `answer` holds ids and times, never personal data, never a share."""

    __tablename__ = "idempotency"
    caller: Mapped[str] = mapped_column(String(64), primary_key=True)
    route: Mapped[str] = mapped_column(String(100), primary_key=True)
    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    body_sha256: Mapped[bytes] = mapped_column(LargeBinary(32))
    answer: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(UTC, index=True)


class Attempt(Main):
    """How often a school asked for what isn't its own in one minute."""

    __tablename__ = "attempt"
    school: Mapped[str] = mapped_column(SCHOOL, primary_key=True)
    minute: Mapped[datetime] = mapped_column(UTC, primary_key=True)
    count: Mapped[int]
