"""Units that were forgotten while a job was open."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("secret", sa.LargeBinary(), nullable=True))
    op.create_table(
        "job_omissions",
        sa.Column("job_id", sa.Integer(), nullable=False),
        sa.Column("unit", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_job_omissions_job_id")),
        sa.PrimaryKeyConstraint("job_id", "unit", name=op.f("pk_job_omissions")),
    )


def downgrade() -> None:
    op.drop_table("job_omissions")
    op.drop_column("jobs", "secret")
