"""Keys and identities are read from the key log itself, so no table repeats them any more.

Going down makes the table and the column again without what was in them: every board and school publishes again.
"""

from alembic import op
from sqlalchemy import Column, DateTime, ForeignKeyConstraint, Integer, LargeBinary, PrimaryKeyConstraint, String

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.drop_index(op.f("ix_school_key_school"), table_name="school_key")
    op.drop_table("school_key")
    with op.batch_alter_table("board") as board:
        board.drop_column("identity")


def downgrade() -> None:
    with op.batch_alter_table("board") as board:
        board.add_column(Column("identity", LargeBinary(length=32), nullable=False, server_default=""))
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
