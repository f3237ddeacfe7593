"""Means of normal values, each with a value of the same unit from before the experiment."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from stats.arrays import Array, divide
from stats.calibration.scenarios.reading import CUPED, LIN, Reading, Start, sizes
from stats.comoments import CoMoments
from stats.methods import cuped, lin
from stats.sequential import regression


@dataclass(frozen=True, slots=True, kw_only=True)
class Covariates:
    """Value = slope * covariate + a standard normal, the covariate standard normal too; the effect is added.

    With one slope in both arms CUPED's common one serves, and the regression's exact evidence; otherwise Lin's.
    """

    name: str
    slopes: tuple[float, float]
    effect: float
    n: tuple[int, int]
    looks: int
    unit: str = "units"

    @property
    def about(self) -> str:
        """The world in numbers."""
        one, other = self.slopes
        slopes = f"slope {one:g}" if one == other else f"slopes {one:g} and {other:g}"
        return f"normal values, {slopes}, effect {self.effect:+.2f}; {sizes(self.n)} units a look, {self.looks} looks"

    @property
    def progress(self) -> Array:
        """Units of both arms at each look."""
        return sum(self.n) * np.arange(1.0, self.looks + 1)

    def drawn(
        self, draw: np.random.Generator, replicates: int, *, has_effect: bool, start: Start, alpha: float
    ) -> Mapping[str, Reading]:
        """So many experiments (replicates, L)."""
        arms = []
        for n, slope, effect in self._arms(has_effect):
            x, noise = draw.standard_normal((2, replicates, self.looks, n))
            arms.append(CoMoments.from_values(np.stack((slope * x + noise + effect, x), axis=-1)))
        return self._read(arms, start, alpha)

    def expected(self, *, has_effect: bool, start: Start, alpha: float) -> Mapping[str, Reading]:
        """The experiment without chance (L,)."""
        arms = []
        for n, slope, effect in self._arms(has_effect):
            products = n * np.array([[slope**2 + 1, slope], [slope, 1.0]])
            arms.append(CoMoments(n=np.full(self.looks, n), means=np.array([effect, 0.0]), products=products))
        return self._read(arms, start, alpha)

    def _arms(self, has_effect: bool) -> list[tuple[int, float, float]]:
        return list(zip(self.n, self.slopes, (0.0, self.effect if has_effect else 0.0), strict=True))

    def _read(self, arms: list[CoMoments], start: Start, alpha: float) -> Mapping[str, Reading]:
        control, treatment = (arm.cumulative() for arm in arms)
        begun = (control.n >= start.units) & (treatment.n >= start.units)
        if self.slopes[0] != self.slopes[1]:
            return {LIN: Reading(found=lin.compare(control, treatment, alpha=alpha), has_begun=begun)}
        log_e, half_width = self._by_regression(control, treatment, alpha)
        found = cuped.compare(control, treatment, alpha=alpha)
        return {CUPED: Reading(found=found, has_begun=begun, units=self.progress, log_e=log_e, half_width=half_width)}

    def _by_regression(self, control: CoMoments, treatment: CoMoments, alpha: float) -> tuple[Array, Array]:
        """The evidence on the arm's coefficient beside intercept and slope, and the interval that belongs to it."""
        before, after = cuped.adjusted(control, treatment)
        apart = np.square(treatment.means[..., 1] - control.means[..., 1])
        leverage = divide(apart, control.products[..., 1, 1] + treatment.products[..., 1, 1])
        alike = (before.m2 + after.m2) / (self.progress - 2)  # raised by `adjusted` from n - 3 degrees of freedom
        variance = alike * (1 / before.n + 1 / after.n + leverage)
        n, g = self.progress, regression.tuning(self.progress[-1], alpha)
        log_e = regression.log_e_value(after.mean - before.mean, variance, df=n - 3, n=n, g=g)
        return log_e, regression.half_width(variance, df=n - 3, n=n, g=g, alpha=alpha)
