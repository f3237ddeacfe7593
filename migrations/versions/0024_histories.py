"""What KPIs were outside experiments: whom they count, and sums by cohort.

New columns have constant defaults or none, so no table is rewritten.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

COHORT = ("definition_id", "segment", "entered_on")


def upgrade() -> None:
    op.add_column("definitions", sa.Column("entry", postgresql.JSONB(), nullable=True))
    op.add_column(
        "kpis", sa.Column("segments", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False)
    )
    op.create_table(
        "histories",
        sa.Column("definition_id", sa.Integer(), nullable=False),
        sa.Column("workspace_id", sa.Integer(), nullable=False),
        sa.Column("events", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("reach", sa.Integer(), nullable=False),
        sa.Column("through", sa.Date(), nullable=True),
        sa.Column("stale_from", sa.Date(), nullable=True),
        sa.Column("computed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("seconds", sa.Float(), nullable=True),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failure", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["definition_id"], ["definitions.id"]),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"]),
        sa.PrimaryKeyConstraint("definition_id"),
    )
    op.create_index("ix_histories_workspace_id", "histories", ["workspace_id"])
    _sums("history_entries", sa.Column("n", sa.Integer(), nullable=False))
    _sums(
        "history_moments",
        sa.Column("n", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.Float(), nullable=False) for name in ("mean", "m2")),
        *(sa.Column(name, sa.Float(), nullable=True) for name in ("mean_x", "m2_x", "c_xy")),
    )
    _sums(
        "history_durations",
        *(sa.Column(name, sa.Integer(), nullable=False) for name in ("day", "events", "losses")),
        key="day",
    )
    _sums(
        "history_clusters",
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.Float(), nullable=False) for name in ("y", "x")),
        key="account",
    )
    _sums(
        "history_values",
        sa.Column("value", sa.Float(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        key="value",
    )


def downgrade() -> None:
    for name in (
        "history_values",
        "history_clusters",
        "history_durations",
        "history_moments",
        "history_entries",
        "histories",
    ):
        op.drop_table(name)
    op.drop_column("kpis", "segments")
    op.drop_column("definitions", "entry")


def _sums(table: str, *columns: sa.Column[Any], key: str | None = None) -> None:
    op.create_table(
        table,
        sa.Column("definition_id", sa.Integer(), nullable=False),
        sa.Column("segment", sa.String(), nullable=False),
        sa.Column("entered_on", sa.Date(), nullable=False),
        *columns,
        sa.ForeignKeyConstraint(["definition_id"], ["definitions.id"]),
        sa.PrimaryKeyConstraint(*COHORT, *([key] if key else [])),
    )
