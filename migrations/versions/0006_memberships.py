"""Which account a unit belongs to, and when."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "memberships",
        sa.Column("workspace_id", sa.Integer(), nullable=False),
        sa.Column("member", sa.String(), nullable=False),
        sa.Column("since_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("account", sa.String(), nullable=True),
        sa.Column("ingest_id", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("since_at < until_at", name=op.f("ck_memberships_order")),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_memberships_workspace_id")),
        sa.PrimaryKeyConstraint("workspace_id", "member", "since_at", name=op.f("pk_memberships")),
    )
    op.create_index("ix_memberships_workspace_id_account", "memberships", ["workspace_id", "account"], unique=False)
    op.create_index("ix_memberships_ingest_id", "memberships", ["ingest_id"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_memberships_ingest_id", table_name="memberships")
    op.drop_index("ix_memberships_workspace_id_account", table_name="memberships")
    op.drop_table("memberships")
