"""One plan for every estimate close to normal: units, days, power and mde, under one look, planned looks or any look.

What differs between KPIs is the variance that one unit lends (`factors` has those of ratios, quantiles, CUPED and
clusters, `rmst` that of restricted means), and between policies how many standard errors the truth must lie from the
null: `OneLook`, or the bars of `sequential.stopping`, `sequential.wedge` and `policy.always_valid_design`. Chow, Shao &
Wang (2008), section 3.2; Jennison & Turnbull (2000), chapter 3. Shares of units, whose variance depends on the
difference, have `proportions` (times the `horizon` of `policy` for looks); means of few units have `means`.
"""

from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np

from stats.arrays import Array, Mask, Numbers, divide, numbers
from stats.design import duration
from stats.design.normal import TWO_SIDED, bar, distance, positive, spread
from stats.distributions import normal_cdf


class Rule(Protocol):
    """Whatever says how far the truth must lie from the null, in standard errors at the end."""

    def power(self, drift: float) -> float:
        """The probability to find it, from how many standard errors away it lies."""

    def drift_for(self, power: float) -> float:
        """How many standard errors away it is found with this power."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OneLook:
    """A test with one look: two-sided, or with sides 1 (non-inferiority, gains only) one-sided.

    >>> test = OneLook(alpha=0.05)
    >>> round(test.drift_for(0.8), 4), round(test.power(2.8016), 4)
    (2.8016, 0.8)
    """

    alpha: float
    sides: int = TWO_SIDED

    def power(self, drift: float) -> float:
        """The chance that z lies beyond the bar on the side of the truth."""
        return float(normal_cdf(drift - bar(self.alpha, self.sides)))

    def drift_for(self, power: float) -> float:
        """The distance with this power. Raises ValueError unless alpha / sides < power < 1."""
        return distance(self.alpha, power, self.sides)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A question to be asked; `n` is always the number of control units (against a baseline: of units).

    A `test` with looks counts its information in shares of the planned end. For non-inferiority the difference to find
    is the margin plus what the treatment is expected to gain. All arrays broadcast; a curve is one call.
    """

    variance: Array  # of the difference with n = 1
    extra: Array  # the variance that no unit takes away: that of a baseline
    arms: float  # units in all arms for each control unit
    test: Rule

    @classmethod
    def between(
        cls,
        control_variance: Numbers,
        treatment_variance: Numbers,
        *,
        test: Rule,
        ratio: float = 1.0,
        variants: int = 1,
    ) -> Self:
        """Control against each of so many variants with `ratio` units each; variances are those of one unit.

        Raises ValueError unless variances and ratio are above zero and there is a variant or more.

        >>> plan = Plan.between(4.0, 4.0, test=OneLook(alpha=0.05))
        >>> plan.units(0.5, power=0.8).round(1).item(), plan.days(0.5, power=0.8, per_day=100, window=7).item()
        (251.2, 12.0)
        >>> plan.power(0.5, n=[100, 252]).round(3).tolist(), plan.mde(n=252, power=0.8).round(3).item()
        ([0.424, 0.801], 0.499)
        """
        if variants < 1:
            raise ValueError("there is a variant or more besides control")
        variance = spread(control_variance, treatment_variance, numbers(ratio))
        return cls(variance=variance, extra=numbers(0.0), arms=1 + ratio * variants, test=test)

    @classmethod
    def against_baseline(cls, variance: Numbers, *, baseline_standard_error: Numbers, test: Rule) -> Self:
        """Units against a baseline with its own error, which no number of units takes away.

        Raises ValueError for a variance not above zero and a negative standard error.

        >>> plan = Plan.against_baseline(4.0, baseline_standard_error=0.1, test=OneLook(alpha=0.05))
        >>> plan.units([0.5, 0.25], power=0.8).round(1).tolist(), plan.reachable([0.5, 0.25], power=0.8).tolist()
        ([183.1, nan], [True, False])
        >>> plan.most_power(0.25).round(3).item()
        0.705
        """
        error = numbers(baseline_standard_error)
        if np.any(error < 0):
            raise ValueError("a standard error is never negative")
        return cls(variance=positive(variance, "a variance"), extra=np.square(error), arms=1.0, test=test)

    @classmethod
    def of_events(cls, *, test: Rule, ratio: float = 1.0) -> Self:
        """Log-rank: the difference is a log hazard ratio, and n counts events in both arms (Schoenfeld 1983).

        `events.units` and `events.days` lead on to units and days. Raises ValueError for a ratio not above zero.

        >>> plan = Plan.of_events(test=OneLook(alpha=0.05))
        >>> plan.units(np.log(0.5), power=0.8).round(2).item()
        65.35
        """
        parts = positive(ratio, "a ratio")
        return cls(variance=np.square(1 + parts) / parts, extra=numbers(0.0), arms=1.0, test=test)

    def units(self, difference: Numbers, *, power: float) -> Array:
        """Units for this power; not rounded. NaN where it is not `reachable`. ValueError for a difference of zero."""
        room = self._room(difference, power)
        return divide(self.variance, np.where(room > 0, room, np.nan))

    def days(self, difference: Numbers, *, power: float, per_day: Numbers, window: Numbers = 1) -> Array:
        """Days until the units of all arms are final, as `duration.days`; NaN where `units` is."""
        each = np.ceil(self.units(difference, power=power))
        known = np.where(np.isnan(each), 1.0, each)
        return np.where(np.isnan(each), np.nan, duration.days(known * self.arms, per_day=per_day, window=window))

    def power(self, difference: Numbers, *, n: Numbers) -> Array:
        """The chance to find the difference with n units. Raises ValueError for an n that is not above zero."""
        error = np.sqrt(self.variance / positive(n, "n") + self.extra)
        return self._found(np.abs(numbers(difference)) / error)

    def mde(self, *, n: Numbers, power: float) -> Array:
        """The smallest difference found with this power by n units, without a sign; a margin, if that is asked."""
        error = np.sqrt(self.variance / positive(n, "n") + self.extra)
        return np.asarray(self.test.drift_for(power) * error)

    def reachable(self, difference: Numbers, *, power: float) -> Mask:
        """Whether any number of units has this power: not where the error of the baseline alone is too large."""
        return np.asarray(self._room(difference, power) > 0)

    def most_power(self, difference: Numbers) -> Array:
        """The power that no number of units exceeds: 1 unless there is a baseline with an error."""
        gap, extra = np.broadcast_arrays(np.abs(numbers(difference)), self.extra)
        limited = self._found(divide(gap, np.sqrt(extra)))
        return np.where(extra > 0, limited, 1.0)

    def _room(self, difference: Numbers, power: float) -> Array:
        """The variance that the units may leave."""
        gap = numbers(difference)
        if np.any(gap == 0):
            raise ValueError("no number of units finds a difference of zero")
        return np.asarray(np.square(gap / self.test.drift_for(power)) - self.extra)

    def _found(self, drifts: Array) -> Array:
        each = [np.nan if np.isnan(drift) else self.test.power(float(drift)) for drift in drifts.ravel()]
        return numbers(each).reshape(drifts.shape)


def shared_alpha(alpha: float, *, kpis: int = 1, variants: int = 1) -> float:
    """The alpha of one comparison, if all of so many KPIs for so many variants share it evenly (Bonferroni).

    The rule of the service. Holm's method rejects whatever this does, so a plan by it is safe. Raises ValueError unless
    0 < alpha < 1 and there is a KPI and a variant.

    >>> round(shared_alpha(0.05, kpis=2, variants=3), 6)
    0.008333
    """
    if not 0 < alpha < 1 or kpis < 1 or variants < 1:
        raise ValueError("an alpha between 0 and 1 is shared by a KPI or more for a variant or more")
    return alpha / (kpis * variants)


def best_ratio(variants: int) -> float:
    """The treatment units to each control unit that need the fewest in all, for so many variants: 1 / sqrt(variants).

    Dunnett (1955), JASA 50. Raises ValueError below one variant.

    >>> best_ratio(4)
    0.5
    """
    if variants < 1:
        raise ValueError("there is a variant or more besides control")
    return float(1 / np.sqrt(variants))
