"""Which KPIs each experiment's plan measures, as rows: what a plan says is in JSON, where no index serves.

Under row level security Postgres looks into JSON only after it has found the workspace's rows, one by one. A trigger
keeps the rows, so that an older process goes on writing meanwhile. For what was there before, each plan is written as
it is once more, some at a time, so that nobody waits long; what was cut off half way is simply run again.
"""

import sqlalchemy as sa
from alembic import op

from migrations import isolation

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None

AT_ONCE = 500
FOLLOW = """
CREATE OR REPLACE FUNCTION experiment_kpis_follow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM experiment_kpis WHERE experiment_id = NEW.id;
    INSERT INTO experiment_kpis (kpi_id, experiment_id, workspace_id)
    SELECT DISTINCT k.id, NEW.id, NEW.workspace_id
    FROM jsonb_path_query(NEW.plan, '$.kpis[*].kpi') AS said(kpi)
    JOIN kpis AS k ON k.workspace_id = NEW.workspace_id AND k.key = said.kpi #>> '{}';
    RETURN NULL;
END $$
"""
TRIGGER = """
CREATE OR REPLACE TRIGGER experiment_kpis AFTER INSERT OR UPDATE OF plan ON experiments
FOR EACH ROW EXECUTE FUNCTION experiment_kpis_follow()
"""


def upgrade() -> None:
    op.create_table(
        "experiment_kpis",
        sa.Column("kpi_id", sa.Integer(), nullable=False),
        sa.Column("experiment_id", sa.Integer(), nullable=False),
        sa.Column("workspace_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["kpi_id"], ["kpis.id"], name=op.f("fk_experiment_kpis_kpi_id")),
        sa.ForeignKeyConstraint(["experiment_id"], ["experiments.id"], name=op.f("fk_experiment_kpis_experiment_id")),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_experiment_kpis_workspace_id")),
        sa.PrimaryKeyConstraint("kpi_id", "experiment_id", name=op.f("pk_experiment_kpis")),
        if_not_exists=True,
    )
    op.create_index("ix_experiment_kpis_experiment_id", "experiment_kpis", ["experiment_id"], if_not_exists=True)
    isolation.by_column("experiment_kpis")
    op.execute(FOLLOW)
    op.execute(TRIGGER)
    with op.get_context().autocommit_block():
        newest = op.get_bind().scalar(sa.text("SELECT max(id) FROM experiments")) or 0
        for first in range(1, newest + 1, AT_ONCE):
            again = sa.text("UPDATE experiments SET plan = plan WHERE id BETWEEN :first AND :last")
            op.execute(again.bindparams(first=first, last=first + AT_ONCE - 1))


def downgrade() -> None:
    op.execute("DROP TRIGGER experiment_kpis ON experiments")
    op.execute("DROP FUNCTION experiment_kpis_follow()")
    op.drop_table("experiment_kpis")
