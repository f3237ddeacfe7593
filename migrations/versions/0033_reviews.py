"""Reviews, what they found is to be done, and whether a workspace's reviews open by themselves."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

AWARE = sa.DateTime(timezone=True)
CLOSED = (
    "CASE WHEN state = 'CLOSED' THEN 5 ELSE 0 END = "
    "num_nonnulls(snapshot, snapshot_json, snapshot_hash, closed_by, closed_at)"
)


def words(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, native_enum=False, create_constraint=True, length=32, name=name)


def upgrade() -> None:
    op.add_column("workspaces", sa.Column("opens_reviews", sa.Boolean(), server_default="true", nullable=False))
    op.create_table(
        "reviews",
        sa.Column("id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("workspace_id", sa.Integer(), nullable=False),
        sa.Column("kind", words("reviewkind", "WEEKLY", "MONTHLY", "QUARTERLY"), nullable=False),
        sa.Column("from_on", sa.Date(), nullable=False),
        sa.Column("to_on", sa.Date(), nullable=False),
        sa.Column("state", words("reviewstate", "DRAFT", "CLOSED"), nullable=False),
        sa.Column("notes", sa.String(), nullable=False),
        sa.Column("agenda", sa.String(), nullable=False),
        sa.Column("decisions", sa.String(), nullable=False),
        sa.Column("snapshot", postgresql.JSONB(), nullable=True),
        sa.Column("snapshot_json", sa.String(), nullable=True),
        sa.Column("snapshot_hash", sa.String(), nullable=True),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("created_at", AWARE, nullable=False),
        sa.Column("closed_by", sa.String(), nullable=True),
        sa.Column("closed_at", AWARE, nullable=True),
        sa.CheckConstraint("from_on <= to_on", name=op.f("ck_reviews_period")),
        sa.CheckConstraint(CLOSED, name=op.f("ck_reviews_closed")),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_reviews_workspace_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reviews")),
        sa.UniqueConstraint("workspace_id", "kind", "from_on", name=op.f("uq_reviews_workspace_id_kind_from_on")),
    )
    op.create_table(
        "action_items",
        sa.Column("id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("workspace_id", sa.Integer(), nullable=False),
        sa.Column("review_id", sa.Integer(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=True),
        sa.Column("kpi_id", sa.Integer(), nullable=True),
        sa.Column("experiment_id", sa.Integer(), nullable=True),
        sa.Column("state", words("itemstate", "OPEN", "DONE", "DROPPED"), nullable=False),
        sa.Column("note", sa.String(), nullable=True),
        sa.Column("done_at", AWARE, nullable=True),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("created_at", AWARE, nullable=False),
        sa.CheckConstraint("(state = 'DONE') = (done_at IS NOT NULL)", name=op.f("ck_action_items_done")),
        sa.CheckConstraint("num_nonnulls(kpi_id, experiment_id) <= 1", name=op.f("ck_action_items_about")),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_action_items_workspace_id")),
        sa.ForeignKeyConstraint(["review_id"], ["reviews.id"], name=op.f("fk_action_items_review_id")),
        sa.ForeignKeyConstraint(["kpi_id"], ["kpis.id"], name=op.f("fk_action_items_kpi_id")),
        sa.ForeignKeyConstraint(["experiment_id"], ["experiments.id"], name=op.f("fk_action_items_experiment_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_action_items")),
    )
    op.create_index("ix_action_items_workspace_id", "action_items", ["workspace_id", "id"])
    op.create_index("ix_action_items_review_id", "action_items", ["review_id"])


def downgrade() -> None:
    op.drop_table("action_items")
    op.drop_table("reviews")
    op.drop_column("workspaces", "opens_reviews")
