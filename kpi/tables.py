"""Stored nouns of the kpi package. Rows do not validate: invariants live in pure modules and CHECK constraints."""

from collections.abc import Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Computed,
    DateTime,
    Enum,
    Identity,
    Index,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import ARRAY, DATE, INTEGER, JSONB, TEXT, TSVECTOR
from sqlmodel import Field, SQLModel

from kpi.enums import Change, Direction, Driver, Frequency, Governed, Granularity, LinkSource, NoticeType, Tier, Unit

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}
SQLModel.metadata.naming_convention = NAMING
AWARE = DateTime(timezone=True)


def words(enum: type[StrEnum]) -> Enum:
    """A text column that holds one of an enum's values, kept by a CHECK: a new value is one cheap migration."""
    return Enum(enum, native_enum=False, create_constraint=True, length=32, name=enum.__name__.lower())


FANCY = "\u00ab\u00bb\u2039\u203a\u201c\u201d\u201e\u2018\u2019\u201a\u2013\u2014\u2026\u2022\u00b7\u00a0\u202f"
PLAIN = '"' * 7 + "'" * 3 + "-" * 2 + " " * 5
"""Quotation marks, dashes, dots and spaces that a plain locale takes for letters, and what stands for them."""


def plain(text: str) -> str:
    """SQL of a text in which words end where a reader sees them end."""
    return f"regexp_replace({text}, '[{FANCY}]'::text, ' '::text, 'g'::text)"


def searched(table: str, **weighted: Sequence[str]) -> None:
    """Give a table a column `search` of the words of SQL texts by weight, and its index.

    Postgres keeps it up to date, and no row carries it.
    """
    vectors = [
        f"setweight(to_tsvector('simple'::regconfig, {text}), '{weight}'::\"char\")"
        for weight, texts in weighted.items()
        for text in texts
    ]
    words: Column[Any] = Column("search", TSVECTOR, Computed(" || ".join(vectors), persisted=True))
    SQLModel.metadata.tables[table].append_column(words)
    Index(f"ix_{table}_search", words, postgresql_using="gin")


class Workspace(SQLModel, table=True):
    """One company's data; nothing crosses its border.

    Entry days before `frozen_before` are never derived again, and raw rows before it go; they are gone as far as
    `dropped_before`. Outcomes before `refused_before` are not taken any more. Units are hidden under `unit_secret`.
    """

    __tablename__ = "workspaces"
    __table_args__ = (CheckConstraint("retention_days > 0", name="retention_days"),)
    id: int = Field(default=None, primary_key=True, sa_column_args=[Identity(always=True)])
    key: str = Field(unique=True)
    name: str
    created_at: datetime = Field(sa_type=AWARE)
    retention_days: int | None = Field(default=None)
    frozen_before: date | None = Field(default=None)
    refused_before: date | None = Field(default=None)
    dropped_before: datetime | None = Field(default=None, sa_type=AWARE)
    unit_secret: bytes | None = Field(default=None)
    needs_second_person: bool = Field(default=False, sa_column_kwargs={"server_default": "false"})
    requires_protocol: bool = Field(default=False, sa_column_kwargs={"server_default": "false"})
    opens_reviews: bool = Field(default=True, sa_column_kwargs={"server_default": "true"})

    @property
    def hashes_units(self) -> bool:
        """Whether unit ids are stored as keyed hashes."""
        return self.unit_secret is not None


class Kpi(SQLModel, table=True):
    """A KPI: who owns it, which way is better, what its alert triggers."""

    __tablename__ = "kpis"
    __table_args__ = (UniqueConstraint("workspace_id", "key"),)
    id: int = Field(default=None, primary_key=True, sa_column_args=[Identity(always=True)])
    workspace_id: int = Field(foreign_key="workspaces.id")
    key: str
    name: str
    description: str
    unit: Unit = Field(sa_type=words(Unit))
    direction: Direction = Field(sa_type=words(Direction))
    tier: Tier = Field(sa_type=words(Tier))
    is_leading: bool
    driver: Driver = Field(sa_type=words(Driver))
    owner: str
    data_source: str
    frequency: Frequency = Field(sa_type=words(Frequency))
    action: str
    segments: list[str] = Field(default_factory=list, sa_type=ARRAY(TEXT), sa_column_kwargs={"server_default": "{}"})
    created_at: datetime = Field(sa_type=AWARE)


