"""Experiments without an effect on values that are there already: the same units split at random, again and again.

Nothing is drawn but who goes where, so the distribution, the days and whatever happened on them are the units' own, and
both arms share them. Units with the same number on the same day are one cell, of which a split takes a binomial part; a
cell of one unit takes a coin. The arms always add up to the whole.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from stats.arrays import Array, Mask, Numbers, divide, numbers
from stats.calibration.families import Family, Judged, Plan
from stats.calibration.rates import BLOCK, Rate, beyond, blocks
from stats.calibration.scenarios import RESTRICTED_MEAN, SHARE, Reading, Start
from stats.methods import proportions, welch
from stats.moments import Moments
from stats.sequential.staggered import Cohorts, tables_by_day
from stats.survival import rmst
from stats.survival.counts import LifeTable

Ints = npt.NDArray[np.int64]

CELLS_AT_ONCE = 4_000_000
"""Cells split in one step: some hundred megabytes at most."""


class Split(Protocol):
    """Units that can be split at random into a control and a treatment, and read on the days that are looked at."""

    @property
    def days(self) -> Ints:
        """The days looked at (L,)."""

    @property
    def measure(self) -> str:
        """What is compared."""

    def drawn(self, draw: np.random.Generator, replicates: int, *, start: Start, alpha: float) -> Reading:
        """So many splits (replicates, L)."""

    def expected(self, *, start: Start, alpha: float) -> Reading:
        """Both arms with their part of every cell (L,)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitValues:
    """Units with one final number each, in cells: `counts` (K,) units of a value, final on a day, in order of days.

    `share` is the treatment's part of the units; `days` (L,) are looked at. Raises ValueError for days out of order.
    """

    values: Array
    counts: Ints
    final_on: Ints
    days: Ints
    share: float
    measure: str  # a share of units, or a mean per unit

    def __post_init__(self) -> None:
        if np.any(np.diff(self.final_on) < 0) or np.any(np.diff(self.days) <= 0):
            raise ValueError("cells come in the order of their days, and days looked at grow")

    @property
    def units(self) -> int:
        """Units that are final on the last day looked at."""
        return int(self.counts[self.final_on <= self.days[-1]].sum())

    def arms(self, draw: np.random.Generator, replicates: int) -> tuple[Moments, Moments]:
        """Control and treatment: what each look adds (replicates, L)."""
        around = self._around
        sizes = blocks(replicates, max(1, CELLS_AT_ONCE // self.counts.size))
        treatment = np.concatenate([self._sums(self._chosen(draw, size), around) for size in sizes])
        whole = self._sums(self.counts.astype(np.float64), around)
        return _moments(whole - treatment, around), _moments(treatment, around)

    def drawn(self, draw: np.random.Generator, replicates: int, *, start: Start, alpha: float) -> Reading:
        """So many splits (replicates, L)."""
        return of_values(*self.arms(draw, replicates), measure=self.measure, start=start, alpha=alpha)

    def expected(self, *, start: Start, alpha: float) -> Reading:
        """Both arms with their part of every cell (L,)."""
        around = self._around
        whole = self._sums(self.counts.astype(np.float64), around)
        arms = (_moments(part * whole, around) for part in (1 - self.share, self.share))
        return of_values(*arms, measure=self.measure, start=start, alpha=alpha)

    def _chosen(self, draw: np.random.Generator, replicates: int) -> Array:
        """How many units of each cell the treatment gets (replicates, K): a coin each, where there are not several."""
        chosen = (draw.random((replicates, self.counts.size), dtype=np.float32) < self.share).astype(np.float64)
        several = np.flatnonzero(self.counts > 1)
        chosen[:, several] = draw.binomial(self.counts[several], self.share, (replicates, several.size))
        return chosen

    @property
    def _around(self) -> float:
        """The median. Sums are taken around it, so that units without any spread have exactly none."""
        return float(np.quantile(self.values, 0.5, weights=self.counts, method="inverted_cdf"))

    def _sums(self, chosen: Array, around: float) -> Array:
        """Of units chosen of each cell (..., K): their number, sum and sum of squares at each look (..., L, 3)."""
        apart = self.values - around
        powers = np.stack((np.ones_like(apart), apart, np.square(apart)), axis=-1)
        ends = np.searchsorted(self.final_on, self.days, side="right")
        starts = np.append(0, ends[:-1])
        parts = [chosen[..., first:last] @ powers[first:last] for first, last in zip(starts, ends, strict=True)]
        return np.stack(parts, axis=-2)


def _moments(sums: Array, around: float) -> Moments:
    n, first, second = np.moveaxis(sums, -1, 0)
    shift = np.where(n > 0, divide(first, n), 0.0)
    return Moments(n=n, mean=around + shift, m2=np.maximum(second - first * shift, 0.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitTimes:
    """Units with the day of their own on which it happened: `entered` (C,), `events` and `losses` (C, D) of cohorts.

    The first cohort entered on day `first`; the restricted mean is taken up to `tau`.
    """

    entered: Ints
    events: Ints
    losses: Ints
    first: int
    tau: int
    days: Ints
    share: float
    measure: str = RESTRICTED_MEAN

    @property
    def units(self) -> int:
        """Units that have been watched for a day or more on the last day looked at."""
        return int(self.entered[: self.days[-1] - self.first - 1].sum())

    def arms(self, draw: np.random.Generator, replicates: int) -> tuple[Cohorts, Cohorts]:
        """Control and treatment of so many splits."""
        events, losses = (
            draw.binomial(cells, self.share, (replicates, *cells.shape)) for cells in (self.events, self.losses)
        )
        never = self.entered - (self.events + self.losses).sum(axis=-1)
        staying = draw.binomial(never, self.share, (replicates, *never.shape))
        entered = staying + (events + losses).sum(axis=-1)
        rest = _cohorts(self.entered - entered, self.events - events, self.losses - losses)
        return rest, _cohorts(entered, events, losses)

    def drawn(self, draw: np.random.Generator, replicates: int, *, start: Start, alpha: float) -> Reading:
        """So many splits (replicates, L)."""
        return self._read(self.arms(draw, replicates), start, alpha)

    def expected(self, *, start: Start, alpha: float) -> Reading:
        """Both arms with their part of every cell (L,)."""
        whole = self.entered, self.events, self.losses
        control, treatment = (_cohorts(*(part * cells for cells in whole)) for part in (1 - self.share, self.share))
        return self._read((control, treatment), start, alpha)

    def _read(self, arms: tuple[Cohorts, Cohorts], start: Start, alpha: float) -> Reading:
        return of_times(*arms, tau=self.tau, days=self.days - self.first - 1, start=start, alpha=alpha)


def of_values(control: Moments, treatment: Moments, *, measure: str, start: Start, alpha: float) -> Reading:
    """What each look adds to two arms (..., L), read as shares or as means of everything so far."""
    arms = [arm.cumulative() for arm in (control, treatment)]
    method = proportions if measure == SHARE else welch
    enough = [arm.n >= start.units for arm in arms]
    if measure == SHARE:
        enough += [arm.n * np.nan_to_num(arm.mean) >= start.successes for arm in arms]
    return Reading(found=method.compare(*arms, alpha=alpha), has_begun=np.all(enough, axis=0))


def of_times(control: Cohorts, treatment: Cohorts, *, tau: int, days: Ints, start: Start, alpha: float) -> Reading:
    """Two arms by entry day, read as restricted means at the end of each of these calendar days (..., L)."""
    tables = [_table(arm, days) for arm in (control, treatment)]
    enough: list[Mask] = []
    for arm, table in zip((control, treatment), tables, strict=True):
        watched = np.cumsum(arm.entered, axis=-1)[..., np.minimum(days, arm.entered.shape[-1]) - 1]
        enough += [watched >= start.units, table.events.sum(axis=-1) >= start.successes]
    return Reading(found=rmst.compare(*tables, tau=tau, alpha=alpha), has_begun=np.all(enough, axis=0))


def _table(arm: Cohorts, days: Ints) -> LifeTable:
    every_day = tables_by_day(arm, int(days[-1]))
    at_risk, events, losses = (
        cells[..., days - 1, :] for cells in (every_day.at_risk, every_day.events, every_day.losses)
    )
    return LifeTable(at_risk=at_risk, events=events, losses=losses)


def _cohorts(entered: Numbers, events: Numbers, losses: Numbers) -> Cohorts:
    return Cohorts(entered=numbers(entered), events=numbers(events), losses=numbers(losses))


def with_news(information: Array, least: float) -> Mask:
    """The looks (L,) worth taking: each brings `least` times what the one before brought, and the last brings most.

    Of a look without an answer the information is NaN. None is worth it where the last one has no answer.
    """
    taken = np.zeros(information.shape, dtype=np.bool_)
    before, end = 0.0, float(information[-1]) if information.size else np.nan
    for place, amount in enumerate(information[:-1].tolist()):
        if before * least < amount < end / least:
            taken[place], before = True, amount
    taken[-1:] = np.isfinite(end) and end > 0
    return taken


def at(reading: Reading, places: Ints) -> Reading:
    """The reading at some of its looks."""
    found = replace(reading.found, **_picked(reading.found, places))
    return replace(reading, **_picked(reading, places) | {"found": found})


def _picked(value: Any, places: Ints) -> dict[str, Any]:
    held = ((field.name, getattr(value, field.name)) for field in fields(value))
    return {name: array[..., places] for name, array in held if isinstance(array, np.ndarray)}


def watching(family: Family, places: Ints, plan: Plan) -> Family:
    """The family as it judges at some of the looks only, by a plan that was made for them."""

    def judge(reading: Reading, _plan: Plan, truth: float) -> Judged:
        judged = family.judge(at(reading, places), plan, truth)
        looks = reading.found.difference.shape
        misses = None if judged.misses is None else _spread(judged.misses, places, looks)
        return Judged(rejects=_spread(judged.rejects, places, looks), misses=misses)

    return replace(family, judge=judge)


def _spread(said: Mask, places: Ints, shape: tuple[int, ...]) -> Mask:
    """What was said at some looks, and no at the others."""
    everywhere = np.zeros(shape, dtype=np.bool_)
    everywhere[..., places] = said
    return everywhere


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """One family on splits of the same units. `most` is what its promise allows; None: it promises nothing."""

    family: str
    false_positives: Rate
    most: float | None

    @property
    def is_broken(self) -> bool:
        """Whether there are more false positives than promised."""
        return self.most is not None and self.false_positives.value > self.most


def replay(
    split: Split,
    plan: Plan,
    draw: np.random.Generator,
    *,
    replicates: int,
    start: Start,
    families: Sequence[Family],
    advance: Callable[[int], object] = lambda _: None,
) -> tuple[Replayed, ...]:
    """How many splits each family finds a difference in; `advance` hears of every block that is done.

    Raises ValueError for fewer than one replicate.
    """
    judges = [family for family in families if family.applies(split.expected(start=start, alpha=plan.alpha))]
    counts = [0] * len(judges)
    for size in blocks(replicates, BLOCK):
        reading = split.drawn(draw, size, start=start, alpha=plan.alpha)
        for place, family in enumerate(judges):
            counts[place] += int(family.judge(reading, plan, 0.0).rejects.any(axis=-1).sum())
        advance(size)
    return tuple(
        Replayed(
            family=family.name,
            false_positives=Rate.of(count, replicates),
            most=None if family.promise is None else beyond(plan.alpha, replicates),
        )
        for family, count in zip(judges, counts, strict=True)
    )
