"""Units that experiments share: how many, and what they did, derived anew once a day."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

PLACE = ("experiment_id", "other_id", "variant_id", "other_variant_id")


def upgrade() -> None:
    op.create_table(
        "overlap_runs",
        sa.Column("experiment_id", sa.Integer(), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("computed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("data_through", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(computed_at IS NULL) = (data_through IS NULL)", name="computed"),
        sa.ForeignKeyConstraint(["experiment_id"], ["experiments.id"]),
        sa.PrimaryKeyConstraint("experiment_id"),
    )
    op.create_table(
        "overlap_counts",
        *(sa.Column(name, sa.Integer(), nullable=False) for name in PLACE),
        sa.Column("met_on", sa.Date(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["experiment_id"], ["experiments.id"]),
        sa.ForeignKeyConstraint(["other_id"], ["experiments.id"]),
        sa.PrimaryKeyConstraint(*PLACE, "met_on"),
    )
    op.create_table(
        "overlap_moments",
        *(sa.Column(name, sa.Integer(), nullable=False) for name in PLACE),
        sa.Column("definition_id", sa.Integer(), nullable=False),
        sa.Column("entered_on", sa.Date(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("mean", sa.Float(), nullable=False),
        sa.Column("m2", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["experiment_id"], ["experiments.id"]),
        sa.ForeignKeyConstraint(["other_id"], ["experiments.id"]),
        sa.PrimaryKeyConstraint(
            "experiment_id", "other_id", "definition_id", "variant_id", "other_variant_id", "entered_on"
        ),
    )


def downgrade() -> None:
    op.drop_table("overlap_moments")
    op.drop_table("overlap_counts")
    op.drop_table("overlap_runs")
