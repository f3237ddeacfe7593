"""Registering experiments."""

from typing import Annotated, Any

import strawberry
from strawberry.scalars import JSON

from api.auth.permissions import MayEdit
from api.graphql.context import Info
from api.graphql.errors import UserError, answer
from api.graphql.replies import Repeatable
from api.graphql.types.experiment import Experiment
from experiments import enums, service
from experiments.planning import draft, targeting, terms


@strawberry.input(description="One of the ways the experiment treats a unit.")
class VariantInput:
    """A variant."""

    key: str = strawberry.field(description="The key, unique in the experiment; exposures name it.")
    name: str = strawberry.field(description="The name.")
    weight: float = strawberry.field(description="The share of units it takes, relative to the others.", default=1.0)
    is_control: bool = strawberry.field(description="Whether it is the control.", default=False)
    payload: JSON | None = strawberry.field(
        description="The JSON object that whoever shows the variant is handed, up to 4,096 bytes.", default=None
    )


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
        description="The expected correlation to the KPI, of users seen before: primaryUnits shrink by it.",
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


@strawberry.input(description="A condition on an attribute that comes with an exposure.")
class TargetingConditionInput:
    """A condition on an attribute."""

    attribute: str = strawberry.field(description="The attribute. Where it is missing, only NOT_EXISTS holds.")
    operator: targeting.Operator = strawberry.field(description="How it is held against the values.")
    values: list[JSON] = strawberry.field(
        description="Texts, numbers, true or false; of a comparison one number, of EXISTS and NOT_EXISTS none.",
        default_factory=list,
    )


@strawberry.input(
    description="What is decided before the start. What is left out comes from the protocol, if one is named."
)
class PlanInput:
    """A plan."""

    kpis: list[PlannedKpiInput] | None = strawberry.field(
        description="The KPIs and their roles. Those that the protocol fixes come in beside them.", default=None
    )
    horizon_days: int | None = strawberry.field(description="The days from start to the last look.", default=None)
    alpha: float | None = strawberry.field(
        description="The error rate of all deciding tests together; 0.05 if nobody says another.", default=None
    )
    power: float | None = strawberry.field(
        description="The chance to find the planned effect; 0.8 if nobody says another.", default=None
    )
    policy: enums.Policy | None = strawberry.field(
        description="The policy that says when the test may decide; GROUP_SEQUENTIAL if nobody says another.",
        default=None,
    )
    looks: int | None = strawberry.field(
        description="The number of looks, evenly spread up to the horizon; 4 if nobody says another.", default=None
    )
    segment_attributes: list[str] | None = strawberry.field(
        description="The attributes at exposure that define segments; none if nobody names some.", default=None
    )
    minimum_days: int | None = strawberry.field(
        description="The days from start before which nothing is decided; a look before them is not taken.",
        default=None,
    )
    audience: str | None = strawberry.field(description="The units it is meant for, in words.", default=None)
    exclusions: str | None = strawberry.field(description="The units that are kept out, in words.", default=None)
    targeting: list[TargetingConditionInput] | None = strawberry.field(
        description="The conditions that all hold for the units that enter, at their exposure; none for everybody.",
        default=None,
    )
    holdout: str | None = strawberry.field(
        description="The key of an experiment whose control is kept out of this one; it is a draft or measures.",
        default=None,
    )
    correction: enums.Correction | None = strawberry.field(
        description="The rule by which what informs is corrected. If nobody says another, BENJAMINI_HOCHBERG for a "
        "fixed plan and E_BENJAMINI_HOCHBERG for one that is watched.",
        default=None,
    )


@strawberry.input(description="An experiment to register.")
class ExperimentRegisterInput(Repeatable):
    """An experiment to register."""

    key: str = strawberry.field(description="The key: small letters, digits and hyphens, unique in the workspace.")
    name: str = strawberry.field(description="The name.")
    hypothesis: str = strawberry.field(description="The key of the hypothesis it tests.")
    kind: enums.Kind = strawberry.field(description="The kind of change it tests.")
    owner: str = strawberry.field(description="The person who owns it.")
    variants: list[VariantInput] = strawberry.field(description="The variants, one of them the control.")
    plan: PlanInput = strawberry.field(description="The plan.")
    protocol: str | None = strawberry.field(
        description="The key of the protocol it follows; the plan records its latest version.", default=None
    )
    layer: str | None = strawberry.field(
        description="The key of the layer: experiments of one layer share no unit. Sealed with the plan.", default=None
    )
    traffic: float | None = strawberry.field(
        description="The share of units that enters at first, above 0 and at most 1; absent for all.", default=None
    )


@strawberry.type(description="The answer to experimentRegister.")
class ExperimentRegisterPayload:
    """The answer to experimentRegister."""

    experiment: Experiment | None = strawberry.field(
        description="The experiment; null when there are errors.", default=None
    )
    user_errors: list[UserError] = strawberry.field(description="The faults in the input.")


RegisterInput = Annotated[ExperimentRegisterInput, strawberry.argument(description="The experiment to register.")]


@strawberry.type
class ExperimentMutation:
    """Registering experiments."""

    @strawberry.mutation(description="Register an experiment with its plan, as a draft.", permission_classes=[MayEdit])
    async def experiment_register(
        self,
        info: Info,
        input: RegisterInput,  # noqa: A002 - the API's word
    ) -> ExperimentRegisterPayload | None:
        """Register an experiment."""

        async def action() -> dict[str, Any]:
            variants = [draft.VariantChoice(**vars(variant)) for variant in input.variants]
            fields = input.said() | {"variants": variants, "plan": _plan(input)}
            del fields["layer"], fields["traffic"]  # of the experiment as it is stated, of the plan as it is sealed
            async with info.context.write(info) as session:
                experiment = await service.register(
                    session, workspace_id=info.context.caller.workspace_id, now=info.context.now, **fields
                )
            return {"experiment": experiment}

        return await answer(ExperimentRegisterPayload, action)


def _plan(given: ExperimentRegisterInput) -> terms.PlanPart:
    kpis = None if given.plan.kpis is None else [kpi_choice(kpi) for kpi in given.plan.kpis]
    stated = {"kpis": kpis, "targeting": conditions(given.plan.targeting)}
    return terms.PlanPart(**(vars(given.plan) | stated | {"layer": given.layer, "traffic": given.traffic}))


def conditions(given: list[TargetingConditionInput] | None) -> list[targeting.Condition] | None:
    """Conditions as the service takes them."""
    return None if given is None else [targeting.Condition(**vars(one)) for one in given]


def kpi_choice(given: PlannedKpiInput) -> draft.KpiChoice:
    """A KPI's part in a plan, as the service takes it."""
    return draft.KpiChoice(
        kpi=given.kpi,
        role=given.role,
        mde_difference=(given.mde.difference or None) if given.mde else None,
        mde_lift=(given.mde.lift or None) if given.mde else None,
        margin=given.margin,
        covariate=None if given.covariate is None else draft.CovariateChoice(**vars(given.covariate)),
    )
