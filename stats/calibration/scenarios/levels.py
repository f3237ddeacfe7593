"""A level against what it was before the experiment: not randomised, and so only as good as the baseline stays true."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from stats import baseline
from stats.arrays import Array, Numbers, numbers
from stats.calibration.scenarios.reading import EXACT_BASELINE, LEVEL, SHARE, Reading, Start, sizes
from stats.methods import proportions
from stats.moments import Moments


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """A share of units was measured in `before` units; then `n` units of control and treatment a look have it as well.

    Since then it may have drifted, in both arms alike. Treatment is compared with the baseline and with control.
    `is_taken_as_exact` is what somebody does who forgets that the baseline was measured, too.
    """

    name: str
    share: float
    effect: float
    before: int
    n: tuple[int, int]
    looks: int
    drift: float = 0.0
    is_taken_as_exact: bool = False
    unit: str = "units"

    @property
    def about(self) -> str:
        """The world in numbers."""
        now = f", then {self.share + self.drift:.0%}" if self.drift else ""
        world = f"{self.share:.0%} of {self.before:,} units before{now}, effect {self.effect:+.1%}"
        return f"{world}; {sizes(self.n)} units a look, {self.looks} looks"

    @property
    def progress(self) -> Array:
        """Units of both arms at each look."""
        return sum(self.n) * np.arange(1.0, self.looks + 1)

    def drawn(
        self, draw: np.random.Generator, replicates: int, *, has_effect: bool, start: Start, alpha: float
    ) -> Mapping[str, Reading]:
        """So many experiments (replicates, L)."""
        before = draw.binomial(self.before, self.share, (replicates, 1)) / self.before
        arms = [
            Moments.of_proportion(draw.binomial(n, share, (replicates, self.looks)), n)
            for n, share in self._arms(has_effect)
        ]
        return self._read(before, arms, start, alpha)

    def expected(self, *, has_effect: bool, start: Start, alpha: float) -> Mapping[str, Reading]:
        """The experiment without chance (L,); the truth is against the baseline, whatever has drifted since."""
        arms = [Moments.of_proportion(np.full(self.looks, n * share), n) for n, share in self._arms(has_effect)]
        return self._read(numbers(self.share + self.drift), arms, start, alpha)

    def _arms(self, has_effect: bool) -> list[tuple[int, float]]:
        now = self.share + self.drift
        return [(self.n[0], now), (self.n[1], now + (self.effect if has_effect else 0.0))]

    def _read(self, before: Array, arms: list[Moments], start: Start, alpha: float) -> Mapping[str, Reading]:
        control, treatment = (arm.cumulative() for arm in arms)
        begun = (treatment.n >= start.units) & (treatment.n * treatment.mean >= start.successes)
        both = begun & (control.n >= start.units) & (control.n * control.mean >= start.successes)
        error = np.sqrt(before * (1 - before) / self.before)

        def against(error: Numbers) -> Reading:
            found = baseline.compare(
                treatment.mean, treatment.mean_variance, baseline=before, baseline_standard_error=error, alpha=alpha
            )
            return Reading(found=found, has_begun=begun)

        if self.is_taken_as_exact:
            return {EXACT_BASELINE: against(0.0)}
        randomised = proportions.compare(control, treatment, alpha=alpha)
        return {LEVEL: against(error), SHARE: Reading(found=randomised, has_begun=both)}
