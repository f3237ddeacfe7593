"""Shares of units: what most experiments compare."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from stats.arrays import Array, numbers
from stats.calibration.scenarios.reading import AGRESTI_CAFFO, MIETTINEN_NURMINEN, SHARE, Reading, Start, sizes
from stats.methods import Method, agresti_caffo, miettinen_nurminen, proportions
from stats.moments import Moments
from stats.sequential import e_process

METHODS: dict[str, Method] = {
    SHARE: proportions.compare,
    MIETTINEN_NURMINEN: miettinen_nurminen.compare,
    AGRESTI_CAFFO: agresti_caffo.compare,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """`n` units of control and treatment become final before each look; the share may drift from look to look alike.

    Of several measures the first carries the exact evidence, which is the same for all.
    """

    name: str
    share: float
    effect: float
    n: tuple[int, int]
    looks: int
    drift: float = 0.0
    measures: tuple[str, ...] = (SHARE,)
    unit: str = "units"

    @property
    def about(self) -> str:
        """The world in numbers."""
        start, end = self._shares(0.0)[[0, -1]]
        level = f"{start:.0%}" if start == end else f"{start:.0%} drifting to {end:.0%}"
        return f"{level}, effect {self.effect:+.1%}; {sizes(self.n)} units a look, {self.looks} looks"

    @property
    def progress(self) -> Array:
        """Units of both arms at each look."""
        return sum(self.n) * np.arange(1.0, self.looks + 1)

    def drawn(
        self, draw: np.random.Generator, replicates: int, *, has_effect: bool, start: Start, alpha: float
    ) -> Mapping[str, Reading]:
        """So many experiments (replicates, L)."""
        won = [numbers(draw.binomial(n, shares, (replicates, self.looks))) for n, shares in self._arms(has_effect)]
        return self._read(won, start, alpha)

    def expected(self, *, has_effect: bool, start: Start, alpha: float) -> Mapping[str, Reading]:
        """The experiment without chance (L,)."""
        return self._read([n * shares for n, shares in self._arms(has_effect)], start, alpha)

    def _arms(self, has_effect: bool) -> list[tuple[int, Array]]:
        effects = (0.0, self.effect if has_effect else 0.0)
        return [(n, self._shares(effect)) for n, effect in zip(self.n, effects, strict=True)]

    def _shares(self, effect: float) -> Array:
        return np.linspace(self.share, self.share + self.drift, self.looks) + effect

    def _read(self, won: list[Array], start: Start, alpha: float) -> Mapping[str, Reading]:
        so_far = [Moments.of_proportion(new, n).cumulative() for new, n in zip(won, self.n, strict=True)]
        enough = [(arm.n >= start.units) & (arm.n * arm.mean >= start.successes) for arm in so_far]
        control_n, treatment_n = (np.full(self.looks, n) for n in self.n)
        log_e = e_process.two_shares(won[0], control_n, won[1], treatment_n)
        return {
            measure: Reading(
                found=METHODS[measure](*so_far, alpha=alpha),
                has_begun=enough[0] & enough[1],
                units=self.progress if measure == self.measures[0] else None,
                log_e=log_e if measure == self.measures[0] else None,
            )
            for measure in self.measures
        }