class Definition(SQLModel, table=True):
    """One version of how a KPI is computed. Experiments and baselines pin a version, so versions never change.

    `entry` says whom it counts outside experiments; without one it has no history.
    """

    __tablename__ = "definitions"
    __table_args__ = (UniqueConstraint("kpi_id", "version"), CheckConstraint("version > 0", name="version"))
    id: int = Field(default=None, primary_key=True, sa_column_args=[Identity(always=True)])
    kpi_id: int = Field(foreign_key="kpis.id")
    version: int
    kind: str
    parameters: dict[str, Any] = Field(sa_type=JSONB)
    entry: dict[str, Any] | None = Field(default=None, sa_type=JSONB)
    created_at: datetime = Field(sa_type=AWARE)


class Baseline(SQLModel, table=True):
    """A KPI's level before: an estimate, so it carries its own error.

    Measured from the KPI's own history, it has a segment ('' for everybody), what was found when the data were looked
    at (`audit`), and of a time to value the curve behind it: survival and its variance by day.
    """

    __tablename__ = "baselines"
    __table_args__ = (
        UniqueConstraint("definition_id", "version"),
        CheckConstraint("standard_error > 0", name="standard_error"),
        CheckConstraint("n > 1", name="n"),
        CheckConstraint("from_on <= to_on", name="window"),
    )
    id: int = Field(default=None, primary_key=True, sa_column_args=[Identity(always=True)])
    definition_id: int = Field(foreign_key="definitions.id")
    version: int
    value: float
    standard_error: float
    n: int | None
    from_on: date | None
    to_on: date | None
    segment: str = Field(default="", sa_column_kwargs={"server_default": ""})
    is_measured: bool = Field(default=False, sa_column_kwargs={"server_default": "false"})
    curve: dict[str, Any] | None = Field(default=None, sa_type=JSONB)
    audit: list[dict[str, Any]] | None = Field(default=None, sa_type=JSONB)
    created_at: datetime = Field(sa_type=AWARE)


class BaselineSchedule(SQLModel, table=True):
    """How often a KPI's baseline is measured anew, and over how many of the last days that are final."""

    __tablename__ = "baseline_schedules"
    __table_args__ = (CheckConstraint("days > 0", name="days"),)
    kpi_id: int = Field(primary_key=True, foreign_key="kpis.id")
    every: Granularity = Field(sa_type=words(Granularity))
    days: int
    measured_on: date | None = Field(default=None)


class Target(SQLModel, table=True):
    """Where a KPI shall be by a day. Rows are added, never changed: the newest holds; without a value there is none.

    It is of the version of the definition that was newest then; of targets set before that was kept it is not known.
    """

    __tablename__ = "targets"
    __table_args__ = (
        CheckConstraint("version > 0", name="version"),
        CheckConstraint("(value IS NULL) = (due_on IS NULL)", name="due_on"),
    )
    kpi_id: int = Field(primary_key=True, foreign_key="kpis.id")
    version: int = Field(primary_key=True)
    value: float | None
    due_on: date | None
    owner: str
    approver: str
    definition_version: int | None = Field(default=None)
    by: str
    reason: str
    created_at: datetime = Field(sa_type=AWARE)


class KpiChange(SQLModel, table=True):
    """What somebody changed about a KPI, and why. Rows are added, never changed."""

    __tablename__ = "kpi_changes"
    __table_args__ = (CheckConstraint("number > 0", name="number"),)
    kpi_id: int = Field(primary_key=True, foreign_key="kpis.id")
    number: int = Field(primary_key=True)
    what: Governed = Field(sa_type=words(Governed))
    by: str
    by_id: str
    reason: str
    changes: list[dict[str, Any]] = Field(sa_type=JSONB)
    created_at: datetime = Field(sa_type=AWARE)


