"""How lagging KPIs move with leading ones: the links of the ladder, version by version."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

SOURCES = ("COHORTS", "EXPERIMENTS", "ASSUMPTION")
SOURCE = sa.Enum(*SOURCES, native_enum=False, create_constraint=True, length=32, name="linksource")
RANGE = (
    "CASE WHEN source = 'ASSUMPTION' AND elasticity IS NOT NULL THEN low <= likely AND likely <= high "
    "ELSE num_nonnulls(low, likely, high) = 0 END"
)


def upgrade() -> None:
    op.create_table(
        "kpi_links",
        sa.Column("leading_id", sa.Integer(), nullable=False),
        sa.Column("lagging_id", sa.Integer(), nullable=False),
        sa.Column("source", SOURCE, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("workspace_id", sa.Integer(), nullable=False),
        *(
            sa.Column(name, sa.Float(), nullable=True)
            for name in ("low", "likely", "high", "elasticity", "standard_error", "df")
        ),
        sa.Column("undefined", sa.String(), nullable=True),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("version > 0", name=op.f("ck_kpi_links_version")),
        sa.CheckConstraint("leading_id <> lagging_id", name=op.f("ck_kpi_links_itself")),
        sa.CheckConstraint("(elasticity IS NULL) = (standard_error IS NULL)", name=op.f("ck_kpi_links_standard_error")),
        sa.CheckConstraint("elasticity IS NULL OR undefined IS NULL", name=op.f("ck_kpi_links_undefined")),
        sa.CheckConstraint(RANGE, name=op.f("ck_kpi_links_range")),
        sa.ForeignKeyConstraint(["leading_id"], ["kpis.id"], name=op.f("fk_kpi_links_leading_id")),
        sa.ForeignKeyConstraint(["lagging_id"], ["kpis.id"], name=op.f("fk_kpi_links_lagging_id")),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_kpi_links_workspace_id")),
        sa.PrimaryKeyConstraint("leading_id", "lagging_id", "source", "version", name=op.f("pk_kpi_links")),
    )
    op.create_index("ix_kpi_links_workspace_id", "kpi_links", ["workspace_id"])


def downgrade() -> None:
    op.drop_table("kpi_links")
