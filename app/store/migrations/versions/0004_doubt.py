"""How much a correction of a photo would tell. Unknown for results that were stored before."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("analyses", sa.Column("doubt", sa.Float(), nullable=True))


def downgrade() -> None:
    op.drop_column("analyses", "doubt")
