"""Ratio: a sum over units divided by another one, such as net revenue retention, stickiness or seat utilisation."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from kpi.kinds.moments import prefix_of_pairs
from kpi.kinds.shape import Aggregate, Cohorts, Floats, Ints, Kind, Scale, window_problem
from kpi.kinds.terms import Amount, Term
from stats.arrays import Numbers, divide
from stats.comoments import CoMoments
from stats.methods import ratio
from stats.moments import RELATIVE_ROUNDING
from stats.results import Comparisons


@dataclass(frozen=True, slots=True, kw_only=True)
class RatioSample:
    """Moments (..., V, S) of numerators and denominators of the cohorts that are final."""

    pairs: CoMoments

    @property
    def n(self) -> Floats:
        """Units counted."""
        return self.pairs.n

    @property
    def successes(self) -> Floats:
        """All units: a ratio is an amount."""
        return self.pairs.n

    @property
    def censored(self) -> Floats:
        """None: a unit counts when its window has closed."""
        return np.zeros_like(self.pairs.n)

    @property
    def value(self) -> Floats:
        """The ratio of the sums; NaN before the first unit is final, and while the denominators add up to zero."""
        return divide(self.pairs.means[..., 0], self.pairs.means[..., 1])

    @property
    def variance(self) -> Floats:
        """The variance of the ratio, by the delta method."""
        return ratio.as_mean(self.pairs).mean_variance

    def compare(self, *, alpha: Numbers) -> Comparisons:
        """Each variant but the control against the control: arrays (..., V - 1, S)."""
        return ratio.compare(self.pairs[..., :1, :], self.pairs[..., 1:, :], alpha=alpha)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio(Kind):
    """The sum of the units' numerators over the sum of their denominators, both within `window_days`.

    `is_share` says that both count the same thing, such as contracts, though by different events.
    """

    window_days: int
    numerator: Term
    denominator: Term
    is_share: bool = False
    aggregate: ClassVar[Aggregate] = Aggregate.MOMENTS
    has_denominator: ClassVar[bool] = True

    @property
    def scale(self) -> Scale:
        """A rate where both sums are known to be of one unit of measure; 12 tickets a seat are not 1,200 %."""
        is_rate = self.is_share or self.numerator.measure == self.denominator.measure
        return Scale.RATE if is_rate else Scale.AMOUNT

    @property
    def events(self) -> tuple[str, ...]:
        """Names of the events it reads, each once."""
        return tuple(dict.fromkeys(amount.event for amount in self._amounts))

    @property
    def window(self) -> tuple[int, int]:
        """From exposure until the window closes."""
        return 0, self.window_days

    @property
    def lookback_days(self) -> int:
        """As far back as the last value of a level is looked for."""
        return max(0, *(-amount.days(self.window_days)[0] for amount in self._amounts))

    def per_unit(self, numbers: Mapping[str, int]) -> str:
        """The unit's numerator."""
        return self.numerator.sql(self.between, numbers, self.window_days)

    def divided_by(self, numbers: Mapping[str, int]) -> str:
        """The unit's denominator."""
        return self.denominator.sql(self.between, numbers, self.window_days)

    @property
    def alike(self) -> str:
        """The method: ratios of any sums and window go together."""
        return "ratio"

    def read(self, cohorts: Cohorts, ages: Ints, until: Ints | None = None) -> RatioSample:
        """The ratio at each snapshot, of the cohorts that are final there."""
        if cohorts.pairs is None:
            raise ValueError("these cohorts hold no denominators")
        pairs = prefix_of_pairs(cohorts.pairs, ages, self.window[1] if until is None else until)
        return RatioSample(pairs=_without_rounding(pairs, cohorts.pairs))

    def problems(self) -> list[tuple[str, str]]:
        """What is wrong with the parameters; fields within are written with a dot."""
        found = window_problem("windowDays", self.window_days)
        for name, term in (("numerator", self.numerator), ("denominator", self.denominator)):
            found += [(f"{name}.{field}", text) for field, text in term.problems(self.window_days)]
        return found

    @property
    def _amounts(self) -> tuple[Amount, ...]:
        return self.numerator.amounts + self.denominator.amounts


def _without_rounding(pairs: CoMoments, of: CoMoments) -> CoMoments:
    """Nothing where there is nothing: sums over days may leave the rounding of larger ones, which is no spread."""
    largest = np.max(np.abs(np.nan_to_num(of.means)), axis=-2, keepdims=True, initial=0.0)
    nothing = np.abs(np.nan_to_num(pairs.means)) <= RELATIVE_ROUNDING * largest
    spread = np.sqrt(divide(np.diagonal(pairs.products, axis1=-2, axis2=-1), pairs.n[..., np.newaxis]))
    flat = nothing & ~(spread > RELATIVE_ROUNDING * largest)
    alone = flat[..., np.newaxis] | flat[..., np.newaxis, :]
    return CoMoments(
        n=pairs.n, means=np.where(nothing, 0.0, pairs.means), products=np.where(alone, 0.0, pairs.products)
    )
