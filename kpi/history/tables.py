"""What is stored of a KPI's history: how far it is derived, its sums by cohort, and units by their own numbers."""

from datetime import date, datetime

from sqlalchemy.dialects.postgresql import ARRAY, FLOAT, TEXT
from sqlmodel import Field, SQLModel

from kpi.tables import AWARE


class History(SQLModel, table=True):
    """How far a definition's sums reach, and from which cohort on they are out of date; no row before the first time.

    `reach` is how many days before an outcome a cohort may be that it changes.
    """

    __tablename__ = "histories"
    definition_id: int = Field(primary_key=True, foreign_key="definitions.id")
    workspace_id: int = Field(foreign_key="workspaces.id", index=True)
    events: list[str] = Field(sa_type=ARRAY(TEXT))
    reach: int
    through: date | None = Field(default=None)
    stale_from: date | None = Field(default=None)
    computed_at: datetime | None = Field(default=None, sa_type=AWARE)
    seconds: float | None = Field(default=None)
    failed_at: datetime | None = Field(default=None, sa_type=AWARE)
    failure: str | None = Field(default=None)


class HistoryEntry(SQLModel, table=True):
    """Units of a cohort, also of one that is not final yet."""

    __tablename__ = "history_entries"
    definition_id: int = Field(primary_key=True, foreign_key="definitions.id")
    segment: str = Field(primary_key=True)
    entered_on: date = Field(primary_key=True)
    n: int


class HistoryMoments(SQLModel, table=True):
    """A cohort's units added up: the number of each, and what a ratio divides it by."""

    __tablename__ = "history_moments"
    definition_id: int = Field(primary_key=True, foreign_key="definitions.id")
    segment: str = Field(primary_key=True)
    entered_on: date = Field(primary_key=True)
    n: int
    mean: float
    m2: float
    mean_x: float | None
    m2_x: float | None
    c_xy: float | None


class HistoryDuration(SQLModel, table=True):
    """Units of a cohort whose observation ended on a day of their own, or who did something on it."""

    __tablename__ = "history_durations"
    definition_id: int = Field(primary_key=True, foreign_key="definitions.id")
    segment: str = Field(primary_key=True)
    entered_on: date = Field(primary_key=True)
    day: int = Field(primary_key=True)
    events: int
    losses: int


class HistoryValue(SQLModel, table=True):
    """How many units of a cohort have a number, to four significant digits: what a quantile is made of."""

    __tablename__ = "history_values"
    definition_id: int = Field(primary_key=True, foreign_key="definitions.id")
    segment: str = Field(primary_key=True)
    entered_on: date = Field(primary_key=True)
    value: float = Field(primary_key=True)
    n: int


class HistoryCluster(SQLModel, table=True):
    """A cohort's users by account, where they are not independent; who belongs to none stands alone."""

    __tablename__ = "history_clusters"
    definition_id: int = Field(primary_key=True, foreign_key="definitions.id")
    segment: str = Field(primary_key=True)
    entered_on: date = Field(primary_key=True)
    account: str = Field(primary_key=True)
    n: int
    y: float
    x: float


class UnitScore(SQLModel, table=True):
    """A unit's own number at the end of a period, with those of a composite's components, in their order.

    Kept of the newest period that is over, of the one before, and of one that ended long enough ago for it to show who
    `has_left` since (null: not looked at). `level` is that by which units are counted, null where they are by any row.
    """

    __tablename__ = "unit_scores"
    definition_id: int = Field(primary_key=True, foreign_key="definitions.id")
    unit: str = Field(primary_key=True)
    ended_on: date = Field(primary_key=True)
    score: float
    parts: list[float] = Field(sa_type=ARRAY(FLOAT))
    level: float | None
    segments: list[str] = Field(sa_type=ARRAY(TEXT))
    has_left: bool | None
