"""Targets of KPIs, and who changed what about a KPI, when and why."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

PARTS = ("DETAILS", "DEFINITION", "BASELINE", "TARGET")
GOVERNED = sa.Enum(*PARTS, native_enum=False, create_constraint=True, length=32, name="governed")


def upgrade() -> None:
    op.create_table(
        "targets",
        sa.Column("kpi_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("value", sa.Float(), nullable=True),
        sa.Column("due_on", sa.Date(), nullable=True),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("approver", sa.String(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("version > 0", name=op.f("ck_targets_version")),
        sa.CheckConstraint("(value IS NULL) = (due_on IS NULL)", name=op.f("ck_targets_due_on")),
        sa.ForeignKeyConstraint(["kpi_id"], ["kpis.id"], name=op.f("fk_targets_kpi_id")),
        sa.PrimaryKeyConstraint("kpi_id", "version", name=op.f("pk_targets")),
    )
    op.create_table(
        "kpi_changes",
        sa.Column("kpi_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("what", GOVERNED, nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("by_id", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("changes", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("number > 0", name=op.f("ck_kpi_changes_number")),
        sa.ForeignKeyConstraint(["kpi_id"], ["kpis.id"], name=op.f("fk_kpi_changes_kpi_id")),
        sa.PrimaryKeyConstraint("kpi_id", "number", name=op.f("pk_kpi_changes")),
    )


def downgrade() -> None:
    op.drop_table("kpi_changes")
    op.drop_table("targets")
