"""Setting what is watched of KPIs, answering what was raised, and noting what happened on a day."""

from datetime import date
from functools import partial
from typing import Annotated, Any

import strawberry

from api.auth.permissions import MayEdit
from api.graphql.context import Info
from api.graphql.errors import UserError, answer
from api.graphql.mutations.governance import Governed, Governing
from api.graphql.nodes import local_id, row_of
from api.graphql.replies import Repeatable
from api.graphql.types.alert import Alert, Annotation
from kpi import enums
from kpi.alerts import conditions, service
from kpi.alerts.conditions import Condition
from kpi.alerts.service import RuleGiven
from kpi.errors import NotFound
from kpi.history.periods import GRANULARITY

NO_ROW = 0
"""The number of no row, for an id that is none."""


@strawberry.input(description="A value beyond a limit.")
class ThresholdInput:
    """A value beyond a limit."""

    side: enums.Side = strawberry.field(description="The side on which values are out of line.")
    limit: float = strawberry.field(description="The limit beyond which it is raised.")
    clear: float | None = strawberry.field(
        description="The value within which it is cleared: the limit, or better; the limit if absent.", default=None
    )
    run_length: float | None = strawberry.field(
        description="Raise for what chance does not explain, with so many periods between false alarms at least; as"
        " measured if absent.",
        default=None,
    )

    def condition(self) -> Condition:
        """The condition it states."""
        return conditions.Threshold(**vars(self))


@strawberry.input(description="A period out of line with those before it.")
class TrendInput:
    """A period out of line with those before it."""

    side: enums.Side | None = strawberry.field(description="The side to watch; both if absent.", default=None)
    run_length: float = strawberry.field(description="The mean number of periods between false alarms.", default=370.0)

    def condition(self) -> Condition:
        """The condition it states."""
        return conditions.Trend(**vars(self))


@strawberry.input(description="A target that will hardly be met by its day.")
class TargetAtRiskInput:
    """A target that will hardly be met by its day."""

    chance: float = strawberry.field(description="The chance of meeting it below which it is raised.", default=0.2)
    clear: float | None = strawberry.field(
        description="The chance from which on it is cleared; the same if absent.", default=None
    )

    def condition(self) -> Condition:
        """The condition it states."""
        return conditions.TargetAtRisk(**vars(self))


@strawberry.input(description="A level that is no longer the baseline's.")
class BaselineDriftInput:
    """A level that is no longer the baseline's."""

    shift: float = strawberry.field(description="The drift worth knowing of, in the KPI's own units.")
    alpha: float = strawberry.field(description="The chance of a false alarm, over all looks together.", default=0.05)
    spread: float | None = strawberry.field(
        description="The standard deviation between periods beyond sampling errors, where it is known; if absent, the"
        " periods up to the baseline's last day tell, neighbours that resemble each other included.",
        default=None,
    )

    def condition(self) -> Condition:
        """The condition it states."""
        return conditions.BaselineDrift(**vars(self))


@strawberry.input(description="No rows of the KPI's events for longer than is usual.")
class DataStoppedInput:
    """No rows of the KPI's events for longer than is usual."""

    run_length: float = strawberry.field(
        description="The mean number of days between false alarms, at least.", default=1000.0
    )

    def condition(self) -> Condition:
        """The condition it states."""
        return conditions.DataStopped(**vars(self))


@strawberry.input(description="What to watch for: exactly one condition.", one_of=True)
class AlertConditionInput:
    """One condition."""

    threshold: ThresholdInput | None = strawberry.field(description="A limit.", default=strawberry.UNSET)
    trend: TrendInput | None = strawberry.field(description="Control limits.", default=strawberry.UNSET)
    target_at_risk: TargetAtRiskInput | None = strawberry.field(
        description="A target at risk.", default=strawberry.UNSET
    )
    baseline_drift: BaselineDriftInput | None = strawberry.field(
        description="Drift from the baseline.", default=strawberry.UNSET
    )
    data_stopped: DataStoppedInput | None = strawberry.field(description="Stopped data.", default=strawberry.UNSET)

    def condition(self) -> Condition:
        """The condition it states; the schema has seen to it that there is exactly one."""
        found: Condition = next(choice for choice in vars(self).values() if choice).condition()
        return found


