"""Time-to-value curves of two variants, each pair at a snapshot of its own."""

import numpy as np

from experiments.inference.findings import Curve, Curves, LogRankTest, numbers
from kpi.kinds.shape import Floats, Ints
from kpi.kinds.time_to_value import SurvivalSample
from stats.survival import kaplan_meier, logrank
from stats.survival.counts import LifeTable

LARGEST_LOG_RATIO = 20.0
"""Beyond it the one-step ratio is an accident of a handful of units beside thousands, up to infinity."""


def curves(sample: SurvivalSample, at: Ints, level: Floats) -> list[Curves]:
    """Control's and a variant's curves for every question and variant: `at` is (Q, V - 1), and so is what is given."""
    question, place = np.indices(at.shape)
    control, treatment = sample.table[question, 0, at], sample.table[question, place + 1, at]
    test = logrank.compare(control, treatment)
    log_ratio = test.log_hazard_ratio(alpha=1 - level).difference
    ratio = np.exp(np.where(np.abs(log_ratio) > LARGEST_LOG_RATIO, np.nan, log_ratio))
    days = list(range(1, sample.table.at_risk.shape[-1] + 1))
    return [
        Curves(
            days=days,
            control=own,
            treatment=other,
            log_rank=None if z is None or p is None else LogRankTest(statistic=z, p_value=p),
            hazard_ratio=hazards,
        )
        for own, other, z, p, hazards in zip(
            _curves(control, level),
            _curves(treatment, level),
            numbers(test.statistic.ravel()),
            numbers(test.p_value.ravel()),
            numbers(ratio.ravel()),
            strict=True,
        )
    ]


def _curves(table: LifeTable, level: Floats) -> list[Curve]:
    found = kaplan_meier.estimate(table, level=level[..., np.newaxis])
    days = table.at_risk.shape[-1]
    return [
        Curve(reached=reached, lower=lower, upper=upper, at_risk=at_risk, median=median)
        for reached, lower, upper, at_risk, median in zip(
            numbers(1 - found.survival.reshape(-1, days)),
            numbers(1 - found.upper.reshape(-1, days)),
            numbers(1 - found.lower.reshape(-1, days)),
            table.at_risk.reshape(-1, days).astype(np.int64).tolist(),
            numbers(kaplan_meier.median(found).day.ravel()),
            strict=True,
        )
    ]
