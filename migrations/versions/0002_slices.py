"""Refreshing by slices: which batch a row came with, which days a change touched, which values are segments.

The indexes are built concurrently, so that rows can come in meanwhile.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("outcomes", sa.Column("ingest_id", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("exposures", sa.Column("moved_from", sa.Date(), nullable=True))
    op.add_column("entry_counts", sa.Column("crossovers", sa.Integer(), server_default="0", nullable=False))
    op.add_column("ingests", sa.Column("days", postgresql.ARRAY(sa.DATE()), nullable=True))
    op.add_column("ingests", sa.Column("earliest_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "refresh_faults",
        sa.Column("experiment_id", sa.Integer(), nullable=False),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("message", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["experiment_id"], ["experiments.id"], name=op.f("fk_refresh_faults_experiment_id")),
        sa.PrimaryKeyConstraint("experiment_id", name=op.f("pk_refresh_faults")),
    )
    op.create_table(
        "segments",
        sa.Column("experiment_id", sa.Integer(), nullable=False),
        sa.Column("attribute", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["experiment_id"], ["experiments.id"], name=op.f("fk_segments_experiment_id")),
        sa.PrimaryKeyConstraint("experiment_id", "attribute", "value", name=op.f("pk_segments")),
    )
    # What was derived before knows no crossovers by day: the worker derives it anew.
    op.execute(
        "INSERT INTO ingests (workspace_id, noun, accepted, duplicates, rejected, touched, is_pending, received_at)"
        " SELECT workspace_id, 'experiments', 0, 0, 0, array_agg(id), true, now() FROM experiments GROUP BY 1"
    )
    with op.get_context().autocommit_block():
        op.create_index(
            "ix_outcomes_ingest_id",
            "outcomes",
            ["ingest_id"],
            postgresql_using="brin",
            postgresql_with={"pages_per_range": 32},
            postgresql_concurrently=True,
        )
        op.create_index(
            "ix_exposures_experiment_id_exposed_at",
            "exposures",
            ["experiment_id", "exposed_at"],
            postgresql_concurrently=True,
        )


def downgrade() -> None:
    op.drop_index("ix_exposures_experiment_id_exposed_at", table_name="exposures")
    op.drop_index("ix_outcomes_ingest_id", table_name="outcomes")
    op.drop_table("segments")
    op.drop_table("refresh_faults")
    op.drop_column("ingests", "earliest_at")
    op.drop_column("ingests", "days")
    op.drop_column("entry_counts", "crossovers")
    op.drop_column("exposures", "moved_from")
    op.drop_column("outcomes", "ingest_id")
