"""What the units of an experiment did, and what a company has sent of it by a day: rows, or what it has summed."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from benchmarks.year.cases import ENROL_DAYS, LOSS, Case
from benchmarks.year.measures import GUARDRAIL, Measure
from kpi.kinds.shape import Floats, Ints

LATE_SHARE, LATEST = 0.15, 4.0
"""Of late data: the share of outcomes that come up to so many days after they happened."""
Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """What each unit did for one KPI: days from exposure (infinite: never), the value, and days until it is sent."""

    measure: Measure
    delay: Floats
    value: Floats
    lag: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Units:
    """The units of one experiment in no order: their variant, and when they entered, in days since the start."""

    case: Case
    variant: Ints
    entered: Floats
    logs: tuple[Log, ...]

    def cells(self, day: int, sent: int, began_at: datetime) -> Iterator[Row]:
        """The daily aggregates that are final on a day, of what had been logged by another."""
        cohort = np.floor(self.entered).astype(np.int64)
        for variant, entry in np.ndindex(len(self.case.variants), min(ENROL_DAYS, day)):
            inside = (self.variant == variant) & (cohort == entry)
            place = {
                "experiment": self.case.key,
                "variant": self.case.variants[variant],
                "enteredOn": (began_at + timedelta(days=entry)).date(),
            }
            yield place | {"n": int(inside.sum())}
            for log in self.logs:
                yield from (
                    {**place, "kpi": log.measure.key, **said} for said in self._said(log, inside, entry, day, sent)
                )

    def _said(self, log: Log, inside: Any, entry: int, day: int, sent: int) -> Iterator[Row]:
        measure, delay = log.measure, log.delay[inside]
        is_sent = self.entered[inside] + delay + log.lag[inside] < sent
        if measure.is_duration:
            days = np.floor(delay[is_sent]).astype(np.int64)
            events = np.bincount(days, minlength=measure.until)
            yield from ({"day": j, "events": int(events[j])} for j in range(min(measure.until, day - entry - 1)))
        elif entry + 1 + measure.until <= day:
            counts = is_sent & (delay >= measure.since) & (delay < measure.until)
            yield _moments(measure, np.where(counts, log.value[inside], 0.0))

    def exposures(self, since: int, day: int, began_at: datetime) -> Iterator[Row]:
        """The exposures of some days."""
        for unit in np.flatnonzero((self.entered >= since) & (self.entered < day)).tolist():
            yield {
                "experiment": self.case.key,
                "unit": f"{self.case.key}-{unit}",
                "variant": self.case.variants[self.variant[unit]],
                "exposedAt": began_at + timedelta(days=float(self.entered[unit])),
            }

    def outcomes(self, since: int, day: int, began_at: datetime) -> Iterator[Row]:
        """The outcomes that are sent in some days."""
        for log in self.logs:
            sent = self.entered + log.delay + log.lag
            for unit in np.flatnonzero((sent >= since) & (sent < day)).tolist():
                yield {
                    "unit": f"{self.case.key}-{unit}",
                    "event": log.measure.event,
                    "occurredAt": began_at + timedelta(days=float(self.entered[unit] + log.delay[unit])),
                    "value": float(log.value[unit]),
                    "eventId": f"{self.case.key}-{log.measure.key}-{unit}",
                }


def enrol(case: Case, planned: float, draw: np.random.Generator) -> Units:
    """Draw the units of an experiment whose plan asks for so many."""
    arrivals = draw.poisson(planned / ENROL_DAYS, ENROL_DAYS)
    entered = np.repeat(np.arange(ENROL_DAYS), arrivals) + draw.random(arrivals.sum())
    variant = draw.integers(len(case.variants), size=entered.size)
    if case.is_broken:
        kept = (variant != 1) | (draw.random(entered.size) >= LOSS)
        entered, variant = entered[kept], variant[kept]
    harm = (0.0,) + (case.guardrail_effect,) * len(case.effects)
    return Units(
        case=case,
        variant=variant,
        entered=entered,
        logs=(
            _log(case, case.measure, variant, (0.0, *case.effects), draw),
            _log(case, GUARDRAIL, variant, harm, draw),
        ),
    )


def _log(case: Case, measure: Measure, variant: Ints, effects: tuple[float, ...], draw: np.random.Generator) -> Log:
    delay, value, lag = (np.zeros(variant.size) for _ in range(3))
    for number, effect in enumerate(effects):
        own = variant == number
        delay[own], value[own] = measure.deeds(draw, int(own.sum()), effect)
    if case.is_late:
        lag = np.where(draw.random(variant.size) < LATE_SHARE, draw.uniform(0, LATEST, variant.size), 0.0)
    return Log(measure=measure, delay=delay, value=value, lag=lag)


def _moments(measure: Measure, values: Floats) -> Row:
    n = values.size
    if measure.is_share:
        return {"n": n, "successes": int((values > 0).sum())}
    mean = float(values.mean()) if n else 0.0
    return {"n": n, "mean": mean, "m2": float(((values - mean) ** 2).sum())}
