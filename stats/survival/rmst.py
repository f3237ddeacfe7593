"""The mean time to the event within the first tau days (restricted mean survival time).

The area under the Kaplan-Meier curve up to tau; a unit without the event by then counts tau days. Needs no assumption
about the shape of the hazards. Royston & Parmar (2013), BMC Medical Research Methodology 13; the variance is that of
R's survRM2 without its small-sample factor. tau is chosen before the data.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from stats import wald
from stats.arrays import Array, Codes, Numbers, divide
from stats.results import Comparisons, Reason, Undefined, reason_codes, reason_of
from stats.survival.counts import LifeTable
from stats.survival.kaplan_meier import curve

METHOD = "Difference of restricted mean times to the event"
FEWEST = 2  # units of an arm: the curve of one unit is a step, and seems to be without chance


@dataclass(frozen=True, slots=True, kw_only=True)
class RestrictedMean:
    """Mean days to the event within tau, and the variance of that mean; NaN with a reason where unknown.

    >>> from stats.survival.counts import life_table
    >>> estimate(life_table([10], [[2, 4, 1]], [[0, 0, 0]], [1]), tau=3).at()
    Undefined(reason=<Reason.INSUFFICIENT_DATA: 'insufficient_data'>)
    """

    n: Array  # units at risk at the start
    value: Array
    variance: Array
    reason: Codes

    def __getitem__(self, index: Any) -> Self:
        """Some of the means, by any index that numpy takes."""
        return type(self)(
            n=self.n[index], value=self.value[index], variance=self.variance[index], reason=self.reason[index]
        )

    def at(self, *index: int) -> float | Undefined:
        """The mean of one cell as a plain number."""
        reason = reason_of(int(self.reason[index]))
        return Undefined(reason=reason) if reason else float(self.value[index])


def estimate(table: LifeTable, tau: int) -> RestrictedMean:
    """The restricted mean over the first tau duration days.

    Undefined where on one of these days nobody was at risk although S > 0. Raises ValueError unless the table has tau
    duration days or more, and tau is at least 1.

    >>> from stats.survival.counts import life_table
    >>> found = estimate(life_table([10], [[2, 4, 1]], [[0, 0, 0]], [3]), tau=3)
    >>> found.value.round(3).item(), found.variance.round(3).item()
    (2.2, 0.056)
    """
    if not 1 <= tau <= table.at_risk.shape[-1]:
        raise ValueError(f"tau lies between 1 and the {table.at_risk.shape[-1]} days of the table, not at {tau}")
    survival = curve(table)[..., :tau]
    reason = reason_codes((np.isnan(survival[..., -1]), Reason.INSUFFICIENT_DATA))
    heights = survival[..., :-1]  # S(1) ... S(tau - 1); what happens at tau itself moves no area
    value = np.where(reason == 0, 1 + heights.sum(axis=-1), np.nan)
    rest = np.flip(np.cumsum(np.flip(heights, axis=-1), axis=-1), axis=-1)
    events, at_risk = table.events[..., : tau - 1], table.at_risk[..., : tau - 1]
    # Where all at risk had the event, nothing is left to the right of it, and the term is zero.
    terms = np.where(rest > 0, np.square(rest) * divide(events, at_risk * (at_risk - events)), 0.0)
    variance = np.where(reason == 0, terms.sum(axis=-1), np.nan)
    return RestrictedMean(n=table.at_risk[..., 0], value=value, variance=variance, reason=reason)


def compare(control_table: LifeTable, treatment_table: LifeTable, *, tau: int, alpha: Numbers) -> Comparisons:
    """Treatment minus control in days: below zero, the treatment gets there sooner. Normal z; the arrays broadcast.

    Undefined below two units in an arm, where an arm has no restricted mean, and where neither curve varies. Raises
    ValueError as `estimate` does and unless 0 < alpha < 1.

    >>> from stats.survival.counts import life_table
    >>> control, treatment = (life_table([50], [days], [[0, 0, 0]], [3]) for days in ([5, 5, 5], [15, 10, 5]))
    >>> found = compare(control, treatment, tau=3, alpha=0.05).at()
    >>> round(found.difference, 3), round(found.p_value, 4)
    (-0.5, 0.0011)
    """
    return between(estimate(control_table, tau), estimate(treatment_table, tau), alpha=alpha)


def between(control: RestrictedMean, treatment: RestrictedMean, *, alpha: Numbers) -> Comparisons:
    """As `compare`, of means that are there already.

    >>> from stats.survival.counts import life_table
    >>> means = (estimate(life_table([50], [days], [[0, 0]], [2]), 2) for days in ([5, 5], [15, 10]))
    >>> round(between(*means, alpha=0.05).at().difference, 3)
    -0.2
    """
    variance = control.variance + treatment.variance
    few = np.minimum(control.n, treatment.n) < FEWEST
    reason = reason_codes(
        (np.isnan(variance) | few, Reason.INSUFFICIENT_DATA),
        (variance == 0, Reason.ZERO_VARIANCE),
    )
    return wald.compare(treatment.value - control.value, variance, reason=reason, alpha=alpha, method=METHOD)
