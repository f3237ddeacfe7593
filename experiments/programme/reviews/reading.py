"""What a review is made of, read within one transaction: KPIs, experiments, what is to be done, the backlog."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, date, datetime, time
from math import isfinite

import asyncpg
from sqlmodel.ext.asyncio.session import AsyncSession

from experiments.enums import Choice, Role, State, Status
from experiments.inference.analysis import Results, results
from experiments.inference.findings import Finding
from experiments.inference.treatments import VerdictState
from experiments.life import story
from experiments.programme import changes, impact
from experiments.programme.changes import Programme
from experiments.programme.impact import AtTop, Terms
from experiments.programme.reviews import queries
from experiments.programme.reviews.backlog import Entry, OpenHypothesis, backlog, ladder
from experiments.programme.reviews.enums import ItemState, ReviewKind
from experiments.programme.reviews.figures import Known, figure
from experiments.programme.reviews.snapshot import Alarm, Decided, Effect, Item, Snapshot, Waiting, Worth, points
from experiments.programme.reviews.tables import Review
from experiments.queries import status_changes_of
from experiments.tables import Decision
from kpi import kinds
from kpi import ladder as ladders
from kpi import queries as kpi_queries
from kpi.enums import Tier
from kpi.history import recurring, values
from kpi.history.periods import DAY, GRANULARITY
from kpi.tables import Kpi
from kpi.workspaces import workspace_by_id
from stats.ladder.elasticity import NotIdentified
from stats.results import Interval

PAST = 730 * DAY
"""How far back a figure reads: two years of what may foretell the next."""
CALLS = {VerdictState.SHIP, VerdictState.ROLL_BACK, VerdictState.STOP_FUTILE}
"""Verdicts on an experiment that still runs that call for a person."""


async def snapshot(session: AsyncSession, connection: asyncpg.Connection, review: Review, now: datetime) -> Snapshot:
    """What a draft says now. `connection` is the session's own: all is read within one transaction."""
    kpis = await kpi_queries.all_kpis(session, review.workspace_id)
    shown = [kpi for kpi in kpis if kpi.is_leading or review.kind is not ReviewKind.WEEKLY]
    ids = {kpi.id for kpi in shown}
    known = await read(session, kpis, review.to_on)
    figures = [figure(one, review.kind.granularity, review.to_on) for one in known if one.kpi.id in ids]
    figures.sort(key=lambda one: (list(Tier).index(one.tier), one.kpi))
    items = await _items(session, review, now.date())
    alarms = await _alarms(session, review, ids)
    programme = await _programme(session, connection, review, now)
    workspace = await workspace_by_id(session, review.workspace_id)
    return Snapshot(
        workspace=workspace.name,
        kind=review.kind,
        from_on=review.from_on,
        to_on=review.to_on,
        read_at=now,
        notes=review.notes,
        agenda=review.agenda,
        decisions=review.decisions,
        points=points(figures, alarms, await _waiting(session, review.workspace_id), items, review.to_on),
        figures=figures,
        alarms=alarms,
        experiments=await _decided(session, connection, review, programme),
        shipped=_shipped(programme, review),
        items=items,
        backlog=await ranked(session, review.workspace_id, known, review.to_on),
    )


async def ranked(session: AsyncSession, workspace_id: int, known: Sequence[Known], to_on: date) -> list[Entry]:
    """The backlog of all KPIs, each at its newest final period, by the periods it is reported by."""
    kpis, aimed = [one.kpi for one in known], [one for one in known if one.target is not None]
    figures = [figure(one, GRANULARITY[one.kpi.frequency], to_on) for one in aimed]
    steps = ladders.steps(await kpi_queries.newest_links(session, workspace_id))
    on = ladder(steps, {kpi.id: kpi.key for kpi in kpis}, await _tops(session, kpis))
    return backlog(figures, on, await _hypotheses(session, workspace_id, [one.kpi for one in aimed]))


