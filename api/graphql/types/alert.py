"""Alerts on KPIs, the rules that raise them and notes on days, as the API shows them."""

from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import strawberry
from strawberry import Parent
from strawberry.scalars import JSON

from api.graphql.context import Info
from api.graphql.nodes import After, Before, First, Last, Listed, Node, PageInfo, global_id, listed
from api.graphql.types.selection.attention import ALERTS, OrderOfAlerts, WhichAlerts
from kpi import enums
from kpi import tables as kpi_tables
from kpi.alerts import conditions, judging, suggestions, tables
from kpi.alerts.conditions import Condition
from kpi.history.periods import GRANULARITY

if TYPE_CHECKING:
    from api.graphql.types.kpi import Kpi

strawberry.enum(enums.Side, name="AlertSide", description="On which side of a limit a value is out of line.")


@strawberry.type(name="ThresholdCondition", description="A value beyond a limit.")
class ThresholdType:
    """A value beyond a limit."""

    side: enums.Side | None = strawberry.field(description="The side on which values are out of line.")
    limit: float = strawberry.field(description="The limit beyond which it is raised.")
    clear: float | None = strawberry.field(description="The value within which it is cleared; the limit if null.")
    run_length: float | None = strawberry.field(
        description="The mean number of periods between false alarms, at least: it is raised for what chance does not"
        " explain; null: as measured."
    )


@strawberry.type(name="TrendCondition", description="A period out of line with those before it.")
class TrendType:
    """A period out of line with those before it."""

    side: enums.Side | None = strawberry.field(description="The side that is watched; null for both.")
    run_length: float | None = strawberry.field(description="The mean number of periods between false alarms.")


@strawberry.type(name="TargetAtRiskCondition", description="A target that will hardly be met by its day.")
class TargetAtRiskType:
    """A target that will hardly be met by its day."""

    chance: float = strawberry.field(description="The chance of meeting it below which it is raised.")
    clear: float | None = strawberry.field(description="The chance from which on it is cleared; the same if null.")


@strawberry.type(name="BaselineDriftCondition", description="A level that is no longer the baseline's.")
class BaselineDriftType:
    """A level that is no longer the baseline's."""

    shift: float = strawberry.field(description="The drift worth knowing of, in the KPI's own units.")
    alpha: float = strawberry.field(description="The chance of a false alarm, over all looks together.")
    spread: float | None = strawberry.field(
        description="The standard deviation between periods beyond sampling errors, where it is known; null: the"
        " periods up to the baseline's last day tell, neighbours that resemble each other included."
    )


@strawberry.type(name="DataStoppedCondition", description="No rows of the KPI's events for longer than is usual.")
class DataStoppedType:
    """No rows of the KPI's events for longer than is usual."""

    run_length: float | None = strawberry.field(description="The mean number of days between false alarms, at least.")


AlertCondition = Annotated[
    ThresholdType | TrendType | TargetAtRiskType | BaselineDriftType | DataStoppedType,
    strawberry.union("AlertCondition", description="What an alert rule watches for, with its limits."),
]
CONDITIONS: dict[type[Condition], Any] = {
    conditions.Threshold: ThresholdType,
    conditions.Trend: TrendType,
    conditions.TargetAtRisk: TargetAtRiskType,
    conditions.BaselineDrift: BaselineDriftType,
    conditions.DataStopped: DataStoppedType,
}


def shown(condition: Condition) -> Any:
    """A condition's public face."""
    face = CONDITIONS[type(condition)]
    return face(**{name: getattr(condition, name) for name in face.__annotations__})


