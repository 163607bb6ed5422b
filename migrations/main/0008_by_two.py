"""Proposals of all that takes two, not of emergencies alone. Those that wait are let go: nothing counts by them yet."""

from alembic import op
from sqlalchemy import Column, String

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.execute("DELETE FROM proposal")
    with op.batch_alter_table("proposal") as proposal:
        proposal.drop_column("staff")
        proposal.add_column(Column("school", String(length=6), nullable=False))
        proposal.alter_column("transfer", existing_type=String(length=64), nullable=True)
        proposal.create_foreign_key(op.f("fk_proposal_school_school"), "school", ["school"], ["code"])
        proposal.create_index(op.f("ix_proposal_school"), ["school"])


def downgrade() -> None:
    op.execute("DELETE FROM proposal")
    with op.batch_alter_table("proposal") as proposal:
        proposal.drop_index(op.f("ix_proposal_school"))
        proposal.drop_constraint(op.f("fk_proposal_school_school"), type_="foreignkey")
        proposal.alter_column("transfer", existing_type=String(length=64), nullable=False)
        proposal.drop_column("school")
        proposal.add_column(Column("staff", String(length=80), nullable=False))
