"""Targets say which version of the definition they are of; of those set before it is not known."""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("targets", sa.Column("definition_version", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("targets", "definition_version")
