"""Rows a day as they arrive: days with far more or fewer than usual, and days without any where some are usual.

Usual is what the same season (day of the week) had in the rounds before, by the median, so that one odd day among
them changes nothing. Counts are compared on Anscombe's scale (1948, "The transformation of Poisson, binomial and
negative-binomial data", Biometrika 35), 2 sqrt(count + 3/8), where a Poisson count has standard deviation 1 whatever
its mean; more than that is measured, as the median absolute size of the surprises before (Hampel 1974, JASA 69).
"""

from dataclasses import dataclass

import numpy as np

from stats.arrays import Array, Codes, Mask, Numbers, divide, numbers
from stats.distributions import level_of, t_cdf
from stats.results import Reason, reason_codes, reason_of
from stats.series.models import TO_DEVIATION

WINDOW = 28
"""Days before a day whose surprises say how large they usually are."""
FEWEST = 14
"""Surprises before the first day that is judged."""
EFFICIENCY = 0.37
"""Of the median absolute deviation as an estimate of a normal's spread: n values are worth 0.37 n (Hampel 1974)."""
LEAST_ROUNDS = 2
"""Known days of the same season before a day, to say what is usual."""
JEFFREYS = 0.5  # of the gamma prior of a Poisson mean
MEDIAN_VARIANCE = np.pi / 2
"""Of the median of many values over that of their mean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Jumps:
    """Each day against what was usual; arrays (..., T), NaN where there is a reason. `expected` is a number of rows."""

    expected: Array
    statistic: Array  # above zero: more than usual
    p_value: Array  # two-sided, of this day alone
    is_jump: Mask
    reason: Codes

    def reason_at(self, *index: int) -> Reason | None:
        """Why this day is not judged, or None if it is."""
        return reason_of(int(self.reason[index]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Gaps:
    """Each day without rows; arrays (..., T), the chances NaN where there is a reason.

    `chance` is that of no rows on all the days of the silence so far, this one included: 1 on a day with rows.
    """

    chance: Array
    is_gap: Mask
    reason: Codes


def jumps(counts: Numbers, *, alpha: float, season: int = 7, rounds: int = 4) -> Jumps:
    """Days with a count (..., T) out of the usual, judged by the days before; days are consecutive, NaN is unknown.

    `season` is 7 for days of the week, 1 for none; usual is the median of the last `rounds` of them. Student's t on
    the number of surprises behind the spread, times the efficiency of its estimate. A level that has moved for good is
    a jump for about half of the rounds. alpha is for one day and one series. Undefined in the first two rounds and
    the fourteen days after them. Raises ValueError for a negative count, a season below 1, rounds below 2, and an alpha
    outside (0, 1). Anscombe (1948); Hampel (1974).

    >>> counts = [100, 104, 97, 103, 95, 101, 99, 102, 98, 105, 96, 100, 103, 99, 97, 101, 100, 98, 102, 240]
    >>> found = jumps(counts, alpha=0.001, season=1)
    >>> found.expected[-1].round(1).item(), found.is_jump.tolist()[-2:]
    (100.5, [False, True])
    """
    level_of(alpha)
    seen = _counted(counts, season, rounds)
    scaled = 2 * np.sqrt(seen + 0.375)
    before = _earlier(scaled, season, rounds)
    usual = _median(before, LEAST_ROUNDS)
    surprise = scaled - usual
    recent = _earlier(surprise, 1, WINDOW)
    behind = np.isfinite(recent).sum(axis=-1)
    least = np.sqrt(1 + MEDIAN_VARIANCE / np.maximum(np.isfinite(before).sum(axis=-1), 1))
    spread = np.maximum(TO_DEVIATION * _median(np.abs(recent), FEWEST), least)
    reason = reason_codes(
        (np.isnan(seen), Reason.INSUFFICIENT_DATA), (np.isnan(usual) | (behind < FEWEST), Reason.TOO_FEW_PERIODS)
    )
    statistic = np.where(reason == 0, surprise / spread, np.nan)
    p_value = 2 * t_cdf(EFFICIENCY * np.maximum(behind, 1), -np.abs(statistic))
    expected = np.where(reason == 0, np.maximum(np.square(usual / 2) - 0.375, 0.0), np.nan)
    return Jumps(expected=expected, statistic=statistic, p_value=p_value, is_jump=p_value <= alpha, reason=reason)


def gaps(counts: Numbers, *, alpha: float, season: int = 7, rounds: int = 4) -> Gaps:
    """Days without rows where rows are usual: silences whose chance is at or below alpha.

    The chance of none is that of a negative binomial (1 + mean u)^(-1/u), the mean that of the same season's last
    `rounds`; u is the dispersion of all days since then, by moments, plus what is not known of the mean (1 over the
    rows and a half, of Jeffreys' prior). Over a silence the chances multiply. Undefined in the first two rounds;
    after `rounds` of silence, silence is usual. Arguments and errors as `jumps`. Bliss & Fisher (1953), Biometrics 9.

    >>> found = gaps([5, 7, 4, 6, 5, 8, 6, 5, 0, 0], alpha=0.01, season=1, rounds=8)
    >>> found.chance.round(4).tolist()[-3:], found.is_gap.tolist()[-3:]
    ([1.0, 0.0044, 0.0], [False, True, True])
    """
    level_of(alpha)
    seen = _counted(counts, season, rounds)
    log_chance = _log_chance_of_none(seen, season, rounds)
    reason = reason_codes((np.isnan(seen), Reason.INSUFFICIENT_DATA), (np.isnan(log_chance), Reason.TOO_FEW_PERIODS))
    chance = np.where(reason == 0, np.exp(_silence(seen, log_chance)), np.nan)
    return Gaps(chance=chance, is_gap=(seen == 0) & (chance <= alpha), reason=reason)


def _counted(counts: Numbers, season: int, rounds: int) -> Array:
    seen = numbers(counts)
    if seen.ndim == 0:
        raise ValueError("a series has days, along the last axis")
    if np.any(seen < 0):
        raise ValueError("a count is never negative")
    if season < 1 or rounds < LEAST_ROUNDS:
        raise ValueError(f"a season has a day or more, and usual is what {LEAST_ROUNDS} rounds or more had")
    return seen


def _earlier(values: Array, season: int, rounds: int) -> Array:
    """The values one season before each day, two seasons before, and so on (..., T, rounds); NaN before the first."""
    days = values.shape[-1]
    before = np.concatenate((np.full((*values.shape[:-1], season * rounds), np.nan), values), axis=-1)
    starts = (season * (rounds - back) for back in range(1, rounds + 1))
    return np.stack([before[..., start : start + days] for start in starts], axis=-1)


def _median(values: Array, fewest: int) -> Array:
    """Along the last axis, of what is known of it; NaN where fewer are known."""
    known = np.isfinite(values).sum(axis=-1)
    in_order = np.sort(values, axis=-1)  # what is unknown comes last
    middle = np.stack((np.maximum(known - 1, 0) // 2, np.minimum(known // 2, values.shape[-1] - 1)), axis=-1)
    median = np.take_along_axis(in_order, middle, axis=-1).mean(axis=-1)
    return np.where(known >= fewest, median, np.nan)


def _log_chance_of_none(seen: Array, season: int, rounds: int) -> Array:
    """The logarithm of the chance of no rows on each day (..., T), by the rounds before; NaN below two known ones."""
    before = _earlier(seen, 1, season * rounds)
    before = before.reshape(*before.shape[:-1], rounds, season)  # the last of the season axis is the day's own
    known = np.isfinite(before)
    n = known.sum(axis=-2)
    total = np.where(known, before, 0.0).sum(axis=-2)
    mean = divide(total, n)
    apart = np.where(known, before - mean[..., np.newaxis, :], 0.0)
    free = np.where(n > 0, n - 1, 0) * np.where(n > 0, mean, 0.0)
    beyond = (apart**2).sum(axis=(-2, -1)) - free.sum(axis=-1)
    dispersion = np.maximum(divide(beyond, (free * np.where(n > 0, mean, 0.0)).sum(axis=-1)), 0.0)
    doubt = np.nan_to_num(dispersion) + 1 / (total[..., -1] + JEFFREYS)
    own = np.where(n[..., -1] >= LEAST_ROUNDS, mean[..., -1], np.nan)
    return np.asarray(-np.log1p(own * doubt) / doubt)


def _silence(seen: Array, log_chance: Array) -> Array:
    """The log chances of the days without rows in a row up to each day, added up; 0 on a day with rows."""
    added = np.cumsum(np.where(seen == 0, np.nan_to_num(log_chance), 0.0), axis=-1)
    return np.asarray(added - np.minimum.accumulate(np.where(seen > 0, added, 0.0), axis=-1))
