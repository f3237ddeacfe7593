"""One finding - a variant against control on a KPI - as the API shows it."""

from datetime import date
from math import exp

import strawberry
from strawberry import Parent
from strawberry.scalars import JSON

from api.graphql.columns import Counts, Days, Numbers
from api.graphql.context import Info
from api.graphql.types.interval import Interval
from api.graphql.types.kpi import Kpi
from experiments.enums import Correction, Role
from experiments.inference import findings, heterogeneity
from experiments.inference.findings import number
from experiments.inference.looks import Course
from experiments.inference.looks import Look as PlannedLook
from kpi import tables
from kpi.kinds.shape import CurveOf, Scale
from stats.results import Interval as StatsInterval
from stats.results import Reason

strawberry.enum(Role, name="KpiRole", description="What a KPI is for in a plan: it decides, informs, or guards.")
LARGEST_LOG = 700.0
"""exp() of more is no float."""


@strawberry.type(description="One of the ways an experiment treats a unit.")
class Variant:
    """One of the ways an experiment treats a unit."""

    key: str = strawberry.field(description="The key of the variant, unique in the experiment.")
    name: str = strawberry.field(description="The name of the variant.")
    weight: float = strawberry.field(description="The share of units it takes, relative to the other weights.")
    is_control: bool = strawberry.field(description="Whether it is the control.")
    payload: JSON | None = strawberry.field(description="The JSON object that whoever shows the variant is handed.")


@strawberry.type(description="A part of the units, by an attribute at exposure.")
class Segment:
    """A part of the units."""

    attribute: str = strawberry.field(description="The attribute that defines the segment.")
    value: str = strawberry.field(description="The value of the attribute.")


@strawberry.type(description="A KPI in one variant.")
class Sample:
    """A KPI in one variant."""

    n: int = strawberry.field(description="The units that are counted.")
    open: int = strawberry.field(description="The units whose window has not closed yet.")
    censored: int = strawberry.field(
        description="The counted units that were not observed to the end: lost, or still without the event."
    )
    value: float | None = strawberry.field(description="The value of the KPI.")
    standard_error: float | None = strawberry.field(description="The standard error of the value.")


@strawberry.type(description="An effect: as a difference, and relative to control.")
class Estimate:
    """An effect."""

    difference: float | None = strawberry.field(description="The difference, in the KPI's own units.")
    lift: float | None = strawberry.field(description="The relative difference, 0.05 for five per cent.")


@strawberry.type(description="The test as if this were the only look. Misleads when it is read again and again.")
class FixedTest:
    """The test as if this were the only look."""

    statistic: float = strawberry.field(description="The statistic of the test.")
    p_value: float = strawberry.field(description="The two-sided p-value.")
    interval: Interval = strawberry.field(description="The interval of the difference.")


@strawberry.type(description="The test that may be read at any time.")
class AlwaysValidTest:
    """The test that may be read at any time."""

    p_value: float = strawberry.field(description="The smallest always-valid p-value so far.")
    log_e_value: float = strawberry.field(description="The natural logarithm of the evidence against no difference.")
    interval: Interval = strawberry.field(description="The always-valid interval of the difference.")

    @strawberry.field(description="The evidence against no difference: 20 is as strong as a p-value of 0.05.")
    def e_value(parent: Parent[findings.AlwaysValidTest]) -> float:
        """The evidence against no difference."""
        return exp(min(parent.log_e_value, LARGEST_LOG))


@strawberry.type(
    description="What a covariate did to a comparison. The finding's difference, lift and tests are the adjusted ones; "
    "here is the comparison as it is without."
)
class Adjustment:
    """What a covariate did to a comparison."""

    control_slope: float = strawberry.field(
        description="The KPI's change per unit of the covariate (theta) in the control."
    )
    treatment_slope: float = strawberry.field(
        description="The same in the variant; one slope for both, unless the planned split is uneven."
    )
    missing: float = strawberry.field(description="The share of units for which a number stands in.")
    variance_reduction: float | None = strawberry.field(
        description="1 minus the adjusted over the unadjusted variance: 0.37 saves 37 % of the units."
    )
    difference: float | None = strawberry.field(description="The unadjusted difference.")
    standard_error: float | None = strawberry.field(description="The standard error of the unadjusted difference.")
    fixed: FixedTest | None = strawberry.field(description="The unadjusted test as if this were the only look.")

    @strawberry.field(description="The attribute it is adjusted for; null where it is the KPI before exposure.")
    def attribute(parent: Parent[findings.Adjustment]) -> str | None:
        """The attribute."""
        return parent.covariate.attribute

    @strawberry.field(description="The days before exposure over which the KPI itself is the covariate; else null.")
    def pre_exposure_days(parent: Parent[findings.Adjustment]) -> int | None:
        """The days before exposure."""
        return parent.covariate.pre_exposure_days


