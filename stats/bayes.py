"""What to believe about a difference, given what was believed before: normal estimate, normal prior.

The prior is always explicit: it is part of the answer, and a plan that uses it must state it. What this does NOT give
is a bound on false positives for whoever looks often and stops at a high chance. With no difference at all, 28 equally
spaced looks, and a prior as wide as the difference that the experiment was planned for with 80 % power, stopping at
the first chance of 95 % calls a winner in 13 % of experiments, against 4 % with one look at the end (with a flat prior
in 23 %, against 5 %). What it does give, at any look, holds only on average over differences drawn from that very
prior: of the winners called at 95 %, at least 95 % are winners. Gelman et al. (2013), Bayesian Data Analysis, section
2.5; expected loss as in DeGroot (1970), Optimal Statistical Decisions, chapter 11.
"""

from dataclasses import dataclass

import numpy as np

from stats.arrays import Array, Codes, Numbers, divide, numbers
from stats.distributions import critical_z, level_of, normal_cdf
from stats.results import Reason, reason_codes, reason_of

ROOT_TWO_PI = float(np.sqrt(2 * np.pi))


@dataclass(frozen=True, slots=True, kw_only=True)
class Prior:
    """True differences are normal around `mean` with `variance`; an infinite variance is no opinion.

    Raises ValueError for a negative variance.
    """

    mean: Numbers
    variance: Numbers

    def __post_init__(self) -> None:
        if np.any(numbers(self.variance) < 0):
            raise ValueError("the variance of a prior is never negative")


@dataclass(frozen=True, slots=True, kw_only=True)
class Posterior:
    """What to believe now; arrays of one shape, all NaN where there is a reason.

    Losses are in the units of the difference: what is lost on average, should the choice turn out to be wrong.
    """

    mean: Array
    variance: Array
    lower: Array  # the credible interval, equal tails
    upper: Array
    level: float
    chance_to_beat_control: Array
    loss_if_shipped: Array
    loss_if_kept: Array  # of staying with control
    reason: Codes

    def reason_at(self, *index: int) -> Reason | None:
        """Why this cell has no answer, or None if it has one."""
        return reason_of(int(self.reason[index]))


def read_out(difference: Numbers, variance: Numbers, *, prior: Prior, alpha: float, sign: int = 1) -> Posterior:
    """The posterior of differences (treatment minus control) with these variances; the arrays broadcast.

    `sign` is +1 where more is better and -1 where less is. The credible interval has the level 1 - alpha. Raises
    ValueError for a negative variance or another sign.

    >>> found = read_out(0.04, 0.0004, prior=Prior(mean=0.0, variance=0.0004), alpha=0.05)
    >>> found.mean.round(3).item(), found.chance_to_beat_control.round(3).item(), found.loss_if_shipped.round(4).item()
    (0.02, 0.921, 0.0005)
    """
    if sign not in {1, -1}:
        raise ValueError(f"the sign is 1 or -1, not {sign}")
    given = (difference, variance, prior.mean, prior.variance)
    seen, spread, believed, doubt = np.broadcast_arrays(*map(numbers, given))
    if np.any(spread < 0):
        raise ValueError("a variance is never negative")
    unknown = ~np.isfinite(seen + spread + believed) | np.isnan(doubt)
    reason = reason_codes((unknown, Reason.INSUFFICIENT_DATA), (spread == 0, Reason.ZERO_VARIANCE))
    trusted = np.where(reason == 0, spread, np.nan)
    pull = trusted / (trusted + doubt)  # 1: only the prior counts; 0: only the data
    mean, left = seen + pull * (believed - seen), (1 - pull) * trusted
    return _posterior(mean, left, reason, alpha, sign)


def _posterior(mean: Array, variance: Array, reason: Codes, alpha: float, sign: int) -> Posterior:
    error, good = np.sqrt(variance), sign * mean
    half = critical_z(alpha) * error
    z = _standardised(good, error)
    return Posterior(
        mean=mean,
        variance=variance,
        lower=mean - half,
        upper=mean + half,
        level=float(level_of(alpha)),
        chance_to_beat_control=normal_cdf(z),
        loss_if_shipped=error * _density(z) - good * normal_cdf(-z),
        loss_if_kept=error * _density(z) + good * normal_cdf(z),
        reason=reason,
    )


def _standardised(mean: Array, error: Array) -> Array:
    """The mean in standard errors; without an error (a prior that leaves no doubt) it is beyond all doubt."""
    return np.where(error == 0, np.where(mean == 0, 0.0, np.copysign(np.inf, mean)), divide(mean, error))


def _density(z: Array) -> Array:
    return np.asarray(np.exp(-(z**2) / 2) / ROOT_TWO_PI)
