"""Series whose truth is known, drawn by the hundred."""

import numpy as np

from stats.arrays import Array


def swings(draw: np.random.Generator, series: int, periods: int, *, tie: float, size: float) -> Array:
    """Stationary autoregressions (series, periods): each swing keeps `tie` of the one before it."""
    new = draw.normal(0, size, (series, periods))
    found = np.empty_like(new)
    found[:, 0] = new[:, 0] / np.sqrt(1 - tie**2)
    for period in range(1, periods):
        found[:, period] = tie * found[:, period - 1] + new[:, period]
    return found


def at_most(promise: float, replicates: int) -> float:
    """The promise and three standard errors of the simulation."""
    return float(promise + 3 * np.sqrt(promise * (1 - promise) / replicates))
