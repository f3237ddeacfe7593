"""What is needed to say what changes are worth: effects of all experiments, the links, and the KPIs at the top."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date

import asyncpg
from sqlmodel.ext.asyncio.session import AsyncSession

from experiments import queries
from experiments.enums import Choice
from experiments.inference.analysis import Results, results
from experiments.inference.treatments import VerdictState
from experiments.life import story
from experiments.planning import plan as plans
from experiments.programme.evidence import Contribution
from experiments.programme.impact import Row, Summit
from experiments.programme.weighing import contribution
from experiments.tables import Decision, Experiment
from kpi import kinds, ladder, rungs
from kpi.enums import Unit
from kpi.history import recurring
from kpi.history.recurring import Recurring
from kpi.queries import all_kpis, hypotheses_by_id, latest_definitions, newest_links
from kpi.tables import Hypothesis, Kpi
from stats.ladder.links import Link


@dataclass(frozen=True, slots=True, kw_only=True)
class Ascent:
    """How a workspace's KPIs move with each other, and what lies at the top: shares of revenue such as GRR and NRR."""

    links: tuple[Link, ...]
    summits: tuple[Summit, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Programme:
    """What experiments of a workspace did, how its KPIs move with each other, and what lies at the top."""

    rows: tuple[Row, ...]
    links: tuple[Link, ...]
    summits: tuple[Summit, ...]


async def read(
    session: AsyncSession,
    connection: asyncpg.Connection,
    workspace_id: int,
    today: date,
    of: Collection[int] | None = None,
) -> Programme:
    """A workspace's programme on a day. `connection` is the session's own.

    At the top are the KPIs that are a share of revenue that recurs, such as GRR and NRR. Where it is asked for the sake
    of some experiments, by their ids, only those that decide by one of their KPIs are read: no others count for them.
    """
    kpis = await all_kpis(session, workspace_id)
    above = await _ascent(session, connection, workspace_id, kpis, today)
    rows = await _rows(session, connection, workspace_id, kpis, of)
    return Programme(rows=tuple(rows), links=above.links, summits=above.summits)


async def ascent(session: AsyncSession, connection: asyncpg.Connection, workspace_id: int, today: date) -> Ascent:
    """What a change would be carried over, without any experiment. `connection` is the session's own."""
    kpis = await all_kpis(session, workspace_id)
    return await _ascent(session, connection, workspace_id, kpis, today)


async def _ascent(
    session: AsyncSession, connection: asyncpg.Connection, workspace_id: int, kpis: Sequence[Kpi], today: date
) -> Ascent:
    steps = ladder.steps(await newest_links(session, workspace_id))
    return Ascent(
        links=tuple(step.link for step in steps if step.link is not None),
        summits=tuple(await _summits(session, connection, kpis, today)),
    )


async def _rows(
    session: AsyncSession,
    connection: asyncpg.Connection,
    workspace_id: int,
    kpis: Sequence[Kpi],
    of: Collection[int] | None,
) -> list[Row]:
    experiments = await queries.started_experiments(session, workspace_id)
    hypotheses = await hypotheses_by_id(session, workspace_id, {one.hypothesis_id for one in experiments})
    decided = {one.id: decided_by(one, hypotheses[one.hypothesis_id], kpis) for one in experiments}
    wanted = {kpi.id for identity, kpi in decided.items() if kpi is not None and (of is None or identity in of)}
    decisions = await story.decisions_of(session, [one.id for one in experiments])
    found = []
    for one in experiments:
        kpi = decided[one.id]
        seen = await results(session, connection, one) if kpi is not None and kpi.id in wanted else None
        if seen is not None and kpi is not None:
            shipped = shipping(decisions.get(one.id, []))
            found.append(_row(one, kpi, contribution(seen, kpi.key, variant_of(seen, shipped)), shipped))
    return found


def shipping(decisions: Sequence[Decision]) -> Decision | None:
    """The decision that holds, if it is to ship, and is approved where that is needed."""
    last = decisions[-1] if decisions else None
    if last is None or last.choice is not Choice.SHIP or (last.needs_approval and last.approved_at is None):
        return None
    return last


def decided_by(experiment: Experiment, hypothesis: Hypothesis, kpis: Sequence[Kpi]) -> Kpi | None:
    """The KPI of an experiment's hypothesis, or the first of its plan where it does not measure that."""
    measured = [planned.kpi for planned in plans.from_document(experiment.plan).kpis]
    found = {kpi.key: kpi for kpi in kpis if kpi.key in measured}
    stated = next((kpi for kpi in found.values() if kpi.id == hypothesis.kpi_id), None)
    return stated or found.get(measured[0])


def variant_of(seen: Results, shipped: Decision | None) -> str | None:
    """The variant that is shipped, or that leads; None for the first one that is not control."""
    if shipped is not None:
        return shipped.variant
    leads = seen.verdict.state is VerdictState.SHIP and seen.verdict.variant is not None
    return seen.verdict.variant.key if leads and seen.verdict.variant is not None else None


def _row(experiment: Experiment, kpi: Kpi, part: Contribution | None, shipped: Decision | None) -> Row:
    effect = None if part is None else part.log_ratio
    return Row(
        experiment_id=experiment.id,
        hypothesis_id=experiment.hypothesis_id,
        kpi_id=kpi.id,
        lift=None if effect is None else effect[0],
        standard_error=None if effect is None else effect[1] ** 0.5,
        is_split_broken=part is not None and part.is_split_broken,
        decided_on=None if shipped is None else shipped.created_at.astimezone(UTC).date(),
    )


def segment_effects(
    seen: Results, kpi: Kpi, shipped: Decision | None, shares: Mapping[str, float]
) -> list[tuple[float, float, float, float]] | None:
    """Log ratio, its error, level of control and share of each segment; None where one has no answer."""
    variant = variant_of(seen, shipped)
    found = []
    for segment, share in shares.items():
        part = contribution(seen, kpi.key, variant, segment)
        effect = None if part is None else part.log_ratio
        if part is None or effect is None or part.finding.control.value is None:
            return None
        found.append((effect[0], effect[1] ** 0.5, part.finding.control.value, share))
    return found


async def _summits(
    session: AsyncSession, connection: asyncpg.Connection, kpis: Sequence[Kpi], midnight: date
) -> list[Summit]:
    definitions = await latest_definitions(session, [kpi.id for kpi in kpis])
    decoded = {kpi_id: kinds.decode(row.kind, row.parameters) for kpi_id, row in definitions.items()}
    paid: dict[tuple[str, Unit], Recurring] = {}
    events = {kpi_id: event for kpi_id, kind in decoded.items() if (event := recurring.event_of(kind)) is not None}
    levels = await rungs.levels_of(session, list(events))
    for kpi in kpis:
        if kpi.id in events and (events[kpi.id], kpi.unit) not in paid:
            paid[events[kpi.id], kpi.unit] = await recurring.recurring(
                connection, kpi.workspace_id, event=events[kpi.id], unit=kpi.unit, through=midnight
            )
    return [
        Summit(kpi=kpi, level=levels.get(kpi.id), revenue=paid[events[kpi.id], kpi.unit])
        for kpi in kpis
        if kpi.id in events
    ]
