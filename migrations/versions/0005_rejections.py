"""Rejected rows that can be taken in again: whether a row was kept whole, and how it was read.

Rows that are there already were kept without saying so; the defaults take them for cut, which is the safe side, and let
an older process go on writing. The index is built concurrently, so that rows can come in meanwhile.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("is_whole", "is_lax"):
        op.add_column("rejections", sa.Column(name, sa.Boolean(), server_default="false", nullable=False))
    with op.get_context().autocommit_block():
        op.create_index(
            "ix_rejections_workspace_id", "rejections", ["workspace_id", "id"], postgresql_concurrently=True
        )
        op.drop_index("ix_rejections_workspace_id_received_at", table_name="rejections", postgresql_concurrently=True)


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.create_index(
            "ix_rejections_workspace_id_received_at",
            "rejections",
            ["workspace_id", "received_at"],
            postgresql_concurrently=True,
        )
        op.drop_index("ix_rejections_workspace_id", table_name="rejections", postgresql_concurrently=True)
    for name in ("is_lax", "is_whole"):
        op.drop_column("rejections", name)
