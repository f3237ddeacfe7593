"""Plans against statsmodels' power classes, simulation, and plans made by other modules."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.stats import norm
from statsmodels.stats.power import NormalIndPower, TTestIndPower

from stats.design import duration, events, factors, means, normal, plan, policy, proportions, rmst
from stats.design.plan import OneLook, Plan, best_ratio, shared_alpha
from stats.multiplicity import holm
from stats.quantiles import Quantiles, compare
from stats.sequential import stopping, wedge
from tests.stats.drawing import few

RATIOS = [1.0, 0.5, 3.0]


@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("sides", [1, 2])
def test_means_have_the_power_of_statsmodels_t_test(ratio: float, sides: int) -> None:
    theirs = TTestIndPower()  # upwards alone: what is significant the wrong way is not found
    for n in (4.0, 20.0, 150.0):
        ours = means.power(2.0, [0.6, 1.7], n=n, alpha=0.05, ratio=ratio, sides=sides)
        expected = [theirs.power(gap / 2, n, 0.05 / sides, ratio=ratio, alternative="larger") for gap in (0.6, 1.7)]
        assert_allclose(ours, expected, rtol=1e-7)
    solved = theirs.solve_power(0.3, None, 0.05 / sides, 0.8, ratio, alternative="larger")
    assert means.units(2.0, -0.6, alpha=0.05, power=0.8, ratio=ratio, sides=sides) == pytest.approx(solved, rel=1e-5)
    gap = theirs.solve_power(None, 40, 0.05 / sides, 0.8, ratio, alternative="larger")
    ours_gap = means.mde(2.0, n=40, alpha=0.05, power=0.8, ratio=ratio, sides=sides)
    assert ours_gap == pytest.approx(2 * gap, rel=1e-5)


@few
@given(st.floats(2.0, 500), st.floats(0.55, 0.99), st.floats(0.001, 0.2), st.sampled_from(RATIOS))
def test_means_units_power_and_mde_agree(n: float, power: float, alpha: float, ratio: float) -> None:
    n = n / min(ratio, 1.0)
    gap = means.mde(1.5, n=n, alpha=alpha, power=power, ratio=ratio)
    assert means.power(1.5, gap, n=n, alpha=alpha, ratio=ratio) == pytest.approx(power, abs=1e-7)
    assert means.units(1.5, gap, alpha=alpha, power=power, ratio=ratio) == pytest.approx(n, rel=1e-5)


@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("sides", [1, 2])
def test_a_plan_has_the_power_of_statsmodels_z_test(ratio: float, sides: int) -> None:
    ours = Plan.between(4.0, 4.0, test=OneLook(alpha=0.05, sides=sides), ratio=ratio)
    theirs, sizes = NormalIndPower(), np.array([30.0, 90.0, 400.0])
    expected = [theirs.power(0.25, n, 0.05 / sides, ratio=ratio, alternative="larger") for n in sizes]
    assert_allclose(ours.power(0.5, n=sizes), expected, rtol=1e-9)
    solved = theirs.solve_power(0.25, None, 0.05 / sides, 0.8, ratio, alternative="larger")
    assert ours.units(0.5, power=0.8) == pytest.approx(solved, rel=1e-6)
    assert ours.mde(n=solved, power=0.8) == pytest.approx(0.5, rel=1e-6)


TESTS = {
    "one look": OneLook(alpha=0.05),
    "one side": OneLook(alpha=0.025, sides=1),
    "group sequential": stopping.two_sided([0.3, 0.5, 1.0], alpha=0.05),
    "futility": stopping.with_futility([0.5, 1.0], alpha=0.025, beta=0.2),
    "wedge": wedge.two_sided([0.5, 1.0], alpha=0.05, beta=0.2),
    "always valid": policy.always_valid_design(14, alpha=0.05),
}


@pytest.mark.parametrize("test", TESTS.values(), ids=TESTS.keys())
def test_units_power_and_mde_of_a_plan_agree_under_every_policy(test: plan.Rule) -> None:
    for one in (
        Plan.between(3.0, 5.0, test=test, ratio=0.5, variants=2),
        Plan.against_baseline(3.0, baseline_standard_error=0.05, test=test),
    ):
        n = one.units([0.3, -0.8], power=0.8)
        assert_allclose(one.power([0.3, -0.8], n=n), 0.8, atol=1e-7)
        assert_allclose(one.mde(n=n, power=0.8), [0.3, 0.8], rtol=1e-7)
        curve = one.power(0.4, n=np.array([50.0, 200.0, 800.0]))
        assert (np.diff(curve) > 0).all()


def test_a_plan_with_looks_needs_the_inflation_of_its_policy() -> None:
    single = Plan.between(1.0, 1.0, test=OneLook(alpha=0.05)).units(0.1, power=0.8)
    looks = Plan.between(1.0, 1.0, test=stopping.two_sided(np.arange(1, 5) / 4, alpha=0.05)).units(0.1, power=0.8)
    assert looks / single == pytest.approx(policy.group_sequential(4, alpha=0.05, power=0.8).horizon, rel=1e-7)
    horizon = policy.always_valid(28, alpha=0.05, power=0.8).horizon
    any_look = policy.always_valid_design(28, alpha=0.05, tuned_at=1 / horizon)
    valid = Plan.between(1.0, 1.0, test=any_look).units(0.1, power=0.8)
    assert valid / single == pytest.approx(horizon, rel=1e-6)


def test_non_inferiority_of_means_is_found_as_often_in_simulation() -> None:
    margin, gain, n, runs = 0.3, 0.05, 150, 20_000
    ours = Plan.between(1.0, 2.0, test=OneLook(alpha=0.025, sides=1)).power(margin + gain, n=n)
    error = np.sqrt(3.0 / n)
    shown = (np.random.default_rng(91).normal(gain, error, runs) + margin) / error > norm.isf(0.025)
    assert ours == pytest.approx(shown.mean(), abs=4 * np.sqrt(0.25 / runs))


def test_a_baseline_with_too_large_an_error_is_never_reached() -> None:
    one = Plan.against_baseline(4.0, baseline_standard_error=[0.0, 0.1, 0.2], test=OneLook(alpha=0.05))
    assert one.reachable(0.3, power=0.8).tolist() == [True, True, False]
    assert np.isnan(one.units(0.3, power=0.8)).tolist() == [False, False, True]
    assert np.isnan(one.days(0.3, power=0.8, per_day=10)).tolist() == [False, False, True]
    assert_allclose(one.power(0.3, n=1e12), one.most_power(0.3), atol=1e-5)
    assert_allclose(one.most_power(0.3), [1.0, norm.sf(norm.isf(0.025) - 3.0), norm.sf(norm.isf(0.025) - 1.5)])


def test_baseline_power_equals_simulation() -> None:
    n, se, runs = 120, 0.12, 20_000
    ours = Plan.against_baseline(2.0, baseline_standard_error=se, test=OneLook(alpha=0.05)).power(0.5, n=n)
    rng = np.random.default_rng(92)
    gap = 0.5 + rng.normal(0, np.sqrt(2.0 / n), runs) - rng.normal(0, se, runs)
    found = (gap / np.sqrt(2.0 / n + se**2) > norm.isf(0.025)).mean()
    assert ours == pytest.approx(found, abs=4 * np.sqrt(0.25 / runs))


def test_quantile_of_the_past_plans_the_power_found_in_simulation() -> None:
    rng, n, runs = np.random.default_rng(93), 500, 1500
    pasts = Quantiles.from_values(rng.lognormal(0, 1, (100, 10_000)), 0.75, alpha=0.05)
    lent = factors.quantile_variance(pasts, n=10_000).mean()  # one alone is off by some 15 %
    value = np.exp(norm.ppf(0.75))
    exact = 0.1875 / (norm.pdf(norm.ppf(0.75)) / value) ** 2  # share (1 - share) / density^2
    assert lent == pytest.approx(exact, rel=0.06)
    arms = [rng.lognormal(0, 1, (runs, n)) + shift for shift in (0.0, 0.45)]
    found = compare(*(Quantiles.from_values(arm, 0.75, alpha=0.05) for arm in arms), alpha=0.05)
    ours = Plan.between(lent, lent, test=OneLook(alpha=0.05)).power(0.45, n=n)
    assert 0.5 < ours < 0.95
    assert (found.statistic > norm.isf(0.025)).mean() == pytest.approx(float(ours), abs=0.05)


@pytest.mark.parametrize("ratio", RATIOS)
def test_a_plan_of_events_is_schoenfelds_and_pays_for_looks(ratio: float) -> None:
    one = Plan.of_events(test=OneLook(alpha=0.05), ratio=ratio)
    needed = events.needed([0.5, 1.3], alpha=0.05, power=0.9, ratio=ratio)
    assert_allclose(one.units(np.log([0.5, 1.3]), power=0.9), needed)
    assert_allclose(one.power(np.log(0.7), n=200), events.power(0.7, events=200, alpha=0.05, ratio=ratio))
    looks = Plan.of_events(test=stopping.two_sided([0.5, 1.0], alpha=0.05), ratio=ratio)
    cost = policy.group_sequential(2, alpha=0.05, power=0.9).horizon
    assert_allclose(looks.units(np.log([0.5, 1.3]), power=0.9), cost * needed, rtol=1e-7)


def test_days_count_the_units_of_all_arms() -> None:
    one = Plan.between(4.0, 4.0, test=OneLook(alpha=0.05), ratio=0.5, variants=4)
    n = np.ceil(one.units(0.5, power=0.8))
    assert one.days(0.5, power=0.8, per_day=50, window=7) == duration.days(n * 3, per_day=50, window=7)


def test_shared_alpha_keeps_the_family_and_the_power_of_holms_first_step() -> None:
    alpha = shared_alpha(0.05, kpis=2, variants=2)
    assert alpha == 0.0125
    assert (holm([alpha, 0.9, 0.8, 0.7])[0] <= 0.05).all()
    assert shared_alpha(0.05) == 0.05


@pytest.mark.parametrize("variants", [1, 2, 5])
def test_the_best_ratio_needs_the_fewest_units_in_all(variants: int) -> None:
    def total(ratio: float) -> float:
        one = Plan.between(1.0, 1.0, test=OneLook(alpha=0.05), ratio=ratio, variants=variants)
        return float(one.units(0.1, power=0.8) * one.arms)

    best = best_ratio(variants)
    assert total(best) == min(total(best * factor) for factor in (0.5, 0.9, 1.0, 1.1, 2.0))


def test_smallest_margin_of_shares_is_the_one_its_units_are_planned_for() -> None:
    for sign, p1 in ((1, [0.85, 0.87]), (-1, [0.85, 0.83])):
        n = proportions.non_inferiority_units(0.85, p1, margin=0.06, alpha=0.025, power=0.9, ratio=2.0, sign=sign)
        ours = proportions.non_inferiority_mde(0.85, p1, n=n, alpha=0.025, power=0.9, ratio=2.0, sign=sign)
        assert_allclose(ours, 0.06, rtol=1e-8)
    assert np.isnan(proportions.non_inferiority_mde(0.99, 0.01, n=1, alpha=0.025, power=0.9))


def test_days_to_events_equal_counting_entries_one_by_one() -> None:
    curve, treated = 0.97 ** np.arange(1, 61), (0.97**0.7) ** np.arange(1, 61)
    entering, had = 40, []
    for day in range(1, 61):
        cohorts = [day - entry for entry in range(min(day, 20))]  # days watched, of those who entered on 20 days
        had.append(sum(entering * (1 - curve[seen - 1]) + 20 * (1 - treated[seen - 1]) for seen in cohorts))
    for wanted in (3, 100, 500):
        ours = events.days(wanted, curve, per_day=60, hazard_ratio=0.7, ratio=0.5, accrual=20)
        assert ours == next(day for day, count in enumerate(had, start=1) if count >= wanted)
    assert np.isnan(events.days(1e6, curve, per_day=60, hazard_ratio=0.7))


def test_days_to_a_restricted_mean_are_the_first_with_the_power() -> None:
    control, treatment, needed = 0.95 ** np.arange(1, 30), 0.93 ** np.arange(1, 30), normal.distance(0.05, 0.8)
    day = rmst.days(control, treatment, tau=10, per_day=30, needed=needed, ratio=1.0)

    def power(until: int) -> float:
        seen = rmst.watched(tau=10, accrual=until)
        one, other = (rmst.unit_variance(curve, tau=10, watched=seen) for curve in (control, treatment))
        gap = rmst.value(treatment, tau=10) - rmst.value(control, tau=10)
        return float(normal.power(one, other, gap, n=15 * until, alpha=0.05))

    assert power(int(day) - 1) < 0.8 <= power(int(day))
    assert rmst.days(control, treatment, tau=10, per_day=1e6, needed=needed) == 10
    assert np.isnan(rmst.days(control, control, tau=10, per_day=30, needed=needed, longest=40))


@pytest.mark.parametrize(
    "ask",
    [
        lambda: Plan.between(1.0, 1.0, test=OneLook(alpha=0.05)).units(0.0, power=0.8),
        lambda: Plan.between(0.0, 1.0, test=OneLook(alpha=0.05)),
        lambda: Plan.between(1.0, 1.0, test=OneLook(alpha=0.05), variants=0),
        lambda: Plan.between(1.0, 1.0, test=OneLook(alpha=0.05)).power(1.0, n=0),
        lambda: Plan.between(1.0, 1.0, test=OneLook(alpha=0.05)).units(1.0, power=0.01),
        lambda: Plan.against_baseline(1.0, baseline_standard_error=-0.1, test=OneLook(alpha=0.05)),
        lambda: shared_alpha(0.0),
        lambda: shared_alpha(0.05, kpis=0),
        lambda: best_ratio(0),
        lambda: means.power(1.0, 0.5, n=1, alpha=0.05),
        lambda: means.power(1.0, 0.5, n=9, alpha=0.05, sides=3),
        lambda: means.units(1.0, 0.0, alpha=0.05, power=0.8),
        lambda: means.mde(0.0, n=9, alpha=0.05, power=0.8),
        lambda: events.days(10, [0.9], per_day=0, hazard_ratio=0.5),
        lambda: policy.always_valid_design(0, alpha=0.05),
        lambda: policy.always_valid_design(5, alpha=0.05, tuned_at=0.0),
        lambda: factors.quantile_variance(Quantiles.from_values([1.0], 0.5, alpha=0.05), n=0),
    ],
)
def test_plans_without_a_meaning_are_refused(ask: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"zero|variant|power lies|negative|alpha|two units|side|look"):
        ask()
