"""Registering protocols, and making their next version."""

from typing import Annotated, Any

import strawberry

from api.auth.permissions import MayDecide
from api.graphql.context import Info
from api.graphql.errors import UserError, answer
from api.graphql.inputs import said
from api.graphql.mutations.experiment import MdeInput, TargetingConditionInput, conditions
from api.graphql.nodes import row_of
from api.graphql.replies import Repeatable
from api.graphql.types.protocol import Protocol
from experiments import enums
from experiments.planning import protocols, terms


@strawberry.input(description="A KPI's part in the plans of a protocol.")
class ProtocolKpiInput:
    """A KPI's part in the plans of a protocol."""

    kpi: str = strawberry.field(description="The key of the KPI.")
    role: enums.Role = strawberry.field(description="The role: it decides, informs, or guards.")
    mde: MdeInput | None = strawberry.field(
        description="The smallest effect worth having; left to the experiment if not said.", default=None
    )
    margin: float | None = strawberry.field(description="The margin of a guardrail, as a difference.", default=None)
    is_fixed: bool = strawberry.field(
        description="Whether it is in every plan as it is here; else only where an experiment names no KPIs itself.",
        default=True,
    )


@strawberry.input(description="What a protocol says of a plan; what is null or left out says nothing.")
class ProtocolPlanInput:
    """What a protocol says of a plan."""

    kpis: list[ProtocolKpiInput] | None = strawberry.field(
        description="The KPIs and their roles.", default=strawberry.UNSET
    )
    alpha: float | None = strawberry.field(
        description="The error rate of all deciding tests together.", default=strawberry.UNSET
    )
    power: float | None = strawberry.field(
        description="The chance to find the planned effect.", default=strawberry.UNSET
    )
    policy: enums.Policy | None = strawberry.field(
        description="The policy that says when the test may decide.", default=strawberry.UNSET
    )
    looks: int | None = strawberry.field(description="The number of looks.", default=strawberry.UNSET)
    horizon_days: int | None = strawberry.field(
        description="The days from start to the last look.", default=strawberry.UNSET
    )
    segment_attributes: list[str] | None = strawberry.field(
        description="The attributes at exposure that define segments.", default=strawberry.UNSET
    )
    correction: enums.Correction | None = strawberry.field(
        description="The rule by which what informs is corrected.", default=strawberry.UNSET
    )
    holdout: str | None = strawberry.field(
        description="The key of the experiment whose control is kept out.", default=strawberry.UNSET
    )
    targeting: list[TargetingConditionInput] | None = strawberry.field(
        description="The conditions that all hold for the units that enter. Fixed, a plan may add to them.",
        default=strawberry.UNSET,
    )
    fixed: list[terms.PlanField] | None = strawberry.field(
        description="The fields that an experiment cannot change; the others are there to start from.",
        default=strawberry.UNSET,
    )


@strawberry.input(description="A protocol to register.")
class ProtocolRegisterInput(Repeatable):
    """A protocol to register."""

    key: str = strawberry.field(description="The key: small letters, digits and hyphens, unique in the workspace.")
    name: str = strawberry.field(description="The name.")
    description: str = strawberry.field(description="What it is for.", default="")
    plan: ProtocolPlanInput = strawberry.field(description="What it says of a plan.")


@strawberry.input(description="The next version of a protocol: what is absent stays as it is, null clears it.")
class ProtocolUpdateInput:
    """The next version of a protocol."""

    id: strawberry.ID = strawberry.field(description="The global id of the protocol.")
    name: str | None = strawberry.field(description="The name; it cannot be cleared.", default=strawberry.UNSET)
    description: str | None = strawberry.field(description="What it is for.", default=strawberry.UNSET)
    plan: ProtocolPlanInput | None = strawberry.field(
        description="What it says of a plan: of its fields, too, what is absent stays as it is. Null clears all.",
        default=strawberry.UNSET,
    )


@strawberry.type
class Protocolled:
    """What both mutations answer."""

    protocol: Protocol | None = strawberry.field(description="The protocol; null when there are errors.", default=None)
    user_errors: list[UserError] = strawberry.field(description="The faults in the input.")


@strawberry.type(description="The answer to protocolRegister.")
class ProtocolRegisterPayload(Protocolled):
    """The answer to protocolRegister."""


@strawberry.type(description="The answer to protocolUpdate.")
class ProtocolUpdatePayload(Protocolled):
    """The answer to protocolUpdate."""


RegisterInput = Annotated[ProtocolRegisterInput, strawberry.argument(description="The protocol to register.")]
UpdateInput = Annotated[ProtocolUpdateInput, strawberry.argument(description="What changes.")]


@strawberry.type
class ProtocolMutation:
    """Registering protocols, and making their next version."""

    @strawberry.mutation(
        description="Register a protocol: what many plans have in common.", permission_classes=[MayDecide]
    )
    async def protocol_register(
        self,
        info: Info,
        input: RegisterInput,  # noqa: A002 - the API's word
    ) -> ProtocolRegisterPayload | None:
        """Register a protocol."""
        said = {name: value for name, value in _given(input.plan).items() if value is not None}

        async def action() -> dict[str, Any]:
            async with info.context.write(info) as session:
                registered = await protocols.register(
                    session,
                    actor=info.context.actor(),
                    key=input.key,
                    name=input.name,
                    description=input.description,
                    plan=terms.Terms(**said),
                )
            return {"protocol": registered}

        return await answer(ProtocolRegisterPayload, action)

    @strawberry.mutation(
        description="Make the next version of a protocol. Plans that are there keep theirs.",
        permission_classes=[MayDecide],
    )
    async def protocol_update(
        self,
        info: Info,
        input: UpdateInput,  # noqa: A002 - the API's word
    ) -> ProtocolUpdatePayload | None:
        """Make the next version of a protocol."""
        texts = {"name": input.name, "description": input.description}
        given = {name: text for name, text in texts.items() if text is not strawberry.UNSET}

        async def action() -> dict[str, Any]:
            identity = row_of("Protocol", input.id)
            async with info.context.write(info) as session:
                updated = await protocols.update(
                    session, actor=info.context.actor(), protocol_id=identity, given=given, plan=_changed(input.plan)
                )
            return {"protocol": updated}

        return await answer(ProtocolUpdatePayload, action)


def _changed(plan: ProtocolPlanInput | None) -> dict[str, Any]:
    """What changes of the terms: all of them are cleared by null."""
    if plan is None:
        return dict.fromkeys(terms.Terms.__slots__)
    return {} if plan is strawberry.UNSET else _given(plan)


def _given(plan: ProtocolPlanInput) -> dict[str, Any]:
    """The terms that are given, each as the service takes it."""
    given = said(plan)
    if given.get("kpis") is not None:
        given["kpis"] = [_kpi(kpi) for kpi in given["kpis"]]
    return given | {"targeting": conditions(given["targeting"])} if "targeting" in given else given


def _kpi(given: ProtocolKpiInput) -> terms.KpiTerms:
    return terms.KpiTerms(
        kpi=given.kpi,
        role=given.role,
        mde_difference=_size(given.mde.difference) if given.mde else None,
        mde_lift=_size(given.mde.lift) if given.mde else None,
        margin=given.margin,
        is_fixed=given.is_fixed,
    )


def _size(given: float | None) -> float | None:
    return None if given is strawberry.UNSET else given
