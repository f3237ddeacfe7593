"""Stored nouns of the experiments package, and the aggregates that analysis reads."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, Identity, Index, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from experiments.enums import Cause, Choice, Duty, Kind, Policy, State, Status
from experiments.life.lifecycle import Action
from kpi.enums import Unit
from kpi.tables import AWARE, plain, searched, words


class Experiment(SQLModel, table=True):
    """One experiment; its plan is sealed at the start and kept verbatim with its SHA-256.

    The plan is the one in force: an amendment keeps what it replaced. Units enter from `started_at` until `frozen_at`
    and are measured until `stopped_at`; `traffic` is the share of units that enter. `given_at` is when somebody last
    handed in aggregates, of an experiment that takes them instead of rows. `holdout_id` is the experiment whose control
    is kept out of this one.
    """

    __tablename__ = "experiments"
    __table_args__ = (
        UniqueConstraint("workspace_id", "key"),
        CheckConstraint("state = 'ARCHIVED' OR (state = 'DRAFT') = (started_at IS NULL)", name="started"),
        CheckConstraint(
            "state = 'ARCHIVED' OR (state IN ('FROZEN', 'STOPPED', 'DECIDED')) = (frozen_at IS NOT NULL)", name="frozen"
        ),
        CheckConstraint(
            "state = 'ARCHIVED' OR (state IN ('STOPPED', 'DECIDED')) = (stopped_at IS NOT NULL)", name="stopped"
        ),
        CheckConstraint("(plan_hash IS NULL) = (sealed_at IS NULL)", name="sealed"),
        CheckConstraint("(started_at IS NULL) = (sealed_at IS NULL)", name="sealed_before_start"),
        CheckConstraint("frozen_at >= started_at AND stopped_at >= frozen_at", name="order"),
        CheckConstraint("traffic > 0 AND traffic <= 1", name="traffic"),
        CheckConstraint("holdout_id <> id", name="holdout"),
        Index("ix_experiments_holdout_id", "holdout_id"),
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
    frozen_at: datetime | None = Field(default=None, sa_type=AWARE)
    stopped_at: datetime | None = Field(default=None, sa_type=AWARE)
    created_at: datetime = Field(sa_type=AWARE)
    given_at: datetime | None = Field(default=None, sa_type=AWARE)
    traffic: float = Field(default=1.0, sa_column_kwargs={"server_default": "1"})
    holdout_id: int | None = Field(default=None, foreign_key="experiments.id")


searched("experiments", A=[plain("key::text || ' '::text || name::text")])


class ExperimentKpi(SQLModel, table=True):
    """A KPI that an experiment's plan measures, in whatever role. A trigger keeps it as the plan says."""

    __tablename__ = "experiment_kpis"
    __table_args__ = (Index("ix_experiment_kpis_experiment_id", "experiment_id"),)
    kpi_id: int = Field(primary_key=True, foreign_key="kpis.id")
    experiment_id: int = Field(primary_key=True, foreign_key="experiments.id")
    workspace_id: int = Field(foreign_key="workspaces.id")


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


class Step(SQLModel, table=True):
    """A move that somebody made in the life of an experiment. Rows are added, never changed."""

    __tablename__ = "steps"
    __table_args__ = (Index("ix_steps_experiment_id", "experiment_id"),)
    id: int = Field(default=None, primary_key=True, sa_column_args=[Identity(always=True)])
    workspace_id: int = Field(foreign_key="workspaces.id")
    experiment_id: int = Field(foreign_key="experiments.id")
    action: Action = Field(sa_type=words(Action))
    state: State = Field(sa_type=words(State))
    by: str
    reason: str | None
    effective_at: datetime = Field(sa_type=AWARE)
    made_at: datetime = Field(sa_type=AWARE)
    traffic: float | None


class Pause(SQLModel, table=True):
    """A time in which an experiment takes no units in; without an end while it lasts."""

    __tablename__ = "pauses"
    __table_args__ = (CheckConstraint("from_at <= until_at", name="order"),)
    experiment_id: int = Field(primary_key=True, foreign_key="experiments.id")
    from_at: datetime = Field(primary_key=True, sa_type=AWARE)
    until_at: datetime | None = Field(sa_type=AWARE)


