"""What a design asks of one KPI: how many units its fixed test needs, and what so many of them find.

Each takes sizes without a sign and gives control units of a test with one look. A margin is asked for a treatment that
is as good as control.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from kpi.kinds.shape import Floats
from stats.design import normal, proportions

SMALLEST_MARGIN = 2 * proportions.ROUNDING
"""Of a share; less is lost in rounding."""


class Question(Protocol):
    """A fixed test, at an alpha and a wanted power."""

    def units(self, effect: float) -> Floats:
        """Control units that find the effect."""

    def power(self, effects: Floats, n: Floats) -> Floats:
        """The chance to find each effect with n control units."""

    def mde(self, n: Floats) -> Floats:
        """The smallest effect found by n control units; NaN where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Normal:
    """A mean of any kind, by the variance of one unit; a margin is asked the same way."""

    variance: float
    alpha: float
    wanted: float
    ratio: float

    def units(self, effect: float) -> Floats:
        """Control units that find the effect."""
        return normal.units(self.variance, self.variance, effect, alpha=self.alpha, power=self.wanted, ratio=self.ratio)

    def power(self, effects: Floats, n: Floats) -> Floats:
        """The chance to find each effect."""
        return normal.power(self.variance, self.variance, effects, n=n, alpha=self.alpha, ratio=self.ratio)

    def mde(self, n: Floats) -> Floats:
        """The smallest effect found."""
        return normal.mde(self.variance, self.variance, n=n, alpha=self.alpha, power=self.wanted, ratio=self.ratio)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """A share of units that is to move; `sign` says which way is better."""

    level: float
    sign: int
    alpha: float
    wanted: float
    ratio: float

    def units(self, effect: float) -> Floats:
        """Control units that find the effect."""
        after = self.level + self.sign * effect
        return proportions.units(self.level, after, alpha=self.alpha, power=self.wanted, ratio=self.ratio)

    def power(self, effects: Floats, n: Floats) -> Floats:
        """The chance to find each effect."""
        after = self.level + self.sign * effects
        return proportions.power(self.level, after, n=n, alpha=self.alpha, ratio=self.ratio)

    def mde(self, n: Floats) -> Floats:
        """The smallest effect found."""
        found = proportions.mde(self.level, n=n, alpha=self.alpha, power=self.wanted, ratio=self.ratio, sign=self.sign)
        return np.abs(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class SafeShares:
    """A share of units that is not to get worse by a margin, on one side of the interval: half of alpha."""

    level: float
    sign: int
    alpha: float
    wanted: float
    ratio: float

    def units(self, effect: float) -> Floats:
        """Control units that show the margin to be kept."""
        return proportions.non_inferiority_units(
            self.level,
            self.level,
            margin=max(effect, SMALLEST_MARGIN),
            alpha=self.alpha / 2,
            power=self.wanted,
            ratio=self.ratio,
            sign=self.sign,
        )

    def power(self, effects: Floats, n: Floats) -> Floats:
        """The chance to show each margin to be kept; with none to spare it is half of alpha."""
        margins = np.maximum(effects, SMALLEST_MARGIN)
        return proportions.non_inferiority_power(
            self.level, self.level, margin=margins, n=n, alpha=self.alpha / 2, ratio=self.ratio, sign=self.sign
        )

    def mde(self, n: Floats) -> Floats:
        """The smallest margin that can be shown to be kept."""
        return proportions.non_inferiority_mde(
            self.level, self.level, n=n, alpha=self.alpha / 2, power=self.wanted, ratio=self.ratio, sign=self.sign
        )
