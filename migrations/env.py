"""Runs the revisions that `migrations.upgrade` and `downgrade` choose, on the connection that they give."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
with context.begin_transaction():
    context.run_migrations()
