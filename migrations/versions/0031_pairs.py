"""When links of the ladder were estimated from data."""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "kpi_pairs",
        sa.Column("leading_id", sa.Integer(), nullable=False),
        sa.Column("lagging_id", sa.Integer(), nullable=False),
        sa.Column("workspace_id", sa.Integer(), nullable=False),
        sa.Column("estimated_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["leading_id"], ["kpis.id"], name=op.f("fk_kpi_pairs_leading_id")),
        sa.ForeignKeyConstraint(["lagging_id"], ["kpis.id"], name=op.f("fk_kpi_pairs_lagging_id")),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_kpi_pairs_workspace_id")),
        sa.PrimaryKeyConstraint("leading_id", "lagging_id", name=op.f("pk_kpi_pairs")),
    )
    op.create_index("ix_kpi_pairs_workspace_id", "kpi_pairs", ["workspace_id"])


def downgrade() -> None:
    op.drop_table("kpi_pairs")
