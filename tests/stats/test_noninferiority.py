"""Non-inferiority against scipy's one-sided tests of shifted samples, and by simulation."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats as scipy_stats

from stats import noninferiority
from stats.methods import proportions, welch
from stats.moments import Moments
from stats.results import Reason


@pytest.mark.parametrize(("sign", "way"), [(1, "greater"), (-1, "less")])
def test_p_value_is_that_of_scipys_welch_with_control_shifted_by_the_margin(sign: int, way: str) -> None:
    draw = np.random.default_rng(71)
    control, treatment = draw.normal(5, 1, 30), draw.normal(5.1, 2, 40)
    theirs = scipy_stats.ttest_ind(treatment, control - sign * 0.8, equal_var=False, alternative=way)
    found = welch.compare(Moments.from_values(control), Moments.from_values(treatment), alpha=0.05)
    ours = noninferiority.against(found, margin=0.8, alpha=0.025, sign=sign, df=theirs.df)
    assert_allclose(ours.p_value, theirs.pvalue, rtol=1e-9)
    limits = scipy_stats.ttest_ind(treatment, control, equal_var=False).confidence_interval(0.95)
    assert_allclose(ours.worst, limits[0] if sign == 1 else limits[1], rtol=1e-9)


def test_without_degrees_of_freedom_it_is_normal() -> None:
    found = proportions.compare(Moments.of_proportion(85, 100), Moments.of_proportion([84, 95], 100), alpha=0.05)
    ours = noninferiority.against(found, margin=[0.1, 0.02], alpha=0.025)
    theirs = scipy_stats.norm.sf((found.difference + np.array([0.1, 0.02])) / found.standard_error)
    assert_allclose(ours.p_value, theirs, rtol=1e-9)
    assert ours.shown.tolist() == [False, True]


@pytest.mark.parametrize("sign", [1, -1])
def test_it_is_shown_just_where_the_worst_keeps_the_margin(sign: int) -> None:
    draw = np.random.default_rng(72)
    arms = (
        Moments(n=np.full(500, 50.0), mean=draw.normal(0, 0.3, 500), m2=draw.uniform(20, 80, 500)) for _ in range(2)
    )
    ours = noninferiority.against(welch.compare(*arms, alpha=0.05), margin=0.5, alpha=0.025, sign=sign)
    assert 50 < ours.shown.sum() < 450
    assert (ours.shown == (sign * ours.worst > -0.5)).all()


@pytest.mark.parametrize(("truth", "low", "high"), [(-0.5, 0.02, 0.03), (0.0, 0.65, 0.75)])
def test_a_variant_worse_by_the_margin_is_rarely_passed_and_an_equal_one_often(
    truth: float, low: float, high: float
) -> None:
    draw = np.random.default_rng(73)
    control = Moments.from_values(draw.normal(0, 1, (10_000, 50)))
    treatment = Moments.from_values(draw.normal(truth, 1, (10_000, 50)))
    found = welch.compare(control, treatment, alpha=0.05)
    assert low < noninferiority.against(found, margin=0.5, alpha=0.025, df=98).shown.mean() < high


def test_cells_without_an_answer_keep_their_reason() -> None:
    nobody, alike = Moments.of_proportion([0, 50, 0], [0, 50, 50]), Moments.of_proportion([3, 50, 50], [9, 50, 50])
    ours = noninferiority.against(proportions.compare(nobody, alike, alpha=0.05), margin=0.1, alpha=0.025)
    assert ours.reason_at(0) == Reason.INSUFFICIENT_DATA
    assert ours.reason_at(1) == Reason.ZERO_VARIANCE
    assert ours.reason_at(2) == Reason.ZERO_VARIANCE  # none against all: a score test, but no unpooled variance
    assert np.isnan([ours.statistic, ours.p_value, ours.worst]).all()
    assert not ours.shown.any()


@pytest.mark.parametrize(
    "change", [{"margin": 0.0}, {"margin": -0.1}, {"margin": 0.1, "sign": 0}, {"margin": 0.1, "alpha": 1.0}]
)
def test_misuse_is_refused(change: dict[str, float]) -> None:
    found = proportions.compare(Moments.of_proportion(5, 10), Moments.of_proportion(6, 10), alpha=0.05)
    ask: Callable[..., object] = noninferiority.against
    with pytest.raises(ValueError, match=r"margin|sign|alpha"):
        ask(found, **({"alpha": 0.025} | change))
