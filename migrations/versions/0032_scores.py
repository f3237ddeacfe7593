"""Units' own numbers at the ends of the periods that somebody acts on; marking units is on a KPI's record."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

BEFORE = ("DETAILS", "DEFINITION", "BASELINE", "TARGET", "ALERTS")
PARTS = (*BEFORE, "RISK")


def upgrade() -> None:
    op.create_table(
        "unit_scores",
        sa.Column("definition_id", sa.Integer(), nullable=False),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("ended_on", sa.Date(), nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("parts", postgresql.ARRAY(sa.FLOAT()), nullable=False),
        sa.Column("level", sa.Float(), nullable=True),
        sa.Column("segments", postgresql.ARRAY(sa.TEXT()), nullable=False),
        sa.Column("has_left", sa.Boolean(), nullable=True),
        sa.ForeignKeyConstraint(["definition_id"], ["definitions.id"], name=op.f("fk_unit_scores_definition_id")),
        sa.PrimaryKeyConstraint("definition_id", "unit", "ended_on", name=op.f("pk_unit_scores")),
    )
    _allow(PARTS)


def downgrade() -> None:
    # An older version cannot show that units were marked.
    op.execute("DELETE FROM kpi_changes WHERE what = 'RISK'")
    _allow(BEFORE)
    op.drop_table("unit_scores")


def _allow(parts: tuple[str, ...]) -> None:
    op.drop_constraint(op.f("ck_kpi_changes_governed"), "kpi_changes", type_="check")
    op.create_check_constraint(op.f("ck_kpi_changes_governed"), "kpi_changes", f"what IN {parts}")
