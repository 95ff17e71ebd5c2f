"""Alembic's entry: run inside the transaction that `app.store.schema` has begun, under its lock."""

from alembic import context

from app.store.models import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
with context.begin_transaction():
    context.run_migrations()
