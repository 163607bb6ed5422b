"""What was shipped to a second place, what wasn't yet, and the checkpoint for which nothing is released."""

from alembic import op
from sqlalchemy import CheckConstraint, Column, DateTime, Integer, LargeBinary, PrimaryKeyConstraint, String

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "freeze",
        Column("id", Integer(), autoincrement=False, nullable=False),
        Column("note", LargeBinary(), nullable=False),
        Column("source", String(length=80), nullable=False),
        Column("at", DateTime(timezone=True), nullable=False),
        CheckConstraint("id = 1", name=op.f("ck_freeze_one_row")),
        PrimaryKeyConstraint("id", name=op.f("pk_freeze")),
    )
    op.create_table(
        "shipped",
        Column("id", Integer(), autoincrement=False, nullable=False),
        Column("number", Integer(), nullable=False),
        Column("size", Integer(), nullable=False),
        Column("keylog", Integer(), nullable=False),
        CheckConstraint("id = 1", name=op.f("ck_shipped_one_row")),
        PrimaryKeyConstraint("id", name=op.f("pk_shipped")),
    )
    # A store that stands already: what it holds goes with its next backup, and from there on by shipments.
    op.execute("INSERT INTO shipped (id, number, size, keylog) SELECT 1, 0, 0, 0 FROM mark")
    op.create_table(
        "unshipped",
        Column("id", Integer(), nullable=False),
        Column("name", String(length=20), nullable=False),
        Column("key", String(length=80), nullable=False),
        PrimaryKeyConstraint("id", name=op.f("pk_unshipped")),
    )


def downgrade() -> None:
    for name in ("unshipped", "shipped", "freeze"):
        op.drop_table(name)
