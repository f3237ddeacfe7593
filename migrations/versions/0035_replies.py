"""What was answered to senders who name what they send by a key."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "replies",
        sa.Column("workspace_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("input_hash", sa.String(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("node_type", sa.String(), nullable=True),
        sa.Column("node_id", sa.Integer(), nullable=True),
        sa.Column("report", postgresql.JSONB(), nullable=True),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_replies_workspace_id_workspaces")),
        sa.PrimaryKeyConstraint("workspace_id", "key", name=op.f("pk_replies")),
    )
    op.create_index(op.f("ix_replies_sent_at"), "replies", ["sent_at"])


def downgrade() -> None:
    op.drop_table("replies")
