"""Whether two groups have the event at the same rate day by day.

Mantel (1966), Cancer Chemotherapy Reports 50. Most sensitive where one hazard is a constant multiple of the other;
curves that cross may cancel out.
"""

from dataclasses import dataclass

import numpy as np

from stats import wald
from stats.arrays import Array, Codes, Numbers, divide
from stats.distributions import normal_cdf
from stats.results import Comparisons, Reason, reason_codes, reason_of
from stats.survival.counts import LifeTable

METHOD = "One-step log hazard ratio (assumes proportional hazards)"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRank:
    """Events of the treatment beyond what the control's rate would give, and whether that is chance.

    Where there is a reason, statistic and p_value are NaN.

    >>> from stats.survival.counts import life_table
    >>> control, treatment = (life_table([50], [days], [[0, 0, 0]], [3]) for days in ([5, 5, 5], [15, 10, 5]))
    >>> found = compare(control, treatment).log_hazard_ratio(alpha=0.05).at()
    >>> round(found.difference, 3), round(found.standard_error, 3)
    (1.053, 0.331)
    """

    score: Array  # observed minus expected events of the treatment
    variance: Array  # of the score
    statistic: Array  # z: above zero, the treatment has more events sooner
    p_value: Array
    reason: Codes

    def reason_at(self, *index: int) -> Reason | None:
        """Why this cell has no answer, or None if it has one."""
        return reason_of(int(self.reason[index]))

    def log_hazard_ratio(self, *, alpha: Numbers) -> Comparisons:
        """One step towards the maximum likelihood: score / variance, with the variance 1 / variance.

        Close to the Cox estimate for moderate effects; pulled towards zero for large ones.
        """
        return wald.compare(
            divide(self.score, self.variance),
            divide(1.0, self.variance),
            reason=self.reason,
            alpha=alpha,
            method=METHOD,
        )


def compare(control: LifeTable, treatment: LifeTable) -> LogRank:
    """Treatment against control over all duration days; leading axes broadcast.

    Undefined without an event at common risk: `insufficient_data` for an empty arm, otherwise `too_few_events`.

    >>> from stats.survival.counts import life_table
    >>> control, treatment = (life_table([50], [days], [[0, 0, 0]], [3]) for days in ([5, 5, 5], [15, 10, 5]))
    >>> found = compare(control, treatment)
    >>> found.score.round(2).item(), found.statistic.round(3).item(), found.p_value.round(4).item()
    (9.59, 3.177, 0.0015)
    """
    d, y = control.events + treatment.events, control.at_risk + treatment.at_risk
    share = np.where(y > 0, divide(treatment.at_risk, y), 0.0)
    score = (treatment.events - d * share).sum(axis=-1)
    tied = np.where(y > 1, divide(y - d, y - 1), 0.0)  # events of one day share it: hypergeometric variance
    variance = (d * share * (1 - share) * tied).sum(axis=-1)
    reason = reasons(variance, control.at_risk[..., 0], treatment.at_risk[..., 0])
    statistic = divide(score, np.sqrt(variance))
    return LogRank(
        score=score,
        variance=variance,
        statistic=statistic,
        p_value=2 * normal_cdf(-np.abs(statistic)),
        reason=reason,
    )


def reasons(variance: Array, n: Array, m: Array) -> Codes:
    """Why a score with this variance, of n and m units at the start, says nothing: an arm is empty, or events are few.

    >>> [reason_of(code) for code in reasons(np.zeros(2), np.array([0, 9]), np.array([9, 9]))]
    [<Reason.INSUFFICIENT_DATA: 'insufficient_data'>, <Reason.TOO_FEW_EVENTS: 'too_few_events'>]
    """
    nothing = variance <= 0
    return reason_codes((nothing & (np.minimum(n, m) <= 0), Reason.INSUFFICIENT_DATA), (nothing, Reason.TOO_FEW_EVENTS))
