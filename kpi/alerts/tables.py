"""What is stored of alerts: the rules, what they raised, and what people noted on a day."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, Identity, Index
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from kpi.enums import AlertKind, AlertState, Granularity, Severity
from kpi.tables import AWARE, words


class AlertRule(SQLModel, table=True):
    """What is watched of a KPI in a segment, period by period.

    `judged_through` is the first day of the last period that was judged, `known_at` the state of the history at that
    time. `silence` says why the last period could not be judged. A removed rule stays, for its alerts.
    """

    __tablename__ = "alert_rules"
    __table_args__ = (CheckConstraint("cooldown_days >= 0", name="cooldown_days"),)
    id: int = Field(default=None, primary_key=True, sa_column_args=[Identity(always=True)])
    workspace_id: int = Field(foreign_key="workspaces.id")
    kpi_id: int = Field(foreign_key="kpis.id", index=True)
    kind: AlertKind = Field(sa_type=words(AlertKind))
    parameters: dict[str, Any] = Field(sa_type=JSONB)
    segment: str
    granularity: Granularity = Field(sa_type=words(Granularity))
    severity: Severity = Field(sa_type=words(Severity))
    is_enabled: bool
    cooldown_days: int
    created_by: str
    created_at: datetime = Field(sa_type=AWARE)
    removed_at: datetime | None = Field(default=None, sa_type=AWARE)
    judged_through: date | None = Field(default=None)
    known_at: datetime | None = Field(default=None, sa_type=AWARE)
    silence: str | None = Field(default=None)


class Alert(SQLModel, table=True):
    """What a rule raised in a period. A rule has one that is open at most, which the database holds as well."""

    __tablename__ = "alerts"
    __table_args__ = (
        Index("ix_alerts_open", "rule_id", unique=True, postgresql_where="state <> 'RESOLVED'"),
        Index("ix_alerts_workspace_id_raised_at", "workspace_id", "raised_at"),
        CheckConstraint("(state = 'RESOLVED') = (resolved_at IS NOT NULL)", name="resolved_at"),
    )
    id: int = Field(default=None, primary_key=True, sa_column_args=[Identity(always=True)])
    workspace_id: int = Field(foreign_key="workspaces.id")
    kpi_id: int = Field(foreign_key="kpis.id", index=True)
    rule_id: int = Field(foreign_key="alert_rules.id")
    state: AlertState = Field(sa_type=words(AlertState))
    kind: AlertKind = Field(sa_type=words(AlertKind))
    severity: Severity = Field(sa_type=words(Severity))
    segment: str
    granularity: Granularity = Field(sa_type=words(Granularity))
    start_on: date
    end_on: date
    value: float
    limit: float
    sentence: str
    evidence: dict[str, Any] = Field(sa_type=JSONB)
    raised_at: datetime = Field(sa_type=AWARE)
    acknowledged_at: datetime | None = Field(default=None, sa_type=AWARE)
    acknowledged_by: str | None = Field(default=None)
    note: str | None = Field(default=None)
    resolved_at: datetime | None = Field(default=None, sa_type=AWARE)
    resolved_by: str | None = Field(default=None)
    resolution: str | None = Field(default=None)


class Annotation(SQLModel, table=True):
    """What somebody noted on a day of a KPI, perhaps of an alert."""

    __tablename__ = "annotations"
    __table_args__ = (Index("ix_annotations_kpi_id_noted_on", "kpi_id", "noted_on"),)
    id: int = Field(default=None, primary_key=True, sa_column_args=[Identity(always=True)])
    workspace_id: int = Field(foreign_key="workspaces.id")
    kpi_id: int = Field(foreign_key="kpis.id")
    alert_id: int | None = Field(default=None, foreign_key="alerts.id")
    noted_on: date
    text: str
    by: str
    created_at: datetime = Field(sa_type=AWARE)
