"""Whole experiments in which nothing happens are rarely decided, and those with the planned effect mostly are.

Fixed seeds, everything in memory: units enter over the whole time, each counts once its window has closed, and the
evaluation walks the plan's looks. A test that never decides fails on power.
"""

from dataclasses import dataclass
from math import sqrt

import numpy as np
import pytest

from experiments.enums import Policy
from experiments.planning.plan import Plan
from tests.experiments.planning import IDS, Rows, day, evaluated, plan, planned

ALPHA = 0.05


@dataclass(frozen=True, kw_only=True)
class World:
    """How often units do it without treatment, how many come an arm and day, and how many experiments are run."""

    share: float
    daily: float
    experiments: int = 300


USUAL = World(share=0.3, daily=100)
"""The planned information is nearly reached at the horizon."""
FEW = World(share=0.5, daily=4, experiments=120)
"""Some fifty units an arm in all, as when accounts are counted, and a handful at the first look."""


def decided(of: Plan, world: World, effect: float, seed: int) -> float:
    """The share of experiments that ever cross, looked at after the horizon: by the prefix law, at all looks."""
    draw = np.random.default_rng(seed)
    found = (evaluated(of, drawn(of, world, effect, draw), day(of.horizon_days)) for _ in range(world.experiments))
    return sum(evaluation.findings[0].is_significant for evaluation in found) / world.experiments


def drawn(of: Plan, world: World, effect: float, draw: np.random.Generator) -> Rows:
    rows = Rows(entries=[], moments=[], durations=[])
    for variant, share in (("control", world.share), ("treatment", world.share + effect)):
        for number, n in enumerate((1 + draw.poisson(world.daily - 1, of.horizon_days)).tolist()):
            own = {"variant_id": IDS[variant], "entered_on": day(number), "segment": "", "n": n}
            mean = draw.binomial(n, share) / n
            shape = {"definition_id": of.kpis[0].definition.id, "mean": mean, "m2": n * mean * (1 - mean)}
            rows.entries.append(own)
            rows.moments.append(own | shape)
    return rows


def at_most(rate: float, experiments: int) -> float:
    """A rate and three standard errors."""
    return rate + 3 * sqrt(rate * (1 - rate) / experiments)


@pytest.mark.parametrize("policy", [Policy.GROUP_SEQUENTIAL, Policy.ALWAYS_VALID])
def test_experiments_without_an_effect_rarely_cross_at_any_look(policy: Policy) -> None:
    assert decided(plan(policy=policy), USUAL, 0.0, 20) <= at_most(ALPHA, USUAL.experiments)


def test_experiments_of_few_units_and_many_looks_rarely_cross_without_an_effect() -> None:
    of = plan(planned(mde=0.3), looks=14)
    assert decided(of, FEW, 0.0, 23) <= at_most(ALPHA, FEW.experiments)
    assert decided(of, FEW, 0.3, 24) >= 1 - at_most(0.2, FEW.experiments)


def test_experiments_with_the_planned_effect_mostly_cross() -> None:
    assert decided(plan(), USUAL, 0.05, 21) >= 1 - at_most(0.2, USUAL.experiments)


def test_experiments_with_the_planned_effect_often_cross_always_valid() -> None:
    assert decided(plan(policy=Policy.ALWAYS_VALID), USUAL, 0.05, 22) >= 0.4
