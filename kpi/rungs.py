"""The KPIs of a ladder: how high each stands in it, and where it is against its target."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from sqlmodel.ext.asyncio.session import AsyncSession

from kpi import kinds, ladder, queries
from kpi.alerts import queries as alert_queries
from kpi.history import baselines, recurring, values
from kpi.history.sums import Level
from kpi.history.tables import History
from kpi.ladder import Step
from kpi.tables import Definition, Kpi, Target

DAYS = 28
"""Days of entry that a level is of: four of every weekday."""


class RungState(StrEnum):
    """Where a KPI of the ladder stands against its target."""

    ON_TARGET = "ON_TARGET"
    OFF_TARGET = "OFF_TARGET"
    NO_TARGET = "NO_TARGET"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """A KPI, the most steps that lead up to it, its newest level that is final, its target, and alerts not resolved."""

    kpi: Kpi
    version: int | None  # of its newest definition, which the level is by
    height: int
    level: Level | None
    target: Target | None
    open_alerts: int
    is_share_of_revenue: bool

    @property
    def state(self) -> RungState:
        """Where it stands, as its value is, whatever chance did to it; a target of another definition says nothing."""
        if self.target is None or self.target.value is None:
            return RungState.NO_TARGET
        is_other = self.target.definition_version not in (None, self.version)
        if is_other or self.level is None or self.level.value is None:
            return RungState.UNKNOWN
        gap = (self.level.value - self.target.value) * self.kpi.direction.sign
        return RungState.ON_TARGET if gap >= 0 else RungState.OFF_TARGET


async def read(session: AsyncSession, workspace_id: int) -> tuple[list[Rung], list[Step]]:
    """The KPIs of a workspace's ladder, those that lead first, and the steps between them."""
    steps = ladder.steps(await queries.newest_links(session, workspace_id))
    heights = heights_of([(step.leading_id, step.lagging_id) for step in steps])
    kpis = await queries.kpis_by_id(session, workspace_id, heights)
    targets = await queries.targets_of(session, heights)
    levels = await levels_of(session, heights)
    alerts = await alert_queries.count_open(session, list(heights))
    versions = await queries.latest_definitions(session, list(heights))
    rungs = [
        Rung(
            kpi=kpi,
            version=versions[kpi.id].version if kpi.id in versions else None,
            open_alerts=alerts.get(kpi.id, 0),
            height=heights[kpi.id],
            is_share_of_revenue=_is_share_of_revenue(versions.get(kpi.id)),
            level=levels.get(kpi.id),
            target=next((row for row in targets.get(kpi.id, [])[:1] if row.value is not None), None),
        )
        for kpi in kpis.values()
    ]
    return sorted(rungs, key=lambda rung: (rung.height, rung.kpi.key)), steps


def _is_share_of_revenue(definition: Definition | None) -> bool:
    """Whether a definition is a ratio of revenue that recurs, so that what moves it is worth money."""
    return (
        definition is not None and recurring.event_of(kinds.decode(definition.kind, definition.parameters)) is not None
    )


def heights_of(pairs: Sequence[tuple[int, int]]) -> dict[int, int]:
    """The most steps up to each KPI, by leading and lagging one; a circle of steps ends where it was entered."""
    heights = {kpi: 0 for pair in pairs for kpi in pair}
    for _ in heights:
        for leading, lagging in pairs:
            heights[lagging] = min(max(heights[lagging], heights[leading] + 1), len(heights) - 1)
    return heights


async def levels_of(session: AsyncSession, kpi_ids: Sequence[int] | dict[int, int]) -> dict[int, Level]:
    """The newest level of each KPI that has a history."""
    definitions = await queries.latest_definitions(session, list(kpi_ids))
    states = await values.state_of(session, [definition.id for definition in definitions.values()])
    found = {
        kpi_id: await level_of(session, definition, states.get(definition.id))
        for kpi_id, definition in definitions.items()
    }
    return {kpi_id: level for kpi_id, level in found.items() if level is not None}


async def level_of(session: AsyncSession, definition: Definition, state: History | None) -> Level | None:
    """The level of the units of the last 28 days that are final, or of the last period; None without a history."""
    if state is None or state.through is None:
        return None
    first, last = baselines.window(definition, state.through, DAYS)
    is_periodic = (definition.entry or {}).get("every") is not None
    found = await values.sums(session, definition, first=date.min if is_periodic else first, last=last)
    return None if found is None or not found.days else values.level(found)
