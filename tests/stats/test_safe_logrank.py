"""The safe log-rank test against scipy's hypergeometric distributions, and on 28 daily looks with staggered entry."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.stats import hypergeom, nchypergeom_fisher

from stats.arrays import Array, Mask
from stats.sequential import confidence_sequence as kernel
from stats.sequential.safe_logrank import log_e_value, one_sided_log_e_value
from stats.sequential.staggered import Cohorts, log_rank_by_day, log_rank_evidence
from tests.stats.drawing import few
from tests.stats.expansion import draw_cohorts
from tests.stats.staggering import DAYS, EVEN, FADING, cohorts_of, two_arms

ALPHA = 0.05
TURNING: Array = EVEN * (1.0 + np.sin(np.add.outer(np.arange(DAYS), np.arange(DAYS)) / 4))  # with the calendar


def one_cell(at_risk: tuple[int, int], events: tuple[int, int]) -> tuple[Cohorts, Cohorts]:
    arms = [
        Cohorts(entered=np.full(1, float(n)), events=np.full((1, 1), float(d)), losses=np.zeros(1))
        for n, d in zip(at_risk, events, strict=True)
    ]
    return arms[0], arms[1]


def ever(log_e: Array) -> Mask:
    return np.asarray(np.nan_to_num(log_e, nan=0.0).max(axis=-1) >= -np.log(ALPHA))


def at_most(rate: float, found: Mask) -> bool:
    return bool(found.mean() <= rate + 3 * np.sqrt(rate * (1 - rate) / found.size))


@few
@given(st.integers(1, 60), st.integers(1, 60), st.floats(0.2, 5), st.data())
def test_a_cell_is_the_ratio_of_scipys_hypergeometric_probabilities(
    control: int, treatment: int, ratio: float, data: st.DataObject
) -> None:
    won, gained = data.draw(st.integers(0, control)), data.draw(st.integers(0, treatment))
    both, events = control + treatment, won + gained
    theirs = nchypergeom_fisher.logpmf(gained, both, treatment, events, ratio)
    theirs -= hypergeom.logpmf(gained, both, treatment, events)
    if ratio != 1:
        ours = one_sided_log_e_value(*one_cell((control, treatment), (won, gained)), hazard_ratio=ratio, days=1)
        assert_allclose(ours, theirs, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("ratio", [0.4, 3.0])
@pytest.mark.parametrize(("at_risk", "events"), [((7, 4), 5), ((3, 9), 1), ((2, 2), 4), ((30, 20), 12)])
def test_a_cells_evidence_is_one_on_average(ratio: float, at_risk: tuple[int, int], events: int) -> None:
    control, treatment = at_risk
    mean = 0.0
    for gained in range(max(0, events - control), min(events, treatment) + 1):
        arms = one_cell(at_risk, (events - gained, gained))
        chance = hypergeom.pmf(gained, control + treatment, treatment, events)
        mean += chance * np.exp(log_e_value(*arms, hazard_ratio=ratio, days=1)[0])
    assert mean == pytest.approx(1, abs=1e-10)


def test_evidence_of_a_day_is_the_sum_over_the_cells_known_by_then() -> None:
    drawn = [draw_cohorts(seed, size=9) for seed in (5, 6)]
    arms = [cohorts_of(one) for one in drawn]
    ours = one_sided_log_e_value(arms[0], arms[1], hazard_ratio=1.5, days=15)
    for day in (1, 8, 15):
        total = 0.0
        for c, j in ((c, j) for c in range(15) for j in range(15) if c + j < day):
            y0, y1 = arms[0].at_risk[c, j], arms[1].at_risk[c, j]
            d0, d1 = arms[0].events[c, j], arms[1].events[c, j]
            if d0 + d1 == 0:
                continue  # scipy has no answer for a draw of nothing
            total += nchypergeom_fisher.logpmf(d1, y0 + y1, y1, d0 + d1, 1.5)
            total -= hypergeom.logpmf(d1, y0 + y1, y1, d0 + d1)
        assert ours[day - 1] == pytest.approx(total, abs=1e-8)


def test_two_sided_is_the_mean_of_both_directions_and_blind_to_which_arm_is_which() -> None:
    arms = two_arms(71, 4, 9, FADING, ratio=1.5)
    both = np.exp(log_e_value(*arms, hazard_ratio=1.5, days=DAYS))
    sides = [np.exp(one_sided_log_e_value(*arms, hazard_ratio=ratio, days=DAYS)) for ratio in (1.5, 1 / 1.5)]
    assert_allclose(both, (sides[0] + sides[1]) / 2, rtol=1e-9)
    assert_allclose(both, np.exp(log_e_value(arms[1], arms[0], hazard_ratio=1 / 1.5, days=DAYS)), rtol=1e-9)


def test_events_that_could_fall_to_one_arm_only_say_nothing() -> None:
    assert log_e_value(*one_cell((0, 9), (0, 4)), hazard_ratio=2.0, days=2).tolist() == [0, 0]
    assert log_e_value(*one_cell((9, 9), (0, 0)), hazard_ratio=2.0, days=2).tolist() == [0, 0]
    assert_allclose(log_e_value(*one_cell((9, 9), (9, 9)), hazard_ratio=2.0, days=1), 0, atol=1e-12)


def test_thousands_of_events_in_a_cell_stay_finite() -> None:
    log_e = log_e_value(*one_cell((50_000, 40_000), (2_000, 2_500)), hazard_ratio=1.5, days=1)
    assert np.isfinite(log_e).all()
    assert log_e[0] > 50


@pytest.mark.parametrize("hazard", [FADING, TURNING])
@pytest.mark.parametrize("daily", [1, 5])
def test_equal_hazards_are_rarely_called_different_at_any_daily_look(hazard: Array, daily: int) -> None:
    log_e = log_e_value(*two_arms(72, 2000, daily, hazard), hazard_ratio=1.7, days=DAYS)
    assert at_most(ALPHA, ever(log_e))


def test_the_wrong_side_is_rarely_found() -> None:
    arms = two_arms(73, 1000, 5, FADING, ratio=0.8)
    assert at_most(ALPHA, ever(one_sided_log_e_value(*arms, hazard_ratio=1.5, days=DAYS)))


def test_different_hazards_are_found_about_as_often_as_by_the_kernel() -> None:
    arms = two_arms(74, 600, 10, FADING, ratio=1.7)
    exact = ever(log_e_value(*arms, hazard_ratio=1.7, days=DAYS)).mean()
    score = log_rank_by_day(*arms, days=DAYS, strata=range(DAYS))
    tau2 = kernel.mixture_variance(1 / score.variance[:, -1].mean(), ALPHA)
    assert exact > 0.75
    assert exact > ever(log_rank_evidence(score, tau2=tau2)).mean() - 0.05


@pytest.mark.parametrize(
    "ask",
    [
        lambda: log_e_value(*one_cell((2, 2), (1, 1)), hazard_ratio=1.0, days=1),
        lambda: log_e_value(*one_cell((2, 2), (1, 1)), hazard_ratio=-2.0, days=1),
        lambda: one_sided_log_e_value(*one_cell((2, 2), (1, 1)), hazard_ratio=float("nan"), days=1),
    ],
)
def test_ratios_without_a_meaning_are_refused(ask: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match="hazard ratio"):
        ask()
