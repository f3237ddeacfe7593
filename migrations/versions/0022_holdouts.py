"""Which experiment's control is kept out of an experiment. Experiments are few, so the index is built at once."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("experiments", sa.Column("holdout_id", sa.Integer(), nullable=True))
    op.create_foreign_key(op.f("fk_experiments_holdout_id"), "experiments", "experiments", ["holdout_id"], ["id"])
    op.create_check_constraint(op.f("ck_experiments_holdout"), "experiments", "holdout_id <> id")
    op.create_index("ix_experiments_holdout_id", "experiments", ["holdout_id"])


def downgrade() -> None:
    op.drop_index("ix_experiments_holdout_id", table_name="experiments")
    op.drop_column("experiments", "holdout_id")
