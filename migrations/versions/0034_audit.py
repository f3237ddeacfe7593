"""The audit trail, and the triggers that keep it as it was written.

Entries are added only. An entry goes when a later one says that it was retired, and never otherwise.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

REFUSE = """
CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit trail is only added to' USING ERRCODE = 'insufficient_privilege';
END $$
"""
RETIRED = """
CREATE FUNCTION audit_retired() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM gone WHERE NOT EXISTS (
            SELECT FROM audit_entries AS kept WHERE kept.workspace_id = gone.workspace_id
            AND kept.action = 'auditRetire' AND kept.number > gone.number
            AND (kept.details->>'through')::integer >= gone.number
        )
    ) THEN
        RAISE EXCEPTION 'the audit trail is only added to' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NULL;
END $$
"""
TRIGGERS = (
    "CREATE TRIGGER audit_update BEFORE UPDATE ON audit_entries FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()",
    "CREATE TRIGGER audit_truncate BEFORE TRUNCATE ON audit_entries FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()",
    "CREATE TRIGGER audit_delete AFTER DELETE ON audit_entries REFERENCING OLD TABLE AS gone FOR EACH STATEMENT"
    " EXECUTE FUNCTION audit_retired()",
)
REVOKE = """
DO $$
DECLARE other text;
BEGIN
    FOR other IN
        SELECT DISTINCT CASE WHEN given.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(given.grantee)) END
        FROM pg_class, aclexplode(relacl) AS given
        WHERE pg_class.oid = 'audit_entries'::regclass AND given.grantee <> relowner
    LOOP
        EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE ON audit_entries FROM %s', other);
    END LOOP;
END $$
"""
"""Roles that default privileges gave more than reading and adding."""


def text(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.String(), nullable=nullable)


def upgrade() -> None:
    op.create_table(
        "audit_entries",
        sa.Column("workspace_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=False),
        text("actor"),
        text("key"),
        text("action"),
        text("node_type", nullable=True),
        text("node_id", nullable=True),
        text("input_hash", nullable=True),
        text("before_hash", nullable=True),
        text("after_hash", nullable=True),
        sa.Column("details", postgresql.JSONB(), nullable=False),
        text("request_id", nullable=True),
        text("previous_hash"),
        text("hash"),
        sa.CheckConstraint("number > 0", name=op.f("ck_audit_entries_number")),
        sa.CheckConstraint("(node_type IS NULL) = (node_id IS NULL)", name=op.f("ck_audit_entries_node")),
        sa.PrimaryKeyConstraint("workspace_id", "number", name=op.f("pk_audit_entries")),
    )
    op.create_index(
        "ix_audit_entries_retired", "audit_entries", ["workspace_id"], postgresql_where="action = 'auditRetire'"
    )
    for statement in (REFUSE, RETIRED, *TRIGGERS, REVOKE):
        op.execute(statement)


def downgrade() -> None:
    op.drop_table("audit_entries")
    op.execute("DROP FUNCTION audit_refuse()")
    op.execute("DROP FUNCTION audit_retired()")
