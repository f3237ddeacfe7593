"""Expected levels against scipy: lognormal distributions and adaptive quadrature."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import integrate, stats

from api.sample import law
from api.sample.law import Effect, Levels, levels

LEVEL = levels(Effect(first_value_odds=0.2, first_value_speed=0.1, project_odds=0.3, sessions=0.2))
CELL = (1, 1)


def over_engagement(given: Callable[[float], float]) -> float:
    return float(integrate.quad(lambda e: given(e) * stats.norm.pdf(e), -9, 9, epsabs=1e-12, limit=200)[0])


def reached(milestone: law.Milestone, day: float) -> float:
    odds, log_days = milestone.log_odds[CELL], milestone.log_days[CELL]

    def given(e: float) -> float:
        time = stats.lognorm(s=law.SPREAD, scale=np.exp(log_days - law.SPEED_PULL * e))
        return float(stats.logistic.cdf(odds + law.ODDS_PULL * e) * time.cdf(day))

    return over_engagement(given)


def test_activation_equals_quadrature_of_scipy() -> None:
    assert law.activation(LEVEL, 7)[CELL] == pytest.approx(reached(LEVEL.project, 7), abs=1e-9)


def test_restricted_mean_equals_the_area_under_scipys_survival() -> None:
    area = sum(1 - reached(LEVEL.first_value, day) for day in range(14))
    assert law.restricted_mean(LEVEL, 14)[CELL] == pytest.approx(area, abs=1e-8)


def test_retention_equals_quadrature_of_scipys_poisson() -> None:
    def given(e: float) -> float:
        rate = LEVEL.rate[CELL] * np.exp(law.FRAILTY * e - law.FRAILTY**2 / 2) * 8**-law.FADING
        return float(stats.poisson.sf(0, rate))

    assert law.retention(LEVEL, 7)[CELL] == pytest.approx(over_engagement(given), abs=1e-9)


def test_sessions_equal_rate_times_the_generalised_harmonic_number() -> None:
    harmonic = sum(day**-law.FADING for day in range(1, 15))
    assert law.sessions(LEVEL, 14)[CELL] == pytest.approx(LEVEL.rate[CELL] * harmonic, rel=1e-12)


def test_revenue_equals_scipys_limited_expectation() -> None:
    value = stats.lognorm(s=law.VALUE_SPREAD, scale=np.exp(LEVEL.log_value[CELL]))
    limited = integrate.quad(value.sf, 0, 500, epsabs=1e-12, limit=200)[0]
    assert law.revenue(LEVEL, 14, 500.0)[CELL] == pytest.approx(reached(LEVEL.purchase, 14) * limited, rel=1e-9)


def test_levels_of_an_effect_for_one_plan_leave_the_other_plans_alone() -> None:
    usual, treated = levels(law.NO_EFFECT), levels(Effect(project_odds=0.5, plans=("team",)))
    moved = (treated.project.log_odds - usual.project.log_odds).tolist()
    assert moved == [[0, 0], [pytest.approx(0.5)] * 2, [0, 0]]


def test_shares_add_to_one() -> None:
    for shares in (law.PLAN_SHARES, law.DEVICE_SHARES, law.REGION_SHARES):
        assert shares.sum() == pytest.approx(1)


def test_stack_keeps_each_level_at_its_place() -> None:
    both: Levels = law.stack([levels(law.NO_EFFECT), LEVEL])
    assert np.array_equal(both.rate[1], LEVEL.rate)
    assert np.array_equal(both.purchase.log_days[1], LEVEL.purchase.log_days)
