"""Which classes a training's model knows: until now those of its data set alone."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("trainings", sa.Column("classes", sa.String(length=10), nullable=False, server_default="data"))


def downgrade() -> None:
    op.drop_column("trainings", "classes")
