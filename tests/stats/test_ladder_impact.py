"""What shipped changes are worth, against plain arithmetic, other formulas and simulation."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import norm

from stats import meta
from stats.ladder.carry import Carried, Change
from stats.ladder.elasticity import Elasticity, NotIdentified, Obstacle, Source
from stats.ladder.impact import (
    CONDITIONAL,
    EMPIRICAL_BAYES,
    Shipped,
    Worth,
    covered,
    cumulated,
    mixed,
    shrunk,
    worth,
)
from stats.ladder.links import Link
from stats.shrinkage import given_significance

SEEN = np.array([0.08, 0.01, -0.02, 0.03, 0.00, 0.05, -0.01, 0.02, 0.04, -0.03])
LINK = Link(
    leading="activation",
    lagging="revenue",
    elasticity=Elasticity.of(0.5, 0.1, source=Source.EXPERIMENTS, alpha=0.05),
)


def test_effects_of_equal_error_are_shrunk_as_james_and_stein() -> None:
    # Equal variances: REML's spread is the variance of the effects less that of chance, and the pull Lindley's form of
    # James & Stein, (k - 3) V / sum of squares; Morris (1983) gives the variances.
    v, k = 0.02**2, SEEN.size
    squares = np.square(SEEN - SEEN.mean()).sum()
    pull = (k - 3) * v / squares
    found = shrunk(SEEN, 0.02, alpha=0.05)
    assert_allclose(found.lift, SEEN - pull * (SEEN - SEEN.mean()), rtol=1e-6)
    variance = v * (1 - (k - 1) / k * pull) + 2 / (k - 3) * pull**2 * np.square(SEEN - SEEN.mean())
    assert_allclose(np.square(found.standard_error), variance, rtol=1e-6)
    assert_allclose(found.upper - found.lower, 2 * norm.ppf(0.975) * found.standard_error)
    assert found.method == EMPIRICAL_BAYES


def test_effects_that_spread_no_more_than_chance_are_all_near_their_mean() -> None:
    found = shrunk(SEEN, 0.1, alpha=0.05)
    assert float(meta.restricted_likelihood(SEEN, 0.01)) == 0
    assert_allclose(found.lift, SEEN - 7 / 9 * (SEEN - SEEN.mean()), rtol=1e-9)


def test_what_is_known_less_is_pulled_more() -> None:
    errors = np.where(np.arange(10) == 0, 0.06, 0.02)
    found, even = shrunk(SEEN, errors, alpha=0.05), shrunk(SEEN, 0.02, alpha=0.05)
    assert found.lift[0] < even.lift[0] < 0.08
    assert found.standard_error[0] > even.standard_error[0]


def test_with_few_experiments_only_what_was_selected_is_corrected() -> None:
    found = shrunk([0.05, 0.01], 0.02, alpha=0.05)
    expected = given_significance(0.05, 0.0004, bar=norm.ppf(0.975), alpha=0.05)
    assert_allclose(
        [found.lift[0], found.lower[0], found.upper[0]], [expected.estimate, expected.lower, expected.upper]
    )
    half = norm.ppf(0.975) * 0.02
    assert_allclose([found.lift[1], found.lower[1], found.upper[1]], [0.01, 0.01 - half, 0.01 + half])
    assert_allclose(found.standard_error[1], 0.02)
    assert found.method == CONDITIONAL
    assert shrunk([0.05], 0.02, alpha=0.05, bar=2.6).lift[0] == 0.05  # not selected by that bar


@pytest.mark.parametrize(("lifts", "errors"), [([0.1, np.nan], 0.1), ([0.1, 0.2], 0.0), (0.1, 0.1)])
def test_effects_that_cannot_be_are_refused(lifts: Any, errors: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        shrunk(lifts, errors, alpha=0.05)


@pytest.mark.parametrize(("coverage", "relative"), [(0.3, 1.0), (0.5, 1.4), (1.0, 1.0), (0.0, 1.0)])
def test_coverage_is_the_mean_over_those_with_and_without(coverage: float, relative: float) -> None:
    found = covered(Change.of("activation", 0.2, 0.01), coverage, relative_level=relative)
    level = 0.4
    with_it = coverage * relative * level * (np.exp(0.2) - 1) + level
    assert_allclose(found.lifts[0], np.log(with_it / level), rtol=1e-12, atol=1e-15)
    nudged = covered(Change.of("activation", 0.2 + 1e-6, 0.01), coverage, relative_level=relative)
    expected = (nudged.lifts[0] - found.lifts[0]) / 1e-6 * 0.01
    assert_allclose(found.covariance[0, 0] ** 0.5, expected, rtol=1e-4, atol=1e-12)


def test_mix_of_segments_is_the_mean_over_their_units() -> None:
    lifts, levels, shares = np.array([0.1, -0.05, 0.3]), np.array([0.5, 0.2, 0.1]), np.array([0.2, 0.5, 0.3])
    found = mixed("activation", lifts, 0.02, shares=shares, levels=levels)
    before, after = (shares * levels).sum(), (shares * levels * np.exp(lifts)).sum()
    assert_allclose(found.lifts[0], np.log(after / before), rtol=1e-12)
    draws = np.random.default_rng(4).normal(lifts, 0.02, (200_000, 3))
    spread = np.log((shares * levels * np.exp(draws)).sum(axis=-1) / before).std()
    assert_allclose(found.covariance[0, 0] ** 0.5, spread, rtol=0.01)
    assert_allclose(mixed("a", [0.1, 0.1], 0.02, shares=[0.4, 0.6]).lifts, 0.1)


@pytest.mark.parametrize("shares", [[0.5, 0.6], [1.5, -0.5]])
def test_shares_that_are_none_are_refused(shares: list[float]) -> None:
    with pytest.raises(ValueError, match="add up to 1"):
        mixed("activation", [0.1, 0.1], 0.02, shares=shares)


def test_coverage_beyond_everybody_is_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        covered(Change.of("activation", 0.2, 0.01), 1.2)


def shipped(*lifts: float, coverage: float = 1.0, cost: float = 0.0) -> list[Shipped]:
    return [Shipped(change=Change.of("activation", lift, 0.02), coverage=coverage, cost=cost) for lift in lifts]


def test_lifts_at_the_top_multiply_and_the_error_of_a_link_is_common() -> None:
    found = cumulated(shipped(0.1, 0.05, 0.08), [LINK], top="revenue", alpha=0.05)
    each = [part for part in found.each if isinstance(part, Carried)]
    assert isinstance(found.together, Carried)
    assert_allclose(1 + found.together.lift, np.prod([1 + part.lift for part in each]), rtol=1e-12)
    assert_allclose(found.together.standard_error_of_links, 0.1 * (0.1 + 0.05 + 0.08), rtol=1e-12)
    independent = np.linalg.norm([part.standard_error for part in each])
    assert found.together.standard_error > 1.2 * independent


def test_change_without_a_way_to_the_top_leaves_the_whole_unknown() -> None:
    other = Shipped(change=Change.of("elsewhere", 0.1, 0.02))
    found = cumulated([*shipped(0.1), other], [LINK], top="revenue", alpha=0.05)
    assert found.together == NotIdentified(obstacle=Obstacle.NO_PATH)
    assert isinstance(found.each[0], Carried)
    assert found.each[1] == found.together


def value(changes: list[Shipped], **other: Any) -> Worth:
    given: dict[str, Any] = {"level": 40.0, "level_error": 0.0, "units": 1000.0, "alpha": 0.05} | other
    found = worth(changes, [LINK], top="revenue", **given)
    assert isinstance(found, Worth)
    return found


def test_worth_is_the_lift_in_money_less_what_it_costs() -> None:
    changes = shipped(0.1, 0.05, coverage=0.5, cost=0.25)
    found, effect = value(changes), cumulated(changes, [LINK], top="revenue", alpha=0.05).together
    assert isinstance(effect, Carried)
    assert_allclose(found.gain, 40_000 * effect.lift, rtol=1e-12)
    assert_allclose(found.cost, 1000 * 2 * 0.5 * 0.25)
    assert_allclose(found.net, found.gain - 250)
    limits = [40_000 * effect.lift_interval.lower - 250, 40_000 * effect.lift_interval.upper - 250]
    assert_allclose([found.interval.lower, found.interval.upper], limits, rtol=1e-3)


def test_error_of_the_level_widens_what_it_is_worth() -> None:
    draws = np.random.default_rng(2).normal(size=(3, 400_000))
    lift = np.expm1((0.1 + 0.02 * draws[0]) * (0.5 + 0.1 * draws[1]))
    expected = np.quantile(1000 * (40 + 15 * draws[2]) * lift, [0.025, 0.975])
    found = value(shipped(0.1), level_error=15.0)
    assert_allclose([found.interval.lower, found.interval.upper], expected, rtol=0.05)
    assert found.interval.upper > 1.15 * value(shipped(0.1)).interval.upper


def test_worth_without_a_way_or_with_units_below_zero() -> None:
    none = worth(shipped(0.1), [], top="revenue", level=40.0, level_error=0.0, units=10, alpha=0.05)
    assert none == NotIdentified(obstacle=Obstacle.NO_PATH)
    with pytest.raises(ValueError, match="negative"):
        value(shipped(0.1), units=-1.0)
