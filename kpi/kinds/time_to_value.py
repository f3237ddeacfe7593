"""Time to value: how long units take to do something for the first or nth time, with those who have not yet done it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from kpi.kinds.shape import Aggregate, Cohorts, Floats, Ints, Kind, Scale, event_problem, window_problem
from stats.arrays import Numbers
from stats.results import Comparisons
from stats.survival import rmst
from stats.survival.counts import LifeTable, by_snapshot
from stats.survival.rmst import RestrictedMean

MOST_OCCURRENCES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class SurvivalSample:
    """Life tables (..., V, S, D) and their restricted means (..., V, S): the mean time to value up to tau.

    A mean is NaN until the first cohort has been observed for tau days.
    """

    table: LifeTable
    mean: RestrictedMean

    @property
    def n(self) -> Floats:
        """Units observed for a day at least."""
        return self.mean.n

    @property
    def successes(self) -> Floats:
        """Units that got there."""
        return np.asarray(self.table.events.sum(axis=-1))

    @property
    def censored(self) -> Floats:
        """Units that neither got there nor were watched for all of tau days without it."""
        last = self.table[..., -1]
        return np.asarray(self.n - self.successes - (last.at_risk - last.events - last.losses))

    @property
    def value(self) -> Floats:
        """The restricted mean."""
        return self.mean.value

    @property
    def variance(self) -> Floats:
        """The variance of the restricted mean."""
        return self.mean.variance

    def compare(self, *, alpha: Numbers) -> Comparisons:
        """Difference of restricted means against the control: arrays (..., V - 1, S)."""
        return rmst.between(self.mean[..., :1, :], self.mean[..., 1:, :], alpha=alpha)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeToValue(Kind):
    """Days from exposure to the first `event`, compared up to `tau_days`; with an `occurrence` of n to the nth.

    A unit that has not got there yet is censored, not dropped. `loss_event` (an account deleted, say) ends a unit's
    observation earlier, without counting against the variant.
    """

    event: str
    tau_days: int
    loss_event: str | None = None
    occurrence: int = 1
    aggregate: ClassVar[Aggregate] = Aggregate.DURATIONS
    scale = Scale.DAYS

    @property
    def events(self) -> tuple[str, ...]:
        """Names of the events it reads."""
        return (self.event,) if self.loss_event is None else (self.event, self.loss_event)

    @property
    def window(self) -> tuple[int, int]:
        """From exposure up to tau."""
        return 0, self.tau_days

    @property
    def first_event(self) -> str:
        """The event that counts."""
        return self.event

    def per_unit(self, numbers: Mapping[str, int]) -> str:
        """The day of the event that counts or of the loss before it; of two on one day the event counts."""
        event = f"2 * {self.day_of(self.event, numbers, self.occurrence)}"
        # Postgres' least() passes over nulls.
        return event if self.loss_event is None else f"least({event}, 2 * {self.day_of(self.loss_event, numbers)} + 1)"

    @property
    def alike(self) -> tuple[str, int]:
        """The method and tau."""
        return "restricted_mean", self.tau_days

    def read(self, cohorts: Cohorts, ages: Ints, until: Ints | None = None) -> SurvivalSample:
        """Life tables at each snapshot, from the cells that every unit of a cohort has been observed for."""
        if cohorts.events is None or cohorts.losses is None:
            raise ValueError("these cohorts hold no durations")
        table = by_snapshot(cohorts.entered, cohorts.events, cohorts.losses, ages)
        return SurvivalSample(table=table, mean=rmst.estimate(table, self.tau_days))

    def problems(self) -> list[tuple[str, str]]:
        """What is wrong with the parameters."""
        found = event_problem("event", self.event) + event_problem("lossEvent", self.loss_event)
        if self.loss_event == self.event:
            found.append(("lossEvent", "The loss event must be another one than the event that counts."))
        if not 1 <= self.occurrence <= MOST_OCCURRENCES:
            sentence = f"What is waited for is the first to the {MOST_OCCURRENCES}th time; {self.occurrence} is not."
            found.append(("occurrence", sentence))
        # Whole days: everybody takes one day at least, so the mean within one day is the same in every variant.
        return found + window_problem("tauDays", self.tau_days, shortest=2)
