"""Drift from a baseline: arithmetic of the kernel, and how often it is called over many periods.

Where swings are learnt, simulated series stand for what is not proven: `python -m benchmarks.drift` draws more of them.
"""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import norm

from stats import meta
from stats.arrays import Array
from stats.results import Reason
from stats.series import drift
from stats.series.mixture import Mixture
from tests.stats.series.worlds import at_most, swings

SERIES, PERIODS = 4000, 60


def test_after_each_period_it_is_the_kernel_on_the_weighted_mean() -> None:
    values, errors = np.array([0.27, 0.31, 0.29]), np.array([0.02, 0.01, 0.03])
    found = drift.against(
        values, errors, baseline=0.25, baseline_standard_error=0.015, shift=0.04, alpha=0.05, spread=0.01
    )
    smallest = 1.0
    for now in range(1, 4):
        weights = 1 / (errors[:now] ** 2 + 0.01**2)
        difference = np.average(values[:now], weights=weights) - 0.25
        variance = 1 / weights.sum() + 0.015**2
        k = 0.04**2 / variance  # k, log e and the width as docs/statistics.md gives them
        log_e = -np.log(1 + k) / 2 + difference**2 / variance * k / (2 * (1 + k))
        half = np.sqrt(variance * (1 + k) / k * (np.log(1 + k) + 2 * np.log(20)))
        smallest = min(smallest, np.exp(-log_e))
        assert_allclose(found.difference[now - 1], difference, rtol=1e-9)
        assert_allclose(found.log_e_value[now - 1], log_e, rtol=1e-9)
        assert_allclose(found.upper[now - 1] - found.lower[now - 1], 2 * half, rtol=1e-9)
        assert_allclose(found.p_value[now - 1], smallest, rtol=1e-9)


def test_information_is_never_more_than_the_baseline_allows() -> None:
    found = drift.against(np.zeros(5000), 0.1, baseline=0.0, baseline_standard_error=0.2, shift=0.1, alpha=0.05)
    assert np.all(np.diff(1 / found.variance) > 0)
    assert found.variance[-1] > 0.2**2


def test_looking_after_every_period_keeps_alpha_and_ignoring_the_baselines_error_does_not() -> None:
    draw = np.random.default_rng(61)
    values, before = draw.normal(0, 1, (SERIES, PERIODS)), draw.normal(0, 0.4, SERIES)
    usual: dict[str, Any] = {"baseline": before, "shift": 0.5, "alpha": 0.05}
    found = drift.against(values, 1.0, baseline_standard_error=0.4, **usual)
    naive = drift.against(values, 1.0, baseline_standard_error=0.0, **usual)
    assert found.has_drifted.any(axis=-1).mean() <= at_most(0.05, SERIES)
    assert naive.has_drifted.any(axis=-1).mean() > 0.3


def test_a_drift_of_three_standard_errors_of_the_baseline_is_found_and_its_limits_hold_throughout() -> None:
    draw = np.random.default_rng(62)
    values, before = 1.2 + draw.normal(0, 1, (SERIES, PERIODS)), draw.normal(0, 0.3, SERIES)
    found = drift.against(values, 1.0, baseline=before, baseline_standard_error=0.3, shift=0.8, alpha=0.05)
    assert found.has_drifted[:, -1].mean() > 0.65
    missed = np.any((found.lower > 1.2) | (found.upper < 1.2), axis=-1)
    assert missed.mean() <= at_most(0.05, SERIES)


def test_periods_that_differ_more_than_sampling_keep_alpha_with_their_spread_only() -> None:
    draw = np.random.default_rng(63)
    values = draw.normal(0, np.hypot(1, 2), (SERIES, PERIODS))
    past = draw.normal(0, np.hypot(1, 2), (SERIES, 40))
    spread = np.sqrt(meta.dersimonian_laird(past, 1.0))
    assert np.median(spread) == pytest.approx(2, rel=0.05)
    usual = {"baseline": 0.0, "baseline_standard_error": 0.3, "shift": 1.0, "alpha": 0.05}
    with_it = drift.against(values + draw.normal(0, 0.3, (SERIES, 1)), 1.0, spread=spread, **usual)
    without = drift.against(values + draw.normal(0, 0.3, (SERIES, 1)), 1.0, **usual)
    assert with_it.has_drifted[:, -1].mean() <= at_most(0.05, SERIES)
    assert without.has_drifted[:, -1].mean() > 0.15


def test_what_cannot_be_judged_says_why() -> None:
    usual = {"baseline": 0.2, "shift": 0.1, "alpha": 0.05}
    found = drift.against([np.nan, 0.3, np.nan], 0.1, baseline_standard_error=0.1, **usual)
    assert [found.reason_at(period) for period in range(3)] == [Reason.INSUFFICIENT_DATA, None, None]
    assert found.p_value[2] == found.p_value[1]
    exact = drift.against([0.2, 0.3], 0.0, baseline_standard_error=0.1, **usual)
    assert exact.reason_at(1) is Reason.ZERO_VARIANCE
    with pytest.raises(ValueError, match="never negative"):
        drift.against([0.2], 0.1, baseline_standard_error=-0.1, **usual)
    with pytest.raises(ValueError, match="positive"):
        drift.against([0.2], 0.1, baseline=0.2, baseline_standard_error=0.1, shift=0.0, alpha=0.05)


HISTORY, SHIFT = 12, 0.05


def learnt(values: Array, **others: Any) -> drift.Steps:
    """Each series against the mean of its first periods."""
    usual: dict[str, Any] = {
        "standard_error": 0.01,
        "change": HISTORY,
        "first": 0,
        "baseline": values[..., :HISTORY].mean(axis=-1),
        "baseline_standard_error": 0.0,
        "shift": SHIFT,
        "alpha": 0.05,
    }
    return drift.since(range(values.shape[-1]), values, **(usual | others))


