"""Retention and hidden units: what a workspace keeps, as far as what it has let go.

Columns that may be null, on a table of a few rows: no lock is held for longer than the moment.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("workspaces", sa.Column("retention_days", sa.Integer(), nullable=True))
    op.add_column("workspaces", sa.Column("frozen_before", sa.Date(), nullable=True))
    op.add_column("workspaces", sa.Column("refused_before", sa.Date(), nullable=True))
    op.add_column("workspaces", sa.Column("dropped_before", sa.DateTime(timezone=True), nullable=True))
    op.add_column("workspaces", sa.Column("unit_secret", sa.LargeBinary(), nullable=True))
    op.create_check_constraint(op.f("ck_workspaces_retention_days"), "workspaces", "retention_days > 0")


def downgrade() -> None:
    op.drop_constraint(op.f("ck_workspaces_retention_days"), "workspaces", type_="check")
    for column in ("unit_secret", "dropped_before", "refused_before", "frozen_before", "retention_days"):
        op.drop_column("workspaces", column)
