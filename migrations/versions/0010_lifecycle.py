"""The life of an experiment: steps, pauses, amendments, decisions, and enrolment that ends before measuring does.

What had been stopped so far took no more units in and was measured on: that is frozen now.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

STATES = ("DRAFT", "RUNNING", "PAUSED", "FROZEN", "STOPPED", "DECIDED", "ARCHIVED")
ACTIONS = (
    "START",
    "RAMP",
    "PAUSE",
    "RESUME",
    "FREEZE",
    "STOP",
    "DECIDE",
    "APPROVE",
    "ARCHIVE",
    "AMEND",
)
CHOICES = ("SHIP", "ROLL_BACK", "ITERATE", "ABANDON")
CHECKS = {
    "state": "state IN ({})".format(", ".join(f"'{state}'" for state in STATES)),
    "started": "state = 'ARCHIVED' OR (state = 'DRAFT') = (started_at IS NULL)",
    "frozen": "state = 'ARCHIVED' OR (state IN ('FROZEN', 'STOPPED', 'DECIDED')) = (frozen_at IS NOT NULL)",
    "stopped": "state = 'ARCHIVED' OR (state IN ('STOPPED', 'DECIDED')) = (stopped_at IS NOT NULL)",
    "sealed_before_start": "(started_at IS NULL) = (sealed_at IS NULL)",
    "order": "frozen_at >= started_at AND stopped_at >= frozen_at",
    "traffic": "traffic > 0 AND traffic <= 1",
}
BEFORE = {
    "state": "state IN ('DRAFT', 'RUNNING', 'STOPPED')",
    "started": "(state = 'DRAFT') = (started_at IS NULL)",
    "stopped": "(state = 'STOPPED') = (stopped_at IS NOT NULL)",
    "sealed_before_start": "state = 'DRAFT' OR sealed_at IS NOT NULL",
    "order": "stopped_at >= started_at",
}


def upgrade() -> None:
    op.add_column("workspaces", sa.Column("needs_second_person", sa.Boolean(), server_default="false", nullable=False))
    for name in BEFORE:
        op.drop_constraint(op.f(f"ck_experiments_{name}"), "experiments", type_="check")
    op.alter_column("experiments", "stopped_at", new_column_name="frozen_at")
    op.add_column("experiments", sa.Column("stopped_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("experiments", sa.Column("traffic", sa.Float(), server_default="1", nullable=False))
    op.execute("UPDATE experiments SET state = 'FROZEN' WHERE state = 'STOPPED'")
    for name, rule in CHECKS.items():
        op.create_check_constraint(op.f(f"ck_experiments_{name}"), "experiments", rule)
    _create_steps()
    _create_pauses()
    _create_amendments()
    _create_decisions()


def _create_steps() -> None:
    op.create_table(
        "steps",
        sa.Column("id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("workspace_id", sa.Integer(), nullable=False),
        sa.Column("experiment_id", sa.Integer(), nullable=False),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("effective_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("traffic", sa.Float(), nullable=True),
        sa.CheckConstraint("action IN ({})".format(", ".join(f"'{word}'" for word in ACTIONS)), name="action"),
        sa.CheckConstraint(CHECKS["state"], name="state"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"]),
        sa.ForeignKeyConstraint(["experiment_id"], ["experiments.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_steps_experiment_id", "steps", ["experiment_id"])


def _create_pauses() -> None:
    op.create_table(
        "pauses",
        sa.Column("experiment_id", sa.Integer(), nullable=False),
        sa.Column("from_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("from_at <= until_at", name="order"),
        sa.ForeignKeyConstraint(["experiment_id"], ["experiments.id"]),
        sa.PrimaryKeyConstraint("experiment_id", "from_at"),
    )


def _create_amendments() -> None:
    op.create_table(
        "amendments",
        sa.Column("id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("workspace_id", sa.Integer(), nullable=False),
        sa.Column("experiment_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("changes", postgresql.JSONB(), nullable=False),
        sa.Column("breaks_error_control", sa.Boolean(), nullable=False),
        sa.Column("replaced_json", sa.String(), nullable=False),
        sa.Column("replaced_hash", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"]),
        sa.ForeignKeyConstraint(["experiment_id"], ["experiments.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("experiment_id", "number"),
    )


def _create_decisions() -> None:
    op.create_table(
        "decisions",
        sa.Column("id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("workspace_id", sa.Integer(), nullable=False),
        sa.Column("experiment_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("choice", sa.String(32), nullable=False),
        sa.Column("variant", sa.String(), nullable=True),
        sa.Column("verdict", sa.String(), nullable=True),
        sa.Column("rule", sa.String(), nullable=True),
        sa.Column("differs", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("by_id", sa.String(), nullable=False),
        sa.Column("needs_approval", sa.Boolean(), nullable=False),
        sa.Column("approved_by", sa.String(), nullable=True),
        sa.Column("approved_by_id", sa.String(), nullable=True),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("plan_hash", sa.String(), nullable=False),
        sa.Column("data_through", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("choice IN ({})".format(", ".join(f"'{word}'" for word in CHOICES)), name="choice"),
        sa.CheckConstraint("(approved_at IS NULL) = (approved_by IS NULL)", name="approved"),
        sa.CheckConstraint("approved_by_id <> by_id", name="second_person"),
        sa.CheckConstraint("NOT differs OR reason IS NOT NULL", name="reason"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"]),
        sa.ForeignKeyConstraint(["experiment_id"], ["experiments.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("experiment_id", "number"),
    )


def downgrade() -> None:
    for table in ("decisions", "amendments", "pauses", "steps"):
        op.drop_table(table)
    for name in CHECKS:
        op.drop_constraint(op.f(f"ck_experiments_{name}"), "experiments", type_="check")
    op.drop_column("experiments", "traffic")
    op.drop_column("experiments", "stopped_at")
    op.alter_column("experiments", "frozen_at", new_column_name="stopped_at")
    # An older version knows no draft that was given up: it is a draft again, and what ended has stopped.
    op.execute("UPDATE experiments SET state = 'DRAFT' WHERE started_at IS NULL")
    op.execute("UPDATE experiments SET state = 'RUNNING' WHERE started_at IS NOT NULL AND stopped_at IS NULL")
    op.execute("UPDATE experiments SET state = 'STOPPED' WHERE stopped_at IS NOT NULL")
    for name, rule in BEFORE.items():
        op.create_check_constraint(op.f(f"ck_experiments_{name}"), "experiments", rule)
    op.drop_column("workspaces", "needs_second_person")
