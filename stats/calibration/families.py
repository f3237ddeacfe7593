"""How an experiment is judged along its looks, by family: what each rejects, and when its interval misses the truth.

The same calls as the service makes, over all experiments at once. The group sequential clock is the information of the
expected experiment, so that all replicates share one set of boundaries.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from stats.arrays import Array, Mask, divide
from stats.calibration.scenarios.reading import Reading
from stats.results import Comparisons
from stats.sequential import confidence_sequence
from stats.sequential import group_sequential as planned_looks
from stats.sequential.group_sequential import Spending, hwang_shih_decani, obrien_fleming, pocock

PEERS_UNITS = 5_000
"""Units of both arms that others tune their confidence sequence to, whatever the experiment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is fixed before the data: alpha, the bars and the mixture that follow from the information planned.

    Further families also take the `information` itself (at each look, in shares of the last) and the `effect` planned.
    """

    alpha: float
    bars: Array  # (L,) for |z| at each look
    tau2: float
    information: tuple[float, ...] = ()
    effect: float = np.nan

    @classmethod
    def of(cls, expected: Reading, alpha: float, *, effect: float = np.nan) -> "Plan":
        """The plan of somebody who knows what the experiment will bring if there is no effect."""
        information = 1 / np.square(_standard_error(expected.found))
        shares = tuple((information / information[-1]).tolist())
        return cls(
            alpha=alpha,
            bars=_bars(shares, alpha, obrien_fleming),
            tau2=float(confidence_sequence.mixture_variance(1 / information[-1], alpha)),
            information=shares,
            effect=effect,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """At every look (..., L): whether a difference is claimed, and whether the interval misses the true one.

    `misses` is None for evidence without an interval.
    """

    rejects: Mask
    misses: Mask | None


Judge = Callable[[Reading, Plan, float], Judged]
"""Judges the reading by the plan; the last number is the true difference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What a family must keep: power where a test with one look has about 0.80, and coverage of its intervals."""

    least_power: float
    least_coverage: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A way to judge, what it promises beside alpha (None: not even that), and which readings it can judge."""

    name: str
    judge: Judge
    promise: Promise | None
    applies: Callable[[Reading], bool] = lambda reading: reading.is_monitored


def at_horizon(reading: Reading, plan: Plan, truth: float) -> Judged:
    """One look, at the end."""
    found = reading.found
    is_last = np.arange(found.difference.shape[-1]) == found.difference.shape[-1] - 1
    anytime = peeking(reading, plan, truth)
    return Judged(rejects=anytime.rejects & is_last, misses=_misses_fixed(found, truth) & is_last)


def group_sequential(reading: Reading, plan: Plan, truth: float) -> Judged:
    """Boundaries in the manner of O'Brien & Fleming, and the repeated intervals that belong to them."""
    return _by_bars(reading, plan.bars, truth)


def spending_by(spending: Spending) -> Judge:
    """Boundaries of another spending function, and their repeated intervals."""

    def judge(reading: Reading, plan: Plan, truth: float) -> Judged:
        return _by_bars(reading, _bars(plan.information, plan.alpha, spending), truth)

    return judge


def always_valid(reading: Reading, plan: Plan, truth: float) -> Judged:
    """The kernel, from the first look on at which there is enough to begin."""
    return _by_kernel(reading, plan.tau2, plan.alpha, truth)


def one_sided(reading: Reading, plan: Plan, truth: float) -> Judged:
    """The kernel for differences to the side of the one planned, and the limit that belongs to it."""
    tau2 = plan.tau2 * confidence_sequence.tuning(2 * plan.alpha) / confidence_sequence.tuning(plan.alpha)
    side, variance = np.sign(plan.effect), _begun(reading)
    log_e = confidence_sequence.one_sided_log_e_value(side * reading.found.difference, variance, tau2=tau2)
    width = confidence_sequence.one_sided_width(variance, tau2=tau2, alpha=plan.alpha)
    misses = side * (reading.found.difference - truth) > width
    return Judged(rejects=log_e >= -np.log(plan.alpha), misses=misses)


def exact(reading: Reading, plan: Plan, truth: float) -> Judged:
    """The exact evidence that belongs to the measure, from the first unit on."""
    rejects = np.asarray(reading.log_e) >= -np.log(plan.alpha)
    misses = None if reading.half_width is None else np.abs(reading.found.difference - truth) > reading.half_width
    return Judged(rejects=rejects, misses=misses)


