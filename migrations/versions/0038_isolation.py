"""Row level security on every table that holds a workspace's data.

Each table in a transaction of its own, so that no lock is held while another is waited for; said again where it was
said before, so that what was cut off is simply run again.
"""

from alembic import op

from migrations import isolation
from migrations.isolation import APP, WORKER

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None

OF_WORKSPACE = (
    "action_items",
    "alert_rules",
    "alerts",
    "amendments",
    "annotations",
    "budgets",
    "decisions",
    "deliveries",
    "endpoints",
    "events",
    "experiments",
    "histories",
    "hypotheses",
    "ingests",
    "jobs",
    "kpi_links",
    "kpi_pairs",
    "kpis",
    "learnings",
    "memberships",
    "notices",
    "protocols",
    "published_looks",
    "rejections",
    "replies",
    "reviews",
    "status_changes",
    "steps",
    "traits",
    "trusted_documents",
)
OF_PARENT = {
    ("experiment_id", "experiments"): (
        "durations",
        "duty_faults",
        "entry_counts",
        "moments",
        "overlap_counts",
        "overlap_moments",
        "overlap_runs",
        "pauses",
        "refreshes",
        "segments",
        "tallies",
        "variants",
    ),
    ("definition_id", "definitions"): (
        "baselines",
        "history_clusters",
        "history_durations",
        "history_entries",
        "history_moments",
        "history_values",
        "rehearsals",
        "unit_scores",
    ),
    ("kpi_id", "kpis"): ("baseline_schedules", "definitions", "kpi_changes", "targets"),
    ("job_id", "jobs"): ("job_chunks", "job_omissions"),
    ("event_id", "events"): ("arrivals",),
    ("learning_id", "learnings"): ("learning_versions",),
    ("protocol_id", "protocols"): ("protocol_versions",),
}
RAW = ("exposures", "outcomes")
"""What comes in by the million; each in a way of its own."""
ADD, CHANGE = "SELECT, INSERT", "SELECT, INSERT, UPDATE"
RESTRICTED = {
    "workspaces": ("id", "SELECT, UPDATE", CHANGE),
    "api_keys": ("workspace_id", CHANGE, CHANGE),
    "audit_entries": ("workspace_id", ADD, ADD),
}
"""What nobody drops, and what requests do not make: the column, and what requests and duties may do."""
OWN_KEY = "public_id = current_setting('app.key', true) AND revoked_at IS NULL"
ARRIVAL = (
    ("api_keys", OWN_KEY),
    ("workspaces", f"id = (SELECT workspace_id FROM api_keys WHERE {OWN_KEY})"),  # noqa: S608 - of constants alone
)
"""Who comes with a key has no workspace yet: a transaction that names the key's id sees that key and its workspace."""
BESIDE = f"""
DO $$ BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO {APP}, {WORKER}', current_schema());
    EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO {APP}, {WORKER}', current_database());
    GRANT SELECT ON alembic_version TO {APP}, {WORKER};
    GRANT SELECT, USAGE ON SEQUENCE ingests_id_seq TO {APP}, {WORKER};
END $$
"""
"""Where the tables are, tables for a while, which schema it is, and the numbers of batches."""
TAKEN = f"""
DO $$ BEGIN
    EXECUTE format('REVOKE USAGE ON SCHEMA %I FROM {APP}, {WORKER}', current_schema());
    EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM {APP}, {WORKER}', current_database());
    REVOKE ALL ON alembic_version FROM {APP}, {WORKER};
    REVOKE ALL ON SEQUENCE ingests_id_seq FROM {APP}, {WORKER};
END $$
"""


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute(BESIDE)
        for table, expression in ARRIVAL:
            op.execute(f"DROP POLICY IF EXISTS arrival ON {table}")
            op.execute(f"CREATE POLICY arrival ON {table} FOR SELECT TO {APP} USING ({expression})")
        for table, (column, app, worker) in RESTRICTED.items():
            isolation.by_column(table, column, app=app, worker=worker)
        for table in OF_WORKSPACE:
            isolation.by_column(table)
        for (column, parent), tables in OF_PARENT.items():
            for table in tables:
                isolation.by_parent(table, column, parent)
        isolation.by_parent("exposures", "experiment_id", "experiments", in_bulk=True)
        isolation.by_index("outcomes", "event_id", "events")


def downgrade() -> None:
    with op.get_context().autocommit_block():
        for table in (
            *RESTRICTED,
            *OF_WORKSPACE,
            *RAW,
            *(name for names in OF_PARENT.values() for name in names),
        ):
            isolation.lift(table)
        for table, _ in ARRIVAL:
            op.execute(f"DROP POLICY arrival ON {table}")
        op.execute(TAKEN)
