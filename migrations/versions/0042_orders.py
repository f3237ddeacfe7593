"""Indexes for long lists: deliveries and rejected rows by their time, and the audit trail by what was changed.

That of deliveries stands in for the one by their number. All are built concurrently, so that rows come in meanwhile.
"""

from alembic import op

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None

REJECTIONS = "ix_rejections_workspace_id_received_at"
DELIVERIES, NUMBERED = "ix_deliveries_workspace_id_created_at", "ix_deliveries_workspace_id"
NODE = "ix_audit_entries_node"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        # One that was interrupted leaves an index that answers nothing.
        for name, table in ((DELIVERIES, "deliveries"), (REJECTIONS, "rejections"), (NODE, "audit_entries")):
            op.drop_index(name, table_name=table, if_exists=True, postgresql_concurrently=True)
        op.create_index(REJECTIONS, "rejections", ["workspace_id", "received_at", "id"], postgresql_concurrently=True)
        op.create_index(DELIVERIES, "deliveries", ["workspace_id", "created_at", "id"], postgresql_concurrently=True)
        op.create_index(
            NODE,
            "audit_entries",
            ["workspace_id", "node_type", "node_id", "number"],
            postgresql_where="node_type IS NOT NULL",
            postgresql_concurrently=True,
        )
        op.drop_index(NUMBERED, table_name="deliveries", if_exists=True, postgresql_concurrently=True)


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.create_index(NUMBERED, "deliveries", ["workspace_id", "id"], postgresql_concurrently=True)
        op.drop_index(REJECTIONS, table_name="rejections", postgresql_concurrently=True)
        op.drop_index(NODE, table_name="audit_entries", postgresql_concurrently=True)
        op.drop_index(DELIVERIES, table_name="deliveries", postgresql_concurrently=True)
