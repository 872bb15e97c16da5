"""First tables: accounts, token families, snapshots, versions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("name", sa.String(256), primary_key=True),
        sa.Column("password_hash", sa.Text, nullable=False),
        sa.Column("role", sa.String(32), nullable=False),
        sa.Column("generated", sa.Boolean, nullable=False),
    )
    op.create_table(
        "token_families",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("account", sa.String(256), nullable=False, index=True),
        sa.Column("access_id", sa.String(36), nullable=False),
        sa.Column("refresh_hash", sa.String(64), nullable=False),
        sa.Column("refresh_expires", sa.Float, nullable=False),
        sa.Column("expires", sa.Float, nullable=False, index=True),
        sa.Column("revoked", sa.Boolean, nullable=False),
    )
    op.create_table(
        "snapshots",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("name", sa.Text),
        sa.Column("owner", sa.String(256), nullable=False, index=True),
        sa.Column("created", sa.Float, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False, index=True),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("not_kept", sa.JSON, nullable=False),
    )
    op.create_table(
        "versions",
        sa.Column("serial", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("name", sa.String(256), nullable=False),
        sa.Column("version", sa.String(256), nullable=False),
        sa.Column("published_by", sa.String(256), nullable=False),
        sa.Column("created", sa.Float, nullable=False),
        sa.Column("description", sa.Text),
        sa.Column("operation_id", sa.String(256)),
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("init_code", sa.Text),
        sa.Column("inputs", sa.JSON, nullable=False),
        sa.Column("outputs", sa.JSON, nullable=False),
        sa.Column("output_files", sa.JSON, nullable=False),
        sa.Column("snapshot_id", sa.String(36)),
        sa.Column("digest", sa.String(64), index=True),
        sa.UniqueConstraint("name", "version"),
    )
    op.create_index("ix_versions_name_serial", "versions", ["name", "serial"])


def downgrade() -> None:
    for table in ("versions", "snapshots", "token_families", "accounts"):
        op.drop_table(table)
