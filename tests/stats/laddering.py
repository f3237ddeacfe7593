"""Worlds of which the elasticity is known, and how often an interval holds what is true."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from stats.arrays import Array
from stats.ladder.carry import Carried, Change, carry
from stats.ladder.cohorts import Cohorts, from_cohorts
from stats.ladder.elasticity import Elasticity, NotIdentified, Scale, Source, assumed
from stats.ladder.impact import shrunk
from stats.ladder.links import Link
from stats.ladder.trials import Trials, from_trials
from stats.results import Interval

ALPHA = 0.05
TRUE = 0.7
Answer = tuple[Interval, float, float]
"""An interval, the estimate, and what is true."""
World = Callable[[np.random.Generator], Iterator[Answer]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """How many answers, the share of worlds with one, of answers that held the truth, the median estimate / truth."""

    n: int
    answered: float
    coverage: float
    median: float

    @property
    def error(self) -> float:
        """The standard error of a coverage of 0.95 with so many answers."""
        return float(np.sqrt(0.95 * 0.05 / self.n))


def kept(world: World, worlds: int, seed: int) -> Kept:
    """The answers of so many worlds."""
    draw = np.random.default_rng(seed)
    answers = [list(world(draw)) for _ in range(worlds)]
    flat = [answer for some in answers for answer in some]
    return Kept(
        n=len(flat),
        answered=float(np.mean([bool(some) for some in answers])),
        coverage=float(np.mean([interval.lower <= truth <= interval.upper for interval, _, truth in flat])),
        median=float(np.median([estimate / truth if truth else 1.0 for _, estimate, truth in flat])),
    )


def history(*, cohorts: int, clusters: int, reliability: float, around: float = 0.3, shared: float = 0.5) -> World:
    """Cohorts whose leading KPI has spread 1; clusters share half of it and of what moves the lagging one besides.

    The errors of both KPIs differ by cohort and go together, as their units are the same.
    """

    def world(draw: np.random.Generator) -> Iterator[Answer]:
        of = np.arange(cohorts) % clusters

        def spread(size: float) -> Array:
            common, own = draw.normal(size=clusters)[of], draw.normal(size=cohorts)
            return np.asarray(size * (np.sqrt(shared) * common + np.sqrt(1 - shared) * own))

        truth, error = spread(1.0), np.sqrt((1 / reliability - 1) * draw.uniform(0.5, 1.5, cohorts))
        u, v = draw.normal(size=(2, cohorts)) * error
        rows = Cohorts(
            leading=truth + u,
            leading_error=error,
            lagging=TRUE * truth + spread(around) + 0.5 * u + 0.5 * v,
            lagging_error=np.sqrt(0.5) * error,
            covariance=0.5 * np.square(error),
            clusters=of,
        )
        yield from answered(from_cohorts(rows, scale=Scale.LINEAR, alpha=ALPHA).elasticity, TRUE)

    return world


def past(*, experiments: int, strength: float, around: float = 0.0, together: float = 0.0) -> World:
    """Experiments whose mean F is about `strength`; `around` in sampling errors, `together` the errors' correlation."""

    def world(draw: np.random.Generator) -> Iterator[Answer]:
        effect = draw.normal(0, np.sqrt(strength - 1), experiments)
        error = draw.uniform(0.7, 1.3, experiments)
        u, v = draw.normal(size=(2, experiments))
        other = together * u + np.sqrt(1 - together**2) * v
        rows = Trials(
            leading=effect * error + error * u,
            leading_error=error,
            lagging=TRUE * effect * error + around * draw.normal(size=experiments) + 1.2 * error * other,
            lagging_error=1.2 * error,
            covariance=1.2 * np.square(error) * together,
        )
        yield from answered(from_trials(rows, alpha=ALPHA).elasticity, TRUE)

    return world


def answered(found: Elasticity | NotIdentified, truth: float) -> Iterator[Answer]:
    """The answer, if it is one."""
    if isinstance(found, Elasticity):
        yield found.interval, found.estimate, truth


def climb(*, z_effect: float, z_links: float, df: float = np.inf, changes: int = 1, assumes: bool = False) -> World:
    """Changes carried over two links to the top; effects and links so many standard errors from zero."""
    slopes = {("a", "b"): 0.5, ("b", "c"): 0.8}

    def linked(pair: tuple[str, str], draw: np.random.Generator) -> tuple[Link, float]:
        truth = slopes[pair]
        error = truth / z_links
        if assumes:
            elasticity, truth = assumed(0.2, 0.5, 1.0, alpha=ALPHA), float(draw.triangular(0.2, 0.5, 1.0))
        else:
            noise = draw.standard_normal() / (np.sqrt(draw.chisquare(df) / df) if np.isfinite(df) else 1.0)
            # The estimated error is off as well: what is t is the distance in estimated errors.
            elasticity = Elasticity.of(truth + error * noise, error, source=Source.EXPERIMENTS, df=df, alpha=ALPHA)
        return Link(leading=pair[0], lagging=pair[1], elasticity=elasticity), truth

    def world(draw: np.random.Generator) -> Iterator[Answer]:
        linked_, truths = zip(*(linked(pair, draw) for pair in slopes), strict=True)
        lifts = np.full(changes, 0.10)
        seen = lifts + 0.10 / z_effect * draw.normal(size=changes)
        shipped = [Change.of("a", float(lift), 0.10 / z_effect) for lift in seen]
        found = carry(shipped, linked_, top="c", alpha=ALPHA, draws=4_000)
        assert isinstance(found, Carried)
        yield found.interval, found.effect, float(lifts.sum() * np.prod(truths))

    return world


def shipping(*, experiments: int, spread: float, bar: float = 1.96) -> World:
    """Effects around 0.3 of their standard error; those that look good are shipped, and asked about."""

    def world(draw: np.random.Generator) -> Iterator[Answer]:
        error = draw.uniform(0.7, 1.3, experiments)
        truth = 0.3 + spread * draw.normal(size=experiments)
        seen = truth + error * draw.normal(size=experiments)
        found = shrunk(seen, error, alpha=ALPHA)
        for i in np.flatnonzero(seen / error >= bar):
            limits = Interval(lower=float(found.lower[i]), upper=float(found.upper[i]), level=0.95)
            yield limits, float(found.lift[i]), float(truth[i])

    return world
