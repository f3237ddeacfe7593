"""A draft: what a person states of an experiment, the rules it keeps, and the complete plan it makes.

Pure: the KPIs it names come in as `Measure`s. Every rule that is broken is told, each with the path to the field.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from experiments.enums import Correction, Kind, Policy, Role, Slopes
from experiments.planning import payloads, targeting
from experiments.planning.plan import (
    Covariate,
    PinnedBaseline,
    PinnedDefinition,
    Plan,
    PlannedKpi,
    PlannedVariant,
    Rules,
)
from experiments.planning.targeting import Condition
from kpi import kinds
from kpi.enums import Change
from kpi.errors import Problem, bad
from kpi.ingest import is_text
from kpi.kinds.shape import LONGEST_WINDOW
from kpi.service import LARGEST, SMALLEST, absent, is_size, key_problems, text_problems
from kpi.tables import Kpi

MOST_VARIANTS = 10
MOST_KPIS = 20
MOST_LOOKS = 60
MOST_SEGMENT_ATTRIBUTES = 5
LONGEST_HORIZON = 730
"""Days."""
LARGEST_CORRELATION = 0.99
"""A covariate that said more of the KPI would be the KPI."""
UNSOUND = {
    True: (
        Correction.E_BENJAMINI_HOCHBERG,
        "A fixed plan answers by the p-values of one look, and E_BENJAMINI_HOCHBERG reads the evidence of tests that"
        " are watched: state BENJAMINI_HOCHBERG, BENJAMINI_YEKUTIELI or HOLM.",
    ),
    False: (
        Correction.BENJAMINI_HOCHBERG,
        "BENJAMINI_HOCHBERG holds at one look; what it finds among p-values that are read on any day may be false more"
        " often: state E_BENJAMINI_HOCHBERG, BENJAMINI_YEKUTIELI or HOLM.",
    ),
}
"""The rule for what informs that a fixed plan, and one that is watched, cannot have, and why."""
TRAFFIC = "Traffic is a share of units: above 0 and at most 1."
SMALLEST_ALPHA, LARGEST_ALPHA, LARGEST_POWER = 0.0001, 0.5, 0.999


@dataclass(frozen=True, slots=True, kw_only=True)
class CovariateChoice:
    """What a KPI is to be adjusted for: exactly one of an attribute, and the KPI over so many days before exposure."""

    attribute: str | None = None
    pre_exposure_days: int | None = None
    when_missing: float = 0.0
    correlation: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KpiChoice:
    """A KPI chosen for a plan. The planned effect is stated as a difference, or as a lift on the baseline."""

    kpi: str
    role: Role
    mde_difference: float | None = None
    mde_lift: float | None = None
    margin: float | None = None
    covariate: CovariateChoice | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantChoice:
    """A variant as it is registered."""

    key: str
    name: str
    weight: float
    is_control: bool
    payload: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanChoice:
    """The plan as it is stated, before definitions and baselines are pinned."""

    kpis: Sequence[KpiChoice]
    alpha: float
    power: float
    policy: Policy
    looks: int
    horizon_days: int
    segment_attributes: Sequence[str]
    minimum_days: int | None = None
    layer: str | None = None
    traffic: float | None = None
    audience: str | None = None
    exclusions: str | None = None
    targeting: Sequence[Condition] | None = None
    correction: Correction | None = None
    holdout: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DesignChoice:
    """A plan that is only thought of: weights from the control's on, what enters, and covariates' correlations.

    Without a horizon the plan's is the longest there is, and `has_horizon` says so.
    """

    plan: PlanChoice
    has_horizon: bool
    weights: Sequence[float]
    correlations: Sequence[float]
    units_per_day: float | None
    traffic: float

    def problems(self) -> list[Problem]:
        """The rules that it keeps beside the plan's."""
        found: list[Problem] = []
        if not 2 <= len(self.weights) <= MOST_VARIANTS:
            found.append(bad(f"An experiment has 2 to {MOST_VARIANTS} variants, control included.", "weights"))
        for place, weight in enumerate(self.weights):
            if not is_size(weight):
                found.append(bad("A weight is a positive number.", "weights", str(place)))
        for place, correlation in enumerate(self.correlations):
            if not abs(correlation) < 1:
                found.append(bad("A correlation lies between -1 and 1.", "kpis", str(place), "correlation"))
        if self.units_per_day is not None and not is_size(self.units_per_day):
            found.append(bad("Units a day are a positive number.", "unitsPerDay"))
        if not 0 < self.traffic <= 1:
            found.append(bad("Traffic is a share of units: above 0 and at most 1.", "traffic"))
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A KPI with the definition and baseline that a plan pins."""

    kpi: Kpi
    definition: PinnedDefinition
    baseline: PinnedBaseline | None


def variant_problems(variants: Sequence[VariantChoice]) -> list[Problem]:
    """Two to ten variants with keys of their own and positive weights, exactly one of them the control."""
    problems: list[Problem] = []
    keys = [variant.key for variant in variants]
    if not 2 <= len(variants) <= MOST_VARIANTS:
        problems.append(bad(f"An experiment has 2 to {MOST_VARIANTS} variants, control included.", "variants"))
    if sum(variant.is_control for variant in variants) != 1:
        problems.append(bad("Exactly one variant is the control.", "variants"))
    for place, variant in enumerate(variants):
        path = ("variants", str(place))
        problems += [bad(fault.message, *path, "key") for fault in key_problems(variant.key)]
        problems += [
            bad(fault.message, *path, *fault.path) for fault in text_problems({"name": variant.name}, required={"name"})
        ]
        if keys.index(variant.key) != place:
            problems.append(bad(f"The key “{variant.key}” is used twice.", *path, "key"))
        if not is_size(variant.weight):
            problems.append(bad("A weight is a positive number.", *path, "weight"))
        if variant.payload is not None:
            problems += [bad(fault, *path, "payload") for fault in payloads.faults(variant.payload)]
    return problems


def plan_problems(plan: PlanChoice) -> list[Problem]:
    """The rules a plan keeps whatever its KPIs are."""
    problems: list[Problem] = []
    if not SMALLEST_ALPHA <= plan.alpha <= LARGEST_ALPHA:
        sentence = f"Alpha is between {SMALLEST_ALPHA} and {LARGEST_ALPHA}; 0.05 is usual."
        problems.append(bad(sentence, "plan", "alpha"))
    if not plan.alpha < plan.power <= LARGEST_POWER:
        problems.append(bad(f"Power is above alpha and at most {LARGEST_POWER}; 0.8 is usual.", "plan", "power"))
    if not 1 <= plan.looks <= MOST_LOOKS:
        problems.append(bad(f"A plan has 1 to {MOST_LOOKS} looks.", "plan", "looks"))
    if not 1 <= plan.horizon_days <= LONGEST_HORIZON:
        problems.append(bad(f"A horizon is 1 to {LONGEST_HORIZON} days.", "plan", "horizonDays"))
    if plan.looks > plan.horizon_days:
        problems.append(bad("There are more looks than days: a look is taken at most once a day.", "plan", "looks"))
    if len(set(plan.segment_attributes)) != len(plan.segment_attributes):
        problems.append(bad("A segment attribute is named twice.", "plan", "segmentAttributes"))
    if len(plan.segment_attributes) > MOST_SEGMENT_ATTRIBUTES:
        problems.append(bad(f"At most {MOST_SEGMENT_ATTRIBUTES} segment attributes.", "plan", "segmentAttributes"))
    for place, attribute in enumerate(plan.segment_attributes):
        if not 1 <= len(attribute) <= 100 or "=" in attribute or not is_text(attribute):
            sentence = "An attribute's name has 1 to 100 characters of text and no equals sign."
            problems.append(bad(sentence, "plan", "segmentAttributes", str(place)))
    return problems + _correction_problems(plan) + _enrolment_problems(plan)


def _correction_problems(plan: PlanChoice) -> list[Problem]:
    """A rule for what informs goes with how the plan is read; Holm's and Benjamini & Yekutieli's go with any."""
    unsound, sentence = UNSOUND[plan.policy is Policy.FIXED]
    return [bad(sentence, "plan", "correction")] if plan.correction is unsound else []


def _enrolment_problems(plan: PlanChoice) -> list[Problem]:
    """The rules of what is optional: for how long nothing is decided, and who enters."""
    problems: list[Problem] = []
    if plan.minimum_days is not None and not 1 <= plan.minimum_days <= plan.horizon_days:
        problems.append(bad("A minimum is 1 day or more and no longer than the horizon.", "plan", "minimumDays"))
    if plan.layer is not None:
        problems += [bad(fault.message, "layer") for fault in key_problems(plan.layer)]
    if plan.traffic is not None and not is_share(plan.traffic):
        problems.append(bad(TRAFFIC, "traffic"))
    texts = {name: text for name in ("audience", "exclusions") if (text := getattr(plan, name)) is not None}
    problems += [bad(fault.message, "plan", *fault.path) for fault in text_problems(texts, required=set(texts))]
    conditions = targeting.faults(plan.targeting or ())
    return problems + [bad(sentence, "plan", "targeting", *path) for path, sentence in conditions]


def is_share(traffic: float) -> bool:
    """Whether a number can be a share of units: at most all, and not absurdly few."""
    return SMALLEST <= traffic <= 1


def kpi_problems(plan: PlanChoice, measured: Mapping[str, Measure], *, is_sketch: bool = False) -> list[Problem]:
    """The rules that a plan's KPIs keep, each for itself and together. A sketch of one may leave effects open."""
    problems: list[Problem] = []
    keys = [choice.kpi for choice in plan.kpis]
    if not any(choice.role is Role.PRIMARY for choice in plan.kpis):
        problems.append(NO_PRIMARY)
    if len(plan.kpis) > MOST_KPIS:
        problems.append(bad(f"A plan has at most {MOST_KPIS} KPIs.", "plan", "kpis"))
    if len({measure.kpi.unit for measure in measured.values()}) > 1:
        problems.append(bad("All KPIs of a plan count the same unit, users or accounts.", "plan", "kpis"))
    for place, choice in enumerate(plan.kpis):
        path = ("plan", "kpis", str(place))
        if choice.kpi not in measured:
            problems.append(absent("KPI", choice.kpi, *path, "kpi"))
        if keys.index(choice.kpi) != place:
            problems.append(bad(f"The KPI “{choice.kpi}” is in the plan twice.", *path, "kpi"))
        problems += _kind_problems(plan.policy, choice.role, measured.get(choice.kpi), path)
        problems += _effect_problems(choice, measured.get(choice.kpi), path, is_sketch=is_sketch)
        problems += _horizon_problems(plan, measured.get(choice.kpi), path)
        if choice.covariate is not None:
            problems += _covariate_problems(choice.covariate, measured.get(choice.kpi), (*path, "covariate"))
    return problems


