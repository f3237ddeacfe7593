"""Effects carried up the ladder against matrix algebra, plain arithmetic and simulation."""

from graphlib import CycleError
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import norm, triang

from stats.arrays import Array
from stats.ladder import carry as carrying
from stats.ladder.carry import DISTRIBUTION, NORMAL, Carried, Change, carry
from stats.ladder.elasticity import Elasticity, NotIdentified, Obstacle, Source, assumed
from stats.ladder.links import Link, direct, ordered


def step(leading: str, lagging: str, slope: float, error: float = 0.0, *, is_total: bool = True) -> Link:
    elasticity = Elasticity.of(slope, error, source=Source.EXPERIMENTS, alpha=0.05)
    return Link(leading=leading, lagging=lagging, elasticity=elasticity, is_total=is_total)


def carried(changes: list[Change], links: list[Link], top: str = "top", **other: int) -> Carried:
    found = carry(changes, links, top=top, alpha=0.05, **other)
    assert isinstance(found, Carried)
    return found


DIAMOND = [
    step("base", "left", 0.5, 0.1, is_total=False),
    step("base", "right", 0.3, 0.05, is_total=False),
    step("base", "top", 0.1, 0.05, is_total=False),
    step("left", "right", 0.2, 0.1, is_total=False),
    step("left", "top", 0.4, 0.1, is_total=False),
    step("right", "top", 0.6, 0.1, is_total=False),
]
PLACE = {"base": 0, "left": 1, "right": 2, "top": 3}


def by_matrix(slopes: Array) -> Array:
    """(I - B)^-1 from the base to the top, for slopes (..., links)."""
    b = np.zeros((*slopes.shape[:-1], 4, 4))
    for i, link in enumerate(DIAMOND):
        b[..., PLACE[link.lagging], PLACE[link.leading]] = slopes[..., i]
    return np.asarray(np.linalg.inv(np.eye(4) - b)[..., 3, 0], dtype=np.float64)


SLOPES = np.array([link.elasticity.estimate for link in DIAMOND])
ERRORS = np.array([link.elasticity.standard_error for link in DIAMOND])


def test_paths_through_a_common_kpi_are_those_of_the_inverse_matrix() -> None:
    found = carried([Change.of("base", 0.1, 0.02)], DIAMOND)
    assert_allclose(found.effect, 0.1 * by_matrix(SLOPES), rtol=1e-12)
    assert_allclose(found.effect, 0.1 * (0.1 + 0.5 * 0.4 + 0.3 * 0.6 + 0.5 * 0.2 * 0.6), rtol=1e-12)
    assert len(found.path) == 6


def test_error_is_that_of_the_gradient_of_the_inverse_matrix() -> None:
    found = carried([Change.of("base", 0.1, 0.02)], DIAMOND)
    nudges = 1e-6 * np.eye(6)
    gradient = 0.1 * (by_matrix(SLOPES + nudges) - by_matrix(SLOPES - nudges)) / 2e-6
    assert_allclose(found.standard_error_of_links, np.linalg.norm(gradient * ERRORS), rtol=1e-6)
    assert_allclose(found.standard_error_of_effects, 0.02 * by_matrix(SLOPES), rtol=1e-12)
    whole = np.hypot(found.standard_error_of_effects, found.standard_error_of_links)
    assert_allclose(found.standard_error, whole, rtol=1e-12)


def test_interval_is_the_percentiles_of_another_simulation() -> None:
    found = carried([Change.of("base", 0.1, 0.02)], DIAMOND, draws=100_000)
    draw = np.random.default_rng(77)
    values = draw.normal(0.1, 0.02, 200_000) * by_matrix(draw.normal(SLOPES, ERRORS, (200_000, 6)))
    expected = np.quantile(values, [0.025, 0.975])
    assert_allclose([found.interval.lower, found.interval.upper], expected, atol=0.0006)  # its error is 0.0001
    assert found.method == DISTRIBUTION


def test_totals_and_what_acts_directly_give_the_same() -> None:
    totals = [
        step("base", "left", 0.5),
        step("base", "right", 0.3 + 0.5 * 0.2),
        step("left", "right", 0.2),
        step("left", "top", 0.4 + 0.2 * 0.6),
        step("right", "top", 0.6),
        step("base", "top", float(by_matrix(SLOPES))),
    ]
    acting = {pair: float(value) for pair, value in direct(totals).items()}
    assert acting == pytest.approx({(link.lagging, link.leading): link.elasticity.estimate for link in DIAMOND})


def test_a_total_is_what_it_says_whatever_else_joins_the_pair() -> None:
    links = [step("base", "middle", 0.5, 0.2), step("middle", "top", 0.8, 0.2), step("base", "top", 0.3, 0.1)]
    found = carried([Change.of("base", 0.1, 0.0)], links)
    assert_allclose([found.effect, found.standard_error], [0.03, 0.01], rtol=1e-12)
    assert found.path == (links[2],)


