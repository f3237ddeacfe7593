"""Amounts of which most are nothing and a few are large: revenue."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from stats.arrays import Array, numbers
from stats.calibration.scenarios.reading import CAPPED_MEAN, MEAN, Reading, Start, sizes
from stats.distributions import normal_cdf
from stats.methods import welch
from stats.moments import Moments
from stats.sequential import regression
from stats.winsorisation import Cap


@dataclass(frozen=True, slots=True, kw_only=True)
class Amounts:
    """Most units spend nothing, the others a lognormal amount of median 1; the effect multiplies what is spent.

    With a `cap`, fixed beforehand, larger amounts count as the cap. `is_taken_as_normal` adds the evidence that is
    exact for normal values, which these are not.
    """

    name: str
    payers: float
    spread: float  # of the logarithm of an amount
    lift: float
    n: tuple[int, int]
    looks: int
    cap: float = np.inf
    is_taken_as_normal: bool = False
    unit: str = "units"

    @property
    def about(self) -> str:
        """The world in numbers."""
        world = f"{self.payers:.0%} pay, log-spread {self.spread}, effect {self.lift:+.0%}"
        capped = "" if np.isinf(self.cap) else f" before the cap of {self.cap:g}"
        return f"{world}{capped}; {sizes(self.n)} units a look, {self.looks} looks"

    @property
    def progress(self) -> Array:
        """Units of both arms at each look."""
        return sum(self.n) * np.arange(1.0, self.looks + 1)

    def drawn(
        self, draw: np.random.Generator, replicates: int, *, has_effect: bool, start: Start, alpha: float
    ) -> Mapping[str, Reading]:
        """So many experiments (replicates, L)."""
        rule = Cap(value=self.cap, share=1.0, n=0)
        arms = [
            Moments.from_values(rule.apply(factor * self._spent(draw, (replicates, self.looks, n))))
            for n, factor in zip(self.n, self._factors(has_effect), strict=True)
        ]
        return self._read(arms, start, alpha)

    def expected(self, *, has_effect: bool, start: Start, alpha: float) -> Mapping[str, Reading]:
        """The experiment without chance (L,)."""
        arms = []
        for n, factor in zip(self.n, self._factors(has_effect), strict=True):
            mean, second = (factor**power * self._moment(power, self.cap / factor) for power in (1, 2))
            each = np.full(self.looks, float(n))
            arms.append(Moments(n=each, mean=numbers(mean), m2=each * (second - mean**2)))
        return self._read(arms, start, alpha)

    def _factors(self, has_effect: bool) -> tuple[float, float]:
        return 1.0, 1 + (self.lift if has_effect else 0.0)

    def _spent(self, draw: np.random.Generator, shape: tuple[int, ...]) -> Array:
        amounts = draw.lognormal(0.0, self.spread, shape)
        return amounts * (draw.random(shape) < self.payers)

    def _moment(self, power: int, cap: float) -> float:
        """The mean of min(amount, cap) ** power, of units that pay and units that do not."""
        whole = np.exp(np.square(power * self.spread) / 2)
        if np.isinf(cap):
            return float(self.payers * whole)
        at = np.log(cap) / self.spread
        return float(self.payers * (whole * normal_cdf(at - power * self.spread) + cap**power * normal_cdf(-at)))

    def _read(self, arms: list[Moments], start: Start, alpha: float) -> Mapping[str, Reading]:
        control, treatment = (arm.cumulative() for arm in arms)
        log_e, half_width = self._as_normal(control, treatment, alpha) if self.is_taken_as_normal else (None, None)
        reading = Reading(
            found=welch.compare(control, treatment, alpha=alpha),
            has_begun=(control.n >= start.units) & (treatment.n >= start.units),
            units=self.progress,
            log_e=log_e,
            half_width=half_width,
        )
        return {MEAN if np.isinf(self.cap) else CAPPED_MEAN: reading}

    def _as_normal(self, control: Moments, treatment: Moments, alpha: float) -> tuple[Array, Array]:
        n = self.progress
        alike = (control.m2 + treatment.m2) / (n - 2)  # the variance of a unit, taken to be the same in both arms
        variance, g = alike * (1 / control.n + 1 / treatment.n), regression.tuning(n[-1], alpha)
        log_e = regression.log_e_value(treatment.mean - control.mean, variance, df=n - 2, n=n, g=g)
        return log_e, regression.half_width(variance, df=n - 2, n=n, g=g, alpha=alpha)
