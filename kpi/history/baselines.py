"""Baselines measured from a KPI's own history: its level over cohorts that are final, with its error."""

from datetime import date, datetime
from typing import Any

import msgspec
import numpy as np
from sqlmodel.ext.asyncio.session import AsyncSession

from kpi import kinds, queries
from kpi.errors import Invalid, Problem, bad, refuse
from kpi.history import periods, values
from kpi.history.audit import audit
from kpi.history.entry import Entry, decode
from kpi.history.measured import events_of
from kpi.history.periods import DAY
from kpi.history.sums import Level, Sums
from kpi.kinds import Aggregate
from kpi.tables import Baseline, BaselineSchedule, Definition
from stats.arrays import Array
from stats.survival import kaplan_meier
from stats.survival.counts import by_snapshot

FEWEST = 2
"""Units that an error can be told from."""


async def measure(
    session: AsyncSession,
    *,
    workspace_id: int,
    definition: Definition,
    segment: str,
    from_on: date,
    to_on: date,
    now: datetime,
) -> Baseline:
    """The next baseline of a definition, measured on the units of a segment that entered between two days.

    Of a KPI that is measured every so often, at the last period's end in between. Raises Invalid with what keeps it
    from being measured; stores nothing.
    """
    entry = decode(definition.entry)
    refuse(_window_problems(entry, from_on, to_on))
    found = await values.sums(session, definition, segment=segment, first=from_on, last=to_on)
    refuse(_history_problems(found, to_on))
    level = Level(n=0) if found is None else values.level(found)
    if entry is None or found is None or level.value is None or not level.standard_error:
        raise Invalid([_refused(level)])
    looked_at = await audit(
        session,
        workspace_id=workspace_id,
        events=events_of(found.kind, entry),
        from_on=from_on,
        to_on=to_on + found.kind.window[1] * DAY,
    )
    earlier = (await queries.baselines_of(session, [definition.id])).get(definition.id, [])
    return Baseline(
        definition_id=definition.id,
        version=1 + max((row.version for row in earlier), default=0),
        value=level.value,
        standard_error=level.standard_error,
        n=level.n,
        from_on=from_on,
        to_on=to_on,
        segment=segment,
        is_measured=True,
        curve=_curve(found),
        audit=[msgspec.to_builtins(one) for one in looked_at],
        created_at=now,
    )


def _window_problems(entry: Entry | None, from_on: date, to_on: date) -> list[Problem]:
    if entry is None:
        sentence = "This definition does not say whom it counts outside experiments: give it an entry first."
        return [bad(sentence, "entry")]
    return [bad("A baseline's window ends on or after the day it begins.", "toOn")] if from_on > to_on else []


def _history_problems(found: Sums | None, to_on: date) -> list[Problem]:
    if found is None:
        return [bad("The history of this KPI is not derived yet; it is within some seconds of new data.", "id")]
    if not found.days:
        return [bad("Nobody entered in this window, in this segment.", "fromOn")]
    final = found.last_final
    if final is None or final < min(to_on, found.days[-1]):
        known = "No unit's window has closed yet." if final is None else f"The last day that is final is {final}."
        return [bad(f"Some who entered in this window are still being observed. {known}", "toOn")]
    if to_on >= found.through:
        return [bad(f"This window is not over: the last day that is known is {found.through - DAY}.", "toOn")]
    return []


def _refused(level: Level) -> Problem:
    if level.n < FEWEST:
        return bad(f"{level.n} units are too few to tell an error.", "fromOn")
    if level.value is None:
        return bad("What the KPI is divided by adds up to nothing in this window.", "fromOn")
    return bad("All units are alike in this window, so there is no error to tell.", "fromOn")


def _curve(found: Sums) -> dict[str, Any] | None:
    """Survival and its variance by the end of each day, of a time to value."""
    if found.kind.aggregate is not Aggregate.DURATIONS or found.events is None or found.losses is None:
        return None
    table = by_snapshot(found.entered, found.events, found.losses, found.ages)
    curve = kaplan_meier.estimate(table, level=0.95)
    return {"survival": _column(curve.survival), "variance": _column(curve.variance)}


def _column(numbers: Array) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in numbers.reshape(-1)]


def window(definition: Definition, through: date, days: int) -> tuple[date, date]:
    """The first and last of so many days that are final at a midnight."""
    entry, kind = decode(definition.entry), kinds.decode(definition.kind, definition.parameters)
    is_periodic = entry is not None and entry.every is not None
    last = through - (1 if is_periodic else 1 + kind.window[1]) * DAY
    return last - (days - 1) * DAY, last


def is_due(schedule: BaselineSchedule, today: date) -> bool:
    """Whether a period has ended since a baseline was measured the last time."""
    return schedule.measured_on is None or schedule.measured_on < periods.start(today, schedule.every)