async def read(session: AsyncSession, kpis: Sequence[Kpi], to_on: date) -> list[Known]:
    """What is known of KPIs up to a day."""
    definitions = await kpi_queries.latest_definitions(session, [kpi.id for kpi in kpis])
    ids = [definition.id for definition in definitions.values()]
    states, baselines = await values.state_of(session, ids), await kpi_queries.latest_baselines(session, ids)
    targets = await kpi_queries.targets_of(session, [kpi.id for kpi in kpis])
    spans = {
        one.id: values.asked(one, states.get(one.id), first=to_on - PAST, last=to_on) for one in definitions.values()
    }
    sums = await values.read(session, [span for span in spans.values() if span is not None])
    found = []
    for kpi in kpis:
        definition, target = definitions[kpi.id], next(iter(targets.get(kpi.id, [])), None)
        span = spans[definition.id]
        known = Known(
            kpi=kpi,
            version=definition.version,
            scale=kinds.decode(definition.kind, definition.parameters).scale,
            state=states.get(definition.id),
            sums=None if span is None else sums[span],
            baseline=baselines.get(definition.id),
            target=None if target is None or target.value is None else target,
        )
        found.append(known)
    return found


async def _hypotheses(session: AsyncSession, workspace_id: int, kpis: Iterable[Kpi]) -> dict[str, list[OpenHypothesis]]:
    keys = {kpi.id: kpi.key for kpi in kpis}
    rows = await queries.hypotheses_on(session, workspace_id, keys)
    changes = await status_changes_of(session, [row.id for row in rows])
    found: dict[str, list[OpenHypothesis]] = defaultdict(list)
    for row in rows:
        if not changes.get(row.id) or changes[row.id][-1].status is Status.OPEN:
            found[keys[row.kpi_id]].append(OpenHypothesis(key=row.key, title=row.title))
    return found


async def _items(session: AsyncSession, review: Review, today: date) -> list[Item]:
    return [
        Item(
            id=item.id,
            text=item.text,
            owner=item.owner,
            due_on=item.due_on,
            kpi=kpi,
            experiment=experiment,
            state=item.state,
            note=item.note,
            done_at=item.done_at,
            kind=of.kind,
            from_on=of.from_on,
            is_earlier=of.id != review.id,
            is_overdue=item.state is ItemState.OPEN and item.due_on is not None and item.due_on < today,
        )
        for item, of, kpi, experiment in await queries.items_for(session, review)
    ]


async def _waiting(session: AsyncSession, workspace_id: int) -> list[Waiting]:
    """Experiments that are over without a decision, or of which the newest look that was published calls for one."""
    rows = await queries.undecided(session, workspace_id)
    looks = await story.published_looks_of(session, [row.id for row in rows])
    found = []
    for row in rows:
        verdict = looks[row.id][-1].verdict if looks.get(row.id) else None
        said = None if verdict is None else f"The look of {looks[row.id][-1].planned_on} says {_words(verdict)}."
        if row.state is State.STOPPED:
            sentence = f"“{row.name}” is over and waits for a decision. {said or ''}".strip()
        elif verdict in CALLS:
            sentence = f"“{row.name}” can be decided. {said}"
        else:
            continue
        found.append(Waiting(experiment=row.key, name=row.name, owner=row.owner, sentence=sentence))
    return found


async def _tops(session: AsyncSession, kpis: Sequence[Kpi]) -> dict[str, int]:
    """The KPIs that are a share of revenue that recurs, with the sign of their better direction."""
    definitions = await kpi_queries.latest_definitions(session, [kpi.id for kpi in kpis])
    decoded = {kpi_id: kinds.decode(row.kind, row.parameters) for kpi_id, row in definitions.items()}
    return {kpi.key: kpi.direction.sign for kpi in kpis if recurring.event_of(decoded[kpi.id]) is not None}


async def _alarms(session: AsyncSession, review: Review, kpi_ids: Collection[int]) -> list[Alarm]:
    rows = await queries.alerts_between(session, review.workspace_id, *_time(review))
    return [
        Alarm(
            kpi=kpi.key,
            name=kpi.name,
            owner=kpi.owner,
            severity=alert.severity,
            state=alert.state,
            sentence=alert.sentence,
            action=kpi.action,
            note=alert.resolution or alert.note,
            raised_at=alert.raised_at,
            resolved_at=alert.resolved_at,
        )
        for alert, kpi in rows
        if kpi.id in kpi_ids
    ]


