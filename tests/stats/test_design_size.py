"""What looks cost and save, against the classical tables, scipy's multivariate normal and simulated paths."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import brentq
from scipy.stats import multivariate_normal, norm

from stats.arrays import Array
from stats.design import size
from stats.sequential import stopping, wedge
from stats.sequential.group_sequential import Spending, boundaries, hwang_shih_decani, inflation, obrien_fleming, pocock

UNEVEN = np.array([0.15, 0.5, 0.65, 1.0])


def classical(looks: int, constant: float, slope: float) -> stopping.Design:
    information = np.arange(1, looks + 1) / looks
    bars = constant * information**-slope
    return stopping.Design(information=information, upper=bars, lower=-bars)


@pytest.mark.parametrize(
    ("looks", "power", "constant", "slope", "published"),
    [
        (3, 0.8, 2.004, 0.5, 1.017),
        (5, 0.9, 2.040, 0.5, 1.026),
        (2, 0.8, 2.178, 0.0, 1.110),
        (5, 0.9, 2.413, 0.0, 1.207),
    ],
)
def test_classical_designs_have_the_inflation_of_the_tables(
    looks: int, power: float, constant: float, slope: float, published: float
) -> None:
    # Jennison & Turnbull (2000), tables 2.2 and 2.4; constants of their tables 2.1 and 2.3.
    found = size.of(classical(looks, constant, slope), alpha=0.05, power=power)
    assert found.largest == pytest.approx(published, abs=6e-4)


@pytest.mark.parametrize(("constant", "slope", "published"), [(2.040, 0.5, 0.750), (2.413, 0.0, 0.685)])
def test_classical_designs_of_five_looks_end_on_average_where_the_table_says(
    constant: float, slope: float, published: float
) -> None:
    # Jennison & Turnbull (2000), table 2.7: expected sample size at the planned difference, power 0.9.
    assert size.of(classical(5, constant, slope), alpha=0.05, power=0.9).under_planned == pytest.approx(
        published, abs=6e-4
    )


@pytest.mark.parametrize("spending", [obrien_fleming, pocock, hwang_shih_decani(-2)])
def test_inflation_of_uneven_looks_equals_brentq_over_the_multivariate_normal(spending: Spending) -> None:
    bars = boundaries(UNEVEN, alpha=0.05, spending=spending)
    correlation = np.sqrt(np.minimum.outer(UNEVEN, UNEVEN) / np.maximum.outer(UNEVEN, UNEVEN))

    def missed(drift: float) -> float:
        law = multivariate_normal(drift * np.sqrt(UNEVEN), correlation, seed=1, abseps=1e-6)
        downwards = norm.cdf(-bars[0] - drift * np.sqrt(UNEVEN[0]))  # later it is too rare to count
        return float(law.cdf(bars, lower_limit=-bars) + downwards - 0.2)

    fixed = norm.isf(0.025) + norm.isf(0.2)
    theirs = (brentq(missed, 2.5, 3.5, xtol=1e-6) / fixed) ** 2
    assert inflation(UNEVEN, alpha=0.05, power=0.8, spending=spending) == pytest.approx(theirs, abs=2e-4)
    design = stopping.two_sided(UNEVEN, alpha=0.05, spending=spending)
    assert size.of(design, alpha=0.05, power=0.8).largest == pytest.approx(theirs, abs=2e-4)


def ended(upper: Array, lower: Array, inner: Array, drift: float, runs: int) -> Array:
    """Where each of many simulated paths stops, as a fraction."""
    steps = np.diff(UNEVEN, prepend=0.0)
    sums = (np.random.default_rng(74).normal(size=(runs, UNEVEN.size)) * np.sqrt(steps) + drift * steps).cumsum(axis=1)
    z = sums / np.sqrt(UNEVEN)
    stopped = (z >= upper) | (z <= lower) | (np.abs(z) <= inner)
    return np.where(stopped.any(axis=1), UNEVEN[stopped.argmax(axis=1)], 1.0)


@pytest.mark.parametrize("truth", [0.0, 0.5, 1.0])
def test_average_numbers_of_three_kinds_of_design_are_those_of_simulated_paths(truth: float) -> None:
    runs, none = 40_000, np.full(UNEVEN.size, -1.0)
    both = stopping.two_sided(UNEVEN, alpha=0.05, spending=pocock)
    one = stopping.with_futility(UNEVEN, alpha=0.025, beta=0.2)
    inside = wedge.two_sided(UNEVEN, alpha=0.05, beta=0.2)
    for design, upper, lower, inner, sides in (
        (both, both.upper, both.lower, none, 2),
        (one, one.upper, one.lower, none, 1),
        (inside, inside.upper, -inside.upper, inside.inner, 2),
    ):
        fixed = norm.isf(0.025) + norm.isf(0.2)
        drift = design.drift_for(0.8)
        times = ended(upper, lower, inner, truth * drift, runs) * (drift / fixed) ** 2
        ours = size.average(design, [truth], alpha=0.025 * sides, power=0.8, sides=sides)
        assert ours[0] == pytest.approx(times.mean(), abs=4 * times.std() / np.sqrt(runs))


def test_the_unit_of_information_does_not_matter() -> None:
    shares = stopping.two_sided(UNEVEN, alpha=0.05)
    units = stopping.two_sided(UNEVEN, alpha=0.05, information=UNEVEN * 5e4)
    ours, theirs = (size.of(design, alpha=0.05, power=0.8) for design in (shares, units))
    assert_allclose(
        (ours.largest, ours.under_null, ours.under_planned),
        (theirs.largest, theirs.under_null, theirs.under_planned),
        rtol=1e-7,
    )


def test_one_look_has_the_size_of_a_test_with_one_look() -> None:
    found = size.of(stopping.two_sided([1.0], alpha=0.05), alpha=0.05, power=0.8)
    assert_allclose((found.largest, found.under_null, found.under_planned), 1.0, rtol=1e-8)
    assert inflation([1.0], alpha=0.05, power=0.8) == pytest.approx(1.0, rel=1e-9)


@pytest.mark.parametrize(
    "ask",
    [
        lambda: inflation([0.5, 0.9], alpha=0.05, power=0.8),
        lambda: inflation([0.5, 0.4, 1.0], alpha=0.05, power=0.8),
        lambda: inflation(0, alpha=0.05, power=0.8),
        lambda: size.of(stopping.two_sided([1.0], alpha=0.05), alpha=0.05, power=0.02),
    ],
)
def test_sizes_without_a_meaning_are_refused(ask: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"end at|grow|power"):
        ask()
