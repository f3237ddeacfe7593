"""Quantiles in experiments, by numpy's order statistics and scipy's binomial and normal; and what plans may ask."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from math import sqrt
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import binom, norm

from api.database import Database
from experiments.enums import Correction, Policy, Role
from experiments.inference.analysis import results
from experiments.inference.findings import Finding
from experiments.planning import calculator
from experiments.planning.demand import blind_looks
from experiments.planning.design import Setting
from experiments.planning.draft import CovariateChoice, KpiChoice
from experiments.planning.plan import PlannedKpi
from experiments.planning.rehearsal import Missing, scenes
from kpi.enums import Direction
from kpi.errors import Invalid
from kpi.kinds import Activation, Mean, Quantile
from kpi.tables import Workspace
from stats.results import Reason
from tests.experiments.aggregating import START, Running, refresh, send
from tests.experiments.planning import IDS, Law, Rows, evaluated, plan, planned, simulated
from tests.experiments.planning import day as on
from tests.experiments.recomputation import DAY, Did, Exposed
from tests.experiments.registering import CONTROL as CONTROL_CHOICE
from tests.experiments.registering import PRIMARY, TREATMENT, draft, plan_choice, start
from tests.experiments.test_design import measure
from tests.kpi.registering import register_kpi

Values = npt.NDArray[np.float64]
P90 = Quantile(event="waited", window_days=2, quantile=0.9)
MEDIAN = Quantile(event="used", window_days=2, quantile=0.5)
DAYS, HORIZON = 14, 16
"""Of entry days 0 to 13 all windows of two days are over at the horizon, the 16th midnight, and not before."""


def of_quantile(kind: Quantile = P90, **changes: Any) -> PlannedKpi:
    """A planned quantile that informs, unless changed; less is better."""
    fields: dict[str, Any] = {"role": Role.SECONDARY, "direction": Direction.LOWER, "mde": None, "baseline": None}
    return planned("wait", kind, **(fields | changes))


def rows_of(kpi: PlannedKpi, *arms: Values, segment: str = "") -> Rows:
    """Units spread evenly over the entry days, in the order of their variants."""
    found = Rows(entries=[], moments=[], durations=[])
    for variant, values in zip(IDS.values(), arms, strict=False):
        for number, of_day in enumerate(np.array_split(values, DAYS)):
            cell = {"segment": segment, "variant_id": variant, "entered_on": on(number)}
            found.entries.append(cell | {"n": of_day.size})
            own = cell | {"definition_id": kpi.definition.id}
            found.values.extend(own | {"value": value, "n": n} for value, n in sorted(Counter(of_day.tolist()).items()))
    return found


def estimate(values: Values, share: float) -> tuple[float, float]:
    """The quantile and its standard error by order statistics; a value holds all above the next lower one."""
    ordered, n = np.sort(values), values.size
    lower, upper = binom.ppf(0.025, n, share), binom.ppf(0.975, n, share) + 1
    below = max(value for value in ordered if value < ordered[int(lower) - 1])
    width = ordered[int(upper) - 1] - below
    return float(np.quantile(values, share, method="inverted_cdf")), float(width / (2 * norm.ppf(0.975)))


def drawn(seed: int, n: int, scale: float = 1.0) -> Values:
    """Waiting times of whole tenths of a second."""
    return np.round(scale * np.random.default_rng(seed).lognormal(3, 1, n), 1)


def alone(of: Any, rows: Rows, midnight: int = HORIZON, stopped: int | None = None) -> Finding:
    (finding,) = [
        one
        for one in evaluated(of, rows, on(midnight), None if stopped is None else on(stopped)).findings
        if one.kpi == "wait"
    ]
    return finding


# --- what it says ----------------------------------------------------------------------------------------------------


def test_finding_of_a_fixed_plan_is_that_of_order_statistics_of_all_units() -> None:
    control, treatment = drawn(1, 1400), drawn(2, 1400, 0.8)
    deciding = of_quantile(role=Role.PRIMARY, mde=5.0)
    found = alone(plan(deciding, policy=Policy.FIXED), rows_of(deciding, control, treatment))
    (own, own_error), (other, other_error) = estimate(control, 0.9), estimate(treatment, 0.9)
    error = sqrt(own_error**2 + other_error**2)
    assert (found.control.n, found.control.value, found.treatment.value) == (1400, own, other)
    assert found.control.standard_error == pytest.approx(own_error)
    assert found.difference == pytest.approx(other - own)
    assert found.lift == pytest.approx(other / own - 1)
    assert found.standard_error == pytest.approx(error)
    assert found.interval is not None
    half = norm.ppf(0.975) * error
    assert (found.interval.lower, found.interval.upper) == pytest.approx((other - own - half, other - own + half))
    assert found.p_value == pytest.approx(2 * norm.sf(abs(other - own) / error))
    assert found.lift_interval is not None
    log_error = sqrt((own_error / own) ** 2 + (other_error / other) ** 2)
    assert found.lift_interval.upper == pytest.approx(other / own * np.exp(norm.ppf(0.975) * log_error) - 1)
    assert (found.is_over, found.is_better, found.reason, found.always_valid) == (True, True, None, None)


def test_quantile_of_an_earlier_midnight_is_that_of_the_cohorts_that_were_final_then() -> None:
    control, treatment = drawn(3, 1400), drawn(4, 1400)
    kpi = of_quantile()
    found = alone(plan(planned(), kpi, policy=Policy.FIXED), rows_of(kpi, control, treatment), 9)
    assert found.control.n == 700  # seven days of 100
    assert found.control.value == np.quantile(control[:700], 0.9, method="inverted_cdf")
    assert (found.control.open, found.is_over, found.is_significant) == (200, False, False)
    assert found.series.n == [0, 0, *range(200, 1401, 200)]


def test_quantile_by_segment_is_that_of_its_own_units() -> None:
    kpi = of_quantile(MEDIAN)
    everybody, pro = (
        rows_of(kpi, drawn(5, 1400), drawn(6, 1400)),
        rows_of(kpi, drawn(7, 260), drawn(8, 260), segment="plan=pro"),
    )
    rows = replace(everybody, entries=everybody.entries + pro.entries, values=everybody.values + pro.values)
    (found,) = [
        one
        for one in evaluated(plan(planned(), kpi, policy=Policy.FIXED), rows, on(HORIZON)).segment_findings
        if one.kpi == "wait"
    ]
    assert (found.segment, found.control.n) == ("plan=pro", 260)
    assert found.treatment.value == np.quantile(drawn(8, 260), 0.5, method="inverted_cdf")


def test_quantile_among_the_lowest_values_or_of_few_units_says_why_there_is_no_answer() -> None:
    kpi = of_quantile(MEDIAN)
    mostly_none = np.where(np.arange(1400) % 5 < 3, 0.0, drawn(9, 1400))
    fixed = plan(planned(), kpi, policy=Policy.FIXED)
    heaped, few = (alone(fixed, rows_of(kpi, *arms)) for arms in ((mostly_none,) * 2, (drawn(1, 5), drawn(2, 5))))
    assert (heaped.reason, heaped.control.value, heaped.difference) == (Reason.NEAR_LOWEST, 0.0, 0.0)
    assert (few.reason, few.control.n, few.interval, few.p_value) == (Reason.INSUFFICIENT_DATA, 5, None, None)


# --- at the planned end, and at no other time ------------------------------------------------------------------------


@pytest.mark.parametrize("policy", [Policy.GROUP_SEQUENTIAL, Policy.ALWAYS_VALID])
def test_quantile_in_a_plan_with_looks_says_nothing_before_the_end_and_what_a_fixed_test_says_at_it(
    policy: Policy,
) -> None:
    kpi = of_quantile()
    rows = rows_of(kpi, drawn(10, 1400), drawn(11, 1400, 0.5))
    watched, fixed = (plan(planned(), kpi, policy=one) for one in (policy, Policy.FIXED))
    early, late, alike = alone(watched, rows, HORIZON - 1), alone(watched, rows), alone(fixed, rows)
    assert (early.interval, early.lift_interval, early.p_value, early.adjusted_p_value) == (None,) * 4
    assert (early.reason, early.is_significant, early.always_valid) == (Reason.BEFORE_END, False, None)
    assert early.difference is not None
    assert early.fixed is not None
    assert early.next_look_on == early.ends_on == on(HORIZON)
    assert (late.interval, late.p_value, late.reason) == (alike.interval, alike.p_value, None)
    assert (late.is_over, late.is_better, late.read_on, late.policy) == (True, True, on(HORIZON), Policy.FIXED)
    assert alone(watched, rows, HORIZON + 9).read_on == on(HORIZON)


def test_quantile_of_a_plan_with_looks_that_ended_early_is_never_told() -> None:
    kpi = of_quantile(role=Role.GUARDRAIL, margin=100.0)
    found = alone(plan(planned(), kpi), rows_of(kpi, drawn(12, 1400), drawn(13, 1400)), HORIZON, stopped=4)
    assert (found.is_over, found.ends_on) == (True, on(7))
    assert (found.reason, found.interval, found.keeps_margin) == (Reason.BEFORE_END, None, False)


@pytest.mark.parametrize(("scale", "keeps", "breaches"), [(1.0, True, False), (1.15, False, False), (2.0, False, True)])
def test_guardrail_is_held_against_its_margin_at_the_end(scale: float, keeps: bool, breaches: bool) -> None:
    kpi = of_quantile(MEDIAN, role=Role.GUARDRAIL, margin=5.0)
    rows = rows_of(kpi, drawn(14, 1400), np.round(drawn(15, 1400) * scale, 1))
    early, late = (alone(plan(planned(), kpi), rows, midnight) for midnight in (HORIZON - 1, HORIZON))
    assert (early.keeps_margin, early.breaches_margin) == (False, False)
    assert (late.keeps_margin, late.breaches_margin, late.repeated) == (keeps, breaches, None)
    assert late.interval is not None
    assert keeps == (late.interval.upper < 5.0)
    assert breaches == (late.interval.lower > 5.0)


@pytest.mark.parametrize("rule", [Correction.HOLM, Correction.E_BENJAMINI_HOCHBERG])
def test_family_of_a_quantile_counts_it_from_the_beginning_and_by_its_p_value_at_the_end(rule: Correction) -> None:
    kpi, beside = of_quantile(), planned("tried", Activation(event="tried", window_days=2), role=Role.SECONDARY)
    laws = [Law(daily=50, rate=0.3), Law(daily=50, rate=0.45)]
    asked = plan(planned(), kpi, beside, correction=rule)
    made = simulated(replace(asked, kpis=[asked.kpis[0], asked.kpis[2]]), laws, days=DAYS, seed=16)
    rows = replace(made, values=rows_of(kpi, drawn(17, 1400), drawn(18, 1400, 0.75)).values)

    def both(midnight: int) -> tuple[Finding, Finding]:
        found = {one.kpi: one for one in evaluated(asked, rows, on(midnight)).findings}
        return found["wait"], found["tried"]

    wait, tried = both(HORIZON - 1)
    alone = {Correction.HOLM: tried.p_value or 0.0, Correction.E_BENJAMINI_HOCHBERG: 1 / e_value(tried)}
    assert wait.adjusted_p_value is None
    assert tried.adjusted_p_value == pytest.approx(2 * alone[rule])
    wait, tried = both(HORIZON)
    p_values = np.array([wait.p_value, tried.p_value], dtype=float)
    worth = np.array([1 / sqrt(p_values[0]) - 1, e_value(tried)])
    expected = {
        # Of two, Holm doubles the smaller p-value, and the larger is at least that.
        Correction.HOLM: np.maximum(p_values * (1 + (p_values == p_values.min())), 2 * p_values.min()),
        # e-BH finds the larger of two e-values by itself at 2 / e, and both at 1 / e of the smaller.
        Correction.E_BENJAMINI_HOCHBERG: np.minimum(np.where(worth == worth.max(), 2 / worth, np.inf), 1 / worth.min()),
    }
    assert [wait.adjusted_p_value, tried.adjusted_p_value] == pytest.approx(np.minimum(expected[rule], 1.0))


def e_value(finding: Finding) -> float:
    """The evidence of today."""
    assert finding.always_valid is not None
    return float(np.exp(finding.always_valid.log_e_value))


# --- what a plan may ask ---------------------------------------------------------------------------------------------


async def faulty(database: Database, workspace: Workspace, choice: KpiChoice, policy: Policy) -> list[tuple[str, str]]:
    """Where the faults of a plan with this KPI are, and what they say."""
    async with database.write() as session:
        await register_kpi(session, workspace, key="wait", definition=P90, baseline=None)
    with pytest.raises(Invalid) as invalid:
        await draft(database, workspace, plan=plan_choice(kpis=[PRIMARY, choice], policy=policy))
    return [(".".join(problem.path), problem.message) for problem in invalid.value.problems]


@pytest.mark.parametrize("policy", [Policy.GROUP_SEQUENTIAL, Policy.ALWAYS_VALID])
async def test_plan_with_a_quantile_that_decides_at_more_looks_than_one_is_refused_at_its_role(
    database: Database, workspace: Workspace, policy: Policy
) -> None:
    choice = KpiChoice(kpi="wait", role=Role.PRIMARY, mde_difference=1.0)
    ((path, sentence),) = await faulty(database, workspace, choice, policy)
    assert path == "plan.kpis.1.role"
    assert "FIXED only" in sentence


async def test_plan_with_a_quantile_and_a_covariate_is_refused_at_the_covariate(
    database: Database, workspace: Workspace
) -> None:
    covariate = CovariateChoice(pre_exposure_days=7)
    choice = KpiChoice(kpi="wait", role=Role.SECONDARY, covariate=covariate)
    ((path, sentence),) = await faulty(database, workspace, choice, Policy.FIXED)
    assert path == "plan.kpis.1.covariate"
    assert "is a quantile" in sentence


def test_design_plans_a_quantile_for_one_look_on_the_squared_error_of_its_baseline() -> None:
    """A unit's variance q (1 - q) / f^2 is n times the squared error: 0.9 x 0.1 / 0.009^2 here."""
    error = sqrt(0.9 * 0.1 / 0.009**2 / 4000)
    measured = measure(80.0, kind=P90, error=error, n=4000, direction=Direction.LOWER)
    setting = Setting(
        weights=(1.0, 1.0),
        alpha=0.05,
        power=0.8,
        policy=Policy.GROUP_SEQUENTIAL,
        looks=4,
        horizon_days=None,
        units_per_day=None,
        primaries=1,
        guardrails=1,
    )
    guard = KpiChoice(kpi="wait", role=Role.GUARDRAIL, margin=5.0)
    (found,) = calculator.sketch(setting, [(guard, measured, 0.0)]).kpis
    z = norm.ppf(0.975) + norm.ppf(1 - 0.2 / 2)  # one guardrail takes half of the chance to miss
    assert found.policy is Policy.FIXED
    assert found.size.units == pytest.approx(2 * 2 * 0.09 / 0.009**2 * (z / 5.0) ** 2, rel=1e-3)
    of_plan = plan(planned(), of_quantile(role=Role.GUARDRAIL, margin=5.0, baseline=measured.baseline))
    assert of_plan.units_for(of_plan.kpis[1]) == pytest.approx(found.size.units, rel=1e-3)