async def _programme(
    session: AsyncSession, connection: asyncpg.Connection, review: Review, now: datetime
) -> Programme | None:
    """What changes are worth, where something was decided to be shipped: by the results of all on the same KPIs."""
    rows = await queries.decided_between(session, review.workspace_id, *_time(review))
    shipped = {decision.experiment_id for decision, _, _ in rows if decision.choice is Choice.SHIP}
    today = now.astimezone(UTC).date()
    return await changes.read(session, connection, review.workspace_id, today, shipped) if shipped else None


def _shipped(programme: Programme | None, review: Review) -> list[Worth]:
    """What was decided to be shipped in the period comes to, all of it together."""
    if programme is None:
        return []
    effects = impact.shipped_effects(programme.rows, review.from_on, review.to_on + DAY)
    found = impact.of_changes(effects, programme.links, programme.summits, Terms())
    return [_worth(one) for one in found.tops] if effects else []


def _worth_of(programme: Programme | None, decision: Decision) -> list[Worth]:
    """What a change that ships comes to by itself; nothing of what does not."""
    if programme is None or decision.choice is not Choice.SHIP:
        return []
    own = [row for row in programme.rows if row.experiment_id == decision.experiment_id]
    effect = impact.effect_of(programme.rows, own)
    if effect is None:
        return []
    return [_worth(one) for one in impact.of_change(effect, programme.links, programme.summits, Terms()).tops]


def _worth(found: AtTop) -> Worth:
    kpi, carried, net = found.summit.kpi, found.carried, found.worth
    if isinstance(carried, NotIdentified):
        return Worth(kpi=kpi.key, name=kpi.name, reason=carried.obstacle.sentence)
    lower, upper = _ends(carried.lift_interval)
    net_lower, net_upper = _ends(None if net is None else net.interval)
    return Worth(
        kpi=kpi.key,
        name=kpi.name,
        lift=carried.lift,
        lower=lower,
        upper=upper,
        net=None if net is None else net.net,
        net_lower=net_lower,
        net_upper=net_upper,
        is_estimated=carried.is_estimated,
    )


async def _decided(
    session: AsyncSession, connection: asyncpg.Connection, review: Review, programme: Programme | None
) -> list[Decided]:
    rows = await queries.decided_between(session, review.workspace_id, *_time(review))
    return [
        Decided(
            experiment=experiment.key,
            name=experiment.name,
            owner=experiment.owner,
            hypothesis=hypothesis,
            choice=decision.choice,
            variant=decision.variant,
            verdict=decision.verdict,
            differs=decision.differs,
            reason=decision.reason,
            by=decision.by,
            decided_at=decision.created_at,
            effects=_effects(decision, await results(session, connection, experiment)),
            worth=_worth_of(programme, decision),
        )
        for decision, experiment, hypothesis in rows
    ]


def _time(review: Review) -> tuple[datetime, datetime]:
    """From the first moment of a review's period up to the moment after it."""
    return midnight(review.from_on), midnight(review.to_on + DAY)


def _effects(decision: Decision, seen: Results | None) -> list[Effect]:
    """What was found on the KPIs that decide: of the variant that ships, or of all where none does."""
    found = () if seen is None else seen.evaluation.findings
    wanted = [one for one in found if one.role is Role.PRIMARY]
    if decision.choice is Choice.SHIP:
        wanted = [one for one in wanted if one.variant.key == decision.variant]
    return [_effect(one) for one in wanted]


def _effect(finding: Finding) -> Effect:
    lower, upper = _ends(finding.interval)
    lift_lower, lift_upper = _ends(finding.lift_interval)
    return Effect(
        kpi=finding.kpi,
        name=finding.kpi_name,
        variant=finding.variant.name,
        scale=finding.scale,
        difference=finding.difference,
        lower=lower,
        upper=upper,
        lift=finding.lift,
        lift_lower=lift_lower,
        lift_upper=lift_upper,
    )


def _ends(bounds: Interval | None) -> tuple[float | None, float | None]:
    if bounds is None:
        return None, None
    return _finite(bounds.lower), _finite(bounds.upper)


def _finite(number: float) -> float | None:
    return float(number) if isfinite(number) else None


def midnight(day: date) -> datetime:
    """The beginning of a day (UTC)."""
    return datetime.combine(day, time(tzinfo=UTC))


def _words(code: str) -> str:
    return code.replace("_", " ").lower()
