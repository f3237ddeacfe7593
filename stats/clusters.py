"""Difference of two means per unit, where whole clusters of units (teams, companies, heavy visitors) were assigned.

Units of a cluster are alike, so the cluster is what varies by chance, and the mean per unit is a ratio of sums over
clusters. With many clusters the ratio's variance serves (`cr0`, from moments of the clusters that add up by day). With
few of them it is too small, most of all where some clusters are large: `cr2` corrects each by its weight. Bell &
McCaffrey (2002), Survey Methodology 28, 169-181; Pustejovsky & Tipton (2018), Journal of Business & Economic Statistics
36, 672-683.
"""

from dataclasses import dataclass, replace

import numpy as np

from stats import wald
from stats.arrays import Array, Mask, Numbers, divide, numbers
from stats.comoments import CoMoments
from stats.methods import ratio
from stats.moments import RELATIVE_ROUNDING
from stats.results import Comparisons, Reason, reason_codes

CR0 = "Clustered difference (CR0 with G/(G-1)), Welch's t-test"
CR2 = "Clustered difference (CR2), Satterthwaite's t-test"
FEW_CLUSTERS = 50  # in an arm; below it `cr0` is too optimistic


@dataclass(frozen=True, slots=True, kw_only=True)
class Clusters:
    """The sum of the values and the number of units of each cluster, along the last axis.

    The two broadcast. A cluster of no units counts as none, so that arms with fewer clusters can be filled up. Raises
    ValueError for a negative size, and for a sum in a cluster without units.

    >>> print(Clusters(sums=[4.0, 9.0, 2.0], sizes=[2, 3, 1]).mean)
    2.5
    """

    sums: Array
    sizes: Array

    def __post_init__(self) -> None:
        sums, sizes = np.broadcast_arrays(numbers(self.sums), numbers(self.sizes))
        if np.any(sizes < 0) or np.any((sizes == 0) & (sums != 0)):
            raise ValueError("a cluster has no negative size, and without units no sum")
        object.__setattr__(self, "sums", sums)
        object.__setattr__(self, "sizes", sizes)

    @property
    def units(self) -> Array:
        """The units of all clusters, without the last axis."""
        return np.asarray(self.sizes.sum(axis=-1))

    @property
    def mean(self) -> Array:
        """The mean per unit, NaN without units."""
        return divide(self.sums.sum(axis=-1), self.units)

    @property
    def residuals(self) -> Array:
        """By how much each cluster's sum departs from the mean per unit; all 0 where that is only rounding."""
        left = self.sums - self.sizes * self.mean[..., np.newaxis]
        some = np.sqrt(np.square(left).sum(axis=-1)) > RELATIVE_ROUNDING * np.sqrt(np.square(self.sums).sum(axis=-1))
        return np.where(some[..., np.newaxis] | np.isnan(left), left, 0.0)

    @property
    def comoments(self) -> CoMoments:
        """Moments of (sum, size) with clusters as the units, which add up to those of more clusters."""
        some = (self.sizes > 0)[..., np.newaxis]
        n, rows = numbers(some.sum(axis=(-2, -1))), np.stack((self.sums, self.sizes), axis=-1)
        means = divide(rows.sum(axis=-2), n[..., np.newaxis])
        apart = np.where(some, rows - means[..., np.newaxis, :], 0.0)
        return CoMoments(n=n, means=means, products=np.swapaxes(apart, -1, -2) @ apart)


