"""Times to an event while units keep entering every day, some of which never get there."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from stats.arrays import Array, numbers
from stats.calibration.scenarios.reading import (
    LOG_RANK,
    MATURED_SHARE,
    RESTRICTED_MEAN,
    SHARE_BY_DAY,
    STRATIFIED_LOG_RANK,
    Reading,
    Start,
    sizes,
)
from stats.methods import proportions
from stats.moments import Moments
from stats.sequential import safe_logrank
from stats.sequential.staggered import LEAST_VARIANCE, Cohorts, log_rank_by_day, merged, tables_by_day
from stats.survival import logrank, quantiles, rmst
from stats.survival.logrank import LogRank

TIME_LOOKS = 28
FEWEST_TOGETHER = 20
"""Units of each arm for which entry days are merged into one stratum."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """`daily` units of control and treatment enter every day, and 28 daily looks begin on day tau.

    `share` of the control's units get there at all, at a rate that has `half_life` days; the others never do. The
    effect multiplies the hazard of every day.
    """

    name: str
    share: float
    half_life: float
    hazard_ratio: float
    daily: tuple[int, int]
    tau: int
    unit: str = "days"

    @property
    def about(self) -> str:
        """The world in numbers."""
        world = f"{self.share:.0%} ever, half of them within {self.half_life:g} days, hazard x {self.hazard_ratio}"
        return f"{world}; tau {self.tau} days, {sizes(self.daily)} units a day, {TIME_LOOKS} looks"

    @property
    def progress(self) -> Array:
        """The calendar day of each look."""
        return np.arange(float(self.tau), self._days + 1)

    @property
    def hazard(self) -> Array:
        """The chance of control's units to get there on each of their first tau days, if not before."""
        survival = 1 - self.share * (1 - 0.5 ** (np.arange(self.tau + 1) / self.half_life))
        return 1 - survival[1:] / survival[:-1]

    def drawn(
        self, draw: np.random.Generator, replicates: int, *, has_effect: bool, start: Start, alpha: float
    ) -> Mapping[str, Reading]:
        """So many experiments (replicates, L)."""
        arms = [self._arm(draw, replicates, daily, hazard) for daily, hazard in self._arms(has_effect)]
        log_e = safe_logrank.log_e_value(*arms, hazard_ratio=self.hazard_ratio, days=self._days)
        return self._read(arms, start, alpha, log_e[..., self.tau - 1 :])

    def expected(self, *, has_effect: bool, start: Start, alpha: float) -> Mapping[str, Reading]:
        """The experiment without chance (L,)."""
        arms = []
        for daily, hazard in self._arms(has_effect):
            events = daily * hazard * np.cumprod(np.append(1.0, 1 - hazard[:-1]))
            arms.append(self._cohorts(daily, np.tile(events, (self._days, 1))))
        return self._read(arms, start, alpha, None)

    @property
    def _days(self) -> int:
        return self.tau + TIME_LOOKS - 1

    def _arms(self, has_effect: bool) -> list[tuple[int, Array]]:
        ratios = (1.0, self.hazard_ratio if has_effect else 1.0)
        return [(daily, 1 - (1 - self.hazard) ** ratio) for daily, ratio in zip(self.daily, ratios, strict=True)]

    def _arm(self, draw: np.random.Generator, replicates: int, daily: int, hazard: Array) -> Cohorts:
        events = np.zeros((replicates, self._days, self.tau))
        still = np.full((replicates, self._days), daily)
        for day, chance in enumerate(hazard.tolist()):
            events[..., day] = happened = draw.binomial(still, chance)
            still = still - happened
        return self._cohorts(daily, events)

    def _cohorts(self, daily: int, events: Array) -> Cohorts:
        return Cohorts(entered=np.full(events.shape[:-1], float(daily)), events=events, losses=numbers(0.0))

    def _read(self, arms: list[Cohorts], start: Start, alpha: float, log_e: Array | None) -> Mapping[str, Reading]:
        tables = [tables_by_day(arm, self._days)[..., self.tau - 1 :, :] for arm in arms]
        successes = np.minimum(*(table.events.sum(axis=-1) for table in tables))
        begun = (min(self.daily) * self.progress >= start.units) & (successes >= start.successes)
        return {
            RESTRICTED_MEAN: Reading(found=rmst.compare(*tables, tau=self.tau, alpha=alpha), has_begun=begun),
            LOG_RANK: _log_rank(logrank.compare(*tables), alpha, log_e),
            STRATIFIED_LOG_RANK: _log_rank(self._stratified(arms), alpha, None),
            MATURED_SHARE: self._matured(arms, start, alpha),
            SHARE_BY_DAY: Reading(found=quantiles.compare(*tables, day=self.tau, alpha=alpha), has_begun=begun),
        }

    def _stratified(self, arms: list[Cohorts]) -> LogRank:
        """Each unit against those of its own entry day, or of a few days together where there are few units a day."""
        entered, more = (np.full(self._days, daily) for daily in self.daily)
        strata = merged(entered, more, fewest=FEWEST_TOGETHER)
        by_day = log_rank_by_day(*arms, days=self._days, strata=strata)
        return LogRank(
            **{
                part: getattr(by_day, part)[..., self.tau - 1 :]
                for part in ("score", "variance", "statistic", "p_value", "reason")
            }
        )

    def _matured(self, arms: list[Cohorts], start: Start, alpha: float) -> Reading:
        """Every unit once, when it has been watched for tau days: retention, or activation by a day."""
        so_far = [
            Moments.of_proportion(arm.events.sum(axis=-1)[..., :TIME_LOOKS], daily).cumulative()
            for arm, daily in zip(arms, self.daily, strict=True)
        ]
        enough = [(arm.n >= start.units) & (arm.n * arm.mean >= start.successes) for arm in so_far]
        return Reading(found=proportions.compare(*so_far, alpha=alpha), has_begun=enough[0] & enough[1])


def _log_rank(test: LogRank, alpha: float, log_e: Array | None) -> Reading:
    found = test.log_hazard_ratio(alpha=alpha)
    return Reading(found=found, has_begun=test.variance >= LEAST_VARIANCE, log_e=log_e)
