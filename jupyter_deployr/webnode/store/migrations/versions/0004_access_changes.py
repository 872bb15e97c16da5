"""A count of changes to accounts and sign-ins, by which a running server sees those of other processes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    changes = op.create_table(
        "access_changes",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("serial", sa.BigInteger, nullable=False),
    )
    op.bulk_insert(changes, [{"id": 1, "serial": 0}])


def downgrade() -> None:
    op.drop_table("access_changes")
