"""How the status of hypotheses followed the evidence, and which refreshes it knows."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

STATUSES = ("OPEN", "SUPPORTED", "REFUTED", "INCONCLUSIVE")
CAUSES = ("REFRESH", "DECISION")


def upgrade() -> None:
    op.add_column("refreshes", sa.Column("weighed_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "status_changes",
        sa.Column("id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("workspace_id", sa.Integer(), nullable=False),
        sa.Column("hypothesis_id", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("rule", sa.String(), nullable=False),
        sa.Column("sentence", sa.String(), nullable=False),
        sa.Column("cause", sa.String(32), nullable=False),
        sa.Column("experiment_id", sa.Integer(), nullable=False),
        sa.Column("by", sa.String(), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("status IN ({})".format(", ".join(f"'{word}'" for word in STATUSES)), name="status"),
        sa.CheckConstraint("cause IN ({})".format(", ".join(f"'{word}'" for word in CAUSES)), name="cause"),
        sa.CheckConstraint("(cause = 'DECISION') = (by IS NOT NULL)", name="by"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"]),
        sa.ForeignKeyConstraint(["hypothesis_id"], ["hypotheses.id"]),
        sa.ForeignKeyConstraint(["experiment_id"], ["experiments.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_status_changes_hypothesis_id", "status_changes", ["hypothesis_id"])


def downgrade() -> None:
    op.drop_table("status_changes")
    op.drop_column("refreshes", "weighed_at")
