"""A quantile of values with a long tail, such as the 90th percentile of load times."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from stats import quantiles
from stats.arrays import Array
from stats.calibration.scenarios.reading import QUANTILE, Reading, Start, at_horizon, known, sizes
from stats.distributions import normal_quantile
from stats.quantiles import Quantiles


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordered:
    """Lognormal values of median 1, of which one quantile is compared; the effect multiplies every value."""

    name: str
    share: float
    spread: float  # of the logarithm of a value
    lift: float
    n: tuple[int, int]
    unit: str = "units"

    @property
    def about(self) -> str:
        """The world in numbers."""
        world = f"quantile {self.share:g}, log-spread {self.spread}, effect {self.lift:+.0%}"
        return f"{world}; {sizes(self.n)} units, one look"

    @property
    def progress(self) -> Array:
        """Units of both arms."""
        return np.array([float(sum(self.n))])

    def drawn(
        self, draw: np.random.Generator, replicates: int, *, has_effect: bool, start: Start, alpha: float
    ) -> Mapping[str, Reading]:
        """So many experiments (replicates, 1)."""
        factors = (1.0, 1 + self.lift if has_effect else 1.0)
        arms = [
            Quantiles.from_values(factor * draw.lognormal(0.0, self.spread, (replicates, n)), self.share, alpha=alpha)
            for n, factor in zip(self.n, factors, strict=True)
        ]
        return {QUANTILE: at_horizon(quantiles.compare(*arms, alpha=alpha))}

    def expected(self, *, has_effect: bool, start: Start, alpha: float) -> Mapping[str, Reading]:
        """The true difference."""
        value = float(np.exp(self.spread * normal_quantile(self.share)))
        return {QUANTILE: known(self.lift * value if has_effect else 0.0, alpha)}
