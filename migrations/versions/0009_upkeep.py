"""What keeps adding up quick: outcomes in order of units, tables that are vacuumed as they grow, sums that add up.

The index is built concurrently, so that rows can come in meanwhile; the one it stands in for goes after it.
"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

POOLED = """
CREATE OR REPLACE AGGREGATE pooled (float8[]) (
    SFUNC = float8_regr_combine, STYPE = float8[], INITCOND = '{0, 0, 0, 0, 0, 0}', PARALLEL = SAFE
)
"""
"""Postgres' own way to join what its processes added up: n, sum and squares of x, the same of y, and products."""
GROWING = ("outcomes", "exposures")
UPKEEP = {
    # Rows are only ever added, so a fiftieth is soon looked at; an index answers alone only for pages that were.
    "autovacuum_vacuum_insert_scale_factor": "0.02",
    "autovacuum_analyze_scale_factor": "0.02",
}


def upgrade() -> None:
    op.execute(POOLED)
    for table in GROWING:
        op.execute(f"ALTER TABLE {table} SET ({', '.join(f'{name} = {value}' for name, value in UPKEEP.items())})")
    with op.get_context().autocommit_block():
        # One that was interrupted leaves an index that answers nothing.
        op.drop_index("ix_outcomes_unit", table_name="outcomes", if_exists=True, postgresql_concurrently=True)
        op.create_index(
            "ix_outcomes_unit",
            "outcomes",
            ["unit", "event_id", "occurred_at"],
            postgresql_include=["value"],
            postgresql_concurrently=True,
        )
        op.drop_index("ix_outcomes_analysis", table_name="outcomes", if_exists=True, postgresql_concurrently=True)


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.create_index(
            "ix_outcomes_analysis",
            "outcomes",
            ["event_id", "unit", "occurred_at"],
            postgresql_include=["value"],
            postgresql_concurrently=True,
        )
        op.drop_index("ix_outcomes_unit", table_name="outcomes", postgresql_concurrently=True)
    for table in GROWING:
        op.execute(f"ALTER TABLE {table} RESET ({', '.join(UPKEEP)})")
    op.execute("DROP AGGREGATE pooled (float8[])")