class Amendment(SQLModel, table=True):
    """A change of a sealed plan: who, when, why, what, and whether it breaks the error rates that were promised.

    `changes_estimand` if it changed who enters or what they are shown, once units had come in.
    `changes` lists the path, before and after of each change; `replaced_json` is the whole plan as it was until then.
    """

    __tablename__ = "amendments"
    __table_args__ = (UniqueConstraint("experiment_id", "number"),)
    id: int = Field(default=None, primary_key=True, sa_column_args=[Identity(always=True)])
    workspace_id: int = Field(foreign_key="workspaces.id")
    experiment_id: int = Field(foreign_key="experiments.id")
    number: int
    by: str
    reason: str
    changes: list[dict[str, Any]] = Field(sa_type=JSONB)
    breaks_error_control: bool
    changes_estimand: bool = Field(default=False, sa_column_kwargs={"server_default": "false"})
    replaced_json: str
    replaced_hash: str
    created_at: datetime = Field(sa_type=AWARE)


class Decision(SQLModel, table=True):
    """What a person decided, beside what was recommended then, and on which data. The latest one holds.

    `by_id` and `approved_by_id` say whose key it was, so that nobody approves what is their own.
    """

    __tablename__ = "decisions"
    __table_args__ = (
        UniqueConstraint("experiment_id", "number"),
        CheckConstraint("(approved_at IS NULL) = (approved_by IS NULL)", name="approved"),
        CheckConstraint("approved_by_id <> by_id", name="second_person"),
        CheckConstraint("NOT differs OR reason IS NOT NULL", name="reason"),
    )
    id: int = Field(default=None, primary_key=True, sa_column_args=[Identity(always=True)])
    workspace_id: int = Field(foreign_key="workspaces.id")
    experiment_id: int = Field(foreign_key="experiments.id")
    number: int
    choice: Choice = Field(sa_type=words(Choice))
    variant: str | None
    verdict: str | None
    rule: str | None
    differs: bool
    reason: str | None
    by: str
    by_id: str
    needs_approval: bool
    approved_by: str | None
    approved_by_id: str | None
    approved_at: datetime | None = Field(sa_type=AWARE)
    plan_hash: str
    data_through: datetime | None = Field(sa_type=AWARE)
    created_at: datetime = Field(sa_type=AWARE)


class PublishedLook(SQLModel, table=True):
    """What a planned look said when it was published: word for word, with what it rests on. Never changed."""

    __tablename__ = "published_looks"
    __table_args__ = (UniqueConstraint("experiment_id", "planned_on"),)
    id: int = Field(default=None, primary_key=True, sa_column_args=[Identity(always=True)])
    workspace_id: int = Field(foreign_key="workspaces.id")
    experiment_id: int = Field(foreign_key="experiments.id")
    planned_on: date
    plan_hash: str
    data_through: datetime = Field(sa_type=AWARE)
    software_version: str
    verdict: str
    rule: str
    document: str
    document_hash: str
    published_at: datetime = Field(sa_type=AWARE)


class StatusChange(SQLModel, table=True):
    """A hypothesis whose status the evidence changed, and what brought the change. Rows are added, never changed.

    `experiment_id` is the experiment that was refreshed or decided on, `by` who decided. Without a row it is open.
    """

    __tablename__ = "status_changes"
    __table_args__ = (
        Index("ix_status_changes_hypothesis_id", "hypothesis_id"),
        CheckConstraint("(cause = 'DECISION') = (by IS NOT NULL)", name="by"),
    )
    id: int = Field(default=None, primary_key=True, sa_column_args=[Identity(always=True)])
    workspace_id: int = Field(foreign_key="workspaces.id")
    hypothesis_id: int = Field(foreign_key="hypotheses.id")
    status: Status = Field(sa_type=words(Status))
    rule: str
    sentence: str
    cause: Cause = Field(sa_type=words(Cause))
    experiment_id: int = Field(foreign_key="experiments.id")
    by: str | None
    changed_at: datetime = Field(sa_type=AWARE)


