"""Whole clusters of unequal size are assigned, and units of a cluster are alike."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from stats import clusters
from stats.arrays import Array, numbers
from stats.calibration.scenarios.reading import CLUSTERED, Reading, Start, at_horizon, known, sizes
from stats.clusters import Clusters


@dataclass(frozen=True, slots=True, kw_only=True)
class Clustered:
    """`n` clusters of `units` units on average; values have spread 1 in a cluster and `between` between clusters.

    Sizes follow a gamma distribution of this `shape`, rounded by chance: the smaller the shape, the more they differ.
    """

    name: str
    units: float
    shape: float
    between: float
    effect: float
    n: tuple[int, int]
    unit: str = "clusters"

    @property
    def about(self) -> str:
        """The world in numbers."""
        varying = f"about {self.units:g} units a cluster (varying by {self._variation:.0%})"
        world = f"{varying}, spread 1 within and {self.between:g} between"
        return f"{world}, effect {self.effect:+.2f}; {sizes(self.n)} clusters, one look"

    @property
    def progress(self) -> Array:
        """Clusters of both arms."""
        return np.array([float(sum(self.n))])

    def drawn(
        self, draw: np.random.Generator, replicates: int, *, has_effect: bool, start: Start, alpha: float
    ) -> Mapping[str, Reading]:
        """So many experiments (replicates, 1)."""
        effects = (0.0, self.effect if has_effect else 0.0)
        arms = [self._arm(draw, (replicates, n), effect) for n, effect in zip(self.n, effects, strict=True)]
        return {CLUSTERED: at_horizon(clusters.cr2(*arms, alpha=alpha))}

    def expected(self, *, has_effect: bool, start: Start, alpha: float) -> Mapping[str, Reading]:
        """The true difference."""
        return {CLUSTERED: known(self.effect if has_effect else 0.0, alpha)}

    @property
    def _variation(self) -> float:
        """The standard deviation of the sizes over their mean."""
        poisson = self.units - 1
        return float(np.sqrt(poisson + poisson**2 / self.shape) / self.units)

    def _arm(self, draw: np.random.Generator, shape: tuple[int, int], effect: float) -> Clusters:
        spread = draw.gamma(self.shape, (self.units - 1) / self.shape, shape)
        units = 1 + numbers(draw.poisson(spread))
        level = draw.normal(effect, self.between, shape)
        return Clusters(sums=units * level + np.sqrt(units) * draw.standard_normal(shape), sizes=units)