@strawberry.type(description="One planned look of the group-sequential test.")
class Look:
    """One planned look."""

    number: int = strawberry.field(description="The number of the look, from 1.")
    planned_on: date = strawberry.field(description="The day of the look.")
    is_final: bool = strawberry.field(description="Whether it is the last look of the plan.")
    is_taken: bool = strawberry.field(description="Whether the look has been taken.")
    is_early: bool = strawberry.field(
        description="Whether it comes before the plan's minimum of days, so that it is not taken."
    )
    information_fraction: float | None = strawberry.field(description="The share of the planned information by then.")
    statistic: float | None = strawberry.field(description="The z-statistic of the look.")
    difference: float | None = strawberry.field(description="The difference at the look.")
    has_crossed: bool = strawberry.field(description="Whether the statistic crossed the boundary.")

    @strawberry.field(description="The boundary the statistic must cross; null where nothing may be spent yet.")
    def boundary(parent: Parent[PlannedLook]) -> float | None:
        """The boundary."""
        return None if parent.boundary is None else number(parent.boundary)

    @strawberry.field(description="The lower limit of the repeated interval at the look.")
    def lower(parent: Parent[PlannedLook]) -> float | None:
        """The lower limit."""
        return None if parent.lower is None else number(parent.lower)

    @strawberry.field(description="The upper limit of the repeated interval at the look.")
    def upper(parent: Parent[PlannedLook]) -> float | None:
        """The upper limit."""
        return None if parent.upper is None else number(parent.upper)


@strawberry.type(description="The planned group-sequential test: it decides under the policy of that name.")
class GroupSequentialTest:
    """The planned group-sequential test."""

    is_over: bool = strawberry.field(description="Whether the test has ended: decided, or no look left.")
    has_crossed: bool = strawberry.field(description="Whether a boundary has been crossed.")
    p_value: float | None = strawberry.field(description="The stage-wise p-value, once the test is over.")
    looks: list[Look] = strawberry.field(description="The planned looks in order.")

    @strawberry.field(description="The median-unbiased difference, once the test is over: not too large for stopping.")
    def estimate(parent: Parent[Course]) -> float | None:
        """The median-unbiased difference."""
        return None if parent.adjusted is None else number(parent.adjusted.estimate)

    @strawberry.field(
        description="The stage-wise interval of the difference, once the test is over.", graphql_type=Interval | None
    )
    def interval(parent: Parent[Course]) -> StatsInterval | None:
        """The stage-wise interval."""
        return None if parent.adjusted is None else parent.adjusted.interval

    @strawberry.field(description="The number of the last look that counts.")
    def look(parent: Parent[Course]) -> int | None:
        """The number of the last look that counts."""
        return None if parent.last is None else parent.last.number

    @strawberry.field(description="The share of the planned information at that look.")
    def information_fraction(parent: Parent[Course]) -> float | None:
        """The share of the planned information at that look."""
        return None if parent.last is None else parent.last.information_fraction

    @strawberry.field(description="The z-statistic at that look.")
    def statistic(parent: Parent[Course]) -> float | None:
        """The z-statistic at that look."""
        return None if parent.last is None else parent.last.statistic

    @strawberry.field(description="The boundary at that look; null where nothing may be spent yet.")
    def boundary(parent: Parent[Course]) -> float | None:
        """The boundary at that look."""
        return None if parent.last is None or parent.last.boundary is None else number(parent.last.boundary)


@strawberry.type(description="The variant and the control against the KPI's baseline: observed, not randomised.")
class BaselineComparison:
    """A comparison with the baseline."""

    value: float = strawberry.field(description="The baseline's value, as pinned in the plan.")
    standard_error: float = strawberry.field(description="The baseline's standard error.")
    n: int | None = strawberry.field(description="The units the baseline was measured on.")
    version: int = strawberry.field(description="The baseline's version.")
    difference: float | None = strawberry.field(description="The variant's value minus the baseline.")
    interval: Interval | None = strawberry.field(description="The interval of that difference, both errors included.")
    p_value: float | None = strawberry.field(description="The two-sided p-value of that difference.")
    control_difference: float | None = strawberry.field(description="Control's drift: its value minus the baseline.")
    control_interval: Interval | None = strawberry.field(description="The interval of control's drift.")
    control_p_value: float | None = strawberry.field(description="The two-sided p-value of control's drift.")

    @strawberry.field(description="True: time has passed since the baseline, so this is no experiment's evidence.")
    def is_observational(self) -> bool:
        """Whether this is observational."""
        return True


