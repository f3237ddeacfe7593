"""What changes are worth at the top of the ladder: for one experiment, a hypothesis, or all that was shipped. Pure.

An effect is the logarithm of treatment over control on the KPI that the experiment decides by. Experiments on one
hypothesis test one change, so they are one row: pooled by their precision, shipped once. Rows on one KPI are corrected
together for the winner's curse, the dull ones among them (`stats.ladder.impact.shrunk`). What is left, times the share
of units that get it, is carried over the links of the ladder, whose errors are common to all changes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from math import log1p

import numpy as np

from experiments.programme.evidence import ALPHA
from kpi.history.recurring import Recurring
from kpi.history.sums import Level
from kpi.tables import Kpi
from stats.ladder import impact
from stats.ladder.carry import Carried, Change, carry
from stats.ladder.elasticity import NotIdentified, Obstacle
from stats.ladder.impact import Shipped, Worth
from stats.ladder.links import Link

MIXED = "Effects by segment as measured, not corrected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one experiment did to the KPI it decides by: log ratio with its error, None where there is none.

    `decided_on` is the day on which it was decided to ship it, None where that was not decided.
    """

    experiment_id: int
    hypothesis_id: int
    kpi_id: int
    lift: float | None
    standard_error: float | None
    is_split_broken: bool
    decided_on: date | None

    @property
    def counts(self) -> bool:
        """Whether there is an effect that may be trusted."""
        return self.lift is not None and self.standard_error is not None and not self.is_split_broken


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """A change's effect on one KPI, on the log scale: as seen, and less the winner's curse."""

    experiment_ids: tuple[int, ...]
    hypothesis_id: int
    kpi_id: int
    seen: float
    seen_error: float
    lift: float
    standard_error: float
    method: str
    is_shipped: bool

    @property
    def change(self) -> Change:
        """As it is carried; KPIs are named by their ids."""
        return Change.of(str(self.kpi_id), self.lift, self.standard_error)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What is supposed beside the data: the share of units that get a change, what serving one of them costs a year.

    `periods` is how often a year a level of revenue is paid: 12 times what is stated by the month.
    """

    coverage: float = 1.0
    cost_to_serve: float = 0.0
    periods: float = 12.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Summit:
    """A KPI at the top, its level, and the revenue that it is a share of; None where that is not known."""

    kpi: Kpi
    level: Level | None
    revenue: Recurring | None

    @property
    def name(self) -> str:
        """As links and effects name it."""
        return str(self.kpi.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class AtTop:
    """What changes do to a KPI at the top, and what that is worth a year; None where revenue is not known."""

    summit: Summit
    carried: Carried | NotIdentified
    worth: Worth | None
    yearly: float | None  # revenue of a year as it is now


@dataclass(frozen=True, slots=True, kw_only=True)
class Impact:
    """What one change is worth, at each KPI at the top."""

    effect: Effect
    tops: tuple[AtTop, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Together:
    """What several changes are worth, each and all of them at each top; at a top only those that a way leads from."""

    each: tuple[Impact, ...]
    tops: tuple[AtTop, ...]


def effect_of(rows: Iterable[Row], chosen: Sequence[Row]) -> Effect | None:
    """The effect of one change out of its experiments, corrected among all other changes; None without an answer."""
    own = [row for row in chosen if row.counts]
    if not own:
        return None
    own = [row for row in own if row.kpi_id == own[0].kpi_id]
    ids = {row.experiment_id for row in own}
    others: dict[int, list[Row]] = {}
    for row in rows:
        if row.counts and row.kpi_id == own[0].kpi_id and row.experiment_id not in ids:
            others.setdefault(row.hypothesis_id, []).append(row)
    others.pop(own[0].hypothesis_id, None)
    pooled = [_pooled(some) for some in (own, *others.values())]
    lifts, errors = np.array(pooled).T
    found = impact.shrunk(lifts, errors, alpha=ALPHA)
    return Effect(
        experiment_ids=tuple(sorted(ids)),
        hypothesis_id=own[0].hypothesis_id,
        kpi_id=own[0].kpi_id,
        seen=pooled[0][0],
        seen_error=pooled[0][1],
        lift=float(found.lift[0]),
        standard_error=float(found.standard_error[0]),
        method=found.method,
        is_shipped=any(row.decided_on is not None for row in chosen),
    )


def shipped_effects(rows: Sequence[Row], from_on: date, to_on: date) -> list[Effect]:
    """The effects of the changes that were decided to be shipped between two days, the last one left out; each once."""
    decided = {row.hypothesis_id for row in rows if row.decided_on is not None and from_on <= row.decided_on < to_on}
    found = [effect_of(rows, [row for row in rows if row.hypothesis_id == one]) for one in sorted(decided)]
    return [effect for effect in found if effect is not None]


def mixed(effect: Effect, segments: Sequence[tuple[float, float, float, float]]) -> Effect:
    """The effect in another mix of segments: log ratio, its error, level of control and share of the units of each."""
    lifts, errors, levels, shares = np.array(segments).T
    change = impact.mixed(str(effect.kpi_id), lifts, errors, shares=shares, levels=levels)
    lift, error = change.lifts.item(), change.covariance.item() ** 0.5
    return replace(effect, seen=lift, seen_error=error, lift=lift, standard_error=error, method=MIXED)


def of_change(effect: Effect, links: Sequence[Link], summits: Sequence[Summit], terms: Terms) -> Impact:
    """What one change is worth."""
    return Impact(effect=effect, tops=tuple(_at_top([effect.change], links, summit, terms) for summit in summits))


def of_changes(effects: Sequence[Effect], links: Sequence[Link], summits: Sequence[Summit], terms: Terms) -> Together:
    """What changes are worth together: log effects add, so lifts multiply, and links err for all of them alike.

    Changes are taken not to help or hinder each other.
    """
    each = tuple(of_change(effect, links, summits, terms) for effect in effects)
    tops = []
    for place, summit in enumerate(summits):
        reaching = [one.effect.change for one in each if isinstance(one.tops[place].carried, Carried)]
        tops.append(_at_top(reaching, links, summit, terms))
    return Together(each=each, tops=tuple(tops))


def of_supposition(
    kpi_id: int, lift: float, links: Sequence[Link], summits: Sequence[Summit], terms: Terms
) -> tuple[AtTop, ...]:
    """What a change would be worth if it moved a KPI by exactly this lift, above -1: what is not known is the links."""
    change = Change.of(str(kpi_id), log1p(lift), 0.0)
    return tuple(_at_top([change], links, summit, terms) for summit in summits)


def _at_top(given: Sequence[Change], links: Sequence[Link], summit: Summit, terms: Terms) -> AtTop:
    yearly = None if summit.revenue is None else summit.revenue.level * terms.periods
    if not given:
        nothing = NotIdentified(obstacle=Obstacle.NO_PATH)
        return AtTop(summit=summit, carried=nothing, worth=None, yearly=yearly)
    changes = [Shipped(change=change, coverage=terms.coverage) for change in given]
    carried = carry([change.on_everybody for change in changes], links, top=summit.name, alpha=ALPHA)
    return AtTop(summit=summit, carried=carried, worth=_worth(changes, links, summit, terms), yearly=yearly)


def _worth(changes: Sequence[Shipped], links: Sequence[Link], summit: Summit, terms: Terms) -> Worth | None:
    """The lift times what is kept of a year's revenue, less what serving those who get the changes costs."""
    level, revenue = summit.level, summit.revenue
    if revenue is None or not revenue.level > 0 or level is None:
        return None
    if level.value is None or level.standard_error is None:
        return None
    yearly = revenue.level * terms.periods
    cost = terms.cost_to_serve * revenue.units / yearly
    found = impact.worth(
        [replace(change, cost=cost) for change in changes],
        links,
        top=summit.name,
        level=level.value,
        level_error=level.standard_error,
        units=yearly,
        alpha=ALPHA,
    )
    return None if isinstance(found, NotIdentified) else found


def _pooled(rows: Sequence[Row]) -> tuple[float, float]:
    """Log ratios of the experiments on one change, weighted by their precision."""
    lifts, errors = np.array([(row.lift, row.standard_error) for row in rows], np.float64).T
    weights = 1 / np.square(errors)
    return float((weights * lifts).sum() / weights.sum()), float(weights.sum() ** -0.5)
