"""A plan becomes the worlds it describes, and the families judge them on the plan's days at the plan's alpha."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm
from statsmodels.stats.proportion import power_proportions_2indep

from experiments.enums import Policy, Role
from experiments.inference.cohorts import decode
from experiments.planning.plan import PinnedBaseline, Plan, PlannedKpi
from experiments.planning.rehearsal import START, Missing, Scene, arrivals, judges, scenes
from experiments.planning.worlds import Amounts, AnyWorld, Times
from kpi.enums import Direction
from kpi.kinds import Mean, Retention, TimeToValue
from kpi.kinds.shape import Cohorts
from stats.calibration import splits
from stats.calibration.families import Plan as Judging
from stats.calibration.scenarios import MEAN, RESTRICTED_MEAN, SHARE
from stats.calibration.table import Row
from stats.moments import Moments
from tests.experiments.planning import CONTROL, OTHER, TREATMENT, plan, planned

REPLICATES = 2_000
SPENT = planned(
    "spent",
    Mean(event="paid", window_days=2),
    baseline=PinnedBaseline(version=1, value=10.0, standard_error=0.2, n=10_000),
    mde=1.5,
)
FIRST_VALUE = planned(
    "first-value",
    TimeToValue(event="valued", tau_days=7),
    baseline=PinnedBaseline(version=1, value=4.2, standard_error=0.03, n=8_100),
    direction=Direction.LOWER,
    mde=0.4,
)
BACK = planned(
    "back", Retention(event="came", day=3), baseline=PinnedBaseline(version=1, value=0.2, standard_error=0.01, n=None)
)


def scene(*kpis: PlannedKpi, **changes: Any) -> Scene:
    """The first scene of a plan that can be tried out."""
    found = scenes(plan(*kpis, **({"horizon_days": 28} | changes)))[0]
    assert isinstance(found, Scene), found
    return found


def drawn(of: Scene, seed: int = 5) -> dict[str, Row]:
    return {row.family: row for row in of.rows(np.random.default_rng(seed), replicates=REPLICATES)}


@pytest.mark.parametrize(
    ("kpi", "measure", "effect"),
    [(planned(), SHARE, 0.05), (BACK, SHARE, 0.05), (SPENT, MEAN, 1.5), (FIRST_VALUE, RESTRICTED_MEAN, -0.4)],
    ids=lambda value: getattr(value, "kpi", None),
)
def test_world_has_the_effect_planned_for_the_better_and_none_without_it(
    kpi: PlannedKpi, measure: str, effect: float
) -> None:
    world = scene(kpi).world
    found = world.expected(has_effect=True, start=START, alpha=0.05)
    assert list(found) == [measure]
    np.testing.assert_allclose(found[measure].found.difference, effect, rtol=1e-9)
    nothing = world.expected(has_effect=False, start=START, alpha=0.05)[measure].found
    np.testing.assert_allclose(nothing.difference, 0, atol=1e-9)


@pytest.mark.parametrize("kpi", [planned(), SPENT, FIRST_VALUE], ids=lambda kpi: kpi.kpi)
def test_drawn_experiments_scatter_around_the_expected_one(kpi: PlannedKpi) -> None:
    world = scene(kpi).world
    reading = world.drawn(np.random.default_rng(6), REPLICATES, has_effect=True, start=START, alpha=0.05)
    expected = world.expected(has_effect=True, start=START, alpha=0.05)
    ((measure, found),) = reading.items()
    last, whole = found.found.difference[:, -1], expected[measure].found
    assert last.mean() == pytest.approx(whole.difference[-1], abs=4 * last.std() / np.sqrt(REPLICATES))
    assert last.var() == pytest.approx(whole.variance[-1], rel=0.15)


def cohorts_of(world: AnyWorld) -> Cohorts:
    """The aggregates that the service would have of the expected experiment without an effect."""
    n: Any = world.n
    if isinstance(world, Times):
        events: Any = n[..., np.newaxis] * -np.diff(world.survival)
        return Cohorts(entered=n, events=events, losses=0 * events)
    spread = world.spread if isinstance(world, Amounts) else np.sqrt(world.level * (1 - world.level))
    return Cohorts(entered=n, moments=Moments(n=n * 1.0, mean=np.full(n.shape, world.level), m2=n * spread**2))


@pytest.mark.parametrize("kpi", [planned(), BACK, SPENT, FIRST_VALUE], ids=lambda kpi: kpi.kpi)
def test_world_is_read_on_each_day_as_the_service_reads_its_cohorts(kpi: PlannedKpi) -> None:
    world = scene(kpi).world
    (reading,) = world.expected(has_effect=False, start=START, alpha=0.05).values()
    # A cohort's age at a midnight: the whole days that its last unit has been observed.
    ages = np.maximum(world.days[:, np.newaxis] - np.arange(world.n.shape[-1]) - 1, 0)
    served = decode(kpi).read(cohorts_of(world), ages)
    np.testing.assert_allclose(reading.found.variance, served.compare(alpha=0.05).variance[0], rtol=1e-9)
    assert reading.has_begun[-1]
    begun = (served.n >= 100).all(axis=0) & (served.successes >= 20).all(axis=0)
    assert reading.has_begun.tolist() == begun.tolist()


def test_days_to_value_have_the_mean_and_spread_of_the_baseline() -> None:
    world = scene(FIRST_VALUE).world
    assert isinstance(world, Times)
    chances = -np.diff(np.append(world.survival[:7], 0.0))  # of 1, 2, ... 7 days, the last with those who never do
    days = np.arange(1, 8)
    mean = (days * chances).sum()
    assert mean == pytest.approx(4.2)
    assert (days**2 * chances).sum() - mean**2 == pytest.approx(0.03**2 * 8_100, rel=0.02)


def test_days_to_value_without_a_spread_are_those_of_units_who_all_get_there() -> None:
    unknown = replace(FIRST_VALUE, baseline=PinnedBaseline(version=1, value=4.2, standard_error=0.03, n=None))
    found = scenes(plan(planned(), unknown, horizon_days=28))[1]
    assert isinstance(found, Scene)
    assert isinstance(found.world, Times)
    assert found.world.survival[:7].sum() == pytest.approx(4.2)
    chances = 1 - found.world.survival[1:] / found.world.survival[:-1]
    np.testing.assert_allclose(chances, chances[0])  # no memory, so that in the end all get there


@pytest.mark.parametrize("kpi", [planned(), SPENT, FIRST_VALUE], ids=lambda kpi: kpi.kpi)
def test_units_that_the_plan_needs_bring_its_information_power_and_alpha(kpi: PlannedKpi) -> None:
    of = scene(kpi)
    assert of.own == "Group sequential"
    if not isinstance(of.world, Times):  # units not yet final tell something of times too
        assert of.information == pytest.approx(1, abs=0.02)
    found = drawn(of)
    fixed = found["Fixed"]
    assert fixed.power.value == pytest.approx(_power_at_horizon(of), abs=4 * fixed.power.standard_error)
    assert list(found) == ["Fixed", "Group sequential", "Always valid", "Peeking"]
    own = found["Group sequential"]
    assert own.failures == ()
    assert own.power.value == pytest.approx(_power_at_horizon(of), abs=0.06)
    assert own.mean_end < own.horizon == found["Fixed"].mean_end == 28
    assert found["Peeking"].false_positives.value > 2 * 0.05
    assert found["Fixed"].false_positives.value == pytest.approx(0.05, abs=0.02)


def _power_at_horizon(of: Scene) -> float:
    """The normal approximation: what is left of the effect in standard errors beyond the critical value."""
    (reading,) = of.world.expected(has_effect=True, start=START, alpha=of.alpha).values()
    z = abs(reading.found.difference[-1]) / np.sqrt(reading.found.variance[-1])
    return float(norm.cdf(z - norm.isf(of.alpha / 2)))


def test_power_of_a_fixed_plan_is_that_of_statsmodels() -> None:
    of = scene(policy=Policy.FIXED, looks=1)
    control, treatment = of.world.n[:, : 28 - 2].sum(axis=1)
    expected = power_proportions_2indep(0.05, 0.3, control, ratio=treatment / control, alpha=0.05).power
    fixed = drawn(of)["Fixed"]
    assert fixed.power.value == pytest.approx(expected, abs=4 * fixed.power.standard_error)
    assert fixed.bounds is not None


def test_only_the_plans_own_family_is_held_against_a_promise() -> None:
    informing = replace(planned("informing"), role=Role.SECONDARY)
    owners = {
        (policy, of.kpi): of.own
        for policy in Policy
        for of in scenes(plan(planned(), informing, policy=policy))
        if isinstance(of, Scene)
    }
    assert owners == {
        (Policy.FIXED, "activation"): "Fixed",
        (Policy.FIXED, "informing"): "Fixed",
        (Policy.GROUP_SEQUENTIAL, "activation"): "Group sequential",
        (Policy.GROUP_SEQUENTIAL, "informing"): "Always valid",
        (Policy.ALWAYS_VALID, "activation"): "Always valid",
        (Policy.ALWAYS_VALID, "informing"): "Always valid",
    }
    of = scene(policy=Policy.ALWAYS_VALID)
    assert [family.name for family in of.families if family.promise] == ["Always valid"]


def test_deciding_kpis_share_alpha_and_their_promises_follow_it() -> None:
    first, second = scenes(plan(planned(), planned("other"), replace(SPENT, role=Role.SECONDARY)))[:2]
    assert isinstance(first, Scene)
    assert isinstance(second, Scene)
    assert first.alpha == second.alpha == 0.025
    (own,) = (family for family in first.families if family.promise)
    assert own.promise is not None
    assert own.promise.least_coverage == pytest.approx(1 - 0.06 / 2)
    assert own.promise.least_power == pytest.approx(0.65)
    bounds = drawn(first)["Group sequential"].bounds
    assert bounds is not None
    assert bounds.most_false_positives == pytest.approx(0.025 + 3 * np.sqrt(0.025 * 0.975 / REPLICATES))


def test_power_is_no_promise_where_too_few_units_enter() -> None:
    (few,) = scenes(plan(horizon_days=28), np.full(5, 20))
    assert isinstance(few, Scene)
    assert few.information < 0.3
    own = drawn(few)["Group sequential"]
    assert own.power.value < 0.5
    assert own.failures == ()
    assert own.bounds is not None
    assert own.bounds.least_power == 0


def test_guardrail_is_tried_with_its_margin_for_the_worse() -> None:
    guard = planned("guard", role=Role.GUARDRAIL, mde=None, margin=0.04)
    found = scenes(plan(planned(), guard))[1]
    assert isinstance(found, Scene)
    assert found.world.effect == -0.04
    assert found.own == "Always valid"


@pytest.mark.parametrize(
    ("kpi", "sentence"),
    [
        (planned("x", baseline=None), "“x”: the plan has no baseline, so there is no level to draw from."),
        (planned("x", mde=None, role=Role.SECONDARY), "“x”: the plan has no mde, so there is no effect to find."),
        (planned("x", mde=0.8), "“x”: a baseline of 0.3 and an mde of +0.8 are no levels it can have."),
        (
            replace(SPENT, baseline=PinnedBaseline(version=1, value=10.0, standard_error=0.2, n=None)),
            "“spent”: the plan's baseline has no n, so the spread of a unit is unknown.",
        ),
        (
            replace(SPENT, baseline=PinnedBaseline(version=1, value=-1.0, standard_error=0.2, n=100)),
            "“spent”: a baseline of -1 and an mde of +1.5 are no levels it can have.",
        ),
        (
            replace(FIRST_VALUE, mde=3.5),
            "“first-value”: a baseline of 4.2 and an mde of -3.5 are no levels it can have.",
        ),
    ],
)
def test_kpi_that_lacks_something_is_named_with_it_and_the_others_go_on(kpi: PlannedKpi, sentence: str) -> None:
    first, second = scenes(plan(planned(), kpi))
    assert isinstance(first, Scene)
    assert second == Missing(kpi=kpi.kpi, sentence=sentence)


def test_plan_that_says_nothing_of_units_is_missing_them() -> None:
    nobody = plan(planned(baseline=None))
    assert arrivals(nobody, None) is None
    (found,) = scenes(nobody)
    assert isinstance(found, Missing)
    assert "how many units are needed" in found.sentence


def test_each_weight_is_tried_once_and_its_arms_have_their_weights() -> None:
    variants = [replace(CONTROL, weight=2.0), TREATMENT, replace(OTHER, weight=0.5), replace(OTHER, key="last")]
    found = [of for of in scenes(plan(variants=variants, horizon_days=28)) if isinstance(of, Scene)]
    assert [of.variant for of in found] == ["treatment", "other"]
    for of, weight in zip(found, (1.0, 0.5), strict=True):
        control, treatment = of.world.n.sum(axis=1)
        assert treatment / control == pytest.approx(weight / 2, rel=0.001)
        assert of.alpha == pytest.approx(0.05 / 3)


def test_units_enter_as_they_have_and_then_at_their_mean_rate() -> None:
    of = plan(horizon_days=6)
    running, stopped = (arrivals(of, np.array([10, 20, 0]), is_closed=is_closed) for is_closed in (False, True))
    assert running is not None
    assert stopped is not None
    assert running.tolist() == [10, 20, 0, 10, 10, 10]
    assert stopped.tolist() == [10, 20, 0, 0, 0, 0]


def test_units_of_a_draft_are_those_that_the_plan_says_are_needed() -> None:
    of = plan(horizon_days=28)
    daily = arrivals(of, np.zeros(3, dtype=np.int64))
    assert daily is not None
    assert daily[: 28 - 2].sum() == pytest.approx(of.planned_units, rel=1e-4)  # its error is a rounded number
    assert of.planned_units is not None


def test_first_look_is_when_the_first_units_are_final_and_the_last_is_the_horizon() -> None:
    assert scene().world.days[[0, -1]].tolist() == [3, 28]
    assert scene(FIRST_VALUE).world.days[[0, -1]].tolist() == [8, 28]


def test_planned_looks_fall_on_their_days_until_the_information_is_there() -> None:
    of = plan(horizon_days=16)  # looks on days 4, 8, 12 and 16
    days = np.arange(3, 17)
    each = Moments(n=np.full(14, 100.0), mean=np.zeros(14), m2=np.full(14, 100.0))
    expected = splits.of_values(each, each, measure=MEAN, start=START, alpha=0.05)
    shifted = splits.of_values(each, replace(each, mean=each.mean + 9), measure=MEAN, start=START, alpha=0.05)
    information = 1 / expected.found.variance
    unused = Judging.of(expected, 0.5)

    def claimed(planned: float | None, of: Plan = of) -> dict[str, list[int]]:
        found = {}
        for family in judges(of, days, expected, alpha=0.05, planned=planned):
            if family.applies(shifted):
                found[family.name] = days[family.judge(shifted, unused, 0.0).rejects].tolist()
        return found

    assert claimed(None)["Group sequential"] == [4, 8, 12, 16]
    assert claimed(None, replace(of, minimum_days=9))["Group sequential"] == [12, 16]
    assert claimed(float(information[days == 12][0]))["Group sequential"] == [4, 8, 12]
    assert claimed(float(information[days == 9][0]))["Group sequential"] == [4, 8, 12]
    assert claimed(None)["Fixed"] == [16]
    assert claimed(None)["Always valid"] == claimed(None)["Peeking"] == days.tolist()
