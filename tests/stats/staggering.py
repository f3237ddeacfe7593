"""Many experiments at once whose units enter day by day, drawn from hazards by duration day."""

import numpy as np

from stats.arrays import Array, Numbers
from stats.sequential.staggered import Cohorts
from tests.stats.expansion import Cohorts as Drawn

DAYS = 28
EVEN: Array = np.full(DAYS, 0.05)
FADING: Array = 0.25 * np.arange(1.0, DAYS + 1) ** -1.5  # most of it soon; six of ten never


def arm(draw: np.random.Generator, experiments: int, daily: Numbers, hazard: Array) -> Cohorts:
    """`daily` units enter every day; each is watched to the end of the table."""
    entered = np.broadcast_to(np.asarray(daily, dtype=int), (experiments, DAYS))
    events, still = np.zeros((experiments, DAYS, DAYS)), entered.copy()
    for j in range(DAYS):
        events[..., j] = happened = draw.binomial(still, hazard[..., j])
        still = still - happened
    return Cohorts(entered=entered.astype(np.float64), events=events, losses=np.zeros(DAYS))


def two_arms(seed: int, experiments: int, daily: int, hazard: Array, ratio: float = 1.0) -> tuple[Cohorts, Cohorts]:
    """Control and treatment; the treatment's hazard is `ratio` times the control's."""
    draw = np.random.default_rng(seed)
    return arm(draw, experiments, daily, hazard), arm(draw, experiments, daily, np.minimum(ratio * hazard, 1.0))


def cohorts_of(drawn: Drawn) -> Cohorts:
    return Cohorts(entered=drawn.entered, events=drawn.events, losses=drawn.losses)
