"""Two-sided designs with an inner wedge, against scipy's multivariate normal and simulated paths."""

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.stats import multivariate_normal, norm

from stats.arrays import Array
from stats.sequential import stopping
from stats.sequential.group_sequential import boundaries, hwang_shih_decani, pocock
from stats.sequential.wedge import Wedge, two_sided
from tests.stats.drawing import few

LOOKS = np.array([0.3, 0.6, 1.0])
BINDING = [False, True]


def uneven(*, binding: bool) -> Wedge:
    late, even = hwang_shih_decani(-4), hwang_shih_decani(-1)
    return two_sided(LOOKS, alpha=0.05, beta=0.1, spending=late, futility=even, binding=binding)


def by_rectangles(design: Wedge, drift: float) -> Array:
    """The probabilities of `crossing`: a path goes on below or above the wedge, so sum over all such ways."""
    times = design.information
    correlation = np.sqrt(np.minimum.outer(times, times) / np.maximum.outer(times, times))
    found = np.zeros((3, times.size))
    for look, high, low in zip(range(times.size), design.upper, design.inner, strict=True):
        ends = [(high, 12.0), (-12.0, -high), (-low, low)]
        for outcome, way in product(range(3), product((-1, 1), repeat=look)):
            sides = [
                (inner, upper) if side > 0 else (-upper, -inner)
                for side, inner, upper in zip(way, design.inner, design.upper, strict=False)
            ]
            lower, upper = np.array([*sides, ends[outcome]]).T
            law = multivariate_normal(drift * np.sqrt(times[: look + 1]), correlation[: look + 1, : look + 1])
            found[outcome, look] += law.cdf(upper, lower_limit=lower)
    return found


@pytest.mark.parametrize("binding", BINDING)
@pytest.mark.parametrize("drift", [0.0, 1.5, -3.3])
def test_crossing_a_wedge_equals_the_multivariate_normal(binding: bool, drift: float) -> None:
    design = uneven(binding=binding)
    assert_allclose(design.crossing(drift), by_rectangles(design, drift), atol=2e-5)
    assert design.crossing(drift).sum() == pytest.approx(1.0, abs=1e-9)


def test_power_and_expected_information_of_a_wedge_are_those_of_simulated_paths() -> None:
    design, runs = uneven(binding=False), 60_000
    drift = 2.4
    steps = np.diff(LOOKS, prepend=0.0)
    sums = (np.random.default_rng(71).normal(size=(runs, 3)) * np.sqrt(steps) + drift * steps).cumsum(axis=1)
    z = sums / np.sqrt(LOOKS)
    stopped = (np.abs(z) >= design.upper) | (np.abs(z) <= design.inner)
    last = stopped.argmax(axis=1)
    assert stopped[:, -1].all()
    up = z[np.arange(runs), last] >= design.upper[last]
    assert up.mean() == pytest.approx(design.power(drift), abs=4 * np.sqrt(0.25 / runs))
    assert LOOKS[last].mean() == pytest.approx(design.expected_information(drift), abs=4 * 0.3 / np.sqrt(runs))


@few
@given(
    st.lists(st.integers(5, 60), min_size=1, max_size=2, unique=True),
    st.floats(0.02, 0.4),
    st.floats(0.01, 0.2),
    st.booleans(),
)
def test_a_wedge_spends_both_errors_as_told(times: list[int], beta: float, alpha: float, binding: bool) -> None:
    clock = np.sort(times) / max(times)
    design = two_sided(clock, alpha=alpha, beta=beta, futility=pocock, binding=binding)
    drift = design.drift_for(1 - beta)
    assert design.power(drift) == pytest.approx(1 - beta, abs=1e-8)
    unless_the_bars_meet = design.inner[:-1] < design.upper[:-1]
    given_up = design.crossing(drift)[2, :-1].cumsum()
    planned = pocock(clock, beta)[:-1]
    assert_allclose(given_up[unless_the_bars_meet], planned[unless_the_bars_meet], atol=1e-8)
    called = design.crossing(0.0)[:2].sum()
    assert called == pytest.approx(alpha, abs=1e-8) if binding else called <= alpha + 1e-9


