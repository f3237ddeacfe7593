"""What splits of past control units showed, and jobs that make them: such a job has a draft instead of a file."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

UNITS = ("USER", "ACCOUNT")
POLICIES = ("GROUP_SEQUENTIAL", "ALWAYS_VALID", "FIXED")


def upgrade() -> None:
    op.create_table(
        "rehearsals",
        sa.Column("definition_id", sa.Integer(), nullable=False),
        sa.Column("unit", sa.String(length=32), nullable=False),
        sa.Column("policy", sa.String(length=32), nullable=False),
        sa.Column("alpha", sa.Float(), nullable=False),
        sa.Column("looks", sa.Integer(), nullable=False),
        sa.Column("horizon_days", sa.Integer(), nullable=False),
        sa.Column("minimum_days", sa.Integer(), nullable=False),
        sa.Column("share", sa.Float(), nullable=False),
        sa.Column("experiment_id", sa.Integer(), nullable=False),
        sa.Column("replays", sa.Integer(), nullable=False),
        sa.Column("false_positives", sa.Integer(), nullable=False),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("data_through", sa.DateTime(timezone=True), nullable=False),
        sa.Column("computed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seed", sa.Integer(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.CheckConstraint(f"unit IN {UNITS}", name=op.f("ck_rehearsals_unit")),
        sa.CheckConstraint(f"policy IN {POLICIES}", name=op.f("ck_rehearsals_policy")),
        sa.CheckConstraint(
            "false_positives >= 0 AND false_positives <= replays", name=op.f("ck_rehearsals_false_positives")
        ),
        sa.ForeignKeyConstraint(["definition_id"], ["definitions.id"], name=op.f("fk_rehearsals_definition_id")),
        sa.ForeignKeyConstraint(["experiment_id"], ["experiments.id"], name=op.f("fk_rehearsals_experiment_id")),
        sa.PrimaryKeyConstraint(
            "definition_id",
            "unit",
            "policy",
            "alpha",
            "looks",
            "horizon_days",
            "minimum_days",
            "share",
            name=op.f("pk_rehearsals"),
        ),
    )
    op.add_column("jobs", sa.Column("experiment_id", sa.Integer(), nullable=True))
    op.create_foreign_key("fk_jobs_experiment_id", "jobs", "experiments", ["experiment_id"], ["id"])
    op.alter_column("jobs", "noun", nullable=True)
    op.create_check_constraint(op.f("ck_jobs_work"), "jobs", "(noun IS NULL) = (experiment_id IS NOT NULL)")


def downgrade() -> None:
    op.drop_constraint(op.f("ck_jobs_work"), "jobs", type_="check")
    op.execute("DELETE FROM jobs WHERE experiment_id IS NOT NULL")  # they have no file, and can be asked for again
    op.alter_column("jobs", "noun", nullable=False)
    op.drop_constraint("fk_jobs_experiment_id", "jobs", type_="foreignkey")
    op.drop_column("jobs", "experiment_id")
    op.drop_table("rehearsals")
