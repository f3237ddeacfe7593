"""Changing what a KPI is, with a reason that stays."""

from collections.abc import Awaitable, Callable
from datetime import date
from functools import partial
from typing import Annotated, Any

import strawberry

from api.auth.permissions import MayDecide, MayEdit
from api.database import driver
from api.graphql.context import Info
from api.graphql.errors import UserError, answer
from api.graphql.mutations.definition import KpiDefinitionInput
from api.graphql.mutations.kpi import BaselineInput, EntryInput
from api.graphql.nodes import row_of
from api.graphql.replies import Repeatable
from api.graphql.types.history import SeriesType
from api.graphql.types.kpi import Kpi
from kpi import enums, governance
from kpi.history import values
from kpi.history.values import EVERYBODY


@strawberry.input
class Governing(Repeatable):
    """What every change of a KPI says."""

    id: strawberry.ID = strawberry.field(description="The global id of the KPI.")
    reason: str = strawberry.field(description="The reason, kept in the KPI's history.")


@strawberry.type
class Governed:
    """What every change of a KPI answers."""

    kpi: Kpi | None = strawberry.field(description="The KPI; null when there are errors.", default=None)
    user_errors: list[UserError] = strawberry.field(description="The faults in the input.")


@strawberry.input(description="What changes of a KPI; what is absent stays as it is, null clears it.")
class KpiUpdateInput(Governing):
    """What changes of a KPI."""

    name: str | None = strawberry.field(description="The name; it cannot be cleared.", default=strawberry.UNSET)
    description: str | None = strawberry.field(description="The definition in words.", default=strawberry.UNSET)
    direction: enums.Direction | None = strawberry.field(
        description="The direction that is better; plans that are registered keep theirs.", default=strawberry.UNSET
    )
    tier: enums.Tier | None = strawberry.field(description="The tier.", default=strawberry.UNSET)
    is_leading: bool | None = strawberry.field(
        description="Whether it moves before revenue does.", default=strawberry.UNSET
    )
    driver: enums.Driver | None = strawberry.field(
        description="The part of revenue it feeds.", default=strawberry.UNSET
    )
    owner: str | None = strawberry.field(
        description="The person who owns it; it cannot be cleared.", default=strawberry.UNSET
    )
    data_source: str | None = strawberry.field(description="The source of its data.", default=strawberry.UNSET)
    frequency: enums.Frequency | None = strawberry.field(
        description="The frequency it is reported at.", default=strawberry.UNSET
    )
    action: str | None = strawberry.field(description="The action its alert triggers.", default=strawberry.UNSET)
    segments: list[str] | None = strawberry.field(
        description="Traits of units that its values are sliced by.", default=strawberry.UNSET
    )


@strawberry.input(description="The next definition of a KPI. Experiments and baselines stay with the one they pinned.")
class KpiRedefineInput(Governing):
    """The next definition of a KPI."""

    definition: KpiDefinitionInput = strawberry.field(description="How it is computed from now on.")
    entry: EntryInput | None = strawberry.field(
        description="Whom it counts outside experiments; as before when absent.", default=None
    )
    baseline: BaselineInput | None = strawberry.field(
        description="Its level before, by this definition: an old baseline says nothing of the new number.",
        default=None,
    )


@strawberry.input(description="The next baseline of a KPI's newest definition.")
class KpiBaselineStateInput(Governing):
    """The next baseline."""

    baseline: BaselineInput = strawberry.field(description="Its level before, with its error.")


@strawberry.input(description="A baseline to measure from the KPI's own history.")
class KpiBaselineMeasureInput(Governing):
    """A baseline to measure."""

    from_on: date = strawberry.field(description="The first day of the window: of units by their day of entry.")
    to_on: date = strawberry.field(description="The last day of the window; all windows of units must have closed.")
    segment: str = strawberry.field(description="The segment, such as `plan=pro`; empty for everybody.", default="")


@strawberry.input(description="How often a KPI's baseline is measured anew; without period and days no longer.")
class KpiBaselineScheduleInput(Governing):
    """How often a baseline is measured anew."""

    every: enums.Granularity | None = strawberry.field(
        description="The period at whose end it is measured.", default=None
    )
    days: int | None = strawberry.field(description="Over how many of the last days that are final.", default=None)


