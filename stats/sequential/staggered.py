"""Time to the event while units keep entering: every calendar day's log-rank and restricted mean, from counts alone.

On calendar day s (1, 2, ...) the cohort of entry day c (0, 1, ...) has been watched for s - c whole days, so a count by
entry day and duration day says what was known on any day of the past. Pooled by duration, the log-rank score behaves
over calendar days like a Brownian motion in its variance once there are many units (Tsiatis 1981, Biometrika 68; Sellke
& Siegmund 1983, Biometrika 70). Stratified by entry day it is a martingale for any number of units, whatever the shape
of the hazard and however it changes with the calendar, because each unit is compared with those of its own day only.
Either way one over the variance is information for the kernel and for planned boundaries.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from stats.arrays import Array, Mask, Numbers, divide, numbers
from stats.distributions import normal_cdf
from stats.results import Comparisons
from stats.sequential import confidence_sequence as kernel
from stats.survival import logrank, rmst
from stats.survival.counts import LifeTable
from stats.survival.logrank import LogRank

LEAST_VARIANCE = 5.0  # of the score, before the kernel speaks: about twenty events of two equal arms
FEWEST_MATURED = 20  # units of an arm watched for all of tau, before its restricted mean is given


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohorts:
    """One arm by entry day: `entered` (..., C) units, and `events` and `losses` (..., C, D) of them by duration day.

    Raises ValueError for negative counts and for more events and losses than units.
    """

    entered: Array
    events: Array
    losses: Array

    def __post_init__(self) -> None:
        events, losses = np.broadcast_arrays(numbers(self.events), numbers(self.losses))
        object.__setattr__(self, "entered", numbers(self.entered))
        object.__setattr__(self, "events", events)
        object.__setattr__(self, "losses", losses)
        if np.any(events < 0) or np.any(losses < 0) or np.any(self.at_risk < losses + events):
            raise ValueError("events and losses are counts, together no more than the units entered")

    @property
    def at_risk(self) -> Array:
        """Units of each cohort still without event and loss at the start of each duration day (..., C, D)."""
        left = self.events + self.losses
        return np.asarray(self.entered[..., np.newaxis] - (np.cumsum(left, axis=-1) - left))

    def matured(self, tau: int, days: int) -> Array:
        """Units watched for tau days, by each calendar day (..., S).

        >>> Cohorts(entered=[9, 4], events=np.zeros((2, 3)), losses=0).matured(2, 4).tolist()
        [0.0, 9.0, 13.0, 13.0]
        """
        entered = _before_each(self.entered[..., np.newaxis])[..., 0]
        return np.asarray(entered[..., np.clip(np.arange(1, days + 1) - tau + 1, 0, self.entered.shape[-1])])


def tables_by_day(arm: Cohorts, days: int) -> LifeTable:
    """What was known of the arm at the end of each of the first `days` calendar days: life tables (..., S, D).

    >>> arm = Cohorts(entered=[9, 9], events=[[2, 1], [3, 0]], losses=0)
    >>> tables_by_day(arm, 2).at_risk.tolist()
    [[9.0, 0.0], [18.0, 7.0]]
    """
    return _Running.of(arm).tables(days, 0, arm.entered.shape[-1])


def log_rank_by_day(control: Cohorts, treatment: Cohorts, *, days: int, strata: Sequence[int] | None = None) -> LogRank:
    """Treatment against control at the end of each calendar day (..., S); leading axes broadcast.

    `strata` are the first entry days of the groups of cohorts that are compared within themselves: by default one group
    (pooled), `range(C)` for every day by itself, or those of `merged`. Undefined before the first events at common
    risk. Raises ValueError unless strata grow from 0 within the cohorts, and both arms have as many cohorts.

    >>> arms = [Cohorts(entered=[9, 9], events=[[e, 1], [e, 0]], losses=0) for e in (1, 5)]
    >>> log_rank_by_day(*arms, days=2, strata=range(2)).statistic.round(3).tolist()
    [1.944, 2.729]
    """
    edges = _edges(control, treatment, strata)
    single = len(edges) > control.events.shape[-2]
    score, variance = _by_cell(control, treatment, days) if single else _by_stratum(control, treatment, days, edges)
    seen = (along_calendar(arm.at_risk[..., :1], days) for arm in (control, treatment))
    reason = logrank.reasons(variance, *seen)
    statistic = divide(score, np.sqrt(variance))
    p_value = 2 * normal_cdf(-np.abs(statistic))
    return LogRank(score=score, variance=variance, statistic=statistic, p_value=p_value, reason=reason)


def merged(entered: Numbers, more: Numbers, *, fewest: int) -> tuple[int, ...]:
    """First entry days of strata in which either arm has `fewest` units or more, the last stratum perhaps less.

    `entered` and `more` (C,) are the units of the two arms by entry day. Cohorts of a few units spend most of their
    events on comparing nobody with somebody; a week of them does not. Later cohorts never change earlier strata. Within
    a merged stratum the score is pooled by duration, with the pooled form's properties.

    >>> merged([5, 5, 5, 5, 5], [5, 4, 6, 5, 5], fewest=10)
    (0, 3)
    """
    starts, have = [0], np.zeros(2)
    pairs = np.stack((numbers(entered), numbers(more)), axis=-1)
    for day, pair in enumerate(pairs):
        if day and have.min() >= fewest:
            starts.append(day)
            have = np.zeros(2)
        have = have + pair
    return tuple(starts)


def log_rank_evidence(test: LogRank, *, tau2: Numbers, least_variance: float = LEAST_VARIANCE) -> Array:
    """The logarithm of the kernel's evidence that the hazards differ, by day (..., S).

    `tau2` is on the scale of the log hazard ratio: `mixture_variance(1 / V, alpha)` for the variance V of the score at
    the look that matters, which is a quarter of its events for equal arms. NaN before the variance reaches
    `least_variance`. `running_p_value` turns it into a p-value.

    >>> arms = [Cohorts(entered=[90], events=[[e, e, e]], losses=0) for e in (9, 20)]
    >>> log_rank_evidence(log_rank_by_day(*arms, days=3), tau2=0.25).round(2).tolist()
    [1.03, 3.86, 8.68]
    """
    enough = np.where(test.variance >= least_variance, test.variance, np.nan)
    return kernel.log_e_value(test.score / enough, 1 / enough, tau2=tau2)


def restricted_mean_by_day(
    control: Cohorts, treatment: Cohorts, *, tau: int, alpha: float, days: int, fewest: int = FEWEST_MATURED
) -> Comparisons:
    """Difference of restricted means at the end of each calendar day (..., S), for one tau fixed before the data.

    Its difference and variance go to the kernel or to planned boundaries. Undefined until both arms have `fewest` units
    watched for tau days. Raises ValueError for a tau beyond the table.

    >>> arms = [Cohorts(entered=[90, 90], events=[[e, 9], [e, 9]], losses=0) for e in (9, 40)]
    >>> restricted_mean_by_day(*arms, tau=2, alpha=0.05, days=2).difference.round(3).tolist()
    [nan, -0.344]
    """
    tables = [
        _kept(tables_by_day(arm, days), np.asarray(arm.matured(tau, days) >= fewest)) for arm in (control, treatment)
    ]
    return rmst.compare(*tables, tau=tau, alpha=alpha)


def along_calendar(cells: Array, days: int) -> Array:
    """What cells (..., C, D) add up to by each calendar day (..., S); cell j of entry day c is on day c + j + 1.

    >>> along_calendar(np.array([[1.0, 2.0], [10.0, 20.0]]), 4).tolist()
    [1.0, 13.0, 33.0, 33.0]
    """
    cohorts, durations = cells.shape[-2:]
    news = np.zeros((*cells.shape[:-2], max(days, cohorts + durations - 1)))
    for cohort in range(cohorts):
        news[..., cohort : cohort + durations] += cells[..., cohort, :]
    return np.cumsum(news[..., :days], axis=-1)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Running:
    """The counts of an arm added up over entry days, from none to all of them (..., C + 1, D)."""

    at_risk: Array
    events: Array
    losses: Array

    @classmethod
    def of(cls, arm: Cohorts) -> "_Running":
        return cls(at_risk=_before_each(arm.at_risk), events=_before_each(arm.events), losses=_before_each(arm.losses))

    def tables(self, days: int, first: int, last: int) -> LifeTable:
        """The cohorts from `first` up to before `last`, of which those before day s - j have reached cell j by s."""
        cells = np.arange(self.events.shape[-1])
        reached = np.clip(np.arange(1, days + 1)[:, np.newaxis] - cells, first, last)

        def known(running: Array) -> Array:
            return np.asarray(running[..., reached, cells] - running[..., first, np.newaxis, :])

        return LifeTable(at_risk=known(self.at_risk), events=known(self.events), losses=known(self.losses))


def _before_each(cells: Array) -> Array:
    """Running sums over the second last axis, beginning with nothing."""
    start = np.zeros((*cells.shape[:-2], 1, cells.shape[-1]))
    return np.concatenate((start, np.cumsum(cells, axis=-2)), axis=-2)


def _edges(control: Cohorts, treatment: Cohorts, strata: Sequence[int] | None) -> list[int]:
    cohorts = control.events.shape[-2]
    starts = [0] if strata is None else list(strata)
    edges = [*starts, cohorts]
    if edges[0] or treatment.events.shape[-2] != cohorts or np.any(np.diff(edges) <= 0):
        raise ValueError("strata begin at entry day 0 and grow, and both arms have the same entry days")
    return edges


def _by_cell(control: Cohorts, treatment: Cohorts, days: int) -> tuple[Array, Array]:
    """Score and variance by day where every entry day is a stratum: each cell is compared once, on its own day."""
    cells = [
        LifeTable(
            at_risk=arm.at_risk[..., np.newaxis], events=arm.events[..., np.newaxis], losses=arm.losses[..., np.newaxis]
        )
        for arm in (control, treatment)
    ]
    compared = logrank.compare(*cells)
    return along_calendar(compared.score, days), along_calendar(compared.variance, days)


def _by_stratum(control: Cohorts, treatment: Cohorts, days: int, edges: list[int]) -> tuple[Array, Array]:
    """The same for wider strata, whose comparisons change as further cohorts reach a duration."""
    one, other = _Running.of(control), _Running.of(treatment)
    score, variance = np.zeros(days), np.zeros(days)
    for first, last in pairwise(edges):
        part = logrank.compare(one.tables(days, first, last), other.tables(days, first, last))
        score, variance = score + part.score, variance + part.variance
    return score, variance


def _kept(table: LifeTable, days: Mask) -> LifeTable:
    """The table with nobody at risk on the other days, on which nothing is said."""
    return LifeTable(at_risk=table.at_risk * days[..., np.newaxis], events=table.events, losses=table.losses)
