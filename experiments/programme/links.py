"""What data say of the links of a ladder: cohorts of the past, and the experiments that measured both KPIs.

Cohorts are months of entry by segment, of the same units (`kpi.history.pairs`). An experiment that is over counts with
the logarithms of its two ratios, of its first variant but the control, if its split held, no amendment broke its error
rates, and it measured both KPIs as they are defined now. How the errors of its two effects go together is not kept, so
they are taken as independent: with effects on the leading KPI as strong as are asked for (a mean F of 10), that leaves
a tenth of the difference to what is true between units at most.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

import asyncpg
from sqlmodel.ext.asyncio.session import AsyncSession

from experiments import queries
from experiments.inference.analysis import Results, results
from experiments.programme.evidence import Contribution, Standing, standing
from experiments.programme.weighing import contribution
from kpi import kinds, ladder
from kpi.actor import Actor
from kpi.enums import LinkSource
from kpi.history import entry, pairs
from kpi.history.pairs import Followed, Pair
from kpi.ladder import ALPHA, Estimate
from kpi.queries import known_pairs, kpis_by_id, latest_definitions
from kpi.tables import Definition, Kpi
from stats.ladder.cohorts import from_cohorts
from stats.ladder.elasticity import NotIdentified, Obstacle
from stats.ladder.trials import Trials, from_trials

EVERY = timedelta(days=7)
PATIENCE = 5
"""Seconds that somebody waits for cohorts; what takes longer the worker does by itself."""

Due: TypeAlias = tuple[int, int, int]
"""Workspace, leading and lagging KPI."""


async def due(session: AsyncSession, now: datetime) -> list[Due]:
    """The pairs whose link is to be estimated: after a week, after a decision, and where it was put off."""
    decided = await queries.last_decided(session)
    return [
        (workspace_id, leading, lagging)
        for workspace_id, leading, lagging, at in await known_pairs(session)
        if at is None or at < now - EVERY or at < decided.get(workspace_id, at)
    ]


async def ask(
    session: AsyncSession, connection: asyncpg.Connection, *, actor: Actor, leading: str, lagging: str
) -> tuple[Kpi, Kpi]:
    """Have a link estimated because somebody asks for it; cohorts that take long are left to the worker.

    `connection` is the session's own. Raises `Invalid`.
    """
    below, above = await ladder.pair_to_estimate(session, actor=actor, leading=leading, lagging=lagging)
    try:
        async with session.begin_nested():
            cohorts = [await of_cohorts(session, connection, below, above, actor.now, seconds=PATIENCE)]
    except asyncpg.QueryCanceledError:
        cohorts = []
    found = [*cohorts, await of_experiments(session, connection, below, above)]
    await ladder.estimated(session, actor=actor, leading=below, lagging=above, found=found)
    await ladder.note_estimated(session, leading=below, lagging=above, at=actor.now if cohorts else None)
    return below, above


async def estimate(session: AsyncSession, connection: asyncpg.Connection, *, actor: Actor, pair: Due) -> None:
    """Estimate a link because it is due. `connection` is the session's own. Raises `Invalid` for a circle."""
    workspace_id, *ids = pair
    found = await kpis_by_id(session, workspace_id, ids)
    below, above = (found[identity] for identity in ids)
    said = [
        await of_cohorts(session, connection, below, above, actor.now),
        await of_experiments(session, connection, below, above),
    ]
    await ladder.estimated(session, actor=actor, leading=below, lagging=above, found=said)


async def of_cohorts(
    session: AsyncSession,
    connection: asyncpg.Connection,
    leading: Kpi,
    lagging: Kpi,
    now: datetime,
    *,
    seconds: int | None = None,
) -> tuple[LinkSource, Estimate]:
    """What the past says, up to the last midnight; reading it, no statement takes longer than so many seconds."""
    definitions = await latest_definitions(session, [leading.id, lagging.id])
    pair = Pair(leading=_followed(leading, definitions), lagging=_followed(lagging, definitions))
    if not pair.is_followed:
        return LinkSource.COHORTS, NotIdentified(obstacle=Obstacle.NOT_FOLLOWED)
    if seconds is not None:
        await pairs.hurry(connection, seconds)
    cells = await pairs.read(connection, leading.workspace_id, pair, now.astimezone(UTC).date())
    return LinkSource.COHORTS, from_cohorts(cells.cohorts(), alpha=ALPHA).elasticity


def _followed(kpi: Kpi, definitions: dict[int, Definition]) -> Followed:
    definition = definitions[kpi.id]
    return Followed(
        unit=kpi.unit,
        kind=kinds.decode(definition.kind, definition.parameters),
        entry=entry.decode(definition.entry),
        segments=kpi.segments,
    )


async def of_experiments(
    session: AsyncSession, connection: asyncpg.Connection, leading: Kpi, lagging: Kpi
) -> tuple[LinkSource, Estimate]:
    """What the experiments of the workspace that are over say."""
    newest = await latest_definitions(session, [leading.id, lagging.id])
    rows = []
    for experiment in await queries.started_experiments(session, leading.workspace_id):
        measured = {planned["kpi"] for planned in experiment.plan["kpis"]}
        if experiment.stopped_at is None or not {leading.key, lagging.key} <= measured:
            continue
        seen = await results(session, connection, experiment)
        effects = (
            None if seen is None else _effects(seen, [(kpi.key, newest[kpi.id].version) for kpi in (leading, lagging)])
        )
        rows += [] if effects is None else [effects]
    return LinkSource.EXPERIMENTS, of_effects(rows)


def of_effects(rows: Sequence[Sequence[tuple[float, float]]]) -> Estimate:
    """The elasticity out of each experiment's two effects, the leading KPI's first: log ratio and its variance."""
    columns = [[row[place][part] ** power for row in rows] for place in (0, 1) for part, power in ((0, 1), (1, 0.5))]
    x, x_error, y, y_error = columns
    return from_trials(
        Trials(leading=x, leading_error=x_error, lagging=y, lagging_error=y_error), alpha=ALPHA
    ).elasticity


def _effects(seen: Results, kpis: Sequence[tuple[str, int]]) -> list[tuple[float, float]] | None:
    """Both effects; None unless both count and are of the newest definitions."""
    found = [(contribution(seen, key), version) for key, version in kpis]
    effects = [part.log_ratio for part, version in found if part is not None and _counts(part, version)]
    known = [effect for effect in effects if effect is not None]
    return known if len(known) == len(kpis) else None


def _counts(part: Contribution, version: int) -> bool:
    return standing(part) is Standing.COUNTS and part.definition_version == version
