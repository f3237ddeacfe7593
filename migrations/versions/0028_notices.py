"""Notices, the endpoints they go to, and what became of each on its way there."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

TYPES = (
    "ALERT_RAISED",
    "ALERT_RESOLVED",
    "KPI_CHANGED",
    "EXPERIMENT_STARTED",
    "EXPERIMENT_STOPPED",
    "EXPERIMENT_DECIDED",
    "LOOK_PUBLISHED",
    "REVIEW_CLOSED",
    "ENDPOINT_TESTED",
)
STATES = ("WAITING", "DELIVERED", "FAILED")
AWARE = sa.DateTime(timezone=True)


def words(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, native_enum=False, create_constraint=True, length=32, name=name)


def upgrade() -> None:
    op.create_table(
        "notices",
        sa.Column("id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("key", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Integer(), nullable=False),
        sa.Column("type", words("noticetype", *TYPES), nullable=False),
        sa.Column("data", postgresql.JSONB(), nullable=False),
        sa.Column("is_pending", sa.Boolean(), nullable=False),
        sa.Column("created_at", AWARE, nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_notices_workspace_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices")),
        sa.UniqueConstraint("key", name=op.f("uq_notices_key")),
    )
    op.create_index("ix_notices_pending", "notices", ["id"], postgresql_where="is_pending")
    op.create_index("ix_notices_created_at", "notices", ["created_at"])
    op.create_table(
        "endpoints",
        sa.Column("id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("workspace_id", sa.Integer(), nullable=False),
        sa.Column("kind", words("endpointkind", "WEBHOOK", "SLACK", "EMAIL"), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("types", postgresql.ARRAY(sa.TEXT()), nullable=True),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column("disabled_reason", sa.String(), nullable=True),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("old_salt", sa.LargeBinary(), nullable=True),
        sa.Column("rotated_at", AWARE, nullable=True),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("created_at", AWARE, nullable=False),
        sa.CheckConstraint("is_enabled = (disabled_reason IS NULL)", name=op.f("ck_endpoints_disabled")),
        sa.CheckConstraint("(old_salt IS NULL) = (rotated_at IS NULL)", name=op.f("ck_endpoints_rotated")),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_endpoints_workspace_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_endpoints")),
        sa.UniqueConstraint("workspace_id", "kind", "address", name=op.f("uq_endpoints_workspace_id_kind_address")),
    )
    op.create_table(
        "deliveries",
        sa.Column("id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("workspace_id", sa.Integer(), nullable=False),
        sa.Column("notice_id", sa.Integer(), nullable=False),
        sa.Column("endpoint_id", sa.Integer(), nullable=False),
        sa.Column("state", words("deliverystate", *STATES), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", AWARE, nullable=True),
        sa.Column("attempted_at", AWARE, nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("answer", sa.String(), nullable=True),
        sa.Column("fault", sa.String(), nullable=True),
        sa.Column("delivered_at", AWARE, nullable=True),
        sa.Column("created_at", AWARE, nullable=False),
        sa.CheckConstraint("(state = 'WAITING') = (next_at IS NOT NULL)", name=op.f("ck_deliveries_next_at")),
        sa.CheckConstraint(
            "(state = 'DELIVERED') = (delivered_at IS NOT NULL)", name=op.f("ck_deliveries_delivered_at")
        ),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_deliveries_workspace_id")),
        sa.ForeignKeyConstraint(["notice_id"], ["notices.id"], name=op.f("fk_deliveries_notice_id")),
        sa.ForeignKeyConstraint(["endpoint_id"], ["endpoints.id"], name=op.f("fk_deliveries_endpoint_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint("notice_id", "endpoint_id", name=op.f("uq_deliveries_notice_id_endpoint_id")),
    )
    op.create_index("ix_deliveries_due", "deliveries", ["next_at"], postgresql_where="state = 'WAITING'")
    op.create_index("ix_deliveries_workspace_id", "deliveries", ["workspace_id", "id"])
    op.create_index("ix_deliveries_endpoint_id", "deliveries", ["endpoint_id", "id"])


def downgrade() -> None:
    op.drop_table("deliveries")
    op.drop_table("endpoints")
    op.drop_table("notices")