def _kind_problems(policy: Policy, role: Role, measure: Measure | None, path: tuple[str, ...]) -> list[Problem]:
    """What can be compared at one look only decides nothing under a policy that has more of them."""
    is_watched = role is Role.PRIMARY and policy is not Policy.FIXED
    if measure is None or not is_watched or kinds.REGISTRY[measure.definition.kind].adds_up:
        return []
    sentence = (
        f"“{measure.kpi.key}” is a quantile, which is compared once, at the planned end, so it decides under the policy"
        " FIXED only: make it a guardrail or a secondary KPI, or decide on a mean with a cap or on the share of units"
        " that come as far."
    )
    return [bad(sentence, *path, "role")]


def _effect_problems(
    choice: KpiChoice, measure: Measure | None, path: tuple[str, ...], *, is_sketch: bool
) -> list[Problem]:
    problems: list[Problem] = []
    stated = [size for size in (choice.mde_difference, choice.mde_lift) if size is not None]
    if choice.role is Role.PRIMARY and not stated and not is_sketch:
        sentence = "A primary KPI needs an mde: the smallest effect that would be worth having."
        problems.append(bad(sentence, *path, "mde"))
    if not all(is_size(size) for size in stated):
        sentence = f"An mde is a positive size, {SMALLEST:g} to {LARGEST:g}; the direction is the hypothesis's."
        problems.append(bad(sentence, *path, "mde"))
    elif choice.mde_lift is not None and measure is not None and not _is_lift(choice.mde_lift, measure, is_sketch):
        sentence = f"An mde as a lift needs a baseline of “{choice.kpi}” other than zero; state a difference instead."
        problems.append(bad(sentence, *path, "mde", "lift"))
    if choice.margin is None and choice.role is Role.GUARDRAIL and is_sketch:
        return problems
    if (choice.role is Role.GUARDRAIL) != (choice.margin is not None):
        problems.append(bad("A guardrail, and only a guardrail, has a margin.", *path, "margin"))
    if choice.margin is not None and not is_size(choice.margin):
        problems.append(bad("A margin is a positive size in the KPI's own units.", *path, "margin"))
    return problems


