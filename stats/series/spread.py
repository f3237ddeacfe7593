"""How much the periods of a steady series differ beyond their sampling errors, and for how long they do."""

import numpy as np

from stats import meta
from stats.arrays import Numbers
from stats.series.periods import given, ordered

FEWEST = 12
"""Known periods below which nothing is said of it."""
MOST_ALIKE = 0.9
"""The largest correlation of neighbours that is believed: beyond it a series wanders, and has no level."""


def lasting(period: Numbers, value: Numbers, standard_error: Numbers) -> float:
    """The standard deviation that each of the values (T,) would have if independent ones made means as unsteady.

    The variance between periods, tau2 (DerSimonian & Laird 1986), times (1 + phi) / (1 - phi), which is what the mean
    of many has of an autoregression (Bartlett 1946, "On the theoretical specification and sampling properties of
    autocorrelated time-series"). phi is the correlation of neighbours, of the part that is no sampling error, corrected
    for the few periods it is measured on (Kendall 1954, "Note on bias in the estimation of autocorrelation",
    Biometrika 41), and 0 at least. NaN below twelve known periods. Raises ValueError for periods out of order.

    >>> swinging = [0.50, 0.60, 0.51, 0.59, 0.50, 0.61, 0.50, 0.60, 0.49, 0.60, 0.51, 0.60]
    >>> round(lasting(range(12), swinging, 0.01), 4)
    0.0508
    >>> round(lasting(range(12), sorted(swinging), 0.01), 4)
    0.2215
    """
    values, errors, known = given(value, standard_error)
    known = known & (errors > 0)
    if known.sum() < FEWEST:
        return float("nan")
    when, seen = ordered(period, values)[known], values[known]
    between = float(meta.dersimonian_laird(seen, errors[known] ** 2))
    apart = seen - seen.mean()
    is_next = np.diff(when) == 1
    together = (apart[1:] * apart[:-1])[is_next].sum() / max(is_next.sum(), 1)
    alike = float(together) / between if between > 0 else 0.0
    alike = float(np.clip(alike + (1 + 3 * alike) / seen.size, 0.0, MOST_ALIKE))
    return float(np.sqrt(between * (1 + alike) / (1 - alike)))
