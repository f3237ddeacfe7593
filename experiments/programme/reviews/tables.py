"""What is stored of reviews: the review with what it said when it was closed, and what is to be done."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, Identity, Index, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from experiments.programme.reviews.enums import ItemState, ReviewKind, ReviewState
from kpi.tables import AWARE, words


class Review(SQLModel, table=True):
    """A review of a week, month or quarter. While it is a draft, what it shows is read anew each time.

    Closed, it is what it said then: `snapshot`, kept verbatim in `snapshot_json` with its SHA-256.
    """

    __tablename__ = "reviews"
    __table_args__ = (
        UniqueConstraint("workspace_id", "kind", "from_on"),
        CheckConstraint("from_on <= to_on", name="period"),
        CheckConstraint(
            "CASE WHEN state = 'CLOSED' THEN 5 ELSE 0 END = "
            "num_nonnulls(snapshot, snapshot_json, snapshot_hash, closed_by, closed_at)",
            name="closed",
        ),
    )
    id: int = Field(default=None, primary_key=True, sa_column_args=[Identity(always=True)])
    workspace_id: int = Field(foreign_key="workspaces.id")
    kind: ReviewKind = Field(sa_type=words(ReviewKind))
    from_on: date
    to_on: date
    state: ReviewState = Field(sa_type=words(ReviewState))
    notes: str
    agenda: str
    decisions: str
    snapshot: dict[str, Any] | None = Field(default=None, sa_type=JSONB(none_as_null=True))
    snapshot_json: str | None = Field(default=None)
    snapshot_hash: str | None = Field(default=None)
    created_by: str
    created_at: datetime = Field(sa_type=AWARE)
    closed_by: str | None = Field(default=None)
    closed_at: datetime | None = Field(default=None, sa_type=AWARE)


class ActionItem(SQLModel, table=True):
    """Something that a review found is to be done, by whom and until when; about a KPI or an experiment, or neither.

    Until it is done or dropped, every later review lists it.
    """

    __tablename__ = "action_items"
    __table_args__ = (
        Index("ix_action_items_workspace_id", "workspace_id", "id"),
        Index("ix_action_items_review_id", "review_id"),
        CheckConstraint("(state = 'DONE') = (done_at IS NOT NULL)", name="done"),
        CheckConstraint("num_nonnulls(kpi_id, experiment_id) <= 1", name="about"),
    )
    id: int = Field(default=None, primary_key=True, sa_column_args=[Identity(always=True)])
    workspace_id: int = Field(foreign_key="workspaces.id")
    review_id: int = Field(foreign_key="reviews.id")
    text: str
    owner: str
    due_on: date | None
    kpi_id: int | None = Field(default=None, foreign_key="kpis.id")
    experiment_id: int | None = Field(default=None, foreign_key="experiments.id")
    state: ItemState = Field(sa_type=words(ItemState))
    note: str | None = Field(default=None)
    done_at: datetime | None = Field(default=None, sa_type=AWARE)
    created_by: str
    created_at: datetime = Field(sa_type=AWARE)
