"""Replies as they are stored."""

from datetime import datetime
from typing import Any

from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from kpi.tables import AWARE


class Reply(SQLModel, table=True):
    """What came of the input that was sent under a key: a node, or the report of a batch.

    `input_hash` is keyed with the server's secret, so that nobody tells a unit's id by it.
    """

    __tablename__ = "replies"
    workspace_id: int = Field(primary_key=True, foreign_key="workspaces.id", sa_column_kwargs={"autoincrement": False})
    key: str = Field(primary_key=True)
    action: str
    input_hash: str
    sent_at: datetime = Field(sa_type=AWARE, index=True)
    node_type: str | None
    node_id: int | None
    report: dict[str, Any] | None = Field(sa_type=JSONB)
