"""Hazard ratios beyond one pooled table: log-rank within cohorts, and the full Cox model from rows.

The one-step log hazard ratio of `logrank` needs only daily counts and is the Cox estimate to first order. The full
model costs a row per unit and an iteration, so it is for a report that asks for it.
"""

import numpy as np

from stats import wald
from stats.arrays import Array, Numbers, divide, numbers
from stats.distributions import level_of, normal_cdf
from stats.results import Comparisons, Reason, reason_codes
from stats.survival import logrank
from stats.survival.counts import LifeTable
from stats.survival.logrank import LogRank

METHOD = "Cox log hazard ratio, Efron's ties (assumes proportional hazards)"


def stratified(control: LifeTable, treatment: LifeTable) -> LogRank:
    """The log-rank test within each stratum, added up; tables (..., strata, D), result of the leading axes.

    Units are only compared with units of their own stratum, so strata that differ in level, such as cohorts of a
    holiday, do not blur the comparison. Mantel (1966). With one stratum a cohort, the score of one calendar day adds
    to that of the days before without changing it. Undefined where no stratum has an event at common risk.

    >>> from stats.survival.counts import life_table
    >>> strata = [[[5, 3]], [[2, 2]]], [[[9, 4]], [[5, 2]]]  # two cohorts, each a table of its own, of both arms
    >>> control, treatment = (life_table([[30], [20]], events, [[[0, 0]]] * 2, [[2], [2]]) for events in strata)
    >>> found = stratified(control, treatment)
    >>> found.score.round(3).item(), found.p_value.round(3).item()
    (4.486, 0.081)
    """
    each = logrank.compare(control, treatment)
    score, variance = each.score.sum(axis=-1), each.variance.sum(axis=-1)
    statistic = divide(score, np.sqrt(variance))
    return LogRank(
        score=score,
        variance=variance,
        statistic=statistic,
        p_value=2 * normal_cdf(-np.abs(statistic)),
        reason=logrank.reasons(variance, *(table.at_risk[..., 0].sum(axis=-1) for table in (control, treatment))),
    )


def fit(
    times: Numbers, events: Numbers, treated: Numbers, *, alpha: float, strata: Numbers | None = None
) -> Comparisons:
    """The log hazard ratio of treatment over control from one row a unit, all of shape (n,); the result is one cell.

    `events` is 1 for an event and 0 for censoring at that time, `treated` 1 or 0. Efron's ties; Cox (1972), JRSS B 34,
    by statsmodels' PHReg. Undefined where an arm has no event within a stratum's common risk (the ratio is then zero
    or infinite). Raises ValueError for rows of different length, times not above zero, and marks other than 0 and 1.

    >>> found = fit([1, 2, 3, 4, 5, 6], [1, 1, 1, 1, 0, 1], [1, 0, 1, 0, 0, 1], alpha=0.05)
    >>> found.difference.round(4).item()
    0.2739
    """
    level_of(alpha)
    days, happened, arm = numbers(times), numbers(events), numbers(treated)
    groups = np.zeros(days.shape) if strata is None else numbers(strata)
    _check(days, happened, arm, groups)
    bounded = _bounded(days, happened, arm, groups)
    estimate, variance = _maximum(days, happened, arm, groups) if bounded else (np.nan, np.nan)
    reason = reason_codes(
        (np.asarray(np.unique(arm).size < 2), Reason.INSUFFICIENT_DATA),
        (np.asarray(not bounded), Reason.TOO_FEW_EVENTS),
    )
    return wald.compare(numbers(estimate), numbers(variance), reason=reason, alpha=alpha, method=METHOD)


def _maximum(times: Array, events: Array, treated: Array, strata: Array) -> tuple[float, float]:
    from statsmodels.duration.hazard_regression import PHReg  # noqa: PLC0415 - slow to import, and seldom needed

    found = PHReg(times, treated, status=events, strata=strata, ties="efron").fit()
    return float(found.params[0]), float(found.bse[0]) ** 2


def _bounded(times: Array, events: Array, treated: Array, strata: Array) -> bool:
    """Whether each arm has an event while the other is at risk: otherwise the likelihood rises without end."""
    seen = dict.fromkeys((0.0, 1.0), False)
    for stratum in np.unique(strata):
        inside = strata == stratum
        for arm in seen:
            others = times[inside & (treated != arm)]
            own = times[inside & (treated == arm) & (events == 1)]
            seen[arm] |= bool(own.size and others.size and own.min() <= others.max())
    return all(seen.values())


def _check(times: Array, events: Array, treated: Array, strata: Array) -> None:
    if times.ndim != 1 or any(part.shape != times.shape for part in (events, treated, strata)):
        raise ValueError("there is one row a unit, of the same length everywhere")
    if not np.all(times > 0):
        raise ValueError("a time is above zero")
    if not np.all(np.isin(events, (0, 1)) & np.isin(treated, (0, 1))):
        raise ValueError("an event and a treatment are marked by 0 and 1")