@strawberry.input(description="Where a KPI shall be by a day; without value and day the target is withdrawn.")
class KpiTargetSetInput(Governing):
    """A target."""

    value: float | None = strawberry.field(description="The value to reach, in the KPI's own units.", default=None)
    due_on: date | None = strawberry.field(description="The day it is due, one to come.", default=None)
    owner: str = strawberry.field(description="The person who answers for it.", default="")
    approver: str = strawberry.field(description="The person who agreed to it.", default="")


@strawberry.type(description="The answer to kpiUpdate.")
class KpiUpdatePayload(Governed):
    """The answer to kpiUpdate."""


@strawberry.type(description="The answer to kpiRedefine.")
class KpiRedefinePayload(Governed):
    """The answer to kpiRedefine."""


@strawberry.input(description="A definition to try on the past before it is accepted; nothing is stored.")
class KpiRedefinePreviewInput:
    """A definition to try."""

    id: strawberry.ID = strawberry.field(description="The global id of the KPI.")
    definition: KpiDefinitionInput = strawberry.field(description="How it might be computed.")
    entry: EntryInput | None = strawberry.field(
        description="Whom it might count outside experiments; as before when absent.", default=None
    )
    granularity: enums.Granularity = strawberry.field(
        description="The periods of the values.", default=enums.Granularity.MONTH
    )


@strawberry.type(description="The answer to kpiRedefinePreview.")
class KpiRedefinePreviewPayload:
    """The answer to kpiRedefinePreview."""

    before: SeriesType | None = strawberry.field(
        description="The past year by the newest definition; null where it is not derived.", default=None
    )
    after: SeriesType | None = strawberry.field(
        description="The past year as the new definition would have counted it.", default=None
    )
    user_errors: list[UserError] = strawberry.field(description="The faults in the input.")


@strawberry.type(description="The answer to kpiBaselineState.")
class KpiBaselineStatePayload(Governed):
    """The answer to kpiBaselineState."""


@strawberry.type(description="The answer to kpiBaselineMeasure.")
class KpiBaselineMeasurePayload(Governed):
    """The answer to kpiBaselineMeasure."""


@strawberry.type(description="The answer to kpiBaselineSchedule.")
class KpiBaselineSchedulePayload(Governed):
    """The answer to kpiBaselineSchedule."""


@strawberry.type(description="The answer to kpiTargetSet.")
class KpiTargetSetPayload(Governed):
    """The answer to kpiTargetSet."""


UpdateInput = Annotated[KpiUpdateInput, strawberry.argument(description="What changes.")]
RedefineInput = Annotated[KpiRedefineInput, strawberry.argument(description="The next definition.")]
RedefinePreviewInput = Annotated[KpiRedefinePreviewInput, strawberry.argument(description="What to try.")]
BaselineStateInput = Annotated[KpiBaselineStateInput, strawberry.argument(description="The next baseline.")]
BaselineMeasureInput = Annotated[KpiBaselineMeasureInput, strawberry.argument(description="What to measure.")]
BaselineScheduleInput = Annotated[KpiBaselineScheduleInput, strawberry.argument(description="How often to measure.")]
TargetSetInput = Annotated[KpiTargetSetInput, strawberry.argument(description="The target.")]


