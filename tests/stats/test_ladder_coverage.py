"""How often the intervals of the ladder hold the truth, over worlds of which it is known (`tests.stats.laddering`).

Where a bar is below 0.95 the interval falls short there, as docs/statistics.md says: few clusters that share almost
all, whatever is carried over uncertain links, most of all over links hardly known or from very few experiments.
"""

import pytest

from tests.stats.laddering import World, climb, history, kept, past, shipping

WORLDS = {
    "cohorts, leading KPI well known": (history(cohorts=24, clusters=24, reliability=0.95), 0.95),
    "cohorts, a fifth of the spread is chance": (history(cohorts=24, clusters=12, reliability=0.8), 0.95),
    "cohorts, few months": (history(cohorts=12, clusters=6, reliability=0.9), 0.95),
    "cohorts, months share almost all": (
        history(cohorts=36, clusters=6, reliability=0.9, around=1.0, shared=0.9),
        0.93,
    ),
    "three experiments": (past(experiments=3, strength=30, around=2.0), 0.95),
    "experiments, errors go together": (past(experiments=10, strength=12, together=0.6), 0.95),
    "experiments, other ways as well": (past(experiments=20, strength=15, around=2.0), 0.95),
    "carried, well known": (climb(z_effect=5, z_links=5), 0.94),
    "carried, links hardly known": (climb(z_effect=3, z_links=2), 0.93),
    "carried, links from four experiments": (climb(z_effect=3, z_links=3, df=3), 0.92),
    "carried, links assumed": (climb(z_effect=3, z_links=3, assumes=True), 0.95),
    "cumulated, eight changes over the same links": (climb(z_effect=2, z_links=3, changes=8), 0.94),
    "shipped, eight experiments": (shipping(experiments=8, spread=1.0), 0.94),
    "shipped, twenty experiments": (shipping(experiments=20, spread=0.3), 0.95),
    "shipped, too few for a prior": (shipping(experiments=5, spread=1.0), 0.95),
}


def holds(world: World, bar: float, worlds: int) -> None:
    found = kept(world, worlds, seed=11)
    assert found.n > worlds / 4
    assert found.coverage >= bar - 3 * found.error


@pytest.mark.parametrize("name", WORLDS)
def test_interval_holds_the_truth_as_often_as_it_says(name: str) -> None:
    holds(*WORLDS[name], worlds=250)


@pytest.mark.slow
@pytest.mark.parametrize("name", WORLDS)
def test_interval_holds_the_truth_as_often_as_it_says_over_many_worlds(name: str) -> None:
    holds(*WORLDS[name], worlds=8_000)


@pytest.mark.parametrize(
    "world",
    [history(cohorts=60, clusters=60, reliability=0.7), past(experiments=40, strength=15, together=0.6)],
)
def test_slope_is_not_flattened_by_the_error_of_the_leading_kpi(world: World) -> None:
    assert kept(world, 150, seed=3).median == pytest.approx(1.0, abs=0.04)
