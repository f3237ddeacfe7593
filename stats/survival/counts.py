"""From counts by entry day and duration day to who was at risk on which day of their own.

Nothing but counts is needed, and any past day can be recomputed: a snapshot says how long each cohort had been
watched by then, and the cells beyond are left out.
"""

from dataclasses import dataclass
from types import EllipsisType
from typing import Self

import numpy as np

from stats.arrays import Array, Numbers, numbers


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

    def __getitem__(self, index: int | slice | EllipsisType | tuple[int | slice | EllipsisType, ...]) -> Self:
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
    happened, lost = np.broadcast_arrays(numbers(events), numbers(losses))
    left = happened + lost
    gone = np.cumsum(left, axis=-1)
    remaining = numbers(entered)[..., np.newaxis] - gone
    if not (np.all(left >= 0) and np.all(remaining >= 0)):
        raise ValueError("events and losses are counts, together no more than the units entered")
    seen = (np.arange(happened.shape[-1]) < numbers(observed)[..., np.newaxis]).astype(np.float64)
    return LifeTable(
        at_risk=_over_cohorts(seen, remaining + left),
        events=_over_cohorts(seen, happened),
        losses=_over_cohorts(seen, lost),
    )


def _over_cohorts(seen: Array, cells: Array) -> Array:
    """The sum over cohorts of the cells seen, without building the product for every snapshot."""
    return np.asarray(np.einsum("...cj,...cj->...j", seen, cells))
