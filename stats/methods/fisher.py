"""Two shares of very few units: Fisher's exact test, which counts every table that could have come about.

Fisher (1935), "The logic of inductive inference", JRSS 98, 39-82. Given how many units succeeded in all, the control's
successes are hypergeometric; the p-value is the chance of a table no more likely than the one observed. The mid-p
variant (Lancaster 1961, "Significance tests in discrete distributions", JASA 56, 223-234) counts tables as likely as
the observed one by half: its mean under the null is one half, it is less cautious, and it may exceed alpha by a little.
"""

import numpy as np

from stats.arrays import Array, Numbers, numbers
from stats.distributions import log_gamma, normal_quantile
from stats.methods import agresti_caffo
from stats.methods.successes import successes
from stats.moments import Moments
from stats.results import Comparisons, Reason, reason_codes

METHOD = "Fisher's exact test, Agresti-Caffo interval"
MID_P = "Fisher's mid-p test, Agresti-Caffo interval"
MOST_UNITS = 10_000  # in both arms of a cell: the test lists every table, and with more units there is no need for it
RAREST = 1e-300  # so that the normal deviate of a p-value that underflows stays finite
TIE = 1e-7  # relative difference of two probabilities that is only rounding (as in R and scipy)


def compare(
    control: Moments, treatment: Moments, *, alpha: Numbers, null: float = 0.0, mid_p: bool = False
) -> Comparisons:
    """Treatment minus control of shares of units, from moments of 0/1 values; the arrays broadcast.

    `statistic` is the normal deviate with the p-value of the test and the sign of the difference. No exact interval of
    the difference belongs to this test: the limits and `variance` are Agresti & Caffo's, and close to alpha they may
    disagree with it. Undefined for an empty arm. Raises ValueError for a null other than 0, for counts that are not
    whole, and above 10,000 units in a cell.

    >>> control, treatment = Moments.of_proportion(1, 8), Moments.of_proportion(6, 9)
    >>> print(f"{compare(control, treatment, alpha=0.05).p_value:.4f}")
    0.0498
    >>> print(f"{compare(control, treatment, alpha=0.05, mid_p=True).p_value:.4f}")
    0.0325
    """
    if null:
        raise ValueError("the exact test is of a difference of zero only")
    around = agresti_caffo.compare(control, treatment, alpha=alpha)
    p_value = np.where(around.reason == 0, _p_value(control, treatment, 0.5 if mid_p else 1.0), np.nan)
    reason = reason_codes((np.isnan(around.difference), Reason.INSUFFICIENT_DATA))
    return Comparisons(
        difference=around.difference,
        variance=around.variance,
        statistic=-np.sign(around.difference) * normal_quantile(np.maximum(p_value, RAREST) / 2),
        p_value=p_value,
        lower=around.lower,
        upper=around.upper,
        level=around.level,
        reason=reason,
        method=MID_P if mid_p else METHOD,
    )


def _p_value(control: Moments, treatment: Moments, tied: float) -> Array:
    """The chance of a table less likely than the observed one, plus `tied` times that of one as likely."""
    won, tried = _whole(successes(control)), _whole(successes(treatment))
    n, m, both = control.n, treatment.n, won + tried
    if np.any(n + m > MOST_UNITS):
        raise ValueError(f"the exact test is for at most {MOST_UNITS} units")
    tables = np.arange(np.max(np.minimum(n, both), initial=0.0) + 1)
    chance = _chance(tables, n[..., np.newaxis], m[..., np.newaxis], both[..., np.newaxis])
    observed = _chance(won, n, m, both)[..., np.newaxis]
    less, as_likely = chance < observed * (1 - TIE), np.abs(chance - observed) <= observed * TIE
    return np.asarray(np.minimum((chance * (less + tied * as_likely)).sum(axis=-1), 1.0))


def _chance(won: Array, n: Array, m: Array, both: Array) -> Array:
    """The hypergeometric probability of `won` successes among the n of control, and 0 where that cannot be."""
    possible = (won <= np.minimum(n, both)) & (won >= both - m)
    won = np.where(possible, won, np.maximum(both - m, 0.0))
    log = _log_choose(n, won) + _log_choose(m, both - won) - _log_choose(n + m, both)
    return np.where(possible, np.exp(log), 0.0)


def _log_choose(n: Array, k: Array) -> Array:
    return log_gamma(n + 1) - log_gamma(k + 1) - log_gamma(n - k + 1)


def _whole(counts: Array) -> Array:
    if np.any(counts != np.rint(counts)):
        raise ValueError("the exact test counts whole units")
    return numbers(counts)
