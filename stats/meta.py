"""Several experiments on one hypothesis, each an estimate with its variance, read as one.

Two models. Common effect: all experiments estimate the same number, and only chance parts them. Random effects: each
has its own true effect, and these spread with the variance tau2 around their mean. With two experiments there is no
telling how far effects spread (one degree of freedom), so the common effect answers and Q is shown beside it; from
three on, the mean of the random effects answers. One experiment is its own answer.
"""

from dataclasses import dataclass

import numpy as np

from stats import wald
from stats.arrays import Array, Mask, Numbers, divide, numbers
from stats.distributions import chi_square_tail, t_quantile
from stats.results import Comparisons, Reason, reason_codes

COMMON = "Common effect, inverse-variance weights"
RANDOM = "Random effects, REML with Hartung-Knapp t"
FEWEST_FOR_SPREAD = 3
MOST_STEPS = 200
PRECISION = 1e-10  # of tau2, relative to it and to the variances around it


@dataclass(frozen=True, slots=True, kw_only=True)
class Pooled:
    """What the experiments of the last axis say together; arrays of the leading axes.

    NaN where there are too few experiments: Q, its p-value, I2 and both tau2 below two, the prediction limits below
    three. `random` is undefined below three experiments. `prediction_lower` and `_upper` are the limits for the true
    effect of one more experiment.
    """

    k: Array  # experiments with an estimate
    common: Comparisons
    random: Comparisons
    q: Array  # Cochran's
    q_p_value: Array
    i2: Array  # the share of the spread that is not chance, 0 to 1
    tau2: Array  # REML
    tau2_dersimonian_laird: Array
    prediction_lower: Array
    prediction_upper: Array

    @property
    def answer(self) -> Comparisons:
        """The comparison to read, by the number of experiments: `random` from three on, `common` below."""
        spread = self.k >= FEWEST_FOR_SPREAD
        chosen = {
            name: np.where(spread, getattr(self.random, name), getattr(self.common, name))
            for name in ("difference", "variance", "statistic", "p_value", "lower", "upper", "reason")
        }
        return Comparisons(**chosen, level=self.common.level, method=f"{RANDOM}; {COMMON.lower()} below three")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scatter:
    """Whether the estimates of the last axis lie further apart than chance puts them; NaN below two of them."""

    k: Array  # estimates
    q: Array  # Cochran's
    p_value: Array
    i2: Array  # the share of the spread that is not chance, 0 to 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Effects:
    """Estimates and variances with zeros in the gaps, which `known` marks, so that sums run through."""

    estimate: Array
    variance: Array
    known: Mask

    def weights(self, tau2: Array) -> Array:
        return np.where(self.known, divide(1.0, self.variance + tau2[..., np.newaxis]), 0.0)

    def mean(self, weights: Array) -> Array:
        return divide((weights * self.estimate).sum(axis=-1), weights.sum(axis=-1))

    def scatter(self, weights: Array, power: int = 1) -> Array:
        """The squares around the weighted mean, themselves weighted with this power of the weights."""
        apart = self.estimate - self.mean(weights)[..., np.newaxis]
        return np.asarray((weights**power * apart**2).sum(axis=-1))


