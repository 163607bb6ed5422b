"""The key store: epochs, wrapped keys and shares, look-ups, the mark."""

from alembic import op
from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    UniqueConstraint,
)

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "epoch",
        Column("number", Integer(), autoincrement=False, nullable=False),
        Column("current", Boolean(), nullable=False),
        Column("emptied_at", DateTime(timezone=True), nullable=True),
        Column("destroyed", Boolean(), nullable=False),
        PrimaryKeyConstraint("number", name=op.f("pk_epoch")),
    )
    op.create_table(
        "lookup_hash",
        Column("hash", LargeBinary(length=32), nullable=False),
        Column("id", String(length=80), nullable=False),
        PrimaryKeyConstraint("hash", name=op.f("pk_lookup_hash")),
    )
    op.create_index(op.f("ix_lookup_hash_id"), "lookup_hash", ["id"])
    op.create_table(
        "mark",
        Column("id", Integer(), autoincrement=False, nullable=False),
        Column("size", Integer(), nullable=False),
        Column("root", LargeBinary(length=32), nullable=False),
        CheckConstraint("id = 1", name=op.f("ck_mark_one_row")),
        PrimaryKeyConstraint("id", name=op.f("pk_mark")),
    )
    op.create_table(
        "data_key",
        Column("id", String(length=32), nullable=False),
        Column("owner_kind", String(length=20), nullable=False),
        Column("owner_id", String(length=200), nullable=False),
        Column("epoch", Integer(), nullable=False),
        Column("wrapped", LargeBinary(), nullable=True),
        Column("tag", LargeBinary(length=32), nullable=True),
        Column("number", Integer(), nullable=False),
        ForeignKeyConstraint(["epoch"], ["epoch.number"], name=op.f("fk_data_key_epoch_epoch")),
        PrimaryKeyConstraint("id", name=op.f("pk_data_key")),
        UniqueConstraint("owner_kind", "owner_id", name=op.f("uq_data_key_owner_kind_owner_id")),
        UniqueConstraint("tag", name=op.f("uq_data_key_tag")),
    )
    op.create_index(op.f("ix_data_key_epoch"), "data_key", ["epoch"])
    op.create_table(
        "share",
        Column("bundle", String(length=80), nullable=False),
        Column("section", String(length=40), nullable=False),
        Column("epoch", Integer(), nullable=False),
        Column("wrapped", LargeBinary(), nullable=False),
        ForeignKeyConstraint(["epoch"], ["epoch.number"], name=op.f("fk_share_epoch_epoch")),
        PrimaryKeyConstraint("bundle", "section", name=op.f("pk_share")),
    )
    op.create_index(op.f("ix_share_epoch"), "share", ["epoch"])


def downgrade() -> None:
    op.drop_table("share")
    op.drop_table("data_key")
    op.drop_table("mark")
    op.drop_table("lookup_hash")
    op.drop_table("epoch")
