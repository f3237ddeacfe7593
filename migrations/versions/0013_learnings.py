"""What was learned from experiments, and what it said before somebody changed it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "learnings",
        sa.Column("id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("workspace_id", sa.Integer(), nullable=False),
        sa.Column("experiment_id", sa.Integer(), nullable=False),
        *_texts(),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_by", sa.String(), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(updated_at IS NULL) = (updated_by IS NULL)", name=op.f("ck_learnings_updated")),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_learnings_workspace_id")),
        sa.ForeignKeyConstraint(["experiment_id"], ["experiments.id"], name=op.f("fk_learnings_experiment_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_learnings")),
    )
    op.create_index("ix_learnings_workspace_id_experiment_id", "learnings", ["workspace_id", "experiment_id"])
    op.create_index("ix_learnings_tags", "learnings", ["tags"], postgresql_using="gin")
    op.create_table(
        "learning_versions",
        sa.Column("learning_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        *_texts(),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["learning_id"], ["learnings.id"], name=op.f("fk_learning_versions_learning_id")),
        sa.PrimaryKeyConstraint("learning_id", "number", name=op.f("pk_learning_versions")),
    )


def _texts() -> list[sa.Column[object]]:
    return [
        sa.Column("conclusion", sa.String(), nullable=False),
        sa.Column("learned", sa.String(), nullable=True),
        sa.Column("tags", postgresql.JSONB(), nullable=False),
        sa.Column("links", postgresql.JSONB(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
    ]


def downgrade() -> None:
    op.drop_table("learning_versions")
    op.drop_table("learnings")