@strawberry.type
class GovernanceMutation:
    """Changing what a KPI is, with a reason that stays."""

    @strawberry.mutation(description="Change the details of a KPI, on the record.", permission_classes=[MayEdit])
    async def kpi_update(
        self,
        info: Info,
        input: UpdateInput,  # noqa: A002 - the API's word
    ) -> KpiUpdatePayload | None:
        """Change the details of a KPI, on the record."""
        given = {name: value for name, value in input.said().items() if name not in ("id", "reason")}
        return await answer(KpiUpdatePayload, lambda: _change(info, input, partial(governance.update, given=given)))

    @strawberry.mutation(description="Give a KPI its next definition, on the record.", permission_classes=[MayEdit])
    async def kpi_redefine(
        self,
        info: Info,
        input: RedefineInput,  # noqa: A002 - the API's word
    ) -> KpiRedefinePayload | None:
        """Give a KPI its next definition, on the record."""
        definition, baseline = input.definition.kind(), input.baseline.stated() if input.baseline else None
        entry = input.entry.entry() if input.entry else None
        step = partial(governance.redefine, definition=definition, baseline=baseline, entry=entry)
        return await answer(KpiRedefinePayload, lambda: _change(info, input, step))

    @strawberry.mutation(
        description="Show what a new definition would have said of the past year; nothing is stored.",
        permission_classes=[MayEdit],
    )
    async def kpi_redefine_preview(
        self,
        info: Info,
        input: RedefinePreviewInput,  # noqa: A002 - the API's word
    ) -> KpiRedefinePreviewPayload | None:
        """Show what a new definition would have said of the past year."""
        return await answer(KpiRedefinePreviewPayload, lambda: _preview(info, input))

    @strawberry.mutation(description="State the next baseline of a KPI, on the record.", permission_classes=[MayEdit])
    async def kpi_baseline_state(
        self,
        info: Info,
        input: BaselineStateInput,  # noqa: A002 - the API's word
    ) -> KpiBaselineStatePayload | None:
        """State the next baseline of a KPI, on the record."""
        step = partial(governance.state_baseline, baseline=input.baseline.stated())
        return await answer(KpiBaselineStatePayload, lambda: _change(info, input, step))

    @strawberry.mutation(
        description="Measure the next baseline of a KPI from its own history, on the record.",
        permission_classes=[MayEdit],
    )
    async def kpi_baseline_measure(
        self,
        info: Info,
        input: BaselineMeasureInput,  # noqa: A002 - the API's word
    ) -> KpiBaselineMeasurePayload | None:
        """Measure the next baseline of a KPI from its own history, on the record."""
        step = partial(governance.measure_baseline, from_on=input.from_on, to_on=input.to_on, segment=input.segment)
        return await answer(KpiBaselineMeasurePayload, lambda: _change(info, input, step))

    @strawberry.mutation(
        description="Have a KPI's baseline measured anew every so often, or no longer.", permission_classes=[MayEdit]
    )
    async def kpi_baseline_schedule(
        self,
        info: Info,
        input: BaselineScheduleInput,  # noqa: A002 - the API's word
    ) -> KpiBaselineSchedulePayload | None:
        """Have a KPI's baseline measured anew every so often, or no longer."""
        step = partial(governance.schedule_baseline, every=input.every, days=input.days)
        return await answer(KpiBaselineSchedulePayload, lambda: _change(info, input, step))

    @strawberry.mutation(
        description="Set where a KPI shall be by a day, or withdraw it.",
        permission_classes=[MayDecide],
    )
    async def kpi_target_set(
        self,
        info: Info,
        input: TargetSetInput,  # noqa: A002 - the API's word
    ) -> KpiTargetSetPayload | None:
        """Set where a KPI shall be by a day, or withdraw it."""
        aim = governance.Aim(value=input.value, due_on=input.due_on, owner=input.owner, approver=input.approver)
        return await answer(KpiTargetSetPayload, lambda: _change(info, input, partial(governance.set_target, aim=aim)))


async def _change(info: Info, given: Governing, step: Callable[..., Awaitable[Any]]) -> dict[str, Any]:
    identity = row_of("Kpi", given.id)
    async with info.context.write(info) as session:
        changed = await step(session, actor=info.context.actor(given.reason), kpi_id=identity)
    return {"kpi": changed}


async def _preview(info: Info, given: KpiRedefinePreviewInput) -> dict[str, Any]:
    identity = row_of("Kpi", given.id)
    async with info.context.trial() as session:
        before, after = await governance.compare_definitions(
            session,
            await driver(session),
            actor=info.context.actor("A definition to try"),
            kpi_id=identity,
            definition=given.definition.kind(),
            entry=given.entry.entry() if given.entry else None,
        )
    parts = {"before": before, "after": after}
    return {
        name: None if part is None else values.series(part, segment=EVERYBODY, granularity=given.granularity)
        for name, part in parts.items()
    }