@strawberry.input(description="A rule as it shall be.")
class AlertRuleInput:
    """A rule as it shall be."""

    id: strawberry.ID | None = strawberry.field(
        description="The rule to change; if absent it is a new one, or the one that watches the same already.",
        default=None,
    )
    condition: AlertConditionInput = strawberry.field(description="What to watch for.")
    segment: str = strawberry.field(description="The segment, such as `plan=pro`; empty for everybody.", default="")
    granularity: enums.Granularity | None = strawberry.field(
        description="The periods to judge; those the KPI is reported by if absent, days for stopped data.", default=None
    )
    severity: enums.Severity = strawberry.field(
        description="The severity of its alerts.", default=enums.Severity.WARNING
    )
    is_enabled: bool = strawberry.field(description="Whether it judges.", default=True)
    cooldown_days: int = strawberry.field(
        description="The days to rest after its alert was resolved, 365 at most.", default=0
    )

    def given(self, frequency: enums.Frequency) -> RuleGiven:
        """The rule it states, of a KPI that is reported so often."""
        condition = self.condition.condition()
        usual = enums.Granularity.DAY if condition.is_of_rows else GRANULARITY[frequency]
        return RuleGiven(
            rule_id=None if self.id is None else local_id("AlertRule", self.id) or NO_ROW,
            condition=condition,
            segment=self.segment,
            granularity=self.granularity or usual,
            severity=self.severity,
            is_enabled=self.is_enabled,
            cooldown_days=self.cooldown_days,
        )


@strawberry.input(description="Rules of a KPI to set, all or none.")
class AlertRuleSetInput(Governing):
    """Rules to set."""

    rules: list[AlertRuleInput] = strawberry.field(description="The rules; others of the KPI stay as they are.")


@strawberry.input(description="A rule to remove.")
class AlertRuleRemoveInput:
    """A rule to remove."""

    id: strawberry.ID = strawberry.field(description="The global id of the rule.")
    reason: str = strawberry.field(description="The reason, kept in the KPI's history.")


@strawberry.input
class Answering:
    """What every answer to an alert says."""

    id: strawberry.ID = strawberry.field(description="The global id of the alert.")
    note: str | None = strawberry.field(description="A note, kept with the alert.", default=None)


@strawberry.input(description="An alert that somebody looks after.")
class AlertAcknowledgeInput(Answering):
    """An alert that somebody looks after."""


@strawberry.input(description="An alert to resolve.")
class AlertResolveInput(Answering):
    """An alert to resolve."""


@strawberry.input(description="What happened on a day of a KPI.")
class AnnotationAddInput(Repeatable):
    """What happened on a day."""

    kpi: str = strawberry.field(description="The key of the KPI.")
    noted_on: date = strawberry.field(description="The day.")
    text: str = strawberry.field(description="What happened, 4,000 characters at most.")
    alert: strawberry.ID | None = strawberry.field(description="The alert it is about.", default=None)


@strawberry.input(description="An annotation to take back.")
class AnnotationRemoveInput:
    """An annotation to take back."""

    id: strawberry.ID = strawberry.field(description="The global id of the annotation.")


@strawberry.type(description="The answer to alertRuleSet.")
class AlertRuleSetPayload(Governed):
    """The answer to alertRuleSet."""


@strawberry.type(description="The answer to alertRuleRemove.")
class AlertRuleRemovePayload(Governed):
    """The answer to alertRuleRemove."""


@strawberry.type
class Answered:
    """What every answer to an alert comes back with."""

    alert: Alert | None = strawberry.field(description="The alert; null when there are errors.", default=None)
    user_errors: list[UserError] = strawberry.field(description="The faults in the input.")


@strawberry.type(description="The answer to alertAcknowledge.")
class AlertAcknowledgePayload(Answered):
    """The answer to alertAcknowledge."""


@strawberry.type(description="The answer to alertResolve.")
class AlertResolvePayload(Answered):
    """The answer to alertResolve."""


@strawberry.type(description="The answer to annotationAdd.")
class AnnotationAddPayload:
    """The answer to annotationAdd."""

    annotation: Annotation | None = strawberry.field(
        description="The annotation; null when there are errors.", default=None
    )
    user_errors: list[UserError] = strawberry.field(description="The faults in the input.")


@strawberry.type(description="The answer to annotationRemove.")
class AnnotationRemovePayload(Governed):
    """The answer to annotationRemove."""


