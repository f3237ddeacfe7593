"""Stored nouns of the edge."""

from datetime import datetime

from sqlalchemy import Identity
from sqlalchemy.dialects.postgresql import ARRAY, TEXT
from sqlmodel import Field, SQLModel

from kpi.tables import AWARE


class ApiKey(SQLModel, table=True):
    """A key: what it may do, and a keyed hash of its secret. The secret itself is shown once and never stored."""

    __tablename__ = "api_keys"
    id: int = Field(default=None, primary_key=True, sa_column_args=[Identity(always=True)])
    workspace_id: int = Field(foreign_key="workspaces.id")
    public_id: str = Field(unique=True)
    name: str
    scopes: list[str] = Field(sa_type=ARRAY(TEXT))
    secret_hash: bytes
    created_at: datetime = Field(sa_type=AWARE)
    revoked_at: datetime | None = Field(sa_type=AWARE)


class Budget(SQLModel, table=True):
    """A budget that processes share: a workspace's own, with an empty key, or that of one of its keys."""

    __tablename__ = "budgets"
    __table_args__ = ({"prefixes": ["UNLOGGED"]},)
    workspace_id: int = Field(foreign_key="workspaces.id", primary_key=True)
    key: str = Field(primary_key=True)
    full_at: datetime = Field(sa_type=AWARE)  # when all that was taken will have been given back
    taken: float  # seconds' worth, by who asked last