def cr0(control: CoMoments, treatment: CoMoments, *, alpha: float, null: float = 0.0) -> Comparisons:
    """Treatment minus control in the units of the mean, from moments of (sum, size) over clusters; the arms broadcast.

    The robust variance of clusters times G/(G-1), for 50 clusters an arm or more. Undefined below two clusters in an
    arm, and where the clusters of neither vary. Raises ValueError unless there are two variables and 0 < alpha < 1.
    Liang & Zeger (1986), Biometrika 73, 13-22; equal to the delta method of Deng, Knoblich & Lu (2018).

    >>> control = Clusters(sums=[4.0, 9.0, 2.0, 6.0], sizes=[2, 3, 1, 4]).comoments
    >>> treatment = Clusters(sums=[8.0, 9.0, 7.0, 12.0], sizes=[2, 2, 2, 4]).comoments
    >>> found = cr0(control, treatment, alpha=0.05).at()
    >>> print(f"{found.difference:.2f}, standard error {found.standard_error:.3f}")
    1.50, standard error 0.551
    """
    return replace(ratio.compare(control, treatment, alpha=alpha, null=null), method=CR0)


def cr2(control: Clusters, treatment: Clusters, *, alpha: float, null: float = 0.0) -> Comparisons:
    """Treatment minus control in the units of the mean, from the sums of each cluster; leading axes broadcast.

    The variance is unbiased if units are independent and alike, which also gives the degrees of freedom. Undefined
    below two clusters in an arm, and where the clusters of neither vary. Raises ValueError unless 0 < alpha < 1. Bell &
    McCaffrey (2002); Pustejovsky & Tipton (2018).

    >>> control = Clusters(sums=[4.0, 9.0, 2.0, 6.0], sizes=[2, 3, 1, 4])
    >>> treatment = Clusters(sums=[8.0, 9.0, 7.0, 12.0], sizes=[2, 2, 2, 4])
    >>> found = cr2(control, treatment, alpha=0.05).at()
    >>> print(f"{found.difference:.2f}, standard error {found.standard_error:.3f}")
    1.50, standard error 0.588
    """
    variance = _corrected_variance(control) + _corrected_variance(treatment)
    reason = reason_codes(
        (np.isnan(variance), Reason.INSUFFICIENT_DATA),
        (_flat(control) & _flat(treatment), Reason.ZERO_VARIANCE),
    )
    return wald.compare(
        treatment.mean - control.mean,
        variance,
        df=degrees_of_freedom(control.sizes, treatment.sizes),
        reason=reason,
        alpha=alpha,
        null=null,
        method=CR2,
    )


def degrees_of_freedom(control_sizes: Numbers, treatment_sizes: Numbers) -> Array:
    """Satterthwaite's degrees of freedom of `cr2`, which depend on the sizes of the clusters alone.

    Sizes along the last axis, leading axes broadcast; NaN below two clusters in an arm. Equal clusters give 2 (G - 1).
    Bell & McCaffrey (2002).

    >>> print(degrees_of_freedom([5, 5, 5], [5, 5, 5]).round(6), degrees_of_freedom([5, 5, 50], [5, 5, 5]).round(3))
    4.0 2.83
    """
    (one, first), (other, second) = (_expectation(numbers(sizes)) for sizes in (control_sizes, treatment_sizes))
    return divide(np.square(one + other), first + second)


def _corrected_variance(arm: Clusters) -> Array:
    """Squared residuals, each raised by the weight its own cluster has in the mean it is taken from."""
    weight = divide(arm.sizes, arm.units[..., np.newaxis])
    return divide(divide(np.square(arm.residuals), 1 - weight).sum(axis=-1), np.square(arm.units))


def _expectation(sizes: Array) -> tuple[Array, Array]:
    """The mean of an arm's variance estimate, and half of the variance of that estimate, for units of variance 1."""
    n = sizes.sum(axis=-1)
    weight = divide(sizes, n[..., np.newaxis])
    raised = divide(np.square(weight), 1 - weight)
    crossed = np.square(raised.sum(axis=-1)) - np.square(raised).sum(axis=-1)
    return divide(1.0, n), divide(np.square(weight).sum(axis=-1) + crossed, np.square(n))


def _flat(arm: Clusters) -> Mask:
    return np.asarray((arm.residuals == 0).all(axis=-1))
