"""What people do with alerts: set what is watched, answer what was raised, and note what happened on a day.

Each function is one action in the caller's transaction; an input with faults raises `Invalid` with all of them, what
is not there `NotFound`. Rules are changed on the KPI's record, with a reason.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from kpi import governance, kinds
from kpi import queries as kpi_queries
from kpi.actor import Actor
from kpi.alerts import conditions, judging, queries
from kpi.alerts.conditions import Condition
from kpi.alerts.tables import Alert, AlertRule, Annotation
from kpi.enums import AlertKind, AlertState, Governed, Granularity, Severity
from kpi.errors import Code, Invalid, NotFound, Problem, bad, refuse
from kpi.service import absent, text_problems
from kpi.tables import Definition, Kpi
from kpi.wire import camel

MOST_RULES = 50
"""Rules of a KPI: whoever is told of everything hears nothing."""
LONGEST_COOLDOWN = 365
"""Days."""
RECORDED = ("kind", "parameters", "segment", "granularity", "severity", "is_enabled", "cooldown_days")


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleGiven:
    """A rule as it shall be; without `rule_id` a new one, or the one that watches the same already."""

    condition: Condition
    segment: str
    granularity: Granularity
    severity: Severity
    is_enabled: bool
    cooldown_days: int
    rule_id: int | None = None

    @property
    def fields(self) -> dict[str, Any]:
        """What is stored of it."""
        return {
            "kind": self.condition.kind,
            "parameters": conditions.encode(self.condition),
            "segment": self.segment,
            "granularity": self.granularity,
            "severity": self.severity,
            "is_enabled": self.is_enabled,
            "cooldown_days": self.cooldown_days,
        }

    @property
    def watches(self) -> tuple[Any, ...]:
        """What two rules that watch the same have in common."""
        return tuple(self.fields[name] for name in RECORDED[:4])


async def set_rules(session: AsyncSession, *, actor: Actor, kpi_id: int, given: Sequence[RuleGiven]) -> Kpi:
    """Set rules of a KPI: those that are named or watch the same are changed, the others are new."""
    kpi = await governance.locked(session, actor, kpi_id)
    definition = (await kpi_queries.latest_definitions(session, [kpi.id]))[kpi.id]
    there = (await queries.rules_of(session, [kpi.id])).get(kpi.id, [])
    problems = governance.reason_problems(actor) + _entry_problems(definition)
    problems += _count_problems(given, there)
    for place, rule in enumerate(given):
        problems += _rule_problems(rule, kpi, definition, there, ("rules", str(place)))
    refuse(problems)
    changes: list[dict[str, Any]] = []
    for rule in given:
        changes += await _set(session, actor, kpi, rule)
    await governance.record(session, actor, kpi, Governed.ALERTS, changes)
    return kpi


async def remove_rule(session: AsyncSession, *, actor: Actor, rule_id: int) -> Kpi:
    """Watch no longer: the rule is removed, its open alert resolved; what it raised stays."""
    rule = await queries.lock_rule(session, rule_id, actor.workspace_id)
    if rule is None:
        raise NotFound
    refuse(governance.reason_problems(actor))
    kpi = await governance.locked(session, actor, rule.kpi_id)
    if (current := await queries.open_alert(session, rule.id)) is not None:
        await judging.resolve(session, kpi, current, by=actor.name, resolution="Its rule was removed.", now=actor.now)
    rule.removed_at = actor.now
    await governance.record(session, actor, kpi, Governed.ALERTS, _differences(rule, _stored(rule), {}))
    return kpi


async def acknowledge(session: AsyncSession, *, actor: Actor, alert_id: int, note: str | None) -> Alert:
    """Say that somebody looks after an alert; once it is said, saying it again changes nothing."""
    alert = await _alert(session, actor, alert_id)
    refuse(_note_problems(note))
    if alert.state is AlertState.RESOLVED:
        raise Invalid([Problem(code=Code.WRONG_STATE, message="This alert is resolved.", path=("id",))])
    if alert.state is AlertState.RAISED:
        alert.state, alert.acknowledged_at, alert.acknowledged_by = AlertState.ACKNOWLEDGED, actor.now, actor.name
        alert.note = note
        await session.flush()
    return alert


async def resolve(session: AsyncSession, *, actor: Actor, alert_id: int, note: str | None) -> Alert:
    """Close an alert; where its value stays beyond the limit, the rule raises another after its rest."""
    alert = await _alert(session, actor, alert_id)
    refuse(_note_problems(note))
    if alert.state is not AlertState.RESOLVED:
        kpi = (await kpi_queries.kpis_by_id(session, actor.workspace_id, [alert.kpi_id]))[alert.kpi_id]
        await judging.resolve(session, kpi, alert, by=actor.name, resolution=note, now=actor.now)
    return alert


async def annotate(
    session: AsyncSession, *, actor: Actor, key: str, noted_on: date, text: str, alert_id: int | None
) -> Annotation:
    """Note what happened on a day of a KPI, by its key."""
    kpi = (await kpi_queries.kpis_by_key(session, actor.workspace_id, [key])).get(key)
    problems = text_problems({"text": text}, required={"text"})
    problems += [absent("KPI", key, "kpi")] if kpi is None else []
    alert = None if alert_id is None else await queries.lock_alert(session, actor.workspace_id, alert_id)
    if alert_id is not None and (alert is None or kpi is None or alert.kpi_id != kpi.id):
        sentence = "There is no such alert of this KPI."
        problems.append(Problem(code=Code.NOT_FOUND, message=sentence, path=("alert",)))
    if problems or kpi is None:
        raise Invalid(problems)
    annotation = Annotation(
        workspace_id=actor.workspace_id,
        kpi_id=kpi.id,
        alert_id=alert_id,
        noted_on=noted_on,
        text=text.strip(),
        by=actor.name,
        created_at=actor.now,
    )
    session.add(annotation)
    await session.flush()
    return annotation


async def remove_annotation(session: AsyncSession, *, actor: Actor, annotation_id: int) -> Kpi:
    """Take a note back."""
    annotation = await queries.lock_annotation(session, actor.workspace_id, annotation_id)
    if annotation is None:
        raise NotFound
    await session.delete(annotation)
    await session.flush()
    return (await kpi_queries.kpis_by_id(session, actor.workspace_id, [annotation.kpi_id]))[annotation.kpi_id]


async def _set(session: AsyncSession, actor: Actor, kpi: Kpi, given: RuleGiven) -> list[dict[str, Any]]:
    there = (await queries.rules_of(session, [kpi.id])).get(kpi.id, [])
    rule = next((row for row in there if _is_same(row, given)), None)
    if rule is None:
        rule = AlertRule(
            workspace_id=kpi.workspace_id,
            kpi_id=kpi.id,
            created_by=actor.name,
            created_at=actor.now,
            **given.fields,
        )
        session.add(rule)
        await session.flush()
        return _differences(rule, {}, given.fields)
    await queries.lock_rule(session, rule.id)
    before = _stored(rule)
    for name, value in given.fields.items():
        setattr(rule, name, value)
    if any(before[name] != given.fields[name] for name in RECORDED[:4]):
        rule.judged_through = None  # the newest final period is judged anew, by the rule as it is now
    if before != given.fields:
        rule.known_at = None
    return _differences(rule, before, given.fields)


def _is_same(rule: AlertRule, given: RuleGiven) -> bool:
    if given.rule_id is not None:
        return rule.id == given.rule_id
    return tuple(_stored(rule)[name] for name in RECORDED[:4]) == given.watches


def _stored(rule: AlertRule) -> dict[str, Any]:
    return {name: getattr(rule, name) for name in RECORDED}


def _differences(rule: AlertRule, before: dict[str, Any], after: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        change | {"path": f"alertRules.{rule.id}.{change['path']}"}
        for change in governance.differences(_flat(before), _flat(after))
    ]


def _flat(fields: dict[str, Any]) -> dict[str, Any]:
    parameters: dict[str, Any] = fields.get("parameters", {})
    return {name: value for name, value in fields.items() if name != "parameters"} | parameters


def _entry_problems(definition: Definition) -> list[Problem]:
    if definition.entry is not None:
        return []
    sentence = "This definition does not say whom it counts outside experiments: give it an entry first."
    return [bad(sentence, "id")]


def _count_problems(given: Sequence[RuleGiven], there: Sequence[AlertRule]) -> list[Problem]:
    new = sum(not any(_is_same(row, rule) for row in there) for rule in given)
    if not given:
        return [bad("Give one rule or more.", "rules")]
    if len(there) + new > MOST_RULES:
        return [bad(f"A KPI has {MOST_RULES} alert rules at most.", "rules")]
    return []


def _rule_problems(
    given: RuleGiven, kpi: Kpi, definition: Definition, there: Sequence[AlertRule], path: tuple[str, ...]
) -> list[Problem]:
    scale = kinds.decode(definition.kind, definition.parameters).scale
    kind = camel(given.condition.kind.lower())
    found = [bad(text, *path, "condition", kind, name) for name, text in given.condition.problems(scale)]
    if given.rule_id is not None and all(row.id != given.rule_id for row in there):
        found.append(Problem(code=Code.NOT_FOUND, message="There is no such rule of this KPI.", path=(*path, "id")))
    if not 0 <= given.cooldown_days <= LONGEST_COOLDOWN:
        found.append(bad(f"A rule rests for 0 to {LONGEST_COOLDOWN} days.", *path, "cooldownDays"))
    return found + _segment_problems(given, kpi, path)


def _segment_problems(given: RuleGiven, kpi: Kpi, path: tuple[str, ...]) -> list[Problem]:
    found: list[Problem] = []
    if given.condition.is_of_rows and given.granularity is not Granularity.DAY:
        found.append(bad("Rows are watched by day.", *path, "granularity"))
    if not given.segment:
        return found
    if given.condition.kind in {AlertKind.DATA_STOPPED, AlertKind.TARGET_AT_RISK}:
        found.append(bad("Rows and targets are those of everybody: leave the segment out.", *path, "segment"))
    trait, equals, _ = given.segment.partition("=")
    if not equals or trait not in kpi.segments:
        known = ", ".join(f"“{name}=…”" for name in kpi.segments) or "none yet"
        found.append(bad(f"The KPI has no values of this segment; it is sliced by: {known}.", *path, "segment"))
    return found


def _note_problems(note: str | None) -> list[Problem]:
    return text_problems({"note": note or ""}, required=set())


async def _alert(session: AsyncSession, actor: Actor, alert_id: int) -> Alert:
    alert = await queries.lock_alert(session, actor.workspace_id, alert_id)
    if alert is None:
        raise NotFound
    return alert
