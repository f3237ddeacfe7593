"""What is known of a unit, and since when; and files of it."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

BEFORE = ("EXPOSURES", "OUTCOMES", "AGGREGATES", "MEMBERSHIPS")
NOUNS = (*BEFORE, "TRAITS")


def upgrade() -> None:
    op.create_table(
        "traits",
        sa.Column("workspace_id", sa.Integer(), nullable=False),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("since_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("value", sa.String(), nullable=True),
        sa.Column("ingest_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_traits_workspace_id")),
        sa.PrimaryKeyConstraint("workspace_id", "unit", "name", "since_at", name=op.f("pk_traits")),
    )
    op.create_index("ix_traits_name", "traits", ["workspace_id", "name", "unit"])
    op.create_index("ix_traits_ingest_id", "traits", ["ingest_id"])
    _allow(NOUNS)


def downgrade() -> None:
    # An older version can neither take in such a file nor show such a row.
    op.execute("DELETE FROM job_omissions WHERE job_id IN (SELECT id FROM jobs WHERE noun = 'TRAITS')")
    op.execute("DELETE FROM job_chunks WHERE job_id IN (SELECT id FROM jobs WHERE noun = 'TRAITS')")
    op.execute("DELETE FROM jobs WHERE noun = 'TRAITS'")
    op.execute("DELETE FROM rejections WHERE noun = 'traits'")
    _allow(BEFORE)
    op.drop_index("ix_traits_ingest_id", table_name="traits")
    op.drop_index("ix_traits_name", table_name="traits")
    op.drop_table("traits")


def _allow(nouns: tuple[str, ...]) -> None:
    op.drop_constraint(op.f("ck_jobs_noun"), "jobs", type_="check")
    op.create_check_constraint(op.f("ck_jobs_noun"), "jobs", f"noun IN {nouns}")
