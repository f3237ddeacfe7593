"""Judging the final periods of a KPI by a rule: each once, in order, in the caller's transaction."""

from datetime import UTC, datetime

import numpy as np
from sqlmodel.ext.asyncio.session import AsyncSession

from kpi import kinds, notices
from kpi import queries as kpi_queries
from kpi.alerts import lifecycle, queries
from kpi.alerts.conditions import decode
from kpi.alerts.conditions.shape import MOST, Aim, Facts, Level, Past, Reading, Silence
from kpi.alerts.lifecycle import MOST_BEHIND, Move
from kpi.alerts.queries import Subject
from kpi.alerts.tables import Alert, AlertRule
from kpi.enums import AlertState, Granularity, NoticeType
from kpi.history import periods, values
from kpi.history.periods import DAY
from kpi.tables import Definition, Kpi

LONGEST = {Granularity.DAY: 1, Granularity.WEEK: 7, Granularity.MONTH: 31, Granularity.QUARTER: 92}
"""Days of a period."""
BY_RULE = "rule"
"""Who resolved an alert whose value came back."""


async def judge(session: AsyncSession, rule_id: int, now: datetime) -> list[Alert]:
    """Judge the periods of a rule that are final and new; returns the alerts it raised or resolved.

    The rule stays locked until the transaction ends, so judging twice, or two at once, is as good as once.
    """
    rule = await queries.lock_rule(session, rule_id)
    if rule is None or not rule.is_enabled:
        return []
    watched = await queries.subject(session, rule)
    if watched is None:
        return []
    condition = decode(rule.kind, rule.parameters)
    past = _days(rule, watched) if condition.is_of_rows else await _values(session, rule, watched)
    known = await facts(session, watched.kpi, watched.definition, rule.segment, watched.history.events)
    changed: list[Alert] = []
    for place in lifecycle.due(past.start_on, rule.judged_through):
        found = condition.judge(past.until(place), known)
        rule.silence = found.because if isinstance(found, Silence) else None
        rule.judged_through = past.start_on[place]
        if isinstance(found, Reading):
            changed += await _apply(session, rule, watched.kpi, found, now)
    rule.known_at = watched.history.computed_at
    await session.flush()
    return changed


async def give_up(session: AsyncSession, rule_id: int, because: str) -> None:
    """Note that a rule could not be judged, until the next refresh."""
    rule = await queries.lock_rule(session, rule_id)
    watched = None if rule is None else await queries.subject(session, rule)
    if rule is not None and watched is not None:
        rule.silence, rule.known_at = because, watched.history.computed_at


async def facts(
    session: AsyncSession, kpi: Kpi, definition: Definition, segment: str, events: list[str] | None = None
) -> Facts:
    """What is known of a KPI beside its values: the baseline is the segment's, the target everybody's."""
    target = next(iter((await kpi_queries.targets_of(session, [kpi.id])).get(kpi.id, [])), None)
    stated = (await kpi_queries.baselines_of(session, [definition.id])).get(definition.id, [])
    baseline = next((row for row in reversed(stated) if row.segment == segment), None)
    is_aimed = target is not None and segment == values.EVERYBODY
    return Facts(
        scale=kinds.decode(definition.kind, definition.parameters).scale,
        sign=kpi.direction.sign,
        baseline=None
        if baseline is None
        else Level(
            value=baseline.value,
            standard_error=baseline.standard_error,
            until=baseline.to_on or baseline.created_at.astimezone(UTC).date(),
            since=baseline.from_on,
        ),
        target=Aim(value=target.value, due_on=target.due_on)
        if is_aimed and target is not None and target.value is not None and target.due_on is not None
        else None,
        arrivals=await queries.arrivals_of(session, kpi.workspace_id, events or []),
    )


async def _values(session: AsyncSession, rule: AlertRule, watched: Subject) -> Past:
    last = watched.history.through
    if last is None:
        raise ValueError("a history that reaches no day is not judged")
    first = periods.start(last - (MOST + MOST_BEHIND) * LONGEST[rule.granularity] * DAY, rule.granularity)
    found = await values.sums(session, watched.definition, segment=rule.segment, first=first, last=last)
    if found is None:
        raise ValueError("a history that was derived has sums")
    return Past.of(values.series(found, segment=rule.segment, granularity=rule.granularity))


def _days(rule: AlertRule, watched: Subject) -> Past:
    """The days that are over and not judged yet, without values."""
    last = watched.history.through
    if last is None:
        raise ValueError("a history that reaches no day is not judged")
    days = tuple(last - back * DAY for back in range(MOST_BEHIND, 0, -1))
    nothing = np.full(len(days), np.nan)
    return Past(granularity=rule.granularity, start_on=days, n=nothing, value=nothing, standard_error=nothing)


async def _apply(session: AsyncSession, rule: AlertRule, kpi: Kpi, reading: Reading, now: datetime) -> list[Alert]:
    current = await queries.open_alert(session, rule.id)
    rests = lifecycle.is_quiet(await queries.last_resolved_at(session, rule.id), rule.cooldown_days, now)
    match lifecycle.move(reading, is_open=current is not None, is_quiet=rests):
        case Move.RAISE:
            return [await _raise(session, rule, kpi, reading, now)]
        case Move.RESOLVE if current is not None:
            await resolve(session, kpi, current, by=BY_RULE, resolution="It is back within its limits.", now=now)
            return [current]
    return []


async def _raise(session: AsyncSession, rule: AlertRule, kpi: Kpi, reading: Reading, now: datetime) -> Alert:
    if rule.judged_through is None:
        raise ValueError("an alert is of a period that was judged")
    alert = Alert(
        workspace_id=rule.workspace_id,
        kpi_id=rule.kpi_id,
        rule_id=rule.id,
        state=AlertState.RAISED,
        kind=rule.kind,
        severity=rule.severity,
        segment=rule.segment,
        granularity=rule.granularity,
        start_on=rule.judged_through,
        end_on=periods.last(rule.judged_through, rule.granularity),
        value=reading.value,
        limit=reading.limit,
        sentence=reading.sentence,
        evidence=reading.evidence,
        raised_at=now,
    )
    session.add(alert)
    await session.flush()
    await queries.tell(session, kpi.workspace_id)
    await _notify(session, kpi, alert, NoticeType.ALERT_RAISED, now)
    return alert


async def resolve(
    session: AsyncSession, kpi: Kpi, alert: Alert, *, by: str, resolution: str | None, now: datetime
) -> None:
    """Resolve an open alert."""
    alert.state, alert.resolved_at, alert.resolved_by, alert.resolution = AlertState.RESOLVED, now, by, resolution
    await session.flush()
    await _notify(session, kpi, alert, NoticeType.ALERT_RESOLVED, now)


async def _notify(session: AsyncSession, kpi: Kpi, alert: Alert, what: NoticeType, now: datetime) -> None:
    said = {"kpi": kpi.key, "kind": alert.kind, "severity": alert.severity, "path": path_of(kpi)}
    await notices.tell(session, kpi.workspace_id, what, said, now)


def path_of(kpi: Kpi) -> str:
    """Where the KPI's page is, on the address of the service."""
    return f"/kpis/{kpi.key}"