@strawberry.type(description="The difference day by day, in columns; null on a day without an answer.")
class Series:
    """The difference day by day."""

    on: Days = strawberry.field(description="The days; each value is as of the midnight that begins it.")
    n: Counts = strawberry.field(description="The units counted in both variants by then.")
    difference: Numbers = strawberry.field(description="The difference by then.")
    lower: Numbers = strawberry.field(description="The lower limit, as if that day were the only look.")
    upper: Numbers = strawberry.field(description="The upper limit, as if that day were the only look.")
    always_valid_lower: Numbers = strawberry.field(description="The lower always-valid limit.")
    always_valid_upper: Numbers = strawberry.field(description="The upper always-valid limit.")


@strawberry.type(description="The share that has reached first value by the end of each day, in columns.")
class Curve:
    """The share by day since exposure."""

    share: Numbers = strawberry.field(
        description="The share of units, a day at a time; null on days through which nobody has been watched."
    )
    lower: Numbers = strawberry.field(description="The lower limit of the share, a day at a time.")
    upper: Numbers = strawberry.field(description="The upper limit of the share, a day at a time.")
    at_risk: Counts = strawberry.field(
        description="The units the day rests on: of REACHED those watched through it that had not done it before, of "
        "RETURNED all that were watched through it, of REMAINED all that were watched to the last day."
    )
    median: float | None = strawberry.field(
        description="The median of the days to the first event; null while it is not reached, and of all but REACHED."
    )


@strawberry.type(description="The log-rank test of two curves.")
class LogRank:
    """The log-rank test."""

    statistic: float = strawberry.field(description="The z-statistic; above zero, the variant gets there sooner.")
    p_value: float = strawberry.field(description="The two-sided p-value.")


@strawberry.type(
    description="Curves of control and variant by day since exposure. The limits of a day are those of a single look "
    "at it, for display: the KPI's test is what decides."
)
class Curves:
    """Curves by day since exposure."""

    of: CurveOf = strawberry.field(description="What the share is of.")
    days: Counts = strawberry.field(
        description="The days since exposure, at most 365 of a time to value and 90 of a share: of REACHED those that "
        "are over, of others those that begin so many times 24 hours after exposure."
    )
    control: Curve = strawberry.field(description="The curve of the control.")
    treatment: Curve = strawberry.field(description="The curve of the variant.")
    log_rank: LogRank | None = strawberry.field(description="The log-rank test of two curves of REACHED.")
    hazard_ratio: float | None = strawberry.field(
        description="The ratio of the rates, assuming it is the same every day (one step from the log-rank score)."
    )


@strawberry.type(description="What is left of the planned effect, while a deciding test goes on.")
class Futility:
    """What is left of the planned effect."""

    mde: float = strawberry.field(description="The planned effect, as a size.")
    conditional_power: float | None = strawberry.field(
        description="The chance to find it at the end, given the last look; null but for the group-sequential policy."
    )
    is_mde_excluded: bool = strawberry.field(description="Whether the interval has shut the planned effect out.")
    is_futile: bool = strawberry.field(description="Whether going on is futile. Going on costs no error rate.")


