"""The values of a design: what is asked before anything is registered, and what can be said of it."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from experiments.enums import Policy, Role
from experiments.planning.plan import guarding_power
from stats.design.policy import Inflation


class Gap(StrEnum):
    """What is missing for an answer."""

    NO_BASELINE = "NO_BASELINE"
    NO_SPREAD = "NO_SPREAD"
    NO_EFFECT = "NO_EFFECT"
    IMPOSSIBLE_LEVEL = "IMPOSSIBLE_LEVEL"
    NO_TRAFFIC = "NO_TRAFFIC"
    TOO_LONG = "TOO_LONG"
    NO_CURVE = "NO_CURVE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Units that enter a day: as they were given, or as they entered an experiment on these days."""

    units_per_day: float
    experiment: str | None = None
    from_on: date | None = None
    to_on: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What all KPIs of a design share. `weights` begin with the control's; None days or units a day are not known."""

    weights: tuple[float, ...]
    alpha: float
    power: float
    policy: Policy
    looks: int
    horizon_days: int | None
    units_per_day: float | None
    primaries: int
    guardrails: int = 0

    @property
    def ratio(self) -> float:
        """Units of the rarest variant to each control unit."""
        return min(self.weights[1:]) / self.weights[0]

    @property
    def arms(self) -> float:
        """Units of all variants to each control unit."""
        return sum(self.weights) / self.weights[0]

    def alpha_of(self, role: Role) -> float:
        """Alpha of one comparison."""
        return self.alpha / self.comparisons if role is Role.PRIMARY else self.alpha

    def power_of(self, role: Role) -> float:
        """The chance to find the effect of one KPI, or to show one of the guardrails kept."""
        return guarding_power(self.power, self.guardrails) if role is Role.GUARDRAIL else self.power

    @property
    def comparisons(self) -> int:
        """How many tests can decide."""
        return max(1, self.primaries) * (len(self.weights) - 1)

    def policy_of(self, role: Role) -> Policy:
        """What lets a KPI of this role be read: one that nothing hangs on may be watched, unless the test is fixed."""
        is_watched = role is Role.SECONDARY and self.policy is not Policy.FIXED
        return Policy.ALWAYS_VALID if is_watched else self.policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """What finds the planned effect: `units` of all variants, and days until they are final."""

    units: float | None = None
    days: int | None = None
    information: float | None = None
    gap: Gap | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reachable:
    """The smallest effect found with the planned power, were the horizon at the end of each week; parallel lists."""

    week: tuple[int, ...] = ()
    units: tuple[float, ...] = ()
    difference: tuple[float | None, ...] = ()
    lift: tuple[float | None, ...] = ()
    gap: Gap | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerCurve:
    """The chance to find each effect with so many units of all variants; parallel lists."""

    units: float | None = None
    difference: tuple[float, ...] = ()
    lift: tuple[float | None, ...] = ()
    power: tuple[float, ...] = ()
    gap: Gap | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DesignLook:
    """A look ahead: its day and units, its bar, and the chances to stop there with the planned effect and without."""

    number: int
    day: int | None
    units: float
    information_fraction: float
    boundary: float | None
    stops_if_planned: float
    stops_if_none: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """The looks ahead up to the horizon, and what they come to."""

    looks: tuple[DesignLook, ...] = ()
    horizon_days: int | None = None
    power: float | None = None
    days_if_planned: float | None = None
    days_if_none: float | None = None
    units_if_planned: float | None = None
    units_if_none: float | None = None
    gap: Gap | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KpiDesign:
    """One KPI's answers. `effect` is the mde or the margin, as a size; `gap` says why there are no answers at all."""

    kpi: str
    role: Role
    policy: Policy
    alpha: float
    effect: float | None
    effect_lift: float | None
    inflation: Inflation
    gap: Gap | None
    size: Size
    reachable: Reachable
    power_curve: PowerCurve
    course: Course
    events_gap: Gap | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sketch:
    """The whole design: units and days are those of the KPI that needs the most, to decide or to be kept.

    `needed_for` is the KPI that needs the most units.
    """

    units: float | None
    days: int | None
    needed_for: str | None
    gap: Gap | None
    kpis: tuple[KpiDesign, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Designed:
    """A design with the traffic it counts on; None where nothing says how many units enter."""

    sketch: Sketch
    traffic: Traffic | None
