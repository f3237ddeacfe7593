"""Members, how browsers are signed in, and keys that are rotated and expire."""

import sqlalchemy as sa
from alembic import op

from migrations import isolation
from migrations.isolation import APP

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None

ROLES = ("VIEWER", "EDITOR", "REVIEWER", "ADMIN")
STATES = ("INVITED", "ACTIVE", "REMOVED")
AWARE = sa.DateTime(timezone=True)
CHECKS = {
    "old": "(old_secret_hash IS NULL) = (old_ends_at IS NULL)",
    "rotated": "(rotation = 0) = (rotated_at IS NULL)",
}
ARRIVAL = {
    "sign_ins": "public_id = current_setting('app.key', true) AND ended_at IS NULL",
    "sign_in_links": "public_id = current_setting('app.key', true)",
    "members": "subject = current_setting('app.subject', true) OR email = current_setting('app.email', true)",
}
"""Who comes with a cookie, with a link or from an identity provider has no workspace yet: what they may see by what
they name, until the transaction names the workspace that this says."""


def words(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, native_enum=False, create_constraint=True, length=32, name=name)


def identity(table: str) -> tuple[sa.Column[int], sa.Constraint]:
    return (
        sa.Column("id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
    )


def reference(table: str, column: str, to: str) -> sa.Constraint:
    return sa.ForeignKeyConstraint([column], [f"{to}.id"], name=op.f(f"fk_{table}_{column}"))


def upgrade() -> None:
    for column in (
        sa.Column("old_secret_hash", sa.LargeBinary(), nullable=True),
        sa.Column("old_ends_at", AWARE, nullable=True),
        sa.Column("rotation", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("rotated_at", AWARE, nullable=True),
        sa.Column("created_by", sa.String(), nullable=True),
        sa.Column("expires_at", AWARE, nullable=True),
        sa.Column("last_used_at", AWARE, nullable=True),
    ):
        op.add_column("api_keys", column)
    op.alter_column("api_keys", "rotation", server_default=None)
    for name, rule in CHECKS.items():
        op.create_check_constraint(op.f(f"ck_api_keys_{name}"), "api_keys", rule)
    op.create_table(
        "members",
        *identity("members"),
        sa.Column("workspace_id", sa.Integer(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("role", words("role", *ROLES), nullable=False),
        sa.Column("state", words("memberstate", *STATES), nullable=False),
        sa.Column("subject", sa.String(), nullable=True),
        sa.Column("invited_by", sa.String(), nullable=False),
        sa.Column("created_at", AWARE, nullable=False),
        sa.Column("last_seen_at", AWARE, nullable=True),
        reference("members", "workspace_id", "workspaces"),
        sa.UniqueConstraint("workspace_id", "email", name=op.f("uq_members_workspace_id_email")),
    )
    op.create_index("ix_members_email", "members", ["email"])
    op.create_index("ix_members_subject", "members", ["subject"])
    op.create_table(
        "sign_ins",
        *identity("sign_ins"),
        sa.Column("workspace_id", sa.Integer(), nullable=False),
        sa.Column("public_id", sa.String(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("member_id", sa.Integer(), nullable=True),
        sa.Column("api_key_id", sa.Integer(), nullable=True),
        sa.Column("rotation", sa.Integer(), nullable=True),
        sa.Column("proof", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", AWARE, nullable=False),
        sa.Column("ends_at", AWARE, nullable=False),
        sa.Column("ended_at", AWARE, nullable=True),
        sa.CheckConstraint("(member_id IS NULL) = (api_key_id IS NOT NULL)", name=op.f("ck_sign_ins_who")),
        sa.CheckConstraint("(rotation IS NULL) = (api_key_id IS NULL)", name=op.f("ck_sign_ins_rotation")),
        reference("sign_ins", "workspace_id", "workspaces"),
        reference("sign_ins", "member_id", "members"),
        reference("sign_ins", "api_key_id", "api_keys"),
        sa.UniqueConstraint("public_id", name=op.f("uq_sign_ins_public_id")),
        sa.UniqueConstraint("proof", name=op.f("uq_sign_ins_proof")),
    )
    op.create_index("ix_sign_ins_over", "sign_ins", ["workspace_id", "ends_at"])
    op.create_table(
        "sign_in_links",
        *identity("sign_in_links"),
        sa.Column("workspace_id", sa.Integer(), nullable=False),
        sa.Column("member_id", sa.Integer(), nullable=False),
        sa.Column("public_id", sa.String(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", AWARE, nullable=False),
        sa.Column("ends_at", AWARE, nullable=False),
        reference("sign_in_links", "workspace_id", "workspaces"),
        reference("sign_in_links", "member_id", "members"),
        sa.UniqueConstraint("member_id", name=op.f("uq_sign_in_links_member_id")),
        sa.UniqueConstraint("public_id", name=op.f("uq_sign_in_links_public_id")),
    )
    for table, expression in ARRIVAL.items():
        isolation.by_column(table)
        op.execute(f"CREATE POLICY arrival ON {table} FOR SELECT TO {APP} USING ({expression})")


def downgrade() -> None:
    for table in ("sign_in_links", "sign_ins", "members"):
        op.drop_table(table)
    for name in CHECKS:
        op.drop_constraint(op.f(f"ck_api_keys_{name}"), "api_keys")
    for column in (
        "old_secret_hash",
        "old_ends_at",
        "rotation",
        "rotated_at",
        "created_by",
        "expires_at",
        "last_used_at",
    ):
        op.drop_column("api_keys", column)
