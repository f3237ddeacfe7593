"""Ratios of sums, where a unit has many views or none worth mentioning: clicks per view."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from stats.arrays import Array
from stats.calibration.scenarios.reading import RATIO, RATIO_CUPED, Reading, Start, sizes
from stats.comoments import CoMoments
from stats.methods import ratio, ratio_cuped

POPULATION = 4096
POPULATION_SEED = 7
VIEWS = 8.0
CLICKS_PER_VIEW = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratios:
    """Units are drawn, with replacement, from a small population of known clicks and views, before and now.

    Views differ widely between units, and so do clicks per view; the effect multiplies the clicks of now.
    """

    name: str
    lift: float
    n: tuple[int, int]
    looks: int
    unit: str = "units"

    @property
    def about(self) -> str:
        """The world in numbers."""
        world = f"about {VIEWS:g} views a unit and {CLICKS_PER_VIEW:.0%} clicks, both varying, effect {self.lift:+.0%}"
        return f"{world}; {sizes(self.n)} units a look, {self.looks} looks"

    @property
    def progress(self) -> Array:
        """Units of both arms at each look."""
        return sum(self.n) * np.arange(1.0, self.looks + 1)

    def drawn(
        self, draw: np.random.Generator, replicates: int, *, has_effect: bool, start: Start, alpha: float
    ) -> Mapping[str, Reading]:
        """So many experiments (replicates, L)."""
        arms = [
            CoMoments.from_values(rows[draw.integers(POPULATION, size=(replicates, self.looks, n))])
            for n, rows in zip(self.n, self._arms(has_effect), strict=True)
        ]
        return self._read(arms, start, alpha)

    def expected(self, *, has_effect: bool, start: Start, alpha: float) -> Mapping[str, Reading]:
        """The experiment without chance (L,)."""
        arms = []
        for n, rows in zip(self.n, self._arms(has_effect), strict=True):
            whole = CoMoments.from_values(rows)
            each = np.full(self.looks, float(n))
            arms.append(CoMoments(n=each, means=whole.means, products=whole.products * n / POPULATION))
        return self._read(arms, start, alpha)

    def _arms(self, has_effect: bool) -> tuple[Array, Array]:
        rows = _population()
        return rows, rows * np.array([1 + self.lift if has_effect else 1.0, 1.0, 1.0, 1.0])

    def _read(self, arms: list[CoMoments], start: Start, alpha: float) -> Mapping[str, Reading]:
        control, treatment = (arm.cumulative() for arm in arms)
        begun = (control.n >= start.units) & (treatment.n >= start.units)
        now = [CoMoments(n=arm.n, means=arm.means[..., :2], products=arm.products[..., :2, :2]) for arm in arms]
        plain = ratio.compare(*(arm.cumulative() for arm in now), alpha=alpha)
        less = ratio_cuped.compare(control, treatment, alpha=alpha)
        return {
            RATIO: Reading(found=plain, has_begun=begun, units=self.progress),
            RATIO_CUPED: Reading(found=less, has_begun=begun, units=self.progress),
        }


@cache
def _population() -> Array:
    """Rows of (clicks, views, clicks before, views before)."""
    draw = np.random.default_rng(POPULATION_SEED)
    appetite = draw.gamma(2.0, VIEWS / 2, (POPULATION, 1))
    taste = draw.beta(2.0, 2.0 / CLICKS_PER_VIEW - 2.0, (POPULATION, 1))
    views = 1 + draw.poisson(appetite, (POPULATION, 2))
    clicks = draw.binomial(views, taste)
    return np.stack((clicks[:, 0], views[:, 0], clicks[:, 1], views[:, 1]), axis=-1).astype(np.float64)