def pool(estimates: Numbers, variances: Numbers, *, alpha: float) -> Pooled:
    """The experiments of the last axis together; the arrays broadcast.

    Q by Cochran (1954), Biometrics 10; I2 by Higgins & Thompson (2002), Statistics in Medicine 21. Hartung & Knapp
    (2001), Statistics in Medicine 20, with their variance factor not below 1 (Roever, Knapp & Friede 2015, BMC
    Medical Research Methodology 15), so that agreement by chance does not make the interval shorter than the common
    one's. Prediction limits with t on k - 2 (Higgins, Thompson & Spiegelhalter 2009, JRSS A 172); with few
    experiments they are too short (with six whose true effects spread as much as chance does, 0.89 instead of 0.95).
    An experiment whose estimate or variance is NaN is left out. Raises ValueError for a variance of zero or below.

    >>> pooled = pool([0.2, 0.5, 0.1, 0.6], [0.01, 0.02, 0.01, 0.04], alpha=0.05)
    >>> pooled.answer.difference.round(4).item(), pooled.tau2.round(4).item()
    (0.3119, 0.0336)
    """
    effects = _effects(estimates, variances)
    k = effects.known.sum(axis=-1).astype(np.float64)
    fixed = effects.weights(np.zeros(k.shape))
    apart = _scatter(effects, fixed, k)
    tau2 = restricted_likelihood(estimates, variances)
    random = _hartung_knapp(effects, tau2, k, alpha)
    half = -t_quantile(np.where(k >= FEWEST_FOR_SPREAD, k - 2, np.nan), alpha / 2) * np.sqrt(tau2 + random.variance)
    return Pooled(
        k=k,
        common=_common(effects, fixed, alpha),
        random=random,
        q=apart.q,
        q_p_value=apart.p_value,
        i2=apart.i2,
        tau2=tau2,
        tau2_dersimonian_laird=dersimonian_laird(estimates, variances),
        prediction_lower=random.difference - half,
        prediction_upper=random.difference + half,
    )


def scatter(estimates: Numbers, variances: Numbers) -> Scatter:
    """Cochran's Q over the last axis: experiments on one hypothesis, or the segments of one experiment.

    Sources and arguments as `pool`, of which it is a part. Raises ValueError for a variance of zero or below.

    >>> found = scatter([0.2, 0.5, 0.1, 0.6], [0.01, 0.02, 0.01, 0.04])
    >>> found.q.round(3).item(), found.p_value.round(4).item(), found.i2.round(3).item()
    (8.682, 0.0338, 0.654)
    """
    effects = _effects(estimates, variances)
    k = effects.known.sum(axis=-1).astype(np.float64)
    return _scatter(effects, effects.weights(np.zeros(k.shape)), k)


def dersimonian_laird(estimates: Numbers, variances: Numbers) -> Array:
    """The spread tau2 of true effects over the last axis, from Q; NaN below two experiments.

    DerSimonian & Laird (1986), Controlled Clinical Trials 7. Raises ValueError for a variance of zero or below.

    >>> dersimonian_laird([0.2, 0.5, 0.1, 0.6], [0.01, 0.02, 0.01, 0.04]).round(4).item()
    0.0298
    """
    effects = _effects(estimates, variances)
    k = effects.known.sum(axis=-1)
    weights = effects.weights(np.zeros(k.shape))
    total = weights.sum(axis=-1)
    beyond = effects.scatter(weights) - (k - 1)
    return np.where(
        k > 1, np.maximum(divide(beyond, total - divide(np.square(weights).sum(axis=-1), total)), 0), np.nan
    )


def restricted_likelihood(estimates: Numbers, variances: Numbers) -> Array:
    """The spread tau2 of true effects over the last axis, by restricted maximum likelihood; NaN below two experiments.

    Fisher's scoring (Viechtbauer 2005, Journal of Educational and Behavioral Statistics 30), with steps halved where
    they would overshoot, from DerSimonian & Laird's value and from the plain variance of the estimates: where variances
    differ by a factor of a thousand there may be two tops, of which the higher one counts. Raises ValueError for a
    variance of zero or below.

    >>> restricted_likelihood([0.2, 0.5, 0.1, 0.6], [0.01, 0.02, 0.01, 0.04]).round(4).item()
    0.0336
    """
    effects, near = _effects(estimates, variances), dersimonian_laird(estimates, variances)
    known = effects.known.sum(axis=-1)
    typical = divide(np.where(effects.known, effects.variance, 0.0).sum(axis=-1), known)
    far = divide(effects.scatter(effects.known.astype(np.float64)), known - 1)  # as if chance had no part in it
    tops = np.stack((np.zeros(near.shape), _climb(effects, near, typical), _climb(effects, far, typical)))
    highest = np.argmax([_log_likelihood(effects, top) for top in tops], axis=0)
    return np.where(np.isnan(near), np.nan, np.take_along_axis(tops, highest[np.newaxis], axis=0)[0])


