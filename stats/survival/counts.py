"""From counts by entry day and duration day to who was at risk on which day of their own.

Nothing but counts is needed, and any past day can be recomputed: a snapshot says how long each cohort had been
watched by then, and the cells beyond are left out.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from stats.arrays import Array, Numbers, at_least, numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class LifeTable:
    """For each duration day (last axis): units at risk at its start, events in it, and losses after those events.

    >>> table = LifeTable(at_risk=numbers([10, 7]), events=numbers([2, 3]), losses=numbers([1, 0]))
    >>> table[..., :1].events.tolist()
    [2.0]
    """

    at_risk: Array
    events: Array
    losses: Array

    def __getitem__(self, index: Any) -> Self:
        """Some of the tables, by any index that numpy takes."""
        return type(self)(at_risk=self.at_risk[index], events=self.events[index], losses=self.losses[index])


def life_table(entered: Numbers, events: Numbers, losses: Numbers, observed: Numbers) -> LifeTable:
    """Cohorts (by day of exposure) added up by duration day.

    `entered` (..., C) units; `events` and `losses` (..., C, D) of them by duration day; `observed` (..., C) whole days
    each cohort has been watched. Leading axes broadcast: `observed` (S, C) gives S snapshots. Result (..., D).
    A cohort counts in cell j if j < observed, with the units that had neither event nor loss before. Raises ValueError
    for more events and losses than units.

    >>> table = life_table([10, 10], [[2, 3], [1, 0]], [[1, 0], [0, 0]], [2, 1])  # the second cohort is a day old
    >>> table.at_risk.tolist(), table.events.tolist(), table.losses.tolist()
    ([20.0, 7.0], [3.0, 3.0], [1.0, 0.0])
    """
    cells = _cells(entered, events, losses)
    seen = (np.arange(cells[0].shape[-1]) < numbers(observed)[..., np.newaxis]).astype(np.float64)
    at_risk, happened, lost = (_over_cohorts(seen, part) for part in cells)
    return LifeTable(at_risk=at_risk, events=happened, losses=lost)


def by_snapshot(entered: Numbers, events: Numbers, losses: Numbers, observed: Numbers) -> LifeTable:
    """What `life_table` gives for snapshots of cohorts in the order in which they entered, in a tenth of its time.

    `entered` (..., C), `events` and `losses` (..., C, D), `observed` (S, C); result (..., S, D). No cohort has been
    watched for longer than one before it, so what a snapshot has seen of a duration day is what the first cohorts have
    of it: a place in a running sum. Raises ValueError where one has, and as `life_table` does.

    >>> table = by_snapshot([10, 10], [[2, 3], [1, 0]], [[1, 0], [0, 0]], [[1, 0], [2, 1]])
    >>> table.at_risk.tolist(), table.events.tolist()
    ([[10.0, 0.0], [20.0, 7.0]], [[2.0, 0.0], [3.0, 3.0]])
    """
    cells, watched = _cells(entered, events, losses), numbers(observed)
    if np.any(np.diff(watched, axis=-1) > 0):
        raise ValueError("no cohort has been watched for longer than one that entered before it")
    days = np.arange(cells[0].shape[-1])
    cohorts = at_least(watched, days.size)[:, 1:]  # (S, D): how many have been seen on this day of theirs
    at_risk, happened, lost = (_so_far(part)[..., cohorts, days] for part in cells)
    return LifeTable(at_risk=at_risk, events=happened, losses=lost)


def _cells(entered: Numbers, events: Numbers, losses: Numbers) -> tuple[Array, Array, Array]:
    """Units at risk, events and losses of each cohort on each duration day."""
    happened, lost = np.broadcast_arrays(numbers(events), numbers(losses))
    left = happened + lost
    remaining = numbers(entered)[..., np.newaxis] - np.cumsum(left, axis=-1)
    if not (np.all(left >= 0) and np.all(remaining >= 0)):
        raise ValueError("events and losses are counts, together no more than the units entered")
    return remaining + left, happened, lost


def _so_far(cells: Array) -> Array:
    """The running sum over cohorts, which begins with none of them."""
    none = np.zeros((*cells.shape[:-2], 1, cells.shape[-1]))
    return np.cumsum(np.concatenate((none, cells), axis=-2), axis=-2)


def _over_cohorts(seen: Array, cells: Array) -> Array:
    """The sum over cohorts of the cells seen, without building the product for every snapshot."""
    return np.asarray(np.einsum("...cj,...cj->...j", seen, cells))