@strawberry.type(description="What is watched of a KPI, period by period, once each period is final.")
class AlertRule:
    """A rule."""

    kind: enums.AlertKind = strawberry.field(description="The kind of its condition.")
    segment: str = strawberry.field(description="The segment it watches, such as `plan=pro`; empty for everybody.")
    granularity: enums.Granularity = strawberry.field(description="The periods it judges.")
    severity: enums.Severity = strawberry.field(description="The severity of its alerts.")
    is_enabled: bool = strawberry.field(description="Whether it judges; what it raised before stays.")
    cooldown_days: int = strawberry.field(description="The days it rests after its alert was resolved.")
    created_by: str = strawberry.field(description="The name of the key that set it first.")
    created_at: datetime = strawberry.field(description="The time it was set first.")
    silence: str | None = strawberry.field(description="The reason why the last period could not be judged, if so.")

    @strawberry.field(description="The global, opaque id of the rule.")
    def id(parent: Parent[tables.AlertRule]) -> strawberry.ID:
        """The global id."""
        return global_id("AlertRule", parent.id)

    @strawberry.field(description="What it watches for, with its limits.")
    def condition(parent: Parent[tables.AlertRule]) -> AlertCondition:
        """What it watches for."""
        return shown(conditions.decode(parent.kind, parent.parameters))

    @strawberry.field(description="The first day of the last period that it judged.")
    def last_judged_on(parent: Parent[tables.AlertRule]) -> date | None:
        """The last period that it judged."""
        return parent.judged_through


@strawberry.type(description="A rule that would fit a KPI. Nothing is watched until it is set.")
class AlertRuleSuggestion:
    """A rule that would fit."""

    granularity: enums.Granularity = strawberry.field(description="The periods to judge.")
    severity: enums.Severity = strawberry.field(description="The severity of its alerts.")
    cooldown_days: int = strawberry.field(description="The days to rest after an alert was resolved.")
    because: str = strawberry.field(description="The reason why it fits.")

    @strawberry.field(description="The kind of its condition.")
    def kind(parent: Parent[suggestions.Suggestion]) -> enums.AlertKind:
        """The kind of its condition."""
        return parent.condition.kind

    @strawberry.field(description="What to watch for, with its limits.")
    def condition(parent: Parent[suggestions.Suggestion]) -> AlertCondition:
        """What to watch for."""
        return shown(parent.condition)


@strawberry.type(description="What a rule raised on a KPI in a period. A rule has one open alert at most.")
class Alert(Node):
    """An alert."""

    kind: enums.AlertKind = strawberry.field(description="The kind of condition that raised it.")
    state: enums.AlertState = strawberry.field(description="How far it has come.")
    severity: enums.Severity = strawberry.field(description="How much it matters.")
    segment: str = strawberry.field(description="The segment, such as `plan=pro`; empty for everybody.")
    granularity: enums.Granularity = strawberry.field(description="The kind of period.")
    start_on: date = strawberry.field(description="The first day of the period that raised it.")
    end_on: date = strawberry.field(description="The last day of the period that raised it.")
    value: float = strawberry.field(
        description="The number that was beyond its limit: the KPI's value or level, or a chance of a target or a gap."
    )
    limit: float = strawberry.field(description="The limit that it was beyond.")
    sentence: str = strawberry.field(description="The same in a sentence.")
    evidence: JSON = strawberry.field(description="The numbers behind it, with the latest periods by then.")
    raised_at: datetime = strawberry.field(description="The time it was raised.")
    acknowledged_at: datetime | None = strawberry.field(description="The time somebody said they look after it.")
    acknowledged_by: str | None = strawberry.field(description="The name of the key that did.")
    note: str | None = strawberry.field(description="The note that came with it.")
    resolved_at: datetime | None = strawberry.field(description="The time it was resolved.")
    resolved_by: str | None = strawberry.field(
        description="The name of the key that resolved it; `rule` where the value came back by itself."
    )
    resolution: str | None = strawberry.field(description="What was said when it was resolved.")

    @strawberry.field(
        description="The KPI.", graphql_type=Annotated["Kpi", strawberry.lazy("api.graphql.types.kpi")] | None
    )
    async def kpi(parent: Parent[tables.Alert], info: Info) -> kpi_tables.Kpi | None:
        """The KPI."""
        return await info.context.loaders.kpis.load(parent.kpi_id)

    @strawberry.field(description="The rule that raised it, as it is now.", graphql_type=AlertRule | None)
    async def rule(parent: Parent[tables.Alert], info: Info) -> tables.AlertRule | None:
        """The rule that raised it."""
        return await info.context.loaders.alert_rules.load(parent.rule_id)

    @strawberry.field(description="What to do now: the KPI's action (playbook).")
    async def action(parent: Parent[tables.Alert], info: Info) -> str | None:
        """What to do now."""
        found = await info.context.loaders.kpis.load(parent.kpi_id)
        return None if found is None else found.action

    @strawberry.field(description="The person who owns the KPI.")
    async def owner(parent: Parent[tables.Alert], info: Info) -> str | None:
        """The person who owns the KPI."""
        found = await info.context.loaders.kpis.load(parent.kpi_id)
        return None if found is None else found.owner

    @strawberry.field(description="The path of the KPI's page on this service.")
    async def path(parent: Parent[tables.Alert], info: Info) -> str | None:
        """The path of the KPI's page."""
        found = await info.context.loaders.kpis.load(parent.kpi_id)
        return None if found is None else judging.path_of(found)

    @classmethod
    def is_type_of(cls, obj: object, _info: Any) -> bool:
        """Rows stand for themselves."""
        return isinstance(obj, tables.Alert)