RuleSetInput = Annotated[AlertRuleSetInput, strawberry.argument(description="The rules.")]
RuleRemoveInput = Annotated[AlertRuleRemoveInput, strawberry.argument(description="The rule.")]
AcknowledgeInput = Annotated[AlertAcknowledgeInput, strawberry.argument(description="The alert.")]
ResolveInput = Annotated[AlertResolveInput, strawberry.argument(description="The alert.")]
AddInput = Annotated[AnnotationAddInput, strawberry.argument(description="The annotation.")]
RemoveInput = Annotated[AnnotationRemoveInput, strawberry.argument(description="The annotation.")]


@strawberry.type
class AlertMutation:
    """Setting what is watched, answering what was raised, and noting what happened."""

    @strawberry.mutation(
        description="Set what is watched of a KPI, on the record; sending it again changes nothing.",
        permission_classes=[MayEdit],
    )
    async def alert_rule_set(
        self,
        info: Info,
        input: RuleSetInput,  # noqa: A002 - the API's word
    ) -> AlertRuleSetPayload | None:
        """Set what is watched of a KPI."""

        async def action() -> dict[str, Any]:
            kpi_id = row_of("Kpi", input.id)
            kpi = await info.context.loaders.kpis.load(kpi_id)
            if kpi is None:
                raise NotFound
            given = [rule.given(kpi.frequency) for rule in input.rules]
            async with info.context.write(info) as session:
                who = info.context.actor(input.reason)
                return {"kpi": await service.set_rules(session, actor=who, kpi_id=kpi_id, given=given)}

        return await answer(AlertRuleSetPayload, action)

    @strawberry.mutation(
        description="Remove a rule, on the record; its open alert is resolved.", permission_classes=[MayEdit]
    )
    async def alert_rule_remove(
        self,
        info: Info,
        input: RuleRemoveInput,  # noqa: A002 - the API's word
    ) -> AlertRuleRemovePayload | None:
        """Remove a rule."""

        async def action() -> dict[str, Any]:
            rule_id = row_of("AlertRule", input.id)
            async with info.context.write(info) as session:
                who = info.context.actor(input.reason)
                return {"kpi": await service.remove_rule(session, actor=who, rule_id=rule_id)}

        return await answer(AlertRuleRemovePayload, action)

    @strawberry.mutation(description="Say that somebody looks after an alert.", permission_classes=[MayEdit])
    async def alert_acknowledge(
        self,
        info: Info,
        input: AcknowledgeInput,  # noqa: A002 - the API's word
    ) -> AlertAcknowledgePayload | None:
        """Say that somebody looks after an alert."""
        return await answer(AlertAcknowledgePayload, partial(_answered, info, input, service.acknowledge))

    @strawberry.mutation(
        description="Resolve an alert by hand. While the value stays beyond its limit, the rule raises another.",
        permission_classes=[MayEdit],
    )
    async def alert_resolve(
        self,
        info: Info,
        input: ResolveInput,  # noqa: A002 - the API's word
    ) -> AlertResolvePayload | None:
        """Resolve an alert by hand."""
        return await answer(AlertResolvePayload, partial(_answered, info, input, service.resolve))

    @strawberry.mutation(description="Note what happened on a day of a KPI.", permission_classes=[MayEdit])
    async def annotation_add(
        self,
        info: Info,
        input: AddInput,  # noqa: A002 - the API's word
    ) -> AnnotationAddPayload | None:
        """Note what happened on a day of a KPI."""

        async def action() -> dict[str, Any]:
            alert_id = None if input.alert is None else local_id("Alert", input.alert) or NO_ROW
            async with info.context.write(info) as session:
                added = await service.annotate(
                    session,
                    actor=info.context.actor(),
                    key=input.kpi,
                    noted_on=input.noted_on,
                    text=input.text,
                    alert_id=alert_id,
                )
            return {"annotation": added}

        return await answer(AnnotationAddPayload, action)

    @strawberry.mutation(description="Take an annotation back.", permission_classes=[MayEdit])
    async def annotation_remove(
        self,
        info: Info,
        input: RemoveInput,  # noqa: A002 - the API's word
    ) -> AnnotationRemovePayload | None:
        """Take an annotation back."""

        async def action() -> dict[str, Any]:
            identity = row_of("Annotation", input.id)
            async with info.context.write(info) as session:
                found = await service.remove_annotation(session, actor=info.context.actor(), annotation_id=identity)
            return {"kpi": found}

        return await answer(AnnotationRemovePayload, action)


async def _answered(info: Info, given: Answering, step: Any) -> dict[str, Any]:
    identity = row_of("Alert", given.id)
    async with info.context.write(info) as session:
        return {"alert": await step(session, actor=info.context.actor(), alert_id=identity, note=given.note)}
