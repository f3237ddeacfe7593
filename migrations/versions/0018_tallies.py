"""Units that checks of the data ask about, by variant and entry day.

What has started is derived anew once, so that old days have them.
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

DERIVE_ANEW = """
INSERT INTO ingests (workspace_id, noun, accepted, duplicates, rejected, touched, days, is_pending, received_at)
SELECT workspace_id, 'experiments', 0, 0, 0, ARRAY[id], NULL, true, now()
FROM experiments WHERE started_at IS NOT NULL AND given_at IS NULL
"""


def upgrade() -> None:
    op.create_table(
        "tallies",
        sa.Column("experiment_id", sa.Integer(), nullable=False),
        sa.Column("definition_id", sa.Integer(), nullable=False),
        sa.Column("variant_id", sa.Integer(), nullable=False),
        sa.Column("entered_on", sa.Date(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("tally", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["experiment_id"], ["experiments.id"], name=op.f("fk_tallies_experiment_id")),
        sa.PrimaryKeyConstraint("experiment_id", "definition_id", "variant_id", "entered_on", name=op.f("pk_tallies")),
    )
    op.execute(DERIVE_ANEW)


def downgrade() -> None:
    op.drop_table("tallies")
