"""What a block of questions says as arrays: on every day, and on the day that is read.

Axes: questions Q, variants V or all but the control W, snapshots S.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from experiments.enums import Policy
from experiments.inference.adjustment import Adjusted, AdjustedSample
from experiments.inference.looks import Course, Seen
from kpi.kinds.shape import Floats, Ints, Sample
from stats import lift
from stats.arrays import Mask, divide
from stats.distributions import normal_cdf
from stats.lift import Lifts
from stats.results import Comparisons
from stats.sequential import confidence_sequence
from stats.sequential.confidence_sequence import FEWEST, FEWEST_SUCCESSES


@dataclass(frozen=True, slots=True, kw_only=True)
class Daily:
    """Every variant (Q, V, S), and each but the control compared with it (Q, W, S), at every snapshot."""

    n: Floats
    value: Floats
    variance: Floats
    fixed: Comparisons
    log_e: Floats
    running_p: Floats
    half_width: Floats
    look_variance: Floats
    sample: Sample

    @classmethod
    def of(cls, sample: Sample, alpha: Floats, information: Floats, *, is_watched: bool = True) -> "Daily":
        """Compare once as a fixed test and once always valid; `alpha` and `information` are (Q, 1, 1).

        What is not watched has no always-valid test.
        """
        n, fixed = sample.n, sample.compare(alpha=alpha)
        enough = (n >= FEWEST) & (sample.successes >= FEWEST_SUCCESSES) & is_watched
        is_judged = enough[:, :1] & enough[:, 1:] & (fixed.reason == 0)
        variance = np.where(is_judged, fixed.variance, np.nan)
        # Without a planned effect there is nothing to tune the mixture to, and tuning it to the data would be cheating.
        tau2 = confidence_sequence.mixture_variance(1 / information, alpha)
        log_e = confidence_sequence.log_e_value(fixed.difference, variance, tau2=tau2)
        return cls(
            n=n,
            value=sample.value,
            variance=sample.variance,
            fixed=fixed,
            log_e=log_e,
            running_p=confidence_sequence.running_p_value(log_e),
            half_width=confidence_sequence.half_width(variance, tau2=tau2, alpha=alpha),
            look_variance=_look_variance(sample, fixed),
            sample=sample,
        )

    def seen(self, question: int, place: int, at: int | None) -> Seen | None:
        """What a look at a snapshot sees; None where there is no answer."""
        if at is None or self.fixed.reason[question, place, at]:
            return None
        cell = (question, place, at)
        return Seen(difference=float(self.fixed.difference[cell]), variance=float(self.look_variance[cell]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What the days say that the findings are read at, and what of it may be believed; arrays (Q, W).

    `n`, `value` and `variance` are (2, Q, W): of the control, and of the variant. `lower`, `upper` and `p_value` are
    what the plan's policy allows, NaN where it allows nothing yet.
    """

    n: Floats
    value: Floats
    variance: Floats
    fixed: Comparisons
    log_e: Floats
    running_p: Floats
    half_width: Floats
    lower: Floats
    upper: Floats
    p_value: Floats
    adjusted: Adjusted | None

    @classmethod
    def of(
        cls,
        policy: Policy,
        daily: Daily,
        courses: Sequence[Course | None],
        at: Ints,
        alpha: Floats,
        is_silent: Mask | bool = False,
    ) -> "Read":
        """Read each comparison at its snapshot; `alpha` is (Q, 1). Those that are silent have nothing to believe."""
        question, place = np.indices(at.shape)
        cells, arms = (question, place, at), arms_at(at)
        fixed, running_p, half = daily.fixed[cells], daily.running_p[cells], daily.half_width[cells]
        log_e = daily.log_e[cells]
        middle = fixed.difference
        answers = (
            (fixed.lower, fixed.upper, fixed.p_value)
            if policy is Policy.FIXED
            else (middle - half, middle + half, running_p)
        )
        known = ~np.asarray(is_silent) & (fixed.reason == 0 if policy is Policy.FIXED else np.isfinite(log_e))
        lower, upper, p_value = (np.where(known, answer, np.nan) for answer in answers)
        for cell, course in zip(np.ndindex(at.shape), courses, strict=True):
            if course is not None and course.is_over and course.last is not None:
                lower[cell], upper[cell], p_value[cell] = course.last.lower, course.last.upper, course.p_value
        return cls(
            n=daily.n[arms],
            value=daily.value[arms],
            variance=daily.variance[arms],
            fixed=fixed,
            log_e=log_e,
            running_p=running_p,
            half_width=half,
            lower=lower,
            upper=upper,
            p_value=p_value,
            adjusted=daily.sample.at(arms, alpha=alpha) if isinstance(daily.sample, AdjustedSample) else None,
        )

    def lifts(self) -> Lifts:
        """The relative changes; their limits are as many standard errors apart as those of the differences."""
        error = np.sqrt(self.fixed.variance)
        alpha = 2 * normal_cdf(-divide(self.upper - self.lower, 2 * error))
        has_limits = (alpha > 0) & (alpha < 1)
        found = self._lifts(np.where(has_limits, alpha, 0.5))
        lower, upper = (np.where(has_limits, limit, np.nan) for limit in (found.lower, found.upper))
        return replace(found, lower=lower, upper=upper)

    def _lifts(self, alpha: Floats) -> Lifts:
        if self.adjusted is not None:
            return self.adjusted.lifts(alpha=alpha)
        (control, treatment), (own, other) = self.value, self.variance
        return lift.relative(control, own, treatment, other, alpha=alpha)


def _look_variance(sample: Sample, fixed: Comparisons) -> Floats:
    """The variance that looks decide by.

    Shares have two. The pooled one, behind the statistic, keeps early looks from crossing too often; the unpooled one
    is the larger under a very uneven split. The larger one decides and gives the interval.
    """
    if isinstance(sample, AdjustedSample):
        return np.fmax(sample.null_variance, fixed.variance)
    return np.fmax(np.square(divide(fixed.difference, fixed.statistic)), fixed.variance)


def arms_at(at: Ints) -> tuple[Ints, Ints, Ints]:
    """Where the control and the variant of each comparison (Q, W) are found in arrays (Q, V, S): (2, Q, W)."""
    question, place = (np.asarray(index, dtype=np.int64) for index in np.indices(at.shape))
    return question, np.stack((np.zeros_like(place), place + 1)), at