class Learning(SQLModel, table=True):
    """What is known because of an experiment: a conclusion in a line or two, and what was learned on the way.

    `by` is who wrote it first; whoever changed it last is `updated_by`.
    """

    __tablename__ = "learnings"
    __table_args__ = (
        Index("ix_learnings_workspace_id_experiment_id", "workspace_id", "experiment_id"),
        Index("ix_learnings_tags", "tags", postgresql_using="gin"),
        CheckConstraint("(updated_at IS NULL) = (updated_by IS NULL)", name="updated"),
    )
    id: int = Field(default=None, primary_key=True, sa_column_args=[Identity(always=True)])
    workspace_id: int = Field(foreign_key="workspaces.id")
    experiment_id: int = Field(foreign_key="experiments.id")
    conclusion: str
    learned: str | None
    tags: list[str] = Field(sa_type=JSONB)
    links: list[str] = Field(sa_type=JSONB)
    by: str
    recorded_at: datetime = Field(sa_type=AWARE)
    updated_by: str | None = Field(default=None)
    updated_at: datetime | None = Field(default=None, sa_type=AWARE)


searched(
    "learnings",
    A=[plain("conclusion::text"), "tags"],
    B=[plain("COALESCE(learned, ''::character varying)::text")],
)


class LearningVersion(SQLModel, table=True):
    """A learning as it was until somebody changed it. Rows are added, never changed."""

    __tablename__ = "learning_versions"
    learning_id: int = Field(primary_key=True, foreign_key="learnings.id")
    number: int = Field(primary_key=True)
    conclusion: str
    learned: str | None
    tags: list[str] = Field(sa_type=JSONB)
    links: list[str] = Field(sa_type=JSONB)
    by: str
    written_at: datetime = Field(sa_type=AWARE)


class Protocol(SQLModel, table=True):
    """What a workspace decides once for many plans. What it says is in its versions; the latest makes new plans."""

    __tablename__ = "protocols"
    __table_args__ = (UniqueConstraint("workspace_id", "key"),)
    id: int = Field(default=None, primary_key=True, sa_column_args=[Identity(always=True)])
    workspace_id: int = Field(foreign_key="workspaces.id")
    key: str
    created_at: datetime = Field(sa_type=AWARE)


class ProtocolVersion(SQLModel, table=True):
    """One version of a protocol. Plans record the version they were made by, so versions never change."""

    __tablename__ = "protocol_versions"
    __table_args__ = (CheckConstraint("version > 0", name="version"),)
    protocol_id: int = Field(primary_key=True, foreign_key="protocols.id")
    version: int = Field(primary_key=True)
    name: str
    description: str
    terms: dict[str, Any] = Field(sa_type=JSONB)
    by: str
    created_at: datetime = Field(sa_type=AWARE)


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
    """How far an experiment's aggregates reach, and what made them.

    `weighed_at` is the `computed_at` of the refresh that the status of its hypothesis knows, `looked_at` that of the
    one whose looks are published.
    """

    __tablename__ = "refreshes"
    experiment_id: int = Field(primary_key=True, foreign_key="experiments.id")
    data_through: datetime = Field(sa_type=AWARE)
    computed_at: datetime = Field(sa_type=AWARE)
    crossovers: int
    version: str
    weighed_at: datetime | None = Field(default=None, sa_type=AWARE)
    looked_at: datetime | None = Field(default=None, sa_type=AWARE)


class DutyFault(SQLModel, table=True):
    """A duty that failed on an experiment, how often in a row, and when last; gone once it succeeds.

    After a refresh that failed the next one derives everything anew.
    """

    __tablename__ = "duty_faults"
    __table_args__ = (CheckConstraint("attempts > 0", name="attempts"),)
    experiment_id: int = Field(primary_key=True, foreign_key="experiments.id")
    duty: Duty = Field(primary_key=True, sa_type=words(Duty))
    attempts: int
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


