"""FGs, witnesses, sweeps and their claims, proposals of emergencies; messages under the key of whom they go to."""

from datetime import timedelta

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
    column,
    select,
    table,
    update,
)

revision = "0003"
down_revision = "0002"

_MOMENTS = ("expires_at", "sent_at")


def upgrade() -> None:
    op.create_table(
        "dpo",
        Column("kid", LargeBinary(length=32), nullable=False),
        Column("board", String(length=40), nullable=False),
        Column("name", String(length=64), nullable=False),
        Column("public", LargeBinary(length=32), nullable=False),
        Column("valid_until", DateTime(timezone=True), nullable=False),
        Column("revoked", Boolean(), nullable=False),
        Column("stated_at", DateTime(timezone=True), nullable=False),
        Column("sealed", LargeBinary(), nullable=True),
        ForeignKeyConstraint(["board"], ["board.code"], name=op.f("fk_dpo_board_board")),
        PrimaryKeyConstraint("kid", name=op.f("pk_dpo")),
    )
    op.create_index(op.f("ix_dpo_board"), "dpo", ["board"])
    op.create_table(
        "lease",
        Column("kind", String(length=40), nullable=False),
        Column("id", String(length=80), nullable=False),
        Column("holder", String(length=32), nullable=False),
        Column("until", DateTime(timezone=True), nullable=False),
        PrimaryKeyConstraint("kind", "id", name=op.f("pk_lease")),
    )
    op.create_table(
        "sweep",
        Column("id", String(length=64), nullable=False),
        Column("begun_at", DateTime(timezone=True), nullable=False),
        Column("ended_at", DateTime(timezone=True), nullable=True),
        PrimaryKeyConstraint("id", name=op.f("pk_sweep")),
    )
    op.create_index(op.f("ix_sweep_begun_at"), "sweep", ["begun_at"])
    op.create_table(
        "witness",
        Column("name", String(length=100), nullable=False),
        Column("verifier", String(length=200), nullable=False),
        Column("size", Integer(), nullable=True),
        Column("note", LargeBinary(), nullable=True),
        Column("witnessed_at", DateTime(timezone=True), nullable=True),
        PrimaryKeyConstraint("name", name=op.f("pk_witness")),
    )
    op.create_table(
        "proposal",
        Column("id", String(length=64), nullable=False),
        Column("transfer", String(length=64), nullable=False),
        Column("pupil", String(length=64), nullable=False),
        Column("staff", String(length=80), nullable=False),
        Column("sealed", LargeBinary(), nullable=False),
        Column("created_at", DateTime(timezone=True), nullable=False),
        ForeignKeyConstraint(["pupil"], ["pupil.id"], name=op.f("fk_proposal_pupil_pupil")),
        ForeignKeyConstraint(["transfer"], ["transfer.id"], name=op.f("fk_proposal_transfer_transfer")),
        PrimaryKeyConstraint("id", name=op.f("pk_proposal")),
    )
    op.create_index(op.f("ix_proposal_pupil"), "proposal", ["pupil"])
    op.create_index(op.f("ix_proposal_transfer"), "proposal", ["transfer"])
    with op.batch_alter_table("invitation") as invitation:
        invitation.add_column(Column("sent_at", DateTime(timezone=True), nullable=True))
        invitation.add_column(Column("reminded", Integer(), nullable=False, server_default="0"))
    _tell_when_sent()
    with op.batch_alter_table("invitation") as invitation:
        invitation.alter_column("sent_at", existing_type=DateTime(timezone=True), nullable=False)
        invitation.alter_column("reminded", existing_type=Integer(), existing_nullable=False, server_default=None)
    with op.batch_alter_table("person") as person:
        person.alter_column("sealed", existing_type=LargeBinary(), nullable=True)
    with op.batch_alter_table("message") as message:
        message.add_column(Column("owner_kind", String(length=20), nullable=False, server_default="pupil"))
        message.add_column(Column("owner", String(length=110), nullable=False, server_default=""))
        message.alter_column("pupil", existing_type=String(length=64), nullable=True)
    op.execute("UPDATE message SET owner = pupil")
    with op.batch_alter_table("message") as message:
        for name, length in (("owner_kind", 20), ("owner", 110)):
            kept = {"existing_type": String(length=length), "existing_nullable": False}
            message.alter_column(name, **kept, server_default=None)


def _tell_when_sent() -> None:
    """Reckon back from the end: until now every invitation counted for fourteen days."""
    invitation = table("invitation", column("id"), *(column(name, DateTime(timezone=True)) for name in _MOMENTS))
    connection = op.get_bind()
    for identifier, expires_at in connection.execute(select(invitation.c.id, invitation.c.expires_at)).all():
        sent = update(invitation).where(invitation.c.id == identifier)
        connection.execute(sent.values(sent_at=expires_at - timedelta(days=14)))


def downgrade() -> None:
    op.execute("DELETE FROM message WHERE pupil IS NULL")
    op.execute("UPDATE person SET sealed = '' WHERE sealed IS NULL")
    with op.batch_alter_table("person") as person:
        person.alter_column("sealed", existing_type=LargeBinary(), nullable=False)
    with op.batch_alter_table("message") as message:
        message.alter_column("pupil", existing_type=String(length=64), nullable=False)
        message.drop_column("owner")
        message.drop_column("owner_kind")
    with op.batch_alter_table("invitation") as invitation:
        invitation.drop_column("reminded")
        invitation.drop_column("sent_at")
    for name in ("proposal", "witness", "sweep", "lease", "dpo"):
        op.drop_table(name)
