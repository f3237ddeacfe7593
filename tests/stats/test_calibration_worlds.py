"""The worlds of the calibration: what is drawn has the truth that is claimed of it."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.stats import lognorm

from stats.calibration import scenarios
from stats.calibration.scenarios import SCENARIOS, Amounts, Covariates, Ordered, Scenario
from stats.results import Comparisons
from stats.sequential import regression
from tests.stats.calibrating import ALPHA, FIRST_VALUE, SMALL, SPENT, START

WITHOUT_TRUE_DIFFERENCE = {"Log-rank", "Log-rank within entry days"}


def truth(scenario: Scenario, measure: str) -> Comparisons:
    return scenario.expected(has_effect=True, start=START, alpha=ALPHA)[measure].found


def test_true_difference_of_amounts_is_that_of_the_lognormal() -> None:
    found = truth(SPENT, scenarios.MEAN)
    mean, second = (SPENT.payers * lognorm.moment(order, SPENT.spread) for order in (1, 2))
    assert found.difference[-1] == pytest.approx(SPENT.lift * mean)
    expected = (second - mean**2) * (1 / 300 + (1 + SPENT.lift) ** 2 / 200)
    assert found.variance[-1] == pytest.approx(expected, rel=0.01)  # n - 1 for n


def test_true_difference_of_capped_amounts_is_the_integral_up_to_the_cap() -> None:
    capped = Amounts(name="capped", payers=0.3, spread=1.2, lift=0.5, n=(30, 20), looks=10, cap=4.0)
    found = truth(capped, "Mean per unit, capped")

    def moment(order: int, factor: float) -> float:
        below = lognorm.expect(lambda x: x**order, (1.2,), scale=factor, ub=4.0)
        return float(0.3 * (below + 4.0**order * lognorm.sf(4.0, 1.2, scale=factor)))

    assert found.difference[-1] == pytest.approx(moment(1, 1.5) - moment(1, 1.0), rel=1e-6)
    expected = sum((moment(2, f) - moment(1, f) ** 2) / n for f, n in ((1.0, 300), (1.5, 200)))
    assert found.variance[-1] == pytest.approx(expected, rel=0.01)


def test_true_difference_of_times_is_the_area_between_the_curves() -> None:
    found = truth(FIRST_VALUE, scenarios.RESTRICTED_MEAN)
    staying = np.array([1 - 0.5 * (1 - 0.5 ** (day / 3)) for day in range(7)])
    np.testing.assert_allclose(found.difference, (staying**1.3 - staying).sum(), rtol=1e-12)


def test_true_difference_of_quantiles_is_that_of_the_lognormal() -> None:
    slow = Ordered(name="slow", share=0.9, spread=0.8, lift=0.25, n=(40, 40))
    assert truth(slow, "Quantile").difference[-1] == pytest.approx(0.25 * lognorm.ppf(0.9, 0.8))


@pytest.mark.parametrize("scenario", [SMALL, SPENT, FIRST_VALUE, *SCENARIOS], ids=lambda scenario: scenario.name)
def test_drawn_experiments_scatter_around_the_expected_one(scenario: Scenario) -> None:
    drawn = scenario.drawn(np.random.default_rng(12), 300, has_effect=True, start=START, alpha=ALPHA)
    for measure in drawn.keys() - WITHOUT_TRUE_DIFFERENCE:
        found, expected = drawn[measure].found, truth(scenario, measure)
        last, variance = found.difference[:, -1], found.variance[:, -1]
        assert last.mean() == pytest.approx(expected.difference[-1], abs=4 * last.std() / np.sqrt(300))
        assert last.var() == pytest.approx(variance.mean(), rel=0.35)  # of 300 values it has 8 % standard error
        if drawn[measure].is_monitored:
            assert variance.mean() == pytest.approx(expected.variance[-1], rel=0.1)


def test_the_same_seed_draws_the_same_and_no_effect_is_drawn_as_none() -> None:
    for scenario in SCENARIOS:
        one, other = (
            scenario.drawn(np.random.default_rng(3), 2, has_effect=False, start=START, alpha=ALPHA) for _ in range(2)
        )
        for measure, reading in one.items():
            np.testing.assert_array_equal(reading.found.difference, other[measure].found.difference)
            without = scenario.expected(has_effect=False, start=START, alpha=ALPHA)[measure].found
            np.testing.assert_allclose(without.difference, 0.0, atol=1e-12)


def test_exact_evidence_of_a_mean_is_that_of_statsmodels_regression() -> None:
    world = Covariates(name="few", slopes=(1.0, 1.0), effect=0.5, n=(6, 4), looks=3)
    reading = world.drawn(np.random.default_rng(9), 1, has_effect=True, start=START, alpha=ALPHA)[
        "Mean less a covariate (CUPED)"
    ]
    draw, rows = np.random.default_rng(9), []
    for arm, n in enumerate(world.n):
        x, noise = draw.standard_normal((2, 1, 3, n))[:, 0, :2].reshape(2, -1)  # the first two looks
        rows.append(np.column_stack((x + noise + 0.5 * arm, np.full(2 * n, arm), x)))
    y, arm, x = np.concatenate(rows).T
    fitted = sm.OLS(y, sm.add_constant(np.column_stack((arm, x)))).fit()
    g, variance = regression.tuning(30, ALPHA), fitted.bse[1] ** 2
    log_e = regression.log_e_value(fitted.params[1], variance, df=17, n=20, g=g)
    half_width = regression.half_width(variance, df=17, n=20, g=g, alpha=ALPHA)
    assert reading.log_e is not None
    assert reading.half_width is not None
    assert reading.log_e[0, 1] == pytest.approx(log_e)
    assert reading.half_width[0, 1] == pytest.approx(half_width)
