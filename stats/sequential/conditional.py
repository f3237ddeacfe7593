"""How likely a test is still to succeed, given what it has seen: what stopping for futility goes by."""

import numpy as np

from stats.arrays import Array, Numbers, numbers
from stats.distributions import normal_cdf


def power(statistic: Numbers, information: Numbers, *, difference: Numbers, end: Numbers, bar: Numbers) -> Array:
    """The probability that z reaches the bar at the end, if the true difference is this one from now on.

    Lan, Simon & Halperin (1982), Sequential Analysis 1; Jennison & Turnbull (2000), section 10.2. `statistic` is z with
    the `information` so far (one over the variance of the difference), `end` the information at the end. Looks in
    between are not counted, which can only make it a little too small. The arrays broadcast. Raises ValueError unless
    the information so far is above zero and less than at the end.

    >>> power(1.0, 0.5, difference=2.8, end=1.0, bar=1.98).round(4).item()
    0.5713
    """
    z, now, last = numbers(statistic), numbers(information), numbers(end)
    if not (np.all(now > 0) and np.all(now < last)):
        raise ValueError("the information so far is above zero and less than at the end")
    gained = last - now
    expected = z * np.sqrt(now) + numbers(difference) * gained
    return np.asarray(normal_cdf((expected - numbers(bar) * np.sqrt(last)) / np.sqrt(gained)))
