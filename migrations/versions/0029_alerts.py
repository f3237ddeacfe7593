"""Alert rules of KPIs, the alerts they raised, and annotations on days.

A change of rules is a part of a KPI's record: its list of parts takes a word more.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

PARTS = ("DETAILS", "DEFINITION", "BASELINE", "TARGET")
KINDS = ("THRESHOLD", "TREND", "TARGET_AT_RISK", "BASELINE_DRIFT", "DATA_STOPPED")


def words(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, native_enum=False, create_constraint=True, length=32, name=name)


def granularity() -> sa.Enum:
    return words("granularity", "DAY", "WEEK", "MONTH", "QUARTER")


def severity() -> sa.Enum:
    return words("severity", "INFO", "WARNING", "CRITICAL")


def moment(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def text(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.String(), nullable=nullable)


def identity() -> sa.Column[object]:
    return sa.Column("id", sa.Integer(), sa.Identity(always=True), nullable=False)


def reference(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.Integer(), nullable=nullable)


def upgrade() -> None:
    parts(*PARTS, "ALERTS")
    op.create_table(
        "alert_rules",
        identity(),
        reference("workspace_id"),
        reference("kpi_id"),
        sa.Column("kind", words("alertkind", *KINDS), nullable=False),
        sa.Column("parameters", postgresql.JSONB(), nullable=False),
        text("segment"),
        sa.Column("granularity", granularity(), nullable=False),
        sa.Column("severity", severity(), nullable=False),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column("cooldown_days", sa.Integer(), nullable=False),
        text("created_by"),
        moment("created_at"),
        moment("removed_at", nullable=True),
        sa.Column("judged_through", sa.Date(), nullable=True),
        moment("known_at", nullable=True),
        text("silence", nullable=True),
        sa.CheckConstraint("cooldown_days >= 0", name="cooldown_days"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"]),
        sa.ForeignKeyConstraint(["kpi_id"], ["kpis.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_alert_rules_kpi_id", "alert_rules", ["kpi_id"])
    alerts()
    op.create_table(
        "annotations",
        identity(),
        reference("workspace_id"),
        reference("kpi_id"),
        reference("alert_id", nullable=True),
        sa.Column("noted_on", sa.Date(), nullable=False),
        text("text"),
        text("by"),
        moment("created_at"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"]),
        sa.ForeignKeyConstraint(["kpi_id"], ["kpis.id"]),
        sa.ForeignKeyConstraint(["alert_id"], ["alerts.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_annotations_kpi_id_noted_on", "annotations", ["kpi_id", "noted_on"])


def alerts() -> None:
    op.create_table(
        "alerts",
        identity(),
        reference("workspace_id"),
        reference("kpi_id"),
        reference("rule_id"),
        sa.Column("state", words("alertstate", "RAISED", "ACKNOWLEDGED", "RESOLVED"), nullable=False),
        sa.Column("kind", words("alertkind", *KINDS), nullable=False),
        sa.Column("severity", severity(), nullable=False),
        text("segment"),
        sa.Column("granularity", granularity(), nullable=False),
        sa.Column("start_on", sa.Date(), nullable=False),
        sa.Column("end_on", sa.Date(), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.Column("limit", sa.Float(), nullable=False),
        text("sentence"),
        sa.Column("evidence", postgresql.JSONB(), nullable=False),
        moment("raised_at"),
        moment("acknowledged_at", nullable=True),
        text("acknowledged_by", nullable=True),
        text("note", nullable=True),
        moment("resolved_at", nullable=True),
        text("resolved_by", nullable=True),
        text("resolution", nullable=True),
        sa.CheckConstraint("(state = 'RESOLVED') = (resolved_at IS NOT NULL)", name="resolved_at"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"]),
        sa.ForeignKeyConstraint(["kpi_id"], ["kpis.id"]),
        sa.ForeignKeyConstraint(["rule_id"], ["alert_rules.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_alerts_kpi_id", "alerts", ["kpi_id"])
    op.create_index("ix_alerts_open", "alerts", ["rule_id"], unique=True, postgresql_where="state <> 'RESOLVED'")
    op.create_index("ix_alerts_workspace_id_raised_at", "alerts", ["workspace_id", "raised_at"])


def downgrade() -> None:
    for table in ("annotations", "alerts", "alert_rules"):
        op.drop_table(table)
    op.execute("DELETE FROM kpi_changes WHERE what = 'ALERTS'")
    parts(*PARTS)


def parts(*names: str) -> None:
    """Have the record take these parts; its few rows are looked through."""
    op.drop_constraint(op.f("ck_kpi_changes_governed"), "kpi_changes")
    op.create_check_constraint(op.f("ck_kpi_changes_governed"), "kpi_changes", sa.column("what").in_(names))
