"""The secret that a request named for the webhook of its run."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("runs", sa.Column("webhook_secret", sa.String(length=100), nullable=True))


def downgrade() -> None:
    op.drop_column("runs", "webhook_secret")