def test_a_kpi_that_was_measured_takes_nothing_from_below() -> None:
    links = [step("base", "middle", 0.5), step("middle", "top", 0.8)]
    change = Change.independent({"base": (0.1, 0.02), "middle": (0.09, 0.03)})
    found = carried([change], links)
    assert_allclose([found.effect, found.standard_error], [0.8 * 0.09, 0.8 * 0.03], rtol=1e-12)
    assert_allclose(carried([change, *[Change.of("base", 0.1, 0.02)]], links).effect, 0.8 * (0.09 + 0.05), rtol=1e-12)


def test_errors_of_one_change_that_go_together_count_together() -> None:
    links = [step("a", "top", 0.5), step("b", "top", 0.5)]
    change = Change(kpis=("a", "b"), lifts=np.array([0.1, 0.2]), covariance=np.array([[0.01, 0.008], [0.008, 0.01]]))
    assert_allclose(carried([change], links).standard_error, 0.5 * (0.02 + 0.016) ** 0.5, rtol=1e-12)


def test_top_that_was_changed_itself_needs_no_link() -> None:
    found = carried([Change.of("top", 0.1, 0.02)], [])
    half = norm.ppf(0.975) * 0.02
    assert_allclose([found.interval.lower, found.interval.upper], [0.1 - half, 0.1 + half])
    assert_allclose([found.lift, found.lift_interval.lower], [np.exp(0.1) - 1, np.exp(0.1 - half) - 1])
    assert (found.method, found.path) == (NORMAL, ())


def test_error_of_a_link_stays_however_many_changes_use_it() -> None:
    link = step("base", "top", 0.5, 0.1)
    many = carried([Change.of("base", 0.01, 0.001)] * 10, [link])
    one = carried([Change.of("base", 0.01, 0.001)], [link])
    assert_allclose(many.standard_error_of_links, 10 * one.standard_error_of_links, rtol=1e-12)
    assert_allclose(many.standard_error_of_effects, 10**0.5 * one.standard_error_of_effects, rtol=1e-12)


def test_assumed_link_is_drawn_from_its_triangle() -> None:
    link = Link(leading="base", lagging="top", elasticity=assumed(0.0, 0.1, 1.0, alpha=0.05))
    found = carried([Change.of("base", 0.1, 0.0)], [link], draws=100_000)
    expected = 0.1 * triang(c=0.1).ppf([0.025, 0.975])
    assert_allclose([found.interval.lower, found.interval.upper], expected, atol=0.0006)
    assert not found.is_estimated


def test_link_from_few_experiments_has_the_tails_of_t() -> None:
    few = Elasticity.of(0.5, 0.1, source=Source.EXPERIMENTS, df=2, alpha=0.05)
    link = Link(leading="base", lagging="top", elasticity=few)
    found = carried([Change.of("base", 0.1, 0.0)], [link], draws=100_000)
    expected = [0.1 * few.interval.lower, 0.1 * few.interval.upper]
    assert_allclose([found.interval.lower, found.interval.upper], expected, atol=0.002)


def test_same_seed_gives_the_same_interval() -> None:
    change = [Change.of("base", 0.1, 0.02)]
    assert carried(change, DIAMOND) == carried(change, DIAMOND)
    assert carried(change, DIAMOND).interval != carried(change, DIAMOND, seed=1).interval
    simulated = carrying.simulated(change, DIAMOND, top="top")
    assert carrying.percentiles(simulated, 0.05) == carried(change, DIAMOND).interval


def test_no_way_to_the_top_is_not_identified() -> None:
    changes = [Change.of("base", 0.1, 0.02), Change.of("elsewhere", 0.1, 0.02)]
    assert carry(changes, DIAMOND, top="top", alpha=0.05) == NotIdentified(obstacle=Obstacle.NO_PATH)


def test_links_that_make_no_ladder_are_refused() -> None:
    with pytest.raises(ValueError, match="itself"):
        step("a", "a", 0.5)
    with pytest.raises(ValueError, match="one link"):
        ordered([step("a", "b", 0.5), step("a", "b", 0.4)])
    with pytest.raises(CycleError):
        ordered([step("a", "b", 0.5), step("b", "c", 0.4), step("c", "a", 0.4)])
    with pytest.raises(ValueError, match="or more"):
        carry([], DIAMOND, top="top", alpha=0.05)


@pytest.mark.parametrize(
    ("kpis", "lifts", "covariance"),
    [
        (("a", "a"), [0.1, 0.1], np.eye(2)),
        (("a",), [0.1, 0.1], np.eye(2)),
        ((), [], np.zeros((0, 0))),
        (("a",), [np.nan], [[1.0]]),
        (("a",), [0.1], [[-1.0]]),
        (("a", "b"), [0.1, 0.1], [[1.0, 2.0], [2.0, 1.0]]),
    ],
)
def test_changes_that_cannot_be_are_refused(kpis: tuple[str, ...], lifts: Any, covariance: Any) -> None:
    with pytest.raises(ValueError, match=r"effect|variance"):
        Change(kpis=kpis, lifts=lifts, covariance=covariance)