@strawberry.type(description="What somebody noted on a day of a KPI.")
class Annotation:
    """A note."""

    noted_on: date = strawberry.field(description="The day.")
    text: str = strawberry.field(description="The note.")
    by: str = strawberry.field(description="The name of the key that noted it.")
    created_at: datetime = strawberry.field(description="The time it was noted.")

    @strawberry.field(description="The global, opaque id of the annotation.")
    def id(parent: Parent[tables.Annotation]) -> strawberry.ID:
        """The global id."""
        return global_id("Annotation", parent.id)

    @strawberry.field(description="The alert it is about, if any.", graphql_type=Alert | None)
    async def alert(parent: Parent[tables.Annotation], info: Info) -> tables.Alert | None:
        """The alert it is about."""
        return None if parent.alert_id is None else await info.context.loaders.alerts.load(parent.alert_id)


@strawberry.type(description="An alert in a list.")
class AlertEdge:
    """An alert in a list."""

    cursor: str = strawberry.field(description="The cursor of the alert.")
    node: Alert = strawberry.field(description="The alert.")


@strawberry.type(description="A page of alerts.")
class AlertConnection:
    """A page of alerts."""

    edges: list[AlertEdge] = strawberry.field(description="The alerts of the page with their cursors.")
    nodes: list[Alert] = strawberry.field(description="The alerts of the page.")
    page_info: PageInfo = strawberry.field(description="The place of the page in the list.")
    total_count: int = strawberry.field(description="The number of alerts in the list.")


@strawberry.type
class AlertFields:
    """What is watched of a KPI, what was raised on it, and what people noted."""

    @strawberry.field(description="What is watched of the KPI, the oldest rule first.", graphql_type=list[AlertRule])
    async def alert_rules(parent: Parent[kpi_tables.Kpi], info: Info) -> list[tables.AlertRule]:
        """What is watched."""
        return await info.context.loaders.alert_rules_of.load(parent.id) or []

    @strawberry.field(
        description="What was raised on the KPI, newest first unless ordered otherwise.",
        graphql_type=AlertConnection | None,
    )
    async def alerts(
        parent: Parent[kpi_tables.Kpi],
        info: Info,
        filter: WhichAlerts = None,  # noqa: A002 - the API's word
        order_by: OrderOfAlerts = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Listed[tables.Alert]:
        """What was raised."""
        part = ALERTS.part(filter, order_by, first, after, last, before)
        return listed(await info.context.loaders.alerts_of.load((parent.id, part)), part)

    @strawberry.field(
        description="What people noted on days of the KPI, the newest day first.", graphql_type=list[Annotation]
    )
    async def annotations(parent: Parent[kpi_tables.Kpi], info: Info) -> list[tables.Annotation]:
        """What people noted."""
        return await info.context.loaders.annotations_of.load(parent.id) or []

    @strawberry.field(
        description="Rules that would fit the KPI, by its direction, target and baseline; none without an entry.",
        graphql_type=list[AlertRuleSuggestion],
    )
    async def alert_rule_suggestions(parent: Parent[kpi_tables.Kpi], info: Info) -> list[suggestions.Suggestion]:
        """Rules that would fit."""
        found = await info.context.loaders.definitions.load(parent.id)
        if found is None or found.entry is None:
            return []
        async with info.context.read() as session:
            known = await judging.facts(session, parent, found, "")
        return suggestions.suggestions(known, GRANULARITY[parent.frequency])