class KpiLink(SQLModel, table=True):
    """How a lagging KPI moves with a leading one, by one source. Rows are added, never changed: the newest holds.

    Without `elasticity` there is no link: `undefined` says why the data do not give one, or it was withdrawn. `low`,
    `likely` and `high` are an assumption's. Infinite `df` is null.
    """

    __tablename__ = "kpi_links"
    __table_args__ = (
        Index("ix_kpi_links_workspace_id", "workspace_id"),
        CheckConstraint("version > 0", name="version"),
        CheckConstraint("leading_id <> lagging_id", name="itself"),
        CheckConstraint("(elasticity IS NULL) = (standard_error IS NULL)", name="standard_error"),
        CheckConstraint("elasticity IS NULL OR undefined IS NULL", name="undefined"),
        CheckConstraint(
            "CASE WHEN source = 'ASSUMPTION' AND elasticity IS NOT NULL THEN low <= likely AND likely <= high "
            "ELSE num_nonnulls(low, likely, high) = 0 END",
            name="range",
        ),
    )
    leading_id: int = Field(primary_key=True, foreign_key="kpis.id")
    lagging_id: int = Field(primary_key=True, foreign_key="kpis.id")
    source: LinkSource = Field(primary_key=True, sa_type=words(LinkSource))
    version: int = Field(primary_key=True)
    workspace_id: int = Field(foreign_key="workspaces.id")
    low: float | None = None
    likely: float | None = None
    high: float | None = None
    elasticity: float | None = None
    standard_error: float | None = None
    df: float | None = None
    undefined: str | None = None
    by: str
    reason: str
    created_at: datetime = Field(sa_type=AWARE)


class KpiPair(SQLModel, table=True):
    """Two KPIs whose link was estimated from data, and when; null when that is to be done again at once."""

    __tablename__ = "kpi_pairs"
    leading_id: int = Field(primary_key=True, foreign_key="kpis.id")
    lagging_id: int = Field(primary_key=True, foreign_key="kpis.id")
    workspace_id: int = Field(foreign_key="workspaces.id", index=True)
    estimated_at: datetime | None = Field(default=None, sa_type=AWARE)


class Hypothesis(SQLModel, table=True):
    """What a change is believed to do to a KPI, and why."""

    __tablename__ = "hypotheses"
    __table_args__ = (UniqueConstraint("workspace_id", "key"),)
    id: int = Field(default=None, primary_key=True, sa_column_args=[Identity(always=True)])
    workspace_id: int = Field(foreign_key="workspaces.id")
    key: str
    title: str
    change: str
    kpi_id: int = Field(foreign_key="kpis.id")
    direction: Change = Field(sa_type=words(Change))
    expected_lift: float | None
    segment: str | None
    rationale: str
    owner: str
    created_at: datetime = Field(sa_type=AWARE)


searched(
    "hypotheses",
    A=[plain("key::text || ' '::text || title::text")],
    B=[plain("change::text")],
    C=[plain("rationale::text")],
)


class Event(SQLModel, table=True):
    """The dictionary of event names: outcomes carry the number, not the name."""

    __tablename__ = "events"
    __table_args__ = (UniqueConstraint("workspace_id", "name"),)
    id: int = Field(default=None, primary_key=True, sa_column_args=[Identity(always=True)])
    workspace_id: int = Field(foreign_key="workspaces.id")
    name: str


class Outcome(SQLModel, table=True):
    """What a unit did. Append-only; the id is made from the row, so that a retry makes the same one."""

    __tablename__ = "outcomes"
    __table_args__ = (
        # In order of units: adding up is then one pass beside the exposures, without a sort or a table in memory.
        Index("ix_outcomes_unit", "unit", "event_id", "occurred_at", postgresql_include=["value"]),
        # Rows of a batch lie together, so a few pages say where any batch is.
        Index("ix_outcomes_ingest_id", "ingest_id", postgresql_using="brin", postgresql_with={"pages_per_range": 32}),
        # Finite values only: a NaN would poison every mean it met.
        CheckConstraint("value = value AND abs(value) < 'infinity'", name="value"),
    )
    id: UUID = Field(primary_key=True)
    workspace_id: int
    event_id: int
    unit: str
    occurred_at: datetime = Field(sa_type=AWARE)
    value: float | None
    ingest_id: int = Field(sa_type=BigInteger, sa_column_kwargs={"server_default": "0"})


class Membership(SQLModel, table=True):
    """Which account a unit belongs to from a moment on, until its next membership begins; null for none."""

    __tablename__ = "memberships"
    __table_args__ = (
        Index("ix_memberships_workspace_id_account", "workspace_id", "account"),
        Index("ix_memberships_ingest_id", "ingest_id"),
        CheckConstraint("since_at < until_at", name="order"),
    )
    workspace_id: int = Field(primary_key=True, foreign_key="workspaces.id")
    member: str = Field(primary_key=True)
    since_at: datetime = Field(primary_key=True, sa_type=AWARE)
    until_at: datetime | None = Field(sa_type=AWARE)
    account: str | None
    ingest_id: int = Field(sa_type=BigInteger)


