"""How many outcomes came in, and how many late: in the ledger by batch, and added up by event and day of arrival.

Columns that are null are added without a rewrite of the table. What came in before is not counted.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("counts", "late"):
        op.add_column("ingests", sa.Column(name, postgresql.ARRAY(sa.Integer()), nullable=True))
    op.create_table(
        "arrivals",
        sa.Column("event_id", sa.Integer(), nullable=False),
        sa.Column("arrived_on", sa.Date(), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.Column("late", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["event_id"], ["events.id"], name=op.f("fk_arrivals_event_id")),
        sa.PrimaryKeyConstraint("event_id", "arrived_on", name=op.f("pk_arrivals")),
    )


def downgrade() -> None:
    op.drop_table("arrivals")
    for name in ("late", "counts"):
        op.drop_column("ingests", name)
