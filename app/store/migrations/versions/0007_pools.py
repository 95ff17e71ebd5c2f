"""Analyses are shared within a pool: of all, or of one owner.

Until now all runs shared them, so the old ones are in the pool of all. SQLite cannot change a unique key, and deletes
the rows of a table that it drops, with all that refer to them: those wait in copies until the new table is there.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

OLD_KEY = ["photo_sha256", "analyzer", "identity"]
NEW_KEY = ["photo_sha256", "pool", "analyzer", "identity"]
NEW_NAME, OLD_NAME = "analyses_pool_key", "analyses_photo_sha256_analyzer_identity_key"
REFERRING = ("analysis_classes", "analysis_texts", "run_analyses")


def upgrade() -> None:
    pool = sa.Column("pool", sa.String(length=64), nullable=False, server_default="")
    if op.get_bind().dialect.name != "sqlite":
        op.add_column("analyses", pool)
        op.drop_constraint(OLD_NAME, "analyses", type_="unique")
        op.create_unique_constraint(NEW_NAME, "analyses", NEW_KEY)
        return
    _remake([pool], NEW_KEY, NEW_NAME)


def downgrade() -> None:
    bind = op.get_bind()
    bind.execute(sa.text("DELETE FROM run_analyses WHERE analysis_id IN (SELECT id FROM analyses WHERE pool <> '')"))
    bind.execute(sa.text("DELETE FROM analyses WHERE pool <> ''"))
    if bind.dialect.name != "sqlite":
        op.drop_constraint(NEW_NAME, "analyses", type_="unique")
        op.drop_column("analyses", "pool")
        op.create_unique_constraint(OLD_NAME, "analyses", OLD_KEY)
        return
    _remake([], OLD_KEY, None)


def _remake(added: list[sa.Column[str]], key: list[str], name: str | None) -> None:
    """Make the table of analyses again in SQLite, with other columns and another key."""
    bind = op.get_bind()
    old = sa.Table("analyses", sa.MetaData(), autoload_with=bind, resolve_fks=False)
    kept = [column for column in old.columns if column.name != "pool"]
    names = ", ".join(column.name for column in kept)
    columns = [sa.Column(column.name, column.type, nullable=column.nullable) for column in kept]
    keys = [
        sa.PrimaryKeyConstraint("id"),
        sa.ForeignKeyConstraint(["photo_sha256"], ["photos.sha256"]),
        sa.UniqueConstraint(*key, name=name),
    ]
    op.create_table("new_analyses", *columns, *added, *keys)
    bind.execute(sa.text(f"INSERT INTO new_analyses ({names}) SELECT {names} FROM analyses"))
    for table in REFERRING:
        bind.execute(sa.text(f"CREATE TEMPORARY TABLE kept_{table} AS SELECT * FROM {table}"))
        bind.execute(sa.text(f"DELETE FROM {table}"))
    op.drop_table("analyses")
    op.rename_table("new_analyses", "analyses")
    op.create_index("ix_analyses_state", "analyses", ["state"])
    for table in REFERRING:
        bind.execute(sa.text(f"INSERT INTO {table} SELECT * FROM kept_{table}"))
        bind.execute(sa.text(f"DROP TABLE kept_{table}"))
