"""Data sets: photos with their truth."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "data_sets",
        sa.Column("id", sa.String(length=22), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("share", sa.Float(), nullable=False),
        sa.Column("seed", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "data_set_photos",
        sa.Column("data_set_id", sa.String(length=22), nullable=False),
        sa.Column("photo_sha256", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("part", sa.String(length=10), nullable=False),
        sa.Column("hash", sa.String(length=16), nullable=False),
        sa.Column("truth", sa.JSON(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["data_set_id"], ["data_sets.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["photo_sha256"], ["photos.sha256"]),
        sa.PrimaryKeyConstraint("data_set_id", "photo_sha256"),
    )
    op.create_index("ix_data_set_photos_photo_sha256", "data_set_photos", ["photo_sha256"])
    op.create_table(
        "data_set_classes",
        sa.Column("data_set_id", sa.String(length=22), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("photo_sha256", sa.String(length=64), nullable=False),
        sa.Column("objects", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["data_set_id", "photo_sha256"],
            ["data_set_photos.data_set_id", "data_set_photos.photo_sha256"],
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("data_set_id", "name", "photo_sha256"),
    )


def downgrade() -> None:
    op.drop_table("data_set_classes")
    op.drop_table("data_set_photos")
    op.drop_table("data_sets")
