"""Units of experiments by their numbers: what a quantile is compared by."""

import sqlalchemy as sa
from alembic import op

from migrations import isolation

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None

TABLE = "value_counts"


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("experiment_id", sa.Integer(), nullable=False),
        sa.Column("definition_id", sa.Integer(), nullable=False),
        sa.Column("segment", sa.String(), nullable=False),
        sa.Column("variant_id", sa.Integer(), nullable=False),
        sa.Column("entered_on", sa.Date(), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint(
            "experiment_id",
            "definition_id",
            "segment",
            "variant_id",
            "entered_on",
            "value",
            name=op.f(f"pk_{TABLE}"),
        ),
    )
    isolation.by_parent(TABLE, "experiment_id", "experiments")


def downgrade() -> None:
    op.drop_table(TABLE)
