"""Stored nouns of the experiments package, and the aggregates that analysis reads."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, Identity, Index, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from experiments.enums import Kind, State
from kpi.enums import Unit
from kpi.tables import AWARE, words


class Experiment(SQLModel, table=True):
    """One experiment; its plan is sealed at the start and kept verbatim with its SHA-256.

    `given_at` is when somebody last handed in aggregates, of an experiment that takes them instead of rows.
    """

    __tablename__ = "experiments"
    __table_args__ = (
        UniqueConstraint("workspace_id", "key"),
        CheckConstraint("(state = 'DRAFT') = (started_at IS NULL)", name="started"),
        CheckConstraint("(state = 'STOPPED') = (stopped_at IS NOT NULL)", name="stopped"),
        CheckConstraint("(plan_hash IS NULL) = (sealed_at IS NULL)", name="sealed"),
        CheckConstraint("state = 'DRAFT' OR sealed_at IS NOT NULL", name="sealed_before_start"),
        CheckConstraint("stopped_at >= started_at", name="order"),
    )
    id: int = Field(default=None, primary_key=True, sa_column_args=[Identity(always=True)])
    workspace_id: int = Field(foreign_key="workspaces.id")
    key: str
    name: str
    hypothesis_id: int = Field(foreign_key="hypotheses.id")
    kind: Kind = Field(sa_type=words(Kind))
    unit: Unit = Field(sa_type=words(Unit))
    owner: str
    state: State = Field(sa_type=words(State))
    plan: dict[str, Any] = Field(sa_type=JSONB)
    plan_json: str | None
    plan_hash: str | None
    sealed_at: datetime | None = Field(sa_type=AWARE)
    started_at: datetime | None = Field(sa_type=AWARE)
    stopped_at: datetime | None = Field(sa_type=AWARE)
    created_at: datetime = Field(sa_type=AWARE)
    given_at: datetime | None = Field(default=None, sa_type=AWARE)


class Variant(SQLModel, table=True):
    """One of the ways an experiment treats a unit."""

    __tablename__ = "variants"
    __table_args__ = (
        UniqueConstraint("experiment_id", "key"),
        CheckConstraint("weight > 0", name="weight"),
    )
    id: int = Field(default=None, primary_key=True, sa_column_args=[Identity(always=True)])
    experiment_id: int = Field(foreign_key="experiments.id")
    key: str
    name: str
    weight: float
    is_control: bool


class Exposure(SQLModel, table=True):
    """A unit's first meeting with an experiment, and the first with another variant, which makes it a crossover.

    `moved_from` is the entry day before the last change, so that a change can say which days it touched.
    """

    __tablename__ = "exposures"
    __table_args__ = (Index("ix_exposures_experiment_id_exposed_at", "experiment_id", "exposed_at"),)
    experiment_id: int = Field(primary_key=True, foreign_key="experiments.id")
    unit: str = Field(primary_key=True)
    variant_id: int = Field(foreign_key="variants.id")
    exposed_at: datetime = Field(sa_type=AWARE)
    crossed_at: datetime | None = Field(sa_type=AWARE)
    attributes: dict[str, Any] | None = Field(sa_type=JSONB)
    moved_from: date | None


class Refresh(SQLModel, table=True):
    """How far an experiment's aggregates reach, and what made them."""

    __tablename__ = "refreshes"
    experiment_id: int = Field(primary_key=True, foreign_key="experiments.id")
    data_through: datetime = Field(sa_type=AWARE)
    computed_at: datetime = Field(sa_type=AWARE)
    crossovers: int
    version: str


class RefreshFault(SQLModel, table=True):
    """A refresh that failed: the next one, an hour later, derives everything anew."""

    __tablename__ = "refresh_faults"
    experiment_id: int = Field(primary_key=True, foreign_key="experiments.id")
    failed_at: datetime = Field(sa_type=AWARE)
    message: str


class Segment(SQLModel, table=True):
    """A value of an attribute that is a segment of its own; it stays one for the life of the experiment."""

    __tablename__ = "segments"
    experiment_id: int = Field(primary_key=True, foreign_key="experiments.id")
    attribute: str = Field(primary_key=True)
    value: str = Field(primary_key=True)


class EntryCount(SQLModel, table=True):
    """Table C: units that entered, a row per segment, variant and entry day. The segment '' is everybody.

    `crossovers` entered too and are left out of `n`; they are counted for everybody only.
    """

    __tablename__ = "entry_counts"
    experiment_id: int = Field(primary_key=True, foreign_key="experiments.id")
    segment: str = Field(primary_key=True)
    variant_id: int = Field(primary_key=True)
    entered_on: date = Field(primary_key=True)
    n: int
    crossovers: int = Field(sa_column_kwargs={"server_default": "0"})


class DayMoments(SQLModel, table=True):
    """Table M: moments of a KPI over the units of one entry day, once the day's last window has closed.

    Where the plan adjusts it, those of the covariate x too, and for how many units `when_missing` stands in; else null.
    """

    __tablename__ = "moments"
    experiment_id: int = Field(primary_key=True, foreign_key="experiments.id")
    definition_id: int = Field(primary_key=True)
    segment: str = Field(primary_key=True)
    variant_id: int = Field(primary_key=True)
    entered_on: date = Field(primary_key=True)
    n: int
    mean: float
    m2: float
    mean_x: float | None = None
    m2_x: float | None = None
    c_xy: float | None = None
    missing: int | None = None


class DayDurations(SQLModel, table=True):
    """Table T: events and losses by entry day and duration day; a row only where there is one."""

    __tablename__ = "durations"
    experiment_id: int = Field(primary_key=True, foreign_key="experiments.id")
    definition_id: int = Field(primary_key=True)
    segment: str = Field(primary_key=True)
    variant_id: int = Field(primary_key=True)
    entered_on: date = Field(primary_key=True)
    day: int = Field(primary_key=True)
    events: int
    losses: int
