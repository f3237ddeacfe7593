"""Difference of two means, less what a covariate explains, with a slope of its own for each arm: for uneven splits.

Lin (2013), "Agnostic notes on regression adjustments to experimental data", Annals of Applied Statistics 7, 295-318:
the regression of the value on arm, covariate about its mean, and their product. It never does worse than no adjustment,
which a common slope may where the arms differ in size and in slope. The covariate's mean is that of a sample; where the
slopes differ its chance is part of the answer: Negi & Wooldridge (2021), Econometric Reviews 40, 504-534.
"""

import numpy as np

from stats import lift as lifts
from stats import wald
from stats.arrays import Array, Numbers, divide
from stats.comoments import CoMoments
from stats.lift import Lifts
from stats.methods.cuped import residual
from stats.methods.welch import satterthwaite
from stats.moments import Moments
from stats.results import Comparisons, Reason, reason_codes

METHOD = "CUPED (a slope for each arm, Lin), Welch's t-test"


def compare(control: CoMoments, treatment: CoMoments, *, alpha: Numbers, null: float = 0.0) -> Comparisons:
    """Treatment minus control in the units of the value, from moments of (value, covariate); the arms broadcast.

    The covariate must be known before exposure. Undefined below three units in an arm, and where no residual varies.
    Raises ValueError unless there are two variables and 0 < alpha < 1.

    >>> control = CoMoments.from_values([[3.0, 2.0], [5.0, 5.0], [8.0, 7.0], [2.0, 1.0]])
    >>> treatment = CoMoments.from_values([[6.0, 4.0], [9.0, 6.0], [5.0, 2.0], [7.0, 5.0]])
    >>> found = compare(control, treatment, alpha=0.05).at()
    >>> print(f"{found.difference:.3f}, standard error {found.standard_error:.3f}")
    1.778, standard error 0.459
    """
    covariate = (control + treatment).moments(1)
    before, mine = _adjusted(control, covariate.mean)
    after, theirs = _adjusted(treatment, covariate.mean)
    slopes_apart = np.square(theta(treatment) - theta(control))
    variance = mine + theirs + slopes_apart * covariate.mean_variance
    reason = reason_codes(
        (np.isnan(variance), Reason.INSUFFICIENT_DATA),
        (before.constant & after.constant, Reason.ZERO_VARIANCE),
    )
    return wald.compare(
        after.mean - before.mean,
        variance,
        df=satterthwaite(mine, before.n - 2, theirs, after.n - 2),
        reason=reason,
        alpha=alpha,
        null=null,
        method=METHOD,
    )


def lift(control: CoMoments, treatment: CoMoments, *, alpha: Numbers) -> Lifts:
    """Treatment over control minus one, of the means both arms would have at the covariate's mean over both.

    Shapes and errors as for `compare`. Both means lean on that common covariate mean, each by its own slope: what its
    chance adds to the variance of treatment - R * control is counted, so that log R has its exact gradient in all four
    means.

    >>> control = CoMoments.from_values([[13.0, 2.0], [15.0, 5.0], [18.0, 7.0], [12.0, 1.0]])
    >>> treatment = CoMoments.from_values([[16.0, 4.0], [19.0, 6.0], [15.0, 2.0], [17.0, 5.0]])
    >>> found = lift(control, treatment, alpha=0.05).at()
    >>> print(f"{found.lift:.3f} from {found.interval.lower:.3f} to {found.interval.upper:.3f}")
    0.121 from 0.057 to 0.188
    """
    covariate = (control + treatment).moments(1)
    (before, mine), (after, theirs) = (_adjusted(arm, covariate.mean) for arm in (control, treatment))
    ratio = divide(after.mean, before.mean)
    alone = theirs + np.square(ratio) * mine
    lean = np.square(theta(treatment) - ratio * theta(control)) * covariate.mean_variance
    grown = 1 + divide(lean, alone)
    own, other = (variance * np.where(np.isnan(grown), 1.0, grown) for variance in (mine, theirs))
    return lifts.relative(before.mean, own, after.mean, other, alpha=alpha)


def theta(arm: CoMoments) -> Array:
    """The slope of the value on the covariate in one arm; 0 where the covariate does not vary.

    Shape of the leading axes, in units of the value per unit of the covariate. Raises ValueError unless there are two
    variables.

    >>> print(f"{theta(CoMoments.from_values([[3.0, 2.0], [5.0, 5.0], [8.0, 7.0], [2.0, 1.0]])):.4f}")
    0.9451
    """
    if arm.variables != 2:
        raise ValueError("CUPED takes a value and one covariate")
    return np.nan_to_num(divide(arm.products[..., 0, 1], arm.products[..., 1, 1]))


def _adjusted(arm: CoMoments, middle: Array) -> tuple[Moments, Array]:
    """The arm as if its units had a covariate of `middle`, and the variance of its mean at that covariate."""
    slope, middle = np.broadcast_arrays(theta(arm), middle)
    left = residual(arm, slope, middle, divide(arm.n - 1, arm.n - 2))
    away, spread = np.square(arm.means[..., 1] - middle), arm.products[..., 1, 1]
    return left, left.variance * (divide(1.0, left.n) + np.where(spread > 0, divide(away, spread), 0.0))
