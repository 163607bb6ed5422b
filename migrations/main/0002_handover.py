"""Schools, transfers, bundles and what the service needs around them."""

from alembic import op
from sqlalchemy import (
    Boolean,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Text,
    UniqueConstraint,
)

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "attempt",
        Column("school", String(length=6), nullable=False),
        Column("minute", DateTime(timezone=True), nullable=False),
        Column("count", Integer(), nullable=False),
        PrimaryKeyConstraint("school", "minute", name=op.f("pk_attempt")),
    )
    op.create_table(
        "board",
        Column("code", String(length=40), nullable=False),
        Column("name", String(length=200), nullable=False),
        Column("identity", LargeBinary(length=32), nullable=False),
        PrimaryKeyConstraint("code", name=op.f("pk_board")),
    )
    op.create_table(
        "idempotency",
        Column("caller", String(length=64), nullable=False),
        Column("route", String(length=100), nullable=False),
        Column("key", String(length=64), nullable=False),
        Column("body_sha256", LargeBinary(length=32), nullable=False),
        Column("answer", Text(), nullable=False),
        Column("at", DateTime(timezone=True), nullable=False),
        PrimaryKeyConstraint("caller", "route", "key", name=op.f("pk_idempotency")),
    )
    op.create_index(op.f("ix_idempotency_at"), "idempotency", ["at"], unique=False)
    op.create_table(
        "keylog_entry",
        Column("idx", Integer(), autoincrement=False, nullable=False),
        Column("leaf", LargeBinary(), nullable=False),
        Column("root", LargeBinary(length=32), nullable=False),
        Column("checkpoint", LargeBinary(), nullable=False),
        PrimaryKeyConstraint("idx", name=op.f("pk_keylog_entry")),
    )
    op.create_table(
        "nonce",
        Column("kid", LargeBinary(length=32), nullable=False),
        Column("nonce", String(length=64), nullable=False),
        Column("seen_at", DateTime(timezone=True), nullable=False),
        PrimaryKeyConstraint("kid", "nonce", name=op.f("pk_nonce")),
    )
    op.create_index(op.f("ix_nonce_seen_at"), "nonce", ["seen_at"], unique=False)
    op.create_table(
        "message",
        Column("id", String(length=64), nullable=False),
        Column("pupil", String(length=64), nullable=False),
        Column("sealed", LargeBinary(), nullable=False),
        Column("created_at", DateTime(timezone=True), nullable=False),
        ForeignKeyConstraint(["pupil"], ["pupil.id"], name=op.f("fk_message_pupil_pupil")),
        PrimaryKeyConstraint("id", name=op.f("pk_message")),
    )
    op.create_index(op.f("ix_message_pupil"), "message", ["pupil"], unique=False)
    op.create_table(
        "person",
        Column("id", String(length=64), nullable=False),
        Column("pupil", String(length=64), nullable=False),
        Column("sealed", LargeBinary(), nullable=False),
        ForeignKeyConstraint(["pupil"], ["pupil.id"], name=op.f("fk_person_pupil_pupil")),
        PrimaryKeyConstraint("id", name=op.f("pk_person")),
    )
    op.create_index(op.f("ix_person_pupil"), "person", ["pupil"], unique=False)
    op.create_table(
        "school",
        Column("code", String(length=6), nullable=False),
        Column("board", String(length=40), nullable=False),
        ForeignKeyConstraint(["board"], ["board.code"], name=op.f("fk_school_board_board")),
        PrimaryKeyConstraint("code", name=op.f("pk_school")),
    )
    op.create_table(
        "school_key",
        Column("kid", LargeBinary(length=32), nullable=False),
        Column("school", String(length=6), nullable=False),
        Column("kind", String(length=8), nullable=False),
        Column("public", LargeBinary(), nullable=False),
        Column("epoch", Integer(), nullable=False),
        Column("valid_from", DateTime(timezone=True), nullable=False),
        Column("valid_until", DateTime(timezone=True), nullable=False),
        Column("state", String(length=8), nullable=False),
        Column("entry", Integer(), nullable=False),
        ForeignKeyConstraint(["school"], ["school.code"], name=op.f("fk_school_key_school_school")),
        PrimaryKeyConstraint("kid", name=op.f("pk_school_key")),
    )
    op.create_index(op.f("ix_school_key_school"), "school_key", ["school"], unique=False)
    op.create_table(
        "transfer",
        Column("id", String(length=64), nullable=False),
        Column("pupil", String(length=64), nullable=False),
        Column("sender", String(length=6), nullable=False),
        Column("receiver", String(length=6), nullable=False),
        Column("route", String(length=8), nullable=False),
        Column("purpose", String(length=16), nullable=False),
        Column("sections", String(length=200), nullable=False),
        Column("policy", Integer(), nullable=False),
        Column("opened_at", DateTime(timezone=True), nullable=False),
        Column("cancelled_at", DateTime(timezone=True), nullable=True),
        Column("received_at", DateTime(timezone=True), nullable=True),
        Column("placed", Boolean(), nullable=True),
        Column("used_for", String(length=100), nullable=True),
        ForeignKeyConstraint(["pupil"], ["pupil.id"], name=op.f("fk_transfer_pupil_pupil")),
        ForeignKeyConstraint(["receiver"], ["school.code"], name=op.f("fk_transfer_receiver_school")),
        ForeignKeyConstraint(["sender"], ["school.code"], name=op.f("fk_transfer_sender_school")),
        PrimaryKeyConstraint("id", name=op.f("pk_transfer")),
    )
    op.create_index(op.f("ix_transfer_pupil"), "transfer", ["pupil"], unique=False)
    op.create_index("ix_transfer_receiver", "transfer", ["receiver", "opened_at", "id"], unique=False)
    op.create_index("ix_transfer_sender", "transfer", ["sender", "opened_at", "id"], unique=False)
    op.create_table(
        "bundle",
        Column("id", String(length=64), nullable=False),
        Column("transfer", String(length=64), nullable=False),
        Column("number", Integer(), nullable=False),
        Column("manifest", LargeBinary(), nullable=False),
        Column("signatures", LargeBinary(), nullable=False),
        Column("store", String(length=32), nullable=False),
        Column("to_kid", LargeBinary(length=32), nullable=False),
        Column("expires_at", DateTime(timezone=True), nullable=False),
        Column("uploaded_at", DateTime(timezone=True), nullable=False),
        ForeignKeyConstraint(["transfer"], ["transfer.id"], name=op.f("fk_bundle_transfer_transfer")),
        PrimaryKeyConstraint("id", name=op.f("pk_bundle")),
        UniqueConstraint("transfer", "number", name=op.f("uq_bundle_transfer_number")),
    )
    op.create_table(
        "invitation",
        Column("id", String(length=64), nullable=False),
        Column("transfer", String(length=64), nullable=False),
        Column("person", String(length=64), nullable=False),
        Column("secret_hash", LargeBinary(length=32), nullable=False),
        Column("expires_at", DateTime(timezone=True), nullable=False),
        Column("attempts_left", Integer(), nullable=False),
        ForeignKeyConstraint(["person"], ["person.id"], name=op.f("fk_invitation_person_person")),
        ForeignKeyConstraint(["transfer"], ["transfer.id"], name=op.f("fk_invitation_transfer_transfer")),
        PrimaryKeyConstraint("id", name=op.f("pk_invitation")),
    )
    op.create_index(op.f("ix_invitation_person"), "invitation", ["person"], unique=False)
    op.create_index(op.f("ix_invitation_transfer"), "invitation", ["transfer"], unique=False)
    op.create_table(
        "words",
        Column("event", String(length=64), nullable=False),
        Column("transfer", String(length=64), nullable=False),
        Column("pupil", String(length=64), nullable=False),
        Column("sealed", LargeBinary(), nullable=False),
        ForeignKeyConstraint(["pupil"], ["pupil.id"], name=op.f("fk_words_pupil_pupil")),
        ForeignKeyConstraint(["transfer"], ["transfer.id"], name=op.f("fk_words_transfer_transfer")),
        PrimaryKeyConstraint("event", name=op.f("pk_words")),
    )
    op.create_index(op.f("ix_words_pupil"), "words", ["pupil"], unique=False)
    op.create_index(op.f("ix_words_transfer"), "words", ["transfer"], unique=False)
    op.create_table(
        "bundle_section",
        Column("bundle", String(length=64), nullable=False),
        Column("section", String(length=20), nullable=False),
        Column("object", String(length=64), nullable=False),
        Column("shred_since", DateTime(timezone=True), nullable=True),
        ForeignKeyConstraint(["bundle"], ["bundle.id"], name=op.f("fk_bundle_section_bundle_bundle")),
        PrimaryKeyConstraint("bundle", "section", name=op.f("pk_bundle_section")),
    )
    op.create_table(
        "release",
        Column("idx", Integer(), autoincrement=False, nullable=False),
        Column("transfer", String(length=64), nullable=False),
        Column("bundle", String(length=64), nullable=False),
        Column("sections", String(length=200), nullable=False),
        Column("at", DateTime(timezone=True), nullable=False),
        Column("outcome", String(length=10), nullable=True),
        Column("closed", Integer(), nullable=True),
        ForeignKeyConstraint(["bundle"], ["bundle.id"], name=op.f("fk_release_bundle_bundle")),
        ForeignKeyConstraint(["transfer"], ["transfer.id"], name=op.f("fk_release_transfer_transfer")),
        PrimaryKeyConstraint("idx", name=op.f("pk_release")),
    )
    op.create_index(op.f("ix_release_transfer"), "release", ["transfer"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_release_transfer"), table_name="release")
    op.drop_table("release")
    op.drop_table("bundle_section")
    op.drop_index(op.f("ix_words_transfer"), table_name="words")
    op.drop_index(op.f("ix_words_pupil"), table_name="words")
    op.drop_table("words")
    op.drop_index(op.f("ix_invitation_transfer"), table_name="invitation")
    op.drop_index(op.f("ix_invitation_person"), table_name="invitation")
    op.drop_table("invitation")
    op.drop_table("bundle")
    op.drop_index("ix_transfer_sender", table_name="transfer")
    op.drop_index("ix_transfer_receiver", table_name="transfer")
    op.drop_index(op.f("ix_transfer_pupil"), table_name="transfer")
    op.drop_table("transfer")
    op.drop_index(op.f("ix_school_key_school"), table_name="school_key")
    op.drop_table("school_key")
    op.drop_table("school")
    op.drop_index(op.f("ix_person_pupil"), table_name="person")
    op.drop_table("person")
    op.drop_index(op.f("ix_message_pupil"), table_name="message")
    op.drop_table("message")
    op.drop_index(op.f("ix_nonce_seen_at"), table_name="nonce")
    op.drop_table("nonce")
    op.drop_table("keylog_entry")
    op.drop_index(op.f("ix_idempotency_at"), table_name="idempotency")
    op.drop_table("idempotency")
    op.drop_table("board")
    op.drop_table("attempt")
