"""How a lagging KPI moves with a leading one: by how many per cent, when the leading one moves by one per cent.

Three sources, of different worth: past experiments (`trials`), which changed the leading KPI by a coin toss; cohorts of
the past (`cohorts`), which are observational; and what somebody assumes. Each gives an `Elasticity` with its error, or
`NotIdentified` with the reason. `combined` puts them together where they agree.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from stats import meta
from stats.arrays import Array
from stats.distributions import level_of, t_quantile
from stats.results import Interval

DISAGREE_BELOW = 0.10
"""The p-value of Cochran's Q below which sources are said to disagree; Q has little power with two or three."""


class Source(StrEnum):
    """Where an elasticity comes from, the most trusted first."""

    EXPERIMENTS = "experiments"
    COHORTS = "cohorts"
    ASSUMPTION = "assumption"


class Scale(StrEnum):
    """What the slope is of: logarithms (an elasticity) or the KPIs as they are."""

    LOG = "log"
    LINEAR = "linear"


class Obstacle(StrEnum):
    """Why an elasticity is not identified.

    >>> Obstacle.TOO_FEW_EXPERIMENTS.sentence
    'Fewer than three past experiments have measured both KPIs.'
    """

    NOT_FOLLOWED = "not_followed"
    TOO_FEW_COHORTS = "too_few_cohorts"
    TOO_FEW_CLUSTERS = "too_few_clusters"
    TOO_FEW_EXPERIMENTS = "too_few_experiments"
    LITTLE_SPREAD = "little_spread"
    ONE_CLUSTER = "one_cluster"
    WEAK = "weak"
    UNBOUNDED = "unbounded"
    NOT_POSITIVE = "not_positive"
    NO_SOURCE = "no_source"
    NO_PATH = "no_path"

    @property
    def sentence(self) -> str:
        """The obstacle in one sentence for a reader who is not a statistician."""
        return _SENTENCES[self]