def wandering(seed: int, series: int, periods: int, tie: float) -> Array:
    """Swings of 0.02 around 0.5, whose neighbours correlate by `tie` but for the sampling."""
    draw = np.random.default_rng(seed)
    drawn = swings(draw, series, periods, tie=tie, size=0.02 * (1 - tie**2) ** 0.5)
    return np.asarray(0.5 + drawn + draw.normal(0, 0.01, drawn.shape))


@pytest.mark.parametrize(("tie", "least_found"), [(0.0, 0.8), (0.8, 0.65)])
def test_few_periods_of_swings_that_last_keep_alpha_over_all_looks_and_a_drift_is_found(
    tie: float, least_found: float
) -> None:
    series = 300
    calm = wandering(71, series, HISTORY + 52, tie)
    assert learnt(calm).has_drifted[:, -1].mean() <= at_most(0.05, series)
    moved = calm[:, : HISTORY + 26] + SHIFT * (np.arange(HISTORY + 26) >= HISTORY)
    assert learnt(moved).has_drifted[:, -1].mean() >= least_found


def test_e_value_is_what_a_step_of_that_spread_adds_to_the_likelihood_and_limits_are_where_it_is_one_over_alpha() -> (
    None
):
    values = wandering(72, 1, 30, 0.6)[0] + 0.04 * (np.arange(30) >= HISTORY)
    found = learnt(values)
    last: Mixture = found.size.taken(-1)
    sizes, step = np.linspace(-3.0, 3.0, 20_001, retstep=True)
    likelihood = np.exp(last.log_density(sizes))  # of the data, were the step of this size, but for a constant

    def e_value(null: float) -> float:
        prior = 0.8 * norm.pdf(sizes, null, SHIFT) + 0.2 * norm.pdf(sizes, null, 8 * SHIFT)
        return float((prior * likelihood).sum() * step / np.exp(last.log_density(null)))

    assert found.log_e_value[-1] == pytest.approx(np.log(e_value(0.0)), abs=1e-6)
    assert [e_value(float(limit)) for limit in found.limits()] == pytest.approx([20, 20], rel=1e-4)
    assert found.p_value[-1] == pytest.approx(min(1, np.exp(-found.log_e_value.max())))


def test_what_is_learnt_is_the_same_in_other_units_from_another_level_and_whatever_the_level_of_older_periods() -> None:
    values = wandering(73, 1, 40, 0.5)[0]
    found = learnt(values, change=20, first=HISTORY, baseline=0.5)
    moved = np.where(np.arange(40) < HISTORY, values, values + 3)
    for other in (
        learnt(values + 7, change=20, first=HISTORY, baseline=7.5),
        drift.since(
            range(40),
            100 * values,
            1.0,
            change=20,
            first=HISTORY,
            baseline=50.0,
            baseline_standard_error=0.0,
            shift=100 * SHIFT,
            alpha=0.05,
        ),
    ):
        assert_allclose(other.log_e_value, found.log_e_value, rtol=1e-6, atol=1e-9)
    older = learnt(moved, change=20, first=HISTORY, baseline=3.5)
    assert older.size.mean[-1] == pytest.approx(found.size.mean[-1], abs=0.01)


def test_level_that_doubles_at_once_has_drifted_though_a_tenth_was_looked_for() -> None:
    values = np.array([0.3] * HISTORY + [0.51] + [0.6] * 5)
    found = learnt(values, shift=0.03, standard_error=np.sqrt(values * (1 - values) / 140))
    assert found.has_drifted.tolist() == [True] * 6
    assert found.limits()[0] > 0.15


def test_error_of_the_baseline_beyond_that_of_its_periods_is_added_to_that_of_the_step() -> None:
    values = wandering(74, 1, 30, 0.3)[0]
    own = 0.01 / HISTORY**0.5
    exact, same, more = (learnt(values, baseline_standard_error=error) for error in (0.0, own, 0.03))
    assert_allclose(same.log_e_value, exact.log_e_value, rtol=1e-9)
    assert_allclose(more.size.deviations**2, exact.size.deviations**2 + 0.03**2 - own**2, rtol=1e-9)


def test_nothing_is_learnt_of_few_periods_or_none_of_the_baselines_and_the_rest_goes_on() -> None:
    values = np.stack([wandering(75, 1, 30, 0.3)[0]] * 4)
    values[0, 0] = np.nan  # eleven periods before the change
    values[1, HISTORY : HISTORY + 2] = np.nan
    values[2, 10:HISTORY] = np.nan
    found = learnt(values, baseline=0.5)
    few, none, answered = Reason.TOO_FEW_PERIODS, Reason.INSUFFICIENT_DATA, None
    assert [[found.reason_at(row, place) for place in (0, 2)] for row in range(4)] == [
        [few, few], [none, answered], [few, few], [answered, answered]
    ]  # fmt: skip
    assert np.isnan(found.log_e_value[0]).all()
    assert learnt(values[3], first=11.5).reason_at(0) is Reason.TOO_FEW_PERIODS
    assert drift.since(
        range(30), values[3], 0.0, change=HISTORY, first=0, baseline=0.5, baseline_standard_error=0.1, shift=1.0,
        alpha=0.05,
    ).reason_at(-1) is Reason.TOO_FEW_PERIODS  # fmt: skip


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"change": 30}, "not before the change"),
        ({"baseline_standard_error": -1.0}, "never negative"),
        ({"shift": 0.0}, "positive"),
        ({"alpha": 1.0}, "alpha lies between"),
    ],
)
def test_what_cannot_be_asked_is_refused(wrong: dict[str, float], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        learnt(wandering(76, 1, 30, 0.3)[0], **wrong)
