"""Difference of two means, less what a covariate from before the experiment explains: CUPED, one slope for both arms.

Deng, Xu, Kohavi & Walker (2013), "Improving the sensitivity of online controlled experiments by utilizing
pre-experiment data", WSDM. The slope theta is the one within the arms, so that the estimate is that of the analysis of
covariance (regression of the value on arm and covariate); each arm keeps its own residual variance. A slope that
ignored the arms would take part of the effect for an imbalance of the covariate.
"""

import numpy as np

from stats import lift as lifts
from stats import wald
from stats.arrays import Array, Numbers, divide
from stats.comoments import CoMoments
from stats.lift import Lifts
from stats.methods.welch import satterthwaite
from stats.moments import Moments
from stats.results import Comparisons, Reason, reason_codes

METHOD = "CUPED (one slope), Welch's t-test"


def compare(control: CoMoments, treatment: CoMoments, *, alpha: Numbers, null: float = 0.0) -> Comparisons:
    """Treatment minus control in the units of the value, from moments of (value, covariate); the arms broadcast.

    The covariate must be known before exposure. One that does not vary explains nothing, and Welch's test is left.
    Undefined below two units in an arm, and where no residual varies. Raises ValueError
    unless there are two variables and 0 < alpha < 1.

    >>> control = CoMoments.from_values([[3.0, 2.0], [5.0, 5.0], [8.0, 7.0], [2.0, 1.0]])
    >>> treatment = CoMoments.from_values([[6.0, 4.0], [9.0, 6.0], [5.0, 2.0], [7.0, 5.0]])
    >>> found = compare(control, treatment, alpha=0.05).at()
    >>> print(f"{found.difference:.3f}, standard error {found.standard_error:.3f}")
    1.778, standard error 0.410
    """
    before, after = adjusted(control, treatment)
    variance = before.mean_variance + after.mean_variance + _slope_variance(control, treatment, before, after)
    reason = reason_codes(
        (np.isnan(variance), Reason.INSUFFICIENT_DATA),
        (before.constant & after.constant, Reason.ZERO_VARIANCE),
    )
    return wald.compare(
        after.mean - before.mean,
        variance,
        df=satterthwaite(before.mean_variance, before.n - 1, after.mean_variance, after.n - 1),
        reason=reason,
        alpha=alpha,
        null=null,
        method=METHOD,
    )


def lift(control: CoMoments, treatment: CoMoments, *, alpha: Numbers) -> Lifts:
    """Treatment over control minus one, of the means both arms would have at the covariate's mean over both.

    Shapes and errors as for `compare`. Both means lean on that common covariate mean; what it adds to the
    variance of treatment - R * control is counted, so that log R has its exact gradient in all four means.

    >>> control = CoMoments.from_values([[13.0, 2.0], [15.0, 5.0], [18.0, 7.0], [12.0, 1.0]])
    >>> treatment = CoMoments.from_values([[16.0, 4.0], [19.0, 6.0], [15.0, 2.0], [17.0, 5.0]])
    >>> found = lift(control, treatment, alpha=0.05).at()
    >>> print(f"{found.lift:.3f} from {found.interval.lower:.3f} to {found.interval.upper:.3f}")
    0.121 from 0.064 to 0.180
    """
    before, after = adjusted(control, treatment)
    ratio = divide(after.mean, before.mean)
    alone = after.mean_variance + np.square(ratio) * before.mean_variance
    grown = np.maximum(1 + divide(_shared_variance(control, treatment, ratio), alone), 0.0)
    own, theirs = (arm.mean_variance * np.where(np.isnan(grown), 1.0, grown) for arm in (before, after))
    return lifts.relative(before.mean, own, after.mean, theirs, alpha=alpha)