def _is_lift(lift: float, measure: Measure, is_sketch: bool) -> bool:
    """Whether a lift makes a size: there is a baseline, and it is neither zero nor absurd."""
    return is_sketch if measure.baseline is None else is_size(lift * abs(measure.baseline.value))


def _horizon_problems(plan: PlanChoice, measure: Measure | None, path: tuple[str, ...]) -> list[Problem]:
    if measure is None:
        return []
    window = kinds.decode(measure.definition.kind, measure.definition.parameters).window[1]
    if plan.horizon_days > window:
        return []
    sentence = (
        f"“{measure.kpi.key}” is final {window} days after exposure, so a horizon of {plan.horizon_days} days"
        " ends before the first unit counts."
    )
    return [bad(sentence, *path, "kpi")]


def _covariate_problems(covariate: CovariateChoice, measure: Measure | None, path: tuple[str, ...]) -> list[Problem]:
    problems: list[Problem] = []
    if measure is not None and (what := _unadjusted(kinds.REGISTRY[measure.definition.kind])) is not None:
        sentence = f"“{measure.kpi.key}” is {what}; only a share or a mean per unit is adjusted for a covariate."
        problems.append(bad(sentence, *path))
    if (covariate.attribute is None) == (covariate.pre_exposure_days is None):
        problems.append(bad("A covariate is an attribute, or the KPI over some days before exposure: one.", *path))
    if covariate.attribute is not None and not (1 <= len(covariate.attribute) <= 100 and is_text(covariate.attribute)):
        problems.append(bad("An attribute's name has 1 to 100 characters of text.", *path, "attribute"))
    if covariate.pre_exposure_days is not None and not 1 <= covariate.pre_exposure_days <= LONGEST_WINDOW:
        sentence = f"The time before exposure is 1 to {LONGEST_WINDOW} days."
        problems.append(bad(sentence, *path, "preExposureDays"))
    if not abs(covariate.when_missing) <= LARGEST:
        problems.append(bad(f"whenMissing is a number of a size up to {LARGEST:g}.", *path, "whenMissing"))
    if covariate.when_missing != 0 and covariate.attribute is None:
        sentence = "Only an attribute can be missing: who did nothing before exposure has a value of 0."
        problems.append(bad(sentence, *path, "whenMissing"))
    if covariate.correlation is not None and not abs(covariate.correlation) <= LARGEST_CORRELATION:
        sentence = f"A correlation lies between -{LARGEST_CORRELATION} and {LARGEST_CORRELATION}."
        problems.append(bad(sentence, *path, "correlation"))
    return problems


