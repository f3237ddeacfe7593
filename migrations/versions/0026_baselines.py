"""Baselines measured from history: their segment, the curve behind them, what the data looked like, and how often.

Defaults are constants, so no table is rewritten.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

GRANULARITIES = ("DAY", "WEEK", "MONTH", "QUARTER")


def upgrade() -> None:
    op.add_column("baselines", sa.Column("segment", sa.String(), server_default="", nullable=False))
    op.add_column("baselines", sa.Column("is_measured", sa.Boolean(), server_default="false", nullable=False))
    for name in ("curve", "audit"):
        op.add_column("baselines", sa.Column(name, postgresql.JSONB(), nullable=True))
    op.create_table(
        "baseline_schedules",
        sa.Column("kpi_id", sa.Integer(), nullable=False),
        sa.Column(
            "every",
            sa.Enum(*GRANULARITIES, native_enum=False, create_constraint=True, length=32, name="granularity"),
            nullable=False,
        ),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("measured_on", sa.Date(), nullable=True),
        sa.CheckConstraint("days > 0", name="days"),
        sa.ForeignKeyConstraint(["kpi_id"], ["kpis.id"]),
        sa.PrimaryKeyConstraint("kpi_id"),
    )


def downgrade() -> None:
    op.drop_table("baseline_schedules")
    for name in ("audit", "curve", "is_measured", "segment"):
        op.drop_column("baselines", name)
