"""Which KPIs each experiment's plan measures, as rows: what a plan says is in JSON, where no index serves.

Under row level security Postgres looks into JSON only after it has found the workspace's rows, one by one. A trigger
keeps the rows, so that an older process goes on writing afterwards; what was there before is filled in after it stands,
a row for each KPI of something a person wrote, while nobody can write an experiment: milliseconds for thousands.
"""

import sqlalchemy as sa
from alembic import op

from migrations import isolation

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None

MEASURED = """
INSERT INTO experiment_kpis (kpi_id, experiment_id, workspace_id)
SELECT DISTINCT k.id, e.id, e.workspace_id
FROM experiments AS e CROSS JOIN jsonb_path_query(e.plan, '$.kpis[*].kpi') AS said(kpi)
JOIN kpis AS k ON k.workspace_id = e.workspace_id AND k.key = said.kpi #>> '{}'
"""
FOLLOW = """
CREATE FUNCTION experiment_kpis_follow() RETURNS trigger LANGUAGE plpgsql AS $$
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
CREATE TRIGGER experiment_kpis AFTER INSERT OR UPDATE OF plan ON experiments
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
    )
    op.create_index("ix_experiment_kpis_experiment_id", "experiment_kpis", ["experiment_id"])
    isolation.by_column("experiment_kpis")
    op.execute(FOLLOW)
    op.execute(TRIGGER)
    op.execute(MEASURED)


def downgrade() -> None:
    op.execute("DROP TRIGGER experiment_kpis ON experiments")
    op.execute("DROP FUNCTION experiment_kpis_follow()")
    op.drop_table("experiment_kpis")
