"""Exact evidence that two hazards differ, under staggered entry and for any number of units.

Ter Schure, Perez-Ortiz, Ly & Grunwald (2024), "The safe logrank test", New England Journal of Statistics in Data
Science 2. Of d events among y1 + y0 units at risk, how many fall to the treatment is hypergeometric if the hazards are
equal, and Fisher's noncentral hypergeometric if their odds differ by a ratio; the evidence is the quotient of the two,
multiplied over all cells of entry day and duration day in calendar order. Each unit is compared with those of its own
entry day and age, so the promise holds whatever the shape of the hazard and however it changes with the calendar.
Nothing is estimated; the ratio one hopes for is fixed before the data and decides the power, never the promise.
"""

import numpy as np

from stats.arrays import Array
from stats.sequential.staggered import Cohorts, along_calendar


def log_e_value(control: Cohorts, treatment: Cohorts, *, hazard_ratio: float, days: int) -> Array:
    """The logarithm of the evidence against equal hazards at the end of each calendar day (..., S).

    The mean of the evidence for this ratio of treatment to control and for its inverse. Leading axes broadcast; days
    that bring no event at common risk leave it unchanged. Raises ValueError unless the ratio is positive and not 1.

    >>> arms = [Cohorts(entered=[90], events=[[e, e, e]], losses=0) for e in (9, 20)]
    >>> log_e_value(*arms, hazard_ratio=2.0, days=3).round(2).tolist()
    [1.67, 4.8, 9.12]
    """
    upwards, downwards = _by_day(control, treatment, np.log([_ratio(hazard_ratio), 1 / hazard_ratio]), days)
    return np.asarray(np.logaddexp(upwards, downwards) - np.log(2))


def one_sided_log_e_value(control: Cohorts, treatment: Cohorts, *, hazard_ratio: float, days: int) -> Array:
    """The same for this ratio alone: evidence that the treatment's hazard lies on that side of the control's.

    It errs no more often than promised under equal hazards and wherever they differ the other way, by any amount, for
    then still fewer events fall to that side.

    >>> arms = [Cohorts(entered=[90], events=[[e, e, e]], losses=0) for e in (9, 20)]
    >>> one_sided_log_e_value(*arms, hazard_ratio=2.0, days=3).round(2).tolist()
    [2.36, 5.5, 9.81]
    """
    return np.asarray(_by_day(control, treatment, np.log([_ratio(hazard_ratio)]), days)[0])


def _by_day(control: Cohorts, treatment: Cohorts, log_ratios: Array, days: int) -> Array:
    """The logarithm of the evidence for each ratio (first axis) by calendar day."""
    given = (treatment.at_risk, control.at_risk, treatment.events, control.events)
    treated, untreated, gained, won = np.broadcast_arrays(*given)
    told = (treated > 0) & (untreated > 0) & (gained + won > 0)  # elsewhere the event could fall to one arm only
    cells = np.zeros((log_ratios.size, *told.shape))
    expected = _log_mean(treated[told], untreated[told], (gained + won)[told], log_ratios[:, np.newaxis])
    cells[:, told] = gained[told] * log_ratios[:, np.newaxis] - expected
    return along_calendar(cells, days)


def _log_mean(treated: Array, untreated: Array, events: Array, log_ratio: Array) -> Array:
    """Log of the mean of ratio ** U for a central hypergeometric U (cells last), from U's least value upwards.

    Each probability follows from the one before. They are counted relative to the first, so that no factorial is
    needed, and their own sum makes up for it in the end.
    """
    least, most = np.maximum(0.0, events - untreated), np.minimum(events, treated)
    log_p = np.zeros_like(events)
    total, weighted = np.zeros_like(events), least * log_ratio
    for step in range(int(np.max(most - least, initial=0.0))):
        u = least + step
        with_more = u < most
        up = np.where(with_more, (treated - u) * (events - u), 1.0)
        down = np.where(with_more, (u + 1) * (untreated - events + u + 1), 1.0)
        log_p = np.where(with_more, log_p + np.log(up / down), -np.inf)
        total = np.logaddexp(total, log_p)
        weighted = np.logaddexp(weighted, log_p + (u + 1) * log_ratio)
    return np.asarray(weighted - total)


def _ratio(hazard_ratio: float) -> float:
    if not hazard_ratio > 0 or hazard_ratio == 1:
        raise ValueError(f"a hazard ratio to look for is positive and not 1, unlike {hazard_ratio}")
    return hazard_ratio
