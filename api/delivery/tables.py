"""Endpoints and deliveries, as they are stored."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, Identity, Index, UniqueConstraint
from sqlalchemy.dialects.postgresql import ARRAY, TEXT
from sqlmodel import Field, SQLModel

from kpi.tables import AWARE, words


class EndpointKind(StrEnum):
    """How notices reach an endpoint."""

    WEBHOOK = "WEBHOOK"
    SLACK = "SLACK"
    EMAIL = "EMAIL"


class DeliveryState(StrEnum):
    """What became of a delivery; a failed one can be asked for again."""

    WAITING = "WAITING"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"


class Endpoint(SQLModel, table=True):
    """Where notices go. `types` are names of `NoticeType`, null for all of them.

    The keys that its webhooks are signed with are derived from `salt` and `old_salt` under the server's secret; none is
    stored. The old one signs too for a while after `rotated_at`.
    """

    __tablename__ = "endpoints"
    __table_args__ = (
        UniqueConstraint("workspace_id", "kind", "address"),
        CheckConstraint("is_enabled = (disabled_reason IS NULL)", name="disabled"),
        CheckConstraint("(old_salt IS NULL) = (rotated_at IS NULL)", name="rotated"),
    )
    id: int = Field(default=None, primary_key=True, sa_column_args=[Identity(always=True)])
    workspace_id: int = Field(foreign_key="workspaces.id")
    kind: EndpointKind = Field(sa_type=words(EndpointKind))
    address: str
    types: list[str] | None = Field(sa_type=ARRAY(TEXT))
    is_enabled: bool
    disabled_reason: str | None
    salt: bytes
    old_salt: bytes | None
    rotated_at: datetime | None = Field(sa_type=AWARE)
    created_by: str
    created_at: datetime = Field(sa_type=AWARE)


class Delivery(SQLModel, table=True):
    """One notice on its way to one endpoint. While it waits, `next_at` is when it is tried, or tried again.

    `status`, `answer` and `fault` are of the last attempt: what the receiver said, or why there is nothing it said.
    """

    __tablename__ = "deliveries"
    __table_args__ = (
        UniqueConstraint("notice_id", "endpoint_id"),
        Index("ix_deliveries_due", "next_at", postgresql_where="state = 'WAITING'"),
        Index("ix_deliveries_workspace_id_created_at", "workspace_id", "created_at", "id"),
        Index("ix_deliveries_endpoint_id", "endpoint_id", "id"),
        CheckConstraint("(state = 'WAITING') = (next_at IS NOT NULL)", name="next_at"),
        CheckConstraint("(state = 'DELIVERED') = (delivered_at IS NOT NULL)", name="delivered_at"),
    )
    id: int = Field(default=None, primary_key=True, sa_column_args=[Identity(always=True)])
    workspace_id: int = Field(foreign_key="workspaces.id")
    notice_id: int = Field(foreign_key="notices.id")
    endpoint_id: int = Field(foreign_key="endpoints.id")
    state: DeliveryState = Field(sa_type=words(DeliveryState))
    attempts: int
    next_at: datetime | None = Field(sa_type=AWARE)
    attempted_at: datetime | None = Field(default=None, sa_type=AWARE)
    status: int | None = None
    answer: str | None = None
    fault: str | None = None
    delivered_at: datetime | None = Field(default=None, sa_type=AWARE)
    created_at: datetime = Field(sa_type=AWARE)
