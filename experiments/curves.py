"""Time-to-value curves of two variants at one snapshot."""

import numpy as np

from experiments.findings import Curve, Curves, LogRankTest, number
from kpi.kinds.time_to_value import SurvivalSample
from stats.survival import kaplan_meier, logrank
from stats.survival.counts import LifeTable

LARGEST_LOG_RATIO = 20.0
"""Beyond it the one-step ratio is an accident of a handful of units beside thousands, up to infinity."""


def curves(sample: SurvivalSample, place: int, at: int, level: float) -> Curves:
    """Control's and a variant's curves; `place` is the variant's among those that are not control."""
    control, treatment = sample.table[0, at], sample.table[place + 1, at]
    test = logrank.compare(control, treatment)
    statistic, p_value = number(test.statistic), number(test.p_value)
    log_ratio = number(test.log_hazard_ratio(alpha=1 - level).difference)
    return Curves(
        days=list(range(1, sample.tau + 1)),
        control=_curve(control, level),
        treatment=_curve(treatment, level),
        log_rank=None if statistic is None or p_value is None else LogRankTest(statistic=statistic, p_value=p_value),
        hazard_ratio=None if log_ratio is None or abs(log_ratio) > LARGEST_LOG_RATIO else float(np.exp(log_ratio)),
    )


def _curve(table: LifeTable, level: float) -> Curve:
    survival = kaplan_meier.estimate(table, level=level)
    return Curve(
        reached=[number(1 - share) for share in survival.survival],
        lower=[number(1 - share) for share in survival.upper],
        upper=[number(1 - share) for share in survival.lower],
        at_risk=[int(units) for units in table.at_risk],
        median=number(kaplan_meier.median(survival).day),
    )
