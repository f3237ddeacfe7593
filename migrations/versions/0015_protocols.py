"""Protocols, what many plans have in common, and whether a workspace asks every experiment for one."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("workspaces", sa.Column("requires_protocol", sa.Boolean(), server_default="false", nullable=False))
    op.create_table(
        "protocols",
        sa.Column("id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("workspace_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_protocols_workspace_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_protocols")),
        sa.UniqueConstraint("workspace_id", "key", name=op.f("uq_protocols_workspace_id_key")),
    )
    op.create_table(
        "protocol_versions",
        sa.Column("protocol_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=False),
        sa.Column("terms", postgresql.JSONB(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("version > 0", name=op.f("ck_protocol_versions_version")),
        sa.ForeignKeyConstraint(["protocol_id"], ["protocols.id"], name=op.f("fk_protocol_versions_protocol_id")),
        sa.PrimaryKeyConstraint("protocol_id", "version", name=op.f("pk_protocol_versions")),
    )


def downgrade() -> None:
    op.drop_table("protocol_versions")
    op.drop_table("protocols")
    op.drop_column("workspaces", "requires_protocol")
