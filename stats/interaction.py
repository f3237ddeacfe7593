"""Whether one effect depends on another: the difference of two differences, from the moments of the cells.

Of units that are in two experiments at once, each cell holds those in one variant of either. That an effect is the same
beside every variant of the other experiment is the usual assumption of running both at once; this measures how far it
is from true. Cox (1984), "Interaction", International Statistical Review 52. The variance is the sum of those of the
four means: what a regression on both assignments and their product gives with MacKinnon & White's (1985, Journal of
Econometrics 29) HC2 errors.
"""

from stats.arrays import Array
from stats.moments import Moments


def between(cells: Moments) -> tuple[Array, Array]:
    """Difference of differences and its variance; cells (..., V, W) with each control first give (..., V - 1, W - 1).

    The effect of a variant V among units in a variant W of the other experiment, less that among units in its control.
    NaN where one of the four cells has no answer. As means of independent units, their estimates have independent
    increments, so that `confidence_sequence` may read them on any day.

    >>> moments = Moments.of_proportion([[40, 40], [50, 62]], 100)
    >>> difference, variance = between(moments)
    >>> difference.round(2).tolist(), variance.round(5).tolist()
    ([[0.12]], [[0.00975]])
    """
    effects = effects_of(cells)
    variance = cells.mean_variance
    both = variance[..., 1:, :] + variance[..., :1, :]
    return effects[..., 1:] - effects[..., :1], both[..., 1:] + both[..., :1]


def effects_of(cells: Moments) -> Array:
    """Each variant less the control (..., V - 1, W), among the units in each variant of the other experiment.

    >>> effects_of(Moments.of_proportion([[40, 40], [50, 62]], 100)).round(2).tolist()
    [[0.1, 0.22]]
    """
    return cells.mean[..., 1:, :] - cells.mean[..., :1, :]
