"""The names of the log: one more for each time that a journal was put back with a loss."""

from alembic import op
from sqlalchemy import Column, Integer, PrimaryKeyConstraint, String

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "journal_origin",
        Column("first", Integer(), autoincrement=False, nullable=False),
        Column("origin", String(length=200), nullable=False),
        PrimaryKeyConstraint("first", name=op.f("pk_journal_origin")),
    )


def downgrade() -> None:
    op.drop_table("journal_origin")