def _unadjusted(kind: type[kinds.Kind]) -> str | None:
    """What a kind is that cannot be adjusted for a covariate; None for one that can."""
    if kind.has_denominator:
        return "a ratio"
    if not kind.adds_up:
        return "a quantile"
    return None if kind.aggregate is kinds.Aggregate.MOMENTS else "a time"


def complete(
    key: str,
    hypothesis: str,
    change: Change,
    kind: Kind,
    variants: Sequence[VariantChoice],
    plan: PlanChoice,
    measured: Mapping[str, Measure],
) -> Plan:
    """The plan with everything pinned. The control comes first; the rest stay in the order they were given."""
    primaries = sum(choice.role is Role.PRIMARY for choice in plan.kpis)
    rules = Rules(
        alpha=plan.alpha,
        power=plan.power,
        policy=plan.policy,
        looks=plan.looks,
        comparisons=primaries * (len(variants) - 1),
    )
    slopes = Slopes.ONE if len({variant.weight for variant in variants}) == 1 else Slopes.EACH
    planned = [_planned(choice, measured[choice.kpi], rules, slopes) for choice in plan.kpis]
    return Plan(
        experiment=key,
        hypothesis=hypothesis,
        change=change,
        kind=kind,
        unit=measured[plan.kpis[0].kpi].kpi.unit,
        variants=[
            PlannedVariant(
                key=variant.key,
                name=variant.name,
                weight=variant.weight,
                is_control=variant.is_control,
                payload=variant.payload,
            )
            for variant in sorted(variants, key=lambda variant: not variant.is_control)
        ],
        kpis=planned,
        alpha=plan.alpha,
        power=plan.power,
        policy=plan.policy,
        looks=plan.looks,
        horizon_days=plan.horizon_days,
        segment_attributes=list(plan.segment_attributes),
        events=sorted({event for kpi in planned for event in kpi.definition.events}),
        minimum_days=plan.minimum_days,
        layer=plan.layer,
        traffic=plan.traffic,
        audience=plan.audience,
        exclusions=plan.exclusions,
        targeting=targeting.canonical(plan.targeting or ()) or None,
        correction=plan.correction,
        holdout=plan.holdout,
    )


def _planned(choice: KpiChoice, measure: Measure, rules: Rules, slopes: Slopes) -> PlannedKpi:
    mde = choice.mde_difference
    if choice.mde_lift is not None and measure.baseline is not None:
        mde = choice.mde_lift * abs(measure.baseline.value)
    return PlannedKpi(
        kpi=choice.kpi,
        name=measure.kpi.name,
        role=choice.role,
        direction=measure.kpi.direction,
        definition=measure.definition,
        baseline=measure.baseline,
        mde=mde,
        margin=choice.margin,
        information=rules.information(choice.role, mde if mde is not None else choice.margin),
        covariate=None if choice.covariate is None else _covariate(choice.covariate, slopes),
    )


def _covariate(choice: CovariateChoice, slopes: Slopes) -> Covariate:
    """One slope for arms of one size; one for each where the split is uneven, which a common one may make worse."""
    return Covariate(
        attribute=choice.attribute,
        pre_exposure_days=choice.pre_exposure_days,
        when_missing=choice.when_missing,
        slopes=slopes,
        correlation=choice.correlation,
    )


NO_PRIMARY = bad("A plan needs a primary KPI: it is what the experiment is decided on.", "plan", "kpis")
