"""Any difference whose estimate is close to normal: means, ratios, restricted means, with the variance of one unit.

With unit variances v0 and v1 the difference has the variance (v0 + v1/ratio) / n, and must be (za + zb) standard errors
from zero (Chow, Shao & Wang 2008, Sample Size Calculations in Clinical Research, section 3.2). Non-inferiority is a
test with one side, in which the difference to find is the margin plus what the treatment is expected to gain. For means
of few units, where Student's t matters, `stats.power.units_per_arm_mean` is exact.
"""

import numpy as np

from stats.arrays import Array, Numbers, divide, numbers
from stats.distributions import level_of, normal_cdf, normal_quantile

TWO_SIDED = 2


def units(
    control_variance: Numbers,
    treatment_variance: Numbers,
    difference: Numbers,
    *,
    alpha: float,
    power: float,
    ratio: Numbers = 1.0,
    sides: int = TWO_SIDED,
) -> Array:
    """Control units to find this difference; variances are those of one unit. All arrays broadcast.

    Not rounded. Raises ValueError for a difference of zero, variances that are not positive, and a power that is not
    between alpha / sides and 1.

    >>> units(4.0, 4.0, 0.5, alpha=0.05, power=0.8).round(1).item()
    251.2
    """
    gap = numbers(difference)
    if np.any(gap == 0):
        raise ValueError("no number of units finds a difference of zero")
    reach = distance(alpha, power, sides)
    return spread(control_variance, treatment_variance, ratio) * np.square(reach / gap)


def power(
    control_variance: Numbers,
    treatment_variance: Numbers,
    difference: Numbers,
    *,
    n: Numbers,
    alpha: float,
    ratio: Numbers = 1.0,
    sides: int = TWO_SIDED,
) -> Array:
    """The chance to find this difference with n control units. All arrays broadcast.

    Raises ValueError for variances or an n that are not positive.

    >>> power(4.0, 4.0, 0.5, n=252, alpha=0.05).round(3).item()
    0.801
    """
    error = np.sqrt(spread(control_variance, treatment_variance, ratio) / positive(n, "n"))
    return normal_cdf(np.abs(numbers(difference)) / error - bar(alpha, sides))


def mde(
    control_variance: Numbers,
    treatment_variance: Numbers,
    *,
    n: Numbers,
    alpha: float,
    power: float,
    ratio: Numbers = 1.0,
    sides: int = TWO_SIDED,
) -> Array:
    """The smallest difference found with this power by n control units, without a sign. All arrays broadcast.

    Raises ValueError as `units` and `power` do.

    >>> mde(4.0, 4.0, n=251.17, alpha=0.05, power=0.8).round(3).item()
    0.5
    """
    error = np.sqrt(spread(control_variance, treatment_variance, ratio) / positive(n, "n"))
    return np.asarray(distance(alpha, power, sides) * error)


def spread(control_variance: Numbers, treatment_variance: Numbers, ratio: Numbers) -> Array:
    """The variance of the difference with one control unit. Raises ValueError unless all are positive.

    >>> spread(4.0, 6.0, 2.0).item()
    7.0
    """
    control, treatment = positive(control_variance, "a variance"), positive(treatment_variance, "a variance")
    return np.asarray(control + divide(treatment, positive(ratio, "a ratio")))


def distance(alpha: float, power: float, sides: int = TWO_SIDED) -> float:
    """How many standard errors from zero the truth must lie. Raises ValueError unless alpha / sides < power < 1.

    >>> round(distance(0.05, 0.8), 4)
    2.8016
    """
    if not alpha / sides < power < 1:
        raise ValueError(f"power lies between {alpha / sides} and 1, not at {power}")
    return bar(alpha, sides) + float(normal_quantile(power))


def bar(alpha: float, sides: int = TWO_SIDED) -> float:
    """The z to be exceeded. Raises ValueError unless 0 < alpha < 1 and sides is 1 or 2.

    >>> round(bar(0.05), 4), round(bar(0.025, sides=1), 4)
    (1.96, 1.96)
    """
    level_of(alpha)
    if sides not in {1, TWO_SIDED}:
        raise ValueError(f"a test has one side or two, not {sides}")
    return float(-normal_quantile(alpha / sides))


def positive(values: Numbers, name: str) -> Array:
    """The values as an array. Raises ValueError, with the name, unless all are above zero.

    >>> positive([1.0, 2.0], "n").tolist()
    [1.0, 2.0]
    """
    given = numbers(values)
    if not np.all(given > 0):
        raise ValueError(f"{name} is above zero")
    return given