class Trait(SQLModel, table=True):
    """What is known of a unit from a moment on, until its next value begins; null for nothing any more.

    What holds since always does so since `kpi.traits.ALWAYS`, a moment before any other: a key has no nulls.
    """

    __tablename__ = "traits"
    __table_args__ = (
        # In order of units: the values of one trait are then read beside whatever is read by unit.
        Index("ix_traits_name", "workspace_id", "name", "unit"),
        Index("ix_traits_ingest_id", "ingest_id"),
    )
    workspace_id: int = Field(primary_key=True, foreign_key="workspaces.id")
    unit: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    since_at: datetime = Field(primary_key=True, sa_type=AWARE)
    value: str | None
    ingest_id: int = Field(sa_type=BigInteger)


class Ingest(SQLModel, table=True):
    """The ledger of changes to raw rows: what each brought, and whether the aggregates know it yet.

    `touched` are experiments, or event numbers for outcomes. `days` are the entry days that changed in them, null for
    all; `earliest_at` is when the first of a batch of outcomes happened. Of outcomes, `counts` and `late` go with
    `touched`: the rows of each event, and those of a day that was over when they came.
    """

    __tablename__ = "ingests"
    __table_args__ = (Index("ix_ingests_pending", "workspace_id", postgresql_where="is_pending"),)
    id: int = Field(default=None, primary_key=True, sa_type=BigInteger, sa_column_args=[Identity(always=True)])
    workspace_id: int = Field(foreign_key="workspaces.id")
    noun: str
    accepted: int
    duplicates: int
    rejected: int
    touched: list[int] = Field(sa_type=ARRAY(INTEGER))
    days: list[date] | None = Field(sa_type=ARRAY(DATE))
    earliest_at: datetime | None = Field(sa_type=AWARE)
    is_pending: bool
    received_at: datetime = Field(sa_type=AWARE)
    counts: list[int] | None = Field(default=None, sa_type=ARRAY(INTEGER))
    late: list[int] | None = Field(default=None, sa_type=ARRAY(INTEGER))


class Arrival(SQLModel, table=True):
    """The outcomes of an event that came in on a UTC day, and those among them of a day that was over by then.

    Added up from the ledger as its entries are settled, each once. What is forgotten later has come in all the same.
    """

    __tablename__ = "arrivals"
    event_id: int = Field(primary_key=True, foreign_key="events.id")
    arrived_on: date = Field(primary_key=True)
    n: int = Field(sa_type=BigInteger)
    late: int = Field(sa_type=BigInteger)


class Rejection(SQLModel, table=True):
    """A row that was refused, with its reason, kept so that it can be taken in again after the cause is mended.

    `is_whole` when `row` is all of it; `is_lax` when numbers were read out of its text, as in a file.
    """

    __tablename__ = "rejections"
    __table_args__ = (
        Index("ix_rejections_workspace_id", "workspace_id", "id"),
        Index("ix_rejections_workspace_id_received_at", "workspace_id", "received_at", "id"),
    )
    id: int = Field(default=None, primary_key=True, sa_type=BigInteger, sa_column_args=[Identity(always=True)])
    workspace_id: int = Field(foreign_key="workspaces.id")
    noun: str
    code: str
    message: str
    path: str
    row: str
    received_at: datetime = Field(sa_type=AWARE)
    is_whole: bool = Field(sa_column_kwargs={"server_default": "false"})
    is_lax: bool = Field(sa_column_kwargs={"server_default": "false"})


class Notice(SQLModel, table=True):
    """Something the outside may want to know, stored in the transaction of what it tells.

    Pending until there is a delivery to each endpoint that asked for it; `key` is what receivers know it by.
    """

    __tablename__ = "notices"
    __table_args__ = (
        Index("ix_notices_pending", "id", postgresql_where="is_pending"),
        Index("ix_notices_created_at", "created_at"),
    )
    id: int = Field(default=None, primary_key=True, sa_column_args=[Identity(always=True)])
    key: UUID = Field(unique=True)
    workspace_id: int = Field(foreign_key="workspaces.id")
    type: NoticeType = Field(sa_type=words(NoticeType))
    data: dict[str, Any] = Field(sa_type=JSONB)
    is_pending: bool
    created_at: datetime = Field(sa_type=AWARE)
