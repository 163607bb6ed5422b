"""The newest number of each board's entries. A store that stands already is filled by the next start."""

from alembic import op
from sqlalchemy import Column, Integer, PrimaryKeyConstraint, String

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "board_number",
        Column("board", String(length=40), nullable=False),
        Column("number", Integer(), nullable=False),
        Column("lost_first", Integer(), nullable=True),
        Column("lost_last", Integer(), nullable=True),
        PrimaryKeyConstraint("board", name=op.f("pk_board_number")),
    )


def downgrade() -> None:
    op.drop_table("board_number")
