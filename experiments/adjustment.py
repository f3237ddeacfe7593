"""The adjusted comparison: a KPI less what a covariate from before the exposure explains of it, and what that did.

The plan says which covariate, and how many slopes: one for both arms (CUPED, the analysis of covariance) where the
split is even, one for each (Lin) where it is not. Both leave an estimate with independent increments, as the
sequential tests ask: Jennison & Turnbull (1997), JASA 92; docs/statistics.md, "Covariates".
"""

from dataclasses import dataclass

import numpy as np

from experiments.enums import Slopes
from experiments.findings import Adjustment, fixed_test, number
from experiments.plan import Covariate, PlannedKpi
from kpi.kinds.moments import MomentSample, latest
from kpi.kinds.shape import Cohorts, Floats, Ints, Kind, Sample
from stats.arrays import divide
from stats.comoments import CoMoments
from stats.lift import Lifts
from stats.methods import cuped, lin
from stats.results import Comparisons


@dataclass(frozen=True, slots=True, kw_only=True)
class AdjustedSample:
    """Moments (V, S) of a KPI as measured, and together with its covariate; `missing` units have none.

    An arm's value is the measured one: what adjusts it depends on the arm it is compared with.
    """

    plain: MomentSample
    pairs: CoMoments
    missing: Floats
    covariate: Covariate

    @property
    def n(self) -> Floats:
        """Units counted."""
        return self.plain.n

    @property
    def successes(self) -> Floats:
        """Units that did what the KPI is about; all units, where it is an amount."""
        return self.plain.successes

    @property
    def value(self) -> Floats:
        """The mean as measured."""
        return self.plain.value

    @property
    def variance(self) -> Floats:
        """The variance of the mean as measured."""
        return self.plain.variance

    def compare(self, *, alpha: float) -> Comparisons:
        """Each variant but the control against the control, adjusted: arrays (V - 1, S)."""
        method = cuped.compare if self.covariate.slopes is Slopes.ONE else lin.compare
        return method(self.pairs[:1], self.pairs[1:], alpha=alpha)

    def lift(self, place: int, at: int, *, alpha: float) -> Lifts:
        """The relative change of the adjusted means of one variant at one snapshot."""
        lift = cuped.lift if self.covariate.slopes is Slopes.ONE else lin.lift
        return lift(self.pairs[0, at], self.pairs[place + 1, at], alpha=alpha)

    @property
    def null_variance(self) -> Floats:
        """Of the differences (V - 1, S) of shares, as if the arms did not differ: what one line leaves of both.

        Without a covariate that explains anything it is the pooled variance of two shares. 0 of amounts.
        """
        control, treatment = self.pairs[:1], self.pairs[1:]
        both = control + treatment
        if self.plain.method != "proportions":
            return np.zeros(both.shape)
        spread, common, spread_x = (both.products[..., row, column] for row, column in ((0, 0), (0, 1), (1, 1)))
        left = spread - np.nan_to_num(divide(common**2, spread_x))
        return divide(left, both.n) * (divide(1.0, control.n) + divide(1.0, treatment.n))

    def adjustment(self, place: int, at: int, *, adjusted_variance: float, alpha: float) -> Adjustment:
        """What the covariate did to one variant's comparison at one snapshot."""
        control, treatment = self.pairs[0, at], self.pairs[place + 1, at]
        one = self.covariate.slopes is Slopes.ONE
        before, after = [cuped.theta(control, treatment)] * 2 if one else [lin.theta(control), lin.theta(treatment)]
        arms = [0, place + 1]
        n = float(self.n[arms, at].sum())
        plain = MomentSample(moments=self.plain.moments[:, at], method=self.plain.method).compare(alpha=alpha)
        variance = float(plain.variance[place])
        return Adjustment(
            covariate=self.covariate,
            control_slope=float(before),
            treatment_slope=float(after),
            missing=float(self.missing[arms, at].sum()) / n if n else 0.0,
            variance_reduction=number(1 - adjusted_variance / variance) if variance > 0 else None,
            difference=number(plain.difference[place]),
            standard_error=number(np.sqrt(variance)),
            fixed=fixed_test(plain, place),
        )


def read(planned: PlannedKpi, kind: Kind, cohorts: Cohorts, ages: Ints) -> Sample:
    """A KPI at each snapshot, adjusted if the plan says so; `ages` (S, C) are the cohorts' ages there."""
    plain = kind.read(cohorts, ages)
    if planned.covariate is None or cohorts.pairs is None or cohorts.missing is None:
        return plain
    if not isinstance(plain, MomentSample):
        raise ValueError("only moments are adjusted for a covariate")
    merged, missing = cohorts.pairs.cumulative(axis=-1), np.cumsum(cohorts.missing, axis=-1)
    last, is_any = latest(ages, kind.window[1])
    return AdjustedSample(
        plain=plain,
        pairs=_without_rounding(
            CoMoments(
                n=np.where(is_any, merged.n[:, last], 0),
                means=merged.means[:, last],
                products=np.where(is_any[:, None, None], merged.products[:, last], 0),
            )
        ),
        missing=np.where(is_any, missing[:, last], 0).astype(np.float64),
        covariate=planned.covariate,
    )


def _without_rounding(pairs: CoMoments) -> CoMoments:
    """A covariate that is the same for all units of an arm has no spread there: what looks like one is rounding."""
    products = pairs.products.copy()
    flat = pairs.moments(1).constant
    products[flat, 1, :] = products[flat, :, 1] = 0.0
    return CoMoments(n=pairs.n, means=pairs.means, products=products)
