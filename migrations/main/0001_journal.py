"""The journal and the pupils."""

from alembic import op
from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKeyConstraint,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
)

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "journal_checkpoint",
        Column("size", Integer(), autoincrement=False, nullable=False),
        Column("note", LargeBinary(), nullable=False),
        PrimaryKeyConstraint("size", name=op.f("pk_journal_checkpoint")),
    )
    op.create_table(
        "journal_head",
        Column("id", Integer(), autoincrement=False, nullable=False),
        Column("size", Integer(), nullable=False),
        Column("frontier", LargeBinary(), nullable=False),
        Column("checkpoint", LargeBinary(), nullable=False),
        CheckConstraint("id = 1", name=op.f("ck_journal_head_one_row")),
        PrimaryKeyConstraint("id", name=op.f("pk_journal_head")),
    )
    op.create_table(
        "journal_leaf",
        Column("idx", Integer(), autoincrement=False, nullable=False),
        Column("leaf", LargeBinary(), nullable=False),
        Column("hash", LargeBinary(length=32), nullable=False),
        PrimaryKeyConstraint("idx", name=op.f("pk_journal_leaf")),
    )
    op.create_table(
        "journal_node",
        Column("level", Integer(), autoincrement=False, nullable=False),
        Column("idx", Integer(), autoincrement=False, nullable=False),
        Column("hash", LargeBinary(length=32), nullable=False),
        PrimaryKeyConstraint("level", "idx", name=op.f("pk_journal_node")),
    )
    op.create_table(
        "pupil",
        Column("id", String(length=64), nullable=False),
        Column("version", Integer(), nullable=False),
        Column("board", String(length=40), nullable=False),
        Column("sealed", LargeBinary(), nullable=True),
        Column("erased", Boolean(), nullable=False),
        PrimaryKeyConstraint("id", name=op.f("pk_pupil")),
    )
    op.create_index(op.f("ix_pupil_board"), "pupil", ["board"])
    op.create_table(
        "journal_board",
        Column("board", String(length=40), nullable=False),
        Column("number", Integer(), autoincrement=False, nullable=False),
        Column("idx", Integer(), nullable=False),
        ForeignKeyConstraint(["idx"], ["journal_leaf.idx"], name=op.f("fk_journal_board_idx_journal_leaf")),
        PrimaryKeyConstraint("board", "number", name=op.f("pk_journal_board")),
    )
    op.create_index(op.f("ix_journal_board_idx"), "journal_board", ["idx"])
    op.create_table(
        "journal_erasure",
        Column("idx", Integer(), autoincrement=False, nullable=False),
        Column("key_id", String(length=32), nullable=False),
        ForeignKeyConstraint(["idx"], ["journal_leaf.idx"], name=op.f("fk_journal_erasure_idx_journal_leaf")),
        PrimaryKeyConstraint("idx", name=op.f("pk_journal_erasure")),
    )
    op.create_table(
        "journal_lookup",
        Column("idx", Integer(), autoincrement=False, nullable=False),
        Column("book", String(length=20), nullable=False),
        Column("type", Integer(), nullable=False),
        Column("day", Date(), nullable=True),
        Column("sections", Integer(), nullable=False),
        Column("ground", String(length=80), nullable=True),
        Column("outcome", String(length=80), nullable=True),
        Column("number", Integer(), nullable=True),
        Column("pupil_tag", LargeBinary(length=32), nullable=True),
        Column("actor_tag", LargeBinary(length=32), nullable=True),
        ForeignKeyConstraint(["idx"], ["journal_leaf.idx"], name=op.f("fk_journal_lookup_idx_journal_leaf")),
        PrimaryKeyConstraint("idx", name=op.f("pk_journal_lookup")),
    )
    op.create_index(op.f("ix_journal_lookup_actor_tag_idx"), "journal_lookup", ["actor_tag", "idx"])
    op.create_index(op.f("ix_journal_lookup_day"), "journal_lookup", ["day"])
    op.create_index(op.f("ix_journal_lookup_pupil_tag_idx"), "journal_lookup", ["pupil_tag", "idx"])
    op.create_table(
        "journal_part",
        Column("idx", Integer(), autoincrement=False, nullable=False),
        Column("subject", LargeBinary(), nullable=True),
        Column("actor", LargeBinary(), nullable=True),
        Column("terms", LargeBinary(), nullable=True),
        ForeignKeyConstraint(["idx"], ["journal_leaf.idx"], name=op.f("fk_journal_part_idx_journal_leaf")),
        PrimaryKeyConstraint("idx", name=op.f("pk_journal_part")),
    )


def downgrade() -> None:
    op.drop_table("journal_part")
    op.drop_table("journal_lookup")
    op.drop_table("journal_erasure")
    op.drop_table("journal_board")
    op.drop_table("pupil")
    op.drop_table("journal_node")
    op.drop_table("journal_leaf")
    op.drop_table("journal_head")
    op.drop_table("journal_checkpoint")
