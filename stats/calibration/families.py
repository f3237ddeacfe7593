"""How an experiment is judged along its looks, by family: what each rejects, and when its interval misses the truth.

The same calls as the service makes, over all experiments at once. The group sequential clock is the information of the
expected experiment, so that all replicates share one set of boundaries.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from stats.arrays import Array, Mask, divide
from stats.calibration.scenarios import Reading
from stats.results import Comparisons
from stats.sequential import confidence_sequence
from stats.sequential import group_sequential as planned_looks


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is fixed before the data: alpha, and the bars and the mixture that follow from the information planned."""

    alpha: float
    bars: Array  # (L,) for |z| at each look
    tau2: float

    @classmethod
    def of(cls, expected: Reading, alpha: float) -> "Plan":
        """The plan of somebody who knows what the experiment will bring if there is no effect."""
        information = 1 / np.square(_standard_error(expected.found))
        return cls(
            alpha=alpha,
            bars=planned_looks.boundaries(information / information[-1], alpha=alpha),
            tau2=float(confidence_sequence.mixture_variance(1 / information[-1], alpha)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """At every look (..., L): whether a difference is claimed, and whether the interval misses the true one."""

    rejects: Mask
    misses: Mask


Judge = Callable[[Reading, Plan, float], Judged]
"""Judges the reading by the plan; the last number is the true difference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What a family must keep: power where a test with one look has about 0.80, and coverage of its intervals."""

    least_power: float
    least_coverage: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A way to judge, and what it promises beside alpha; None: not even that."""

    name: str
    judge: Judge
    promise: Promise | None


def at_horizon(reading: Reading, plan: Plan, truth: float) -> Judged:
    """One look, at the end."""
    anytime = peeking(reading, plan, truth)
    is_last = np.arange(reading.found.difference.shape[-1]) == reading.found.difference.shape[-1] - 1
    return Judged(rejects=anytime.rejects & is_last, misses=anytime.misses & is_last)


def group_sequential(reading: Reading, plan: Plan, truth: float) -> Judged:
    """Boundaries in the manner of O'Brien & Fleming, and the repeated intervals that belong to them."""
    found = reading.found
    half = plan.bars * _standard_error(found)
    # A statistic that is NaN (no answer) claims nothing.
    rejects = ~np.isnan(found.statistic) & (np.abs(found.difference) >= half)
    return Judged(rejects=rejects, misses=np.abs(found.difference - truth) > half)


def always_valid(reading: Reading, plan: Plan, truth: float) -> Judged:
    """The kernel, from the first look on at which there is enough to begin."""
    found = reading.found
    variance = np.where(reading.has_begun & (found.reason == 0), found.variance, np.nan)
    log_e = confidence_sequence.log_e_value(found.difference, variance, tau2=plan.tau2)
    half = confidence_sequence.half_width(variance, tau2=plan.tau2, alpha=plan.alpha)
    return Judged(
        rejects=confidence_sequence.p_value(log_e) <= plan.alpha, misses=np.abs(found.difference - truth) > half
    )


def peeking(reading: Reading, plan: Plan, truth: float) -> Judged:
    """The test with one look, taken at every look."""
    found = reading.found
    return Judged(rejects=found.p_value <= plan.alpha, misses=(truth < found.lower) | (truth > found.upper))


def _standard_error(found: Comparisons) -> Array:
    """The larger of the standard errors: behind the statistic it is pooled for shares, in the comparison it is not."""
    behind = np.abs(divide(found.difference, found.statistic))
    return np.fmax(np.where(found.statistic == 0, np.nan, behind), np.sqrt(found.variance))


FAMILIES: tuple[Family, ...] = (
    Family(name="Fixed", judge=at_horizon, promise=Promise(least_power=0.70, least_coverage=0.95)),
    # Repeated intervals are symmetric; of a rare share, at looks with few successes, they miss a little more often.
    Family(name="Group sequential", judge=group_sequential, promise=Promise(least_power=0.65, least_coverage=0.94)),
    Family(name="Always valid", judge=always_valid, promise=Promise(least_power=0.35, least_coverage=0.95)),
    Family(name="Peeking", judge=peeking, promise=None),
)
"""The policies of a plan, and what they are there to prevent."""
