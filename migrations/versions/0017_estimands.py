"""Whether an amendment changed who enters or what they are shown. No amendment could before."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("amendments", sa.Column("changes_estimand", sa.Boolean(), server_default="false", nullable=False))


def downgrade() -> None:
    op.drop_column("amendments", "changes_estimand")