class DayTally(SQLModel, table=True):
    """Of the `n` units of an entry day how many a check of the data asks about.

    For a KPI with a cap, those at it; for one that waits for a first time, those that had done it the day before.
    """

    __tablename__ = "tallies"
    experiment_id: int = Field(primary_key=True, foreign_key="experiments.id")
    definition_id: int = Field(primary_key=True)
    variant_id: int = Field(primary_key=True)
    entered_on: date = Field(primary_key=True)
    n: int
    tally: int


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


class DayValues(SQLModel, table=True):
    """How many units of one entry day have a number, once the day's last window has closed: what quantiles are told by.

    The numbers have four significant digits, so that equal ones are one row. Rows are as many as units, and Postgres
    would look each up among the experiments: three quarters of what writing them took.
    """

    __tablename__ = "value_counts"
    experiment_id: int = Field(primary_key=True)
    definition_id: int = Field(primary_key=True)
    segment: str = Field(primary_key=True)
    variant_id: int = Field(primary_key=True)
    entered_on: date = Field(primary_key=True)
    value: float = Field(primary_key=True)
    n: int


class Rehearsal(SQLModel, table=True):
    """What splits of past control units showed for a KPI under a plan's rules. Derived: made anew whole, never edited.

    The key is all that the splits depend on beside the data: `share` is the treatment's part of the units, `alpha` that
    of one test. The units are those of `experiment_id`, over `days`. `replays` is 0 where nothing could be split.
    """

    __tablename__ = "rehearsals"
    __table_args__ = (CheckConstraint("false_positives >= 0 AND false_positives <= replays", name="false_positives"),)
    definition_id: int = Field(primary_key=True, foreign_key="definitions.id")
    unit: Unit = Field(primary_key=True, sa_type=words(Unit))
    policy: Policy = Field(primary_key=True, sa_type=words(Policy))
    alpha: float = Field(primary_key=True)
    looks: int = Field(primary_key=True)
    horizon_days: int = Field(primary_key=True)
    minimum_days: int = Field(primary_key=True)
    share: float = Field(primary_key=True)
    experiment_id: int = Field(foreign_key="experiments.id")
    replays: int
    false_positives: int
    units: int
    days: int
    data_through: datetime = Field(sa_type=AWARE)
    computed_at: datetime = Field(sa_type=AWARE)
    seed: int
    version: str


class OverlapRun(SQLModel, table=True):
    """When an experiment's overlaps were last begun and last came to an end, and through when they reach."""

    __tablename__ = "overlap_runs"
    __table_args__ = (CheckConstraint("(computed_at IS NULL) = (data_through IS NULL)", name="computed"),)
    experiment_id: int = Field(primary_key=True, foreign_key="experiments.id")
    claimed_at: datetime = Field(sa_type=AWARE)
    computed_at: datetime | None = Field(default=None, sa_type=AWARE)
    data_through: datetime | None = Field(default=None, sa_type=AWARE)


class OverlapCount(SQLModel, table=True):
    """Units that an experiment shares with another one, by both variants and the first day they are in both."""

    __tablename__ = "overlap_counts"
    experiment_id: int = Field(primary_key=True, foreign_key="experiments.id")
    other_id: int = Field(primary_key=True, foreign_key="experiments.id")
    variant_id: int = Field(primary_key=True)
    other_variant_id: int = Field(primary_key=True)
    met_on: date = Field(primary_key=True)
    n: int


class OverlapMoments(SQLModel, table=True):
    """Moments of a KPI over the units of one entry day that are in another experiment as well, by both variants."""

    __tablename__ = "overlap_moments"
    experiment_id: int = Field(primary_key=True, foreign_key="experiments.id")
    other_id: int = Field(primary_key=True, foreign_key="experiments.id")
    definition_id: int = Field(primary_key=True)
    variant_id: int = Field(primary_key=True)
    other_variant_id: int = Field(primary_key=True)
    entered_on: date = Field(primary_key=True)
    n: int
    mean: float
    m2: float
