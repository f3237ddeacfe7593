"""What the server answers, as frozen values. Shares and lifts are fractions; what does not exist is None, never NaN.

The names are the schema's with underscores (`pValue` is `p_value`). A test of the repository holds every class against
the documents in `operations/` and the schema.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from truelift import frames
from truelift.enums import (
    ExperimentState,
    Granularity,
    HealthState,
    KpiDirection,
    KpiRole,
    SrmState,
    UndefinedReason,
    UnitType,
    ValueScale,
    VerdictState,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One of the ways units are treated."""

    key: str
    name: str
    is_control: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantKey:
    """A variant by its key."""

    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HypothesisName:
    """The hypothesis an experiment tests."""

    key: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentSummary:
    """An experiment in a list."""

    id: str
    key: str
    name: str
    state: ExperimentState
    owner: str
    unit: UnitType
    created_at: datetime
    started_at: datetime | None
    stopped_at: datetime | None
    hypothesis: HypothesisName | None
    variants: tuple[Variant, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """A KPI's level before, with its standard error."""

    value: float
    standard_error: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The level a KPI is to reach, and by when."""

    value: float | None
    due_on: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KpiSummary:
    """A KPI in a list."""

    id: str
    key: str
    name: str
    description: str
    unit: UnitType
    direction: KpiDirection
    owner: str
    definition_version: int | None
    segments: tuple[str, ...]
    baseline: Baseline | None
    target: Target | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KpiSeries:
    """A KPI's values by period, as columns of one length, oldest first. The limits are of 95% intervals."""

    segment: str
    granularity: Granularity
    starts: tuple[date, ...]
    n: tuple[int, ...]
    value: tuple[float | None, ...]
    standard_error: tuple[float | None, ...]
    lower: tuple[float | None, ...]
    upper: tuple[float | None, ...]
    is_final: tuple[bool, ...]

    def to_frame(self, library: frames.Library | None = None) -> Any:
        """A frame with a row a period: of polars if it is installed, else of pandas, or of the one you name."""
        return frames.frame({name: (of, getattr(self, name)) for name, of in SERIES_COLUMNS.items()}, library)


SERIES_COLUMNS: dict[str, frames.Type] = {
    "starts": date,
    "n": int,
    "value": float,
    "standard_error": float,
    "lower": float,
    "upper": float,
    "is_final": bool,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The recommendation by fixed rules. Do not derive your own from the numbers."""

    state: VerdictState
    rule: str
    sentence: str
    would_change: str
    variant: VariantKey | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check of the data."""

    kind: str
    state: HealthState
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Srm:
    """Whether units are split as planned."""

    state: SrmState
    p_value: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostics:
    """Whether the data can be trusted. Read it before any finding."""

    exposed: int
    crossovers: int
    health: HealthState
    srm: Srm
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KpiName:
    """The KPI a finding is about."""

    key: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """The units with one value of an attribute."""

    attribute: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """An arm: the units that count, and their value."""

    n: int
    value: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """The effect, in the KPI's units and relative to control."""

    difference: float | None
    lift: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Limits; None is unbounded."""

    lower: float | None
    upper: float | None
    level: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One comparison: a KPI, a variant against control, everybody or a segment."""

    kpi: KpiName | None
    role: KpiRole
    variant: VariantKey
    segment: Segment | None
    scale: ValueScale
    method: str
    read_on: date | None
    control: Sample
    treatment: Sample
    estimate: Estimate
    interval: Interval | None
    lift_interval: Interval | None
    p_value: float | None
    adjusted_p_value: float | None
    is_significant: bool
    is_better: bool
    is_worse: bool
    is_over: bool
    progress: float | None
    reason: UndefinedReason | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """An experiment's results at a moment: the verdict, whether the data can be trusted, and the findings."""

    computed_at: datetime
    data_through: datetime
    is_exploratory: bool
    is_plan_sealed_before_data: bool
    plan_hash: str | None
    software_version: str
    verdict: Verdict
    diagnostics: Diagnostics
    findings: tuple[Finding, ...]
    segment_findings: tuple[Finding, ...]

    def to_frame(self, library: frames.Library | None = None) -> Any:
        """A frame with a row a finding, those of segments last: of polars, else of pandas, or of the one you name."""
        findings = self.findings + self.segment_findings
        return frames.frame(
            {name: (of, [read(found) for found in findings]) for name, (of, read) in FINDING_COLUMNS.items()}, library
        )


def _limit(side: Literal["lower", "upper"]) -> Callable[[Finding], float | None]:
    return lambda found: getattr(found.interval, side) if found.interval else None


FINDING_COLUMNS: dict[str, tuple[frames.Type, Callable[[Finding], Any]]] = {
    "kpi": (str, lambda found: found.kpi.key if found.kpi else None),
    "role": (str, lambda found: found.role.value),
    "variant": (str, lambda found: found.variant.key),
    "segment": (str, lambda found: f"{found.segment.attribute}={found.segment.value}" if found.segment else ""),
    "control_n": (int, lambda found: found.control.n),
    "control_value": (float, lambda found: found.control.value),
    "treatment_n": (int, lambda found: found.treatment.n),
    "treatment_value": (float, lambda found: found.treatment.value),
    "difference": (float, lambda found: found.estimate.difference),
    "lift": (float, lambda found: found.estimate.lift),
    "lower": (float, _limit("lower")),
    "upper": (float, _limit("upper")),
    "p_value": (float, lambda found: found.p_value),
    "adjusted_p_value": (float, lambda found: found.adjusted_p_value),
    "is_significant": (bool, lambda found: found.is_significant),
    "is_better": (bool, lambda found: found.is_better),
    "is_worse": (bool, lambda found: found.is_worse),
    "read_on": (date, lambda found: found.read_on),
    "reason": (str, lambda found: found.reason.value if found.reason else None),
}
