"""Sample ratio mismatch: whether the variants receive the shares of units they were promised.

A mismatch means that something between assignment and measurement loses units of one variant, and then no comparison
of that experiment can be trusted. `chi_square` is for a single look; whoever looks daily alerts on `sequential`.
"""

import numpy as np

from stats.arrays import Array, Numbers, divide, numbers
from stats.distributions import chi_square_tail, log_gamma

CONCENTRATION = 100.0  # how closely the mixture of alternatives gathers around the promise, if no size is planned
PLANNED_UNITS_PER_CONCENTRATION = 10


def chi_square(observed: Numbers, weights: Numbers) -> tuple[Array, Array]:
    """Pearson's statistic and p-value over the last axis, one entry a variant; NaN while there are no units.

    Pearson (1900), Philosophical Magazine 50. Weights need not add to one. Raises
    ValueError unless all are positive, and for a negative count.

    >>> statistic, p = chi_square([5100, 4900], [1, 1])
    >>> statistic.item(), p.round(4).item()
    (4.0, 0.0455)
    """
    counts, shares = _counts(observed), _shares(weights)
    expected = counts.sum(axis=-1, keepdims=True) * shares
    statistic = divide(np.square(counts - expected), expected).sum(axis=-1)
    return statistic, chi_square_tail(shares.shape[-1] - 1, statistic)


def concentration_for(planned_n: float) -> float:
    """The concentration for an experiment planned for this many units in all: sharper for small mismatches.

    >>> concentration_for(500), concentration_for(20_000)
    (100.0, 2000.0)
    """
    return max(CONCENTRATION, planned_n / PLANNED_UNITS_PER_CONCENTRATION)


def sequential(counts: Numbers, weights: Numbers, *, concentration: Numbers = CONCENTRATION) -> tuple[Array, Array]:
    """Log e-values and running p-values by day, valid at every look at once.

    Lindon & Malek (2022), "Anytime-valid inference for multinomial count data", NeurIPS. `counts` are the NEW units
    (..., days, variants), both results (..., days); `concentration` has the leading axes. Raises ValueError as
    `chi_square` does, and for a concentration not above zero.

    >>> log_e, p = sequential([[520, 480], [560, 440]], [1, 1])
    >>> log_e.round(3).tolist(), p.round(4).tolist()
    ([-0.473, 4.579], [1.0, 0.0103])
    """
    seen, shares = np.cumsum(_counts(counts), axis=-2), _shares(weights)
    total = numbers(concentration)[..., np.newaxis]
    if not np.all(total > 0):
        raise ValueError("a concentration is above zero")
    prior = total[..., np.newaxis] * shares
    mixture = (log_gamma(prior + seen) - log_gamma(prior)).sum(axis=-1)
    promise = (seen * np.log(shares)).sum(axis=-1)
    log_e = log_gamma(total) - log_gamma(total + seen.sum(axis=-1)) + mixture - promise
    return log_e, np.minimum.accumulate(np.exp(-np.maximum(log_e, 0.0)), axis=-1)


def _counts(counts: Numbers) -> Array:
    given = numbers(counts)
    if np.any(given < 0):
        raise ValueError("a count is never negative")
    return given


def _shares(weights: Numbers) -> Array:
    shares = numbers(weights)
    if not np.all(shares > 0):
        raise ValueError("every variant has a positive weight")
    return np.asarray(shares / shares.sum(axis=-1, keepdims=True))
