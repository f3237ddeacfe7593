"""Looks with more, less or no new information, against scipy's multivariate normal and simulated paths."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import multivariate_normal, norm

from stats.arrays import Array
from stats.sequential import group_sequential
from stats.sequential.adjusted import after
from stats.sequential.group_sequential import Spending, obrien_fleming, pocock
from stats.sequential.unplanned import Timing, boundaries

PLANNED = 100.0


def staying_inside(bars: Array, information: Array) -> float:
    correlation = np.sqrt(np.minimum.outer(information, information) / np.maximum.outer(information, information))
    return float(multivariate_normal(np.zeros(bars.size), correlation, seed=1).cdf(bars, lower_limit=-bars))


@pytest.mark.parametrize("spending", [obrien_fleming, pocock])
@pytest.mark.parametrize(
    ("information", "ended"),
    [([30.0, 60.0, 80.0], True), ([30.0, 60.0, 100.0], False), ([30.0, 60.0, 140.0], False), ([55.0, 56.0], True)],
    ids=["underrun", "as planned", "overrun", "hardly any more"],
)
def test_the_last_look_spends_all_of_alpha_whatever_its_information(
    information: list[float], ended: bool, spending: Spending
) -> None:
    taken = boundaries(information, planned=PLANNED, alpha=0.05, ended=ended, spending=spending)
    assert staying_inside(taken.boundaries, np.array(information)) == pytest.approx(0.95, abs=3e-5)
    assert taken.timing[-1] is Timing.LAST
    assert taken.fractions[-1] == 1


def test_an_experiment_that_goes_on_has_spent_only_its_share() -> None:
    taken = boundaries([30.0, 80.0], planned=PLANNED, alpha=0.05)
    spent = 2 * obrien_fleming(0.8, 0.025)
    assert staying_inside(taken.boundaries, np.array([30.0, 80.0])) == pytest.approx(1 - spent, abs=3e-5)
    assert taken.timing == (Timing.WITHIN, Timing.WITHIN)


def test_an_underrun_has_a_lower_bar_than_the_same_look_on_the_way() -> None:
    on_the_way, ending = (boundaries([30.0, 80.0], planned=PLANNED, alpha=0.05, ended=end) for end in (False, True))
    assert ending.boundaries[0] == on_the_way.boundaries[0]
    assert ending.boundaries[1] < on_the_way.boundaries[1]


def test_looks_after_an_overrun_have_no_bar() -> None:
    taken = boundaries([60.0, 130.0, 150.0, 140.0], planned=PLANNED, alpha=0.05)
    assert taken.timing == (Timing.WITHIN, Timing.LAST, Timing.BEYOND, Timing.BEYOND)
    assert np.isinf(taken.boundaries[2:]).all()
    assert taken.judged.tolist() == [True, True, False, False]


@pytest.mark.parametrize("backward", [35.0, 40.0, 40.03])
def test_a_look_without_new_information_is_not_judged_and_changes_no_other(backward: float) -> None:
    taken = boundaries([40.0, backward, 80.0, 100.0], planned=PLANNED, alpha=0.05)
    without = boundaries([40.0, 80.0, 100.0], planned=PLANNED, alpha=0.05)
    assert taken.timing[1] is Timing.BACKWARD
    assert np.isinf(taken.boundaries[1])
    assert_allclose(taken.boundaries[[0, 2, 3]], without.boundaries)


def test_a_look_is_backward_to_the_most_there_was_and_not_to_the_one_before() -> None:
    taken = boundaries([40.0, 60.0, 30.0, 50.0, 70.0], planned=PLANNED, alpha=0.05)
    assert taken.timing == (Timing.WITHIN, Timing.WITHIN, Timing.BACKWARD, Timing.BACKWARD, Timing.WITHIN)


def test_the_last_look_may_bring_nothing_new_but_may_not_fall_below() -> None:
    same, less = (boundaries([40.0, 80.0, last], planned=PLANNED, alpha=0.05, ended=True) for last in (80.0, 70.0))
    assert same.timing[-1] is Timing.LAST
    assert same.boundaries[2] < same.boundaries[1]
    assert less.timing[-1] is Timing.BACKWARD
    assert np.isinf(less.boundaries[2])
    assert less.boundaries[1] == same.boundaries[1]  # no second try for a look whose result is known


def test_regular_looks_have_the_planned_boundaries() -> None:
    information = np.array([20.0, 50.0, 100.0])
    ours = boundaries(information, planned=PLANNED, alpha=0.05).boundaries
    assert_allclose(ours, group_sequential.boundaries(information / PLANNED, alpha=0.05))


def test_data_after_a_crossing_replace_its_look_and_keep_the_coverage() -> None:
    # Whitehead (1992): the crossing look is deleted, and the data that still came in stand in its place.
    looks, drift, later, runs = np.array([0.5, 1.0]), 2.5, 0.15, 160
    bars = group_sequential.boundaries(looks, alpha=0.1, spending=pocock)
    rng = np.random.default_rng(72)
    covered, called = 0, 0
    for _ in range(runs):
        first = rng.normal(drift * 0.5, np.sqrt(0.5))
        if abs(first) / np.sqrt(0.5) >= bars[0]:
            total = first + rng.normal(drift * later, np.sqrt(later))
            answer = after(bars[:1], [0.5 + later], float(total / np.sqrt(0.5 + later)), alpha=0.1)
        else:
            total = first + rng.normal(drift * 0.5, np.sqrt(0.5))
            answer = after(bars, looks, float(total), alpha=0.1)
        covered += answer.interval.lower <= drift <= answer.interval.upper
        called += answer.p_value <= 0.1
    assert covered / runs > 0.9 - 3 * np.sqrt(0.09 / runs)
    assert called / runs > norm.sf(norm.isf(0.05) - drift) - 0.1


def test_every_timing_has_its_sentence() -> None:
    assert len({timing.sentence for timing in Timing}) == 4


@pytest.mark.parametrize(
    "ask",
    [
        lambda: boundaries([], planned=1.0, alpha=0.05),
        lambda: boundaries([0.0, 1.0], planned=1.0, alpha=0.05),
        lambda: boundaries([0.5, np.nan], planned=1.0, alpha=0.05),
        lambda: boundaries([0.5, np.inf], planned=1.0, alpha=0.05),
        lambda: boundaries([0.5], planned=0.0, alpha=0.05),
        lambda: boundaries([0.5], planned=1.0, alpha=0.0),
    ],
)
def test_information_that_is_none_is_refused(ask: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"finite and above zero|alpha"):
        ask()
