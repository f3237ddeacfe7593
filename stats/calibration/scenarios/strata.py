"""Means in strata of very different level, compared within them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from stats.arrays import Array, numbers
from stats.calibration.scenarios.reading import POST_STRATIFIED, Reading, Start, at_horizon, known, sizes
from stats.methods import post_stratification
from stats.moments import Moments


@dataclass(frozen=True, slots=True, kw_only=True)
class Strata:
    """Units of `n` fall into strata by chance; values are normal with spread 1 around their stratum's level."""

    name: str
    shares: tuple[float, ...]
    levels: tuple[float, ...]
    effect: float
    n: tuple[int, int]
    unit: str = "units"

    @property
    def about(self) -> str:
        """The world in numbers."""
        levels = ", ".join(f"{level:g} ({share:.0%})" for level, share in zip(self.levels, self.shares, strict=True))
        return f"levels {levels}, spread 1 within, effect {self.effect:+.2f}; {sizes(self.n)} units, one look"

    @property
    def progress(self) -> Array:
        """Units of both arms."""
        return np.array([float(sum(self.n))])

    def drawn(
        self, draw: np.random.Generator, replicates: int, *, has_effect: bool, start: Start, alpha: float
    ) -> Mapping[str, Reading]:
        """So many experiments (replicates, 1)."""
        effects = (0.0, self.effect if has_effect else 0.0)
        arms = [self._arm(draw, replicates, n, effect) for n, effect in zip(self.n, effects, strict=True)]
        return {POST_STRATIFIED: at_horizon(post_stratification.compare(*arms, alpha=alpha))}

    def expected(self, *, has_effect: bool, start: Start, alpha: float) -> Mapping[str, Reading]:
        """The true difference."""
        return {POST_STRATIFIED: known(self.effect if has_effect else 0.0, alpha)}

    def _arm(self, draw: np.random.Generator, replicates: int, n: int, effect: float) -> Moments:
        units = numbers(draw.multinomial(n, self.shares, replicates))
        levels = draw.normal(np.array(self.levels) + effect, 1 / np.sqrt(np.maximum(units, 1)))
        return Moments(n=units, mean=levels, m2=2 * draw.standard_gamma(np.maximum(units - 1, 0) / 2))
