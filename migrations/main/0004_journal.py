"""What each board may search by, staff's erasures, and several keys for one erasure."""

from alembic import op
from sqlalchemy import Column, Date, Integer, LargeBinary, String, column, select, table, text, update

revision = "0004"
down_revision = "0003"

_SECTIONS = ("okr", "opp", "lvs", "attendance", "support", "reports", "views", "handover_notes")
_SEARCHES = ("type", "day", "ground", "outcome", "school", "pupil_tag", "actor_tag")
_NAMES = ("board_idx", *(f"board_{name}_idx" for name in _SEARCHES), *(f"section_{name}" for name in _SECTIONS))
_FROM_LOOKUP = ("type", "day", "sections", "ground", "outcome", "pupil_tag", "actor_tag")


def upgrade() -> None:
    for added in (
        Column("school", String(length=6), nullable=True),
        Column("erased", Integer(), nullable=True),
        Column("actor_erased", Integer(), nullable=True),
    ):
        op.add_column("journal_lookup", added)
    for added in (
        Column("type", Integer(), nullable=False, server_default="0"),
        Column("day", Date(), nullable=True),
        Column("sections", Integer(), nullable=False, server_default="0"),
        Column("ground", String(length=80), nullable=True),
        Column("outcome", String(length=80), nullable=True),
        Column("school", String(length=6), nullable=True),
        Column("sees", Integer(), nullable=False, server_default="7"),
        Column("pupil_tag", LargeBinary(length=32), nullable=True),
        Column("actor_tag", LargeBinary(length=32), nullable=True),
    ):
        op.add_column("journal_board", added)
    _take_over()
    op.create_index("ix_journal_board_board_idx", "journal_board", ["board", "idx"])
    for name in _SEARCHES:
        op.create_index(f"ix_journal_board_board_{name}_idx", "journal_board", ["board", name, "idx"])
    for bit, name in enumerate(_SECTIONS):
        where = text(f"(sections & {1 << bit}) != 0")
        op.create_index(
            f"ix_journal_board_section_{name}",
            "journal_board",
            ["board", "idx"],
            sqlite_where=where,
            postgresql_where=where,
        )
    with op.batch_alter_table("journal_erasure") as erasure:
        erasure.drop_constraint("pk_journal_erasure", type_="primary")
        erasure.create_primary_key("pk_journal_erasure", ["idx", "key_id"])


def _take_over() -> None:
    board, lookup = (table(name, *map(column, ("idx", *_FROM_LOOKUP))) for name in ("journal_board", "journal_lookup"))
    found = {name: select(lookup.c[name]).where(lookup.c.idx == board.c.idx).scalar_subquery() for name in _FROM_LOOKUP}
    op.execute(update(board).values(found))


def downgrade() -> None:
    with op.batch_alter_table("journal_erasure") as erasure:  # fails where an erasure still has several keys to destroy
        erasure.drop_constraint("pk_journal_erasure", type_="primary")
        erasure.create_primary_key("pk_journal_erasure", ["idx"])
    for name in _NAMES:
        op.drop_index(f"ix_journal_board_{name}", "journal_board")
    for name in ("actor_tag", "pupil_tag", "sees", "school", "outcome", "ground", "sections", "day", "type"):
        op.drop_column("journal_board", name)
    for name in ("actor_erased", "erased", "school"):
        op.drop_column("journal_lookup", name)
