"""Curves by day since exposure of two variants, each pair at a snapshot of its own.

A time to value has its curve in its life table; a share has one where its definition asks for it, from units counted by
day beside its moments. The limits of a day are those of a single look at it: a curve shows, and decides nothing.
"""

from collections.abc import Iterator

import numpy as np

from experiments.inference.cohorts import Block, decode
from experiments.inference.findings import Curve, Curves, LogRankTest, numbers
from kpi.kinds.shape import CurveOf, DayCurve, Floats, Ints, Sample
from kpi.kinds.time_to_value import SurvivalSample
from stats.survival import kaplan_meier, logrank, returns
from stats.survival.counts import LifeTable, by_snapshot

LARGEST_LOG_RATIO = 20.0
"""Beyond it the one-step ratio is an accident of a handful of units beside thousands, up to infinity."""


def curves(block: Block, sample: Sample, ages: Ints, at: Ints, alpha: Floats) -> list[Curves | None]:
    """Control's and a variant's curves for every question and variant, None where there are none.

    `ages` (S, C) are the cohorts' ages at each snapshot, `at` (Q, W) the snapshots that are read, `alpha` is (Q).
    """
    if isinstance(sample, SurvivalSample):
        question, place = np.indices(at.shape)
        control, treatment = sample.table[question, 0, at], sample.table[question, place + 1, at]
        return list(_reached(control, treatment, alpha[:, np.newaxis]))
    return [
        found
        for question, own in enumerate(at)
        for found in _beside(block, question, ages[own], alpha[question : question + 1])
    ]


def _beside(block: Block, question: int, ages: Ints, alpha: Floats) -> list[Curves | None]:
    """The curves beside a number: `ages` (W, C) are those at the snapshot that is read of each variant.

    None before the first count: whoever hands in aggregates may have no days, and they are not said to be empty.
    """
    counts = block.by_day[question]
    if counts is None or (curve := decode(block.questions[question].planned).curve) is None:
        return [None] * len(ages)
    entered = block.cohorts.entered[question]
    if curve.of is CurveOf.REACHED:
        table, place = by_snapshot(entered, counts, np.zeros_like(counts), ages), np.arange(len(ages))
        found = _reached(table[0], table[place + 1, place], alpha)
    else:
        # Nobody is known to have stayed away for good before the last day of all.
        seen = np.where(ages >= curve.days.stop, ages, 0) if curve.is_whole else ages
        found = _returned(entered, counts, seen, curve, alpha)
    return [one if any(one.control.share) or any(one.treatment.share) else None for one in found]


def _reached(control: LifeTable, treatment: LifeTable, alpha: Floats) -> Iterator[Curves]:
    """Of life tables (..., D), with `alpha` (...), one after the other."""
    test = logrank.compare(control, treatment)
    log_ratio = test.log_hazard_ratio(alpha=alpha).difference
    ratio = np.exp(np.where(np.abs(log_ratio) > LARGEST_LOG_RATIO, np.nan, log_ratio))
    days = list(range(1, control.at_risk.shape[-1] + 1))
    for own, other, z, p, hazards in zip(
        _kaplan_meier(control, alpha),
        _kaplan_meier(treatment, alpha),
        numbers(test.statistic.ravel()),
        numbers(test.p_value.ravel()),
        numbers(ratio.ravel()),
        strict=True,
    ):
        log_rank = None if z is None or p is None else LogRankTest(statistic=z, p_value=p)
        yield Curves(
            of=CurveOf.REACHED, days=days, control=own, treatment=other, log_rank=log_rank, hazard_ratio=hazards
        )


def _returned(entered: Ints, counts: Ints, ages: Ints, curve: DayCurve, alpha: Floats) -> Iterator[Curves]:
    """Of units that came back (V, C, D) of those that entered (V, C), one treatment after the other."""
    days = curve.days
    found = returns.estimate(entered[:, np.newaxis], counts[:, np.newaxis], ages, first=days.start, alpha=alpha)
    arms = [_shares(found, variant, place) for place in range(len(ages)) for variant in (0, place + 1)]
    for control, treatment in zip(arms[::2], arms[1::2], strict=True):
        yield Curves(
            of=curve.of,
            days=list(days),
            control=control,
            treatment=treatment,
            log_rank=None,
            hazard_ratio=None,
        )


def _kaplan_meier(table: LifeTable, alpha: Floats) -> list[Curve]:
    found = kaplan_meier.estimate(table, level=1 - alpha[..., np.newaxis])
    days = table.at_risk.shape[-1]
    return [
        Curve(share=share, lower=lower, upper=upper, at_risk=at_risk, median=median)
        for share, lower, upper, at_risk, median in zip(
            numbers(1 - found.survival.reshape(-1, days)),
            numbers(1 - found.upper.reshape(-1, days)),
            numbers(1 - found.lower.reshape(-1, days)),
            table.at_risk.reshape(-1, days).astype(np.int64).tolist(),
            numbers(kaplan_meier.median(found).day.ravel()),
            strict=True,
        )
    ]


def _shares(found: returns.Returns, variant: int, place: int) -> Curve:
    share, lower, upper = (numbers(part[variant, place]) for part in (found.share, found.lower, found.upper))
    return Curve(
        share=share,
        lower=lower,
        upper=upper,
        at_risk=found.at_risk[variant, place].astype(np.int64).tolist(),
        median=None,
    )
