"""How a version's calls are isolated, and what a snapshot came from."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("versions") as versions:
        versions.add_column(sa.Column("isolation", sa.String(16), nullable=False, server_default="namespace"))
        versions.add_column(sa.Column("notes", sa.JSON, nullable=False, server_default="[]"))
    with op.batch_alter_table("snapshots") as snapshots:
        snapshots.add_column(sa.Column("manifest", sa.JSON, nullable=False, server_default="{}"))
        snapshots.add_column(sa.Column("largest", sa.JSON, nullable=False, server_default="[]"))


def downgrade() -> None:
    with op.batch_alter_table("snapshots") as snapshots:
        snapshots.drop_column("largest")
        snapshots.drop_column("manifest")
    with op.batch_alter_table("versions") as versions:
        versions.drop_column("notes")
        versions.drop_column("isolation")
