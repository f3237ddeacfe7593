"""The adjusted comparison: a KPI less what a covariate from before the exposure explains of it, and what that did.

The plan says which covariate, and how many slopes: one for both arms (CUPED, the analysis of covariance) where the
split is even, one for each (Lin) where it is not. Both leave an estimate with independent increments, as the
sequential tests ask: Jennison & Turnbull (1997), JASA 92; docs/statistics.md, "Covariates".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from experiments.enums import Slopes
from experiments.inference.cohorts import Block
from experiments.inference.findings import Adjustment, fixed_tests, numbers
from experiments.planning.plan import Covariate
from kpi.kinds.moments import MomentSample, latest, prefix_of_pairs
from kpi.kinds.shape import Floats, Ints, Sample
from stats import methods
from stats.arrays import Numbers, divide
from stats.comoments import CoMoments
from stats.lift import Lifts
from stats.methods import cuped, lin
from stats.results import Comparisons


@dataclass(frozen=True, slots=True, kw_only=True)
class AdjustedSample:
    """Moments (Q, V, S) of KPIs as measured, and together with their covariates; `missing` units have none.

    An arm's value is the measured one: what adjusts it depends on the arm it is compared with.
    """

    plain: MomentSample
    pairs: CoMoments
    missing: Floats
    slopes: Slopes

    @property
    def n(self) -> Floats:
        """Units counted."""
        return self.plain.n

    @property
    def successes(self) -> Floats:
        """Units that did what the KPI is about; all units, where it is an amount."""
        return self.plain.successes

    @property
    def censored(self) -> Floats:
        """Units counted to no end yet: none, of a number a unit."""
        return self.plain.censored

    @property
    def value(self) -> Floats:
        """The mean as measured."""
        return self.plain.value

    @property
    def variance(self) -> Floats:
        """The variance of the mean as measured."""
        return self.plain.variance

    def compare(self, *, alpha: Numbers) -> Comparisons:
        """Each variant but the control against the control, adjusted: arrays (Q, V - 1, S)."""
        method = cuped.compare if self.slopes is Slopes.ONE else lin.compare
        return method(self.pairs[:, :1], self.pairs[:, 1:], alpha=alpha)

    @property
    def null_variance(self) -> Floats:
        """Of the differences (Q, V - 1, S) of shares, as if the arms did not differ: what one line leaves of both.

        Without a covariate that explains anything it is the pooled variance of two shares. 0 of amounts.
        """
        control, treatment = self.pairs[:, :1], self.pairs[:, 1:]
        both = control + treatment
        if self.plain.method != "proportions":
            return np.zeros(both.shape)
        spread, common, spread_x = (both.products[..., row, column] for row, column in ((0, 0), (0, 1), (1, 1)))
        left = spread - np.nan_to_num(divide(common**2, spread_x))
        return divide(left, both.n) * (divide(1.0, control.n) + divide(1.0, treatment.n))

    def at(self, arms: Any, *, alpha: Floats) -> "Adjusted":
        """What stands at an index that gives (2, Q, W): the controls, and the variants compared with them."""
        moments, missing = self.plain.moments[arms], self.missing[arms]
        return Adjusted(
            pairs=self.pairs[arms],
            slopes=self.slopes,
            plain=methods.get(self.plain.method)(moments[0], moments[1], alpha=alpha),
            missing=divide(missing.sum(axis=0), moments.n.sum(axis=0)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjusted:
    """Comparisons (Q, W) on the days that are read: their arms (2, Q, W), and what they would be unadjusted.

    `missing` is the share of units without a covariate, NaN before the first unit is final.
    """

    pairs: CoMoments
    slopes: Slopes
    plain: Comparisons
    missing: Floats

    def lifts(self, *, alpha: Floats) -> Lifts:
        """The relative changes of the adjusted means."""
        lift = cuped.lift if self.slopes is Slopes.ONE else lin.lift
        return lift(self.pairs[0], self.pairs[1], alpha=alpha)

    def adjustments(self, covariates: Sequence[Covariate | None], variance: Floats) -> list[Adjustment | None]:
        """What the covariate of each comparison did; `variance` is that of the adjusted differences."""
        control, treatment = (numbers(slope.ravel()) for slope in self._slopes())
        saved = numbers((1 - divide(variance, self.plain.variance)).ravel())
        difference, error = numbers(self.plain.difference.ravel()), numbers(self.plain.standard_error.ravel())
        missing, fixed = numbers(self.missing.ravel()), fixed_tests(self.plain)
        return [
            None
            if covariate is None or missing[place] is None
            else Adjustment(
                covariate=covariate,
                control_slope=control[place],
                treatment_slope=treatment[place],
                missing=missing[place],
                variance_reduction=saved[place],
                difference=difference[place],
                standard_error=error[place],
                fixed=fixed[place],
            )
            for place, covariate in enumerate(covariates)
        ]

    def _slopes(self) -> tuple[Floats, Floats]:
        control, treatment = self.pairs[0], self.pairs[1]
        if self.slopes is Slopes.EACH:
            return lin.theta(control), lin.theta(treatment)
        return cuped.theta(control, treatment), cuped.theta(control, treatment)


def read(block: Block, ages: Ints) -> Sample:
    """A block's KPIs at each snapshot, adjusted if the plan says so; `ages` (S, C) are the cohorts' ages there."""
    plain, of = block.kind.read(block.cohorts, ages, block.until), block.cohorts
    if block.slopes is None or of.pairs is None or of.missing is None:
        return plain
    if not isinstance(plain, MomentSample):
        raise ValueError("only moments are adjusted for a covariate")
    (last, is_any), missing = latest(ages, block.until), np.cumsum(of.missing, axis=-1)
    return AdjustedSample(
        plain=plain,
        pairs=_without_rounding(prefix_of_pairs(of.pairs, ages, block.until)),
        missing=np.where(is_any, np.take_along_axis(missing, last, axis=-1), 0).astype(np.float64),
        slopes=block.slopes,
    )


def _without_rounding(pairs: CoMoments) -> CoMoments:
    """A covariate that is the same for all units of an arm has no spread there: what looks like one is rounding."""
    products = pairs.products.copy()
    flat = pairs.moments(1).constant
    products[flat, 1, :] = products[flat, :, 1] = 0.0
    return CoMoments(n=pairs.n, means=pairs.means, products=products)
