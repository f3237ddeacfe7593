"""A cap on the values of units, so that a few huge ones do not hide what happens to all the others.

Dixon & Tukey (1968), "Approximate behavior of the distribution of Winsorized t", Technometrics 10, 83-98. The cap comes
from values before the experiment and is fixed before it starts: chosen from the experiment's own values it would depend
on the effect, and the two arms would no longer be measured by the same rule. What is then compared is the mean of the
capped values, by any method for means.
"""

from dataclasses import dataclass

import numpy as np

from stats.arrays import Array, Numbers, divide, numbers
from stats.moments import Moments
from stats.results import Reason, Undefined

SHARE = 0.99  # of the units at or below the cap, unless the plan says otherwise
ROUNDING = 1e-12  # of a share, which may end just above the one asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """The largest value that counts as itself, for the plan: every larger one counts as this.

    >>> print(Cap(value=100.0, share=0.99, n=5000).apply([3.0, 250.0]))
    [  3. 100.]
    """

    value: float  # in the units of the KPI
    share: float  # of the units before the experiment, how many were at or below it
    n: int  # units before the experiment

    def apply(self, values: Numbers) -> Array:
        """The values, none larger than the cap; of the same shape."""
        return np.asarray(np.minimum(numbers(values), self.value))

    def moments(self, values: Numbers, counts: Numbers) -> Moments:
        """The moments of the capped values, from how many units (..., values) had each of the values.

        Raises ValueError for a negative count. The mean of no units is NaN.

        >>> print(Cap(value=20.0, share=0.99, n=5000).moments([0, 10, 500], [2, 1, 1]).mean)
        7.5
        """
        x, n = np.broadcast_arrays(self.apply(values), _counts(counts))
        mean = divide((n * x).sum(axis=-1), n.sum(axis=-1))
        apart = np.where(n > 0, x - mean[..., np.newaxis], 0.0)
        return Moments(n=n.sum(axis=-1), mean=mean, m2=(n * apart**2).sum(axis=-1))


def choose(values: Numbers, counts: Numbers, *, share: float = SHARE) -> Cap | Undefined:
    """The smallest value before the experiment that at least this share of the units did not exceed.

    `counts` says how many units had each of the `values`; both have one axis, in any order. Undefined without units,
    and where all capped values would be the same (nearly all units have spent nothing, say). Raises ValueError for a
    share outside (0, 1], a negative count, and counts that do not fit the values.

    >>> print(choose([0, 10, 20, 500], [900, 60, 35, 5], share=0.99))
    Cap(value=20.0, share=0.995, n=1000)
    """
    x, n = numbers(values), _counts(counts)
    if not 0 < share <= 1:
        raise ValueError(f"the share of units below a cap lies between 0 and 1, not at {share}")
    if x.ndim != 1 or x.shape != n.shape:
        raise ValueError("every value has one count")
    order = np.argsort(x, kind="stable")
    order = order[n[order] > 0]
    if not order.size:
        return Undefined(reason=Reason.INSUFFICIENT_DATA)
    reached = np.cumsum(n[order]) / n.sum()
    value = x[order][np.searchsorted(reached, share - ROUNDING)]
    if value == x[order[0]]:
        return Undefined(reason=Reason.ZERO_VARIANCE)
    return Cap(value=float(value), share=float(n[x <= value].sum() / n.sum()), n=int(n.sum()))


def _counts(counts: Numbers) -> Array:
    n = numbers(counts)
    if np.any(n < 0):
        raise ValueError("a count is never negative")
    return n