def theta(control: CoMoments, treatment: CoMoments) -> Array:
    """The slope of the value on the covariate within the arms; 0 where the covariate does not vary there.

    Shape of the arms, broadcast, in units of the value per unit of the covariate. Raises ValueError unless there are
    two variables.

    >>> arm = CoMoments.from_values([[3.0, 2.0], [5.0, 5.0], [8.0, 7.0], [2.0, 1.0]])
    >>> print(f"{theta(arm, arm):.4f}")
    0.9451
    """
    if control.variables != 2 or treatment.variables != 2:
        raise ValueError("CUPED takes a value and one covariate")
    within = control.products + treatment.products
    return np.nan_to_num(divide(within[..., 0, 1], within[..., 1, 1]))


def adjusted(control: CoMoments, treatment: CoMoments) -> tuple[Moments, Moments]:
    """Both arms as if all units had the covariate's mean over both arms; shapes broadcast, errors as for `theta`.

    The sums of squares are raised by the one degree of freedom that the slope takes from both arms together.

    >>> control = CoMoments.from_values([[3.0, 2.0], [5.0, 5.0], [8.0, 7.0], [2.0, 1.0]])
    >>> treatment = CoMoments.from_values([[6.0, 4.0], [9.0, 6.0], [5.0, 2.0], [7.0, 5.0]])
    >>> print(*(arm.mean.round(4) for arm in adjusted(control, treatment)))
    4.7361 6.5139
    """
    slope = theta(control, treatment)
    middle = (control + treatment).moments(1).mean
    n = control.n + treatment.n
    raised = np.where((n > 3) & (_spread(control, treatment) > 0), divide(n - 2, n - 3), 1.0)
    first, second = (residual(arm, slope, middle, raised) for arm in (control, treatment))
    return first, second


def residual(arm: CoMoments, slope: Array, middle: Array, raised: Array) -> Moments:
    """The value less slope * (covariate - middle), with its sum of squares times `raised`; all broadcast.

    >>> arm = CoMoments.from_values([[3.0, 2.0], [5.0, 4.0]])
    >>> print(residual(arm, np.array(0.5), np.array(1.0), np.array(1.0)).mean)
    3.0
    """
    weights = np.stack((np.ones_like(slope), -slope), axis=-1)[..., np.newaxis, :]
    left = arm.combined(weights).moments(0)
    return Moments(n=left.n, mean=left.mean + slope * middle, m2=left.m2 * raised)


def _shared_variance(control: CoMoments, treatment: CoMoments, ratio: Array) -> Array:
    """What the covariate's common mean, times 1 - ratio, adds to the variance of treatment - ratio * control."""
    lean, n = theta(control, treatment) * (1 - ratio), control.n + treatment.n
    (spread, common), (own_spread, own_common) = (
        _with_covariate(control, treatment, arm) for arm in (control, treatment)
    )
    middle = divide(control.n * spread + treatment.n * own_spread, np.square(n))
    return np.square(lean) * middle + divide(2 * lean * (own_common - ratio * common), n)


def _with_covariate(control: CoMoments, treatment: CoMoments, arm: CoMoments) -> tuple[Array, Array]:
    """The covariate's variance in an arm, and its covariance with the residuals there."""
    spread, common = arm.products[..., 1, 1], arm.products[..., 0, 1]
    left = common - theta(control, treatment) * spread
    return divide(spread, arm.n - 1), divide(left, arm.n - 1)


def _slope_variance(control: CoMoments, treatment: CoMoments, before: Moments, after: Moments) -> Array:
    """What the uncertain slope adds: the residual variance times the squared imbalance over the covariate's spread."""
    residual_variance = divide(before.m2 + after.m2, before.n + after.n - 2)
    imbalance = np.square(treatment.means[..., 1] - control.means[..., 1])
    spread = _spread(control, treatment)
    return np.where(spread > 0, residual_variance * divide(imbalance, spread), 0.0)


def _spread(control: CoMoments, treatment: CoMoments) -> Array:
    return control.products[..., 1, 1] + treatment.products[..., 1, 1]