def constant_units(reading: Reading, plan: Plan, truth: float) -> Judged:
    """The confidence sequence tuned to 5,000 units, with no regard to the plan and from the first look on."""
    variance = np.where(reading.found.variance > 0, reading.found.variance, np.nan)
    tau2 = confidence_sequence.asymptotic(variance, np.asarray(reading.units), planned_n=PEERS_UNITS, alpha=plan.alpha)
    return _by_kernel(replace(reading, has_begun=np.asarray(True)), tau2, plan.alpha, truth)


def mixture_sprt(reading: Reading, plan: Plan, truth: float) -> Judged:
    """The mixture test whose effects are as large as the one planned for, from the first look on."""
    tau2 = confidence_sequence.mixture_sprt(abs(plan.effect))
    return _by_kernel(replace(reading, has_begun=np.asarray(True)), tau2, plan.alpha, truth)


def peeking(reading: Reading, plan: Plan, truth: float) -> Judged:
    """The test with one look, taken at every look."""
    found = reading.found
    return Judged(rejects=found.p_value <= plan.alpha, misses=_misses_fixed(found, truth))


def _by_bars(reading: Reading, bars: Array, truth: float) -> Judged:
    found = reading.found
    half = bars * _standard_error(found)
    # A statistic that is NaN (no answer) claims nothing.
    rejects = ~np.isnan(found.statistic) & (np.abs(found.difference) >= half)
    return Judged(rejects=rejects, misses=np.abs(found.difference - truth) > half)


def _misses_fixed(found: Comparisons, truth: float) -> Mask:
    return np.asarray((truth < found.lower) | (truth > found.upper))


def _by_kernel(reading: Reading, tau2: Array | float, alpha: float, truth: float) -> Judged:
    found, variance = reading.found, _begun(reading)
    log_e = confidence_sequence.log_e_value(found.difference, variance, tau2=tau2)
    half = confidence_sequence.half_width(variance, tau2=tau2, alpha=alpha)
    return Judged(rejects=confidence_sequence.p_value(log_e) <= alpha, misses=np.abs(found.difference - truth) > half)


def _begun(reading: Reading) -> Array:
    """The variance where the kernel speaks, NaN elsewhere."""
    found = reading.found
    return np.where(reading.has_begun & (found.reason == 0), found.variance, np.nan)


def _standard_error(found: Comparisons) -> Array:
    """The larger of the standard errors: behind the statistic it is pooled for shares, in the comparison it is not."""
    behind = np.abs(divide(found.difference, found.statistic))
    return np.fmax(np.where(found.statistic == 0, np.nan, behind), np.sqrt(found.variance))


@lru_cache(maxsize=64)
def _bars(information: tuple[float, ...], alpha: float, spending: Spending) -> Array:
    return planned_looks.boundaries(information, alpha=alpha, spending=spending)


def _counts_units(reading: Reading) -> bool:
    return reading.is_monitored and reading.units is not None


PLANNED = Promise(least_power=0.65, least_coverage=0.94)
"""Repeated intervals are symmetric; of a rare share, at looks with few successes, they miss a little more often."""

FAMILIES: tuple[Family, ...] = (
    Family(
        name="Fixed", judge=at_horizon, promise=Promise(least_power=0.70, least_coverage=0.95), applies=lambda _: True
    ),
    Family(name="Group sequential", judge=group_sequential, promise=PLANNED),
    Family(
        name="Always valid",
        judge=always_valid,
        promise=Promise(least_power=0.35, least_coverage=0.95),
        applies=lambda reading: reading.is_monitored and bool(reading.has_begun.any()),
    ),
    Family(
        name="Exact",
        judge=exact,
        promise=Promise(least_power=0.25, least_coverage=0.95),
        applies=lambda reading: reading.is_monitored and reading.log_e is not None,
    ),
    Family(name="Constant 5,000", judge=constant_units, promise=None, applies=_counts_units),
    Family(name="Mixture SPRT", judge=mixture_sprt, promise=None, applies=_counts_units),
    Family(name="Peeking", judge=peeking, promise=None),
)
"""The policies of a plan, the exact evidence, the rules of others, and what all of them are there to prevent."""

VARIANTS: tuple[Family, ...] = (
    # Its early looks cost power late: a good tenth of it, at the horizon of the test with one look.
    Family(name="Pocock spending", judge=spending_by(pocock), promise=replace(PLANNED, least_power=0.55)),
    Family(name="Hwang-Shih-DeCani spending", judge=spending_by(hwang_shih_decani(-4)), promise=PLANNED),
    Family(name="Always valid, one-sided", judge=one_sided, promise=Promise(least_power=0.35, least_coverage=0.95)),
)
"""What a plan could say instead; shown in a few scenarios."""
