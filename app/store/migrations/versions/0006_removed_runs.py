"""Runs that were removed and can be restored, and an index by which the gallery finds batches."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("runs", sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index("ix_runs_removed_at", "runs", ["removed_at"])
    op.create_index("ix_batches_history", "batches", ["owner", "created_at", "id"])


def downgrade() -> None:
    op.drop_index("ix_batches_history", "batches")
    op.drop_index("ix_runs_removed_at", "runs")
    op.drop_column("runs", "removed_at")
