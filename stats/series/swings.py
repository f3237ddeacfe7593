"""By how much a level has stepped, where neighbouring periods resemble each other and nobody knows how much.

Each model is a fixed level with autoregressive swings (`models.swinging`), noise and the sampling errors around it, and
after each later period gives a normal distribution of the step, of which nothing is known before; the answer is their
mixture. One pass of Kalman's (1960) filter over the periods does it for all models at once: beside the values it takes
the shapes of what is not known (the step, the levels) along, and their products give generalised least squares and the
restricted likelihood (de Jong 1991, "The diffuse Kalman filter", Annals of Statistics 19; Harvey 1989, chapter 3).
"""

import numpy as np

from stats.arrays import Array, Mask
from stats.series.mixture import Mixture, weighed
from stats.series.models import Swings, scale

VALUE, STEP, LEVEL, OLDER = range(4)
"""What is filtered: the values; the step; the level that it leaves; and the level of periods before those that count.

Older periods have a level of their own: they tell how periods swing, and nothing of where.
"""


def steps(
    times: Array, values: Array, errors: Array, known: Mask, *, first: float, change: float, held: Swings
) -> Mixture:
    """The step at `change` after each period from it on, L of them; mixtures of shape (..., L, models).

    Values, errors and where both are known (..., T), of periods (T,). The level before the step is that of the periods
    from `first` on; the sizes that the models hold are in scales of the periods before. NaN until a period after the
    step is known; to be read only where some are known before it, one of them from `first` on.

    >>> from stats.series.models import swinging
    >>> times, errors, known = np.arange(16.0), np.full(16, 0.05), np.full(16, True)
    >>> values = np.where(times < 12, 0.0, 1.0) + np.tile([0.1, -0.1], 8)
    >>> found = steps(times, values, errors, known, first=0.0, change=12.0, held=swinging())
    >>> found.mean.round(2).tolist(), found.deviation.round(2).tolist()
    ([1.1, 1.01, 1.04, 1.01], [0.13, 0.1, 0.08, 0.08])
    """
    columns = _columns(times, np.where(known, values, 0.0), first, change)
    noise, at_rest = _variances(times, values, errors, known & (times < change), held)
    sampling = np.where(known, errors, 0.0) ** 2
    foretold, variance = np.zeros((len(columns), *at_rest.shape)), at_rest
    products, spread = np.zeros((len(columns), *foretold.shape)), np.zeros(at_rest.shape)
    found = []
    for place, gap in enumerate(np.diff(times, append=times[-1] + 1)):
        seen, left = known[..., place, np.newaxis], held.tie**gap
        total = variance + noise + sampling[..., place, np.newaxis]
        surprise = columns[..., place, np.newaxis] - foretold
        part = surprise * (seen / total)
        products = products + part[:, np.newaxis] * surprise
        spread = spread + seen * np.log(total)
        foretold = left * (foretold + variance * part)
        variance = left**2 * variance * (1 - seen * variance / total) + at_rest * (1 - left**2)
        if times[place] >= change:
            found.append(_step(products, spread, held.prior))
    weights, means, deviations = (np.stack(part, axis=-2) for part in zip(*found, strict=True))
    return Mixture(weights=weights, means=means, deviations=deviations)


def _columns(times: Array, values: Array, first: float, change: float) -> Array:
    """Values and shapes (columns, ..., T)."""
    shapes = (values, times >= change, times >= first, times < first)
    return np.stack([np.broadcast_to(shape, values.shape).astype(np.float64) for shape in shapes])


def _variances(times: Array, values: Array, errors: Array, early: Mask, held: Swings) -> tuple[Array, Array]:
    """Of the noise and of the swings (..., models), the latter at rest, in the unit of the values squared."""
    size = np.ones(early.shape[:-1])
    for index in np.ndindex(size.shape):
        seen = early[index]
        if seen.sum() > 1:
            size[index] = scale(times[seen], values[index][seen], errors[index][seen])
    unit = size[..., np.newaxis] ** 2
    return unit * held.noise**2, unit * held.swing**2 / (1 - held.tie**2)


def _step(products: Array, spread: Array, prior: Array) -> tuple[Array, Array, Array]:
    """The models' weights, and the mean and deviation of the step under each, the levels being anything."""
    rest, older = _without(products, OLDER)
    rest, level = _without(rest, LEVEL)
    information = np.where(rest[STEP, STEP] > 0, rest[STEP, STEP], np.nan)
    size = rest[STEP, VALUE] / information
    left = rest[VALUE, VALUE] - size * rest[STEP, VALUE]
    likelihood = -(spread + older + level + np.log(information) + left) / 2
    return weighed(likelihood, prior), size, 1 / np.sqrt(information)


def _without(products: Array, column: int) -> tuple[Array, Array]:
    """The products when a column is fitted away, and the logarithm of what was known of it; as they are if nothing."""
    known = np.where(products[column, column] > 0, products[column, column], 1.0)
    return products - products[:, column, np.newaxis] * (products[column] / known), np.log(known)
