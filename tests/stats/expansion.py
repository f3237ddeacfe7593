"""Cohort counts drawn at random, and the same units as rows, for the implementations that need rows."""

from dataclasses import dataclass

import numpy as np

from stats.arrays import Array
from stats.survival.counts import LifeTable, life_table


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohorts:
    """Units by entry day, their events and losses by duration day, and the days each cohort was watched."""

    entered: Array
    events: Array
    losses: Array
    observed: Array

    @property
    def table(self) -> LifeTable:
        return life_table(self.entered, self.events, self.losses, self.observed)

    def rows(self) -> tuple[Array, Array]:
        """Time and status (1 event, 0 censored) of each unit; what happens in cell j happens at time j + 1."""
        times, status = [], []
        for entered, events, losses, observed in zip(
            self.entered, self.events, self.losses, self.observed, strict=True
        ):
            still = int(entered)
            for j in range(int(observed)):
                times += [j + 1] * int(events[j] + losses[j])
                status += [1] * int(events[j]) + [0] * int(losses[j])
                still -= int(events[j] + losses[j])
            times += [int(observed)] * still
            status += [0] * still
        return np.array(times), np.array(status)


def draw_cohorts(seed: int, *, hazard: float = 0.1, loss: float = 0.03, size: int = 20, days: int = 15) -> Cohorts:
    """One cohort a day for `days` days, watched until the last of them."""
    draw = np.random.default_rng(seed)
    entered = draw.integers(1, size, days)
    events, losses = np.zeros((2, days, days))
    still = entered.copy()
    for j in range(days):
        events[:, j] = draw.binomial(still, hazard)
        losses[:, j] = draw.binomial(still - events[:, j].astype(int), loss)
        still = still - events[:, j].astype(int) - losses[:, j].astype(int)
    return Cohorts(
        entered=entered.astype(np.float64),
        events=events,
        losses=losses,
        observed=days - np.arange(days, dtype=np.float64),
    )


def table_of(times: list[int], status: list[int], days: int) -> LifeTable:
    """The life table of single units, all entering on one day and known to be censored where they are."""
    cells, happened = np.asarray(times, dtype=int) - 1, np.asarray(status) == 1
    events = np.bincount(cells[happened], minlength=days)
    losses = np.bincount(cells[~happened], minlength=days)
    return life_table([len(times)], [events], [losses], [days])
