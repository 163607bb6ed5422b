"""A transfer names the entry that opened it. One from before has none, so that nothing of it is released any more."""

from alembic import op
from sqlalchemy import Column, Integer

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    with op.batch_alter_table("transfer") as transfer:
        transfer.add_column(Column("entry", Integer(), nullable=False, server_default="-1"))
    with op.batch_alter_table("transfer") as transfer:
        transfer.alter_column("entry", existing_type=Integer(), existing_nullable=False, server_default=None)


def downgrade() -> None:
    with op.batch_alter_table("transfer") as transfer:
        transfer.drop_column("entry")