def test_launch_finds_no_look_blind_to_a_quantile_that_waits_for_the_last_one() -> None:
    slow = Quantile(event="waited", window_days=10, quantile=0.9)
    guarded = plan(planned(), of_quantile(slow, role=Role.GUARDRAIL, margin=5.0))
    assert blind_looks(guarded) == []
    as_mean = planned("wait", Mean(event="waited", window_days=10), role=Role.GUARDRAIL, margin=5.0)
    assert [look.day for look in blind_looks(plan(planned(), as_mean))] == [4, 8]


def test_rehearsal_says_that_quantiles_are_not_drawn() -> None:
    deciding = of_quantile(role=Role.PRIMARY, mde=5.0)
    found = scenes(plan(planned(), deciding, policy=Policy.FIXED))
    (missing,) = [one for one in found if isinstance(one, Missing)]
    assert missing.kpi == "wait"
    assert "a quantile" in missing.sentence


# --- from rows to a finding ------------------------------------------------------------------------------------------


async def test_experiment_with_a_quantile_from_rows_to_its_finding(database: Database, workspace: Workspace) -> None:
    async with database.write() as session:
        await register_kpi(session, workspace, key="wait", definition=P90, baseline=None)
    kpis = [PRIMARY, KpiChoice(kpi="wait", role=Role.GUARDRAIL, margin=1000.0)]
    choice = plan_choice(kpis=kpis, policy=Policy.FIXED, horizon_days=10)
    made = await draft(database, workspace, variants=[CONTROL_CHOICE, TREATMENT], plan=choice)
    to = Running(experiment=await start(database, made, now=START), workspace=workspace)
    arms = [drawn(20, 60), drawn(21, 60, 0.5)]
    met = [
        Exposed(unit=f"{arm}-{n}", variant=arm, at=START + n * DAY / 60, plan=None) for arm in (0, 1) for n in range(60)
    ]
    did = [
        Did(unit=one.unit, event="waited", at=one.at, value=value)
        for one, value in zip(met, np.concatenate(arms).tolist(), strict=True)
    ]
    await send(database, to, [*met, *did])
    await refresh(database, to, START + timedelta(days=10, hours=1))
    async with database.read() as session, database.raw() as connection:
        found = await results(session, connection, to.experiment)
    assert found is not None
    (finding,) = [one for one in found.evaluation.findings if one.kpi == "wait"]
    (own, own_error), (other, other_error) = (estimate(values, 0.9) for values in arms)
    assert (finding.control.value, finding.treatment.value) == pytest.approx((own, other))
    assert finding.standard_error == pytest.approx(sqrt(own_error**2 + other_error**2))
    assert (finding.is_over, finding.keeps_margin) == (True, True)
