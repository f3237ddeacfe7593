"""How many units succeeded, read back from the moments of 0/1 values."""

import numpy as np

from stats.arrays import Array
from stats.moments import Moments

ROUNDING = 1e-6  # how far from a whole number, or beyond 0 and n, a merged count may be


def successes(arm: Moments) -> Array:
    """Units with value 1, of the shape of the moments; 0 in an arm without units.

    A count within rounding of a whole number becomes that number. Raises ValueError for fewer than none or more than n.

    >>> print(successes(Moments(n=10, mean=0.3, m2=2.1)))
    3.0
    """
    won = np.where(arm.n > 0, arm.n * np.where(arm.n > 0, arm.mean, 0.0), 0.0)
    if np.any(won < -ROUNDING) or np.any(won > arm.n + ROUNDING):
        raise ValueError("the mean of 0/1 values lies between 0 and 1")
    whole = np.rint(won)
    return np.where(np.abs(won - whole) <= ROUNDING, whole, won)
