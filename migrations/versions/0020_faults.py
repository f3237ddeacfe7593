"""On which experiments a duty of the worker fails, how often so far, and which refreshes had their looks published."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

DUTIES = ("REFRESH", "LOOKS", "EVIDENCE")


def upgrade() -> None:
    op.add_column("refreshes", sa.Column("looked_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "duty_faults",
        sa.Column("experiment_id", sa.Integer(), nullable=False),
        sa.Column("duty", sa.String(32), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("message", sa.String(), nullable=False),
        sa.CheckConstraint("attempts > 0", name="attempts"),
        sa.CheckConstraint("duty IN ({})".format(", ".join(f"'{word}'" for word in DUTIES)), name="duty"),
        sa.ForeignKeyConstraint(["experiment_id"], ["experiments.id"]),
        sa.PrimaryKeyConstraint("experiment_id", "duty"),
    )
    op.execute(
        "INSERT INTO duty_faults (experiment_id, duty, attempts, failed_at, message)"
        " SELECT experiment_id, 'REFRESH', 1, failed_at, message FROM refresh_faults"
    )
    op.drop_table("refresh_faults")


def downgrade() -> None:
    op.create_table(
        "refresh_faults",
        sa.Column("experiment_id", sa.Integer(), nullable=False),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("message", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["experiment_id"], ["experiments.id"], name=op.f("fk_refresh_faults_experiment_id")),
        sa.PrimaryKeyConstraint("experiment_id", name=op.f("pk_refresh_faults")),
    )
    op.execute(
        "INSERT INTO refresh_faults (experiment_id, failed_at, message)"
        " SELECT experiment_id, failed_at, message FROM duty_faults WHERE duty = 'REFRESH'"
    )
    op.drop_table("duty_faults")
    op.drop_column("refreshes", "looked_at")
