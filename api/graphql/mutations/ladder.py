"""Assuming how a lagging KPI moves with a leading one, taking it back, and having data asked, each with a reason."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, Any

import strawberry

from api.auth.permissions import MayEdit
from api.database import driver
from api.graphql.context import Info
from api.graphql.errors import UserError, answer
from api.graphql.types.ladder import KpiLink, KpiStep
from experiments.programme import links
from kpi import ladder, queries


@strawberry.input(description="What is assumed of two KPIs. It is never shown as estimated.")
class KpiLinkAssumeInput:
    """What is assumed of two KPIs."""

    leading: str = strawberry.field(description="The key of the KPI that moves first.")
    lagging: str = strawberry.field(description="The key of the KPI that moves with it.")
    low: float = strawberry.field(
        description="The least per cent the lagging KPI moves with one per cent of the leading one."
    )
    likely: float = strawberry.field(description="The likeliest.")
    high: float = strawberry.field(description="The most.")
    reason: str = strawberry.field(description="The reason, kept with the assumption.")


@strawberry.input(description="Two KPIs of which nothing is to be assumed any more.")
class KpiLinkWithdrawInput:
    """Two KPIs of which nothing is to be assumed any more."""

    leading: str = strawberry.field(description="The key of the KPI that moves first.")
    lagging: str = strawberry.field(description="The key of the KPI that moves with it.")
    reason: str = strawberry.field(description="The reason, kept with the link.")


@strawberry.input(description="Two KPIs of which data shall say how the one moves with the other, from now on.")
class KpiLinkEstimateInput:
    """Two KPIs of which data shall be asked."""

    leading: str = strawberry.field(description="The key of the KPI that moves first.")
    lagging: str = strawberry.field(description="The key of the KPI that moves with it.")
    reason: str = strawberry.field(description="The reason, kept with the link.")


@strawberry.type
class Linked:
    """What every change of a link answers."""

    link: KpiLink | None = strawberry.field(description="The link; null when there are errors.", default=None)
    user_errors: list[UserError] = strawberry.field(description="The faults in the input.")


@strawberry.type(description="The answer to kpiLinkAssume.")
class KpiLinkAssumePayload(Linked):
    """The answer to kpiLinkAssume."""


@strawberry.type(description="The answer to kpiLinkWithdraw.")
class KpiLinkWithdrawPayload(Linked):
    """The answer to kpiLinkWithdraw."""


@strawberry.type(
    description="The answer to kpiLinkEstimate. The link is estimated anew every week, and after a decision."
)
class KpiLinkEstimatePayload:
    """The answer to kpiLinkEstimate."""

    step: KpiStep | None = strawberry.field(
        description="What each source says now, and all together; null when there are errors. Cohorts that take "
        "seconds to add up are not among them yet.",
        default=None,
    )
    user_errors: list[UserError] = strawberry.field(description="The faults in the input.")


AssumeInput = Annotated[KpiLinkAssumeInput, strawberry.argument(description="What is assumed.")]
EstimateInput = Annotated[KpiLinkEstimateInput, strawberry.argument(description="The two KPIs.")]
WithdrawInput = Annotated[KpiLinkWithdrawInput, strawberry.argument(description="The two KPIs.")]


@strawberry.type
class LadderMutation:
    """Assuming links of the ladder, and taking them back."""

    @strawberry.mutation(
        description="Assume how a lagging KPI moves with a leading one, on the record.", permission_classes=[MayEdit]
    )
    async def kpi_link_assume(
        self,
        info: Info,
        input: AssumeInput,  # noqa: A002 - the API's word
    ) -> KpiLinkAssumePayload | None:
        """Assume how a lagging KPI moves with a leading one."""
        range_ = ladder.Range(low=input.low, likely=input.likely, high=input.high)
        step = partial(ladder.assume, range_=range_)
        return await answer(KpiLinkAssumePayload, lambda: _change(info, input, step))

    @strawberry.mutation(
        description="Estimate from cohorts and experiments how a lagging KPI moves with a leading one, now and weekly.",
        permission_classes=[MayEdit],
    )
    async def kpi_link_estimate(
        self,
        info: Info,
        input: EstimateInput,  # noqa: A002 - the API's word
    ) -> KpiLinkEstimatePayload | None:
        """Estimate how a lagging KPI moves with a leading one."""
        return await answer(KpiLinkEstimatePayload, lambda: _estimate(info, input))

    @strawberry.mutation(
        description="Take back what was assumed of two KPIs; what data say stays.", permission_classes=[MayEdit]
    )
    async def kpi_link_withdraw(
        self,
        info: Info,
        input: WithdrawInput,  # noqa: A002 - the API's word
    ) -> KpiLinkWithdrawPayload | None:
        """Take back what was assumed of two KPIs."""
        return await answer(KpiLinkWithdrawPayload, lambda: _change(info, input, ladder.withdraw))


async def _change(
    info: Info, given: KpiLinkAssumeInput | KpiLinkWithdrawInput, step: Callable[..., Awaitable[Any]]
) -> dict[str, Any]:
    who = info.context.actor(given.reason)
    async with info.context.write(info) as session:
        return {"link": await step(session, actor=who, leading=given.leading, lagging=given.lagging)}


async def _estimate(info: Info, given: KpiLinkEstimateInput) -> dict[str, Any]:
    who = info.context.actor(given.reason)
    async with info.context.write(info) as session:
        connection = await driver(session)
        pair = await links.ask(session, connection, actor=who, leading=given.leading, lagging=given.lagging)
        known = await queries.newest_links(session, who.workspace_id)
    ids = tuple(kpi.id for kpi in pair)
    steps = ladder.steps(link for link in known if (link.leading_id, link.lagging_id) == ids)
    return {"step": KpiStep(step=steps[0])}
