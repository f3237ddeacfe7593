"""The audit trail as it is stored."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Column, Index, Integer
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from kpi.tables import AWARE


class AuditEntry(SQLModel, table=True):
    """One entry of a workspace's trail. Rows are added, never changed; triggers refuse what would.

    `hash` is the SHA-256 of all the rest of the row as canonical JSON, with the hash of the entry before. There is no
    foreign key: looking at the workspace's row would wait for whoever holds it, with the whole chain behind.
    """

    __tablename__ = "audit_entries"
    __table_args__ = (
        CheckConstraint("number > 0", name="number"),
        CheckConstraint("(node_type IS NULL) = (node_id IS NULL)", name="node"),
        Index(
            "ix_audit_entries_node",
            "workspace_id",
            "node_type",
            "node_id",
            "number",
            postgresql_where="node_type IS NOT NULL",
        ),
        Index("ix_audit_entries_retired", "workspace_id", postgresql_where="action = 'auditRetire'"),
    )
    workspace_id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    id: int = Field(sa_column=Column("number", Integer, primary_key=True, autoincrement=False))
    done_at: datetime = Field(sa_type=AWARE)
    actor: str
    key: str
    action: str
    node_type: str | None
    node_id: str | None
    input_hash: str | None
    before_hash: str | None
    after_hash: str | None
    details: dict[str, Any] = Field(sa_type=JSONB)
    request_id: str | None
    previous_hash: str
    hash: str

    @property
    def number(self) -> int:
        """The place in the workspace's trail, from 1, without gaps."""
        return self.id
