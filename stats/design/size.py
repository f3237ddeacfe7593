"""What looks cost and save: the units of a design with any looks, over those of a test with one look.

Jennison & Turnbull (2000), chapters 2-5: the largest number for the same power (inflation), and the average sample
number under any truth. By the recursion, so for any bars, spending, futility and spacing of the looks.
"""

from dataclasses import dataclass
from typing import Protocol

from stats.arrays import Array, Numbers, numbers
from stats.design.normal import TWO_SIDED, distance


class Planned(Protocol):
    """Bars for each look: a `stopping.Design` or a `wedge.Wedge`."""

    @property
    def information(self) -> Array:
        """One over the variance of the difference at each look."""

    def expected_information(self, drift: float) -> float:
        """The information had on average when the test ends."""

    def drift_for(self, power: float) -> float:
        """The drift at which the design has this power."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Times the units of a test with one look that has the same alpha and power."""

    largest: float  # where no look stops it: the inflation
    under_null: float  # on average, if there is no difference
    under_planned: float  # on average, if the difference is the planned one


def of(design: Planned, *, alpha: float, power: float, sides: int = TWO_SIDED) -> Size:
    """The size of a design planned for this power; one-sided designs have `sides` 1.

    Raises ValueError for a power not between alpha / sides and 1.

    >>> from stats.sequential import stopping
    >>> found = of(stopping.two_sided([0.3, 0.5, 1.0], alpha=0.05), alpha=0.05, power=0.8)
    >>> round(found.largest, 4), round(found.under_null, 4), round(found.under_planned, 4)
    (1.0038, 1.0022, 0.9199)
    """
    null, planned = average(design, [0.0, 1.0], alpha=alpha, power=power, sides=sides)
    return Size(largest=_largest(design, alpha, power, sides), under_null=float(null), under_planned=float(planned))


def average(design: Planned, truths: Numbers, *, alpha: float, power: float, sides: int = TWO_SIDED) -> Array:
    """The average sample number where the truth is so many times the planned difference, one entry each.

    As multiples of the units of a test with one look. Errors as for `of`.

    >>> from stats.sequential import stopping
    >>> average(stopping.two_sided([0.5, 1.0], alpha=0.05), [0.0, 1.0, 2.0], alpha=0.05, power=0.8).round(3).tolist()
    [1.002, 0.921, 0.581]
    """
    largest, drift, end = _largest(design, alpha, power, sides), design.drift_for(power), float(design.information[-1])
    had = [design.expected_information(float(truth) * drift) for truth in numbers(truths)]
    return numbers(had) * largest / end


def _largest(design: Planned, alpha: float, power: float, sides: int) -> float:
    return float(design.drift_for(power) ** 2 * design.information[-1] / distance(alpha, power, sides) ** 2)
