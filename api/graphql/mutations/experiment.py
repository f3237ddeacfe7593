"""Registering, starting and stopping experiments."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any

import strawberry

from api.auth.permissions import MayEdit
from api.graphql.context import Info
from api.graphql.errors import UserError, answer
from api.graphql.nodes import local_id
from api.graphql.types.experiment import Experiment
from experiments import draft, enums, service
from kpi.errors import Code, Invalid, NotFound, Problem

FIRST_DAY, LAST_DAY = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)


@strawberry.input(description="One of the ways the experiment treats a unit.")
class VariantInput:
    """A variant."""

    key: str = strawberry.field(description="The key, unique in the experiment; exposures name it.")
    name: str = strawberry.field(description="The name.")
    weight: float = strawberry.field(description="The share of units it takes, relative to the others.", default=1.0)
    is_control: bool = strawberry.field(description="Whether it is the control.", default=False)


@strawberry.input(description="The smallest effect worth having: exactly one way to say it.", one_of=True)
class MdeInput:
    """A smallest effect."""

    difference: float | None = strawberry.field(
        description="In the KPI's own units: 0.01 is one percentage point of a share, 0.5 half a day.",
        default=strawberry.UNSET,
    )
    lift: float | None = strawberry.field(
        description="Relative to the KPI's baseline: 0.05 is five per cent.", default=strawberry.UNSET
    )


@strawberry.input(
    description="What is known of a unit before its exposure and explains a part of the KPI (CUPED): name exactly one "
    "of attribute and preExposureDays. Makes the test sharper; sealed with the plan."
)
class CovariateInput:
    """A covariate."""

    attribute: str | None = strawberry.field(
        description="The attribute given with the exposure, a number known before it.", default=None
    )
    pre_exposure_days: int | None = strawberry.field(
        description="The KPI's own value over this many days before the exposure of each unit.", default=None
    )
    when_missing: float = strawberry.field(
        description="The number that stands for an attribute that is missing or is no number.", default=0.0
    )
    correlation: float | None = strawberry.field(
        description="The expected correlation to the KPI, of users seen before: plannedUnits shrink by it.",
        default=None,
    )


@strawberry.input(description="A KPI's part in the plan.")
class PlannedKpiInput:
    """A KPI's part in the plan."""

    kpi: str = strawberry.field(description="The key of the KPI.")
    role: enums.Role = strawberry.field(description="The role: it decides, informs, or guards.")
    mde: MdeInput | None = strawberry.field(description="The smallest effect worth having.", default=None)
    margin: float | None = strawberry.field(description="The margin of a guardrail, as a difference.", default=None)
    covariate: CovariateInput | None = strawberry.field(
        description="The covariate that the KPI, a share or a mean per unit, is adjusted for.", default=None
    )


@strawberry.input(description="What is decided before the start.")
class PlanInput:
    """A plan."""

    kpis: list[PlannedKpiInput] = strawberry.field(description="The KPIs and their roles.")
    horizon_days: int = strawberry.field(description="The days from start to the last look.")
    alpha: float = strawberry.field(description="The error rate of all deciding tests together.", default=0.05)
    power: float = strawberry.field(description="The chance to find the planned effect.", default=0.8)
    policy: enums.Policy = strawberry.field(
        description="The policy that says when the test may decide.", default=enums.Policy.GROUP_SEQUENTIAL
    )
    looks: int = strawberry.field(description="The number of looks, evenly spread up to the horizon.", default=4)
    segment_attributes: list[str] = strawberry.field(
        description="The attributes at exposure that define segments.", default_factory=list
    )


@strawberry.input(description="An experiment to register.")
class ExperimentRegisterInput:
    """An experiment to register."""

    key: str = strawberry.field(description="The key: small letters, digits and hyphens, unique in the workspace.")
    name: str = strawberry.field(description="The name.")
    hypothesis: str = strawberry.field(description="The key of the hypothesis it tests.")
    kind: enums.Kind = strawberry.field(description="The kind of change it tests.")
    owner: str = strawberry.field(description="The person who owns it.")
    variants: list[VariantInput] = strawberry.field(description="The variants, one of them the control.")
    plan: PlanInput = strawberry.field(description="The plan.")


@strawberry.input(description="An experiment to start.")
class ExperimentStartInput:
    """An experiment to start."""

    id: strawberry.ID = strawberry.field(description="The global id of the experiment.")
    started_at: datetime | None = strawberry.field(
        description="The start, if it lies in the past; results then say that the plan was sealed after it.",
        default=None,
    )


@strawberry.input(description="An experiment to stop.")
class ExperimentStopInput:
    """An experiment to stop."""

    id: strawberry.ID = strawberry.field(description="The global id of the experiment.")
    stopped_at: datetime | None = strawberry.field(description="The stop, if it lies in the past.", default=None)