def _climb(effects: _Effects, tau2: Array, typical: Array) -> Array:
    """The tau2 at the top of the restricted likelihood, never downhill on the way."""
    height, stride = _log_likelihood(effects, tau2), np.ones(tau2.shape)
    for _ in range(MOST_STEPS):
        tried = np.maximum(tau2 + stride * _step(effects, tau2), 0.0)
        tried_height = _log_likelihood(effects, tried)
        uphill = tried_height >= height
        moved = np.abs(np.where(np.isnan(tau2), 0.0, tried - tau2)) > PRECISION * (tau2 + typical)
        tau2, height = np.where(uphill, tried, tau2), np.where(uphill, tried_height, height)
        stride = np.where(uphill, 1.0, stride / 2)
        if not moved.any():
            break
    return tau2


def _step(effects: _Effects, tau2: Array) -> Array:
    """The slope of the restricted likelihood over its expected curvature."""
    w = effects.weights(tau2)
    first, second, third = (np.asarray((w**power).sum(axis=-1)) for power in (1, 2, 3))
    slope = effects.scatter(w, power=2) - first + divide(second, first)
    return divide(slope, second - 2 * divide(third, first) + divide(second, first) ** 2)


def _log_likelihood(effects: _Effects, tau2: Array) -> Array:
    """The restricted log likelihood up to a constant; zero where there are no experiments."""
    w = effects.weights(tau2)
    logs = np.log(np.where(effects.known, w, 1.0)).sum(axis=-1)
    total = w.sum(axis=-1)
    return np.asarray((logs - np.log(np.where(total > 0, total, 1.0)) - effects.scatter(w)) / 2)


def _scatter(effects: _Effects, weights: Array, k: Array) -> Scatter:
    q = np.where(k > 1, effects.scatter(weights), np.nan)
    return Scatter(
        k=k,
        q=q,
        p_value=chi_square_tail(np.where(k > 1, k - 1, np.nan), q),
        i2=np.where(q > 0, np.maximum(1 - divide(k - 1, q), 0.0), np.where(k > 1, 0.0, np.nan)),
    )


def _common(effects: _Effects, weights: Array, alpha: float) -> Comparisons:
    mean, total = effects.mean(weights), weights.sum(axis=-1)
    reason = reason_codes((total == 0, Reason.INSUFFICIENT_DATA))
    return wald.compare(mean, divide(1.0, total), reason=reason, alpha=alpha, method=COMMON)


def _hartung_knapp(effects: _Effects, tau2: Array, k: Array, alpha: float) -> Comparisons:
    enough = k >= FEWEST_FOR_SPREAD
    weights = effects.weights(tau2)
    factor = np.maximum(divide(effects.scatter(weights), k - 1), 1.0)
    return wald.compare(
        np.where(enough, effects.mean(weights), np.nan),
        np.where(enough, divide(factor, weights.sum(axis=-1)), np.nan),
        df=np.where(enough, k - 1, np.nan),
        reason=reason_codes((~enough, Reason.INSUFFICIENT_DATA)),
        alpha=alpha,
        method=RANDOM,
    )


def _effects(estimates: Numbers, variances: Numbers) -> _Effects:
    estimate, variance = np.broadcast_arrays(numbers(estimates), numbers(variances))
    if np.any(variance <= 0):
        raise ValueError("the variance of an estimate is above zero")
    known = np.isfinite(estimate) & np.isfinite(variance)
    return _Effects(estimate=np.where(known, estimate, 0.0), variance=np.where(known, variance, 1.0), known=known)