_SENTENCES = {
    Obstacle.NOT_FOLLOWED: "The two KPIs do not follow the same units from the same moment on, so no cohort has both.",
    Obstacle.TOO_FEW_COHORTS: "There are fewer than eight cohorts with both KPIs.",
    Obstacle.TOO_FEW_CLUSTERS: "The cohorts are of fewer than six months or segments, so what these share is unknown.",
    Obstacle.TOO_FEW_EXPERIMENTS: "Fewer than three past experiments have measured both KPIs.",
    Obstacle.LITTLE_SPREAD: "The leading KPI has hardly moved beyond chance, so nothing can be seen to move with it.",
    Obstacle.ONE_CLUSTER: "The leading KPI has moved in one month or segment only, and all would rest on that one.",
    Obstacle.WEAK: "The past experiments have hardly moved the leading KPI, so nothing can be seen to move with it.",
    Obstacle.UNBOUNDED: "The leading KPI may not have moved at all for all we know, so the elasticity has no limits.",
    Obstacle.NOT_POSITIVE: "A value is zero or below, so that there are no per cents of it.",
    Obstacle.NO_SOURCE: "Nothing is known and nothing is assumed of how the one KPI moves with the other.",
    Obstacle.NO_PATH: "No link leads from a KPI that was changed to the KPI at the top.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NotIdentified:
    """An elasticity that the data do not give.

    >>> NotIdentified(obstacle=Obstacle.WEAK).obstacle.value
    'weak'
    """

    obstacle: Obstacle


@dataclass(frozen=True, slots=True, kw_only=True)
class Elasticity:
    """An elasticity (or slope, on the linear scale) with its error, judged by t with `df`; infinite df is the normal.

    >>> found = Elasticity.of(0.8, 0.1, source=Source.COHORTS, df=11, alpha=0.05)
    >>> round(found.interval.lower, 2), round(found.interval.upper, 2), found.is_estimated
    (0.58, 1.02, True)
    """

    estimate: float
    standard_error: float
    df: float
    interval: Interval
    source: Source
    is_estimated: bool  # whether data alone say so: one assumption in it, and it is no estimate
    corners: tuple[float, float, float] | None = None  # low, likely and high of an assumption

    @classmethod
    def of(
        cls,
        estimate: float,
        standard_error: float,
        *,
        source: Source,
        alpha: float,
        df: float = np.inf,
        is_estimated: bool = True,
    ) -> "Elasticity":
        """With the symmetric interval of t. Raises ValueError for a negative error and unless 0 < alpha < 1."""
        if not standard_error >= 0:
            raise ValueError("a standard error is never negative")
        half = -float(t_quantile(df, alpha / 2)) * standard_error
        interval = Interval(lower=estimate - half, upper=estimate + half, level=float(level_of(alpha)))
        return cls(
            estimate=estimate,
            standard_error=standard_error,
            df=df,
            interval=interval,
            source=source,
            is_estimated=is_estimated and source is not Source.ASSUMPTION,
        )

    def drawn(self, generator: np.random.Generator, draws: int) -> Array:
        """Values it may have: a triangle's for an assumption, else t around the estimate."""
        if self.corners is not None:
            return triangle_quantile(generator.random(draws), *self.corners)
        is_normal = np.isinf(self.df)
        noise = generator.standard_normal(draws) if is_normal else generator.standard_t(self.df, draws)
        return np.asarray(self.estimate + self.standard_error * noise)


def assumed(low: float, likely: float, high: float, *, alpha: float) -> Elasticity:
    """What somebody assumes, read as a triangle: nothing beyond low and high, most at likely. Never an estimate.

    Mean (low + likely + high) / 3 and its standard deviation for the standard error; the interval holds the middle
    1 - alpha of the triangle. A triangle because low and high are asked for as what it will not go beyond (Johnson
    1997, The Statistician 46). Low = high says that it is known. Raises ValueError unless low <= likely <= high are
    finite and 0 < alpha < 1.

    >>> found = assumed(0.2, 0.5, 1.1, alpha=0.05)
    >>> round(found.estimate, 3), round(found.standard_error, 3), found.is_estimated
    (0.6, 0.187, False)
    """
    corners = np.array([low, likely, high])
    if not np.isfinite(corners).all() or not low <= likely <= high:
        raise ValueError("an assumption is low, likely and high, in this order")
    level = float(level_of(alpha))
    products = low * likely + low * high + likely * high
    variance = max((float(np.square(corners).sum()) - products) / 18, 0.0)
    lower, upper = (
        float(value) for value in triangle_quantile(np.array([alpha / 2, 1 - alpha / 2]), low, likely, high)
    )
    return Elasticity(
        estimate=(low + likely + high) / 3,
        standard_error=variance**0.5,
        df=np.inf,
        interval=Interval(lower=lower, upper=upper, level=level),
        source=Source.ASSUMPTION,
        is_estimated=False,
        corners=(float(low), float(likely), float(high)),
    )


def triangle_quantile(probability: Array, low: float, likely: float, high: float) -> Array:
    """The value below which a triangular variable falls with this probability; a triangle without width is its point.

    >>> triangle_quantile(np.array([0.0, 0.5, 1.0]), 0, 1, 2).tolist()
    [0.0, 1.0, 2.0]
    """
    width = high - low
    rising = low + np.sqrt(probability * width * (likely - low))
    falling = high - np.sqrt((1 - probability) * width * (high - likely))
    return np.asarray(np.where(probability * width < likely - low, rising, falling))


@dataclass(frozen=True, slots=True, kw_only=True)
class Combined:
    """One elasticity out of several sources, and whether they agree.

    `elasticity.source` is the most trusted of `used`. Q and its p-value are None with one source.
    """

    elasticity: Elasticity
    used: tuple[Source, ...]  # what went into it, the most trusted first
    set_aside: tuple[Source, ...]  # what disagrees with it, or was not needed
    q: float | None
    q_p_value: float | None

    @property
    def do_agree(self) -> bool:
        """Whether nothing had to be set aside."""
        return not self.set_aside


def combined(found: Sequence[Elasticity | NotIdentified], *, alpha: float) -> Combined | NotIdentified:
    """Sources weighted by their precision where they agree; where they do not, the most trusted one, alone.

    They agree if the p-value of Cochran's Q (1954) is 0.10 or more. Experiments are trusted before cohorts, and cohorts
    before what is assumed. The degrees of freedom of a sum are Satterthwaite's (1946). What is not identified counts as
    not there. A source without error (an assumption of one value) is taken as it is where nothing is trusted more,
    and has no weight to give beside others. Raises ValueError for a source given twice, and unless 0 < alpha < 1.

    >>> trials = Elasticity.of(0.5, 0.1, source=Source.EXPERIMENTS, alpha=0.05)
    >>> history = Elasticity.of(0.7, 0.1, source=Source.COHORTS, alpha=0.05)
    >>> both = combined([history, trials], alpha=0.05)
    >>> round(both.elasticity.estimate, 2), round(both.elasticity.standard_error, 3), both.do_agree
    (0.6, 0.071, True)
    >>> far = Elasticity.of(1.7, 0.1, source=Source.COHORTS, alpha=0.05)
    >>> combined([far, trials], alpha=0.05).elasticity == trials
    True
    """
    level_of(alpha)
    order = list(Source)
    known = sorted((one for one in found if isinstance(one, Elasticity)), key=lambda one: order.index(one.source))
    sources = tuple(one.source for one in known)
    if len(set(sources)) < len(sources):
        raise ValueError("each source is given once")
    if not known:
        return next(
            (one for one in found if isinstance(one, NotIdentified)), NotIdentified(obstacle=Obstacle.NO_SOURCE)
        )
    if len(known) == 1 or any(one.standard_error == 0 for one in known):
        return Combined(elasticity=known[0], used=sources[:1], set_aside=sources[1:], q=None, q_p_value=None)
    estimates, variances = np.array([(one.estimate, one.standard_error**2) for one in known]).T
    apart = meta.scatter(estimates, variances)
    do_agree = float(apart.p_value) >= DISAGREE_BELOW
    return Combined(
        elasticity=_weighted(known, estimates, 1 / variances, alpha) if do_agree else known[0],
        used=sources if do_agree else sources[:1],
        set_aside=() if do_agree else sources[1:],
        q=float(apart.q),
        q_p_value=float(apart.p_value),
    )


def _weighted(known: Sequence[Elasticity], estimates: Array, weights: Array, alpha: float) -> Elasticity:
    total = float(weights.sum())
    doubt = float((np.square(weights) / np.array([one.df for one in known])).sum())
    return Elasticity.of(
        float((weights * estimates).sum()) / total,
        total**-0.5,
        source=known[0].source,
        df=total**2 / doubt if doubt > 0 else np.inf,
        is_estimated=all(one.is_estimated for one in known),
        alpha=alpha,
    )