@strawberry.type(description="The answer to experimentRegister.")
class ExperimentRegisterPayload:
    """The answer to experimentRegister."""

    experiment: Experiment | None = strawberry.field(
        description="The experiment; null when there are errors.", default=None
    )
    user_errors: list[UserError] = strawberry.field(description="The faults in the input.")


@strawberry.type(description="The answer to experimentStart.")
class ExperimentStartPayload:
    """The answer to experimentStart."""

    experiment: Experiment | None = strawberry.field(
        description="The experiment; null when there are errors.", default=None
    )
    user_errors: list[UserError] = strawberry.field(description="The faults in the input.")


@strawberry.type(description="The answer to experimentStop.")
class ExperimentStopPayload:
    """The answer to experimentStop."""

    experiment: Experiment | None = strawberry.field(
        description="The experiment; null when there are errors.", default=None
    )
    user_errors: list[UserError] = strawberry.field(description="The faults in the input.")


RegisterInput = Annotated[ExperimentRegisterInput, strawberry.argument(description="The experiment to register.")]
StartInput = Annotated[ExperimentStartInput, strawberry.argument(description="The experiment to start.")]
StopInput = Annotated[ExperimentStopInput, strawberry.argument(description="The experiment to stop.")]


@strawberry.type
class ExperimentMutation:
    """Registering, starting and stopping experiments."""

    @strawberry.mutation(description="Register an experiment with its plan, as a draft.", permission_classes=[MayEdit])
    async def experiment_register(
        self,
        info: Info,
        input: RegisterInput,  # noqa: A002 - the API's word
    ) -> ExperimentRegisterPayload | None:
        """Register an experiment."""

        async def action() -> dict[str, Any]:
            variants = [draft.VariantChoice(**vars(variant)) for variant in input.variants]
            fields = vars(input) | {"variants": variants, "plan": _plan(input.plan)}
            async with info.context.database.write() as session:
                experiment = await service.register(
                    session, workspace_id=info.context.caller.workspace_id, now=info.context.now, **fields
                )
            return {"experiment": experiment}

        return await answer(ExperimentRegisterPayload, action)

    @strawberry.mutation(description="Seal the plan and start the experiment.", permission_classes=[MayEdit])
    async def experiment_start(
        self,
        info: Info,
        input: StartInput,  # noqa: A002 - the API's word
    ) -> ExperimentStartPayload | None:
        """Start an experiment."""
        return await answer(
            ExperimentStartPayload,
            lambda: _move(info, input.id, partial(service.start, started_at=_aware("startedAt", input.started_at))),
        )

    @strawberry.mutation(
        description="Stop taking units in; those inside are measured until their windows close.",
        permission_classes=[MayEdit],
    )
    async def experiment_stop(
        self,
        info: Info,
        input: StopInput,  # noqa: A002 - the API's word
    ) -> ExperimentStopPayload | None:
        """Stop an experiment."""
        return await answer(
            ExperimentStopPayload,
            lambda: _move(info, input.id, partial(service.stop, stopped_at=_aware("stoppedAt", input.stopped_at))),
        )


async def _move(info: Info, identity: str, step: Callable[..., Awaitable[Any]]) -> dict[str, Any]:
    """Move an experiment on in its life by one of the service's steps."""
    workspace_id, experiment_id = info.context.caller.workspace_id, _experiment_id(identity)
    async with info.context.database.write() as session:
        moved = await step(session, workspace_id=workspace_id, experiment_id=experiment_id, now=info.context.now)
    return {"experiment": moved}


def _plan(given: PlanInput) -> draft.PlanChoice:
    return draft.PlanChoice(**(vars(given) | {"kpis": [_choice(kpi) for kpi in given.kpis]}))


def _choice(given: PlannedKpiInput) -> draft.KpiChoice:
    return draft.KpiChoice(
        kpi=given.kpi,
        role=given.role,
        mde_difference=(given.mde.difference or None) if given.mde else None,
        mde_lift=(given.mde.lift or None) if given.mde else None,
        margin=given.margin,
        covariate=None if given.covariate is None else draft.CovariateChoice(**vars(given.covariate)),
    )


def _aware(field: str, at: datetime | None) -> datetime | None:
    if at is None:
        return None
    if at.tzinfo is None:
        sentence = f"{field} has no time zone; write 2026-06-01T00:00:00Z for UTC."
        raise Invalid([Problem(code=Code.BAD_USER_INPUT, message=sentence, path=(field,))])
    # At the ends of the calendar another zone may not exist; the service refuses such times in words.
    return min(max(at, FIRST_DAY), LAST_DAY).astimezone(UTC)


def _experiment_id(identity: str) -> int:
    found = local_id("Experiment", identity)
    if found is None:
        raise NotFound
    return found
