"""Moments of a covariate beside those of a KPI; null where the plan names none.

Columns that are null are added without a rewrite of the table.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("mean_x", "m2_x", "c_xy"):
        op.add_column("moments", sa.Column(name, sa.Float(), nullable=True))
    op.add_column("moments", sa.Column("missing", sa.Integer(), nullable=True))


def downgrade() -> None:
    for name in ("missing", "c_xy", "m2_x", "mean_x"):
        op.drop_column("moments", name)