@strawberry.type(description="One comparison: a variant with control, on a KPI, for everybody or in a segment.")
class Finding:
    """One comparison."""

    role: Role = strawberry.field(description="The role of the KPI in the plan.")
    variant: Variant = strawberry.field(description="The variant that is compared with control.")
    scale: Scale = strawberry.field(description="The scale of the values.")
    method: str = strawberry.field(description="The method of the fixed test.")
    read_on: date | None = strawberry.field(description="The day the finding is read at: the deciding look, or today.")
    control: Sample = strawberry.field(description="The KPI in the control.")
    treatment: Sample = strawberry.field(description="The KPI in the variant.")
    interval: Interval | None = strawberry.field(description="The interval of the difference that the policy allows.")
    lift_interval: Interval | None = strawberry.field(description="The interval of the lift that the policy allows.")
    p_value: float | None = strawberry.field(description="The p-value that the policy allows.")
    adjusted_p_value: float | None = strawberry.field(
        description="The p-value adjusted for the other findings of its family."
    )
    correction: Correction = strawberry.field(description="The rule it is adjusted by.")
    is_significant: bool = strawberry.field(description="Whether the policy's test has found a difference.")
    is_better: bool = strawberry.field(description="Whether that difference is an improvement.")
    is_worse: bool = strawberry.field(description="Whether that difference is a worsening.")
    decided_on: date | None = strawberry.field(
        description="The day a deciding test found its difference; null until then, and of what does not decide."
    )
    decided_difference: float | None = strawberry.field(
        description="The difference by which an always-valid test decided, where it can be other than today's."
    )
    is_over: bool = strawberry.field(description="Whether the plan has no look left for this finding.")
    ends_on: date = strawberry.field(description="The day of the last planned look.")
    progress: float | None = strawberry.field(description="The share of the planned information so far.")
    futility: Futility | None = strawberry.field(
        description="What is left of the planned effect; null when the test is over or does not decide."
    )
    margin: float | None = strawberry.field(description="The margin of a guardrail.")
    breaches_margin: bool = strawberry.field(description="Whether a guardrail is harmed beyond its margin.")
    keeps_margin: bool = strawberry.field(description="Whether a guardrail is shown to be within its margin.")
    repeated: Interval | None = strawberry.field(
        description="The repeated interval of a guardrail at the latest planned look, which has to lie within its"
        " margin before anything ships; null under other policies."
    )
    next_look_on: date | None = strawberry.field(
        description="The day of its next planned look; null when there is none, and where any day may decide."
    )
    reason: Reason | None = strawberry.field(description="The reason there is no answer; null when there is one.")
    fixed: FixedTest | None = strawberry.field(description="The test as if this were the only look.")
    always_valid: AlwaysValidTest | None = strawberry.field(description="The test that may be read at any time.")
    baseline: BaselineComparison | None = strawberry.field(description="The comparison with the KPI's baseline.")
    series: Series = strawberry.field(description="The difference day by day.")
    curves: Curves | None = strawberry.field(
        description="The curves of a time to value, and of a share whose definition has a curve, once there is a count."
    )
    adjustment: Adjustment | None = strawberry.field(
        description="What the covariate of the plan did; null without one, and before the first unit is final."
    )

    @strawberry.field(description="The KPI that is compared.", graphql_type=Kpi | None)
    async def kpi(parent: Parent[findings.Finding], info: Info) -> tables.Kpi | None:
        """The KPI."""
        return await info.context.loaders.kpis_by_key.load(parent.kpi)

    @strawberry.field(description="The segment; null for everybody.")
    def segment(parent: Parent[findings.Finding]) -> Segment | None:
        """The segment."""
        attribute, _, value = parent.segment.partition("=")
        return Segment(attribute=attribute, value=value) if parent.segment else None

    @strawberry.field(description="The effect.")
    def estimate(parent: Parent[findings.Finding]) -> Estimate:
        """The effect."""
        return Estimate(difference=parent.difference, lift=parent.lift)

    @strawberry.field(description="The planned group-sequential test.", graphql_type=GroupSequentialTest | None)
    def group_sequential(parent: Parent[findings.Finding]) -> Course | None:
        """The group-sequential test."""
        return parent.course


@strawberry.type(description="How far the effects in the segments of an attribute lie apart (Cochran's Q).")
class Heterogeneity:
    """How far the effects in segments lie apart."""

    variant: Variant = strawberry.field(description="The variant that is compared with control.")
    attribute: str = strawberry.field(description="The attribute that defines the segments.")
    segments: int = strawberry.field(description="The number of segments that have an answer.")
    q: float | None = strawberry.field(description="Cochran's Q; null below two segments.")
    i2: float | None = strawberry.field(description="The share of the spread that is not chance, 0 to 1.")
    p_value: float | None = strawberry.field(description="The p-value of Q, as if this were the only look.")
    adjusted_p_value: float | None = strawberry.field(
        description="The p-value adjusted for all KPIs, variants and attributes (Holm)."
    )

    @strawberry.field(description="The KPI that is compared.", graphql_type=Kpi | None)
    async def kpi(parent: Parent[heterogeneity.Heterogeneity], info: Info) -> tables.Kpi | None:
        """The KPI."""
        return await info.context.loaders.kpis_by_key.load(parent.kpi)