def test_a_wedge_that_does_not_bind_leaves_the_bars_of_the_plain_test() -> None:
    free, bound = uneven(binding=False), uneven(binding=True)
    assert_allclose(free.upper, boundaries(LOOKS, alpha=0.05, spending=hwang_shih_decani(-4)), atol=1e-9)
    assert bound.upper[0] == pytest.approx(free.upper[0])
    assert (bound.upper[1:] < free.upper[1:]).all()
    assert bound.drift_for(0.9) < free.drift_for(0.9)
    ignored = Wedge(information=LOOKS, upper=bound.upper, inner=np.zeros(3))
    assert ignored.crossing(0.0)[:2].sum() > 0.0505  # what going on in spite of a binding wedge would cost


def test_a_wedge_of_no_width_is_the_plain_two_sided_test() -> None:
    plain = stopping.two_sided(LOOKS, alpha=0.05)
    open_inside = Wedge(information=LOOKS, upper=plain.upper, inner=np.zeros(3))
    assert_allclose(open_inside.crossing(1.7)[:2], plain.crossing(1.7), atol=1e-12)
    assert open_inside.drift_for(0.8) == pytest.approx(plain.drift_for(0.8), abs=1e-8)
    assert open_inside.expected_information(2.0) == pytest.approx(plain.expected_information(2.0))


def test_one_look_is_the_test_without_looks() -> None:
    design = two_sided([1.0], alpha=0.05, beta=0.2)
    assert_allclose((design.upper, design.inner), norm.isf(0.025))
    assert design.drift_for(0.8) == pytest.approx(norm.isf(0.025) + norm.isf(0.2), abs=1e-8)


def test_nothing_is_found_sooner_with_a_wedge() -> None:
    design = uneven(binding=False)
    plain = stopping.two_sided(LOOKS, alpha=0.05, spending=hwang_shih_decani(-4))
    assert design.expected_information(0.0) < 0.75
    assert plain.expected_information(0.0) > 0.99
    assert design.drift_for(0.9) < 1.07 * plain.drift_for(0.9)


@pytest.mark.parametrize("drift", [-60.0, 60.0])
def test_a_huge_difference_is_found_at_the_first_look(drift: float) -> None:
    assert uneven(binding=False).crossing(drift)[0 if drift > 0 else 1, 0] == pytest.approx(1.0)


def test_paths_beyond_a_wedge_that_they_never_meet_all_go_on() -> None:
    design = Wedge(information=np.array([0.5, 1.0]), upper=np.array([np.inf, 2.0]), inner=np.array([0.5, 2.0]))
    assert design.crossing(40.0)[0] == pytest.approx([0.0, 1.0])


@pytest.mark.parametrize(
    "ask",
    [
        lambda: two_sided([0.5, 0.9], alpha=0.05, beta=0.2),
        lambda: two_sided([0.5, 1.0], alpha=0.05, beta=0.0),
        lambda: two_sided([0.5, 1.0], alpha=0.5, beta=0.75),
        lambda: two_sided([0.5, 1.0], alpha=1.0, beta=0.2),
        lambda: two_sided([1.0, 0.5], alpha=0.05, beta=0.2),
        lambda: Wedge(information=np.ones(2), upper=np.ones(3), inner=np.zeros(3)),
        lambda: Wedge(information=np.ones(1), upper=np.ones(1), inner=np.full(1, 2.0)),
        lambda: Wedge(information=np.ones(1), upper=np.ones(1), inner=np.full(1, -0.1)),
        lambda: two_sided([1.0], alpha=0.05, beta=0.2).drift_for(0.0),
    ],
)
def test_wedges_without_a_meaning_are_refused(ask: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"planned to its end|alpha|grow|each look|lies between"):
        ask()
